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
use crate::simd;

/// Samples in a block.
pub(crate) const BLOCK: usize = 1024;
/// Independent accumulators of each kind.
pub(super) const LANES: usize = 8;
/// Grid of a split sum of terms below 2^k: accumulators stay in the binade 2^(k + 9), as a lane takes up to 256 terms.
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
    /// At most the smallest nonzero magnitude, and at least half of it or 0; infinite where all samples are zero.
    pub(super) least: T,
    pub(super) sums: [f64; 2],
    pub(super) squares: [f64; 4],
    /// Samples that are NaN, and that are nodata; they are in none of the above. 0 where nothing was left out.
    pub(super) nan: u64,
    pub(super) nodata: u64,
}

/// What a block leaves out: nothing (NaN makes its sum NaN), or NaN and the samples that equal a value, none where
/// that is NaN.
pub(super) type Leave<T> = Option<T>;

/// A float that has a block kernel.
pub(crate) trait Kernel: outcrop_core::Sample {
    const SPREAD: i32;
    const NAN: Self;
    /// Adds a block of whole groups of [`LANES`], under the guess that magnitudes are below 2^e.
    fn block(samples: &[Self], e: i32, leave: Leave<Self>) -> Option<Block<Self>>;
}

/// A running sum of terms below 2^k, in two parts.
#[derive(Clone, Copy)]
pub(super) struct Split {
    high: [f64; LANES],
    low: [f64; LANES],
    start: f64,
}

impl Split {
    #[inline(always)]
    pub(super) fn new(k: i32) -> Split {
        let start = 1.5 * power_of_two(k + BINADE);
        Split { high: [start; LANES], low: [0.0; LANES], start }
    }

    #[inline(always)]
    pub(super) fn add(&mut self, v: &[f64; LANES]) {
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
    pub(super) fn parts(&self) -> [f64; 2] {
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
            nan: [u32; LANES],
            nodata: [u32; LANES],
        }

        impl $scan {
            #[inline(always)]
            fn new() -> $scan {
                $scan {
                    min: [<$t>::INFINITY; LANES],
                    max: [<$t>::NEG_INFINITY; LANES],
                    least: [<$bits>::MAX; LANES],
                    nan: [0; LANES],
                    nodata: [0; LANES],
                }
            }

            /// Takes in what is left of a group, and returns it with zeros for the rest, which add nothing.
            #[inline(always)]
            fn add_left(&mut self, v: &[$t; LANES], nodata: $t) -> [$t; LANES] {
                let (mut kept, mut numbers) = (*v, *v);
                for i in 0..LANES {
                    let gone = v[i] == nodata;
                    self.nan[i] += u32::from(v[i].is_nan());
                    self.nodata[i] += u32::from(gone);
                    // NaN is neither less nor greater.
                    numbers[i] = if gone { <$t>::NAN } else { v[i] };
                    kept[i] = if gone | v[i].is_nan() { 0.0 } else { v[i] };
                }
                self.extremes(&numbers);
                self.smallest(&kept);
                kept
            }

            #[inline(always)]
            fn add(&mut self, v: &[$t; LANES]) {
                self.extremes(v);
                self.smallest(v);
            }

            #[inline(always)]
            fn extremes(&mut self, v: &[$t; LANES]) {
                for i in 0..LANES {
                    self.min[i] = if v[i] < self.min[i] { v[i] } else { self.min[i] };
                    self.max[i] = if v[i] > self.max[i] { v[i] } else { self.max[i] };
                }
            }

            #[inline(always)]
            fn smallest(&mut self, v: &[$t; LANES]) {
                for i in 0..LANES {
                    // Without the sign, zero last.
                    self.least[i] = self.least[i].min((v[i].to_bits() << 1).wrapping_sub(1));
                }
            }

            #[inline(always)]
            fn block(&self, sums: [f64; 2], squares: [f64; 4]) -> Block<$t> {
                let least = self.least.iter().fold(<$bits>::MAX, |a, &b| a.min(b));
                let least =
                    if least == <$bits>::MAX { <$t>::INFINITY } else { <$t>::from_bits((least + 1) >> 1) };
                Block {
                    min: self.min.iter().fold(<$t>::INFINITY, |a, &b| a.min(b)),
                    max: self.max.iter().fold(<$t>::NEG_INFINITY, |a, &b| a.max(b)),
                    least,
                    sums,
                    squares,
                    nan: self.nan.iter().map(|&n| u64::from(n)).sum(),
                    nodata: self.nodata.iter().map(|&n| u64::from(n)).sum(),
                }
            }
        }
    };
}
scan!(Scan32, f32, u32);
scan!(Scan64, f64, u64);

#[inline(always)]
fn block_f32<const FMA: bool>(samples: &[f32], e: i32, leave: Leave<f32>) -> Block<f32> {
    let mut scan = Scan32::new();
    let mut sum = [0.0; LANES];
    let mut squares = Split::new(2 * e);
    let mut add = |group: &[f32; LANES]| {
        let wide = group.map(f64::from);
        for i in 0..LANES {
            sum[i] += wide[i];
        }
        squares.add_squares::<FMA>(&wide);
    };
    let groups = samples.as_chunks::<LANES>().0;
    match leave {
        None => groups.iter().for_each(|group| {
            scan.add(group);
            add(group);
        }),
        Some(nodata) => groups.iter().for_each(|group| add(&scan.add_left(group, nodata))),
    }
    let [high, low] = squares.parts();
    scan.block([sum.iter().sum(), 0.0], [high, low, 0.0, 0.0])
}

/// Needs a fused multiply-add, by which the rounding error of a square is exact.
#[inline(always)]
fn block_f64(samples: &[f64], e: i32, leave: Leave<f64>) -> Block<f64> {
    let mut scan = Scan64::new();
    let mut sum = Split::new(e);
    let (mut squares, mut errors) = (Split::new(2 * e), Split::new(2 * e - 53));
    let mut add = |group: &[f64; LANES]| {
        sum.add(group);
        let square = group.map(|v| v * v);
        let mut error = [0.0; LANES];
        for i in 0..LANES {
            error[i] = group[i].mul_add(group[i], -square[i]);
        }
        squares.add(&square);
        errors.add(&error);
    };
    let groups = samples.as_chunks::<LANES>().0;
    match leave {
        None => groups.iter().for_each(|group| {
            scan.add(group);
            add(group);
        }),
        Some(nodata) => groups.iter().for_each(|group| add(&scan.add_left(group, nodata))),
    }
    let ([a, b], [c, d]) = (squares.parts(), errors.parts());
    scan.block(sum.parts(), [a, b, c, d])
}

impl Kernel for f32 {
    const SPREAD: i32 = SPREAD_F32;
    const NAN: f32 = f32::NAN;

    fn block(samples: &[f32], e: i32, leave: Leave<f32>) -> Option<Block<f32>> {
        #[cfg(target_arch = "x86_64")]
        if simd::detected() {
            // SAFETY: the processor has the features.
            return Some(unsafe { avx2::block_f32(samples, e, leave) });
        }
        Some(block_f32::<{ cfg!(target_arch = "aarch64") }>(samples, e, leave))
    }
}

impl Kernel for f64 {
    const SPREAD: i32 = SPREAD_F64;
    const NAN: f64 = f64::NAN;

    fn block(samples: &[f64], e: i32, leave: Leave<f64>) -> Option<Block<f64>> {
        #[cfg(target_arch = "x86_64")]
        if simd::detected() {
            // SAFETY: the processor has the features.
            return Some(unsafe { avx2::block_f64(samples, e, leave) });
        }
        cfg!(target_arch = "aarch64").then(|| block_f64(samples, e, leave))
    }
}

/// The least k such that |v| < 2^k, for finite v.
pub(super) fn exponent(v: f64) -> i32 {
    let biased = (v.to_bits() >> 52 & 0x7ff) as i32;
    if biased == 0 { -1022 } else { biased - 1022 }
}

/// Adds samples; NaN and infinities are counted, the infinities take part in `span`. Returns how many are `nodata`
/// and were not added; with NaN for that value there are none.
pub(crate) fn fold<T: Kernel>(
    samples: &[T],
    nodata: Option<T>,
    sums: &mut ExactSums,
    span: &mut Option<Span<T>>,
    scratch: &mut Scratch,
) -> u64 {
    let mut left = 0;
    let (whole, rest) = samples.split_at(samples.len() / LANES * LANES);
    for block in whole.chunks(BLOCK) {
        // Where NaN was seen there may be more.
        let leave = nodata.or(scratch.nan.then_some(T::NAN));
        let added = fold_finite(block, leave, sums, span, scratch);
        let added = added
            .or_else(|| leave.is_none().then(|| fold_finite(block, Some(T::NAN), sums, span, scratch))?);
        match added {
            Some(nodata) => left += nodata,
            None => {
                let mut finite = [T::default(); BLOCK];
                let mut kept = 0;
                for &v in block {
                    finite[kept] = v;
                    if v.to_f64().is_finite() && Some(v) != nodata {
                        kept += 1;
                    } else {
                        left += fold_one(v, nodata, sums, span);
                    }
                }
                let (whole, rest) = finite[..kept].split_at(kept / LANES * LANES);
                fold_finite(whole, None, sums, span, scratch);
                rest.iter().for_each(|&v| {
                    fold_one(v, nodata, sums, span);
                });
            }
        }
    }
    left + rest.iter().map(|&v| fold_one(v, nodata, sums, span)).sum::<u64>()
}

/// Adds one sample of any kind; 1 if it is nodata.
fn fold_one<T: Kernel>(v: T, nodata: Option<T>, sums: &mut ExactSums, span: &mut Option<Span<T>>) -> u64 {
    if Some(v) == nodata {
        return 1;
    }
    sums.add_f64(v.to_f64());
    if !v.is_nan() {
        Span::extend(span, v, v);
    }
    0
}

/// Adds a block of whole groups and returns how many samples of it are nodata, unless one that stays is not finite.
fn fold_finite<T: Kernel>(
    samples: &[T],
    leave: Leave<T>,
    sums: &mut ExactSums,
    span: &mut Option<Span<T>>,
    scratch: &mut Scratch,
) -> Option<u64> {
    let mut found = None;
    for _ in 0..2 {
        let Some(block) = T::block(samples, scratch.exponent, leave) else { break };
        if !block.sums[0].is_finite() {
            break; // NaN or an infinity, or finite samples whose plain sum overflows
        }
        let valid = samples.len() as u64 - block.nan - block.nodata;
        if valid == 0 {
            return Some(leave_out(&block, leave, sums, scratch));
        }
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
            sums.n += valid;
            Span::extend(span, block.min, block.max);
            return Some(leave_out(&block, leave, sums, scratch));
        }
        found = Some(block);
        if lowest < (top + 1).saturating_sub(T::SPREAD) {
            break;
        }
    }
    let block = match found {
        Some(block) => block,
        None => plain_scan(samples, leave)?,
    };
    let stays = |v: &T| leave.is_none_or(|nodata| *v != nodata && !v.is_nan());
    // Zeros add nothing.
    let kept = samples.iter().map(|v| if stays(v) { v.to_f64() } else { 0.0 });
    scratch.bins.add(kept, &mut sums.sum, &mut sums.squares);
    let valid = samples.len() as u64 - block.nan - block.nodata;
    sums.n += valid;
    if valid > 0 {
        Span::extend(span, block.min, block.max);
        // The next block may be close again.
        let top = exponent(block.min.to_f64().abs().max(block.max.to_f64().abs()));
        scratch.exponent = (top + 1).clamp(LEAST_GUESS, LARGEST_GUESS);
    }
    Some(leave_out(&block, leave, sums, scratch))
}

/// Counts what a block left out.
fn leave_out<T: Kernel>(
    block: &Block<T>,
    leave: Leave<T>,
    sums: &mut ExactSums,
    scratch: &mut Scratch,
) -> u64 {
    sums.nan += block.nan;
    scratch.nan = leave.is_some() && block.nan > 0;
    block.nodata
}

/// The extremes of a block and what it leaves out, without its sums; `None` where a sample that stays is not finite.
fn plain_scan<T: Kernel>(samples: &[T], leave: Leave<T>) -> Option<Block<T>> {
    let zero = T::default();
    let mut all =
        Block { min: zero, max: zero, least: zero, sums: [0.0; 2], squares: [0.0; 4], nan: 0, nodata: 0 };
    let mut span = None;
    for &v in samples {
        match leave {
            Some(nodata) if v == nodata => all.nodata += 1,
            Some(_) if v.is_nan() => all.nan += 1,
            _ if v.to_f64().is_finite() => Span::extend(&mut span, v, v),
            _ => return None,
        }
    }
    if let Some(Span { min, max }) = span {
        (all.min, all.max) = (min, max);
    }
    Some(all)
}

/// Adds f16 samples as f32, which holds them exactly.
pub(crate) fn fold_f16(
    samples: &[f16],
    nodata: Option<f16>,
    sums: &mut ExactSums,
    span: &mut Option<Span<f16>>,
    scratch: &mut Scratch,
) -> u64 {
    let mut wide = [0f32; BLOCK];
    let mut left = 0;
    for block in samples.chunks(BLOCK) {
        for (w, v) in wide.iter_mut().zip(block) {
            *w = v.to_f32();
        }
        let mut wide_span = None;
        left += fold(&wide[..block.len()], nodata.map(f16::to_f32), sums, &mut wide_span, scratch);
        if let Some(Span { min, max }) = wide_span {
            Span::extend(span, f16::from_f32(min), f16::from_f32(max));
        }
    }
    left
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
        if !simd::detected() {
            return;
        }
        let samples: Vec<f32> =
            (1..=1000).map(|i| (i as f32).sqrt() * if i % 3 == 0 { -1.0 } else { 1.0 }).collect();
        let with_nan: Vec<f32> = samples.iter().map(|&v| if v < -20.0 { f32::NAN } else { v }).collect();
        let leaves = [None, Some(f32::NAN), Some(4.0)];
        for (n, leave) in [8, 16, 1000].into_iter().flat_map(|n| leaves.map(|leave| (n, leave))) {
            let samples = if leave.is_some() { &with_nan } else { &samples };
            // SAFETY: the processor has the features.
            let a = unsafe { avx2::block_f32(&samples[..n], 6, leave) };
            let b = block_f32::<false>(&samples[..n], 6, leave);
            assert_eq!((a.min, a.max, a.least, a.sums), (b.min, b.max, b.least, b.sums));
            assert_eq!((a.nan, a.nodata), (b.nan, b.nodata));
            assert_eq!(total(&a.squares), total(&b.squares));
            let wide: Vec<f64> = samples[..n].iter().map(|&v| f64::from(v).sqrt()).collect();
            // SAFETY: the processor has the features.
            let a = unsafe { avx2::block_f64(&wide, 6, leave.map(f64::from)) };
            let b = block_f64(&wide, 6, leave.map(f64::from));
            assert_eq!((a.min, a.max), (b.min, b.max));
            assert!(a.least <= b.least && b.least <= 2.0 * a.least, "{} of {}", a.least, b.least);
            assert_eq!((a.nan, a.nodata), (b.nan, b.nodata));
            assert_eq!(total(&a.sums), total(&b.sums));
            assert_eq!(total(&a.squares), total(&b.squares));
        }
    }

    /// A whole block of the largest magnitude below the guess takes accumulators to the ends of their binade.
    #[test]
    fn blocks_of_the_largest_magnitude_are_exact() {
        for v in [64.0f64.next_down(), -64.0f64.next_down(), 64.0 - 2f64.powi(-36)] {
            let Some(block) = f64::block(&[v; BLOCK], 6, None) else { continue };
            let mut one = ExactSums::new(outcrop_core::DataType::F64);
            one.add_f64(v);
            let mut all = ExactSums::new(outcrop_core::DataType::F64);
            (0..BLOCK).for_each(|_| all.merge(&one));
            let mut found = ExactSums::new(outcrop_core::DataType::F64);
            block.sums.iter().for_each(|&v| found.sum.add_f64(v));
            block.squares.iter().for_each(|&v| found.squares.add_f64(v));
            assert_eq!((found.sum, found.squares), (all.sum, all.squares), "{v}");
        }
    }

    /// What bounds the spread of a block never exceeds its smallest magnitude, whatever its bits.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn least_magnitudes_of_vectors_are_bounds() {
        if !simd::detected() {
            return;
        }
        let tiny = [5e-324, 2f64.powi(-1043), 2f64.powi(-1042), f64::MIN_POSITIVE];
        let near = [1.0f64, 1.0f64.next_down(), 1.0f64.next_up(), 0.7, 2f64.powi(-30), 1e-300];
        for v in near.into_iter().chain(tiny) {
            let mut samples = [0.0, 3.0, -2.0, 0.0, 5.0, -0.0, 4.0, 9.0];
            for place in 0..8 {
                let held = std::mem::replace(&mut samples[place], -v);
                // SAFETY: the processor has the features.
                let least = unsafe { avx2::block_f64(&samples, 5, None) }.least;
                assert!(least <= v && (v < 1e-307 || v <= 2.0 * least), "{least} of {v}");
                samples[place] = held;
            }
        }
        // SAFETY: the processor has the features.
        let zeros = unsafe { avx2::block_f64(&[0.0, -0.0, 0.0, 0.0, 0.0, 0.0, -0.0, 0.0], 5, None) };
        assert_eq!(zeros.least, f64::INFINITY);
    }

    #[test]
    fn exponents_bound_magnitudes() {
        for (v, e) in [(1.0, 1), (0.75, 0), (2.0, 2), (1.5e300, exponent(1.5e300)), (0.0, -1022)] {
            assert_eq!(exponent(v), e);
            assert!(v < 2f64.powi(e) || v == 0.0);
        }
    }
}
