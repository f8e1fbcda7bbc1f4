//! Jobs: a source, a kernel and perhaps a sink, put together, planned and run.

mod checksum;
mod compare;
mod convert;
mod deepzoom;
mod encode;
mod mean;
mod measure;
mod pack;
mod preview;
mod reduce;
mod stats;
mod turn;
mod verify;
mod write;

pub use checksum::checksum;
pub use compare::{CompareOptions, compare};
pub use convert::{ConvertOptions, ScaleBy, convert};
pub use encode::{Encoded, decode, encode, encode_bytes, lossless_format};
pub use mean::{MeanOptions, mean};
pub use measure::{Ddof, Figures, MeasureOptions, Measured, measure};
pub use pack::{
    CropAt, NormalizeBy, OnBadImage, OneHot, PackItem, PackLabels, PackOptions, PackPlan, Packed, Split,
    pack, pack_inputs, pack_list, pack_outputs, pack_plan,
};
pub use preview::{Preview, PreviewOptions, preview, preview_channels, preview_level};
pub use reduce::{AxisReduction, ChannelReduction, Reduced, reduce_axes, reduce_channels};
pub use stats::{MeanOfAll, StatsOptions, mean_of_all, stats};
pub use verify::verify;
