//! Reductions: many samples in, a few exact numbers out.

pub mod exact;
mod extrema;
mod stats;

pub use exact::{ExactSum, ExactSums, Rational};
pub use stats::{ChannelPartial, ChannelStats, Stats, StatsPartial};
