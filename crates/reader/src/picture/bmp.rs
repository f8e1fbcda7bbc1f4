//! BMP, by `zune-bmp`: palettes, 16 to 32 bits, bit fields, run lengths.

use outcrop_core::{DataType, Error, Result};
use zune_bmp::{BmpDecoder, BmpDecoderErrors};
use zune_jpeg::zune_core::bytestream::{ZByteReaderTrait, ZCursor};
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Colours, Head, HeadReader};

fn broken(e: BmpDecoderErrors) -> Error {
    Error::Format(format!("bmp: {e:?}"))
}

fn begin<T: ZByteReaderTrait>(from: T) -> Result<BmpDecoder<T>> {
    const MOST: usize = i32::MAX as usize;
    let options = DecoderOptions::new_fast().set_strict_mode(true).set_max_width(MOST).set_max_height(MOST);
    let mut decoder = BmpDecoder::new_with_options(from, options);
    decoder.decode_headers().map_err(broken)?;
    Ok(decoder)
}

pub(super) fn head(reader: HeadReader<'_>) -> Result<Head> {
    let decoder = begin(reader)?;
    let (width, height) = decoder.dimensions().unwrap_or_default();
    let (colours, alpha) = match decoder.colorspace() {
        Some(ColorSpace::Luma) => (Colours::Gray, false),
        Some(ColorSpace::RGB) => (Colours::Rgb, false),
        Some(ColorSpace::RGBA) => (Colours::Rgb, true),
        other => return Err(Error::Unsupported(format!("bmp of colours {other:?}"))),
    };
    Ok(Head {
        width: width as u64,
        height: height as u64,
        dtype: DataType::U8,
        bits: None,
        colours,
        alpha,
        codec: "none",
        orientation: None,
        icc: None,
        // Indices of run lengths before they become colours.
        work_bytes: (width as u64)
            .saturating_mul((height as u64).saturating_add(64))
            .saturating_add(64 << 10),
    })
}

pub(super) fn decode(stored: &[u8], out: &mut [u8]) -> Result<()> {
    let mut decoder = begin(ZCursor::new(stored))?;
    if decoder.output_buf_size() != Some(out.len()) {
        return Err(Error::Format("bmp: the header changed while the file was read".into()));
    }
    decoder.decode_into(out).map_err(broken)
}
