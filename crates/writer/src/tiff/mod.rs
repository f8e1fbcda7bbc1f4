//! TIFF and BigTIFF output: tiles or strips, compressed in the workers, committed in one canonical order.
//!
//! The file is header, directory, arrays of block offsets and lengths, then the blocks in the order of the grid:
//! chunk by chunk, in a chunk plane by plane and row by row. Its bytes therefore depend on the shape of the chunks,
//! but never on how many threads encoded them. Always little-endian.

mod codec;
mod creation;
mod directory;
mod encode;
mod layout;
mod lerc;
mod level;
mod lzw;
mod ome;
mod options;
mod predict;
mod pyramid;
mod pyramid_resume;
mod resume;
mod sink;
mod tags;

pub(crate) use creation::COMPRESSIONS;
pub use options::{BigTiff, Blocks, Compression, Predictor, TiffOptions};
pub use pyramid::{Arrangement, TiffPyramid};
pub(crate) use sink::create;
