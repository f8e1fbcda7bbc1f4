//! [`Turned`]: a part of an image mirrored, rotated or transposed, as a source. Pixels are lent, not copied.

use ndarray::{ArrayView3, Axis};
use outcrop_core::{
    BlockLayout, Channels, Cost, Image, Order, Pixels, Read, Rect, Request, Result, Sample, Scratch, Source,
    with_pixels,
};

/// How an image is turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Left and right change places.
    FlipHorizontal,
    /// Top and bottom change places.
    FlipVertical,
    /// Clockwise by a quarter: the left column becomes the top row.
    Rotate90,
    /// By a half.
    Rotate180,
    /// Clockwise by three quarters: the right column becomes the top row.
    Rotate270,
    /// Rows become columns.
    Transpose,
    /// The same about the other diagonal: the last row becomes the first column, backwards.
    Transverse,
}

impl Turn {
    const ALL: [Turn; 7] = [
        Turn::FlipHorizontal,
        Turn::FlipVertical,
        Turn::Rotate90,
        Turn::Rotate180,
        Turn::Rotate270,
        Turn::Transpose,
        Turn::Transverse,
    ];

    /// This turn and `next` after it as one; `None` where all is as it was.
    pub fn then(self, next: Turn) -> Option<Turn> {
        let (transposed, rows, columns) = self.parts();
        let (also, next_rows, next_columns) = next.parts();
        // What are rows to the second were columns to the first where that transposes.
        let (next_rows, next_columns) =
            if transposed { (next_columns, next_rows) } else { (next_rows, next_columns) };
        let parts = (transposed ^ also, rows ^ next_rows, columns ^ next_columns);
        Turn::ALL.into_iter().find(|turn| turn.parts() == parts)
    }

    /// Whether rows become columns, and which of the rows and columns of the input then run backwards.
    fn parts(self) -> (bool, bool, bool) {
        match self {
            Turn::FlipHorizontal => (false, false, true),
            Turn::FlipVertical => (false, true, false),
            Turn::Rotate90 => (true, true, false),
            Turn::Rotate180 => (false, true, true),
            Turn::Rotate270 => (true, false, true),
            Turn::Transpose => (true, false, false),
            Turn::Transverse => (true, true, true),
        }
    }

    /// Whether rows become columns.
    pub(crate) fn transposes(self) -> bool {
        self.parts().0
    }

    /// Whether a stream from top to bottom can be turned as it comes.
    pub(crate) fn streams(self) -> bool {
        self == Turn::FlipHorizontal
    }
}

/// A window of another source, turned.
pub(crate) struct Turned<'a> {
    inner: &'a dyn Source,
    image: Image,
    window: Rect,
    turn: Turn,
    /// Where the turned window begins in this image. Before it lies nothing that may be asked for: it is there so that blocks
    /// begin at multiples of their size, as everywhere, also where they end at the border that comes first now.
    corner: (u64, u64),
}

impl<'a> Turned<'a> {
    /// The window of the source, turned.
    pub(crate) fn new(inner: &'a dyn Source, window: Rect, turn: Turn) -> Turned<'a> {
        let mut image = inner.image().clone();
        let (transposed, rows_back, columns_back) = turn.parts();
        let block = match image.layout {
            BlockLayout::Tiles { height, width, .. } => (height, width),
            BlockLayout::Strips { rows, .. } => (rows, 1),
            _ => (1, 1),
        };
        let rows = before(block.0, (window.y, window.bottom()), rows_back);
        let columns = before(block.1, (window.x, window.right()), columns_back);
        let corner = if transposed { (columns, rows) } else { (rows, columns) };
        let (height, width) =
            if transposed { (window.width, window.height) } else { (window.height, window.width) };
        (image.extent.height, image.extent.width) =
            (corner.0.saturating_add(height), corner.1.saturating_add(width));
        if transposed {
            image.layout = match image.layout {
                BlockLayout::Tiles { height, width, planar } => {
                    BlockLayout::Tiles { height: width, width: height, planar }
                }
                BlockLayout::Strips { rows, planar, whole: true } => {
                    BlockLayout::Tiles { height: window.width.max(1), width: rows, planar }
                }
                BlockLayout::Columns => BlockLayout::Rows { planar: true },
                _ => BlockLayout::Columns,
            };
        }
        Turned { inner, image, window, turn, corner }
    }

    /// The turned window, all that this image shows.
    pub(crate) fn window(&self) -> Rect {
        let ((y, x), whole) = (self.corner, self.image.extent.rect());
        Rect { y, x, height: whole.height - y, width: whole.width - x }
    }

    /// For a source that is still to be written when the plan is made.
    pub(crate) fn forget_stored_bytes(&mut self) {
        self.image.stored_bytes = 0;
    }

    /// The pixels of the inner source that a rectangle shows.
    fn place(&self, rect: Rect) -> Rect {
        let (transposed, rows_back, columns_back) = self.turn.parts();
        let Rect { height, width, .. } = rect;
        let (y, x) = (rect.y - self.corner.0, rect.x - self.corner.1);
        let (y, x, height, width) = if transposed { (x, y, width, height) } else { (y, x, height, width) };
        let y = if rows_back { self.window.height - y - height } else { y };
        let x = if columns_back { self.window.width - x - width } else { x };
        Rect { y: self.window.y + y, x: self.window.x + x, height, width }
    }

    fn request<'r>(&self, request: &Request<'r>) -> Request<'r> {
        Request { rect: self.place(request.rect), channels: request.channels }
    }
}

/// Samples of the first block of a turned axis that lie before the window, which is `from..to` in the inner image.
fn before(block: u64, (from, to): (u64, u64), back: bool) -> u64 {
    let block = block.max(1);
    if back { to.next_multiple_of(block) - to } else { from % block }
}

fn turned<T: Sample>(mut view: ArrayView3<'_, T>, turn: Turn) -> Pixels<'_> {
    let (transposed, rows_back, columns_back) = turn.parts();
    if rows_back {
        view.invert_axis(Axis(0));
    }
    if columns_back {
        view.invert_axis(Axis(1));
    }
    if transposed {
        view.swap_axes(0, 1);
    }
    T::wrap(view)
}

impl Source for Turned<'_> {
    fn image(&self) -> &Image {
        &self.image
    }

    fn order(&self) -> Order {
        self.inner.order()
    }

    fn cost(&self, shape: (u64, u64), channels: &Channels) -> Result<Cost> {
        let (transposed, ..) = self.turn.parts();
        self.inner.cost(if transposed { (shape.1, shape.0) } else { shape }, channels)
    }

    fn fetch(&self, request: &Request<'_>, scratch: &mut Scratch) -> Result<()> {
        self.inner.fetch(&self.request(request), scratch)
    }

    fn read<'a>(&'a self, request: &Request<'_>, scratch: &'a mut Scratch) -> Result<Read<'a>> {
        let inner = self.request(request);
        let read = self.inner.read(&inner, scratch)?;
        // Holes stay where they are in the file, as reports name them: what turns pixels looks at nothing else of them.
        Ok(Read { pixels: with_pixels!(read.pixels, view => turned(view, self.turn)), holes: read.holes })
    }

    fn release(&self, request: &Request<'_>) {
        self.inner.release(&self.request(request));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_core::Pixels;

    #[test]
    fn two_turns_are_the_one_that_does_the_same() {
        let samples: Vec<u8> = (0..6).collect();
        let apply = |pixels: Pixels<'_>, turn: Option<Turn>| -> (usize, Vec<u8>) {
            let view = pixels.typed::<u8>().unwrap();
            let view = turn.map_or(view, |turn| turned(view, turn).typed::<u8>().unwrap());
            (view.dim().1, view.iter().copied().collect())
        };
        let image = Pixels::contiguous(&samples, [2, 3, 1]).unwrap();
        for a in Turn::ALL {
            for b in Turn::ALL {
                let (width, first) = apply(image, Some(a));
                let between = Pixels::contiguous(&first, [6 / width, width, 1]).unwrap();
                assert_eq!(apply(between, Some(b)), apply(image, a.then(b)), "{a:?} {b:?}");
            }
        }
    }
}
