//! `outcrop verify`: decodes every block, and says which cannot be.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use outcrop::{BadBlocks, CancelToken, Error};
use serde_json::json;

use crate::args::{Reading, Verify};
use crate::commands::info;
use crate::control::bad_json;
use crate::exit::{self, Ending};
use crate::json::{self, SCHEMA};
use crate::resolve::{self, Session};

/// Looks at every page and level of each input.
pub(crate) fn run(args: &Verify, cancel: &CancelToken) -> anyhow::Result<()> {
    let inputs: Vec<_> = args.inputs.iter().map(|path| path.as_path()).collect();
    let what = format!("verify {:?} {:?}", args.reading, args.raw.dtype);
    let session = Session::begin(&args.running, cancel, &inputs, &what)?;
    let (mut sound, mut bad, mut failed) = (0u64, 0u64, 0u64);
    let done = resolve::for_each_input(&args.inputs, |path| {
        match file(args, path, &session).inspect_err(|_| failed += 1)? {
            Some(0) => sound += 1,
            Some(_) => bad += 1,
            None => {}
        }
        Ok(())
    });
    let ended = done.as_ref().is_err_and(exit::ends_all);
    if args.inputs.len() > 1 && sound + bad + failed > 0 && !args.json && !ended {
        let unread = if failed == 0 { String::new() } else { format!(", {failed} cannot be read") };
        writeln!(
            std::io::stdout(),
            "{} files: {sound} sound, {bad} with bad blocks{unread}",
            args.inputs.len()
        )?;
    }
    let done = done.and_then(|()| match bad {
        0 => Ok(()),
        _ => Err(Ending::Bad(format!("{bad} of {} {} bad blocks", sound + bad, have(sound + bad))).into()),
    });
    session.end_after_reporting(done)
}

/// How many bad blocks a file has; prints them. `None` where that was only planned.
fn file(args: &Verify, path: &Path, session: &Session) -> anyhow::Result<Option<usize>> {
    let name = || path.display().to_string();
    let (mut found, mut more) = (Vec::new(), 0);
    let Reading { page, level, .. } = args.reading;
    let part = args.reading.window.is_some() || args.reading.channels.is_some();
    let alone = page.is_some() || level.is_some() || part;
    let (mut page, mut level) = (page.unwrap_or(0), level.unwrap_or(0));
    let mut planned = false;
    // What cannot be read cannot be found sound.
    let mut unread = None;
    let opened = resolve::open_file(path, &args.reading, args.raw.dtype.as_deref(), BadBlocks::Nodata)?;
    loop {
        let source = opened.at(page, level).with_context(name)?;
        let region = resolve::region(&args.reading, &args.running, source.image()).with_context(name)?;
        let answer = outcrop::verify(&session.runtime, &*source, &region);
        planned |= session.is_planned(&answer);
        if !planned {
            answer.with_context(name)?;
        }
        let (blocks, others) = session.runtime.take_bad_blocks();
        found.extend(blocks);
        more += others;
        let image = source.image();
        if alone {
            resolve::say_notices(path, image, &args.running);
            break;
        }
        unread = image.metadata.notices.first().cloned();
        if level + 1 < image.levels.len() as u64 {
            level += 1;
        } else if page + 1 < image.pages.len() as u64 {
            (page, level) = (page + 1, 0);
        } else {
            break;
        }
    }
    if planned {
        return Ok(None);
    }
    if args.json {
        json::print(&json!({
            "schema": SCHEMA,
            "name": info::name(path),
            "sound": found.is_empty() && unread.is_none(),
            "bad_blocks": found.iter().map(bad_json).collect::<Vec<_>>(),
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
            0 if unread.is_some() => {}
            0 => writeln!(out, "{shown}: sound")?,
            1 => writeln!(out, "{shown}: 1 bad block")?,
            n => writeln!(out, "{shown}: {n} bad blocks")?,
        }
    }
    let many = found.len();
    session.keep_bad(path, found, more);
    match unread {
        Some(why) => Err(Error::Format(why)).with_context(name),
        None => Ok(Some(many)),
    }
}

fn have(files: u64) -> &'static str {
    if files == 1 { "file has" } else { "files have" }
}
