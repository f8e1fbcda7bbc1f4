//! [`Rules`]: which samples count, and a chunk's rows, channel by channel, with those that do not marked.

use ndarray::ArrayView1;
use outcrop_core::{Chunk, Error, HoleKind, Pixels, Rect, Result, Sample, Value, with_pixels};

use crate::nodata::{Nodata, contains};

/// What NaN does to a statistic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NanRule {
    /// It is left out.
    #[default]
    Omit,
    /// It makes the result NaN.
    Propagate,
}

/// Which samples count: not those that are nodata, where the mask (the chunk's second input: one channel or as
/// many as the first, nonzero = valid) is zero, or whose block could not be read.
#[derive(Clone, Debug)]
pub struct Rules {
    nodata: Nodata,
    nan: NanRule,
}

impl Rules {
    /// `nodata`: the values of each channel that are no data; one list for all channels, or none.
    pub fn new(nodata: Vec<Vec<Value>>, nan: NanRule) -> Rules {
        Rules { nodata: Nodata::new(nodata), nan }
    }

    /// What NaN does.
    pub fn nan(&self) -> NanRule {
        self.nan
    }

    /// Calls `each` with the row (from 0 in the chunk), the channel, its samples and, where some may not count,
    /// whether each does. NaN is left to `each`.
    ///
    /// # Errors
    /// [`Error::Usage`] where the chunk does not hold samples of `T` in `channels` channels, or its mask has
    /// another shape.
    pub(crate) fn rows<T: Sample>(
        &self,
        chunk: &Chunk<'_>,
        channels: usize,
        mut each: impl FnMut(usize, usize, ArrayView1<'_, T>, Option<&[bool]>) -> Result<()>,
    ) -> Result<()> {
        let input = chunk.inputs.first().ok_or_else(|| Error::Usage("a reduction needs an input".into()))?;
        let found = (input.pixels.dtype(), input.pixels.shape()[2]);
        let view = match input.pixels.typed::<T>() {
            Some(view) if found.1 == channels => view,
            _ => {
                return Err(Error::Usage(format!(
                    "expected {channels} channels of {}, found {} of {}",
                    T::DTYPE,
                    found.1,
                    found.0
                )));
            }
        };
        let mask = chunk.inputs.get(1).map(|read| read.pixels);
        if let Some([h, w, c]) = mask.map(|m| m.shape())
            && ((h, w) != (view.dim().0, view.dim().1) || c != 1 && c != channels)
        {
            return Err(Error::Usage(format!(
                "the mask has {h} x {w} x {c} samples here, the image {} x {} x {channels} (--mask)",
                view.dim().0,
                view.dim().1
            )));
        }
        let bad: Vec<_> = input.holes.iter().filter(|h| matches!(h.kind, HoleKind::Bad(_))).collect();
        let nodata = self.nodata.bound::<T>(channels);
        let mut valid = Vec::new();
        for (y, row) in view.outer_iter().enumerate() {
            for (c, samples) in row.axis_iter(ndarray::Axis(1)).enumerate() {
                if nodata[c].is_empty() && mask.is_none() && bad.is_empty() {
                    each(y, c, samples, None)?;
                    continue;
                }
                valid.clear();
                valid.extend(samples.iter().map(|&s| !contains(&nodata[c], s)));
                if let Some(mask) = mask {
                    clear_masked(mask, y, c, &mut valid);
                }
                for hole in bad.iter().filter(|h| h.channels.contains(&c)) {
                    clear_hole(hole.rect, chunk.rect, y as u64, &mut valid);
                }
                each(y, c, samples, Some(&valid))?;
            }
        }
        Ok(())
    }
}

fn clear_masked(mask: Pixels<'_>, y: usize, c: usize, valid: &mut [bool]) {
    with_pixels!(mask, view => {
        let c = if view.dim().2 == 1 { 0 } else { c };
        for (valid, mask) in valid.iter_mut().zip(view.slice(ndarray::s![y, .., c])) {
            *valid &= mask.to_f64() != 0.0;
        }
    })
}

fn clear_hole(hole: Rect, chunk: Rect, y: u64, valid: &mut [bool]) {
    let row = Rect { y: chunk.y + y, height: 1, ..chunk };
    if let Some(part) = hole.intersect(&row) {
        let (from, to) = ((part.x - chunk.x) as usize, (part.right() - chunk.x) as usize);
        let end = to.min(valid.len());
        valid[from.min(end)..end].fill(false);
    }
}
