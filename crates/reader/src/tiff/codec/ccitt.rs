//! CCITT bilevel coding: modified Huffman rows (2, 32771), Group 3 in one and two dimensions (3), Group 4 (4).
//!
//! After ITU-T T.4 and T.6 and TIFF 6.0 sections 10 and 11. A row is a list of the columns where its colour changes,
//! white first. Black is 1 in the bytes handed out. A row that does not add up is an error: nothing is guessed.

use std::borrow::BorrowMut;
use std::io::BufRead;

use outcrop_core::{Error, Result};

use super::super::block::BlockSpec;
use super::Codec;
use super::ccitt_tables::{BLACK, WHITE};

/// The longest run code, in bits.
const LONGEST: u32 = 13;

/// For every 13 bits, the run that they begin with, times 16, and the bits of its code (0: none).
type Lookup = [u16; 1 << LONGEST];

static WHITE_RUNS: Lookup = lookup(WHITE);
static BLACK_RUNS: Lookup = lookup(BLACK);

const fn lookup(codes: &[(u16, u8, u16)]) -> Lookup {
    let mut table = [0; 1 << LONGEST];
    let mut k = 0;
    while k < codes.len() {
        let (run, len, code) = codes[k];
        let shift = LONGEST - len as u32;
        let mut at = (code as usize) << shift;
        let end = at + (1 << shift);
        while at < end {
            table[at] = run << 4 | len as u16;
            at += 1;
        }
        k += 1;
    }
    table
}

/// For every 13 bits that begin with the codes of a white and a black run below 64: the runs, of 6 bits each, and the bits of
/// both (0: other codes). One look-up for two runs is half the wait for memory.
static PAIRS: Lookup = pairs(&lookup(WHITE), &lookup(BLACK));

const fn pairs(white: &Lookup, black: &Lookup) -> Lookup {
    let mut table = [0; 1 << LONGEST];
    let mut k = 0;
    while k < table.len() {
        let first = white[k];
        let second = black[k << (first & 15) & (table.len() - 1)];
        let len = (first & 15) + (second & 15);
        if first & 15 > 0 && second & 15 > 0 && len as u32 <= LONGEST && first >> 4 < 64 && second >> 4 < 64 {
            table[k] = len << 12 | (second >> 4) << 6 | first >> 4;
        }
        k += 1;
    }
    table
}

/// For every 7 bits the mode that they begin with: the bits of its code (0: none) and how far a vertical one is from the
/// change above, or one of the others.
static MODES: [(u8, i8); 128] = modes();

const PASS: i8 = 4;
const HORIZONTAL: i8 = 5;
const EXTENSION: i8 = 6;

const fn modes() -> [(u8, i8); 128] {
    let codes: [(u8, u8, i8); 10] = [
        (0b1, 1, 0),
        (0b011, 3, 1),
        (0b010, 3, -1),
        (0b001, 3, HORIZONTAL),
        (0b0001, 4, PASS),
        (0b00_0011, 6, 2),
        (0b00_0010, 6, -2),
        (0b000_0011, 7, 3),
        (0b000_0010, 7, -3),
        (0b000_0001, 7, EXTENSION),
    ];
    let mut table = [(0, 0); 128];
    let mut k = 0;
    while k < codes.len() {
        let (code, len, mode) = codes[k];
        let mut at = (code as usize) << (7 - len);
        let end = at + (1 << (7 - len));
        while at < end {
            table[at] = (len, mode);
            at += 1;
        }
        k += 1;
    }
    table
}

/// The changes of the row above, which the row's width follows three times, and of the row being decoded.
#[derive(Default)]
pub(super) struct Lines {
    reference: Vec<u32>,
    current: Vec<u32>,
}

/// A decoder of the rows of one block.
pub(super) struct Decoder<R, L> {
    bits: Bits<R>,
    lines: L,
    codec: Codec,
    two_dimensional: bool,
    width: u32,
    /// Group 4 met its end-of-block code: what is left is white.
    ended: bool,
    row: u64,
}

/// What is wrong with a row.
enum Flaw {
    EndsEarly,
    NoRun,
    LongRow,
    ManyChanges,
    NoMode,
    Extension,
    Change,
    NoEndOfLine,
}

impl<R: BufRead, L: BorrowMut<Lines>> Decoder<R, L> {
    pub(super) fn new(spec: &BlockSpec, codec: Codec, stored: R, mut lines: L) -> Result<Self> {
        let columns = u64::from(spec.width) * spec.samples() as u64;
        let width = u32::try_from(columns).ok().filter(|&w| w < 1 << 30);
        let width = width.ok_or_else(|| Error::Unsupported(format!("CCITT rows of {columns} columns")))?;
        let reference = &mut lines.borrow_mut().reference;
        reference.clear();
        reference.extend([width; 3]);
        Ok(Decoder {
            bits: Bits { stored, window: Window::default(), read: 0 },
            lines,
            codec,
            two_dimensional: codec == Codec::Group3 && spec.t4_options & 1 != 0,
            width,
            ended: false,
            row: 0,
        })
    }

    /// Decodes the next row into `width` bits.
    pub(super) fn row(&mut self, out: &mut [u8]) -> Result<()> {
        self.lines.borrow_mut().current.clear();
        // In registers while a row is decoded.
        let mut window = self.bits.window;
        let found = self.changes(&mut window);
        self.bits.window = window;
        found.map_err(|flaw| self.error(flaw))?;
        let Lines { reference, current } = self.lines.borrow_mut();
        paint(current, self.width, out);
        current.extend([self.width; 3]);
        std::mem::swap(current, reference);
        self.row += 1;
        Ok(())
    }

    /// The changes of the next row.
    #[inline(always)]
    fn changes(&mut self, window: &mut Window) -> std::result::Result<(), Flaw> {
        match self.codec {
            Codec::Group4 => self.two_dimensional_row(window)?,
            Codec::Group3 => {
                let synchronised = self.end_of_line(window)?;
                if self.two_dimensional && !synchronised {
                    return Err(Flaw::NoEndOfLine);
                }
                if !self.two_dimensional || self.bits.take(window, 1) == 1 {
                    self.one_dimensional_row(window)?;
                } else {
                    self.two_dimensional_row(window)?;
                }
            }
            _ => {
                self.one_dimensional_row(window)?;
                self.bits.align(window, if self.codec == Codec::CcittRleWord { 16 } else { 8 });
            }
        }
        Ok(())
    }

    /// Passes fill bits and an end-of-line code. Whether there was one.
    #[inline(always)]
    fn end_of_line(&mut self, window: &mut Window) -> std::result::Result<bool, Flaw> {
        // No run code begins with eight zeros: they are fill before the code's own eleven.
        if self.bits.peek(window, 8) != 0 || window.available == 0 {
            return Ok(false);
        }
        loop {
            let zeros = self.bits.peek(window, 32).leading_zeros();
            if zeros < window.available.min(32) {
                window.skip(zeros + 1);
                return Ok(true);
            }
            if window.available < 32 {
                return Err(Flaw::EndsEarly);
            }
            window.skip(32);
        }
    }

    #[inline(always)]
    fn one_dimensional_row(&mut self, window: &mut Window) -> std::result::Result<(), Flaw> {
        let mut at = 0;
        while at < self.width {
            let entry = PAIRS[self.bits.peek(window, LONGEST) as usize];
            let len = u32::from(entry >> 12);
            let white = at + u32::from(entry & 63);
            let both = white + u32::from(entry >> 6 & 63);
            if len > 0 && len <= window.available && white < self.width && both <= self.width {
                window.skip(len);
                self.push(white)?;
                self.push(both)?;
                at = both;
                continue;
            }
            at = self.run(window, at, &WHITE_RUNS)?;
            self.push(at)?;
            if at >= self.width {
                break;
            }
            at = self.run(window, at, &BLACK_RUNS)?;
            self.push(at)?;
        }
        Ok(())
    }

    /// The column where the run ends which starts in column `at`.
    #[inline(always)]
    fn run(&mut self, window: &mut Window, mut at: u32, runs: &Lookup) -> std::result::Result<u32, Flaw> {
        loop {
            let entry = runs[self.bits.peek(window, LONGEST) as usize];
            let (run, len) = (u32::from(entry >> 4), u32::from(entry & 15));
            if len == 0 || window.available < len {
                return Err(if window.available < LONGEST { Flaw::EndsEarly } else { Flaw::NoRun });
            }
            window.skip(len);
            at += run;
            if at > self.width {
                return Err(Flaw::LongRow);
            }
            if run < 64 {
                return Ok(at);
            }
        }
    }

    #[inline(always)]
    fn push(&mut self, change: u32) -> std::result::Result<(), Flaw> {
        let current = &mut self.lines.borrow_mut().current;
        if current.len() > self.width as usize + 16 {
            return Err(Flaw::ManyChanges);
        }
        current.push(change);
        Ok(())
    }

    #[inline(always)]
    fn two_dimensional_row(&mut self, window: &mut Window) -> std::result::Result<(), Flaw> {
        let width = self.width as i32;
        // Where the last change was; before the first column at the start.
        let mut a0 = -1;
        let mut black = 0;
        let mut near = 0;
        while !self.ended && a0 < width {
            let (b1, b2, index) = self.lines.borrow().above(near, a0, black);
            near = index.saturating_sub(1);
            let (len, mode) = MODES[self.bits.peek(window, 7) as usize];
            if len == 0 || window.available < u32::from(len) {
                if self.codec == Codec::Group4 && self.row > 0 && a0 < 0 && self.bits.peek(window, 12) == 1 {
                    self.ended = true;
                    break;
                }
                return Err(if window.available < 12 { Flaw::EndsEarly } else { Flaw::NoMode });
            }
            if mode == EXTENSION {
                return Err(Flaw::Extension);
            }
            window.skip(len.into());
            match mode {
                HORIZONTAL => {
                    let (first, second) =
                        if black == 0 { (&WHITE_RUNS, &BLACK_RUNS) } else { (&BLACK_RUNS, &WHITE_RUNS) };
                    let a1 = self.run(window, a0.max(0) as u32, first)?;
                    let a2 = self.run(window, a1, second)?;
                    self.push(a1)?;
                    self.push(a2)?;
                    a0 = a2 as i32;
                }
                PASS => a0 = b2 as i32,
                by => {
                    let a1 = b1 as i32 + i32::from(by);
                    if a1 <= a0 || a1 > width {
                        return Err(Flaw::Change);
                    }
                    self.push(a1 as u32)?;
                    (a0, black) = (a1, 1 - black);
                }
            }
        }
        Ok(())
    }

    #[cold]
    fn error(&self, flaw: Flaw) -> Error {
        let Decoder { row, codec, .. } = self;
        let why = match flaw {
            Flaw::EndsEarly => {
                return Error::Format(format!("the block ends early: {codec:?} gave {row} rows"));
            }
            Flaw::Extension => {
                return Error::Unsupported("an extension code (uncompressed mode) in CCITT data".into());
            }
            Flaw::NoRun => "no run has this code",
            Flaw::LongRow => "its runs are longer than the row",
            Flaw::ManyChanges => "it has more changes than columns",
            Flaw::NoMode => "no mode has this code",
            Flaw::Change => "a change lies outside the row or goes back",
            Flaw::NoEndOfLine => "no end-of-line code",
        };
        let taken = self.bits.taken(&self.bits.window);
        Error::Format(format!("{codec:?} row {row}, stored byte {}: {why}", taken / 8))
    }
}

impl Lines {
    /// The first change above to the right of `a0`, which lies in the row, towards the opposite of `black`'s colour (0 or 1), the
    /// change after it, and the index of the first. The search starts at change `near`, which must not lie past it.
    #[inline(always)]
    fn above(&self, near: usize, a0: i32, black: usize) -> (u32, u32, usize) {
        let reference = &self.reference[..];
        let mut i = near & !1 | black;
        // `near` may be one change too far for the other colour.
        while i >= 2 && reference[i - 2] as i32 > a0 {
            i -= 2;
        }
        while reference[i] as i32 <= a0 {
            i += 2;
        }
        (reference[i], reference[i + 1], i)
    }
}

/// Sets the bits of the black runs.
fn paint(changes: &[u32], width: u32, out: &mut [u8]) {
    // The bits from each change on are inverted, a word at a time; the last bit of a word is the next one's colour.
    let (mut word, mut at) = (0u64, 0);
    let colour = |word: u64| (word & 1).wrapping_neg();
    let mut invert = |change: u32| {
        let (index, bit) = (change as usize / 64, change % 64);
        while at < index {
            put(out, at, word);
            word = colour(word);
            at += 1;
        }
        word ^= u64::MAX >> bit;
    };
    changes.iter().for_each(|&change| invert(change));
    // An odd number of changes ends in black up to the edge: never in sound data, where a change at the edge follows.
    if changes.len() % 2 == 1 {
        invert(width);
    }
    for at in at..out.len().div_ceil(8) {
        put(out, at, word);
        word = colour(word);
    }
}

/// Writes a word of 64 pixels, as many of them as there are.
#[inline(always)]
fn put(out: &mut [u8], at: usize, word: u64) {
    let rest = &mut out[8 * at..];
    match rest.first_chunk_mut() {
        Some(eight) => *eight = word.to_be_bytes(),
        None => rest.copy_from_slice(&word.to_be_bytes()[..rest.len()]),
    }
}

/// Bits of a byte stream, the most significant first.
struct Bits<R> {
    stored: R,
    window: Window,
    /// Bytes read so far.
    read: u64,
}

/// The next bits, at the top; those after the available ones are not to be relied on, but zeros after the last.
#[derive(Clone, Copy, Default)]
struct Window {
    buffer: u64,
    available: u32,
}

impl Window {
    /// Passes bits that were looked at, or what is left of them.
    #[inline(always)]
    fn skip(&mut self, n: u32) {
        self.buffer <<= n;
        self.available = self.available.saturating_sub(n);
    }
}

impl<R: BufRead> Bits<R> {
    /// The next `n` bits (1 to 32), zeros past the end.
    #[inline(always)]
    fn peek(&mut self, window: &mut Window, n: u32) -> u32 {
        if window.available < n {
            *window = self.refill(*window);
        }
        (window.buffer >> (64 - n)) as u32
    }

    /// Fills the window up to 56 bits at least (63 at most), or with what is left. An error ends the bytes, as a cut stream does.
    #[inline(always)]
    fn refill(&mut self, mut window: Window) -> Window {
        let ahead = self.stored.fill_buf().unwrap_or_default();
        if let Some(eight) = ahead.first_chunk() {
            let bytes = (63 - window.available) / 8;
            window.buffer |= u64::from_be_bytes(*eight) >> window.available;
            window.available += 8 * bytes;
            self.stored.consume(bytes as usize);
            self.read += u64::from(bytes);
            return window;
        }
        self.refill_by_bytes(window)
    }

    #[cold]
    fn refill_by_bytes(&mut self, mut window: Window) -> Window {
        while window.available < 56 {
            let Some(&byte) = self.stored.fill_buf().unwrap_or_default().first() else { break };
            window.buffer |= u64::from(byte) << (56 - window.available);
            window.available += 8;
            self.stored.consume(1);
            self.read += 1;
        }
        window
    }

    /// Takes `n` bits; fewer where the stream ends.
    fn take(&mut self, window: &mut Window, n: u32) -> u32 {
        let bits = self.peek(window, n);
        window.skip(n);
        bits
    }

    /// Bits taken so far.
    fn taken(&self, window: &Window) -> u64 {
        8 * self.read - u64::from(window.available)
    }

    fn align(&mut self, window: &mut Window, unit: u64) {
        let rest = (unit - self.taken(window) % unit) % unit;
        if rest > 0 {
            self.take(window, rest as u32);
        }
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
        let mut decoder = Decoder::new(spec, codec, stored, Lines::default())?;
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
        for table in [&WHITE_RUNS, &BLACK_RUNS] {
            let lone = table.iter().enumerate().filter(|(_, e)| **e == 0).map(|(i, _)| i).max().unwrap();
            assert!(lone < 1 << (LONGEST - 7), "{lone:#b}");
        }
        assert_eq!((WHITE.len(), BLACK.len()), (104, 104));
    }

    #[test]
    fn bytes_may_come_in_any_portions() {
        let rows: Vec<Vec<bool>> =
            (0..40u32).map(|y| (0..150).map(|x| (x * x / 7 + y * 3) % 11 < 4).collect()).collect();
        let stored = group4(150, &rows);
        let spec = spec(150, 40, 4);
        let want = decode(&spec, Codec::Group4, &stored).unwrap();
        for portion in 1..20 {
            let input = std::io::BufReader::with_capacity(portion, &stored[..]);
            let mut decoder = Decoder::new(&spec, Codec::Group4, input, Lines::default()).unwrap();
            let mut row = [0; 19];
            for want in want.chunks(19) {
                decoder.row(&mut row).unwrap();
                assert_eq!(row, want, "{portion} bytes at once");
            }
        }
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
