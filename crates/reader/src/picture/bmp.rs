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
    if pixel_end(stored).is_none_or(|end| end > stored.len() as u64) {
        return Err(Error::Format(format!("bmp: the pixels end beyond the file ({} bytes)", stored.len())));
    }
    decoder.decode_into(out).map_err(broken)
}

/// The byte at which the pixels end, by the header: the decoder takes a file cut short for one that ends in zeros.
fn pixel_end(stored: &[u8]) -> Option<u64> {
    let short = |at: usize| Some(u64::from(u16::from_le_bytes(*stored.get(at..)?.first_chunk()?)));
    let long = |at: usize| Some(i32::from_le_bytes(*stored.get(at..)?.first_chunk()?));
    let start = u64::from(long(10)?.cast_unsigned());
    let (width, height, bits, compression) = match long(14)? {
        12 => (short(18)?, short(20)?, short(24)?, 0),
        _ => {
            let size = |at| Some(u64::from(long(at)?.unsigned_abs()));
            (size(18)?, size(22)?, short(28)?, long(30)?)
        }
    };
    // Run lengths say how many bytes they are.
    if matches!(compression, 1 | 2) {
        return start.checked_add(u64::from(long(34)?.cast_unsigned()));
    }
    let bits = width.checked_mul(bits)?;
    let row = bits.div_ceil(32) * 4;
    // The padding of the last row may be missing.
    start.checked_add(row.checked_mul(height.checked_sub(1)?)?)?.checked_add(bits.div_ceil(8))
}
