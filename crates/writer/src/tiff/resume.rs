//! Going on with an unfinished TIFF: what a checkpoint keeps of it, and how it is held against the file.

use outcrop_core::Result;

use super::sink::TiffSink;
use crate::resume::{TAIL_BYTES, changed, check_published, pack, unpack};

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
        let (blocks, notes, tail) = (self.encoder.layout.blocks(), self.sweep()?, self.tail()?);
        Ok(pack([self.laid.end, blocks, self.end, self.blocks_done, notes, tail, self.inode]))
    }

    /// Goes on where a checkpoint says, once the file is what it was then; what was written later is cut off.
    pub(super) fn restore(&mut self, state: &[u8]) -> Result<()> {
        let [data, blocks, end, blocks_done, notes, tail, inode] = unpack(state)?;
        check_published(&self.file, inode, blocks_done == blocks)?;
        let file = self.file.file().clone();
        if (data, blocks) != (self.laid.end, self.encoder.layout.blocks()) || end < data {
            return Err(changed(&self.file, "the layout"));
        }
        let length = file.file().metadata().map_or(0, |found| found.len());
        if length < end || self.file.is_published() && length != end {
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
        (self.blocks_done, self.inode) = (blocks_done, inode);
        if self.file.is_published() { Ok(()) } else { file.set_len(end) }
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
        let start = self.end.saturating_sub(TAIL_BYTES).max(self.laid.end);
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
            if cleared && !self.file.is_published() {
                file.write_all_at(&offsets, places.0)?;
                file.write_all_at(&counts, places.1)?;
            }
        }
        Ok(sum)
    }
}
