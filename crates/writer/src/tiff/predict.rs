//! TIFF's predictors, forward: what compresses better than the samples themselves.

use outcrop_core::Sample;

/// Turns native samples into the bytes that are compressed: predictor 1, 2 or 3, little-endian.
///
/// `row` is the length of a row and `stride` the distance to the same channel of the pixel before, in samples;
/// `spare` is scratch of the length of a row, aligned for `T`.
pub(super) fn predict<T: Sample>(code: u16, samples: &mut [T], row: usize, stride: usize, spare: &mut [u8]) {
    match (code, size_of::<T>()) {
        (2, 1) => horizontal::<u8>(bytemuck::cast_slice_mut(samples), row, stride, u8::wrapping_sub, spare),
        (2, 2) => horizontal::<u16>(bytemuck::cast_slice_mut(samples), row, stride, u16::wrapping_sub, spare),
        (2, 4) => horizontal::<u32>(bytemuck::cast_slice_mut(samples), row, stride, u32::wrapping_sub, spare),
        (2, 8) => horizontal::<u64>(bytemuck::cast_slice_mut(samples), row, stride, u64::wrapping_sub, spare),
        (3, _) => return floating_point(samples, row, stride, spare),
        _ => {}
    }
    if cfg!(target_endian = "big") {
        samples.iter_mut().for_each(|s| *s = s.swap_bytes());
    }
}

/// Each sample minus the one before it. Through a copy of the row, so that the loop is one of vectors.
fn horizontal<T: Sample>(
    samples: &mut [T],
    row: usize,
    stride: usize,
    minus: fn(T, T) -> T,
    spare: &mut [u8],
) {
    let copy = bytemuck::cast_slice_mut::<u8, T>(spare);
    for line in samples.chunks_mut(row).filter(|line| line.len() > stride) {
        copy[..line.len()].copy_from_slice(line);
        let before = &copy[..line.len() - stride];
        line[stride..].iter_mut().zip(before).for_each(|(s, &b)| *s = minus(*s, b));
    }
}

/// The bytes of a row sorted by significance, the highest first, then each minus the one `stride` before.
fn floating_point<T: Sample>(samples: &mut [T], row: usize, stride: usize, spare: &mut [u8]) {
    let size = size_of::<T>();
    for line in bytemuck::cast_slice_mut::<T, u8>(samples).chunks_mut(row * size) {
        let n = line.len() / size;
        let sorted = &mut spare[..line.len()];
        for (plane, to) in sorted.chunks_mut(n).enumerate() {
            let byte = if cfg!(target_endian = "little") { size - 1 - plane } else { plane };
            to.iter_mut().zip(line.chunks_exact(size)).for_each(|(to, sample)| *to = sample[byte]);
        }
        let head = stride.min(sorted.len());
        line[..head].copy_from_slice(&sorted[..head]);
        let pairs = sorted[head..].iter().zip(&sorted[..]);
        line[head..].iter_mut().zip(pairs).for_each(|(to, (s, b))| *to = s.wrapping_sub(*b));
    }
}
