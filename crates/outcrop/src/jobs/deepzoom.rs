//! DeepZoom: the levels go to a spill file first, whose pixels are then cut into tiles with their overlaps.
//!
//! The input is read once, whatever its blocks: an overlap asks for pixels of the neighbours, which are cheap to have
//! from uncompressed tiles, and a level is made of the one above before its tiles lose anything.

use std::path::PathBuf;
use std::sync::Arc;

use outcrop_core::{
    Buffer, Channels, DataType, Error, Extent, Halve, Metadata, Pixels, PixelsMut, Rect, Request, Result,
    Scratch, Source,
};
use outcrop_ops::map::Convert;
use outcrop_reader::{IoMode, OpenOptions};
use outcrop_scheduler::Runtime;
use outcrop_writer::deepzoom::DeepZoom;
use outcrop_writer::tiff::{Arrangement, BigTiff, TiffOptions, TiffPyramid};
use outcrop_writer::{OutputImage, Overwrite};

use super::write::Write;
use crate::output::Output;
use crate::overlapping::Overlapping;

/// A DeepZoom image and the spill file of its levels.
pub(super) struct Tiles {
    deepzoom: DeepZoom,
    pub(super) spill: TiffPyramid,
    pub(super) halve: Arc<dyn Halve>,
}

impl Tiles {
    /// Opens both.
    pub(super) fn create(
        image: &OutputImage<'_>,
        halve: Arc<dyn Halve>,
        output: &Output,
    ) -> Result<(Tiles, Vec<String>)> {
        let path = output.path.as_deref().ok_or_else(|| {
            Error::Usage("DeepZoom output is a file and a folder and cannot go to standard output".into())
        })?;
        let options = &output.options;
        let mut deepzoom =
            DeepZoom::create(path, options.overwrite, image, &options.deepzoom, &options.picture)?;
        let mut notices = std::mem::take(deepzoom.notices());
        let plain = OutputImage::new(image.extent, image.dtype);
        let tiff = TiffOptions { bigtiff: BigTiff::Yes, ..TiffOptions::default() };
        let mut spill = TiffPyramid::create(
            &beside(path),
            Overwrite::Refuse,
            &plain,
            &tiff,
            Arrangement::SubIfds,
            usize::MAX,
            &[],
        )?;
        notices.append(spill.notices());
        Ok((Tiles { deepzoom, spill, halve }, notices))
    }

    /// Cuts the levels in the spill file into tiles, makes the small ones below, and publishes all.
    pub(super) fn finish(self, runtime: &Runtime, (dtype, channels): (DataType, u64)) -> Result<()> {
        let Tiles { deepzoom, spill, halve } = self;
        let last = deepzoom.levels() - 1;
        let path = spill.readable_path();
        let open = |level: usize| {
            let options = OpenOptions { level: level as u64, io: IoMode::Read, ..OpenOptions::default() };
            outcrop_reader::open(&path, &options)
        };
        for level in 0..spill.levels() {
            let source = Overlapping::new(open(level)?, deepzoom.cells(last - level)?);
            let job = Write {
                stage: &format!("tiles of level {}", last - level),
                window: source.image().extent.rect(),
                source: &source,
                channels: Channels::all(channels),
                mask: None,
                chunk: None,
                metadata: &Metadata::default(),
                nodata: &[],
            };
            job.pass(runtime, &Convert::new(dtype, channels), deepzoom.sink(last - level)?, 1)?;
        }
        // The smallest level there is one block: the others are made of it in memory.
        let above = spill.levels() - 1;
        put_smaller(&deepzoom, last - above, &*open(above)?, &*halve)?;
        deepzoom.finish()
    }
}

/// Writes the levels below `level`, whose pixels the source has.
fn put_smaller(deepzoom: &DeepZoom, level: usize, source: &dyn Source, halve: &dyn Halve) -> Result<()> {
    let (mut extent, dtype) = (source.image().extent, source.image().dtype);
    let channels = Channels::all(extent.channels);
    let request = Request { rect: Rect::of_size(extent.height, extent.width), channels: &channels };
    let mut scratch = Scratch::new();
    source.fetch(&request, &mut scratch)?;
    let shape = |extent: Extent| [extent.height, extent.width, extent.channels].map(|n| n as usize);
    let half = |pixels: Pixels<'_>, to: Extent| -> Result<Buffer> {
        let mut buffer = Buffer::new();
        buffer.resize(shape(to).iter().product::<usize>() * dtype.bytes())?;
        halve.halve(pixels, PixelsMut::in_buffer(dtype, &mut buffer, shape(to))?)?;
        Ok(buffer)
    };
    let mut buffer = None;
    for level in (0..level).rev() {
        let pixels = match &buffer {
            None => source.read(&request, &mut scratch)?.pixels,
            Some(buffer) => view(buffer, dtype, shape(extent))?,
        };
        let next = half(pixels, extent.halved())?;
        extent = extent.halved();
        deepzoom.put(level, view(&next, dtype, shape(extent))?)?;
        buffer = Some(next);
    }
    Ok(())
}

fn view(buffer: &Buffer, dtype: DataType, shape: [usize; 3]) -> Result<Pixels<'_>> {
    Pixels::from_bytes(dtype, buffer.bytes(), shape, [shape[1] * shape[2], shape[2], 1])?
        .ok_or_else(|| Error::Panic("halved pixels are not aligned".into()))
}

/// The spill file's name.
fn beside(path: &std::path::Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".levels");
    path.with_file_name(name)
}
