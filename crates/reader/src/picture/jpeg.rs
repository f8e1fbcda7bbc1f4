//! JPEG, by `zune-jpeg`: baseline and progressive, 8 bits, gray, RGB and CMYK.

use outcrop_core::{DataType, Error, Result};
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::{ZByteReaderTrait, ZCursor};
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Colours, Head, HeadReader, exif};

fn broken(e: DecodeErrors) -> Error {
    Error::Format(format!("jpeg: {}", format!("{e:?}").trim_end()))
}

/// A decoder that has read the headers, and the colours that it will give. Strict: otherwise a cut stream ends in gray
/// without an error.
fn begin<T: ZByteReaderTrait>(from: T) -> Result<(JpegDecoder<T>, ColorSpace)> {
    let options =
        DecoderOptions::new_fast().set_strict_mode(true).set_max_width(65_535).set_max_height(65_535);
    let mut decoder = JpegDecoder::new_with_options(from, options);
    decoder.decode_headers().map_err(broken)?;
    let stored = decoder.input_colorspace().unwrap_or(ColorSpace::Unknown);
    let given = match stored {
        ColorSpace::Luma | ColorSpace::RGB | ColorSpace::CMYK | ColorSpace::YCCK => stored,
        ColorSpace::YCbCr => ColorSpace::RGB,
        other => return Err(Error::Unsupported(format!("jpeg of colours {other:?}"))),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(given));
    Ok((decoder, given))
}

pub(super) fn head(reader: HeadReader<'_>) -> Result<Head> {
    let (decoder, given) = begin(reader)?;
    let info = decoder.info().ok_or_else(|| Error::Format("jpeg: no frame header".into()))?;
    let (width, height) = (u64::from(info.width), u64::from(info.height));
    let colours = match given {
        ColorSpace::Luma => Colours::Gray,
        ColorSpace::RGB => Colours::Rgb,
        _ => Colours::Cmyk,
    };
    // Whole blocks of up to 4 x 4 units of 8 x 8.
    let padded = |n: u64| n.next_multiple_of(32);
    let components = u64::from(info.components.max(1));
    let row = padded(width) * components;
    let coefficients =
        if info.sof.is_progressive() { row.saturating_mul(padded(height)).saturating_mul(2) } else { 0 };
    Ok(Head {
        width,
        height,
        dtype: DataType::U8,
        bits: None,
        colours,
        alpha: false,
        codec: if info.sof.is_progressive() { "JPEG, progressive" } else { "JPEG" },
        orientation: decoder.exif().and_then(|block| exif::orientation(block)),
        icc: decoder.icc_profile(),
        work_bytes: coefficients.saturating_add(row.saturating_mul(32 * 6)).saturating_add(256 << 10),
    })
}

pub(super) fn decode(stored: &[u8], out: &mut [u8]) -> Result<()> {
    let (mut decoder, given) = begin(ZCursor::new(stored))?;
    if decoder.output_buffer_size() != Some(out.len()) {
        return Err(Error::Format("jpeg: the header changed while the file was read".into()));
    }
    decoder.decode_into(out).map_err(broken)?;
    match given {
        // Stored inverted, by Adobe's convention that all writers follow.
        ColorSpace::CMYK => out.iter_mut().for_each(|sample| *sample = 255 - *sample),
        ColorSpace::YCCK => {
            for [c, m, y, k] in out.as_chunks_mut::<4>().0 {
                [*c, *m, *y] = rgb([*c, *m, *y]);
                *k = 255 - *k;
            }
        }
        _ => {}
    }
    Ok(())
}

/// YCbCr as RGB, by JFIF's full-range matrix.
fn rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let [y, cb, cr] = [f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0];
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb]
        .map(|v| v.round_ties_even().clamp(0.0, 255.0) as u8)
}
