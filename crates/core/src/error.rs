//! [`Error`]: whose fault it is, with what was expected and found.
//!
//! One enum serves every library crate, because they meet in this crate's traits, whose methods return it. Each
//! layer adds what it knows: the reader the block and its bytes, the scheduler the stage and chunk, the command
//! line the file.

use crate::Rect;

/// What can go wrong in outcrop's libraries.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is not what its format demands.
    #[error("{0}")]
    Format(String),
    /// The file is sound, but this build does not read (or write) what it holds. The text names that thing.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was being done (`read 4096 bytes at byte 81920`).
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A size that the input asks for is beyond a limit.
    #[error("{what} needs {}, the limit is {}", Bytes(*needed), Bytes(*limit))]
    Limits {
        /// What needs it.
        what: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The caller asked for what cannot be. The text ends with the flag that helps.
    #[error("{0}")]
    Usage(String),
    /// A storage block failed.
    #[error("page {page}, block {block} at byte {offset} ({bytes} bytes): {cause}")]
    Block {
        /// The page, from 0.
        page: u64,
        /// The block's number in its page (or level), from 0.
        block: u64,
        /// Its first byte in the file.
        offset: u64,
        /// Its length in the file.
        bytes: u64,
        /// What failed.
        cause: Box<Error>,
    },
    /// A chunk failed; the scheduler says at which stage.
    #[error("{cause} ({stage}, chunk {chunk}, pixels {rect})")]
    Chunk {
        /// `fetch`, `decode`, `kernel`, `encode` or `write`.
        stage: &'static str,
        /// The chunk's number in the grid.
        chunk: u64,
        /// Its place in the image.
        rect: Rect,
        /// What failed.
        cause: Box<Error>,
    },
    /// One of many inputs failed.
    #[error("{name}: {cause}")]
    Item {
        /// What the input is called.
        name: String,
        /// What failed.
        cause: Box<Error>,
    },
    /// The job cannot run within the memory budget.
    #[error("the job needs at least {}, the memory budget is {} (raise --memory)", Bytes(*needed), Bytes(*budget))]
    Budget {
        /// The least budget that would do, in bytes.
        needed: u64,
        /// The budget, in bytes.
        budget: u64,
    },
    /// Code of ours (or of a codec) panicked.
    #[error("internal error: {0} (please report it)")]
    Panic(String),
    /// The run was cancelled. Not a failure: the caller decides what it means.
    #[error("cancelled")]
    Cancelled,
}

/// The result of outcrop's libraries.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An I/O error with what was being done.
    pub fn io(what: impl Into<String>, source: std::io::Error) -> Error {
        Error::Io { what: what.into(), source }
    }

    /// The error at the bottom: without the block, the chunk and the input that were added on the way.
    pub fn root(&self) -> &Error {
        match self {
            Error::Block { cause, .. } | Error::Chunk { cause, .. } | Error::Item { cause, .. } => {
                cause.root()
            }
            other => other,
        }
    }
}

/// Shows bytes exactly up to 9999, then in the largest binary unit that leaves at least 1, rounded up.
struct Bytes(u64);

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 == 1 {
            return f.write_str("1 byte");
        }
        if self.0 < 10_000 {
            return write!(f, "{} bytes", self.0);
        }
        let unit = (self.0.ilog2() as usize / 10).min(6);
        let tenths = (self.0 as f64 / 1024f64.powi(unit as i32) * 10.0).ceil();
        write!(f, "{} {}", tenths / 10.0, UNITS[unit - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_from_place_to_cause() {
        let e = Error::Block {
            page: 0,
            block: 41,
            offset: 81920,
            bytes: 100,
            cause: Box::new(Error::Limits { what: "the strip".into(), needed: 96 << 20, limit: 64 << 20 }),
        };
        assert_eq!(
            e.to_string(),
            "page 0, block 41 at byte 81920 (100 bytes): the strip needs 96 MiB, the limit is 64 MiB"
        );
        assert!(matches!(e.root(), Error::Limits { .. }));
    }

    #[test]
    fn sizes_are_never_rounded_down() {
        assert_eq!(Bytes(9999).to_string(), "9999 bytes");
        assert_eq!(Bytes((64 << 20) + 1).to_string(), "64.1 MiB");
        assert_eq!(Bytes(u64::MAX).to_string(), "16 EiB");
    }
}
