//! Parsing, and what was given on the command line, by name: a checkpoint of other options says which they were.

use std::sync::OnceLock;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches};

use super::{Cli, Running};

static GIVEN: OnceLock<String> = OnceLock::new();

/// Parses the command line.
///
/// # Errors
/// What clap says of arguments that make no sense, or that ask for help.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    let command = Cli::command().mut_subcommands(|command| command.mut_args(takes_negative));
    let matches = command.clone().try_get_matches()?;
    if let Some((name, of)) = matches.subcommand()
        && let Some(command) = command.find_subcommand(name)
    {
        let _ = GIVEN.set(lines(command, of));
    }
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut Cli::command()))
}

/// Has a flag take `-1` for its value, and say what is wrong with it: clap would call it an argument nobody knows.
fn takes_negative(arg: clap::Arg) -> clap::Arg {
    let is_wanted = arg.get_long().is_some() && arg.get_action().takes_values();
    if is_wanted { arg.allow_negative_numbers(true) } else { arg }
}

/// What was given but for how to run: for each argument a line of its name, a tab and its values.
pub(crate) fn given() -> &'static str {
    GIVEN.get().map_or("", String::as_str)
}

fn lines(command: &clap::Command, matches: &ArgMatches) -> String {
    let running = Running::augment_args(clap::Command::new(""));
    let is_running = |id| running.get_arguments().any(|arg| arg.get_id() == id);
    let mut text = String::new();
    for arg in command.get_arguments().filter(|arg| !is_running(arg.get_id())) {
        let id = arg.get_id().as_str();
        if matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        let name = match (arg.get_long(), arg.get_value_names()) {
            (Some(long), _) => format!("--{long}"),
            (None, Some([name, ..])) => name.to_string(),
            (None, _) => id.to_uppercase(),
        };
        let values: Vec<_> = match arg.get_action().takes_values() {
            true => matches.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy()).collect(),
            false => Vec::new(),
        };
        text.push_str(&format!("{name}\t{}\n", values.join(" ").replace(char::is_control, " ")));
    }
    text
}
