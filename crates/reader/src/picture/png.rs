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
    let reader = decoder.read_info().map_err(broken)?;
    // The crate would panic where it expands one that is no whole colours.
    match reader.info().palette.as_ref().map(|palette| palette.len()) {
        Some(bytes) if bytes % 3 != 0 || bytes > 256 * 3 => {
            Err(Error::Format(format!("png: a palette of {bytes} bytes, expected up to 256 colours of 3")))
        }
        _ => Ok(reader),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 x 1 indices of 8 bits and a palette of so many bytes.
    fn indexed(palette: usize) -> Vec<u8> {
        let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
        let mut chunk = |kind: &[u8; 4], data: &[u8]| {
            let mut check = flate2::Crc::new();
            check.update(kind);
            check.update(data);
            for part in [&(data.len() as u32).to_be_bytes(), kind, data, &check.sum().to_be_bytes()] {
                out.extend(part);
            }
        };
        chunk(b"IHDR", &[0, 0, 0, 2, 0, 0, 0, 1, 8, 3, 0, 0, 0]);
        chunk(b"PLTE", &(0..palette).map(|i| i as u8).collect::<Vec<_>>());
        chunk(b"IDAT", b"\x78\x01\x01\x03\x00\xfc\xff\x00\x00\x01\x00\x04\x00\x02");
        chunk(b"IEND", &[]);
        out
    }

    #[test]
    fn a_palette_of_no_whole_colours_is_refused() {
        let mut out = [0; 6];
        decode(&indexed(6), DataType::U8, &mut out).unwrap();
        assert_eq!(out, [0, 1, 2, 3, 4, 5]);
        for bytes in [4, 5, 268, 769, 3 * 257] {
            let e = decode(&indexed(bytes), DataType::U8, &mut out).unwrap_err().to_string();
            assert!(e.contains("palette") || e.contains("PLTE"), "{bytes}: {e}");
        }
    }
}
