//! [`convert`]: an image's pixels in another format, or of another type.

use outcrop_core::{DataType, Result, Source};
use outcrop_ops::map::Convert;
use outcrop_scheduler::Runtime;

use super::write::Write;
use crate::Region;
use crate::output::{Output, carry, retyped};

/// What [`convert`] does on the way.
#[derive(Clone, Debug, Default)]
pub struct ConvertOptions {
    /// The sample type of the output; the input's where this is `None`. Samples are rounded once, half to even, and
    /// saturate.
    pub dtype: Option<DataType>,
}

/// Writes the pixels of a region to an output, as (y, x, channel).
///
/// # Errors
/// What the source, the output or the budget answer; [`outcrop_core::Error::Cancelled`] after a cancel. Nothing is
/// left under the output's name then.
pub fn convert(
    runtime: &Runtime,
    source: &dyn Source,
    region: &Region,
    options: &ConvertOptions,
    output: &Output,
) -> Result<()> {
    let image = source.image();
    let (window, channels) = region.resolve(image)?;
    let dtype = options.dtype.unwrap_or(image.dtype);
    let map = Convert::new(dtype, channels.len() as u64);
    let (metadata, nodata) = carry(image, window, &channels);
    let metadata = retyped(metadata, image.dtype, dtype);
    let nodata: Vec<_> = nodata.into_iter().filter(|v| v.fits(dtype)).collect();
    let job = Write {
        stage: "convert",
        source,
        window,
        channels,
        chunk: region.chunk,
        map: &map,
        metadata: &metadata,
        nodata: &nodata,
    };
    job.run(runtime, output)
}
