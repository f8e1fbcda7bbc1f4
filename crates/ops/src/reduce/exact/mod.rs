//! Exact sums and sums of squares of every sample type, and what follows from them, rounded once.
//!
//! [`ExactSums`] is the state: two wide fixed-point integers ([`Fixed`]) and a few counters. Kernels feed it blocks
//! of samples (`small` and `integer` in lanes, `float` on grids); [`Rational`] holds quotients. docs/exactness.md has
//! the proofs.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod bins;
mod fixed;
mod float;
mod integer;
mod powers;
mod products;
mod rational;
mod small;
#[cfg(target_arch = "x86_64")]
mod small_avx2;
#[cfg(target_arch = "x86_64")]
mod small_avx512;
mod sums;

pub use fixed::Fixed;
pub(crate) use fixed::{decompose, power_of_two};
pub(crate) use integer::{Span, fold_interleaved};
pub(crate) use powers::PowerSums;
pub(crate) use products::add_products;
pub use rational::Rational;
pub use sums::{ExactSum, ExactSums};
pub(crate) use sums::{Scratch, fold};
