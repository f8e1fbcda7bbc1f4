//! Kernels: what is computed on a chunk. Serial and pure; the scheduler runs many at once.

use crate::{DataType, Error, Pixels, PixelsMut, Read, Rect, Result};

/// A chunk as a kernel sees it: one view per input, all of the same rectangle.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Number in the grid.
    pub index: u64,
    /// Place in the image.
    pub rect: Rect,
    /// The inputs' pixels, in the order in which the job names its sources (the image, then a mask, ...).
    pub inputs: &'a [Read<'a>],
}

/// A reduction. Workers fold chunks into partials of their own; partials merge in any order to the same bits,
/// because their state is exact.
pub trait Reduce: Send + Sync {
    /// The state of a reduction over some of the chunks.
    type Partial: Send;

    /// The state over no chunk.
    fn start(&self) -> Self::Partial;

    /// The most bytes that one partial can take.
    fn partial_bytes(&self) -> u64;

    /// Takes a chunk in.
    ///
    /// # Errors
    /// Where the samples cannot be reduced (more distinct values than asked for, say).
    fn fold(&self, partial: &mut Self::Partial, chunk: &Chunk<'_>) -> Result<()>;

    /// Whether channels do not meet, so that each may be folded when it is read
    /// ([`fold_channel`](Reduce::fold_channel)): where they are stored apart, it is in a core's cache then.
    fn takes_channels(&self) -> bool {
        false
    }

    /// Takes in a chunk of whose one input only the channel at that position of the job's selection was read.
    ///
    /// # Errors
    /// As [`fold`](Reduce::fold), and where the reduction does not [take channels](Reduce::takes_channels) one by one.
    fn fold_channel(&self, _partial: &mut Self::Partial, _channel: usize, _chunk: &Chunk<'_>) -> Result<()> {
        Err(Error::Usage("this reduction takes all channels at once".into()))
    }

    /// Takes another partial in. Commutative and associative, to the last bit.
    fn merge(&self, partial: &mut Self::Partial, other: Self::Partial);

    /// The partial as bytes: versioned, and the same on every machine.
    fn save(&self, partial: &Self::Partial) -> Vec<u8>;

    /// The partial that [`save`](Reduce::save) wrote.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) for bytes of another version or kernel.
    fn load(&self, bytes: &[u8]) -> Result<Self::Partial>;
}

/// A pixel-wise computation: a chunk in, the same rectangle out.
pub trait Map: Send + Sync {
    /// Sample type and channels of the output.
    fn output(&self) -> (DataType, u64);

    /// The output's pixels where they lie in an input as they are: they are not computed and copied then, but written
    /// from there. Their rows should be contiguous.
    fn lend<'a>(&self, _chunk: &Chunk<'a>) -> Option<Pixels<'a>> {
        None
    }

    /// Computes the chunk. `out` has the chunk's rows and columns and [`output`](Map::output)'s type and channels.
    ///
    /// # Errors
    /// Where the samples cannot be mapped.
    fn apply(&self, chunk: &Chunk<'_>, out: PixelsMut<'_>) -> Result<()>;
}
