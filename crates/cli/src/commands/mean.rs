//! `outcrop mean`: over the channels of each pixel, or of all samples.

use std::io::Write;

use anyhow::Context;
use outcrop::{CancelToken, ChannelReduction, MeanOfAll, Op, Region, Source, StatsOptions};
use serde_json::json;

use crate::args::{Mean, Nan};
use crate::commands::info;
use crate::json::{self, Float, SCHEMA};
use crate::resolve::{self, Session};
use crate::table;

/// Writes the image of means, or prints the mean of all valid samples.
pub(crate) fn run(args: &Mean, cancel: &CancelToken) -> anyhow::Result<()> {
    let (raw, dtype) = resolve::types(&args.types, &args.reading)?;
    let source = resolve::open_for_work(&args.input, &args.reading, &args.running, raw)?;
    let name = || args.input.display().to_string();
    let region = resolve::region(&args.reading, &args.running, source.image()).with_context(name)?;
    let Some(path) = &args.output else {
        if dtype.is_some() {
            let text = "a type is for an output: name an OUTPUT, or leave out --dtype and --out-dtype";
            return Err(outcrop::Error::Usage(text.into())).with_context(name);
        }
        return number(args, &*source, &region, cancel).with_context(name);
    };
    let mask = resolve::mask(&args.validity, &args.input, &args.reading, source.image())?;
    let output = resolve::output(path, &args.target, &args.running, Some(&args.input))?;
    let options = ChannelReduction {
        dtype,
        nodata: resolve::given_nodata(&args.validity),
        omit_nan: args.validity.nan == Some(Nan::Omit),
        mask: mask.get(),
        stage: Some("mean"),
        ..ChannelReduction::new(Op::Mean)
    };
    let what = format!("mean {:?} {:?} {:?} {dtype:?} {output:?}", args.reading, args.types, args.validity);
    let inputs = resolve::inputs(&args.input, &args.validity);
    let session = Session::begin(&args.running, cancel, &inputs, &what)?;
    let done = outcrop::reduce_channels(&session.runtime, &*source, &region, &options, &output);
    session.end(&args.input, done.map_err(Into::into)).with_context(name)
}

fn number(args: &Mean, source: &dyn Source, region: &Region, cancel: &CancelToken) -> anyhow::Result<()> {
    let mask = resolve::mask(&args.validity, &args.input, &args.reading, source.image())?;
    let options = StatsOptions { validity: resolve::validity(&args.validity), mask: mask.get() };
    let what = format!("mean of all {:?} {:?} {:?}", args.reading, args.types, args.validity);
    let inputs = resolve::inputs(&args.input, &args.validity);
    let session = Session::begin(&args.running, cancel, &inputs, &what)?;
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
