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
    /// Adds what it can of interleaved samples to totals of so many lanes, at least [`LANES`], and returns how many it added: a
    /// multiple of those lanes.
    ///
    /// # Safety
    /// The processor must have AVX2.
    #[cfg(target_arch = "x86_64")]
    unsafe fn add_avx2<const NODATA: bool>(
        samples: &[Self],
        lanes: usize,
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
        lanes: usize,
        kind: &Kind<u8>,
        totals: &mut Vec<Total<u8>>,
    ) -> usize {
        // SAFETY: the caller's.
        unsafe { small_avx2::add_u8::<NODATA>(samples, lanes, kind, totals) }
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
        lanes: usize,
        kind: &Kind<u16>,
        totals: &mut Vec<Total<u16>>,
    ) -> usize {
        // SAFETY: the caller's.
        unsafe { small_avx2::add_u16::<NODATA>(samples, lanes, kind, totals) }
    }
    #[cfg(target_arch = "x86_64")]
    unsafe fn add_avx512(samples: &[u16], channels: usize, flip: u16, totals: &mut Vec<Total<u16>>) -> usize {
        // SAFETY: the caller's.
        unsafe { small_avx512::add_u16(samples, channels, flip, totals) }
    }
}

/// Lanes of the portable kernel that are summed at a time: their sums stay in registers.
const LANES: usize = 32;
/// Lanes altogether that are worth it to have few of them summed twice.
const MOST_LANES: usize = 512;
/// Samples that a lane takes between flushes; no lane of a sum wraps: 255 * 255 < 2^16.
const RUN: usize = 64;
/// Samples for which lanes cost more than they save.
const FEW: usize = 1024;

/// How samples are seen.
pub(crate) struct Kind<T> {
    /// What samples are XORed with.
    pub(super) flip: T,
    /// For each channel what is no data, XORed already.
    nodata: Vec<T>,
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

impl<T: Copy + Default> Kind<T> {
    /// What is no data in a lane.
    #[inline(always)]
    pub(super) fn nodata(&self, lane: usize) -> T {
        self.nodata.get(lane % self.nodata.len().max(1)).copied().unwrap_or_default()
    }
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

/// Adds interleaved samples: of L totals, a multiple of the channels and at least [`LANES`], i takes samples i, i + L, ...
struct Lanes<'a, T: Small, const NODATA: bool> {
    samples: &'a [T],
    kind: &'a Kind<T>,
    totals: &'a mut [Total<T>],
}

impl<T: Small, const NODATA: bool> Work for Lanes<'_, T, NODATA> {
    #[inline(always)]
    fn run(self) {
        let Lanes { samples, kind, totals } = self;
        let lanes = totals.len();
        for run in samples.chunks(lanes * RUN) {
            let mut done = 0;
            while done < lanes {
                // The last go back over lanes that have their totals.
                let first = done.min(lanes - LANES);
                let nodata = std::array::from_fn(|i| kind.nodata(first + i));
                let found = some_lanes::<T, NODATA>(run, lanes, first, kind.flip, nodata);
                totals[done..].iter_mut().zip(&found[done - first..]).for_each(|(t, found)| t.merge(found));
                done = first + LANES;
            }
            plainly::<T, NODATA>(run.chunks_exact(lanes).remainder(), kind, totals);
        }
    }
}

/// The totals of [`LANES`] lanes, from the first one on, over whole groups of all `lanes`.
#[inline(always)]
fn some_lanes<T: Small, const NODATA: bool>(
    run: &[T],
    lanes: usize,
    first: usize,
    flip: T,
    nodata: [T; LANES],
) -> [Total<T>; LANES] {
    let (mut min, mut max, mut left) = ([T::MAX; LANES], [T::default(); LANES], [0u8; LANES]);
    let mut sum = [T::Sum::default(); LANES];
    let mut squares = [T::Squares::default(); LANES];
    let groups = run.chunks_exact(lanes);
    // Two passes over a run that sits in the first-level cache need fewer registers than one: 17 GB/s against 13.
    for group in groups.clone() {
        let group = &group[first..first + LANES];
        for i in 0..LANES {
            let v = group[i] ^ flip;
            let gone = NODATA && v == nodata[i];
            min[i] = min[i].min(if gone { T::MAX } else { v });
            max[i] = max[i].max(if gone { T::default() } else { v });
            left[i] += u8::from(gone);
            sum[i] += v.sum();
        }
    }
    for group in groups.clone() {
        let group = &group[first..first + LANES];
        for i in 0..LANES {
            squares[i] += (group[i] ^ flip).square();
        }
    }
    let n = groups.len() as u64;
    std::array::from_fn(|i| Total {
        n,
        left: left[i].into(),
        min: min[i],
        max: max[i],
        sum: sum[i].into(),
        squares: squares[i].into(),
    })
}

/// Adds interleaved samples one by one: total i takes samples i, i + L, ... of L totals.
#[inline(always)]
fn plainly<T: Small, const NODATA: bool>(samples: &[T], kind: &Kind<T>, totals: &mut [Total<T>]) {
    for pixel in samples.chunks(totals.len()) {
        for (i, (total, &v)) in totals.iter_mut().zip(pixel).enumerate() {
            let v = v ^ kind.flip;
            total.n += 1;
            total.sum += v.into();
            total.squares += v.into() * v.into();
            if NODATA && v == kind.nodata(i) {
                total.left += 1;
            } else {
                (total.min, total.max) = (total.min.min(v), total.max.max(v));
            }
        }
    }
}

/// How many lanes samples of so many channels are summed in: a multiple of those.
fn lanes_of(channels: usize) -> usize {
    let least = LANES.div_ceil(channels);
    let counts = (least..=least.max(MOST_LANES / channels)).map(|k| k * channels);
    let summed = |lanes: &usize| lanes.next_multiple_of(LANES) * MOST_LANES / lanes;
    counts.min_by_key(summed).unwrap_or(channels)
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
        return unsafe { T::add_avx2::<NODATA>(samples, lanes_of(channels), kind, totals) };
    }
    let _ = (samples, channels, kind, totals);
    0
}

/// The totals of interleaved samples: of lane l, which belongs to channel l % `channels`.
fn add<T: Small, const NODATA: bool>(samples: &[T], channels: usize, kind: &Kind<T>) -> Vec<Total<T>> {
    let mut totals = Vec::new();
    let done = add_vectors::<T, NODATA>(samples, channels, kind, &mut totals);
    let rest = &samples[done..];
    let lanes = if rest.len() < FEW { channels } else { lanes_of(channels) };
    let mut others = vec![Total::new(); lanes];
    if rest.len() < FEW {
        plainly::<T, NODATA>(rest, kind, &mut others);
    } else {
        simd::run(Lanes::<T, NODATA> { samples: rest, kind, totals: &mut others });
    }
    totals.extend(others);
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

    fn plain<T: Small, const NODATA: bool>(samples: &[T], channels: usize, kind: &Kind<T>) -> Vec<Total<T>> {
        let mut totals = vec![Total::<T>::new(); channels];
        plainly::<T, NODATA>(samples, kind, &mut totals);
        totals
    }

    fn check<T: Small, const NODATA: bool>(samples: &[T], flip: T, channels: usize) {
        let nodata: Vec<T> = (0..channels).map(|c| samples[3 * c] ^ flip).collect();
        let kind = Kind { flip, nodata: if NODATA { nodata } else { Vec::new() } };
        let want = plain::<T, NODATA>(samples, channels, &kind);
        assert_eq!(by_channel(&add::<T, NODATA>(samples, channels, &kind), channels), want);

        #[cfg(target_arch = "x86_64")]
        if simd::detected() {
            let mut a = Vec::new();
            // SAFETY: the processor has AVX2.
            let done = unsafe { T::add_avx2::<NODATA>(samples, lanes_of(channels), &kind, &mut a) };
            assert!(samples.len() - done < 2 * lanes_of(channels));
            assert_eq!(by_channel(&a, channels), plain::<T, NODATA>(&samples[..done], channels, &kind));
        }
        #[cfg(target_arch = "x86_64")]
        if simd::detected_512() && !NODATA && small_avx512::takes(channels) {
            for len in [samples.len(), 0, 31, 32, 64, 77, 1000] {
                let mut a = Vec::new();
                // SAFETY: the processor has what it needs.
                let done = unsafe { T::add_avx512(&samples[..len], channels, flip, &mut a) };
                assert!(len - done < 64 && done.is_multiple_of(channels), "{done} of {len}");
                a.extend(plain::<T, false>(&samples[done..len], channels, &kind));
                assert_eq!(by_channel(&a, channels), plain::<T, false>(&samples[..len], channels, &kind));
            }
        }

        // As the baseline is compiled.
        let mut a = vec![Total::new(); lanes_of(channels)];
        Lanes::<T, NODATA> { samples, kind: &kind, totals: &mut a }.run();
        assert_eq!(by_channel(&a, channels), want);
    }

    /// One by one, against a loop that knows nothing of lanes.
    #[test]
    fn samples_one_by_one_have_the_figures_of_their_channel() {
        let samples = noise(3 * 999);
        let nodata = vec![samples[9], samples[10], samples[11]];
        let kind = Kind { flip: 0, nodata: nodata.clone() };
        for (c, total) in plain::<u16, true>(&samples, 3, &kind).into_iter().enumerate() {
            let all = || samples.iter().skip(c).step_by(3);
            let kept = || all().filter(|v| **v != nodata[c]);
            let want = Total {
                n: 999,
                left: 999 - kept().count() as u64,
                min: *kept().min().unwrap(),
                max: *kept().max().unwrap(),
                sum: all().map(|v| u64::from(*v)).sum(),
                squares: all().map(|v| u64::from(*v).pow(2)).sum(),
            };
            assert_eq!(total, want);
        }
    }

    /// Baseline and vector paths against a plain loop, past the lanes' flush and with a rest.
    #[test]
    fn all_paths_equal_a_plain_loop() {
        let wide: Vec<u16> =
            noise(48 * 700 + 31).iter().map(|&v| if v % 5 == 0 { 65535 } else { v }).collect();
        let narrow: Vec<u8> = wide.iter().map(|&v| if v % 3 == 0 { 255 } else { v as u8 }).collect();
        for channels in (1..10).chain([12, 13, 16, 17, 31, 33, 48, 100, 600]) {
            for flip in [0, 0x80] {
                check::<u8, false>(&narrow, flip, channels);
                check::<u8, true>(&narrow, flip, channels);
            }
            for flip in [0, 0x8000] {
                check::<u16, false>(&wide, flip, channels);
                check::<u16, true>(&wide, flip, channels);
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
