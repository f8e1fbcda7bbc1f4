//! [`Tables`]: quick counters of samples by the first digit of their keys.
//!
//! 8-bit samples are counted two at a time: one counter is incremented for two neighbouring samples, and the counts of
//! single ones are sums over rows and columns of the table. Wider samples are counted by their upper bits as they
//! lie; what key that is is asked once for each counter, when the counters are drained. These are 16 bits, and 20 of
//! samples of 32 bits in a few channels: floats keep to a few binades, so that little of the large table is ever
//! touched, and little is left for a second pass. Counters are bytes, so that what is touched stays in the cache
//! nearest to the core; one that overflows takes its 256 to the counters of the pass.
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
const MOST_PAIRED: usize = 12;
/// Most tables of upper halves.
const MOST: usize = 128;
/// Samples of a table between looks for those that are not where their upper bits say.
const BLOCK: usize = 512;
/// Counters of a table that are looked at together when they are drained.
const PART: usize = 64;

/// How often each pair of samples came, for each place of a pair among the channels; or how often each value of the upper
/// bits came, for each place of a sample.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    dtype: DataType,
    channels: usize,
    /// One table after the other: none before the first sample.
    tables: Vec<u8>,
}

/// Where samples are counted in the end.
pub(super) struct Totals<'a> {
    /// For each channel counters by the first [`bits`] of the key. They may pass below 0, for what is in the tables.
    pub(super) counts: &'a mut [u64],
    /// The NaN samples of each channel.
    pub(super) nan: &'a mut [u64],
}

/// Tables that interleaved samples of so many channels need; `None` where that is too many.
fn count_of(dtype: DataType, channels: usize) -> Option<usize> {
    let (tables, most) = match (dtype.bytes(), channels) {
        (_, 1 | 2) => (2, MOST),
        (1, _) => (if channels.is_multiple_of(2) { channels / 2 } else { channels }, MOST_PAIRED),
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
        Some(Tables { dtype, channels, tables: Vec::new() })
    }

    /// Bytes of the tables for so many channels.
    pub(super) fn bytes(dtype: DataType, channels: usize) -> u64 {
        let tables = count_of(dtype, channels).unwrap_or(0);
        (tables * entries(dtype, channels)) as u64
    }

    /// Counts samples, whole groups for all tables and beginning with the first channel, and returns those left
    /// over, which begin with the first channel as well.
    pub(super) fn count<'a, T: Sample>(&mut self, samples: &'a [T], totals: &mut Totals<'_>) -> &'a [T] {
        let Some(tables) = count_of(self.dtype, self.channels) else { return samples };
        let group = if T::DTYPE.bytes() == 1 { 2 * tables } else { tables };
        let (whole, rest) = samples.split_at(samples.len() / group * group);
        self.run(whole, 0..tables, totals);
        rest
    }

    /// Counts samples of one channel; none where they are of 8 bits and counted in pairs with others. Returns those
    /// left over.
    pub(super) fn count_channel<'a, T: Sample>(
        &mut self,
        channel: usize,
        samples: &'a [T],
        totals: &mut Totals<'_>,
    ) -> &'a [T] {
        if self.channels == 1 {
            return self.count(samples, totals);
        }
        if T::DTYPE.bytes() == 1 {
            return samples;
        }
        self.run(samples, channel..channel + 1, totals);
        &[]
    }

    /// Counts samples in some of the tables, in turn.
    fn run<T: Sample>(&mut self, samples: &[T], tables: Range<usize>, totals: &mut Totals<'_>) {
        let (dtype, channels) = (self.dtype, self.channels);
        if self.tables.is_empty() {
            self.tables = vec![0; count_of(dtype, channels).unwrap_or(0) * entries(dtype, channels)];
        }
        let home = Home { dtype, channels, first: tables.start, totals };
        match entries(dtype, channels) {
            LARGE => {
                let tables = &mut self.tables.as_chunks_mut::<LARGE>().0[tables];
                simd::run(Count { tables, samples, home });
            }
            _ => {
                let tables = &mut self.tables.as_chunks_mut::<SMALL>().0[tables];
                simd::run(Count { tables, samples, home });
            }
        }
    }

    /// Adds what is in the tables.
    pub(super) fn add_to(&self, totals: &mut Totals<'_>) {
        let entries = entries(self.dtype, self.channels);
        let mut home = Home { dtype: self.dtype, channels: self.channels, first: 0, totals };
        for (t, table) in self.tables.chunks_exact(entries).enumerate() {
            // Most of a large table was never touched.
            for (p, part) in table.as_chunks::<PART>().0.iter().enumerate().filter(|(_, p)| **p != [0; PART])
            {
                for (i, &n) in part.iter().enumerate().filter(|(_, n)| **n > 0) {
                    home.add(t, p * PART + i, n.into());
                }
            }
        }
    }
}

/// Which counters of the pass those of the tables are, from the table `first`.
struct Home<'a, 'b> {
    dtype: DataType,
    channels: usize,
    first: usize,
    totals: &'a mut Totals<'b>,
}

impl Home<'_, '_> {
    /// Adds to what is counted in a place of a table.
    fn add(&mut self, table: usize, place: usize, n: u64) {
        let t = self.first + table;
        let mut add = |counter: usize| {
            let count = &mut self.totals.counts[counter];
            *count = count.wrapping_add(n);
        };
        if self.dtype.bytes() == 1 {
            let flip = if self.dtype == DataType::I8 { 0x80 } else { 0 };
            add(2 * t % self.channels * 256 + ((place % 256) ^ flip));
            add((2 * t + 1) % self.channels * 256 + ((place / 256) ^ flip));
            return;
        }
        let (channel, entries) = (t % self.channels, entries(self.dtype, self.channels));
        match digit(self.dtype, place, entries >> 1) {
            Some(digit) => add(channel * entries + digit),
            None => self.totals.nan[channel] += n,
        }
    }

    /// A counter of a table was 255, and is 0 now.
    #[cold]
    #[inline(never)]
    fn carry(&mut self, table: usize, place: usize) {
        self.add(table, place, 1 << u8::BITS);
    }

    /// A sample was counted where its upper bits say, but is NaN, or -0.0, whose key is that of 0.
    fn mend(&mut self, table: usize, place: usize, nan: bool) {
        self.add(table, place, 1u64.wrapping_neg());
        match nan {
            true => self.totals.nan[(self.first + table) % self.channels] += 1,
            false => self.add(table, 0, 1),
        }
    }
}

/// The upper bits of the key of a sample whose own are `upper`, up to the bit `sign`; `None` for the half floats
/// that are NaN.
fn digit(dtype: DataType, upper: usize, sign: usize) -> Option<usize> {
    match dtype {
        DataType::F16 if upper & !sign > 0x7c00 => None,
        DataType::F16 if upper == sign => Some(sign),
        DataType::F16 | DataType::F32 | DataType::F64 if upper & sign != 0 => {
            Some(!upper & (sign | (sign - 1)))
        }
        DataType::U16 | DataType::U32 | DataType::U64 => Some(upper),
        _ => Some(upper ^ sign),
    }
}

/// Samples to be counted in tables that take turns.
struct Count<'a, 'b, 'c, T, const E: usize> {
    tables: &'a mut [[u8; E]],
    samples: &'a [T],
    home: Home<'b, 'c>,
}

impl<T: Sample, const E: usize> Work for Count<'_, '_, '_, T, E> {
    #[inline(always)]
    fn run(mut self) {
        match self.tables.len() {
            1 => self.count::<1>(),
            2 => self.count::<2>(),
            3 => self.count::<3>(),
            4 => self.count::<4>(),
            8 => self.count::<8>(),
            5 => self.count::<5>(),
            tables => {
                let per_table = if T::DTYPE.bytes() == 1 { 2 } else { 1 };
                for block in self.samples.chunks(per_table * tables * (BLOCK / 8)) {
                    for group in block.chunks_exact(per_table * tables) {
                        for (t, table) in self.tables.iter_mut().enumerate() {
                            let place = match per_table {
                                2 => pair([2 * t, 2 * t + 1].map(|i| bytemuck::bytes_of(&group[i])[0])),
                                _ => upper::<T, E>(group[t]),
                            };
                            increment(table, place, t, &mut self.home);
                        }
                    }
                    self.mend(block);
                }
            }
        }
    }
}

impl<T: Sample, const E: usize> Count<'_, '_, '_, T, E> {
    #[inline(always)]
    fn count<const N: usize>(&mut self) {
        for block in self.samples.chunks(N * BLOCK) {
            let Ok(tables): Result<&mut [[u8; E]; N], _> = (&mut *self.tables).try_into() else { return };
            if T::DTYPE.bytes() == 1 {
                let pairs: &[[u8; 2]] = bytemuck::cast_slice::<T, u8>(block).as_chunks().0;
                increments(tables, pairs, pair, &mut self.home);
            } else {
                increments(tables, block, upper::<T, E>, &mut self.home);
                self.mend(block);
            }
        }
    }

    /// Puts right the floats of a block that are not where their upper bits say.
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
            self.home.mend(i % self.tables.len(), upper::<T, E>(v), v.is_nan());
        }
    }
}

/// Increments the counters of entries that take turns among the tables.
#[inline(always)]
fn increments<V: Copy, const E: usize, const N: usize>(
    tables: &mut [[u8; E]; N],
    values: &[V],
    place: impl Fn(V) -> usize,
    home: &mut Home<'_, '_>,
) {
    let mut one = |group: &[V]| {
        for (t, (table, &value)) in tables.iter_mut().zip(group).enumerate() {
            increment(table, place(value), t, home);
        }
    };
    // Several groups at a time, so that the compiler unrolls.
    let mut wide = values.chunks_exact(4 * N);
    for part in &mut wide {
        part.chunks_exact(N).for_each(&mut one);
    }
    wide.remainder().chunks_exact(N).for_each(one);
}

#[inline(always)]
fn increment<const E: usize>(table: &mut [u8; E], place: usize, t: usize, home: &mut Home<'_, '_>) {
    // Within a table: a power of two.
    let counter = &mut table[place & (E - 1)];
    *counter = counter.wrapping_add(1);
    if *counter == 0 {
        home.carry(t, place);
    }
}

/// The place of two samples of 8 bits.
#[inline(always)]
fn pair(samples: [u8; 2]) -> usize {
    u16::from_le_bytes(samples).into()
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
            // So often that counters of a byte overflow.
            0..=3 => T::from_f64(1.0),
            _ => T::from_f64(f64::from(i.wrapping_mul(2_654_435_761)) / 65536.0 - 32768.0),
        };
        (0..4801).map(one).collect()
    }

    #[test]
    fn tables_count_as_single_samples_do() {
        for (dtype, channels) in DataType::ALL.into_iter().flat_map(|d| (1..=14).map(move |c| (d, c))) {
            let Some(mut tables) = Tables::new(dtype, channels) else { continue };
            with_dtype!(dtype, T => {
                let samples = samples::<T>();
                let samples = &samples[..4801 / channels * channels];
                let (bits, digit) = (8 * dtype.bytes() as u32, bits(dtype, channels));
                let (mut counts, mut nan) = (vec![0; channels << digit], vec![0; channels]);
                let mut totals = Totals { counts: &mut counts, nan: &mut nan };
                let rest = tables.count(samples, &mut totals).len();
                tables.count(samples, &mut totals);
                let last = tables.count_channel(channels - 1, samples, &mut totals).len();
                tables.add_to(&mut totals);

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
        assert!(Tables::new(DataType::U8, 13).is_none() && Tables::new(DataType::F32, 129).is_none());
    }
}
