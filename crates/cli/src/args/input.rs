//! What commands that read have in common: which pixels, which samples count, what a raw file holds.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use outcrop::{InputFormat, Interleave};

use crate::parse;

/// What to read and how to understand it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reading")]
pub(crate) struct Reading {
    /// Format of the input where its content does not say
    #[arg(long, value_name = "FORMAT", value_parser = parse::input_format)]
    pub(crate) from: Option<InputFormat>,
    /// Page of the file, from 0
    #[arg(long, value_name = "N", value_parser = parse::whole::<u64>)]
    pub(crate) page: Option<u64>,
    /// Level of the page, 0 = full resolution
    #[arg(long, value_name = "N", value_parser = parse::whole::<u64>)]
    pub(crate) level: Option<u64>,
    /// Only this part, in pixels of the level
    #[arg(long, value_name = "X,Y,W,H", value_parser = parse::window, allow_hyphen_values = true)]
    pub(crate) window: Option<outcrop::Rect>,
    /// Only these channels, from 1: 1,3-5
    #[arg(long, value_name = "LIST", value_parser = parse::channels)]
    pub(crate) channels: Option<parse::ChannelList>,
    /// Colours of a palette TIFF (three channels), not its indices
    #[arg(long)]
    pub(crate) expand_palette: bool,
    /// How local files are read: auto, map or read
    #[arg(
        long,
        value_name = "MODE",
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) io: Io,
    /// What happens with a block that cannot be read: fail, nodata or fill=V
    ///
    /// With nodata or fill=V its pixels read as that value, leave every figure
    /// as quarantined, and the run ends with exit code 4; --report lists them.
    #[arg(long, value_name = "HOW", default_value = "fail", value_parser = parse::bad_blocks)]
    pub(crate) on_bad_block: outcrop::BadBlocks,
    #[command(flatten)]
    pub(crate) raw: Raw,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Io {
    Auto,
    Map,
    Read,
}

/// What a file without a header holds.
#[derive(Debug, Args)]
#[command(next_help_heading = "Raw input")]
pub(crate) struct Raw {
    /// Rows, columns and channels
    #[arg(long, value_name = "H,W[,C]", value_parser = parse::shape)]
    pub(crate) shape: Option<outcrop::Extent>,
    /// Bytes before the first sample
    #[arg(long, value_name = "BYTES", requires = "shape", value_parser = parse::whole::<u64>)]
    pub(crate) offset: Option<u64>,
    /// Samples have their most significant byte first
    #[arg(long, requires = "shape")]
    pub(crate) big_endian: bool,
    /// By pixel (bip), row and channel (bil) or channel (bsq)
    #[arg(long, value_name = "ORDER", requires = "shape", value_parser = parse::interleave)]
    pub(crate) interleave: Option<Interleave>,
}

/// The sample type of a raw input, for commands that write no samples: where they do, `--dtype` is [`Types`]'.
#[derive(Debug, Args)]
#[command(next_help_heading = "Raw input")]
pub(crate) struct RawType {
    /// Sample type of a raw input: uint8 ... float64, u8 ... f64, <u2
    #[arg(long, value_name = "T", value_parser = parse::dtype_name)]
    pub(crate) dtype: Option<String>,
}

/// Which samples count.
#[derive(Debug, Args)]
pub(crate) struct Validity {
    /// Values that mean "no data": one, one per channel of the image, or none
    #[arg(
        long,
        value_name = "V[,V..]",
        allow_hyphen_values = true,
        value_parser = parse::nodata
    )]
    pub(crate) nodata: Option<parse::Nodata>,
    /// What NaN samples do to figures: omit (the default) or propagate
    #[arg(long, value_name = "POLICY", hide_possible_values = true)]
    pub(crate) nan: Option<Nan>,
    /// Only pixels where this image of the same size is not zero; self: where
    /// the input's own mask is not
    #[arg(long, value_name = "FILE|self")]
    pub(crate) mask: Option<PathBuf>,
    /// Only pixels where the image's own alpha channel is not zero
    #[arg(long, conflicts_with = "mask")]
    pub(crate) alpha_mask: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Nan {
    /// NaN samples leave every figure
    Omit,
    /// One NaN makes the figures NaN
    Propagate,
}
