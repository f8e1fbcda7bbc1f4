//! `outcrop encode`: an image, or any file's own bytes, as base64 or a data URI.

use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;

use anyhow::Context;
use outcrop::{CancelToken, Encoded, Error, base64_len, lossless_format};
use serde_json::{Value as Json, json};

use crate::args::{self, Encode, Target, Tiff};
use crate::commands::info;
use crate::json::{self, SCHEMA};
use crate::parse::Encoding;
use crate::resolve::{self, Session};
use crate::{exit, table};

/// What the user hears of it.
struct Told {
    format: &'static str,
    /// Bytes of the decoded samples, where the input is an image.
    memory: Option<u64>,
    image: Option<Json>,
    encoded: Encoded,
}

/// Writes the text, and says what became of the image.
pub(crate) fn run(args: &Encode, cancel: &CancelToken) -> anyhow::Result<()> {
    let output = args.output.as_deref().unwrap_or(Path::new("-"));
    if args.json && output == Path::new("-") {
        return Err(Error::Usage("standard output holds the text: name an OUTPUT (--json)".into()).into());
    }
    let told = match args.to {
        Some(Encoding::Original) => original(args, output, cancel)?,
        Some(Encoding::Format(format)) => pixels(args, Some(format), output, cancel)?,
        None => pixels(args, None, output, cancel)?,
    };
    let Some(told) = told else { return Ok(()) };
    if output == Path::new("-") && std::io::stdout().is_terminal() {
        writeln!(std::io::stdout())?;
    }
    told.tell(args)
}

fn pixels(
    args: &Encode,
    format: Option<outcrop::OutputFormat>,
    output: &Path,
    cancel: &CancelToken,
) -> anyhow::Result<Option<Told>> {
    if args.input == Path::new("-") {
        let message = "an image is read from a file (standard input goes with --to original)";
        return Err(Error::Usage(message.into()).into());
    }
    let source =
        resolve::open_for_work(&args.input, &args.reading, &args.running, args.raw.dtype.as_deref())?;
    let name = || args.input.display().to_string();
    let image = source.image();
    let region = resolve::region(&args.reading, &args.running, image).with_context(name)?;
    let (window, channels) = region.resolve(image).with_context(name)?;
    let extent = outcrop::Extent::new(window.height, window.width, channels.len() as u64);
    let format = format.unwrap_or_else(|| lossless_format(extent, image.dtype));
    let target = Target { to: Some(format), overwrite: args.overwrite };
    let mut to = resolve::output(output, &target, &args.running, Some(&args.input))?;
    let typed = Tiff { co: args.co.clone(), bigtiff: None, sparse: false, cog: false, resample: None };
    resolve::tiff(&typed, false, &mut to)?;
    let what = format!("encode {:?} {:?} {} {to:?}", args.reading, args.raw.dtype, args.data_uri);
    let session = Session::begin(&args.running, cancel, &[&args.input], &what)?;
    let answer = outcrop::encode(&session.runtime, &*source, &region, args.data_uri, &to);
    if session.is_planned(&answer) {
        session.end(&args.input, Ok(()))?;
        return Ok(None);
    }
    let mut told = None;
    let done = answer.with_context(name).and_then(|encoded| {
        let memory = extent.samples().and_then(|n| n.checked_mul(image.dtype.bytes() as u64));
        let image = info::summary(&args.input, image, &region)?;
        told = Some(Told { format: format.name(), memory, image: Some(image), encoded });
        Ok(())
    });
    session.end(&args.input, done)?;
    Ok(told)
}

/// The bytes of a file, or of standard input.
fn original(args: &Encode, output: &Path, cancel: &CancelToken) -> anyhow::Result<Option<Told>> {
    let reading = &args.reading;
    let is_part = reading.window.is_some()
        || reading.channels.is_some()
        || (reading.page.unwrap_or(0), reading.level.unwrap_or(0)) != (0, 0)
        || !args.co.is_empty()
        || args.running.plan.is_some();
    if is_part {
        let message = "--to original passes all bytes as they are: no --window, --channels, --page, --level, --co or \
                       --plan (--to png encodes pixels)";
        return Err(Error::Usage(message.into()).into());
    }
    if args.running.checkpoint.is_some() {
        let message = "--to original copies bytes and is begun anew (leave out --checkpoint)";
        return Err(Error::Usage(message.into()).into());
    }
    let target = Target { to: None, overwrite: args.overwrite };
    let is_stdin = args.input == Path::new("-");
    let name = || if is_stdin { "standard input".into() } else { args.input.display().to_string() };
    let mut length = None;
    let mut from: Box<dyn Read> = if is_stdin {
        Box::new(std::io::stdin().lock())
    } else {
        let io = |e| Error::Io { what: "open".into(), source: e };
        let file = File::open(&args.input).map_err(io).with_context(name)?;
        length = file.metadata().ok().filter(|found| found.is_file()).map(|found| found.len());
        Box::new(file)
    };
    let inputs: &[&Path] = if is_stdin { &[] } else { &[&args.input] };
    let to = resolve::output(output, &target, &args.running, inputs.first().copied())?;
    let session = Session::begin(&args.running, cancel, inputs, "encode")?;
    let answer = outcrop::encode_bytes(&session.runtime, &mut from, length, args.data_uri, &to);
    let mut told = None;
    let done = answer.with_context(name).map(|encoded| {
        // Any file will do: one that is no image has no size as one.
        let image = match length {
            Some(_) => resolve::open(&args.input, reading, args.raw.dtype.as_deref()).ok(),
            None => None,
        };
        let memory = image.map(|source| source.image().decoded_bytes());
        told = Some(Told { format: "original", memory, image: None, encoded });
    });
    session.end(&args.input, done)?;
    Ok(told)
}

impl Told {
    fn tell(self, args: &Encode) -> anyhow::Result<()> {
        let Encoded { is_lossless, bytes, characters } = self.encoded;
        let form = if args.data_uri { "data-uri" } else { "base64" };
        if args.json {
            return json::print(&json!({
                "schema": SCHEMA,
                "image": self.image,
                "format": self.format,
                "form": form,
                "lossless": is_lossless,
                "memory_bytes": self.memory,
                "encoded_bytes": bytes,
                "base64_bytes": base64_len(bytes),
                "text_bytes": characters,
            }));
        }
        if args.running.quiet || args.running.progress == args::Progress::Json {
            return Ok(());
        }
        let kind = if is_lossless { "lossless" } else { "lossy" };
        let memory =
            self.memory.map_or(String::new(), |memory| format!("{} in memory, ", table::bytes(memory)));
        let text = if args.data_uri { "as a data URI" } else { "as base64" };
        exit::say(&format!(
            "{kind}: {memory}{} as {}, {} {text}",
            table::bytes(bytes),
            self.format,
            table::bytes(characters)
        ));
        Ok(())
    }
}
