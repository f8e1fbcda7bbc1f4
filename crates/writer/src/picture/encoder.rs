//! [`PictureEncoder`]: pictures of one kind, one after the other, with memory that is kept between them.

use outcrop_core::{Buffer, DataType, Error, Extent, Pixels, Result};

use super::bands::{Bands, NO_BYTES, Worker};
use super::{PictureFormat, PictureOptions};

/// An encoder of many pictures; those of the size of the one before cost nothing but their pixels.
pub(crate) struct PictureEncoder {
    format: PictureFormat,
    options: PictureOptions,
    /// How the last picture was cut.
    last: Option<(Bands, Worker)>,
    encoded: Buffer,
    file: Vec<u8>,
}

impl PictureEncoder {
    pub(crate) fn new(format: PictureFormat, options: PictureOptions) -> PictureEncoder {
        PictureEncoder { format, options, last: None, encoded: Buffer::new(), file: Vec::new() }
    }

    /// The most bytes that an encoder holds for pictures of up to that size.
    pub(crate) fn cost(format: PictureFormat, extent: Extent, dtype: DataType) -> u64 {
        let bands = Bands::new(format, extent, dtype, &PictureOptions::default());
        // Refused when it is encoded.
        let Ok(bands) = bands else { return 0 };
        let count = extent.height.div_ceil(bands.rows());
        let band = bands.bound(bands.rows().min(extent.height)) as u64;
        bands.worker_bytes().saturating_add(band.saturating_mul(count + 1))
    }

    /// The most bytes of a picture of up to that size, its profile apart.
    pub(crate) fn file_bound(format: PictureFormat, extent: Extent, dtype: DataType) -> u64 {
        let bands = Bands::new(format, extent, dtype, &PictureOptions::default());
        let Ok(bands) = bands else { return 0 };
        let count = extent.height.div_ceil(bands.rows());
        let band = bands.bound(bands.rows().min(extent.height)) as u64;
        band.saturating_mul(count).saturating_add(bands.header().len() as u64 + 64)
    }

    /// The bytes of a picture.
    pub(crate) fn encode(&mut self, pixels: Pixels<'_>) -> Result<&[u8]> {
        let [height, width, channels] = pixels.shape().map(|n| n as u64);
        let (extent, dtype) = (Extent::new(height, width, channels), pixels.dtype());
        let (bands, mut worker) = match self.last.take() {
            Some((bands, worker)) if (bands.extent, bands.dtype) == (extent, dtype) => (bands, worker),
            Some((_, worker)) => (Bands::new(self.format, extent, dtype, &self.options)?, worker),
            None => {
                let bands = Bands::new(self.format, extent, dtype, &self.options)?;
                let worker = Worker::new(&bands);
                (bands, worker)
            }
        };
        self.file.clear();
        self.file.extend_from_slice(bands.header());
        let mut sum = NO_BYTES;
        for y in (0..height).step_by(bands.rows() as usize) {
            let rows = bands.rows().min(height - y);
            let band = pixels.slice(0, y as usize..(y + rows) as usize);
            self.encoded.resize(bands.bound(rows))?;
            let made = bands.encode(y, band, &mut worker, self.encoded.bytes_mut())?;
            let bytes = &self.encoded.bytes()[..made.bytes];
            self.file.try_reserve(bytes.len()).map_err(|_| Error::Limits {
                what: format!("a {}", self.format.name()),
                needed: (self.file.len() + bytes.len()) as u64,
                limit: self.file.len() as u64,
            })?;
            self.file.extend_from_slice(bytes);
            sum = sum.then(made.sum);
        }
        self.file.extend(bands.trailer(sum));
        self.last = Some((bands, worker));
        Ok(&self.file)
    }
}
