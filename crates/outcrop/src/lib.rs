//! Images bigger than memory, in parallel and in bounded memory.
//!
//! An image is opened as a [`Source`], a [`Region`] says which part of it is meant, and a job answers: [`stats`],
//! [`measure`], [`mean`], [`reduce_channels`], [`reduce_axes`], [`convert`], [`pack`], [`preview`]. Jobs run on a [`Runtime`], which owns the threads and the memory budget; none ever holds
//! more than the budget, however large the image. Answers are exact and the same for every number of threads.
//!
//! ```
//! use outcrop::{ConvertOptions, DataType, Extent, Output, Pattern, Region, Runtime, RuntimeOptions, Synthetic};
//!
//! let folder = tempfile::tempdir().unwrap();
//! let path = folder.path().join("noise.npy");
//! let runtime = Runtime::new(RuntimeOptions::default())?;
//!
//! let noise = Synthetic::new(Pattern::Noise, Extent::new(300, 200, 3), DataType::U8, 1, 0)?;
//! outcrop::convert(&runtime, &noise, &Region::all(), &ConvertOptions::default(), &Output::new(&path))?;
//!
//! let image = outcrop::open(&path, &Default::default())?;
//! let channels = outcrop::stats(&runtime, &*image, &Region::all(), &Default::default())?;
//! assert_eq!(channels.len(), 3);
//! assert_eq!(channels[0].counts.valid, 300 * 200);
//! # Ok::<(), outcrop::Error>(())
//! ```
//!
//! The parts are crates of their own, for those who build other jobs: `outcrop-core` has the words and traits,
//! `outcrop-reader` sources, `outcrop-ops` kernels, `outcrop-writer` sinks, `outcrop-scheduler` the threads.

mod halved;
mod held;
mod jobs;
mod mask;
mod output;
mod overlapping;
mod picture;
mod pixel_size;
mod place;
mod region;
mod turned;
mod validity;

pub use jobs::{
    AxisReduction, ChannelReduction, CompareOptions, ConvertOptions, CropAt, Ddof, Encoded, Figures,
    MeanOfAll, MeanOptions, MeasureOptions, Measured, NormalizeBy, OnBadImage, OneHot, PackItem, PackLabels,
    PackOptions, PackPlan, Packed, Preview, PreviewOptions, Reduced, ScaleBy, Split, StatsOptions, checksum,
    compare, convert, decode, encode, encode_bytes, lossless_format, mean, mean_of_all, measure, pack,
    pack_inputs, pack_list, pack_outputs, pack_plan, preview, preview_channels, preview_level, reduce_axes,
    reduce_channels, stats, verify,
};
pub use mask::Mask;
pub use output::{Output, Pyramid};
pub use picture::{ColorMap, Look, Picture, Stretch};
pub use pixel_size::{metres, pixel_size};
pub use region::Region;
pub use turned::Turn;
pub use validity::{Nodata, ValidityOptions};

#[doc(no_inline)]
pub use outcrop_core::{
    BlockLayout, Budget, ByteOrder, CancelToken, Channels, DataType, Error, Event, Extent, GeoValue, Image,
    LevelInfo, Metadata, Observer, PageInfo, Rect, Resolution, Result, Silent, Source, Value,
};
#[doc(no_inline)]
pub use outcrop_ops::{
    Exact, NanPolicy,
    map::{Resample, Scale},
    picture::{Fit, Layout, Mode, Normalize, ResizeTo},
    reduce::{
        BinCounts, ChannelStats, Comparison, CovarianceMatrix, Difference, ExactSum, HistogramSpec, Method,
        Op, Over, Percentile, PercentileSpec, Shape,
    },
    resample::Filter,
};
#[doc(no_inline)]
pub use outcrop_reader::{
    BadBlocks, Format as InputFormat, ImageFile, Interleave, IoMode, OpenOptions, Pattern, RawOptions,
    Synthetic, before_sigbus_exit, install_sigbus_handler, open, other_file, parse_dtype, parse_shape,
};
#[doc(no_inline)]
pub use outcrop_scheduler::{
    BadBlock, CHECKPOINT_GIVEN, CHECKPOINT_OPTIONS, Checkpoint, CheckpointOptions, LimitedBy, Limits,
    MOST_THREADS, Occupancy, Plan, PlanFacts, Report, Runtime, RuntimeOptions, parse_memory,
};
#[doc(no_inline)]
pub use outcrop_writer::{
    Format as OutputFormat, Options as OutputOptions, Overwrite, PartialFile, PictureFormat, PictureOptions,
    base64_len,
    deepzoom::tiles_folder,
    encode_picture, remove_unfinished,
    tiff::{Arrangement, BigTiff, Blocks, Compression, Predictor, TiffOptions},
};
