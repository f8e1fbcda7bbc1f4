//! `outcrop compare`: equal or not, and how far apart.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Context;
use outcrop::{CancelToken, CompareOptions, Comparison, Image, Region};
use serde_json::{Value as Json, json};

use crate::args::Compare;
use crate::commands::info;
use crate::exit::Differ;
use crate::json::{self, Float, Number, SCHEMA};
use crate::resolve::{self, Session};
use crate::table;

/// Prints how the images differ; an error of its own kind where they do.
pub(crate) fn run(args: &Compare, cancel: &CancelToken) -> anyhow::Result<()> {
    let open = |path| resolve::open_for_work(path, &args.reading, &args.running, args.raw.dtype.as_deref());
    let (a, b) = (open(&args.a)?, open(&args.b)?);
    let region = |path: &std::path::Path, image: &Image| {
        let region = resolve::region(&args.reading, &args.running, image)
            .and_then(|region| region.resolve(image).map(|part| (region, part)));
        region.with_context(|| path.display().to_string())
    };
    let ((left, (window, channels)), (right, (other, others))) =
        (region(&args.a, a.image())?, region(&args.b, b.image())?);
    let images = || -> outcrop::Result<Json> {
        let (a, b) = (info::summary(&args.a, a.image(), &left)?, info::summary(&args.b, b.image(), &right)?);
        Ok(json!([a, b]))
    };
    if window != other || channels.len() != others.len() {
        if args.json {
            json::print(&json!({
                "schema": SCHEMA, "images": images()?, "equal": false, "same_size": false,
            }))?;
        } else {
            let size = |window: outcrop::Rect, channels: usize| {
                format!("{} x {} x {channels}", window.width, window.height)
            };
            print(&format!(
                "the sizes differ: {} and {} (width x height x channels)\n",
                size(window, channels.len()),
                size(other, others.len())
            ))?;
        }
        return Err(Differ.into());
    }
    let what = format!("compare {:?} {:?} {}", args.reading, args.raw.dtype, args.tolerance);
    let session = Session::begin(&args.running, cancel, &[&args.a, &args.b], &what)?;
    let options = CompareOptions { tolerance: args.tolerance };
    let answer = || -> anyhow::Result<bool> {
        let found = outcrop::compare(&session.runtime, (&*a, &*b), (&left, &right), &options)
            .with_context(|| format!("{} and {}", args.a.display(), args.b.display()))?;
        if args.json {
            json::print(&object(&found, images()?, args.tolerance, &left, a.image())?)?;
        } else {
            print(&text(&found, &channels))?;
        }
        Ok(found.differing_samples == 0)
    };
    let (equal, done) = match answer() {
        Ok(equal) => (equal, Ok(())),
        Err(error) => (true, Err(error)),
    };
    session.end(&args.a, done)?;
    if equal { Ok(()) } else { Err(Differ.into()) }
}

fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

fn object(
    found: &Comparison,
    images: Json,
    tolerance: f64,
    region: &Region,
    image: &Image,
) -> outcrop::Result<Json> {
    let (_, channels) = region.resolve(image)?;
    let first = found.first.map(|d| {
        json!({
            "x": d.x, "y": d.y, "channel": channels.indices()[d.channel as usize] + 1,
            "a": Number(d.a), "b": Number(d.b),
        })
    });
    Ok(json!({
        "schema": SCHEMA,
        "images": images,
        "tolerance": Float(tolerance),
        "equal": found.differing_samples == 0,
        "same_size": true,
        "pixels": found.pixels,
        "differing_pixels": found.differing_pixels,
        "differing_samples": found.differing_samples,
        "unlike_nan": found.unlike_nan,
        "max_error": Number(found.max_error),
        "mean_error": found.mean_error.map(Float),
        "rmse": found.rmse.map(Float),
        "psnr": found.psnr.map(Float),
        "first_difference": first,
    }))
}

fn text(found: &Comparison, channels: &outcrop::Channels) -> String {
    let mut text = String::new();
    if found.differing_samples == 0 {
        let _ = writeln!(text, "equal: {} pixels", found.pixels);
        if found.rmse == Some(0.0) {
            return text;
        }
    } else {
        let _ = writeln!(text, "{} of {} pixels differ", found.differing_pixels, found.pixels);
    }
    let figure = |value: Option<f64>| value.map_or("undefined".into(), table::exact);
    let _ = writeln!(text, "max error   {}", found.max_error);
    let _ = writeln!(text, "mean error  {}", figure(found.mean_error));
    let _ = writeln!(text, "rmse        {}", figure(found.rmse));
    let _ = writeln!(text, "psnr (dB)   {}", figure(found.psnr));
    if let Some(d) = found.first {
        let channel = channels.indices()[d.channel as usize] + 1;
        let _ = writeln!(text, "first at x {}, y {}, channel {channel}: {} and {}", d.x, d.y, d.a, d.b);
    }
    if found.unlike_nan > 0 {
        let _ = writeln!(text, "{} samples are NaN in one image only", found.unlike_nan);
    }
    text
}
