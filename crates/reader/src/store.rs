//! [`Store`]: the bytes of a file, through a map or through positioned reads, behind one interface.
//!
//! A mapped file is populated ahead of the workers and dropped behind them, so that only the pages of chunks in
//! flight are resident. Where mapping fails or is not wanted, the same ranges are read into the chunk's scratch.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use memmap2::{Advice, Mmap, UncheckedAdvice};
use outcrop_core::{Error, Result, Scratch};

/// How a file's bytes are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IoMode {
    /// Mapped where the file system is local and allows it, read elsewhere.
    #[default]
    Auto,
    /// Mapped, or an error.
    Map,
    /// Positioned reads.
    Read,
}

/// An open file whose bytes can be asked for by offset. The length is that at opening.
#[derive(Debug)]
pub struct Store {
    file: File,
    len: u64,
    map: Option<Mmap>,
}

impl Store {
    /// Opens a regular file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be opened (or, with [`IoMode::Map`], mapped), [`Error::Format`] where it is
    /// not a regular file.
    pub fn open(path: &Path, mode: IoMode) -> Result<Store> {
        let file = File::open(path).map_err(|e| Error::io("cannot open", e))?;
        let meta = file.metadata().map_err(|e| Error::io("cannot look at the file", e))?;
        if !meta.is_file() {
            return Err(Error::Format("not a regular file".into()));
        }
        let len = meta.len();
        let map = if mode == IoMode::Read || len == 0 {
            None
        } else {
            // SAFETY: the map is private to this process and only read; the bytes may change under it when another
            // process writes to the file, which readers must tolerate (they check what they decode).
            match unsafe { Mmap::map(&file) } {
                Ok(map) => Some(map),
                Err(e) if mode == IoMode::Map => return Err(Error::io("cannot map the file", e)),
                Err(_) => None,
            }
        };
        Ok(Store { file, len, map })
    }

    /// Bytes in the file.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the file is mapped.
    pub fn is_mapped(&self) -> bool {
        self.map.is_some()
    }

    /// Checks that a range lies in the file.
    ///
    /// # Errors
    /// [`Error::Format`] naming the range and the file's length.
    pub fn check(&self, offset: u64, bytes: u64) -> Result<()> {
        match offset.checked_add(bytes) {
            Some(end) if end <= self.len => Ok(()),
            _ => Err(Error::Format(format!(
                "{bytes} bytes at byte {offset} lie beyond the end of the file ({} bytes)",
                self.len
            ))),
        }
    }

    /// The bytes of a range on the map, or `None` where the file is not mapped or ends before.
    pub fn mapped(&self, offset: u64, bytes: u64) -> Option<&[u8]> {
        let start = usize::try_from(offset).ok()?;
        self.map.as_ref()?.get(start..start.checked_add(usize::try_from(bytes).ok()?)?)
    }

    /// Fills `out` with the bytes at `offset`, from the map or by reading.
    ///
    /// # Errors
    /// [`Error::Format`] past the end, [`Error::Io`] where reading fails.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.check(offset, out.len() as u64)?;
        if let Some(bytes) = self.mapped(offset, out.len() as u64) {
            out.copy_from_slice(bytes);
            return Ok(());
        }
        self.file
            .read_exact_at(out, offset)
            .map_err(|e| Error::io(format!("cannot read {} bytes at byte {offset}", out.len()), e))
    }

    /// Brings ranges (offset, length) near: makes their pages present, or reads them into `scratch`. Ranges that
    /// do not lie in the file are left out: whoever asks for them with [`stored`](Store::stored) gets the error.
    ///
    /// # Errors
    /// [`Error::Io`] where reading fails, [`Error::Limits`] where memory cannot be had.
    pub fn fetch(&self, ranges: &[(u64, u64)], scratch: &mut Scratch) -> Result<()> {
        scratch.segments.clear();
        if let Some(map) = &self.map {
            for &(offset, bytes) in ranges {
                if bytes > 0 && self.check(offset, bytes).is_ok() {
                    // A hint: where the kernel is too old for it, the pages come when they are touched.
                    let _ = map.advise_range(Advice::PopulateRead, offset as usize, bytes as usize);
                }
            }
            return Ok(());
        }
        let inside = |&&(offset, bytes): &&(u64, u64)| self.check(offset, bytes).is_ok();
        let total: u64 = ranges.iter().filter(inside).map(|r| r.1).sum();
        scratch.stored.resize(total as usize)?;
        let mut at = 0;
        for &(offset, bytes) in ranges.iter().filter(inside) {
            let place = at..at + bytes as usize;
            self.read_at(offset, &mut scratch.stored.bytes_mut()[place.clone()])?;
            at = place.end;
            scratch.segments.push((offset, place));
        }
        Ok(())
    }

    /// The bytes of a range that was fetched.
    ///
    /// # Errors
    /// [`Error::Format`] where the range does not lie in the file.
    pub fn stored<'a>(&'a self, scratch: &'a Scratch, offset: u64, bytes: u64) -> Result<&'a [u8]> {
        self.check(offset, bytes)?;
        if let Some(slice) = self.mapped(offset, bytes) {
            return Ok(slice);
        }
        let found = scratch.segments.iter().find_map(|(start, place)| {
            let skip = offset.checked_sub(*start)? as usize;
            scratch.stored.bytes()[place.clone()].get(skip..skip.checked_add(bytes as usize)?)
        });
        found.ok_or_else(|| Error::Format(format!("{bytes} bytes at byte {offset} were not fetched")))
    }

    /// Lets go of the pages of ranges that no chunk needs any more. They come back if they are touched again.
    pub fn release(&self, ranges: &[(u64, u64)]) {
        let Some(map) = &self.map else { return };
        for &(offset, bytes) in ranges {
            if bytes > 0 && self.check(offset, bytes).is_ok() {
                // SAFETY: the map is of a file and read-only: dropped pages are read again when touched.
                let _ = unsafe {
                    map.unchecked_advise_range(UncheckedAdvice::DontNeed, offset as usize, bytes as usize)
                };
            }
        }
    }
}
