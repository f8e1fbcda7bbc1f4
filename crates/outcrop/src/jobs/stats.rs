//! [`stats`]: what each channel holds, in one pass.

use outcrop_core::{Result, Source};
use outcrop_ops::reduce::ChannelStats;
use outcrop_scheduler::Runtime;

use super::measure::{Figures, MeasureOptions, measure};
use crate::{Mask, Region, ValidityOptions};

/// What [`stats`] looks at.
#[derive(Clone, Debug, Default)]
pub struct StatsOptions<'a> {
    /// Which samples count.
    pub validity: ValidityOptions,
    /// Which pixels count.
    pub mask: Mask<'a>,
}

/// The mean of all samples of a region, whatever their channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanOfAll {
    /// All samples.
    pub count: u64,
    /// Those that the mean is of.
    pub valid: u64,
    /// The exact mean, rounded once; `None` where nothing is valid.
    pub mean: Option<f64>,
}

/// Counts, extremes, sum, mean, variance and standard deviation of each of the region's channels, in its order.
///
/// # Errors
/// What the source or the budget answer; [`outcrop_core::Error::Cancelled`] after a cancel.
pub fn stats(
    runtime: &Runtime,
    source: &dyn Source,
    region: &Region,
    options: &StatsOptions<'_>,
) -> Result<Vec<ChannelStats>> {
    Ok(run(runtime, source, region, options, false)?.into_iter().map(|f| f.stats).collect())
}

/// The mean of all valid samples of the region's channels together.
///
/// # Errors
/// As [`stats`].
pub fn mean_of_all(
    runtime: &Runtime,
    source: &dyn Source,
    region: &Region,
    options: &StatsOptions<'_>,
) -> Result<MeanOfAll> {
    let all = run(runtime, source, region, options, true)?.into_iter().next().map(|f| f.stats);
    let counts = all.as_ref().map(|all| all.counts).unwrap_or_default();
    Ok(MeanOfAll { count: counts.count, valid: counts.valid, mean: all.and_then(|all| all.mean) })
}

/// Measures no more than every measurement does.
fn run(
    runtime: &Runtime,
    source: &dyn Source,
    region: &Region,
    options: &StatsOptions<'_>,
    pooled: bool,
) -> Result<Vec<Figures>> {
    let validity = options.validity.clone();
    let stage = Some(if pooled { "mean" } else { "stats" });
    let options = MeasureOptions { validity, mask: options.mask, pooled, stage, ..MeasureOptions::default() };
    Ok(measure(runtime, source, region, &options)?.figures)
}
