//! `outcrop pyramid`: an image and its reduced levels, in one TIFF or as DeepZoom tiles.

use anyhow::Context;
use outcrop::{CancelToken, ConvertOptions};

use crate::args::Pyramid;
use crate::resolve::{self, Session};

/// Writes the output.
pub(crate) fn run(args: &Pyramid, cancel: &CancelToken) -> anyhow::Result<()> {
    let source =
        resolve::open_for_work(&args.input, &args.reading, &args.running, args.raw.dtype.as_deref())?;
    let name = || args.input.display().to_string();
    let region = resolve::region(&args.reading, &args.running, source.image()).with_context(name)?;
    let mut output = resolve::output(&args.output, &args.target, &args.running, Some(&args.input))?;
    resolve::deepzoom(&args.deepzoom, &mut output)?;
    resolve::tiff(&args.tiff, true, &mut output)?;
    let what = format!("pyramid {:?} {output:?}", args.reading);
    let session = Session::begin(&args.running, cancel, &[&args.input], &what)?;
    let options = ConvertOptions { stage: Some("pyramid"), ..ConvertOptions::default() };
    let done = outcrop::convert(&session.runtime, &*source, &region, &options, &output).with_context(name);
    session.end(&args.input, done)
}
