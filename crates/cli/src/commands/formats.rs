//! `outcrop formats`: what this build reads and writes.

use std::io::Write;

use outcrop::{InputFormat, OutputFormat};
use serde_json::{Map, json};

use crate::args::Formats;
use crate::json::{self, SCHEMA};
use crate::table;

/// Lists the formats, the compressions of each, and what this build has left out.
pub(crate) fn run(args: &Formats) -> anyhow::Result<()> {
    let reads = InputFormat::ALL.map(|format| {
        let built = format.codecs().into_iter().filter(|codec| codec.built);
        (format.name(), built.map(|codec| codec.name).collect::<Vec<_>>())
    });
    let writes = OutputFormat::ALL.map(|format| (format.name(), format.codecs()));
    let optional: Vec<_> = InputFormat::ALL
        .into_iter()
        .flat_map(InputFormat::codecs)
        .filter_map(|codec| Some((codec.feature?, codec)))
        .collect();
    if args.json {
        let options = optional.iter().map(|(feature, codec)| (feature.to_string(), codec.built.into()));
        return json::print(&json!({
            "schema": SCHEMA,
            "reads": reads.each_ref().map(|(name, _)| name),
            "writes": writes.map(|(name, _)| name),
            "read_codecs": reads.into_iter().map(|(n, c)| (n.to_owned(), json!(c))).collect::<Map<_, _>>(),
            "write_codecs": writes.into_iter().map(|(n, c)| (n.to_owned(), json!(c))).collect::<Map<_, _>>(),
            "features": options.collect::<Map<_, _>>(),
        }));
    }
    let mut out = std::io::stdout().lock();
    for (name, codecs) in reads {
        writeln!(out, "{}", table::wrapped(&format!("reads   {name:<6}"), &codecs))?;
    }
    for (name, codecs) in writes {
        writeln!(out, "{}", table::wrapped(&format!("writes  {name:<6}"), codecs))?;
    }
    for (feature, codec) in optional {
        let there = if codec.built { "in this build" } else { "not in this build" };
        writeln!(out, "feature {feature}: {} is {there}", codec.name)?;
    }
    Ok(())
}
