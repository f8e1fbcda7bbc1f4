//! Reductions: many samples in, a few exact numbers out.

pub mod exact;
mod key;
mod percentile;
mod quantile;
mod rows;

pub use exact::{ExactSum, ExactSums, Rational};
pub use percentile::{PercentilePartial, PercentilePass, Percentiles, Pool};
pub use quantile::{Method, Percentile, PercentileSpec};
