//! A chunk's rows, channel by channel, with the samples that take no part marked.

use ndarray::{ArrayView1, Axis};
use outcrop_core::{Chunk, Error, Result, Sample};

use crate::validity::{Class, Validity};

/// Calls `each` with the row (from 0 in the chunk), the channel, its samples and, where some but NaN may not take
/// part, the class of each.
///
/// # Errors
/// As [`Validity::bind`]; what `each` returns.
pub(crate) fn rows<T: Sample>(
    validity: &Validity,
    chunk: &Chunk<'_>,
    mut each: impl FnMut(usize, usize, ArrayView1<'_, T>, Option<&[Class]>) -> Result<()>,
) -> Result<()> {
    let bound = validity.bind(chunk)?;
    let wrong = || Error::Usage(format!("expected samples of {}", T::DTYPE));
    let view = chunk.inputs[0].pixels.typed::<T>().ok_or_else(wrong)?;
    let mut classes = Vec::new();
    for (y, row) in view.outer_iter().enumerate() {
        for (c, samples) in row.axis_iter(Axis(1)).enumerate() {
            if bound.keeps_all(c) {
                each(y, c, samples, None)?;
            } else {
                bound.classify(c, y, samples, &mut classes);
                each(y, c, samples, Some(&classes))?;
            }
        }
    }
    Ok(())
}
