//! Every thread and every channel of outcrop: streams an image through a kernel in chunks, in bounded memory.
//!
//! A [`Plan`] says what will be done and what it costs; it is pure and the same on every machine. A [`Runtime`]
//! owns the threads and the budget, and runs plans. [`Limits`] finds out how many threads and how much memory a
//! process may use. How chunks flow, and why nothing in here can deadlock, is told in this crate's README.
//!
//! ```
//! use outcrop_core::{Budget, Channels, DataType, Extent};
//! use outcrop_scheduler::{Input, Plan, Runtime, RuntimeOptions};
//! use outcrop_testkit::{Checksum, MemorySource, ramp};
//!
//! let source = MemorySource::new(Extent::new(300, 200, 3), &ramp::<u16>(300 * 200 * 3));
//! let inputs = [Input { source: &source, channels: Channels::all(3) }];
//! let plan = Plan::reduce("checksum", &inputs, Extent::new(300, 200, 3).rect(), Some((64, 64)), 64)?;
//! let runtime = Runtime::new(RuntimeOptions { threads: 2, budget: Budget::new(1 << 20), ..Default::default() })?;
//! let sum = runtime.reduce(&plan, &inputs, &Checksum)?;
//! assert_eq!(sum.samples, 300 * 200 * 3);
//! # Ok::<(), outcrop_core::Error>(())
//! ```

mod admit;
mod bad;
mod checkpoint;
mod describe;
mod items;
mod machine;
mod parts;
mod pass;
mod plan;
mod reorder;
mod report;
mod run;
mod runs;
mod shape;
mod work;

pub use bad::BadBlock;
pub use checkpoint::{
    Checkpoint, CheckpointOptions, Facts, GIVEN as CHECKPOINT_GIVEN, OPTIONS as CHECKPOINT_OPTIONS,
};
pub use describe::{LimitedBy, PlanFacts};
pub use items::{ItemSink, Items, ItemsPlan};
pub use machine::{Limits, MOST_THREADS, parse_memory};
pub use plan::{Input, Plan};
pub use report::{LaneTime, Occupancy, Report, StageTime};
pub use run::{Runtime, RuntimeOptions};
