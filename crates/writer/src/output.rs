//! [`Target`] and [`Output`]: a file that can be written at any place, or a stream that cannot.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use outcrop_core::{Error, Result};

use crate::{Overwrite, PartialFile};

/// Where the output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A path: a file, or a pipe or device that exists.
    Path(&'a Path),
    /// Standard output.
    Stdout,
}

/// An opened target.
pub(crate) enum Output {
    /// Written at any place by any thread, under its name only when whole.
    File(PartialFile),
    /// Written in order.
    Stream(Stream),
}

/// A pipe, a device or standard output.
pub(crate) struct Stream {
    to: Box<dyn Write + Send>,
    name: String,
    written: u64,
}

impl Output {
    pub(crate) fn open(target: Target<'_>, overwrite: Overwrite, resume: bool) -> Result<Output> {
        let path = match target {
            Target::Stdout => return Ok(Output::Stream(stdout())),
            Target::Path(path) if path == Path::new("/dev/stdout") => return Ok(Output::Stream(stdout())),
            Target::Path(path) => path,
        };
        let is_stream = std::fs::metadata(path).is_ok_and(|found| {
            let kind = found.file_type();
            kind.is_fifo() || kind.is_char_device() || kind.is_block_device()
        });
        if !is_stream {
            let open = if resume { PartialFile::resume } else { PartialFile::create };
            return open(path, overwrite).map(Output::File);
        }
        let name = path.display().to_string();
        let file =
            OpenOptions::new().write(true).open(path).map_err(|e| Error::io(format!("open {name}"), e))?;
        Ok(Output::Stream(Stream::new(file, name)))
    }
}

fn stdout() -> Stream {
    use std::os::fd::AsFd;
    // Past the buffer of std's own handle, which would copy every byte once more.
    match std::io::stdout().as_fd().try_clone_to_owned() {
        Ok(fd) => Stream::new(File::from(fd), "standard output".into()),
        Err(_) => Stream::new(std::io::stdout(), "standard output".into()),
    }
}

impl Stream {
    pub(crate) fn new(to: impl Write + Send + 'static, name: String) -> Stream {
        Stream { to: Box::new(to), name, written: 0 }
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        let at = self.written;
        self.to.write_all(bytes).map_err(|e| {
            Error::io(format!("write {} bytes at byte {at} of {}", bytes.len(), self.name), e)
        })?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        self.to.flush().map_err(|e| Error::io(format!("write to {}", self.name), e))
    }
}

/// An output that is written from its front to its back.
pub(crate) struct Appender {
    to: Output,
    written: u64,
}

impl Appender {
    pub(crate) fn open(target: Target<'_>, overwrite: Overwrite) -> Result<Appender> {
        Ok(Appender { to: Output::open(target, overwrite, false)?, written: 0 })
    }

    /// Looks whether that many bytes fit where the output goes.
    pub(crate) fn ensure_space(&mut self, bytes: u64) -> Result<()> {
        match &mut self.to {
            Output::File(file) => file.ensure_space(bytes, true),
            Output::Stream(_) => Ok(()),
        }
    }

    pub(crate) fn notices(&mut self) -> Vec<String> {
        match &mut self.to {
            Output::File(file) => std::mem::take(file.notices()),
            Output::Stream(_) => Vec::new(),
        }
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.to {
            Output::File(file) => file.file().write_all_at(bytes, self.written)?,
            Output::Stream(stream) => stream.write_all(bytes)?,
        }
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Gives the output its name.
    pub(crate) fn finish(self) -> Result<u64> {
        match self.to {
            Output::File(file) => file.publish()?,
            Output::Stream(mut stream) => stream.flush()?,
        }
        Ok(self.written)
    }
}
