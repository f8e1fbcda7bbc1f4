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
    use DataType::*;
    let depth = spec.bits[0];
    // These images have no sign, JPEG 2000 apart: where SampleFormat says that samples have one, their bits are taken as they are.
    let types: &[DataType] = match codec {
        Codec::Jpeg | Codec::OldJpeg | Codec::WebP => &[U8, I8],
        Codec::Png | Codec::Jpeg2000 => &[U8, U16, I8, I16],
        Codec::JpegXl => &[U8, U16, I8, I16, F32],
        Codec::SgiLog | Codec::SgiLog24 => return logluv::check(spec),
        _ => return lerc::check(spec),
    };
    let fits = usize::from(depth) <= 8 * spec.dtype.bytes() && spec.bits.iter().all(|&b| b == depth);
    if !types.contains(&spec.dtype) || !fits {
        if matches!(codec, Codec::Jpeg | Codec::OldJpeg) {
            return Err(Error::Unsupported(format!(
                "JPEG of {depth} bits per sample (12 bits, or lossless JPEG (SOF3) as of raw photographs): only 8 bits, \
                 baseline and progressive, are read"
            )));
        }
        return Err(Error::Unsupported(format!("{codec:?} of {} bits as {}", spec.depths(), spec.dtype)));
    }
    Ok(())
}

/// Decodes the first `rows` rows of a block, of which the first `columns` are in the image.
pub(in super::super) fn decode(
    spec: &BlockSpec,
    codec: Codec,
    stored: &[u8],
    (rows, columns): (u32, u32),
    contexts: &mut super::Contexts,
    out: &mut [u8],
) -> Result<()> {
    let (width, height) = (spec.width, spec.height);
    let columns = if matches!(codec, Codec::Jpeg | Codec::OldJpeg) { columns } else { width };
    let (samples, bytes) = (spec.samples(), spec.dtype.bytes());
    let shape = Shape { width, height, rows, columns, samples, bytes };
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
        Codec::SgiLog | Codec::SgiLog24 => {
            logluv::decode(codec, stored, shape, &mut contexts.image.image, out)
        }
        _ => Err(Error::Unsupported(format!("TIFF compression {}", spec.compression))),
    }
}

/// The shape of the rows asked for.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Shape {
    pub(super) width: u32,
    /// Rows of the whole block.
    pub(super) height: u32,
    pub(super) rows: u32,
    /// Columns of them that are in the image: a JPEG may end there.
    pub(super) columns: u32,
    pub(super) samples: usize,
    /// Bytes of a sample.
    pub(super) bytes: usize,
}

/// Pixels that a block's own image may have beyond twice the block's before it is refused: files give the last strip or tile
/// whole or cut, and pad small ones, but none is many times larger. What codecs charge to the budget covers it.
const SLACK: u64 = 64 << 10;

impl Shape {
    /// Checks the size that an image inside a block declares, before anything is allocated for it.
    ///
    /// # Errors
    /// [`Error::Format`] where it is smaller than the rows asked for or far larger, or has other samples.
    pub(super) fn admit(&self, codec: &str, width: u64, height: u64, samples: u64) -> Result<()> {
        let pixels = width.saturating_mul(height);
        let most = (u64::from(self.width) * u64::from(self.height)).saturating_mul(2).saturating_add(SLACK);
        if width < u64::from(self.columns) || height < u64::from(self.rows) || pixels > most {
            return Err(Error::Format(format!(
                "{codec}: an image of {width} x {height} pixels in a block of {} x {}",
                self.columns, self.rows
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
            let row = row.min(image_row);
            to[..row].copy_from_slice(&from[..row]);
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

/// The integer of up to 16 bits nearest to `v`, ties to even, from 0 to `largest`; NaN is 0.
#[cfg(any(feature = "jpeg2000", feature = "jxl"))]
#[inline(always)]
pub(super) fn nearest(v: f32, largest: f32) -> u16 {
    // Among numbers of this size the next is one away, and the low bits are the integer. In contrast to `round_ties_even` no
    // call where the processor's baseline has no such instruction.
    const ONES: f32 = 12_582_912.0;
    let v = if v > 0.0 { v } else { 0.0 };
    (if v < largest { v } else { largest } + ONES).to_bits() as u16
}

/// The files of `testdata` are a ramp, `(20 y + 7 x + 30 c) mod 256` in 9 rows of 13 pixels, as imagecodecs 2026.3.6
/// wrote it: `*_encode(ramp, lossless=True)` or with `reversible=True`, JPEG with quality 98.
#[cfg(test)]
mod tests {
    use super::super::super::block::CodecState;
    use super::*;

    fn ramp(rows: u32, samples: usize) -> Vec<u8> {
        let pixels = (0..rows).flat_map(|y| (0..13).map(move |x| 20 * y + 7 * x));
        pixels.flat_map(|p| (0..samples as u32).map(move |c| (p + 30 * c) as u8)).collect()
    }

    /// Decodes the first `rows` rows of a block of 13 columns.
    fn decode(
        compression: u16,
        photometric: u16,
        samples: usize,
        dtype: DataType,
        rows: u32,
        stored: &[u8],
    ) -> Result<Vec<u8>> {
        let mut spec = BlockSpec::new(compression, (13, 9), dtype, samples);
        spec.photometric = photometric;
        spec.check()?;
        let mut out = vec![0; 13 * rows as usize * samples * dtype.bytes()];
        spec.decode(stored, rows, &mut CodecState::default(), &mut out)?;
        Ok(out)
    }

    fn wide(bytes: &[u8]) -> Vec<u8> {
        bytes.iter().flat_map(|&v| (u16::from(v) * 257).to_ne_bytes()).collect()
    }

    /// `arange(117, dtype='i2').reshape(9, 13) * 500 - 29000`, by OpenJPEG without loss; and `* 30 - 1700`, of 12 bits.
    #[test]
    #[cfg(feature = "jpeg2000")]
    fn signed_jpeg2000_keeps_its_sign() {
        let i12 = include_bytes!("testdata/gray_i12.j2k");
        for (stored, step, start) in
            [(&include_bytes!("testdata/gray_i16.j2k")[..], 500, -29000), (i12, 30, -1700)]
        {
            let found = decode(34712, 1, 1, DataType::I16, 9, stored).unwrap();
            let want: Vec<u8> = (0..117).flat_map(|i| ((i * step + start) as i16).to_ne_bytes()).collect();
            assert_eq!(found, want);
        }
    }

    /// tifffile and GDAL take the bits of a JPEG's samples as they are, and tifffile those of the others.
    #[test]
    fn samples_without_a_sign_keep_their_bits_where_the_page_gives_them_one() {
        use DataType::*;
        type Case = (u16, u16, usize, [DataType; 2], &'static [u8], bool);
        let all: [Case; 6] = [
            (7, 1, 1, [U8, I8], include_bytes!("testdata/gray.jpg"), true),
            (34933, 2, 3, [U8, I8], include_bytes!("testdata/rgb.png"), cfg!(feature = "png")),
            (50001, 2, 3, [U8, I8], include_bytes!("testdata/rgb.webp"), cfg!(feature = "webp")),
            (34712, 2, 3, [U8, I8], include_bytes!("testdata/rgb.j2k"), cfg!(feature = "jpeg2000")),
            (34712, 1, 1, [U16, I16], include_bytes!("testdata/gray16.jp2"), cfg!(feature = "jpeg2000")),
            (50002, 2, 3, [U8, I8], include_bytes!("testdata/rgb.jxl"), cfg!(feature = "jxl")),
        ];
        for (compression, photometric, samples, types, stored, _) in all.into_iter().filter(|case| case.5) {
            let [plain, signed] =
                types.map(|dtype| decode(compression, photometric, samples, dtype, 9, stored).unwrap());
            assert_eq!(plain, signed, "codec {compression}, {types:?}");
        }
    }

    #[test]
    fn lossless_images_come_back_whole_and_cut() {
        let all: [(u16, usize, DataType, &[u8], bool); 7] = [
            (34933, 3, DataType::U8, include_bytes!("testdata/rgb.png"), cfg!(feature = "png")),
            (34933, 3, DataType::U16, include_bytes!("testdata/rgb16.png"), cfg!(feature = "png")),
            (50001, 3, DataType::U8, include_bytes!("testdata/rgb.webp"), cfg!(feature = "webp")),
            (50001, 4, DataType::U8, include_bytes!("testdata/rgba.webp"), cfg!(feature = "webp")),
            (34712, 3, DataType::U8, include_bytes!("testdata/rgb.j2k"), cfg!(feature = "jpeg2000")),
            (34712, 1, DataType::U16, include_bytes!("testdata/gray16.jp2"), cfg!(feature = "jpeg2000")),
            (50002, 3, DataType::U8, include_bytes!("testdata/rgb.jxl"), cfg!(feature = "jxl")),
        ];
        for (compression, samples, dtype, stored, built) in all {
            for rows in [9, 4] {
                let found = decode(compression, 2, samples, dtype, rows, stored);
                if !built {
                    assert!(matches!(found, Err(Error::Unsupported(_))));
                    continue;
                }
                let want = ramp(rows, samples);
                let want = if dtype == DataType::U8 { want } else { wide(&want) };
                assert_eq!(found.unwrap(), want, "codec {compression}, {dtype}, {rows} rows");
            }
            for cut in [0, 1, stored.len() / 3, stored.len() / 2] {
                let found = decode(compression, 2, samples, dtype, 9, &stored[..cut]);
                assert!(found.is_err(), "codec {compression} cut to {cut} bytes");
            }
            // Another width, depth or sample count than the page's.
            let mut other = BlockSpec::new(compression, (14, 9), dtype, samples);
            let mut out = vec![0; 14 * 9 * samples * dtype.bytes()];
            assert!(other.decode(stored, 9, &mut CodecState::default(), &mut out).is_err());
            (other.width, other.bits) = (13, vec![other.bits[0]; 2]);
            let mut out = vec![0; 13 * 9 * 2 * dtype.bytes()];
            assert!(other.decode(stored, 9, &mut CodecState::default(), &mut out).is_err());
        }
    }

    /// As `tiffcp -c webp -f lsb2msb` writes and libtiff reads it; its JPEG keeps its own order.
    #[test]
    fn fill_order_2_reverses_webp_but_not_jpeg() {
        let reversed = |stored: &[u8]| -> Vec<u8> { stored.iter().map(|b| b.reverse_bits()).collect() };
        let decode = |compression, stored: &[u8], out: &mut [u8]| {
            let mut spec = BlockSpec::new(compression, (13, 9), DataType::U8, 3);
            (spec.photometric, spec.reversed_bits) = (2, true);
            spec.decode(stored, 9, &mut CodecState::default(), out)
        };
        let mut out = vec![0; 13 * 9 * 3];
        let jpeg: &[u8] = include_bytes!("testdata/rgb_as_is.jpg");
        decode(7, jpeg, &mut out).unwrap();
        assert!(decode(7, &reversed(jpeg), &mut out).is_err());
        if cfg!(feature = "webp") {
            let webp: &[u8] = include_bytes!("testdata/rgb.webp");
            decode(50001, &reversed(webp), &mut out).unwrap();
            assert_eq!(out, ramp(9, 3));
            assert!(decode(50001, webp, &mut out).is_err());
        }
    }

    /// Within 3 of the ramp: what quality 98 loses.
    #[test]
    fn jpeg_colours_are_converted_where_the_page_says_so() {
        let all: [(u16, usize, &[u8]); 4] = [
            (1, 1, include_bytes!("testdata/gray.jpg")),
            (6, 3, include_bytes!("testdata/ycbcr.jpg")),
            (2, 3, include_bytes!("testdata/rgb_as_is.jpg")),
            (5, 4, include_bytes!("testdata/cmyk.jpg")),
        ];
        for (photometric, samples, stored) in all {
            for rows in [9, 4] {
                let found = decode(7, photometric, samples, DataType::U8, rows, stored).unwrap();
                let most = found.iter().zip(ramp(rows, samples)).map(|(a, b)| a.abs_diff(b)).max();
                // Where the ramp wraps from 255 to 0 a few levels more are lost.
                assert!(most <= Some(9), "photometric {photometric}: {most:?}");
            }
            assert!(decode(7, photometric, samples, DataType::U8, 9, &stored[..stored.len() / 2]).is_err());
            assert!(decode(7, photometric, 2, DataType::U8, 9, stored).is_err());
        }
    }

    #[test]
    #[cfg(any(feature = "jpeg2000", feature = "jxl"))]
    fn samples_are_rounded_to_the_nearest_ties_to_even() {
        for (largest, k) in
            [255, 4095, 65535].into_iter().flat_map(|largest| (-9..=300_000).map(move |k| (largest, k)))
        {
            let v = k as f32 / 4.0;
            let want = v.round_ties_even().clamp(0.0, largest as f32);
            assert_eq!(nearest(v, largest as f32), want as u16, "{v} up to {largest}");
        }
        assert_eq!([1e9, f32::INFINITY, -1e9, f32::NAN].map(|v| nearest(v, 1000.0)), [1000, 1000, 0, 0]);
    }

    #[test]
    fn jpeg_tables_are_put_before_the_scan() {
        let stored: &[u8] = include_bytes!("testdata/gray.jpg");
        let whole = decode(7, 1, 1, DataType::U8, 9, stored).unwrap();
        // All before the frame header becomes tables.
        let frame = stored.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        let mut spec = BlockSpec::new(7, (13, 9), DataType::U8, 1);
        spec.jpeg_tables = Some([&stored[..frame], &[0xff, 0xd9]].concat());
        let mut out = vec![0; whole.len()];
        let scan = [&[0xff, 0xd8], &stored[frame..]].concat();
        spec.decode(&scan, 9, &mut CodecState::default(), &mut out).unwrap();
        assert_eq!(out, whole);
    }

    #[test]
    fn damaged_images_end_in_pixels_or_an_error() {
        let all: [(u16, u16, usize, DataType, &[u8]); 9] = [
            (34933, 2, 3, DataType::U8, include_bytes!("testdata/rgb.png")),
            (50001, 2, 3, DataType::U8, include_bytes!("testdata/rgb.webp")),
            (50001, 2, 4, DataType::U8, include_bytes!("testdata/rgba.webp")),
            (34712, 2, 3, DataType::U8, include_bytes!("testdata/rgb.j2k")),
            (34712, 1, 1, DataType::U16, include_bytes!("testdata/gray16.jp2")),
            (50002, 2, 3, DataType::U8, include_bytes!("testdata/rgb.jxl")),
            (7, 1, 1, DataType::U8, include_bytes!("testdata/gray.jpg")),
            (7, 6, 3, DataType::U8, include_bytes!("testdata/ycbcr.jpg")),
            (7, 5, 4, DataType::U8, include_bytes!("testdata/cmyk.jpg")),
        ];
        let mut seed = 1u64;
        let mut random = |n: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % n
        };
        for (compression, photometric, samples, dtype, stored) in all {
            for _ in 0..400 {
                let mut damaged = stored.to_vec();
                for _ in 0..1 + random(3) {
                    let at = random(damaged.len());
                    damaged[at] = random(256) as u8;
                }
                if random(4) == 0 {
                    damaged.truncate(random(stored.len()));
                }
                let _ = decode(compression, photometric, samples, dtype, 9, &damaged);
            }
        }
    }
}
