//! Jobs: a source, a kernel and perhaps a sink, put together, planned and run.

mod convert;
mod mean;
mod stats;
mod verify;
mod write;

pub use convert::{ConvertOptions, ScaleBy, convert};
pub use mean::{MeanOptions, mean};
pub use stats::{MeanOfAll, StatsOptions, mean_of_all, stats};
pub use verify::verify;
