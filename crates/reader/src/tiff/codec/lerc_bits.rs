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
        self.unstuff(version, others, bits, out)?;
        let mut table = [0; 256];
        table[1..=others].copy_from_slice(out);
        self.unstuff(version, count, usize::BITS - others.leading_zeros(), out)?;
        for v in out {
            let found = table[..=others].get(*v as usize);
            *v = *found.ok_or_else(|| broken("an index outside its table"))?;
        }
        Ok(())
    }

    fn unstuff(&mut self, version: i32, count: usize, bits: u32, out: &mut Vec<u32>) -> Result<()> {
        out.clear();
        let ahead = self.rest;
        let bytes = self.take((count * bits as usize).div_ceil(8))?;
        if version < 3 {
            // Words, the most significant bit first; the last one is stored without its low bytes.
            let mut reader = WordBits::new(bytes);
            out.extend((0..count).map(|_| reader.take(bits)));
            return Ok(());
        }
        out.resize(count, 0);
        let (eights, _) = out.as_chunks_mut();
        let done = 8 * EIGHTS[bits as usize](ahead, eights);
        let mut at = done * bits as usize;
        for v in &mut out[done..] {
            let rest = bytes.get(at / 8..).unwrap_or_default();
            let mut word = [0; 8];
            let n = rest.len().min(8);
            word[..n].copy_from_slice(&rest[..n]);
            *v = (u64::from_le_bytes(word) >> (at % 8) & ((1 << bits) - 1)) as u32;
            at += bits as usize;
        }
        Ok(())
    }
}

type Eights = fn(&[u8], &mut [[u32; 8]]) -> usize;

/// [`eights`] by the bits of an integer.
#[rustfmt::skip]
static EIGHTS: [Eights; 32] = [
    eights::<0>, eights::<1>, eights::<2>, eights::<3>, eights::<4>, eights::<5>, eights::<6>, eights::<7>,
    eights::<8>, eights::<9>, eights::<10>, eights::<11>, eights::<12>, eights::<13>, eights::<14>, eights::<15>,
    eights::<16>, eights::<17>, eights::<18>, eights::<19>, eights::<20>, eights::<21>, eights::<22>, eights::<23>,
    eights::<24>, eights::<25>, eights::<26>, eights::<27>, eights::<28>, eights::<29>, eights::<30>, eights::<31>,
];

/// Unstuffs groups of eight integers of `BITS` bits, which are as many bytes, the least significant bit first, while eight
/// more bytes follow. Returns the number of groups.
fn eights<const BITS: usize>(bytes: &[u8], out: &mut [[u32; 8]]) -> usize {
    for (k, group) in out.iter_mut().enumerate() {
        let Some(bytes) = bytes.get(k * BITS..k * BITS + BITS + 8) else { return k };
        for (i, v) in group.iter_mut().enumerate() {
            // Eight bytes hold the integer and the 7 bits that may precede it.
            let word = bytes[i * BITS / 8..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
            *v = (word >> (i * BITS % 8) & ((1 << BITS) - 1)) as u32;
        }
    }
    out.len()
}

/// Bits of little-endian 32-bit words, the most significant of a word first. Zeros follow the last.
pub(super) struct WordBits<'a> {
    bytes: &'a [u8],
    buffer: u64,
    available: u32,
    /// Words that went through the buffer.
    words: usize,
}

impl<'a> WordBits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> WordBits<'a> {
        WordBits { bytes, buffer: 0, available: 0, words: 0 }
    }

    /// Bits taken in all.
    pub(super) fn taken(&self) -> usize {
        32 * self.words - self.available as usize
    }

    /// The next bits, 32 of them at least, at the top.
    #[inline(always)]
    fn peek(&mut self) -> u64 {
        if self.available < 32 {
            let word = match self.bytes.split_first_chunk() {
                Some((word, rest)) => {
                    self.bytes = rest;
                    *word
                }
                None => {
                    // A short last word holds its high bytes.
                    let mut padded = [0; 4];
                    padded[4 - self.bytes.len()..].copy_from_slice(self.bytes);
                    self.bytes = &[];
                    padded
                }
            };
            self.buffer |= u64::from(u32::from_le_bytes(word)) << (32 - self.available);
            self.available += 32;
            self.words += 1;
        }
        self.buffer
    }

    /// Takes bits that were looked at.
    #[inline(always)]
    fn skip(&mut self, n: u32) {
        self.buffer <<= n;
        self.available -= n;
    }

    /// Takes `n` bits (at most 32).
    #[inline]
    fn take(&mut self, n: u32) -> u32 {
        let v = self.peek() >> 32 >> (32 - n);
        self.skip(n);
        v as u32
    }
}

/// Bits that the table of short codes looks at.
const SHORT: u32 = 11;

/// A Huffman code for bytes.
pub(super) struct Huffman {
    /// For every `SHORT` bits the value (low byte) and length of the code that they begin with (0: a longer one or none).
    short: Box<[u16; 1 << SHORT]>,
    /// Length, code and value of the longer ones, shortest first.
    long: Vec<(u32, u32, u8)>,
}

impl Default for Huffman {
    fn default() -> Huffman {
        Huffman { short: Box::new([0; 1 << SHORT]), long: Vec::new() }
    }
}

impl Huffman {
    /// Reads a blob's code; `lengths` is room for them.
    pub(super) fn read(&mut self, input: &mut Input<'_>, version: i32, lengths: &mut Vec<u32>) -> Result<()> {
        let [huffman_version, size, first, last] = [input.i32()?, input.i32()?, input.i32()?, input.i32()?];
        let sound = huffman_version >= 2 && (1..=256).contains(&size) && first >= 0 && first < last;
        if !sound || first >= 2 * size || last > 2 * size || last - first > size {
            return Err(broken("an impossible code table"));
        }
        input.integers(version, (last - first) as usize, lengths)?;
        if lengths.len() != (last - first) as usize || lengths.iter().any(|&n| n > 32) {
            return Err(broken("an impossible code table"));
        }
        let mut bits = WordBits::new(input.rest);
        self.short.fill(0);
        self.long.clear();
        for (i, &len) in (first..).zip(&*lengths).filter(|(_, n)| **n > 0) {
            let value = (if i < size { i } else { i - size }) as u8;
            let word = bits.take(len);
            if len <= SHORT {
                let at = (word << (SHORT - len)) as usize;
                self.short[at..at + (1 << (SHORT - len))].fill((len as u16) << 8 | u16::from(value));
            } else {
                self.long.push((len, word, value));
            }
        }
        self.long.sort_unstable();
        input.take(bits.taken().div_ceil(32) * 4)?;
        Ok(())
    }

    #[inline(always)]
    pub(super) fn next(&self, bits: &mut WordBits<'_>) -> Result<u8> {
        let ahead = bits.peek();
        let entry = self.short[(ahead >> (64 - SHORT)) as usize];
        let (len, value) = if entry > 0xff {
            (u32::from(entry >> 8), entry as u8)
        } else {
            self.find((ahead >> 32) as u32)?
        };
        bits.skip(len);
        Ok(value)
    }

    /// The length and value of a longer code.
    #[cold]
    fn find(&self, ahead: u32) -> Result<(u32, u8)> {
        let found = self.long.iter().find(|(len, word, _)| ahead >> (32 - len) == *word);
        found.map(|&(len, _, value)| (len, value)).ok_or_else(|| broken("no value has this code"))
    }
}
