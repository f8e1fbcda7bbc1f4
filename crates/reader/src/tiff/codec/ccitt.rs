//! CCITT bilevel coding: modified Huffman rows (2, 32771), Group 3 in one and two dimensions (3), Group 4 (4).
//!
//! After ITU-T T.4 and T.6 and TIFF 6.0 sections 10 and 11. A row is a list of the columns where its colour changes,
//! white first. Black is 1 in the bytes handed out. A row that does not add up is an error: nothing is guessed.

use std::borrow::BorrowMut;
use std::sync::LazyLock;

use outcrop_core::{Error, Result};

use super::super::block::BlockSpec;
use super::Codec;
use super::ccitt_tables::{BLACK, WHITE};

/// The longest run code, in bits.
const LONGEST: u32 = 13;

/// For every 13 bits, the run that they begin with and the bits of its code (0: none).
type Lookup = Vec<(u16, u8)>;

static WHITE_RUNS: LazyLock<Lookup> = LazyLock::new(|| lookup(WHITE));
static BLACK_RUNS: LazyLock<Lookup> = LazyLock::new(|| lookup(BLACK));

fn lookup(codes: &[(u16, u8, u16)]) -> Lookup {
    let mut table = vec![(0, 0); 1 << LONGEST];
    for &(run, len, code) in codes {
        let shift = LONGEST - u32::from(len);
        let first = usize::from(code) << shift;
        table[first..first + (1 << shift)].fill((run, len));
    }
    table
}

/// The changes of the row above and of the row being decoded.
#[derive(Default)]
pub(super) struct Lines {
    reference: Vec<u32>,
    current: Vec<u32>,
}

/// A decoder of the rows of one block.
pub(super) struct Decoder<I, L> {
    bits: Bits<I>,
    lines: L,
    codec: Codec,
    two_dimensional: bool,
    width: u32,
    /// Group 4 met its end-of-block code: what is left is white.
    ended: bool,
    row: u64,
    white: &'static Lookup,
    black: &'static Lookup,
}

impl<I: Iterator<Item = u8>, L: BorrowMut<Lines>> Decoder<I, L> {
    pub(super) fn new(spec: &BlockSpec, codec: Codec, stored: I, mut lines: L) -> Result<Self> {
        let columns = u64::from(spec.width) * spec.samples() as u64;
        let width = u32::try_from(columns).ok().filter(|&w| w < 1 << 30);
        let width = width.ok_or_else(|| Error::Unsupported(format!("CCITT rows of {columns} columns")))?;
        lines.borrow_mut().reference.clear();
        Ok(Decoder {
            bits: Bits { stored, buffer: 0, available: 0, taken: 0 },
            lines,
            codec,
            two_dimensional: codec == Codec::Group3 && spec.t4_options & 1 != 0,
            width,
            ended: false,
            row: 0,
            white: &WHITE_RUNS,
            black: &BLACK_RUNS,
        })
    }

    /// Decodes the next row into `width` bits.
    pub(super) fn row(&mut self, out: &mut [u8]) -> Result<()> {
        self.lines.borrow_mut().current.clear();
        match self.codec {
            Codec::Group4 => self.two_dimensional_row()?,
            Codec::Group3 => {
                let synchronised = self.end_of_line()?;
                if !self.two_dimensional {
                    self.one_dimensional_row()?;
                } else if !synchronised {
                    return Err(self.broken("no end-of-line code"));
                } else if self.bits.take(1) == 1 {
                    self.one_dimensional_row()?;
                } else {
                    self.two_dimensional_row()?;
                }
            }
            _ => {
                self.one_dimensional_row()?;
                self.bits.align(if self.codec == Codec::CcittRleWord { 16 } else { 8 });
            }
        }
        let lines = self.lines.borrow_mut();
        paint(&lines.current, self.width, out);
        std::mem::swap(&mut lines.current, &mut lines.reference);
        self.row += 1;
        Ok(())
    }

    /// Passes fill bits and an end-of-line code. Whether there was one.
    fn end_of_line(&mut self) -> Result<bool> {
        // No run code begins with eight zeros: they are fill before the code's own eleven.
        if self.bits.peek(8) != 0 || self.bits.available == 0 {
            return Ok(false);
        }
        while self.bits.peek(1) == 0 {
            if self.bits.available == 0 {
                return Err(self.ends_early());
            }
            self.bits.take(1);
        }
        self.bits.take(1);
        Ok(true)
    }

    fn one_dimensional_row(&mut self) -> Result<()> {
        let mut at = 0;
        let mut black = false;
        while at < self.width {
            at = self.run(at, black)?;
            self.push(at)?;
            black = !black;
        }
        Ok(())
    }

    /// The column where the run of that colour ends which starts in column `at`.
    fn run(&mut self, mut at: u32, black: bool) -> Result<u32> {
        let table = if black { self.black } else { self.white };
        loop {
            let (run, len) = table[self.bits.peek(LONGEST) as usize];
            if self.bits.available < u32::from(len) || (len == 0 && self.bits.available < LONGEST) {
                return Err(self.ends_early());
            }
            if len == 0 {
                return Err(self.broken("no run has this code"));
            }
            self.bits.take(u32::from(len));
            at += u32::from(run);
            if at > self.width {
                return Err(self.broken("its runs are longer than the row"));
            }
            if run < 64 {
                return Ok(at);
            }
        }
    }

    fn push(&mut self, change: u32) -> Result<()> {
        if self.lines.borrow().current.len() > self.width as usize + 16 {
            return Err(self.broken("it has more changes than columns"));
        }
        self.lines.borrow_mut().current.push(change);
        Ok(())
    }

    fn two_dimensional_row(&mut self) -> Result<()> {
        // Where the last change was; before the first column at the start.
        let mut a0 = -1i64;
        let mut black = false;
        let mut near = 0;
        while !self.ended && a0 < i64::from(self.width) {
            let (b1, b2, index) = self.lines.borrow().above(near, a0, black, self.width);
            near = index.saturating_sub(1);
            let mode = self.bits.peek(7);
            let (len, vertical) = match mode {
                0b100_0000.. => (1, Some(0)),
                0b011_0000.. => (3, Some(1)),
                0b010_0000.. => (3, Some(-1)),
                0b001_0000.. => (3, None),
                0b000_1000.. => (4, None),
                0b000_0110.. => (6, Some(2)),
                0b000_0100.. => (6, Some(-2)),
                0b000_0011 => (7, Some(3)),
                0b000_0010 => (7, Some(-3)),
                0b000_0001 => {
                    return Err(Error::Unsupported(
                        "an extension code (uncompressed mode) in CCITT data".into(),
                    ));
                }
                _ if self.codec == Codec::Group4 && self.bits.peek(12) == 1 && self.row > 0 && a0 < 0 => {
                    self.ended = true;
                    break;
                }
                _ if self.bits.available < 12 => return Err(self.ends_early()),
                _ => return Err(self.broken("no mode has this code")),
            };
            if self.bits.available < len {
                return Err(self.ends_early());
            }
            self.bits.take(len);
            match (vertical, len) {
                (Some(by), _) => {
                    let a1 = i64::from(b1) + by;
                    if a1 <= a0 || a1 > i64::from(self.width) {
                        return Err(self.broken("a change lies outside the row or goes back"));
                    }
                    self.push(a1 as u32)?;
                    (a0, black) = (a1, !black);
                }
                (None, 3) => {
                    let a1 = self.run(a0.max(0) as u32, black)?;
                    let a2 = self.run(a1, !black)?;
                    self.push(a1)?;
                    self.push(a2)?;
                    a0 = i64::from(a2);
                }
                (None, _) => a0 = i64::from(b2),
            }
        }
        Ok(())
    }

    fn broken(&self, why: &str) -> Error {
        let Decoder { row, codec, .. } = self;
        Error::Format(format!("{codec:?} row {row}, stored byte {}: {why}", self.bits.taken / 8))
    }

    fn ends_early(&self) -> Error {
        Error::Format(format!("the block ends early: {:?} gave {} rows", self.codec, self.row))
    }
}

impl Lines {
    /// The first change above to the right of `a0` towards the opposite of `black`'s colour, the change after it, and
    /// the index of the first. The search starts at change `near`, which must not lie past it.
    fn above(&self, near: usize, a0: i64, black: bool, width: u32) -> (u32, u32, usize) {
        let mut i = near & !1 | usize::from(black);
        // `near` may be one change too far for the other colour.
        while i >= 2 && i64::from(self.change(i - 2, width)) > a0 {
            i -= 2;
        }
        while i < self.reference.len() && i64::from(self.reference[i]) <= a0 {
            i += 2;
        }
        (self.change(i, width), self.change(i + 1, width), i)
    }

    fn change(&self, i: usize, width: u32) -> u32 {
        self.reference.get(i).copied().unwrap_or(width)
    }
}

/// Sets the bits of the black runs.
fn paint(changes: &[u32], width: u32, out: &mut [u8]) {
    out.fill(0);
    for pair in changes.chunks(2) {
        let [start, end] = match *pair {
            [_, _] => [pair[0], pair[1]],
            _ => continue,
        };
        set(out, start, end.min(width));
    }
    // An odd number of changes ends in black up to the edge: never in sound data, where a change at the edge follows.
    if changes.len() % 2 == 1 {
        set(out, changes[changes.len() - 1], width);
    }
}

fn set(out: &mut [u8], start: u32, end: u32) {
    if start >= end {
        return;
    }
    let (first, last) = (start as usize / 8, end as usize / 8);
    let (head, tail) = (0xffu8 >> (start % 8), !(0xffu16 >> (end % 8)) as u8);
    if first == last {
        out[first] |= head & tail;
        return;
    }
    out[first] |= head;
    out[first + 1..last].fill(0xff);
    if tail != 0 {
        out[last] |= tail;
    }
}

/// Bits of a byte stream, the most significant first.
struct Bits<I> {
    stored: I,
    /// The next bits, at the top; zeros after the last.
    buffer: u64,
    available: u32,
    taken: u64,
}

impl<I: Iterator<Item = u8>> Bits<I> {
    /// The next `n` bits (at most 32), zeros past the end.
    #[inline]
    fn peek(&mut self, n: u32) -> u32 {
        while self.available < n {
            let Some(byte) = self.stored.next() else { break };
            self.buffer |= u64::from(byte) << (56 - self.available);
            self.available += 8;
        }
        (self.buffer >> (64 - n)) as u32
    }

    /// Takes `n` bits; fewer where the stream ends.
    #[inline]
    fn take(&mut self, n: u32) -> u32 {
        if n == 0 {
            return 0;
        }
        let bits = self.peek(n);
        self.buffer <<= n;
        self.taken += u64::from(n.min(self.available));
        self.available = self.available.saturating_sub(n);
        bits
    }

    fn align(&mut self, unit: u64) {
        let rest = (unit - self.taken % unit) % unit;
        self.take(rest as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_core::DataType;
    use proptest::prelude::*;

    fn spec(width: u32, height: u32, compression: u16) -> BlockSpec {
        BlockSpec {
            photometric: 0,
            bits: vec![1],
            ..BlockSpec::new(compression, (width, height), DataType::U8, 1)
        }
    }

    fn decode(spec: &BlockSpec, codec: Codec, stored: &[u8]) -> Result<Vec<u8>> {
        let row_bytes = (spec.width as usize).div_ceil(8);
        let mut out = vec![0; row_bytes * spec.height as usize];
        let mut decoder = Decoder::new(spec, codec, stored.iter().copied(), Lines::default())?;
        for row in out.chunks_exact_mut(row_bytes) {
            decoder.row(row)?;
        }
        Ok(out)
    }

    fn group4(width: u32, rows: &[Vec<bool>]) -> Vec<u8> {
        let mut encoder = fax::encoder::Encoder::new(fax::VecWriter::new());
        for row in rows {
            let pels = row.iter().map(|&b| if b { fax::Color::Black } else { fax::Color::White });
            encoder.encode_line(pels, width).unwrap();
        }
        encoder.finish().unwrap().finish()
    }

    fn pack(row: &[bool]) -> Vec<u8> {
        row.chunks(8).map(|c| c.iter().enumerate().fold(0, |a, (i, &b)| a | u8::from(b) << (7 - i))).collect()
    }

    proptest! {
        #[test]
        fn group_4_comes_back(width in 1u32..90, seed in prop::collection::vec(prop::collection::vec(0u8..5, 90), 1..12)) {
            let rows: Vec<Vec<bool>> = seed.iter()
                .map(|r| r[..width as usize].iter().scan(false, |s, &b| { *s ^= b == 0; Some(*s) }).collect())
                .collect();
            let stored = group4(width, &rows);
            let spec = spec(width, rows.len() as u32, 4);
            let want: Vec<u8> = rows.iter().flat_map(|r| pack(r)).collect();
            prop_assert_eq!(decode(&spec, Codec::Group4, &stored).unwrap(), want);
        }

        #[test]
        fn garbage_ends_in_rows_or_an_error(stored in prop::collection::vec(any::<u8>(), 0..300), options in 0u32..8) {
            let mut spec = spec(100, 20, 3);
            spec.t4_options = options;
            for codec in [Codec::CcittRle, Codec::CcittRleWord, Codec::Group3, Codec::Group4] {
                let _ = decode(&spec, codec, &stored);
            }
        }
    }

    #[test]
    fn runs_of_every_length_have_a_code() {
        // Huffman codes are complete but for the zeros that end-of-line codes begin with.
        for table in [&*WHITE_RUNS, &*BLACK_RUNS] {
            let lone = table.iter().enumerate().filter(|(_, e)| e.1 == 0).map(|(i, _)| i).max().unwrap();
            assert!(lone < 1 << (LONGEST - 7), "{lone:#b}");
        }
        assert_eq!((WHITE.len(), BLACK.len()), (104, 104));
    }

    #[test]
    fn a_cut_stream_is_refused() {
        let rows: Vec<Vec<bool>> =
            (0..20).map(|y| (0..64).map(|x| (x * 7 + y * 3) % 11 < 4).collect()).collect();
        let stored = group4(64, &rows);
        assert!(decode(&spec(64, 20, 4), Codec::Group4, &stored[..stored.len() / 2]).is_err());
        assert!(decode(&spec(64, 20, 4), Codec::Group4, &[]).is_err());
    }
}
