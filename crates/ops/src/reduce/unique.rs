//! [`Unique`]: how often each value of an image of integer classes occurs.

use std::collections::HashMap;

use outcrop_core::{Chunk, Error, Reduce, Result, Sample, Value, with_dtype};

use super::key::{key, value};
use super::rows::rows;
use crate::saved::{Loader, Saver};
use crate::validity::{Class, Validity};

/// Counts per channel of each distinct integer, up to [`MOST`](Unique::MOST) of them.
#[derive(Clone, Debug)]
pub struct Unique {
    validity: Validity,
}

/// For each channel how often each key occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniquePartial(Vec<HashMap<u64, u64>>);

const NAME: &str = "unique";

impl Unique {
    /// The most distinct values of a channel.
    pub const MOST: usize = 65_536;

    /// Counts of the valid samples.
    ///
    /// # Errors
    /// [`Error::Usage`] for floats, which are no classes.
    pub fn new(validity: Validity) -> Result<Unique> {
        if validity.dtype().is_float() {
            return Err(Error::Usage(format!("--unique needs integer samples, found {}", validity.dtype())));
        }
        Ok(Unique { validity })
    }

    /// For each channel the values in ascending order and how often each occurs.
    ///
    /// # Errors
    /// [`Error::Usage`] where a channel has more than [`MOST`](Unique::MOST).
    pub fn finish(&self, partial: &UniquePartial) -> Result<Vec<Vec<(Value, u64)>>> {
        let channel = |(c, counts): (usize, &HashMap<u64, u64>)| {
            check(c, counts)?;
            let mut sorted: Vec<_> = counts.iter().map(|(k, n)| (*k, *n)).collect();
            sorted.sort_unstable();
            let value = |k| with_dtype!(self.validity.dtype(), T => value::<T>(k));
            Ok(sorted.into_iter().map(|(k, n)| (value(k), n)).collect())
        };
        partial.0.iter().enumerate().map(channel).collect()
    }

    fn count<T: Sample>(&self, partial: &mut UniquePartial, chunk: &Chunk<'_>) -> Result<()> {
        rows::<T>(&self.validity, chunk, |_, c, samples, classes| {
            let counts = &mut partial.0[c];
            // Classes come in runs: the table is asked once for each.
            let mut run = (0, 0);
            for (i, sample) in samples.iter().enumerate() {
                if classes.is_some_and(|classes| classes[i] != Class::Valid) {
                    continue;
                }
                let key = key(*sample);
                if key != run.0 {
                    add(counts, run);
                    run = (key, 0);
                    check(c, counts)?;
                }
                run.1 += 1;
            }
            add(counts, run);
            check(c, counts)
        })
    }
}

fn add(counts: &mut HashMap<u64, u64>, (key, n): (u64, u64)) {
    if n > 0 {
        *counts.entry(key).or_default() += n;
    }
}

fn check(channel: usize, counts: &HashMap<u64, u64>) -> Result<()> {
    if counts.len() <= Unique::MOST {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "channel {} has more than {} distinct values, which are no classes (--histogram counts ranges)",
        channel + 1,
        Unique::MOST
    )))
}

impl Reduce for Unique {
    type Partial = UniquePartial;

    fn start(&self) -> UniquePartial {
        UniquePartial(vec![HashMap::new(); self.validity.channels()])
    }

    /// A table of 2^16 + 1 keys may have 2^17 buckets of 17 bytes, twice that while it grows; one that others are merged
    /// into stops at as many again.
    fn partial_bytes(&self) -> u64 {
        (self.validity.channels() as u64).saturating_mul(8 << 20)
    }

    fn fold(&self, partial: &mut UniquePartial, chunk: &Chunk<'_>) -> Result<()> {
        with_dtype!(self.validity.dtype(), T => self.count::<T>(partial, chunk))
    }

    /// A table past the limit takes no new keys: it is refused whatever else comes, in every order of merging.
    fn merge(&self, partial: &mut UniquePartial, other: UniquePartial) {
        for (counts, other) in partial.0.iter_mut().zip(other.0) {
            for (key, n) in other {
                if counts.len() <= Unique::MOST || counts.contains_key(&key) {
                    add(counts, (key, n));
                }
            }
        }
    }

    fn save(&self, partial: &UniquePartial) -> Vec<u8> {
        let mut to = Saver::new(NAME, 1);
        to.dtype(self.validity.dtype());
        to.u64(partial.0.len() as u64);
        for counts in &partial.0 {
            let mut sorted: Vec<_> = counts.iter().collect();
            sorted.sort_unstable();
            to.u64(sorted.len() as u64);
            sorted.into_iter().for_each(|(k, n)| [k, n].into_iter().for_each(|v| to.u64(*v)));
        }
        to.finish()
    }

    fn load(&self, bytes: &[u8]) -> Result<UniquePartial> {
        let mut from = Loader::new(bytes, NAME, 1)?;
        from.expect_dtype(self.validity.dtype())?;
        from.expect_u64(self.validity.channels() as u64, "channels")?;
        let mut partial = self.start();
        for counts in &mut partial.0 {
            for _ in 0..from.u64()? {
                let (key, n) = (from.u64()?, from.u64()?);
                add(counts, (key, n));
            }
        }
        from.finish()?;
        Ok(partial)
    }
}
