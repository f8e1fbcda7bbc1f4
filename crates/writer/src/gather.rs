//! Copies samples that lie anywhere into rows of samples.

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
