//! [`Percentiles`]: exact order statistics of every sample type, in a number of passes fixed by the type.
//!
//! Samples are seen as order-preserving keys. A pass counts, for each prefix in which a wanted rank is known to
//! lie, the samples by the next digit of their key; after the last digit the key is the sample. Samples of up to 16
//! bits have one digit, so one pass; 32 bits take two or three passes, 64 bits four to eight, by how many percentiles and
//! channels share the memory.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use outcrop_core::{DataType, Error, Result, Sample, Value, with_dtype};

use super::key::{key, value};
use super::moments::{Moments, MomentsPartial, pooled};
use super::percentile_pass::{PercentilePartial, PercentilePass, table_bits};
use super::quantile::{Method, Percentile, PercentileSpec, Place};
use super::tables;
use crate::exact::{BigSum, Exact};
use crate::validity::{NanPolicy, Validity};

/// Bytes of counters that a partial should not exceed; it may where there are very many channels.
const COUNTERS_BYTES: u64 = 64 << 20;

/// Counters that are passed over together where a rank lies behind them.
const PART: usize = 256;

/// Which samples are ranked together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// Those of each channel.
    PerChannel,
    /// Those of all channels.
    AllChannels,
}

/// A computation of percentiles over several passes.
///
/// ```text
/// while let Some(pass) = percentiles.pass() { percentiles.absorb(the partial of pass over all chunks) }
/// percentiles.finish()
/// ```
#[derive(Clone, Debug)]
pub struct Percentiles {
    dtype: DataType,
    spec: PercentileSpec,
    validity: Validity,
    /// Bits of the key that each pass counts by.
    digits: Vec<u32>,
    stage: usize,
    groups: Vec<Group>,
}

/// Samples that are ranked together.
#[derive(Clone, Debug, Default)]
struct Group {
    valid: u64,
    nan: u64,
    places: Vec<Place>,
    /// For each rank that a place needs: the known prefix of its key and its rank among the samples of that prefix.
    ranks: BTreeMap<u64, (u64, u64)>,
}

impl Percentiles {
    /// Percentiles of the samples that are valid.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is no channel.
    pub fn new(pool: Pool, spec: PercentileSpec, validity: Validity) -> Result<Percentiles> {
        let (dtype, channels) = (validity.dtype(), validity.channels());
        if channels == 0 {
            return Err(Error::Usage("an image without channels has no percentiles".into()));
        }
        let groups = if pool == Pool::PerChannel { channels } else { 1 };
        let digits = digits(dtype, groups, 2 * spec.percentiles.len() as u64);
        Ok(Percentiles { dtype, spec, validity, digits, stage: 0, groups: vec![Group::default(); groups] })
    }

    /// How many passes there are at most.
    pub fn passes(&self) -> usize {
        self.digits.len()
    }

    /// The most bytes of the partial of a pass after the first.
    pub fn later_bytes(&self) -> u64 {
        let prefixes = 2 * self.spec.percentiles.len() as u64;
        let most = self.digits.iter().skip(1).map(|&digit| prefixes.saturating_mul(1 << digit)).max();
        let groups = self.groups.len();
        let each =
            |most: u64| 8 * most.saturating_add(prefixes + 1).min(u64::MAX / 8) + (1 << table_bits(groups));
        most.map_or(0, |most| each(most).saturating_mul(groups as u64))
    }

    /// The next pass, or `None` where every rank is known.
    pub fn pass(&self) -> Option<PercentilePass> {
        let digit = *self.digits.get(self.stage)?;
        let bits = 8 * self.dtype.bytes() as u32;
        let done: u32 = self.digits[..self.stage].iter().sum();
        let prefixes: Vec<Vec<u64>> = self.groups.iter().map(|group| self.prefixes(group)).collect();
        if prefixes.iter().all(Vec::is_empty) {
            return None;
        }
        Some(PercentilePass::new(self.validity.clone(), self.stage, bits - done - digit, digit, prefixes))
    }

    /// Takes in the partial of the pass over the whole image.
    ///
    /// # Errors
    /// [`Error::Usage`] where the partial is of another pass.
    pub fn absorb(&mut self, mut partial: PercentilePartial) -> Result<()> {
        let pass = self.pass().ok_or_else(|| Error::Usage("the percentiles are complete".into()))?;
        partial.settle();
        let (counts, nan) = pass.totals(&partial)?;
        self.settle(&pass, &counts, &nan);
        Ok(())
    }

    /// Whether one pass that counts all values, as [`Moments::counting`] does, is all that is needed.
    pub fn is_counted(&self) -> bool {
        self.stage == 0 && self.digits.len() == 1
    }

    /// Takes in what [`Moments::counting`] has counted by the same rules, instead of the one pass.
    ///
    /// # Errors
    /// [`Error::Usage`] where the partial is of something else, or [`is_counted`](Percentiles::is_counted) is false.
    pub fn absorb_counted(&mut self, kernel: &Moments, partial: &MomentsPartial) -> Result<()> {
        let counted = kernel.counted(partial)?.filter(|_| self.is_counted());
        let pass = self.pass().zip(counted).filter(|(pass, counted)| {
            pass.digit == counted.size.ilog2() && self.validity.channels() == counted.nan.len()
        });
        let (pass, counted) =
            pass.ok_or_else(|| Error::Usage("the percentiles need a pass of their own".into()))?;
        if self.groups.len() == counted.nan.len() {
            self.settle(&pass, &counted.counts, &counted.nan);
        } else {
            self.settle(&pass, &pooled(&counted.counts, counted.size), &[counted.nan.iter().sum()]);
        }
        Ok(())
    }

    /// Takes in all counters of a pass and the NaN samples of each group.
    fn settle(&mut self, pass: &PercentilePass, counts: &[u64], nan: &[u64]) {
        for (g, group) in self.groups.iter_mut().enumerate() {
            let slots = &pass.groups[g];
            if self.stage == 0 {
                group.valid = counts[slots.counters.clone()].iter().sum();
                group.nan = nan[g];
                let n = group.valid;
                if n > 0 {
                    group.places =
                        self.spec.percentiles.iter().map(|p| p.place(n, self.spec.method)).collect();
                }
                group.ranks =
                    group.places.iter().flat_map(|p| [p.low, p.high]).map(|r| (r, (0, r))).collect();
            }
            // In order, so that the counters are walked once.
            let (mut walked, mut digit, mut below) = (usize::MAX, 0, 0);
            for (prefix, rank) in group.ranks.values_mut() {
                let slot = slots.prefixes.partition_point(|p| p < prefix);
                if slot != walked {
                    (walked, digit, below) = (slot, 0, 0);
                }
                let counts = &counts[slots.counters.clone()][slot << pass.digit..][..1 << pass.digit];
                for part in counts[digit..].chunks(PART) {
                    let sum: u64 = part.iter().sum();
                    if below + sum > *rank || digit + part.len() == counts.len() {
                        break;
                    }
                    (digit, below) = (digit + part.len(), below + sum);
                }
                while digit + 1 < counts.len() && *rank >= below + counts[digit] {
                    (digit, below) = (digit + 1, below + counts[digit]);
                }
                *rank -= below;
                *prefix = *prefix << pass.digit | digit as u64;
            }
        }
        self.stage += 1;
    }

    /// The percentiles, exact: for each channel (or the one pool) one for each that was asked; `None` where no sample
    /// is valid.
    ///
    /// Between two samples the value is interpolated exactly. On the way from an infinity to a finite sample it is
    /// that infinity, from one infinity to the other NaN.
    ///
    /// # Errors
    /// [`Error::Usage`] before the last pass.
    pub fn finish(&self) -> Result<Vec<Vec<Option<Exact>>>> {
        if self.pass().is_some() {
            return Err(Error::Usage("the percentiles need another pass".into()));
        }
        let asked = self.spec.percentiles.len();
        let finish = |group: &Group| {
            if self.validity.nan() == NanPolicy::Propagate && group.nan > 0 {
                return vec![Some(Exact::Special(f64::NAN)); asked];
            }
            let sample =
                |rank| with_dtype!(self.dtype, T => group.ranks.get(rank).map(|(key, _)| value::<T>(*key)));
            let mut found: Vec<_> = group
                .places
                .iter()
                .map(|p| Some(interpolate(sample(&p.low)?, sample(&p.high)?, p)))
                .collect();
            found.resize(asked, None);
            found
        };
        Ok(self.groups.iter().map(finish).collect())
    }

    /// The sorted prefixes of the keys in which ranks of the group lie.
    fn prefixes(&self, group: &Group) -> Vec<u64> {
        if self.stage == 0 {
            return vec![0];
        }
        let mut prefixes: Vec<u64> = group.ranks.values().map(|(prefix, _)| *prefix).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        prefixes
    }
}

/// The bits of a key in digits of at least 8, such that the counters of a pass keep to their bytes if they can: first as
/// many as [`Tables`](super::tables::Tables) count by, then at most 16.
fn digits(dtype: DataType, groups: usize, prefixes: u64) -> Vec<u32> {
    let bits = 8 * dtype.bytes() as u32;
    let widest = |tables: u64, most: u32| {
        (COUNTERS_BYTES / 8 / tables.max(1)).checked_ilog2().unwrap_or(0).max(8).min(most)
    };
    let first = widest(groups as u64, tables::bits(dtype, groups));
    let rest = bits - first;
    let widest = widest((groups as u64).saturating_mul(prefixes), 16);
    let passes = rest.div_ceil(widest);
    let mut digits = vec![first];
    digits.extend((0..passes).map(|i| (rest * (i + 1)) / passes - (rest * i) / passes));
    digits
}

impl Percentile {
    /// The percentile of samples that are held in memory, none of them NaN; `None` of none. Their order changes.
    pub fn select<T: Sample>(&self, method: Method, samples: &mut [T]) -> Option<Exact> {
        let last = samples.len().checked_sub(1)?;
        let place = self.place(samples.len() as u64, method);
        let (_, low, above) = samples.select_nth_unstable_by_key(place.low as usize, |s| key(*s));
        let low = Value::of(*low);
        // The next order statistic is the least of those above.
        let high = match place.is_sample() || place.low as usize == last {
            true => low,
            false => above.iter().min_by_key(|s| key(**s)).map_or(low, |s| Value::of(*s)),
        };
        Some(interpolate(low, high, &place))
    }
}

pub(crate) fn interpolate(low: Value, high: Value, place: &Place) -> Exact {
    let exact = |value| match value {
        Value::Int(i) => Exact::int(i),
        Value::Float(f) => Exact::float(f),
    };
    if low == high || place.fraction.0.bits() == 0 {
        return exact(low);
    }
    let (a, b) = (low.to_f64(), high.to_f64());
    if !a.is_finite() || !b.is_finite() {
        return Exact::Special(if a.is_finite() {
            b
        } else if b.is_finite() {
            a
        } else {
            f64::NAN
        });
    }
    let (p, q) = (BigInt::from(place.fraction.0.clone()), BigInt::from(place.fraction.1.clone()));
    let (a, b) = (BigSum::units(low), BigSum::units(high));
    let sum = &a * (&q - &p) + &b * &p;
    Exact::big_ratio(&sum, BigSum::EXPONENT, q.magnitude())
}
