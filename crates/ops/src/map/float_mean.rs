//! The mean of a pixel's floats: exact sums as pairs, divided and rounded once.
//!
//! A block's sums are held as unevaluated pairs `sum + rest` made by error-free additions, then divided, both in loops
//! that vectorise. Where a pair does not hold the exact sum, or does not decide the rounding, that pixel is done
//! again in wide integers ([`mean_of`]).

use ndarray::{ArrayView2, ArrayView3, ArrayViewMut2, ArrayViewMut3, Axis};
use outcrop_core::{DataType, Sample, Value};

use super::mean::{BLOCK, Rounded, each_line};
use crate::exact::{BigSum, Exact};
use crate::reduce::exact::decompose;
use crate::simd::{self, Work};

/// The mean of each pixel's samples.
pub(super) fn mean_into<T: Sample, U: Sample>(pixels: ArrayView3<'_, T>, out: ArrayViewMut3<'_, U>) {
    let divisors = [pixels.dim().2 as f64; BLOCK];
    let (mut sums, mut quotients) = (Pairs::new(), Quotients::new());
    each_line(pixels, out, |pixels, mut out| {
        let blocks = pixels.axis_chunks_iter(Axis(0), BLOCK);
        for (pixels, mut out) in blocks.zip(out.axis_chunks_iter_mut(Axis(0), BLOCK)) {
            simd::run(Means {
                pixels,
                divisors: &divisors,
                narrow: U::DTYPE != DataType::F64,
                sums: &mut sums,
                quotients: &mut quotients,
            });
            quotients.round_into(out.view_mut());
            for i in quotients.undecided(out.len()) {
                out[[i, 0]] = mean_of(pixels.index_axis(Axis(0), i).iter().copied()).round();
            }
        }
    });
}

/// The mean of each of a block of pixels.
struct Means<'a, T> {
    pixels: ArrayView2<'a, T>,
    divisors: &'a [f64; BLOCK],
    /// Whether the means are rounded on to a type narrower than f64.
    narrow: bool,
    sums: &'a mut Pairs,
    quotients: &'a mut Quotients,
}

impl<T: Sample> Work for Means<'_, T> {
    #[inline(always)]
    fn run(self) {
        self.sums.add_pixels(self.pixels);
        self.sums.divide::<T>(self.divisors, self.narrow, self.pixels.dim().0, self.quotients);
    }
}

/// The sums of a block of pixels. Where `lost` has a bit set the pair is not the exact sum.
pub(super) struct Pairs {
    sums: [f64; BLOCK],
    rests: [f64; BLOCK],
    lost: [u64; BLOCK],
}

/// Means of a block of pixels, each of which rounds to the sample that the exact mean rounds to, if it is decided.
pub(super) struct Quotients {
    values: [f64; BLOCK],
    /// 0 where the value means nothing.
    decided: [u64; BLOCK],
}

impl Quotients {
    pub(super) fn new() -> Quotients {
        Quotients { values: [0.0; BLOCK], decided: [0; BLOCK] }
    }

    /// Rounds the values, decided or not.
    pub(super) fn round_into<U: Sample>(&self, out: ArrayViewMut2<'_, U>) {
        simd::run(Rounded { values: &self.values[..out.len()], out });
    }

    /// Which of the first `n` pixels need wide integers.
    pub(super) fn undecided(&self, n: usize) -> impl Iterator<Item = usize> {
        let some = self.decided[..n].contains(&0);
        (0..if some { n } else { 0 }).filter(|&i| self.decided[i] == 0)
    }
}

impl Pairs {
    pub(super) fn new() -> Pairs {
        Pairs { sums: [0.0; BLOCK], rests: [0.0; BLOCK], lost: [0; BLOCK] }
    }

    /// Forgets all.
    #[inline(always)]
    pub(super) fn clear(&mut self) {
        *self = Pairs::new();
    }

    /// Adds to the sum of pixel `i`.
    #[inline(always)]
    pub(super) fn add(&mut self, i: usize, v: f64) {
        let pair = add((self.sums[i], self.rests[i], self.lost[i]), v);
        (self.sums[i], self.rests[i], self.lost[i]) = pair;
    }

    /// The sums of these pixels.
    #[inline(always)]
    fn add_pixels<T: Sample>(&mut self, pixels: ArrayView2<'_, T>) {
        match (pixels.as_slice(), pixels.dim().1) {
            (Some(samples), 1) => self.add_interleaved::<T, 1>(samples),
            (Some(samples), 2) => self.add_interleaved::<T, 2>(samples),
            (Some(samples), 3) => self.add_interleaved::<T, 3>(samples),
            (Some(samples), 4) => self.add_interleaved::<T, 4>(samples),
            _ => {
                self.clear();
                for plane in pixels.axis_iter(Axis(1)) {
                    match plane.as_slice() {
                        Some(plane) => plane.iter().enumerate().for_each(|(i, v)| self.add(i, v.to_f64())),
                        None => plane.iter().enumerate().for_each(|(i, v)| self.add(i, v.to_f64())),
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn add_interleaved<T: Sample, const C: usize>(&mut self, samples: &[T]) {
        let sums = self.sums.iter_mut().zip(&mut self.rests).zip(&mut self.lost);
        for (((sum, rest), lost), pixel) in sums.zip(samples.as_chunks::<C>().0) {
            let first = (pixel[0].to_f64(), 0.0, 0);
            (*sum, *rest, *lost) = pixel[1..].iter().fold(first, |all, v| add(all, v.to_f64()));
        }
    }

    /// The sums of the first `n` pixels of samples `T` over their divisors, as f64 or to be rounded to a narrower type.
    #[inline(always)]
    pub(super) fn divide<T: Sample>(
        &self,
        divisors: &[f64; BLOCK],
        narrow: bool,
        n: usize,
        quotients: &mut Quotients,
    ) {
        let all = quotients.values.iter_mut().zip(&mut quotients.decided).zip(divisors);
        let sums = self.sums[..n].iter().zip(&self.rests[..n]);
        // Sums that one f64 holds, none of them infinite or NaN, need one division.
        let unfit = |(&sum, &rest): (&f64, &f64)| (rest.to_bits() << 1) | (sum * 0.0).to_bits() << 1;
        let plain = sums.clone().map(unfit).fold(0, |any, bits| any | bits) == 0;
        let pairs = all.zip(sums).zip(&self.lost[..n]);
        // Of f16 and f32 samples no quotient underflows.
        match (plain, narrow) {
            (true, false) => pairs.for_each(|((((value, decided), &divisor), (&sum, _)), _)| {
                (*value, *decided) = (quotient::<false>(sum, divisor), 1);
            }),
            (true, true) if T::DTYPE != DataType::F64 => {
                pairs.for_each(|((((value, decided), &divisor), (&sum, _)), _)| {
                    (*value, *decided) = (quotient::<true>(sum, divisor), 1);
                });
            }
            (_, false) => pairs.for_each(|((((value, decided), &divisor), (&sum, &rest)), &lost)| {
                let found = divide_pair::<false>(sum, rest, divisor);
                (*value, *decided) = (found.0, u64::from(found.1 & (lost == 0)));
            }),
            (_, true) => pairs.for_each(|((((value, decided), &divisor), (&sum, &rest)), &lost)| {
                let found = divide_pair::<true>(sum, rest, divisor);
                (*value, *decided) = (found.0, u64::from(found.1 & (lost == 0)));
            }),
        }
    }
}

/// Adds to a pair; sets bits where an error is lost.
#[inline(always)]
fn add((sum, rest, lost): (f64, f64, u64), v: f64) -> (f64, f64, u64) {
    let (sum, error) = two_sum(sum, v);
    let (rest, error) = two_sum(rest, error);
    (sum, rest, lost | error.to_bits() << 1)
}

/// `a + b` as the nearest f64 and what that leaves out (Knuth). The rest is NaN where the sum is not finite.
#[inline(always)]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    (sum, (a - (sum - b_part)) + (b - b_part))
}

/// `sum / divisor` for f64 rounded to nearest; for narrower types rounded to odd, from where the next rounding is
/// right: then the sum comes from f16 or f32 samples (nothing here underflows). Zero has no sign.
#[inline(always)]
fn quotient<const NARROW: bool>(sum: f64, divisor: f64) -> f64 {
    let near = sum / divisor + 0.0;
    if !NARROW {
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

/// The mean of samples whose exact sum is `sum + rest`, as [`quotient`], and whether f64 decides it. No branches.
#[inline(always)]
fn divide_pair<const NARROW: bool>(sum: f64, rest: f64, divisor: f64) -> (f64, bool) {
    let alone = (rest == 0.0) & (sum.abs() < f64::INFINITY) & !NARROW;
    let simple = sum / divisor + 0.0;
    let (sum, rest) = two_sum(sum, rest);
    let first = sum / divisor;
    // Away from the ends of the exponent, products and remainders are exact.
    let inside = (first.abs() >= 1e-270) & (first.abs() < 1e270);
    let product = (-first).mul_add(divisor, sum);
    let remainder = product + rest;
    let correction = remainder / divisor;
    let slack = correction.abs() * 2f64.powi(-48);
    if !NARROW {
        let (low, high) = (first + (correction - slack), first + (correction + slack));
        return (if alone { simple } else { low }, alone | (inside & (low == high)));
    }
    let (near, beyond) = two_sum(first, correction);
    let exact = ((-correction).mul_add(divisor, remainder) == 0.0) & (remainder - rest == product);
    let decided = ((beyond == 0.0) & exact) | (beyond.abs() > slack);
    (odd(near, beyond), inside & decided)
}

/// The mean of a few floats, rounded once.
#[inline(always)]
pub(super) fn mean<T: Sample>(samples: &[T]) -> T {
    let (sum, rest, lost) = samples.iter().fold((0.0, 0.0, 0), |all, v| add(all, v.to_f64()));
    let divisor = samples.len() as f64;
    // What one f64 holds is halved or quartered without a rounding of its own.
    if rest == 0.0 && lost == 0 && samples.len().is_power_of_two() {
        return T::from_f64(sum / divisor);
    }
    let (quotient, decided) = match T::DTYPE {
        DataType::F64 => divide_pair::<false>(sum, rest, divisor),
        _ => divide_pair::<true>(sum, rest, divisor),
    };
    if decided && lost == 0 { T::from_f64(quotient) } else { mean_of(samples.iter().copied()).round() }
}

/// The exact mean of samples in wide integers; IEEE's answer where one is not finite, NaN of none.
#[cold]
#[inline(never)]
pub(super) fn mean_of<T: Sample>(samples: impl Iterator<Item = T> + Clone) -> Exact {
    let (mut count, mut special) = (0u64, None);
    // Exponents of the lowest unit and of the highest.
    let (mut lowest, mut highest) = (i32::MAX, i32::MIN);
    for sample in samples.clone() {
        count += 1;
        let v = sample.to_f64();
        if !v.is_finite() {
            special = Some(special.unwrap_or(0.0) + v);
        } else if v != 0.0 {
            let (_, exponent) = decompose(v);
            (lowest, highest) = (lowest.min(exponent), highest.max(exponent));
        }
    }
    if let Some(special) = special {
        return Exact::Special(if special.is_nan() { f64::NAN } else { special });
    }
    // Terms of 53 + 40 bits, fewer than 2^32 of them.
    if T::DTYPE.is_float() && highest.saturating_sub(lowest) <= 40 && count < 1 << 32 {
        let units = samples.map(|sample| match decompose(sample.to_f64()) {
            (0, _) => 0,
            (significand, exponent) => i128::from(significand) << (exponent - lowest),
        });
        return Exact::ratio(units.sum(), count).scaled(lowest.into());
    }
    let mut sum = BigSum::default();
    samples.for_each(|sample| sum.add(Value::of(sample)));
    Exact::big_ratio(&sum.0, BigSum::EXPONENT, &count.into())
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

    #[test]
    fn means_of_a_few_are_rounded_once() {
        fn check<T: Sample>(values: &[f64]) {
            for few in 1..=4 {
                for part in values.windows(few) {
                    let samples: Vec<T> = part.iter().map(|&v| T::from_f64(v)).collect();
                    let wanted: T = mean_of(samples.iter().copied()).round();
                    let found = super::mean(&samples);
                    assert!(found.to_f64().to_bits() == wanted.to_f64().to_bits(), "{samples:?}: {found:?}");
                }
            }
        }
        let ends =
            [f64::MAX, f64::MAX, -f64::MAX, f64::INFINITY, 1.0, 5e-324, 5e-324, 1e-300, -1e16, 1.0, 1e16];
        let values = [&hard(3000)[..], &ends, &[0.0; 4]].concat();
        check::<f64>(&values);
        check::<f32>(&values);
        check::<f16>(&values);
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

    /// Which samples share a block decides which path a pixel takes, and must not show.
    #[test]
    fn zero_has_no_sign_on_any_path() {
        for beside in [1.0f32, 1e-30, f32::NAN] {
            assert_eq!(mean::<f32, f32>(&[-0.0, -0.0, 1.0, beside], 2)[0].to_bits(), 0);
            assert_eq!(mean::<f32, f64>(&[-0.0, beside], 1)[0].to_bits(), 0);
            assert_eq!(mean::<f64, f64>(&[-0.0, -0.0, 1.0, beside.into()], 2)[0].to_bits(), 0);
        }
    }

    /// The baseline's multiplications and additions are those of the vectors.
    #[test]
    fn the_baseline_gives_what_the_vectors_give() {
        fn check<T: Sample>(narrow: bool) {
            let samples: Vec<T> = hard(4 * BLOCK).into_iter().map(T::from_f64).collect();
            for channels in [1, 3, 4, 5] {
                let n = (samples.len() / channels).min(BLOCK);
                let pixels = ArrayView2::from_shape((n, channels), &samples[..n * channels]).unwrap();
                let divisors = &[channels as f64; BLOCK];
                let [a, b] = [false, true].map(|vectors| {
                    let (mut sums, mut quotients) = (Pairs::new(), Quotients::new());
                    let work = Means { pixels, divisors, narrow, sums: &mut sums, quotients: &mut quotients };
                    if vectors {
                        simd::run(work)
                    } else {
                        work.run()
                    }
                    (quotients.values.map(f64::to_bits), quotients.decided)
                });
                assert_eq!(a, b);
            }
        }
        for narrow in [false, true] {
            check::<f32>(narrow);
            check::<f64>(narrow);
        }
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
