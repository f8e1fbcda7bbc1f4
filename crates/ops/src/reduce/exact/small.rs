//! Sums and sums of squares of 8- and 16-bit integers, in lanes that the compiler turns into vectors.
//!
//! Interleaved samples are added in as many lanes as a multiple of the channels, so that a lane belongs to one channel
//! and no sample moves. Lanes are narrow and flushed before they can wrap. Signed samples go through with their sign
//! bit flipped (offset binary), and the offset is taken out of the sums afterwards; so are nodata samples, which only
//! stay away from the extremes.

use outcrop_core::Sample;

use super::ExactSums;
use super::integer::Span;
#[cfg(target_arch = "x86_64")]
use super::{small_avx2, small_avx512};
use crate::simd::{self, Work};

/// An unsigned sample of 8 or 16 bits, and the lanes that hold its sums.
pub(crate) trait Small: Sample + Ord + std::ops::BitXor<Output = Self> + Into<u64> {
    /// Lane of a sum.
    type Sum: Lane;
    /// Lane of a sum of squares.
    type Squares: Lane;
    const MAX: Self;
    fn sum(self) -> Self::Sum;
    fn square(self) -> Self::Squares;
    /// Adds what it can of interleaved samples to the totals of a multiple of [`LANES`] lanes, and returns how many it added: a
    /// multiple of those lanes.
    ///
    /// # Safety
    /// The processor must have AVX2.
    #[cfg(target_arch = "x86_64")]
    unsafe fn add_avx2<const NODATA: bool>(
        samples: &[Self],
        kind: &Kind<Self>,
        totals: &mut Vec<Total<Self>>,
    ) -> usize;
    /// The same without nodata, to the totals of so many channels as a vector [takes](small_avx512::takes), and a multiple of those.
    /// The extremes may be of samples that were not added yet.
    ///
    /// # Safety
    /// The processor must have AVX-512 with BW, VBMI and VNNI.
    #[cfg(target_arch = "x86_64")]
    unsafe fn add_avx512(
        samples: &[Self],
        channels: usize,
        flip: Self,
        totals: &mut Vec<Total<Self>>,
    ) -> usize;
}

pub(crate) trait Lane: Copy + Default + std::ops::AddAssign + Into<u64> {}
impl<L: Copy + Default + std::ops::AddAssign + Into<u64>> Lane for L {}

impl Small for u8 {
    type Sum = u16;
    type Squares = u32;
    const MAX: u8 = u8::MAX;
    #[inline(always)]
    fn sum(self) -> u16 {
        self.into()
    }
    #[inline(always)]
    fn square(self) -> u32 {
        (u16::from(self) * u16::from(self)).into()
    }
    #[cfg(target_arch = "x86_64")]
    unsafe fn add_avx2<const NODATA: bool>(
        samples: &[u8],
        kind: &Kind<u8>,
        totals: &mut Vec<Total<u8>>,
    ) -> usize {
        // SAFETY: the caller's.
        unsafe { small_avx2::add_u8::<NODATA>(samples, kind, totals) }
    }
    #[cfg(target_arch = "x86_64")]
    unsafe fn add_avx512(samples: &[u8], channels: usize, flip: u8, totals: &mut Vec<Total<u8>>) -> usize {
        // SAFETY: the caller's.
        unsafe { small_avx512::add_u8(samples, channels, flip, totals) }
    }
}

impl Small for u16 {
    type Sum = u32;
    type Squares = u64;
    const MAX: u16 = u16::MAX;
    #[inline(always)]
    fn sum(self) -> u32 {
        self.into()
    }
    #[inline(always)]
    fn square(self) -> u64 {
        (u32::from(self) * u32::from(self)).into()
    }
    #[cfg(target_arch = "x86_64")]
    unsafe fn add_avx2<const NODATA: bool>(
        samples: &[u16],
        kind: &Kind<u16>,
        totals: &mut Vec<Total<u16>>,
    ) -> usize {
        // SAFETY: the caller's.
        unsafe { small_avx2::add_u16::<NODATA>(samples, kind, totals) }
    }
    #[cfg(target_arch = "x86_64")]
    unsafe fn add_avx512(samples: &[u16], channels: usize, flip: u16, totals: &mut Vec<Total<u16>>) -> usize {
        // SAFETY: the caller's.
        unsafe { small_avx512::add_u16(samples, channels, flip, totals) }
    }
}

/// Lanes of the portable kernel.
const LANES: usize = 48;
/// Samples that a lane takes between flushes; no lane of a sum wraps: 255 * 255 < 2^16.
const RUN: usize = 64;

/// How samples are seen.
pub(crate) struct Kind<T> {
    /// What samples are XORed with.
    pub(super) flip: T,
    /// For each channel what is no data, XORed already.
    pub(super) nodata: Vec<T>,
}

/// What a lane has seen. Sums of a run of fewer than 2^32 samples fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Total<T> {
    /// Samples, nodata among them; sums are over all of these.
    pub(super) n: u64,
    /// Those that are nodata, and take no part in the extremes.
    pub(super) left: u64,
    pub(super) min: T,
    pub(super) max: T,
    pub(super) sum: u64,
    pub(super) squares: u64,
}

impl<T: Small> Total<T> {
    pub(super) fn new() -> Total<T> {
        Total { n: 0, left: 0, min: T::MAX, max: T::default(), sum: 0, squares: 0 }
    }

    fn merge(&mut self, other: &Total<T>) {
        self.n += other.n;
        self.left += other.left;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
        self.squares += other.squares;
    }
}

/// Adds interleaved samples: lane i takes samples i, i + L, ...
struct Lanes<'a, T: Small, const L: usize, const NODATA: bool> {
    samples: &'a [T],
    flip: T,
    nodata: [T; L],
    totals: &'a mut [Total<T>; L],
}

impl<T: Small, const L: usize, const NODATA: bool> Work for Lanes<'_, T, L, NODATA> {
    #[inline(always)]
    fn run(self) {
        let Lanes { samples, flip, nodata, totals } = self;
        let (mut min, mut max) = (totals.map(|t| t.min), totals.map(|t| t.max));
        // Two passes over a run that sits in the first-level cache need fewer registers than one: 17 GB/s against 13.
        for run in samples.chunks(L * RUN) {
            let mut sum = [T::Sum::default(); L];
            let mut squares = [T::Squares::default(); L];
            let mut left = [0u8; L];
            let (groups, rest) = run.as_chunks::<L>();
            for group in groups {
                for i in 0..L {
                    let v = group[i] ^ flip;
                    let gone = NODATA && v == nodata[i];
                    min[i] = min[i].min(if gone { T::MAX } else { v });
                    max[i] = max[i].max(if gone { T::default() } else { v });
                    left[i] += u8::from(gone);
                    sum[i] += v.sum();
                }
            }
            for group in groups {
                for i in 0..L {
                    squares[i] += (group[i] ^ flip).square();
                }
            }
            for (i, &v) in rest.iter().enumerate() {
                one::<T, NODATA>(v ^ flip, nodata[i], &mut min[i], &mut max[i], &mut totals[i]);
            }
            for i in 0..L {
                totals[i].n += groups.len() as u64;
                totals[i].left += u64::from(left[i]);
                totals[i].sum += sum[i].into();
                totals[i].squares += squares[i].into();
            }
        }
        for i in 0..L {
            (totals[i].min, totals[i].max) = (min[i], max[i]);
        }
    }
}

/// Adds a sample to a lane.
#[inline(always)]
fn one<T: Small, const NODATA: bool>(v: T, nodata: T, min: &mut T, max: &mut T, total: &mut Total<T>) {
    total.n += 1;
    total.sum += v.into();
    total.squares += v.into() * v.into();
    if NODATA && v == nodata {
        total.left += 1;
    } else {
        (*min, *max) = ((*min).min(v), (*max).max(v));
    }
}

/// The same for any number of lanes, for channel counts that no array of lanes is a multiple of; without nodata.
struct ManyLanes<'a, T: Small> {
    samples: &'a [T],
    flip: T,
    totals: &'a mut [Total<T>],
}

impl<T: Small> Work for ManyLanes<'_, T> {
    #[inline(always)]
    fn run(self) {
        let ManyLanes { samples, flip, totals } = self;
        let count = totals.len();
        let mut min: Vec<T> = totals.iter().map(|t| t.min).collect();
        let mut max: Vec<T> = totals.iter().map(|t| t.max).collect();
        let mut sum = vec![T::Sum::default(); count];
        let mut squares = vec![T::Squares::default(); count];
        for run in samples.chunks(count * 255) {
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
}

/// Whether interleaved samples of so many channels can be added with nodata among them.
pub(super) fn takes_nodata(channels: usize) -> bool {
    LANES.is_multiple_of(channels)
}

/// Adds what it can of interleaved samples by vectors written out, to totals of lanes of which lane l belongs to channel
/// l % `channels`; returns how many it added, a multiple of the channels.
fn add_vectors<T: Small, const NODATA: bool>(
    samples: &[T],
    channels: usize,
    kind: &Kind<T>,
    totals: &mut Vec<Total<T>>,
) -> usize {
    #[cfg(target_arch = "x86_64")]
    if simd::detected_512() && !NODATA && small_avx512::takes(channels) {
        // SAFETY: the processor has what it needs.
        return unsafe { T::add_avx512(samples, channels, kind.flip, totals) };
    }
    #[cfg(target_arch = "x86_64")]
    if simd::detected() {
        // SAFETY: the processor has AVX2.
        return unsafe { T::add_avx2::<NODATA>(samples, kind, totals) };
    }
    let _ = (samples, channels, kind, totals);
    0
}

/// The totals of interleaved samples: of lane l, which belongs to channel l % `channels`.
fn add<T: Small, const NODATA: bool>(samples: &[T], channels: usize, kind: &Kind<T>) -> Vec<Total<T>> {
    let nodata = |lane: usize| kind.nodata.get(lane % channels).copied().unwrap_or_default();
    if !takes_nodata(channels) {
        let mut totals = vec![Total::new(); channels * 64usize.div_ceil(channels)];
        simd::run(ManyLanes { samples, flip: kind.flip, totals: &mut totals });
        return totals;
    }
    let mut totals = Vec::new();
    let done = add_vectors::<T, NODATA>(samples, channels, kind, &mut totals);
    let mut rest = [Total::new(); LANES];
    let nodata = std::array::from_fn(nodata);
    let work =
        Lanes::<T, LANES, NODATA> { samples: &samples[done..], flip: kind.flip, nodata, totals: &mut rest };
    simd::run(work);
    totals.extend(rest);
    totals
}

/// Adds interleaved samples of `sums.len()` channels, of type `T` or of the signed type of the same size, for which
/// `flip` is the sign bit. `left` receives how many of each channel are its nodata value.
pub(super) fn fold<T: Small, S: Sample>(
    samples: &[S],
    flip: T,
    nodata: Option<&[S]>,
    sums: &mut [&mut ExactSums],
    spans: &mut [Option<Span<S>>],
    left: &mut [u64],
) {
    let channels = sums.len();
    let offset: i128 = flip.into().into();
    let back = |v: T| -> S { bytemuck::cast(v ^ flip) };
    let to = |v: &S| bytemuck::cast::<S, T>(*v) ^ flip;
    let kind = Kind { flip, nodata: nodata.unwrap_or_default().iter().map(to).collect() };
    // A run short enough for the totals: squares of 2^31 samples stay below 2^63.
    for run in bytemuck::cast_slice::<S, T>(samples).chunks(channels << 31) {
        let totals = match nodata {
            Some(_) => add::<T, true>(run, channels, &kind),
            None => add::<T, false>(run, channels, &kind),
        };
        // Lanes are brought together before the accumulators see them: those are dear, and runs may be short.
        let mut by_channel = vec![Total::new(); channels];
        for (lane, total) in totals.iter().enumerate() {
            by_channel[lane % channels].merge(total);
        }
        for (c, t) in by_channel.into_iter().enumerate().filter(|(_, t)| t.n > 0) {
            let gone: i128 = kind.nodata.get(c).copied().unwrap_or_default().into().into();
            let (n, sum) = (i128::from(t.n - t.left), i128::from(t.sum) - gone * i128::from(t.left));
            let squares = i128::from(t.squares) - gone * gone * i128::from(t.left);
            sums[c].n += t.n - t.left;
            left[c] += t.left;
            sums[c].sum.add(sum - offset * n, 0);
            sums[c].squares.add(squares - 2 * offset * sum + offset * offset * n, 0);
            if n > 0 {
                Span::extend(&mut spans[c], back(t.min), back(t.max));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize) -> Vec<u16> {
        (0..n as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 15) as u16).collect()
    }

    /// The totals of each channel, whatever the lanes.
    fn by_channel<T: Small>(totals: &[Total<T>], channels: usize) -> Vec<Total<T>> {
        let mut all = vec![Total::<T>::new(); channels];
        for (lane, t) in totals.iter().enumerate() {
            all[lane % channels].merge(t);
        }
        all
    }

    /// By a loop that is easy to believe.
    fn plainly<T: Small, const NODATA: bool>(
        samples: &[T],
        channels: usize,
        kind: &Kind<T>,
    ) -> Vec<Total<T>> {
        let mut plain = vec![Total::<T>::new(); channels];
        for (i, &v) in samples.iter().enumerate() {
            let t = &mut plain[i % channels];
            let nodata = kind.nodata.get(i % channels).copied().unwrap_or_default();
            let (mut min, mut max) = (t.min, t.max);
            one::<T, NODATA>(v ^ kind.flip, nodata, &mut min, &mut max, t);
            (t.min, t.max) = (min, max);
        }
        plain
    }

    fn check<T: Small, const NODATA: bool>(samples: &[T], flip: T, channels: usize) {
        let nodata: Vec<T> = (0..channels).map(|c| samples[3 * c] ^ flip).collect();
        let kind = Kind { flip, nodata: if NODATA { nodata.clone() } else { Vec::new() } };
        let plain = plainly::<T, NODATA>(samples, channels, &kind);
        assert_eq!(by_channel(&add::<T, NODATA>(samples, channels, &kind), channels), plain);

        #[cfg(target_arch = "x86_64")]
        if simd::detected() && takes_nodata(channels) {
            let mut a = Vec::new();
            // SAFETY: the processor has AVX2.
            let done = unsafe { T::add_avx2::<NODATA>(samples, &kind, &mut a) };
            assert!(samples.len() - done < 1000);
            assert_eq!(by_channel(&a, channels), plainly::<T, NODATA>(&samples[..done], channels, &kind));
        }
        #[cfg(target_arch = "x86_64")]
        if simd::detected_512() && !NODATA && small_avx512::takes(channels) {
            for len in [samples.len(), 0, 31, 32, 64, 77, 1000] {
                let mut a = Vec::new();
                // SAFETY: the processor has what it needs.
                let done = unsafe { T::add_avx512(&samples[..len], channels, flip, &mut a) };
                assert!(len - done < 64 && done.is_multiple_of(channels), "{done} of {len}");
                a.extend(plainly::<T, false>(&samples[done..len], channels, &kind));
                assert_eq!(by_channel(&a, channels), plainly::<T, false>(&samples[..len], channels, &kind));
            }
        }

        // Without vectors.
        if !NODATA {
            let mut a = vec![Total::new(); channels * 64usize.div_ceil(channels)];
            ManyLanes { samples, flip, totals: &mut a }.run();
            assert_eq!(by_channel(&a, channels), plain);
        }
        if takes_nodata(channels) {
            let mut a = [Total::new(); LANES];
            let few = std::array::from_fn(|l| nodata[l % channels]);
            Lanes::<T, LANES, NODATA> { samples, flip, nodata: few, totals: &mut a }.run();
            assert_eq!(by_channel(&a, channels), plain);
        }
    }

    /// Baseline, vector and many-lane paths against a plain loop, past the lanes' flush and with a rest.
    #[test]
    fn all_paths_equal_a_plain_loop() {
        let wide: Vec<u16> =
            noise(48 * 700 + 31).iter().map(|&v| if v % 5 == 0 { 65535 } else { v }).collect();
        let narrow: Vec<u8> = wide.iter().map(|&v| if v % 3 == 0 { 255 } else { v as u8 }).collect();
        for channels in (1..10).chain([12, 16, 17, 48]) {
            for flip in [0, 0x80] {
                check::<u8, false>(&narrow, flip, channels);
                takes_nodata(channels).then(|| check::<u8, true>(&narrow, flip, channels));
            }
            for flip in [0, 0x8000] {
                check::<u16, false>(&wide, flip, channels);
                takes_nodata(channels).then(|| check::<u16, true>(&wide, flip, channels));
            }
        }
    }

    #[test]
    fn lanes_of_the_largest_samples_do_not_wrap() {
        for flip in [0, u16::MAX] {
            check::<u16, false>(&vec![u16::MAX; 65537 * 32 + 5], flip, 1);
            check::<u16, true>(&vec![u16::MAX; 65537 * 32 + 5], flip, 1);
            check::<u8, true>(&vec![u8::MAX; 65537 * 32 + 5], flip as u8, 3);
        }
    }
}
