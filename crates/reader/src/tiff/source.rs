//! [`TiffSource`]: where the blocks that a request touches lie, what reading them costs, and pixels lent from the map.

use std::sync::Arc;

use outcrop_core::{
    Channels, Cost, Error, Image, LINE, Order, Pixels, Read, Rect, Request, Result, Scratch, Source, Value,
};

use super::block::BlockSpec;
use super::copy::Palette;
use super::giant::Streams;
use super::ifd::TiffFile;
use super::layout::{Layout, Place};

/// One page of a TIFF or BigTIFF at one level.
pub struct TiffSource {
    pub(super) file: Arc<TiffFile>,
    pub(super) image: Image,
    pub(super) layout: Layout,
    pub(super) spec: Arc<BlockSpec>,
    /// Where strips are too large to be decoded whole.
    pub(super) streams: Option<Streams>,
    /// Whether stored bytes are samples as they are.
    pub(super) plain: bool,
    /// What absent blocks read as.
    pub(super) absent: Value,
    /// What bad blocks read as, where they are filled.
    pub(super) fill: Option<Value>,
    pub(super) palette: Option<Palette>,
    pub(super) stored_channels: Channels,
}

/// The stored bytes of a block that a request needs.
pub(super) struct Part {
    pub(super) offset: u64,
    pub(super) bytes: u64,
    /// The first row of the block that they hold, and how many.
    pub(super) first: u64,
    pub(super) rows: u64,
}

/// Where a request can be lent: a run of bytes of the file, and the steps (in samples) between rows, columns and
/// channels.
struct Lend {
    offset: u64,
    bytes: u64,
    strides: [usize; 3],
}

impl TiffSource {
    /// The planes that hold the channels of a selection, in its order.
    pub(super) fn planes<'c>(&self, channels: &'c Channels) -> &'c [u64] {
        if self.layout.planes > 1 { channels.indices() } else { &[0] }
    }

    /// Samples of a pixel in a block.
    pub(super) fn block_samples(&self) -> usize {
        self.spec.samples()
    }

    /// The stored bytes of a block that are needed for `rect`; `None` where the block is absent.
    ///
    /// # Errors
    /// Whenever the block is bad as a whole, whatever part of it is needed: results do not depend on chunks.
    pub(super) fn part(&self, rect: &Rect, row: u64, column: u64, plane: u64) -> Result<Option<Part>> {
        let Place::Bytes { offset, bytes } = self.layout.place(&self.file, row, column, plane)? else {
            return Ok(None);
        };
        self.file.store.check(offset, bytes)?;
        let rows = self.layout.stored_rows(row);
        let Some(row_bytes) = self.layout.row_bytes else {
            return Ok(Some(Part { offset, bytes, first: 0, rows }));
        };
        let top = row * self.layout.height;
        let first = rect.y.max(top) - top;
        let rows = rect.bottom().min(top + rows) - top - first;
        Ok(Some(Part { offset: offset + first * row_bytes, bytes: rows * row_bytes, first, rows }))
    }

    /// The ranges of the file that a request needs, neighbours joined, those of bad blocks left out.
    fn ranges(&self, request: &Request<'_>) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        let channels = self.stored(request).channels;
        let (rows, columns) = self.layout.touched(&request.rect);
        for &plane in self.planes(channels) {
            for row in rows.clone() {
                for column in columns.clone() {
                    let Ok(Some(part)) = self.part(&request.rect, row, column, plane) else { continue };
                    match ranges.last_mut() {
                        Some((start, bytes)) if *start + *bytes == part.offset => *bytes += part.bytes,
                        _ => ranges.push((part.offset, part.bytes)),
                    }
                }
            }
        }
        ranges
    }

    /// Whether stored bytes are read, though the file may be mapped: those of codecs always are, and of samples as they are what
    /// is small.
    fn is_read(&self, ranges: &[(u64, u64)]) -> bool {
        let store = &self.file.store;
        match (store.is_mapped(), self.plain) {
            (false, _) => true,
            (true, true) => store.is_better_read(ranges.iter().map(|(_, bytes)| bytes).sum()),
            (true, false) => store.may_read(),
        }
    }

    /// The request in channels as they are stored: a palette has one.
    pub(super) fn stored<'r>(&'r self, request: &Request<'r>) -> Request<'r> {
        let channels = if self.palette.is_some() { &self.stored_channels } else { request.channels };
        Request { rect: request.rect, channels }
    }

    /// How a request can be lent, if its samples lie as they are, aligned and evenly spaced in the file.
    fn lend(&self, request: &Request<'_>, scratch: &Scratch) -> Option<Lend> {
        if !self.plain || self.palette.is_some() {
            return None;
        }
        let row_bytes = self.layout.row_bytes?;
        let (first_channel, step) = request.channels.as_step().filter(|s| s.1 != 0)?;
        let rect = &request.rect;
        let (rows, columns) = self.layout.touched(rect);
        if columns.end - columns.start != 1 {
            return None;
        }
        let size = self.image.dtype.bytes() as u64;
        let pixel_bytes = self.block_samples() as u64 * size;
        let skip = (rect.x - columns.start * self.layout.width) * pixel_bytes;
        // Where the first pixel of the request lies, if the rows of this plane follow each other.
        let start_of = |plane: u64| -> Option<u64> {
            let first = self.part(rect, rows.start, columns.start, plane).ok()??;
            let mut end = first.offset + first.bytes;
            for row in rows.start + 1..rows.end {
                let part = self.part(rect, row, columns.start, plane).ok()??;
                (part.offset == end).then_some(())?;
                end += part.bytes;
            }
            Some(first.offset + skip)
        };
        let planes = self.planes(request.channels);
        let offset = start_of(planes[0])?;
        let mut lend = Lend {
            offset,
            bytes: (rect.height - 1) * row_bytes + rect.width * pixel_bytes,
            strides: [(row_bytes / size) as usize, self.block_samples(), 1],
        };
        if self.layout.planes > 1 && planes.len() > 1 {
            let step = start_of(planes[1])?.checked_sub(offset).filter(|s| s % size == 0 && *s > 0)?;
            for (k, &plane) in planes.iter().enumerate().skip(2) {
                (start_of(plane)? == step.checked_mul(k as u64)?.checked_add(offset)?).then_some(())?;
            }
            lend.bytes = step.checked_mul(planes.len() as u64 - 1)?.checked_add(lend.bytes)?;
            lend.strides[2] = usize::try_from(step / size).ok()?;
        } else if self.layout.planes == 1 && step > 0 {
            // Only the channels asked for are lent; backward steps are taken by Pixels::select.
            lend.offset += first_channel * size;
            lend.bytes -= (self.block_samples() as u64 - 1 - *request.channels.indices().last()?) * size;
            lend.bytes -= first_channel * size;
            lend.strides[2] = step as usize;
        }
        let stored = self.file.store.stored(scratch, lend.offset, lend.bytes).ok()?;
        (stored.as_ptr().addr() % size as usize == 0).then_some(lend)
    }

    /// What the stream of one plane takes at its worst, besides the pixels.
    ///
    /// Looks at the head of each strip the first time: only that tells how much a ZSTD stream needs. Of more strips
    /// than that is worth, the worst is assumed.
    fn stream_bytes(&self, streams: &Streams) -> u64 {
        const MOST_HEADS: u64 = 4096;
        *streams.decoder_bytes.get_or_init(|| {
            if self.layout.blocks() > MOST_HEADS {
                return streams.strip_bytes(0, 0);
            }
            let places = (0..self.layout.planes)
                .flat_map(|plane| (0..self.layout.down).map(move |row| (row, plane)))
                .filter_map(|(row, plane)| self.layout.place(&self.file, row, 0, plane).ok());
            places.fold(0, |most, place| match place {
                Place::Bytes { offset, bytes } => most.max(streams.strip_bytes(offset, bytes)),
                Place::Sparse => most,
            })
        })
    }
}

impl Source for TiffSource {
    fn image(&self) -> &Image {
        &self.image
    }

    fn stored_bytes(&self) -> Result<u64> {
        self.layout.stored_bytes(&self.file)
    }

    fn order(&self) -> Order {
        if self.streams.is_some() { Order::Sequential } else { Order::Any }
    }

    fn reads_parts(&self, _: (u64, u64), _: &Channels) -> bool {
        self.streams.is_none()
    }

    fn cost(&self, shape: (u64, u64), channels: &Channels) -> Result<Cost> {
        let layout = &self.layout;
        let (height, width) = (shape.0.min(layout.extent.height), shape.1.min(layout.extent.width));
        // A run of n pixels touches at most this many blocks of `block` pixels, wherever it lies.
        let touched = |n: u64, block: u64, all: u64| (n.saturating_sub(1).div_ceil(block) + 1).min(all);
        let (down, across) =
            (touched(height, layout.height, layout.down), touched(width, layout.width, layout.across));
        let planes = if layout.planes > 1 { channels.len() as u64 } else { 1 };
        let stored_selected = if self.palette.is_some() { 1 } else { channels.len() };
        let pixels = height.saturating_mul(width);
        let of = |pixels: u64, samples: usize, bytes: usize| {
            pixels.saturating_mul(samples as u64).saturating_mul(bytes as u64)
        };
        let decoded = of(pixels, stored_selected, self.spec.dtype.bytes());
        let colours = self.palette.as_ref().map_or(0, |p| of(pixels, channels.len(), p.dtype.bytes()));
        if let Some(streams) = &self.streams {
            let piece = layout.width.saturating_mul(streams.piece_rows().into());
            let block = of(piece, self.block_samples(), self.spec.dtype.bytes());
            let decoders = self.stream_bytes(streams).saturating_mul(planes);
            let scratch_bytes = decoded.saturating_add(block.max(colours)).saturating_add(decoders);
            return Ok(Cost { stored_bytes: 0, scratch_bytes });
        }
        let stored_bytes = match layout.row_bytes {
            Some(row) => row.saturating_mul(height).saturating_mul(across),
            None => {
                let (most, all) = layout.worst_block(&self.file)?;
                most.saturating_mul(down).saturating_mul(across).min(all)
            }
        };
        let rows = if layout.row_bytes.is_some() { height.min(layout.height) } else { layout.height };
        let block = of(rows.saturating_mul(layout.width), self.block_samples(), self.spec.dtype.bytes());
        let lent = self.plain
            && self.palette.is_none()
            && channels.as_step().is_some_and(|s| s.1 > 0)
            // Planes that are read lie in runs of their own.
            && (planes == 1 || (self.file.store.is_mapped() && !self.file.store.may_read()))
            && layout.one_run(&self.file, self.spec.dtype.bytes() as u64)?;
        let scratch_bytes = if lent {
            0
        } else {
            decoded.saturating_add(block.max(colours)).saturating_add(self.spec.scratch_bytes())
        };
        let stored_bytes = stored_bytes.saturating_mul(planes).saturating_add(LINE as u64);
        Ok(Cost { stored_bytes, scratch_bytes })
    }

    fn fetch(&self, request: &Request<'_>, scratch: &mut Scratch) -> Result<()> {
        if self.streams.is_some() {
            return self.decode_into(request, scratch);
        }
        let ranges = self.ranges(request);
        if self.is_read(&ranges) {
            self.file.store.fetch_or_leave(&ranges, scratch)
        } else {
            self.file.store.fetch(&ranges, scratch)
        }
    }

    fn read<'a>(&'a self, request: &Request<'_>, scratch: &'a mut Scratch) -> Result<Read<'a>> {
        let [height, width, selected] =
            [request.rect.height as usize, request.rect.width as usize, request.channels.len()];
        let misfit = || Error::Format("samples are not aligned in memory".into());
        if scratch.left {
            self.file.store.read_left(&self.ranges(request), scratch)?;
        }
        if let Some(lend) = self.lend(request, scratch) {
            let bytes = self.file.store.stored(scratch, lend.offset, lend.bytes)?;
            let backward = request.channels.as_step().is_some_and(|s| s.1 < 0);
            let all = if backward { self.block_samples() } else { selected };
            let pixels = Pixels::from_bytes(self.image.dtype, bytes, [height, width, all], lend.strides)?;
            let pixels = pixels.ok_or_else(misfit)?;
            let pixels = if backward { pixels.select(request.channels).ok_or_else(misfit)? } else { pixels };
            return Ok(Read { pixels, holes: &[] });
        }
        if self.streams.is_none() {
            self.decode_into(request, scratch)?;
        }
        let strides = match self.layout.planes {
            1 => [width * selected, selected, 1],
            _ => [width, 1, height * width],
        };
        let shape = [height, width, selected];
        let pixels = Pixels::from_bytes(self.image.dtype, scratch.decoded.bytes(), shape, strides)?;
        Ok(Read { pixels: pixels.ok_or_else(misfit)?, holes: &scratch.holes })
    }

    fn release(&self, request: &Request<'_>) {
        if self.streams.is_none() {
            let ranges = self.ranges(request);
            if !self.is_read(&ranges) {
                self.file.store.release(&ranges);
            }
        }
    }
}
