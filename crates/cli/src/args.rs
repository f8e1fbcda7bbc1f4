//! What was typed: clap's types. No I/O here and no default that depends on the machine.

// What stands on arguments is help text, not Markdown.
#![allow(rustdoc::broken_intra_doc_links, rustdoc::invalid_html_tags)]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use outcrop::{DataType, InputFormat, Interleave, OutputFormat};

use crate::parse;

const EXAMPLES: &str = "\
Examples:
  outcrop info scan.tif
  outcrop stats scan.tif --window 0,0,4096,4096 --json
  outcrop stats dump.bin --shape 40000,60000,3 --dtype uint16
  outcrop mean scan.tif mean.npy
  outcrop reduce max scan.tif max.npy --over c
  outcrop convert cube.hdr cube.npy
  outcrop preview scan.tif scan.png
  outcrop encode scan.tif --window 0,0,512,512 --data-uri
  outcrop pack photos/ train.npz --resize 256 --crop 224 --labels folders
  outcrop generate squares test.npy --width 20000 --height 20000

Exit codes: 0 done, 1 failed, 2 usage, 4 done but bad blocks were filled
or bad pictures left out,
5 does not fit the memory budget, 75 stopped and saved (run it again),
130/143/138/129 stopped by INT/TERM/USR1/HUP.";

/// Images bigger than memory, in parallel and in bounded memory
#[derive(Debug, Parser)]
#[command(name = "outcrop", version, max_term_width = 80, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what a file holds, without reading pixels
    Info(Info),
    /// Count, extrema, sum, mean, deviation, percentiles ... of each channel
    Stats(Box<Stats>),
    /// Reduce channels, rows, columns or all to one sample each
    Reduce(Box<Reduce>),
    /// Mean over the channels of each pixel, or of the whole image
    Mean(Mean),
    /// Write an image's pixels in another format
    Convert(Convert),
    /// Write a TIFF with levels of half the size each, or a DeepZoom image
    Pyramid(Pyramid),
    /// An image or a file as base64 or a data URI
    Encode(Encode),
    /// The file that base64 or a data URI stands for
    Decode(Decode),
    /// Tell how two images differ
    Compare(Compare),
    /// SHA-256 of an image's pixels, whatever file they are in
    Checksum(Checksum),
    /// Pack pictures into one array for training (.npy, .npz)
    Pack(Box<Pack>),
    /// Make a small picture of an image of any size, or draw it in the terminal
    Preview(Box<Preview>),
    /// Show how the samples of each channel are spread
    Histogram(Box<Histogram>),
    /// Make a test image of any size
    Generate(Generate),
    /// Decode every block and say which are bad
    Verify(Verify),
    /// List the formats that this build reads and writes
    Formats(Formats),
    /// Print a completion script for a shell
    Completions(Completions),
    /// Print the manual page, or write those of all commands
    Man(Man),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outcrop info scan.tif
  outcrop info *.tif --json
  outcrop info planes.ome.tif --page 3
  outcrop info slide.ome.tif --sizes")]
pub(crate) struct Info {
    /// Images to describe
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Bytes of each page and level in memory, on disk and as base64
    #[arg(long)]
    pub(crate) sizes: bool,
    /// One JSON object per input
    #[arg(long)]
    pub(crate) json: bool,
    /// Sample type of a raw input: uint8 ... float64, u8 ... f64, <u2
    #[arg(long, value_name = "T", help_heading = "Raw input", value_parser = parse::dtype_name)]
    pub(crate) dtype: Option<String>,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) running: Running,
}

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
    #[arg(long, value_name = "N", default_value_t = 0)]
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
    /// Sample type of a raw input: uint8 ... float64, u8 ... f64, <u2
    #[arg(long, value_name = "T", help_heading = "Raw input", value_parser = parse::dtype_name)]
    pub(crate) dtype: Option<String>,
    #[command(flatten)]
    pub(crate) validity: Validity,
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
    #[arg(long, value_name = "N", default_value_t = 0)]
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

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outcrop convert scan.tif scan.npy
  outcrop convert scan.tif part.raw --window 0,0,4096,4096 --channels 1
  outcrop convert dem.tif dem.npy --dtype float32
  outcrop convert cube.npy cube.tif --co COMPRESS=ZSTD --co BLOCKXSIZE=256
  outcrop convert ct.tif ct8.tif --dtype uint8 --scale percentile:2:98
  outcrop convert slide.tif slide.jpg --channels 1-3 --co QUALITY=85

Pixels are unchanged unless a sample type or a scale is given; then they are
rounded once, half to even, and saturate. Creation options (--co) are spelled
as GDAL's. TIFF: COMPRESS (NONE, PACKBITS, LZW, DEFLATE, ZSTD, LZMA, JPEG,
WEBP without loss, LERC), LEVEL (or ZLEVEL, ZSTD_LEVEL, LZMA_PRESET), QUALITY
(or JPEG_QUALITY), JPEG_SUBSAMPLING, MAX_Z_ERROR, PREDICTOR, TILED, BLOCKSIZE
(or BLOCKXSIZE and BLOCKYSIZE), INTERLEAVE, BIGTIFF, SPARSE_OK. PNG: ZLEVEL.
JPEG: QUALITY, SUBSAMPLING.")]
pub(crate) struct Convert {
    /// Image to read
    pub(crate) input: PathBuf,
    /// Where to write (.npy, .raw, .hdr, .tif, .png, .jpg, .webp; - is standard
    /// output)
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) types: Types,
    /// Scale samples: min:max[:outmin:outmax], auto or percentile:LOW:HIGH
    ///
    /// One scale for all channels, from the input values to the whole range
    /// of an integer type, or to 0..1 of floats. `auto` finds the least and
    /// the greatest sample in a pass before; `percentile:2:98` finds those.
    #[arg(long, value_name = "SCALE", allow_hyphen_values = true, value_parser = parse::scale)]
    pub(crate) scale: Option<outcrop::ScaleBy>,
    /// Mirror left and right (h) or top and bottom (v)
    #[arg(long, value_name = "h|v", value_parser = parse::flip)]
    pub(crate) flip: Option<outcrop::Turn>,
    /// Rotate clockwise by 90, 180 or 270 degrees
    #[arg(long, value_name = "DEGREES", value_parser = parse::rotate)]
    pub(crate) rotate: Option<outcrop::Turn>,
    /// Make columns of rows; of --flip, --rotate and this, each that is given
    /// is done once, in this order
    #[arg(long)]
    pub(crate) transpose: bool,
    /// What NaN becomes (0 by default where the output is of integers)
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true, value_parser = parse::value)]
    pub(crate) nan: Option<outcrop::Value>,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Add levels of half the size each, down to one block
    #[arg(long, help_heading = "TIFF output")]
    pub(crate) pyramid: bool,
    #[command(flatten)]
    pub(crate) tiff: Tiff,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) running: Running,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outcrop pack photos/ x.npy --resize 256 --crop 224 --normalize 0..1
  outcrop pack train/ train.npz --resize 256 --crop 224 --labels folders
  outcrop pack --list val.txt images/ val.npz --resize 224x224 --one-hot=1000
  outcrop pack photos/ all.npz --resize 224 --pad --normalize dataset \\
          --split train=0.8,val=0.1,test=0.1 --seed 7
  outcrop pack '*.tif' x.npy --mode keep --dtype f32 --layout nchw

Steps, in this order: the way up that EXIF says, colours (--mode), --resize,
--crop, --pad, --normalize, --dtype, --layout. Folders are read with all that
is in them (PNG, JPEG, WebP, BMP, TIFF, .npy), sorted by name.

A .npz holds x, and y, classes, mean and std where there are such; with
--split x_train, y_train and so on. A .npy holds one array: labels stand beside
it in NAME-labels.npy, splits are NAME-train.npy and so on. A manifest with a
line for each picture stands beside (NAME.manifest.jsonl). Everything gets its
name when all is whole, the manifest last.")]
pub(crate) struct Pack {
    /// Pictures, folders and 'patterns' to read, then the output (.npy, .npz)
    #[arg(required = true, value_name = "INPUTS... OUTPUT")]
    pub(crate) paths: Vec<PathBuf>,
    /// Read the pictures that this file lists, one path and perhaps a label a
    /// line; paths are within the one INPUT, or the list's own folder
    #[arg(long, value_name = "FILE")]
    pub(crate) list: Option<PathBuf>,
    /// Colours: rgb, bgr, gray, or keep those of the files
    #[arg(long, value_name = "MODE", default_value = "rgb", value_parser = parse::mode)]
    pub(crate) mode: outcrop::Mode,
    /// Make the short side that long, or every picture that large
    #[arg(long, value_name = "N|WxH", value_parser = parse::resize)]
    pub(crate) resize: Option<outcrop::ResizeTo>,
    /// lanczos, bicubic, bilinear, area or nearest, as Pillow has them
    #[arg(long, value_name = "FILTER", default_value = "bilinear", value_parser = parse::filter)]
    pub(crate) filter: outcrop::Filter,
    /// Keep a part of that size
    #[arg(long, value_name = "N|WxH", value_parser = parse::crop)]
    pub(crate) crop: Option<(u64, u64)>,
    /// Where: centre, or random by --seed
    #[arg(long, value_name = "WHERE", default_value = "centre", requires = "crop", value_parser = parse::crop_at)]
    pub(crate) crop_at: outcrop::CropAt,
    /// Keep proportions and fill the rest of --resize, or of --crop, with this
    /// sample (0 by default)
    #[arg(long, value_name = "SAMPLE", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    pub(crate) pad: Option<u8>,
    /// 0..1, -1..1, imagenet, dataset, or MEAN:STD (each one number, or one
    /// for each channel: 0.5,0.5,0.5:0.2,0.2,0.2)
    ///
    /// (sample / 255 - mean) / std; 65535 for samples of 16 bits, 1 for
    /// floats. `dataset` finds the exact mean and deviation of all samples of
    /// the first split in a pass before.
    #[arg(long, value_name = "HOW", allow_hyphen_values = true, value_parser = parse::normalize)]
    pub(crate) normalize: Option<outcrop::NormalizeBy>,
    /// u8, f16 or f32 (f32 by default where samples are normalised, else u8)
    #[arg(long, value_name = "T", value_parser = parse::output_dtype)]
    pub(crate) dtype: Option<DataType>,
    /// Order of the axes: nhwc or nchw
    #[arg(long, value_name = "ORDER", default_value = "nhwc", value_parser = parse::layout)]
    pub(crate) layout: outcrop::Layout,
    /// A file of lines of a name and a label, or `folders`: the folder that a
    /// picture is in
    #[arg(long, value_name = "FILE|folders", value_parser = parse::labels)]
    pub(crate) labels: Option<outcrop::PackLabels>,
    /// Labels as rows with a 1 at the class
    #[arg(long, value_name = "CLASSES", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    pub(crate) one_hot: Option<u64>,
    /// Deflate the archive, as numpy.savez_compressed does
    #[arg(long)]
    pub(crate) compress: bool,
    /// Parts by a hash of the seed and the name: train=0.8,val=0.1,test=0.1
    #[arg(long, value_name = "NAME=SHARE,..", value_parser = parse::split)]
    pub(crate) split: Option<parse::Splits>,
    /// Decides on splits and random crops
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// What happens with a picture that cannot be read: fail or skip
    ///
    /// With skip it gets no row, the manifest says why, and the run ends with
    /// exit code 4.
    #[arg(long, value_name = "HOW", default_value = "fail", value_parser = parse::on_bad_image)]
    pub(crate) on_bad_image: outcrop::OnBadImage,
    /// Where the manifest goes (.jsonl or .csv)
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
    /// Replace existing outputs
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Say what was packed as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) running: Running,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outcrop preview scan.tif
  outcrop preview scan.tif scan.png --size 2048
  outcrop preview ct.tif ct.jpg --stretch 0.5:99.5 --joint --gamma 1.4
  outcrop preview dem.tif dem.png --colormap viridis --nodata -9999 --axes
  outcrop preview slide.tif slide.png --scale-bar --pixel-size 0.25:um

Without OUTPUT the picture is drawn in the terminal. Each pixel is the mean of
the valid samples in its area, weighted by how much of each lies in it; where
there are none it is transparent (white in JPEG). The smallest level that still
has the size is read, or the full resolution where there is none; --level names
one, and a --mask is of the full resolution. Percentiles are those of the means
that are shown, by NumPy's linear rule, not of the full resolution. Without
--channels the first three are shown as red, green and blue, or the first of
fewer; a palette is shown in its colours, and where alpha is 0 there is no data.")]
pub(crate) struct Preview {
    /// Image to read
    pub(crate) input: PathBuf,
    /// Picture to write (.png, .jpg, .webp; - is standard output)
    pub(crate) output: Option<PathBuf>,
    /// The most pixels along the longer side; 1024, or what fits the terminal
    #[arg(long, value_name = "N", value_parser = parse::preview_size)]
    pub(crate) size: Option<u64>,
    /// What becomes black and white: LOW:HIGH in percent, minmax or none
    ///
    /// `none` takes the whole range of the sample type (0 to 1 of floats). It
    /// is the default for 8-bit samples; 2:98 is for all others.
    #[arg(long, value_name = "STRETCH", allow_hyphen_values = true, value_parser = parse::stretch)]
    pub(crate) stretch: Option<outcrop::Stretch>,
    /// One stretch for all channels, not one for each
    #[arg(long)]
    pub(crate) joint: bool,
    /// Brighten (above 1) or darken (below 1)
    #[arg(long, value_name = "G", default_value_t = 1.0, allow_hyphen_values = true, value_parser = parse::gamma)]
    pub(crate) gamma: f64,
    /// Colours for one channel: gray, viridis, magma or turbo
    #[arg(long, value_name = "NAME", value_parser = parse::colormap)]
    pub(crate) colormap: Option<outcrop::ColorMap>,
    /// Draw a bar of a round length
    #[arg(long)]
    pub(crate) scale_bar: bool,
    /// How long a pixel of the full resolution is, such as 0.25:um
    ///
    /// Units are nm, um, mm, cm, m, km, in and ft. Without it the file must
    /// say so: OME-XML, projected GeoTIFF, or pixels per inch or centimetre.
    #[arg(long, value_name = "VALUE:UNIT", requires = "scale_bar", allow_hyphen_values = true,
          value_parser = parse::pixel_size)]
    pub(crate) pixel_size: Option<f64>,
    /// Draw axes in pixels of the full resolution around the picture
    #[arg(long)]
    pub(crate) axes: bool,
    /// Draw in the terminal this way: kitty, sixel, blocks, ascii; or none
    ///
    /// Also into a pipe. By default kitty's graphics or sixels where TERM,
    /// TERM_PROGRAM or KITTY_WINDOW_ID say that the terminal has them; else
    /// half blocks, in 24-bit colour where COLORTERM says so; shades of ASCII
    /// with NO_COLOR. `none` draws nothing and says what would be shown.
    #[arg(long, value_name = "HOW", hide_possible_values = true, conflicts_with = "output")]
    pub(crate) terminal: Option<Terminal>,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Sample type of a raw input: uint8 ... float64, u8 ... f64, <u2
    #[arg(long, value_name = "T", help_heading = "Raw input", value_parser = parse::dtype_name)]
    pub(crate) dtype: Option<String>,
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
    /// Sample type of a raw input: uint8 ... float64, u8 ... f64, <u2
    #[arg(long, value_name = "T", help_heading = "Raw input", value_parser = parse::dtype_name)]
    pub(crate) dtype: Option<String>,
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
  outcrop generate squares test.npy --width 20000 --height 20000
  outcrop generate noise noise.raw --width 999 --height 777 --dtype f32 --seed 7
  outcrop generate tissue slide.tif --width 9000 --height 6000

The same seed gives the same image on every machine.")]
pub(crate) struct Generate {
    /// What to paint
    pub(crate) pattern: Pattern,
    /// Where to write (.npy, .raw, .hdr, .tif, .png, .jpg, .webp; - is standard
    /// output)
    pub(crate) output: PathBuf,
    /// Columns
    #[arg(long, value_name = "N", value_parser = parse::size)]
    pub(crate) width: u64,
    /// Rows
    #[arg(long, value_name = "N", value_parser = parse::size)]
    pub(crate) height: u64,
    /// Channels
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = parse::size)]
    pub(crate) channels: u64,
    /// Sample type: uint8 ... float64, u8 ... f64
    #[arg(long, value_name = "T", default_value = "uint8", value_parser = parse::output_dtype)]
    pub(crate) dtype: DataType,
    /// Squares to paint
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) count: u64,
    /// Where the pseudo-random numbers start
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) running: Running,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outcrop verify scan.tif
  outcrop verify *.tif --json

All pages and levels are decoded, or the one that --page or --level names (a
--window or --channels are of that one, or of page 0). Of several files the
last line tells how many are sound. Exit code 1 where a block is bad.")]
pub(crate) struct Verify {
    /// Images to verify
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// One JSON object per input
    #[arg(long)]
    pub(crate) json: bool,
    /// Sample type of a raw input: uint8 ... float64, u8 ... f64, <u2
    #[arg(long, value_name = "T", help_heading = "Raw input", value_parser = parse::dtype_name)]
    pub(crate) dtype: Option<String>,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) running: Running,
}

#[derive(Debug, Args)]
pub(crate) struct Formats {
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outcrop completions bash > ~/.local/share/bash-completion/completions/outcrop
  outcrop completions fish > ~/.config/fish/completions/outcrop.fish")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outcrop man | man -l -
  outcrop man ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// A folder that exists, for outcrop.1, outcrop-stats.1 ...; pages of these
    /// names are replaced
    pub(crate) folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outcrop pyramid slide.npy slide.ome.tif --co COMPRESS=DEFLATE
  outcrop pyramid dem.tif dem_cog.tif --cog --co COMPRESS=ZSTD
  outcrop pyramid classes.tif out.tif --resample mode
  outcrop pyramid slide.tif slide.dzi --tile-format png

`convert --pyramid` does the same and takes --scale and --dtype as well. Levels
are SubIFDs, as OME-TIFF has them, or pages of a Cloud Optimized GeoTIFF (--cog).
A .dzi is a DeepZoom image for web viewers, with its tiles in OUTPUT_files; --co
then takes QUALITY and SUBSAMPLING (jpg) or ZLEVEL (png).
Averages are of valid samples, rounded half to even once per level.")]
pub(crate) struct Pyramid {
    /// Image to read
    pub(crate) input: PathBuf,
    /// Where to write (.tif or .dzi)
    pub(crate) output: PathBuf,
    /// Sample type of a raw input: uint8 ... float64, u8 ... f64, <u2
    #[arg(long, value_name = "T", help_heading = "Raw input", value_parser = parse::dtype_name)]
    pub(crate) dtype: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) tiff: Tiff,
    #[command(flatten)]
    pub(crate) deepzoom: DeepZoom,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) running: Running,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outcrop encode scan.tif scan.txt
  outcrop encode scan.tif --window 0,0,512,512 --data-uri > thumb.uri
  outcrop encode scan.tif scan.txt --to jpeg --co QUALITY=85
  outcrop encode archive.tif --to original | ssh host outcrop decode - a.tif

Without --to it is what loses nothing: png for uint8 and uint16 of up to four
channels, else npy. A line on standard error says whether it is lossless, and
the sizes. Creation options (--co) are those of `convert`: ZLEVEL=1 to 9 for
png, QUALITY and SUBSAMPLING for jpeg, COMPRESS and so on for tiff. The text is
one line without an end. `original` passes any file (- is standard input).")]
pub(crate) struct Encode {
    /// Image to read
    pub(crate) input: PathBuf,
    /// Where to write the text; without it, on standard output
    pub(crate) output: Option<PathBuf>,
    /// png, jpeg, webp, tiff, npy or original
    #[arg(long, value_name = "FORMAT", value_parser = parse::encoding)]
    pub(crate) to: Option<parse::Encoding>,
    /// Plain base64 (the default)
    #[arg(long, conflicts_with = "data_uri")]
    pub(crate) base64: bool,
    /// A data URI: data:image/png;base64,...
    #[arg(long)]
    pub(crate) data_uri: bool,
    /// Creation option, as GDAL spells it; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) co: Vec<String>,
    /// Replace an existing output
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Say it as one JSON object on standard output (with OUTPUT)
    #[arg(long)]
    pub(crate) json: bool,
    /// Sample type of a raw input: uint8 ... float64, u8 ... f64, <u2
    #[arg(long, value_name = "T", help_heading = "Raw input", value_parser = parse::dtype_name)]
    pub(crate) dtype: Option<String>,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) running: Running,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outcrop decode scan.txt scan.png
  outcrop encode scan.tif --to original | outcrop decode - copy.tif

The text may be broken into lines and begin as a data URI does. What is no
base64 is refused with its place, and so is a text that was cut short.")]
pub(crate) struct Decode {
    /// Text to read (- is standard input)
    pub(crate) input: PathBuf,
    /// Where to write (- is standard output)
    pub(crate) output: PathBuf,
    /// Replace an existing output
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// No warnings
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outcrop compare a.tif b.npy
  outcrop compare before.tif after.tif --tolerance 2 --json

Exit codes: 0 no difference, 1 differences. Images of different sizes differ;
NaN equals NaN. --page, --level and a raw input's options hold for both.")]
pub(crate) struct Compare {
    /// One image
    pub(crate) a: PathBuf,
    /// The other
    pub(crate) b: PathBuf,
    /// The greatest difference that still counts as equal
    #[arg(long, value_name = "T", default_value_t = 0.0, value_parser = parse::tolerance)]
    pub(crate) tolerance: f64,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Sample type of raw inputs: uint8 ... float64, u8 ... f64, <u2
    #[arg(long, value_name = "T", help_heading = "Raw input", value_parser = parse::dtype_name)]
    pub(crate) dtype: Option<String>,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) running: Running,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outcrop checksum scan.tif
  outcrop checksum *.tif --json

The samples are hashed as (y, x, channel), little-endian: the answer is what
sha256sum says of the file that `outcrop convert scan.tif scan.raw` writes.")]
pub(crate) struct Checksum {
    /// Images to read
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// One JSON object per input
    #[arg(long)]
    pub(crate) json: bool,
    /// Sample type of a raw input: uint8 ... float64, u8 ... f64, <u2
    #[arg(long, value_name = "T", help_heading = "Raw input", value_parser = parse::dtype_name)]
    pub(crate) dtype: Option<String>,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) running: Running,
}

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

/// How a DeepZoom image is cut.
#[derive(Debug, Args)]
#[command(next_help_heading = "DeepZoom output")]
pub(crate) struct DeepZoom {
    /// Rows and columns of a tile without its overlap [default: 254]
    #[arg(long, value_name = "N")]
    pub(crate) tile: Option<u32>,
    /// Pixels that neighbouring tiles have in common at each side [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) overlap: Option<u32>,
    /// Format of the tiles: jpg (the default), png or webp
    #[arg(long, value_name = "FORMAT", value_parser = parse::picture_format)]
    pub(crate) tile_format: Option<outcrop::PictureFormat>,
}

/// Which samples count.
#[derive(Debug, Args)]
pub(crate) struct Validity {
    /// Values that mean "no data": one, one per channel, or none
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

/// What to read and how to understand it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reading")]
pub(crate) struct Reading {
    /// Format of the input where its content does not say
    #[arg(long, value_name = "FORMAT", value_parser = parse::input_format)]
    pub(crate) from: Option<InputFormat>,
    /// Page of the file, from 0
    #[arg(long, value_name = "N")]
    pub(crate) page: Option<u64>,
    /// Level of the page, 0 = full resolution
    #[arg(long, value_name = "N")]
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

/// What a file without a header holds.
#[derive(Debug, Args)]
#[command(next_help_heading = "Raw input")]
pub(crate) struct Raw {
    /// Rows, columns and channels
    #[arg(long, value_name = "H,W[,C]", value_parser = parse::shape)]
    pub(crate) shape: Option<outcrop::Extent>,
    /// Bytes before the first sample
    #[arg(long, value_name = "BYTES", requires = "shape")]
    pub(crate) offset: Option<u64>,
    /// Samples have their most significant byte first
    #[arg(long, requires = "shape")]
    pub(crate) big_endian: bool,
    /// By pixel (bip), row and channel (bil) or channel (bsq)
    #[arg(long, value_name = "ORDER", requires = "shape", value_parser = parse::interleave)]
    pub(crate) interleave: Option<Interleave>,
}

/// How to run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Running")]
pub(crate) struct Running {
    /// Memory budget: 512MiB, 2GiB, 50%
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<String>,
    /// Threads that compute
    #[arg(short = 'j', long, value_name = "N", value_parser = parse::threads)]
    pub(crate) threads: Option<usize>,
    /// Rows and columns of a unit of work, rounded up to whole blocks
    #[arg(long, value_name = "H,W", value_parser = parse::chunk)]
    pub(crate) chunk: Option<(u64, u64)>,
    /// auto, bar, plain, json or none, on standard error
    #[arg(
        long,
        value_name = "STYLE",
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) progress: Progress,
    /// Save what is done here, and go on from it when run again
    ///
    /// The same command on the same inputs goes on where it was stopped or
    /// killed. Ctrl-C then exits with 75. The file is removed at the end.
    /// Not for pipes and turns of compressed strips.
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// How often to save: 500ms, 60s (the default), 5m
    #[arg(long, value_name = "TIME", requires = "checkpoint", value_parser = parse::duration)]
    pub(crate) checkpoint_every: Option<std::time::Duration>,
    /// Say what would be done and what it takes, and read nothing
    #[arg(
        long,
        visible_alias = "dry-run",
        value_name = "FORMAT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "text"
    )]
    pub(crate) plan: Option<PlanFormat>,
    /// Write a report of the run here, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// No progress and no warnings
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Say which limits hold and what was used
    #[arg(short, long, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// Lines for people
    Text,
    /// One JSON object per pass
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    Auto,
    Bar,
    Plain,
    Json,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Terminal {
    Kitty,
    Sixel,
    Blocks,
    Ascii,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Nan {
    /// NaN samples leave every figure
    Omit,
    /// One NaN makes the figures NaN
    Propagate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BigTiff {
    /// Where the file could become larger than 4 GiB
    Auto,
    Yes,
    No,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Pattern {
    /// Coloured squares at random places, clipped at the border
    Squares,
    /// A ramp across the image
    Gradient,
    /// Independent uniform samples
    Noise,
    /// Light and dark squares, eight along the shorter side
    Checkerboard,
    /// The Mandelbrot set
    Mandelbrot,
    /// What a slide of stained tissue looks like
    Tissue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Io {
    Auto,
    Map,
    Read,
}
