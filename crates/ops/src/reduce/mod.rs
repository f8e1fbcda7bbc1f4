//! Reductions: many samples in, a few exact numbers out.

mod covariance;
pub mod exact;
mod key;
mod percentile;
mod quantile;
mod rows;
mod extrema;
mod moments;
mod stats;

pub use covariance::{Covariance, CovarianceMatrix, CovariancePartial};
pub use exact::{ExactSum, ExactSums, Rational};
pub use percentile::{PercentilePartial, PercentilePass, Percentiles, Pool};
pub use quantile::{Method, Percentile, PercentileSpec};
pub use moments::{Moments, MomentsPartial, Shape};
pub use stats::{ChannelPartial, ChannelStats, Stats, StatsPartial};
