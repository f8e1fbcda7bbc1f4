//! The two passes of a resize, for samples of 8 and 16 bits and float32.

use outcrop_core::{Buffer, Error, Result, Sample};

use super::weights::{PRECISION, Weights, nearest};
use super::{Filter, Resize};
use crate::simd::{self, Work};

/// What resizes of one worker keep from image to image.
#[derive(Default)]
pub struct ResizeScratch {
    /// Rows after the first pass.
    rows: Buffer,
    /// One row, each pixel in four lanes.
    lanes: Vec<[i32; 4]>,
    /// Sums of one row.
    sums: Vec<i32>,
    along: Option<(Axis, Weights, Vec<i32>)>,
    down: Option<(Axis, Weights, Vec<i32>)>,
}

/// What decides on the weights along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Axis {
    filter: Filter,
    from: usize,
    to: usize,
    first: usize,
    end: usize,
}

/// The most bytes that a [`ResizeScratch`] takes for a resize of samples of `bytes` bytes, saturating.
pub fn resize_scratch_bytes(resize: &Resize, channels: usize, bytes: usize) -> u64 {
    let weights = |from: usize, to: usize, places: u64| {
        let stride = Weights::stride(resize.filter, from, to) as u64;
        places.saturating_mul(stride.saturating_mul(12).saturating_add(16))
    };
    let (part, pixel) = (resize.part, (channels * bytes) as u64);
    let rows = (resize.from.0 as u64).saturating_mul(part.width).saturating_mul(pixel);
    let lanes = (resize.from.1 as u64).saturating_mul(16);
    let sums = part.width.saturating_mul(4 * channels as u64);
    [
        rows,
        lanes,
        sums,
        weights(resize.from.1, resize.to.1, part.width),
        weights(resize.from.0, resize.to.0, part.height),
    ]
    .into_iter()
    .fold(0, u64::saturating_add)
}

/// Samples that can be resized.
pub trait Resizable: Sample {
    #[doc(hidden)]
    fn along(from: &[Self], to: &mut [Self], channels: usize, axis: &Weighed<'_>, lanes: &mut Vec<[i32; 4]>);
    #[doc(hidden)]
    fn down(from: &[Self], to: &mut [Self], row: usize, axis: &Weighed<'_>, sums: &mut Vec<i32>);
}

/// The weights of an axis, both ways.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Weighed<'a> {
    bounds: &'a [(usize, usize)],
    exact: &'a [f64],
    fixed: &'a [i32],
    stride: usize,
    /// Subtracted from all bounds: the samples given begin there.
    offset: usize,
}

/// Resizes interleaved samples in C order; `to` gets the rows and columns of the part that is wanted.
///
/// # Errors
/// [`Error::Usage`] where `from` or `to` has another length than the resize says, or the part does not lie within the
/// result; [`Error::Limits`] where memory cannot be had.
pub fn resize_into<T: Resizable>(
    resize: &Resize,
    channels: usize,
    from: &[T],
    to: &mut [T],
    scratch: &mut ResizeScratch,
) -> Result<()> {
    let ((height, width), part) = (resize.from, resize.part);
    let [y, x, rows, columns] = [part.y, part.x, part.height, part.width].map(|n| n as usize);
    let inside = part.bottom() <= resize.to.0 as u64 && part.right() <= resize.to.1 as u64;
    let whole = height.checked_mul(width).and_then(|n| n.checked_mul(channels)) == Some(from.len());
    if !inside || !whole || from.is_empty() || to.len() != rows * columns * channels {
        return Err(Error::Usage(format!(
            "{resize:?} of {} samples to {} does not fit together",
            from.len(),
            to.len()
        )));
    }
    if to.is_empty() {
        return Ok(());
    }
    if resize.filter == Filter::Nearest {
        let across = nearest(width, resize.to.1, x..x + columns);
        let places = nearest(height, resize.to.0, y..y + rows);
        for (place, to) in places.into_iter().zip(to.chunks_exact_mut(columns * channels)) {
            let row = &from[place * width * channels..][..width * channels];
            for (&place, to) in across.iter().zip(to.chunks_exact_mut(channels)) {
                to.copy_from_slice(&row[place * channels..][..channels]);
            }
        }
        return Ok(());
    }
    let ResizeScratch { rows: held, lanes, sums, along, down } = scratch;
    let axis = |from, to, first, count| Axis { filter: resize.filter, from, to, first, end: first + count };
    let down = weighed(down, axis(height, resize.to.0, y, rows));
    // The rows that the second pass looks at.
    let first = down.bounds.iter().map(|b| b.0).min().unwrap_or(0);
    let end = down.bounds.iter().map(|b| b.0 + b.1).max().unwrap_or(height);
    let (first, end) = if resize.to.0 == height { (y, y + rows) } else { (first, end) };
    let from = &from[first * width * channels..end * width * channels];
    let row = columns * channels;
    let narrow = |from: &[T], to: &mut [T], lanes: &mut Vec<[i32; 4]>, along: &mut _| {
        let rows = from.chunks_exact(width * channels).zip(to.chunks_exact_mut(row));
        if resize.to.1 == width {
            rows.for_each(|(from, to)| to.copy_from_slice(&from[x * channels..][..row]));
        } else {
            let along = weighed(along, axis(width, resize.to.1, x, columns));
            rows.for_each(|(from, to)| T::along(from, to, channels, &along, lanes));
        }
    };
    if resize.to.0 == height {
        narrow(from, to, lanes, along);
        return Ok(());
    }
    let down = Weighed { offset: first, ..down };
    if resize.to.1 == width && columns == width {
        T::down(from, to, row, &down, sums);
        return Ok(());
    }
    held.resize((end - first) * row * size_of::<T>())?;
    narrow(from, held.samples_mut::<T>(), lanes, along);
    T::down(held.samples::<T>(), to, row, &down, sums);
    Ok(())
}

fn weighed(kept: &mut Option<(Axis, Weights, Vec<i32>)>, axis: Axis) -> Weighed<'_> {
    if kept.as_ref().is_none_or(|(was, ..)| *was != axis) {
        let weights = Weights::compute(axis.filter, axis.from, axis.to, axis.first..axis.end);
        let fixed = weights.fixed();
        *kept = Some((axis, weights, fixed));
    }
    let (_, weights, fixed) = kept.as_ref().expect("it was just made");
    Weighed { bounds: &weights.bounds, exact: &weights.weights, fixed, stride: weights.stride, offset: 0 }
}

impl<'a> Weighed<'a> {
    /// For each place the first sample, and the weights, exact and fixed.
    #[inline(always)]
    fn places(self) -> impl Iterator<Item = (usize, &'a [f64], &'a [i32])> {
        let weights = self.exact.chunks_exact(self.stride).zip(self.fixed.chunks_exact(self.stride));
        self.bounds.iter().zip(weights).map(move |(&(first, count), (exact, fixed))| {
            (first - self.offset, &exact[..count], &fixed[..count])
        })
    }
}

const HALF: i32 = 1 << (PRECISION - 1);

#[inline(always)]
fn clip(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// The first pass over a row of 8-bit samples.
struct Along<'a, const C: usize> {
    from: &'a [u8],
    to: &'a mut [u8],
    axis: &'a Weighed<'a>,
    lanes: &'a mut Vec<[i32; 4]>,
}

impl<const C: usize> Work for Along<'_, C> {
    #[inline(always)]
    fn run(self) {
        let Along { from, to, axis, lanes } = self;
        lanes.clear();
        lanes.extend(from.as_chunks::<C>().0.iter().map(|pixel| {
            let mut four = [0; 4];
            for c in 0..C {
                four[c] = i32::from(pixel[c]);
            }
            four
        }));
        for ((first, _, weights), to) in axis.places().zip(to.as_chunks_mut::<C>().0) {
            let mut sum = [HALF; 4];
            for (pixel, weight) in lanes[first..].iter().zip(weights) {
                for c in 0..4 {
                    sum[c] = sum[c].wrapping_add(pixel[c].wrapping_mul(*weight));
                }
            }
            for c in 0..C {
                to[c] = clip(sum[c]);
            }
        }
    }
}

/// The second pass over 8-bit samples: weighed sums of whole rows.
struct Down<'a> {
    from: &'a [u8],
    to: &'a mut [u8],
    row: usize,
    axis: &'a Weighed<'a>,
    sums: &'a mut Vec<i32>,
}

impl Work for Down<'_> {
    #[inline(always)]
    fn run(self) {
        let Down { from, to, row, axis, sums } = self;
        sums.resize(row, 0);
        for ((first, _, weights), to) in axis.places().zip(to.chunks_exact_mut(row)) {
            sums.fill(HALF);
            for (from, weight) in from[first * row..].chunks_exact(row).zip(weights) {
                for (sum, sample) in sums.iter_mut().zip(from) {
                    *sum = sum.wrapping_add(i32::from(*sample).wrapping_mul(*weight));
                }
            }
            for (to, sum) in to.iter_mut().zip(&*sums) {
                *to = clip(*sum);
            }
        }
    }
}

impl Resizable for u8 {
    fn along(from: &[u8], to: &mut [u8], channels: usize, axis: &Weighed<'_>, lanes: &mut Vec<[i32; 4]>) {
        match channels {
            1 => simd::run(Along::<1> { from, to, axis, lanes }),
            2 => simd::run(Along::<2> { from, to, axis, lanes }),
            3 => simd::run(Along::<3> { from, to, axis, lanes }),
            4 => simd::run(Along::<4> { from, to, axis, lanes }),
            _ => {
                for ((first, _, weights), to) in axis.places().zip(to.chunks_exact_mut(channels)) {
                    for (c, to) in to.iter_mut().enumerate() {
                        let samples = from[first * channels + c..].iter().step_by(channels);
                        let terms = samples.zip(weights).map(|(s, w)| i32::from(*s).wrapping_mul(*w));
                        *to = clip(terms.fold(HALF, i32::wrapping_add));
                    }
                }
            }
        }
    }

    fn down(from: &[u8], to: &mut [u8], row: usize, axis: &Weighed<'_>, sums: &mut Vec<i32>) {
        simd::run(Down { from, to, row, axis, sums });
    }
}

/// Both passes in f64, rounded once per pass.
macro_rules! in_f64 {
    ($t:ty, $round:expr) => {
        impl Resizable for $t {
            fn along(from: &[$t], to: &mut [$t], channels: usize, axis: &Weighed<'_>, _: &mut Vec<[i32; 4]>) {
                for ((first, weights, _), to) in axis.places().zip(to.chunks_exact_mut(channels)) {
                    for (c, to) in to.iter_mut().enumerate() {
                        let samples = from[first * channels + c..].iter().step_by(channels);
                        *to = $round(samples.zip(weights).map(|(s, w)| f64::from(*s) * w).sum::<f64>());
                    }
                }
            }

            fn down(from: &[$t], to: &mut [$t], row: usize, axis: &Weighed<'_>, _: &mut Vec<i32>) {
                for ((first, weights, _), to) in axis.places().zip(to.chunks_exact_mut(row)) {
                    for (i, to) in to.iter_mut().enumerate() {
                        let samples = from[first * row + i..].iter().step_by(row);
                        *to = $round(samples.zip(weights).map(|(s, w)| f64::from(*s) * w).sum::<f64>());
                    }
                }
            }
        }
    };
}
in_f64!(u16, |sum: f64| (sum + 0.5).clamp(0.0, 65535.0) as u16);
in_f64!(f32, |sum: f64| sum as f32);
