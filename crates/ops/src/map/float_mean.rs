//! The mean of a pixel's floats: exact sums as pairs, divided and rounded once.

use ndarray::{ArrayView1, ArrayView3, ArrayViewMut3, Axis};
use outcrop_core::{DataType, Sample, Value};

use super::mean::BLOCK;
use crate::exact::{BigSum, Exact};
use crate::simd::Work;

pub(super) struct Floats<'a, T, U> {
    pub(super) pixels: ArrayView3<'a, T>,
    pub(super) out: ArrayViewMut3<'a, U>,
}

impl<T: Sample, U: Sample> Work for Floats<'_, T, U> {
    #[inline(always)]
    fn run(mut self) {
        let divisor = self.pixels.dim().2 as f64;
        let (mut sums, mut rests, mut lost) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
        for (pixels, mut out) in self.pixels.outer_iter().zip(self.out.outer_iter_mut()) {
            let blocks = pixels.axis_chunks_iter(Axis(0), BLOCK);
            for (pixels, mut out) in blocks.zip(out.axis_chunks_iter_mut(Axis(0), BLOCK)) {
                let n = pixels.dim().0;
                let (sums, rests, lost) = (&mut sums[..n], &mut rests[..n], &mut lost[..n]);
                rests.fill(0.0);
                lost.fill(0.0);
                for (c, plane) in pixels.axis_iter(Axis(1)).enumerate() {
                    if c == 0 {
                        sums.iter_mut().zip(plane).for_each(|(sum, sample)| *sum = sample.to_f64());
                    } else {
                        for (i, sample) in plane.iter().enumerate() {
                            let (sum, rest) = two_sum(sums[i], sample.to_f64());
                            let (rest, error) = two_sum(rests[i], rest);
                            (sums[i], rests[i], lost[i]) = (sum, rest, lost[i] + error.abs());
                        }
                    }
                }
                // Sums that one f64 holds, none of them infinite or NaN: no branch, no second look.
                let plain =
                    rests.iter().zip(&*sums).fold(0.0, |all, (rest, sum)| all + rest.abs() + sum * 0.0)
                        == 0.0;
                if plain && (T::DTYPE != DataType::F64 || U::DTYPE == DataType::F64) {
                    for (out, &sum) in out.iter_mut().zip(&*sums) {
                        *out = U::from_f64(quotient::<U>(sum, divisor));
                    }
                } else {
                    for (i, out) in out.iter_mut().enumerate() {
                        let decided =
                            if lost[i] == 0.0 { divide_pair(sums[i], rests[i], divisor) } else { None };
                        *out = decided.unwrap_or_else(|| slow_mean(pixels.index_axis(Axis(0), i)));
                    }
                }
            }
        }
    }
}

/// `a + b` as the nearest f64 and what that leaves out (Knuth). The rest is NaN where the sum is not finite.
#[inline(always)]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    (sum, (a - (sum - b_part)) + (b - b_part))
}

/// `sum / divisor` for f64 rounded to nearest; for narrower types rounded to odd, from where the next rounding is
/// right. The sum comes from f16 or f32 samples (nothing here underflows), or `U` is f64.
#[inline(always)]
fn quotient<U: Sample>(sum: f64, divisor: f64) -> f64 {
    let near = sum / divisor;
    if U::DTYPE == DataType::F64 {
        return near;
    }
    odd(near, (-near).mul_add(divisor, sum))
}

/// The odd one of `near` and its neighbour towards the true value, which lies above it by less than an ulp (`rest`
/// > 0), below it, or on it.
#[inline(always)]
fn odd(near: f64, rest: f64) -> f64 {
    let bits = near.to_bits();
    let away = (rest > 0.0) == (near > 0.0);
    let step = if away { 1u64 } else { u64::MAX };
    let moved = rest != 0.0 && bits & 1 == 0;
    f64::from_bits(if moved { bits.wrapping_add(step) } else { bits })
}

/// The mean of samples whose exact sum is `sum + rest`, or `None` where that cannot be told in f64.
#[inline(always)]
fn divide_pair<U: Sample>(sum: f64, rest: f64, divisor: f64) -> Option<U> {
    if rest == 0.0 && U::DTYPE == DataType::F64 && sum.is_finite() {
        return Some(U::from_f64(sum / divisor));
    }
    let (sum, rest) = two_sum(sum, rest);
    let first = sum / divisor;
    // Away from the ends of the exponent, products and remainders are exact.
    if !(1e-270..1e270).contains(&first.abs()) {
        return None;
    }
    let remainder = (-first).mul_add(divisor, sum) + rest;
    let correction = remainder / divisor;
    let slack = correction.abs() * 2f64.powi(-48);
    if U::DTYPE == DataType::F64 {
        let (low, high) = (first + (correction - slack), first + (correction + slack));
        return (low == high).then(|| U::from_f64(low));
    }
    let (near, beyond) = two_sum(first, correction);
    let exact = (-correction).mul_add(divisor, remainder) == 0.0
        && (remainder - rest) == (-first).mul_add(divisor, sum);
    match beyond {
        0.0 if exact => Some(U::from_f64(near)),
        _ if beyond.abs() > slack => Some(U::from_f64(odd(near, beyond))),
        _ => None,
    }
}

/// The mean in big integers; IEEE's answer where a sample is not finite.
#[cold]
#[inline(never)]
fn slow_mean<T: Sample, U: Sample>(pixel: ArrayView1<'_, T>) -> U {
    mean_of(pixel.iter().copied()).round()
}

/// The exact mean of samples; NaN of none.
pub(crate) fn mean_of<T: Sample>(samples: impl Iterator<Item = T>) -> Exact {
    let (mut count, mut special, mut sum) = (0u64, None, BigSum::default());
    for sample in samples {
        count += 1;
        let value = Value::of(sample);
        match value {
            Value::Float(f) if !f.is_finite() => special = Some(special.unwrap_or(0.0) + f),
            finite => sum.add(finite),
        }
    }
    match special {
        Some(special) => Exact::Special(special),
        None => Exact::big_ratio(&sum.0, BigSum::EXPONENT, &count.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::MeanOverChannels;
    use crate::map::testing::apply;
    use outcrop_core::f16;

    fn mean<T: Sample, U: Sample>(samples: &[T], channels: usize) -> Vec<U> {
        let map = MeanOverChannels::new(T::DTYPE, Some(U::DTYPE), Vec::new());
        apply::<T, U>(&map, samples, [1, samples.len() / channels, channels])
    }

    /// Samples whose exponents lie apart, near one another, tie and cancel.
    fn hard(n: usize) -> Vec<f64> {
        let mut state = 1u64;
        let mut next = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            state >> 11
        };
        let one = |i: usize, r: u64, e: i32| match i % 5 {
            0 => (r as f64) * 2f64.powi(-53),
            1 => (r as f64) * 2f64.powi(e),
            2 => 1.0 + (r % 3) as f64 * 2f64.powi(-24),
            3 => -1.0,
            _ => (r % 7) as f64 * 2f64.powi(-60),
        };
        (0..n)
            .map(|i| {
                let (r, e) = (next(), next());
                one(i + (e % 2) as usize, r, (e % 100) as i32 - 80)
            })
            .collect()
    }

    fn check<T: Sample, U: Sample>() {
        let samples: Vec<T> = hard(6000).into_iter().map(T::from_f64).collect();
        for channels in [1, 2, 3, 4, 5] {
            let wanted: Vec<U> =
                samples.chunks_exact(channels).map(|p| mean_of(p.iter().copied()).round()).collect();
            let got = mean::<T, U>(&samples[..wanted.len() * channels], channels);
            for (i, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
                let pixel = &samples[i * channels..][..channels];
                assert_eq!(
                    bytemuck::bytes_of(got),
                    bytemuck::bytes_of(wanted),
                    "{pixel:?}: {got:?}, {wanted:?}"
                );
            }
        }
    }

    #[test]
    fn every_pair_of_types_is_rounded_once() {
        check::<f32, f32>();
        check::<f32, f64>();
        check::<f64, f32>();
        check::<f64, f64>();
        check::<f16, f32>();
        check::<f64, f16>();
        check::<f64, i32>();
        check::<f32, u8>();
    }

    #[test]
    fn what_is_not_finite_follows_ieee() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        let got = mean::<f32, f32>(&[1.0, nan, inf, -1.0, inf, -inf, -0.0, -0.0, 1.0, 2.0], 2);
        assert!(got[0].is_nan() && got[2].is_nan());
        assert_eq!((got[1], got[4]), (inf, 1.5));
        assert_eq!(mean::<f64, f64>(&[f64::MAX, f64::MAX], 2), [f64::MAX]);
        assert_eq!(mean::<f64, f64>(&[1e308, 1e-308, -1e308], 3), [1e-308 / 3.0]);
    }
}
