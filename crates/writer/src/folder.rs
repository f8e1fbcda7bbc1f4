//! [`PartialFolder`]: a folder of files that has its name only when it is whole.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use outcrop_core::{Error, Result};

use crate::partial::{folder_of, hidden};
use crate::{Overwrite, sys};

/// A folder `.NAME.outcrop-part` beside the output, that [`publish`](PartialFolder::publish) gives its name. Dropped
/// instead, it is removed with all that is in it.
///
/// It has no lock of its own: it belongs to a file that has one.
#[derive(Debug)]
pub(crate) struct PartialFolder {
    partial: Option<PathBuf>,
    path: PathBuf,
    overwrite: Overwrite,
    /// Whether it stays where this is dropped.
    kept: AtomicBool,
}

impl PartialFolder {
    /// Starts the folder `path`. What an earlier run left is removed, and said. `ours` knows the names of what may be
    /// replaced: a folder that holds anything else is never removed.
    pub(crate) fn create(
        path: &Path,
        overwrite: Overwrite,
        ours: impl Fn(&str) -> bool,
        notices: &mut Vec<String>,
    ) -> Result<PartialFolder> {
        let shown = path.display();
        match fs::symlink_metadata(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(Error::io(format!("look at {shown}"), e)),
            Ok(_) if overwrite == Overwrite::Refuse => {
                return Err(Error::Usage(format!("{shown} exists (use --overwrite)")));
            }
            Ok(found) if !found.is_dir() => {
                return Err(Error::Usage(format!("{shown} is no folder and cannot be replaced by one")));
            }
            Ok(_) => {
                let entries = fs::read_dir(path).map_err(|e| Error::io(format!("list {shown}"), e))?;
                let strange = entries.flatten().find(|entry| !entry.file_name().to_str().is_some_and(&ours));
                if let Some(strange) = strange {
                    let name = strange.file_name();
                    return Err(Error::Usage(format!(
                        "{shown} holds {}, which is not of an earlier output, and was left as it is (name another output)",
                        name.display()
                    )));
                }
            }
        }
        let partial = hidden(path)?;
        if fs::symlink_metadata(&partial).is_ok() {
            fs::remove_dir_all(&partial)
                .map_err(|e| Error::io(format!("remove {}", partial.display()), e))?;
            notices.push(format!("removed {}, which an earlier run left behind", partial.display()));
        }
        fs::create_dir(&partial).map_err(|e| Error::io(format!("create {}", path.display()), e))?;
        let kept = AtomicBool::new(false);
        Ok(PartialFolder { partial: Some(partial), path: path.to_path_buf(), overwrite, kept })
    }

    /// Goes on with the folder that an earlier run has [kept](PartialFolder::keep), by its number. It may have its name
    /// already.
    pub(crate) fn resume(path: &Path, overwrite: Overwrite, inode: u64) -> Result<PartialFolder> {
        let partial = hidden(path)?;
        let is_it = |path: &Path| fs::symlink_metadata(path).is_ok_and(|f| f.is_dir() && f.ino() == inode);
        let (kept, path) = (AtomicBool::new(true), path.to_path_buf());
        if is_it(&path) {
            // What has the partial name is the folder that was replaced.
            let _ = fs::remove_dir_all(&partial);
            return Ok(PartialFolder { partial: None, path, overwrite, kept });
        }
        if !is_it(&partial) {
            return Err(Error::Usage(format!(
                "{}: the unfinished output {} is gone (remove the checkpoint to start again)",
                path.display(),
                partial.display()
            )));
        }
        Ok(PartialFolder { partial: Some(partial), path, overwrite, kept })
    }

    /// Whether it has its name already.
    pub(crate) fn is_published(&self) -> bool {
        self.partial.is_none()
    }

    /// The number by which the file system knows the folder.
    pub(crate) fn inode(&self) -> u64 {
        fs::metadata(self.partial_path()).map_or(0, |found| found.ino())
    }

    /// Makes what was written durable, and leaves the folder where this is dropped before it is published.
    pub(crate) fn keep(&self) -> Result<()> {
        self.kept.store(true, Ordering::Relaxed);
        let synced = File::open(self.partial_path()).and_then(|f| sys::sync_file_system(&f));
        synced.map_err(|e| Error::io(format!("write to disk {}", self.path.display()), e))
    }

    /// The name that it has until it is published.
    pub(crate) fn partial_path(&self) -> &Path {
        self.partial.as_deref().unwrap_or(&self.path)
    }

    /// Makes all files durable and gives the folder its name, in one step also where it replaces another.
    pub(crate) fn publish(&mut self) -> Result<()> {
        let Some(partial) = &self.partial else { return Ok(()) };
        let io = |what: &str, e| Error::io(format!("{what} {}", self.path.display()), e);
        File::open(partial).and_then(|f| sys::sync_file_system(&f)).map_err(|e| io("write to disk", e))?;
        let renamed = sys::rename_no_replace(partial, &self.path);
        match renamed {
            Err(e) if e.kind() == ErrorKind::AlreadyExists && self.overwrite == Overwrite::Replace => {
                sys::exchange(partial, &self.path).map_err(|e| io("exchange with the new", e))?;
                // What has the partial name now is the old folder. It is in nobody's way if it stays.
                let _ = fs::remove_dir_all(partial);
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                return Err(Error::Usage(format!(
                    "{}: a folder of that name has appeared meanwhile and was left as it is (use --overwrite)",
                    self.path.display()
                )));
            }
            answer => answer.map_err(|e| io("rename to", e))?,
        }
        self.partial = None;
        let _ = File::open(folder_of(&self.path)).and_then(|f| f.sync_all());
        Ok(())
    }

    /// Takes a published folder away again, unless it has replaced another.
    pub(crate) fn withdraw(&mut self) {
        if self.partial.is_none() && self.overwrite == Overwrite::Refuse {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

impl Drop for PartialFolder {
    fn drop(&mut self) {
        if let Some(partial) = self.partial.take()
            && !self.kept.load(Ordering::Relaxed)
        {
            let _ = fs::remove_dir_all(partial);
        }
    }
}
