//! [`mean`]: the mean over the channels of each pixel.

use outcrop_core::{DataType, Result, Source, Value};
use outcrop_ops::reduce::Op;
use outcrop_scheduler::Runtime;

use super::reduce::{ChannelReduction, reduce_channels};
use crate::{Output, Region};

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
/// Short for [`reduce_channels`].
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
    let mean = ChannelReduction {
        dtype: options.dtype,
        nodata: options.nodata.clone(),
        stage: Some("mean"),
        ..ChannelReduction::new(Op::Mean)
    };
    reduce_channels(runtime, source, region, &mean, output)
}
