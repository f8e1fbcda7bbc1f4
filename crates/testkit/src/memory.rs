//! [`MemorySource`]: an image in memory, laid out as a file would be.

use outcrop_core::{
    BlockLayout, Buffer, Channels, Cost, DataType, Error, Extent, Image, Order, Pixels, PixelsMut, Read,
    Rect, Request, Result, Sample, Scratch, Source, Value, with_dtype,
};

/// An image in memory. Rows and columns are lent as they lie; strips and tiles are copied, as if decoded.
pub struct MemorySource {
    image: Image,
    samples: Buffer,
    /// Strides in samples of rows, columns and channels.
    strides: [usize; 3],
    order: Order,
    /// Whether fetching says of a chunk that its bytes are at hand.
    at_hand: fn(Rect) -> bool,
}

impl MemorySource {
    /// An image of `samples` in C order (rows, columns, channels), stored as interleaved rows.
    ///
    /// # Panics
    /// If the number of samples is not that of the extent.
    pub fn new<T: Sample>(extent: Extent, samples: &[T]) -> MemorySource {
        assert_eq!(extent.samples(), Some(samples.len() as u64), "samples of {extent:?}");
        let mut buffer = Buffer::new();
        buffer.resize(size_of_val(samples)).expect("memory for a test image");
        buffer.bytes_mut().copy_from_slice(bytemuck::cast_slice(samples));
        let layout = BlockLayout::Rows { planar: false };
        let mut image = Image::plain("memory", extent, T::DTYPE, layout);
        image.stored_bytes = buffer.len() as u64;
        let strides = [(extent.width * extent.channels) as usize, extent.channels as usize, 1];
        MemorySource { image, samples: buffer, strides, order: Order::Any, at_hand: |_| false }
    }

    /// The same pixels stored another way: the samples are moved to where that layout has them.
    pub fn with_layout(mut self, layout: BlockLayout) -> MemorySource {
        let [h, w, c] = self.shape();
        let strides = match layout {
            BlockLayout::Rows { planar: true }
            | BlockLayout::Strips { planar: true, .. }
            | BlockLayout::Tiles { planar: true, .. } => [w, 1, h * w],
            BlockLayout::Columns => [1, h, h * w],
            _ => [w * c, c, 1],
        };
        let mut moved = Buffer::new();
        moved.resize(self.samples.len()).expect("memory for a test image");
        with_dtype!(self.image.dtype, T => {
            let from = self.samples.samples::<T>();
            let to = moved.samples_mut::<T>();
            let at = |s: [usize; 3], y, x, k| y * s[0] + x * s[1] + k * s[2];
            for (y, x, k) in (0..h).flat_map(|y| (0..w).flat_map(move |x| (0..c).map(move |k| (y, x, k)))) {
                to[at(strides, y, x, k)] = from[at(self.strides, y, x, k)];
            }
        });
        (self.samples, self.strides) = (moved, strides);
        self.image.layout = layout;
        self.image.levels[0].layout = layout;
        self
    }

    /// Makes the source a stream: bands from top to bottom only, whose pixels are made when they are fetched.
    pub fn sequential(mut self) -> MemorySource {
        self.order = Order::Sequential;
        self
    }

    /// Says of some chunks that their bytes are at hand, as those of a file in the page cache.
    pub fn at_hand(mut self, of: fn(Rect) -> bool) -> MemorySource {
        self.at_hand = of;
        self
    }

    /// Declares a nodata value.
    pub fn with_nodata(mut self, value: Value) -> MemorySource {
        self.image.nodata = vec![value];
        self
    }

    fn shape(&self) -> [usize; 3] {
        let e = self.image.extent;
        [e.height as usize, e.width as usize, e.channels as usize]
    }

    fn whole(&self) -> Result<Pixels<'_>> {
        Pixels::from_bytes(self.image.dtype, self.samples.bytes(), self.shape(), self.strides)?
            .ok_or_else(|| Error::Format("a buffer is aligned for every sample type".into()))
    }

    fn part(&self, r: Rect) -> Result<Pixels<'_>> {
        let rows = self.whole()?.slice(0, r.y as usize..r.bottom() as usize);
        Ok(rows.slice(1, r.x as usize..r.right() as usize))
    }

    /// Copies the pixels of a request into `scratch.decoded`.
    fn gather(&self, request: &Request<'_>, scratch: &mut Scratch) -> Result<()> {
        let r = request.rect;
        let shape = [r.height as usize, r.width as usize, request.channels.len()];
        scratch.decoded.resize(self.chunk_bytes(r.height, r.width, request.channels) as usize)?;
        let to = PixelsMut::in_buffer(self.image.dtype, &mut scratch.decoded, shape)?;
        self.part(r)?.gather(request.channels, to);
        Ok(())
    }

    /// Whether pixels are copied, as if they were compressed.
    fn copies(&self) -> bool {
        self.order == Order::Sequential
            || matches!(
                self.image.layout,
                BlockLayout::Tiles { .. } | BlockLayout::Strips { whole: true, .. }
            )
    }

    /// Whether the pixels of a selection can be lent.
    fn lends(&self, channels: &Channels) -> bool {
        let all = channels.is_all(self.image.extent.channels);
        !self.copies() && (all || channels.as_step().is_some_and(|(_, step)| step != 0))
    }

    fn chunk_bytes(&self, rows: u64, columns: u64, channels: &Channels) -> u64 {
        let samples = rows.saturating_mul(columns).saturating_mul(channels.len() as u64);
        samples.saturating_mul(self.image.dtype.bytes() as u64)
    }
}

/// How a scratch remembers what was fetched into it: rows and columns in place of bytes.
fn marks(rect: &Rect) -> Vec<(u64, std::ops::Range<usize>)> {
    let range = |from: u64, size: u64| from as usize..(from + size) as usize;
    vec![(rect.y, range(rect.x, rect.width)), (rect.bottom(), range(rect.x, rect.width))]
}

/// What was fetched, by its marks.
fn marked(marks: &[(u64, std::ops::Range<usize>)]) -> Option<Rect> {
    let [(y, columns), (bottom, _)] = marks else { return None };
    Rect::checked(*y, columns.start as u64, bottom.checked_sub(*y)?, columns.len() as u64)
}

impl Source for MemorySource {
    fn image(&self) -> &Image {
        &self.image
    }

    fn order(&self) -> Order {
        self.order
    }

    fn reads_parts(&self, _: (u64, u64), _: &Channels) -> bool {
        self.order == Order::Any
    }

    fn cost(&self, shape: (u64, u64), channels: &Channels) -> Result<Cost> {
        let bytes = if self.lends(channels) { 0 } else { self.chunk_bytes(shape.0, shape.1, channels) };
        // Buffers hold whole words.
        Ok(Cost { stored_bytes: 0, scratch_bytes: bytes.next_multiple_of(8) })
    }

    fn fetch(&self, request: &Request<'_>, scratch: &mut Scratch) -> Result<()> {
        if !self.image.extent.rect().contains(&request.rect) {
            return Err(Error::Usage(format!("{} is outside the image", request.rect)));
        }
        scratch.segments = marks(&request.rect);
        scratch.left = self.order == Order::Any && (self.at_hand)(request.rect);
        if self.order == Order::Sequential { self.gather(request, scratch) } else { Ok(()) }
    }

    fn read<'a>(&'a self, request: &Request<'_>, scratch: &'a mut Scratch) -> Result<Read<'a>> {
        if !marked(&scratch.segments).is_some_and(|fetched| fetched.contains(&request.rect))
            || self.order == Order::Sequential && scratch.segments != marks(&request.rect)
        {
            return Err(Error::Usage(format!("{} was read but never fetched", request.rect)));
        }
        let (r, part) = (request.rect, self.part(request.rect)?);
        if self.lends(request.channels)
            && let Some(pixels) = part.select(request.channels)
        {
            return Ok(Read { pixels, holes: &[] });
        }
        if self.order == Order::Any {
            self.gather(request, scratch)?;
        }
        let dtype: DataType = self.image.dtype;
        let shape = [r.height as usize, r.width as usize, request.channels.len()];
        let strides = [shape[1] * shape[2], shape[2], 1];
        let pixels = Pixels::from_bytes(dtype, scratch.decoded.bytes(), shape, strides)?;
        let pixels =
            pixels.ok_or_else(|| Error::Format("a buffer is aligned for every sample type".into()))?;
        Ok(Read { pixels, holes: &[] })
    }
}
