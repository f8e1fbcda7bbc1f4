//! PNG, by `png`: every colour type and depth; of an animation the first frame.

use std::io::{BufRead, Cursor, Seek};

use outcrop_core::{ByteOrder, DataType, Error, Result};

use super::{Colours, Head, HeadReader, exif};
use crate::tiff::unpack::to_native;

fn broken(e: png::DecodingError) -> Error {
    match e {
        png::DecodingError::LimitsExceeded => Error::Limits {
            what: "a png chunk".into(),
            needed: u64::MAX,
            limit: png::Limits::default().bytes as u64,
        },
        e => Error::Format(format!("png: {e}")),
    }
}

/// Palettes as colours, narrow samples as 8 bits, transparent colours as alpha.
fn begin<R: BufRead + Seek>(from: R) -> Result<png::Reader<R>> {
    let mut decoder = png::Decoder::new(from);
    decoder.set_transformations(png::Transformations::EXPAND);
    decoder.read_info().map_err(broken)
}

pub(super) fn head(reader: HeadReader<'_>) -> Result<Head> {
    let reader = begin(reader)?;
    let (colours, depth) = reader.output_color_type();
    let info = reader.info();
    let (colours, alpha) = match colours {
        png::ColorType::Grayscale => (Colours::Gray, false),
        png::ColorType::GrayscaleAlpha => (Colours::Gray, true),
        png::ColorType::Rgba => (Colours::Rgb, true),
        png::ColorType::Rgb | png::ColorType::Indexed => (Colours::Rgb, false),
    };
    let dtype = if depth == png::BitDepth::Sixteen { DataType::U16 } else { DataType::U8 };
    let stored = info.bit_depth as u16;
    Ok(Head {
        width: info.width.into(),
        height: info.height.into(),
        dtype,
        bits: (stored < 8).then_some(stored),
        colours,
        alpha,
        codec: "Deflate",
        orientation: info.exif_metadata.as_ref().and_then(|block| exif::orientation(block)),
        icc: info.icc_profile.as_ref().map(|profile| profile.to_vec()),
        // Some rows, and what inflating takes.
        work_bytes: u64::from(info.width).saturating_mul(8 * 8).saturating_add(1 << 20),
    })
}

pub(super) fn decode(stored: &[u8], dtype: DataType, out: &mut [u8]) -> Result<()> {
    let mut reader = begin(Cursor::new(stored))?;
    if reader.output_buffer_size() != Some(out.len()) {
        return Err(Error::Format("png: the header changed while the file was read".into()));
    }
    reader.next_frame(out).map_err(broken)?;
    to_native(out, dtype.bytes(), ByteOrder::Big);
    Ok(())
}
