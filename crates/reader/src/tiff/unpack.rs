//! Samples as stored to samples as handed out: byte order, depths of 1 to 63 bits, 24-bit floats.
//!
//! Rows begin on byte boundaries. Depths of 8, 16, 32 and 64 bits and 24-bit floats follow the file's byte order; all
//! others are one stream of bits per row, the most significant first, in either kind of file (as libtiff and tifffile
//! read them). Two exceptions are what the writers of such files agree on, against the letter of the format: 24-bit
//! integers have the order opposite to their file's (libtiff swaps those that GDAL has put most significant byte
//! first), and 5-6-5 pixels are 16-bit words, least significant byte first, and are scaled to 8 bits.

use outcrop_core::{ByteOrder, DataType, Error, Result};

use super::block::BlockSpec;

/// Whether this build unpacks the page's depths.
pub(super) fn check(spec: &BlockSpec) -> Result<()> {
    let room = 8 * spec.dtype.bytes();
    let sound = spec.bits.iter().all(|&b| {
        let b = usize::from(b);
        if spec.dtype.is_float() {
            b == room || (b == 24 && spec.dtype == DataType::F32)
        } else {
            b >= 1 && b <= room
        }
    });
    if !sound || !matches!(spec.sample_format, 1..=4) {
        return Err(Error::Unsupported(format!(
            "samples of {} bits, format {}, as {}",
            spec.depths(),
            spec.sample_format,
            spec.dtype
        )));
    }
    Ok(())
}

/// Swaps samples of `bytes` bytes in place where that order is not the machine's.
pub(crate) fn to_native(samples: &mut [u8], bytes: usize, order: ByteOrder) {
    if order == ByteOrder::NATIVE {
        return;
    }
    match bytes {
        1 => {}
        2 => samples.chunks_exact_mut(2).for_each(|s| s.swap(0, 1)),
        4 => samples.chunks_exact_mut(4).for_each(|s| s.reverse()),
        _ => samples.chunks_exact_mut(8).for_each(|s| s.reverse()),
    }
}

/// Widens rows of `packed_row` bytes to native samples. `order` is that of whole bytes.
pub(super) fn widen(spec: &BlockSpec, order: ByteOrder, packed: &[u8], packed_row: usize, out: &mut [u8]) {
    let row_bytes = spec.width as usize * spec.samples() * spec.dtype.bytes();
    let bits = spec.bits[0];
    let alike = spec.bits.iter().all(|&b| b == bits);
    let ordered = spec.bits.iter().all(|b| matches!(b, 8 | 16 | 24 | 32 | 64));
    let order24 = if order == ByteOrder::Big { ByteOrder::Little } else { ByteOrder::Big };
    let signed = spec.dtype.is_signed_integer();
    for (packed, row) in packed.chunks_exact(packed_row.max(1)).zip(out.chunks_exact_mut(row_bytes.max(1))) {
        match (bits, spec.dtype) {
            (1, DataType::U8) if alike => bilevel(packed, row),
            (2, DataType::U8) if alike => bytewise::<4>(packed, row, |b, k| b >> (6 - 2 * k) & 3),
            (4, DataType::U8) if alike => bytewise::<2>(packed, row, |b, k| b >> (4 - 4 * k) & 15),
            (12, DataType::U16) if alike => twelve(packed, row),
            (24, DataType::F32) if alike => {
                for (p, s) in packed.chunks_exact(3).zip(row.chunks_exact_mut(4)) {
                    s.copy_from_slice(&float24(whole(p, order) as u32).to_ne_bytes());
                }
            }
            _ if spec.bits == [5, 6, 5] && spec.dtype == DataType::U8 => rgb565(packed, row),
            _ => {
                let mut stream = BitStream { bytes: packed, buffer: 0, available: 0 };
                let mut at = 0;
                let depths = spec.bits.iter().cycle();
                for (s, &depth) in row.chunks_exact_mut(spec.dtype.bytes()).zip(depths) {
                    let n = u32::from(depth);
                    let v = if ordered {
                        let v =
                            whole(&packed[at..at + n as usize / 8], if n == 24 { order24 } else { order });
                        at += n as usize / 8;
                        v
                    } else {
                        stream.take(n)
                    };
                    put(if signed { ((v << (64 - n)) as i64 >> (64 - n)) as u64 } else { v }, s);
                }
            }
        }
    }
}

/// Eight samples to a byte, all at once.
fn bilevel(packed: &[u8], row: &mut [u8]) {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Byte k of the word, counted from the low end, keeps bit 7 - k. Adding 127 carries it to the top, and alone stays below.
    let eight = |b: u8| {
        let kept = (u64::from(b) * EACH) & 0x0102_0408_1020_4080;
        ((kept + 127 * EACH) >> 7 & EACH).to_le_bytes()
    };
    let (eights, rest) = row.as_chunks_mut();
    eights.iter_mut().zip(packed).for_each(|(samples, &b)| *samples = eight(b));
    if let Some(&b) = packed.get(eights.len()) {
        rest.copy_from_slice(&eight(b)[..rest.len()]);
    }
}

/// `N` samples to a byte.
fn bytewise<const N: usize>(packed: &[u8], row: &mut [u8], sample: impl Fn(u8, usize) -> u8) {
    let (eights, rest) = row.as_chunks_mut::<N>();
    for (&b, samples) in packed.iter().zip(eights.iter_mut()) {
        for (k, s) in samples.iter_mut().enumerate() {
            *s = sample(b, k);
        }
    }
    if let Some(&b) = packed.get(eights.len()) {
        rest.iter_mut().enumerate().for_each(|(k, s)| *s = sample(b, k));
    }
}

/// Two 12-bit samples to three bytes.
fn twelve(packed: &[u8], row: &mut [u8]) {
    for (p, s) in packed.chunks(3).zip(row.chunks_mut(4)) {
        let [a, b, c] = [p[0], p.get(1).copied().unwrap_or(0), p.get(2).copied().unwrap_or(0)];
        let pair = [u16::from(a) << 4 | u16::from(b) >> 4, u16::from(b & 15) << 8 | u16::from(c)];
        for (s, v) in s.chunks_exact_mut(2).zip(pair) {
            s.copy_from_slice(&v.to_ne_bytes());
        }
    }
}

/// One pixel of three samples to two bytes; the high bits are repeated below, so that full scale stays full scale.
fn rgb565(packed: &[u8], row: &mut [u8]) {
    for (p, s) in packed.chunks_exact(2).zip(row.chunks_exact_mut(3)) {
        let v = u16::from_le_bytes([p[0], p[1]]);
        let (r, g, b) = (v >> 11, v >> 5 & 63, v & 31);
        s.copy_from_slice(&[(r << 3 | r >> 2) as u8, (g << 2 | g >> 4) as u8, (b << 3 | b >> 2) as u8]);
    }
}

/// An integer of 1 to 8 whole bytes.
fn whole(bytes: &[u8], order: ByteOrder) -> u64 {
    match order {
        ByteOrder::Big => bytes.iter().fold(0, |v, &b| v << 8 | u64::from(b)),
        ByteOrder::Little => bytes.iter().rev().fold(0, |v, &b| v << 8 | u64::from(b)),
    }
}

/// The low bytes of `v` as a native sample of 1, 2, 4 or 8 bytes.
#[inline(always)]
fn put(v: u64, sample: &mut [u8]) {
    match sample.len() {
        1 => sample[0] = v as u8,
        2 => sample.copy_from_slice(&(v as u16).to_ne_bytes()),
        4 => sample.copy_from_slice(&(v as u32).to_ne_bytes()),
        _ => sample.copy_from_slice(&v.to_ne_bytes()),
    }
}

/// A float of 1 sign, 7 exponent (bias 63) and 16 fraction bits, exactly (TIFF Technical Note 3).
fn float24(v: u32) -> f32 {
    let sign = (v >> 23 & 1) << 31;
    let (exponent, fraction) = (v >> 16 & 0x7f, v & 0xffff);
    let magnitude = match exponent {
        0 => (fraction as f32 * 2f32.powi(-78)).to_bits(),
        0x7f => 0x7f80_0000 | fraction << 7,
        _ => (exponent + 127 - 63) << 23 | fraction << 7,
    };
    f32::from_bits(sign | magnitude)
}

/// Bits of a row, the most significant first.
struct BitStream<'a> {
    bytes: &'a [u8],
    buffer: u128,
    available: u32,
}

impl BitStream<'_> {
    /// The next `n` bits, 1 to 64; zeros past the end.
    #[inline]
    fn take(&mut self, n: u32) -> u64 {
        while self.available < n {
            let byte = match self.bytes {
                [first, rest @ ..] => {
                    self.bytes = rest;
                    *first
                }
                [] => 0,
            };
            self.buffer = self.buffer << 8 | u128::from(byte);
            self.available += 8;
        }
        self.available -= n;
        (self.buffer >> self.available) as u64 & (u64::MAX >> (64 - n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packs by text: the binary digits of all samples of a row, joined and padded.
    fn pack(values: &[u64], depths: &[u16]) -> Vec<u8> {
        let digits: String = values
            .iter()
            .zip(depths.iter().cycle())
            .map(|(v, &n)| format!("{v:0n$b}", n = usize::from(n)))
            .collect();
        digits
            .as_bytes()
            .chunks(8)
            .map(|c| u8::from_str_radix(&format!("{:0<8}", str::from_utf8(c).unwrap()), 2).unwrap())
            .collect()
    }

    #[test]
    fn every_depth_is_unpacked() {
        for depth in (1..64u16).filter(|d| d % 8 != 0) {
            let dtype = match depth {
                1..=7 => DataType::U8,
                9..=15 => DataType::U16,
                17..=31 => DataType::U32,
                _ => DataType::U64,
            };
            for samples in [1usize, 3] {
                let mut spec = BlockSpec::new(1, (5, 2), dtype, samples);
                spec.bits = vec![depth; samples];
                let mask = u64::MAX >> (64 - depth);
                let values: Vec<u64> = (1..=10 * samples as u64)
                    .map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 3 & mask)
                    .collect();
                let packed: Vec<u8> =
                    values.chunks(5 * samples).flat_map(|row| pack(row, &spec.bits)).collect();
                let mut out = vec![0; 10 * samples * dtype.bytes()];
                widen(&spec, ByteOrder::Little, &packed, packed.len() / 2, &mut out);
                let found: Vec<u64> =
                    out.chunks(dtype.bytes()).map(|b| whole(b, ByteOrder::NATIVE)).collect();
                assert_eq!(found, values, "{depth} bits");
            }
        }
    }

    #[test]
    fn mixed_and_signed_depths_are_unpacked() {
        let mut mixed = BlockSpec::new(1, (3, 1), DataType::U8, 3);
        mixed.bits = vec![5, 7, 4];
        let values = [31, 0, 1, 2, 127, 15, 9, 33, 12];
        let mut out = vec![0; 9];
        let packed = pack(&values, &mixed.bits);
        widen(&mixed, ByteOrder::Little, &packed, packed.len(), &mut out);
        assert_eq!(out, values.map(|v| v as u8));

        mixed.bits = vec![5, 6, 5];
        widen(&mixed, ByteOrder::Big, &[0xff, 0xff, 0x04, 0x20, 0, 0], 6, &mut out);
        assert_eq!(out, [255, 255, 255, 33, 0, 33, 0, 0, 0]);

        let mut signed = BlockSpec::new(1, (3, 1), DataType::I16, 1);
        (signed.bits, signed.sample_format) = (vec![12], 2);
        let mut out = vec![0; 6];
        widen(&signed, ByteOrder::Big, &pack(&[0xfff, 0x800, 0x7ff], &[12]), 5, &mut out);
        let found: Vec<i16> = out.chunks(2).map(|b| i16::from_ne_bytes([b[0], b[1]])).collect();
        assert_eq!(found, [-1, -2048, 2047]);
    }

    #[test]
    fn integers_of_24_bits_have_the_opposite_order() {
        let mut spec = BlockSpec::new(1, (2, 1), DataType::I32, 1);
        spec.bits = vec![24];
        let mut out = vec![0; 8];
        for (order, stored) in
            [(ByteOrder::Big, [1, 2, 3, 0xfe, 0xff, 0xff]), (ByteOrder::Little, [3, 2, 1, 0xff, 0xff, 0xfe])]
        {
            widen(&spec, order, &stored, 6, &mut out);
            let found: Vec<i32> = out.chunks(4).map(|b| i32::from_ne_bytes(b.try_into().unwrap())).collect();
            assert_eq!(found, [0x03_0201, -2]);
        }
    }

    /// imagecodecs 2026.3.6, float24_decode.
    #[test]
    fn floats_of_24_bits_are_exact() {
        assert_eq!(float24(0x3f_0000), 1.0);
        assert_eq!(float24(0xc0_8000), -3.0);
        assert_eq!(float24(0), 0.0);
        assert_eq!(float24(0x00_0001), 2f32.powi(-78));
        assert_eq!(float24(0x01_0000), 2f32.powi(-62));
        assert_eq!(float24(0x7f_0000), f32::INFINITY);
        assert!(float24(0x7f_8000).is_nan());
    }
}
