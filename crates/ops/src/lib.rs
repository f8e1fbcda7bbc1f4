//! Kernels: what is computed on a chunk. Serial and pure; the scheduler runs many at once.
//!
//! [`map`] makes a pixel from a pixel, [`reduce`] makes numbers from an image and keeps exact state, so that partials
//! merge in any order to the same bits. Results are evaluated exactly and rounded once ([`Exact`]). [`Validity`]
//! says which samples take part.

mod exact;
pub mod map;
mod nodata;
pub mod reduce;
pub mod saved;
mod simd;
pub mod validity;

pub use exact::Exact;
pub use validity::{Class, Counts, NanPolicy, Validity};
