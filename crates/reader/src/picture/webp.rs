//! WebP, by `image-webp`: lossy and lossless; of an animation the first frame.

use std::io::{BufRead, Cursor, Seek};

use image_webp::{DecodingError, WebPDecoder};
use outcrop_core::{DataType, Error, Result};

use super::{Colours, Head, HeadReader, exif};

fn broken(e: DecodingError) -> Error {
    Error::Format(format!("webp: {e}"))
}

/// Most bytes of metadata that are looked at.
const MOST_METADATA: usize = 16 << 20;

fn begin<R: BufRead + Seek>(from: R) -> Result<WebPDecoder<R>> {
    let mut decoder = WebPDecoder::new(from).map_err(broken)?;
    decoder.set_memory_limit(MOST_METADATA);
    Ok(decoder)
}

pub(super) fn head(reader: HeadReader<'_>) -> Result<Head> {
    let mut decoder = begin(reader)?;
    let (width, height) = decoder.dimensions();
    let mut head = Head {
        width: width.into(),
        height: height.into(),
        dtype: DataType::U8,
        bits: None,
        colours: Colours::Rgb,
        alpha: decoder.has_alpha(),
        codec: if decoder.is_lossy() { "VP8" } else { "VP8L" },
        orientation: decoder.exif_metadata().ok().flatten().and_then(|block| exif::orientation(&block)),
        icc: decoder.icc_profile().ok().flatten(),
        work_bytes: 0,
    };
    // Planes, a copy with alpha, transforms of lossless data; a canvas and a frame where it is animated.
    head.work_bytes = head.width.saturating_mul(head.height).saturating_mul(16).saturating_add(1 << 20);
    Ok(head)
}

pub(super) fn decode(stored: &[u8], out: &mut [u8]) -> Result<()> {
    let mut decoder = begin(Cursor::new(stored))?;
    if decoder.output_buffer_size() != Some(out.len()) {
        return Err(Error::Format("webp: the header changed while the file was read".into()));
    }
    decoder.read_image(out).map_err(broken)
}
