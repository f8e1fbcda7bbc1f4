//! JPEG (7) and old-style JPEG (6), by `zune-jpeg`: baseline and progressive, 8 bits, 1 to 4 components.

use outcrop_core::{Error, Result};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::super::block::BlockSpec;
use super::Codec;
use super::image::{Buffers, Shape};

/// Decodes an image. YCbCr becomes RGB where the page says that it is YCbCr; all else is left as it is stored.
pub(super) fn decode(
    spec: &BlockSpec,
    codec: Codec,
    stored: &[u8],
    shape: Shape,
    buffers: &mut Buffers,
    out: &mut [u8],
) -> Result<()> {
    let Buffers { stored: joined, image } = buffers;
    let stream = assemble(spec, codec, stored, joined);
    let broken = |e| Error::Format(format!("jpeg: {}", format!("{e:?}").trim_end()));

    let size = Header::of(stream)?;
    let height = if size.height == 0 { u64::from(shape.rows) } else { u64::from(size.height) };
    if size.precision != 8 {
        return Err(Error::Unsupported(format!("jpeg of {} bits", size.precision)));
    }
    shape.admit("jpeg", size.width.into(), height, size.components.into())?;

    // Strict: otherwise a cut stream ends in gray without an error. (Two components are only read when it is not.)
    let options = DecoderOptions::new_fast()
        .set_strict_mode(size.components != 2)
        .set_max_width(65_535)
        .set_max_height(65_535);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(stream), options);
    decoder.decode_headers().map_err(broken)?;
    let input = match decoder.input_colorspace() {
        // Until it decodes, the library takes Adobe's transform 0 for CMYK, whatever the number of components.
        Some(ColorSpace::CMYK) if size.components == 3 => ColorSpace::RGB,
        input => input.unwrap_or(ColorSpace::Unknown),
    };
    let output = match size.components {
        1 => ColorSpace::Luma,
        2 => ColorSpace::LumaA,
        3 if converts(spec, &size) && input == ColorSpace::YCbCr => ColorSpace::RGB,
        _ => input,
    };
    decoder.set_options(options.jpeg_set_out_colorspace(output));
    let (width, height) = decoder.dimensions().unwrap_or_default();
    shape.admit("jpeg", width as u64, height as u64, output.num_components() as u64)?;
    shape.decode_into(width, height, image, out, |image| decoder.decode_into(image).map_err(broken))
}

/// Whether YCbCr is to become RGB. A page that says RGB but holds JFIF streams was written by libraries that convert,
/// as tifffile has it.
fn converts(spec: &BlockSpec, size: &Header) -> bool {
    spec.samples() == 3 && (spec.photometric == 6 || (spec.photometric == 2 && size.jfif))
}

/// The whole stream: the page's tables before the block's own segments.
fn assemble<'a>(spec: &'a BlockSpec, codec: Codec, stored: &'a [u8], joined: &'a mut Vec<u8>) -> &'a [u8] {
    const START: [u8; 2] = [0xff, 0xd8];
    const END: [u8; 2] = [0xff, 0xd9];
    let tables = match (&spec.old_jpeg, &spec.jpeg_tables) {
        (Some(whole), _) if codec == Codec::OldJpeg => {
            if stored.starts_with(&START) && Header::of(stored).is_ok() {
                return stored;
            }
            if !ends_in_scan_header(whole) {
                return whole;
            }
            &whole[..]
        }
        (_, Some(tables)) if tables.starts_with(&START) => tables.strip_suffix(&END).unwrap_or(tables),
        _ => return stored,
    };
    joined.clear();
    joined.extend_from_slice(tables);
    joined.extend_from_slice(stored.strip_prefix(&START).unwrap_or(stored));
    joined
}

/// Whether a stream stops right after its scan header, so that the block's bytes are the scan.
fn ends_in_scan_header(stream: &[u8]) -> bool {
    let mut segments = Segments { rest: stream.get(2..).unwrap_or_default() };
    segments.any(|(marker, _)| marker == 0xda) && segments.rest.is_empty()
}

/// The marker segments before the scan: marker and content.
struct Segments<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Segments<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let start = self.rest.iter().position(|&b| b == 0xff)?;
        let fill = self.rest[start..].iter().position(|&b| b != 0xff)?;
        let marker = self.rest[start + fill];
        let after = &self.rest[start + fill + 1..];
        if matches!(marker, 0 | 1 | 0xd0..=0xd9) {
            self.rest = after;
            return Some((marker, &[]));
        }
        let [high, low, ..] = *after else { return None };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let content = after.get(2..length)?;
        self.rest = &after[length..];
        Some((marker, content))
    }
}

/// What the frame header says.
struct Header {
    precision: u8,
    width: u16,
    height: u16,
    components: u8,
    jfif: bool,
}

impl Header {
    fn of(stream: &[u8]) -> Result<Header> {
        let mut jfif = false;
        for (marker, content) in (Segments { rest: stream.get(2..).unwrap_or_default() }) {
            match (marker, content) {
                (0xe0, [b'J', b'F', b'I', b'F', ..]) => jfif = true,
                (
                    0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf,
                    &[precision, h0, h1, w0, w1, components, ..],
                ) => {
                    if !matches!(marker, 0xc0..=0xc2) {
                        let name = match marker {
                            0xc3 => "lossless ",
                            0xc5..=0xc7 => "hierarchical ",
                            0xc9..=0xcb => "arithmetic-coded ",
                            _ => "",
                        };
                        return Err(Error::Unsupported(format!(
                            "{name}jpeg (coding process SOF{}): only baseline and progressive are read",
                            marker - 0xc0
                        )));
                    }
                    let (width, height) = (u16::from_be_bytes([w0, w1]), u16::from_be_bytes([h0, h1]));
                    return Ok(Header { precision, width, height, components, jfif });
                }
                (0xda, _) => break,
                _ => {}
            }
        }
        Err(Error::Format("jpeg: no frame header before the scan".into()))
    }
}
