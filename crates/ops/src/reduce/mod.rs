//! Reductions: an image in, numbers out. Partials are exact, so that chunks and workers leave no trace.

mod bytes;
pub mod exact;
mod key;
mod percentile;
mod quantile;
mod rows;
mod covariance;
pub mod exact;
mod extrema;
mod moments;
mod stats;

pub use covariance::{Covariance, CovarianceMatrix, CovariancePartial};
pub use exact::{ExactSum, ExactSums, Rational};
pub use percentile::{PercentilePartial, PercentilePass, Percentiles, Pool};
pub use quantile::{Method, Percentile, PercentileSpec};
pub use rows::{NanRule, Rules};
pub use moments::{Moments, MomentsPartial, Shape};
pub use stats::{ChannelPartial, ChannelStats, Stats, StatsPartial};
