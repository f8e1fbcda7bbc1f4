//! Sums and sums of squares of integers: of one channel for 32 and 64 bits, of interleaved ones for [`small`].

use outcrop_core::Sample;

use super::{ExactSums, small};
use crate::simd::{self, Work};

/// Smallest and largest sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Span<T> {
    pub(crate) min: T,
    pub(crate) max: T,
}

impl<T: Sample> Span<T> {
    /// Widens a span to what lies between `min` and `max`.
    #[inline(always)]
    pub(crate) fn extend(span: &mut Option<Span<T>>, min: T, max: T) {
        *span = Some(match *span {
            None => Span { min, max },
            Some(s) => Span {
                min: if min < s.min { min } else { s.min },
                max: if max > s.max { max } else { s.max },
            },
        });
    }
}

/// Adds interleaved samples, `sums.len()` channels to a pixel, beginning with the first channel. Samples that are their
/// channel's nodata value are counted in `left` alone. False where there is no such kernel for the type: nothing was added then.
pub(crate) fn fold_interleaved<S: Sample>(
    samples: &[S],
    nodata: Option<&[S]>,
    sums: &mut [&mut ExactSums],
    spans: &mut [Option<Span<S>>],
    left: &mut [u64],
) -> bool {
    use outcrop_core::DataType::*;
    if sums.is_empty() {
        return true;
    }
    match S::DTYPE {
        U8 => small::fold(samples, 0u8, nodata, sums, spans, left),
        I8 => small::fold(samples, 0x80u8, nodata, sums, spans, left),
        U16 => small::fold(samples, 0u16, nodata, sums, spans, left),
        I16 => small::fold(samples, 0x8000u16, nodata, sums, spans, left),
        _ => return false,
    }
    true
}

/// Samples whose nodata is sorted out at once.
const BLOCK: usize = 4096;

/// Whether one sample is the value.
struct Any<'a, T> {
    samples: &'a [T],
    value: T,
    out: &'a mut bool,
}

impl<T: Sample> Work for Any<'_, T> {
    #[inline(always)]
    fn run(self) {
        *self.out = self.samples.iter().fold(false, |any, &v| any | (v == self.value));
    }
}

/// Calls `fold` with all samples that are not nodata, brought together where some are; returns how many are.
fn fold_kept<T: Sample>(samples: &[T], nodata: Option<T>, mut fold: impl FnMut(&[T])) -> u64 {
    let Some(nodata) = nodata else {
        fold(samples);
        return 0;
    };
    let mut held = [T::default(); BLOCK];
    let mut left = 0;
    for block in samples.chunks(BLOCK) {
        let mut any = false;
        simd::run(Any { samples: block, value: nodata, out: &mut any });
        if !any {
            fold(block);
            continue;
        }
        // No branch depends on one sample.
        let mut end = 0;
        for &v in block {
            held[end] = v;
            end += usize::from(v != nodata);
        }
        left += (block.len() - end) as u64;
        if end > 0 {
            fold(&held[..end]);
        }
    }
    left
}

/// Samples of 32 bits of one channel, at least one, and what they add up to.
struct Wide<'a, T> {
    samples: &'a [T],
    out: &'a mut WideTotal<T>,
}

struct WideTotal<T> {
    min: T,
    max: T,
    sum: i64,
    /// Of the squares' lower and upper 32 bits.
    squares: [u64; 2],
}

impl<T: Sample + Ord + Into<i64>> Work for Wide<'_, T> {
    #[inline(always)]
    fn run(self) {
        let (mut min, mut max) = (self.samples[0], self.samples[0]);
        let (mut sum, mut low, mut high) = (0i64, 0u64, 0u64);
        for &v in self.samples {
            min = min.min(v);
            max = max.max(v);
            let v: i64 = v.into();
            sum += v;
            let square = u64::from(v.unsigned_abs() as u32) * u64::from(v.unsigned_abs() as u32);
            low += square & 0xffff_ffff;
            high += square >> 32;
        }
        *self.out = WideTotal { min, max, sum, squares: [low, high] };
    }
}

/// Adds samples of 32 bits; returns how many are nodata and were not added.
pub(super) fn fold32<T: Sample + Ord + Into<i64>>(
    samples: &[T],
    nodata: Option<T>,
    sums: &mut ExactSums,
    span: &mut Option<Span<T>>,
) -> u64 {
    fold_kept(samples, nodata, |kept| {
        // 2^20 samples below 2^32 keep every sum below 2^52.
        for run in kept.chunks(1 << 20) {
            let mut t = WideTotal { min: run[0], max: run[0], sum: 0, squares: [0; 2] };
            simd::run(Wide { samples: run, out: &mut t });
            sums.n += run.len() as u64;
            sums.sum.add(t.sum.into(), 0);
            sums.squares.add(i128::from(t.squares[0]) + (i128::from(t.squares[1]) << 32), 0);
            Span::extend(span, t.min, t.max);
        }
    })
}

/// Adds samples of 64 bits; returns how many are nodata and were not added. The compiler knows no vectors for these
/// products.
pub(super) fn fold64<T: Sample + Ord + Into<i128>>(
    samples: &[T],
    nodata: Option<T>,
    sums: &mut ExactSums,
    span: &mut Option<Span<T>>,
) -> u64 {
    fold_kept(samples, nodata, |kept| {
        for run in kept.chunks(1 << 20) {
            let (mut min, mut max) = (run[0], run[0]);
            let (mut sum, mut low, mut high) = (0i128, 0u128, 0u128);
            for &v in run {
                min = min.min(v);
                max = max.max(v);
                let v: i128 = v.into();
                sum += v;
                let magnitude = v.unsigned_abs() as u64;
                let square = u128::from(magnitude) * u128::from(magnitude);
                low += u128::from(square as u64);
                high += square >> 64;
            }
            sums.n += run.len() as u64;
            sums.sum.add(sum, 0);
            sums.squares.add_unsigned(low, 0);
            sums.squares.add_unsigned(high, 64);
            Span::extend(span, min, max);
        }
    })
}
