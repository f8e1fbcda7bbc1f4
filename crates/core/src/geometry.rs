//! Sizes and places: [`Extent`] of an image, half-open [`Rect`] in its pixels.

/// The size of an image: rows, columns and channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extent {
    /// Rows.
    pub height: u64,
    /// Columns.
    pub width: u64,
    /// Samples per pixel.
    pub channels: u64,
}

impl Extent {
    /// An extent of that many rows, columns and channels.
    pub fn new(height: u64, width: u64, channels: u64) -> Extent {
        Extent { height, width, channels }
    }

    /// The rectangle that covers the whole image.
    pub fn rect(&self) -> Rect {
        Rect::of_size(self.height, self.width)
    }

    /// Samples in the image, or `None` where that number does not fit 64 bits.
    pub fn samples(&self) -> Option<u64> {
        self.height.checked_mul(self.width)?.checked_mul(self.channels)
    }
}

/// A half-open rectangle in pixels: rows `y..y + height`, columns `x..x + width`.
///
/// Its ends fit u64: whoever makes one from outside input checks that first ([`Rect::checked`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rect {
    /// First row.
    pub y: u64,
    /// First column.
    pub x: u64,
    /// Rows.
    pub height: u64,
    /// Columns.
    pub width: u64,
}

impl Rect {
    /// A rectangle, unless one of its ends would not fit u64.
    pub fn checked(y: u64, x: u64, height: u64, width: u64) -> Option<Rect> {
        y.checked_add(height)?;
        x.checked_add(width)?;
        Some(Rect { y, x, height, width })
    }

    /// The rectangle of that size at the origin.
    pub fn of_size(height: u64, width: u64) -> Rect {
        Rect { y: 0, x: 0, height, width }
    }

    /// The row after the last.
    pub fn bottom(&self) -> u64 {
        self.y + self.height
    }

    /// The column after the last.
    pub fn right(&self) -> u64 {
        self.x + self.width
    }

    /// Pixels inside, saturating at `u64::MAX`.
    pub fn area(&self) -> u64 {
        self.height.saturating_mul(self.width)
    }

    /// Whether no pixel is inside.
    pub fn is_empty(&self) -> bool {
        self.height == 0 || self.width == 0
    }

    /// The pixels in both rectangles, or `None` where there are none.
    pub fn intersect(&self, other: &Rect) -> Option<Rect> {
        let (y, x) = (self.y.max(other.y), self.x.max(other.x));
        let (bottom, right) = (self.bottom().min(other.bottom()), self.right().min(other.right()));
        (y < bottom && x < right).then(|| Rect { y, x, height: bottom - y, width: right - x })
    }

    /// Whether every pixel of `other` is inside.
    pub fn contains(&self, other: &Rect) -> bool {
        other.y >= self.y
            && other.x >= self.x
            && other.bottom() <= self.bottom()
            && other.right() <= self.right()
    }
}

impl std::fmt::Display for Rect {
    /// As the command line spells a window: `x,y,w,h`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{},{},{},{}", self.x, self.y, self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rects_meet_where_they_overlap() {
        let a = Rect { y: 0, x: 0, height: 4, width: 4 };
        let b = Rect { y: 2, x: 3, height: 9, width: 9 };
        assert_eq!(a.intersect(&b), Some(Rect { y: 2, x: 3, height: 2, width: 1 }));
        assert_eq!(a.intersect(&Rect { y: 4, ..b }), None);
        assert!(a.contains(&Rect { y: 1, x: 1, height: 3, width: 3 }));
        assert!(!a.contains(&b));
    }

    #[test]
    fn an_end_past_u64_is_refused() {
        assert_eq!(Rect::checked(u64::MAX, 0, 1, 1), None);
        assert_eq!(Extent::new(1 << 32, 1 << 32, 1).samples(), None);
    }
}
