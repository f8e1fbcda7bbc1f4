//! Reductions: an image in, numbers out. Partials are exact, so that chunks and workers leave no trace.

mod bytes;
pub mod exact;
mod key;
mod percentile;
mod quantile;
mod rows;

pub use exact::{ExactSum, ExactSums, Rational};
pub use percentile::{PercentilePartial, PercentilePass, Percentiles, Pool};
pub use quantile::{Method, Percentile, PercentileSpec};
pub use rows::{NanRule, Rules};
