//! How any command runs: memory, threads, progress, checkpoint, plan, report.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::parse;

/// How to run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Running")]
pub(crate) struct Running {
    /// Memory budget: 512MiB, 2GiB, 50%
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<String>,
    /// Threads that compute
    #[arg(short = 'j', long, value_name = "N", value_parser = parse::threads)]
    pub(crate) threads: Option<usize>,
    /// Rows and columns of a unit of work, rounded up to whole blocks
    #[arg(long, value_name = "H,W", value_parser = parse::chunk)]
    pub(crate) chunk: Option<(u64, u64)>,
    /// auto, bar, plain, json or none, on standard error
    #[arg(
        long,
        value_name = "STYLE",
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) progress: Progress,
    /// Save what is done here, and go on from it when run again
    ///
    /// The same command on the same inputs goes on where it was stopped or
    /// killed. Ctrl-C then exits with 75. The file is removed at the end.
    /// Not for pipes and turns of compressed strips.
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// How often to save: 500ms, 60s (the default), 5m
    #[arg(long, value_name = "TIME", requires = "checkpoint", value_parser = parse::duration)]
    pub(crate) checkpoint_every: Option<std::time::Duration>,
    /// Say what would be done and what it takes, and read nothing
    #[arg(
        long,
        visible_alias = "dry-run",
        value_name = "FORMAT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "text"
    )]
    pub(crate) plan: Option<PlanFormat>,
    /// Write a report of the run here, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// No progress and no warnings
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Say which limits hold and what was used
    #[arg(short, long, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    Auto,
    Bar,
    Plain,
    Json,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// Lines for people
    Text,
    /// One JSON object per pass
    Json,
}
