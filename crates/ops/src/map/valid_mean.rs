//! The mean of a pixel's samples of which some may be nodata.

use ndarray::{ArrayView2, ArrayView3, ArrayViewMut2, ArrayViewMut3, Axis};
use outcrop_core::{DataType, Pixels, Sample, f16};

use super::float_mean::{Pairs, Quotients, mean_of};
use super::mean::{BLOCK, Rounded, Sum, divide_wide, each_line};
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

fn integers<T: Sample, S: Sum<T>, U: Sample>(
    pixels: ArrayView3<'_, T>,
    nodata: &Nodata,
    out: ArrayViewMut3<'_, U>,
) {
    let (absent, nodata) = (nodata.absent(), nodata.bound(pixels.dim().2));
    let (mut means, mut counts) = ([0.0; BLOCK], [0; BLOCK]);
    each_line(pixels, out, |pixels, mut out| {
        let blocks = pixels.axis_chunks_iter(Axis(0), BLOCK);
        for (pixels, mut out) in blocks.zip(out.axis_chunks_iter_mut(Axis(0), BLOCK)) {
            let (means, counts) = (&mut means[..out.len()], &mut counts[..out.len()]);
            let sum = std::marker::PhantomData::<S>;
            simd::run(Integers { pixels, nodata: &nodata, means, counts, sum });
            simd::run(Rounded { values: means, out: out.view_mut() });
            set_absent(&mut out, counts, absent);
        }
    });
}

/// Sets the pixels that have no sample.
fn set_absent<U: Copy>(out: &mut ArrayViewMut2<'_, U>, counts: &[i32], absent: U) {
    if counts.contains(&0) {
        out.iter_mut().zip(counts).filter(|(_, n)| **n == 0).for_each(|(out, _)| *out = absent);
    }
}

/// The mean of each of a block of pixels, NaN of none.
struct Integers<'a, T, S> {
    pixels: ArrayView2<'a, T>,
    nodata: &'a [Vec<T>],
    means: &'a mut [f64],
    counts: &'a mut [i32],
    sum: std::marker::PhantomData<S>,
}

impl<T: Sample, S: Sum<T>> Work for Integers<'_, T, S> {
    #[inline(always)]
    fn run(self) {
        let Integers { pixels, nodata, means, counts, .. } = self;
        let mut sums = [S::default(); BLOCK];
        let sums = &mut sums[..counts.len()];
        counts.fill(0);
        each_sample(pixels, nodata, |i, sample, valid| {
            sums[i] += if valid { S::of(sample) } else { S::default() };
            counts[i] += i32::from(valid);
        });
        let all = means.iter_mut().zip(&*sums).zip(&*counts);
        all.for_each(|((mean, sum), &n)| *mean = sum.to_f64() / f64::from(n));
    }
}

fn floats<T: Sample, U: Sample>(pixels: ArrayView3<'_, T>, nodata: &Nodata, out: ArrayViewMut3<'_, U>) {
    let (absent, nodata) = (nodata.absent(), nodata.bound(pixels.dim().2));
    let (mut counts, mut quotients) = ([0; BLOCK], Quotients::new());
    each_line(pixels, out, |pixels, mut out| {
        let blocks = pixels.axis_chunks_iter(Axis(0), BLOCK);
        for (pixels, mut out) in blocks.zip(out.axis_chunks_iter_mut(Axis(0), BLOCK)) {
            let (counts, narrow) = (&mut counts[..out.len()], U::DTYPE != DataType::F64);
            simd::run(Floats { pixels, nodata: &nodata, narrow, counts, quotients: &mut quotients });
            quotients.round_into(out.view_mut());
            for i in quotients.undecided(out.len()) {
                out[[i, 0]] = mean_of(valid_samples(pixels, i, &nodata)).round();
            }
            set_absent(&mut out, counts, absent);
        }
    });
}

/// The mean of each of a block of pixels.
struct Floats<'a, T> {
    pixels: ArrayView2<'a, T>,
    nodata: &'a [Vec<T>],
    narrow: bool,
    counts: &'a mut [i32],
    quotients: &'a mut Quotients,
}

impl<T: Sample> Work for Floats<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Floats { pixels, nodata, narrow, counts, quotients } = self;
        let mut sums = Pairs::new();
        counts.fill(0);
        each_sample(pixels, nodata, |i, sample, valid| {
            sums.add(i, if valid { sample.to_f64() } else { 0.0 });
            counts[i] += i32::from(valid);
        });
        let mut divisors = [1.0; BLOCK];
        divisors.iter_mut().zip(&*counts).for_each(|(d, &n)| *d = f64::from(n.max(1)));
        sums.divide::<T>(&divisors, narrow, counts.len(), quotients);
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
