//! [`Cells`]: the tiles of a level side by side, each with its overlap, as one larger image.

use outcrop_core::{Extent, Rect};

use super::DeepZoomOptions;

/// The tiles of one level in cells of one size, without gaps: cell (row, column) begins at `row * side`,
/// `column * side` of the laid-out image, and shows its tile from its upper left corner on. What is left of a cell at
/// the image's edges holds nothing.
///
/// So a job that knows chunks of whole blocks and nothing of overlaps makes tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cells {
    /// The level itself.
    pub extent: Extent,
    tile: u64,
    overlap: u64,
}

impl Cells {
    pub(super) fn new(extent: Extent, options: &DeepZoomOptions) -> Cells {
        Cells { extent, tile: options.tile.into(), overlap: options.overlap.into() }
    }

    /// Rows and columns of a cell.
    pub fn side(&self) -> u64 {
        self.tile + 2 * self.overlap
    }

    /// Tiles down and across.
    pub fn counts(&self) -> (u64, u64) {
        (self.extent.height.div_ceil(self.tile), self.extent.width.div_ceil(self.tile))
    }

    /// The size of the laid-out image.
    pub fn laid_out(&self) -> Extent {
        let (down, across) = self.counts();
        Extent { height: down * self.side(), width: across * self.side(), ..self.extent }
    }

    /// The pixels of the level that a tile shows.
    pub fn tile(&self, row: u64, column: u64) -> Rect {
        let side = |number: u64, size: u64| {
            let start = (number * self.tile).saturating_sub(self.overlap);
            (start, ((number + 1) * self.tile + self.overlap).min(size) - start)
        };
        let (y, height) = side(row, self.extent.height);
        let (x, width) = side(column, self.extent.width);
        Rect { y, x, height, width }
    }

    /// The tiles of a part of the laid-out image that is whole cells: rows and columns, half-open.
    pub fn of(&self, laid_out: Rect) -> (std::ops::Range<u64>, std::ops::Range<u64>) {
        let side = self.side();
        (
            laid_out.y / side..laid_out.bottom().div_ceil(side),
            laid_out.x / side..laid_out.right().div_ceil(side),
        )
    }

    /// The pixels of the level that the tiles of such a part show together.
    pub fn shown(&self, laid_out: Rect) -> Rect {
        let (rows, columns) = self.of(laid_out);
        let first = self.tile(rows.start, columns.start);
        let last = self.tile(rows.end.max(1) - 1, columns.end.max(1) - 1);
        Rect { height: last.bottom() - first.y, width: last.right() - first.x, ..first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_overlap_and_end_with_the_image() {
        let cells = Cells::new(Extent::new(300, 509, 3), &DeepZoomOptions::default());
        assert_eq!((cells.side(), cells.counts()), (256, (2, 3)));
        assert_eq!(cells.laid_out(), Extent::new(512, 768, 3));
        assert_eq!(cells.tile(0, 0), Rect { y: 0, x: 0, height: 255, width: 255 });
        assert_eq!(cells.tile(0, 1), Rect { y: 0, x: 253, height: 255, width: 256 });
        assert_eq!(cells.tile(1, 2), Rect { y: 253, x: 507, height: 47, width: 2 });
        assert_eq!(
            cells.shown(Rect { y: 256, x: 0, height: 256, width: 512 }),
            Rect { y: 253, x: 0, height: 47, width: 509 }
        );
    }
}
