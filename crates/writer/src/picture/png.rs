//! PNG: each band of rows filtered and deflated by itself, in an IDAT chunk of its own.

use flate2::{Compress, Compression, FlushCompress, Status};
use outcrop_core::{Buffer, DataType, Error, Extent, Resolution, Result};

use super::PictureOptions;
use super::bands::{Made, Sum};
use super::filter::filter;

/// Length, name and checksum of a chunk.
const FRAME: usize = 12;

pub(super) struct Png {
    row_bytes: u64,
    /// Bytes of a pixel: how far back the filters look.
    pixel: usize,
    level: u8,
    header: Vec<u8>,
}

impl Png {
    pub(super) fn new(extent: Extent, dtype: DataType, options: &PictureOptions) -> Result<Png> {
        let Extent { height, width, channels } = extent;
        let pixel = channels * dtype.bytes() as u64;
        let mut header = b"\x89PNG\r\n\x1a\n".to_vec();
        let colour = [0, 4, 2, 6][channels as usize - 1];
        let mut about = [width as u32, height as u32].map(u32::to_be_bytes).concat();
        about.extend([dtype.bytes() as u8 * 8, colour, 0, 0, 0]);
        put_chunk(&mut header, b"IHDR", &about);
        if let Some(icc) = options.profile(channels) {
            put_chunk(&mut header, b"iCCP", &profile(icc)?);
        }
        if let Some(density) = options.resolution.and_then(per_metre) {
            put_chunk(&mut header, b"pHYs", &density);
        }
        // The header of a zlib stream: Deflate with a window of 32 KiB, no dictionary, the default level.
        put_chunk(&mut header, b"IDAT", &[0x78, 0x9c]);
        Ok(Png { row_bytes: width * pixel, pixel: pixel as usize, level: options.level, header })
    }

    pub(super) fn header(&self) -> &[u8] {
        &self.header
    }

    /// The last block of the zlib stream, which is empty, and the checksum of all.
    pub(super) fn trailer(sum: Sum) -> Vec<u8> {
        let mut end = vec![3, 0];
        end.extend(sum.adler.to_be_bytes());
        let mut trailer = Vec::new();
        put_chunk(&mut trailer, b"IDAT", &end);
        put_chunk(&mut trailer, b"IEND", &[]);
        trailer
    }

    /// The most that a raw stream of codes of 9 bits each, or of stored blocks, is.
    pub(super) fn bound(&self, rows: u64) -> u64 {
        let len = rows.saturating_mul(self.row_bytes + 1);
        len.saturating_add(len / 8 + 1024)
    }

    pub(super) fn compressor(&self) -> Compress {
        Compress::new(Compression::new(self.level.into()), false)
    }

    /// Encodes whole rows.
    pub(super) fn encode(
        &self,
        samples: &[u8],
        deflate: &mut Compress,
        spare: &mut Buffer,
        out: &mut [u8],
    ) -> Result<Made> {
        let row = self.row_bytes as usize;
        let rows = samples.len() / row;
        let len = rows * (row + 1);
        spare.resize(len + row)?;
        let (filtered, try_out) = spare.bytes_mut().split_at_mut(len);
        filter(samples, row, self.pixel, filtered, try_out);
        deflate.reset();
        let failed = |e: &dyn std::fmt::Display| Error::Panic(format!("Deflate encoder: {e}"));
        let room = out.len().saturating_sub(FRAME);
        let room = out.get_mut(8..8 + room).unwrap_or_default();
        let status = deflate.compress(filtered, room, FlushCompress::Full).map_err(|e| failed(&e))?;
        let written = deflate.total_out() as usize;
        // A full flush is over when there was room left after it.
        if status != Status::Ok || deflate.total_in() != len as u64 || written >= room.len() {
            return Err(failed(&"output too short"));
        }
        let at = 8 + written;
        out[..4].copy_from_slice(&((at - 8) as u32).to_be_bytes());
        out[4..8].copy_from_slice(b"IDAT");
        let sum = crc32fast::hash(&out[4..at]);
        out[at..at + 4].copy_from_slice(&sum.to_be_bytes());
        let sum = Sum { adler: libdeflater::adler32(filtered), len: len as u64 };
        Ok(Made { bytes: at - 8 + FRAME, sum })
    }
}

fn put_chunk(to: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    to.extend((data.len() as u32).to_be_bytes());
    let start = to.len();
    to.extend(name);
    to.extend(data);
    let sum = crc32fast::hash(&to[start..]);
    to.extend(sum.to_be_bytes());
}

/// A name, the method, and the profile as a zlib stream.
fn profile(icc: &[u8]) -> Result<Vec<u8>> {
    let mut deflate = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
    let name = b"ICC profile\0\0";
    let mut chunk = vec![0; name.len() + deflate.zlib_compress_bound(icc.len())];
    chunk[..name.len()].copy_from_slice(name);
    let len = deflate
        .zlib_compress(icc, &mut chunk[name.len()..])
        .map_err(|e| Error::Panic(format!("Deflate encoder: {e}")))?;
    chunk.truncate(name.len() + len);
    Ok(chunk)
}

/// Pixels per metre; `None` where the unit is none, or the numbers are out of range.
fn per_metre(resolution: Resolution) -> Option<Vec<u8>> {
    let unit = match resolution.unit {
        2 => 1.0 / 0.0254,
        3 => 100.0,
        _ => return None,
    };
    let mut bytes = Vec::with_capacity(9);
    for density in [resolution.x * unit, resolution.y * unit] {
        let whole = density.round_ties_even();
        if !(1.0..=f64::from(i32::MAX)).contains(&whole) {
            return None;
        }
        bytes.extend((whole as u32).to_be_bytes());
    }
    bytes.push(1);
    Some(bytes)
}
