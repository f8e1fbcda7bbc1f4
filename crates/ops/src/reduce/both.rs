//! [`Both`] and [`Maybe`]: several reductions in one read.

use outcrop_core::{Chunk, Reduce, Result};

use crate::saved::{Loader, Saver};

/// Two reductions of the same chunks. Nest it for more.
///
/// ```
/// use outcrop_core::{Chunk, DataType, Pixels, Read, Rect, Reduce};
/// use outcrop_ops::{Validity, reduce::{Both, Stats, Unique}};
/// let valid = Validity::all(DataType::U8, 1);
/// let both = Both(Stats::new(valid.clone()), Unique::new(valid).unwrap());
/// let pixels = Pixels::contiguous(&[3u8, 1, 1], [1, 3, 1]).unwrap();
/// let inputs = [Read { pixels, holes: &[] }];
/// let mut partial = both.start();
/// both.fold(&mut partial, &Chunk { index: 0, rect: Rect::of_size(1, 3), inputs: &inputs }).unwrap();
/// assert_eq!(both.0.finish(&partial.0)[0].counts.valid, 3);
/// assert_eq!(both.1.finish(&partial.1).unwrap()[0].len(), 2);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Both<A, B>(pub A, pub B);

const BOTH: &str = "both";

impl<A: Reduce, B: Reduce> Reduce for Both<A, B> {
    type Partial = (A::Partial, B::Partial);

    fn start(&self) -> Self::Partial {
        (self.0.start(), self.1.start())
    }

    fn partial_bytes(&self) -> u64 {
        self.0.partial_bytes().saturating_add(self.1.partial_bytes())
    }

    fn fold(&self, partial: &mut Self::Partial, chunk: &Chunk<'_>) -> Result<()> {
        self.0.fold(&mut partial.0, chunk)?;
        self.1.fold(&mut partial.1, chunk)
    }

    fn takes_channels(&self) -> bool {
        self.0.takes_channels() && self.1.takes_channels()
    }

    fn fold_channel(&self, partial: &mut Self::Partial, channel: usize, chunk: &Chunk<'_>) -> Result<()> {
        self.0.fold_channel(&mut partial.0, channel, chunk)?;
        self.1.fold_channel(&mut partial.1, channel, chunk)
    }

    fn merge(&self, partial: &mut Self::Partial, other: Self::Partial) {
        self.0.merge(&mut partial.0, other.0);
        self.1.merge(&mut partial.1, other.1);
    }

    fn save(&self, partial: &Self::Partial) -> Vec<u8> {
        let mut to = Saver::new(BOTH, 1);
        to.bytes(&self.0.save(&partial.0));
        to.bytes(&self.1.save(&partial.1));
        to.finish()
    }

    fn load(&self, bytes: &[u8]) -> Result<Self::Partial> {
        let mut from = Loader::new(bytes, BOTH, 1)?;
        let both = (self.0.load(from.bytes()?)?, self.1.load(from.bytes()?)?);
        from.finish()?;
        Ok(both)
    }
}

/// A reduction that was asked for, or none, which costs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Maybe<K>(pub Option<K>);

const MAYBE: &str = "maybe";

impl<K: Reduce> Reduce for Maybe<K> {
    /// `Some` exactly where there is a reduction.
    type Partial = Option<K::Partial>;

    fn start(&self) -> Self::Partial {
        self.0.as_ref().map(K::start)
    }

    fn partial_bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, K::partial_bytes)
    }

    fn fold(&self, partial: &mut Self::Partial, chunk: &Chunk<'_>) -> Result<()> {
        match (&self.0, partial) {
            (Some(kernel), Some(partial)) => kernel.fold(partial, chunk),
            _ => Ok(()),
        }
    }

    fn takes_channels(&self) -> bool {
        self.0.as_ref().is_none_or(K::takes_channels)
    }

    fn fold_channel(&self, partial: &mut Self::Partial, channel: usize, chunk: &Chunk<'_>) -> Result<()> {
        match (&self.0, partial) {
            (Some(kernel), Some(partial)) => kernel.fold_channel(partial, channel, chunk),
            _ => Ok(()),
        }
    }

    fn merge(&self, partial: &mut Self::Partial, other: Self::Partial) {
        if let (Some(kernel), Some(partial), Some(other)) = (&self.0, partial, other) {
            kernel.merge(partial, other);
        }
    }

    fn save(&self, partial: &Self::Partial) -> Vec<u8> {
        let mut to = Saver::new(MAYBE, 1);
        let saved = self.0.as_ref().zip(partial.as_ref()).map(|(kernel, partial)| kernel.save(partial));
        to.u64(u64::from(saved.is_some()));
        to.bytes(&saved.unwrap_or_default());
        to.finish()
    }

    fn load(&self, bytes: &[u8]) -> Result<Self::Partial> {
        let mut from = Loader::new(bytes, MAYBE, 1)?;
        from.expect_u64(u64::from(self.0.is_some()), "a reduction")?;
        let saved = from.bytes()?;
        from.finish()?;
        self.0.as_ref().map(|kernel| kernel.load(saved)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reduce::{Histogram, Unique};
    use crate::validity::Validity;
    use outcrop_core::{DataType, Pixels, Read, Rect};

    type Kernel = Both<Unique, Maybe<Histogram>>;

    fn kernel(with: bool) -> Kernel {
        let valid = Validity::all(DataType::U8, 1);
        let histogram = Histogram::new(2, (0.0, 10.0), valid.clone()).unwrap();
        Both(Unique::new(valid).unwrap(), Maybe(with.then_some(histogram)))
    }

    fn of(kernel: &Kernel, samples: &[u8]) -> <Kernel as Reduce>::Partial {
        let pixels = Pixels::contiguous(samples, [1, samples.len(), 1]).unwrap();
        let rect = Rect::of_size(1, samples.len() as u64);
        let mut partial = kernel.start();
        kernel.fold(&mut partial, &Chunk { index: 0, rect, inputs: &[Read { pixels, holes: &[] }] }).unwrap();
        partial
    }

    #[test]
    fn both_give_what_each_gives_alone() {
        let kernel = kernel(true);
        let mut partial = of(&kernel, &[1, 9]);
        kernel.merge(&mut partial, of(&kernel, &[1, 5]));
        assert_eq!(kernel.0.finish(&partial.0).unwrap()[0].len(), 3);
        let histogram = kernel.1.0.as_ref().unwrap();
        assert_eq!(histogram.finish(partial.1.as_ref().unwrap())[0].bins, [2, 2]);
    }

    #[test]
    fn saved_state_comes_back_and_another_is_refused() {
        let (with, without) = (kernel(true), kernel(false));
        let partial = of(&with, &[1, 9, 9]);
        let bytes = with.save(&partial);
        assert_eq!(with.load(&bytes).unwrap(), partial);
        assert!(without.load(&bytes).is_err());
        assert!(with.load(&without.save(&of(&without, &[1]))).is_err());
        assert!((0..bytes.len()).all(|end| with.load(&bytes[..end]).is_err()));
        assert!(of(&without, &[1]).1.is_none());
        assert_eq!(without.partial_bytes(), without.0.partial_bytes());
    }
}
