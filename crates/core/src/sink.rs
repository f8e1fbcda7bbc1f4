//! [`Sink`]: where the pixels that a map made go.

use std::sync::Arc;

use crate::{Buffer, Pixels, Rect, Result};

/// An output. Workers encode chunks through its [`Encoder`]; one thread commits them in the order of the grid.
///
/// Rectangles here are in pixels of the *output*, whose origin is the window's corner.
pub trait Sink: Send {
    /// Rows and columns of which chunks must be whole multiples (the output's blocks); (1, 1) where any will do.
    fn align(&self) -> (u64, u64) {
        (1, 1)
    }

    /// The part that workers share.
    fn encoder(&self) -> Arc<dyn Encoder>;

    /// Takes the encoded chunk. Called in the order of the grid, each chunk once.
    ///
    /// # Errors
    /// Where the output cannot take it (no space, a broken pipe).
    fn commit(&mut self, index: u64, rect: Rect, encoded: &mut Buffer) -> Result<()>;

    /// Makes all that was committed durable and says how to go on from here in another process: the writer's crate
    /// opens an output from these bytes. From then on a sink that is dropped keeps its unfinished output.
    ///
    /// `None` where the output cannot be gone on with (a pipe). Called while no chunk is being encoded or committed.
    ///
    /// # Errors
    /// Where the output cannot be made durable.
    fn checkpoint(&mut self) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    /// The variant of the format that was chosen, where there are several (`TIFF`, `BigTIFF`).
    fn variant(&self) -> Option<&'static str> {
        None
    }

    /// The most bytes that the finished output takes; `None` where nobody knows.
    fn bytes_bound(&self) -> Option<u64> {
        None
    }

    /// Completes the output and publishes it under its name. A sink that is dropped instead leaves nothing there.
    ///
    /// # Errors
    /// Where the output cannot be completed, or its name has been taken meanwhile.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Turns a chunk's pixels into bytes, in a worker.
pub trait Encoder: Send + Sync {
    /// The most bytes of `encoded` (and of contexts) that a chunk of that shape needs.
    fn cost(&self, shape: (u64, u64)) -> u64;

    /// Encodes a chunk. An encoder whose output has a known place for every pixel may write it there itself and
    /// leave `encoded` empty.
    ///
    /// # Errors
    /// Where the pixels cannot be encoded, or the place cannot be written.
    fn encode(&self, index: u64, rect: Rect, pixels: Pixels<'_>, encoded: &mut Buffer) -> Result<()>;
}
