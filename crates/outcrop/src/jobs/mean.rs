//! [`mean`]: the mean over the channels of each pixel.

use outcrop_core::{DataType, Map, Result, Source, Value};
use outcrop_ops::map::MeanOverChannels;
use outcrop_scheduler::Runtime;

use super::write::Write;
use crate::output::{Output, carry_place};
use crate::{Nodata, Region};

/// What [`mean`] writes.
#[derive(Clone, Debug, Default)]
pub struct MeanOptions {
    /// The sample type of the output; by default f32 for samples of up to 16 bits and for f32, else f64.
    pub dtype: Option<DataType>,
    /// Values to leave out. What the file declares counts only where it is asked for: by default every sample does.
    pub nodata: Option<Vec<Value>>,
}

/// Writes the mean over the region's channels of each pixel: an image of one channel, each mean exact and rounded
/// once. NaN propagates; a pixel without a valid sample is NaN, or its nodata value where the output is of integers.
///
/// # Errors
/// As [`convert`](crate::convert).
pub fn mean(
    runtime: &Runtime,
    source: &dyn Source,
    region: &Region,
    options: &MeanOptions,
    output: &Output,
) -> Result<()> {
    let image = source.image();
    let (window, channels) = region.resolve(image)?;
    let nodata = match &options.nodata {
        Some(values) => Nodata::Values(values.clone()).of(image, &channels)?,
        None => Vec::new(),
    };
    let map = MeanOverChannels::new(image.dtype, options.dtype, nodata);
    let metadata = carry_place(image, window);
    // What a pixel of integers without a valid sample becomes; floats have NaN for that.
    let hollow = |v: &&Value| !map.output().0.is_float() && v.fits(map.output().0);
    let nodata: Vec<Value> = options.nodata.iter().flatten().take(1).filter(hollow).copied().collect();
    let job = Write {
        stage: "mean",
        source,
        window,
        channels,
        chunk: region.chunk,
        metadata: &metadata,
        nodata: &nodata,
    };
    job.run(runtime, &map, output)
}
