//! TIFF's LZW encoder: codes of 9 to 12 bits, most significant bit first, widths and clears as libtiff has them.
//!
//! Written here because the crates at hand encode 50 to 80 MB/s: a dictionary that is one flat hash table, whose
//! entries hold prefix, byte and code in 32 bits, needs no pointer to be followed.

const CLEAR: u32 = 256;
const END: u32 = 257;
const FIRST: u32 = 258;
/// libtiff clears one code before the last.
const FULL: u32 = 4094;
const SLOTS: usize = 1 << 13;

/// The dictionary, used again for every block.
pub(super) struct Lzw {
    /// `prefix << 20 | byte << 12 | code`; 0 is free, as no code is below 258.
    table: Box<[u32; SLOTS]>,
}

/// Bits on their way out.
struct Bits<'a> {
    out: &'a mut [u8],
    at: usize,
    held: u64,
    count: u32,
}

impl Bits<'_> {
    #[inline(always)]
    fn put(&mut self, code: u32, width: u32) -> Option<()> {
        self.held = self.held << width | u64::from(code);
        self.count += width;
        if self.count >= 32 {
            self.count -= 32;
            let word = (self.held >> self.count) as u32;
            self.out.get_mut(self.at..self.at + 4)?.copy_from_slice(&word.to_be_bytes());
            self.at += 4;
        }
        Some(())
    }

    fn finish(mut self) -> Option<usize> {
        let padding = self.count.next_multiple_of(8) - self.count;
        self.held <<= padding;
        self.count += padding;
        while self.count > 0 {
            self.count -= 8;
            *self.out.get_mut(self.at)? = (self.held >> self.count) as u8;
            self.at += 1;
        }
        Some(self.at)
    }
}

impl Lzw {
    pub(super) fn new() -> Lzw {
        let table = vec![0; SLOTS].into_boxed_slice().try_into().expect("a table of that length");
        Lzw { table }
    }

    /// The most bytes that `len` bytes can become: a code of 12 bits each, clears, and the end.
    pub(super) fn bound(len: usize) -> usize {
        let codes = len + len / 2048 + 8;
        codes + codes / 2 + 8
    }

    /// Encodes into `out` and says how many bytes that took; `None` where `out` is too short.
    pub(super) fn encode(&mut self, input: &[u8], out: &mut [u8]) -> Option<usize> {
        let mut bits = Bits { out, at: 0, held: 0, count: 0 };
        let (mut next, mut width) = (FIRST, 9);
        self.table.fill(0);
        bits.put(CLEAR, width)?;
        let Some((&first, rest)) = input.split_first() else {
            bits.put(END, width)?;
            return bits.finish();
        };
        let mut prefix = u32::from(first);
        'bytes: for &byte in rest {
            let key = prefix << 8 | u32::from(byte);
            let mut slot = (key.wrapping_mul(0x9e37_79b1) >> 19) as usize;
            loop {
                let entry = self.table[slot & (SLOTS - 1)];
                if entry >> 12 == key && entry != 0 {
                    prefix = entry & 0xfff;
                    continue 'bytes;
                }
                if entry == 0 {
                    break;
                }
                slot += 1;
            }
            bits.put(prefix, width)?;
            prefix = u32::from(byte);
            self.table[slot & (SLOTS - 1)] = key << 12 | next;
            next += 1;
            if next == FULL {
                bits.put(CLEAR, width)?;
                self.table.fill(0);
                (next, width) = (FIRST, 9);
            } else if next == 1 << width {
                width += 1;
            }
        }
        bits.put(prefix, width)?;
        next += 1;
        if next == FULL {
            bits.put(CLEAR, width)?;
            width = 9;
        } else if next == 1 << width {
            width += 1;
        }
        bits.put(END, width)?;
        bits.finish()
    }
}
