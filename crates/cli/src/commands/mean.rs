//! `outcrop mean`: over the channels of each pixel, or of all samples.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use outcrop::{CancelToken, DataType, MeanOfAll, MeanOptions, Region, Source, StatsOptions};
use serde_json::json;

use crate::args::Mean;
use crate::commands::info;
use crate::json::{self, Float, SCHEMA};
use crate::resolve::{self, Session};
use crate::table;

/// Writes the image of means, or prints the mean of all valid samples.
pub(crate) fn run(args: &Mean, cancel: &CancelToken) -> anyhow::Result<()> {
    let (raw, dtype) = resolve::types(&args.types, &args.reading)?;
    let source = resolve::open(&args.input, &args.reading, raw)?;
    let name = || args.input.display().to_string();
    let region = resolve::region(&args.reading, &args.running, source.image()).with_context(name)?;
    match &args.output {
        Some(path) => image(args, path, &*source, &region, dtype, cancel).with_context(name),
        None => number(args, &*source, &region, cancel).with_context(name),
    }
}

fn image(
    args: &Mean,
    path: &Path,
    source: &dyn Source,
    region: &Region,
    dtype: Option<DataType>,
    cancel: &CancelToken,
) -> anyhow::Result<()> {
    let output = resolve::output(path, &args.target, Some(&args.input))?;
    let options = MeanOptions { dtype, nodata: resolve::given_nodata(&args.validity)? };
    let what = format!("mean {:?} {options:?} {output:?}", args.reading);
    let session = Session::begin(&args.running, cancel, &[&args.input], &what)?;
    let done = outcrop::mean(&session.runtime, source, region, &options, &output);
    session.end(&args.input, done.map_err(Into::into))
}

fn number(args: &Mean, source: &dyn Source, region: &Region, cancel: &CancelToken) -> anyhow::Result<()> {
    let options = StatsOptions { validity: resolve::validity(&args.validity) };
    let what = format!("mean of all {:?} {:?} {options:?}", args.reading, args.types);
    let session = Session::begin(&args.running, cancel, &[&args.input], &what)?;
    let done = outcrop::mean_of_all(&session.runtime, source, region, &options);
    let done = done.map_err(Into::into).and_then(|found| print(args, source, region, &found));
    session.end(&args.input, done)
}

fn print(args: &Mean, source: &dyn Source, region: &Region, found: &MeanOfAll) -> anyhow::Result<()> {
    if args.json {
        json::print(&json!({
            "schema": SCHEMA,
            "image": info::summary(&args.input, source.image(), region)?,
            "count": found.count,
            "valid": found.valid,
            "mean": found.mean.map(Float),
        }))?;
    } else {
        let mut out = std::io::stdout().lock();
        match found.mean {
            Some(mean) => writeln!(out, "{}", table::exact(mean))?,
            None => writeln!(out, "null")?,
        }
    }
    Ok(())
}
