//! [`Positioned`]: a file that many threads write at known places.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use outcrop_core::{Error, Result};

use crate::sys;

/// Fewer bytes than that are left to the sync at the end.
const WRITE_OUT_BYTES: u64 = 256 << 10;

/// An open file, written by offset. Shared by the workers of one sink.
#[derive(Debug)]
pub struct Positioned {
    file: File,
    name: String,
    /// No byte is written at or past this place.
    limit: u64,
    /// Bytes that the whole file needs at most, 0 while nobody knows; told to who runs out of space.
    whole: AtomicU64,
    /// Whether the file is removed after use: nothing of it needs to reach the disk.
    passing: AtomicBool,
}

impl Positioned {
    /// A file open for writing; `name` is what errors call it.
    ///
    /// No write reaches past this process's limit of file sizes (`ulimit -f`): the system would answer it with a
    /// signal that kills.
    pub fn new(file: File, name: impl Into<String>) -> Positioned {
        let (whole, passing) = (AtomicU64::new(0), AtomicBool::new(false));
        Positioned { file, name: name.into(), limit: sys::file_size_limit(), whole, passing }
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
            if e.raw_os_error() == Some(libc::EFAULT) {
                // Samples lent from a map whose file was cut short: the system refuses what a touch of theirs would
                // raise SIGBUS for. Touched, so that it is said as everywhere (the reader's handler ends the process).
                std::hint::black_box(bytes.iter().step_by(512).fold(0u8, |sum, &b| sum ^ b));
            }
            let mut what = format!("write {} bytes at byte {offset} of {}", bytes.len(), self.name);
            let whole = self.whole.load(Ordering::Relaxed);
            if whole > 0 && is_full(&e) {
                what += &format!(", which may need {whole} bytes in all");
            }
            Error::io(what, e)
        })
    }

    /// Has what was written at `offset` begin its way to disk, so that the sync at the end finds little left: that was
    /// half of the time of outputs that cost little to make. May wait for the disk; for the thread that commits, not for workers.
    pub(crate) fn begin_write_out(&self, offset: u64, len: u64) {
        if len >= WRITE_OUT_BYTES && !self.passing.load(Ordering::Relaxed) {
            sys::begin_write_out(&self.file, offset, len);
        }
    }

    /// Takes the disk's space for the file's first `len` bytes, where the file system can: writing them cannot run
    /// out of it then, and costs a third less processor time (ext4). The length of the file stays.
    ///
    /// # Errors
    /// [`Error::Io`] where there is not that much space.
    pub(crate) fn reserve(&self, len: u64) -> Result<()> {
        match sys::reserve(&self.file, len) {
            Err(e) if is_full(&e) => Err(Error::io(format!("take the {len} bytes of {}", self.name), e)),
            _ => Ok(()),
        }
    }

    /// Says that the file will be removed after use.
    pub(crate) fn pass(&self) {
        self.passing.store(true, Ordering::Relaxed);
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

    /// Reads bytes at `offset`; `false` where the file ends before.
    ///
    /// # Errors
    /// [`Error::Io`] that names the bytes and the place.
    pub(crate) fn read_all_at(&self, bytes: &mut [u8], offset: u64) -> Result<bool> {
        match self.file.read_exact_at(bytes, offset) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(e) => {
                Err(Error::io(format!("read {} bytes at byte {offset} of {}", bytes.len(), self.name), e))
            }
        }
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

fn is_full(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn space_is_taken_and_the_length_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("a")).unwrap();
        let file = Positioned::new(file, "a");
        file.set_len(1000).unwrap();
        match sys::reserve(&file.file, 1 << 20) {
            Err(e) => assert!(!is_full(&e), "{e}"),
            Ok(()) => assert!(file.file.metadata().unwrap().blocks() * 512 >= 1 << 20),
        }
        file.reserve(1 << 20).unwrap();
        assert_eq!(file.file.metadata().unwrap().len(), 1000);
        // More than any disk has, where the file system reserves at all.
        let answer = file.reserve(1 << 60);
        assert!(
            answer.is_ok()
                || answer.unwrap_err().to_string().contains("take the 1152921504606846976 bytes of a")
        );
    }
}
