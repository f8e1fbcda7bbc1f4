//! [`Bands`]: a picture cut into bands of full rows, and what stands before and after them in the file.

use outcrop_core::{Buffer, DataType, Error, Extent, Pixels, Result};

use super::jpeg::Jpeg;
use super::png::Png;
use super::webp::WebP;
use super::{PictureFormat, PictureOptions};
use crate::gather::gather;
use crate::jpeg::Coder;

/// Samples of a band, about: enough that its own start costs nothing, and few enough for many to be in flight.
pub(super) const BAND_BYTES: u64 = 1 << 20;

/// How a picture of one extent and type is written.
pub(super) struct Bands {
    pub(super) extent: Extent,
    pub(super) dtype: DataType,
    rows: u64,
    codec: Codec,
}

enum Codec {
    Png(Png),
    Jpeg(Jpeg),
    WebP(WebP),
}

/// What one worker needs, kept from band to band.
pub(super) struct Worker {
    /// The band's samples in C order, those of 16 bits with the high byte first.
    samples: Buffer,
    /// What the codec makes of them on the way.
    pub(super) spare: Buffer,
    deflate: Option<flate2::Compress>,
    coder: Coder,
}

/// What became of a band.
pub(super) struct Made {
    /// Bytes of the file.
    pub(super) bytes: usize,
    pub(super) sum: Sum,
}

/// The Adler-32 of bytes, and how many these were: a PNG needs that of all its bands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) adler: u32,
    pub(super) len: u64,
}

pub(super) const NO_BYTES: Sum = Sum { adler: 1, len: 0 };

impl Sum {
    /// The sum of these bytes and of `next` after them.
    pub(super) fn then(self, next: Sum) -> Sum {
        const BASE: u64 = 65_521;
        let halves = |sum: u32| (u64::from(sum & 0xffff), u64::from(sum >> 16));
        let ((a, b), (next_a, next_b)) = (halves(self.adler), halves(next.adler));
        // Adler's a counts from 1, and b is the sum of all a: those of `next` are all larger by our a - 1.
        let sum_a = (a + next_a + BASE - 1) % BASE;
        let sum_b = (b + next_b + (next.len % BASE) * ((a + BASE - 1) % BASE)) % BASE;
        Sum { adler: (sum_b << 16 | sum_a) as u32, len: self.len + next.len }
    }
}

impl Worker {
    pub(super) fn new(bands: &Bands) -> Worker {
        let deflate = match &bands.codec {
            Codec::Png(png) => Some(png.compressor()),
            _ => None,
        };
        Worker { samples: Buffer::new(), spare: Buffer::new(), deflate, coder: Coder::default() }
    }
}

impl Bands {
    /// Decides all that is known before the first pixel.
    pub(super) fn new(
        format: PictureFormat,
        extent: Extent,
        dtype: DataType,
        options: &PictureOptions,
    ) -> Result<Bands> {
        format.check(extent, dtype)?;
        options.check()?;
        let codec = match format {
            PictureFormat::Png => Codec::Png(Png::new(extent, dtype, options)?),
            PictureFormat::Jpeg => Codec::Jpeg(Jpeg::new(extent, options)?),
            PictureFormat::WebP => Codec::WebP(WebP::new(extent, options)),
        };
        let rows = match &codec {
            Codec::Png(_) => rows_of(extent.width * extent.channels * dtype.bytes() as u64, 1, u64::MAX),
            Codec::Jpeg(jpeg) => jpeg.rows(),
            Codec::WebP(_) => extent.height,
        };
        let bands = Bands { extent, dtype, rows, codec };
        // The length of a PNG's chunk has 31 bits.
        if format == PictureFormat::Png && bands.bound(rows.min(extent.height)) > i32::MAX as usize {
            return Err(Error::Usage(format!(
                "a {} of rows of {} pixels is more than its parts can hold (--window)",
                format.name(),
                extent.width
            )));
        }
        Ok(bands)
    }

    /// Rows of a band; the last one may have fewer.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// The most bytes that a band of so many rows becomes.
    pub(super) fn bound(&self, rows: u64) -> usize {
        let bound = match &self.codec {
            Codec::Png(png) => png.bound(rows),
            Codec::Jpeg(jpeg) => jpeg.bound(rows),
            Codec::WebP(webp) => webp.bound(),
        };
        usize::try_from(bound).unwrap_or(usize::MAX)
    }

    /// The most bytes that a worker holds beside what it makes.
    pub(super) fn worker_bytes(&self) -> u64 {
        let rows = self.rows.min(self.extent.height);
        let samples = rows.saturating_mul(self.row_bytes());
        let codec = match &self.codec {
            // Filtered rows, and zlib's window and tables.
            Codec::Png(_) => samples + rows + 5 * self.row_bytes() + (1 << 20),
            Codec::Jpeg(_) => Coder::context_bytes(self.extent.channels, rows, self.extent.width) + (1 << 16),
            // Pixels of 4 bytes, and the frame in a vector that grows by doubling.
            Codec::WebP(webp) => samples / self.extent.channels * 4 + 2 * webp.bound(),
        };
        samples.saturating_add(codec)
    }

    fn row_bytes(&self) -> u64 {
        self.extent.width * self.extent.channels * self.dtype.bytes() as u64
    }

    /// What the file starts with.
    pub(super) fn header(&self) -> &[u8] {
        match &self.codec {
            Codec::Png(png) => png.header(),
            Codec::Jpeg(jpeg) => jpeg.header(),
            Codec::WebP(_) => &[],
        }
    }

    /// What the file ends with.
    pub(super) fn trailer(&self, sum: Sum) -> Vec<u8> {
        match &self.codec {
            Codec::Png(_) => Png::trailer(sum),
            Codec::Jpeg(_) => Jpeg::trailer(),
            Codec::WebP(_) => Vec::new(),
        }
    }

    /// Encodes the band that starts at row `y` into `out`, which has room for its [`bound`](Bands::bound).
    pub(super) fn encode(
        &self,
        y: u64,
        pixels: Pixels<'_>,
        worker: &mut Worker,
        out: &mut [u8],
    ) -> Result<Made> {
        let [height, width, channels] = pixels.shape();
        let row = width * channels;
        let Worker { samples, spare, deflate, coder } = worker;
        samples.resize(height * row * self.dtype.bytes())?;
        match pixels {
            Pixels::U8(view) => gather(view, samples.bytes_mut(), row, false),
            Pixels::U16(view) => gather(view, samples.samples_mut(), row, cfg!(target_endian = "little")),
            other => return Err(Error::Panic(format!("a picture of {}", other.dtype()))),
        }
        let samples = samples.bytes();
        let bytes = match (&self.codec, deflate) {
            (Codec::Png(png), Some(deflate)) => return png.encode(samples, deflate, spare, out),
            (Codec::Jpeg(jpeg), _) => jpeg.encode(y / self.rows, height, samples, coder, out)?,
            (Codec::WebP(webp), _) => webp.encode(samples, out)?,
            (Codec::Png(_), None) => return Err(Error::Panic("a worker of another format".into())),
        };
        Ok(Made { bytes, sum: NO_BYTES })
    }
}

/// Rows of a band: a multiple of `unit` by a power of two, so that bands fit the blocks of most inputs; at most
/// `most`, where the unit is not more.
pub(super) fn rows_of(row_bytes: u64, unit: u64, most: u64) -> u64 {
    let units = (BAND_BYTES / row_bytes.max(1) / unit).min(most / unit).clamp(1, 4096 / unit);
    unit << units.ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_parts_are_the_sum_of_all() {
        let bytes: Vec<u8> = (0..300_000u32).map(|n| (n.wrapping_mul(n) >> 3) as u8 | 0xf0).collect();
        let sum = |bytes: &[u8]| Sum { adler: libdeflater::adler32(bytes), len: bytes.len() as u64 };
        for cut in [0, 1, 65_520, 65_521, 65_522, 299_999, 300_000] {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(NO_BYTES.then(sum(a)).then(sum(b)), sum(&bytes), "{cut}");
        }
    }

    #[test]
    fn bands_are_powers_of_two_of_their_unit() {
        assert_eq!(rows_of(3 * 20_000, 1, u64::MAX), 16);
        assert_eq!(rows_of(1, 1, u64::MAX), 4096);
        assert_eq!(rows_of(1 << 40, 1, u64::MAX), 1);
        assert_eq!(rows_of(3000, 16, u64::MAX), 256);
        assert_eq!(rows_of(3000, 16, 100), 64);
        assert_eq!(rows_of(1 << 40, 16, 1), 16);
    }
}
