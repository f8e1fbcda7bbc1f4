//! The bit-stuffed integers and the Huffman codes inside LERC blobs.

use outcrop_core::{Error, Result};

/// What is left of a blob.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) rest: &'a [u8],
}

pub(super) fn broken(what: &str) -> Error {
    Error::Format(format!("lerc: {what}"))
}

impl<'a> Input<'a> {
    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or_else(|| broken("the block ends early"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| broken("the block ends early"))
    }

    pub(super) fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    pub(super) fn f64(&mut self) -> Result<f64> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// Unstuffs at most `most` integers into `out`, as blobs of that version store them: a head with the bits of each
    /// and how many there are, then they or a table of the values that occur and indices into it.
    pub(super) fn integers(&mut self, version: i32, most: usize, out: &mut Vec<u32>) -> Result<()> {
        let head = self.u8()?;
        let count = match head >> 6 {
            0 => u32::from_le_bytes(self.array()?) as usize,
            1 => usize::from(u16::from_le_bytes(self.array()?)),
            2 => usize::from(self.u8()?),
            _ => return Err(broken("an unknown count of integers")),
        };
        if count > most {
            return Err(broken("more integers than pixels"));
        }
        let bits = u32::from(head & 31);
        if head & 32 == 0 {
            return self.unstuff(version, count, bits, out);
        }
        let others = usize::from(self.u8()?).checked_sub(1).ok_or_else(|| broken("an empty table"))?;
        let mut table = Vec::new();
        self.unstuff(version, others, bits, &mut table)?;
        table.insert(0, 0);
        self.unstuff(version, count, usize::BITS - others.leading_zeros(), out)?;
        for v in out {
            *v = *table.get(*v as usize).ok_or_else(|| broken("an index outside its table"))?;
        }
        Ok(())
    }

    fn unstuff(&mut self, version: i32, count: usize, bits: u32, out: &mut Vec<u32>) -> Result<()> {
        out.clear();
        let bytes = self.take((count * bits as usize).div_ceil(8))?;
        if version < 3 {
            // Words, the most significant bit first; the last one is stored without its low bytes.
            let mut reader = WordBits::new(bytes);
            out.extend((0..count).map(|_| reader.take(bits)));
            return Ok(());
        }
        let (mut buffer, mut available, mut bytes) = (0u64, 0, bytes.iter());
        out.extend((0..count).map(|_| {
            while available < bits {
                buffer |= u64::from(bytes.next().copied().unwrap_or(0)) << available;
                available += 8;
            }
            let v = buffer & ((1 << bits) - 1);
            buffer >>= bits;
            available -= bits;
            v as u32
        }));
        Ok(())
    }
}

/// Bits of little-endian 32-bit words, the most significant of a word first. Zeros follow the last.
pub(super) struct WordBits<'a> {
    bytes: &'a [u8],
    buffer: u64,
    available: u32,
    /// Bits taken in all.
    pub(super) taken: usize,
}

impl<'a> WordBits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> WordBits<'a> {
        WordBits { bytes, buffer: 0, available: 0, taken: 0 }
    }

    /// The next `n` bits (at most 32), not taken.
    #[inline]
    pub(super) fn peek(&mut self, n: u32) -> u32 {
        if n == 0 {
            return 0;
        }
        if self.available < n {
            let (word, rest) = self.bytes.split_at(self.bytes.len().min(4));
            self.bytes = rest;
            // A short last word holds its high bytes.
            let mut padded = [0; 4];
            padded[4 - word.len()..].copy_from_slice(word);
            self.buffer |= u64::from(u32::from_le_bytes(padded)) << (32 - self.available);
            self.available += 32;
        }
        (self.buffer >> (64 - n)) as u32
    }

    #[inline]
    pub(super) fn take(&mut self, n: u32) -> u32 {
        let v = self.peek(n);
        self.buffer <<= n;
        self.available -= n;
        self.taken += n as usize;
        v
    }
}

/// Bits that the table of short codes looks at.
const SHORT: u32 = 11;

/// A Huffman code for bytes.
pub(super) struct Huffman {
    /// For every `SHORT` bits the value and length of the code that they begin with (0: a longer one or none).
    short: Vec<(u16, u8)>,
    /// Length, code and value of the longer ones, shortest first.
    long: Vec<(u32, u32, u16)>,
}

impl Huffman {
    pub(super) fn read(input: &mut Input<'_>, version: i32) -> Result<Huffman> {
        let [huffman_version, size, first, last] = [input.i32()?, input.i32()?, input.i32()?, input.i32()?];
        let sound = huffman_version >= 2 && (1..=256).contains(&size) && first >= 0 && first < last;
        if !sound || first >= 2 * size || last > 2 * size || last - first > size {
            return Err(broken("an impossible code table"));
        }
        let mut lengths = Vec::new();
        input.integers(version, (last - first) as usize, &mut lengths)?;
        if lengths.len() != (last - first) as usize || lengths.iter().any(|&n| n > 32) {
            return Err(broken("an impossible code table"));
        }
        let mut bits = WordBits::new(input.rest);
        let mut code = Huffman { short: vec![(0, 0); 1 << SHORT], long: Vec::new() };
        for (i, &len) in (first..).zip(&lengths).filter(|(_, n)| **n > 0) {
            let value = (if i < size { i } else { i - size }) as u16;
            let word = bits.take(len);
            if len <= SHORT {
                let at = (word << (SHORT - len)) as usize;
                code.short[at..at + (1 << (SHORT - len))].fill((value, len as u8));
            } else {
                code.long.push((len, word, value));
            }
        }
        code.long.sort_unstable();
        input.take(bits.taken.div_ceil(32) * 4)?;
        Ok(code)
    }

    #[inline]
    pub(super) fn next(&self, bits: &mut WordBits<'_>) -> Result<u16> {
        let (value, len) = self.short[bits.peek(SHORT) as usize];
        if len > 0 {
            bits.take(u32::from(len));
            return Ok(value);
        }
        let ahead = bits.peek(32);
        let found = self.long.iter().find(|(len, word, _)| ahead >> (32 - len) == *word);
        let &(len, _, value) = found.ok_or_else(|| broken("no value has this code"))?;
        bits.take(len);
        Ok(value)
    }
}
