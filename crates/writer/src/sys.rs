//! The system calls that the standard library does not offer.

#[cfg(target_os = "linux")]
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes that an ordinary user may still write on the file system that holds `file`.
pub(crate) fn free_bytes(file: &File) -> io::Result<u64> {
    let mut answer = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and `answer` has room for one statvfs.
    if unsafe { libc::fstatvfs(file.as_raw_fd(), answer.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it has filled `answer`.
    let answer = unsafe { answer.assume_init() };
    #[allow(clippy::unnecessary_cast)] // the fields' widths differ between systems
    Ok((answer.f_bavail as u64).saturating_mul(answer.f_frsize as u64))
}

/// The largest file that this process may write (`ulimit -f`), `u64::MAX` where there is no limit.
pub(crate) fn file_size_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `limit` is a whole rlimit that the call may overwrite.
    let failed = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) } != 0;
    if failed || limit.rlim_cur == libc::RLIM_INFINITY { u64::MAX } else { limit.rlim_cur }
}

/// Has the system begin to write these bytes to disk, without waiting: the sync at the end then finds little left
/// to do. Only a hint; a failure is that sync's to tell.
#[cfg(target_os = "linux")]
pub(crate) fn begin_write_out(file: &File, offset: u64, len: u64) {
    let (Ok(offset), Ok(len)) = (i64::try_from(offset), i64::try_from(len)) else { return };
    // SAFETY: the descriptor is open for as long as `file` is borrowed; the call takes no memory of ours.
    unsafe { libc::sync_file_range(file.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE) };
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn begin_write_out(_: &File, _: u64, _: u64) {}

/// Takes the disk's space for the first `len` bytes of a file, which keeps its length. `Unsupported` where the file
/// system does not know that.
#[cfg(target_os = "linux")]
pub(crate) fn reserve(file: &File, len: u64) -> io::Result<()> {
    let len = i64::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
    // SAFETY: the descriptor is open for as long as `file` is borrowed; the call takes no memory of ours.
    let answer = unsafe { libc::fallocate(file.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, 0, len) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn reserve(_: &File, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Renames unless the new name is taken (`AlreadyExists`), in one step where the file system can.
pub(crate) fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
    match rename_exclusively(from, to) {
        Err(e) if matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL | libc::ENOTSUP)) => {}
        answer => return answer,
    }
    // NFS and some FUSE file systems know no flags of rename, and folders have no second name there.
    if from.is_dir() {
        if std::fs::symlink_metadata(to).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        return std::fs::rename(from, to);
    }
    // A link does not clobber either, and both names
    // are of the whole file for the moment that both exist.
    std::fs::hard_link(from, to)?;
    std::fs::remove_file(from)
}

/// Gives each of two files or folders the other's name: in one step where the file system can, else by way of a third
/// name.
pub(crate) fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    match rename_exchanging(a, b) {
        Err(e) if matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL | libc::ENOTSUP)) => {}
        answer => return answer,
    }
    let mut third = a.as_os_str().to_os_string();
    third.push(".old");
    std::fs::rename(b, &third)?;
    // Back, where the second step fails: the name must not stay without its file.
    std::fs::rename(a, b).inspect_err(|_| drop(std::fs::rename(&third, b)))?;
    std::fs::rename(&third, a)
}

/// Makes all files of the file system that holds `file` durable.
pub(crate) fn sync_file_system(file: &File) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: the descriptor is open for as long as `file` is borrowed.
        let answer = unsafe { libc::syncfs(file.as_raw_fd()) };
        if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = file;
        // SAFETY: the call takes nothing and always succeeds.
        unsafe { libc::sync() };
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn rename_exclusively(from: &Path, to: &Path) -> io::Result<()> {
    rename_at(from, to, libc::RENAME_NOREPLACE)
}

#[cfg(target_os = "linux")]
fn rename_exchanging(from: &Path, to: &Path) -> io::Result<()> {
    rename_at(from, to, libc::RENAME_EXCHANGE)
}

#[cfg(not(target_os = "linux"))]
fn rename_exchanging(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

#[cfg(target_os = "linux")]
fn rename_at(from: &Path, to: &Path, flags: libc::c_uint) -> io::Result<()> {
    let from = CString::new(from.as_os_str().as_bytes())?;
    let to = CString::new(to.as_os_str().as_bytes())?;
    // SAFETY: both strings end in NUL and outlive the call. The call itself, not glibc's wrapper, which older
    // ones and musl lack.
    let answer = unsafe {
        libc::syscall(libc::SYS_renameat2, libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), flags)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn rename_exclusively(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}
