//! What was typed: clap's types. No I/O here and no default that depends on the machine.

// What stands on arguments is help text, not Markdown.
#![allow(rustdoc::broken_intra_doc_links, rustdoc::invalid_html_tags)]

mod about;
mod check;
mod given;
mod input;
mod measure;
mod output;
mod pack;
mod running;
mod show;
mod text;
mod write;

use clap::{Parser, Subcommand};

pub(crate) use self::about::{Completions, Formats, Man};
pub(crate) use self::check::{Checksum, Compare, Verify};
pub(crate) use self::given::{given, parse};
pub(crate) use self::input::{Io, Nan, Reading, Validity};
pub(crate) use self::measure::{Histogram, Mean, Reduce, Stats};
pub(crate) use self::output::{BigTiff, DeepZoom, Target, Tiff, Types};
pub(crate) use self::pack::Pack;
pub(crate) use self::running::{PlanFormat, Progress, Running};
pub(crate) use self::show::{Info, Preview, Terminal};
pub(crate) use self::text::{Decode, Encode};
pub(crate) use self::write::{Convert, Generate, Pattern, Pyramid};

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
