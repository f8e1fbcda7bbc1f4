//! [`Convert`]: the same pixels in another sample type, as they are or scaled.

use ndarray::{ArrayView3, ArrayViewMut3, Zip};
use outcrop_core::{
    Chunk, DataType, Error, Map, Pixels, PixelsMut, Read, Result, Sample, Value, with_dtype, with_pixels,
};

use crate::exact::Exact;
use crate::simd::{self, Work};

/// A linear scale: `input.0..input.1` becomes `output.0..output.1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The input values that become the ends of the output.
    pub input: (f64, f64),
    /// Those ends. `None`: the whole range of an integer type, 0 to 1 for floats.
    pub output: Option<(f64, f64)>,
}

impl Scale {
    /// Reads `min:max` or `min:max:outmin:outmax`.
    ///
    /// # Errors
    /// [`Error::Usage`] for anything else, for what is not finite, and where both input values are equal.
    pub fn parse(text: &str) -> Result<Scale> {
        let bad = |why: &str| {
            Error::Usage(format!("{text:?} is not a scale: {why} (--scale min:max[:outmin:outmax])"))
        };
        let numbers: Option<Vec<f64>> = text.split(':').map(|t| t.trim().parse().ok()).collect();
        let numbers = numbers.ok_or_else(|| bad("not all parts are numbers"))?;
        if numbers.iter().any(|n: &f64| !n.is_finite()) {
            return Err(bad("its numbers must be finite"));
        }
        let scale = match numbers[..] {
            [a, b] => Scale { input: (a, b), output: None },
            [a, b, c, d] => Scale { input: (a, b), output: Some((c, d)) },
            _ => return Err(bad("it needs two numbers or four")),
        };
        if scale.input.0 == scale.input.1 {
            return Err(bad("min and max must differ"));
        }
        Ok(scale)
    }
}

/// Pixels in another sample type.
///
/// Without a scale each sample is rounded once to the output type: integers half to even and saturating, NaN to
/// the fill. With a scale `out = (in - min) * ((outmax - outmin) / (max - min)) + outmin`, each operation in f64, and the
/// result rounded as above; input values outside min..max saturate only at the ends of an integer type.
#[derive(Clone, Debug)]
pub struct Convert {
    output: DataType,
    channels: u64,
    scale: Option<Line>,
    fill: Option<Value>,
}

/// `(x - from) * factor + to`.
#[derive(Clone, Copy, Debug)]
struct Line {
    from: f64,
    factor: f64,
    to: f64,
}

impl Convert {
    /// Pixels of `channels` channels as `output`.
    pub fn new(output: DataType, channels: u64) -> Convert {
        Convert { output, channels, scale: None, fill: None }
    }

    /// Scales on the way.
    pub fn scale(mut self, scale: Scale) -> Convert {
        let (low, high) = scale.output.unwrap_or_else(|| with_dtype!(self.output, U => range::<U>()));
        let factor = (high - low) / (scale.input.1 - scale.input.0);
        self.scale = Some(Line { from: scale.input.0, factor, to: low });
        self
    }

    /// What NaN becomes; by default it stays where the output is of floats, and is 0 elsewhere.
    ///
    /// # Errors
    /// [`Error::Usage`] where the output type does not have that value.
    pub fn nan_to(mut self, fill: Value) -> Result<Convert> {
        if !fill.fits(self.output) {
            return Err(Error::Usage(format!("{fill} is not a value of {} (--nan)", self.output)));
        }
        self.fill = Some(fill);
        Ok(self)
    }
}

impl Convert {
    /// Whether samples of the output's own type stay what they are.
    fn is_as_it_is(&self) -> bool {
        self.scale.is_none() && !(self.output.is_float() && self.fill.is_some())
    }
}

/// The ends of an integer type, 0 and 1 for floats.
fn range<U: Sample>() -> (f64, f64) {
    if U::DTYPE.is_float() {
        return (0.0, 1.0);
    }
    (U::from_f64(f64::NEG_INFINITY).to_f64(), U::from_f64(f64::INFINITY).to_f64())
}

impl Map for Convert {
    fn output(&self) -> (DataType, u64) {
        (self.output, self.channels)
    }

    fn lend<'a>(&self, chunk: &Chunk<'a>) -> Option<Pixels<'a>> {
        let [Read { pixels, .. }] = *chunk.inputs else { return None };
        let same = (pixels.dtype(), pixels.shape()[2] as u64) == self.output() && self.is_as_it_is();
        let in_rows = with_pixels!(pixels, view => view.outer_iter().next()?.is_standard_layout());
        (same && in_rows).then_some(pixels)
    }

    fn apply(&self, chunk: &Chunk<'_>, out: PixelsMut<'_>) -> Result<()> {
        let pixels = super::sole_input(chunk, &out, self.output())?;
        if out.shape() != pixels.shape() {
            return Err(Error::Usage(format!(
                "expected {} channels, found {}",
                self.channels,
                pixels.shape()[2]
            )));
        }
        with_dtype!(self.output, U => {
            let out = super::typed_out::<U>(out)?;
            let fill = self.fill.and_then(|fill| fill.to_sample::<U>());
            if let (true, Some(view)) = (self.is_as_it_is(), pixels.typed::<U>()) {
                copy(view, out);
            } else {
                with_pixels!(pixels, view => each(view, out, fill, self.scale));
            }
        });
        Ok(())
    }
}

/// Copies rows that are contiguous on both sides as such; ndarray's `assign` does that and the rest.
fn copy<U: Sample>(pixels: ArrayView3<'_, U>, mut out: ArrayViewMut3<'_, U>) {
    for (from, mut to) in pixels.outer_iter().zip(out.outer_iter_mut()) {
        match (from.as_slice(), to.as_slice_mut()) {
            (Some(from), Some(to)) => to.copy_from_slice(from),
            _ => to.assign(&from),
        }
    }
}

fn each<T: Sample, U: Sample>(
    pixels: ArrayView3<'_, T>,
    out: ArrayViewMut3<'_, U>,
    fill: Option<U>,
    scale: Option<Line>,
) {
    match scale {
        None => simd::run(Each { pixels, out, one: |v| cast(v, fill) }),
        Some(Line { from, factor, to }) => {
            simd::run(Each { pixels, out, one: |v: T| rounded((v.to_f64() - from) * factor + to, fill) })
        }
    }
}

struct Each<'a, T, U, F> {
    pixels: ArrayView3<'a, T>,
    out: ArrayViewMut3<'a, U>,
    one: F,
}

impl<T: Sample, U: Sample, F: Fn(T) -> U> Work for Each<'_, T, U, F> {
    #[inline(always)]
    fn run(mut self) {
        for (from, mut to) in self.pixels.outer_iter().zip(self.out.outer_iter_mut()) {
            match (from.as_slice(), to.as_slice_mut()) {
                (Some(from), Some(to)) => from.iter().zip(to).for_each(|(from, to)| *to = (self.one)(*from)),
                _ => Zip::from(&mut to).and(&from).for_each(|to, from| *to = (self.one)(*from)),
            }
        }
    }
}

/// A float as a sample; NaN gives the fill where there is one.
#[inline(always)]
fn rounded<U: Sample>(value: f64, fill: Option<U>) -> U {
    match fill {
        Some(fill) if value.is_nan() => fill,
        _ => U::from_f64(value),
    }
}

/// A sample in another type, rounded once. 64-bit integers, which f64 does not hold, go through integers.
#[inline(always)]
fn cast<T: Sample, U: Sample>(sample: T, fill: Option<U>) -> U {
    if matches!(T::DTYPE, DataType::U64 | DataType::I64) && U::DTYPE != DataType::F64 {
        return Exact::of(sample).round();
    }
    rounded(sample.to_f64(), fill)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::testing::apply;

    fn convert<T: Sample, U: Sample>(samples: &[T], scale: Option<&str>) -> Vec<U> {
        let mut map = Convert::new(U::DTYPE, 1).nan_to(Value::Int(7)).unwrap();
        if let Some(scale) = scale {
            map = map.scale(Scale::parse(scale).unwrap());
        }
        apply::<T, U>(&map, samples, [1, samples.len(), 1])
    }

    #[test]
    fn samples_round_half_to_even_and_saturate() {
        assert_eq!(convert::<f32, u8>(&[0.5, 1.5, -3.0, 1e9, f32::NAN], None), [0, 2, 0, 255, 7]);
        assert_eq!(convert::<i16, u8>(&[-1, 300, 12], None), [0, 255, 12]);
        assert_eq!(convert::<u64, i64>(&[u64::MAX, (1 << 63) - 1], None), [i64::MAX, i64::MAX]);
        assert_eq!(convert::<i64, u64>(&[-1, i64::MAX], None), [0, i64::MAX as u64]);
        // 2^60 + 2^36 + 1 lies just above the middle of two f32; through f64 it would lie on it.
        assert_eq!(
            convert::<u64, f32>(&[(1 << 60) + (1 << 36) + 1], None),
            [2f32.powi(60) * (1.0 + f32::EPSILON)]
        );
        assert_eq!(convert::<f64, f32>(&[0.1, f64::MAX], None), [0.1, f32::INFINITY]);
    }

    #[test]
    fn a_scale_maps_ends_to_ends() {
        assert_eq!(convert::<u16, u8>(&[100, 1100, 600, 0, 65535], Some("100:1100")), [0, 255, 128, 0, 255]);
        assert_eq!(convert::<u8, f32>(&[0, 255], Some("0:255")), [0.0, 1.0]);
        assert_eq!(convert::<f32, u8>(&[f32::NAN, 0.0, 1.0], Some("0:1:10:20")), [7, 10, 20]);
        assert_eq!(convert::<u8, u8>(&[0, 255], Some("255:0")), [255, 0]);
    }

    #[test]
    fn a_scale_that_is_none_is_refused() {
        for text in ["", "1", "1:1", "1:2:3", "a:b", "0:inf", "1:2:3:4:5"] {
            assert!(Scale::parse(text).unwrap_err().to_string().contains("--scale"), "{text}");
        }
        assert!(Convert::new(DataType::U8, 1).nan_to(Value::Int(256)).is_err());
    }

    #[test]
    fn only_pixels_that_stay_as_they_are_are_lent() {
        use outcrop_core::Rect;
        let samples: Vec<f32> = (0..24).map(|n| n as f32).collect();
        let lends = |map: &Convert, shape: [usize; 3], strides: [usize; 3]| {
            let pixels = Pixels::strided(&samples, shape, strides).unwrap();
            let inputs = [Read { pixels, holes: &[] }];
            let chunk =
                Chunk { index: 0, rect: Rect::of_size(shape[0] as u64, shape[1] as u64), inputs: &inputs };
            map.lend(&chunk).is_some_and(|lent| lent.typed::<f32>() == pixels.typed::<f32>())
        };
        let (whole, rows) = ([2, 4, 3], [12, 3, 1]);
        let same = || Convert::new(DataType::F32, 3);
        assert!(lends(&same(), whole, rows));
        // Some of the rows of a wider image.
        assert!(lends(&same(), [2, 2, 3], rows));
        // Planes would be gathered sample by sample; the copy does better.
        assert!(!lends(&same(), whole, [4, 1, 8]));
        assert!(!lends(&same().scale(Scale::parse("0:1:0:1").unwrap()), whole, rows));
        assert!(!lends(&same().nan_to(Value::Int(7)).unwrap(), whole, rows));
        assert!(!lends(&Convert::new(DataType::F64, 3), whole, rows));
        assert!(!lends(&Convert::new(DataType::F32, 2), whole, rows));
    }

    #[test]
    fn the_same_type_is_copied_bit_by_bit() {
        let nan = f32::from_bits(0x7fa0_1234);
        let map = Convert::new(DataType::F32, 1);
        assert_eq!(apply::<f32, f32>(&map, &[nan, -0.0], [1, 2, 1]).map_bits(), [0x7fa0_1234, 0x8000_0000]);
        assert_eq!(convert::<f32, f32>(&[nan, -0.0], None).map_bits(), [7f32.to_bits(), 0x8000_0000]);
    }

    trait Bits {
        fn map_bits(self) -> Vec<u32>;
    }
    impl Bits for Vec<f32> {
        fn map_bits(self) -> Vec<u32> {
            self.into_iter().map(f32::to_bits).collect()
        }
    }
}
