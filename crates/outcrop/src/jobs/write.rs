//! The one way in which jobs write pixels.

use outcrop_core::{Channels, DataType, Event, Extent, Map, Metadata, Rect, Result, Sink, Source, Value};
use outcrop_scheduler::{Checkpoint, Input, Plan, Runtime};
use outcrop_writer::{OutputImage, create};

use crate::Output;

/// A job that makes pixels of pixels.
pub(super) struct Write<'a> {
    /// What it is called while it runs.
    pub(super) stage: &'a str,
    pub(super) source: &'a dyn Source,
    pub(super) window: Rect,
    pub(super) channels: Channels,
    /// A second input, which only maps that know of it look at.
    pub(super) mask: Option<Input<'a>>,
    pub(super) chunk: Option<(u64, u64)>,
    /// What goes along with the pixels.
    pub(super) metadata: &'a Metadata,
    pub(super) nodata: &'a [Value],
}

/// The same with its output open.
pub(super) struct Opened<'a> {
    job: Write<'a>,
    sink: Box<dyn Sink>,
}

impl<'a> Write<'a> {
    /// Opens the output for samples of that type and so many channels. It is checked before anything is read.
    pub(super) fn open(
        self,
        runtime: &Runtime,
        (dtype, channels): (DataType, u64),
        output: &Output,
    ) -> Result<Opened<'a>> {
        let extent = Extent::new(self.window.height, self.window.width, channels);
        let made = OutputImage { extent, dtype, metadata: self.metadata, nodata: self.nodata };
        let mut options = output.options.clone();
        options.resume = runtime.checkpoint().and_then(Checkpoint::output_state);
        let created = create(output.target(), &made, &options)?;
        for notice in created.notices {
            runtime.options().observer.event(Event::Warning(notice));
        }
        Ok(Opened { job: self, sink: created.sink })
    }

    /// Opens the output, plans and runs.
    pub(super) fn run(self, runtime: &Runtime, map: &dyn Map, output: &Output) -> Result<()> {
        self.open(runtime, map.output(), output)?.run(runtime, map)
    }
}

impl Opened<'_> {
    /// Plans and runs.
    pub(super) fn run(self, runtime: &Runtime, map: &dyn Map) -> Result<()> {
        let Opened { job, sink } = self;
        let image = Input { source: job.source, channels: job.channels };
        let inputs: Vec<_> = std::iter::once(image).chain(job.mask).collect();
        let plan = Plan::write(job.stage, &inputs, job.window, job.chunk, map.output(), &*sink)?;
        runtime.write(&plan, &inputs, map, sink)
    }
}
