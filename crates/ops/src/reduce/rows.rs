//! A chunk's rows in runs, channel by channel, with the samples that take no part marked.

use ndarray::{ArrayView1, ArrayView2, ArrayView3, Axis};
use outcrop_core::{Chunk, Error, Result, Sample};

use crate::validity::{Class, Validity};

/// The most pixels of a run: what is kept beside a run is a few pages, however wide the image.
pub(crate) const RUN: usize = 4096;

/// Calls `each` with runs of rows: the first pixel (row and column from 0 in the chunk), the channel, its samples and,
/// where some but NaN may not take part, the class of each.
///
/// # Errors
/// As [`Validity::bind`]; what `each` returns.
pub(crate) fn rows<T: Sample>(
    validity: &Validity,
    chunk: &Chunk<'_>,
    mut each: impl FnMut([usize; 2], usize, ArrayView1<'_, T>, Option<&[Class]>) -> Result<()>,
) -> Result<()> {
    let bound = validity.bind(chunk)?;
    let wrong = || Error::Usage(format!("expected samples of {}", T::DTYPE));
    let view = chunk.inputs[0].pixels.typed::<T>().ok_or_else(wrong)?;
    let mut classes = Vec::new();
    for (y, row) in view.outer_iter().enumerate() {
        for (r, run) in row.axis_chunks_iter(Axis(0), RUN).enumerate() {
            let at = [y, r * RUN];
            for (c, samples) in run.axis_iter(Axis(1)).enumerate() {
                if bound.keeps_all(c) {
                    each(at, c, samples, None)?;
                } else {
                    bound.classify(c, at, samples, &mut classes);
                    each(at, c, samples, Some(&classes))?;
                }
            }
        }
    }
    Ok(())
}

/// The runs of samples in C order that a view is, if it is: one of all, or one of each row.
pub(crate) fn as_rows<'v, T>(view: &'v ArrayView3<'_, T>) -> Option<impl Iterator<Item = &'v [T]>> {
    let all = view.as_slice();
    // Rows are alike, and a tall chunk has more of them than there is memory for a list.
    let rows = view.outer_iter().take(if all.is_some() { 0 } else { usize::MAX });
    let is_so = all.is_some() || view.outer_iter().next()?.to_slice().is_some();
    is_so.then(|| all.into_iter().chain(rows.filter_map(|row| row.to_slice())))
}

/// Appends one channel of a run of pixels.
pub(crate) fn append_channel<T: Sample>(held: &mut Vec<T>, pixels: ArrayView2<'_, T>, channel: usize) {
    let plane = pixels.column(channel);
    match (pixels.as_slice(), plane.as_slice()) {
        (_, Some(plane)) => held.extend_from_slice(plane),
        (Some(samples), _) => append_every(held, samples, pixels.dim().1, channel),
        _ => held.extend(plane),
    }
}

/// Appends one of so many interleaved channels.
pub(crate) fn append_every<T: Sample>(held: &mut Vec<T>, samples: &[T], channels: usize, channel: usize) {
    fn every<T: Copy, const C: usize>(held: &mut Vec<T>, samples: &[T], channel: usize) {
        held.extend(samples.as_chunks::<C>().0.iter().map(|pixel| pixel[channel]));
    }
    match channels {
        2 => every::<T, 2>(held, samples, channel),
        3 => every::<T, 3>(held, samples, channel),
        4 => every::<T, 4>(held, samples, channel),
        _ => held.extend(samples[channel..].iter().step_by(channels)),
    }
}
