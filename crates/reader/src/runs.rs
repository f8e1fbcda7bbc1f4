//! [`AxisOrder`] and [`Selection`]: which runs of an uncompressed array hold a rectangle of it.
//!
//! The three axes (rows 0, columns 1, channels 2) are stored one inside the other. A selection keeps a part of each
//! axis; written out run by run it is again an array of the same order, only smaller: that is how positioned reads
//! and copies lay it in the scratch.

use outcrop_core::{Channels, Extent, Rect};

/// Selections are widened to whole runs of the next axis where those are no longer than a page: one read of 4 KiB
/// costs what one read of a few bytes does.
const PAGE: u64 = 4096;

/// Axes from the outermost to the innermost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AxisOrder(pub(crate) [usize; 3]);

impl AxisOrder {
    pub(crate) const BIP: AxisOrder = AxisOrder([0, 1, 2]);
    pub(crate) const BIL: AxisOrder = AxisOrder([0, 2, 1]);
    pub(crate) const BSQ: AxisOrder = AxisOrder([2, 0, 1]);
    /// NumPy's Fortran order of (rows, columns, channels).
    pub(crate) const FORTRAN: AxisOrder = AxisOrder([2, 1, 0]);

    /// Samples from one index of an axis to the next, by axis, for an array of those lengths. The caller has checked
    /// that the product of the lengths fits.
    pub(crate) fn strides(self, lengths: [u64; 3]) -> [u64; 3] {
        let [_, mid, inner] = self.0;
        let mut strides = [0; 3];
        strides[inner] = 1;
        strides[mid] = lengths[inner];
        strides[self.0[0]] = lengths[inner] * lengths[mid];
        strides
    }
}

/// A part of an array: a range of rows, one of columns, and some channels in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) start: [u64; 3],
    pub(crate) lengths: [u64; 3],
    /// The channels kept where they are not a range.
    scattered: Option<Vec<u64>>,
    order: AxisOrder,
    whole: [u64; 3],
}

impl Selection {
    /// What must be read for a request: the request itself, widened where that costs nothing. All channels are kept
    /// where they are the innermost axis.
    pub(crate) fn new(
        order: AxisOrder,
        extent: Extent,
        sample_bytes: u64,
        rect: Rect,
        channels: &Channels,
    ) -> Selection {
        let whole = [extent.height, extent.width, extent.channels];
        let mut s = Selection {
            start: [rect.y, rect.x, 0],
            lengths: [rect.height, rect.width, extent.channels],
            scattered: None,
            order,
            whole,
        };
        let [_, mid, inner] = order.0;
        if inner != 2 && !channels.is_all(extent.channels) {
            s.keep(channels);
        }
        let strides = order.strides(whole);
        if whole[inner] * sample_bytes <= PAGE {
            s.widen(inner);
        }
        if s.is_full(inner) && whole[mid] * strides[mid] * sample_bytes <= PAGE {
            s.widen(mid);
        }
        s
    }

    fn keep(&mut self, channels: &Channels) {
        let mut kept = channels.indices().to_vec();
        kept.sort_unstable();
        kept.dedup();
        let (Some(&first), Some(&last)) = (kept.first(), kept.last()) else { return };
        (self.start[2], self.lengths[2]) = (first, kept.len() as u64);
        self.scattered = (last - first + 1 != kept.len() as u64).then_some(kept);
    }

    fn widen(&mut self, axis: usize) {
        (self.start[axis], self.lengths[axis]) = (0, self.whole[axis]);
        if axis == 2 {
            self.scattered = None;
        }
    }

    fn is_full(&self, axis: usize) -> bool {
        self.lengths[axis] == self.whole[axis]
    }

    fn is_range(&self, axis: usize) -> bool {
        axis != 2 || self.scattered.is_none()
    }

    fn index(&self, axis: usize, i: u64) -> u64 {
        match &self.scattered {
            Some(kept) if axis == 2 => kept[i as usize],
            _ => self.start[axis] + i,
        }
    }

    /// Samples kept.
    pub(crate) fn samples(&self) -> u64 {
        self.lengths.iter().product()
    }

    /// Strides, in samples, of the kept samples written one run after the other.
    pub(crate) fn packed_strides(&self) -> [u64; 3] {
        self.order.strides(self.lengths)
    }

    /// Positions of the request's channels among those kept.
    pub(crate) fn positions(&self, channels: &Channels) -> Vec<u64> {
        let position = |&c: &u64| match &self.scattered {
            Some(kept) => kept.partition_point(|&k| k < c) as u64,
            None => c - self.start[2],
        };
        channels.indices().iter().map(position).collect()
    }

    /// How many runs there are, and the samples of each.
    pub(crate) fn run_shape(&self) -> (u64, u64) {
        let [outer, mid, inner] = self.order.0;
        let mut runs = (self.lengths[outer] * self.lengths[mid], self.lengths[inner]);
        if self.is_full(inner) && self.is_range(mid) {
            runs = (self.lengths[outer], self.lengths[inner] * self.lengths[mid]);
            if self.is_full(mid) && self.is_range(outer) {
                runs = (1, self.samples());
            }
        }
        if self.samples() == 0 { (0, 0) } else { runs }
    }

    /// Samples of the whole array from the first that is kept to the last.
    pub(crate) fn span(&self) -> u64 {
        let strides = self.order.strides(self.whole);
        let reach = |axis: usize| match self.lengths[axis].checked_sub(1) {
            Some(last) => (self.index(axis, last) - self.index(axis, 0)) * strides[axis],
            None => 0,
        };
        if self.samples() == 0 { 0 } else { (0..3).map(reach).sum::<u64>() + 1 }
    }

    /// First sample of each run in the whole array, in the order of packing.
    pub(crate) fn runs(&self) -> impl Iterator<Item = u64> + '_ {
        let [outer, mid, inner] = self.order.0;
        let strides = self.order.strides(self.whole);
        let (count, _) = self.run_shape();
        let per_outer = if count > self.lengths[outer] { self.lengths[mid] } else { 1 };
        (0..count).map(move |i| {
            self.index(outer, i / per_outer) * strides[outer]
                + self.index(mid, i % per_outer) * strides[mid]
                + self.start[inner] * strides[inner]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The runs of a selection, written one after the other, hold each sample of the request at its packed place.
        #[test]
        fn runs_pack_to_the_array_that_the_strides_describe(
            order in prop::sample::select(vec![AxisOrder::BIP, AxisOrder::BIL, AxisOrder::BSQ, AxisOrder::FORTRAN]),
            (h, w, c) in (1u64..7, 1u64..7, 1u64..5),
            (y, x) in (0u64..7, 0u64..7), (rh, rw) in (1u64..7, 1u64..7),
            picks in prop::collection::vec(0u64..5, 1..5),
            sample_bytes in prop::sample::select(vec![1u64, 400, 2000, 10_000]),
        ) {
            let extent = Extent::new(h, w, c);
            let rect = Rect { y: y % h, x: x % w, height: 1 + rh % (h - y % h), width: 1 + rw % (w - x % w) };
            let channels = Channels::select(picks.iter().map(|p| p % c).collect(), c).unwrap();
            let s = Selection::new(order, extent, sample_bytes, rect, &channels);
            let (count, length) = s.run_shape();
            let packed: Vec<u64> = s.runs().flat_map(|r| r..r + length).collect();
            prop_assert_eq!(packed.len() as u64, s.samples());
            prop_assert_eq!(s.runs().count() as u64, count);
            let (whole, strides) = (order.strides([h, w, c]), s.packed_strides());
            for (k, p) in s.positions(&channels).into_iter().enumerate() {
                for py in rect.y..rect.bottom() {
                    for px in rect.x..rect.right() {
                        let at = (py - s.start[0]) * strides[0] + (px - s.start[1]) * strides[1] + p * strides[2];
                        let want = py * whole[0] + px * whole[1] + channels.indices()[k] * whole[2];
                        prop_assert_eq!(packed[at as usize], want);
                    }
                }
            }
        }
    }

    #[test]
    fn full_width_bands_are_one_run() {
        let extent = Extent::new(100, 5000, 3);
        let band = Rect { y: 10, x: 0, height: 20, width: 5000 };
        let all = Channels::all(3);
        let shape = |o, rect, ch: &Channels| Selection::new(o, extent, 1, rect, ch).run_shape();
        assert_eq!(shape(AxisOrder::BIP, band, &all), (1, 300_000));
        assert_eq!(shape(AxisOrder::BIL, band, &all), (1, 300_000));
        assert_eq!(shape(AxisOrder::BSQ, band, &all), (3, 100_000));
        let two = Channels::select(vec![2, 0], 3).unwrap();
        assert_eq!(shape(AxisOrder::BSQ, band, &two), (2, 100_000));
        assert_eq!(shape(AxisOrder::BIL, band, &two), (40, 5000));
        let window = Rect { width: 100, ..band };
        assert_eq!(shape(AxisOrder::BIP, window, &all), (20, 300));
    }
}
