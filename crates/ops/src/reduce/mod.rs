//! Reductions: many samples in, a few exact numbers out.

pub mod exact;

pub use exact::{ExactSum, ExactSums, Rational};
