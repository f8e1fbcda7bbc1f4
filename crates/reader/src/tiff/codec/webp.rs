//! WebP (50001), by `image-webp`.

use std::io::Cursor;

use outcrop_core::{Error, Result};

use super::image::Shape;

/// Decodes an image of 3 or 4 samples; a missing alpha is opaque, as libtiff gives it.
pub(super) fn decode(stored: &[u8], shape: Shape, buffer: &mut Vec<u8>, out: &mut [u8]) -> Result<()> {
    let broken = |e: image_webp::DecodingError| Error::Format(format!("webp: {e}"));
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(stored)).map_err(broken)?;
    let (width, height) = decoder.dimensions();
    let samples = if decoder.has_alpha() { 4 } else { 3 };
    if samples == 3 && shape.samples == 4 {
        let three = Shape { samples: 3, ..shape };
        three.admit("webp", width.into(), height.into(), 3)?;
        buffer.resize(width as usize * height as usize * 3, 0);
        decoder.read_image(buffer).map_err(broken)?;
        let rows = buffer.chunks_exact(width as usize * 3).zip(out.chunks_exact_mut(shape.row_bytes()));
        for (from, to) in rows {
            for (from, to) in from.chunks_exact(3).zip(to.chunks_exact_mut(4)) {
                to.copy_from_slice(&[from[0], from[1], from[2], 255]);
            }
        }
        return Ok(());
    }
    shape.admit("webp", width.into(), height.into(), samples)?;
    shape.decode_into(width as usize, height as usize, buffer, out, |image| {
        decoder.read_image(image).map_err(broken)
    })
}
