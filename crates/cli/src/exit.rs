//! How a run ends: exit codes, the one line that says what went wrong, signals.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use outcrop::{Budget, CancelToken, Error};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};

/// Failed.
const FAILED: u8 = 1;
/// The arguments make no sense.
const USAGE: u8 = 2;
/// Finished, with bad blocks filled.
const FILLED: u8 = 4;
/// Stopped, with what was done saved.
const STOPPED: u8 = 75;
/// The memory budget is too small.
const BUDGET: u8 = 5;

/// A failure whose message was printed when it happened.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
pub(crate) struct AlreadySaid(pub(crate) anyhow::Error);

/// An end that is neither success nor a failure of the library.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ending {
    #[error("{0}")]
    Filled(String),
    #[error("{0}")]
    Stopped(String),
    #[error("{0}")]
    Bad(String),
}

/// The answer is that images differ. It was printed; there is nothing to say.
#[derive(Debug, thiserror::Error)]
#[error("the images differ")]
pub(crate) struct Differ;

/// The code of a run's outcome. Says what failed, once, in one line.
pub(crate) fn code(outcome: anyhow::Result<()>, cancel: &CancelToken) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    if let Some(AlreadySaid(first)) = error.downcast_ref() {
        return ExitCode::from(code_of(first));
    }
    if error.is::<Differ>() {
        return ExitCode::from(FAILED);
    }
    if is_broken_pipe(&error) {
        return ExitCode::SUCCESS;
    }
    if let Some(ending) = error.downcast_ref::<Ending>() {
        say(&ending.to_string());
        return ExitCode::from(match ending {
            Ending::Filled(_) => FILLED,
            Ending::Stopped(_) => STOPPED,
            Ending::Bad(_) => FAILED,
        });
    }
    if is_cancelled(&error) {
        return ExitCode::from(128 + cancel.reason() as u8);
    }
    say_error(&error);
    ExitCode::from(code_of(&error))
}

/// Who set the memory budget, once it is known.
static BUDGET_FROM: OnceLock<String> = OnceLock::new();

/// Has messages on the budget say who set it.
pub(crate) fn budget_is_from(whom: &str) {
    let _ = BUDGET_FROM.set(whom.into());
}

/// Prints what failed: the places that were added on the way, then the library's own message.
pub(crate) fn say_error(error: &anyhow::Error) {
    let mut parts = Vec::new();
    for cause in error.chain() {
        parts.push(cause.to_string());
        // The library's messages hold their causes already.
        if cause.is::<Error>() {
            break;
        }
    }
    let mut text = parts.join(": ");
    // Whoever writes to a file says which; only standard output is written to as it is.
    if error.is::<io::Error>() {
        text = format!("standard output: {text}");
    }
    if let (Some(Error::Budget { .. }), Some(whom)) = (root(error), BUDGET_FROM.get())
        && whom != "--memory"
    {
        text = text.replace("(raise --memory)", &format!("({whom}; raise --memory)"));
    }
    say(&text);
}

/// Whether an error ends the whole command, not just the work on one of its inputs.
pub(crate) fn ends_all(error: &anyhow::Error) -> bool {
    is_cancelled(error) || is_broken_pipe(error)
}

fn root(error: &anyhow::Error) -> Option<&Error> {
    error.chain().find_map(|cause| cause.downcast_ref::<Error>()).map(Error::root)
}

fn code_of(error: &anyhow::Error) -> u8 {
    match root(error) {
        Some(Error::Usage(_)) => USAGE,
        Some(Error::Budget { .. }) => BUDGET,
        _ => FAILED,
    }
}

pub(crate) fn is_cancelled(error: &anyhow::Error) -> bool {
    matches!(root(error), Some(Error::Cancelled))
}

/// Prints `outcrop: text` on standard error, in one line whatever the text holds.
pub(crate) fn say(text: &str) {
    // Nobody reading it is no reason to fail.
    let _ = writeln!(io::stderr(), "outcrop: {}", one_line(text));
}

/// Ends a run whose arguments clap did not take, or that asked for help.
pub(crate) fn after_parsing(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    match error.kind() {
        DisplayHelp | DisplayVersion | DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
        }
        _ => {
            let text = error.to_string();
            let kept = text
                .lines()
                .map(str::trim)
                .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
                // That a flag of another command could be the name of a file is no help.
                .filter(|line| !line.is_empty() && !line.starts_with("tip: to pass"))
                .map(|line| line.trim_start_matches("error: ").trim_start_matches("tip: "))
                .collect::<Vec<_>>();
            say(&format!("{} (see --help)", kept.join("; ").replace(":; ", ": ")));
            ExitCode::from(USAGE)
        }
    }
}

/// The same text with every run of line breaks and control characters as one space: names of files may hold any.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control()).filter(|part| !part.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Whether whoever read our output has gone: not a failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = match cause.downcast_ref::<Error>().map(Error::root) {
            Some(Error::Io { source, .. }) => Some(source),
            _ => cause.downcast_ref::<io::Error>(),
        };
        io.is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Signals that come within this time are one: `timeout` and batch systems send each to the process and to its group.
const ONE_SIGNAL: Duration = Duration::from_millis(500);

/// Lets INT, TERM, USR1 and HUP (but for one that `nohup` has switched off) cancel the run; a second one, a while later, removes the unfinished output and ends the
/// process at once.
///
/// # Errors
/// Where the system takes no handler.
pub(crate) fn cancel_on_signals(cancel: &CancelToken, budget: &Budget) -> io::Result<()> {
    let mut signals = vec![SIGINT, SIGTERM, SIGUSR1];
    if !is_ignored(SIGHUP) {
        signals.push(SIGHUP);
    }
    let stopping = Arc::new(AtomicBool::new(false));
    for &signal in &signals {
        let stopping = Arc::clone(&stopping);
        let end_at_once = move || {
            if stopping.load(Ordering::SeqCst) {
                outcrop::remove_unfinished();
                signal_hook::low_level::exit(128 + signal);
            }
        };
        // SAFETY: it loads a flag, unlinks files whose names are ready, and calls _exit: all async-signal-safe.
        unsafe { signal_hook::low_level::register(signal, end_at_once) }?;
    }
    let mut heard = signal_hook::iterator::Signals::new(signals)?;
    let (cancel, budget) = (cancel.clone(), budget.clone());
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in heard.forever() {
            cancel.cancel(signal);
            budget.wake();
            std::thread::sleep(ONE_SIGNAL);
            stopping.store(true, Ordering::SeqCst);
        }
    })?;
    Ok(())
}

/// Whether whoever started this process has it ignore a signal.
fn is_ignored(signal: i32) -> bool {
    // SAFETY: all-zero bytes are a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live sigaction; without a new action the call only asks for the present one.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), &mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_a_file_is_called() {
        assert_eq!(one_line("a\nb\r\n\x1b[31mc: gone"), "a b [31mc: gone");
    }

    #[test]
    fn a_reader_that_left_is_not_a_failure() {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&anyhow::Error::from(gone()).context("standard output")));
        assert!(is_broken_pipe(&anyhow::Error::from(Error::io("write", gone()))));
        assert!(!is_broken_pipe(&anyhow::Error::from(Error::Cancelled)));
    }
}
