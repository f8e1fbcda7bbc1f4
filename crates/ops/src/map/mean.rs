//! [`MeanOverChannels`]: the mean of each pixel's channels, evaluated exactly and rounded once.
//!
//! Samples of up to 32 bits have sums that one division in f32 or f64 turns into the right answer; see
//! [`Quotient`]. They are added and divided in one loop that vectorises, for each small number of channels its own.
//! Floats are in [`float_mean`], pixels of which some samples are nodata in [`valid_mean`](super::valid_mean).

use ndarray::{ArrayView2, ArrayView3, ArrayViewMut2, ArrayViewMut3, Axis};
use outcrop_core::{Chunk, DataType, Map, Pixels, PixelsMut, Result, Sample, Value, f16, with_dtype};

use super::{float_mean, valid_mean};
use crate::exact::Exact;
use crate::nodata::Nodata;
use crate::reduce::Op;
use crate::simd::{self, Work};

/// Pixels whose sums or quotients are held at once: they stay in the first-level cache.
pub(super) const BLOCK: usize = 256;

/// The mean over the channels of each pixel.
///
/// The output has one channel. NaN propagates. Samples equal to a nodata value are left out of their pixel's mean;
/// a pixel that has no other gives NaN, or the first nodata value where the output is of integers. Zero has no sign.
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
        Op::Mean.output(input, None)
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

/// The mean of each pixel's samples that are data.
pub(super) fn mean_into<U: Sample>(pixels: Pixels<'_>, nodata: &Nodata, out: ArrayViewMut3<'_, U>) {
    use outcrop_core::Pixels::*;
    if nodata.applies(pixels) {
        return valid_mean::mean_into(pixels, nodata, out);
    }
    // 2^15 samples of 16 bits and 2^20 of 32 bits stay within i32 and within 2^52.
    let narrow = pixels.shape()[2] <= 1 << 15;
    match pixels {
        #[cfg(target_arch = "x86_64")]
        U8(v) if v.dim().2 == 3 && U::DTYPE == DataType::F32 && crate::simd::detected() => thirds(v, out),
        U8(v) if narrow => integers::<u8, i32, U>(v, out),
        I8(v) if narrow => integers::<i8, i32, U>(v, out),
        U16(v) if narrow => integers::<u16, i32, U>(v, out),
        I16(v) if narrow => integers::<i16, i32, U>(v, out),
        U32(v) if narrow => integers::<u32, f64, U>(v, out),
        I32(v) if narrow => integers::<i32, f64, U>(v, out),
        U8(v) => wide(v, out),
        I8(v) => wide(v, out),
        U16(v) => wide(v, out),
        I16(v) => wide(v, out),
        U32(v) => wide(v, out),
        I32(v) => wide(v, out),
        U64(v) => wide(v, out),
        I64(v) => wide(v, out),
        F16(v) => float_mean::mean_into::<f16, U>(v, out),
        F32(v) => float_mean::mean_into::<f32, U>(v, out),
        F64(v) => float_mean::mean_into::<f64, U>(v, out),
    }
}

/// Calls `each` with runs of pixels and the place of their means: the whole chunk where it lies in one piece, else
/// its rows.
#[inline(always)]
pub(super) fn each_line<T, U>(
    pixels: ArrayView3<'_, T>,
    mut out: ArrayViewMut3<'_, U>,
    mut each: impl FnMut(ArrayView2<'_, T>, ArrayViewMut2<'_, U>),
) {
    let (height, width, channels) = pixels.dim();
    if let (Some(samples), Some(out)) = (pixels.as_slice(), out.as_slice_mut()) {
        let whole = ArrayView2::from_shape((height * width, channels), samples);
        let out = ArrayViewMut2::from_shape((height * width, 1), out);
        if let (Ok(whole), Ok(out)) = (whole, out) {
            return each(whole, out);
        }
    }
    for (row, out) in pixels.outer_iter().zip(out.outer_iter_mut()) {
        each(row, out);
    }
}

/// The mean of integers; what is neither f32 nor f64 goes through f64, which rounds on as the quotient would.
fn integers<T: Sample, S: Sum<T>, U: Sample>(pixels: ArrayView3<'_, T>, out: ArrayViewMut3<'_, U>) {
    each_line(pixels, out, |pixels, mut out| match (U::DTYPE, out.as_slice_mut()) {
        (DataType::F32, Some(out)) => run_integers::<T, S, f32>(pixels, bytemuck::cast_slice_mut(out)),
        (DataType::F64, Some(out)) => run_integers::<T, S, f64>(pixels, bytemuck::cast_slice_mut(out)),
        _ => {
            let mut held = [0f64; 4 * BLOCK];
            let blocks = pixels.axis_chunks_iter(Axis(0), held.len());
            for (pixels, out) in blocks.zip(out.axis_chunks_iter_mut(Axis(0), 4 * BLOCK)) {
                let held = &mut held[..pixels.dim().0];
                run_integers::<T, S, f64>(pixels, held);
                simd::run(Rounded { values: held, out });
            }
        }
    });
}

fn run_integers<T: Sample, S: Sum<T>, Q: Quotient>(pixels: ArrayView2<'_, T>, out: &mut [Q]) {
    simd::run(Integers::<T, S, Q> { pixels, out, sum: std::marker::PhantomData });
}

/// Values rounded to samples.
pub(super) struct Rounded<'a, U> {
    pub(super) values: &'a [f64],
    pub(super) out: ArrayViewMut2<'a, U>,
}

impl<U: Sample> Work for Rounded<'_, U> {
    #[inline(always)]
    fn run(mut self) {
        match self.out.as_slice_mut() {
            Some(out) => out.iter_mut().zip(self.values).for_each(|(out, &v)| *out = U::from_f64(v)),
            None => self.out.iter_mut().zip(self.values).for_each(|(out, &v)| *out = U::from_f64(v)),
        }
    }
}

/// Three 8-bit channels as f32, in vectors where the samples lie together.
#[cfg(target_arch = "x86_64")]
fn thirds<U: Sample>(pixels: ArrayView3<'_, u8>, out: ArrayViewMut3<'_, U>) {
    each_line(pixels, out, |mut pixels, mut out| {
        if let (Some(samples), Some(out)) = (pixels.as_slice(), out.as_slice_mut())
            && let Ok(means) = bytemuck::try_cast_slice_mut::<U, f32>(out)
        {
            // SAFETY: the processor has AVX2 and FMA, or `thirds` would not have been called.
            let done = unsafe { super::avx2::mean_of_three(samples, means) };
            pixels.slice_axis_inplace(Axis(0), (done..).into());
            return run_integers::<u8, i32, f32>(pixels, &mut means[done..]);
        }
        integers::<u8, i32, U>(pixels.insert_axis(Axis(0)), out.insert_axis(Axis(0)));
    });
}

/// A number that holds the sum of a pixel's samples exactly.
pub(super) trait Sum<T>: Copy + Default + std::ops::AddAssign {
    /// Pixels of no more channels than that have sums that f32 holds.
    const F32_CHANNELS: usize;
    fn of(sample: T) -> Self;
    fn to_f32(self) -> f32;
    fn to_f64(self) -> f64;
}

macro_rules! sums {
    ($($sum:ty: $($t:ty => $f32_channels:expr),*;)*) => {$($(
        impl Sum<$t> for $sum {
            const F32_CHANNELS: usize = $f32_channels;
            #[inline(always)]
            fn of(sample: $t) -> $sum {
                sample as $sum
            }
            #[inline(always)]
            fn to_f32(self) -> f32 {
                self as f32
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    )*)*};
}
sums!(i32: u8 => 1 << 16, i8 => 1 << 16, u16 => 1 << 8, i16 => 1 << 8; f64: u32 => 0, i32 => 0;);

/// A float that quotients are evaluated in.
///
/// For |sum| < 2^52 and fewer than 2^27 channels the nearest f64 q of the quotient v rounds on as v itself does:
/// a point m half-way between two samples of the target has a significand M of at most 25 bits (or is half an
/// odd integer), so v and m, fractions over `channels` and a power of two, differ not at all or by at least
/// 2^-25 / channels of m, which is more than the 2^-53 by which q differs from v. Where sum and channels are
/// both f32 numbers, the f32 division is the rounding.
trait Quotient: Sample {
    fn divide<T, S: Sum<T>>(sum: S, channels: usize) -> Self;
}

impl Quotient for f64 {
    #[inline(always)]
    fn divide<T, S: Sum<T>>(sum: S, channels: usize) -> f64 {
        sum.to_f64() / channels as f64
    }
}

impl Quotient for f32 {
    #[inline(always)]
    fn divide<T, S: Sum<T>>(sum: S, channels: usize) -> f32 {
        if channels <= S::F32_CHANNELS {
            sum.to_f32() / channels as f32
        } else {
            (sum.to_f64() / channels as f64) as f32
        }
    }
}

struct Integers<'a, T, S, Q> {
    pixels: ArrayView2<'a, T>,
    out: &'a mut [Q],
    sum: std::marker::PhantomData<S>,
}

impl<T: Sample, S: Sum<T>, Q: Quotient> Work for Integers<'_, T, S, Q> {
    #[inline(always)]
    fn run(self) {
        quotients::<T, S, Q>(self.pixels, self.out);
    }
}

/// The mean of each pixel.
#[inline(always)]
fn quotients<T: Sample, S: Sum<T>, Q: Quotient>(pixels: ArrayView2<'_, T>, out: &mut [Q]) {
    let channels = pixels.dim().1;
    let Some(samples) = pixels.as_slice() else { return plane_by_plane::<T, S, Q>(pixels, out) };
    match channels {
        1 => pixel_by_pixel::<T, S, Q, 1>(samples, out),
        2 => pixel_by_pixel::<T, S, Q, 2>(samples, out),
        3 => pixel_by_pixel::<T, S, Q, 3>(samples, out),
        4 => pixel_by_pixel::<T, S, Q, 4>(samples, out),
        5 => pixel_by_pixel::<T, S, Q, 5>(samples, out),
        6 => pixel_by_pixel::<T, S, Q, 6>(samples, out),
        7 => pixel_by_pixel::<T, S, Q, 7>(samples, out),
        8 => pixel_by_pixel::<T, S, Q, 8>(samples, out),
        0 => out.fill(Q::from_f64(f64::NAN)),
        _ => {
            for (out, pixel) in out.iter_mut().zip(samples.chunks_exact(channels)) {
                *out = Q::divide(total::<T, S>(pixel), channels);
            }
        }
    }
}

#[inline(always)]
fn total<T: Copy, S: Sum<T>>(pixel: &[T]) -> S {
    let mut sum = S::default();
    pixel.iter().for_each(|&sample| sum += S::of(sample));
    sum
}

/// Pixels of C channels, one after the other.
#[inline(always)]
fn pixel_by_pixel<T: Sample, S: Sum<T>, Q: Quotient, const C: usize>(samples: &[T], out: &mut [Q]) {
    for (out, pixel) in out.iter_mut().zip(samples.as_chunks::<C>().0) {
        *out = Q::divide(total::<T, S>(pixel), C);
    }
}

/// Pixels in any layout, a plane at a time.
#[inline(always)]
fn plane_by_plane<T: Sample, S: Sum<T>, Q: Quotient>(pixels: ArrayView2<'_, T>, out: &mut [Q]) {
    let channels = pixels.dim().1;
    let mut sums = [S::default(); BLOCK];
    for (pixels, out) in pixels.axis_chunks_iter(Axis(0), BLOCK).zip(out.chunks_mut(BLOCK)) {
        let sums = &mut sums[..out.len()];
        sums.fill(S::default());
        for plane in pixels.axis_iter(Axis(1)) {
            match plane.as_slice() {
                Some(plane) => sums.iter_mut().zip(plane).for_each(|(sum, &sample)| *sum += S::of(sample)),
                None => sums.iter_mut().zip(plane).for_each(|(sum, &sample)| *sum += S::of(sample)),
            }
        }
        out.iter_mut().zip(&*sums).for_each(|(out, &sum)| *out = Q::divide(sum, channels));
    }
}

/// Integers of 64 bits, and very many channels.
fn wide<T: Sample + Into<i128>, U: Sample>(pixels: ArrayView3<'_, T>, out: ArrayViewMut3<'_, U>) {
    each_line(pixels, out, |pixels, mut out| {
        for (pixel, out) in pixels.outer_iter().zip(&mut out) {
            *out = divide_wide(pixel.iter().map(|&sample| sample.into()).sum(), pixel.len() as u64);
        }
    });
}

/// `sum / samples`, rounded once.
#[inline]
pub(super) fn divide_wide<U: Sample>(sum: i128, samples: u64) -> U {
    if sum.unsigned_abs() < 1 << 52 && (1..1 << 27).contains(&samples) {
        return U::from_f64(sum as i64 as f64 / samples as f64);
    }
    Exact::ratio(sum, samples).round()
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
            // Nine pixels: a whole vector of them and one more.
            let means = mean::<u8, f32>(&pixel.repeat(9), 3);
            assert_eq!(means, [Exact::ratio(sum.into(), 3).round::<f32>(); 9]);
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
        let pixels = ArrayView2::from_shape((3000, 3), &samples).unwrap();
        let (mut a, mut b) = (vec![0f32; 3000], vec![0f32; 3000]);
        run_integers::<u8, i32, f32>(pixels, &mut a);
        quotients::<u8, i32, f32>(pixels, &mut b);
        assert_eq!(a, b);
    }

    /// Every sum of three bytes, at every place of a group.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_mean_of_three_bytes_equals_its_portable_twin() {
        if !crate::simd::detected() {
            return;
        }
        let pixel = |sum: usize| [0, 255, 510].map(|below| sum.saturating_sub(below).min(255) as u8);
        let samples: Vec<u8> = (0..8 * 767 + 5).flat_map(|i| pixel(i % 767)).collect();
        let (mut a, mut b) = (vec![0f32; samples.len() / 3], vec![0f32; samples.len() / 3]);
        // SAFETY: the processor has AVX2.
        let done = unsafe { crate::map::avx2::mean_of_three(&samples, &mut a) };
        assert_eq!(done, a.len() / 8 * 8);
        pixel_by_pixel::<u8, i32, f32, 3>(&samples, &mut b);
        assert_eq!(a[..done], b[..done]);
    }
}
