//! PNG inside TIFF (34933), by `png`.

use std::io::Cursor;

use outcrop_core::{ByteOrder, Error, Result};

use super::super::unpack;
use super::image::Shape;

/// Decodes an image whose depth and samples are the block's.
pub(super) fn decode(stored: &[u8], shape: Shape, buffer: &mut Vec<u8>, out: &mut [u8]) -> Result<()> {
    let broken = |e: png::DecodingError| Error::Format(format!("png: {e}"));
    // Besides the image, the library holds a few rows, and texts and profiles that nobody asks for here.
    let limits = png::Limits { bytes: out.len().saturating_add(1 << 20) };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(stored), limits);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(broken)?;
    let info = reader.info();
    let (width, height) = info.size();
    shape.admit("png", width.into(), height.into(), info.color_type.samples() as u64)?;
    if info.bit_depth as usize != 8 * shape.bytes {
        return Err(Error::Unsupported(format!(
            "png of {} bits in samples of {}",
            info.bit_depth as u8,
            8 * shape.bytes
        )));
    }
    shape.decode_into(width as usize, height as usize, buffer, out, |image| {
        reader.next_frame(image).map(drop).map_err(broken)
    })?;
    unpack::to_native(out, shape.bytes, ByteOrder::Big);
    Ok(())
}
