//! DeepZoom: a descriptor `NAME.dzi` and a folder `NAME_files` of levels, each a folder of tiles `COLUMN_ROW.jpg`.
//!
//! Level 0 is of one pixel, and each level is twice as large as the one before up to the whole image. Tiles are
//! pictures of their own and share their borders with their neighbours (the overlap), so that a viewer that scales
//! them shows no seams. Both the folder and the descriptor have their names only when they are whole, the folder
//! first.

mod cells;
mod sink;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outcrop_core::{Error, Extent, Pixels, Result, Sink};

pub use cells::Cells;
use sink::{TileEncoder, TileSink};

use crate::folder::PartialFolder;
use crate::resume::{check_published, unpack};
use crate::{OutputImage, Overwrite, PartialFile, PictureFormat, PictureOptions};

/// A profile that is larger than this would be most of every tile.
const MOST_PROFILE_BYTES: usize = 4096;

/// How a DeepZoom image is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeepZoomOptions {
    /// Columns and rows of a tile without its overlap: 1 to 8192.
    pub tile: u32,
    /// Pixels that a tile has in common with each of its neighbours, at most half of a tile.
    pub overlap: u32,
    /// The format of the tiles.
    pub format: PictureFormat,
}

impl Default for DeepZoomOptions {
    fn default() -> DeepZoomOptions {
        DeepZoomOptions { tile: 254, overlap: 1, format: PictureFormat::Jpeg }
    }
}

impl DeepZoomOptions {
    fn check(&self) -> Result<()> {
        if !(1..=8192).contains(&self.tile) {
            return Err(Error::Usage(format!(
                "tiles of {} pixels: 1 to 8192 are possible (--tile)",
                self.tile
            )));
        }
        if self.overlap > self.tile / 2 {
            return Err(Error::Usage(format!(
                "an overlap of {} pixels is more than half of a tile of {} (--overlap)",
                self.overlap, self.tile
            )));
        }
        Ok(())
    }
}

/// A DeepZoom image that is being written, level by level in any order.
pub struct DeepZoom {
    made: Arc<Made>,
    options: DeepZoomOptions,
    extent: Extent,
    /// By level, the smallest first.
    levels: Vec<Arc<TileEncoder>>,
    /// The states that the sinks of levels were saved with in an earlier process, in the order of the sinks.
    saved: Vec<Vec<u8>>,
    notices: Vec<String>,
}

/// What is made.
struct Made {
    // Goes away before the descriptor, whose lock guards it.
    folder: PartialFolder,
    descriptor: PartialFile,
    /// Their numbers; of an image that is gone on with, what they were at first.
    inodes: [u64; 2],
}

impl Made {
    fn open(
        path: &Path,
        overwrite: Overwrite,
        resume: Option<&Vec<u8>>,
        notices: &mut Vec<String>,
    ) -> Result<Made> {
        let Some(state) = resume else {
            let mut descriptor = PartialFile::create(path, overwrite)?;
            notices.append(descriptor.notices());
            let folder =
                PartialFolder::create(&tiles_folder(descriptor.path()), overwrite, is_level, notices)?;
            let inodes = [folder.inode(), descriptor.inode()];
            return Ok(Made { folder, descriptor, inodes });
        };
        let [.., of_folder, of_descriptor] = unpack::<10>(state)?;
        let descriptor = PartialFile::resume(path, overwrite)?;
        let folder = PartialFolder::resume(&tiles_folder(descriptor.path()), overwrite, of_folder)?;
        check_published(&descriptor, of_descriptor, folder.is_published())?;
        Ok(Made { folder, descriptor, inodes: [of_folder, of_descriptor] })
    }

    /// Makes all that was written durable, to be gone on with.
    fn keep(&self) -> Result<[u64; 2]> {
        self.descriptor.keep()?;
        self.folder.keep()?;
        Ok(self.inodes)
    }
}

impl DeepZoom {
    /// Starts the image that `NAME.dzi` describes. All that can be known to fail fails here.
    ///
    /// `resume` has the states of the sinks of an unfinished one, as [`Sink::checkpoint`] gave them, in the order in which
    /// the levels were begun; it is empty for one that begins now. What they say is checked against the tiles.
    ///
    /// # Errors
    /// As [`create`](crate::create); [`Error::Usage`] for tiles and overlaps that cannot be, and for a folder
    /// `NAME_files` that exists, or that holds anything but levels where it may be replaced.
    pub fn create(
        path: &Path,
        overwrite: Overwrite,
        image: &OutputImage<'_>,
        options: &DeepZoomOptions,
        picture: &PictureOptions,
        resume: &[Vec<u8>],
    ) -> Result<DeepZoom> {
        options.check()?;
        let side = u64::from(options.tile);
        let largest = Extent {
            height: side.min(image.extent.height),
            width: side.min(image.extent.width),
            ..image.extent
        };
        options.format.check(largest, image.dtype)?;
        picture.check()?;
        let mut notices = Vec::new();
        let made = Arc::new(Made::open(path, overwrite, resume.first(), &mut notices)?);
        let mut picture = picture.clone();
        picture.icc = picture.icc.or_else(|| image.metadata.icc.clone());
        if picture.icc.as_ref().is_some_and(|icc| icc.len() > MOST_PROFILE_BYTES) {
            picture.icc = None;
            notices.push("the colour profile is too large for every tile and was left out".into());
        }
        notices.extend(crate::picture::left_out(options.format, image)?);
        if !resume.is_empty() {
            // Said when it began.
            notices.clear();
        }
        let mut levels = Vec::new();
        let mut extent = image.extent;
        loop {
            levels.push(extent);
            if extent.height.max(extent.width) <= 1 {
                break;
            }
            extent = extent.halved();
        }
        levels.reverse();
        let levels = levels.into_iter().enumerate().map(|(level, extent)| {
            let place = made.folder.partial_path().join(level.to_string());
            if resume.is_empty() {
                std::fs::create_dir(&place)
                    .map_err(|e| Error::io(format!("create {}", place.display()), e))?;
            }
            let cells = Cells::new(extent, options);
            Ok(Arc::new(TileEncoder::new(place, cells, image.dtype, options.format, &picture)))
        });
        let levels = levels.collect::<Result<_>>()?;
        let saved = resume.to_vec();
        Ok(DeepZoom { made, options: *options, extent: image.extent, levels, saved, notices })
    }

    /// Whether an image that is gone on with has its name already, and all its tiles.
    pub fn is_published(&self) -> bool {
        self.made.descriptor.is_published()
    }

    /// Lines for the log.
    pub fn notices(&mut self) -> &mut Vec<String> {
        &mut self.notices
    }

    /// How many levels there are: the last one is the whole image, the first of one pixel.
    pub fn levels(&self) -> usize {
        self.levels.len()
    }

    fn level(&self, level: usize) -> Result<&Arc<TileEncoder>> {
        let missing = || Error::Usage(format!("level {level} of {} does not exist", self.levels.len()));
        self.levels.get(level).ok_or_else(missing)
    }

    /// The tiles of a level.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is no such level.
    pub fn cells(&self, level: usize) -> Result<Cells> {
        Ok(self.level(level)?.cells)
    }

    /// The sink of a level's tiles, as its [`Cells`] lay them out. It goes on with what there is of the level.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is no such level, or its tiles are not as the checkpoint left them.
    pub fn sink(&self, level: usize) -> Result<Box<dyn Sink>> {
        let number = level as u64;
        let saved = self.saved.iter().find(|state| state.starts_with(&number.to_le_bytes()));
        let sink = TileSink::new(
            self.level(level)?.clone(),
            self.made.clone(),
            number,
            saved.map(|state| &state[..]),
        )?;
        Ok(Box::new(sink))
    }

    /// Writes a whole level of which the pixels are in memory.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is no such level, [`Error::Panic`] for pixels of another size; where a tile
    /// cannot be written.
    pub fn put(&self, level: usize, pixels: Pixels<'_>) -> Result<()> {
        let level = self.level(level)?;
        // All tiles were written when the folder got its name.
        if self.made.folder.is_published() { level.note_complete() } else { level.put(pixels) }
    }

    /// Publishes the folder, then the descriptor.
    ///
    /// # Errors
    /// Where tiles are missing, or the output cannot be published.
    pub fn finish(self) -> Result<()> {
        for (level, encoder) in self.levels.iter().enumerate() {
            encoder.check_complete(level)?;
        }
        let description = self.description();
        let Made { mut folder, mut descriptor, .. } = Arc::into_inner(self.made)
            .ok_or_else(|| Error::Panic("a DeepZoom image was finished before its sinks".into()))?;
        descriptor.file().write_all_at(description.as_bytes(), 0)?;
        folder.publish()?;
        let done = descriptor.publish_here();
        // It may have its name though it is an error: the folder that both are in could not be made durable.
        if done.is_err() && !descriptor.is_published() {
            folder.withdraw();
        }
        done
    }

    fn description(&self) -> String {
        let DeepZoomOptions { tile, overlap, format } = self.options;
        let Extent { height, width, .. } = self.extent;
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <Image xmlns=\"http://schemas.microsoft.com/deepzoom/2008\" Format=\"{}\" Overlap=\"{overlap}\" \
             TileSize=\"{tile}\">\n  <Size Height=\"{height}\" Width=\"{width}\"/>\n</Image>\n",
            format.extension()
        )
    }
}

/// The folder of tiles beside a descriptor.
pub fn tiles_folder(descriptor: &Path) -> PathBuf {
    let mut name = OsString::from(descriptor.file_stem().unwrap_or_default());
    name.push("_files");
    descriptor.with_file_name(name)
}

/// Whether a name is that of a level's folder.
fn is_level(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit())
}
