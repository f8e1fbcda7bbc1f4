//! The one way in which jobs write pixels.

use std::sync::Arc;

use outcrop_core::{
    BlockLayout, Channels, DataType, Error, Event, Extent, Halve, Map, Metadata, Order, Rect, Result, Sink,
    Source, Value,
};
use outcrop_ops::map::{Convert, Halving, Resample};
use outcrop_reader::{IoMode, OpenOptions};
use outcrop_scheduler::{Checkpoint, Input, Plan, Runtime};
use outcrop_writer::tiff::TiffPyramid;
use outcrop_writer::{Format, OutputImage, create};

use super::deepzoom::Tiles;
use crate::halved::Halved;
use crate::output::{Output, Pyramid};

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
    to: To,
    /// Passes over the input, those that came before included.
    passes: usize,
}

enum To {
    Image(Box<dyn Sink>),
    Pyramid(Box<TiffPyramid>, Arc<dyn Halve>),
    DeepZoom(Box<Tiles>),
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
        let format = output.options.format.or_else(|| Format::of_path(output.path.as_deref()?));
        let (to, notices) = match output.pyramid {
            wanted if format == Some(Format::DeepZoom) => {
                let states = runtime.checkpoint().map_or_else(Vec::new, Checkpoint::output_states);
                let halve = self.halving(wanted.and_then(|pyramid| pyramid.resample));
                let (tiles, notices) = Tiles::create(&made, halve, output, &states)?;
                (To::DeepZoom(Box::new(tiles)), notices)
            }
            None => {
                let mut options = output.options.clone();
                options.resume = runtime.checkpoint().and_then(Checkpoint::output_state);
                let created = create(output.target(), &made, &options)?;
                (To::Image(created.sink), created.notices)
            }
            Some(pyramid) => {
                let states = runtime.checkpoint().map_or_else(Vec::new, Checkpoint::output_states);
                self.open_pyramid(&made, pyramid, format, output, &states)?
            }
        };
        for notice in notices {
            runtime.options().observer.event(Event::Warning(notice));
        }
        Ok(Opened { job: self, to, passes: 1 })
    }

    fn open_pyramid(
        &self,
        image: &OutputImage<'_>,
        wanted: Pyramid,
        format: Option<Format>,
        output: &Output,
        states: &[Vec<u8>],
    ) -> Result<(To, Vec<String>)> {
        let (Some(path), Some(Format::Tiff)) = (output.path.as_deref(), format) else {
            return Err(Error::Usage(
                "a pyramid needs a TIFF or DeepZoom file as its output (.tif, .dzi or --to tiff)".into(),
            ));
        };
        let halve = self.halving(wanted.resample);
        let options = &output.options;
        let mut pyramid = TiffPyramid::create(
            path,
            options.overwrite,
            image,
            &options.tiff,
            wanted.arrangement,
            usize::MAX,
            states,
        )?;
        let notices = std::mem::take(pyramid.notices());
        Ok((To::Pyramid(Box::new(pyramid), halve), notices))
    }

    /// How levels are made.
    fn halving(&self, wanted: Option<Resample>) -> Arc<dyn Halve> {
        // Between two indices there is no average.
        let usual = if self.metadata.palette.is_some() { Resample::Nearest } else { Resample::Average };
        Arc::new(Halving::new(wanted.unwrap_or(usual), self.nodata.to_vec()))
    }

    /// The same job into a sink that is open.
    pub(super) fn into_sink(self, sink: Box<dyn Sink>) -> Opened<'a> {
        Opened { job: self, to: To::Image(sink), passes: 1 }
    }

    /// Opens the output, plans and runs.
    pub(super) fn run(self, runtime: &Runtime, map: &dyn Map, output: &Output) -> Result<()> {
        self.open(runtime, map.output(), output)?.run(runtime, map)
    }

    /// The shape of chunks where rows can be cut anywhere and whole rows of blocks would be much, or where blocks are
    /// mostly padding: a few blocks, so that many chunks fit the budget.
    fn narrow(&self, (dtype, channels): (DataType, u64), sink: &dyn Sink) -> Option<(u64, u64)> {
        const TARGET_BYTES: u64 = 4 << 20;
        let image = self.source.image();
        let any = matches!(image.layout, BlockLayout::Rows { .. } | BlockLayout::Strips { whole: false, .. });
        let (height, width) = sink.align();
        let pixel = channels.saturating_mul(dtype.bytes().max(image.dtype.bytes()) as u64);
        let block = height.saturating_mul(width).saturating_mul(pixel).max(1);
        if width / 2 > self.window.width {
            return Some((height.saturating_mul((TARGET_BYTES / block).max(1)), width));
        }
        if !any || self.source.order() != Order::Any || height <= 1 || width >= self.window.width {
            return None;
        }
        Some((height, width.saturating_mul((TARGET_BYTES / block).max(1))))
    }

    /// The job that makes a level of the one above it, which `source` halves.
    fn reduced<'b>(&'b self, source: &'b Halved, stage: &'b str, channels: u64) -> Write<'b> {
        let window = source.image().extent.rect();
        Write { stage, source, window, channels: Channels::all(channels), mask: None, ..*self }
    }

    /// The plan of one pass, and what it reads.
    pub(super) fn plan(&self, made: (DataType, u64), sink: &dyn Sink) -> Result<(Plan, Vec<Input<'_>>)> {
        let chunk = self.chunk.or_else(|| self.narrow(made, sink));
        let image = Input { source: self.source, channels: self.channels.clone() };
        let inputs: Vec<_> = std::iter::once(image).chain(self.mask.clone()).collect();
        Ok((Plan::write(self.stage, &inputs, self.window, chunk, made, sink)?, inputs))
    }

    /// One pass, the last of so many.
    pub(super) fn pass(
        &self,
        runtime: &Runtime,
        map: &dyn Map,
        sink: Box<dyn Sink>,
        passes: usize,
    ) -> Result<()> {
        let (plan, inputs) = self.plan(map.output(), &*sink)?;
        runtime.write(&plan.with_passes(passes), &inputs, map, sink)
    }
}

impl Opened<'_> {
    /// Says that so many passes over the input came before.
    pub(super) fn after(self, passes: usize) -> Self {
        Opened { passes: passes + 1, ..self }
    }

    /// Plans and runs: one pass over the input, and for a pyramid one over every second level of what was written.
    pub(super) fn run(self, runtime: &Runtime, map: &dyn Map) -> Result<()> {
        let Opened { job, to, passes } = self;
        match to {
            To::Image(sink) => job.pass(runtime, map, sink, passes),
            To::Pyramid(pyramid, halve) => {
                let done = job.levels(runtime, map, &pyramid, &halve, passes);
                let planned = runtime.is_planning() && matches!(done, Err(Error::Cancelled));
                if pyramid.is_copied() && (planned || done.is_ok()) {
                    let bound = pyramid.bytes_bound();
                    runtime.plan_copy(job.window, bound, bound, pyramid.copy_bytes());
                }
                done?;
                let options = runtime.options();
                let _permit = options.budget.take(pyramid.copy_bytes(), &options.cancel)?;
                runtime.end_output(|| pyramid.finish(&*options.observer, &options.cancel))
            }
            To::DeepZoom(tiles) if tiles.is_published() => Ok(()),
            To::DeepZoom(tiles) => {
                let planning = runtime.is_planning();
                if !planning {
                    tiles.ensure_fit(runtime, map.output())?;
                }
                let done = job.levels(runtime, map, tiles.spill()?, &tiles.halve, passes);
                if !(planning && matches!(done, Err(Error::Cancelled))) {
                    done?;
                }
                tiles.finish(runtime, map.output())
            }
        }
    }
}

impl Write<'_> {
    /// Fills all levels of a pyramid; the first pass is the last of so many.
    fn levels(
        &self,
        runtime: &Runtime,
        map: &dyn Map,
        pyramid: &TiffPyramid,
        halve: &Arc<dyn Halve>,
        passes: usize,
    ) -> Result<()> {
        let (dtype, channels) = map.output();
        // What a pair of levels is made of, and what that is called.
        let above = |level: usize| -> Result<(Halved, String)> {
            let options = OpenOptions { level: level as u64 - 1, io: IoMode::Read, ..OpenOptions::default() };
            let above = outcrop_reader::open(&pyramid.readable_path(), &options)?;
            Ok((Halved::new(above, halve.clone(), pyramid.block_bytes()), format!("levels from {level}")))
        };
        let pairs = || (2..pyramid.levels()).step_by(2);
        if !runtime.is_planning() {
            // What does not fit is said before the first pass, not after it.
            for level in pairs() {
                let (source, stage) = above(level)?;
                let sink = pyramid.sink(level, halve.clone())?;
                runtime
                    .ensure_fits(&self.reduced(&source, &stage, channels).plan(map.output(), &*sink)?.0)?;
            }
        }
        let mut done = self.pass(runtime, map, pyramid.sink(0, halve.clone())?, passes);
        for level in pairs() {
            // Jobs that are only planned end where their plans are made, each of them.
            if done.is_err() && !runtime.is_planning() {
                break;
            }
            let (source, stage) = above(level)?;
            let sink = pyramid.sink(level, halve.clone())?;
            let map = Convert::new(dtype, channels);
            done = self.reduced(&source, &stage, channels).pass(runtime, &map, sink, 1);
        }
        done
    }
}
