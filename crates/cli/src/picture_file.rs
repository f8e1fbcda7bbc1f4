//! A small file that a command makes in memory: it has its name when it is whole, or goes to standard output.

use std::io::Write;
use std::path::{Path, PathBuf};

use outcrop::{Error, Output, OutputFormat, PartialFile, PictureFormat};

/// A file that was started.
pub(crate) enum PictureFile {
    File(Box<PartialFile>),
    /// It exists; perhaps because a run that was killed has made it.
    Existing(PathBuf, Error),
    Stdout,
}

impl PictureFile {
    /// Starts it: what can be known to fail fails here.
    ///
    /// # Errors
    /// As [`PartialFile::create`].
    pub(crate) fn create(output: &Output) -> outcrop::Result<PictureFile> {
        match &output.path {
            None => Ok(PictureFile::Stdout),
            Some(path) => {
                let file = PartialFile::create(path, output.options.overwrite)?;
                Ok(PictureFile::File(Box::new(file)))
            }
        }
    }

    /// The same for a run that goes on from a checkpoint: a file of that name will do, if it is the one that would be made.
    ///
    /// # Errors
    /// As [`create`](PictureFile::create).
    pub(crate) fn resume(output: &Output) -> outcrop::Result<PictureFile> {
        match (PictureFile::create(output), &output.path) {
            (Err(exists @ Error::Usage(_)), Some(path)) if path.is_file() => {
                Ok(PictureFile::Existing(path.clone(), exists))
            }
            (file, _) => file,
        }
    }

    /// Writes all of it, and gives the file its name.
    ///
    /// # Errors
    /// Where the system refuses, or the name has been taken meanwhile.
    pub(crate) fn save(self, bytes: &[u8]) -> anyhow::Result<()> {
        match self {
            PictureFile::Stdout => {
                let mut out = std::io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush())?;
            }
            PictureFile::Existing(path, exists) => match std::fs::read(path) {
                Ok(found) if found == bytes => {}
                _ => return Err(exists.into()),
            },
            PictureFile::File(mut file) => {
                file.ensure_space(bytes.len() as u64, true)?;
                file.file().write_all_at(bytes, 0)?;
                file.publish()?;
            }
        }
        Ok(())
    }
}

/// The format of a picture: `to` where it is named, else by the extension.
///
/// # Errors
/// [`Error::Usage`] where that is no format of pictures.
pub(crate) fn picture_format(path: &Path, to: Option<OutputFormat>) -> outcrop::Result<PictureFormat> {
    match to.or_else(|| OutputFormat::of_path(path)) {
        Some(OutputFormat::Picture(format)) => Ok(format),
        _ => Err(Error::Usage(format!(
            "{}: a preview is a .png, .jpg or .webp file (or --to png, jpeg or webp)",
            path.display()
        ))),
    }
}
