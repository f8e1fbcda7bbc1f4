//! Jobs: a source, a kernel and perhaps a sink, put together, planned and run.

mod convert;
mod mean;
mod stats;

pub use convert::{ConvertOptions, convert};
pub use mean::{MeanOptions, mean};
pub use stats::{MeanOfAll, StatsOptions, mean_of_all, stats};

use outcrop_core::{Event, Extent, Map, Rect, Result};
use outcrop_scheduler::{Input, Plan, Runtime};
use outcrop_writer::{OutputImage, create};

use crate::Output;

/// The size of what a map makes of a window.
fn extent(window: Rect, map: &dyn Map) -> Extent {
    Extent::new(window.height, window.width, map.output().1)
}

/// Opens the output, plans and runs: the one way in which pixels are written.
#[allow(clippy::too_many_arguments)]
fn write(
    runtime: &Runtime,
    stage: &str,
    input: Input<'_>,
    window: Rect,
    chunk: Option<(u64, u64)>,
    map: &impl Map,
    made: &OutputImage<'_>,
    output: &Output,
) -> Result<()> {
    let created = create(output.target(), made, &output.options)?;
    for notice in created.notices {
        runtime.options().observer.event(Event::Warning(notice));
    }
    let inputs = [input];
    let plan = Plan::write(stage, &inputs, window, chunk, map.output(), &*created.sink)?;
    runtime.write(&plan, &inputs, map, created.sink)
}
