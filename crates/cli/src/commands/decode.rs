//! `outcrop decode`: base64 or a data URI as the file that it stands for.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use outcrop::{Budget, CancelToken, Error};

use crate::args::{self, Decode};
use crate::progress::Progress;
use crate::{exit, resolve};

/// Writes the file.
pub(crate) fn run(args: &Decode, cancel: &CancelToken) -> anyhow::Result<()> {
    let is_stdin = args.input == Path::new("-");
    let name = || if is_stdin { "standard input".into() } else { args.input.display().to_string() };
    let mut from: Box<dyn Read> = if is_stdin {
        Box::new(std::io::stdin().lock())
    } else {
        let io = |e| Error::Io { what: "open".into(), source: e };
        Box::new(File::open(&args.input).map_err(io).with_context(name)?)
    };
    let output = resolve::file_output(&args.output, args.overwrite, (!is_stdin).then_some(&args.input))?;
    // Two buffers of fixed size: there is nothing to share out.
    exit::cancel_on_signals(cancel, &Budget::new(0))?;
    let observer = Arc::new(Progress::new(args::Progress::None, args.quiet));
    outcrop::decode(&mut from, &output, cancel, &*observer).with_context(name)?;
    Ok(())
}
