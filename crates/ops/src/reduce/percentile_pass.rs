//! [`PercentilePass`]: one pass of a computation of percentiles, a reduction that counts samples by a digit of their
//! key.
//!
//! Samples that all take part are counted where they lie; others are gathered first. In the first pass they are counted
//! in [`Tables`] as long as channels are few enough; in later ones few samples have a wanted prefix, and the others are
//! passed over in vectors, which compare a block of samples with the wanted prefixes that lie between its extremes.

use std::borrow::Cow;
use std::ops::Range;

use outcrop_core::{Chunk, Error, Reduce, Result, Sample, Value, with_dtype};

use super::key::{key, sample_key, sample_key32};
use super::rows::rows;
use super::tables::{self, Tables, Totals};
use crate::saved::{Loader, Saver};
use crate::simd::{self, Work};
use crate::validity::{Validity, keep};

/// Keys made at once.
const BLOCK: usize = 256;
/// Bits of a table by which prefixes are found: those of the first pass, where it is of up to four channels.
const MOST_BITS: u32 = tables::BITS[1];
/// Keys that are passed over together where none has a wanted prefix.
const PART: usize = 32;
/// Prefixes that the keys of a block are compared with, many keys at once; with more, each key is looked up.
const FEW: usize = 16;
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
    /// The prefixes of all groups, in order.
    wanted: Vec<u64>,
}

/// Counters of one pass.
#[derive(Clone, Debug)]
pub struct PercentilePartial {
    stage: usize,
    counts: Vec<u64>,
    nan: Vec<u64>,
    /// Samples that are not in `counts` and `nan` yet.
    tables: Option<Tables>,
    /// Counters of nodata values, which may have been counted: see [`PercentilePass::nodata`].
    nodata: Option<Vec<usize>>,
}

/// Counters, and the NaN samples of each group.
type Settled<'a> = (Cow<'a, [u64]>, Cow<'a, [u64]>);

impl PercentilePartial {
    /// Takes what is in the tables to the counters, in place: a partial that will be read or merged, but folds no more.
    pub(super) fn settle(&mut self) {
        if let Some(tables) = self.tables.take() {
            tables.add_to(&mut Totals { counts: &mut self.counts, nan: &mut self.nan });
        }
        self.nodata.take().into_iter().flatten().for_each(|n| self.counts[n] = 0);
    }

    /// The counters and the NaN samples of each group, with what is in the tables.
    fn settled(&self) -> Settled<'_> {
        if self.tables.is_none() && self.nodata.is_none() {
            return ((&self.counts).into(), (&self.nan).into());
        }
        let (mut counts, mut nan) = (self.counts.clone(), self.nan.clone());
        let totals = &mut Totals { counts: &mut counts, nan: &mut nan };
        self.tables.iter().for_each(|tables| tables.add_to(totals));
        self.nodata.iter().flatten().for_each(|&n| counts[n] = 0);
        (counts.into(), nan.into())
    }
}

impl PartialEq for PercentilePartial {
    /// Whether the same samples were counted.
    fn eq(&self, other: &PercentilePartial) -> bool {
        (self.stage, self.settled()) == (other.stage, other.settled())
    }
}

impl Eq for PercentilePartial {}

/// Bits of the table by which each of so many groups finds its prefixes.
pub(super) fn table_bits(groups: usize) -> u32 {
    22u32.saturating_sub((groups as u64).max(1).ilog2() + 1).clamp(8, MOST_BITS)
}

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

/// Where in a table of `len` entries, a power of two, a prefix is looked up: by its low bits, with the high
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
        let table_bits = table_bits(prefixes.len());
        let long = validity.dtype().bytes() == 8;
        let mut wanted = prefixes.concat();
        wanted.sort_unstable();
        wanted.dedup();
        let mut end = 0;
        let place = |prefixes: Vec<u64>| {
            let slots = Slots::new(prefixes, end, digit, if stage == 0 { 0 } else { table_bits }, long);
            end = slots.counters.end;
            slots
        };
        let groups = prefixes.into_iter().map(place).collect();
        PercentilePass { validity, stage, shift, digit, groups, wanted }
    }

    /// The pass that counts every value of each channel; `None` for types of more than 16 bits.
    pub(super) fn of_values(validity: &Validity) -> Option<PercentilePass> {
        let bits = 8 * validity.dtype().bytes() as u32;
        let all = vec![vec![0]; validity.channels()];
        (bits <= 16).then(|| PercentilePass::new(validity.clone(), 0, 0, bits, all))
    }

    fn counters(&self) -> usize {
        self.groups.last().map_or(0, |g| g.counters.end)
    }

    /// The groups of a partial's tables, where it has some: they count by as many bits as the pass.
    fn tabled(&self) -> Option<usize> {
        let digit = tables::bits(self.validity.dtype(), self.groups.len());
        (self.stage == 0 && self.digit == digit).then_some(self.groups.len())
    }

    /// The counters of nodata values, where these may be counted with the other samples and forgotten in the end: in
    /// a pass after which the counters are samples. `None` elsewhere.
    fn nodata(&self) -> Option<Vec<usize>> {
        let (dtype, lists) = (self.validity.dtype(), self.validity.lists());
        let pooled = self.groups.len() == 1;
        if dtype.is_float() || dtype.bytes() > 2 || pooled && lists.windows(2).any(|two| two[0] != two[1]) {
            return None;
        }
        let counters = |(group, list): (&Slots, &Vec<Value>)| {
            let start = group.counters.start;
            let key = |v: &Value| with_dtype!(dtype, T => v.to_sample::<T>().map(key));
            list.iter().filter_map(key).map(|key| start + key as usize).collect::<Vec<_>>()
        };
        (self.digit == 8 * dtype.bytes() as u32)
            .then(|| self.groups.iter().zip(lists).flat_map(counters).collect())
    }

    /// All counters and the NaN samples of each group.
    ///
    /// # Errors
    /// [`Error::Usage`] where the partial is of another pass.
    pub(super) fn totals<'a>(&self, partial: &'a PercentilePartial) -> Result<Settled<'a>> {
        if partial.stage != self.stage || partial.counts.len() != self.counters() {
            return Err(Error::Usage("the partial is of another pass over the percentiles".into()));
        }
        Ok(partial.settled())
    }

    fn fold_typed<T: Sample>(&self, partial: &mut PercentilePartial, chunk: &Chunk<'_>) -> Result<()> {
        let (channels, pooled) = (self.validity.channels(), self.groups.len() == 1);
        let bound = self.validity.bind(chunk)?;
        let view = chunk.inputs[0].pixels.typed::<T>();
        let dropped = |c| partial.nodata.is_some() && bound.nodata_alone::<T>(c).is_some();
        if let Some(samples) = view.as_ref().and_then(|view| view.as_slice())
            && (0..channels).all(|c| bound.keeps_all(c) || dropped(c))
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
            match classes {
                Some(classes) => keep(&mut held, samples, classes),
                None => held.extend(samples),
            }
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
        if let Some(tables) = &mut partial.tables {
            let totals = &mut Totals { counts: &mut partial.counts, nan: &mut partial.nan };
            samples = match channels == self.groups.len() {
                true => tables.count(samples, totals),
                false => tables.count_channel(first, samples, totals),
            };
        }
        let tally = Tally { pass: self, partial, samples, first, channels };
        match self.stage {
            0 => simd::run(First(tally)),
            _ => simd::run(Later(tally)),
        }
    }
}

/// Interleaved samples of the groups from `first`, to be counted.
struct Tally<'a, T> {
    pass: &'a PercentilePass,
    partial: &'a mut PercentilePartial,
    samples: &'a [T],
    first: usize,
    channels: usize,
}

/// The first pass, in which every sample is counted: what no table takes.
struct First<'a, T>(Tally<'a, T>);

impl<T: Sample> Work for First<'_, T> {
    #[inline(always)]
    fn run(self) {
        let First(Tally { pass, partial, samples, first, channels }) = self;
        let size = 1usize << pass.digit;
        let counts = &mut partial.counts[pass.groups[first].counters.start..];
        for pixel in samples.chunks(channels) {
            for (c, &v) in pixel.iter().enumerate() {
                match v.is_nan() {
                    true => partial.nan[first + c] += 1,
                    false => {
                        let count = &mut counts[c * size + ((key(v) >> pass.shift) as usize & (size - 1))];
                        *count = count.wrapping_add(1);
                    }
                }
            }
        }
    }
}

/// A later pass, in which the samples of the wanted prefixes are counted.
struct Later<'a, T>(Tally<'a, T>);

impl<T: Sample> Work for Later<'_, T> {
    #[inline(always)]
    fn run(self) {
        match size_of::<T>() {
            4 => self.count(sample_key32, |prefix| prefix as u32),
            _ => self.count(sample_key, |prefix| prefix),
        }
    }
}

impl<T: Sample> Later<'_, T> {
    /// Counts by keys as wide as the samples, so that many fit a vector.
    #[inline(always)]
    fn count<K>(self, key: impl Fn(T) -> K, narrow: impl Fn(u64) -> K)
    where
        K: Copy
            + Default
            + Ord
            + From<bool>
            + Into<u64>
            + std::ops::Shr<u32, Output = K>
            + std::ops::BitOr<Output = K>,
    {
        let Later(Tally { pass, partial, samples, first, channels }) = self;
        let (mask, below) = ((1u64 << pass.digit) - 1, pass.shift + pass.digit);
        let groups = &pass.groups[first..first + channels];
        let long = size_of::<T>() == 8;
        let (mut keys, mut prefixes) = ([K::default(); BLOCK], [K::default(); BLOCK]);
        let mut found = [0u8; BLOCK];
        for (b, block) in samples.chunks(BLOCK).enumerate() {
            // NaN has the largest key: counted or not, it moves no rank of another sample.
            keys.iter_mut().zip(block).for_each(|(k, &v)| *k = key(v));
            let keys = &keys[..block.len()];
            prefixes.iter_mut().zip(keys).for_each(|(prefix, &key)| *prefix = key >> below);
            let ends = |(low, high): (K, K), &p: &K| (low.min(p), high.max(p));
            let (low, high) = prefixes[..block.len()].iter().fold((prefixes[0], prefixes[0]), ends);
            let near = &pass.wanted[pass.wanted.partition_point(|&p| p < low.into())..];
            let near = &near[..near.partition_point(|&p| p <= high.into())];
            // Those few, the last of them again and again.
            let few: [K; FEW] = std::array::from_fn(|i| match near {
                [] => K::default(),
                [.., last] => narrow(*near.get(i).unwrap_or(last)),
            });
            let held = match near.len() {
                0 => continue,
                1..=2 => meet::<K, 2>(&prefixes, few.first_chunk(), &mut found),
                3..=4 => meet::<K, 4>(&prefixes, few.first_chunk(), &mut found),
                5..=8 => meet::<K, 8>(&prefixes, few.first_chunk(), &mut found),
                9..=FEW => meet::<K, FEW>(&prefixes, few.first_chunk(), &mut found),
                _ => hold(pass, groups, keys, b * BLOCK, long, &mut found),
            };
            // Places behind the last, short block are those of keys of the block before.
            for place in found[..held].iter().map(|&place| usize::from(place)).take_while(|&p| p < keys.len())
            {
                let key = keys[place].into() >> pass.shift;
                let slots = &groups[(b * BLOCK + place) % channels];
                if let Some(slot) = slots.find(key >> pass.digit, long) {
                    let counter = slots.counters.start + (slot << pass.digit | (key & mask) as usize);
                    partial.counts[counter] += 1;
                }
            }
        }
    }
}

/// Sets `found` to the places of the prefixes that are among some, in order, and returns how many they are.
#[inline(always)]
fn meet<K, const N: usize>(prefixes: &[K; BLOCK], some: Option<&[K; N]>, found: &mut [u8; BLOCK]) -> usize
where
    K: Copy + Default + Eq + From<bool> + std::ops::BitOr<Output = K>,
{
    let (Some(some), mut equal, mut held) = (some, [K::default(); BLOCK], 0) else { return 0 };
    for (equal, prefix) in equal.iter_mut().zip(prefixes) {
        *equal = some.iter().fold(K::default(), |any, one| any | K::from(prefix == one));
    }
    for (p, part) in equal.as_chunks::<PART>().0.iter().enumerate() {
        if part.iter().fold(K::default(), |any, &one| any | one) == K::default() {
            continue;
        }
        for (i, &one) in part.iter().enumerate() {
            found[held & (BLOCK - 1)] = (p * PART + i) as u8;
            held += usize::from(one != K::default());
        }
    }
    held
}

/// Sets `found` to the places of those keys of a block of which a prefix may be wanted, and returns how many are found. No
/// branch depends on one key: a place is overwritten by the next where it is not.
#[inline(always)]
fn hold<K: Copy + Into<u64>>(
    pass: &PercentilePass,
    groups: &[Slots],
    keys: &[K],
    first: usize,
    long: bool,
    found: &mut [u8; BLOCK],
) -> usize {
    let (mut held, below) = (0, pass.shift + pass.digit);
    let mut one = |place: usize, key: K, table: &[u8]| {
        let entry = table[hash(key.into() >> below, table.len(), long) & (table.len() - 1)];
        found[held & (BLOCK - 1)] = place as u8;
        held += usize::from(entry != 0);
    };
    if let [slots] = groups {
        let table = &slots.table[..];
        for (i, &key) in keys.iter().enumerate() {
            one(i, key, table);
        }
    } else {
        let mut c = first % groups.len();
        for (i, &key) in keys.iter().enumerate() {
            one(i, key, &groups[c].table);
            c = if c + 1 == groups.len() { 0 } else { c + 1 };
        }
    }
    held
}

impl Reduce for PercentilePass {
    type Partial = PercentilePartial;

    fn start(&self) -> PercentilePartial {
        PercentilePartial {
            stage: self.stage,
            counts: vec![0; self.counters()],
            nan: vec![0; self.groups.len()],
            tables: self.tabled().and_then(|groups| Tables::new(self.validity.dtype(), groups)),
            nodata: self.nodata(),
        }
    }

    fn partial_bytes(&self) -> u64 {
        let tables = self.tabled().map_or(0, |groups| Tables::bytes(self.validity.dtype(), groups));
        // The tables of prefixes are the pass's, for all partials; they are counted here as nobody else counts them.
        let prefixes: usize = self.groups.iter().map(|g| g.table.len() + 8 * g.prefixes.len()).sum();
        (8 * (self.counters() + self.groups.len()) + prefixes) as u64 + tables
    }

    fn fold(&self, partial: &mut PercentilePartial, chunk: &Chunk<'_>) -> Result<()> {
        with_dtype!(self.validity.dtype(), T => self.fold_typed::<T>(partial, chunk))
    }

    fn merge(&self, partial: &mut PercentilePartial, mut other: PercentilePartial) {
        other.settle();
        // What is in the tables of this one may be missing from its counters: these pass below 0.
        for (a, &b) in partial.counts.iter_mut().zip(&other.counts).filter(|(_, b)| **b > 0) {
            *a = a.wrapping_add(b);
        }
        partial.nan.iter_mut().zip(&other.nan).for_each(|(a, b)| *a += b);
    }

    fn save(&self, partial: &PercentilePartial) -> Vec<u8> {
        let mut to = Saver::new(NAME, 1);
        to.dtype(self.validity.dtype());
        [partial.stage, partial.nan.len(), partial.counts.len()].into_iter().for_each(|v| to.u64(v as u64));
        let (counts, nan) = partial.settled();
        nan.iter().chain(counts.iter()).for_each(|v| to.u64(*v));
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
