//! [`Coder`]: pixels to the symbols of one interleaved scan, and symbols to bits.

use outcrop_core::{Error, Result};

use super::huffman::Spec;
use super::planes::{Planes, Samples, WIDTH};
use super::transform::{PLACES, scales, transform};
use super::vectors::{self, Lanes};
use super::{Quality, failed};

/// Makes scans; keeps its memory from one to the next.
#[derive(Default)]
pub(crate) struct Coder {
    /// Every symbol with its table and the bits after it: `table << 24 | symbol << 16 | bits`.
    symbols: Vec<u32>,
}

/// How often each symbol occurs: DC and AC of light, DC and AC of colour.
pub(super) type Counts = [[u32; 256]; 4];

/// Pixels on their way to symbols.
struct Scan<'a> {
    quality: Quality,
    samples: Samples<'a>,
    symbols: &'a mut Vec<u32>,
    counts: Counts,
    /// The DC coefficient of each component's block before.
    before: [i32; 3],
}

impl Coder {
    /// Bytes that a coder takes for so many samples.
    pub(crate) fn context_bytes(channels: u64, rows: u64, columns: u64) -> u64 {
        let samples = rows.next_multiple_of(16).saturating_mul(columns.next_multiple_of(16));
        samples.saturating_mul(channels).saturating_mul(4).saturating_add(64 << 10)
    }

    /// Makes the symbols of a scan, with no prediction from another, and counts them.
    pub(super) fn read(
        &mut self,
        quality: Quality,
        bytes: &[u8],
        (rows, columns): (usize, usize),
    ) -> Result<Counts> {
        if rows == 0 || columns == 0 || bytes.len() != rows * columns * quality.channels {
            return Err(failed(format!("{} bytes of {rows} x {columns} pixels", bytes.len())));
        }
        // At most one symbol for each coefficient: sixteen zeros have one together.
        let most = Coder::context_bytes(quality.channels as u64, rows as u64, columns as u64) / 4;
        self.symbols.clear();
        self.symbols.try_reserve_exact(most as usize).map_err(|_| Error::Limits {
            what: "the symbols of a JPEG".into(),
            needed: 4 * most,
            limit: 0,
        })?;
        let samples = Samples { bytes, rows, columns };
        let mut scan =
            Scan { quality, samples, symbols: &mut self.symbols, counts: [[0; 256]; 4], before: [0; 3] };
        vectors::run(&mut scan);
        Ok(scan.counts)
    }

    /// Writes the symbols into `out`, and says how many bytes they take.
    pub(super) fn write(&self, tables: &[Spec; 4], out: &mut [u8]) -> Result<usize> {
        // Code and the room for what comes after it, and the bits of both: at most 16 + 11.
        let mut codes = vec![0u32; 4 * 256];
        for (codes, table) in codes.chunks_mut(256).zip(tables) {
            for (symbol, code, length) in table.codes() {
                let extra = u32::from(symbol & 15);
                codes[usize::from(symbol)] = (code << extra) << 5 | (length + extra);
            }
        }
        let short = || failed("output too short");
        let mut writer = Writer { out, at: 0, bits: 0, count: 0 };
        for &symbol in &self.symbols {
            let code = codes[(symbol >> 16) as usize & 0x3ff];
            writer.put(code >> 5 | symbol & 0xffff, code & 31).ok_or_else(short)?;
        }
        writer.end().ok_or_else(short)
    }
}

impl vectors::Work for &mut Scan<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let scales = self.quality.steps().map(|steps| scales(&steps));
        let Samples { rows, columns, .. } = self.samples;
        let mut planes = Planes::new();
        let unit = if self.quality.subsampled { 16 } else { 8 };
        for y in (0..rows).step_by(unit) {
            for x in (0..columns).step_by(WIDTH) {
                match self.quality {
                    Quality { channels: 1, .. } => planes.gray(self.samples, y, x),
                    Quality { subsampled: true, .. } => planes.halved(self.samples, y, x),
                    _ => planes.full(self.samples, y, x),
                }
                for at in (0..WIDTH.min(columns - x)).step_by(unit) {
                    let [upper, lower] = &planes.light;
                    self.block(lanes, 0, upper, at, &scales[0]);
                    if self.quality.subsampled {
                        self.block(lanes, 0, upper, at + 8, &scales[0]);
                        self.block(lanes, 0, lower, at, &scales[0]);
                        self.block(lanes, 0, lower, at + 8, &scales[0]);
                    }
                    if self.quality.channels == 3 {
                        let at = at * 8 / unit;
                        self.block(lanes, 1, &planes.colour[0], at, &scales[1]);
                        self.block(lanes, 2, &planes.colour[1], at, &scales[1]);
                    }
                }
            }
        }
    }
}

impl Scan<'_> {
    #[inline(always)]
    fn block<L: Lanes>(
        &mut self,
        lanes: L,
        component: usize,
        rows: &[[f32; WIDTH]; 8],
        x: usize,
        scales: &[[f32; 8]; 8],
    ) {
        let mut block = [[0; 8]; 8];
        let bits = transform(lanes, rows, x, scales, &mut block);
        let table = 2 * usize::from(component > 0);
        let dc = block[0][0];
        self.symbol(table, 0, dc - self.before[component]);
        self.before[component] = dc;
        let (mut rest, mut next) = (bits & !1, 1);
        while rest != 0 {
            let k = rest.trailing_zeros();
            rest &= rest - 1;
            let mut zeros = k - next;
            while zeros > 15 {
                self.symbol(table + 1, 0xf0, 0);
                zeros -= 16;
            }
            let place = usize::from(PLACES[k as usize & 63]);
            self.symbol(table + 1, zeros << 4, block[place / 8][place % 8]);
            next = k + 1;
        }
        if next < 64 {
            self.symbol(table + 1, 0, 0);
        }
    }

    /// Notes a symbol: how many bits the value has, and `zeros` in the high half; then these bits.
    #[inline(always)]
    fn symbol(&mut self, table: usize, zeros: u32, value: i32) {
        let size = 32 - value.unsigned_abs().leading_zeros();
        // Of negative values the ones' complement.
        let bits = (value + (value >> 31)) as u32 & ((1 << size) - 1);
        let symbol = zeros | size;
        self.counts[table][symbol as usize & 255] += 1;
        self.symbols.push((table as u32) << 24 | symbol << 16 | bits);
    }
}

/// Bits, the highest first, with zeros stuffed after bytes of ones.
struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
    bits: u64,
    count: u32,
}

impl Writer<'_> {
    /// Appends up to 31 bits. `None` where there is no room.
    #[inline]
    fn put(&mut self, bits: u32, count: u32) -> Option<()> {
        self.bits = self.bits << count | u64::from(bits);
        self.count += count;
        while self.count >= 32 {
            self.count -= 32;
            self.word((self.bits >> self.count) as u32)?;
        }
        Some(())
    }

    #[inline]
    fn word(&mut self, word: u32) -> Option<()> {
        // Whether any byte is all ones.
        let stuffed = (!word).wrapping_sub(0x0101_0101) & word & 0x8080_8080 != 0;
        if !stuffed {
            self.out.get_mut(self.at..self.at + 4)?.copy_from_slice(&word.to_be_bytes());
            self.at += 4;
            return Some(());
        }
        word.to_be_bytes().into_iter().try_for_each(|byte| self.byte(byte))
    }

    fn byte(&mut self, byte: u8) -> Option<()> {
        *self.out.get_mut(self.at)? = byte;
        self.at += 1;
        if byte == 0xff {
            *self.out.get_mut(self.at)? = 0;
            self.at += 1;
        }
        Some(())
    }

    /// Fills the last byte with ones. Says where it ends.
    fn end(mut self) -> Option<usize> {
        let fill = (8 - self.count % 8) % 8;
        self.put((1 << fill) - 1, fill)?;
        while self.count > 0 {
            self.count -= 8;
            self.byte((self.bits >> self.count) as u8)?;
        }
        Some(self.at)
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::jpeg::vectors::{Plain, Work as _, avx2};

    #[test]
    fn arrays_and_registers_make_the_same_symbols() {
        if !avx2::detected() {
            println!("skipped: no AVX2 here, or it is turned off");
            return;
        }
        let noise = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 20) as u8;
        for (quality, subsampled, channels) in [(100, false, 3), (90, true, 3), (40, false, 1), (3, true, 3)]
        {
            for (rows, columns) in [(64, 300), (17, 129), (1, 1)] {
                let bytes: Vec<u8> = (0..rows * columns * channels)
                    .map(|i| noise(i) / 4 + (i / channels % columns / 2) as u8)
                    .collect();
                let made = |plain: bool| {
                    let (quality, samples) = (
                        Quality::new(quality, subsampled, channels),
                        Samples { bytes: &bytes, rows, columns },
                    );
                    let mut symbols = Vec::new();
                    let mut scan = Scan {
                        quality,
                        samples,
                        symbols: &mut symbols,
                        counts: [[0; 256]; 4],
                        before: [0; 3],
                    };
                    if plain {
                        (&mut scan).run(Plain([0.0; 8]));
                    } else {
                        // SAFETY: the processor has AVX2; it was asked just now.
                        unsafe { avx2::run(&mut scan) };
                    }
                    let counts = scan.counts;
                    (symbols, counts)
                };
                assert!(made(true) == made(false), "{rows} x {columns} x {channels}, quality {quality}");
            }
        }
    }
}
