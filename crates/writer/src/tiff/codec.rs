//! [`Codec`]: one worker's compressor, with its contexts kept from block to block.

use image_webp::{ColorType, WebPEncoder};
use liblzma::stream::{Action, Check, Filters, LzmaOptions, Status, Stream};
use outcrop_core::{DataType, Error, Result};

use super::Compression;
use super::lerc::lerc;
use super::lzw::Lzw;
use crate::jpeg::{Coder, END, Quality, START, failed as jpeg_failed};

/// A compressor.
pub(super) enum Codec {
    None,
    PackBits,
    Lzw(Lzw),
    Deflate(libdeflater::Compressor),
    Zstd(zstd::bulk::Compressor<'static>),
    Lzma(u8),
    Jpeg(Jpeg),
    WebP,
    Lerc { max_error: f64, dtype: DataType },
}

/// How a block is encoded as JPEG, and what encodes it.
pub(super) struct Jpeg {
    quality: u8,
    subsampled: bool,
    coder: Coder,
}

/// The shape of a block's pixels, for those codecs that are not of bytes alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Channels in the block's plane.
    pub(super) channels: usize,
    /// Bytes of a row.
    pub(super) row_bytes: usize,
}

fn failed(codec: &str, cause: impl std::fmt::Display) -> Error {
    Error::Panic(format!("{codec} encoder: {cause}"))
}

impl Compression {
    /// The most bytes that a block of `len` bytes, in rows of `row` bytes, can become.
    pub(super) fn bound(self, len: usize, row: usize) -> usize {
        match self {
            Compression::None => len,
            Compression::PackBits => len / row.max(1) * (row + row.div_ceil(128)),
            Compression::Lzw => Lzw::bound(len),
            // libdeflate's own bound: 5 bytes for each stored block of at least 5000, and the zlib frame.
            Compression::Deflate(_) => len + 5 * len.div_ceil(5000).max(1) + 9 + 6,
            Compression::Zstd(_) => zstd::zstd_safe::compress_bound(len),
            // 3 bytes for each stored chunk of 64 KiB; headers, index and footer of the frame.
            Compression::Lzma(_) => len + len / 1024 + 1024,
            // A pixel has at least one sample in a row: what is padded is at most 15 of these.
            Compression::Jpeg { .. } => {
                let (rows, row) = ((len / row.max(1)).next_multiple_of(16), row.saturating_add(45));
                rows.saturating_mul(row).saturating_mul(4).saturating_add(4096)
            }
            // Codes of up to 15 bits for each of the four samples of a pixel, and headers.
            Compression::WebP => (len / 3).saturating_mul(8).saturating_add(1 << 16),
            // Samples as they are, a mask, and headers with two values for each channel.
            Compression::Lerc { .. } => len.saturating_add(len / 8).saturating_add(16 * row + 4096),
        }
    }

    /// Bytes that a worker's contexts take for blocks of `len` bytes, in rows of `row` bytes: what the libraries
    /// document, rounded up.
    pub(super) fn context_bytes(self, len: usize, row: usize) -> u64 {
        let window = len.max(1).next_power_of_two() as u64;
        match self {
            Compression::None | Compression::PackBits => 0,
            Compression::Lzw => 64 << 10,
            // A symbol of 4 bytes for each sample, padded as in the bound.
            Compression::Jpeg { .. } => (1 << 18) + self.bound(len, row) as u64,
            // Pixels of 4 bytes, and the frame in a vector that grows by doubling.
            Compression::WebP => (1 << 20) + 10 * len as u64,
            // Quantised samples, and the blob.
            Compression::Lerc { .. } => (1 << 20) + 10 * len as u64,
            Compression::Deflate(1..=9) => 2 << 20,
            Compression::Deflate(_) => 10 << 20,
            Compression::Zstd(1..=2) => 2 << 20,
            Compression::Zstd(3..=4) => 4 << 20,
            // Hash and chain tables of up to twice the window, of 4 bytes an entry.
            Compression::Zstd(_) => (4 << 20) + 16 * window.min(128 << 20),
            Compression::Lzma(_) => (8 << 20) + 12 * window.max(4096),
        }
    }
}

impl Codec {
    /// For blocks of samples of that type.
    pub(super) fn new(compression: Compression, dtype: DataType) -> Result<Codec> {
        Ok(match compression {
            Compression::None => Codec::None,
            Compression::PackBits => Codec::PackBits,
            Compression::Lzw => Codec::Lzw(Lzw::new()),
            Compression::Deflate(level) => {
                let level = libdeflater::CompressionLvl::new(level.into())
                    .map_err(|_| Error::Usage(format!("Deflate has no level {level}")))?;
                Codec::Deflate(libdeflater::Compressor::new(level))
            }
            Compression::Zstd(level) => {
                Codec::Zstd(zstd::bulk::Compressor::new(level.into()).map_err(|e| failed("ZSTD", e))?)
            }
            Compression::Lzma(preset) => Codec::Lzma(preset),
            Compression::Jpeg { quality, subsampled } => {
                Codec::Jpeg(Jpeg { quality, subsampled, coder: Coder::default() })
            }
            Compression::WebP => Codec::WebP,
            Compression::Lerc { max_error } => Codec::Lerc { max_error, dtype },
        })
    }

    /// Compresses a block; says how many bytes of `out` it took.
    pub(super) fn compress(&mut self, input: &[u8], shape: Shape, out: &mut [u8]) -> Result<usize> {
        match self {
            Codec::None => {
                let out = out.get_mut(..input.len()).ok_or_else(|| failed("no", "output too short"))?;
                out.copy_from_slice(input);
                Ok(input.len())
            }
            Codec::PackBits => {
                let mut at = 0;
                for row in input.chunks(shape.row_bytes.max(1)) {
                    let rest = &mut out[at..];
                    at += pack_bits(row, rest).ok_or_else(|| failed("PackBits", "output too short"))?;
                }
                Ok(at)
            }
            Codec::Lzw(lzw) => lzw.encode(input, out).ok_or_else(|| failed("LZW", "output too short")),
            Codec::Deflate(c) => c.zlib_compress(input, out).map_err(|e| failed("Deflate", e)),
            Codec::Zstd(c) => c.compress_to_buffer(input, out).map_err(|e| failed("ZSTD", e)),
            Codec::Lzma(preset) => lzma(*preset, input, out),
            Codec::Jpeg(jpeg) => jpeg.compress(input, shape, out),
            Codec::WebP => webp(input, shape, out),
            Codec::Lerc { max_error, dtype } => lerc(*max_error, *dtype, input, shape, out),
        }
    }
}

/// Packs one row: runs of 3 and more as such, the rest literally. `None` where `out` is too short.
fn pack_bits(row: &[u8], out: &mut [u8]) -> Option<usize> {
    let (mut at, mut i, mut literals) = (0, 0, 0);
    while i < row.len() {
        let same = row[i..].iter().take(128).take_while(|&&b| b == row[i]).count();
        if same >= 3 {
            at += put_literals(&row[literals..i], out.get_mut(at..)?)?;
            // 257 - n as two's complement of n - 1.
            out.get_mut(at..at + 2)?.copy_from_slice(&[(257 - same) as u8, row[i]]);
            at += 2;
            literals = i + same;
        }
        i += same;
    }
    Some(at + put_literals(&row[literals..], out.get_mut(at..)?)?)
}

fn put_literals(bytes: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut at = 0;
    for part in bytes.chunks(128) {
        *out.get_mut(at)? = (part.len() - 1) as u8;
        out.get_mut(at + 1..at + 1 + part.len())?.copy_from_slice(part);
        at += 1 + part.len();
    }
    Some(at)
}

fn lzma(preset: u8, input: &[u8], out: &mut [u8]) -> Result<usize> {
    let fail = |e| failed("LZMA", e);
    let mut options = LzmaOptions::new_preset(preset.into()).map_err(fail)?;
    // A window beyond the block would only take memory (94 MiB at preset 6).
    options.dict_size((input.len() as u32).max(4096));
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let mut stream = Stream::new_stream_encoder(&filters, Check::None).map_err(fail)?;
    loop {
        let (read, written) = (stream.total_in() as usize, stream.total_out() as usize);
        match stream.process(&input[read..], &mut out[written..], Action::Finish).map_err(fail)? {
            Status::StreamEnd => return Ok(stream.total_out() as usize),
            _ if stream.total_out() as usize == written && stream.total_in() as usize == read => {
                return Err(failed("LZMA", "output too short"));
            }
            _ => {}
        }
    }
}

impl Jpeg {
    /// A stream with Huffman tables of its own; the quantisation tables stand in the directory.
    fn compress(&mut self, input: &[u8], shape: Shape, out: &mut [u8]) -> Result<usize> {
        let quality = Quality::new(self.quality, self.subsampled, shape.channels);
        let short = || jpeg_failed("output too short");
        let (start, rest) = out.split_first_chunk_mut().ok_or_else(short)?;
        *start = START;
        let len = self.coder.frame(quality, input, (shape.rows, shape.columns), rest)?;
        *rest.get_mut(len..).and_then(|rest| rest.first_chunk_mut()).ok_or_else(short)? = END;
        Ok(START.len() + len + END.len())
    }
}

/// A whole WebP file, lossless.
fn webp(input: &[u8], shape: Shape, mut out: &mut [u8]) -> Result<usize> {
    let room = out.len();
    let colour = if shape.channels == 4 { ColorType::Rgba8 } else { ColorType::Rgb8 };
    let encoder = WebPEncoder::new(&mut out);
    encoder.encode(input, shape.columns as u32, shape.rows as u32, colour).map_err(|e| failed("WebP", e))?;
    Ok(room - out.len())
}
