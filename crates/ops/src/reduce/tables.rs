//! [`Tables`]: quick counters of samples by the first digit of their keys.
//!
//! 8-bit samples are counted two at a time: one counter is incremented for two neighbouring samples, and the counts of
//! single ones are sums over rows and columns of the table. Wider samples are counted by their upper bits as they
//! lie; what key that is is asked once for each counter, when the counters are drained. These are 16 bits, and 20 of
//! samples of 32 bits in a few channels: floats keep to a few binades, so that little of the large table is ever
//! touched, and little is left for a second pass. Counters of 32 bits keep what is touched in the second-level cache.
//! Few channels have several tables each, in turn, as an increment that follows one of the same counter waits for it.

use std::ops::Range;

use outcrop_core::{DataType, Sample};

use crate::simd::{self, Work};

/// Bits that samples are counted by: the fewest, and those for samples of 32 bits in up to [`FEW`] channels.
pub(super) const BITS: [u32; 2] = [16, 20];
/// Channels for which a table is large.
const FEW: usize = 8;
const SMALL: usize = 1 << BITS[0];
const LARGE: usize = 1 << BITS[1];
/// Most tables of pairs: more would not stay in the cache.
const MOST_PAIRED: usize = 4;
/// Most tables of upper halves.
const MOST: usize = 128;
/// Samples of a table between looks for those that are not where their upper bits say.
const BLOCK: usize = 512;

/// How often each pair of samples came, for each place of a pair among the channels; or how often each value of the upper
/// bits came, for each place of a sample.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    dtype: DataType,
    channels: usize,
    /// One table after the other: none before the first sample.
    tables: Vec<u32>,
    /// Increments that a counter may have seen.
    held: u64,
    /// NaN samples of each channel that are in no table.
    nan: Vec<u64>,
}

/// Tables that interleaved samples of so many channels need; `None` where that is too many.
fn count_of(dtype: DataType, channels: usize) -> Option<usize> {
    let (tables, most) = match (dtype.bytes(), channels) {
        (1, _) => (if channels.is_multiple_of(2) { channels / 2 } else { channels }, MOST_PAIRED),
        (_, 1 | 2) => (2, MOST),
        _ => (channels, MOST),
    };
    (1..=most).contains(&tables).then_some(tables)
}

/// The upper bits that samples of so many channels are counted by.
pub(super) fn bits(dtype: DataType, channels: usize) -> u32 {
    match dtype.bytes() {
        1 => 8,
        4 if channels <= FEW => BITS[1],
        _ => BITS[0],
    }
}

/// Counters of a table.
fn entries(dtype: DataType, channels: usize) -> usize {
    1 << bits(dtype, channels).max(BITS[0])
}

impl Tables {
    /// No samples of interleaved channels; `None` where those are too many.
    pub(super) fn new(dtype: DataType, channels: usize) -> Option<Tables> {
        count_of(dtype, channels)?;
        Some(Tables { dtype, channels, tables: Vec::new(), held: 0, nan: vec![0; channels] })
    }

    /// Bytes of the tables for so many channels.
    pub(super) fn bytes(dtype: DataType, channels: usize) -> u64 {
        let tables = count_of(dtype, channels).unwrap_or(0);
        (tables * entries(dtype, channels) * size_of::<u32>()) as u64
    }

    /// Counts samples, whole groups for all tables and beginning with the first channel, and returns those left
    /// over, which begin with the first channel as well. `counts` and `nan` receive what is held when the counters
    /// are full.
    pub(super) fn count<'a, T: Sample>(
        &mut self,
        samples: &'a [T],
        counts: &mut [u64],
        nan: &mut [u64],
    ) -> &'a [T] {
        let Some(tables) = count_of(self.dtype, self.channels) else { return samples };
        let group = if T::DTYPE.bytes() == 1 { 2 * tables } else { tables };
        let (whole, rest) = samples.split_at(samples.len() / group * group);
        for run in whole.chunks(group << 24) {
            self.make_room((run.len() / group) as u64, counts, nan);
            self.run(run, 0..tables, 0);
        }
        rest
    }

    /// Counts samples of one channel; none where they are of 8 bits and counted in pairs with others. Returns those
    /// left over.
    pub(super) fn count_channel<'a, T: Sample>(
        &mut self,
        channel: usize,
        samples: &'a [T],
        counts: &mut [u64],
        nan: &mut [u64],
    ) -> &'a [T] {
        if self.channels == 1 {
            return self.count(samples, counts, nan);
        }
        if T::DTYPE.bytes() == 1 {
            return samples;
        }
        for run in samples.chunks(1 << 24) {
            self.make_room(run.len() as u64, counts, nan);
            self.run(run, channel..channel + 1, channel);
        }
        &[]
    }

    /// Counts samples in some of the tables, in turn.
    fn run<T: Sample>(&mut self, samples: &[T], tables: Range<usize>, first: usize) {
        let nan = &mut self.nan;
        match entries(self.dtype, self.channels) {
            LARGE => {
                let tables = &mut self.tables.as_chunks_mut::<LARGE>().0[tables];
                simd::run(Count { tables, nan, samples, first });
            }
            _ => {
                let tables = &mut self.tables.as_chunks_mut::<SMALL>().0[tables];
                simd::run(Count { tables, nan, samples, first });
            }
        }
    }

    fn make_room(&mut self, increments: u64, counts: &mut [u64], nan: &mut [u64]) {
        if self.tables.is_empty() {
            let tables = count_of(self.dtype, self.channels).unwrap_or(0);
            self.tables = vec![0; tables * entries(self.dtype, self.channels)];
        }
        if self.held + increments > u64::from(u32::MAX) {
            self.add_to(counts, nan);
            self.tables.fill(0);
            self.nan.fill(0);
            self.held = 0;
        }
        self.held += increments;
    }

    /// Adds what is held to `counts`, for each channel counters by the first [`bits`] of the key, and the NaN
    /// samples to `nan`.
    pub(super) fn add_to(&self, counts: &mut [u64], nan: &mut [u64]) {
        nan.iter_mut().zip(&self.nan).for_each(|(all, n)| *all += n);
        let entries = entries(self.dtype, self.channels);
        for (t, table) in self.tables.chunks_exact(entries).enumerate() {
            if self.dtype.bytes() == 1 {
                let flip = if self.dtype == DataType::I8 { 0x80 } else { 0 };
                let [low, high] = [2 * t, 2 * t + 1].map(|place| place % self.channels * 256);
                for (second, row) in table.chunks_exact(256).enumerate() {
                    for (first, &n) in row.iter().enumerate() {
                        counts[low + (first ^ flip)] += u64::from(n);
                        counts[high + (second ^ flip)] += u64::from(n);
                    }
                }
                continue;
            }
            let channel = t % self.channels;
            let counts = &mut counts[channel * entries..][..entries];
            for (upper, &n) in table.iter().enumerate().filter(|(_, n)| **n > 0) {
                match self.digit(upper, entries >> 1) {
                    Some(digit) => counts[digit] += u64::from(n),
                    None => nan[channel] += u64::from(n),
                }
            }
        }
    }

    /// The upper bits of the key of a sample whose own are `upper`, up to the bit `sign`; `None` for the half floats
    /// that are NaN.
    fn digit(&self, upper: usize, sign: usize) -> Option<usize> {
        match self.dtype {
            DataType::F16 if upper & !sign > 0x7c00 => None,
            DataType::F16 if upper == sign => Some(sign),
            DataType::F16 | DataType::F32 | DataType::F64 if upper & sign != 0 => {
                Some(!upper & (sign | (sign - 1)))
            }
            DataType::U16 | DataType::U32 | DataType::U64 => Some(upper),
            _ => Some(upper ^ sign),
        }
    }
}

/// Samples to be counted in tables that take turns, of the channels from `first`.
struct Count<'a, T, const E: usize> {
    tables: &'a mut [[u32; E]],
    nan: &'a mut [u64],
    samples: &'a [T],
    first: usize,
}

impl<T: Sample, const E: usize> Work for Count<'_, T, E> {
    #[inline(always)]
    fn run(mut self) {
        match self.tables.len() {
            1 => self.count::<1>(),
            2 => self.count::<2>(),
            3 => self.count::<3>(),
            4 => self.count::<4>(),
            8 => self.count::<8>(),
            _ => {
                for group in self.samples.chunks(self.tables.len() * (BLOCK / 8)) {
                    for samples in group.chunks_exact(self.tables.len()) {
                        self.tables.iter_mut().zip(samples).for_each(|(t, &v)| t[upper::<T, E>(v)] += 1);
                    }
                    self.mend(group);
                }
            }
        }
    }
}

impl<T: Sample, const E: usize> Count<'_, T, E> {
    #[inline(always)]
    fn count<const N: usize>(&mut self) {
        for block in self.samples.chunks(N * BLOCK) {
            let Ok(tables): Result<&mut [[u32; E]; N], _> = (&mut *self.tables).try_into() else { return };
            if T::DTYPE.bytes() == 1 {
                let pairs: &[[u8; 2]] = bytemuck::cast_slice::<T, u8>(block).as_chunks().0;
                increment(tables, pairs, |pair| usize::from(u16::from_le_bytes(pair)));
            } else {
                increment(tables, block, upper::<T, E>);
                self.mend(block);
            }
        }
    }

    /// Puts right the floats of a block that are not where their upper bits say: NaN, and -0.0, whose key is that of 0.
    #[inline(always)]
    fn mend(&mut self, block: &[T]) {
        if !T::DTYPE.is_float() || T::DTYPE.bytes() == 2 {
            return;
        }
        let astray = |v: T| v.is_nan() | (v == T::default() && upper::<T, E>(v) != 0);
        if !block.iter().fold(false, |any, &v| any | astray(v)) {
            return;
        }
        for (i, &v) in block.iter().enumerate().filter(|(_, v)| astray(**v)) {
            let table = i % self.tables.len();
            self.tables[table][upper::<T, E>(v)] -= 1;
            if v.is_nan() {
                self.nan[(self.first + table) % self.nan.len()] += 1;
            } else {
                self.tables[table][0] += 1;
            }
        }
    }
}

/// Increments the counters of entries that take turns among the tables.
#[inline(always)]
fn increment<V: Copy, const E: usize, const N: usize>(
    tables: &mut [[u32; E]; N],
    values: &[V],
    place: impl Fn(V) -> usize,
) {
    let mut one = |group: &[V]| {
        for (table, &value) in tables.iter_mut().zip(group) {
            // Within a table: a power of two.
            table[place(value) & (E - 1)] += 1;
        }
    };
    // Several groups at a time, so that the compiler unrolls.
    let mut wide = values.chunks_exact(4 * N);
    for part in &mut wide {
        part.chunks_exact(N).for_each(&mut one);
    }
    wide.remainder().chunks_exact(N).for_each(one);
}

/// The upper bits of a sample, as many as tables of E counters are told apart by.
#[inline(always)]
fn upper<T: Sample, const E: usize>(v: T) -> usize {
    match size_of::<T>() {
        2 => bytemuck::cast::<T, u16>(v).into(),
        4 => (bytemuck::cast::<T, u32>(v) >> (32 - E.trailing_zeros())) as usize,
        8 => (bytemuck::cast::<T, u64>(v) >> (64 - E.trailing_zeros())) as usize,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reduce::key::sample_key;
    use outcrop_core::with_dtype;

    /// Every kind of sample: zeros of both signs, NaN of both signs, infinities, denormals.
    fn samples<T: Sample>() -> Vec<T> {
        let special = [0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-40, -1e-40, 1.0];
        let one = |i: u32| match i % 11 {
            k @ 0..=8 if i.is_multiple_of(7) => T::from_f64(special[k as usize]),
            _ => T::from_f64(f64::from(i.wrapping_mul(2_654_435_761)) / 65536.0 - 32768.0),
        };
        (0..4801).map(one).collect()
    }

    #[test]
    fn tables_count_as_single_samples_do() {
        for (dtype, channels) in DataType::ALL.into_iter().flat_map(|d| (1..=9).map(move |c| (d, c))) {
            let Some(mut tables) = Tables::new(dtype, channels) else { continue };
            with_dtype!(dtype, T => {
                let samples = samples::<T>();
                let samples = &samples[..4801 / channels * channels];
                let (bits, digit) = (8 * dtype.bytes() as u32, bits(dtype, channels));
                let (mut counts, mut nan) = (vec![0; channels << digit], vec![0; channels]);
                let rest = tables.count(samples, &mut counts, &mut nan).len();
                // As when counters are full.
                tables.held = u32::MAX.into();
                tables.count(samples, &mut counts, &mut nan);
                let last = tables.count_channel(channels - 1, samples, &mut counts, &mut nan).len();
                tables.add_to(&mut counts, &mut nan);

                let (mut wanted, mut wanted_nan) = (vec![0; channels << digit], vec![0; channels]);
                let mut one = |c: usize, v: T| match v.is_nan() {
                    true => wanted_nan[c] += 1,
                    false => wanted[c << digit | (sample_key(v) >> (bits - digit)) as usize] += 1,
                };
                let interleaved = &samples[..samples.len() - rest];
                interleaved.iter().enumerate().for_each(|(i, &v)| (0..2).for_each(|_| one(i % channels, v)));
                samples[..samples.len() - last].iter().for_each(|&v| one(channels - 1, v));
                assert!(counts == wanted && nan == wanted_nan, "{dtype} x {channels}");
            });
        }
        assert!(Tables::new(DataType::U8, 5).is_none() && Tables::new(DataType::F32, 129).is_none());
    }
}
