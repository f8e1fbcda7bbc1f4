//! [`PercentilePass`]: one pass of a computation of percentiles, a reduction that counts samples by a digit of their
//! key.
//!
//! Samples that all take part are counted where they lie; others are gathered first. Keys of floats and of wide integers
//! are made a block at a time, in vectors; 8-bit samples are counted in [`pairs`].

use std::borrow::Cow;
use std::ops::Range;

use ndarray::ArrayView1;
use outcrop_core::{Chunk, DataType, Error, Reduce, Result, Sample, with_dtype};

use super::key::{key, sample_key};
use super::pairs::{self, Pairs};
use super::rows::rows;
use crate::saved::{Loader, Saver};
use crate::simd::{self, Work};
use crate::validity::{Class, Validity};

/// Keys made at once.
const BLOCK: usize = 256;
const NAME: &str = "percentiles";

/// One pass: a reduction that counts.
#[derive(Clone, Debug)]
pub struct PercentilePass {
    validity: Validity,
    stage: usize,
    /// Bits of the key below this pass's digit.
    shift: u32,
    pub(super) digit: u32,
    pub(super) groups: Vec<Slots>,
}

/// Counters of one pass.
#[derive(Clone, Debug)]
pub struct PercentilePartial {
    stage: usize,
    counts: Vec<u64>,
    nan: Vec<u64>,
    /// 8-bit samples that are not in `counts` yet.
    pairs: Option<Pairs>,
}

impl PercentilePartial {
    /// The counters with the pairs.
    fn settled(&self) -> Cow<'_, [u64]> {
        let Some(pairs) = &self.pairs else { return Cow::Borrowed(&self.counts) };
        let mut counts = self.counts.clone();
        pairs.add_to(&mut counts);
        Cow::Owned(counts)
    }
}

impl PartialEq for PercentilePartial {
    /// Whether the same samples were counted.
    fn eq(&self, other: &PercentilePartial) -> bool {
        (self.stage, &self.nan, self.settled()) == (other.stage, &other.nan, other.settled())
    }
}

impl Eq for PercentilePartial {}

/// The prefixes of a group and the place of their counters.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    pub(super) prefixes: Vec<u64>,
    pub(super) counters: Range<usize>,
    /// By the [`hash`] of a prefix: 0 where no wanted prefix has it, else one more than its place among the prefixes, or
    /// [`SEVERAL`].
    table: Vec<u8>,
}

/// Several wanted prefixes have the same hash, or there are too many for the table.
const SEVERAL: u8 = u8::MAX;

/// Where in a table of `len` entries, a power of two up to 2^16, a prefix is looked up: by its low bits, with the high
/// bits mixed in where keys are of 64 bits.
#[inline(always)]
fn hash(prefix: u64, len: usize, long: bool) -> usize {
    let mixed = if long { (prefix >> 16).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48 } else { 0 };
    (prefix ^ mixed) as usize & (len - 1)
}

impl Slots {
    fn new(prefixes: Vec<u64>, start: usize, digit: u32, table_bits: u32, long: bool) -> Slots {
        let mut table = vec![0; 1 << table_bits];
        for (i, &prefix) in prefixes.iter().enumerate() {
            let entry = &mut table[hash(prefix, 1 << table_bits, long)];
            *entry = if *entry == 0 { (i + 1).min(SEVERAL.into()) as u8 } else { SEVERAL };
        }
        Slots { counters: start..start + (prefixes.len() << digit), prefixes, table }
    }

    /// The place of a prefix among those that are wanted.
    #[inline(always)]
    fn find(&self, prefix: u64, long: bool) -> Option<usize> {
        match self.table[hash(prefix, self.table.len(), long)] {
            0 => None,
            SEVERAL => self.prefixes.binary_search(&prefix).ok(),
            place => {
                let slot = usize::from(place) - 1;
                (self.prefixes[slot] == prefix).then_some(slot)
            }
        }
    }
}

impl PercentilePass {
    /// The pass that counts by the `digit` bits above `shift`, for each group the samples of those prefixes.
    pub(super) fn new(
        validity: Validity,
        stage: usize,
        shift: u32,
        digit: u32,
        prefixes: Vec<Vec<u64>>,
    ) -> PercentilePass {
        // All tables together take 4 MiB at most, or 256 bytes each.
        let table_bits = 22u32.saturating_sub((prefixes.len() as u64).max(1).ilog2() + 1).clamp(8, 16);
        let long = validity.dtype().bytes() == 8;
        let mut end = 0;
        let place = |prefixes: Vec<u64>| {
            let slots = Slots::new(prefixes, end, digit, if stage == 0 { 0 } else { table_bits }, long);
            end = slots.counters.end;
            slots
        };
        let groups = prefixes.into_iter().map(place).collect();
        PercentilePass { validity, stage, shift, digit, groups }
    }

    fn counters(&self) -> usize {
        self.groups.last().map_or(0, |g| g.counters.end)
    }

    /// The channels of a partial's pairs, where it has some.
    fn paired(&self) -> Option<usize> {
        let whole = self.validity.dtype().bytes() == 1 && self.digit == 8;
        (whole && pairs::tables(self.groups.len()).is_some()).then_some(self.groups.len())
    }

    /// All counters and the NaN samples of each group.
    ///
    /// # Errors
    /// [`Error::Usage`] where the partial is of another pass.
    pub(super) fn totals<'a>(&self, partial: &'a PercentilePartial) -> Result<(Cow<'a, [u64]>, &'a [u64])> {
        if partial.stage != self.stage || partial.counts.len() != self.counters() {
            return Err(Error::Usage("the partial is of another pass over the percentiles".into()));
        }
        Ok((partial.settled(), &partial.nan))
    }

    fn fold_typed<T: Sample>(&self, partial: &mut PercentilePartial, chunk: &Chunk<'_>) -> Result<()> {
        let (channels, pooled) = (self.validity.channels(), self.groups.len() == 1);
        let bound = self.validity.bind(chunk)?;
        let view = chunk.inputs[0].pixels.typed::<T>();
        if let Some(samples) = view.as_ref().and_then(|view| view.as_slice())
            && (0..channels).all(|c| bound.keeps_all(c))
            && (pooled || channels <= BLOCK)
        {
            self.tally(partial, samples, 0, if pooled { 1 } else { channels });
            return Ok(());
        }
        let mut held: Vec<T> = Vec::new();
        rows::<T>(&self.validity, chunk, |_, c, samples, classes| {
            let group = if pooled { 0 } else { c };
            if let (None, Some(samples)) = (classes, samples.as_slice()) {
                self.tally(partial, samples, group, 1);
                return Ok(());
            }
            held.clear();
            gather(&mut held, samples, classes);
            self.tally(partial, &held, group, 1);
            Ok(())
        })
    }

    /// Counts interleaved samples of the groups from `first`, NaN apart.
    fn tally<T: Sample>(
        &self,
        partial: &mut PercentilePartial,
        samples: &[T],
        first: usize,
        channels: usize,
    ) {
        let mut samples = samples;
        if let Some(pairs) = partial.pairs.as_mut().filter(|_| channels == self.groups.len()) {
            let rest = pairs.count(bytemuck::cast_slice(samples), &mut partial.counts).len();
            samples = &samples[samples.len() - rest..];
        }
        let tally = Tally { pass: self, partial, samples, first };
        match (self.stage, channels) {
            (0, 1) => simd::run(First::<T, 1>(tally, channels)),
            (0, 2) => simd::run(First::<T, 2>(tally, channels)),
            (0, 3) => simd::run(First::<T, 3>(tally, channels)),
            (0, 4) => simd::run(First::<T, 4>(tally, channels)),
            (0, _) => simd::run(First::<T, 0>(tally, channels)),
            _ => simd::run(Later::<T>(tally, channels)),
        }
    }
}

/// Holds the samples that take part.
fn gather<T: Sample>(held: &mut Vec<T>, samples: ArrayView1<'_, T>, classes: Option<&[Class]>) {
    let Some(classes) = classes else { return held.extend(samples) };
    // No branch depends on one sample.
    held.resize(samples.len(), T::default());
    let mut end = 0;
    for (&v, &class) in samples.iter().zip(classes) {
        held[end] = v;
        end += usize::from(class == Class::Valid);
    }
    held.truncate(end);
}

/// Samples of the groups from `first`, to be counted.
struct Tally<'a, T> {
    pass: &'a PercentilePass,
    partial: &'a mut PercentilePartial,
    samples: &'a [T],
    first: usize,
}

/// The first pass, in which every sample is counted. C: the channels where that is known, else 0.
struct First<'a, T, const C: usize>(Tally<'a, T>, usize);

impl<T: Sample, const C: usize> Work for First<'_, T, C> {
    #[inline(always)]
    fn run(self) {
        let First(Tally { pass, partial, samples, first }, channels) = self;
        let channels = if C > 0 { C } else { channels };
        let (digit, shift) = (pass.digit, pass.shift);
        let counts = &mut partial.counts[pass.groups[first].counters.start..];
        let size = 1usize << digit;
        let Some(counts) = counts.get_mut(..channels << digit) else { return };
        if T::DTYPE.bytes() <= 2 && !T::DTYPE.is_float() {
            for pixel in samples.chunks_exact(channels) {
                for (c, &v) in pixel.iter().enumerate() {
                    counts[c * size + ((key(v) >> shift) as usize & (size - 1))] += 1;
                }
            }
            return;
        }
        let mut keys = [0u64; BLOCK];
        for part in samples.chunks(BLOCK / channels * channels) {
            let keys = &mut keys[..part.len()];
            keys.iter_mut().zip(part).for_each(|(key, &v)| *key = sample_key(v));
            for pixel in keys.chunks_exact(channels) {
                for (c, key) in pixel.iter().enumerate() {
                    counts[c * size + ((key >> shift) as usize & (size - 1))] += 1;
                }
            }
            // A NaN was counted under the largest key.
            if T::DTYPE.is_float() && part.iter().fold(false, |any, v| any | v.is_nan()) {
                for (i, _) in part.iter().enumerate().filter(|(_, v)| v.is_nan()) {
                    let c = i % channels;
                    counts[c * size + size - 1] -= 1;
                    partial.nan[first + c] += 1;
                }
            }
        }
    }
}

/// A later pass, in which the samples of the wanted prefixes are counted.
struct Later<'a, T>(Tally<'a, T>, usize);

impl<T: Sample> Work for Later<'_, T> {
    #[inline(always)]
    fn run(self) {
        let Later(Tally { pass, partial, samples, first }, channels) = self;
        let (digit, shift) = (pass.digit, pass.shift);
        let mask = (1u64 << digit) - 1;
        let mut keys = [0u64; BLOCK];
        let mut c = 0;
        for part in samples.chunks(BLOCK) {
            let keys = &mut keys[..part.len()];
            // NaN has the largest key: counted or not, it moves no rank of another sample.
            keys.iter_mut().zip(part).for_each(|(key, &v)| *key = sample_key(v) >> shift);
            if channels == 1 {
                let slots = &pass.groups[first];
                let counts = &mut partial.counts[slots.counters.clone()];
                for key in &*keys {
                    if let Some(slot) = slots.find(key >> digit, size_of::<T>() == 8) {
                        counts[slot << digit | (key & mask) as usize] += 1;
                    }
                }
                continue;
            }
            for key in &*keys {
                let slots = &pass.groups[first + c];
                if let Some(slot) = slots.find(key >> digit, size_of::<T>() == 8) {
                    partial.counts[slots.counters.start + (slot << digit | (key & mask) as usize)] += 1;
                }
                c = if c + 1 == channels { 0 } else { c + 1 };
            }
        }
    }
}

impl Reduce for PercentilePass {
    type Partial = PercentilePartial;

    fn start(&self) -> PercentilePartial {
        PercentilePartial {
            stage: self.stage,
            counts: vec![0; self.counters()],
            nan: vec![0; self.groups.len()],
            pairs: self.paired().map(|channels| {
                let flip = if self.validity.dtype() == DataType::I8 { 0x80 } else { 0 };
                Pairs::new(channels, flip)
            }),
        }
    }

    fn partial_bytes(&self) -> u64 {
        let pairs = self.paired().map_or(0, pairs::bytes);
        8 * (self.counters() + self.groups.len()) as u64 + pairs
    }

    fn fold(&self, partial: &mut PercentilePartial, chunk: &Chunk<'_>) -> Result<()> {
        with_dtype!(self.validity.dtype(), T => self.fold_typed::<T>(partial, chunk))
    }

    fn merge(&self, partial: &mut PercentilePartial, other: PercentilePartial) {
        for (a, b) in partial.counts.iter_mut().zip(other.settled().iter()) {
            *a += b;
        }
        for (a, b) in partial.nan.iter_mut().zip(&other.nan) {
            *a += b;
        }
    }

    fn save(&self, partial: &PercentilePartial) -> Vec<u8> {
        let mut to = Saver::new(NAME, 1);
        to.dtype(self.validity.dtype());
        [partial.stage, partial.nan.len(), partial.counts.len()].into_iter().for_each(|v| to.u64(v as u64));
        partial.nan.iter().chain(partial.settled().iter()).for_each(|v| to.u64(*v));
        to.finish()
    }

    fn load(&self, bytes: &[u8]) -> Result<PercentilePartial> {
        let mut from = Loader::new(bytes, NAME, 1)?;
        from.expect_dtype(self.validity.dtype())?;
        from.expect_u64(self.stage as u64, "pass")?;
        from.expect_u64(self.groups.len() as u64, "channels")?;
        from.expect_u64(self.counters() as u64, "counters")?;
        let mut partial = self.start();
        for v in partial.nan.iter_mut().chain(&mut partial.counts) {
            *v = from.u64()?;
        }
        from.finish()?;
        Ok(partial)
    }
}
