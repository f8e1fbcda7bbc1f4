//! [`convert`]: an image's pixels in another format, or of another type.

use outcrop_core::{DataType, Result, Source};
use outcrop_ops::map::Convert;
use outcrop_scheduler::{Input, Runtime};
use outcrop_writer::OutputImage;

use crate::output::{Output, carry, retyped};
use crate::{Region, jobs};

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
    let made =
        OutputImage { extent: jobs::extent(window, &map), dtype, metadata: &metadata, nodata: &nodata };
    jobs::write(runtime, "convert", Input { source, channels }, window, region.chunk, &map, &made, output)
}
