//! [`Held`]: a small image in memory, so that results are written as images are.

use outcrop_core::{
    BlockLayout, Buffer, Channels, Cost, DataType, Error, Extent, Image, Pixels, Read, Request, Result,
    Scratch, Source, with_dtype,
};
use outcrop_ops::Exact;

/// Samples of an image that was computed.
pub(crate) struct Held {
    image: Image,
    samples: Buffer,
}

impl Held {
    /// The numbers in C order, each rounded once to `dtype`; `absent` stands for what is undefined.
    ///
    /// # Errors
    /// [`Error::Limits`] where memory does not hold them.
    pub(crate) fn new(
        extent: Extent,
        dtype: DataType,
        numbers: &[Option<Exact>],
        absent: Exact,
    ) -> Result<Held> {
        let mut samples = Buffer::new();
        samples.resize(numbers.len() * dtype.bytes())?;
        with_dtype!(dtype, T => {
            for (sample, number) in samples.samples_mut::<T>().iter_mut().zip(numbers) {
                *sample = number.unwrap_or(absent).round();
            }
        });
        let layout = BlockLayout::Rows { planar: false };
        Ok(Held { image: Image::plain("result", extent, dtype, layout), samples })
    }
}

impl Source for Held {
    fn image(&self) -> &Image {
        &self.image
    }

    /// Nothing: the samples are there already, and lent.
    fn cost(&self, _: (u64, u64), _: &Channels) -> Result<Cost> {
        Ok(Cost::default())
    }

    fn fetch(&self, _: &Request<'_>, _: &mut Scratch) -> Result<()> {
        Ok(())
    }

    fn read<'a>(&'a self, request: &Request<'_>, _: &'a mut Scratch) -> Result<Read<'a>> {
        let Image { extent, dtype, .. } = self.image;
        let shape = [extent.height as usize, extent.width as usize, extent.channels as usize];
        let all = with_dtype!(dtype, T => Pixels::contiguous(self.samples.samples::<T>(), shape))?;
        let r = request.rect;
        let part = all
            .slice(0, r.y as usize..r.bottom() as usize)
            .slice(1, r.x as usize..r.right() as usize)
            .select(request.channels);
        let pixels = part.ok_or_else(|| Error::Usage("results have all their channels".into()))?;
        Ok(Read { pixels, holes: &[] })
    }
}
