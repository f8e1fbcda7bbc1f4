//! What commands that write have in common: sample types, the file, how TIFF and DeepZoom are laid out.

use clap::{Args, ValueEnum};
use outcrop::{DataType, OutputFormat};

use crate::parse;

/// The sample types of a command that reads and writes.
#[derive(Debug, Args)]
pub(crate) struct Types {
    /// Sample type of the output; of the input where --shape is given
    ///
    /// uint8, uint16, uint32, uint64, int8, int16, int32, int64, float16,
    /// float32, float64, or by bits u8 ... f64. With --shape this is the type
    /// of the raw input (NumPy codes such as <u2 and >f4 too); use --out-dtype
    /// for the output then.
    #[arg(long, value_name = "T", value_parser = parse::dtype_name)]
    pub(crate) dtype: Option<String>,
    /// Sample type of the output, whatever the input
    #[arg(long, value_name = "T", value_parser = parse::output_dtype)]
    pub(crate) out_dtype: Option<DataType>,
}

/// The output.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Format of the output where its extension does not say
    #[arg(long, value_name = "FORMAT", value_parser = parse::output_format)]
    pub(crate) to: Option<OutputFormat>,
    /// Replace an existing output
    #[arg(long)]
    pub(crate) overwrite: bool,
}

/// How a TIFF is written.
#[derive(Debug, Args)]
#[command(next_help_heading = "TIFF output")]
pub(crate) struct Tiff {
    /// Creation option, as GDAL spells it; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) co: Vec<String>,
    /// 64-bit offsets: auto, yes or no
    #[arg(long, value_name = "WHEN", hide_possible_values = true)]
    pub(crate) bigtiff: Option<BigTiff>,
    /// Leave out blocks that hold only nodata (zeros where none is declared)
    #[arg(long)]
    pub(crate) sparse: bool,
    /// Cloud Optimized GeoTIFF: levels as pages, the smallest first in the file
    #[arg(long)]
    pub(crate) cog: bool,
    /// How levels are made: average, nearest or mode
    #[arg(long, value_name = "METHOD", value_parser = parse::resample)]
    pub(crate) resample: Option<outcrop::Resample>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BigTiff {
    /// Where the file could become larger than 4 GiB
    Auto,
    Yes,
    No,
}

/// How a DeepZoom image is cut.
#[derive(Debug, Args)]
#[command(next_help_heading = "DeepZoom output")]
pub(crate) struct DeepZoom {
    /// Rows and columns of a tile without its overlap [default: 254]
    #[arg(long, value_name = "N", value_parser = parse::whole::<u32>)]
    pub(crate) tile: Option<u32>,
    /// Pixels that neighbouring tiles have in common at each side [default: 1]
    #[arg(long, value_name = "N", value_parser = parse::whole::<u32>)]
    pub(crate) overlap: Option<u32>,
    /// Format of the tiles: jpg (the default), png or webp
    #[arg(long, value_name = "FORMAT", value_parser = parse::picture_format)]
    pub(crate) tile_format: Option<outcrop::PictureFormat>,
}
