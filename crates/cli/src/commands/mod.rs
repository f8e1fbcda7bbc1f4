//! One file per command: ask the library, render the answer.

mod checksum;
mod compare;
mod completions;
mod convert;
mod decode;
mod encode;
mod figures;
mod formats;
mod generate;
mod histogram;
mod info;
mod man;
mod mean;
mod pack;
mod preview;
mod pyramid;
mod reduce;
mod sizes;
mod stats;
mod verify;

pub(crate) use histogram::channels as histogram_channels;
use outcrop::CancelToken;

use crate::args::{Cli, Command};

/// Runs what was asked for.
pub(crate) fn run(cli: &Cli, cancel: &CancelToken) -> anyhow::Result<()> {
    match &cli.command {
        Command::Info(args) => info::run(args),
        Command::Stats(args) => stats::run(args, cancel),
        Command::Reduce(args) => reduce::run(args, cancel),
        Command::Mean(args) => mean::run(args, cancel),
        Command::Convert(args) => convert::run(args, cancel),
        Command::Pyramid(args) => pyramid::run(args, cancel),
        Command::Encode(args) => encode::run(args, cancel),
        Command::Decode(args) => decode::run(args, cancel),
        Command::Compare(args) => compare::run(args, cancel),
        Command::Checksum(args) => checksum::run(args, cancel),
        Command::Pack(args) => pack::run(args, cancel),
        Command::Preview(args) => preview::run(args, cancel),
        Command::Histogram(args) => histogram::run(args, cancel),
        Command::Generate(args) => generate::run(args, cancel),
        Command::Verify(args) => verify::run(args, cancel),
        Command::Formats(args) => formats::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
    }
}
