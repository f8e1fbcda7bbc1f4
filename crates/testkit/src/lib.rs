//! Fakes for tests: sources in memory, sources and sinks that fail on demand, naive kernels, known pixels,
//! TIFF files of every kind, the corpus of real ones.
//!
//! Never published, and only a development dependency of the other crates.

mod conformance;
pub mod corpus;
mod faulty;
mod kernels;
mod memory;
mod pixels;
mod sink;
pub mod tiff_matrix;

pub use conformance::check_source;
pub use faulty::{Fault, FaultySource, When};
pub use kernels::{Checksum, ChecksumPartial, Faulty, Sum, SumChannels};
pub use memory::MemorySource;
pub use pixels::{noise, ramp};
pub use sink::{Collected, MemorySink};
