//! [`TileSink`]: workers write the tiles of a level themselves; a commit only counts.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use outcrop_core::{Buffer, DataType, Encoder, Error, Extent, Pixels, Rect, Result, Sink};

use super::Cells;
use crate::Positioned;
use crate::picture::{PictureEncoder, PictureFormat, PictureOptions};
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
pub(super) struct TileSink(pub(super) Arc<TileEncoder>);

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
        self.tiles_done.fetch_add(down * across, Ordering::Relaxed);
        Ok(())
    }

    fn encoder(&self) -> PictureEncoder {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| PictureEncoder::new(self.format, self.picture.clone()))
    }

    fn write(&self, row: u64, column: u64, pixels: Pixels<'_>, encoder: &mut PictureEncoder) -> Result<()> {
        let path = self.place.join(format!("{column}_{row}.{}", self.format.extension()));
        let bytes = encoder.encode(pixels)?;
        let file = File::create_new(&path).map_err(|e| Error::io(format!("create {}", path.display()), e))?;
        Positioned::new(file, path.display().to_string()).write_all_at(bytes, 0)
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
        for (row, column) in rows.flat_map(|row| columns.clone().map(move |column| (row, column))) {
            let (y, x) = (row * self.cells.side() - rect.y, column * self.cells.side() - rect.x);
            let tile = self.cells.tile(row, column);
            self.write(row, column, cut(pixels, Rect { y, x, ..tile }), &mut encoder)?;
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(encoder);
        encoded.resize(0)
    }
}

impl Sink for TileSink {
    fn align(&self) -> (u64, u64) {
        (self.0.cells.side(), self.0.cells.side())
    }

    fn encoder(&self) -> Arc<dyn Encoder> {
        self.0.clone()
    }

    fn commit(&mut self, _: u64, rect: Rect, _: &mut Buffer) -> Result<()> {
        let (rows, columns) = self.0.cells.of(rect);
        let tiles = (rows.end - rows.start) * (columns.end - columns.start);
        self.0.tiles_done.fetch_add(tiles, Ordering::Relaxed);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}
