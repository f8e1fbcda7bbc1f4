//! [`BadBlock`]: a storage block that could not be read and was filled, as asked.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use outcrop_core::{Error, Hole, HoleKind, Rect};

use crate::checkpoint::{section, take_section};

/// Blocks that are kept one by one; of further ones only the number of times that they were met is.
const MOST: usize = 10_000;

/// A storage block that could not be read and was filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadBlock {
    /// Which input of the job, from 0.
    pub input: u64,
    /// The page, from 0.
    pub page: u64,
    /// The block's number in its page or level, from 0.
    pub block: u64,
    /// Its first byte in the file.
    pub offset: u64,
    /// Its length in the file.
    pub bytes: u64,
    /// The pixels of it that were asked for.
    pub rect: Rect,
    /// What failed.
    pub cause: String,
}

/// The bad blocks met so far, each once.
#[derive(Debug, Default)]
pub(crate) struct BadBlocks(Mutex<Met>);

#[derive(Debug, Default)]
struct Met {
    blocks: BTreeMap<(u64, u64, u64), BadBlock>,
    more: u64,
}

impl BadBlocks {
    /// Notes the bad ones among the holes of an input.
    pub(crate) fn note(&self, input: u64, holes: &[Hole]) {
        for hole in holes {
            if let HoleKind::Bad(error) = &hole.kind {
                self.add(described(input, hole.rect, error));
            }
        }
    }

    fn add(&self, bad: BadBlock) {
        let mut met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (bad.input, bad.page, bad.block);
        if let Some(known) = met.blocks.get_mut(&key) {
            known.rect = around(known.rect, bad.rect);
        } else if met.blocks.len() < MOST {
            met.blocks.insert(key, bad);
        } else {
            met.more += 1;
        }
    }

    /// Gives them all, in the order of input, page and block, and forgets them; and how often others were met.
    pub(crate) fn take(&self) -> (Vec<BadBlock>, u64) {
        let met = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        (met.blocks.into_values().collect(), met.more)
    }

    /// For a checkpoint.
    pub(crate) fn save(&self) -> Vec<u8> {
        let met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = Vec::new();
        if met.blocks.is_empty() {
            return bytes;
        }
        bytes.extend(met.more.to_le_bytes());
        for bad in met.blocks.values() {
            let r = bad.rect;
            for n in [bad.input, bad.page, bad.block, bad.offset, bad.bytes, r.y, r.x, r.height, r.width] {
                bytes.extend(n.to_le_bytes());
            }
            section(&mut bytes, bad.cause.as_bytes());
        }
        bytes
    }

    /// Adds what [`save`](BadBlocks::save) wrote.
    pub(crate) fn load(&self, mut bytes: &[u8]) -> Result<(), String> {
        if bytes.is_empty() {
            return Ok(());
        }
        let more = number(&mut bytes)?;
        while !bytes.is_empty() {
            let mut n = [0; 9];
            for n in &mut n {
                *n = number(&mut bytes)?;
            }
            let rect = Rect::checked(n[5], n[6], n[7], n[8]).ok_or("a bad block has no place")?;
            let cause = String::from_utf8_lossy(take_section(&mut bytes)?).into_owned();
            let [input, page, block, offset, length, ..] = n;
            self.add(BadBlock { input, page, block, offset, bytes: length, rect, cause });
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).more += more;
        Ok(())
    }
}

fn number(bytes: &mut &[u8]) -> Result<u64, String> {
    let (word, rest) = bytes.split_first_chunk().ok_or("the list of bad blocks is cut short")?;
    *bytes = rest;
    Ok(u64::from_le_bytes(*word))
}

fn described(input: u64, rect: Rect, error: &Error) -> BadBlock {
    let whole = BadBlock { input, page: 0, block: 0, offset: 0, bytes: 0, rect, cause: error.to_string() };
    match error {
        Error::Block { page, block, offset, bytes, cause } => BadBlock {
            page: *page,
            block: *block,
            offset: *offset,
            bytes: *bytes,
            cause: cause.to_string(),
            ..whole
        },
        _ => whole,
    }
}

/// The least rectangle that holds both.
fn around(a: Rect, b: Rect) -> Rect {
    let (y, x) = (a.y.min(b.y), a.x.min(b.x));
    Rect { y, x, height: a.bottom().max(b.bottom()) - y, width: a.right().max(b.right()) - x }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn hole(block: u64, rect: Rect) -> Hole {
        let cause = Box::new(Error::Format("torn".into()));
        let error = Error::Block { page: 1, block, offset: 9, bytes: 8, cause };
        Hole { rect, channels: 0..1, kind: HoleKind::Bad(Arc::new(error)) }
    }

    #[test]
    fn a_block_met_in_two_chunks_is_one_bad_block() {
        let bad = BadBlocks::default();
        bad.note(0, &[hole(4, Rect { y: 0, x: 0, height: 8, width: 8 }), hole(3, Rect::of_size(1, 1))]);
        bad.note(0, &[hole(4, Rect { y: 8, x: 0, height: 2, width: 8 })]);
        let again = BadBlocks::default();
        again.load(&bad.save()).unwrap();
        let (blocks, more) = bad.take();
        assert_eq!((blocks.len(), more, blocks[1].block), (2, 0, 4));
        assert_eq!((blocks[1].rect, blocks[1].cause.as_str()), (Rect::of_size(10, 8), "torn"));
        assert_eq!(again.take().0, blocks);
        assert!(again.load(&[1, 2, 3]).is_err());
    }
}
