//! The command line of outcrop.
//!
//! ```text
//! args ──► resolve ──► commands/* ──► the library's job ──► stdout: results
//!                          └── progress ──► stderr                exit: one line and a code
//! ```
//!
//! [`args`] is what was typed, [`resolve`] what it means on this machine for this file; a command asks the
//! library for an answer and renders it. Nothing here touches a pixel.

mod args;
mod chart;
mod commands;
mod control;
mod exit;
mod frame;
mod json;
mod labels;
mod memory;
mod parse;
mod picture_file;
mod progress;
mod resolve;
mod table;
mod terminal;

use std::process::ExitCode;

use outcrop::CancelToken;

fn main() -> ExitCode {
    memory::limit_arenas();
    // Where it cannot be installed, files are read instead of mapped.
    let _ = outcrop::install_sigbus_handler();
    outcrop::before_sigbus_exit(outcrop::remove_unfinished);
    let cli = match args::parse() {
        Ok(cli) => cli,
        Err(error) => return exit::after_parsing(&error),
    };
    let cancel = CancelToken::new();
    exit::code(commands::run(&cli, &cancel), &cancel)
}
