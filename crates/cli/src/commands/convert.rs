//! `outcrop convert`: an image's pixels in another format.

use anyhow::Context;
use outcrop::{CancelToken, ConvertOptions, Turn};

use crate::args::Convert;
use crate::resolve::{self, Session};

/// Writes the output.
pub(crate) fn run(args: &Convert, cancel: &CancelToken) -> anyhow::Result<()> {
    let (raw, dtype) = resolve::types(&args.types, &args.reading)?;
    let source = resolve::open_for_work(&args.input, &args.reading, &args.running, raw)?;
    let name = || args.input.display().to_string();
    let region = resolve::region(&args.reading, &args.running, source.image()).with_context(name)?;
    let mut output = resolve::output(&args.output, &args.target, &args.running, Some(&args.input))?;
    resolve::tiff(&args.tiff, args.pyramid, &mut output)?;
    let turns = [args.flip, args.rotate, args.transpose.then_some(Turn::Transpose)].into_iter().flatten();
    let turn = turns.fold(None, |done: Option<Turn>, next| done.map_or(Some(next), |done| done.then(next)));
    let options = ConvertOptions { dtype, scale: args.scale.clone(), nan: args.nan, turn, stage: None };
    let what = format!("convert {:?} {options:?} {output:?}", args.reading);
    let session = Session::begin(&args.running, cancel, &[&args.input], &what)?;
    let done = outcrop::convert(&session.runtime, &*source, &region, &options, &output).with_context(name);
    session.end(&args.input, done)
}
