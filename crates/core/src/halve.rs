//! [`Halve`]: how a pyramid's next level is made.

use crate::{Extent, Pixels, PixelsMut, Rect, Result};

/// Makes one pixel of each 2 x 2. Rows and columns are paired from the image's corner, so chunks begin at even ones.
pub trait Halve: Send + Sync {
    /// Halves pixels. `out` has half the rows and columns, rounded up, of the same type and channels; at an odd edge a
    /// pixel is made of those that exist.
    ///
    /// # Errors
    /// Where `out` does not fit.
    fn halve(&self, pixels: Pixels<'_>, out: PixelsMut<'_>) -> Result<()>;
}

impl Extent {
    /// The size of the next level of a pyramid: half the rows and columns, rounded up.
    pub fn halved(self) -> Extent {
        Extent { height: self.height.div_ceil(2), width: self.width.div_ceil(2), ..self }
    }
}

impl Rect {
    /// The place in the next level of a pyramid of a rectangle that begins at an even row and column.
    pub fn halved(self) -> Rect {
        let Rect { y, x, height, width } = self;
        Rect { y: y / 2, x: x / 2, height: height.div_ceil(2), width: width.div_ceil(2) }
    }
}
