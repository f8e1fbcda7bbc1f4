//! Reductions: many samples in, a few exact numbers out.

mod covariance;
pub mod exact;
mod extrema;
mod key;
mod moments;
mod percentile;
mod quantile;
mod rows;
mod stats;

pub use covariance::{Covariance, CovarianceMatrix, CovariancePartial};
pub use exact::{ExactSum, ExactSums, Rational};
pub use moments::{Moments, MomentsPartial, Shape};
pub use percentile::{PercentilePartial, PercentilePass, Percentiles, Pool};
pub use quantile::{Method, Percentile, PercentileSpec};
pub use stats::{ChannelPartial, ChannelStats, Stats, StatsPartial};
