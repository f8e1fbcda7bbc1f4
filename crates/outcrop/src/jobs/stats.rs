//! [`stats`]: what each channel holds, in one pass.

use outcrop_core::{Reduce, Result, Source};
use outcrop_ops::Validity;
use outcrop_ops::reduce::{ChannelStats, Stats, StatsPartial};
use outcrop_scheduler::{Input, Plan, Runtime};

use crate::mask::Read;
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
    let (kernel, partial) = measure(runtime, "statistics", source, region, options)?;
    Ok(kernel.finish(&partial))
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
    let (kernel, partial) = measure(runtime, "mean", source, region, options)?;
    let all = kernel.finish_pooled(&partial);
    Ok(MeanOfAll { count: all.counts.count, valid: all.counts.valid, mean: all.mean })
}

/// Runs the one pass.
fn measure(
    runtime: &Runtime,
    stage: &str,
    source: &dyn Source,
    region: &Region,
    options: &StatsOptions<'_>,
) -> Result<(Stats, StatsPartial)> {
    let image = source.image();
    let Read { window, channels, mask } = options.mask.resolve(source, region)?;
    let nodata = options.validity.nodata.of(image, &channels)?;
    let validity = Validity::all(image.dtype, channels.len())
        .with_nodata(nodata)
        .with_nan(options.validity.nan)
        .with_mask(mask.is_some());
    let kernel = Stats::new(validity);
    let inputs: Vec<_> = std::iter::once(Input { source, channels }).chain(mask).collect();
    let plan = Plan::reduce(stage, &inputs, window, region.chunk, kernel.partial_bytes())?;
    let partial = runtime.reduce(&plan, &inputs, &kernel)?;
    Ok((kernel, partial))
}
