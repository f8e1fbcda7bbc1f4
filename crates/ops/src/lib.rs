//! Kernels: serial, pure computations on chunks.
//!
//! Reductions ([`reduce`]) keep exact state, so that partials merge in any order to the same bits. [`Validity`]
//! says which samples take part.

pub mod reduce;
pub mod saved;
pub mod validity;

pub use validity::{Class, Counts, NanPolicy, Validity};
