//! The binary, run as a user runs it, each time in a fresh folder.

mod codecs;
mod compare;
mod convert;
mod deepzoom;
mod encode;
mod errors;
mod faults;
mod generate;
mod help;
mod histogram;
mod info;
mod invariance;
mod mean;
mod memory;
mod numpy;
mod pictures;
mod preview;
mod pyramid;
mod reduce;
mod run_control;
mod schema;
mod signals;
mod stats;
mod turn;
mod util;
