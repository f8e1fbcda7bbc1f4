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

use outcrop_core::{
    Buffer, CancelToken, DataType, Encoder, Error, Event, Extent, Halve, Observer, Pixels, PixelsMut, Rect,
    Result, Sink,
};

use super::directory::Laid;
use super::encode::BlockEncoder;
use super::level::{Level, append, note, passes_4_gib, too_large};
use super::sink::{big_notice, is_big, left_out, variant};
use super::{Blocks, Compression, TiffOptions};
use crate::{OutputImage, Overwrite, PartialFile, Positioned};

/// Bytes that are copied at once from the spill file.
const COPY_BYTES: usize = 4 << 20;
/// What GDAL's driver says of the files that it writes, byte for byte (its "ghost area"): readers of it find the length
/// of a block right before the block, and know by the bytes after it that nobody has moved it.
const STRUCTURE: &[u8] = b"GDAL_STRUCTURAL_METADATA_SIZE=000140 bytes\n\
    LAYOUT=IFDS_BEFORE_DATA\n\
    BLOCK_ORDER=ROW_MAJOR\n\
    BLOCK_LEADER=SIZE_AS_UINT4\n\
    BLOCK_TRAILER=LAST_4_BYTES_REPEATED\n\
    KNOWN_INCOMPATIBLE_EDITION=NO\n ";
/// The same of channels that are stored apart, as GDAL has it since 3.11: all blocks of a channel, then the next one's.
const STRUCTURE_OF_PLANES: &[u8] = b"GDAL_STRUCTURAL_METADATA_SIZE=000156 bytes\n\
    LAYOUT=IFDS_BEFORE_DATA\n\
    BLOCK_ORDER=ROW_MAJOR\n\
    BLOCK_LEADER=SIZE_AS_UINT4\n\
    BLOCK_TRAILER=LAST_4_BYTES_REPEATED\n\
    INTERLEAVE=BAND\n\
    KNOWN_INCOMPATIBLE_EDITION=NO\n ";
/// Bytes of a leader and of a trailer.
const FRAME: u64 = 4;
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
        let cloud = arrangement == Arrangement::CloudOptimized;
        if cloud {
            let planes = levels[0].encoder.layout.planes > 1;
            levels[0].directory.preface = if planes { STRUCTURE_OF_PLANES } else { STRUCTURE };
        }
        let data = levels.iter().fold(0u64, |sum, level| {
            let frames = if cloud { 2 * FRAME * level.encoder.layout.blocks() } else { 0 };
            sum.saturating_add(level.data_bound()).saturating_add(frames)
        });
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
            file.ensure_space_beside(largest, if cloud { largest } else { 0 }, exact)?;
            begin(&file, &laid)?;
            if exact {
                file.file().reserve(largest)?;
            }
            notices.splice(0..0, file.notices().drain(..));
        }
        let (file, laid, cloud) = match arrangement {
            Arrangement::SubIfds => (Some(file), laid, None),
            Arrangement::CloudOptimized => {
                // What is in the spill file need not be small: sizes are unknown, and so are its own offsets.
                levels[0].directory.preface = &[];
                let inner = lay_out(&mut levels, true, Arrangement::SubIfds)?;
                let mut spill = open(&beside(file.path()), Overwrite::Refuse);
                if file.is_published() {
                    spill.map(PartialFile::discard).unwrap_or_default();
                    (None, inner, Some(Cloud { file, levels: laid }))
                } else {
                    if let (Ok(spill), false) = (&mut spill, goes_on) {
                        notices.append(spill.notices());
                        spill.file().pass();
                        spill.file().expect(largest);
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

    /// Says that the file will not be [finished](TiffPyramid::finish), only read while this lives.
    pub fn pass(&self) {
        if let Some(file) = &self.shared.file {
            file.file().pass();
        }
    }

    /// Removes the file, which has served, also where a checkpoint has kept it.
    pub fn discard(self) {
        if let Some(file) = Arc::into_inner(self.shared).and_then(|shared| shared.file) {
            file.discard();
        }
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

    /// Whether [`finish`](TiffPyramid::finish) copies all blocks.
    pub fn is_copied(&self) -> bool {
        self.shared.cloud.is_some()
    }

    /// Bytes that the copy holds in memory; 0 without one.
    pub fn copy_bytes(&self) -> u64 {
        let tables = (PLACES * 32).saturating_add(2 * FRAME);
        if self.is_copied() { self.block_bytes().min(COPY_BYTES as u64).saturating_add(tables) } else { 0 }
    }

    /// The most bytes that the file takes.
    pub fn bytes_bound(&self) -> u64 {
        self.shared.bound
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

    /// Completes the file and publishes it under its name. Where that takes a copy, the observer hears of it.
    ///
    /// # Errors
    /// Where blocks are missing, or the output cannot be completed or published; [`Error::Cancelled`] after a cancel.
    pub fn finish(self, observer: &dyn Observer, cancel: &CancelToken) -> Result<()> {
        let shared = Arc::into_inner(self.shared)
            .ok_or_else(|| Error::Panic("a pyramid was finished before its sinks".into()))?;
        let State { end: all, blocks_done, .. } = &*lock(&shared.state);
        let mut blocks = 0;
        for (level, done) in shared.levels.iter().zip(blocks_done) {
            let wanted = level.encoder.layout.blocks();
            if *done != wanted {
                return Err(Error::Panic(format!("{done} of {wanted} blocks of a level were written")));
            }
            blocks += wanted;
        }
        let bytes = all - shared.levels.last().map_or(0, |last| last.laid.end);
        let (Some(spill), Some(Cloud { file, levels })) = (&shared.file, shared.cloud) else {
            return shared.file.map_or(Ok(()), PartialFile::publish);
        };
        // Also where an earlier process was stopped while it copied.
        begin(&file, &levels)?;
        observer.event(Event::Started { stage: "copy".into(), chunks: blocks, bytes });
        let mut copy =
            Copying { from: spill.file(), to: file.file(), observer, cancel, buffer: Buffer::new() };
        let mut end = levels.last().map_or(0, |last| last.end);
        let copied = shared.levels.iter().zip(&levels).rev().try_for_each(|(level, laid)| {
            end = copy.level(level, laid, end)?;
            Ok(())
        });
        observer.event(Event::Finished);
        copied?;
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

/// The way of blocks from the spill file to the output.
struct Copying<'a> {
    from: &'a Positioned,
    to: &'a Positioned,
    observer: &'a dyn Observer,
    cancel: &'a CancelToken,
    buffer: Buffer,
}

impl Copying<'_> {
    /// Copies the blocks of a level in their own order to byte `end`. Returns where they end.
    fn level(&mut self, level: &Placed, laid: &Laid, mut end: u64) -> Result<u64> {
        let blocks = level.encoder.layout.blocks();
        let mut places = Vec::new();
        for first in (0..blocks).step_by(PLACES as usize) {
            let count = PLACES.min(blocks - first) as usize;
            let mut offsets = vec![0; count * 8];
            let mut counts = vec![0; count * 4];
            self.from.read_exact_at(&mut offsets, level.laid.offsets + first * 8)?;
            self.from.read_exact_at(&mut counts, level.laid.counts + first * 4)?;
            places.clear();
            for (offset, length) in offsets.as_chunks().0.iter().zip(counts.as_chunks().0) {
                if self.cancel.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                let (offset, length) = (u64::from_le_bytes(*offset), u32::from_le_bytes(*length));
                let frame = if length > 0 { FRAME } else { 0 };
                let after = end + 2 * frame + u64::from(length);
                if !laid.big && passes_4_gib(after) {
                    return Err(too_large(after));
                }
                self.block(offset, length, end, frame as usize)?;
                places.push((end + frame, length.into()));
                end = after;
                self.observer.event(Event::Advanced { chunks: 1, bytes: length.into() });
            }
            note(self.to, laid, first, &places)?;
        }
        Ok(end)
    }

    /// Copies a block of that length to byte `end`, with `frame` bytes of its length before it and as many of its
    /// last bytes after it.
    fn block(&mut self, offset: u64, length: u32, end: u64, frame: usize) -> Result<()> {
        let (mut copied, mut end) = (0, end);
        let mut lead = frame;
        while copied < u64::from(length) {
            let part = (u64::from(length) - copied).min(COPY_BYTES as u64) as usize;
            let tail = if copied + part as u64 == u64::from(length) { frame } else { 0 };
            self.buffer.resize(lead + part + tail)?;
            let bytes = self.buffer.bytes_mut();
            bytes[..lead].copy_from_slice(&length.to_le_bytes()[..lead]);
            self.from.read_exact_at(&mut bytes[lead..lead + part], offset + copied)?;
            if part >= tail {
                bytes.copy_within(lead + part - tail..lead + part, lead + part);
            } else {
                self.from
                    .read_exact_at(&mut bytes[lead + part..], offset + u64::from(length) - tail as u64)?;
            }
            self.to.write_all_at(bytes, end)?;
            self.to.begin_write_out(end, bytes.len() as u64);
            end += bytes.len() as u64;
            copied += part as u64;
            lead = 0;
        }
        Ok(())
    }
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
