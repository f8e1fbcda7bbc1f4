//! LZW (5) as TIFF 6.0 writes it, most significant bit first with early change; the older order by `weezl`.
//!
//! The decoder keeps for each code its length, where its string last began in the output, and its first eight bytes.
//! A code is written by one unconditional 8-byte store; longer strings go on with 8-byte copies from the output. A new
//! code's bytes come from its predecessor's and not from the output, so short strings never wait for a recent store.

use outcrop_core::{Error, Result};

const CLEAR: usize = 256;
const END: usize = 257;
const FIRST: usize = 258;
const CODES: usize = 4096;

#[derive(Clone, Copy, Default)]
struct Entry {
    /// The first bytes of the string, the first one lowest.
    bytes: u64,
    /// Where in the output the string stands.
    offset: u32,
    /// Its length.
    len: u32,
}

/// The code table, 64 KiB, kept from block to block.
pub(super) struct Decoder(Box<[Entry; CODES]>);

impl Decoder {
    pub(super) fn new() -> Decoder {
        let mut table = vec![Entry::default(); CODES].into_boxed_slice();
        for (i, e) in table[..256].iter_mut().enumerate() {
            *e = Entry { bytes: i as u64, offset: 0, len: 1 };
        }
        Decoder(table.try_into().unwrap_or_else(|_| unreachable!("made with CODES entries")))
    }

    /// Fills `out` and stops, or stops at the end of the stream. Returns the bytes written.
    ///
    /// # Errors
    /// [`Error::Format`] for a code that is not in the table yet.
    pub(super) fn decode(&mut self, stored: &[u8], out: &mut [u8]) -> Result<usize> {
        if u32::try_from(out.len()).is_err() {
            // Offsets are 32 bits wide: a block of 4 GiB goes the slow way.
            let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
            return fill(&mut decoder, stored, out);
        }
        let table = &mut *self.0;
        let (mut bits, mut available, mut at) = (0u64, 0u32, 0usize);
        let (mut width, mut next) = (9u32, FIRST);
        let mut previous: Option<Entry> = None;
        let mut done = 0usize;
        while done < out.len() {
            if available < width {
                if let Some(eight) = stored.get(at..at + 8) {
                    // Adds whole bytes only; the bits of a byte that does not fit are added again, equal, next time.
                    let word = u64::from_be_bytes(eight.try_into().unwrap_or_default());
                    bits |= word >> available;
                    let taken = (63 - available) / 8;
                    at += taken as usize;
                    available += 8 * taken;
                } else {
                    while available <= 56 && at < stored.len() {
                        bits |= u64::from(stored[at]) << (56 - available);
                        at += 1;
                        available += 8;
                    }
                    if available < width {
                        break;
                    }
                }
            }
            let code = (bits >> (64 - width)) as usize;
            bits <<= width;
            available -= width;
            let entry = if code < next && code & !1 != CLEAR {
                let entry = table[code & (CODES - 1)];
                if let Some(previous) = previous
                    && next < CODES
                {
                    table[next] = follow(previous, entry.bytes as u8);
                    next += 1;
                }
                entry
            } else if code == CLEAR {
                (width, next, previous) = (9, FIRST, None);
                continue;
            } else if code == END {
                break;
            } else if let Some(previous) = previous
                && code == next
                && next < CODES
            {
                let entry = follow(previous, previous.bytes as u8);
                table[next] = entry;
                next += 1;
                entry
            } else {
                return Err(Error::Format(format!(
                    "lzw: code {code} after {done} bytes, where the table ends at {next}"
                )));
            };
            if next >= (1 << width) - 1 && width < 12 {
                width += 1;
            }
            let len = entry.len as usize;
            let offset = entry.offset as usize;
            if out.len() - done >= len + 8 {
                out[done..done + 8].copy_from_slice(&entry.bytes.to_le_bytes());
                let mut k = 8;
                while k < len {
                    let mut eight = [0; 8];
                    eight.copy_from_slice(&out[offset + k..offset + k + 8]);
                    out[done + k..done + k + 8].copy_from_slice(&eight);
                    k += 8;
                }
            } else {
                let n = len.min(out.len() - done);
                for (k, b) in entry.bytes.to_le_bytes().into_iter().enumerate().take(n) {
                    out[done + k] = b;
                }
                for k in 8..n {
                    out[done + k] = out[offset + k];
                }
            }
            previous = Some(Entry { offset: done as u32, ..entry });
            done += len.min(out.len() - done);
        }
        Ok(done)
    }
}

/// The string of `previous` with one byte more. It stands in the output where `previous` was last written.
#[inline(always)]
fn follow(previous: Entry, byte: u8) -> Entry {
    let bytes = if previous.len < 8 {
        previous.bytes | u64::from(byte) << (8 * previous.len)
    } else {
        previous.bytes
    };
    Entry { bytes, offset: previous.offset, len: previous.len + 1 }
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
    let (mut at, mut done) = (0, 0);
    while done < out.len() {
        let step = decoder.decode_bytes(&stored[at..], &mut out[done..]);
        at += step.consumed_in;
        done += step.consumed_out;
        match step.status {
            Ok(weezl::LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            Ok(_) => break,
            Err(e) => return Err(Error::Format(format!("lzw: {e} after {done} bytes"))),
        }
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]
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
            let (mut ours, mut theirs) = (vec![0; room], vec![0; room]);
            let a = Decoder::new().decode(&stored, &mut ours);
            let b = weezl_of(&stored, &mut theirs);
            match (a, b) {
                (Ok(a), Ok(b)) => {
                    prop_assert_eq!(a, b);
                    prop_assert_eq!(&ours[..a], &theirs[..b]);
                }
                // weezl looks at codes past the room that it was given.
                (Ok(a), Err(_)) => prop_assert_eq!((a, &ours), (room, &theirs)),
                (a, b) => prop_assert_eq!(a.is_err(), b.is_err()),
            }
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
    fn the_old_bit_order_is_told_and_read() {
        let data: Vec<u8> = (0..5000u32).map(|i| ((i * i) >> 5) as u8).collect();
        let stored = weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 8).encode(&data).unwrap();
        assert!(is_old(&stored) && !is_old(&encode(&data)));
        let mut out = vec![0; data.len()];
        assert_eq!(decode_old(&stored, &mut out).unwrap(), data.len());
        assert_eq!(out, data);
    }
}
