//! [`PartialFile`]: an output that has its name only when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use outcrop_core::{Error, Result};

use crate::doomed::Doomed;
use crate::{Positioned, sys};

/// What becomes of a file that already has the output's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// It stays, and the run is refused; also where it appears while the run goes on.
    #[default]
    Refuse,
    /// The whole output takes its place, in one step.
    Replace,
}

/// A file `.NAME.outcrop-part` beside the output, locked against a second run, that
/// [`publish`](PartialFile::publish) gives its name. Dropped instead, it is removed.
#[derive(Debug)]
pub struct PartialFile {
    file: Arc<Positioned>,
    /// The partial file; taken once it is published.
    partial: Option<PathBuf>,
    path: PathBuf,
    overwrite: Overwrite,
    notices: Vec<String>,
    /// Whether the partial file stays where this is dropped.
    kept: AtomicBool,
    /// Has the file removed where the process ends at once; of one that may go.
    doomed: Option<Doomed>,
}

impl PartialFile {
    /// Starts the output `path`. Whatever would make publishing it impossible and can be known now is an error.
    ///
    /// A symbolic link that may be overwritten is followed. A partial file that an earlier run left is removed,
    /// and [`notices`](PartialFile::notices) says so.
    ///
    /// # Errors
    /// [`Error::Usage`] where the output exists and may not be overwritten, is not a regular file, its folder is
    /// missing, or another run is writing it; [`Error::Io`] where the folder cannot be written.
    pub fn create(path: &Path, overwrite: Overwrite) -> Result<PartialFile> {
        PartialFile::open(path, overwrite, false)
    }

    /// Goes on with the partial file that an earlier run has [kept](PartialFile::keep), as it is. Where it is gone and
    /// a file has the output's name, that one is opened to be [looked at](PartialFile::is_published): the earlier run may
    /// have ended right after it was published.
    ///
    /// # Errors
    /// As [`create`](PartialFile::create); [`Error::Usage`] where there is neither.
    pub fn resume(path: &Path, overwrite: Overwrite) -> Result<PartialFile> {
        match PartialFile::published(path, overwrite)? {
            Some(file) => Ok(file),
            None => PartialFile::open(path, overwrite, true),
        }
    }

    fn published(path: &Path, overwrite: Overwrite) -> Result<Option<PartialFile>> {
        if !path.is_file() {
            return Ok(None);
        }
        let io = |e| Error::io(format!("look at {}", path.display()), e);
        let path = fs::canonicalize(path).map_err(io)?;
        let file = File::open(&path).map_err(io)?;
        let partial = hidden(&path)?;
        if let Ok(left) = fs::symlink_metadata(&partial) {
            let ours = file.metadata().map_err(io)?;
            if (left.dev(), left.ino()) != (ours.dev(), ours.ino()) {
                return Ok(None);
            }
            // The second name of a file that was published by a link.
            fs::remove_file(&partial).map_err(io)?;
        }
        let file = Arc::new(Positioned::new(file, path.display().to_string()));
        Ok(Some(PartialFile {
            file,
            partial: None,
            path,
            overwrite,
            notices: Vec::new(),
            kept: true.into(),
            doomed: None,
        }))
    }

    /// Whether the output has its name already. It can then be read, not written, and publishing it does nothing.
    pub fn is_published(&self) -> bool {
        self.partial.is_none()
    }

    /// The number by which the file system knows the file: it stays when the file is published.
    pub(crate) fn inode(&self) -> u64 {
        self.file.file().metadata().map_or(0, |found| found.ino())
    }

    fn open(path: &Path, overwrite: Overwrite, resume: bool) -> Result<PartialFile> {
        let path = resolve(path, overwrite)?;
        let partial = hidden(&path)?;

        let mut notices = Vec::new();
        if resume && !partial.is_file() {
            return Err(Error::Usage(format!(
                "{}: the unfinished output {} is gone (remove the checkpoint to start again)",
                path.display(),
                partial.display()
            )));
        }
        let file = open_locked(&partial, &path, resume, &mut notices)?;
        if let Ok(old) = fs::metadata(&path) {
            // Best effort: the new file is as readable as the one it replaces.
            let _ = file.set_permissions(old.permissions());
        }
        let file = Arc::new(Positioned::new(file, path.display().to_string()));
        let doomed = if resume { None } else { Doomed::new(&partial) };
        Ok(PartialFile {
            file,
            partial: Some(partial),
            path,
            overwrite,
            notices,
            kept: resume.into(),
            doomed,
        })
    }

    /// Makes what was written durable, and leaves the partial file where this is dropped before it is published.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub fn keep(&self) -> Result<()> {
        self.kept.store(true, Ordering::Relaxed);
        self.spare();
        let synced = self.file.file().sync_data();
        synced.map_err(|e| Error::io(format!("write to disk {}", self.path.display()), e))
    }

    fn spare(&self) {
        if let Some(doomed) = &self.doomed {
            doomed.spare();
        }
    }

    /// Removes what an earlier run has [kept](PartialFile::keep) of the output `path`, if there is something.
    pub fn remove_kept(path: &Path) {
        if let Ok(partial) = hidden(path) {
            let _ = fs::remove_file(partial);
        }
    }

    /// Removes what was [kept](PartialFile::keep): it has served.
    pub(crate) fn discard(self) {
        self.kept.store(false, Ordering::Relaxed);
    }

    /// The same on a disk that is full after `bytes`.
    #[cfg(test)]
    pub(crate) fn limited(mut self, bytes: u64) -> PartialFile {
        let file = self.file.file().try_clone().unwrap();
        self.file = Arc::new(Positioned::new(file, "a limited file").limited(bytes));
        self
    }

    /// The file, to be shared with the threads that write it.
    pub fn file(&self) -> &Arc<Positioned> {
        &self.file
    }

    /// The name that the output will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name that it has until then.
    pub(crate) fn partial_path(&self) -> Option<&Path> {
        self.partial.as_deref()
    }

    /// What the user should hear: a stale partial file was removed, space may not suffice.
    pub fn notices(&mut self) -> &mut Vec<String> {
        &mut self.notices
    }

    /// Looks whether `needed` more bytes fit on the disk and under this process's limit of file sizes. Too little
    /// is an error where the size is `exact`, and a notice where it is an upper bound.
    ///
    /// # Errors
    /// [`Error::Io`] that says how much is needed and how much there is.
    pub fn ensure_space(&mut self, needed: u64, exact: bool) -> Result<()> {
        self.ensure_space_beside(needed, 0, exact)
    }

    /// The same beside a file of `other` bytes that goes away later.
    pub(crate) fn ensure_space_beside(&mut self, needed: u64, other: u64, exact: bool) -> Result<()> {
        self.file.expect(needed);
        let free = self.file.free_bytes().unwrap_or(u64::MAX).saturating_sub(other);
        let (room, kind, whose) = if self.file.limit() < free {
            (self.file.limit(), ErrorKind::FileTooLarge, "allowed by ulimit -f")
        } else {
            (free, ErrorKind::StorageFull, "free there")
        };
        if needed <= room {
            return Ok(());
        }
        let name = self.path.display();
        let beside = if other > 0 { format!(" beside a spill file of {other}") } else { String::new() };
        if exact {
            let what = format!("{name} needs {needed} bytes, {room} are {whose}{beside}");
            return Err(Error::io(what, kind.into()));
        }
        self.notices.push(format!("{name} may need up to {needed} bytes, {room} are {whose}{beside}"));
        Ok(())
    }

    /// Makes the content durable, gives the file its name, and makes the name durable. Under
    /// [`Overwrite::Refuse`] a file that has appeared under that name meanwhile stays as it is.
    ///
    /// # Errors
    /// [`Error::Usage`] where the name has been taken, [`Error::Io`] where the system refuses. The partial file is
    /// then removed.
    pub fn publish(mut self) -> Result<()> {
        self.publish_here()
    }

    /// Publishes two files that belong together, this one first: who sees the second finds the first. Where the
    /// second does not get its name, the first is withdrawn, unless it has replaced another.
    ///
    /// # Errors
    /// As [`publish`](PartialFile::publish).
    pub fn publish_before(self, second: PartialFile) -> Result<()> {
        PartialFile::publish_all(vec![self, second])
    }

    /// Publishes files that belong together, in their order: who sees the last finds all. Where a name has been taken,
    /// those before it are withdrawn, unless they have replaced others.
    ///
    /// # Errors
    /// As [`publish`](PartialFile::publish).
    pub fn publish_all(mut files: Vec<PartialFile>) -> Result<()> {
        let done = files.iter_mut().try_for_each(PartialFile::publish_here);
        // A name may have been given though it is an error: the folder could not be made durable.
        if done.is_err() && !files.iter().all(PartialFile::is_published) {
            let ours = |file: &&PartialFile| file.is_published() && file.overwrite == Overwrite::Refuse;
            for file in files.iter().filter(ours) {
                let _ = fs::remove_file(&file.path);
            }
        }
        done
    }

    pub(crate) fn publish_here(&mut self) -> Result<()> {
        let io = |what: &str, e| Error::io(format!("{what} {}", self.path.display()), e);
        let Some(partial) = &self.partial else { return Ok(()) };
        self.file.file().sync_all().map_err(|e| io("write to disk", e))?;
        if fs::symlink_metadata(partial).map_or(0, |found| found.ino()) != self.inode() {
            let what = format!("{}: {} is another file now", self.path.display(), partial.display());
            return Err(Error::Usage(format!("{what}: nothing else may write it during a run")));
        }
        match self.overwrite {
            Overwrite::Replace => {
                uninterrupted(|| fs::rename(partial, &self.path)).map_err(|e| io("rename to", e))?
            }
            Overwrite::Refuse => match sys::rename_no_replace(partial, &self.path) {
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                    return Err(Error::Usage(format!(
                        "{}: a file of that name has appeared meanwhile and was left as it is (use --overwrite)",
                        self.path.display()
                    )));
                }
                answer => answer.map_err(|e| {
                    io("rename without replacing (this file system may need --overwrite) to", e)
                })?,
            },
        }
        self.partial = None;
        self.spare();
        let folder = folder_of(&self.path);
        File::open(folder).and_then(|f| f.sync_all()).or_else(|e| match e.kind() {
            // Some file systems cannot sync a folder; the file itself is whole and in place.
            ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::PermissionDenied => Ok(()),
            _ => Err(Error::io(format!("write the folder {} to disk", folder.display()), e)),
        })
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if let Some(partial) = self.partial.take()
            && !self.kept.load(Ordering::Relaxed)
        {
            let _ = fs::remove_file(partial);
        }
        self.spare();
    }
}

/// Calls again what a signal has interrupted.
fn uninterrupted(mut call: impl FnMut() -> std::io::Result<()>) -> std::io::Result<()> {
    loop {
        match call() {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// The name of the partial file or folder of an output.
pub(crate) fn hidden(path: &Path) -> Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| Error::Usage(format!("{}: an output needs the name of a file", path.display())))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".outcrop-part");
    Ok(path.with_file_name(hidden))
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The path to write, with links followed; refuses what cannot be an output.
fn resolve(path: &Path, overwrite: Overwrite) -> Result<PathBuf> {
    let shown = path.display();
    let folder = folder_of(path);
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(Error::Usage(format!("{shown}: {} is not a folder", folder.display()))),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            return Err(Error::Usage(format!("{shown}: the folder {} does not exist", folder.display())));
        }
        Err(e) => return Err(Error::io(format!("look at the folder {}", folder.display()), e)),
    }
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(path.to_path_buf()),
        Err(e) => return Err(Error::io(format!("look at {shown}"), e)),
        Ok(_) => {}
    }
    if path.is_dir() {
        return Err(Error::Usage(format!("{shown} is a folder; an output needs the name of a file")));
    }
    if overwrite == Overwrite::Refuse {
        return Err(Error::Usage(format!("{shown} exists (use --overwrite)")));
    }
    let path = fs::canonicalize(path).map_err(|e| Error::io(format!("follow {shown}"), e))?;
    match fs::metadata(&path) {
        Ok(found) if found.is_file() => Ok(path),
        Ok(_) => Err(Error::Usage(format!("{shown} is not a regular file and cannot be replaced"))),
        Err(e) => Err(Error::io(format!("look at {shown}"), e)),
    }
}

/// Creates the partial file and locks it, so that a second run of the same output can tell a stale file from one
/// that is being written.
/// With `resume` a file that is there is taken as it is.
fn open_locked(partial: &Path, path: &Path, resume: bool, notices: &mut Vec<String>) -> Result<File> {
    let io = |e| Error::io(format!("create {}", partial.display()), e);
    // Each turn either returns or has seen another run create or remove the file in between.
    for _ in 0..100 {
        let created = OpenOptions::new().read(true).write(true).create_new(true).open(partial);
        let (file, fresh) = match created {
            Ok(file) => (file, true),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
                match OpenOptions::new().read(true).write(true).custom_flags(flags).open(partial) {
                    Ok(file) => (file, false),
                    Err(e) if e.kind() == ErrorKind::NotFound => continue,
                    Err(e) => return Err(io(e)),
                }
            }
            // The name that was typed, which says it as well as the hidden one.
            Err(e) => return Err(Error::io(format!("create {}", path.display()), e)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(Error::Usage(format!("{}: another run is writing this output", path.display())));
            }
            // A file system without locks: the fresh file is ours by O_EXCL; whose an old one is, nobody knows.
            Err(fs::TryLockError::Error(_)) if fresh => {}
            Err(fs::TryLockError::Error(e)) => {
                let what = format!("lock {} (another run, or remove it)", partial.display());
                return Err(Error::io(what, e));
            }
        }
        let ours = file.metadata().map_err(io)?;
        let named = fs::symlink_metadata(partial).ok();
        if named.is_none_or(|n| (n.dev(), n.ino()) != (ours.dev(), ours.ino())) {
            continue;
        }
        if fresh || resume {
            return Ok(file);
        }
        fs::remove_file(partial).map_err(io)?;
        notices.push(format!("removed {}, which an earlier run left behind", partial.display()));
    }
    Err(Error::Usage(format!("{}: other runs keep creating and removing this output", path.display())))
}
