//! Kernels: what is computed on a chunk. Serial and pure; the scheduler runs many at once.
//!
//! [`map`] makes a pixel from a pixel, [`reduce`] makes numbers from an image. Results are evaluated exactly and
//! rounded once ([`Exact`]).

mod exact;
pub mod map;
mod nodata;
pub mod reduce;
mod simd;

pub use exact::Exact;
