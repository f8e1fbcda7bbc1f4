//! Sources of outcrop: TIFF, raw files, `.npy`, ENVI, and computed images.

mod store;
pub mod tiff;

pub use store::{IoMode, Store};
