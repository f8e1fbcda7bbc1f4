//! Commands about outcrop itself: `formats`, `completions`, `man`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Formats {
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outcrop completions bash > ~/.local/share/bash-completion/completions/outcrop
  outcrop completions fish > ~/.config/fish/completions/outcrop.fish")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outcrop man | man -l -
  outcrop man ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// A folder that exists, for outcrop.1, outcrop-stats.1 ...; pages of these
    /// names are replaced
    pub(crate) folder: Option<PathBuf>,
}
