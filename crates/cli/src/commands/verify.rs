//! `outcrop verify`: decodes every block, and says which cannot be.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use outcrop::{BadBlocks, CancelToken, Error};
use serde_json::json;

use crate::args::{Reading, Verify};
use crate::control::bad_json;
use crate::exit::Ending;
use crate::json::{self, SCHEMA};
use crate::resolve::{self, Session};

/// Looks at every page and level of each input.
pub(crate) fn run(args: &Verify, cancel: &CancelToken) -> anyhow::Result<()> {
    let inputs: Vec<_> = args.inputs.iter().map(|path| path.as_path()).collect();
    let session = Session::begin(&args.running, cancel, &inputs, &format!("verify {:?}", args.reading))?;
    let (mut sound, mut bad) = (0u64, 0u64);
    let done = resolve::for_each_input(&args.inputs, |path| {
        match file(args, path, &session)? {
            0 => sound += 1,
            _ => bad += 1,
        }
        Ok(())
    });
    if args.inputs.len() > 1 && !args.json && done.is_ok() {
        writeln!(std::io::stdout(), "{sound} files are sound, {bad} are not")?;
    }
    let done = done.and_then(|()| match bad {
        0 => Ok(()),
        _ => Err(Ending::Bad(format!("{bad} of {} files have bad blocks", sound + bad)).into()),
    });
    session.end_after_reporting(done)
}

/// How many bad blocks a file has; prints them.
fn file(args: &Verify, path: &Path, session: &Session) -> anyhow::Result<usize> {
    let name = || path.display().to_string();
    let (mut found, mut more) = (Vec::new(), 0);
    let Reading { mut page, mut level, .. } = args.reading;
    let part = args.reading.window.is_some() || args.reading.channels.is_some();
    let alone = page > 0 || level > 0 || part;
    loop {
        let source =
            resolve::open_at(path, &args.reading, args.dtype.as_deref(), (page, level), BadBlocks::Nodata)?;
        let region = resolve::region(&args.reading, &args.running, source.image()).with_context(name)?;
        outcrop::verify(&session.runtime, &*source, &region).with_context(name)?;
        let (blocks, others) = session.runtime.take_bad_blocks();
        found.extend(blocks);
        more += others;
        let image = source.image();
        if alone {
            break;
        }
        if level + 1 < image.levels.len() as u64 {
            level += 1;
        } else if page + 1 < image.pages.len() as u64 {
            (page, level) = (page + 1, 0);
        } else {
            break;
        }
    }
    if args.json {
        let listed: Vec<_> = found.iter().map(|bad| bad_json(path, bad)).collect();
        json::print(&json!({
            "schema": SCHEMA,
            "file": path.to_string_lossy(),
            "sound": found.is_empty(),
            "bad_blocks": listed,
            "bad_blocks_not_listed": more,
        }))?;
    } else {
        let shown = path.to_string_lossy().replace(char::is_control, " ");
        let mut out = std::io::stdout().lock();
        for bad in &found {
            let error = Error::Block {
                page: bad.page,
                block: bad.block,
                offset: bad.offset,
                bytes: bad.bytes,
                cause: Box::new(Error::Format(bad.cause.clone())),
            };
            writeln!(out, "{shown}: {error}")?;
        }
        match found.len() {
            0 => writeln!(out, "{shown}: sound")?,
            n => writeln!(out, "{shown}: {n} bad blocks")?,
        }
    }
    let many = found.len();
    session.keep_bad(path, found, more);
    Ok(many)
}
