//! `outcrop checksum`: SHA-256 of pixels.

use std::io::Write;

use anyhow::Context;
use outcrop::CancelToken;
use serde_json::json;

use crate::args::Checksum;
use crate::commands::info;
use crate::json::{self, SCHEMA};
use crate::resolve::{self, Session};

/// Prints the sum of each input, as `sha256sum` prints it.
pub(crate) fn run(args: &Checksum, cancel: &CancelToken) -> anyhow::Result<()> {
    let inputs: Vec<_> = args.inputs.iter().map(|path| path.as_path()).collect();
    let what = format!("checksum {:?} {:?}", args.reading, args.raw.dtype);
    let session = Session::begin(&args.running, cancel, &inputs, &what)?;
    let done = resolve::for_each_input(&args.inputs, |path| {
        let source = resolve::open_for_work(path, &args.reading, &args.running, args.raw.dtype.as_deref())?;
        let name = || path.display().to_string();
        let region = resolve::region(&args.reading, &args.running, source.image()).with_context(name)?;
        let answer = outcrop::checksum(&session.runtime, &*source, &region);
        if session.is_planned(&answer) {
            return Ok(());
        }
        let sum = answer.with_context(name)?;
        session.note_bad(path);
        if args.json {
            let image = info::summary(path, source.image(), &region)?;
            return json::print(&json!({ "schema": SCHEMA, "image": image, "sha256": sum }));
        }
        let mut out = std::io::stdout().lock();
        let name = name().replace(char::is_control, " ");
        Ok(writeln!(out, "{sum}  {name}").and_then(|()| out.flush())?)
    });
    session.end(inputs[inputs.len() - 1], done)
}
