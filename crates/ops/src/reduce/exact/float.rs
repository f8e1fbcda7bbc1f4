//! Blocks of floats: sums and sums of squares that are exact in plain f64 vector arithmetic.
//!
//! A block of [`BLOCK`] samples is added under a guess of its largest magnitude, 2^e. A sum that needs more than 53
//! bits is split on the fly (Demmel and Nguyen, "Fast reproducible floating-point summation", 2013): `high` starts at
//! 1.5 * 2^m, so that every addition to it rounds to a grid; what the rounding cut off is exact and is added to
//! `low`. Afterwards the block's smallest and largest magnitudes say whether the guess held and whether no low sum
//! can have rounded. Where it did not hold the block is done again; where magnitudes spread too far, it goes to the
//! [`Bins`](super::bins::Bins). docs/exactness.md has the bounds.

use outcrop_core::f16;

#[cfg(target_arch = "x86_64")]
use super::avx2;
use super::fixed::power_of_two;
use super::sums::Scratch;
use super::{ExactSums, Span};

/// Samples in a block.
pub(crate) const BLOCK: usize = 1024;
/// Independent accumulators of each kind.
pub(super) const LANES: usize = 8;
/// Grid of a split sum of terms below 2^k: accumulators stay in the binade 2^(k + 9), as a lane takes 128 terms.
pub(super) const BINADE: i32 = 9;
/// Largest spread of exponents for which a block of f32 is exact: 2 * 19 + 48 <= 87.
const SPREAD_F32: i32 = 19;
/// Largest spread of exponents for which a block of f64 is exact: 2 * 16 + 54 <= 87.
const SPREAD_F64: i32 = 16;
/// Guesses of e between which f64 squares and their errors neither overflow nor fall below the normal numbers.
const LEAST_GUESS: i32 = -400;
const LARGEST_GUESS: i32 = 500;

/// What one block adds up to. The parts are exact; unused ones are 0.
pub(crate) struct Block<T> {
    pub(super) min: T,
    pub(super) max: T,
    /// Smallest nonzero magnitude; infinite where all samples are zero.
    pub(super) least: T,
    pub(super) sums: [f64; 2],
    pub(super) squares: [f64; 4],
}

/// A float that has a block kernel.
pub(crate) trait Kernel: outcrop_core::Sample {
    const SPREAD: i32;
    /// Adds a block of whole groups of [`LANES`], under the guess that magnitudes are below 2^e.
    fn block(samples: &[Self], e: i32) -> Option<Block<Self>>;
}

/// A running sum of terms below 2^k, in two parts.
#[derive(Clone, Copy)]
struct Split {
    high: [f64; LANES],
    low: [f64; LANES],
    start: f64,
}

impl Split {
    #[inline(always)]
    fn new(k: i32) -> Split {
        let start = 1.5 * power_of_two(k + BINADE);
        Split { high: [start; LANES], low: [0.0; LANES], start }
    }

    #[inline(always)]
    fn add(&mut self, v: &[f64; LANES]) {
        for (i, &v) in v.iter().enumerate() {
            let next = self.high[i] + v;
            self.low[i] += v - (next - self.high[i]);
            self.high[i] = next;
        }
    }

    /// Adds the exact squares of `v`; the product of the fused operations is never rounded by itself.
    #[inline(always)]
    fn add_squares<const FMA: bool>(&mut self, v: &[f64; LANES]) {
        for (i, &v) in v.iter().enumerate() {
            let (next, low);
            if FMA {
                next = v.mul_add(v, self.high[i]);
                low = v.mul_add(v, self.high[i] - next);
            } else {
                let square = v * v;
                next = self.high[i] + square;
                low = square - (next - self.high[i]);
            }
            self.low[i] += low;
            self.high[i] = next;
        }
    }

    #[inline(always)]
    fn parts(&self) -> [f64; 2] {
        [self.high.iter().map(|h| h - self.start).sum(), self.low.iter().sum()]
    }
}

macro_rules! scan {
    ($scan:ident, $t:ty, $bits:ty) => {
        /// Smallest and largest sample, and the smallest nonzero magnitude.
        struct $scan {
            min: [$t; LANES],
            max: [$t; LANES],
            least: [$bits; LANES],
        }

        impl $scan {
            #[inline(always)]
            fn new() -> $scan {
                $scan {
                    min: [<$t>::INFINITY; LANES],
                    max: [<$t>::NEG_INFINITY; LANES],
                    least: [<$bits>::MAX; LANES],
                }
            }

            #[inline(always)]
            fn add(&mut self, v: &[$t; LANES]) {
                for i in 0..LANES {
                    self.min[i] = if v[i] < self.min[i] { v[i] } else { self.min[i] };
                    self.max[i] = if v[i] > self.max[i] { v[i] } else { self.max[i] };
                    // Without the sign, zero last.
                    self.least[i] = self.least[i].min((v[i].to_bits() << 1).wrapping_sub(1));
                }
            }

            #[inline(always)]
            fn parts(&self) -> ($t, $t, $t) {
                let least = self.least.iter().fold(<$bits>::MAX, |a, &b| a.min(b));
                let least =
                    if least == <$bits>::MAX { <$t>::INFINITY } else { <$t>::from_bits((least + 1) >> 1) };
                (
                    self.min.iter().fold(<$t>::INFINITY, |a, &b| a.min(b)),
                    self.max.iter().fold(<$t>::NEG_INFINITY, |a, &b| a.max(b)),
                    least,
                )
            }
        }
    };
}
scan!(Scan32, f32, u32);
scan!(Scan64, f64, u64);

#[inline(always)]
fn block_f32<const FMA: bool>(samples: &[f32], e: i32) -> Block<f32> {
    let mut scan = Scan32::new();
    let mut sum = [0.0; LANES];
    let mut squares = Split::new(2 * e);
    for group in samples.as_chunks::<LANES>().0 {
        scan.add(group);
        let wide = group.map(f64::from);
        for i in 0..LANES {
            sum[i] += wide[i];
        }
        squares.add_squares::<FMA>(&wide);
    }
    let (min, max, least) = scan.parts();
    let [high, low] = squares.parts();
    Block { min, max, least, sums: [sum.iter().sum(), 0.0], squares: [high, low, 0.0, 0.0] }
}

/// Needs a fused multiply-add, by which the rounding error of a square is exact.
#[inline(always)]
fn block_f64(samples: &[f64], e: i32) -> Block<f64> {
    let mut scan = Scan64::new();
    let mut sum = Split::new(e);
    let (mut squares, mut errors) = (Split::new(2 * e), Split::new(2 * e - 53));
    for group in samples.as_chunks::<LANES>().0 {
        scan.add(group);
        sum.add(group);
        let square = group.map(|v| v * v);
        let mut error = [0.0; LANES];
        for i in 0..LANES {
            error[i] = group[i].mul_add(group[i], -square[i]);
        }
        squares.add(&square);
        errors.add(&error);
    }
    let (min, max, least) = scan.parts();
    let ([a, b], [c, d]) = (squares.parts(), errors.parts());
    Block { min, max, least, sums: sum.parts(), squares: [a, b, c, d] }
}

impl Kernel for f32 {
    const SPREAD: i32 = SPREAD_F32;

    fn block(samples: &[f32], e: i32) -> Option<Block<f32>> {
        #[cfg(target_arch = "x86_64")]
        if avx2::detected() {
            // SAFETY: the processor has the features.
            return Some(unsafe { avx2::block_f32(samples, e) });
        }
        Some(block_f32::<{ cfg!(target_arch = "aarch64") }>(samples, e))
    }
}

impl Kernel for f64 {
    const SPREAD: i32 = SPREAD_F64;

    fn block(samples: &[f64], e: i32) -> Option<Block<f64>> {
        #[cfg(target_arch = "x86_64")]
        if avx2::detected() {
            // SAFETY: the processor has the features.
            return Some(unsafe { avx2::block_f64(samples, e) });
        }
        cfg!(target_arch = "aarch64").then(|| block_f64(samples, e))
    }
}

/// The least k such that |v| < 2^k, for finite v.
fn exponent(v: f64) -> i32 {
    let biased = (v.to_bits() >> 52 & 0x7ff) as i32;
    if biased == 0 { -1022 } else { biased - 1022 }
}

/// Adds samples; NaN and infinities are counted, the infinities take part in `span`.
pub(crate) fn fold<T: Kernel>(
    samples: &[T],
    sums: &mut ExactSums,
    span: &mut Option<Span<T>>,
    scratch: &mut Scratch,
) {
    let (whole, rest) = samples.split_at(samples.len() / LANES * LANES);
    for block in whole.chunks(BLOCK) {
        if !fold_finite(block, sums, span, scratch) {
            let mut finite = [T::default(); BLOCK];
            let mut kept = 0;
            for &v in block {
                finite[kept] = v;
                if v.to_f64().is_finite() {
                    kept += 1;
                } else {
                    fold_one(v, sums, span);
                }
            }
            let (whole, rest) = finite[..kept].split_at(kept / LANES * LANES);
            fold_finite(whole, sums, span, scratch);
            rest.iter().for_each(|&v| fold_one(v, sums, span));
        }
    }
    rest.iter().for_each(|&v| fold_one(v, sums, span));
}

/// Adds one sample of any kind.
fn fold_one<T: Kernel>(v: T, sums: &mut ExactSums, span: &mut Option<Span<T>>) {
    sums.add_f64(v.to_f64());
    if !v.is_nan() {
        Span::extend(span, v, v);
    }
}

/// Adds a block of whole groups, unless a sample of it is not finite (false).
fn fold_finite<T: Kernel>(
    samples: &[T],
    sums: &mut ExactSums,
    span: &mut Option<Span<T>>,
    scratch: &mut Scratch,
) -> bool {
    if samples.is_empty() {
        return true;
    }
    let mut extremes = None;
    for _ in 0..2 {
        let Some(block) = T::block(samples, scratch.exponent) else { break };
        if !block.sums[0].is_finite() {
            break; // NaN or an infinity, or finite samples whose plain sum overflows
        }
        extremes = Some((block.min, block.max));
        let top = exponent(block.min.to_f64().abs().max(block.max.to_f64().abs()));
        let least = block.least.to_f64();
        let lowest = if least.is_finite() { exponent(least) } else { i32::MAX };
        let guess = scratch.exponent;
        // One more than needed, so that the next block's guess holds more often.
        if top > -1022 && !(top..=top + 2).contains(&guess) {
            scratch.exponent = (top + 1).clamp(LEAST_GUESS, LARGEST_GUESS);
        }
        if top <= guess && lowest >= guess.saturating_sub(T::SPREAD) {
            block.sums.iter().for_each(|&v| sums.sum.add_f64(v));
            block.squares.iter().for_each(|&v| sums.squares.add_f64(v));
            sums.n += samples.len() as u64;
            Span::extend(span, block.min, block.max);
            return true;
        }
        if lowest < (top + 1).saturating_sub(T::SPREAD) {
            break;
        }
    }
    if extremes.is_none() && !samples.iter().all(|v| v.to_f64().is_finite()) {
        return false;
    }
    let (min, max) = extremes.unwrap_or_else(|| {
        let smaller = |a: T, &b: &T| if b < a { b } else { a };
        let larger = |a: T, &b: &T| if b > a { b } else { a };
        (samples.iter().fold(samples[0], smaller), samples.iter().fold(samples[0], larger))
    });
    scratch.bins.add(samples.iter().map(|v| v.to_f64()), &mut sums.sum, &mut sums.squares);
    sums.n += samples.len() as u64;
    Span::extend(span, min, max);
    // The next block may be close again.
    let top = exponent(min.to_f64().abs().max(max.to_f64().abs()));
    scratch.exponent = (top + 1).clamp(LEAST_GUESS, LARGEST_GUESS);
    true
}

/// Adds f16 samples as f32, which holds them exactly.
pub(crate) fn fold_f16(
    samples: &[f16],
    sums: &mut ExactSums,
    span: &mut Option<Span<f16>>,
    scratch: &mut Scratch,
) {
    let mut wide = [0f32; BLOCK];
    for block in samples.chunks(BLOCK) {
        for (w, v) in wide.iter_mut().zip(block) {
            *w = v.to_f32();
        }
        let mut wide_span = None;
        fold(&wide[..block.len()], sums, &mut wide_span, scratch);
        if let Some(Span { min, max }) = wide_span {
            Span::extend(span, f16::from_f32(min), f16::from_f32(max));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exact total of parts that may divide differently between high and low.
    #[cfg(target_arch = "x86_64")]
    fn total(parts: &[f64]) -> super::super::Fixed {
        let mut total = super::super::Fixed::for_squares(outcrop_core::DataType::F64);
        parts.iter().for_each(|&v| total.add_f64(v));
        total
    }

    /// The vector path and the baseline agree to the last bit, as both are exact.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn vector_blocks_equal_baseline_blocks() {
        if !avx2::detected() {
            return;
        }
        let samples: Vec<f32> =
            (1..=1000).map(|i| (i as f32).sqrt() * if i % 3 == 0 { -1.0 } else { 1.0 }).collect();
        for n in [8, 16, 1000] {
            // SAFETY: the processor has the features.
            let a = unsafe { avx2::block_f32(&samples[..n], 6) };
            let b = block_f32::<false>(&samples[..n], 6);
            assert_eq!((a.min, a.max, a.least, a.sums), (b.min, b.max, b.least, b.sums));
            assert_eq!(total(&a.squares), total(&b.squares));
            let wide: Vec<f64> = samples[..n].iter().map(|&v| f64::from(v).sqrt()).collect();
            // SAFETY: the processor has the features.
            let a = unsafe { avx2::block_f64(&wide, 6) };
            let b = block_f64(&wide, 6);
            assert_eq!((a.min, a.max, a.least), (b.min, b.max, b.least));
            assert_eq!(total(&a.sums), total(&b.sums));
            assert_eq!(total(&a.squares), total(&b.squares));
        }
    }

    #[test]
    fn exponents_bound_magnitudes() {
        for (v, e) in [(1.0, 1), (0.75, 0), (2.0, 2), (1.5e300, exponent(1.5e300)), (0.0, -1022)] {
            assert_eq!(exponent(v), e);
            assert!(v < 2f64.powi(e) || v == 0.0);
        }
    }
}
