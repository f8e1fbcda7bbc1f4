//! `outcrop generate`: a test image of any size, the same for the same seed on every machine.

use outcrop::{CancelToken, ConvertOptions, Extent, Region, Source, Synthetic};

use crate::args::{self, Generate};
use crate::resolve::{self, Session};

/// Writes the image.
pub(crate) fn run(args: &Generate, cancel: &CancelToken) -> anyhow::Result<()> {
    let pattern = match args.pattern {
        args::Pattern::Squares => outcrop::Pattern::Squares,
        args::Pattern::Gradient => outcrop::Pattern::Gradient,
        args::Pattern::Noise => outcrop::Pattern::Noise,
        args::Pattern::Checkerboard => outcrop::Pattern::Checkerboard,
        args::Pattern::Mandelbrot => outcrop::Pattern::Mandelbrot,
        args::Pattern::Tissue => outcrop::Pattern::Tissue,
    };
    let extent = Extent::new(args.height, args.width, args.channels);
    let source = Synthetic::new(pattern, extent, args.dtype, args.seed, args.count)?;
    let output = resolve::output(&args.output, &args.target, &args.running, None)?;
    let what = format!(
        "generate {:?} {extent:?} {} {} {} {output:?}",
        args.pattern, args.dtype, args.seed, args.count
    );
    let session = Session::begin(&args.running, cancel, &[], &what)?;
    let region = Region { chunk: args.running.chunk, ..Region::all() };
    debug_assert_eq!(source.image().extent, extent);
    let options = ConvertOptions { stage: Some("generate"), ..ConvertOptions::default() };
    let done = outcrop::convert(&session.runtime, &source, &region, &options, &output);
    session.end(&args.output, done.map_err(Into::into))
}
