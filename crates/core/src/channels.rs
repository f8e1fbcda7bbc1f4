//! [`Channels`]: which channels of an image are wanted, in which order.

use crate::{Error, Result};

/// A selection of channels in the order wanted. Indices here count from 0; people count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Channels(Vec<u64>);

impl Channels {
    /// All channels of an image that has `count`.
    pub fn all(count: u64) -> Channels {
        Channels((0..count).collect())
    }

    /// The selection `indices` (from 0) of an image of `count` channels; one may be named more than once.
    ///
    /// # Errors
    /// [`Error::Usage`] where none is named or one does not exist.
    pub fn select(indices: Vec<u64>, count: u64) -> Result<Channels> {
        if indices.is_empty() {
            return Err(Error::Usage("no channel is selected (--channels 1,3-5)".into()));
        }
        if let Some(bad) = indices.iter().find(|&&i| i >= count) {
            return Err(Error::Usage(format!(
                "channel {} does not exist: the image has channels 1 to {count} (--channels)",
                bad + 1
            )));
        }
        Ok(Channels(indices))
    }

    /// The indices, from 0, in order.
    pub fn indices(&self) -> &[u64] {
        &self.0
    }

    /// How many are selected.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never true: a selection names at least one channel, unless the image has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is every channel of an image of `count`, in its own order.
    pub fn is_all(&self, count: u64) -> bool {
        self.0.len() as u64 == count && self.0.iter().enumerate().all(|(i, &c)| i as u64 == c)
    }

    /// The first index and the step to the next, where the selection is evenly spaced: such a selection of
    /// interleaved pixels is a view, not a copy. The step may be negative or zero.
    pub fn as_step(&self) -> Option<(u64, i64)> {
        let first = *self.0.first()?;
        let step = self.0.get(1).map_or(1, |&second| second as i64 - first as i64);
        let even = self.0.windows(2).all(|w| w[1] as i64 - w[0] as i64 == step);
        even.then_some((first, step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_selections_are_steps() {
        let step = |v: Vec<u64>| Channels::select(v, 9).unwrap().as_step();
        assert_eq!(step(vec![4]), Some((4, 1)));
        assert_eq!(step(vec![2, 1, 0]), Some((2, -1)));
        assert_eq!(step(vec![0, 3, 6]), Some((0, 3)));
        assert_eq!(step(vec![0, 3, 5]), None);
    }

    #[test]
    fn a_channel_that_is_not_there_is_named_from_one() {
        let e = Channels::select(vec![0, 3], 3).unwrap_err().to_string();
        assert!(e.contains("channel 4 ") && e.contains("1 to 3"), "{e}");
    }
}
