//! [`Store`]: the bytes of a file, through a map or through positioned reads, behind one interface.
//!
//! A mapped file is populated ahead of the workers and dropped behind them, so that only the pages of chunks in
//! flight are resident. Where mapping fails or is not wanted, the same ranges are read into the chunk's scratch.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{Mmap, UncheckedAdvice};
use outcrop_core::{Error, LINE, Result, Scratch};

use crate::sigbus::{self, Registered};

/// How a file's bytes are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IoMode {
    /// Mapped where that is safe and fast, read elsewhere. Safe: the program called
    /// [`install_sigbus_handler`](crate::install_sigbus_handler), for without it a file that another process cuts short
    /// would end the program with SIGBUS. Fast: the file system is local, and the address space is not limited to
    /// less than four times the file.
    #[default]
    Auto,
    /// Mapped, or an error.
    Map,
    /// Positioned reads.
    Read,
}

/// Pages are made present, and files read, in pieces of this many bytes.
const PIECE: u64 = 8 << 20;

/// The most that is copied rather than touched on the map: a chunk that is read in parts, each used while it is in a core's cache.
const MOST_READ: u64 = 3 << 20;

/// One fault may make a whole folio of the page cache present: up to 2 MiB, aligned (Linux from 6.16 on; 64 KiB before).
/// Releasing less would leave the edges of every chunk resident: measured, 115 MiB after 1.2 GiB in 4 MiB bands.
const WINDOW: u64 = 2 << 20;

/// Ranges no further apart than this are made present as one: a fault brings as much along anyway.
const POPULATE_GAP: u64 = 64 << 10;

/// An open file whose bytes can be asked for by offset. The length is that at opening.
#[derive(Debug)]
pub struct Store {
    // Fields are dropped in this order: first out of the table of maps, then unmapped.
    registered: Option<Registered>,
    map: Option<Mmap>,
    file: File,
    len: u64,
    /// Whether the map was asked for, rather than chosen.
    map_only: bool,
    /// Where the one window begins that the last release left for its neighbours; [`NO_WINDOW`] for none.
    left: AtomicU64,
}

/// No window begins here: windows begin at multiples of their size.
const NO_WINDOW: u64 = u64::MAX;

/// What a file must not be: images are read from anywhere in it, and often more than once.
const IN_ORDER: &str = "a pipe or a device (save what comes out of it first, blocks are read in any order)";

fn is_no_file(found: &str) -> Error {
    Error::Format(format!("expected an image file, found {found}"))
}

impl Store {
    /// Opens a regular file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be opened (or, with [`IoMode::Map`], mapped), [`Error::Format`] where it is
    /// not a regular file.
    pub fn open(path: &Path, mode: IoMode) -> Result<Store> {
        // Looked at before it is opened: opening a pipe without a writer would wait for one.
        let meta = match std::fs::metadata(path) {
            Err(e) if e.kind() == ErrorKind::NotFound && path == Path::new("-") => {
                return Err(is_no_file(IN_ORDER));
            }
            found => found.map_err(|e| Error::io("cannot open", e))?,
        };
        if !meta.is_file() {
            return Err(is_no_file(if meta.is_dir() { "a directory" } else { IN_ORDER }));
        }
        let file = File::open(path).map_err(|e| Error::io("cannot open", e))?;
        let meta = file.metadata().map_err(|e| Error::io("cannot look at the file", e))?;
        let mut store = Store {
            registered: None,
            map: None,
            file,
            len: meta.len(),
            map_only: mode == IoMode::Map,
            left: AtomicU64::new(NO_WINDOW),
        };
        if store.len > 0 && store.wants_map(mode) {
            match store.try_map(path) {
                Err(e) if mode == IoMode::Map => return Err(Error::io("cannot map the file (--io read)", e)),
                _ => {}
            }
        }
        if store.map.is_none() {
            store.advise_sequential();
        }
        Ok(store)
    }

    fn wants_map(&self, mode: IoMode) -> bool {
        match mode {
            IoMode::Map => true,
            IoMode::Read => false,
            IoMode::Auto => sigbus::is_installed() && is_local(&self.file) && self.len <= address_space() / 4,
        }
    }

    fn try_map(&mut self, path: &Path) -> std::io::Result<()> {
        // SAFETY: the map is private to this process and only read; the bytes may change under it when another
        // process writes to the file, which readers must tolerate (they check what they decode).
        let map = unsafe { Mmap::map(&self.file) }?;
        self.registered = sigbus::register(map.as_ptr() as usize, map.len(), path);
        if self.registered.is_none() {
            return Err(std::io::Error::other("too many mapped files"));
        }
        self.map = Some(map);
        Ok(())
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

    /// Whether a range of so many bytes is better copied out of the page cache than touched on the map: it then stays in a
    /// core's cache, where it is used, and no page is mapped and unmapped for it. (1.2 GB on two threads, with a sum:
    /// 48 GB/s in pieces of 512 KiB against 24 GB/s on the map where the page cache has folios of 64 KiB, 58 against 56 where they
    /// are of 1 MiB.) Nothing is, where a map was asked for.
    pub(crate) fn is_better_read(&self, bytes: u64) -> bool {
        bytes <= MOST_READ && self.may_read()
    }

    /// Whether ranges may be read though the file is mapped: not where a map was asked for.
    pub(crate) fn may_read(&self) -> bool {
        !self.map_only
    }

    /// Whether reading ranges is likely to find them in the page cache: some of them begin there, the first and the last among
    /// them.
    fn are_cached(&self, ranges: &[(u64, u64)]) -> bool {
        const LOOKS: usize = 8;
        let some = ranges.iter().step_by(ranges.len().div_ceil(LOOKS).max(1));
        some.chain(ranges.iter().skip(1).last()).all(|(start, end)| self.is_cached(*start, end - start))
    }

    /// Whether reading a range is likely to find it in the page cache, or on its way there: its first byte is. To ask for the last
    /// as well would have the system read that page alone where it is not, and lose the thread of its own reading ahead.
    #[cfg(target_os = "linux")]
    pub(crate) fn is_cached(&self, offset: u64, bytes: u64) -> bool {
        let here = |at: u64| {
            let mut byte = 0u8;
            let into = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
            // SAFETY: the descriptor is open, and the one vector has room for the one byte that it says.
            let read = unsafe {
                libc::preadv2(self.file.as_raw_fd(), &into, 1, at as libc::off_t, libc::RWF_NOWAIT)
            };
            read == 1 || (read < 0 && is_refused() && self.is_in_memory())
        };
        self.check(offset, bytes).is_ok() && bytes > 0 && here(offset)
    }

    /// Whether the file lies in memory anyway (tmpfs, which does not know of `RWF_NOWAIT`).
    #[cfg(target_os = "linux")]
    fn is_in_memory(&self) -> bool {
        file_system(&self.file) == Some(TMPFS)
    }

    /// Not known here.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn is_cached(&self, _: u64, _: u64) -> bool {
        false
    }

    /// Readies ranges to be [read](Store::read_left) by the worker that uses them, where they are in the page cache: they are
    /// then in its core's cache. Else reads them now.
    ///
    /// # Errors
    /// As [`fetch`](Store::fetch).
    pub(crate) fn fetch_or_leave(&self, ranges: &[(u64, u64)], scratch: &mut Scratch) -> Result<()> {
        scratch.segments.clear();
        scratch.stored.clear();
        let joined = self.join(ranges, 0);
        scratch.left = self.are_cached(&joined);
        if scratch.left {
            return Ok(());
        }
        self.read_joined(joined, scratch)
    }

    /// Reads ranges into `scratch`, or some of them at a time, that [`fetch_or_leave`](Store::fetch_or_leave) left; nothing
    /// where they were fetched.
    ///
    /// # Errors
    /// As [`fetch`](Store::fetch).
    pub(crate) fn read_left(&self, ranges: &[(u64, u64)], scratch: &mut Scratch) -> Result<()> {
        if scratch.left { self.read_joined(self.join(ranges, 0), scratch) } else { Ok(()) }
    }

    /// Reads ranges, as (start, end), one after the other. One alone lies as far behind a line of the cache as it does in the file,
    /// to whole words: the system copies the faster.
    fn read_joined(&self, joined: Vec<(u64, u64)>, scratch: &mut Scratch) -> Result<()> {
        scratch.segments.clear();
        let total: u64 = joined.iter().map(|(start, end)| end - start).sum();
        let mut at = match joined[..] {
            [(start, _)] => (start % LINE as u64) as usize & !7,
            _ => 0,
        };
        scratch.stored.resize(at + total as usize)?;
        for (start, end) in joined {
            let place = at..at + (end - start) as usize;
            self.read_file_at(start, &mut scratch.stored.bytes_mut()[place.clone()])?;
            at = place.end;
            scratch.segments.push((start, place));
        }
        Ok(())
    }

    /// Fills `out` with the bytes at `offset`, from the map or by reading.
    ///
    /// # Errors
    /// [`Error::Format`] past the end, or where the file was cut short since it was opened; [`Error::Io`] where
    /// reading fails.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.check(offset, out.len() as u64)?;
        if let Some(bytes) = self.mapped(offset, out.len() as u64) {
            out.copy_from_slice(bytes);
            return Ok(());
        }
        self.read_file_at(offset, out)
    }

    /// Fills `out` with the bytes at `offset` by reading, also where the file is mapped.
    ///
    /// # Errors
    /// As [`read_at`](Store::read_at).
    pub(crate) fn read_file_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.check(offset, out.len() as u64)?;
        let mut at = 0;
        while at < out.len() {
            let piece = (out.len() - at).min(PIECE as usize);
            match self.file.read_at(&mut out[at..at + piece], offset + at as u64) {
                Ok(0) => return Err(self.cut_short(offset + at as u64)),
                Ok(n) => at += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => {
                    let at = offset + at as u64;
                    return Err(Error::io(format!("cannot read {piece} bytes at byte {at}"), e));
                }
            }
        }
        Ok(())
    }

    fn cut_short(&self, end: u64) -> Error {
        Error::Format(format!("the file ended at byte {end}, it had {} bytes when it was opened", self.len))
    }

    /// Brings ranges (offset, length) near: makes their pages present, or reads them into `scratch`. Ranges that touch
    /// or overlap are read as one. Ranges that do not lie in the file are left
    /// out: whoever asks for them with [`stored`](Store::stored) gets the error.
    ///
    /// Read bytes take at most the sum of the ranges.
    ///
    /// # Errors
    /// [`Error::Io`] where reading fails, [`Error::Format`] where the file was cut short since it was opened,
    /// [`Error::Limits`] where memory cannot be had.
    pub fn fetch(&self, ranges: &[(u64, u64)], scratch: &mut Scratch) -> Result<()> {
        scratch.segments.clear();
        scratch.left = false;
        if self.is_mapped() {
            return self
                .join(ranges, POPULATE_GAP)
                .into_iter()
                .try_for_each(|(offset, end)| self.populate(offset, end - offset));
        }
        self.read_joined(self.join(ranges, 0), scratch)
    }

    /// The ranges that lie in the file, as (start, end) in ascending order, joined where no more than `gap` bytes lie
    /// between.
    fn join(&self, ranges: &[(u64, u64)], gap: u64) -> Vec<(u64, u64)> {
        let inside = |&&(offset, bytes): &&(u64, u64)| bytes > 0 && self.check(offset, bytes).is_ok();
        let mut sorted: Vec<_> = ranges.iter().filter(inside).map(|&(o, n)| (o, o + n)).collect();
        sorted.sort_unstable();
        sorted.dedup_by(|next, last| {
            let joins = next.0 <= last.1.saturating_add(gap);
            if joins {
                last.1 = last.1.max(next.1);
            }
            joins
        });
        sorted
    }

    /// Makes the pages of a range present, so that workers do not wait for the disk. Nothing where the file is not
    /// mapped.
    ///
    /// # Errors
    /// [`Error::Format`] where the file was cut short, [`Error::Io`] where a page cannot be read.
    fn populate(&self, offset: u64, bytes: u64) -> Result<()> {
        let Some(map) = &self.map else { return Ok(()) };
        // Asked each time: past the end, the last page reads as zeros without a fault.
        let len = self.file.metadata().map_err(|e| Error::io("cannot look at the file", e))?.len();
        if len < offset + bytes {
            return Err(self.cut_short(len));
        }
        for start in (offset..offset + bytes).step_by(PIECE as usize) {
            let piece = PIECE.min(offset + bytes - start);
            match populate_read(map, start, piece) {
                // A page that cannot be had: touching it would raise SIGBUS.
                Err(e) if e.raw_os_error() == Some(libc::EFAULT) => {
                    let cause = std::io::Error::from_raw_os_error(libc::EIO);
                    return Err(Error::io(format!("cannot read {piece} bytes at byte {start}"), cause));
                }
                // Any other refusal (an old kernel) is harmless: pages come when they are touched.
                _ => {}
            }
        }
        Ok(())
    }

    /// The bytes of a range that was fetched.
    ///
    /// # Errors
    /// [`Error::Format`] where the range does not lie in the file or was not fetched.
    pub fn stored<'a>(&'a self, scratch: &'a Scratch, offset: u64, bytes: u64) -> Result<&'a [u8]> {
        self.check(offset, bytes)?;
        if scratch.segments.is_empty()
            && let Some(slice) = self.mapped(offset, bytes)
        {
            return Ok(slice);
        }
        // Segments are in ascending order and apart, so only the last that starts before can hold the range.
        let before = scratch.segments.partition_point(|(start, _)| *start <= offset);
        let found = before.checked_sub(1).and_then(|i| {
            let (start, place) = &scratch.segments[i];
            let skip = (offset - start) as usize;
            scratch.stored.bytes()[place.clone()].get(skip..skip.checked_add(bytes as usize)?)
        });
        match found {
            Some(slice) => Ok(slice),
            None if bytes == 0 => Ok(&[]),
            None => Err(Error::Format(format!("{bytes} bytes at byte {offset} were not fetched"))),
        }
    }

    /// Lets go of the pages of ranges that no chunk needs any more. They come back if they are touched again: pages
    /// around the ranges are dropped too, for whoever faulted last may have brought them.
    ///
    /// The window in which the ranges end stays until a release ends in another one, so that small blocks that share a
    /// window do not drop each other's pages, which every processor would have to be told of.
    pub fn release(&self, ranges: &[(u64, u64)]) {
        if self.map.is_none() {
            return;
        }
        let joined = self.join(ranges, WINDOW);
        let Some(&(_, last)) = joined.last() else { return };
        let stays = (last - 1) - (last - 1) % WINDOW;
        let left = self.left.swap(stays, Ordering::Relaxed);
        for &(start, end) in &joined {
            let start = start - start % WINDOW;
            self.drop_pages(
                start,
                end.next_multiple_of(WINDOW).min(if end == last { stays } else { u64::MAX }),
            );
        }
        if left != stays && left != NO_WINDOW {
            self.drop_pages(left, left + WINDOW);
        }
    }

    fn drop_pages(&self, start: u64, end: u64) {
        let end = end.min(self.len);
        let Some(map) = self.map.as_ref().filter(|_| start < end) else { return };
        // SAFETY: the map is of a file and read-only: dropped pages are read again when touched.
        let _ = unsafe {
            map.unchecked_advise_range(UncheckedAdvice::DontNeed, start as usize, (end - start) as usize)
        };
    }

    /// Bytes that `runs` ranges of `bytes` each make resident at most.
    pub(crate) fn resident_bytes(&self, runs: u64, bytes: u64) -> u64 {
        runs.saturating_mul(bytes.saturating_add(2 * WINDOW)).min(self.len)
    }

    /// Has the system read further ahead, where there is no map. Asking it for ranges (`POSIX_FADV_WILLNEED`) would do so as well, but
    /// leaves the page cache in single pages where its own reading ahead makes large folios: of 1.2 GB 68 ms against 31 for whoever
    /// reads it again.
    #[cfg(target_os = "linux")]
    fn advise_sequential(&self) {
        // SAFETY: a hint about an open descriptor; what it returns does not matter.
        unsafe { libc::posix_fadvise(self.file.as_raw_fd(), 0, 0, libc::POSIX_FADV_SEQUENTIAL) };
    }

    #[cfg(not(target_os = "linux"))]
    fn advise_sequential(&self) {}
}

#[cfg(target_os = "linux")]
fn populate_read(map: &Mmap, offset: u64, bytes: u64) -> std::io::Result<()> {
    map.advise_range(memmap2::Advice::PopulateRead, offset as usize, bytes as usize)
}

#[cfg(not(target_os = "linux"))]
fn populate_read(map: &Mmap, offset: u64, bytes: u64) -> std::io::Result<()> {
    map.advise_range(memmap2::Advice::WillNeed, offset as usize, bytes as usize)
}

/// Bytes of address space that the process may have (`ulimit -v`).
fn address_space() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit.
    match unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) } {
        0 => limit.rlim_cur,
        _ => u64::MAX,
    }
}

/// Whether a file lies on a file system of this machine. On shared ones a map is slow, counts against the job's memory
/// in unwelcome ways, and raises SIGBUS when the server is away.
#[cfg(target_os = "linux")]
fn is_local(file: &File) -> bool {
    /// NFS, SMB, SMB2, CIFS, NCP, AFS (two), Coda, 9P, FUSE, Lustre, GPFS, Ceph, BeeGFS, PanFS, OrangeFS, OCFS2, GFS2, vboxsf.
    const SHARED: [u32; 19] = [
        0x6969,
        0x517b,
        0xfe53_4d42,
        0xff53_4d42,
        0x564c,
        0x5346_414f,
        0x6b41_4653,
        0x7375_7245,
        0x0102_1997,
        0x6573_5546,
        0x0bd0_0bd0,
        0x4750_4653,
        0x00c3_6400,
        0x1983_0326,
        0xaad7_aaea,
        0x2003_0528,
        0x7461_636f,
        0x0116_1970,
        0x786f_4256,
    ];
    file_system(file).is_some_and(|kind| !SHARED.contains(&kind))
}

#[cfg(target_os = "linux")]
const TMPFS: u32 = 0x0102_1994;

/// The number of the kind of file system that a file lies on.
#[cfg(target_os = "linux")]
fn file_system(file: &File) -> Option<u32> {
    // SAFETY: all-zero bytes are a valid statfs.
    let mut fs: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open and the pointer is to a live statfs.
    let known = unsafe { libc::fstatfs(file.as_raw_fd(), &mut fs) } == 0;
    known.then_some(fs.f_type as u32)
}

/// Whether the last call failed because the file system does not know what was asked of it.
#[cfg(target_os = "linux")]
fn is_refused() -> bool {
    std::io::Error::last_os_error().raw_os_error() == Some(libc::EOPNOTSUPP)
}

#[cfg(not(target_os = "linux"))]
fn is_local(_: &File) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut f = tempfile::NamedTempFile::new().unwrap();
        f.write_all(bytes).unwrap();
        f
    }

    fn numbered(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 7 + i / 256) as u8).collect()
    }

    #[test]
    fn mapped_and_read_ranges_are_the_same_bytes() {
        let bytes = numbered(300_000);
        let f = file(&bytes);
        let ranges = [(200_000, 50), (0, 10), (10, 5), (70, 100), (90, 10), (4096, 0), (299_999, 1)];
        for mode in [IoMode::Map, IoMode::Read] {
            let (store, mut scratch) = (Store::open(f.path(), mode).unwrap(), Scratch::new());
            assert_eq!(store.is_mapped(), mode == IoMode::Map);
            store.fetch(&ranges, &mut scratch).unwrap();
            for (offset, len) in ranges {
                let want = &bytes[offset as usize..(offset + len) as usize];
                assert_eq!(store.stored(&scratch, offset, len).unwrap(), want);
            }
            store.release(&ranges);
            assert_eq!(store.stored(&scratch, 70, 100).unwrap(), &bytes[70..170]);
        }
    }

    #[test]
    fn touching_ranges_are_one_read_and_shared_bytes_are_read_once() {
        let f = file(&numbered(10_000));
        let (store, mut scratch) = (Store::open(f.path(), IoMode::Read).unwrap(), Scratch::new());
        store.fetch(&[(5000, 100), (0, 100), (100, 108), (0, 50), (5050, 10)], &mut scratch).unwrap();
        assert_eq!(scratch.segments, [(0, 0..208), (5000, 208..308)]);
        assert!(store.stored(&scratch, 207, 2).is_err());
    }

    #[test]
    fn ranges_past_the_end_are_left_to_whoever_asks() {
        let f = file(&numbered(100));
        for mode in [IoMode::Map, IoMode::Read] {
            let (store, mut scratch) = (Store::open(f.path(), mode).unwrap(), Scratch::new());
            store.fetch(&[(90, 20), (u64::MAX, 2), (10, 5)], &mut scratch).unwrap();
            assert!(store.stored(&scratch, 10, 5).is_ok());
            let e = store.stored(&scratch, 90, 20).unwrap_err().to_string();
            assert!(e.contains("20 bytes at byte 90") && e.contains("100 bytes"), "{e}");
            assert!(store.stored(&scratch, u64::MAX, 2).is_err());
        }
    }

    #[test]
    fn what_was_just_written_is_cached_and_what_is_not_there_is_not() {
        let f = file(&numbered(300_000));
        let store = Store::open(f.path(), IoMode::Read).unwrap();
        assert_eq!(store.is_cached(0, 300_000), cfg!(target_os = "linux"));
        for (offset, bytes) in [(0, 300_001), (300_000, 1), (u64::MAX, 2), (5, 0)] {
            assert!(!store.is_cached(offset, bytes), "{bytes} bytes at {offset}");
        }
        f.as_file().set_len(1000).unwrap();
        assert!(!store.is_cached(8192, 1000));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_in_memory_is_cached_though_its_file_system_cannot_say() {
        let Ok(mut f) = tempfile::NamedTempFile::new_in("/dev/shm") else { return };
        f.write_all(&numbered(5000)).unwrap();
        let store = Store::open(f.path(), IoMode::Read).unwrap();
        if file_system(&store.file) != Some(TMPFS) {
            eprintln!("/dev/shm is no tmpfs: skipped");
            return;
        }
        assert!(store.is_cached(0, 5000) && !store.is_cached(0, 5001));
    }

    #[test]
    fn a_file_cut_short_is_an_error_that_says_so() {
        for mode in [IoMode::Map, IoMode::Read] {
            let f = file(&numbered(50_000));
            let (store, mut scratch) = (Store::open(f.path(), mode).unwrap(), Scratch::new());
            f.as_file().set_len(1000).unwrap();
            let e = store.fetch(&[(0, 50_000)], &mut scratch).unwrap_err().to_string();
            assert_eq!(e, "the file ended at byte 1000, it had 50000 bytes when it was opened", "{mode:?}");
        }
    }

    #[test]
    fn auto_reads_until_the_handler_is_installed() {
        let f = file(&numbered(100));
        // Other tests of this binary never install the handler: it would take the process's signal.
        assert!(!Store::open(f.path(), IoMode::Auto).unwrap().is_mapped());
    }

    #[test]
    fn directories_and_missing_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let e = Store::open(dir.path(), IoMode::Auto).unwrap_err().to_string();
        assert!(e.contains("a directory"), "{e}");
        let e = Store::open(&dir.path().join("none"), IoMode::Auto).unwrap_err().to_string();
        assert!(e.contains("cannot open"), "{e}");
        assert!(Store::open(Path::new("/dev/null"), IoMode::Read).is_err());
    }
}
