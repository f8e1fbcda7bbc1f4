//! Turning an image within the budget: at once where its blocks allow it, else by way of a spill file.

use std::path::PathBuf;

use outcrop_core::{
    BlockLayout, Channels, Error, Extent, Halve, Order, Pixels, PixelsMut, Rect, Result, Source,
};
use outcrop_ops::map::Convert;
use outcrop_reader::{IoMode, OpenOptions};
use outcrop_scheduler::{Input, Plan, Runtime};
use outcrop_writer::tiff::{Arrangement, BigTiff, TiffOptions, TiffPyramid};
use outcrop_writer::{OutputImage, Overwrite};

use crate::Output;
use crate::turned::{Turn, Turned};

/// Runs `run` over the window, turned.
///
/// Tiles and uncompressed rows are read where they lie. A stream, and compressed strips whose rows become columns,
/// would be decoded over and over: their pixels go to an uncompressed tiled file beside the output first.
pub(super) fn turning(
    runtime: &Runtime,
    source: &dyn Source,
    window: Rect,
    channels: Channels,
    turn: Turn,
    output: &Output,
    run: impl FnOnce(&dyn Source, Rect, Channels) -> Result<()>,
) -> Result<()> {
    let turned = |source: &dyn Source, window: Rect, channels: Channels, is_spilled: bool| {
        let mut turned = Turned::new(source, window, turn);
        if is_spilled {
            turned.forget_stored_bytes();
        }
        run(&turned, turned.window(), channels)
    };
    let strips = matches!(source.image().layout, BlockLayout::Strips { whole: true, .. });
    let streams = source.order() == Order::Sequential;
    if !(strips || streams) || turn.streams() {
        return turned(source, window, channels, false);
    }
    if runtime.checkpoint().is_some() {
        return Err(Error::Usage(
            "this image is turned by way of a spill file, which cannot be gone on with (leave out --checkpoint, or \
             convert it to tiles first)"
                .into(),
        ));
    }
    let spill = Spill::write(runtime, source, window, channels, output)?;
    let pixels = spill.open()?;
    let extent = pixels.image().extent;
    turned(&*pixels, extent.rect(), Channels::all(extent.channels), true)
}

/// Pixels in tiles, in a file beside the output that goes away when this is dropped.
struct Spill(TiffPyramid);

impl Spill {
    fn write(
        runtime: &Runtime,
        source: &dyn Source,
        window: Rect,
        channels: Channels,
        output: &Output,
    ) -> Result<Spill> {
        let dtype = source.image().dtype;
        let extent = Extent::new(window.height, window.width, channels.len() as u64);
        let image = OutputImage::new(extent, dtype);
        let options = TiffOptions { bigtiff: BigTiff::Yes, ..TiffOptions::default() };
        let path = path(output)?;
        let file =
            TiffPyramid::create(&path, Overwrite::Refuse, &image, &options, Arrangement::SubIfds, 1, &[])?;
        file.pass();
        let sink = file.sink(0, std::sync::Arc::new(OneLevel))?;
        let map = Convert::new(dtype, extent.channels);
        let inputs = [Input { source, channels }];
        let plan = Plan::write("spill", &inputs, window, None, (dtype, extent.channels), &*sink)?;
        match runtime.write(&plan, &inputs, &map, sink) {
            // The pass that reads it is planned too.
            Err(Error::Cancelled) if runtime.is_planning() => {}
            done => done?,
        }
        Ok(Spill(file))
    }

    fn open(&self) -> Result<Box<dyn Source>> {
        let options = OpenOptions { io: IoMode::Read, ..OpenOptions::default() };
        outcrop_reader::open(&self.0.readable_path(), &options)
    }
}

/// Beside the output, or in the folder of temporary files for one that is a stream.
fn path(output: &Output) -> Result<PathBuf> {
    match &output.path {
        Some(path) => {
            let stem = path.file_name().ok_or_else(|| {
                Error::Usage(format!("{}: an output needs the name of a file", path.display()))
            })?;
            // Always the same name: what a killed run leaves is removed by the next.
            let mut name = stem.to_os_string();
            name.push(".turn");
            Ok(path.with_file_name(name))
        }
        None => Ok(std::env::temp_dir().join(format!("outcrop.{}.turn", std::process::id()))),
    }
}

/// There is no second level to make.
struct OneLevel;

impl Halve for OneLevel {
    fn halve(&self, _: Pixels<'_>, _: PixelsMut<'_>) -> Result<()> {
        Err(Error::Panic("a spill file has one level".into()))
    }
}
