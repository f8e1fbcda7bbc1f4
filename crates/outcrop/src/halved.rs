//! [`Halved`]: an image at half its size, as a source.

use std::sync::Arc;

use outcrop_core::{
    BlockLayout, Channels, Cost, Error, Halve, Image, Order, Pixels, PixelsMut, Read, Rect, Request, Result,
    Scratch, Source,
};

/// The next level of the pyramid that another source is a level of.
pub(crate) struct Halved {
    image: Image,
    inner: Box<dyn Source>,
    halve: Arc<dyn Halve>,
}

impl Halved {
    /// Half of a source.
    pub(crate) fn new(inner: Box<dyn Source>, halve: Arc<dyn Halve>) -> Halved {
        let mut image = inner.image().clone();
        image.extent = image.extent.halved();
        if let BlockLayout::Tiles { height, width, .. } = &mut image.layout {
            (*height, *width) = (height.div_ceil(2), width.div_ceil(2));
        }
        Halved { image, inner, halve }
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
        let mut cost = self.inner.cost((shape.0.saturating_mul(2), shape.1.saturating_mul(2)), channels)?;
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
