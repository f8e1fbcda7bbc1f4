//! TIFF and BigTIFF, by a directory reader and block decoders of our own.
//!
//! `ifd` finds the directories and indexes their arrays where they lie, `layout` says which bytes are which block,
//! [`block`] turns the bytes of a block into samples, `source` does so for the blocks that a request touches.

pub mod block;
mod codec;
mod color;
mod predictor;
pub mod stream;
mod unpack;
