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
    let pixels = source.read(&request, scratch)?.pixels;
    assert_eq!(pixels.shape(), [rect.height as usize, rect.width as usize, channels.len()]);
    let mut out = Vec::new();
    with_pixels!(pixels, v => for sample in v.iter() {
        let mut bytes = bytemuck::bytes_of(sample).to_vec();
        if cfg!(target_endian = "big") {
            bytes.reverse();
        }
        out.extend(bytes);
    });
    source.release(&request);
    Ok(out)
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
