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
/// channel's nodata value are counted in `left` alone. False where there is no such kernel, for the type or for
/// nodata in so many channels: nothing was added then.
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
    if nodata.is_some() && !small::takes_nodata(sums.len()) {
        return false;
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

/// Samples of 32 bits of one channel, and what they add up to.
struct Wide<'a, T> {
    samples: &'a [T],
    nodata: Option<T>,
    out: &'a mut WideTotal<T>,
}

struct WideTotal<T> {
    left: u64,
    min: T,
    max: T,
    sum: i64,
    /// Of the squares' lower and upper 32 bits.
    squares: [u64; 2],
}

impl<T: Sample + Ord + Into<i64>> Work for Wide<'_, T> {
    #[inline(always)]
    fn run(self) {
        match self.nodata {
            Some(nodata) => self.add(|v| v == nodata),
            None => self.add(|_| false),
        }
    }
}

impl<T: Sample + Ord + Into<i64>> Wide<'_, T> {
    #[inline(always)]
    fn add(self, gone: impl Fn(T) -> bool) {
        let (least, most) = (T::from_f64(f64::NEG_INFINITY), T::from_f64(f64::INFINITY));
        let (mut min, mut max, mut left) = (most, least, 0u32);
        let (mut sum, mut low, mut high) = (0i64, 0u64, 0u64);
        for &v in self.samples {
            let gone = gone(v);
            min = min.min(if gone { most } else { v });
            max = max.max(if gone { least } else { v });
            left += u32::from(gone);
            let v: i64 = (if gone { T::default() } else { v }).into();
            sum += v;
            let square = u64::from(v.unsigned_abs() as u32) * u64::from(v.unsigned_abs() as u32);
            low += square & 0xffff_ffff;
            high += square >> 32;
        }
        *self.out = WideTotal { left: left.into(), min, max, sum, squares: [low, high] };
    }
}

/// Adds samples of 32 bits; returns how many are nodata and were not added.
pub(super) fn fold32<T: Sample + Ord + Into<i64>>(
    samples: &[T],
    nodata: Option<T>,
    sums: &mut ExactSums,
    span: &mut Option<Span<T>>,
) -> u64 {
    let mut left = 0;
    // 2^20 samples below 2^32 keep every sum below 2^52.
    for run in samples.chunks(1 << 20) {
        let mut t = WideTotal { left: 0, min: run[0], max: run[0], sum: 0, squares: [0; 2] };
        simd::run(Wide { samples: run, nodata, out: &mut t });
        let valid = run.len() as u64 - t.left;
        left += t.left;
        sums.n += valid;
        sums.sum.add(t.sum.into(), 0);
        sums.squares.add(i128::from(t.squares[0]) + (i128::from(t.squares[1]) << 32), 0);
        if valid > 0 {
            Span::extend(span, t.min, t.max);
        }
    }
    left
}

/// Adds samples of 64 bits; returns how many are nodata and were not added. The compiler knows no vectors for these
/// products.
pub(super) fn fold64<T: Sample + Ord + Into<i128>>(
    samples: &[T],
    nodata: Option<T>,
    sums: &mut ExactSums,
    span: &mut Option<Span<T>>,
) -> u64 {
    let mut left = 0;
    for run in samples.chunks(1 << 20) {
        let (least, most) = (T::from_f64(f64::NEG_INFINITY), T::from_f64(f64::INFINITY));
        let (mut min, mut max, mut gone) = (most, least, 0);
        let (mut sum, mut low, mut high) = (0i128, 0u128, 0u128);
        for &v in run {
            let leaves = nodata == Some(v);
            gone += u64::from(leaves);
            min = min.min(if leaves { most } else { v });
            max = max.max(if leaves { least } else { v });
            let v: i128 = (if leaves { T::default() } else { v }).into();
            sum += v;
            let magnitude = v.unsigned_abs() as u64;
            let square = u128::from(magnitude) * u128::from(magnitude);
            low += u128::from(square as u64);
            high += square >> 64;
        }
        left += gone;
        sums.n += run.len() as u64 - gone;
        sums.sum.add(sum, 0);
        sums.squares.add_unsigned(low, 0);
        sums.squares.add_unsigned(high, 64);
        if gone < run.len() as u64 {
            Span::extend(span, min, max);
        }
    }
    left
}
