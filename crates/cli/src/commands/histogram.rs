//! `outcrop histogram`: how the samples of each channel are spread, as bars, numbers or a plot.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Context;
use outcrop::{BinCounts, CancelToken, DataType, HistogramSpec, MeasureOptions, Measured};

use crate::args::Histogram;
use crate::chart::Plot;
use crate::commands::figures;
use crate::commands::info;
use crate::commands::stats::{self, Asked};
use crate::json;
use crate::labels;
use crate::resolve::{self, Session};
use crate::terminal;

/// Rows of bars.
const ROWS: u64 = 8;
/// The most columns of bars.
const MOST_COLUMNS: usize = 128;

/// One bin for each value of 8 bits, else at most 256 from the least to the greatest sample.
pub(crate) fn default_bins(dtype: DataType) -> HistogramSpec {
    let range = match dtype {
        DataType::U8 => Some((0.0, 256.0)),
        DataType::I8 => Some((-128.0, 128.0)),
        _ => None,
    };
    HistogramSpec { bins: 256, range }
}

/// Measures each input.
pub(crate) fn run(args: &Histogram, cancel: &CancelToken) -> anyhow::Result<()> {
    let what = format!(
        "histogram {:?} {:?} {:?} {:?} {}",
        args.reading, args.raw.dtype, args.validity, args.bins, args.all_channels
    );
    let inputs: Vec<_> =
        args.inputs.iter().map(|path| path.as_path()).chain(args.validity.mask_file()).collect();
    let mut plot = Plot::create(args.plot.as_deref(), args.overwrite, &args.inputs, &args.running)?;
    let session = Session::begin(&args.running, cancel, &inputs, &what)?;
    let mut shown = 0;
    let done = resolve::for_each_input(&args.inputs, |path| {
        let source = resolve::open_for_work(path, &args.reading, &args.running, args.raw.dtype.as_deref())?;
        let image = source.image();
        let mask = resolve::mask(&args.validity, path, &args.reading, image)
            .with_context(|| path.display().to_string())?;
        let options = MeasureOptions {
            validity: resolve::validity(&args.validity),
            mask: mask.get(),
            pooled: args.all_channels,
            histogram: Some(args.bins.unwrap_or(default_bins(image.dtype))),
            whole_bins: args.bins.is_none(),
            stage: Some("histogram"),
            ..MeasureOptions::default()
        };
        let answer = || -> outcrop::Result<_> {
            let region = resolve::region(&args.reading, &args.running, image)?;
            let found = outcrop::measure(&session.runtime, &*source, &region, &options)?;
            Ok((region, found))
        };
        let answer = answer();
        if session.is_planned(&answer) {
            return Ok(());
        }
        let (region, found) = answer.with_context(|| path.display().to_string())?;
        session.note_bad(path);
        session.say_passes(found.passes);
        if let Some(plot) = plot.take() {
            return plot.draw(image, &found);
        }
        if args.json {
            let asked = Asked { pooled: args.all_channels, ..Asked::default() };
            return json::print(&stats::report(&asked, info::summary(path, image, &region)?, &found));
        }
        let mut text = String::new();
        if args.csv {
            if shown == 0 {
                text.push_str("file,channel,from,to,count\n");
            }
            csv(&mut text, &info::name(path), &found);
        } else {
            if args.inputs.len() > 1 {
                let gap = if shown == 0 { "" } else { "\n" };
                let _ = writeln!(text, "{gap}{}", stats::heading(path, image, &region));
            }
            bars(&mut text, &found, terminal::columns() as usize);
        }
        shown += 1;
        let mut out = std::io::stdout().lock();
        Ok(out.write_all(text.as_bytes()).and_then(|()| out.flush())?)
    });
    session.end(&args.inputs[args.inputs.len() - 1], done)
}

/// Each histogram with the name of its channel.
pub(crate) fn channels(found: &Measured) -> impl Iterator<Item = (String, &BinCounts)> {
    let pooled = found.figures.len() != found.channels.len();
    let names = found.channels.indices().iter().map(move |c| match pooled {
        true => "all".into(),
        false => (c + 1).to_string(),
    });
    names.zip(&found.figures).filter_map(|(name, figures)| Some((name, figures.histogram.as_ref()?)))
}

fn csv(text: &mut String, file: &str, found: &Measured) {
    let file = figures::quoted(file);
    for (channel, counts) in channels(found) {
        for (i, n) in counts.bins.iter().enumerate() {
            let (from, to) = (found.edges[i], found.edges[i + 1]);
            let _ = writeln!(text, "{file},{channel},{from:?},{to:?},{n}");
        }
    }
}

/// Bars of eighths of a cell, and under them the ends of the range.
fn bars(text: &mut String, found: &Measured, width: usize) {
    const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let room = width.clamp(8, MOST_COLUMNS);
    for (number, (channel, counts)) in channels(found).enumerate() {
        let together = counts.bins.len().div_ceil(room).max(1);
        let columns: Vec<u64> = counts.bins.chunks(together).map(|bins| bins.iter().sum()).collect();
        let most = columns.iter().copied().max().unwrap_or(0);
        let gap = if number == 0 { "" } else { "\n" };
        let title = if channel == "all" { "all channels".into() } else { format!("channel {channel}") };
        let inside: u64 = columns.iter().sum();
        let _ = writeln!(text, "{gap}{title}: {inside} samples, at most {most} in a column");
        // A column with anything in it shows at least an eighth.
        let eighths = |n: u64| {
            let exact = u128::from(n) * u128::from(ROWS * 8) / u128::from(most.max(1));
            (exact as u64).max(u64::from(n > 0))
        };
        for row in (0..ROWS).rev() {
            let cell = |n: &u64| EIGHTHS[eighths(*n).saturating_sub(row * 8).min(8) as usize];
            let line: String = columns.iter().map(cell).collect();
            let _ = writeln!(text, "{}", line.trim_end());
        }
        let end = |edge: Option<&f64>| labels::short(edge.copied().unwrap_or(f64::NAN));
        let (low, high) = (end(found.edges.first()), end(found.edges.last()));
        let space = columns.len().saturating_sub(low.len() + high.len()).max(1);
        let _ = writeln!(text, "{low}{}{high}", " ".repeat(space));
        for (n, what) in [(counts.below, "below"), (counts.above, "above")] {
            if n > 0 {
                let _ = writeln!(text, "{n} samples are {what}");
            }
        }
    }
}
