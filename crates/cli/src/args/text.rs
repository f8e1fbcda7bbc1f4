//! Commands for base64: `encode`, `decode`.

use std::path::PathBuf;

use clap::Args;

use super::input::{RawType, Reading};
use super::running::Running;
use crate::parse;

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
