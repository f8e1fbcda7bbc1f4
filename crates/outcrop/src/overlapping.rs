//! [`Overlapping`]: the tiles of an image side by side, each with its overlap, as a source.

use ndarray::s;
use outcrop_core::{
    BlockLayout, Channels, Cost, Error, Image, Order, Pixels, PixelsMut, Read, Rect, Request, Result, Sample,
    Scratch, Source, with_pixels,
};
use outcrop_writer::deepzoom::Cells;

use crate::halved::inner_scratch;

/// Another source, laid out in [`Cells`]. Chunks are whole cells.
pub(crate) struct Overlapping {
    image: Image,
    inner: Box<dyn Source>,
    cells: Cells,
    /// The most bytes that a stored block of the other source takes.
    block_bytes: u64,
}

impl Overlapping {
    /// The tiles of a source, which is the level that they are of. Its stored blocks take so many bytes at most, those
    /// included that are not there yet: plans are made before.
    pub(crate) fn new(inner: Box<dyn Source>, cells: Cells, block_bytes: u64) -> Overlapping {
        let mut image = inner.image().clone();
        image.extent = cells.laid_out();
        // Of blocks that are not there yet nobody knows.
        image.stored_bytes = 0;
        image.layout = BlockLayout::Tiles { height: cells.side(), width: cells.side(), planar: false };
        Overlapping { image, inner, cells, block_bytes }
    }

    fn request<'r>(&self, request: &Request<'r>) -> Request<'r> {
        Request { rect: self.cells.shown(request.rect), channels: request.channels }
    }
}

impl Source for Overlapping {
    fn image(&self) -> &Image {
        &self.image
    }

    fn order(&self) -> Order {
        self.inner.order()
    }

    fn cost(&self, shape: (u64, u64), channels: &Channels) -> Result<Cost> {
        // The tiles of a chunk show no more pixels than their cells have.
        let extent = self.cells.extent;
        let shown = (shape.0.min(extent.height), shape.1.min(extent.width));
        let mut cost = self.inner.cost(shown, channels)?;
        if let BlockLayout::Tiles { height, width, .. } = self.inner.image().layout {
            // Wherever they begin.
            let blocks = |shown: u64, block: u64, all: u64| {
                (shown.div_ceil(block.max(1)) + 1).min(all.div_ceil(block.max(1)))
            };
            let across = blocks(shown.1, width, extent.width);
            let tiles = blocks(shown.0, height, extent.height).saturating_mul(across);
            cost.stored_bytes = cost.stored_bytes.max(tiles.saturating_mul(self.block_bytes));
        }
        let pixel = (channels.len() * self.image.dtype.bytes()) as u64;
        let laid_out = shape.0.saturating_mul(shape.1).saturating_mul(pixel);
        cost.scratch_bytes = cost.scratch_bytes.saturating_add(laid_out);
        Ok(cost)
    }

    fn fetch(&self, request: &Request<'_>, scratch: &mut Scratch) -> Result<()> {
        self.inner.fetch(&self.request(request), inner_scratch(&mut scratch.state)?)
    }

    fn read<'a>(&'a self, request: &Request<'_>, scratch: &'a mut Scratch) -> Result<Read<'a>> {
        let Scratch { decoded, state, .. } = scratch;
        let inner = self.request(request);
        let read = self.inner.read(&inner, inner_scratch(state)?)?;
        let dtype = read.pixels.dtype();
        let shape = [request.rect.height as usize, request.rect.width as usize, request.channels.len()];
        let bytes = shape.iter().try_fold(dtype.bytes(), |n, &side| n.checked_mul(side));
        decoded.resize(bytes.unwrap_or(usize::MAX))?;
        let out = PixelsMut::in_buffer(dtype, decoded, shape)?;
        with_pixels!(read.pixels, view => lay_out(view, inner.rect, request.rect, &self.cells, out))?;
        let strides = [shape[1] * shape[2], shape[2], 1];
        let pixels = Pixels::from_bytes(dtype, decoded.bytes(), shape, strides)?
            .ok_or_else(|| Error::Panic("laid-out pixels are not aligned".into()))?;
        Ok(Read { pixels, holes: &[] })
    }

    fn release(&self, request: &Request<'_>) {
        self.inner.release(&self.request(request));
    }
}

/// Copies the tile of each cell of `part` from pixels that lie at `shown`.
fn lay_out<T: Sample>(
    view: ndarray::ArrayView3<'_, T>,
    shown: Rect,
    part: Rect,
    cells: &Cells,
    out: PixelsMut<'_>,
) -> Result<()> {
    let mut out = out.typed::<T>().ok_or_else(|| Error::Panic("tiles of another type".into()))?;
    let (rows, columns) = cells.of(part);
    for (row, column) in rows.flat_map(|row| columns.clone().map(move |column| (row, column))) {
        let tile = cells.tile(row, column);
        let range = |from: u64, size: u64| from as usize..(from + size) as usize;
        let from = s![range(tile.y - shown.y, tile.height), range(tile.x - shown.x, tile.width), ..];
        let (y, x) = (row * cells.side() - part.y, column * cells.side() - part.x);
        let to = s![range(y, tile.height), range(x, tile.width), ..];
        out.slice_mut(to).assign(&view.slice(from));
    }
    Ok(())
}
