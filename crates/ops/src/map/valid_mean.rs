//! The mean of a pixel's samples of which some may be nodata.

use ndarray::{ArrayView2, ArrayView3, ArrayViewMut3, Axis};
use outcrop_core::{Pixels, Sample, f16};

use super::float_mean::{Pairs, slow_mean};
use super::mean::{BLOCK, Sum, divide_wide, each_line};
use crate::nodata::{Nodata, contains};
use crate::simd::{self, Work};

/// The mean of each pixel's samples that are data.
pub(super) fn mean_into<U: Sample>(pixels: Pixels<'_>, nodata: &Nodata, out: ArrayViewMut3<'_, U>) {
    use outcrop_core::Pixels::*;
    let narrow = pixels.shape()[2] <= 1 << 15;
    match pixels {
        U8(v) if narrow => integers::<u8, i32, U>(v, nodata, out),
        I8(v) if narrow => integers::<i8, i32, U>(v, nodata, out),
        U16(v) if narrow => integers::<u16, i32, U>(v, nodata, out),
        I16(v) if narrow => integers::<i16, i32, U>(v, nodata, out),
        U32(v) if narrow => integers::<u32, f64, U>(v, nodata, out),
        I32(v) if narrow => integers::<i32, f64, U>(v, nodata, out),
        U8(v) => wide(v, nodata, out),
        I8(v) => wide(v, nodata, out),
        U16(v) => wide(v, nodata, out),
        I16(v) => wide(v, nodata, out),
        U32(v) => wide(v, nodata, out),
        I32(v) => wide(v, nodata, out),
        U64(v) => wide(v, nodata, out),
        I64(v) => wide(v, nodata, out),
        F16(v) => floats::<f16, U>(v, nodata, out),
        F32(v) => floats::<f32, U>(v, nodata, out),
        F64(v) => floats::<f64, U>(v, nodata, out),
    }
}

/// Calls `each` with the number of the pixel, its sample and whether that is data, a plane at a time.
#[inline(always)]
fn each_sample<T: Sample>(
    pixels: ArrayView2<'_, T>,
    nodata: &[Vec<T>],
    mut each: impl FnMut(usize, T, bool),
) {
    for (plane, nodata) in pixels.axis_iter(Axis(1)).zip(nodata) {
        match (nodata.as_slice(), plane.as_slice()) {
            // One value that is not NaN, in most files.
            (&[value], Some(plane)) if !value.is_nan() => {
                plane.iter().enumerate().for_each(|(i, &v)| each(i, v, v != value));
            }
            (&[value], None) if !value.is_nan() => {
                plane.iter().enumerate().for_each(|(i, &v)| each(i, v, v != value));
            }
            _ => plane.iter().enumerate().for_each(|(i, &v)| each(i, v, !contains(nodata, v))),
        }
    }
}

struct Integers<'a, T, S, U> {
    pixels: ArrayView3<'a, T>,
    nodata: Vec<Vec<T>>,
    absent: U,
    out: ArrayViewMut3<'a, U>,
    sum: std::marker::PhantomData<S>,
}

fn integers<T: Sample, S: Sum<T>, U: Sample>(
    pixels: ArrayView3<'_, T>,
    nodata: &Nodata,
    out: ArrayViewMut3<'_, U>,
) {
    let (absent, nodata) = (nodata.absent(), nodata.bound(pixels.dim().2));
    simd::run(Integers::<T, S, U> { pixels, nodata, absent, out, sum: std::marker::PhantomData });
}

impl<T: Sample, S: Sum<T>, U: Sample> Work for Integers<'_, T, S, U> {
    #[inline(always)]
    fn run(self) {
        each_line(self.pixels, self.out, |pixels, mut out| {
            let blocks = pixels.axis_chunks_iter(Axis(0), BLOCK);
            for (pixels, mut out) in blocks.zip(out.axis_chunks_iter_mut(Axis(0), BLOCK)) {
                let (mut sums, mut counts) = ([S::default(); BLOCK], [0i32; BLOCK]);
                each_sample(pixels, &self.nodata, |i, sample, valid| {
                    sums[i] += if valid { S::of(sample) } else { S::default() };
                    counts[i] += i32::from(valid);
                });
                for (out, (sum, &count)) in out.iter_mut().zip(sums.iter().zip(&counts)) {
                    let mean = U::from_f64(sum.to_f64() / f64::from(count));
                    *out = if count == 0 { self.absent } else { mean };
                }
            }
        });
    }
}

struct Floats<'a, T, U> {
    pixels: ArrayView3<'a, T>,
    nodata: Vec<Vec<T>>,
    absent: U,
    out: ArrayViewMut3<'a, U>,
}

fn floats<T: Sample, U: Sample>(pixels: ArrayView3<'_, T>, nodata: &Nodata, out: ArrayViewMut3<'_, U>) {
    let (absent, nodata) = (nodata.absent(), nodata.bound(pixels.dim().2));
    simd::run(Floats::<T, U> { pixels, nodata, absent, out });
}

impl<T: Sample, U: Sample> Work for Floats<'_, T, U> {
    #[inline(always)]
    fn run(self) {
        let mut sums = Pairs::new();
        each_line(self.pixels, self.out, |pixels, mut out| {
            let blocks = pixels.axis_chunks_iter(Axis(0), BLOCK);
            for (pixels, mut out) in blocks.zip(out.axis_chunks_iter_mut(Axis(0), BLOCK)) {
                let mut counts = [0.0; BLOCK];
                sums.clear();
                each_sample(pixels, &self.nodata, |i, sample, valid| {
                    sums.add(i, if valid { sample.to_f64() } else { 0.0 });
                    counts[i] += if valid { 1.0 } else { 0.0 };
                });
                let quotients = sums.divide::<T, U>(&counts, pixels.dim().0);
                for (i, out) in out.iter_mut().enumerate() {
                    *out = match (counts[i] > 0.0, quotients.decided[i]) {
                        (false, _) => self.absent,
                        (true, 0) => slow_mean(valid_samples(pixels, i, &self.nodata)),
                        (true, _) => U::from_f64(quotients.values[i]),
                    };
                }
            }
        });
    }
}

/// Integers of 64 bits, and very many channels.
fn wide<T: Sample + Into<i128>, U: Sample>(
    pixels: ArrayView3<'_, T>,
    nodata: &Nodata,
    out: ArrayViewMut3<'_, U>,
) {
    let (absent, nodata) = (nodata.absent(), nodata.bound(pixels.dim().2));
    each_line(pixels, out, |pixels, mut out| {
        for (i, out) in out.iter_mut().enumerate() {
            let add = |(sum, n): (i128, u64), sample: T| (sum + sample.into(), n + 1);
            let (sum, n) = valid_samples(pixels, i, &nodata).fold((0, 0), add);
            *out = if n == 0 { absent } else { divide_wide(sum, n) };
        }
    });
}

/// The samples of a pixel that are data.
fn valid_samples<'a, T: Sample>(
    pixels: ArrayView2<'a, T>,
    pixel: usize,
    nodata: &'a [Vec<T>],
) -> impl Iterator<Item = T> + Clone + 'a {
    let samples = pixels.index_axis_move(Axis(0), pixel);
    (0..samples.len())
        .map(move |c| (samples[c], &nodata[c]))
        .filter(|(v, n)| !contains(n, *v))
        .map(|(v, _)| v)
}
