//! [`Recoder`]: the same coefficients with the best Huffman tables for them.

use outcrop_core::Result;

use super::huffman::{Decoder, Spec};
use super::{END, FRAME, Parts, SCAN, START, TABLES_H, TABLES_Q, failed};

/// Codes a stream anew; keeps its memory from stream to stream.
#[derive(Default)]
pub(crate) struct Recoder {
    /// Every symbol with its table and the bits after it: `table << 24 | symbol << 16 | bits`.
    symbols: Vec<u32>,
}

/// Which of the segments beside frame, scan and Huffman tables go along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Quantisation tables; what else there is stands elsewhere.
    Tables,
    /// Nothing: also quantisation tables stand elsewhere.
    Nothing,
}

/// Components of a frame: how many blocks of each stand in one unit (MCU), and how many units there are.
struct Frame {
    /// For each block of a unit whether it is of colour.
    colour: Vec<bool>,
    units: usize,
}

impl Recoder {
    /// Bytes that a recoder takes for a stream of so many samples.
    pub(crate) fn context_bytes(samples: u64) -> u64 {
        samples.saturating_mul(4)
    }

    /// Writes the stream with tables of its own into `out`, and says how many bytes it takes.
    pub(crate) fn recode(&mut self, stream: &[u8], keep: Keep, out: &mut [u8]) -> Result<usize> {
        let parts = Parts::of(stream)?;
        let frame = frame(&parts)?;
        let tables = tables(&parts)?;
        let counts = self.read(parts.data()?, &frame, &tables)?;
        let best = counts.each_ref().map(Spec::best);

        let mut to = Vec::with_capacity(1024);
        to.extend(START);
        for (marker, place) in &parts.headers {
            let goes_along = match *marker {
                TABLES_H => false,
                FRAME => true,
                SCAN => {
                    let colour = frame.colour.contains(&true);
                    for (number, tables) in best.chunks(2).enumerate().take(if colour { 2 } else { 1 }) {
                        tables[0].write(0, number as u8, &mut to);
                        tables[1].write(1, number as u8, &mut to);
                    }
                    true
                }
                // The second table of a gray picture is of nothing.
                TABLES_Q => {
                    keep == Keep::Tables
                        && (frame.colour.contains(&true) || stream[place.start + 4] & 15 == 0)
                }
                _ => false,
            };
            if goes_along {
                to.extend(&stream[place.clone()]);
            }
        }
        let short = || failed("output too short");
        out.get_mut(..to.len()).ok_or_else(short)?.copy_from_slice(&to);
        let mut writer = Writer { out, at: to.len(), bits: 0, count: 0 };
        let codes = best.each_ref().map(Spec::encoder);
        for &packed in &self.symbols {
            let (table, symbol) = ((packed >> 24) as usize, packed >> 16 & 0xff);
            let (code, length) = codes[table][symbol as usize];
            let extra = symbol & 15;
            writer.put(code << extra | packed & 0xffff, length + extra).ok_or_else(short)?;
        }
        let at = writer.end().ok_or_else(short)?;
        out.get_mut(at..at + 2).ok_or_else(short)?.copy_from_slice(&END);
        Ok(at + 2)
    }

    /// Reads all symbols; says how often each occurs in each table (DC and AC of light, DC and AC of colour).
    fn read(&mut self, data: &[u8], frame: &Frame, tables: &[Decoder; 4]) -> Result<[[u32; 256]; 4]> {
        let mut counts = [[0u32; 256]; 4];
        let mut reader = Reader { data, at: 0, bits: 0, count: 0 };
        self.symbols.clear();
        let mut next = |table: usize, symbols: &mut Vec<u32>| {
            let (symbol, length) = tables[table].find(reader.peek()).ok_or_else(|| failed("no such code"))?;
            let extra = reader.take(length, u32::from(symbol & 15));
            counts[table][usize::from(symbol)] += 1;
            symbols.push((table as u32) << 24 | u32::from(symbol) << 16 | extra);
            Ok(symbol)
        };
        for _ in 0..frame.units {
            for &colour in &frame.colour {
                let table = 2 * usize::from(colour);
                next(table, &mut self.symbols)?;
                let mut k = 1;
                while k < 64 {
                    let symbol = next(table + 1, &mut self.symbols)?;
                    match symbol {
                        0 => break,
                        _ => k += usize::from(symbol >> 4) + 1,
                    }
                }
            }
        }
        Ok(counts)
    }
}

fn frame(parts: &Parts<'_>) -> Result<Frame> {
    let segment = parts.segments(FRAME).next().map(|(_, segment)| segment);
    let short = || failed("a short frame header");
    let &[_, _, _, _, _, h1, h0, w1, w0, count] = segment.and_then(|s| s.first_chunk()).ok_or_else(short)?;
    let components = segment.and_then(|s| s.get(10..)).ok_or_else(short)?.chunks_exact(3).take(count.into());
    let factors: Vec<(usize, usize)> =
        components.map(|c| (usize::from(c[1] >> 4), usize::from(c[1] & 15))).collect();
    let most = |of: fn(&(usize, usize)) -> usize| factors.iter().map(of).max().unwrap_or(1).max(1);
    let side = |high, low, factor: usize| usize::from(u16::from_be_bytes([high, low])).div_ceil(8 * factor);
    let units = side(h1, h0, most(|f| f.1)) * side(w1, w0, most(|f| f.0));
    let blocks = factors.iter().enumerate().flat_map(|(i, f)| std::iter::repeat_n(i > 0, f.0 * f.1));
    Ok(Frame { colour: blocks.collect(), units })
}

/// The decoders by class and number: DC 0, AC 0, DC 1, AC 1.
fn tables(parts: &Parts<'_>) -> Result<[Decoder; 4]> {
    let mut specs: [Spec; 4] = Default::default();
    for (_, segment) in parts.segments(TABLES_H) {
        let mut rest = &segment[4..];
        while let Some((&about, table)) = rest.split_first() {
            let (spec, after) = Spec::read(table)?;
            let place = usize::from(about & 15) * 2 + usize::from(about >> 4);
            *specs.get_mut(place).ok_or_else(|| failed("a table too many"))? = spec;
            rest = after;
        }
    }
    Ok(specs.each_ref().map(Spec::decoder))
}

/// Bits, the highest first; zeros stuffed after bytes of ones are left out.
struct Reader<'a> {
    data: &'a [u8],
    at: usize,
    bits: u64,
    count: u32,
}

impl Reader<'_> {
    /// The next 16 bits; ones after the end.
    #[inline]
    fn peek(&mut self) -> u32 {
        while self.count <= 48 {
            let byte = self.data.get(self.at).copied().unwrap_or(0xff);
            self.at += if byte == 0xff { 2 } else { 1 };
            self.bits |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
        (self.bits >> 48) as u32
    }

    /// Skips a code that was just looked at, and takes up to 15 bits after it.
    #[inline]
    fn take(&mut self, code: u32, extra: u32) -> u32 {
        let bits = self.bits << code;
        let value = if extra == 0 { 0 } else { (bits >> (64 - extra)) as u32 };
        self.bits = bits << extra;
        self.count -= code + extra;
        value
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
