//! Kernels: serial, pure computations on chunks.
//!
//! Maps ([`map`]) make a pixel from a pixel. Reductions ([`reduce`]) keep exact state, so that partials merge in any
//! order to the same bits. [`resample`] resizes small images as Pillow does. [`Validity`] says which samples take part. Results are evaluated exactly and rounded
//! once ([`Exact`]).

mod exact;
pub mod map;
mod nodata;
pub mod picture;
pub mod reduce;
pub mod resample;
pub mod saved;
#[doc(hidden)]
pub mod simd;
pub mod validity;

pub use exact::Exact;
pub use validity::{Class, Counts, NanPolicy, Validity};
