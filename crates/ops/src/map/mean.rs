//! [`MeanOverChannels`]: the mean of each pixel's channels, evaluated exactly and rounded once.
//!
//! Blocks of pixels go through two loops that vectorise: sums of the channels, then the division. Samples of up to
//! 32 bits have sums below 2^52, which one f64 (or f32) division turns into the right answer; see [`Sum::divide`].
//! Sums of floats are held as an unevaluated pair `sum + rest` made by error-free additions; where a pair does not
//! hold the exact sum, or does not decide the rounding, that pixel is done again in big integers.

use ndarray::{ArrayView2, ArrayView3, ArrayViewMut3, Axis};
use outcrop_core::{Chunk, DataType, Map, PixelsMut, Result, Sample, Value, f16, with_dtype};

use super::float_mean;
use crate::exact::Exact;
use crate::nodata::Nodata;
use crate::simd::{self, Work};

/// Pixels that go through the loops at once: their sums stay in the first-level cache.
pub(super) const BLOCK: usize = 1024;

/// The mean over the channels of each pixel.
///
/// The output has one channel. NaN propagates. Samples equal to a nodata value are left out of their pixel's mean;
/// a pixel that has no other gives NaN, or the first nodata value where the output is of integers.
#[derive(Clone, Debug)]
pub struct MeanOverChannels {
    output: DataType,
    nodata: Nodata,
}

impl MeanOverChannels {
    /// The mean of samples of type `input` as `output`; by default as [`default_output`](Self::default_output).
    ///
    /// `nodata`: for each channel of the chunk the values that are no data; empty where none is declared, one list
    /// where all channels share it.
    pub fn new(input: DataType, output: Option<DataType>, nodata: Vec<Vec<Value>>) -> MeanOverChannels {
        let output = output.unwrap_or(MeanOverChannels::default_output(input));
        MeanOverChannels { output, nodata: Nodata::new(nodata) }
    }

    /// f32 for samples of up to 16 bits and for f32, else f64.
    pub fn default_output(input: DataType) -> DataType {
        match input {
            DataType::F32 => DataType::F32,
            other if other.bytes() <= 2 => DataType::F32,
            _ => DataType::F64,
        }
    }
}

impl Map for MeanOverChannels {
    fn output(&self) -> (DataType, u64) {
        (self.output, 1)
    }

    fn apply(&self, chunk: &Chunk<'_>, out: PixelsMut<'_>) -> Result<()> {
        let pixels = super::sole_input(chunk, &out, self.output())?;
        with_dtype!(self.output, U => {
            let out = super::typed_out::<U>(out)?;
            mean_into::<U>(pixels, &self.nodata, out);
        });
        Ok(())
    }
}

fn mean_into<U: Sample>(pixels: outcrop_core::Pixels<'_>, nodata: &Nodata, out: ArrayViewMut3<'_, U>) {
    use outcrop_core::Pixels::*;
    // 2^15 samples of 16 bits and 2^20 of 32 bits stay within i32 and within 2^52.
    let narrow = pixels.shape()[2] <= 1 << 15;
    if nodata.applies(pixels) {
        return nodata.mean_into(pixels, out);
    }
    match pixels {
        U8(v) if narrow => integers::<u8, i32, U>(v, out),
        I8(v) if narrow => integers::<i8, i32, U>(v, out),
        U16(v) if narrow => integers::<u16, i32, U>(v, out),
        I16(v) if narrow => integers::<i16, i32, U>(v, out),
        U32(v) if narrow => integers::<u32, i64, U>(v, out),
        I32(v) if narrow => integers::<i32, i64, U>(v, out),
        U8(v) => integers::<u8, i128, U>(v, out),
        I8(v) => integers::<i8, i128, U>(v, out),
        U16(v) => integers::<u16, i128, U>(v, out),
        I16(v) => integers::<i16, i128, U>(v, out),
        U32(v) => integers::<u32, i128, U>(v, out),
        I32(v) => integers::<i32, i128, U>(v, out),
        U64(v) => integers::<u64, i128, U>(v, out),
        I64(v) => integers::<i64, i128, U>(v, out),
        F16(v) => simd::run(float_mean::Floats::<f16, U> { pixels: v, out }),
        F32(v) => simd::run(float_mean::Floats::<f32, U> { pixels: v, out }),
        F64(v) => simd::run(float_mean::Floats::<f64, U> { pixels: v, out }),
    }
}

fn integers<T: Sample, S: Sum<T>, U: Sample>(pixels: ArrayView3<'_, T>, out: ArrayViewMut3<'_, U>) {
    simd::run(Integers::<T, S, U> { pixels, out, sum: std::marker::PhantomData });
}

/// An integer that holds the sum of a pixel's samples.
trait Sum<T>: Copy + Default + std::ops::AddAssign {
    fn of(sample: T) -> Self;

    /// `self / channels`, rounded once.
    ///
    /// For |sum| < 2^52 and fewer than 2^27 channels the nearest f64 q of the quotient v rounds on as v itself does:
    /// a point m half-way between two samples of the target has a significand M of at most 25 bits (or is half an
    /// odd integer), so v and m, fractions over `channels` and a power of two, differ not at all or by at least
    /// 2^-25 / channels of m, which is more than the 2^-53 by which q differs from v. Where sum and channels are
    /// both f32 numbers, the f32 division is the rounding.
    fn divide<U: Sample>(self, channels: usize) -> U;
}

macro_rules! sums {
    ($($sum:ty: $($t:ty),*;)*) => {$($(
        impl Sum<$t> for $sum {
            #[inline(always)]
            fn of(sample: $t) -> $sum {
                sample as $sum
            }
            #[inline(always)]
            fn divide<U: Sample>(self, channels: usize) -> U {
                divide(self.into(), channels)
            }
        }
    )*)*};
}
sums!(i64: u32, i32; i128: u8, i8, u16, i16, u32, i32, u64, i64;);

macro_rules! small_sums {
    ($($t:ty),*) => {$(
        impl Sum<$t> for i32 {
            #[inline(always)]
            fn of(sample: $t) -> i32 {
                sample as i32
            }
            #[inline(always)]
            fn divide<U: Sample>(self, channels: usize) -> U {
                // 255 channels of 16 bits, 65,536 of 8.
                if U::DTYPE == DataType::F32 && channels <= (1 << 24) >> <$t>::BITS {
                    return U::from_f64((self as f32 / channels as f32) as f64);
                }
                U::from_f64(self as f64 / channels as f64)
            }
        }
    )*};
}
small_sums!(u8, i8, u16, i16);

#[inline(always)]
fn divide<U: Sample>(sum: i128, channels: usize) -> U {
    if sum.unsigned_abs() < 1 << 52 && channels < 1 << 27 {
        return U::from_f64(sum as i64 as f64 / channels as f64);
    }
    Exact::ratio(sum, channels as u64).round()
}

struct Integers<'a, T, S, U> {
    pixels: ArrayView3<'a, T>,
    out: ArrayViewMut3<'a, U>,
    sum: std::marker::PhantomData<S>,
}

impl<T: Sample, S: Sum<T>, U: Sample> Work for Integers<'_, T, S, U> {
    #[inline(always)]
    fn run(mut self) {
        let channels = self.pixels.dim().2;
        let mut sums = [S::default(); BLOCK];
        for (pixels, mut out) in self.pixels.outer_iter().zip(self.out.outer_iter_mut()) {
            let blocks = pixels.axis_chunks_iter(Axis(0), BLOCK);
            for (pixels, mut out) in blocks.zip(out.axis_chunks_iter_mut(Axis(0), BLOCK)) {
                let sums = &mut sums[..pixels.dim().0];
                add_channels(pixels, sums);
                match out.as_slice_mut() {
                    Some(out) => {
                        for (out, sum) in out.iter_mut().zip(&*sums) {
                            *out = sum.divide(channels);
                        }
                    }
                    None => {
                        for (out, sum) in out.iter_mut().zip(&*sums) {
                            *out = sum.divide(channels);
                        }
                    }
                }
            }
        }
    }
}

/// The sum of each pixel's channels.
#[inline(always)]
fn add_channels<T: Sample, S: Sum<T>>(pixels: ArrayView2<'_, T>, sums: &mut [S]) {
    let channels = pixels.dim().1;
    match (pixels.as_slice(), channels) {
        (Some(samples), 1) => add_interleaved::<T, S, 1>(samples, sums),
        (Some(samples), 2) => add_interleaved::<T, S, 2>(samples, sums),
        (Some(samples), 3) => add_interleaved::<T, S, 3>(samples, sums),
        (Some(samples), 4) => add_interleaved::<T, S, 4>(samples, sums),
        (Some(samples), 5..) => {
            for (sum, pixel) in sums.iter_mut().zip(samples.chunks_exact(channels)) {
                *sum = S::default();
                for &sample in pixel {
                    *sum += S::of(sample);
                }
            }
        }
        _ => {
            sums.fill(S::default());
            for plane in pixels.axis_iter(Axis(1)) {
                match plane.as_slice() {
                    Some(plane) => {
                        for (sum, &sample) in sums.iter_mut().zip(plane) {
                            *sum += S::of(sample);
                        }
                    }
                    None => {
                        for (sum, &sample) in sums.iter_mut().zip(plane) {
                            *sum += S::of(sample);
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn add_interleaved<T: Sample, S: Sum<T>, const C: usize>(samples: &[T], sums: &mut [S]) {
    for (sum, pixel) in sums.iter_mut().zip(samples.chunks_exact(C)) {
        *sum = S::default();
        for &sample in &pixel[..C] {
            *sum += S::of(sample);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::testing::{apply, apply_pixels};
    use outcrop_core::Pixels;

    fn mean<T: Sample, U: Sample>(samples: &[T], channels: usize) -> Vec<U> {
        let map = MeanOverChannels::new(T::DTYPE, Some(U::DTYPE), Vec::new());
        apply::<T, U>(&map, samples, [1, samples.len() / channels, channels])
    }

    #[test]
    fn integers_are_rounded_once() {
        assert_eq!(mean::<u8, f32>(&[1, 2, 2, 255, 255, 255], 3), [5.0 / 3.0, 255.0]);
        assert_eq!(mean::<u8, u8>(&[1, 2, 3, 4, 255, 254], 2), [2, 4, 254]);
        assert_eq!(mean::<i16, f32>(&[-32768, -32768, 1, -2], 2), [-32768.0, -0.5]);
        assert_eq!(mean::<u64, u64>(&[u64::MAX, u64::MAX, u64::MAX - 1], 3), [u64::MAX]);
        assert_eq!(mean::<i64, f64>(&[i64::MIN, i64::MIN, 1], 3), [(2.0 * i64::MIN as f64) / 3.0]);
        assert_eq!(mean::<u32, u8>(&[u32::MAX, 0], 2), [255]);
    }

    /// Every sum of three u8 against the exact ratio.
    #[test]
    fn every_sum_of_three_bytes_is_right() {
        for sum in 0..=765u32 {
            let pixel =
                [sum.min(255), sum.saturating_sub(255).min(255), sum.saturating_sub(510)].map(|v| v as u8);
            assert_eq!(mean::<u8, f32>(&pixel, 3)[0], Exact::ratio(sum.into(), 3).round::<f32>());
            let f16 = mean::<u8, outcrop_core::f16>(&pixel, 3)[0];
            assert_eq!(f16, Exact::ratio(sum.into(), 3).round::<outcrop_core::f16>());
        }
    }

    #[test]
    fn layouts_and_widths_do_not_matter() {
        let (w, h) = (1500, 3);
        for channels in [1, 2, 3, 4, 5, 7] {
            let samples: Vec<u16> = (0..w * h * channels).map(|i| (i * 7919 % 65521) as u16).collect();
            let planes: Vec<u16> =
                (0..channels * w * h).map(|i| samples[i % (w * h) * channels + i / (w * h)]).collect();
            let map = MeanOverChannels::new(DataType::U16, None, Vec::new());
            let interleaved = apply::<u16, f32>(&map, &samples, [h, w, channels]);
            let planar = Pixels::strided(&planes, [h, w, channels], [w, 1, w * h]).unwrap();
            assert_eq!(interleaved, apply_pixels::<f32>(&map, planar));
            let wanted = samples.chunks(channels).map(|p| {
                let sum: i128 = p.iter().map(|&s| i128::from(s)).sum();
                Exact::ratio(sum, channels as u64).round::<f32>()
            });
            assert_eq!(interleaved, wanted.collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_baseline_gives_what_the_vectors_give() {
        let samples: Vec<u8> = (0..3000 * 3).map(|i| (i * i % 251) as u8).collect();
        let view = ArrayView3::from_shape((1, 3000, 3), &samples).unwrap();
        let (mut a, mut b) =
            (ndarray::Array3::<f32>::zeros((1, 3000, 1)), ndarray::Array3::zeros((1, 3000, 1)));
        let sum = std::marker::PhantomData::<i32>;
        simd::run(Integers { pixels: view, out: a.view_mut(), sum });
        Integers { pixels: view, out: b.view_mut(), sum }.run();
        assert_eq!(a, b);
    }
}
