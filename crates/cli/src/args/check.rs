//! Commands that compare and verify: `compare`, `checksum`, `verify`.

use std::path::PathBuf;

use clap::Args;

use super::input::{RawType, Reading};
use super::running::Running;
use crate::parse;

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
    #[command(flatten)]
    pub(crate) raw: RawType,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) running: Running,
}
