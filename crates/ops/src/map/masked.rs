//! [`Masked`]: a map whose pixels are kept where a mask says so.

use ndarray::Axis;
use outcrop_core::{
    Chunk, DataType, Error, Map, Pixels, PixelsMut, Result, Sample, Value, with_dtype, with_pixels,
};

use crate::exact::Exact;
use crate::validity::is_zero;

/// Another map, with what stands for no data where the chunk's second input, of one channel, is zero.
pub struct Masked<'a, M: ?Sized> {
    map: &'a M,
    absent: Value,
}

impl<'a, M: Map + ?Sized> Masked<'a, M> {
    /// `map`, with `absent` where the mask is zero: rounded to the output's type, saturating.
    pub fn new(map: &'a M, absent: Value) -> Masked<'a, M> {
        Masked { map, absent }
    }
}

impl<M: Map + ?Sized> Masked<'_, M> {
    fn apply_typed<U: Sample>(&self, chunk: &Chunk<'_>, mask: Pixels<'_>, out: PixelsMut<'_>) -> Result<()> {
        let absent = match self.absent {
            Value::Int(i) => Exact::int(i),
            Value::Float(f) => Exact::float(f),
        };
        let absent = absent.round::<U>();
        let mut out = super::typed_out::<U>(out)?;
        self.map.apply(chunk, U::wrap_mut(out.view_mut()))?;
        with_pixels!(mask, mask => {
            for mut out in out.axis_iter_mut(Axis(2)) {
                for (out, &mask) in out.iter_mut().zip(mask.index_axis(Axis(2), 0)) {
                    if is_zero(mask) {
                        *out = absent;
                    }
                }
            }
        });
        Ok(())
    }
}

impl<M: Map + ?Sized> Map for Masked<'_, M> {
    fn output(&self) -> (DataType, u64) {
        self.map.output()
    }

    fn apply(&self, chunk: &Chunk<'_>, out: PixelsMut<'_>) -> Result<()> {
        let [height, width, _] = out.shape();
        let mask = chunk.inputs.get(1).map(|mask| mask.pixels).filter(|m| m.shape() == [height, width, 1]);
        let mask = mask.ok_or_else(|| {
            Error::Usage(format!("expected a mask of {width} x {height} pixels of one channel (--mask)"))
        })?;
        with_dtype!(self.output().0, U => self.apply_typed::<U>(chunk, mask, out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::MeanOverChannels;
    use outcrop_core::{Read, Rect};

    #[test]
    fn masked_pixels_are_absent_and_others_untouched() {
        let mean = MeanOverChannels::new(DataType::U8, None, Vec::new());
        let map = Masked::new(&mean, Value::Float(f64::NAN));
        let image =
            Read { pixels: Pixels::contiguous(&[1u8, 2, 5, 7, 0, 1], [1, 3, 2]).unwrap(), holes: &[] };
        let mask = Read { pixels: Pixels::contiguous(&[0.5f32, 0.0, -1.0], [1, 3, 1]).unwrap(), holes: &[] };
        let (both, one) = ([image, mask], [image]);
        let apply = |inputs, out: &mut [f32; 3]| {
            let chunk = Chunk { index: 0, rect: Rect::of_size(1, 3), inputs };
            map.apply(&chunk, PixelsMut::contiguous(out, [1, 3, 1]).unwrap())
        };
        let mut out = [0f32; 3];
        apply(&both, &mut out).unwrap();
        assert!(out[1].is_nan());
        assert_eq!((out[0], out[2]), (1.5, 0.5));
        assert!(apply(&one, &mut out).is_err());
    }
}
