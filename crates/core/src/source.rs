//! [`Source`]: where pixels come from.
//!
//! A chunk passes through a source in two steps, so that I/O runs ahead of the processors: [`fetch`](Source::fetch)
//! on the feeder's thread (bytes off the disk, or pages of a map made present; by a worker where they are at hand), then [`read`](Source::read) in a
//! worker (decode, or lend where the data lies). Both use the chunk's own [`Scratch`], whose memory the chunk's
//! permit has already paid for.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

use crate::{Buffer, Channels, Error, Image, Pixels, Rect, Result};

/// The pixels that are wanted: a rectangle in the pixels of the source's level, and channels of it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Inside the source's extent.
    pub rect: Rect,
    /// Inside the source's channels.
    pub channels: &'a Channels,
}

/// A readable image: one page of a file at one level, or something computed.
///
/// Methods take `&self` and are called from many threads at once; [`fetch`](Source::fetch) of a
/// [sequential](Order::Sequential) source from one thread, in the order of the grid, of others from several and nearly in that
/// order.
pub trait Source: Send + Sync {
    /// The description.
    fn image(&self) -> &Image;

    /// Bytes that the pixels of this page and level take where they are stored. Looks through the table of blocks where
    /// there is one.
    ///
    /// # Errors
    /// Where that table cannot be read.
    fn stored_bytes(&self) -> Result<u64> {
        Ok(self.image().decoded_bytes())
    }

    /// Whether requests may come in any order.
    fn order(&self) -> Order {
        Order::Any
    }

    /// Whether a request of `shape` (rows, columns) at most that was fetched may be read in parts: requests of rectangles in
    /// it, and of some of its channels, one after the other with the same scratch.
    fn reads_parts(&self, _shape: (u64, u64), _channels: &Channels) -> bool {
        false
    }

    /// What a request for a chunk of at most `shape` (rows, columns) costs at its worst, wherever it lies.
    ///
    /// # Errors
    /// Where the file cannot say (a broken table of blocks).
    fn cost(&self, shape: (u64, u64), channels: &Channels) -> Result<Cost>;

    /// Brings the stored bytes of a request near: reads them into `scratch.stored`, makes pages present, or leaves the reading to
    /// [`read`](Source::read), which it notes in `scratch.left`.
    ///
    /// # Errors
    /// Where reading fails. A source may leave an error to [`read`](Source::read).
    fn fetch(&self, request: &Request<'_>, scratch: &mut Scratch) -> Result<()>;

    /// The pixels of a request that was fetched into the same scratch: shape (rows, columns, selected channels).
    ///
    /// Lends where the data lies aligned, native and uncompressed; decodes into the scratch elsewhere.
    ///
    /// # Errors
    /// [`Error::Block`] for a block that cannot be read, unless the source was told to fill those.
    fn read<'a>(&'a self, request: &Request<'_>, scratch: &'a mut Scratch) -> Result<Read<'a>>;

    /// Lets go of what [`fetch`](Source::fetch) made present outside the scratch, once the chunk is done.
    fn release(&self, _request: &Request<'_>) {}
}

/// In which order a source can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Any.
    Any,
    /// Full-width bands from top to bottom only: the source is a stream (one giant compressed strip).
    Sequential,
}

/// Bytes that a chunk holds at its worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Stored bytes: read into scratch, or present in a map.
    pub stored_bytes: u64,
    /// Everything else in the scratch: decoded pixels, codec state.
    pub scratch_bytes: u64,
}

impl Cost {
    /// All bytes, saturating.
    pub fn total(&self) -> u64 {
        self.stored_bytes.saturating_add(self.scratch_bytes)
    }
}

/// What one chunk needs while it is read. Kept and used again for the next chunk of the same run.
#[derive(Default)]
pub struct Scratch {
    /// Stored bytes, where they are read rather than mapped.
    pub stored: Buffer,
    /// Whether fetching has left the stored bytes to be read by whoever uses them, for they are at hand.
    pub left: bool,
    /// Where each run of stored bytes came from: its offset in the file and its place in `stored`.
    pub segments: Vec<(u64, Range<usize>)>,
    /// Decoded pixels.
    pub decoded: Buffer,
    /// A second buffer for whatever the source needs (one block before it is cropped).
    pub block: Buffer,
    /// Rectangles that hold no stored pixels; [`Read::holes`] lends them.
    pub holes: Vec<Hole>,
    /// What the source fetched, where it is more than stored bytes (the scratch of an inner source); its type is the
    /// source's business.
    pub state: Option<Box<dyn Any + Send>>,
    /// Codec contexts and tables that decoding leaves to the next chunk, whichever that is.
    pub context: Option<Box<dyn Any + Send>>,
    /// Storage blocks (strips, tiles) that the source has decoded into this scratch. It adds; who runs the chunks
    /// takes. A block that is absent or lent as it lies is not decoded; a stream counts a strip when it begins it.
    pub blocks: u64,
}

impl Scratch {
    /// An empty scratch that owns no memory.
    pub fn new() -> Scratch {
        Scratch::default()
    }
}

/// Pixels that a source lends.
#[derive(Clone, Copy, Debug)]
pub struct Read<'a> {
    /// The samples, of shape (rows, columns, selected channels).
    pub pixels: Pixels<'a>,
    /// Parts of the request whose samples are not stored values.
    pub holes: &'a [Hole],
}

/// A part of a request whose samples are not stored values.
#[derive(Clone, Debug)]
pub struct Hole {
    /// In pixels of the image, inside the request.
    pub rect: Rect,
    /// Positions in the request's selection of channels (not channel numbers).
    pub channels: Range<usize>,
    /// Why.
    pub kind: HoleKind,
}

/// Why samples are not stored values.
#[derive(Clone, Debug)]
pub enum HoleKind {
    /// The block is absent; its samples read as nodata or 0. Counted as sparse; not an error.
    Sparse,
    /// The block could not be read and was filled, as asked. Its samples leave every statistic as quarantined.
    Bad(Arc<Error>),
}
