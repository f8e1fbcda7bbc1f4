//! Resampling of small images held whole, bit for bit as Pillow's `Image.resize` does it.
//!
//! Two passes, first along the rows, then down the columns; samples of 8 bits are rounded and clipped between them,
//! with weights of 22 fractional bits, as Pillow has it (`Resample.c`). A crate that goes the other way round
//! (fast_image_resize) differs from Pillow by up to 47 levels where a filter overshoots. Only the part of the result
//! that is wanted is computed.

mod passes;
mod weights;

pub use passes::{ResizeScratch, resize_into, resize_scratch_bytes};
pub use weights::Filter;

use outcrop_core::Rect;

/// A resize: the size to make of the whole image, and the part of the result that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resize {
    /// Rows and columns of the image.
    pub from: (usize, usize),
    /// Rows and columns of the whole result; at least 1.
    pub to: (usize, usize),
    /// The part of the result that is computed.
    pub part: Rect,
    /// How samples are weighed.
    pub filter: Filter,
}
