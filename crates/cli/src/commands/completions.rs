//! `outcrop completions`: a script that completes the command line, from the definitions in `args`.

use std::io::Write;

use clap::CommandFactory;

use crate::args::{Cli, Completions};

/// Prints the script.
pub(crate) fn run(args: &Completions) -> anyhow::Result<()> {
    // Into memory first: clap_complete panics where its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "outcrop", &mut script);
    let mut out = std::io::stdout().lock();
    Ok(out.write_all(&script).and_then(|()| out.flush())?)
}
