//! Reading an image whole, the slow way that is easy to believe.
#![allow(dead_code)]

pub(crate) mod tiff;

use outcrop_core::{Channels, Rect, Request, Result, Scratch, Source, with_pixels};

/// The samples of a request as little-endian bytes in C order (rows, columns, channels).
pub(crate) fn bytes_of(
    source: &dyn Source,
    rect: Rect,
    channels: &Channels,
    scratch: &mut Scratch,
) -> Result<Vec<u8>> {
    let request = Request { rect, channels };
    source.fetch(&request, scratch)?;
    let out = read_fetched(source, rect, channels, scratch)?;
    source.release(&request);
    Ok(out)
}

fn read_fetched(
    source: &dyn Source,
    rect: Rect,
    channels: &Channels,
    scratch: &mut Scratch,
) -> Result<Vec<u8>> {
    let pixels = source.read(&Request { rect, channels }, scratch)?.pixels;
    assert_eq!(pixels.shape(), [rect.height as usize, rect.width as usize, channels.len()]);
    let mut out = Vec::new();
    with_pixels!(pixels, v => for sample in v.iter() {
        let mut bytes = bytemuck::bytes_of(sample).to_vec();
        if cfg!(target_endian = "big") {
            bytes.reverse();
        }
        out.extend(bytes);
    });
    Ok(out)
}

/// Reads a request in parts, where the source can: quarters, and of every other one the channels one by one. The first that is
/// not what it must be, cut out of the whole image's bytes.
pub(crate) fn wrong_part(
    whole: &[u8],
    source: &dyn Source,
    rect: Rect,
    channels: &Channels,
    scratch: &mut Scratch,
) -> Result<Option<String>> {
    if !source.reads_parts((rect.height, rect.width), channels) {
        return Ok(None);
    }
    let request = Request { rect, channels };
    source.fetch(&request, scratch)?;
    let half = |start: u64, size: u64| [(start, size / 3), (start + size / 3, size - size / 3)];
    let quarters = half(rect.y, rect.height)
        .into_iter()
        .flat_map(|(y, height)| half(rect.x, rect.width).map(|(x, width)| Rect { y, x, height, width }));
    for (i, part) in quarters.filter(|part| !part.is_empty()).enumerate() {
        let all = source.image().extent.channels;
        let single = channels.indices().iter().map(|&c| Channels::select(vec![c], all));
        let selections = if i % 2 == 0 { vec![channels.clone()] } else { single.collect::<Result<_>>()? };
        for channels in &selections {
            if read_fetched(source, part, channels, scratch)? != cut(whole, source, part, channels) {
                return Ok(Some(format!("other pixels in the part {part} of {rect}, {channels:?}")));
            }
        }
    }
    source.release(&request);
    Ok(None)
}

/// All samples, in one request.
pub(crate) fn whole(source: &dyn Source) -> Result<Vec<u8>> {
    let extent = source.image().extent;
    bytes_of(source, extent.rect(), &Channels::all(extent.channels), &mut Scratch::new())
}

/// What [`bytes_of`] must give, cut out of the whole image's bytes.
pub(crate) fn cut(whole: &[u8], source: &dyn Source, rect: Rect, channels: &Channels) -> Vec<u8> {
    let (extent, size) = (source.image().extent, source.image().dtype.bytes());
    let mut out = Vec::new();
    for y in rect.y..rect.bottom() {
        for x in rect.x..rect.right() {
            for &c in channels.indices() {
                let at = ((y * extent.width + x) * extent.channels + c) as usize * size;
                out.extend(&whole[at..at + size]);
            }
        }
    }
    out
}
