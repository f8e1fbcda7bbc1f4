//! [`Halved`]: an image at half its size, as a source.

use std::sync::Arc;

use outcrop_core::{
    BlockLayout, Channels, Cost, Error, Halve, Image, Order, Pixels, PixelsMut, Read, Rect, Request, Result,
    Scratch, Source,
};

/// The next level of the pyramid that another source is a level of. It is asked for whole tiles of that level.
pub(crate) struct Halved {
    image: Image,
    inner: Box<dyn Source>,
    halve: Arc<dyn Halve>,
    /// The most bytes that a stored block of the other source takes.
    block_bytes: u64,
}

impl Halved {
    /// Half of a source whose stored blocks take so many bytes at most, those included that are not there yet: plans
    /// are made before.
    pub(crate) fn new(inner: Box<dyn Source>, halve: Arc<dyn Halve>, block_bytes: u64) -> Halved {
        let mut image = inner.image().clone();
        image.extent = image.extent.halved();
        // Of blocks that are not there yet nobody knows.
        image.stored_bytes = 0;
        if let BlockLayout::Tiles { height, width, .. } = &mut image.layout {
            (*height, *width) = (height.div_ceil(2), width.div_ceil(2));
        }
        Halved { image, inner, halve, block_bytes }
    }

    /// The pixels of the inner source that a rectangle is made of.
    fn doubled(&self, rect: Rect) -> Rect {
        let inner = self.inner.image().extent;
        let (y, x) = (rect.y * 2, rect.x * 2);
        Rect {
            y,
            x,
            height: (rect.height * 2).min(inner.height - y),
            width: (rect.width * 2).min(inner.width - x),
        }
    }
}

/// The inner source's scratch, kept within the chunk's own.
pub(crate) fn inner_scratch(state: &mut Option<Box<dyn std::any::Any + Send>>) -> Result<&mut Scratch> {
    state
        .get_or_insert_with(|| Box::new(Scratch::new()))
        .downcast_mut()
        .ok_or_else(|| Error::Panic("a scratch of another source".into()))
}

impl Source for Halved {
    fn image(&self) -> &Image {
        &self.image
    }

    fn order(&self) -> Order {
        self.inner.order()
    }

    fn cost(&self, shape: (u64, u64), channels: &Channels) -> Result<Cost> {
        /// What a positioned read takes along for each block.
        const GAP: u64 = 64;
        let whole = self.inner.image().extent;
        let doubled = |n: u64, all: u64| n.saturating_mul(2).min(all);
        let shape_above = (doubled(shape.0, whole.height), doubled(shape.1, whole.width));
        let mut cost = self.inner.cost(shape_above, channels)?;
        if let BlockLayout::Tiles { height, width, planar } = self.inner.image().layout {
            let tiles =
                shape_above.0.div_ceil(height.max(1)).saturating_mul(shape_above.1.div_ceil(width.max(1)));
            let planes = if planar { channels.len() as u64 } else { 1 };
            cost.stored_bytes =
                tiles.saturating_mul(planes).saturating_mul(self.block_bytes.saturating_add(GAP));
        }
        let pixel = (channels.len() * self.image.dtype.bytes()) as u64;
        let made = shape.0.saturating_mul(shape.1).saturating_mul(pixel);
        cost.scratch_bytes = cost.scratch_bytes.saturating_add(made);
        Ok(cost)
    }

    fn fetch(&self, request: &Request<'_>, scratch: &mut Scratch) -> Result<()> {
        let request = Request { rect: self.doubled(request.rect), channels: request.channels };
        self.inner.fetch(&request, inner_scratch(&mut scratch.state)?)
    }

    fn read<'a>(&'a self, request: &Request<'_>, scratch: &'a mut Scratch) -> Result<Read<'a>> {
        let Scratch { decoded, state, blocks, .. } = scratch;
        let inner = Request { rect: self.doubled(request.rect), channels: request.channels };
        let read = self.inner.read(&inner, inner_scratch(state)?)?;
        let [height, width, channels] = read.pixels.shape();
        let shape = [height.div_ceil(2), width.div_ceil(2), channels];
        let dtype = read.pixels.dtype();
        let bytes = shape.iter().try_fold(dtype.bytes(), |n, &side| n.checked_mul(side));
        decoded.resize(bytes.unwrap_or(usize::MAX))?;
        self.halve.halve(read.pixels, PixelsMut::in_buffer(dtype, decoded, shape)?)?;
        *blocks += std::mem::take(&mut inner_scratch(state)?.blocks);
        let strides = [shape[1] * shape[2], shape[2], 1];
        let pixels = Pixels::from_bytes(dtype, decoded.bytes(), shape, strides)?
            .ok_or_else(|| Error::Panic("halved pixels are not aligned".into()))?;
        Ok(Read { pixels, holes: &[] })
    }

    fn release(&self, request: &Request<'_>) {
        self.inner.release(&Request { rect: self.doubled(request.rect), channels: request.channels });
    }
}
