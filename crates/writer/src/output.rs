//! [`Target`] and [`Output`]: a file that can be written at any place, or a stream that cannot.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use outcrop_core::{Error, Result};

use crate::resume::{changed, check_published, cut, pack, tail, unpack, unpack_front};
use crate::text::SharedText;
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

/// A pipe, a device, standard output or a text.
pub(crate) struct Stream {
    to: Drain,
    name: String,
    written: u64,
}

enum Drain {
    Any(Box<dyn Write + Send>),
    Text(SharedText),
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
        Stream { to: Drain::Any(Box::new(to)), name, written: 0 }
    }

    /// What is written becomes text.
    pub(crate) fn to_text(text: SharedText) -> Stream {
        Stream { to: Drain::Text(text), name: "the text".into(), written: 0 }
    }

    /// What a checkpoint keeps of it; `None` where it cannot be gone on with.
    pub(crate) fn save(&mut self) -> Result<Option<Vec<u8>>> {
        let Drain::Text(text) = &mut self.to else { return Ok(None) };
        let saved = text.with(|text| text.save())?;
        Ok(saved.map(|text| [pack([self.written]), text].concat()))
    }

    /// Goes on where a checkpoint says. Of an output that `is_whole` nothing but its end may be missing.
    pub(crate) fn restore(&mut self, state: &[u8], is_whole: bool) -> Result<()> {
        let Drain::Text(text) = &mut self.to else {
            return Err(Error::Usage("an output that is not a file cannot be gone on with".into()));
        };
        let ([written], state) = unpack_front(state)?;
        self.written = written;
        text.with(|text| text.restore(state, is_whole))
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        let at = self.written;
        match &mut self.to {
            Drain::Any(to) => to.write_all(bytes).map_err(|e| {
                Error::io(format!("write {} bytes at byte {at} of {}", bytes.len(), self.name), e)
            })?,
            Drain::Text(text) => text.with(|text| text.put(bytes))?,
        }
        self.written += bytes.len() as u64;
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        let Drain::Any(to) = &mut self.to else { return Ok(()) };
        to.flush().map_err(|e| Error::io(format!("write to {}", self.name), e))
    }
}

/// Bytes at the start of an unfinished output that are checked.
const START_BYTES: u64 = 4096;

/// An output that is written from its front to its back.
pub(crate) struct Appender {
    to: Output,
    written: u64,
    /// The file's, where it is one; of an output that is gone on with, what it was at first.
    inode: u64,
}

impl Appender {
    pub(crate) fn new(to: Output) -> Appender {
        let inode = if let Output::File(file) = &to { file.inode() } else { 0 };
        Appender { to, written: 0, inode }
    }

    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// What a checkpoint keeps of it, once what was written is durable; `None` where it cannot be gone on with.
    pub(crate) fn save(&mut self) -> Result<Option<Vec<u8>>> {
        match &mut self.to {
            Output::Stream(stream) => stream.save(),
            Output::File(file) => {
                file.keep()?;
                let [start, end] = ends(file, self.written)?;
                Ok(Some(pack([self.written, start, end, self.inode])))
            }
        }
    }

    /// Goes on where a checkpoint says, once the file is what it was then; what was written later is cut off. Of an output
    /// that `is_whole` nothing but its end may be missing: the file may have its name already, and nothing is written
    /// to it again.
    pub(crate) fn restore(&mut self, state: &[u8], is_whole: bool) -> Result<()> {
        let file = match &mut self.to {
            Output::File(file) => file,
            Output::Stream(stream) => {
                stream.restore(state, is_whole)?;
                self.written = stream.written;
                return Ok(());
            }
        };
        let [written, start, end, inode] = unpack(state)?;
        check_published(file, inode, is_whole)?;
        let found = ends(file, written)?;
        if found[0] != start {
            return Err(changed(file, "the start"));
        }
        if found[1] != end {
            return Err(changed(file, "the end"));
        }
        (self.written, self.inode) = (written, inode);
        cut(file, written)
    }

    /// Looks whether that many bytes fit where the output goes.
    pub(crate) fn ensure_space(&mut self, bytes: u64, exact: bool) -> Result<()> {
        match &mut self.to {
            Output::File(file) => file.ensure_space(bytes, exact),
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
            Output::File(file) if file.is_published() => {}
            Output::File(file) => file.file().write_all_at(bytes, self.written)?,
            Output::Stream(stream) => stream.write_all(bytes)?,
        }
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Gives the output its name.
    pub(crate) fn finish(self) -> Result<u64> {
        match self.to {
            Output::File(file) if file.is_published() => {
                let length = file.file().file().metadata().map_or(0, |found| found.len());
                if length != self.written {
                    return Err(changed(&file, "the length"));
                }
            }
            Output::File(file) => file.publish()?,
            Output::Stream(mut stream) => stream.flush()?,
        }
        Ok(self.written)
    }
}

/// Checksums of the first and of the last bytes of what was committed to a file.
fn ends(file: &PartialFile, written: u64) -> Result<[u64; 2]> {
    Ok([tail(file, 0, written.min(START_BYTES))?, tail(file, 0, written)?])
}
