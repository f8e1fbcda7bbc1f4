//! [`compare`]: how two images differ.

use outcrop_core::{Error, Result, Source};
use outcrop_ops::reduce::{Compare, Comparison};
use outcrop_scheduler::{Input, Plan, Runtime};

use crate::Region;

/// What [`compare`] takes as equal.
#[derive(Clone, Copy, Debug, Default)]
pub struct CompareOptions {
    /// The greatest |a - b| that still counts as equal.
    pub tolerance: f64,
}

/// Compares the same region of two images, sample by sample.
///
/// # Errors
/// [`Error::Usage`] where the images differ in their rows, columns or selected channels, or the tolerance is negative
/// or NaN; otherwise as [`stats`](crate::stats).
pub fn compare(
    runtime: &Runtime,
    sources: (&dyn Source, &dyn Source),
    regions: (&Region, &Region),
    options: &CompareOptions,
) -> Result<Comparison> {
    let (a, b) = (sources.0.image(), sources.1.image());
    let ((window, channels), (other, others)) = (regions.0.resolve(a)?, regions.1.resolve(b)?);
    if other != window
        || channels.len() != others.len()
        || options.tolerance.is_nan()
        || options.tolerance < 0.0
    {
        return Err(Error::Usage(format!(
            "windows {window} of {} channels and {other} of {} cannot be compared with tolerance {}",
            channels.len(),
            others.len(),
            options.tolerance
        )));
    }
    let kernel = Compare::new((a.dtype, b.dtype), channels.len() as u64, options.tolerance);
    let inputs = [Input { source: sources.0, channels }, Input { source: sources.1, channels: others }];
    let plan = Plan::reduce(
        "compare",
        &inputs,
        window,
        regions.0.chunk,
        outcrop_core::Reduce::partial_bytes(&kernel),
    )?;
    let partial = runtime.reduce(&plan, &inputs, &kernel)?;
    Ok(kernel.finish(&partial))
}
