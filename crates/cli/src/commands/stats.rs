//! `outcrop stats`: figures of each channel, or of all together.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context;
use outcrop::{CancelToken, CovarianceMatrix, Image, MeasureOptions, Measured, PercentileSpec, Region};
use serde::Serialize;
use serde_json::Value as Json;

use crate::args::Stats;
use crate::chart::Plot;
use crate::commands::figures::{self, Figures};
use crate::commands::{histogram, info};
use crate::json::{self, Float, SCHEMA};
use crate::resolve::{self, Session};

/// The answer for one input. `docs/schema/stats.schema.json` describes it.
#[derive(Serialize)]
struct Report {
    schema: u32,
    image: Json,
    /// How often the pixels were read.
    passes: usize,
    ddof: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<Vec<Figures>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    all_channels: Option<Figures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    covariance: Option<Matrices>,
}

/// How the channels vary together, in the order of `channels`.
#[derive(Serialize)]
struct Matrices {
    /// Channel numbers, from 1.
    channels: Vec<u64>,
    /// Pixels that are valid in all of them.
    valid: u64,
    covariance: Vec<Vec<Option<Float>>>,
    correlation: Vec<Vec<Option<Float>>>,
}

/// Measures each input.
pub(crate) fn run(args: &Stats, cancel: &CancelToken) -> anyhow::Result<()> {
    let what = format!(
        "stats {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        args.reading,
        args.raw.dtype,
        args.validity,
        args.percentiles,
        args.histogram,
        (args.all_channels, args.moments, args.unique),
        (args.covariance, args.ddof),
        args.method,
        args.plot.is_some(),
    );
    let inputs: Vec<_> =
        args.inputs.iter().map(|path| path.as_path()).chain(args.validity.mask_file()).collect();
    let session = Session::begin(&args.running, cancel, &inputs, &what)?;
    let asked = Asked { pooled: args.all_channels, percentiles: args.percentiles.as_ref(), ddof: args.ddof };
    let mut plot = Plot::create(args.plot.as_deref(), args.overwrite, &args.inputs, &args.running)?;
    let mut shown = 0;
    let done = resolve::for_each_input(&args.inputs, |path| {
        let source = resolve::open_for_work(path, &args.reading, &args.running, args.raw.dtype.as_deref())?;
        let image = source.image();
        let mask = resolve::mask(&args.validity, path, &args.reading, image)
            .with_context(|| path.display().to_string())?;
        let mut options = MeasureOptions { mask: mask.get(), ..options(args) };
        if plot.is_some() && options.histogram.is_none() {
            options.histogram = Some(histogram::default_bins(image.dtype));
            options.whole_bins = true;
        }
        let answer = || -> outcrop::Result<_> {
            let region = resolve::region(&args.reading, &args.running, image)?;
            let found = outcrop::measure(&session.runtime, &*source, &region, &options)?;
            Ok((region, found))
        };
        let answer = answer();
        if session.is_planned(&answer) {
            return Ok(());
        }
        let (region, mut found) = answer.with_context(|| path.display().to_string())?;
        session.note_bad(path);
        if let Some(plot) = plot.take() {
            plot.draw(image, &found)?;
            if args.histogram.is_none() {
                found.figures.iter_mut().for_each(|figures| figures.histogram = None);
            }
        }
        session.say_passes(found.passes);
        if args.json {
            return json::print(&report(&asked, info::summary(path, image, &region)?, &found));
        }
        let (channels, covariance) = split(&asked, &found);
        let mut text = String::new();
        if args.csv {
            if shown == 0 {
                text.push_str(&figures::csv_heading(&channels));
            }
            figures::csv(&mut text, &info::name(path), &channels);
        } else {
            if args.inputs.len() > 1 {
                let gap = if shown == 0 { "" } else { "\n" };
                let _ = writeln!(text, "{gap}{}", heading(path, image, &region));
            }
            figures::render(&mut text, &channels);
            if let Some(m) = covariance {
                figures::matrix(&mut text, "covariance", &m.channels, &m.covariance);
                figures::matrix(&mut text, "correlation", &m.channels, &m.correlation);
                let _ = writeln!(text, "{} pixels are valid in all channels", m.valid);
            }
            figures::remarks(&mut text, &channels);
        }
        shown += 1;
        let mut out = std::io::stdout().lock();
        Ok(out.write_all(text.as_bytes()).and_then(|()| out.flush())?)
    });
    session.end(&args.inputs[args.inputs.len() - 1], done)
}

/// What was asked for, but for the mask.
fn options(args: &Stats) -> MeasureOptions<'static> {
    MeasureOptions {
        validity: resolve::validity(&args.validity),
        pooled: args.all_channels,
        shape: args.moments,
        percentiles: args.percentiles.clone().map(|spec| spec.method(args.method)),
        histogram: args.histogram,
        unique: args.unique,
        covariance: args.covariance.then_some(args.ddof),
        stage: Some("stats"),
        ..MeasureOptions::default()
    }
}

/// The figures of each channel or of all, and the matrices.
fn split(asked: &Asked<'_>, found: &Measured) -> (Vec<Figures>, Option<Matrices>) {
    let numbers: Vec<u64> = found.channels.indices().iter().map(|c| c + 1).collect();
    let of = |(i, figures)| {
        let index = (!asked.pooled).then(|| numbers.get(i).copied()).flatten();
        Figures::new(index, figures, &found.edges, asked.percentiles, asked.ddof)
    };
    let figures = found.figures.iter().enumerate().map(of).collect();
    let rows = |m: &[Vec<Option<f64>>]| m.iter().map(|r| r.iter().map(|v| v.map(Float)).collect()).collect();
    let matrices = |m: &CovarianceMatrix| Matrices {
        channels: numbers.clone(),
        valid: m.valid,
        covariance: rows(&m.covariance),
        correlation: rows(&m.correlation),
    };
    (figures, found.covariance.as_ref().map(matrices))
}

/// What decides how figures are shown.
#[derive(Default)]
pub(crate) struct Asked<'a> {
    /// Figures of all channels together.
    pub(crate) pooled: bool,
    pub(crate) percentiles: Option<&'a PercentileSpec>,
    pub(crate) ddof: u64,
}

/// The answer for one input, as JSON has it.
pub(crate) fn report(asked: &Asked<'_>, image: Json, found: &Measured) -> impl Serialize {
    let (mut figures, covariance) = split(asked, found);
    let (channels, all_channels) = if asked.pooled { (None, figures.pop()) } else { (Some(figures), None) };
    Report {
        schema: SCHEMA,
        image,
        passes: found.passes,
        ddof: asked.ddof,
        channels,
        all_channels,
        covariance,
    }
}

/// The line above a table, where there are several.
pub(crate) fn heading(path: &Path, image: &Image, region: &Region) -> String {
    let e = image.extent;
    let window = region.window.map_or(String::new(), |w| format!(", window {w}"));
    let name = path.to_string_lossy().replace(char::is_control, " ");
    format!("{name}: {}, {} x {} x {} {}{window}", image.format, e.width, e.height, e.channels, image.dtype)
}
