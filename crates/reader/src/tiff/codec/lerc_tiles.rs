//! The square tiles of a LERC blob, and the quantised samples in them.

use std::ops::Range;

use outcrop_core::Sample;

use super::lerc::is_valid;

/// A tile of a blob.
pub(super) struct Tile<'a> {
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
    /// Of the blob.
    pub(super) width: usize,
    pub(super) depth: usize,
    pub(super) mask: &'a [u8],
}

impl Tile<'_> {
    /// Its valid pixels.
    pub(super) fn valid(&self) -> usize {
        if self.mask.is_empty() {
            return self.rows.len() * self.columns.len();
        }
        let row =
            |y: usize| self.columns.clone().filter(move |x| is_valid(self.mask, y * self.width + x)).count();
        self.rows.clone().map(row).sum()
    }

    /// Puts samples, one for each valid pixel at least, into channel `c`.
    fn set<T: Copy>(&self, samples: &[T], out: &mut [T], c: usize) {
        let columns = self.columns.len();
        if !self.mask.is_empty() {
            let mut samples = samples.iter();
            return self.each(out, c, |pixel, c| pixel[c] = samples.next().copied().unwrap_or(pixel[c]));
        }
        for (y, samples) in self.rows.clone().zip(samples.chunks_exact(columns)) {
            let first = y * self.width + self.columns.start;
            let row = &mut out[first * self.depth..][..columns * self.depth];
            if self.depth == 1 {
                row.copy_from_slice(samples);
            } else {
                row.chunks_exact_mut(self.depth).zip(samples).for_each(|(pixel, &v)| pixel[c] = v);
            }
        }
    }

    /// Calls `f` for each valid pixel, with its samples and `c`.
    #[inline(always)]
    pub(super) fn each<T>(&self, out: &mut [T], c: usize, mut f: impl FnMut(&mut [T], usize)) {
        for y in self.rows.clone() {
            let first = y * self.width + self.columns.start;
            let row = &mut out[first * self.depth..][..self.columns.len() * self.depth];
            if !self.mask.is_empty() {
                for (k, pixel) in (first..).zip(row.chunks_exact_mut(self.depth)) {
                    if is_valid(self.mask, k) {
                        f(pixel, c);
                    }
                }
            } else if self.depth == 1 {
                row.chunks_exact_mut(1).for_each(|pixel| f(pixel, 0));
            } else {
                row.chunks_exact_mut(self.depth).for_each(|pixel| f(pixel, c));
            }
        }
    }
}

/// What a quantum stands for: steps above an offset, which may be relative to the pixel's sample before.
pub(super) struct Steps {
    pub(super) offset: f64,
    pub(super) step: f64,
    pub(super) largest: f64,
    pub(super) relative: bool,
}

impl Steps {
    /// Fills the valid pixels of channel `c` in. `samples` is room for as many as the quanta, of which each valid pixel has one.
    pub(super) fn undo<T: Sample>(
        &self,
        tile: &Tile<'_>,
        quanta: &[u32],
        samples: &mut [T],
        out: &mut [T],
        c: usize,
    ) {
        let Steps { offset, step, largest, relative } = *self;
        // Quanta have 31 bits: the conversion of signed integers is an instruction.
        let level = |q: u32| offset + f64::from(q as i32) * step;
        let (least, most) = (T::from_f64(f64::NEG_INFINITY).to_f64(), T::from_f64(f64::INFINITY).to_f64());
        let sample = |z: f64| {
            let z = if largest < z { largest } else { z };
            if T::DTYPE.is_float() { T::from_f64(z) } else { nearest(z, least, most) }
        };
        if relative {
            let mut levels = quanta.iter().map(|&q| level(q));
            tile.each(out, c, |pixel, c| {
                pixel[c] = sample(levels.next().unwrap_or_default() + pixel[c - 1].to_f64());
            });
            return;
        }
        samples.iter_mut().zip(quanta).for_each(|(v, &q)| *v = sample(level(q)));
        tile.set(samples, out, c);
    }
}

/// The integer of up to 32 bits nearest to `z`, ties to even, within the limits of its type.
#[inline(always)]
fn nearest<T: Sample>(z: f64, least: f64, most: f64) -> T {
    // Among numbers of this size the next is one away, and the low bits are the integer.
    const ONES: f64 = 6_755_399_441_055_744.0;
    let z = if z > least { z } else { least };
    let v = (if z < most { z } else { most } + ONES).to_bits();
    match size_of::<T>() {
        1 => bytemuck::cast(v as u8),
        2 => bytemuck::cast(v as u16),
        _ => bytemuck::cast(v as u32),
    }
}
