//! `outcrop man`: manual pages, from the definitions in `args`.

use std::io::Write;

use clap::CommandFactory;
use clap_mangen::Man;
use outcrop::Error;

use crate::args::{self, Cli};

/// Prints the main page, or writes a page for each command into a folder.
pub(crate) fn run(args: &args::Man) -> anyhow::Result<()> {
    let mut main = Cli::command().disable_help_subcommand(true);
    main.build();
    let Some(folder) = &args.folder else {
        let mut out = std::io::stdout().lock();
        return Ok(out.write_all(&page(&main)?).and_then(|()| out.flush())?);
    };
    for command in std::iter::once(&main).chain(main.get_subcommands()) {
        let name = command.get_display_name().unwrap_or("outcrop").replace(' ', "-");
        let path = folder.join(format!("{name}.1"));
        let io = |source| Error::Io { what: format!("write {}", path.display()), source };
        std::fs::write(&path, page(command)?).map_err(io)?;
    }
    Ok(())
}

fn page(command: &clap::Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}
