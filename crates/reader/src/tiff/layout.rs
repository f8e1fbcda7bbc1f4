//! [`Layout`]: which bytes of the file are which block of a page, and which pixels a block holds.
//!
//! Blocks are numbered as TIFF does: along the rows of blocks, then down, then plane by plane.

use std::ops::Range;
use std::sync::OnceLock;

use outcrop_core::{BlockLayout, Error, Extent, LevelInfo, Rect, Result};

use super::ifd::{Directory, Entry, TiffFile};
use super::samples::Samples;
use super::tags::{tag, tag_name};

/// How a page is cut into blocks, and the tables of where they lie.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) extent: Extent,
    /// Rows and columns of a whole block; a strip's width is the image's.
    pub(super) height: u64,
    pub(super) width: u64,
    pub(super) tiled: bool,
    /// Blocks across, down, and planes.
    pub(super) across: u64,
    pub(super) down: u64,
    pub(super) planes: u64,
    /// Stored bytes of a row of a block, where rows can be told apart: uncompressed, chroma not packed.
    pub(super) row_bytes: Option<u64>,
    /// Where chroma is packed: stored bytes of a row of its units, and image rows of that.
    packed: Option<(u64, u64)>,
    offsets: Entry,
    counts: Option<Entry>,
    /// Bytes from where the tables say that blocks lie to where they do: later planes of a stack.
    shift: u64,
    /// The largest byte count and the sum of all, found once.
    worst: OnceLock<(u64, u64)>,
    one_run: OnceLock<bool>,
}

/// Where a block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere: the block was never written.
    Sparse,
    /// In these bytes of the file; they may lie beyond its end.
    Bytes { offset: u64, bytes: u64 },
}

impl Layout {
    /// Reads how a page is cut up. The tables themselves are only looked at when a block is asked for.
    pub(super) fn read(file: &TiffFile, dir: &Directory, samples: &Samples) -> Result<Layout> {
        let size = |number| -> Result<u64> {
            match dir.need(file, number)? {
                0 => Err(Error::Format(format!("{} is 0", tag_name(number)))),
                large if large > u32::MAX.into() => {
                    Err(Error::Unsupported(format!("{} of {large}, more than 32 bits", tag_name(number))))
                }
                size => Ok(size),
            }
        };
        let extent = Extent::new(size(tag::IMAGE_LENGTH)?, size(tag::IMAGE_WIDTH)?, samples.channels());
        let tiled = dir.get(tag::TILE_WIDTH).is_some() && dir.get(tag::TILE_LENGTH).is_some();
        let (height, width) = if tiled {
            (size(tag::TILE_LENGTH)?, size(tag::TILE_WIDTH)?)
        } else {
            let rows = dir.uint(file, tag::ROWS_PER_STRIP)?.unwrap_or(0);
            (if rows == 0 { extent.height } else { rows.min(extent.height) }, extent.width)
        };
        // Some writers store tiles under the tags of strips, and the reverse; libtiff takes either.
        let either = |first, second| dir.get(first).or_else(|| dir.get(second)).copied();
        let (offsets, counts) = if tiled {
            (
                either(tag::TILE_OFFSETS, tag::STRIP_OFFSETS),
                either(tag::TILE_BYTE_COUNTS, tag::STRIP_BYTE_COUNTS),
            )
        } else {
            (
                either(tag::STRIP_OFFSETS, tag::TILE_OFFSETS),
                either(tag::STRIP_BYTE_COUNTS, tag::TILE_BYTE_COUNTS),
            )
        };
        // Old-style JPEG may name its stream only.
        let stream = || dir.get(tag::JPEG_INTERCHANGE).filter(|_| samples.compression == 6).copied();
        let offsets = offsets
            .or_else(stream)
            .ok_or_else(|| dir.lacks(if tiled { tag::TILE_OFFSETS } else { tag::STRIP_OFFSETS }))?;
        let counts = counts.filter(|c| c.count > 0);
        file.check(&offsets)?;
        counts.as_ref().map_or(Ok(()), |c| file.check(c))?;

        let too_large = || Error::Format(format!("blocks of {height} x {width} pixels are too large"));
        let pixel_bits = samples.pixel_bits();
        let plain = samples.compression == 1;
        let row_bytes = (plain && !samples.packed_chroma())
            .then(|| width.checked_mul(pixel_bits).map(|b| b.div_ceil(8)).ok_or_else(too_large))
            .transpose()?;
        let packed = (plain && samples.packed_chroma())
            .then(|| {
                let (sx, sy) = (u64::from(samples.subsampling.0), u64::from(samples.subsampling.1));
                let unit_bits = (sx * sy + 2) * u64::from(samples.deepest());
                let row = width.div_ceil(sx).checked_mul(unit_bits).map(|b| b.div_ceil(8));
                row.map(|row| (row, sy)).ok_or_else(too_large)
            })
            .transpose()?;
        Ok(Layout {
            extent,
            height,
            width,
            tiled,
            across: extent.width.div_ceil(width),
            down: extent.height.div_ceil(height),
            planes: if samples.planar { samples.channels() } else { 1 },
            row_bytes,
            packed,
            offsets,
            counts,
            shift: 0,
            worst: OnceLock::new(),
            one_run: OnceLock::new(),
        })
    }

    /// The same page as one block: old-style JPEG, whose one stream knows nothing of strips.
    pub(super) fn into_one_block(mut self) -> Layout {
        (self.height, self.width, self.tiled) = (self.extent.height, self.extent.width, false);
        (self.across, self.down, self.planes) = (1, 1, 1);
        self
    }

    /// The same layout of pixels that lie so many bytes further on.
    pub(super) fn shifted(mut self, bytes: u64) -> Layout {
        self.shift = bytes;
        self
    }

    /// In the words that every format shares.
    pub(super) fn describe(&self) -> BlockLayout {
        let planar = self.planes > 1;
        if self.tiled {
            BlockLayout::Tiles { height: self.height, width: self.width, planar }
        } else {
            BlockLayout::Strips { rows: self.height, planar, whole: self.row_bytes.is_none() }
        }
    }

    /// Its size and how it is cut.
    pub(super) fn level(&self) -> LevelInfo {
        LevelInfo { height: self.extent.height, width: self.extent.width, layout: self.describe() }
    }

    /// Blocks of the page, all planes.
    pub(super) fn blocks(&self) -> u64 {
        self.across.saturating_mul(self.down).saturating_mul(self.planes)
    }

    /// The number of a block by row, column and plane.
    pub(super) fn index(&self, row: u64, column: u64, plane: u64) -> u64 {
        // Sizes fit 32 bits and planes 16, so 128 bits hold any index; one past 64 bits is in no table.
        let rows = u128::from(plane) * u128::from(self.down) + u128::from(row);
        u64::try_from(rows * u128::from(self.across) + u128::from(column)).unwrap_or(u64::MAX)
    }

    /// Rows and columns of the grid of blocks that a rectangle of pixels touches.
    pub(super) fn touched(&self, rect: &Rect) -> (Range<u64>, Range<u64>) {
        (
            rect.y / self.height..rect.bottom().div_ceil(self.height),
            rect.x / self.width..rect.right().div_ceil(self.width),
        )
    }

    /// The pixels of a block that lie in the image.
    pub(super) fn rect(&self, row: u64, column: u64) -> Rect {
        let (y, x) = (row * self.height, column * self.width);
        Rect {
            y,
            x,
            height: self.height.min(self.extent.height - y),
            width: self.width.min(self.extent.width - x),
        }
    }

    /// Rows of a block that a file must have: those of the image. Tiles are padded below it, but some writers leave the
    /// padding out.
    pub(super) fn stored_rows(&self, row: u64) -> u64 {
        self.height.min(self.extent.height - row * self.height)
    }

    /// Bytes that an uncompressed block of that many rows must have; `None` where a codec decides.
    pub(super) fn plain_bytes(&self, rows: u64) -> Option<u64> {
        match (self.row_bytes, self.packed) {
            // More than 64 bits can count is more than any file has.
            (Some(row), _) => Some(row.saturating_mul(rows)),
            (None, Some((row, sy))) => Some(row.saturating_mul(rows.div_ceil(sy))),
            (None, None) => None,
        }
    }

    /// Where a block lies.
    ///
    /// # Errors
    /// [`Error::Format`] where the tables do not have it: that block's error, not the file's.
    pub(super) fn place(&self, file: &TiffFile, row: u64, column: u64, plane: u64) -> Result<Place> {
        let index = self.index(row, column, plane);
        if index >= self.offsets.count {
            return Err(Error::Format(format!(
                "{} has {} values for {} blocks",
                tag_name(self.offsets.tag),
                self.offsets.count,
                self.blocks()
            )));
        }
        let offset = file.uint(&self.offsets, index)?;
        let plain = self.plain_bytes(self.stored_rows(row));
        let counted = match &self.counts {
            Some(counts) if index < counts.count => Some(file.uint(counts, index)?),
            _ => None,
        };
        let bytes = match counted {
            _ if offset == 0 => return Ok(Place::Sparse),
            Some(0) if self.blocks() > 1 => return Ok(Place::Sparse),
            Some(bytes) if bytes > 0 => bytes,
            // No count: an uncompressed block is as long as it must be, another one reaches to the next or the end.
            _ => plain.map_or_else(|| self.up_to_next(file, index, offset), Ok)?,
        };
        match plain {
            Some(needed) if bytes < needed && !self.goes_on(file, offset.saturating_add(needed))? => {
                Err(Error::Format(format!(
                    "the uncompressed block has {bytes} bytes at byte {offset}, expected {needed}"
                )))
            }
            // Bytes after the last row are nobody's.
            Some(needed) => Ok(Place::Bytes { offset: offset.saturating_add(self.shift), bytes: needed }),
            None => Ok(Place::Bytes { offset, bytes }),
        }
    }

    /// Whether a lone strip has others in the tables that follow it in the file without a gap, up to `end`: RowsPerStrip is
    /// absent there, and libtiff and tifffile take all as one.
    fn goes_on(&self, file: &TiffFile, end: u64) -> Result<bool> {
        let Some(counts) = self.counts.as_ref().filter(|_| self.blocks() == 1 && !self.tiled) else {
            return Ok(false);
        };
        let mut at = file.uint(&self.offsets, 0)?;
        for strip in 0..self.offsets.count.min(counts.count).min(self.extent.height) {
            if file.uint(&self.offsets, strip)? != at {
                return Ok(false);
            }
            at = at.saturating_add(file.uint(counts, strip)?);
            if at >= end {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn up_to_next(&self, file: &TiffFile, index: u64, offset: u64) -> Result<u64> {
        let end = file.store.len();
        let next = if index + 1 < self.offsets.count { file.uint(&self.offsets, index + 1)? } else { end };
        Ok(if next > offset { next.min(end.max(offset)) } else { end.max(offset) } - offset)
    }

    /// The most stored bytes of one block and (saturating) of all, blocks that cannot be in the file left out.
    ///
    /// Looks through the whole table the first time: about a millisecond per million blocks.
    pub(super) fn worst_block(&self, file: &TiffFile) -> Result<(u64, u64)> {
        if let Some(&known) = self.worst.get() {
            return Ok(known);
        }
        let len = file.store.len();
        let found = match (self.plain_bytes(self.height), &self.counts) {
            (Some(plain), _) => (plain, plain.saturating_mul(self.blocks())),
            (None, None) => (len, len),
            (None, Some(counts)) => {
                let (mut most, mut sum) = (0, 0u64);
                let blocks = counts.count.min(self.blocks());
                file.each_uint(counts, blocks, |bytes| {
                    if bytes <= len {
                        most = bytes.max(most);
                        sum = sum.saturating_add(bytes);
                    }
                })?;
                // A table that is too short, or a lone block of 0 bytes, makes a block reach to the next one.
                if counts.count < self.blocks() || most == 0 { (len, len) } else { (most, sum) }
            }
        };
        Ok(*self.worst.get_or_init(|| found))
    }

    /// Bytes of all blocks in the file, as the table of byte counts has it; without one what they need, or the file's.
    pub(super) fn stored_bytes(&self, file: &TiffFile) -> Result<u64> {
        let Some(counts) = self.counts.as_ref().filter(|counts| counts.count >= self.blocks()) else {
            return Ok(self.worst_block(file)?.1.min(file.store.len()));
        };
        let mut sum = 0u64;
        file.each_uint(counts, self.blocks(), |bytes| sum = sum.saturating_add(bytes))?;
        Ok(sum)
    }

    /// Whether all blocks lie one after the other, aligned to `align` bytes and inside the file, so that any part of the
    /// image is one evenly spaced view. Looks through the tables the first time.
    pub(super) fn one_run(&self, file: &TiffFile, align: u64) -> Result<bool> {
        if let Some(&known) = self.one_run.get() {
            return Ok(known);
        }
        let found = self.row_bytes.map_or(Ok(false), |row| self.find_one_run(file, align, row))?;
        Ok(*self.one_run.get_or_init(|| found))
    }

    /// Where the page begins and its bytes, where it is uncompressed strips one after the other inside the file.
    pub(super) fn run_bytes(&self, file: &TiffFile) -> Option<(u64, u64)> {
        let row = self.row_bytes.filter(|_| !self.tiled)?;
        let is_run = self.find_one_run(file, 1, row).is_ok_and(|run| run);
        let bytes = row.checked_mul(self.extent.height)?.checked_mul(self.planes)?;
        is_run.then_some((file.uint(&self.offsets, 0).ok()?, bytes))
    }

    fn find_one_run(&self, file: &TiffFile, align: u64, row_bytes: u64) -> Result<bool> {
        let blocks = self.blocks();
        // Where a table is broken, the block that needs it says so.
        let Ok(first) = file.uint(&self.offsets, 0) else { return Ok(false) };
        let start = first.saturating_add(self.shift);
        // Padded tiles of several planes are not evenly spaced in the image's rows.
        if self.tiled && self.planes > 1 {
            return Ok(false);
        }
        let rows = self.extent.height;
        let total = row_bytes.checked_mul(rows).and_then(|b| b.checked_mul(self.planes));
        let inside = total.is_some_and(|total| file.store.check(start, total).is_ok());
        if self.across != 1
            || first == 0
            || !start.is_multiple_of(align)
            || !inside
            || self.offsets.count < blocks
        {
            return Ok(false);
        }
        let bytes_of = |index: u64| row_bytes * self.stored_rows(index % self.down);
        let (mut index, mut expected, mut run) = (0, first, true);
        file.each_uint(&self.offsets, blocks, |offset| {
            run &= offset == expected;
            expected = expected.saturating_add(bytes_of(index));
            index += 1;
        })?;
        if let (true, Some(counts)) = (run, &self.counts) {
            index = 0;
            file.each_uint(counts, blocks, |bytes| {
                run &= bytes >= bytes_of(index) || blocks == 1 && bytes == 0;
                index += 1;
            })?;
        }
        Ok(run)
    }
}
