//! Sums and sums of squares of integers, in lanes that the compiler turns into vectors.
//!
//! Interleaved samples of 8 and 16 bits are added in as many lanes as a multiple of the channels, so that a lane
//! belongs to one channel and no sample moves. Lanes are narrow and flushed before they can wrap. Signed samples go
//! through with their sign bit flipped (offset binary), and the offset is taken out of the sums afterwards.

use outcrop_core::Sample;

use super::ExactSums;

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

/// An unsigned sample of 8 or 16 bits, and the lanes that hold its sums.
pub(crate) trait Small: Sample + Ord + std::ops::BitXor<Output = Self> {
    /// Lane of a sum.
    type Sum: Lane;
    /// Lane of a sum of squares.
    type Squares: Lane;
    /// Samples that a lane can take.
    const FLUSH: usize;
    fn sum(self) -> Self::Sum;
    fn square(self) -> Self::Squares;
}

pub(crate) trait Lane: Copy + Default + std::ops::AddAssign + Into<u64> {}
impl<L: Copy + Default + std::ops::AddAssign + Into<u64>> Lane for L {}

impl Small for u8 {
    type Sum = u16;
    type Squares = u32;
    const FLUSH: usize = 257; // 255 * 257 = 2^16 - 1
    #[inline(always)]
    fn sum(self) -> u16 {
        self.into()
    }
    #[inline(always)]
    fn square(self) -> u32 {
        (u16::from(self) * u16::from(self)).into()
    }
}

impl Small for u16 {
    type Sum = u32;
    type Squares = u64;
    const FLUSH: usize = 65537; // 65535 * 65537 = 2^32 - 1
    #[inline(always)]
    fn sum(self) -> u32 {
        self.into()
    }
    #[inline(always)]
    fn square(self) -> u64 {
        (u32::from(self) * u32::from(self)).into()
    }
}

/// Samples that a lane takes between flushes; no more than any FLUSH.
const RUN: usize = 64;

/// What a lane has seen. Sums of a run of fewer than 2^32 samples fit.
#[derive(Clone, Copy)]
struct Total<T> {
    n: u64,
    min: T,
    max: T,
    sum: u64,
    squares: u64,
}

/// Adds interleaved samples: lane i takes samples i, i + L, ... Each sample is XORed with `flip` first.
#[inline(always)]
fn lanes<T: Small, const L: usize>(samples: &[T], flip: T, totals: &mut [Total<T>; L]) {
    let (mut min, mut max) = (totals.map(|t| t.min), totals.map(|t| t.max));
    // Two passes over a run that sits in the first-level cache need fewer registers than one: 17 GB/s against 13.
    for run in samples.chunks(L * RUN) {
        let mut sum = [T::Sum::default(); L];
        let mut squares = [T::Squares::default(); L];
        let (groups, rest) = run.as_chunks::<L>();
        for group in groups {
            for i in 0..L {
                let v = group[i] ^ flip;
                min[i] = min[i].min(v);
                max[i] = max[i].max(v);
                sum[i] += v.sum();
            }
        }
        for group in groups {
            for i in 0..L {
                squares[i] += (group[i] ^ flip).square();
            }
        }
        for (i, &v) in rest.iter().enumerate() {
            let v = v ^ flip;
            min[i] = min[i].min(v);
            max[i] = max[i].max(v);
            totals[i].n += 1;
            totals[i].sum += v.sum().into();
            totals[i].squares += v.square().into();
        }
        for i in 0..L {
            totals[i].n += groups.len() as u64;
            totals[i].sum += sum[i].into();
            totals[i].squares += squares[i].into();
        }
    }
    for i in 0..L {
        (totals[i].min, totals[i].max) = (min[i], max[i]);
    }
}

/// The same for any number of lanes, for channel counts that no array of lanes is a multiple of.
#[inline(always)]
fn many_lanes<T: Small>(samples: &[T], flip: T, totals: &mut [Total<T>]) {
    let count = totals.len();
    let mut min: Vec<T> = totals.iter().map(|t| t.min).collect();
    let mut max: Vec<T> = totals.iter().map(|t| t.max).collect();
    let mut sum = vec![T::Sum::default(); count];
    let mut squares = vec![T::Squares::default(); count];
    for run in samples.chunks(count * T::FLUSH) {
        for group in run.chunks(count) {
            let lanes = min.iter_mut().zip(&mut max).zip(&mut sum).zip(&mut squares);
            for ((((min, max), sum), squares), &v) in lanes.zip(group) {
                let v = v ^ flip;
                *min = (*min).min(v);
                *max = (*max).max(v);
                *sum += v.sum();
                *squares += v.square();
            }
        }
        let (whole, rest) = (run.len() / count, run.len() % count);
        for (i, total) in totals.iter_mut().enumerate() {
            total.n += whole as u64 + u64::from(i < rest);
            total.sum += std::mem::take(&mut sum[i]).into();
            total.squares += std::mem::take(&mut squares[i]).into();
        }
    }
    for (i, total) in totals.iter_mut().enumerate() {
        (total.min, total.max) = (min[i], max[i]);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn lanes_avx2<T: Small, const L: usize>(samples: &[T], flip: T, totals: &mut [Total<T>; L]) {
    lanes(samples, flip, totals);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn many_lanes_avx2<T: Small>(samples: &[T], flip: T, totals: &mut [Total<T>]) {
    many_lanes(samples, flip, totals);
}

fn run_lanes<T: Small, const L: usize>(
    samples: &[T],
    flip: T,
    empty: Total<T>,
    each: impl FnMut(usize, Total<T>),
) {
    let mut totals = [empty; L];
    #[cfg(target_arch = "x86_64")]
    if crate::simd::has_avx2() {
        // SAFETY: the processor has the feature.
        unsafe { lanes_avx2(samples, flip, &mut totals) };
        return report(&totals, each);
    }
    lanes(samples, flip, &mut totals);
    report(&totals, each);
}

fn report<T: Small>(totals: &[Total<T>], mut each: impl FnMut(usize, Total<T>)) {
    totals.iter().enumerate().filter(|(_, t)| t.n > 0).for_each(|(i, &t)| each(i, t));
}

/// Adds interleaved samples of `sums.len()` channels, of type `T` or of the signed type of the same size, for which
/// `flip` is the sign bit.
fn fold_small<T: Small, S: Sample>(
    samples: &[S],
    flip: T,
    sums: &mut [&mut ExactSums],
    spans: &mut [Option<Span<S>>],
) {
    let channels = sums.len();
    let offset: i128 = flip.sum().into().into();
    let back = |v: T| -> S { bytemuck::cast(v ^ flip) };
    let empty = Total { n: 0, min: T::from_f64(f64::INFINITY), max: T::default(), sum: 0, squares: 0 };
    // A run short enough for the totals: squares of 2^31 samples stay below 2^63.
    for run in bytemuck::cast_slice::<S, T>(samples).chunks(channels << 31) {
        let each = |lane: usize, t: Total<T>| {
            let c = lane % channels;
            let (n, sum, squares) = (i128::from(t.n), i128::from(t.sum), i128::from(t.squares));
            sums[c].n += t.n;
            sums[c].sum.add(sum - offset * n, 0);
            sums[c].squares.add(squares - 2 * offset * sum + offset * offset * n, 0);
            Span::extend(&mut spans[c], back(t.min), back(t.max));
        };
        match channels {
            c if 48 % c == 0 => run_lanes::<T, 48>(run, flip, empty, each),
            _ => {
                let mut totals = vec![empty; channels * 64usize.div_ceil(channels)];
                #[cfg(target_arch = "x86_64")]
                if crate::simd::has_avx2() {
                    // SAFETY: the processor has the feature.
                    unsafe { many_lanes_avx2(run, flip, &mut totals) };
                    report(&totals, each);
                    continue;
                }
                many_lanes(run, flip, &mut totals);
                report(&totals, each);
            }
        }
    }
}

/// Adds interleaved samples, `sums.len()` channels to a pixel, beginning with the first channel. False for types that
/// have no such kernel, in which case nothing was added.
pub(crate) fn fold_interleaved<S: Sample>(
    samples: &[S],
    sums: &mut [&mut ExactSums],
    spans: &mut [Option<Span<S>>],
) -> bool {
    use outcrop_core::DataType::*;
    if sums.is_empty() {
        return true;
    }
    match S::DTYPE {
        U8 => fold_small(samples, 0u8, sums, spans),
        I8 => fold_small(samples, 0x80u8, sums, spans),
        U16 => fold_small(samples, 0u16, sums, spans),
        I16 => fold_small(samples, 0x8000u16, sums, spans),
        _ => return false,
    }
    true
}

/// Adds 32-bit samples of one channel.
#[inline(always)]
fn wide32<T: Sample + Ord + Into<i64>>(samples: &[T]) -> (T, T, i64, u64, u64) {
    let (mut min, mut max) = (samples[0], samples[0]);
    let (mut sum, mut low, mut high) = (0i64, 0u64, 0u64);
    for &v in samples {
        min = min.min(v);
        max = max.max(v);
        let v: i64 = v.into();
        sum += v;
        let square = u64::from(v.unsigned_abs() as u32) * u64::from(v.unsigned_abs() as u32);
        low += square & 0xffff_ffff;
        high += square >> 32;
    }
    (min, max, sum, low, high)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn wide32_avx2<T: Sample + Ord + Into<i64>>(samples: &[T]) -> (T, T, i64, u64, u64) {
    wide32(samples)
}

/// Adds samples of 32 bits.
pub(super) fn fold32<T: Sample + Ord + Into<i64>>(
    samples: &[T],
    sums: &mut ExactSums,
    span: &mut Option<Span<T>>,
) {
    // 2^20 samples below 2^32 keep every sum below 2^52.
    for run in samples.chunks(1 << 20) {
        #[cfg(target_arch = "x86_64")]
        let (min, max, sum, low, high) = if crate::simd::has_avx2() {
            // SAFETY: the processor has the feature.
            unsafe { wide32_avx2(run) }
        } else {
            wide32(run)
        };
        #[cfg(not(target_arch = "x86_64"))]
        let (min, max, sum, low, high) = wide32(run);
        sums.n += run.len() as u64;
        sums.sum.add(sum.into(), 0);
        sums.squares.add(i128::from(low) + (i128::from(high) << 32), 0);
        Span::extend(span, min, max);
    }
}

/// Adds samples of 64 bits. The compiler knows no vectors for these products.
pub(super) fn fold64<T: Sample + Ord + Into<i128>>(
    samples: &[T],
    sums: &mut ExactSums,
    span: &mut Option<Span<T>>,
) {
    for run in samples.chunks(1 << 20) {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize) -> Vec<u16> {
        (0..n as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 15) as u16).collect()
    }

    fn key<T: Small>(t: &Total<T>) -> (u64, T, T, u64, u64) {
        (t.n, t.min, t.max, t.sum, t.squares)
    }

    /// Baseline, vector and many-lane paths against a plain loop, past the lanes' flush and with a rest.
    #[test]
    fn all_paths_equal_a_plain_loop() {
        let wide = noise(48 * 300 + 31);
        let samples: Vec<u8> = wide.iter().map(|&v| if v % 5 == 0 { 255 } else { v as u8 }).collect();
        let empty = Total { n: 0, min: 255u8, max: 0, sum: 0, squares: 0 };
        for flip in [0u8, 0x80] {
            let mut plain = vec![empty; 48];
            for (i, &v) in samples.iter().enumerate() {
                let (t, v) = (&mut plain[i % 48], v ^ flip);
                *t = Total {
                    n: t.n + 1,
                    min: t.min.min(v),
                    max: t.max.max(v),
                    sum: t.sum + u64::from(v),
                    squares: t.squares + u64::from(v) * u64::from(v),
                };
            }
            let plain: Vec<_> = plain.iter().map(key).collect();
            let mut a = [empty; 48];
            lanes(&samples, flip, &mut a);
            assert_eq!(a.iter().map(key).collect::<Vec<_>>(), plain);
            let mut b = vec![empty; 48];
            many_lanes(&samples, flip, &mut b);
            assert_eq!(b.iter().map(key).collect::<Vec<_>>(), plain);
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                let (mut a, mut b) = ([empty; 48], vec![empty; 48]);
                // SAFETY: the processor has the feature.
                unsafe {
                    lanes_avx2(&samples, flip, &mut a);
                    many_lanes_avx2(&samples, flip, &mut b);
                }
                assert_eq!(a.iter().map(key).collect::<Vec<_>>(), plain);
                assert_eq!(b.iter().map(key).collect::<Vec<_>>(), plain);
            }
        }
    }

    #[test]
    fn lanes_of_the_largest_samples_do_not_wrap() {
        let samples = vec![u16::MAX; 65537 * 32 + 5];
        let mut totals = [Total { n: 0, min: u16::MAX, max: 0, sum: 0, squares: 0 }; 32];
        lanes(&samples, 0, &mut totals);
        let total: u64 = totals.iter().map(|t| t.squares).sum();
        assert_eq!(total, samples.len() as u64 * 65535 * 65535);
    }
}
