//! `outcrop stats`: figures of each channel.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context;
use outcrop::{CancelToken, ChannelStats, ExactSum, Image, Region, StatsOptions, Value};
use serde::Serialize;
use serde_json::Value as Json;

use crate::args::Stats;
use crate::commands::info;
use crate::json::{self, Float, Number, SCHEMA};
use crate::resolve::{self, Session};
use crate::table::{self, Cell};

/// The answer for one input.
#[derive(Serialize)]
struct Report {
    schema: u32,
    image: Json,
    channels: Vec<Channel>,
}

/// The figures of one channel.
#[derive(Serialize)]
struct Channel {
    /// From 1, in the image.
    index: u64,
    count: u64,
    valid: u64,
    nodata: u64,
    nan: u64,
    pos_inf: u64,
    neg_inf: u64,
    masked: u64,
    sparse: u64,
    quarantined: u64,
    min: Option<Number>,
    max: Option<Number>,
    /// 0 over no valid sample.
    sum: Number,
    mean: Option<Float>,
    /// Of the population.
    std: Option<Float>,
}

/// Measures each input.
pub(crate) fn run(args: &Stats, cancel: &CancelToken) -> anyhow::Result<()> {
    let options = StatsOptions { validity: resolve::validity(&args.validity) };
    let inputs: Vec<_> = args.inputs.iter().map(|path| path.as_path()).collect();
    let what = format!("stats {:?} {:?} {options:?}", args.reading, args.dtype);
    let session = Session::begin(&args.running, cancel, &inputs, &what)?;
    let mut tables = 0;
    let done = resolve::for_each_input(&args.inputs, |path| {
        let source = resolve::open(path, &args.reading, args.dtype.as_deref())?;
        let image = source.image();
        let answer = || -> outcrop::Result<_> {
            let region = resolve::region(&args.reading, &args.running, image)?;
            let (_, channels) = region.resolve(image)?;
            let found = outcrop::stats(&session.runtime, &*source, &region, &options)?;
            let numbers = channels.indices().iter().zip(found);
            let channels: Vec<_> = numbers.map(|(c, found)| Channel::new(c + 1, &found)).collect();
            Ok((region, channels))
        };
        let answer = answer();
        if session.is_planned(&answer) {
            return Ok(());
        }
        let (region, channels) = answer.with_context(|| path.display().to_string())?;
        session.note_bad(path);
        if args.json {
            let image = info::summary(path, image, &region)?;
            return json::print(&Report { schema: SCHEMA, image, channels });
        }
        let mut text = String::new();
        if args.inputs.len() > 1 {
            let gap = if tables == 0 { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{}", heading(path, image, &region));
        }
        tables += 1;
        text.push_str(&render(&channels));
        let mut out = std::io::stdout().lock();
        Ok(out.write_all(text.as_bytes()).and_then(|()| out.flush())?)
    });
    session.end(inputs[inputs.len() - 1], done)
}

impl Channel {
    fn new(index: u64, found: &ChannelStats) -> Channel {
        let counts = &found.counts;
        Channel {
            index,
            count: counts.count,
            valid: counts.valid,
            nodata: counts.nodata,
            nan: counts.nan,
            pos_inf: counts.pos_inf,
            neg_inf: counts.neg_inf,
            masked: counts.masked,
            sparse: counts.sparse,
            quarantined: counts.quarantined,
            min: found.min.map(Number),
            max: found.max.map(Number),
            sum: Number(match found.sum {
                ExactSum::Int(sum) => Value::Int(sum),
                ExactSum::Float(sum) => Value::Float(sum),
            }),
            mean: found.mean.map(Float),
            std: found.std(0).map(Float),
        }
    }

    fn row(&self) -> Vec<Cell> {
        let whole = |n: u64| Cell::Number(Value::Int(n.into()));
        let number = |n: Option<Number>| n.map_or(Cell::Undefined, |n| Cell::Number(n.0));
        let float = |f: Option<Float>| f.map_or(Cell::Undefined, |f| Cell::Number(Value::Float(f.0)));
        vec![
            whole(self.index),
            whole(self.count),
            number(self.min),
            number(self.max),
            number(Some(self.sum)),
            float(self.mean),
            float(self.std),
        ]
    }

    /// What was left out and why, and what is remarkable among the rest; nothing where there is nothing.
    fn remarks(&self) -> Option<String> {
        let left_out = self.count - self.valid;
        let parts = [
            (self.nodata, "nodata"),
            (self.nan, "NaN"),
            (self.masked, "masked"),
            (self.quarantined, "in bad blocks"),
            (self.pos_inf, "+inf"),
            (self.neg_inf, "-inf"),
            (self.sparse, "not stored"),
        ];
        let some: Vec<_> =
            parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        (!some.is_empty()).then(|| {
            format!("channel {}: {} of {} left out; {}", self.index, left_out, self.count, some.join(", "))
        })
    }
}

/// The line above a table, where there are several.
fn heading(path: &Path, image: &Image, region: &Region) -> String {
    let e = image.extent;
    let window = region.window.map_or(String::new(), |w| format!(", window {w}"));
    let name = path.to_string_lossy().replace(char::is_control, " ");
    format!("{name}: {}, {} x {} x {} {}{window}", image.format, e.width, e.height, e.channels, image.dtype)
}

/// The table and the remarks below it.
fn render(channels: &[Channel]) -> String {
    let rows: Vec<_> = channels.iter().map(Channel::row).collect();
    let mut text = table::render(&["channel", "count", "min", "max", "sum", "mean", "std"], &rows);
    for remark in channels.iter().filter_map(Channel::remarks) {
        let _ = writeln!(text, "{remark}");
    }
    text
}
