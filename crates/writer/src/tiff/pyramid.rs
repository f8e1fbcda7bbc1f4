//! [`TiffPyramid`]: an image and its reduced levels in one TIFF, written two levels at a time.
//!
//! The base and level 1 are made of the same chunks: a chunk is whole blocks of both, so that the input is read once
//! and nothing but chunks is held. Each further pair is made by reading the level above it back from the partial
//! file, which is a TIFF all along: 1/4 + 1/64 + ... of the pixels are decoded again, whatever the width of the image.
//!
//! A cloud-optimised file (COG) has its directories first, then the blocks of the smallest level to those of the
//! largest. The sizes of compressed blocks are known only at the end, so the levels go to a spill file beside the
//! output and its blocks are copied, level by level, when all are there.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outcrop_core::{Buffer, DataType, Encoder, Error, Extent, Halve, Pixels, PixelsMut, Rect, Result, Sink};

use super::directory::Laid;
use super::encode::BlockEncoder;
use super::level::{Level, append, note, passes_4_gib, too_large};
use super::sink::{big_notice, is_big, left_out, variant};
use super::{Blocks, Compression, TiffOptions};
use crate::{OutputImage, Overwrite, PartialFile, Positioned};

/// Bytes that are copied at once from the spill file.
const COPY_BYTES: usize = 4 << 20;
/// Blocks whose places are looked up at once.
const PLACES: u64 = 4096;

/// A TIFF with reduced levels, half the size of each other down to one block.
pub struct TiffPyramid {
    shared: Arc<Shared>,
    notices: Vec<String>,
}

/// What a pyramid and its sinks have in common.
pub(super) struct Shared {
    /// The file that sinks write: the output, or the spill file of one that is cloud-optimised. `None` where the output
    /// that is gone on with was published, and its spill file has gone.
    pub(super) file: Option<PartialFile>,
    pub(super) levels: Vec<Placed>,
    pub(super) state: Mutex<State>,
    /// The cloud-optimised output.
    pub(super) cloud: Option<Cloud>,
    /// The most bytes that the output takes.
    bound: u64,
    /// Whether its offsets have 64 bits.
    big: bool,
}

pub(super) struct Cloud {
    pub(super) file: PartialFile,
    levels: Vec<Laid>,
}

/// A level with its place in the file.
pub(super) struct Placed {
    pub(super) encoder: Arc<BlockEncoder>,
    pub(super) laid: Laid,
}

#[derive(Default)]
pub(super) struct State {
    /// Where the next block goes.
    pub(super) end: u64,
    pub(super) blocks_done: Vec<u64>,
    /// The states that sinks were saved with in an earlier process, those of whole pairs of levels.
    pub(super) saved: Vec<Vec<u8>>,
    /// The numbers of the files, at first.
    pub(super) inodes: [u64; 2],
}

/// How the levels of a pyramid are arranged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrangement {
    /// Reduced images are SubIFDs of the first: what OME-TIFF and Bio-Formats know.
    #[default]
    SubIfds,
    /// Reduced images follow the first, in a Cloud Optimized GeoTIFF.
    CloudOptimized,
}

impl TiffPyramid {
    /// Starts a pyramid of at most `most` levels. All that can be known to fail fails here.
    ///
    /// `resume` has the states of the sinks of an unfinished one, in their order, as [`Sink::checkpoint`] gave them, to
    /// go on with; what they say is checked against the partial file. It is empty for one that begins now.
    ///
    /// # Errors
    /// As [`create`](crate::create); [`Error::Usage`] for strips, which have no levels.
    pub fn create(
        path: &Path,
        overwrite: Overwrite,
        image: &OutputImage<'_>,
        options: &TiffOptions,
        arrangement: Arrangement,
        most: usize,
        resume: &[Vec<u8>],
    ) -> Result<TiffPyramid> {
        options.check(image.extent, image.dtype)?;
        if !matches!(options.blocks, Blocks::Tiles { .. }) {
            return Err(Error::Usage("a pyramid has tiles, not strips (--co TILED=YES)".into()));
        }
        let goes_on = !resume.is_empty();
        let open = if goes_on { PartialFile::resume } else { PartialFile::create };
        let mut file = open(path, overwrite)?;
        let mut notices = if goes_on { Vec::new() } else { left_out(image) };
        let mut levels = Vec::new();
        let mut extent = image.extent;
        loop {
            let level = Level::new(image, extent, options)?;
            let done = level.encoder.layout.across == 1 && level.encoder.layout.down == 1;
            levels.push(level);
            if done || levels.len() >= most {
                break;
            }
            extent = extent.halved();
        }
        let data = levels.iter().fold(0u64, |sum, level| sum.saturating_add(level.data_bound()));
        let bound = |laid: &[Laid]| laid.last().map_or(0, |last| last.end).saturating_add(data);
        let classic = lay_out(&mut levels, false, arrangement);
        let fits = classic.as_ref().is_ok_and(|laid| !passes_4_gib(bound(laid)));
        let big = is_big(options, fits);
        let laid = if big { lay_out(&mut levels, true, arrangement)? } else { classic? };
        let largest = bound(&laid);
        notices.extend(big_notice(options, big, largest).filter(|_| !goes_on));
        let exact = options.compression == Compression::None && !options.sparse;
        if !big && exact && !fits {
            return Err(too_large(largest));
        }
        if !goes_on {
            file.ensure_space(largest, exact)?;
            begin(&file, &laid)?;
            notices.splice(0..0, file.notices().drain(..));
        }
        let (file, laid, cloud) = match arrangement {
            Arrangement::SubIfds => (Some(file), laid, None),
            Arrangement::CloudOptimized => {
                // What is in the spill file need not be small: sizes are unknown, and so are its own offsets.
                let inner = lay_out(&mut levels, true, Arrangement::SubIfds)?;
                let mut spill = open(&beside(file.path()), Overwrite::Refuse);
                if file.is_published() {
                    spill.map(PartialFile::discard).unwrap_or_default();
                    (None, inner, Some(Cloud { file, levels: laid }))
                } else {
                    if let (Ok(spill), false) = (&mut spill, goes_on) {
                        notices.append(spill.notices());
                        begin(spill, &inner)?;
                    }
                    (Some(spill?), inner, Some(Cloud { file, levels: laid }))
                }
            }
        };
        let inodes =
            [file.as_ref(), cloud.as_ref().map(|cloud| &cloud.file)].map(|f| f.map_or(0, |f| f.inode()));
        let end = laid.last().map_or(0, |last| last.end);
        let blocks_done = vec![0; levels.len()];
        let state = State { end, blocks_done, saved: Vec::new(), inodes };
        let levels =
            levels.into_iter().zip(laid).map(|(level, laid)| Placed { encoder: level.encoder, laid });
        let mut shared =
            Shared { file, levels: levels.collect(), state: Mutex::default(), cloud, bound: largest, big };
        shared.state = Mutex::new(shared.restore(state, resume)?);
        Ok(TiffPyramid { shared: Arc::new(shared), notices })
    }

    /// Lines for the log.
    pub fn notices(&mut self) -> &mut Vec<String> {
        &mut self.notices
    }

    /// How many levels there are, the full resolution included.
    pub fn levels(&self) -> usize {
        self.shared.levels.len()
    }

    /// The most bytes that a block of any level takes in the file.
    pub fn block_bytes(&self) -> u64 {
        let bounds = self.shared.levels.iter().map(|level| level.encoder.block_bound() as u64);
        bounds.max().unwrap_or(0)
    }

    /// The file in which levels stand that are complete: a TIFF, to be read while further ones are made.
    pub fn readable_path(&self) -> PathBuf {
        let Shared { file, cloud, .. } = &*self.shared;
        let file = file.as_ref().or(cloud.as_ref().map(|cloud| &cloud.file));
        file.map_or_else(PathBuf::new, |file| file.partial_path().unwrap_or(file.path()).to_path_buf())
    }

    /// The sink of a level's pixels. It writes that level and, where there is one, the next.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is no such level.
    pub fn sink(&self, level: usize, halve: Arc<dyn Halve>) -> Result<Box<dyn Sink>> {
        let levels = &self.shared.levels;
        let upper = levels
            .get(level)
            .ok_or_else(|| Error::Usage(format!("level {level} of {} does not exist", levels.len())))?;
        let lower = levels.get(level + 1).map(|level| level.encoder.clone());
        let encoder = Arc::new(PairEncoder {
            upper: upper.encoder.clone(),
            lower,
            halve,
            idle: Mutex::new(Vec::new()),
        });
        Ok(Box::new(PairSink { level, encoder, shared: self.shared.clone() }))
    }

    /// Completes the file and publishes it under its name.
    ///
    /// # Errors
    /// Where blocks are missing, or the output cannot be completed or published.
    pub fn finish(self) -> Result<()> {
        let shared = Arc::into_inner(self.shared)
            .ok_or_else(|| Error::Panic("a pyramid was finished before its sinks".into()))?;
        for (level, done) in shared.levels.iter().zip(&lock(&shared.state).blocks_done) {
            let blocks = level.encoder.layout.blocks();
            if *done != blocks {
                return Err(Error::Panic(format!("{done} of {blocks} blocks of a level were written")));
            }
        }
        let (Some(spill), Some(Cloud { file, levels })) = (&shared.file, shared.cloud) else {
            return shared.file.map_or(Ok(()), PartialFile::publish);
        };
        // Also where an earlier process was stopped while it copied.
        begin(&file, &levels)?;
        let mut end = levels.last().map_or(0, |last| last.end);
        let mut buffer = Buffer::new();
        for (from, to) in shared.levels.iter().zip(&levels).rev() {
            end = copy_level(spill.file(), from, file.file(), to, end, &mut buffer)?;
        }
        file.publish()?;
        shared.file.map_or(Ok(()), |spill| {
            spill.discard();
            Ok(())
        })
    }
}

/// A file of that name beside the output, for what is only needed while it is made.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".spill");
    path.with_file_name(name)
}

/// The directories of all levels, one after the other, that lead to each other as arranged.
fn lay_out(levels: &mut [Level], big: bool, arrangement: Arrangement) -> Result<Vec<Laid>> {
    let reduced = levels.len() - 1;
    let count = if arrangement == Arrangement::SubIfds { reduced } else { 0 };
    levels[0].directory.reduced_images(count, big);
    let mut laid: Vec<Laid> = Vec::with_capacity(levels.len());
    for level in levels {
        let start = laid.last().map_or(0, |before| before.end);
        laid.push(level.lay_out(start, big)?);
    }
    let places: Vec<u64> = laid.iter().map(|l| l.place).collect();
    let word: u64 = if big { 8 } else { 4 };
    for (level, place) in places.into_iter().enumerate().skip(1) {
        let (leads, at) = match (arrangement, laid[0].reduced) {
            (Arrangement::SubIfds, Some(first)) => (0, first + (level as u64 - 1) * word),
            _ => (level - 1, laid[level - 1].next),
        };
        let at = (at - laid[leads].start) as usize;
        laid[leads].bytes[at..][..word as usize].copy_from_slice(&place.to_le_bytes()[..word as usize]);
    }
    Ok(laid)
}

/// Writes the directories.
fn begin(file: &PartialFile, levels: &[Laid]) -> Result<()> {
    file.file().set_len(levels.last().map_or(0, |last| last.end))?;
    levels.iter().try_for_each(|laid| file.file().write_all_at(&laid.bytes, laid.start))
}

pub(super) fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Copies the blocks of a level in their own order to byte `end` of another file. Returns where they end.
fn copy_level(
    from: &Positioned,
    level: &Placed,
    to: &Positioned,
    laid: &Laid,
    mut end: u64,
    buffer: &mut Buffer,
) -> Result<u64> {
    let blocks = level.encoder.layout.blocks();
    let mut places = Vec::new();
    for first in (0..blocks).step_by(PLACES as usize) {
        let count = PLACES.min(blocks - first) as usize;
        let mut offsets = vec![0; count * 8];
        let mut counts = vec![0; count * 4];
        from.read_exact_at(&mut offsets, level.laid.offsets + first * 8)?;
        from.read_exact_at(&mut counts, level.laid.counts + first * 4)?;
        places.clear();
        for (offset, length) in offsets.as_chunks().0.iter().zip(counts.as_chunks().0) {
            let (offset, length) = (u64::from_le_bytes(*offset), u64::from(u32::from_le_bytes(*length)));
            if !laid.big && passes_4_gib(end + length) {
                return Err(too_large(end + length));
            }
            let mut copied = 0;
            while copied < length {
                let part = (length - copied).min(COPY_BYTES as u64);
                buffer.resize(part as usize)?;
                from.read_exact_at(buffer.bytes_mut(), offset + copied)?;
                to.write_all_at(buffer.bytes(), end + copied)?;
                copied += part;
            }
            places.push((end, length));
            end += length;
        }
        note(to, laid, first, &places)?;
    }
    Ok(end)
}

/// Commits chunks of a level and the next.
struct PairSink {
    level: usize,
    encoder: Arc<PairEncoder>,
    shared: Arc<Shared>,
}

/// Encodes chunks of a level and, halved, of the next: `[upper][lower][length of upper]`.
struct PairEncoder {
    upper: Arc<BlockEncoder>,
    lower: Option<Arc<BlockEncoder>>,
    halve: Arc<dyn Halve>,
    /// Halved pixels and their encoded blocks, of workers that are not at it.
    idle: Mutex<Vec<(Buffer, Buffer)>>,
}

impl Sink for PairSink {
    fn align(&self) -> (u64, u64) {
        let layout = &self.encoder.upper.layout;
        let factor = if self.encoder.lower.is_some() { 2 } else { 1 };
        (factor * layout.height, factor * layout.width)
    }

    fn encoder(&self) -> Arc<dyn Encoder> {
        self.encoder.clone()
    }

    fn commit(&mut self, index: u64, rect: Rect, encoded: &mut Buffer) -> Result<()> {
        let bytes = encoded.bytes();
        let parts = bytes.split_last_chunk::<8>().and_then(|(parts, length)| {
            parts.split_at_checked(usize::try_from(u64::from_ne_bytes(*length)).ok()?)
        });
        let (upper, lower) =
            parts.ok_or_else(|| Error::Panic(format!("chunk {index} of {} bytes", bytes.len())))?;
        let Shared { file, levels, .. } = &*self.shared;
        let file = file.as_ref().ok_or_else(|| Error::Panic("a published pyramid was written".into()))?;
        let mut state = lock(&self.shared.state);
        for (level, rect, part) in [(self.level, rect, upper), (self.level + 1, rect.halved(), lower)] {
            let Some(Placed { encoder, laid }) = levels.get(level) else { continue };
            let (end, blocks) = append(file.file(), &encoder.layout, laid, rect, part, state.end)?;
            state.end = end;
            state.blocks_done[level] += blocks;
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<Option<Vec<u8>>> {
        self.shared.state(self.level).map(Some)
    }

    fn variant(&self) -> Option<&'static str> {
        Some(variant(self.shared.big))
    }

    /// That of the whole output, which the first sink answers for.
    fn bytes_bound(&self) -> Option<u64> {
        Some(if self.level == 0 { self.shared.bound } else { 0 })
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl PairEncoder {
    fn encode_lower(
        &self,
        lower: &BlockEncoder,
        index: u64,
        rect: Rect,
        pixels: Pixels<'_>,
        encoded: &mut Buffer,
    ) -> Result<()> {
        let taken = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (mut half, mut blocks) = taken.unwrap_or_default();
        let [height, width, channels] = pixels.shape();
        let shape = [height.div_ceil(2), width.div_ceil(2), channels];
        let dtype: DataType = pixels.dtype();
        let samples = shape.iter().try_fold(dtype.bytes(), |n, &side| n.checked_mul(side));
        half.resize(samples.unwrap_or(usize::MAX))?;
        self.halve.halve(pixels, PixelsMut::in_buffer(dtype, &mut half, shape)?)?;
        let strides = [shape[1] * shape[2], shape[2], 1];
        let view = Pixels::from_bytes(dtype, half.bytes(), shape, strides)?
            .ok_or_else(|| Error::Panic("halved pixels are not aligned".into()))?;
        lower.encode(index, rect.halved(), view, &mut blocks)?;
        let start = encoded.len();
        encoded.resize(start + blocks.len())?;
        encoded.bytes_mut()[start..].copy_from_slice(blocks.bytes());
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((half, blocks));
        Ok(())
    }
}

impl Encoder for PairEncoder {
    fn cost(&self, shape: (u64, u64)) -> u64 {
        let lower = self.lower.as_ref().map_or(0, |lower| {
            let Extent { height, width, channels } = Extent::new(shape.0, shape.1, 1).halved();
            let layout = &lower.layout;
            let pixel = layout.planes * layout.pixel_bytes() * channels;
            // The halved pixels, and encoded blocks in a buffer of their own and after the upper ones.
            height
                .saturating_mul(width)
                .saturating_mul(pixel)
                .saturating_add(lower.cost((height, width)).saturating_mul(2))
        });
        self.upper.cost(shape).saturating_add(lower).saturating_add(8)
    }

    fn encode(&self, index: u64, rect: Rect, pixels: Pixels<'_>, encoded: &mut Buffer) -> Result<()> {
        self.upper.encode(index, rect, pixels, encoded)?;
        let upper = encoded.len() as u64;
        if let Some(lower) = &self.lower {
            self.encode_lower(lower, index, rect, pixels, encoded)?;
        }
        let end = encoded.len();
        encoded.resize(end + 8)?;
        encoded.bytes_mut()[end..].copy_from_slice(&upper.to_ne_bytes());
        Ok(())
    }
}
