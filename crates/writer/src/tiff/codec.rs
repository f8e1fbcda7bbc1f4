//! [`Codec`]: one worker's compressor, with its contexts kept from block to block.

use jpeg_encoder::{ColorType, SamplingFactor};
use liblzma::stream::{Action, Check, Filters, LzmaOptions, Status, Stream};
use outcrop_core::{Error, Result};

use super::Compression;
use super::lzw::Lzw;

/// A compressor.
pub(super) enum Codec {
    None,
    PackBits,
    Lzw(Lzw),
    Deflate(libdeflater::Compressor),
    Zstd(zstd::bulk::Compressor<'static>),
    Lzma(u8),
    Jpeg { quality: u8, subsampled: bool },
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
            // 27 bits a coefficient at the very worst (16 of the code, 11 of the value), and the tables.
            Compression::Jpeg { .. } => 4 * len.next_multiple_of(768) + 4096,
        }
    }

    /// Bytes that a worker's contexts take for blocks of `len` bytes: what the libraries document, rounded up.
    pub(super) fn context_bytes(self, len: usize) -> u64 {
        let window = len.max(1).next_power_of_two() as u64;
        match self {
            Compression::None | Compression::PackBits => 0,
            Compression::Lzw => 64 << 10,
            // Planes of the block, converted and padded.
            Compression::Jpeg { .. } => (1 << 20) + 4 * len as u64,
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
    pub(super) fn new(compression: Compression) -> Result<Codec> {
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
            Compression::Jpeg { quality, subsampled } => Codec::Jpeg { quality, subsampled },
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
            Codec::Jpeg { quality, subsampled } => jpeg(*quality, *subsampled, input, shape, out),
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

/// A whole JPEG stream with its own tables: any reader of TIFF takes that, and blocks stay independent.
fn jpeg(quality: u8, subsampled: bool, input: &[u8], shape: Shape, out: &mut [u8]) -> Result<usize> {
    let mut to = std::io::Cursor::new(out);
    let mut encoder = jpeg_encoder::Encoder::new(&mut to, quality);
    encoder.set_sampling_factor(if subsampled { SamplingFactor::R_4_2_0 } else { SamplingFactor::R_4_4_4 });
    let colour = if shape.channels == 3 { ColorType::Rgb } else { ColorType::Luma };
    let (columns, rows) = (shape.columns as u16, shape.rows as u16);
    encoder.encode(input, columns, rows, colour).map_err(|e| failed("JPEG", e))?;
    Ok(to.position() as usize)
}
