//! Going on with an unfinished TIFF: what a checkpoint keeps of it, and how it is held against the file.

use std::ops::Range;

use outcrop_core::Result;

use super::directory::Laid;
use super::sink::TiffSink;
use crate::resume::{changed, check_published, cut, pack, tail, unpack};
use crate::{PartialFile, Positioned};

/// A block's entry in the tables as a number, for their checksum.
fn noted(block: u64, offset: u64, length: u64) -> u64 {
    let mut sum = crc32fast::Hasher::new();
    [block, offset, length].iter().for_each(|n| sum.update(&n.to_le_bytes()));
    sum.finalize().into()
}

/// Entries of the tables that are looked at together.
const ENTRIES: u64 = 1 << 16;

impl TiffSink {
    /// What a checkpoint keeps: where the data and the tables stand, and checksums of the table and of the last bytes.
    pub(super) fn state(&mut self) -> Result<Vec<u8>> {
        self.file.keep()?;
        let (blocks, notes) = (self.encoder.layout.blocks(), self.image().sweep(self.end)?);
        let tail = tail(&self.file, self.laid.end, self.end)?;
        Ok(pack([self.laid.end, blocks, self.end, self.blocks_done, notes, tail, self.inode]))
    }

    /// Goes on where a checkpoint says, once the file is what it was then; what was written later is cut off.
    pub(super) fn restore(&mut self, state: &[u8]) -> Result<()> {
        let [data, blocks, end, blocks_done, notes, sum, inode] = unpack(state)?;
        check_published(&self.file, inode, blocks_done == blocks)?;
        if (data, blocks) != (self.laid.end, self.encoder.layout.blocks()) || end < data {
            return Err(changed(&self.file, "the layout"));
        }
        check_length(&self.file, end)?;
        self.image().check_directory()?;
        if tail(&self.file, data, end)? != sum {
            return Err(changed(&self.file, "the end"));
        }
        if self.image().sweep(end)? != notes {
            return Err(changed(&self.file, "the table of blocks"));
        }
        (self.end, self.blocks_done, self.inode) = (end, blocks_done, inode);
        cut(&self.file, end)
    }

    fn image(&self) -> Written<'_> {
        Written { file: &self.file, laid: &self.laid, blocks: self.encoder.layout.blocks() }
    }
}

/// Refuses a file that ends before `end`, and a published one that does not end there.
pub(super) fn check_length(file: &PartialFile, end: u64) -> Result<()> {
    let length = file.file().file().metadata().map_or(0, |found| found.len());
    if length < end || file.is_published() && length != end {
        return Err(changed(file, "the length"));
    }
    Ok(())
}

/// One image of a file that is being written.
pub(super) struct Written<'a> {
    pub(super) file: &'a PartialFile,
    pub(super) laid: &'a Laid,
    pub(super) blocks: u64,
}

impl Written<'_> {
    /// Bytes a table's entry takes, and where the tables of offsets and of lengths begin and end.
    fn tables(&self) -> (u64, [Range<u64>; 2]) {
        let (word, blocks) = (if self.laid.big { 8 } else { 4 }, self.blocks);
        let (offsets, counts) = (self.laid.offsets, self.laid.counts);
        (word, [offsets..offsets + word * blocks, counts..counts + 4 * blocks])
    }

    /// Refuses a file whose directory is not the one that this output would have.
    pub(super) fn check_directory(&self) -> Result<()> {
        let mut found = vec![0; self.laid.bytes.len()];
        if !self.file.file().read_all_at(&mut found, self.laid.start)?
            || self.without_tables(&found) != self.without_tables(&self.laid.bytes)
        {
            return Err(changed(self.file, "the directory"));
        }
        Ok(())
    }

    /// The directory's bytes with zeros where the tables lie in them.
    fn without_tables(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let place = |at: u64| (at.saturating_sub(self.laid.start) as usize).min(bytes.len());
        for table in self.tables().1.map(|table| place(table.start)..place(table.end)) {
            bytes[table].fill(0);
        }
        bytes
    }

    /// The sum of [`noted`] over the entries that lie before `end`; others were made later and are cleared.
    pub(super) fn sweep(&self, end: u64) -> Result<u64> {
        let (word, [offsets_at, counts_at]) = self.tables();
        let file: &Positioned = self.file.file();
        let mut sum = 0u64;
        for first in (0..self.blocks).step_by(ENTRIES as usize) {
            let many = ENTRIES.min(self.blocks - first);
            let (mut offsets, mut counts) = (vec![0; (many * word) as usize], vec![0; many as usize * 4]);
            let places = (offsets_at.start + first * word, counts_at.start + first * 4);
            if !file.read_all_at(&mut offsets, places.0)? || !file.read_all_at(&mut counts, places.1)? {
                return Err(changed(self.file, "the length"));
            }
            let mut cleared = false;
            let entries = offsets.chunks_mut(word as usize).zip(counts.chunks_mut(4));
            for (block, (offset, count)) in (first..).zip(entries) {
                let value = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |n, &b| n << 8 | u64::from(b));
                let (at, length) = (value(offset), value(count));
                if length > 0 && at.checked_add(length).is_some_and(|last| last <= end) {
                    sum = sum.wrapping_add(noted(block, at, length));
                } else if length > 0 || at > 0 {
                    offset.fill(0);
                    count.fill(0);
                    cleared = true;
                }
            }
            if cleared && !self.file.is_published() {
                file.write_all_at(&offsets, places.0)?;
                file.write_all_at(&counts, places.1)?;
            }
        }
        Ok(sum)
    }
}
