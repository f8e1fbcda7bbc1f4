//! [`Positioned`]: a file that many threads write at known places.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use outcrop_core::{Error, Result};

use crate::sys;

/// An open file, written by offset. Shared by the workers of one sink.
#[derive(Debug)]
pub struct Positioned {
    file: File,
    name: String,
    /// No byte is written at or past this place.
    limit: u64,
    /// Bytes that the whole file needs at most, 0 while nobody knows; told to who runs out of space.
    whole: AtomicU64,
}

impl Positioned {
    /// A file open for writing; `name` is what errors call it.
    ///
    /// No write reaches past this process's limit of file sizes (`ulimit -f`): the system would answer it with a
    /// signal that kills.
    pub fn new(file: File, name: impl Into<String>) -> Positioned {
        Positioned { file, name: name.into(), limit: sys::file_size_limit(), whole: AtomicU64::new(0) }
    }

    /// Lowers the limit, as a smaller disk would.
    #[cfg(test)]
    pub(crate) fn limited(mut self, limit: u64) -> Positioned {
        self.limit = limit;
        self
    }

    /// Writes all bytes at `offset`, going on after interrupted and short writes.
    ///
    /// # Errors
    /// [`Error::Io`] that names the bytes and the place.
    pub fn write_all_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let end = offset.saturating_add(bytes.len() as u64);
        let answer =
            if end > self.limit { Err(self.too_large()) } else { self.file.write_all_at(bytes, offset) };
        answer.map_err(|e| {
            use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
            let mut what = format!("write {} bytes at byte {offset} of {}", bytes.len(), self.name);
            let whole = self.whole.load(Ordering::Relaxed);
            if whole > 0 && matches!(e.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
                what += &format!(", which may need {whole} bytes in all");
            }
            Error::io(what, e)
        })
    }

    /// Reads all bytes at `offset`.
    ///
    /// # Errors
    /// [`Error::Io`] that names the bytes and the place.
    pub fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        self.file.read_exact_at(bytes, offset).map_err(|e| {
            Error::io(format!("read {} bytes at byte {offset} of {}", bytes.len(), self.name), e)
        })
    }

    /// Says how many bytes the whole file needs at most.
    pub(crate) fn expect(&self, bytes: u64) {
        self.whole.store(bytes, Ordering::Relaxed);
    }

    /// Makes the file `len` bytes long; what is new reads as zeros.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot have that length.
    pub fn set_len(&self, len: u64) -> Result<()> {
        let answer = if len > self.limit { Err(self.too_large()) } else { self.file.set_len(len) };
        answer.map_err(|e| Error::io(format!("make {} {len} bytes long", self.name), e))
    }

    /// Bytes free on the file's file system, as far as the system says.
    pub fn free_bytes(&self) -> Option<u64> {
        sys::free_bytes(&self.file).ok()
    }

    /// The largest length that the file may have.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    fn too_large(&self) -> io::Error {
        io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("files of this process end at byte {} (ulimit -f)", self.limit),
        )
    }
}
