//! [`TileSink`]: workers write the tiles of a level themselves; a commit only counts.
//!
//! A checkpoint keeps how many tiles a level has, the bytes of all of them, and a checksum of those committed last. Tiles
//! that were written later are written again.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use outcrop_core::{Buffer, DataType, Encoder, Error, Extent, Pixels, Rect, Result, Sink};

use super::{Cells, Made};
use crate::Positioned;
use crate::picture::{PictureEncoder, PictureFormat, PictureOptions};
use crate::resume::{changed, pack, unpack};
use crate::rows::check_chunk;

/// Writes tiles of one level.
pub(super) struct TileEncoder {
    /// The level's folder.
    place: PathBuf,
    pub(super) cells: Cells,
    dtype: DataType,
    format: PictureFormat,
    picture: PictureOptions,
    tiles_done: AtomicU64,
    /// Encoders that no worker is using.
    idle: Mutex<Vec<PictureEncoder>>,
}

/// The sink of a level's laid-out tiles.
pub(super) struct TileSink {
    encoder: Arc<TileEncoder>,
    made: Arc<Made>,
    /// Which level it is.
    level: u64,
    /// Bytes of the tiles that were committed.
    bytes: u64,
    /// What was committed last.
    last: Rect,
}

impl TileSink {
    /// Starts a level, or goes on with it where a checkpoint says, once its tiles are what they were then.
    pub(super) fn new(
        encoder: Arc<TileEncoder>,
        made: Arc<Made>,
        level: u64,
        resume: Option<&[u8]>,
    ) -> Result<TileSink> {
        let mut sink = TileSink { encoder, made, level, bytes: 0, last: Rect::of_size(0, 0) };
        if let Some(state) = resume {
            sink.restore(state)?;
        }
        Ok(sink)
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let [level, tiles, bytes, y, x, height, width, sum, _, _] = unpack(state)?;
        let laid_out = self.encoder.cells.laid_out().rect();
        let last = Rect::checked(y, x, height, width).filter(|rect| laid_out.contains(rect));
        let wrong = |what: &str| changed(&self.made.descriptor, what);
        self.last = last.filter(|_| level == self.level).ok_or_else(|| wrong("the layout"))?;
        let (mut found, mut all) = (0, 0);
        for (row, column) in self.committed() {
            let length = std::fs::metadata(self.encoder.path(row, column)).map(|file| file.len());
            all += length.map_err(|_| wrong(&format!("tile {column}_{row} of level {level}")))?;
            found += 1;
        }
        if (found, all) != (tiles, bytes) || self.tail()? != sum {
            return Err(wrong(&format!("the tiles of level {level}")));
        }
        self.bytes = bytes;
        self.encoder.tiles_done.store(tiles, Ordering::Relaxed);
        Ok(())
    }

    /// The tiles that were committed, as chunks go from row to row.
    fn committed(&self) -> impl Iterator<Item = (u64, u64)> + use<> {
        let (rows, columns) = self.encoder.cells.of(self.last);
        let across = self.encoder.cells.counts().1;
        let above = (0..rows.start).flat_map(move |row| (0..across).map(move |column| (row, column)));
        above.chain(rows.flat_map(move |row| (0..columns.end).map(move |column| (row, column))))
    }

    /// The checksum of the tiles that were committed last.
    fn tail(&self) -> Result<u64> {
        let mut sum = crc32fast::Hasher::new();
        let (rows, columns) = self.encoder.cells.of(self.last);
        for (row, column) in rows.flat_map(|row| columns.clone().map(move |column| (row, column))) {
            let path = self.encoder.path(row, column);
            let tile = std::fs::read(&path).map_err(|e| Error::io(format!("read {}", path.display()), e))?;
            sum.update(&tile);
        }
        Ok(sum.finalize().into())
    }
}

impl TileEncoder {
    pub(super) fn new(
        place: PathBuf,
        cells: Cells,
        dtype: DataType,
        format: PictureFormat,
        picture: &PictureOptions,
    ) -> TileEncoder {
        let (picture, tiles_done, idle) = (picture.clone(), AtomicU64::new(0), Mutex::default());
        TileEncoder { place, cells, dtype, format, picture, tiles_done, idle }
    }

    /// Refuses a level of which tiles are missing.
    pub(super) fn check_complete(&self, level: usize) -> Result<()> {
        let (down, across) = self.cells.counts();
        let done = self.tiles_done.load(Ordering::Relaxed);
        if done == down * across {
            return Ok(());
        }
        Err(Error::Panic(format!("{done} of {} tiles of level {level} were written", down * across)))
    }

    /// Notes that all tiles are there.
    pub(super) fn note_complete(&self) -> Result<()> {
        let (down, across) = self.cells.counts();
        self.tiles_done.store(down * across, Ordering::Relaxed);
        Ok(())
    }

    /// Writes all tiles of the level from its pixels.
    pub(super) fn put(&self, pixels: Pixels<'_>) -> Result<()> {
        let extent = self.cells.extent;
        check_chunk(0, extent.rect(), &pixels, extent, self.dtype)?;
        let mut encoder = self.encoder();
        let (down, across) = self.cells.counts();
        for (row, column) in (0..down).flat_map(|row| (0..across).map(move |column| (row, column))) {
            let tile = self.cells.tile(row, column);
            self.write(row, column, cut(pixels, tile), &mut encoder)?;
        }
        self.note_complete()
    }

    fn encoder(&self) -> PictureEncoder {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| PictureEncoder::new(self.format, self.picture.clone()))
    }

    fn path(&self, row: u64, column: u64) -> PathBuf {
        self.place.join(format!("{column}_{row}.{}", self.format.extension()))
    }

    /// Writes a tile, over what an earlier process may have left of it. Returns its bytes.
    fn write(&self, row: u64, column: u64, pixels: Pixels<'_>, encoder: &mut PictureEncoder) -> Result<u64> {
        let path = self.path(row, column);
        let bytes = encoder.encode(pixels)?;
        let file = File::create(&path).map_err(|e| Error::io(format!("create {}", path.display()), e))?;
        Positioned::new(file, path.display().to_string()).write_all_at(bytes, 0)?;
        Ok(bytes.len() as u64)
    }
}

/// A part of pixels.
fn cut(pixels: Pixels<'_>, rect: Rect) -> Pixels<'_> {
    pixels.slice(0, rect.y as usize..rect.bottom() as usize).slice(1, rect.x as usize..rect.right() as usize)
}

impl Encoder for TileEncoder {
    fn cost(&self, _: (u64, u64)) -> u64 {
        let side = self.cells.side();
        PictureEncoder::cost(
            self.format,
            Extent { height: side, width: side, ..self.cells.extent },
            self.dtype,
        )
    }

    fn encode(&self, index: u64, rect: Rect, pixels: Pixels<'_>, encoded: &mut Buffer) -> Result<()> {
        check_chunk(index, rect, &pixels, self.cells.laid_out(), self.dtype)?;
        let mut encoder = self.encoder();
        let (rows, columns) = self.cells.of(rect);
        let mut written = 0;
        for (row, column) in rows.flat_map(|row| columns.clone().map(move |column| (row, column))) {
            let (y, x) = (row * self.cells.side() - rect.y, column * self.cells.side() - rect.x);
            let tile = self.cells.tile(row, column);
            written += self.write(row, column, cut(pixels, Rect { y, x, ..tile }), &mut encoder)?;
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(encoder);
        encoded.resize(8)?;
        encoded.bytes_mut().copy_from_slice(&written.to_ne_bytes());
        Ok(())
    }
}

impl Sink for TileSink {
    fn align(&self) -> (u64, u64) {
        (self.encoder.cells.side(), self.encoder.cells.side())
    }

    fn encoder(&self) -> Arc<dyn Encoder> {
        self.encoder.clone()
    }

    fn commit(&mut self, index: u64, rect: Rect, encoded: &mut Buffer) -> Result<()> {
        let written = encoded.bytes().try_into().map(u64::from_ne_bytes);
        self.bytes +=
            written.map_err(|_| Error::Panic(format!("chunk {index} says nothing of its tiles")))?;
        let (rows, columns) = self.encoder.cells.of(rect);
        let tiles = (rows.end - rows.start) * (columns.end - columns.start);
        self.encoder.tiles_done.fetch_add(tiles, Ordering::Relaxed);
        self.last = rect;
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<Option<Vec<u8>>> {
        let inodes = self.made.keep()?;
        let (tiles, r) = (self.encoder.tiles_done.load(Ordering::Relaxed), self.last);
        let sum = self.tail()?;
        let state = [self.level, tiles, self.bytes, r.y, r.x, r.height, r.width, sum, inodes[0], inodes[1]];
        Ok(Some(pack(state)))
    }

    fn bytes_bound(&self) -> Option<u64> {
        let TileEncoder { cells, picture, format, dtype, .. } = &*self.encoder;
        let (side, (down, across)) = (cells.side(), cells.counts());
        let tile = Extent { height: side, width: side, ..cells.extent };
        // A profile may grow a little where it is deflated, and has a name.
        let profile = picture.icc.as_ref().map_or(0, |icc| icc.len() as u64 + 1024);
        let each = PictureEncoder::file_bound(*format, tile, *dtype).saturating_add(profile);
        down.checked_mul(across)?.checked_mul(each)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
