//! Directories: [`TiffFile`] finds them, [`Directory`] lists their entries, and arrays are indexed where they lie.
//!
//! An entry's value stands in the entry itself or elsewhere in the file; either way it is a range of the file, so
//! one kind of lookup serves both. Nothing larger than a directory is copied: the offsets of ten million blocks
//! stay in the map, or behind a small cache of file pages where the file is read.

use std::sync::{Arc, Mutex, PoisonError};

use outcrop_core::{ByteOrder, Error, Result};

use super::tags::tag_name;
use crate::Store;

/// Entries of one directory at most; libtiff draws the same line.
const MOST_ENTRIES: u64 = 65_535;
/// Bytes of a cached piece of a file that is not mapped, and how many are kept.
const PIECE: u64 = 16 << 10;
const PIECES: usize = 32;

/// A piece of a file that is not mapped: its number and bytes.
type Piece = (u64, Box<[u8]>);

/// An open TIFF: its bytes, byte order and the width of its offsets.
pub(super) struct TiffFile {
    pub(super) store: Arc<Store>,
    pub(super) order: ByteOrder,
    /// Whether offsets have 64 bits (BigTIFF).
    pub(super) big: bool,
    /// Where the first directory lies.
    pub(super) first: u64,
    cache: Mutex<[Option<Piece>; PIECES]>,
    /// Directories that were read so far.
    #[cfg(test)]
    pub(super) reads: std::sync::atomic::AtomicUsize,
}

/// The entries of one directory, by rising tag.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    /// Its first byte in the file.
    pub(super) offset: u64,
    /// Where the next one lies, 0 for none.
    pub(super) next: u64,
    /// Bytes that it occupies, values elsewhere apart.
    pub(super) bytes: u64,
    entries: Vec<Entry>,
}

/// One tag's values: `count` of a TIFF field type, one after the other from byte `at` of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) tag: u16,
    pub(super) kind: u16,
    pub(super) count: u64,
    pub(super) at: u64,
}

/// Bytes of one value of a TIFF field type, `None` for types that we do not know.
fn value_bytes(kind: u16) -> Option<u64> {
    Some(match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => return None,
    })
}

/// Whether the bytes begin like a TIFF or BigTIFF.
pub(crate) fn is_tiff(head: &[u8]) -> bool {
    matches!(head.get(..4), Some(b"II*\0" | b"MM\0*" | b"II+\0" | b"MM\0+"))
}

impl TiffFile {
    /// Reads the header.
    pub(super) fn open(store: Arc<Store>) -> Result<TiffFile> {
        let mut head = [0; 16];
        let have = store.len().min(16) as usize;
        store.read_at(0, &mut head[..have])?;
        if !is_tiff(&head[..have]) {
            return Err(Error::Format("not a TIFF: it does not begin with II or MM and 42 or 43".into()));
        }
        let order = if head[0] == b'I' { ByteOrder::Little } else { ByteOrder::Big };
        let big = head[2] == b'+' || head[3] == b'+';
        if have < if big { 16 } else { 8 } {
            return Err(Error::Format(format!("the TIFF header is cut short ({have} bytes)")));
        }
        let first = if big {
            let (width, zero) = (number(order, &head[4..6]), number(order, &head[6..8]));
            if (width, zero) != (8, 0) {
                return Err(Error::Format(format!(
                    "the BigTIFF header gives offsets of {width} bytes, expected 8"
                )));
            }
            number(order, &head[8..16])
        } else {
            number(order, &head[4..8])
        };
        if first == 0 {
            return Err(Error::Format("the TIFF has no directory".into()));
        }
        let cache = Mutex::new([const { None }; PIECES]);
        Ok(TiffFile {
            store,
            order,
            big,
            first,
            cache,
            #[cfg(test)]
            reads: Default::default(),
        })
    }

    /// Reads the directory at a byte of the file.
    pub(super) fn directory(&self, offset: u64) -> Result<Directory> {
        #[cfg(test)]
        self.reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let broken = |what: String| Error::Format(format!("the directory at byte {offset} {what}"));
        let (count_bytes, entry_bytes, next_bytes) = if self.big { (8, 20, 8) } else { (2, 12, 4) };
        let mut word = [0; 8];
        let head = &mut word[..count_bytes as usize];
        if self.store.check(offset, count_bytes).is_err() {
            return Err(broken(format!("lies beyond the end of the file ({} bytes)", self.store.len())));
        }
        self.bytes(offset, head)?;
        let count = number(self.order, head);
        if count > MOST_ENTRIES || self.store.check(offset + count_bytes, count * entry_bytes).is_err() {
            return Err(broken(format!(
                "claims {count} entries, which do not fit the file ({} bytes)",
                self.store.len()
            )));
        }
        if count == 0 {
            return Err(broken("has no entries".into()));
        }
        let start = offset + count_bytes;
        let mut raw = vec![0; (count * entry_bytes) as usize];
        self.bytes(start, &mut raw)?;
        let mut entries = Vec::with_capacity(count as usize);
        for (i, raw) in raw.chunks_exact(entry_bytes as usize).enumerate() {
            entries.extend(self.entry(start + i as u64 * entry_bytes, raw));
        }
        // Stable: of entries with the same tag the first one counts.
        entries.sort_by_key(|e: &Entry| e.tag);
        entries.dedup_by_key(|e| e.tag);
        let end = start + count * entry_bytes;
        // A file that ends with its last entry has no further directory.
        let next = if self.store.check(end, next_bytes).is_ok() {
            let next = &mut word[..next_bytes as usize];
            self.bytes(end, next)?;
            number(self.order, next)
        } else {
            0
        };
        Ok(Directory { offset, next, bytes: end + next_bytes - offset, entries })
    }

    /// An entry as it stands at byte `place`; `None` where its type is unknown.
    fn entry(&self, place: u64, raw: &[u8]) -> Option<Entry> {
        let (tag, kind) = (number(self.order, &raw[..2]) as u16, number(self.order, &raw[2..4]) as u16);
        let value = if self.big { 12 } else { 8 };
        let count = number(self.order, &raw[4..value]);
        let inline = count.checked_mul(value_bytes(kind)?).is_some_and(|b| b <= (raw.len() - value) as u64);
        let at = if inline { place + value as u64 } else { number(self.order, &raw[value..]) };
        Some(Entry { tag, kind, count, at })
    }

    /// Fills `out` with the bytes at `offset`: from the map, or through the cache of pieces.
    pub(super) fn bytes(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        if let Some(mapped) = self.store.mapped(offset, out.len() as u64) {
            out.copy_from_slice(mapped);
            return Ok(());
        }
        self.store.check(offset, out.len() as u64)?;
        if out.len() as u64 > PIECE {
            return self.store.read_at(offset, out);
        }
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let mut done = 0;
        while done < out.len() {
            let at = offset + done as u64;
            let number = at / PIECE;
            let slot = &mut cache[(number % PIECES as u64) as usize];
            if slot.as_ref().is_none_or(|(n, _)| *n != number) {
                let start = number * PIECE;
                let mut piece = vec![0; PIECE.min(self.store.len() - start) as usize];
                self.store.read_at(start, &mut piece)?;
                *slot = Some((number, piece.into()));
            }
            let Some((_, piece)) = slot else { unreachable!("the slot was just filled") };
            let from = &piece[(at % PIECE) as usize..];
            let n = from.len().min(out.len() - done);
            out[done..done + n].copy_from_slice(&from[..n]);
            done += n;
        }
        Ok(())
    }

    /// Checks that all values of an entry lie in the file.
    ///
    /// # Errors
    /// [`Error::Format`] naming the tag, the count and the place.
    pub(super) fn check(&self, entry: &Entry) -> Result<()> {
        let bytes = value_bytes(entry.kind).and_then(|b| b.checked_mul(entry.count));
        if bytes.is_some_and(|b| self.store.check(entry.at, b).is_ok()) {
            return Ok(());
        }
        Err(Error::Format(format!(
            "{} claims {} values at byte {}, which do not fit the file ({} bytes)",
            tag_name(entry.tag),
            entry.count,
            entry.at,
            self.store.len()
        )))
    }

    /// Value `index` of an entry of any integer type.
    ///
    /// # Errors
    /// [`Error::Format`] where the value is not a number from 0, is not there, or lies beyond the file.
    pub(super) fn uint(&self, entry: &Entry, index: u64) -> Result<u64> {
        let wrong = |what: &str| Error::Format(format!("{} {what}", tag_name(entry.tag)));
        if index >= entry.count {
            return Err(wrong(&format!("has {} values, number {index} was needed", entry.count)));
        }
        let bytes = match entry.kind {
            1 | 3 | 4 | 6 | 7 | 8 | 9 | 13 | 16..=18 => value_bytes(entry.kind).unwrap_or(1),
            other => return Err(wrong(&format!("has field type {other}, expected an integer"))),
        };
        let at = index.checked_mul(bytes).and_then(|skip| skip.checked_add(entry.at));
        let at = at.ok_or_else(|| wrong("lies beyond the end of the file"))?;
        let mut word = [0; 8];
        let word = &mut word[..bytes as usize];
        if self.bytes(at, word).is_err() {
            self.check(entry)?;
            self.bytes(at, word)?;
        }
        let value = number(self.order, word);
        let signed = matches!(entry.kind, 6 | 8 | 9 | 17);
        if signed && value >> (bytes * 8 - 1) != 0 {
            return Err(wrong("has a negative value"));
        }
        Ok(value)
    }

    /// All values of an entry of any integer type, refused where there are more than `most`.
    pub(super) fn uints(&self, entry: &Entry, most: u64) -> Result<Vec<u64>> {
        self.check(entry)?;
        at_most(entry, most)?;
        (0..entry.count).map(|i| self.uint(entry, i)).collect()
    }

    /// Hands the first `count` values of an entry of any unsigned type to `each`, in order and without a copy of all.
    pub(super) fn each_uint(&self, entry: &Entry, count: u64, mut each: impl FnMut(u64)) -> Result<()> {
        self.check(entry)?;
        let size = value_bytes(entry.kind).unwrap_or(1);
        let mut piece = [0; 8192];
        let bytes = count.min(entry.count) * size;
        for start in (0..bytes).step_by(piece.len()) {
            let piece = &mut piece[..(bytes - start).min(8192) as usize];
            self.bytes(entry.at + start, piece)?;
            piece.chunks_exact(size as usize).for_each(|value| each(number(self.order, value)));
        }
        Ok(())
    }

    /// All values of an entry as f64: integers, rationals or floats.
    pub(super) fn floats(&self, entry: &Entry, most: u64) -> Result<Vec<f64>> {
        let size = value_bytes(entry.kind).unwrap_or(1) as usize;
        let raw = self.raw(entry, most)?;
        let word = |b: &[u8]| number(self.order, b);
        raw.chunks_exact(size)
            .map(|b| {
                Ok(match entry.kind {
                    5 => word(&b[..4]) as f64 / word(&b[4..]) as f64,
                    10 => f64::from(word(&b[..4]) as i32) / f64::from(word(&b[4..]) as i32),
                    11 => f64::from(f32::from_bits(word(b) as u32)),
                    12 => f64::from_bits(word(b)),
                    6 => f64::from(b[0] as i8),
                    8 => f64::from(word(b) as i16),
                    9 => f64::from(word(b) as i32),
                    17 => word(b) as i64 as f64,
                    _ => word(b) as f64,
                })
            })
            .collect()
    }

    /// The bytes of an entry's values as stored, refused where there are more than `most` values.
    pub(super) fn raw(&self, entry: &Entry, most: u64) -> Result<Vec<u8>> {
        self.check(entry)?;
        at_most(entry, most)?;
        let mut raw = vec![0; (entry.count * value_bytes(entry.kind).unwrap_or(1)) as usize];
        self.bytes(entry.at, &mut raw)?;
        Ok(raw)
    }

    /// Text up to the first NUL, read as UTF-8 or else as Latin-1, without blanks at its ends.
    pub(super) fn text(&self, entry: &Entry, most: u64) -> Result<String> {
        // Texts may have megabytes: they are cut where they are.
        let mut raw = self.raw(entry, most)?;
        raw.truncate(raw.iter().position(|&b| b == 0).unwrap_or(raw.len()));
        let mut text = match String::from_utf8(raw) {
            Ok(text) => text,
            Err(bytes) => bytes.as_bytes().iter().map(|&b| char::from(b)).collect(),
        };
        text.truncate(text.trim_end().len());
        text.drain(..text.len() - text.trim_start().len());
        Ok(text)
    }

    /// The same of the first `bytes` bytes, for what a text begins with.
    pub(super) fn text_head(&self, entry: &Entry, bytes: u64) -> Result<String> {
        self.check(entry)?;
        let size = value_bytes(entry.kind).unwrap_or(1);
        self.text(&Entry { count: entry.count.min(bytes / size), ..*entry }, bytes)
    }
}

impl Directory {
    /// The entry of a tag.
    pub(super) fn get(&self, tag: u16) -> Option<&Entry> {
        self.entries.binary_search_by_key(&tag, |e| e.tag).ok().map(|i| &self.entries[i])
    }

    /// The first value of a tag, where it stands there.
    pub(super) fn uint(&self, file: &TiffFile, tag: u16) -> Result<Option<u64>> {
        self.get(tag).filter(|e| e.count > 0).map(|e| file.uint(e, 0)).transpose()
    }

    /// The first value of a tag that must have one.
    pub(super) fn need(&self, file: &TiffFile, tag: u16) -> Result<u64> {
        self.uint(file, tag)?.ok_or_else(|| self.lacks(tag))
    }

    /// The first value of a tag of 16-bit codes, `default` where it is absent.
    pub(super) fn code(&self, file: &TiffFile, tag: u16, default: u16) -> Result<u16> {
        let value = self.uint(file, tag)?.unwrap_or(default.into());
        u16::try_from(value)
            .map_err(|_| Error::Format(format!("{} is {value}, expected at most 65535", tag_name(tag))))
    }

    /// The error for a tag that is missing.
    pub(super) fn lacks(&self, tag: u16) -> Error {
        Error::Format(format!("the directory at byte {} lacks {}", self.offset, tag_name(tag)))
    }
}

fn at_most(entry: &Entry, most: u64) -> Result<()> {
    if entry.count <= most {
        return Ok(());
    }
    Err(Error::Format(format!(
        "{} at byte {} claims {} values, expected at most {most}",
        tag_name(entry.tag),
        entry.at,
        entry.count
    )))
}

/// An unsigned number of 1 to 8 bytes.
pub(super) fn number(order: ByteOrder, bytes: &[u8]) -> u64 {
    let join = |n: u64, &b: &u8| n << 8 | u64::from(b);
    match order {
        ByteOrder::Little => bytes.iter().rev().fold(0, join),
        ByteOrder::Big => bytes.iter().fold(0, join),
    }
}
