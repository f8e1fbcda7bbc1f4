//! [`StreamDecoder`]: the rows of one large block in order, in bounded memory.
//!
//! For strips too large to be decoded whole (one strip of many gigabytes is a common layout). The stages after the
//! codec are those of whole blocks.

use std::io::{BufRead, ErrorKind, Read};

use outcrop_core::{Error, Result};

use super::block::{BlockSpec, finish_direct, finish_packed};
use super::codec::{Codec, read};

/// Decodes a block row by row.
pub struct StreamDecoder<'a> {
    spec: &'a BlockSpec,
    codec: Codec,
    packed: Box<dyn Read + 'a>,
    rows_left: u32,
    buffer: Vec<u8>,
    row: Vec<u8>,
}

impl BlockSpec {
    /// Whether [`StreamDecoder`] decodes such blocks. The image codecs, and YCbCr with subsampling, are decoded whole.
    pub fn can_stream(&self) -> bool {
        matches!(Codec::of(self), Ok(codec) if read::can(codec) && !self.is_subsampled())
    }
}

impl<'a> StreamDecoder<'a> {
    /// A decoder of the first `rows` rows of a block, whose stored bytes come from `stored`. It borrows at most a few
    /// hundred KiB of its own (66 MiB for LZMA, 128 MiB for ZSTD frames of the longest window), and what the
    /// rows of one call to [`read_rows`](Self::read_rows) take as stored where their depth is not their type's.
    ///
    /// # Errors
    /// What [`BlockSpec::check`] says, and [`Error::Unsupported`] where [`BlockSpec::can_stream`] does not hold.
    pub fn new(spec: &'a BlockSpec, rows: u32, stored: impl BufRead + 'a) -> Result<StreamDecoder<'a>> {
        spec.check()?;
        let codec = Codec::of(spec)?;
        if !spec.can_stream() {
            return Err(Error::Unsupported(format!("{codec:?} blocks as a stream")));
        }
        let packed = if spec.reversed_bits && codec.reverses_bits() {
            read::open(spec, codec, std::io::BufReader::with_capacity(64 << 10, Reversed(stored)))?
        } else {
            read::open(spec, codec, stored)?
        };
        Ok(StreamDecoder {
            spec,
            codec,
            packed,
            rows_left: rows.min(spec.height),
            buffer: Vec::new(),
            row: Vec::new(),
        })
    }

    /// Decodes the next `rows` rows into `out`, as [`BlockSpec::decode`] does.
    ///
    /// # Errors
    /// [`Error::Format`] where the stream is broken or ends early; [`Error::Usage`] where `out` has another length or
    /// the block fewer rows left; [`Error::Io`] where the reader failed.
    pub fn read_rows(&mut self, rows: u32, out: &mut [u8]) -> Result<()> {
        let sizes = self.spec.sizes(rows)?;
        if rows > self.rows_left || out.len() != sizes.out {
            return Err(Error::Usage(format!(
                "{} bytes for {rows} rows, expected {} bytes and at most {} rows",
                out.len(),
                sizes.out,
                self.rows_left
            )));
        }
        if rows == 0 {
            return Ok(());
        }
        if self.spec.is_direct() {
            fill(&mut self.packed, self.codec, out)?;
            finish_direct(self.spec, out, &mut self.row);
        } else {
            self.buffer.resize(sizes.packed, 0);
            fill(&mut self.packed, self.codec, &mut self.buffer)?;
            finish_packed(self.spec, &mut self.buffer, rows, &mut self.row, out);
        }
        self.rows_left -= rows;
        Ok(())
    }
}

fn fill(reader: &mut impl Read, codec: Codec, out: &mut [u8]) -> Result<()> {
    let found = read::fill(reader, out).map_err(|e| match e.kind() {
        // What decoders say of their input.
        ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Other => {
            Error::Format(format!("{codec:?}: {e}"))
        }
        _ => Error::io("read a block", e),
    })?;
    super::codec::whole(found, out.len(), codec)
}

/// Bytes with their bits in the other order.
struct Reversed<R>(R);

impl<R: BufRead> Read for Reversed<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.read(out)?;
        out[..n].iter_mut().for_each(|b| *b = b.reverse_bits());
        Ok(n)
    }
}
