//! Copies samples that lie anywhere into rows of samples, and fills what lies past the edges.

use ndarray::ArrayView3;
use outcrop_core::Sample;

/// Copies pixels in C order into `out`, one image row every `row` samples, with their bytes swapped if asked.
///
/// # Panics
/// If a row does not fit `row` samples. Rows past the end of `out` are left out.
pub(crate) fn gather<T: Sample>(view: ArrayView3<'_, T>, out: &mut [T], row: usize, swap: bool) {
    let (_, width, channels) = view.dim();
    let used = width * channels;
    if used == 0 {
        return;
    }
    for (from, to) in view.outer_iter().zip(out.chunks_mut(row)) {
        let to = &mut to[..used];
        match from.as_slice() {
            Some(samples) => to.copy_from_slice(samples),
            None => to.iter_mut().zip(from.iter()).for_each(|(to, &sample)| *to = sample),
        }
        if swap {
            to.iter_mut().for_each(|sample| *sample = sample.swap_bytes());
        }
    }
}

/// Repeats the last column and the last row of `height` x `width` pixels into the padding of a block, so that a lossy
/// codec has no edge to smear. Rows are `row` samples apart, pixels `stride`.
pub(crate) fn extend_edges<T: Sample>(
    block: &mut [T],
    row: usize,
    stride: usize,
    height: usize,
    width: usize,
) {
    let used = width * stride;
    if used == 0 || height == 0 {
        return;
    }
    for line in block.chunks_mut(row).take(height) {
        for at in (used..line.len()).step_by(stride) {
            line.copy_within(used - stride..used, at);
        }
    }
    for at in (height * row..block.len()).step_by(row) {
        block.copy_within((height - 1) * row..height * row, at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_repeated_into_the_padding() {
        let mut block = [1, 2, 3, 4, 0, 0, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0u8];
        extend_edges(&mut block, 6, 2, 2, 2);
        assert_eq!(block, [1, 2, 3, 4, 3, 4, 5, 6, 7, 8, 7, 8, 5, 6, 7, 8, 7, 8]);
    }
}
