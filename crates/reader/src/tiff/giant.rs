//! Giant strips: compressed strips too large to be decoded whole, decoded as streams, in order, on the feeder's thread.
//!
//! A page of such strips is a sequential source. Its rows are decoded when a chunk is fetched, by one stream per
//! plane that stays open between chunks; rows that nobody asks for (`--window`) are decoded and dropped. A request above
//! the last one starts its strip again, so that a second pass is only a matter of time.

use std::io::{BufRead, Read};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use outcrop_core::{Error, Result};

use super::block::BlockSpec;
use super::stream::StreamDecoder;
use crate::Store;

/// Decoded bytes of a strip above which it is decoded as a stream.
pub(super) const WHOLE_BYTES: u64 = 64 << 20;

/// Decoded bytes that a stream is asked for at a time (a row, where that is more).
const PIECE_BYTES: u64 = 1 << 20;

/// Stored bytes that a stream reads at a time.
const READ_BYTES: usize = 256 << 10;

/// The streams of a page: one per plane, each at most one strip's.
pub(super) struct Streams {
    store: Arc<Store>,
    spec: Arc<BlockSpec>,
    open: Mutex<Vec<Option<Stream>>>,
    /// What the most demanding strip's decoder takes, found once.
    pub(super) decoder_bytes: OnceLock<u64>,
}

/// A strip and the rows of it that are wanted next.
pub(super) struct Wanted {
    pub(super) plane: u64,
    /// The strip's number from the top, its place in the file and its rows.
    pub(super) strip: u64,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) rows: u32,
    /// The first row wanted, from the strip's top, and how many.
    pub(super) first: u32,
    pub(super) count: u32,
}

/// Rows that were decoded before one failed, and why it did.
pub(super) struct Failed {
    pub(super) rows: u64,
    pub(super) cause: Error,
}

impl From<Error> for Failed {
    fn from(cause: Error) -> Failed {
        Failed { rows: 0, cause }
    }
}

struct Stream {
    strip: u64,
    /// The next row, from the strip's top.
    next: u32,
    decoder: StreamDecoder<'static>,
    /// Why the next row, and with it the rest of the strip, cannot be had.
    broken: Option<String>,
}

impl Streams {
    /// The streams of a page of `planes` planes whose strips are as `spec` says.
    pub(super) fn new(store: Arc<Store>, spec: Arc<BlockSpec>, planes: u64) -> Streams {
        let open = (0..planes).map(|_| None).collect();
        Streams { store, spec, open: Mutex::new(open), decoder_bytes: OnceLock::new() }
    }

    /// Rows that are decoded at a time.
    pub(super) fn piece_rows(&self) -> u32 {
        let row = self.row_bytes().max(1) as u64;
        (PIECE_BYTES / row).clamp(1, u64::from(self.spec.height)) as u32
    }

    /// The most bytes that the stream of a strip which begins at `offset` takes, its input's buffer included.
    pub(super) fn strip_bytes(&self, offset: u64, bytes: u64) -> u64 {
        let mut head = [0; 18];
        let head = &mut head[..bytes.min(18) as usize];
        // What cannot be read now is an error when the strip is.
        let known = if self.store.read_file_at(offset, head).is_ok() { &*head } else { &[] };
        self.spec.stream_bytes(self.piece_rows(), known).saturating_add(READ_BYTES as u64)
    }

    fn row_bytes(&self) -> usize {
        (self.spec.width as usize).saturating_mul(self.spec.samples()).saturating_mul(self.spec.dtype.bytes())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Stream>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decodes the rows wanted, at most `step` at a time, into `piece` (whole rows, of `step` rows at least), and hands each
    /// piece to `take` with its first row, counted from the first one wanted. A strip that is begun adds to `begun`.
    ///
    /// # Errors
    /// What the decoder says, with the number of rows that were handed over. A broken strip stays broken from the
    /// piece that failed on, so that with `step` 1 the rows that are lost do not depend on how chunks were cut.
    pub(super) fn decode(
        &self,
        wanted: &Wanted,
        step: u32,
        piece: &mut [u8],
        begun: &mut u64,
        mut take: impl FnMut(u32, &[u8]),
    ) -> Result<(), Failed> {
        let mut open = self.lock();
        let slot = &mut open[wanted.plane as usize];
        let usable = slot.as_ref().is_some_and(|s| s.strip == wanted.strip && s.next <= wanted.first);
        if !usable {
            *slot = None;
        }
        let stream = match slot {
            Some(stream) => stream,
            None => {
                *begun += 1;
                slot.insert(self.start(wanted)?)
            }
        };
        let mut handed = 0;
        let end = wanted.first + wanted.count;
        while stream.next < end {
            // Never across the first row wanted: what comes before is dropped.
            let limit = if stream.next < wanted.first { wanted.first } else { end };
            let rows = step.min(limit - stream.next);
            let out = &mut piece[..rows as usize * self.row_bytes()];
            if let Err(cause) = stream.advance(rows, out) {
                if !matches!(cause, Error::Format(_)) {
                    *slot = None;
                }
                return Err(Failed { rows: handed, cause });
            }
            if stream.next > wanted.first {
                take(handed as u32, out);
                handed += u64::from(rows);
            }
        }
        Ok(())
    }

    fn start(&self, wanted: &Wanted) -> Result<Stream> {
        let stored = Stored::new(self.store.clone(), wanted.offset, wanted.bytes);
        let decoder = StreamDecoder::new(self.spec.clone(), wanted.rows, stored)?;
        Ok(Stream { strip: wanted.strip, next: 0, decoder, broken: None })
    }
}

impl Stream {
    fn advance(&mut self, rows: u32, out: &mut [u8]) -> Result<()> {
        if let Some(why) = &self.broken {
            return Err(Error::Format(why.clone()));
        }
        match self.decoder.read_rows(rows, out) {
            Ok(()) => self.next += rows,
            Err(Error::Format(why)) => {
                self.broken = Some(why.clone());
                return Err(Error::Format(why));
            }
            Err(other) => return Err(other),
        }
        Ok(())
    }
}

/// The bytes of a strip, read a buffer at a time, also where the file is mapped: pages would pile up behind a stream.
struct Stored {
    store: Arc<Store>,
    offset: u64,
    left: u64,
    buffer: Vec<u8>,
    at: usize,
}

impl Stored {
    fn new(store: Arc<Store>, offset: u64, bytes: u64) -> Stored {
        Stored { store, offset, left: bytes, buffer: Vec::new(), at: 0 }
    }
}

impl BufRead for Stored {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.at == self.buffer.len() && self.left > 0 {
            let n = self.left.min(READ_BYTES as u64) as usize;
            self.buffer.resize(n, 0);
            self.store.read_file_at(self.offset, &mut self.buffer).map_err(|e| match e {
                Error::Io { source, .. } => source,
                other => std::io::Error::new(std::io::ErrorKind::InvalidData, other.to_string()),
            })?;
            (self.at, self.offset, self.left) = (0, self.offset + n as u64, self.left - n as u64);
        }
        Ok(&self.buffer[self.at..])
    }

    fn consume(&mut self, bytes: usize) {
        self.at += bytes;
    }
}

impl Read for Stored {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let mut from = self.fill_buf()?;
        let n = from.read(out)?;
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::super::open::open_with;
    use super::super::source::TiffSource;
    use super::super::{BadBlocks, TiffOptions, TiffPages};
    use crate::IoMode;
    use outcrop_core::{Channels, HoleKind, Order, Rect, Request, Scratch, Source, with_pixels};
    use outcrop_testkit::tiff_matrix::{Codec, TiffCase, all_cases};

    use super::*;

    fn source(file: &[u8], io: IoMode, options: &TiffOptions, whole_bytes: u64) -> TiffSource {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tif");
        std::fs::write(&path, file).unwrap();
        let tiff = TiffPages::open(Arc::new(Store::open(&path, io).unwrap())).unwrap();
        open_with(&tiff, options, whole_bytes).unwrap()
    }

    /// The native bytes of a request, and the rows that are marked as bad.
    fn read(
        source: &TiffSource,
        rect: Rect,
        channels: &Channels,
        scratch: &mut Scratch,
    ) -> (Vec<u8>, Vec<u64>) {
        let request = Request { rect, channels };
        source.fetch(&request, scratch).unwrap();
        let read = source.read(&request, scratch).unwrap();
        let bad = read.holes.iter().filter(|h| matches!(h.kind, HoleKind::Bad(_)));
        let bad = bad.flat_map(|h| h.rect.y..h.rect.bottom()).collect();
        let mut bytes = Vec::new();
        with_pixels!(read.pixels, v => v.iter().for_each(|s| bytes.extend_from_slice(bytemuck::bytes_of(s))));
        source.release(&request);
        (bytes, bad)
    }

    fn strips() -> impl Iterator<Item = TiffCase> {
        all_cases().into_iter().filter(|c| !c.tiled && !c.big_tiff && c.codec != Codec::None)
    }

    #[test]
    fn streamed_strips_are_what_whole_ones_are() {
        let mut scratch = Scratch::new();
        for (i, case) in strips().enumerate() {
            let io = if i.count_ones() % 2 == 0 { IoMode::Map } else { IoMode::Read };
            let streamed = source(&case.file(), io, &TiffOptions::default(), 0);
            let whole = source(&case.file(), io, &TiffOptions::default(), u64::MAX);
            assert_eq!((streamed.order(), whole.order()), (Order::Sequential, Order::Any));
            let all = Channels::all(case.samples as u64);
            let last = Channels::select(vec![case.samples as u64 - 1], case.samples as u64).unwrap();
            // In order over several strips, a band at a time; then a window further up, which starts again.
            for (y, height, x, width) in
                [(0, 4, 0, 53), (4, 20, 0, 53), (24, 13, 0, 53), (17, 9, 5, 30), (30, 7, 52, 1)]
            {
                let rect = Rect { y, x, height, width };
                for channels in [&all, &last] {
                    let mut fresh = Scratch::new();
                    let found = read(&streamed, rect, channels, &mut scratch);
                    assert_eq!(found, read(&whole, rect, channels, &mut fresh), "{} {rect}", case.name());
                    let cost = streamed.cost((height, width), channels).unwrap();
                    let held = scratch.decoded.len() + scratch.block.len() + scratch.stored.len();
                    assert!(held as u64 <= cost.total(), "{held} bytes, {cost:?}");
                }
            }
        }
    }

    /// Every page and level of the corpus whose strips can be streams, read whole and as streams, the first 16 MiB.
    #[test]
    fn strips_of_real_files_are_the_same_streamed_and_whole() {
        let Some(corpus) = outcrop_testkit::corpus::folder() else { return };
        let mut compared = 0;
        let mut paths: Vec<_> =
            std::fs::read_dir(corpus.join("files")).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let Ok(store) = Store::open(&path, IoMode::Read).map(Arc::new) else { continue };
            let Ok(tiff) = TiffPages::open(store) else { continue };
            for page in 0..64 {
                let options = TiffOptions { page, ..TiffOptions::default() };
                let open = |whole_bytes| open_with(&tiff, &options, whole_bytes);
                let (streamed, whole) = match (open(0), open(u64::MAX)) {
                    (Ok(streamed), Ok(whole)) => (streamed, whole),
                    (Err(Error::Usage(_)), _) => break,
                    _ => continue,
                };
                let extent = streamed.image().extent;
                if streamed.order() != Order::Sequential || extent.channels > 64 {
                    continue;
                }
                let row = extent.width * extent.channels * streamed.image().dtype.bytes() as u64;
                let rect = Rect { height: extent.height.min(((16 << 20) / row).max(1)), ..extent.rect() };
                let request = Request { rect, channels: &Channels::all(extent.channels) };
                let answer = |source: &TiffSource| -> Option<Vec<u8>> {
                    let mut scratch = Scratch::new();
                    source.fetch(&request, &mut scratch).ok()?;
                    source.read(&request, &mut scratch).ok()?;
                    Some(scratch.decoded.bytes().to_vec())
                };
                let (streamed, whole) = (answer(&streamed), answer(&whole));
                // What one does not read the other may: it looks no further than it must.
                if let (Some(streamed), Some(whole)) = (streamed, whole) {
                    assert!(streamed == whole, "{} page {page}", path.display());
                    compared += 1;
                }
            }
        }
        println!("{compared} pages compared");
        assert!(compared > 20, "{compared} pages compared");
    }

    #[test]
    fn lost_rows_do_not_depend_on_chunks() {
        let case = strips().find(|c| c.codec == Codec::Deflate && c.samples == 1).unwrap();
        let mut file = case.file();
        // The second strip's stored bytes, somewhere in the middle.
        let strip = file.len() / 3;
        file[strip..strip + 8].fill(0xff);
        let options = TiffOptions { bad_blocks: BadBlocks::Nodata, ..TiffOptions::default() };
        let all = Channels::all(1);
        let mut answers = Vec::new();
        for step in [1, 3, 10, 37] {
            let source = source(&file, IoMode::Read, &options, 0);
            let (mut bytes, mut bad, mut scratch) = (Vec::new(), Vec::new(), Scratch::new());
            for y in (0..37).step_by(step) {
                let rect = Rect { y, x: 0, height: (step as u64).min(37 - y), width: 53 };
                let found = read(&source, rect, &all, &mut scratch);
                bytes.extend(found.0);
                bad.extend(found.1);
            }
            answers.push((bytes, bad));
        }
        assert!(!answers[0].1.is_empty() && answers[0].1.len() <= 10, "{:?}", answers[0].1);
        assert!(
            answers.iter().all(|a| *a == answers[0]),
            "{:?}",
            answers.iter().map(|a| &a.1).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_broken_strip_is_an_error_that_names_it() {
        let case = strips().find(|c| c.codec == Codec::Deflate && c.samples == 1).unwrap();
        let mut file = case.file();
        let strip = file.len() / 3;
        file[strip..strip + 8].fill(0xff);
        let source = source(&file, IoMode::Map, &TiffOptions::default(), 0);
        let request = Request { rect: source.image().extent.rect(), channels: &Channels::all(1) };
        let error = source.fetch(&request, &mut Scratch::new()).unwrap_err();
        assert!(error.to_string().starts_with("page 0, block 1 at byte"), "{error}");
    }

    #[test]
    fn what_cannot_be_a_stream_costs_a_whole_block() {
        let case = all_cases().into_iter().find(|c| c.tiled && c.codec == Codec::Lzw).unwrap();
        let tiles = source(&case.file(), IoMode::Read, &TiffOptions::default(), 0);
        assert_eq!(tiles.order(), Order::Any);
        assert!(tiles.cost((1, 1), &Channels::all(1)).unwrap().scratch_bytes >= 16 * 32);
    }
}
