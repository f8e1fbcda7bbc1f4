//! What surrounds a job: its checkpoint, its plan where only that is asked for, its report, its bad blocks.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use outcrop::{BadBlock, Checkpoint, CheckpointOptions, LimitedBy, PlanFacts, Runtime};
use serde_json::{Value as Json, json};

use crate::args::{self, PlanFormat, Running};
use crate::json::{self, SCHEMA};
use crate::memory;
use crate::table::bytes;

/// Bytes at the start of an input that must be the same for a checkpoint to be of it.
const HEAD: u64 = 64 << 10;

/// The checkpoint that was asked for. `options` are the command's name and the options that change the result, as text.
pub(crate) fn checkpoint(
    running: &Running,
    inputs: &[&Path],
    options: &str,
) -> outcrop::Result<Option<Checkpoint>> {
    let Some(path) = &running.checkpoint else { return Ok(None) };
    let (command, options) = options.split_once(' ').unwrap_or((options, ""));
    let mut facts = vec![
        ("the command".to_string(), command.to_string()),
        (outcrop::CHECKPOINT_OPTIONS.to_string(), options.to_string()),
        (outcrop::CHECKPOINT_GIVEN.to_string(), args::given().to_string()),
    ];
    let halves: Vec<_> = inputs.iter().filter_map(|input| outcrop::other_file(input)).collect();
    for (number, input) in (1..).zip(inputs.iter().copied().chain(halves.iter().map(|half| &**half))) {
        let what = |what: &str| format!("{what} of input {number} ({})", input.display());
        let io = |e| outcrop::Error::Io { what: format!("read {}", input.display()), source: e };
        let found = fs::metadata(input).map_err(io)?;
        let modified = found.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        let mut head = Vec::new();
        if found.is_file() {
            File::open(input).and_then(|f| f.take(HEAD).read_to_end(&mut head)).map_err(io)?;
        }
        facts.push((what("the size"), found.len().to_string()));
        facts.push((what("the time"), modified.map_or("unknown".into(), |t| t.as_nanos().to_string())));
        facts.push((what("the header's checksum"), format!("{:08x}", crc32fast::hash(&head))));
    }
    let every = running.checkpoint_every.unwrap_or(Duration::from_secs(60));
    Checkpoint::open(CheckpointOptions { path: path.clone(), every, facts }).map(Some)
}

/// Prints plans. Whether they fit the budget.
pub(crate) fn print_plans(plans: &[PlanFacts], format: PlanFormat) -> anyhow::Result<bool> {
    for plan in plans {
        match format {
            PlanFormat::Json => json::print(&json!({ "schema": SCHEMA, "plan": plan_json(plan) }))?,
            PlanFormat::Text => std::io::stdout().lock().write_all(plan_text(plan).as_bytes())?,
        }
    }
    Ok(plans.iter().all(|plan| plan.limited_by != LimitedBy::DoesNotFit))
}

fn plan_json(plan: &PlanFacts) -> Json {
    let w = plan.window;
    json!({
        "stage": plan.stage,
        "passes_at_most": plan.passes,
        "window": [w.x, w.y, w.width, w.height],
        "grid": [plan.grid.0, plan.grid.1],
        "chunk": [plan.chunk_shape.0, plan.chunk_shape.1],
        "chunks": plan.chunks,
        "stream": plan.is_stream,
        "bytes": plan.bytes,
        "bytes_to_read": plan.bytes_to_read,
        "bytes_to_decode": plan.bytes_to_decode,
        "bytes_to_write": plan.bytes_to_write,
        "output_variant": plan.variant,
        "decode_amplification": plan.amplification,
        "chunk_bytes": plan.chunk_bytes,
        "partial_bytes": plan.partial_bytes,
        "least_bytes": plan.least_bytes,
        "peak_bytes": plan.peak_bytes,
        "budget_bytes": plan.budget_bytes,
        "threads": plan.threads,
        "workers": plan.workers,
        "in_flight": plan.in_flight,
        "limited_by": plan.limited_by.name(),
    })
}

fn plan_text(plan: &PlanFacts) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<18}{value}");
    };
    let stream = if plan.is_stream { ", as a stream" } else { "" };
    line("pass", format!("{} over {} (x,y,width,height){stream}", plan.stage, plan.window));
    if plan.passes > 1 {
        line("passes", format!("at most {} over the pixels", plan.passes));
    }
    let ((down, across), (rows, columns)) = (plan.grid, plan.chunk_shape);
    line("chunks", format!("{} ({down} x {across}) of {rows} x {columns} pixels", plan.chunks));
    line("pixels wanted", bytes(plan.bytes));
    line("read at most", bytes(plan.bytes_to_read));
    line(
        "decode at most",
        format!("{}, each block {:.2} times", bytes(plan.bytes_to_decode), plan.amplification),
    );
    let variant = plan.variant.map_or(String::new(), |variant| format!(", {variant}"));
    line("write at most", plan.bytes_to_write.map_or("unknown".into(), bytes) + &variant);
    line("memory per chunk", bytes(plan.chunk_bytes));
    line("memory per worker", bytes(plan.partial_bytes));
    line(
        "memory at most",
        format!(
            "{} of a budget of {} (least: {})",
            bytes(plan.peak_bytes),
            bytes(plan.budget_bytes),
            bytes(plan.least_bytes)
        ),
    );
    line(
        "threads",
        format!("{} of {} at work, {} chunks in flight", plan.workers, plan.threads, plan.in_flight),
    );
    line("limited by", plan.limited_by.name().into());
    text
}

/// What was met and filled, with the file that it is in.
pub(crate) type Filled = Vec<(PathBuf, BadBlock)>;

/// A bad block as reports list it.
pub(crate) fn bad_json(bad: &BadBlock) -> Json {
    let r = bad.rect;
    json!({
        "page": bad.page,
        "block": bad.block,
        "rect": [r.x, r.y, r.width, r.height],
        "offset": bad.offset,
        "bytes": bad.bytes,
        "cause": bad.cause,
    })
}

/// Refuses a report that could not be written at the end of a run, perhaps hours later.
pub(crate) fn check_report(path: &Path) -> outcrop::Result<()> {
    let probe = || match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(found) if found.is_file() => OpenOptions::new().append(true).open(path).map(drop),
        Ok(_) => Ok(()),
        Err(_) => make_beside(path),
    };
    probe().map_err(|e| unwritten(path, e))
}

/// Refuses a checkpoint that could not be saved: the run would fail at its first interval and leave an unfinished output,
/// kept to be gone on with.
pub(crate) fn check_checkpoint(path: &Path) -> outcrop::Result<()> {
    make_beside(path).map_err(|source| outcrop::Error::Io {
        what: format!("save the checkpoint {} (--checkpoint)", path.display()),
        source,
    })
}

/// Whether a file can be made in the folder of another.
fn make_beside(path: &Path) -> std::io::Result<()> {
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or(ErrorKind::InvalidFilename)?);
    name.push(".outcrop-probe");
    let hidden = path.with_file_name(name);
    File::create(&hidden)?;
    fs::remove_file(hidden)
}

fn unwritten(path: &Path, source: std::io::Error) -> outcrop::Error {
    outcrop::Error::Io { what: format!("write the report {} (--report)", path.display()), source }
}

/// Writes the report of a run.
pub(crate) fn write_report(
    path: &Path,
    runtime: &Runtime,
    filled: &Filled,
    more: u64,
    outcome: &str,
) -> anyhow::Result<()> {
    let report = runtime.report();
    let seconds = |time: Duration| time.as_secs_f64();
    let lanes: Vec<_> = report
        .lanes()
        .iter()
        .map(|lane| {
            let parts = lane.parts.iter().map(|(name, time)| (name.to_string(), json!(seconds(*time))));
            json!({
                "name": lane.name,
                "threads": lane.threads,
                "seconds": parts.collect::<serde_json::Map<_, _>>(),
            })
        })
        .collect();
    let queue =
        |queue: &outcrop::Occupancy| json!({ "mean": queue.mean, "most": queue.most, "slots": queue.slots });
    let plans = runtime.plans();
    let peak = plans.iter().map(|plan| plan.peak_bytes).max();
    let listed = |(path, bad): &(PathBuf, BadBlock)| {
        let mut object = bad_json(bad);
        object["file"] = path.to_string_lossy().into();
        object
    };
    let bad_blocks: Vec<_> = filled.iter().map(listed).collect();
    let object = json!({
        "schema": SCHEMA,
        "outcrop": env!("CARGO_PKG_VERSION"),
        "outcome": outcome,
        "resumed": runtime.checkpoint().is_some_and(Checkpoint::is_resumed),
        "plans": plans.iter().map(plan_json).collect::<Vec<_>>(),
        "wall_seconds": seconds(report.wall),
        "lanes": lanes,
        "queues": { "fetched": queue(&report.fetched_queue), "made": queue(&report.made_queue) },
        "jobs": report.jobs,
        "chunks": report.chunks,
        "bytes": report.bytes,
        "blocks": report.blocks,
        "blocks_decoded": report.blocks_decoded,
        "decode_amplification": report.decode_amplification(),
        "read_bytes": memory::called_read_bytes(),
        "storage_read_bytes": memory::storage_read_bytes(),
        "budget_bytes": runtime.options().budget.total(),
        "planned_peak_bytes": peak,
        "most_budget_bytes": report.most_budget_bytes,
        "peak_resident_bytes": memory::peak_bytes(),
        "most_in_flight": report.most_in_flight,
        "most_tasks": report.most_tasks,
        "bottleneck": report.bottleneck(),
        "sentence": report.sentence(),
        "bad_blocks": bad_blocks,
        "bad_blocks_not_listed": more,
    });
    let text = serde_json::to_string_pretty(&object)? + "\n";
    Ok(fs::write(path, text).map_err(|e| unwritten(path, e))?)
}
