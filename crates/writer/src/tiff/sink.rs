//! [`TiffSink`]: appends encoded blocks in the order of the grid and notes where each stands.

use std::sync::Arc;

use outcrop_core::{Buffer, Encoder, Error, Rect, Result, Sink, Value};

use super::directory::Laid;
use super::encode::{BlockEncoder, split};
use super::layout::Layout;
use super::{BigTiff, Compression, TiffOptions, tags};
use crate::resume::{TAIL_BYTES, changed, pack, unpack};
use crate::{Created, OutputImage, PartialFile};

/// Tags of offsets and lengths of tiles and strips.
const TILES: (u16, u16) = (324, 325);
const STRIPS: (u16, u16) = (273, 279);

struct TiffSink {
    file: PartialFile,
    encoder: Arc<BlockEncoder>,
    laid: Laid,
    /// Where the next block goes.
    end: u64,
    blocks_done: u64,
    /// The sum of [`noted`] over all blocks that are stored.
    notes: u64,
}

/// Decides all that is known before the first pixel, writes the directory, and gives the sink.
pub(crate) fn create(
    mut file: PartialFile,
    image: &OutputImage<'_>,
    options: &TiffOptions,
    resume: Option<&[u8]>,
) -> Result<Created> {
    options.check(image.extent, image.dtype)?;
    let mut notices = Vec::new();
    let layout = Layout::new(image.extent, image.dtype, options)?;
    let photometric = tags::photometric(image, options);
    let palette = photometric == tags::PALETTE;
    if palette && matches!(options.compression, Compression::Jpeg { .. }) {
        return Err(Error::Usage("JPEG would change the indices of a palette (COMPRESS=DEFLATE)".into()));
    }
    let predictor = options.predictor_code(image.dtype, palette);
    let nodata = tags::nodata(image);
    if nodata.is_none() && !image.nodata.is_empty() {
        notices.push("channels have different nodata values; TIFF declares one, so none is written".into());
    }
    if image.metadata.ome_xml.is_some() && tags::ome_xml(image).is_none() {
        notices.push("the OME-XML cannot describe this one image and was left out".into());
    }
    let sparse = options.sparse.then(|| nodata.unwrap_or(Value::Int(0)));
    let encoder = Arc::new(BlockEncoder::new(layout, options.compression, predictor, sparse)?);
    let directory = tags::directory(image, &layout, options, photometric, predictor);

    let tags = if layout.tiled { TILES } else { STRIPS };
    let lay_out = |big| directory.lay_out(big, layout.blocks(), tags);
    let bound = |laid: &Laid| laid.data.saturating_add(data_bound(&encoder));
    let laid = match options.bigtiff {
        BigTiff::Yes => lay_out(true)?,
        BigTiff::No => lay_out(false)?,
        BigTiff::Auto => match lay_out(false) {
            Ok(classic) if bound(&classic) <= u32::MAX.into() => classic,
            _ => {
                let big = lay_out(true)?;
                notices.push(format!("BigTIFF, as the file may reach {} bytes", bound(&big)));
                big
            }
        },
    };
    let exact = options.compression == Compression::None && sparse.is_none();
    if !laid.big && exact && bound(&laid) > u32::MAX.into() {
        return Err(too_large(bound(&laid)));
    }
    if let Some(state) = resume {
        let mut sink = TiffSink { file, encoder, laid, end: 0, blocks_done: 0, notes: 0 };
        sink.restore(state)?;
        return Ok(Created { sink: Box::new(sink), notices: Vec::new() });
    }
    file.ensure_space(bound(&laid), exact)?;
    file.file().set_len(laid.data)?;
    file.file().write_all_at(&laid.bytes, 0)?;
    notices.splice(0..0, file.notices().drain(..));
    let end = laid.data;
    Ok(Created { sink: Box::new(TiffSink { file, encoder, laid, end, blocks_done: 0, notes: 0 }), notices })
}

/// A block's entry in the tables as a number, for their checksum.
fn noted(block: u64, offset: u64, length: u64) -> u64 {
    let mut sum = crc32fast::Hasher::new();
    [block, offset, length].iter().for_each(|n| sum.update(&n.to_le_bytes()));
    sum.finalize().into()
}

/// The most bytes that all blocks can take; what they take where they are not compressed.
fn data_bound(encoder: &BlockEncoder) -> u64 {
    let l = &encoder.layout;
    if encoder.compression == Compression::None && !l.tiled {
        // The last strip is not padded.
        return l
            .extent
            .height
            .saturating_mul(l.width)
            .saturating_mul(l.pixel_bytes())
            .saturating_mul(l.planes);
    }
    l.blocks().saturating_mul(encoder.block_bound() as u64)
}

fn too_large(bytes: u64) -> Error {
    Error::Usage(format!(
        "the file reaches {bytes} bytes, a classic TIFF holds 4294967295 (--bigtiff auto or yes)"
    ))
}

impl TiffSink {
    /// Writes offsets and lengths of blocks side by side.
    fn note(&mut self, first: u64, lengths: &[u64], mut at: u64) -> Result<()> {
        let word = if self.laid.big { 8 } else { 4 };
        let (mut offsets, mut counts) = (Vec::new(), Vec::new());
        for (block, &length) in (first..).zip(lengths) {
            let offset = if length == 0 { 0 } else { at };
            if length > 0 {
                self.notes = self.notes.wrapping_add(noted(block, offset, length));
            }
            offsets.extend_from_slice(&offset.to_le_bytes()[..word]);
            counts.extend_from_slice(&(length as u32).to_le_bytes());
            at += length;
        }
        let file = self.file.file();
        file.write_all_at(&offsets, self.laid.offsets + first * word as u64)?;
        file.write_all_at(&counts, self.laid.counts + first * 4)
    }
}

/// Entries of the tables that are looked at together.
const ENTRIES: u64 = 1 << 16;

/// Going on with an unfinished file.
impl TiffSink {
    /// Goes on where a checkpoint says, once the file is what it was then; what was written later is cut off.
    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let [data, blocks, end, blocks_done, notes, tail] = unpack(state)?;
        let file = self.file.file().clone();
        if (data, blocks) != (self.laid.data, self.encoder.layout.blocks()) || end < data {
            return Err(changed(&self.file, "the layout"));
        }
        let length = file.file().metadata().map_or(0, |found| found.len());
        if length < end {
            return Err(changed(&self.file, "the length"));
        }
        let mut start = vec![0; self.laid.bytes.len()];
        if !file.read_all_at(&mut start, 0)?
            || self.without_tables(&start) != self.without_tables(&self.laid.bytes)
        {
            return Err(changed(&self.file, "the directory"));
        }
        self.end = end;
        if self.tail()? != tail {
            return Err(changed(&self.file, "the end"));
        }
        if self.sweep()? != notes {
            return Err(changed(&self.file, "the table of blocks"));
        }
        (self.blocks_done, self.notes) = (blocks_done, notes);
        file.set_len(end)
    }

    /// Bytes a table's entry takes, and where the tables of offsets and of lengths begin and end.
    fn tables(&self) -> (u64, [std::ops::Range<u64>; 2]) {
        let (word, blocks) = (if self.laid.big { 8 } else { 4 }, self.encoder.layout.blocks());
        let (offsets, counts) = (self.laid.offsets, self.laid.counts);
        (word, [offsets..offsets + word * blocks, counts..counts + 4 * blocks])
    }

    /// The file's first bytes with zeros where the tables lie in them.
    fn without_tables(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for table in self.tables().1 {
            let end = table.end.min(bytes.len() as u64) as usize;
            if let Some(table) = bytes.get_mut(table.start as usize..end) {
                table.fill(0);
            }
        }
        bytes
    }

    /// The checksum of the last bytes of block data.
    fn tail(&self) -> Result<u64> {
        let start = self.end.saturating_sub(TAIL_BYTES).max(self.laid.data);
        let mut bytes = vec![0; (self.end - start) as usize];
        if !self.file.file().read_all_at(&mut bytes, start)? {
            return Err(changed(&self.file, "the length"));
        }
        Ok(crc32fast::hash(&bytes).into())
    }

    /// The sum of [`noted`] over the entries that lie before the end; others were made later and are cleared.
    fn sweep(&self) -> Result<u64> {
        let (word, [offsets_at, counts_at]) = self.tables();
        let (blocks, file) = (self.encoder.layout.blocks(), self.file.file());
        let mut sum = 0u64;
        for first in (0..blocks).step_by(ENTRIES as usize) {
            let many = ENTRIES.min(blocks - first);
            let (mut offsets, mut counts) = (vec![0; (many * word) as usize], vec![0; many as usize * 4]);
            let places = (offsets_at.start + first * word, counts_at.start + first * 4);
            if !file.read_all_at(&mut offsets, places.0)? || !file.read_all_at(&mut counts, places.1)? {
                return Err(changed(&self.file, "the length"));
            }
            let mut cleared = false;
            let entries = offsets.chunks_mut(word as usize).zip(counts.chunks_mut(4));
            for (block, (offset, count)) in (first..).zip(entries) {
                let value = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |n, &b| n << 8 | u64::from(b));
                let (at, length) = (value(offset), value(count));
                if length > 0 && at.checked_add(length).is_some_and(|end| end <= self.end) {
                    sum = sum.wrapping_add(noted(block, at, length));
                } else if length > 0 || at > 0 {
                    offset.fill(0);
                    count.fill(0);
                    cleared = true;
                }
            }
            if cleared {
                file.write_all_at(&offsets, places.0)?;
                file.write_all_at(&counts, places.1)?;
            }
        }
        Ok(sum)
    }
}

impl Sink for TiffSink {
    fn align(&self) -> (u64, u64) {
        (self.encoder.layout.height, self.encoder.layout.width)
    }

    fn encoder(&self) -> Arc<dyn Encoder> {
        self.encoder.clone()
    }

    fn commit(&mut self, _index: u64, rect: Rect, encoded: &mut Buffer) -> Result<()> {
        let layout: Layout = self.encoder.layout;
        let blocks = layout.blocks_in((rect.height, rect.width));
        let (mut lengths, data) = split(encoded.bytes(), blocks as usize)?;
        let end = self.end + data.len() as u64;
        if !self.laid.big && end > u32::MAX.into() {
            return Err(too_large(end));
        }
        self.file.file().write_all_at(data, self.end)?;
        let mut run_lengths = Vec::new();
        for run in layout.runs(rect)? {
            run_lengths.clear();
            run_lengths.extend(lengths.by_ref().take(run.count as usize));
            self.note(run.first, &run_lengths, self.end)?;
            self.end += run_lengths.iter().sum::<u64>();
        }
        if self.end != end {
            return Err(Error::Panic(format!("blocks of {rect} end at {}, their bytes at {end}", self.end)));
        }
        self.blocks_done += blocks;
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<Option<Vec<u8>>> {
        self.file.keep()?;
        let blocks = self.encoder.layout.blocks();
        let tail = self.tail()?;
        Ok(Some(pack([self.laid.data, blocks, self.end, self.blocks_done, self.notes, tail])))
    }

    fn bytes_bound(&self) -> Option<u64> {
        Some(self.laid.data.saturating_add(data_bound(&self.encoder)))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let blocks = self.encoder.layout.blocks();
        if self.blocks_done != blocks {
            return Err(Error::Panic(format!("{} of {blocks} blocks were written", self.blocks_done)));
        }
        self.file.publish()
    }
}
