//! Maps: a chunk in, the same rectangle out, pixel by pixel.

mod convert;
mod float_mean;
mod halve;
mod masked;
mod mean;
mod reduce_channels;

pub use convert::{Convert, Scale};
pub(crate) use float_mean::mean_of;
pub use halve::{Halving, Resample};
pub use masked::Masked;
pub use mean::MeanOverChannels;
pub use reduce_channels::ReduceChannels;

use ndarray::ArrayViewMut3;
use outcrop_core::{Chunk, DataType, Error, Pixels, PixelsMut, Result, Sample};

/// The pixels of the first input, once it is known that `out` has their rows and columns and the promised type and
/// channels (the input's own where `channels` is 0).
fn sole_input<'a>(
    chunk: &Chunk<'a>,
    out: &PixelsMut<'_>,
    (dtype, channels): (DataType, u64),
) -> Result<Pixels<'a>> {
    let input = chunk.inputs.first().ok_or_else(|| Error::Usage("a map needs an input".into()))?;
    let [height, width, own] = input.pixels.shape();
    let wanted = [height, width, if channels == 0 { own } else { channels as usize }];
    if out.shape() != wanted || out.dtype() != dtype {
        return Err(Error::Usage(format!(
            "the output needs {wanted:?} samples of {dtype}, not {:?} of {}",
            out.shape(),
            out.dtype()
        )));
    }
    Ok(input.pixels)
}

fn typed_out<U: Sample>(out: PixelsMut<'_>) -> Result<ArrayViewMut3<'_, U>> {
    let found = out.dtype();
    out.typed().ok_or_else(|| Error::Usage(format!("the output needs {}, not {found}", U::DTYPE)))
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use outcrop_core::{Map, Read, Rect, with_pixels};

    /// The same pixels for a shorter time: views are invariant in theirs.
    fn again<'a, T: Sample>(view: &'a ndarray::ArrayView3<'_, T>) -> Pixels<'a> {
        T::wrap(view.view())
    }

    /// The map of one chunk, in C order.
    pub(crate) fn apply_pixels<U: Sample>(map: &dyn Map, pixels: Pixels<'_>) -> Vec<U> {
        let [h, w, _] = pixels.shape();
        let channels = map.output().1 as usize;
        let mut out = vec![U::default(); h * w * channels];
        let pixels = with_pixels!(&pixels, view => again(view));
        let inputs = [Read { pixels, holes: &[] }];
        let chunk = Chunk { index: 0, rect: Rect::of_size(h as u64, w as u64), inputs: &inputs };
        map.apply(&chunk, PixelsMut::contiguous(&mut out, [h, w, channels]).unwrap()).unwrap();
        out
    }

    pub(crate) fn apply<T: Sample, U: Sample>(map: &dyn Map, samples: &[T], shape: [usize; 3]) -> Vec<U> {
        apply_pixels(map, Pixels::contiguous(samples, shape).unwrap())
    }
}
