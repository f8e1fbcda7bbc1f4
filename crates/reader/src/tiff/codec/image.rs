//! Image codecs: blocks that are images in themselves. Here their samples are fitted into the block.

use outcrop_core::{DataType, Error, Result};

use super::super::block::BlockSpec;
use super::{Codec, jpeg, lerc, logluv};

/// Buffers that the image codecs keep from block to block.
#[derive(Default)]
pub(in super::super) struct Buffers {
    /// Stored bytes put together anew (JPEG tables and scan).
    pub(super) stored: Vec<u8>,
    /// The decoded image, where its size is not the block's.
    pub(super) image: Vec<u8>,
}

/// What an image codec demands of the page.
pub(in super::super) fn check(spec: &BlockSpec, codec: Codec) -> Result<()> {
    let depth = spec.bits[0];
    let types: &[DataType] = match codec {
        Codec::Jpeg | Codec::OldJpeg | Codec::WebP => &[DataType::U8],
        Codec::Png | Codec::Jpeg2000 => &[DataType::U8, DataType::U16],
        Codec::JpegXl => &[DataType::U8, DataType::U16, DataType::F32],
        Codec::SgiLog | Codec::SgiLog24 => return logluv::check(spec),
        _ => return lerc::check(spec),
    };
    let fits = usize::from(depth) <= 8 * spec.dtype.bytes() && spec.bits.iter().all(|&b| b == depth);
    if !types.contains(&spec.dtype) || !fits {
        return Err(Error::Unsupported(format!("{codec:?} of {:?} bits as {}", spec.bits, spec.dtype)));
    }
    Ok(())
}

/// Decodes the first `rows` rows of a block.
pub(in super::super) fn decode(
    spec: &BlockSpec,
    codec: Codec,
    stored: &[u8],
    rows: u32,
    contexts: &mut super::Contexts,
    out: &mut [u8],
) -> Result<()> {
    let shape = Shape { width: spec.width, rows, samples: spec.samples(), bytes: spec.dtype.bytes() };
    match codec {
        Codec::Jpeg | Codec::OldJpeg => jpeg::decode(spec, codec, stored, shape, &mut contexts.image, out),
        #[cfg(feature = "webp")]
        Codec::WebP => super::webp::decode(stored, shape, &mut contexts.image.image, out),
        #[cfg(feature = "png")]
        Codec::Png => super::png::decode(stored, shape, &mut contexts.image.image, out),
        #[cfg(feature = "jpeg2000")]
        Codec::Jpeg2000 => super::jpeg2000::decode(spec, stored, shape, out),
        #[cfg(feature = "jxl")]
        Codec::JpegXl => super::jxl::decode(spec, stored, shape, out),
        Codec::Lerc => lerc::decode(spec, stored, shape, contexts, out),
        Codec::SgiLog | Codec::SgiLog24 => logluv::decode(spec, codec, stored, shape, out),
        _ => Err(Error::Unsupported(format!("TIFF compression {}", spec.compression))),
    }
}

/// The shape of the rows asked for.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Shape {
    pub(super) width: u32,
    pub(super) rows: u32,
    pub(super) samples: usize,
    /// Bytes of a sample.
    pub(super) bytes: usize,
}

/// The most that a block's own image may have beyond the block's pixels before it is refused: files give the last
/// strip or tile whole or cut, never many times larger.
const SLACK: u64 = 1 << 20;

impl Shape {
    /// Checks the size that an image inside a block declares, before anything is allocated for it.
    ///
    /// # Errors
    /// [`Error::Format`] where it is smaller than the rows asked for or far larger, or has other samples.
    pub(super) fn admit(&self, codec: &str, width: u64, height: u64, samples: u64) -> Result<()> {
        let pixels = width.saturating_mul(height);
        let most = (u64::from(self.width) * u64::from(self.rows)).saturating_mul(4).saturating_add(SLACK);
        if width < u64::from(self.width) || height < u64::from(self.rows) || pixels > most {
            return Err(Error::Format(format!(
                "{codec}: an image of {width} x {height} pixels in a block of {} x {}",
                self.width, self.rows
            )));
        }
        if samples != self.samples as u64 {
            return Err(Error::Format(format!(
                "{codec}: {samples} samples per pixel, expected {}",
                self.samples
            )));
        }
        Ok(())
    }

    /// Bytes of one row.
    pub(super) fn row_bytes(&self) -> usize {
        self.width as usize * self.samples * self.bytes
    }

    /// Copies the upper left of an image whose rows are `image_row` bytes long.
    pub(super) fn crop(&self, image: &[u8], image_row: usize, out: &mut [u8]) {
        let row = self.row_bytes();
        for (from, to) in image.chunks_exact(image_row.max(1)).zip(out.chunks_exact_mut(row.max(1))) {
            to.copy_from_slice(&from[..row]);
        }
    }

    /// Gives `decode` a buffer for an image of that size: `out` itself where the sizes agree.
    pub(super) fn decode_into(
        &self,
        width: usize,
        height: usize,
        buffer: &mut Vec<u8>,
        out: &mut [u8],
        decode: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        if (width, height) == (self.width as usize, self.rows as usize) {
            return decode(out);
        }
        let image_row = width * self.samples * self.bytes;
        buffer.resize(image_row * height, 0);
        decode(buffer)?;
        self.crop(buffer, image_row, out);
        Ok(())
    }
}
