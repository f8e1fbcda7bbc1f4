//! DeepZoom: the levels go to a spill file first, whose pixels are then cut into tiles with their overlaps.
//!
//! The input is read once, whatever its blocks: an overlap asks for pixels of the neighbours, which are cheap to have
//! from uncompressed tiles, and a level is made of the one above before its tiles lose anything.
//!
//! A checkpoint has the states of the spill file's pairs of levels first, then those of the levels of tiles begun.

use std::path::PathBuf;
use std::sync::Arc;

use outcrop_core::{
    Buffer, Channels, DataType, Error, Extent, Halve, Metadata, Pixels, PixelsMut, Rect, Request, Result,
    Scratch, Sink, Source,
};
use outcrop_ops::map::Convert;
use outcrop_reader::{IoMode, OpenOptions};
use outcrop_scheduler::Runtime;
use outcrop_writer::deepzoom::DeepZoom;
use outcrop_writer::tiff::{Arrangement, BigTiff, Blocks, TiffOptions, TiffPyramid};
use outcrop_writer::{OutputImage, Overwrite, PartialFile};

use super::write::Write;
use crate::output::Output;
use crate::overlapping::Overlapping;

/// Rows and columns of the spill file's tiles.
const BLOCK: u64 = 512;

/// A DeepZoom image and the spill file of its levels.
pub(super) struct Tiles {
    deepzoom: DeepZoom,
    /// `None` where the image that is gone on with was published.
    spill: Option<TiffPyramid>,
    pub(super) halve: Arc<dyn Halve>,
}

impl Tiles {
    /// Opens both, to go on where the states of an unfinished image say.
    pub(super) fn create(
        image: &OutputImage<'_>,
        halve: Arc<dyn Halve>,
        output: &Output,
        states: &[Vec<u8>],
    ) -> Result<(Tiles, Vec<String>)> {
        let path = output.path.as_deref().ok_or_else(|| {
            Error::Usage("DeepZoom output is a file and a folder and cannot go to standard output".into())
        })?;
        let options = &output.options;
        let (of_spill, of_tiles) = states.split_at(states.len().min(pairs(image.extent)));
        let mut deepzoom =
            DeepZoom::create(path, options.overwrite, image, &options.deepzoom, &options.picture, of_tiles)?;
        let mut notices = std::mem::take(deepzoom.notices());
        if !states.is_empty() {
            // Said when it began.
            notices.clear();
        }
        if deepzoom.is_published() {
            PartialFile::remove_kept(&beside(path));
            return Ok((Tiles { deepzoom, spill: None, halve }, notices));
        }
        let plain = OutputImage::new(image.extent, image.dtype);
        let blocks = Blocks::Tiles { height: BLOCK as u32, width: BLOCK as u32 };
        let tiff = TiffOptions { bigtiff: BigTiff::Yes, blocks, ..TiffOptions::default() };
        let mut spill = TiffPyramid::create(
            &beside(path),
            Overwrite::Refuse,
            &plain,
            &tiff,
            Arrangement::SubIfds,
            usize::MAX,
            of_spill,
        )?;
        notices.append(spill.notices());
        Ok((Tiles { deepzoom, spill: Some(spill), halve }, notices))
    }

    /// Whether nothing is left to do for an image that is gone on with.
    pub(super) fn is_published(&self) -> bool {
        self.spill.is_none()
    }

    /// The file of the levels.
    pub(super) fn spill(&self) -> Result<&TiffPyramid> {
        self.spill.as_ref().ok_or_else(published)
    }

    /// Cuts the levels in the spill file into tiles, makes the small ones below, and publishes all.
    pub(super) fn finish(self, runtime: &Runtime, (dtype, channels): (DataType, u64)) -> Result<()> {
        self.cut((dtype, channels), |job, sink| {
            let done = job.pass(runtime, &Convert::new(dtype, channels), sink, 1);
            // Jobs that are only planned end where their plans are made, each of them.
            if runtime.is_planning() && matches!(done, Err(Error::Cancelled)) { Ok(()) } else { done }
        })?;
        if runtime.is_planning() {
            return Err(Error::Cancelled);
        }
        let Tiles { deepzoom, spill, halve } = self;
        let spill = spill.ok_or_else(published)?;
        // The smallest level there is one block: the others are made of it in memory.
        let (last, above) = (deepzoom.levels() - 1, spill.levels() - 1);
        let source = open(&spill, above)?;
        runtime.end_output(|| {
            put_smaller(&deepzoom, last - above, &*source, &*halve)?;
            drop(source);
            deepzoom.finish()?;
            spill.discard();
            Ok(())
        })
    }

    /// Refuses tiles that do not fit the budget.
    pub(super) fn ensure_fit(&self, runtime: &Runtime, made: (DataType, u64)) -> Result<()> {
        self.cut(made, |job, sink| runtime.ensure_fits(&job.plan(made, &*sink)?.0))
    }

    /// Has the levels in the spill file cut, each by a job of its own.
    fn cut(
        &self,
        (_, channels): (DataType, u64),
        run: impl Fn(&Write<'_>, Box<dyn Sink>) -> Result<()>,
    ) -> Result<()> {
        let (deepzoom, spill) = (&self.deepzoom, self.spill()?);
        let last = deepzoom.levels() - 1;
        for level in 0..spill.levels() {
            let source =
                Overlapping::new(open(spill, level)?, deepzoom.cells(last - level)?, spill.block_bytes());
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
            run(&job, deepzoom.sink(last - level)?)?;
        }
        Ok(())
    }
}

/// A level of the spill file.
fn open(spill: &TiffPyramid, level: usize) -> Result<Box<dyn Source>> {
    let options = OpenOptions { level: level as u64, io: IoMode::Read, ..OpenOptions::default() };
    outcrop_reader::open(&spill.readable_path(), &options)
}

fn published() -> Error {
    Error::Panic("a DeepZoom image was made twice".into())
}

/// Pairs of levels in the spill file of an image.
fn pairs(mut extent: Extent) -> usize {
    let mut levels = 1usize;
    while extent.height.max(extent.width) > BLOCK {
        extent = extent.halved();
        levels += 1;
    }
    levels.div_ceil(2)
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
