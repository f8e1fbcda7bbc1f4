//! Reductions: many samples in, a few exact numbers out.

mod covariance;
pub mod exact;
mod extrema;
mod moments;
mod stats;

pub use covariance::{Covariance, CovarianceMatrix, CovariancePartial};
pub use exact::{ExactSum, ExactSums, Rational};
pub use moments::{Moments, MomentsPartial, Shape};
pub use stats::{ChannelPartial, ChannelStats, Stats, StatsPartial};
