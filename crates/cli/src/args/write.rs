//! Commands that write an image: `convert`, `pyramid`, `generate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use outcrop::DataType;

use super::input::{RawType, Reading};
use super::output::{DeepZoom, Target, Tiff, Types};
use super::running::Running;
use crate::parse;

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
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) tiff: Tiff,
    #[command(flatten)]
    pub(crate) deepzoom: DeepZoom,
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
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = parse::whole::<u64>)]
    pub(crate) count: u64,
    /// Where the pseudo-random numbers start
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = parse::whole::<u64>)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) running: Running,
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
