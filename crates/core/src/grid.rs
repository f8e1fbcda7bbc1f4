//! [`ChunkGrid`]: the unit of work, numbered in the order in which it is visited and committed.

use crate::Rect;

/// Cuts a window into chunks of one shape, edges apart, numbered row by row.
///
/// Chunk borders lie at whole multiples of the chunk's shape from an *origin*. Jobs that read take the image's
/// origin, so that no storage block is decoded for two chunks when the shape is a multiple of the block's; jobs
/// that write take the window's own corner ([`from_corner`](ChunkGrid::from_corner)), so that chunks are runs of
/// whole output blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkGrid {
    window: Rect,
    /// What is added to the coordinates of the grid to get those of the image.
    origin: (u64, u64),
    height: u64,
    width: u64,
    first_row: u64,
    first_column: u64,
    rows: u64,
    columns: u64,
}

impl ChunkGrid {
    /// The grid over `window` of chunks of `shape` (rows, columns), each raised to a whole multiple of `align`.
    ///
    /// A shape larger than the window is one chunk; zeros in `shape` or `align` count as one.
    pub fn new(window: Rect, shape: (u64, u64), align: (u64, u64)) -> ChunkGrid {
        ChunkGrid::at((0, 0), window, shape, align)
    }

    /// The same, with chunk borders counted from the corner of the window.
    pub fn from_corner(window: Rect, shape: (u64, u64), align: (u64, u64)) -> ChunkGrid {
        ChunkGrid::at((window.y, window.x), window, shape, align)
    }

    fn at(origin: (u64, u64), window: Rect, shape: (u64, u64), align: (u64, u64)) -> ChunkGrid {
        let window = Rect { y: window.y - origin.0, x: window.x - origin.1, ..window };
        let raise = |want: u64, align: u64, end: u64| -> u64 {
            let align = align.max(1);
            let want = want.clamp(1, end.max(1));
            want.div_ceil(align).saturating_mul(align)
        };
        let height = raise(shape.0, align.0, window.bottom());
        let width = raise(shape.1, align.1, window.right());
        let first_row = window.y / height;
        let first_column = window.x / width;
        let (rows, columns) = if window.is_empty() {
            (0, 0)
        } else {
            (window.bottom().div_ceil(height) - first_row, window.right().div_ceil(width) - first_column)
        };
        ChunkGrid { window, origin, height, width, first_row, first_column, rows, columns }
    }

    /// The window that the grid covers.
    pub fn window(&self) -> Rect {
        self.in_image(self.window)
    }

    fn in_image(&self, rect: Rect) -> Rect {
        Rect { y: rect.y + self.origin.0, x: rect.x + self.origin.1, ..rect }
    }

    /// Rows and columns of a whole chunk (not larger than the window).
    pub fn shape(&self) -> (u64, u64) {
        (self.height.min(self.window.height), self.width.min(self.window.width))
    }

    /// Chunks down and across.
    pub fn counts(&self) -> (u64, u64) {
        (self.rows, self.columns)
    }

    /// Chunks in all.
    pub fn len(&self) -> u64 {
        self.rows.saturating_mul(self.columns)
    }

    /// Whether the window is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The place of chunk `index` in the image.
    ///
    /// # Panics
    /// If `index` is not less than [`len`](ChunkGrid::len).
    pub fn rect(&self, index: u64) -> Rect {
        assert!(index < self.len(), "chunk {index} of {}", self.len());
        let row = self.first_row + index / self.columns;
        let column = self.first_column + index % self.columns;
        let full = Rect {
            y: row * self.height,
            x: column * self.width,
            height: self.height.min(self.window.bottom() - row * self.height),
            width: self.width.min(self.window.right() - column * self.width),
        };
        self.in_image(full.intersect(&self.window).expect("every chunk of the grid meets the window"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Every pixel of the window lies in exactly one chunk, and every inner border on a whole multiple.
        #[test]
        fn chunks_tile_the_window(
            y in 0u64..50, x in 0u64..50, height in 1u64..40, width in 1u64..40,
            ch in 0u64..60, cw in 0u64..60, ay in 0u64..17, ax in 0u64..17, corner: bool,
        ) {
            let window = Rect { y, x, height, width };
            let make = if corner { ChunkGrid::from_corner } else { ChunkGrid::new };
            let grid = make(window, (ch, cw), (ay, ax));
            let (oy, ox) = if corner { (y, x) } else { (0, 0) };
            prop_assert_eq!(grid.window(), window);
            let mut seen = vec![0u8; (height * width) as usize];
            for i in 0..grid.len() {
                let r = grid.rect(i);
                prop_assert!(window.contains(&r) && !r.is_empty());
                prop_assert!(r.height <= grid.shape().0 && r.width <= grid.shape().1);
                prop_assert!(r.y == y || (r.y - oy) % ay.max(1) == 0);
                prop_assert!(r.x == x || (r.x - ox) % ax.max(1) == 0);
                for py in r.y..r.bottom() {
                    for px in r.x..r.right() {
                        seen[((py - y) * width + px - x) as usize] += 1;
                    }
                }
            }
            prop_assert!(seen.iter().all(|&n| n == 1));
        }
    }

    #[test]
    fn an_empty_window_has_no_chunks() {
        assert!(ChunkGrid::new(Rect { y: 3, x: 3, height: 0, width: 4 }, (2, 2), (1, 1)).is_empty());
    }

    #[test]
    fn sizes_near_u64_do_not_overflow() {
        let window = Rect::of_size(u64::MAX / 2, 3);
        let grid = ChunkGrid::new(window, (1 << 40, 1 << 40), (512, 512));
        let last = grid.rect(grid.len() - 1);
        assert_eq!(last.bottom(), window.bottom());
    }
}
