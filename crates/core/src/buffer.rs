//! [`Buffer`]: bytes that are kept and used again, aligned to the cache's lines.

use crate::{Error, Result, Sample};

/// Bytes in a line of the cache.
pub const LINE: usize = 64;

/// A growable run of bytes, aligned to [`LINE`], that keeps its memory between uses. Large allocations lie 16 bytes beyond a page: there
/// every load of a wide vector touches two lines, and the system copies files into them at 0.87 of the speed.
///
/// Growing is fallible: a size that a file's header claims must never abort the process.
#[derive(Default)]
pub struct Buffer {
    words: Vec<u64>,
    /// Words before the first line.
    skip: usize,
    len: usize,
}

impl Buffer {
    /// An empty buffer that owns no memory.
    pub fn new() -> Buffer {
        Buffer::default()
    }

    /// Makes the buffer `len` bytes long. What they hold is unspecified (zeros or what an earlier use left).
    ///
    /// # Errors
    /// [`Error::Limits`] where the memory cannot be had.
    pub fn resize(&mut self, len: usize) -> Result<()> {
        let words = if len > 0 { len.div_ceil(8).saturating_add(SPARE) } else { 0 };
        if self.words.is_empty() && words > 0 {
            // Zeros that the system gives take no memory before they are written to.
            self.words = bytemuck::try_zeroed_vec(words).map_err(|()| Error::Limits {
                what: "a buffer".into(),
                needed: len as u64,
                limit: 0,
            })?;
        } else if words > self.words.len() {
            let more = words - self.words.len();
            self.words.try_reserve_exact(more).map_err(|_| Error::Limits {
                what: "a buffer".into(),
                needed: len as u64,
                limit: self.words.len() as u64 * 8,
            })?;
            let used = self.skip..self.skip + self.len.div_ceil(8);
            self.words.resize(words, 0);
            let skip = to_line(&self.words);
            self.words.copy_within(used, skip);
        }
        self.skip = to_line(&self.words);
        self.len = len;
        Ok(())
    }

    /// Takes all bytes out of use, and keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Bytes in use.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no byte is in use.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory that the buffer holds on to.
    pub fn capacity(&self) -> usize {
        self.words.capacity() * 8
    }

    /// Gives back the memory.
    pub fn release(&mut self) {
        *self = Buffer::new();
    }

    /// The bytes in use.
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words[self.skip..])[..self.len]
    }

    /// The bytes in use.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words[self.skip..])[..self.len]
    }

    /// The bytes in use as samples; a part of a sample at the end is left out.
    pub fn samples<T: Sample>(&self) -> &[T] {
        let whole = self.len / size_of::<T>() * size_of::<T>();
        bytemuck::cast_slice(&self.bytes()[..whole])
    }

    /// The bytes in use as samples; a part of a sample at the end is left out.
    pub fn samples_mut<T: Sample>(&mut self) -> &mut [T] {
        let whole = self.len / size_of::<T>() * size_of::<T>();
        bytemuck::cast_slice_mut(&mut self.bytes_mut()[..whole])
    }
}

/// Words that an allocation has beyond those in use, so that they can begin at a line.
const SPARE: usize = LINE / 8 - 1;

/// How many words lie before the first line.
fn to_line(words: &[u64]) -> usize {
    if words.is_empty() { 0 } else { words.as_ptr().addr().wrapping_neg() % LINE / 8 }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_can_be_seen_as_samples() {
        let mut b = Buffer::new();
        b.resize(11).unwrap();
        b.bytes_mut().copy_from_slice(&[1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 9]);
        assert_eq!(b.samples::<u16>(), &[1, 2, 3, 4, 5]);
        b.resize(4).unwrap();
        assert_eq!(b.bytes(), &[1, 0, 2, 0]);
    }

    #[test]
    fn growing_keeps_what_was_there() {
        let mut b = Buffer::new();
        b.resize(9).unwrap();
        assert_eq!(b.bytes(), [0; 9]);
        b.bytes_mut().fill(7);
        b.resize(40).unwrap();
        assert_eq!(b.bytes()[..9], [7; 9]);
    }

    #[test]
    fn bytes_begin_at_a_line_of_the_cache() {
        let mut buffers: Vec<Buffer> = (0..20).map(|_| Buffer::new()).collect();
        for len in [1, 0, 7, 64, 100, 5000, 200_000, 3] {
            for b in &mut buffers {
                let before = b.bytes().first().copied();
                b.resize(len).unwrap();
                assert_eq!((b.len(), b.bytes().len()), (len, len));
                assert!(len == 0 || b.bytes().as_ptr().addr().is_multiple_of(LINE));
                assert!(len == 0 || before.is_none() || b.bytes()[0] == 9);
                b.bytes_mut().fill(9);
            }
        }
    }

    #[test]
    fn an_absurd_size_is_an_error() {
        assert!(matches!(Buffer::new().resize(usize::MAX / 2), Err(Error::Limits { .. })));
    }
}
