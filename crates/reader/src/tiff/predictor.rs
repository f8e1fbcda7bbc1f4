//! Predictors: horizontal differences (2) and floating point (3, Adobe's technical note 3), undone in place.
//!
//! Differences run along a row, each sample to the one of the same channel to its left. Their sums live in registers; on
//! x86-64 those of few native channels in vectors (`predictor_sse2`), twice as fast and more.

use outcrop_core::{ByteOrder, Error, Result};

use super::block::BlockSpec;

/// Whether this build undoes the page's predictor.
pub(super) fn check(spec: &BlockSpec) -> Result<()> {
    let equal = spec.bits.iter().all(|b| *b == spec.bits[0]);
    match spec.predictor {
        0 | 1 => Ok(()),
        2 if equal => Ok(()),
        3 if equal && matches!(spec.bits[0], 16 | 24 | 32 | 64) && spec.dtype.is_float() => Ok(()),
        p => Err(Error::Unsupported(format!("predictor {p} with {} bits of {}", spec.depths(), spec.dtype))),
    }
}

/// An unsigned integer of a sample's size: differences wrap whatever the sample means.
pub(super) trait Word: Copy + Default {
    fn get(bytes: &[u8], swap: bool) -> Self;
    fn put(self, bytes: &mut [u8]);
    fn add(self, other: Self) -> Self;
}

macro_rules! word {
    ($($t:ty),*) => {$(
        impl Word for $t {
            #[inline(always)]
            fn get(bytes: &[u8], swap: bool) -> $t {
                let mut v = [0; size_of::<$t>()];
                v.copy_from_slice(bytes);
                let v = <$t>::from_ne_bytes(v);
                if swap { v.swap_bytes() } else { v }
            }
            #[inline(always)]
            fn put(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_ne_bytes());
            }
            #[inline(always)]
            fn add(self, other: $t) -> $t {
                self.wrapping_add(other)
            }
        }
    )*};
}
word!(u8, u16, u32, u64);

/// Undoes predictor 2 in `rows` of `row_bytes` each, stored in that byte order, leaving native samples of `bytes`
/// bytes. Any bytes after the last whole row are left.
pub(super) fn undo_differences(
    rows: &mut [u8],
    row_bytes: usize,
    bytes: usize,
    samples: usize,
    order: ByteOrder,
) {
    let swap = order != ByteOrder::NATIVE;
    for row in rows.chunks_exact_mut(row_bytes.max(1)) {
        match bytes {
            1 => row_of::<u8>(row, samples, false),
            2 => row_of::<u16>(row, samples, swap),
            4 => row_of::<u32>(row, samples, swap),
            _ => row_of::<u64>(row, samples, swap),
        }
    }
}

fn row_of<W: Word>(row: &mut [u8], samples: usize, swap: bool) {
    #[cfg(target_arch = "x86_64")]
    if !swap {
        let done = super::predictor_sse2::undo(row, size_of::<W>(), samples);
        // The sums go on behind the last pixel that is done.
        let last = done.saturating_sub(samples * size_of::<W>());
        return if done > 0 {
            in_memory::<W>(&mut row[last..], samples)
        } else {
            scalar_row::<W>(row, samples, swap)
        };
    }
    scalar_row::<W>(row, samples, swap);
}

fn scalar_row<W: Word>(row: &mut [u8], samples: usize, swap: bool) {
    match samples {
        1 => channels::<W, 1>(row, 0, 1, swap),
        2 => channels::<W, 2>(row, 0, 2, swap),
        3 => channels::<W, 3>(row, 0, 3, swap),
        4 => channels::<W, 4>(row, 0, 4, swap),
        8 => channels::<W, 8>(row, 0, 8, swap),
        _ => {
            let mut from = 0;
            while from < samples {
                from += match samples - from {
                    16.. => some_channels::<W, 16>(row, from, samples, swap),
                    8.. => some_channels::<W, 8>(row, from, samples, swap),
                    4.. => some_channels::<W, 4>(row, from, samples, swap),
                    2.. => some_channels::<W, 2>(row, from, samples, swap),
                    _ => some_channels::<W, 1>(row, from, samples, swap),
                }
            }
        }
    }
}

/// Sums `N` of a pixel's `samples` channels, from that one on, along the row. Returns `N`.
fn some_channels<W: Word, const N: usize>(row: &mut [u8], from: usize, samples: usize, swap: bool) -> usize {
    channels::<W, N>(row, from, samples, swap);
    N
}

/// The same. The sums stay in registers, in vectors where `N` samples fill one.
#[inline(always)]
fn channels<W: Word, const N: usize>(row: &mut [u8], from: usize, samples: usize, swap: bool) {
    let size = size_of::<W>();
    let mut sums = [W::default(); N];
    for pixel in row.chunks_exact_mut(samples * size) {
        let pixel = &mut pixel[from * size..][..N * size];
        for (sum, sample) in sums.iter_mut().zip(pixel.chunks_exact_mut(size)) {
            *sum = sum.add(W::get(sample, swap));
            sum.put(sample);
        }
    }
}

/// Sums one sample after the other: the end of a row that vectors have begun.
pub(super) fn in_memory<W: Word>(row: &mut [u8], samples: usize) {
    let size = size_of::<W>();
    let stride = samples * size;
    for at in (stride..row.len()).step_by(size) {
        let (before, here) = row.split_at_mut(at);
        let here = &mut here[..size];
        W::get(&before[at - stride..at - stride + size], false).add(W::get(here, false)).put(here);
    }
}

/// Undoes predictor 2 in samples narrower than their type, after they were unpacked: sums wrap at the stored depth.
pub(super) fn undo_narrow_differences(spec: &BlockSpec, out: &mut [u8]) {
    let (samples, bytes) = (spec.samples(), spec.dtype.bytes());
    let row_bytes = spec.width as usize * samples * bytes;
    undo_differences(out, row_bytes, bytes, samples, ByteOrder::NATIVE);
    let unused = 8 * bytes as u32 - u32::from(spec.bits[0]);
    let signed = spec.dtype.is_signed_integer();
    macro_rules! wrap {
        ($u:ty, $i:ty) => {
            for s in out.chunks_exact_mut(size_of::<$u>()) {
                let high = <$u as Word>::get(s, false) << unused;
                let v = if signed { ((high as $i) >> unused) as $u } else { high >> unused };
                v.put(s);
            }
        };
    }
    match bytes {
        1 => wrap!(u8, i8),
        2 => wrap!(u16, i16),
        4 => wrap!(u32, i32),
        _ => wrap!(u64, i64),
    }
}

/// Undoes predictor 3 in `rows` of `row_bytes` each, leaving native samples of `bytes` bytes. A stored row holds the
/// most significant bytes of all its samples, then the next ones, as differences to the byte one pixel before.
pub(super) fn undo_float(
    rows: &mut [u8],
    row_bytes: usize,
    bytes: usize,
    samples: usize,
    scratch: &mut Vec<u8>,
) {
    scratch.resize(row_bytes, 0);
    for row in rows.chunks_exact_mut(row_bytes.max(1)) {
        row_of::<u8>(row, samples, false);
        let count = row_bytes / bytes;
        scratch.copy_from_slice(row);
        let (a, rest) = scratch.split_at(count);
        match bytes {
            2 => {
                let pixels = row.chunks_exact_mut(2).zip(a.iter().zip(rest));
                pixels.for_each(|(to, (a, b))| to.copy_from_slice(&native([*a, *b])));
            }
            4 => {
                let (b, rest) = rest.split_at(count);
                let (c, d) = rest.split_at(count);
                join_4([a, b, c, d], row);
            }
            3 => join::<3>(scratch, count, row),
            _ => join_halves(scratch, count, row),
        }
    }
}

/// A sample's bytes, the most significant first, in this machine's order.
#[inline(always)]
fn native<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    if cfg!(target_endian = "little") {
        bytes.reverse();
    }
    bytes
}

/// The same for eight bytes, by joining halves of four: that the compiler makes vectors of.
fn join_halves(planes: &[u8], count: usize, row: &mut [u8]) {
    const SAMPLES: usize = 128;
    let mut halves = [[0; 4 * SAMPLES]; 2];
    for (i, samples) in row.chunks_mut(8 * SAMPLES).enumerate() {
        let len = samples.len() / 8;
        for (half, planes) in halves.iter_mut().zip(planes.chunks_exact(4 * count)) {
            join_4(std::array::from_fn(|k| &planes[k * count + i * SAMPLES..][..len]), half);
        }
        let [high, low] = &halves;
        let pairs = high.as_chunks::<4>().0.iter().zip(low.as_chunks::<4>().0);
        for (sample, (high, low)) in samples.chunks_exact_mut(8).zip(pairs) {
            let (first, second) = if cfg!(target_endian = "little") { (low, high) } else { (high, low) };
            sample[..4].copy_from_slice(first);
            sample[4..].copy_from_slice(second);
        }
    }
}

#[inline(always)]
fn join_4([a, b, c, d]: [&[u8]; 4], samples: &mut [u8]) {
    let bytes = a.iter().zip(b).zip(c.iter().zip(d));
    for (to, ((a, b), (c, d))) in samples.chunks_exact_mut(4).zip(bytes) {
        to.copy_from_slice(&native([*a, *b, *c, *d]));
    }
}

#[inline(always)]
fn join<const N: usize>(planes: &[u8], count: usize, row: &mut [u8]) {
    for (i, sample) in row.chunks_exact_mut(N).enumerate().take(count) {
        sample.copy_from_slice(&native(std::array::from_fn::<u8, N, _>(|k| planes[k * count + i])));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_of_every_width_order_and_sample_count_are_undone() {
        fn check<W: Word>(bytes: usize, values: fn(u64) -> Vec<u8>) {
            for samples in [1, 2, 3, 4, 5, 8, 13, 47] {
                for order in [ByteOrder::Little, ByteOrder::Big] {
                    let (width, rows) = (17, 3);
                    let want: Vec<u8> = (0..(width * rows * samples) as u64).flat_map(values).collect();
                    // Stored: each sample less its left neighbour, in the file's order.
                    let row_bytes = width * samples * bytes;
                    let mut stored = want.clone();
                    for row in stored.chunks_exact_mut(row_bytes) {
                        for at in (0..row_bytes).step_by(bytes).rev() {
                            let wide = |b: &[u8]| {
                                let mut v = [0; 8];
                                v[..bytes].copy_from_slice(b);
                                u64::from_le_bytes(v)
                            };
                            let left = if at < samples * bytes {
                                0
                            } else {
                                let l = at - samples * bytes;
                                wide(&row[l..l + bytes])
                            };
                            let d = wide(&row[at..at + bytes]).wrapping_sub(left).to_le_bytes();
                            row[at..at + bytes].copy_from_slice(&d[..bytes]);
                        }
                        if order == ByteOrder::Big {
                            row.chunks_exact_mut(bytes).for_each(|s| s.reverse());
                        }
                    }
                    undo_differences(&mut stored, row_bytes, bytes, samples, order);
                    assert_eq!(stored, want, "{samples} samples of {bytes} bytes, {order:?}");
                }
            }
        }
        check::<u8>(1, |i| vec![(i * i * 37) as u8]);
        check::<u16>(2, |i| ((i * i * 3701) as u16).to_ne_bytes().to_vec());
        check::<u32>(4, |i| ((i * i * 370_100_003) as u32).to_ne_bytes().to_vec());
        check::<u64>(8, |i| (i * i).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_ne_bytes().to_vec());
    }

    /// Bytes of imagecodecs 2026.3.6: `floatpred_encode(array([[1.5, -2.25, 3.75], [1e30, 0.0, -7.0]], '<f4'), axis=-1)`
    /// and `floatpred_encode(array([[[1.5, -2.25], [3.75, 4]]], '>f2'), axis=-2)`.
    #[test]
    fn floats_of_imagecodecs_come_back() {
        let mut stored = vec![
            63, 129, 128, 128, 80, 96, 144, 0, 0, 0, 0, 0, //
            113, 143, 192, 137, 183, 224, 18, 14, 0, 202, 54, 0,
        ];
        let mut row = Vec::new();
        undo_float(&mut stored, 12, 4, 1, &mut row);
        let want = [1.5f32, -2.25, 3.75, 1e30, 0.0, -7.0];
        let found: Vec<f32> = stored.chunks(4).map(|b| f32::from_ne_bytes(b.try_into().unwrap())).collect();
        assert_eq!(found, want);

        let mut stored = vec![62, 192, 5, 132, 189, 60, 128, 128];
        undo_float(&mut stored, 8, 2, 2, &mut row);
        let found: Vec<f32> =
            stored.chunks(2).map(|b| half::f16::from_ne_bytes([b[0], b[1]]).to_f32()).collect();
        assert_eq!(found, [1.5, -2.25, 3.75, 4.0]);
    }

    #[test]
    fn floats_of_every_width_and_sample_count_are_undone() {
        for (bytes, samples) in [2, 3, 4, 8].into_iter().flat_map(|b| [1, 2, 3, 5, 16].map(|s| (b, s))) {
            for width in [1, 7, 8, 64, 129] {
                let count = width * samples;
                let want: Vec<u8> = (0..2 * count * bytes).map(|i| ((i * i * 37) >> 3) as u8).collect();
                let mut stored = Vec::new();
                for row in want.chunks(count * bytes) {
                    let significance = |k| if cfg!(target_endian = "little") { bytes - 1 - k } else { k };
                    let mut planes: Vec<u8> = (0..bytes * count)
                        .map(|i| row[i % count * bytes + significance(i / count)])
                        .collect();
                    (samples..planes.len())
                        .rev()
                        .for_each(|i| planes[i] = planes[i].wrapping_sub(planes[i - samples]));
                    stored.extend(planes);
                }
                undo_float(&mut stored, count * bytes, bytes, samples, &mut Vec::new());
                assert_eq!(stored, want, "{width} x {samples} samples of {bytes} bytes");
            }
        }
    }
}
