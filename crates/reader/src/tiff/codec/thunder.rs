//! ThunderScan's 4-bit coding (32809): raw pixels, runs, and 2- and 3-bit differences (after libtiff's `tif_thunder.c`).

use outcrop_core::{Error, Result};

const TWO_BIT: [i8; 4] = [0, 1, 0, -1];
const THREE_BIT: [i8; 8] = [0, 1, 2, 3, 0, -3, -2, -1];

/// Fills rows of `width` packed 4-bit pixels. Returns the bytes written, fewer where the stream is cut short.
pub(super) fn decode(stored: &[u8], out: &mut [u8], row_bytes: usize, width: usize) -> Result<usize> {
    let mut input = stored.iter().copied();
    let mut done = 0;
    for row in out.chunks_exact_mut(row_bytes.max(1)) {
        row.fill(0);
        let (mut x, mut last) = (0, 0u8);
        while x < width {
            let Some(code) = input.next() else { return Ok(done) };
            let mut put = |value: u8, x: &mut usize| {
                if *x < width {
                    row[*x / 2] |= (value & 15) << (4 - 4 * (*x % 2));
                }
                *x += 1;
            };
            match code >> 6 {
                0 => {
                    for _ in 0..code & 63 {
                        put(last, &mut x);
                    }
                }
                1 => {
                    for shift in [4, 2, 0] {
                        let delta = code >> shift & 3;
                        if delta != 2 {
                            last = last.wrapping_add_signed(TWO_BIT[usize::from(delta)]) & 15;
                            put(last, &mut x);
                        }
                    }
                }
                2 => {
                    for shift in [3, 0] {
                        let delta = code >> shift & 7;
                        if delta != 4 {
                            last = last.wrapping_add_signed(THREE_BIT[usize::from(delta)]) & 15;
                            put(last, &mut x);
                        }
                    }
                }
                _ => {
                    last = code & 15;
                    put(last, &mut x);
                }
            }
        }
        if x > width {
            return Err(Error::Format(format!("ThunderScan: a row of {x} pixels, expected {width}")));
        }
        done += row_bytes;
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_runs_and_differences_are_read() {
        // raw 5; run of 2; differences +1, skip, -1; differences +3, -2.
        let stored = [0xc5, 0x02, 0b01_01_10_11, 0b10_011_110];
        let mut out = [0; 4];
        assert_eq!(decode(&stored, &mut out, 4, 7).unwrap(), 4);
        assert_eq!(out, [0x55, 0x56, 0x58, 0x60]);
        assert_eq!(decode(&stored[..3], &mut out, 4, 7).unwrap(), 0);
        assert!(decode(&[0x3f], &mut out, 4, 7).is_err() || decode(&[0xc1, 0x3f], &mut out, 4, 7).is_err());
    }
}
