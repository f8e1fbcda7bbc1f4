//! `outcrop formats`: what this build reads and writes.

use std::io::Write;

use outcrop::{InputFormat, OutputFormat};
use serde_json::json;

use crate::args::Formats;
use crate::json::{self, SCHEMA};

/// Lists the formats.
pub(crate) fn run(args: &Formats) -> anyhow::Result<()> {
    let reads = InputFormat::ALL.map(InputFormat::name);
    let writes = OutputFormat::ALL.map(OutputFormat::name);
    if args.json {
        return json::print(&json!({ "schema": SCHEMA, "reads": reads, "writes": writes }));
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "reads   {}", reads.join(", "))?;
    writeln!(out, "writes  {}", writes.join(", "))?;
    Ok(())
}
