//! LZW (5) as TIFF 6.0 writes it, most significant bit first with early change; the older order by `weezl`.
//!
//! A code's string of up to seven bytes is one word of the table, with its length in the highest byte. It is written by one
//! 8-byte store, and the word that the next code enters is made from it by an addition, so that short strings never wait
//! for a recent store. The words of all codes take 32 KiB and stay in the first-level cache. Longer strings are copied from
//! the output; only where they begin is kept, apart: the string of code `c` is what was written when `c` was about to be
//! entered, and the byte behind it.
//!
//! Codes are taken four at a time from one unaligned load, by shifts that do not wait for each other, while all four have
//! one width and the stream, the output and the table have room; [`Decoder::one`] does what remains.

use outcrop_core::{Error, Result};

const CLEAR: usize = 256;
const END: usize = 257;
const FIRST: usize = 258;
const CODES: usize = 4096;

/// The length 1, as a word has it.
const ONE: u64 = 1 << 56;
/// The bytes of a word.
const BYTES: u64 = ONE - 1;
/// Words from here on are not the whole string.
const LONG: u64 = 8 * ONE;
/// Words from here on, those of Clear and End, are no string.
const CONTROL: u64 = 9 * ONE;
/// Longer strings are copied whole, the others eight bytes at a time.
const NEAR: usize = 48;

/// The code table, 48 KiB, kept from block to block.
pub(super) struct Decoder {
    words: Box<[u64; CODES]>,
    /// What `Run::done` was when each code was about to be entered; the string of `c` has
    /// `starts[c + 1] - starts[c] + 1` bytes.
    starts: Box<[u32; CODES + 1]>,
}

/// What is known between two codes.
#[derive(Clone, Copy)]
struct Run {
    /// Bits taken from the stream.
    bit: usize,
    /// Bytes written.
    done: usize,
    /// The code to be entered next.
    next: usize,
    /// The word of the last code, with a length of at most seven; 0 after a Clear.
    previous: u64,
}

impl Decoder {
    pub(super) fn new() -> Decoder {
        let mut words = Box::new([CONTROL; CODES]);
        for (word, byte) in words.iter_mut().zip(0..256) {
            *word = ONE | byte;
        }
        Decoder { words, starts: Box::new([0; CODES + 1]) }
    }

    /// Fills `out` and stops, or stops at the end of the stream. Returns the bytes written.
    ///
    /// # Errors
    /// [`Error::Format`] for a code that is not in the table yet.
    pub(super) fn decode(&mut self, stored: &[u8], out: &mut [u8]) -> Result<usize> {
        if u32::try_from(out.len()).is_err() || stored.len() > usize::MAX / 8 {
            // Starts are 32 bits wide and bits are counted: a block of 4 GiB goes the slow way.
            let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
            return fill(&mut decoder, stored, out);
        }
        let mut run = Run { bit: 0, done: 0, next: FIRST, previous: 0 };
        loop {
            run = match width(run.next) {
                9 => self.fours::<9>(run, stored, out),
                10 => self.fours::<10>(run, stored, out),
                11 => self.fours::<11>(run, stored, out),
                _ => self.fours::<12>(run, stored, out),
            };
            if run.done == out.len() || !self.one(&mut run, stored, out)? {
                return Ok(run.done);
            }
        }
    }

    /// Takes codes of `WIDTH` bits, up to one that is for [`Decoder::one`]. Calls nothing, so that the run stays in registers.
    fn fours<const WIDTH: usize>(&mut self, mut run: Run, stored: &[u8], out: &mut [u8]) -> Run {
        // "Early change": the last code that a width could hold is entered by a wider one.
        let end = if WIDTH == 12 { CODES } else { (1 << WIDTH) - 1 };
        if run.previous == 0 {
            return run;
        }
        let (words, starts) = (&mut *self.words, &mut *self.starts);
        while run.next <= end - 4
            && let Some(eight) = stored.get(run.bit / 8..run.bit / 8 + 8)
        {
            // At least 57 bits, of which the four codes take 48 at most.
            let bits = u64::from_be_bytes(eight.try_into().unwrap_or_default()) << (run.bit % 8);
            for k in 1..=4 {
                let code = (bits >> (64 - k * WIDTH)) as usize & ((1 << WIDTH) - 1);
                if code >= run.next {
                    if code > run.next {
                        return run;
                    }
                    // The code that this one enters: the last string and its own first byte.
                    words[code] = follow(run.previous, run.previous);
                    starts[code + 1] = run.done as u32;
                }
                let word = words[code];
                let Some(to) = out.get_mut(run.done..run.done + 8) else { return run };
                to.copy_from_slice(&word.to_le_bytes());
                let (mut len, mut last) = ((word >> 56) as usize, word);
                if word >= LONG {
                    if word >= CONTROL {
                        return run;
                    }
                    let start = starts[code] as usize;
                    len = starts[code + 1] as usize + 1 - start;
                    if len > NEAR || out.len() - run.done < NEAR + 8 {
                        return run;
                    }
                    // In order: a string may run into itself by one byte, its first, which is there already.
                    let mut at = 7;
                    while at < len {
                        let mut eight = [0; 8];
                        eight.copy_from_slice(&out[start + at..start + at + 8]);
                        out[run.done + at..run.done + at + 8].copy_from_slice(&eight);
                        at += 8;
                    }
                    last = word - ONE;
                }
                words[run.next] = follow(run.previous, word);
                run.next += 1;
                starts[run.next] = run.done as u32;
                run.previous = last;
                run.done += len;
                run.bit += WIDTH;
            }
        }
        run
    }

    /// Takes one code of any kind. Whether the stream goes on.
    fn one(&mut self, run: &mut Run, stored: &[u8], out: &mut [u8]) -> Result<bool> {
        let width = width(run.next);
        if run.bit + width > 8 * stored.len() {
            return Ok(false);
        }
        let mut bits = 0usize;
        for k in 0..3 {
            bits = bits << 8 | usize::from(stored.get(run.bit / 8 + k).copied().unwrap_or(0));
        }
        let code = bits >> (24 - width - run.bit % 8) & ((1 << width) - 1);
        run.bit += width;
        match code {
            CLEAR => {
                (run.next, run.previous) = (FIRST, 0);
                return Ok(true);
            }
            END => return Ok(false),
            _ => {}
        }
        let begun = run.previous != 0;
        if code > run.next || code == run.next && !begun {
            return Err(Error::Format(format!(
                "lzw: code {code} after {} bytes, where the table ends at {}",
                run.done, run.next
            )));
        }
        if !begun {
            // The string of the first code has no predecessor to enter.
            self.starts[run.next] = run.done as u32;
        } else if run.next < CODES {
            let word = if code == run.next { run.previous } else { self.words[code] };
            self.words[run.next] = follow(run.previous, word);
            run.next += 1;
            self.starts[run.next] = run.done as u32;
        }
        let word = self.words[code];
        let room = out.len() - run.done;
        if word < LONG {
            let len = ((word >> 56) as usize).min(room);
            out[run.done..run.done + len].copy_from_slice(&word.to_le_bytes()[..len]);
            (run.previous, run.done) = (word, run.done + len);
        } else {
            let start = self.starts[code] as usize;
            let len = (self.starts[code + 1] as usize + 1 - start).min(room);
            // The string of the code just entered runs into itself, by one byte.
            let apart = len.min(run.done - start);
            out.copy_within(start..start + apart, run.done);
            if apart < len {
                out[run.done + apart] = out[start];
            }
            (run.previous, run.done) = (word - ONE, run.done + len);
        }
        Ok(true)
    }
}

/// How many bits a code has when `next` is to be entered.
fn width(next: usize) -> usize {
    match next {
        0..511 => 9,
        511..1023 => 10,
        1023..2047 => 11,
        _ => 12,
    }
}

/// The word of `previous`, shortened to seven bytes, with the first byte of another word behind it.
#[inline(always)]
fn follow(previous: u64, word: u64) -> u64 {
    // A length of seven shifts the byte out of the string.
    (previous + ONE) | (((word & 0xff) << (8 * (previous >> 56))) & BYTES)
}

/// Whether a stream has the bit order of before TIFF 6.0: its first code, Clear, then begins with a zero byte.
pub(super) fn is_old(stored: &[u8]) -> bool {
    stored.len() > 1 && stored[0] == 0 && stored[1] & 1 != 0
}

/// Decodes the order of before TIFF 6.0: least significant bit first, no early change.
pub(super) fn decode_old(stored: &[u8], out: &mut [u8]) -> Result<usize> {
    fill(&mut weezl::decode::Decoder::new(weezl::BitOrder::Lsb, 8), stored, out)
}

fn fill(decoder: &mut weezl::decode::Decoder, stored: &[u8], out: &mut [u8]) -> Result<usize> {
    // A Clear that follows a Clear is said to be the end, so its status does not count; codes that give no bytes may wait
    // in the decoder when all is taken.
    let (mut at, mut done, mut idle) = (0, 0, 0);
    while done < out.len() && !decoder.has_ended() && idle <= 8 {
        let step = decoder.decode_bytes(&stored[at..], &mut out[done..]);
        at += step.consumed_in;
        done += step.consumed_out;
        step.status.map_err(|e| Error::Format(format!("lzw: {e} after {done} bytes")))?;
        idle = if step.consumed_in + step.consumed_out == 0 { idle + 1 } else { 0 };
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn weezl_of(stored: &[u8], out: &mut [u8]) -> Result<usize> {
        fill(&mut weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8), stored, out)
    }

    fn encode(data: &[u8]) -> Vec<u8> {
        weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(data).unwrap()
    }

    /// Both decoders on the same bytes: equal bytes, equal counts, errors for the same streams.
    fn compare(stored: &[u8], room: usize) {
        let (mut ours, mut theirs) = (vec![0; room], vec![0; room]);
        match (Decoder::new().decode(stored, &mut ours), weezl_of(stored, &mut theirs)) {
            (Ok(a), Ok(b)) => {
                assert_eq!(a, b);
                assert_eq!(&ours[..a], &theirs[..b]);
            }
            // weezl looks at codes past the room that it was given.
            (Ok(a), Err(_)) => assert_eq!((a, &ours), (room, &theirs)),
            (a, b) => assert_eq!(a.is_err(), b.is_err()),
        }
    }

    /// Codes of one stream as bits; `choose` gives, of the next code to be entered, one that may be written.
    fn stream(codes: usize, mut choose: impl FnMut(usize) -> usize) -> Vec<u8> {
        let (mut stored, mut held, mut bits) = (Vec::new(), 0u64, 0);
        let (mut next, mut begun) = (FIRST, false);
        for _ in 0..codes {
            let (code, width) = (choose(if begun { next } else { 255 }), width(next));
            (held, bits) = (held << width | code as u64, bits + width);
            while bits >= 8 {
                bits -= 8;
                stored.push((held >> bits) as u8);
            }
            match code {
                CLEAR => (next, begun) = (FIRST, false),
                _ if begun => next = (next + 1).min(CODES),
                _ => begun = true,
            }
        }
        stored.push((held << (8 - bits)) as u8);
        stored
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn what_weezl_wrote_comes_back(data in prop::collection::vec(0u8..6, 0..20_000), cut in 0usize..9) {
            let stored = encode(&data);
            let mut decoder = Decoder::new();
            let mut out = vec![9; data.len().saturating_sub(cut)];
            prop_assert_eq!(decoder.decode(&stored, &mut out).unwrap(), out.len());
            prop_assert_eq!(&out[..], &data[..out.len()]);
            // More room than the stream fills: it stops at its end.
            let mut out = vec![9; data.len() + cut];
            prop_assert_eq!(decoder.decode(&stored, &mut out).unwrap(), data.len());
        }

        #[test]
        fn garbage_reads_as_weezl_reads_it(stored in prop::collection::vec(any::<u8>(), 0..3000), room in 0usize..9000) {
            compare(&stored, room);
        }

        #[test]
        fn any_codes_read_as_weezl_reads_them(seed in any::<u64>(), codes in 1usize..6000, newest in 0u64..8, room in 0usize..100_000) {
            let mut random = seed | 1;
            let stored = stream(codes, |next| {
                random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                let r = random >> 40;
                match next {
                    255 => r as usize & 255,
                    _ if r.is_multiple_of(4099) => CLEAR,
                    // Long strings come of taking what was entered last; the code `next` is not complete yet.
                    _ if r & 7 < newest => next.min(CODES - 1) - (r >> 3) as usize % 3 % (next - 257),
                    _ => [r as usize & 255, FIRST + (r >> 8) as usize % (next - 257).min(CODES - FIRST)][r as usize >> 7 & 1],
                }
            });
            compare(&stored, room);
        }

        #[test]
        fn damaged_streams_read_as_weezl_reads_them(
            data in prop::collection::vec(0u8..6, 0..20_000), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let mut stored = encode(&data);
            for (at, byte) in damage {
                let at = at.index(stored.len());
                stored[at] = byte;
            }
            compare(&stored, data.len());
            compare(&stored, data.len() + 20_000);
        }
    }

    #[test]
    fn a_run_of_one_byte_uses_codes_before_they_are_complete() {
        for n in [1, 2, 3, 8, 9, 10, 300, 70_000] {
            let data = vec![7; n];
            let mut out = vec![0; n];
            assert_eq!(Decoder::new().decode(&encode(&data), &mut out).unwrap(), n);
            assert_eq!(out, data);
        }
    }

    #[test]
    fn a_clear_may_follow_a_clear() {
        // 256, 256, 7, 257, of nine bits each.
        let stored = [0b1000_0000, 0b0100_0000, 0b0000_0000, 0b1111_0000, 0b0001_0000];
        let mut out = [0; 4];
        assert_eq!(Decoder::new().decode(&stored, &mut out).unwrap(), 1);
        assert_eq!(out[0], 7);
        assert_eq!(weezl_of(&stored, &mut [0; 4]).unwrap(), 1);
    }

    #[test]
    fn the_old_bit_order_is_told_and_read() {
        let data: Vec<u8> = (0..5000u32).map(|i| ((i * i) >> 5) as u8).collect();
        let stored = weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 8).encode(&data).unwrap();
        assert!(is_old(&stored) && !is_old(&encode(&data)));
        let mut out = vec![0; data.len()];
        assert_eq!(decode_old(&stored, &mut out).unwrap(), data.len());
        assert_eq!(out, data);
    }
}
