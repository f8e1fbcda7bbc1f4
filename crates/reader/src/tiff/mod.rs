//! TIFF and BigTIFF, by a directory reader and block decoders of our own.
//!
//! `ifd` finds the directories and indexes their arrays where they lie, `pages` says which directory is which page
//! and level, `samples` and `layout` say what a pixel is made of and which bytes are which block, [`block`] turns
//! the bytes of a block into samples. `open` puts a `source` together from these, and `decode` is what it does for the blocks
//! that a request touches.

pub mod block;
mod codec;
mod color;
mod copy;
mod decode;
mod giant;
mod ifd;
mod layout;
mod metadata;
mod old_jpeg;
mod ome;
mod open;
mod pages;
mod predictor;
#[cfg(target_arch = "x86_64")]
mod predictor_sse2;
mod samples;
mod source;
mod stack;
pub mod stream;
mod tags;
pub(crate) mod unpack;
mod xml;

pub use codec::{CodecSupport, codecs};
pub(crate) use ifd::is_tiff;
pub use open::{TiffPages, open};
use outcrop_core::Value;
pub use source::TiffSource;

/// What to open in a TIFF, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TiffOptions {
    /// The page, from 0.
    pub page: u64,
    /// The level of the page, 0 = full resolution.
    pub level: u64,
    /// The mask of that page and level (NewSubfileType 4), instead of its pixels: one channel, not 0 where a pixel is valid.
    pub mask: bool,
    /// What to do with blocks that cannot be read.
    pub bad_blocks: BadBlocks,
    /// Whether a palette image is read as its colours (RGB), not as indices.
    pub expand_palette: bool,
}

/// What to do with a block that cannot be read: its bytes lie beyond the file, are too few, or do not decode.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum BadBlocks {
    /// It is an error ([`outcrop_core::Error::Block`]).
    #[default]
    Fail,
    /// Its samples read as this value, and are reported as a hole.
    Fill(Value),
    /// Its samples read as the file's nodata value (0 where it declares none), and are reported as a hole.
    Nodata,
}
