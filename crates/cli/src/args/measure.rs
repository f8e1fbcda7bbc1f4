//! Commands whose answer is figures: `stats`, `histogram`, `reduce`, `mean`.

use std::path::PathBuf;

use clap::Args;

use super::input::{RawType, Reading, Validity};
use super::output::{Target, Types};
use super::running::Running;
use crate::parse;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outcrop stats scan.tif
  outcrop stats a.tif b.tif c.npy --json
  outcrop stats dem.tif --nodata -9999 --percentiles 1,50,99
  outcrop stats scan.tif --histogram 16:0:256 --moments --all-channels
  outcrop stats classes.tif --unique --mask valid.tif
  outcrop stats dump.bin --shape 4000,6000,3 --dtype uint16 --channels 1,3

Nodata, NaN and masked samples leave every figure; infinities stay.
`--nodata none --nan propagate` gives plain IEEE figures. Everything that one
read can answer is answered by one; -v and JSON say how many it took.")]
pub(crate) struct Stats {
    /// Images to measure
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// One JSON object per input
    #[arg(long)]
    pub(crate) json: bool,
    /// One line per channel, with commas between the figures
    #[arg(long, conflicts_with_all = ["json", "histogram", "unique", "covariance"])]
    pub(crate) csv: bool,
    /// Figures of each channel (the default)
    #[arg(long, conflicts_with = "all_channels")]
    pub(crate) per_channel: bool,
    /// Figures of all channels together
    #[arg(long)]
    pub(crate) all_channels: bool,
    /// Divisor of variances: valid - N (0 = population, 1 = sample)
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse::whole::<u64>)]
    pub(crate) ddof: u64,
    /// Skewness and kurtosis too
    #[arg(long)]
    pub(crate) moments: bool,
    /// Percentiles, exact: 0.1,25,50,99.9
    #[arg(long, value_name = "LIST", value_parser = parse::percentiles)]
    pub(crate) percentiles: Option<outcrop::PercentileSpec>,
    /// How a percentile between two samples is found, by NumPy's names
    #[arg(long, value_name = "NAME", default_value = "linear", hide_default_value = true,
          value_parser = parse::method)]
    pub(crate) method: outcrop::Method,
    /// Counts in bins of equal width, from the least to the greatest sample
    #[arg(long, value_name = "BINS[:MIN:MAX]", allow_hyphen_values = true, value_parser = parse::histogram)]
    pub(crate) histogram: Option<outcrop::HistogramSpec>,
    /// How often each value of integer classes occurs
    #[arg(long)]
    pub(crate) unique: bool,
    /// Covariance and correlation of the channels
    #[arg(long)]
    pub(crate) covariance: bool,
    /// Draw the histogram too: FILE.png, .jpg, .webp or .svg (one INPUT)
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
    /// Replace an existing --plot
    #[arg(long, requires = "plot")]
    pub(crate) overwrite: bool,
    #[command(flatten)]
    pub(crate) validity: Validity,
    #[command(flatten)]
    pub(crate) raw: RawType,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) running: Running,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outcrop histogram scan.tif
  outcrop histogram scan.tif --plot scan.svg
  outcrop histogram dem.tif --bins 100:0:4000 --nodata -9999 --csv

Bins have equal width and hold their lower edge, the last one both, as NumPy's.
In the terminal, bins that do not fit its width are shown together.")]
pub(crate) struct Histogram {
    /// Images to measure
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Bins; by default one for each value of 8 bits, else at most 256 from the
    /// least to the greatest sample, each of equally many integers
    #[arg(long, value_name = "BINS[:MIN:MAX]", allow_hyphen_values = true, value_parser = parse::histogram)]
    pub(crate) bins: Option<outcrop::HistogramSpec>,
    /// All channels together
    #[arg(long)]
    pub(crate) all_channels: bool,
    /// One JSON object per input, as `stats --histogram` has it
    #[arg(long, conflicts_with = "csv")]
    pub(crate) json: bool,
    /// One line per bin: file, channel, from, to, count
    #[arg(long)]
    pub(crate) csv: bool,
    /// Draw it instead: FILE.png, .jpg, .webp or .svg (one INPUT)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "csv"])]
    pub(crate) plot: Option<PathBuf>,
    /// Replace an existing --plot
    #[arg(long, requires = "plot")]
    pub(crate) overwrite: bool,
    #[command(flatten)]
    pub(crate) validity: Validity,
    #[command(flatten)]
    pub(crate) raw: RawType,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) running: Running,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Operations: mean, sum, min, max, range, median, percentile:Q, var, std,
argmin, argmax, any, all, count-valid, norm-l1, norm-l2, product.

Examples:
  outcrop reduce max scan.tif brightest.npy --over c
  outcrop reduce median cube.hdr background.tif --over c
  outcrop reduce mean frame.npy profile.npy --over y
  outcrop reduce percentile:99.9 scan.tif --over yx
  outcrop reduce sum scan.tif --over yxc --json

The output over c is an image of one channel. Over y it has one row and over
x one column: shape (1, W, C) or (H, 1, C); over yx it is (1, 1, C) and over
yxc one sample. C is left out of .npy shapes where it is 1.

Sample types: the input's for min, max, range, and medians of an odd number;
float32 for mean, std, var, norm-l2 and other percentiles of samples of up to
16 bits and float32, else float64; int64, uint64 or float64 for sums; int64
for places, which count from 0. Every result is evaluated exactly and rounded
once; integers saturate.

Over c NaN propagates and only --nodata that was typed counts; over other axes
nodata of the file and NaN leave, as in stats.")]
pub(crate) struct Reduce {
    /// What to compute
    #[arg(value_name = "OP", value_parser = parse::op)]
    pub(crate) op: outcrop::Op,
    /// Image to read
    pub(crate) input: PathBuf,
    /// Where to write (.npy, .raw, .hdr, .tif, .png, .jpg, .webp; - is standard
    /// output); without
    /// it, print the results (over yx and yxc)
    pub(crate) output: Option<PathBuf>,
    /// The axes that vanish: c, y, x, yx or yxc
    #[arg(long, value_name = "AXES", value_parser = parse::axes)]
    pub(crate) over: parse::Axes,
    /// Divisor of var and std: valid - N (0 = population, 1 = sample)
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse::whole::<u64>)]
    pub(crate) ddof: u64,
    /// How a percentile between two samples is found, by NumPy's names
    #[arg(long, value_name = "NAME", default_value = "linear", hide_default_value = true,
          value_parser = parse::method)]
    pub(crate) method: outcrop::Method,
    /// Print the results as JSON (without OUTPUT)
    #[arg(long, conflicts_with = "output")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) types: Types,
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) validity: Validity,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) running: Running,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outcrop mean scan.tif mean.npy
  outcrop mean scan.tif mean.raw --dtype uint8
  outcrop mean dump.bin mean.npy --shape 40,60,3 --dtype u16 --out-dtype f64
  outcrop mean scan.tif                 the mean of all valid samples

The output has one channel: float32 for samples of up to 16 bits and for
float16 and float32, else float64. Integers round half to even. `mean` is
short for `reduce mean --over c`.")]
pub(crate) struct Mean {
    /// Image to read
    pub(crate) input: PathBuf,
    /// Where to write (.npy, .raw, .hdr, .tif, .png, .jpg, .webp; - is standard
    /// output); without
    /// it, print the mean of all valid samples
    pub(crate) output: Option<PathBuf>,
    /// Print the mean of all valid samples as JSON (without OUTPUT)
    #[arg(long, conflicts_with = "output")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) types: Types,
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) validity: Validity,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) running: Running,
}
