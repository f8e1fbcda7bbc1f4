//! [`Runs`]: a set of chunk numbers as runs of neighbours. What is done of a job is nearly always one run.

use outcrop_core::{Error, Result};

/// A set of numbers, kept as disjoint half-open runs in ascending order that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Runs(Vec<(u64, u64)>);

impl Runs {
    /// The numbers below `count`.
    pub(crate) fn first(count: u64) -> Runs {
        Runs(if count > 0 { vec![(0, count)] } else { Vec::new() })
    }

    /// Adds a number. Adding it twice changes nothing.
    pub(crate) fn insert(&mut self, n: u64) {
        let at = self.0.partition_point(|run| run.1 < n);
        match self.0.get_mut(at) {
            Some(run) if run.1 == n => {
                run.1 = n + 1;
                if let Some(&(start, end)) = self.0.get(at + 1)
                    && start == n + 1
                {
                    self.0[at].1 = end;
                    self.0.remove(at + 1);
                }
            }
            Some(run) if run.0 <= n => {}
            Some(run) if run.0 == n + 1 => run.0 = n,
            _ => self.0.insert(at, (n, n + 1)),
        }
    }

    /// The least number from `n` on that is not in the set.
    pub(crate) fn gap_from(&self, n: u64) -> u64 {
        let at = self.0.partition_point(|run| run.1 <= n);
        self.0.get(at).filter(|run| run.0 <= n).map_or(n, |run| run.1)
    }

    /// Numbers in the set.
    pub(crate) fn len(&self) -> u64 {
        self.0.iter().map(|run| run.1 - run.0).sum()
    }

    /// All numbers of the set, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().flat_map(|&(start, end)| start..end)
    }

    /// The number of elements where the set is 0, 1, 2, ... without a gap.
    pub(crate) fn prefix(&self) -> Option<u64> {
        (self.gap_from(0) == self.len()).then(|| self.len())
    }

    /// Start and end of each run, 8 bytes each, little-endian.
    pub(crate) fn save(&self) -> Vec<u8> {
        self.0.iter().flat_map(|&(start, end)| [start, end]).flat_map(u64::to_le_bytes).collect()
    }

    /// The set that [`save`](Runs::save) wrote, of numbers below `limit`.
    ///
    /// # Errors
    /// [`Error::Format`] for anything else.
    pub(crate) fn load(bytes: &[u8], limit: u64) -> Result<Runs> {
        let (words, rest) = bytes.as_chunks::<8>();
        let runs: Vec<_> =
            words.chunks_exact(2).map(|w| (u64::from_le_bytes(w[0]), u64::from_le_bytes(w[1]))).collect();
        let sound = rest.is_empty()
            && words.len() % 2 == 0
            && runs.iter().all(|run| run.0 < run.1 && run.1 <= limit)
            && runs.is_sorted_by(|a, b| a.1 < b.0);
        sound
            .then_some(Runs(runs))
            .ok_or_else(|| Error::Format("the list of finished chunks makes no sense".into()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_a_set(numbers in prop::collection::vec(0u64..40, 0..60)) {
            let set: BTreeSet<u64> = numbers.iter().copied().collect();
            let mut runs = Runs::default();
            numbers.iter().for_each(|&n| runs.insert(n));
            prop_assert_eq!(runs.iter().collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(runs.len(), set.len() as u64);
            for n in 0..42 {
                prop_assert_eq!(runs.gap_from(n), (n..).find(|m| !set.contains(m)).unwrap());
            }
            prop_assert_eq!(Runs::load(&runs.save(), 40).unwrap(), runs);
        }
    }

    #[test]
    fn runs_that_overlap_touch_or_reach_too_far_are_refused() {
        let bytes = |words: &[u64]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
        assert!(Runs::load(&bytes(&[0, 3, 4, 9]), 9).is_ok());
        for bad in [&[0, 3, 3, 9][..], &[4, 9, 0, 3], &[0, 0], &[3, 1], &[0, 10], &[0]] {
            assert!(Runs::load(&bytes(bad), 9).is_err(), "{bad:?}");
        }
        assert!(Runs::load(&[1], 9).is_err());
    }
}
