//! `outcrop reduce`: channels, rows, columns or all of them to one sample each.

use std::io::Write;

use anyhow::Context;
use outcrop::{
    AxisReduction, CancelToken, ChannelReduction, DataType, Error, Op, Over, Reduced, Region, Source,
};
use serde_json::json;

use crate::args::{Nan, Reduce};
use crate::commands::info;
use crate::json::{self, Number, SCHEMA};
use crate::parse::Axes;
use crate::resolve::{self, Session};

/// Writes the results, or prints them.
pub(crate) fn run(args: &Reduce, cancel: &CancelToken) -> anyhow::Result<()> {
    let (raw, dtype) = resolve::types(&args.types, &args.reading)?;
    let source = resolve::open_for_work(&args.input, &args.reading, &args.running, raw)?;
    let name = || args.input.display().to_string();
    let region = resolve::region(&args.reading, &args.running, source.image()).with_context(name)?;
    match args.over {
        Axes::Channels => over_channels(args, dtype, &*source, &region, cancel),
        Axes::Over(over) => over_axes(args, over, dtype, &*source, &region, cancel),
    }
}

/// The operation with the options that refine it.
fn op(args: &Reduce) -> Op {
    match args.op.clone() {
        Op::Var { .. } => Op::Var { ddof: args.ddof },
        Op::Std { .. } => Op::Std { ddof: args.ddof },
        Op::Percentile(percentile, _) => Op::Percentile(percentile, args.method),
        other => other,
    }
}

fn over_channels(
    args: &Reduce,
    dtype: Option<DataType>,
    source: &dyn Source,
    region: &Region,
    cancel: &CancelToken,
) -> anyhow::Result<()> {
    let path = args.output.as_deref().ok_or_else(|| needs_output("c"))?;
    let mask = resolve::mask(&args.validity, &args.input, &args.reading, source.image())?;
    let output = resolve::output(path, &args.target, &args.running, Some(&args.input))?;
    let options = ChannelReduction {
        op: op(args),
        dtype,
        nodata: resolve::given_nodata(&args.validity),
        omit_nan: args.validity.nan == Some(Nan::Omit),
        mask: mask.get(),
        stage: None,
    };
    let session = begin(args, &output, cancel)?;
    let done = outcrop::reduce_channels(&session.runtime, source, region, &options, &output);
    session.end(&args.input, done.with_context(|| args.input.display().to_string()))
}

fn over_axes(
    args: &Reduce,
    over: Over,
    dtype: Option<DataType>,
    source: &dyn Source,
    region: &Region,
    cancel: &CancelToken,
) -> anyhow::Result<()> {
    let mask = resolve::mask(&args.validity, &args.input, &args.reading, source.image())?;
    let output = match (&args.output, over) {
        (Some(path), _) => Some(resolve::output(path, &args.target, &args.running, Some(&args.input))?),
        (None, Over::Y) => return Err(needs_output("y").into()),
        (None, Over::X) => return Err(needs_output("x").into()),
        (None, Over::Yx | Over::Yxc) => None,
    };
    let options =
        AxisReduction { op: op(args), over, validity: resolve::validity(&args.validity), mask: mask.get() };
    let session = begin(args, &output, cancel)?;
    let answer = || -> anyhow::Result<()> {
        let found = outcrop::reduce_axes(&session.runtime, source, region, &options)?;
        session.say_passes(found.passes);
        match &output {
            Some(output) => Ok(found.write(&session.runtime, dtype, output)?),
            None if session.runtime.is_planning() => Ok(()),
            None => print(args, over, dtype, &found, source, region),
        }
    };
    let done = answer().with_context(|| args.input.display().to_string());
    session.end(&args.input, done)
}

/// A session for this command: all that changes the result is part of a checkpoint's identity.
fn begin(args: &Reduce, output: &impl std::fmt::Debug, cancel: &CancelToken) -> anyhow::Result<Session> {
    let what = format!(
        "reduce {:?} {:?} {:?} {:?} {:?} {output:?}",
        op(args),
        args.over,
        args.reading,
        args.types,
        args.validity
    );
    Session::begin(&args.running, cancel, &resolve::inputs(&args.input, &args.validity), &what)
}

fn needs_output(axes: &str) -> Error {
    Error::Usage(format!("a reduction over {axes} needs an OUTPUT (--over yx and yxc print their results)"))
}

/// One line for each channel, or one; or one JSON object.
fn print(
    args: &Reduce,
    over: Over,
    dtype: Option<DataType>,
    found: &Reduced,
    source: &dyn Source,
    region: &Region,
) -> anyhow::Result<()> {
    // A float that is shown need not be rounded to fewer digits than it has.
    let dtype = dtype.unwrap_or(if found.dtype.is_float() { DataType::F64 } else { found.dtype });
    let values = found.rounded(dtype);
    let channels = found.channels.indices().iter().map(|c| c + 1);
    if args.json {
        let mut object = json!({
            "schema": SCHEMA,
            "image": info::summary(&args.input, source.image(), region)?,
            "over": if over == Over::Yx { "yx" } else { "yxc" },
            "dtype": dtype.name(),
            "passes": found.passes,
            "channels": channels.collect::<Vec<_>>(),
        });
        object["values"] =
            serde_json::to_value(values.into_iter().map(|v| v.map(Number)).collect::<Vec<_>>())?;
        return json::print(&object);
    }
    let mut out = std::io::stdout().lock();
    let names: Vec<_> =
        if over == Over::Yx { channels.map(|c| format!("{c}  ")).collect() } else { vec![String::new()] };
    for (name, value) in names.iter().zip(values) {
        match value {
            Some(value) => writeln!(out, "{name}{value}")?,
            None => writeln!(out, "{name}null")?,
        }
    }
    Ok(())
}
