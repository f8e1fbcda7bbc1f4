//! NeXT's 2-bit coding (32766): literal rows, literal spans, and runs of one gray (after libtiff's `tif_next.c`).

use outcrop_core::{Error, Result};

const LITERAL_ROW: u8 = 0x00;
const LITERAL_SPAN: u8 = 0x40;

/// Fills rows of `row_bytes` packed bytes. Returns the bytes written, fewer where the stream is cut short.
pub(super) fn decode(stored: &[u8], out: &mut [u8], row_bytes: usize) -> Result<usize> {
    let mut input = stored.iter().copied();
    let mut done = 0;
    for row in out.chunks_exact_mut(row_bytes.max(1)) {
        // What a span leaves is white.
        row.fill(0xff);
        let Some(head) = input.next() else { return Ok(done) };
        match head {
            LITERAL_ROW => {
                if !copy(&mut input, row) {
                    return Ok(done);
                }
            }
            LITERAL_SPAN => {
                let mut word = || Some(usize::from(input.next()?) << 8 | usize::from(input.next()?));
                let (Some(offset), Some(len)) = (word(), word()) else { return Ok(done) };
                let Some(span) = row.get_mut(offset..).and_then(|r| r.get_mut(..len)) else {
                    return Err(Error::Format(format!(
                        "NeXT: {len} bytes at {offset} in a row of {row_bytes}"
                    )));
                };
                if !copy(&mut input, span) {
                    return Ok(done);
                }
            }
            first => {
                let (mut head, mut x) = (first, 0);
                let pixels = 4 * row.len();
                loop {
                    let run = usize::from(head & 0x3f);
                    for _ in 0..run.min(pixels - x) {
                        let shift = 6 - 2 * (x % 4);
                        row[x / 4] = row[x / 4] & !(3 << shift) | (head >> 6) << shift;
                        x += 1;
                    }
                    if x >= pixels {
                        break;
                    }
                    match input.next() {
                        Some(next) => head = next,
                        None => return Ok(done),
                    }
                }
            }
        }
        done += row_bytes;
    }
    Ok(done)
}

fn copy(input: &mut impl Iterator<Item = u8>, to: &mut [u8]) -> bool {
    to.iter_mut().all(|b| input.next().map(|v| *b = v).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_spans_and_runs_are_told_apart() {
        let stored = [0x00, 1, 2, 0x40, 0, 1, 0, 1, 0x1b, 0x83, 0x41, 0x44];
        let mut out = [0; 6];
        assert_eq!(decode(&stored, &mut out, 2).unwrap(), 6);
        assert_eq!(out, [1, 2, 0xff, 0x1b, 0b10_10_10_01, 0b01_01_01_01]);
        assert_eq!(decode(&stored[..2], &mut out, 2).unwrap(), 0);
        assert!(decode(&[0x40, 0, 2, 0, 1, 9], &mut out, 2).is_err());
        assert_eq!(decode(&[], &mut out, 2).unwrap(), 0);
    }
}
