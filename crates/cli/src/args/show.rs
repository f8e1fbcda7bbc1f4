//! Commands for looking: `info`, `preview`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::input::{RawType, Reading, Validity};
use super::output::Target;
use super::running::Running;
use crate::parse;

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
    #[command(flatten)]
    pub(crate) validity: Validity,
    #[command(flatten)]
    pub(crate) raw: RawType,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) running: Running,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Terminal {
    Kitty,
    Sixel,
    Blocks,
    Ascii,
    None,
}
