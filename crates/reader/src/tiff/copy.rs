//! Moving samples between buffers: crop a block into a chunk, fill what is absent, look colours up.

use std::ops::Range;

use outcrop_core::{DataType, Sample, Value, with_dtype};

/// A buffer of pixels in C order, seen as a place to copy from or to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    /// Pixels in a row of the buffer.
    pub(super) width: usize,
    /// Samples in a pixel of the buffer.
    pub(super) samples: usize,
    /// Row and column of the first pixel meant.
    pub(super) at: (usize, usize),
}

impl Grid {
    /// The samples of row `row` of the place, `width` pixels of them.
    fn row(&self, row: usize, width: usize) -> Range<usize> {
        let start = ((self.at.0 + row) * self.width + self.at.1) * self.samples;
        start..start + width * self.samples
    }
}

/// Copies `size` (rows, columns) pixels of samples of `bytes` bytes. `pairs` lists (sample there, sample here); `None`
/// copies whole pixels.
pub(super) fn copy(
    bytes: usize,
    (from, there): (&[u8], Grid),
    (to, here): (&mut [u8], Grid),
    size: (usize, usize),
    pairs: Option<&[(usize, usize)]>,
) {
    fn typed<T: bytemuck::Pod>(
        (from, there): (&[u8], Grid),
        (to, here): (&mut [u8], Grid),
        (rows, width): (usize, usize),
        pairs: Option<&[(usize, usize)]>,
    ) {
        let (from, to) = (bytemuck::cast_slice::<u8, T>(from), bytemuck::cast_slice_mut::<u8, T>(to));
        for row in 0..rows {
            let from = &from[there.row(row, width)];
            let to = &mut to[here.row(row, width)];
            let Some(pairs) = pairs else {
                to.copy_from_slice(from);
                continue;
            };
            for &(source, target) in pairs {
                let sources = from[source..].iter().step_by(there.samples);
                let targets = to[target..].iter_mut().step_by(here.samples);
                targets.zip(sources).for_each(|(t, s)| *t = *s);
            }
        }
    }
    match bytes {
        1 => typed::<u8>((from, there), (to, here), size, pairs),
        2 => typed::<u16>((from, there), (to, here), size, pairs),
        4 => typed::<u32>((from, there), (to, here), size, pairs),
        _ => typed::<u64>((from, there), (to, here), size, pairs),
    }
}

/// Sets the samples `channels` of `size` (rows, columns) pixels to a value; 0 where the type cannot have it.
pub(super) fn fill(
    dtype: DataType,
    (to, here): (&mut [u8], Grid),
    (rows, width): (usize, usize),
    channels: Range<usize>,
    value: Value,
) {
    with_dtype!(dtype, T => {
        let value = value.to_sample::<T>().unwrap_or_default();
        let to = bytemuck::cast_slice_mut::<u8, T>(to);
        for row in 0..rows {
            for pixel in to[here.row(row, width)].chunks_exact_mut(here.samples) {
                pixel[channels.clone()].fill(value);
            }
        }
    })
}

/// Colours by index: red, green and blue, each of `entries` values.
pub(super) struct Palette {
    entries: usize,
    colours: Vec<u16>,
    pub(super) dtype: DataType,
}

impl Palette {
    /// The colours of a TIFF ColorMap of `3 * entries` values: 8 bits where that loses nothing.
    ///
    /// A map of 8-bit colours is stored as `v * 257`, by older writers as `v << 8` or as `v`.
    pub(super) fn new(entries: usize, colours: &[u16]) -> Palette {
        let all = |narrow: fn(u16) -> u16, widen: fn(u16) -> u16| {
            colours.iter().all(|&c| widen(narrow(c)) == c).then_some(narrow)
        };
        let narrow = all(|c| c >> 8, |v| v * 257).or(all(|c| c >> 8, |v| v << 8)).or(all(|c| c & 255, |v| v));
        let dtype = if narrow.is_some() { DataType::U8 } else { DataType::U16 };
        let colours = colours.iter().map(|&c| narrow.map_or(c, |n| n(c))).collect();
        Palette { entries, colours, dtype }
    }

    /// Looks up the `channels` (0 red, 1 green, 2 blue) of each index; an index past the map is black.
    pub(super) fn expand(&self, index_dtype: DataType, indices: &[u8], channels: &[u64], out: &mut [u8]) {
        with_dtype!(index_dtype, I => {
            let indices = bytemuck::cast_slice::<u8, I>(indices);
            match self.dtype {
                DataType::U8 => self.look_up(indices, channels, out, |c| c as u8),
                _ => self.look_up(indices, channels, bytemuck::cast_slice_mut::<u8, u16>(out), |c| c),
            }
        })
    }

    fn look_up<I: Sample, T>(&self, indices: &[I], channels: &[u64], out: &mut [T], cast: impl Fn(u16) -> T) {
        for (pixel, index) in out.chunks_exact_mut(channels.len()).zip(indices) {
            let index = index.to_f64() as usize;
            for (sample, &channel) in pixel.iter_mut().zip(channels) {
                let colour = self.colours.get(channel as usize * self.entries + index);
                *sample = cast(colour.copied().filter(|_| index < self.entries).unwrap_or(0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_keeps_pixels_and_picks_samples() {
        let from: Vec<u8> = (0..24).collect(); // 3 x 4 pixels of 2 samples
        let there = Grid { width: 4, samples: 2, at: (1, 2) };
        let mut to = [0; 8];
        let here = Grid { width: 2, samples: 2, at: (0, 0) };
        copy(1, (&from, there), (&mut to, here), (2, 2), None);
        assert_eq!(to, [12, 13, 14, 15, 20, 21, 22, 23]);
        copy(1, (&from, there), (&mut to, here), (2, 2), Some(&[(1, 0), (1, 1)]));
        assert_eq!(to, [13, 13, 15, 15, 21, 21, 23, 23]);
    }

    #[test]
    fn colours_are_narrowed_where_nothing_is_lost() {
        let looked = |map: &[u16]| {
            let p = Palette::new(2, map);
            let mut out = vec![0; 9 * p.dtype.bytes()];
            p.expand(DataType::U8, &[1, 0, 7], &[0, 1, 2], &mut out);
            (p.dtype, out)
        };
        assert_eq!(
            looked(&[0, 257, 514, 771, 1028, 65535]),
            (DataType::U8, vec![1, 3, 255, 0, 2, 4, 0, 0, 0])
        );
        assert_eq!(
            looked(&[0, 256, 512, 768, 1024, 65280]),
            (DataType::U8, vec![1, 3, 255, 0, 2, 4, 0, 0, 0])
        );
        assert_eq!(looked(&[0, 1, 2, 3, 4, 255]).0, DataType::U8);
        assert_eq!(looked(&[0, 1, 2, 3, 4, 256]).0, DataType::U16);
    }
}
