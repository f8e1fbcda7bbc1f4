//! Reductions over channels that f64 does exactly, in loops that vectorise.

use ndarray::{ArrayView2, ArrayView3, ArrayViewMut3, Axis};
use outcrop_core::Sample;

use super::mean::{BLOCK, Rounded, each_line};
use crate::reduce::Op;
use crate::simd::{self, Work};

/// Reduces each pixel where the operation is exact in f64 for such samples; false, and nothing done, where it is not.
pub(super) fn reduce_into<T: Sample, U: Sample>(
    op: &Op,
    pixels: ArrayView3<'_, T>,
    out: &mut ArrayViewMut3<'_, U>,
) -> bool {
    let channels = pixels.dim().2;
    // Sums of 2^20 integers of 32 bits stay below 2^52.
    let integers = !T::DTYPE.is_float() && T::DTYPE.bytes() <= 4 && channels <= 1 << 20;
    let exact = match op {
        Op::Min | Op::Max => integers || T::DTYPE.is_float(),
        Op::Sum | Op::Range | Op::Any | Op::All => integers,
        _ => false,
    };
    if !exact || channels == 0 {
        return false;
    }
    let mut values = [0.0; BLOCK];
    each_line(pixels, out.view_mut(), |pixels, mut out| {
        let blocks = pixels.axis_chunks_iter(Axis(0), BLOCK);
        for (pixels, out) in blocks.zip(out.axis_chunks_iter_mut(Axis(0), BLOCK)) {
            let values = &mut values[..out.len()];
            simd::run(Reduced { op, pixels, values });
            simd::run(Rounded { values, out });
        }
    });
    true
}

/// The result of each of a block of pixels.
struct Reduced<'a, T> {
    op: &'a Op,
    pixels: ArrayView2<'a, T>,
    values: &'a mut [f64],
}

impl<T: Sample> Work for Reduced<'_, T> {
    #[inline(always)]
    fn run(self) {
        // NaN stays once it is there; zero has no sign.
        let min = |a: f64, v: f64| if (v < a) | v.is_nan() { v + 0.0 } else { a };
        let max = |a: f64, v: f64| if (v > a) | v.is_nan() { v + 0.0 } else { a };
        let (pixels, values) = (self.pixels, self.values);
        match self.op {
            Op::Sum => fold(pixels, values, 0.0, |a, v| a + v),
            Op::Min => fold(pixels, values, f64::INFINITY, min),
            Op::Max => fold(pixels, values, f64::NEG_INFINITY, max),
            Op::Any => fold(pixels, values, 0.0, |a, v| if v != 0.0 { 1.0 } else { a }),
            Op::All => fold(pixels, values, 1.0, |a, v| if v == 0.0 { 0.0 } else { a }),
            _ => {
                let mut least = [0.0; BLOCK];
                let least = &mut least[..values.len()];
                fold(pixels, least, f64::INFINITY, min);
                fold(pixels, values, f64::NEG_INFINITY, max);
                values.iter_mut().zip(least).for_each(|(most, least)| *most -= *least);
            }
        }
        values.iter_mut().for_each(|v| *v = if v.is_nan() { f64::NAN } else { *v });
    }
}

#[inline(always)]
fn fold<T: Sample>(
    pixels: ArrayView2<'_, T>,
    values: &mut [f64],
    start: f64,
    step: impl Fn(f64, f64) -> f64,
) {
    values.fill(start);
    for plane in pixels.axis_iter(Axis(1)) {
        match plane.as_slice() {
            Some(plane) => values.iter_mut().zip(plane).for_each(|(a, v)| *a = step(*a, v.to_f64())),
            None => values.iter_mut().zip(plane).for_each(|(a, v)| *a = step(*a, v.to_f64())),
        }
    }
}
