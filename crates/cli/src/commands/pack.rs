//! `outcrop pack`: many pictures as one array.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use outcrop::{
    CancelToken, Error, Fit, OneHot, Overwrite, PackItem, PackLabels, PackOptions, PackPlan, Packed,
    pack_inputs, pack_list, pack_outputs,
};
use serde_json::json;

use crate::args::{Pack, PlanFormat};
use crate::commands::info;
use crate::exit::Ending;
use crate::json::{self, Float, SCHEMA};
use crate::resolve::{self, Session};
use crate::table;

/// Packs, and says what was packed.
pub(crate) fn run(args: &Pack, cancel: &CancelToken) -> anyhow::Result<()> {
    if args.running.chunk.is_some() {
        let text = "pack works picture by picture: there are no chunks (leave out --chunk)";
        return Err(Error::Usage(text.into()).into());
    }
    let Some((output, inputs)) = args.paths.split_last() else {
        return Err(Error::Usage("pack needs an output".into()).into());
    };
    let options = options(args);
    // Before the inputs: `--pad 0`, without the `=`, would make an input of the output.
    pack_outputs(output, &options, false)?;
    let items = items(args, inputs)?;
    let labelled = items.iter().any(|item| item.label.is_some());
    let outputs = pack_outputs(output, &options, labelled)?;
    check_outputs(args, &outputs, &items)?;
    let what = match &args.running.checkpoint {
        Some(_) => format!("pack {options:?} {output:?} of {}", fingerprint(&items)),
        None => String::new(),
    };
    let session = Session::begin(&args.running, cancel, &[], &what)?;
    if let Some(format) = args.running.plan {
        let plan = outcrop::pack_plan(&session.runtime, &items, output, &options)?;
        print_plan(&plan, format)?;
        if plan.least_bytes > plan.budget_bytes {
            return Err(Error::Budget { needed: plan.least_bytes, budget: plan.budget_bytes }.into());
        }
        return session.end(output, Ok(()));
    }
    let done = outcrop::pack(&session.runtime, &items, output, &options);
    let done = done.map_err(anyhow::Error::from).and_then(|packed| {
        if args.json {
            print_json(&packed)?
        } else {
            print(&packed)?
        }
        match packed.bad_count {
            0 => Ok(()),
            1 => Err(Ending::Filled("1 picture was left out (the manifest says why)".into()).into()),
            n => Err(Ending::Filled(format!("{n} pictures were left out (the manifest says why)")).into()),
        }
    });
    session.end(output, done)
}

fn options(args: &Pack) -> PackOptions {
    PackOptions {
        mode: args.mode,
        fit: Fit { resize: args.resize, crop: args.crop, pad: args.pad.is_some() },
        filter: args.filter,
        crop_at: args.crop_at,
        pad_value: args.pad.unwrap_or(0),
        seed: args.seed,
        normalize: args.normalize.clone(),
        dtype: args.dtype,
        layout: args.layout,
        one_hot: match args.one_hot {
            None => OneHot::No,
            Some(0) => OneHot::Of(None),
            Some(classes) => OneHot::Of(Some(classes)),
        },
        compress: args.compress,
        split: args.split.as_ref().map(|splits| splits.0.clone()).unwrap_or_default(),
        on_bad: args.on_bad_image,
        overwrite: if args.overwrite { Overwrite::Replace } else { Overwrite::Refuse },
        manifest: args.manifest.clone(),
    }
}

fn items(args: &Pack, inputs: &[PathBuf]) -> outcrop::Result<Vec<PackItem>> {
    let none = PackLabels::None;
    let labels = args.labels.as_ref().unwrap_or(&none);
    match (&args.list, inputs) {
        (None, []) => {
            Err(Error::Usage("pack needs inputs and an output, the output last (or --list)".into()))
        }
        (None, inputs) => pack_inputs(inputs, labels),
        (Some(list), []) => pack_list(list, None, labels),
        (Some(list), [root]) if root.is_dir() => pack_list(list, Some(root), labels),
        (Some(_), _) => Err(Error::Usage(
            "beside a list there is one INPUT at most, the folder that its paths are in (--list)".into(),
        )),
    }
}

/// Refuses outputs that are inputs, the report or the checkpoint.
fn check_outputs(args: &Pack, outputs: &[PathBuf], items: &[PackItem]) -> outcrop::Result<()> {
    let files: Vec<&Path> = outputs.iter().map(PathBuf::as_path).collect();
    resolve::apart(&args.running, &files, "the output")?;
    for made in outputs {
        let Ok(place) = fs::canonicalize(made) else { continue };
        let lists = args.list.iter().chain(match &args.labels {
            Some(PackLabels::File(path)) => Some(path),
            _ => None,
        });
        let mut read = items.iter().map(|item| &item.path).chain(lists);
        if read.any(|path| {
            path.file_name() == made.file_name() && fs::canonicalize(path).is_ok_and(|p| p == place)
        }) {
            let shown = made.display();
            return Err(Error::Usage(format!("{shown}: the output is an input: name another file")));
        }
    }
    Ok(())
}

/// What must be the same for a checkpoint to be of these items: names, labels, sizes and times.
fn fingerprint(items: &[PackItem]) -> String {
    let mut sum = crc32fast::Hasher::new();
    for item in items {
        let found = fs::metadata(&item.path).ok();
        let time = found.as_ref().and_then(|f| f.modified().ok()?.duration_since(UNIX_EPOCH).ok());
        let facts = (&item.path, &item.name, &item.label, found.map(|f| f.len()), time);
        sum.update(format!("{facts:?}\n").as_bytes());
    }
    format!("{} pictures ({:08x})", items.len(), sum.finalize())
}

fn names(packed: &Packed) -> Vec<String> {
    packed.files.iter().map(|path| info::name(path)).collect()
}

fn print_json(packed: &Packed) -> anyhow::Result<()> {
    let figures = |list: &[f64]| list.iter().map(|&v| Float(v)).collect::<Vec<_>>();
    let splits: Vec<_> = packed
        .rows
        .iter()
        .map(|(name, rows)| json!({ "split": Some(name).filter(|name| !name.is_empty()), "rows": rows }))
        .collect();
    json::print(&json!({
        "schema": SCHEMA,
        "files": names(packed),
        "splits": splits,
        "row_shape": packed.row_shape,
        "dtype": packed.dtype.name(),
        "classes": packed.classes,
        "mean": packed.normalize.as_ref().map(|n| figures(&n.mean)),
        "std": packed.normalize.as_ref().map(|n| figures(&n.deviation)),
        "skipped": packed.bad_count,
        "reasons": packed.bad.iter().map(|(name, why)| json!({ "path": name, "reason": why })).collect::<Vec<_>>(),
    }))
}

fn print_plan(plan: &PackPlan, format: PlanFormat) -> anyhow::Result<()> {
    let files: Vec<_> = plan.files.iter().map(|path| info::name(path)).collect();
    let pictures: u64 = plan.rows.iter().map(|(_, rows)| rows).sum();
    let [height, width, channels] = plan.shape;
    if format == PlanFormat::Json {
        let split = |(name, rows): &(String, u64)| json!({ "split": Some(name).filter(|name| !name.is_empty()), "rows": rows });
        return json::print(&json!({ "schema": SCHEMA, "plan": {
            "stage": "pack",
            "passes_at_most": plan.passes,
            "pictures": pictures,
            "unreadable": plan.bad,
            "splits": plan.rows.iter().map(split).collect::<Vec<_>>(),
            "row": [height, width, channels],
            "dtype": plan.dtype.name(),
            "files": files,
            "bytes_to_read": plan.bytes_to_read,
            "bytes_to_write": plan.bytes_to_write,
            "list_bytes": plan.list_bytes,
            "picture_bytes": plan.picture_bytes,
            "least_bytes": plan.least_bytes,
            "budget_bytes": plan.budget_bytes,
            "threads": plan.threads,
            "in_flight": plan.in_flight,
        } }));
    }
    let mut text = String::new();
    let mut line = |name: &str, value: String| writeln!(text, "{name:<18}{value}");
    line("pictures", format!("{pictures} to {height} x {width} x {channels} of {}", plan.dtype))?;
    for (name, rows) in plan.rows.iter().filter(|(name, _)| !name.is_empty()) {
        line(&format!("  {name}"), rows.to_string())?;
    }
    if plan.bad > 0 {
        line("unreadable", plan.bad.to_string())?;
    }
    line("passes", plan.passes.to_string())?;
    line("read at most", table::bytes(plan.bytes_to_read))?;
    line("write at most", format!("{}, labels and manifest apart", table::bytes(plan.bytes_to_write)))?;
    line("memory, the list", table::bytes(plan.list_bytes))?;
    line("memory, a picture", format!("{} at most", table::bytes(plan.picture_bytes)))?;
    line("least budget", table::bytes(plan.least_bytes))?;
    line("budget", table::bytes(plan.budget_bytes))?;
    line("in flight", format!("{} on {} threads", plan.in_flight, plan.threads))?;
    line("files", files.join(", "))?;
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

fn print(packed: &Packed) -> anyhow::Result<()> {
    let mut text = String::new();
    let [a, b, c] = packed.row_shape;
    for (name, rows) in &packed.rows {
        let name = if name.is_empty() { "array" } else { name };
        writeln!(text, "{name:<9}({rows}, {a}, {b}, {c}) {}", packed.dtype)?;
    }
    if !packed.classes.is_empty() {
        writeln!(text, "{:<9}{}", "classes", packed.classes.len())?;
    }
    if let Some(n) = &packed.normalize {
        let list = |list: &[f64]| list.iter().map(|&v| table::exact(v)).collect::<Vec<_>>().join(", ");
        writeln!(text, "{:<9}{}", "mean", list(&n.mean))?;
        writeln!(text, "{:<9}{}", "std", list(&n.deviation))?;
    }
    if packed.bad_count > 0 {
        writeln!(text, "{:<9}{}", "skipped", packed.bad_count)?;
    }
    writeln!(text, "{:<9}{}", "files", names(packed).join(", "))?;
    let mut out = std::io::stdout().lock();
    Ok(out.write_all(text.as_bytes()).and_then(|()| out.flush())?)
}
