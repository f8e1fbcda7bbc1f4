//! Reductions: many samples in, a few exact numbers out.

mod area;
mod area_sums;
mod axis;
mod both;
pub(crate) mod cell;
mod compare;
mod covariance;
pub mod exact;
mod extrema;
mod histogram;
pub(crate) mod key;
mod lines;
mod moments;
mod op;
pub(crate) mod percentile;
mod percentile_pass;
mod quantile;
mod rows;
mod stats;
mod tables;
mod unique;

pub use area::{AreaMean, AreaPartial};
pub use axis::{AxesPartial, Over, ReduceAxes};
pub use both::{Both, Maybe};
pub use compare::{Compare, ComparePartial, Comparison, Difference};
pub use covariance::{Covariance, CovarianceMatrix, CovariancePartial};
pub use exact::{ExactSum, ExactSums, Rational};
pub use histogram::{BinCounts, Histogram, HistogramPartial, HistogramSpec};
pub use lines::{Lines, LinesPartial};
pub use moments::{Moments, MomentsPartial, Shape};
pub use op::Op;
pub use percentile::{Percentiles, Pool};
pub use percentile_pass::{PercentilePartial, PercentilePass};
pub use quantile::{Method, Percentile, PercentileSpec};
pub use stats::{ChannelPartial, ChannelStats, Stats, StatsPartial};
pub use unique::{Unique, UniquePartial};
