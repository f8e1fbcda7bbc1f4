//! The one way in which jobs write pixels.

use outcrop_core::{Channels, DataType, Event, Extent, Map, Metadata, Rect, Result, Source, Value};
use outcrop_scheduler::{Input, Plan, Runtime};
use outcrop_writer::{OutputImage, create};

use crate::Output;

/// A job that makes pixels of pixels.
pub(super) struct Write<'a> {
    /// What it is called while it runs.
    pub(super) stage: &'a str,
    pub(super) source: &'a dyn Source,
    pub(super) window: Rect,
    pub(super) channels: Channels,
    pub(super) chunk: Option<(u64, u64)>,
    pub(super) map: &'a dyn Map,
    /// What goes along with the pixels.
    pub(super) metadata: &'a Metadata,
    pub(super) nodata: &'a [Value],
}

impl Write<'_> {
    /// Opens the output, plans and runs. The output is checked before anything is read.
    pub(super) fn run(self, runtime: &Runtime, output: &Output) -> Result<()> {
        let (dtype, channels): (DataType, u64) = self.map.output();
        let extent = Extent::new(self.window.height, self.window.width, channels);
        let made = OutputImage { extent, dtype, metadata: self.metadata, nodata: self.nodata };
        let created = create(output.target(), &made, &output.options)?;
        for notice in created.notices {
            runtime.options().observer.event(Event::Warning(notice));
        }
        let inputs = [Input { source: self.source, channels: self.channels }];
        let plan =
            Plan::write(self.stage, &inputs, self.window, self.chunk, (dtype, channels), &*created.sink)?;
        runtime.write(&plan, &inputs, self.map, created.sink)
    }
}
