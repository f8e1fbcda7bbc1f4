//! Exact sums and sums of squares of every sample type, and what follows from them, rounded once.
//!
//! [`ExactSums`] is the state: two wide fixed-point integers ([`Fixed`]) and a few counters. Kernels feed it blocks
//! of samples (`integer` in lanes, `float` on grids); [`Rational`] rounds results. docs/exactness.md has
//! the proofs.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod bins;
mod fixed;
mod float;
mod integer;
mod rational;
mod sums;

pub use fixed::Fixed;
pub(crate) use fixed::decompose;
pub(crate) use integer::{Span, fold_interleaved};
pub use rational::Rational;
pub(crate) use rational::power_of_two;
pub use sums::{ExactSum, ExactSums};
pub(crate) use sums::{Scratch, fold};
