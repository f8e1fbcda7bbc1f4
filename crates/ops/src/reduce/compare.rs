//! [`Compare`]: how two images of one size differ, in one pass over both.

use std::borrow::Cow;

use ndarray::ArrayView2;
use outcrop_core::{
    Chunk, DataType, Error, Pixels, Reduce, Result, Sample, Value, f16, with_dtype, with_pixels,
};

use super::exact::{ExactSums, Rational};
use crate::exact::Exact;
use crate::saved::{Loader, Saver};

/// Compares the samples of two inputs with the same rows, columns and channels.
///
/// Errors are |a - b|: exact for integers, and for floats the f64 difference. NaN equals NaN and nothing else; a
/// sample that is NaN in one image only differs, whatever the tolerance, and takes no part in the error figures.
/// Images of two types are compared as f64.
#[derive(Clone, Debug)]
pub struct Compare {
    inputs: (DataType, DataType),
    channels: u64,
    tolerance: f64,
}

/// The differences in some of the chunks.
#[derive(Clone, Debug)]
pub struct ComparePartial {
    samples: u64,
    pixels: u64,
    differing_samples: u64,
    differing_pixels: u64,
    unlike_nan: u64,
    /// Of the errors that are not 0.
    errors: ExactSums,
    max: Value,
    first: Option<Difference>,
    /// Least and greatest finite sample of the first image, where both are floats; infinities the wrong way round
    /// before any.
    range: (f64, f64),
}

/// A sample that differs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Row.
    pub y: u64,
    /// Column.
    pub x: u64,
    /// Position in the selection of channels, from 0.
    pub channel: u64,
    /// The sample of the first image.
    pub a: Value,
    /// The sample of the second.
    pub b: Value,
}

/// The answer of [`Compare`].
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Pixels compared.
    pub pixels: u64,
    /// Samples compared.
    pub samples: u64,
    /// Pixels of which at least one sample differs by more than the tolerance.
    pub differing_pixels: u64,
    /// Samples that differ by more than the tolerance.
    pub differing_samples: u64,
    /// Samples that are NaN in one image only.
    pub unlike_nan: u64,
    /// The greatest |a - b|.
    pub max_error: Value,
    /// The mean of |a - b|, rounded once; `None` over no sample.
    pub mean_error: Option<f64>,
    /// The root of the mean of (a - b)^2, rounded once; `None` over no sample.
    pub rmse: Option<f64>,
    /// The peak signal-to-noise ratio in dB: infinite for equal images, `None` where it has no peak. The peak is the
    /// range of an integer type, and for floats that of the first image's finite samples.
    pub psnr: Option<f64>,
    /// The first sample, by row, column and channel, that differs by more than the tolerance.
    pub first: Option<Difference>,
}

/// A sample type whose differences have a type that holds them.
trait Differ: Sample {
    type Error: Sample;
    /// |self - other|; `None` where just one is NaN.
    fn error(self, other: Self) -> Option<Self::Error>;
}

macro_rules! integers {
    ($($t:ty => $e:ty),*) => {$(impl Differ for $t {
        type Error = $e;
        #[inline(always)]
        fn error(self, other: $t) -> Option<$e> {
            Some(self.abs_diff(other))
        }
    })*};
}
integers!(u8 => u8, u16 => u16, u32 => u32, u64 => u64, i8 => u8, i16 => u16, i32 => u32, i64 => u64);

macro_rules! floats {
    ($($t:ty),*) => {$(impl Differ for $t {
        type Error = f64;
        #[inline(always)]
        fn error(self, other: $t) -> Option<f64> {
            let (a, b) = (self.to_f64(), other.to_f64());
            match (a.is_nan(), b.is_nan()) {
                (false, false) if a == b => Some(0.0),
                (false, false) => Some((a - b).abs()),
                (true, true) => Some(0.0),
                _ => None,
            }
        }
    })*};
}
floats!(f16, f32, f64);

impl Compare {
    /// A comparison of samples of those types, in images of so many channels. What differs by no more than
    /// `tolerance` counts as equal.
    pub fn new(inputs: (DataType, DataType), channels: u64, tolerance: f64) -> Compare {
        Compare { inputs, channels, tolerance }
    }

    /// The type in which samples are compared.
    fn common(&self) -> DataType {
        if self.inputs.0 == self.inputs.1 { self.inputs.0 } else { DataType::F64 }
    }

    fn error_type(&self) -> DataType {
        fn of<T: Differ>() -> DataType {
            T::Error::DTYPE
        }
        with_dtype!(self.common(), T => of::<T>())
    }

    /// The figures.
    pub fn finish(&self, partial: &ComparePartial) -> Comparison {
        let n = partial.samples - partial.unlike_nan;
        let infinite = partial.errors.infinities() != (0, 0);
        let mean = |sum: Rational| {
            let (numerator, denominator, exponent) = sum.parts();
            Rational::new(numerator.clone(), denominator * n, exponent)
        };
        let figure = |of: &dyn Fn() -> f64| match (n, infinite) {
            (0, _) => None,
            (_, true) => Some(f64::INFINITY),
            _ => Some(of()),
        };
        let rmse = figure(&|| Exact::root(Ok(mean(partial.errors.squares_ratio()))).to_f64());
        Comparison {
            pixels: partial.pixels,
            samples: partial.samples,
            differing_pixels: partial.differing_pixels,
            differing_samples: partial.differing_samples,
            unlike_nan: partial.unlike_nan,
            max_error: partial.max,
            mean_error: figure(&|| mean(partial.errors.sum_ratio()).to_f64()),
            rmse,
            psnr: rmse.and_then(|rmse| self.psnr(rmse, partial.range)),
            first: partial.first,
        }
    }

    fn psnr(&self, rmse: f64, range: (f64, f64)) -> Option<f64> {
        if rmse == 0.0 {
            return Some(f64::INFINITY);
        }
        let dtype = self.inputs.0;
        let (low, high) = match dtype.is_float() {
            true => range,
            false => with_dtype!(dtype, T => {
                (T::from_f64(f64::NEG_INFINITY).to_f64(), T::from_f64(f64::INFINITY).to_f64())
            }),
        };
        let peak = high - low;
        (peak > 0.0 && peak.is_finite() && rmse.is_finite()).then(|| 20.0 * (peak / rmse).log10())
    }

    fn fold_typed<T: Differ>(
        &self,
        partial: &mut ComparePartial,
        chunk: &Chunk<'_>,
        a: Pixels<'_>,
        b: Pixels<'_>,
    ) {
        let mut errors = Vec::new();
        let rows = chunk.rect.height as usize;
        for y in 0..rows {
            let (a, b) = (as_type::<T>(a.slice(0, y..y + 1)), as_type::<T>(b.slice(0, y..y + 1)));
            let place = (chunk.rect.y + y as u64, chunk.rect.x);
            self.fold_row(partial, place, &a, &b, &mut errors);
        }
    }

    fn fold_row<T: Differ>(
        &self,
        partial: &mut ComparePartial,
        (y, x): (u64, u64),
        a: &[T],
        b: &[T],
        errors: &mut Vec<T::Error>,
    ) {
        let channels = self.channels as usize;
        partial.samples += a.len() as u64;
        partial.pixels += (a.len() / channels.max(1)) as u64;
        if T::DTYPE.is_float() {
            let finite = a.iter().map(|s| s.to_f64()).filter(|v| v.is_finite());
            partial.range = finite.fold(partial.range, |(low, high), v| (low.min(v), high.max(v)));
        }
        if bytemuck::cast_slice::<T, u8>(a) == bytemuck::cast_slice::<T, u8>(b) {
            return;
        }
        errors.clear();
        let mut max = T::Error::default();
        for (i, (a, b)) in a.chunks(channels).zip(b.chunks(channels)).enumerate() {
            let mut differs = false;
            for (c, (&a, &b)) in a.iter().zip(b).enumerate() {
                let beyond = match a.error(b) {
                    Some(error) => {
                        errors.push(error);
                        max = if error > max { error } else { max };
                        error.to_f64() > self.tolerance
                    }
                    None => {
                        partial.unlike_nan += 1;
                        true
                    }
                };
                if beyond {
                    differs = true;
                    partial.differing_samples += 1;
                    let (a, b) = (Value::of(a), Value::of(b));
                    partial.found(Difference { y, x: x + i as u64, channel: c as u64, a, b });
                }
            }
            partial.differing_pixels += u64::from(differs);
        }
        partial.errors.add_slice(errors);
        partial.max = greater(partial.max, Value::of(max));
    }
}

impl ComparePartial {
    fn found(&mut self, other: Difference) {
        let place = |d: &Difference| (d.y, d.x, d.channel);
        if self.first.is_none_or(|first| place(&other) < place(&first)) {
            self.first = Some(other);
        }
    }
}

/// Both of one kind: errors of one comparison are.
fn greater(a: Value, b: Value) -> Value {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => Value::Int(a.max(b)),
        (a, b) => Value::Float(a.to_f64().max(b.to_f64())),
    }
}

/// The samples of one row in C order, in the type that they are compared in.
fn as_type<T: Sample>(row: Pixels<'_>) -> Cow<'_, [T]> {
    fn gathered<S: Sample, T: Sample>(row: ArrayView2<'_, S>) -> Vec<T> {
        row.iter().map(|s| T::from_f64(s.to_f64())).collect()
    }
    if row.dtype() == T::DTYPE
        && let Some(view) = row.typed::<T>()
    {
        return match view.to_slice() {
            Some(samples) => Cow::Borrowed(samples),
            None => Cow::Owned(view.iter().copied().collect()),
        };
    }
    with_pixels!(row, view => Cow::Owned(gathered(view.index_axis(ndarray::Axis(0), 0))))
}

impl Reduce for Compare {
    type Partial = ComparePartial;

    fn start(&self) -> ComparePartial {
        let none = if self.error_type().is_float() { Value::Float(0.0) } else { Value::Int(0) };
        ComparePartial {
            samples: 0,
            pixels: 0,
            differing_samples: 0,
            differing_pixels: 0,
            unlike_nan: 0,
            errors: ExactSums::new(self.error_type()),
            max: none,
            first: None,
            range: (f64::INFINITY, f64::NEG_INFINITY),
        }
    }

    fn partial_bytes(&self) -> u64 {
        size_of::<ComparePartial>() as u64 + ExactSums::bytes(self.error_type())
    }

    fn fold(&self, partial: &mut ComparePartial, chunk: &Chunk<'_>) -> Result<()> {
        let [a, b] = chunk.inputs else {
            return Err(Error::Usage(format!("a comparison has two inputs, not {}", chunk.inputs.len())));
        };
        let (a, b) = (a.pixels, b.pixels);
        if a.shape() != b.shape()
            || (a.dtype(), b.dtype()) != self.inputs
            || a.shape()[2] as u64 != self.channels
        {
            return Err(Error::Usage(format!("pixels of {:?} do not compare to {:?}", a.shape(), b.shape())));
        }
        if a.shape().contains(&0) {
            return Ok(());
        }
        with_dtype!(self.common(), T => self.fold_typed::<T>(partial, chunk, a, b));
        Ok(())
    }

    fn merge(&self, partial: &mut ComparePartial, other: ComparePartial) {
        partial.samples += other.samples;
        partial.pixels += other.pixels;
        partial.differing_samples += other.differing_samples;
        partial.differing_pixels += other.differing_pixels;
        partial.unlike_nan += other.unlike_nan;
        partial.errors.merge(&other.errors);
        partial.max = greater(partial.max, other.max);
        partial.range = (partial.range.0.min(other.range.0), partial.range.1.max(other.range.1));
        if let Some(first) = other.first {
            partial.found(first);
        }
    }

    fn save(&self, partial: &ComparePartial) -> Vec<u8> {
        let mut to = Saver::new("compare", 1);
        to.dtype(self.inputs.0);
        to.dtype(self.inputs.1);
        let p = partial;
        let counts = [p.samples, p.pixels, p.differing_samples, p.differing_pixels, p.unlike_nan];
        counts.into_iter().for_each(|n| to.u64(n));
        p.errors.save(&mut to);
        save_value(&mut to, p.max);
        to.f64(p.range.0);
        to.f64(p.range.1);
        to.u64(u64::from(p.first.is_some()));
        if let Some(first) = p.first {
            [first.y, first.x, first.channel].into_iter().for_each(|n| to.u64(n));
            save_value(&mut to, first.a);
            save_value(&mut to, first.b);
        }
        to.finish()
    }

    fn load(&self, bytes: &[u8]) -> Result<ComparePartial> {
        let mut from = Loader::new(bytes, "compare", 1)?;
        from.expect_dtype(self.inputs.0)?;
        from.expect_dtype(self.inputs.1)?;
        let [samples, pixels, differing_samples, differing_pixels, unlike_nan] =
            [from.u64()?, from.u64()?, from.u64()?, from.u64()?, from.u64()?];
        if unlike_nan > samples {
            return Err(Error::Format("a saved comparison has more NaN than samples".into()));
        }
        let mut partial = ComparePartial {
            samples,
            pixels,
            differing_samples,
            differing_pixels,
            unlike_nan,
            errors: ExactSums::load(self.error_type(), &mut from)?,
            max: load_value(&mut from)?,
            range: (from.f64()?, from.f64()?),
            first: None,
        };
        if from.u64()? != 0 {
            let (y, x, channel) = (from.u64()?, from.u64()?, from.u64()?);
            partial.first =
                Some(Difference { y, x, channel, a: load_value(&mut from)?, b: load_value(&mut from)? });
        }
        from.finish()?;
        Ok(partial)
    }
}

fn save_value(to: &mut Saver, value: Value) {
    match value {
        Value::Int(i) => {
            to.u64(0);
            to.u128(i as u128);
        }
        Value::Float(f) => {
            to.u64(1);
            to.f64(f);
        }
    }
}

fn load_value(from: &mut Loader<'_>) -> Result<Value> {
    Ok(if from.u64()? == 0 { Value::Int(from.u128()? as i128) } else { Value::Float(from.f64()?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_core::{Read, Rect};

    /// Folds two images of one channel, in rows of `width`, the rows as chunks of their own.
    fn compare<A: Sample, B: Sample>(a: &[A], b: &[B], width: usize, tolerance: f64) -> Comparison {
        let kernel = Compare::new((A::DTYPE, B::DTYPE), 1, tolerance);
        let mut all = kernel.start();
        // The last row first, through bytes, so that order and saving cannot matter.
        for (y, (a, b)) in a.chunks(width).zip(b.chunks(width)).enumerate().rev() {
            let read = |pixels| Read { pixels, holes: &[] };
            let inputs = [
                read(Pixels::contiguous(a, [1, width, 1]).unwrap()),
                read(Pixels::contiguous(b, [1, width, 1]).unwrap()),
            ];
            let rect = Rect { y: y as u64, x: 0, height: 1, width: width as u64 };
            let mut one = kernel.start();
            kernel.fold(&mut one, &Chunk { index: y as u64, rect, inputs: &inputs }).unwrap();
            kernel.merge(&mut all, kernel.load(&kernel.save(&one)).unwrap());
        }
        kernel.finish(&all)
    }

    #[test]
    fn figures_are_those_of_numpy() {
        // a = [0, 10, 200, 255], b = [0, 13, 196, 255]: np.abs(a - b).mean(), ((a - b) ** 2).mean() ** .5.
        let found = compare::<u8, u8>(&[0, 10, 200, 255], &[0, 13, 196, 255], 2, 0.0);
        assert_eq!((found.pixels, found.differing_pixels, found.differing_samples), (4, 2, 2));
        assert_eq!((found.max_error, found.mean_error, found.rmse), (Value::Int(4), Some(1.75), Some(2.5)));
        assert_eq!(found.psnr, Some(20.0 * (255.0f64 / 2.5).log10()));
        let first = found.first.unwrap();
        assert_eq!((first.y, first.x, first.a, first.b), (0, 1, Value::Int(10), Value::Int(13)));
    }

    #[test]
    fn a_tolerance_forgives_small_errors_but_counts_them() {
        let found = compare::<i16, i16>(&[0, 10, -200, 7], &[0, 13, -204, 7], 2, 3.0);
        assert_eq!((found.differing_pixels, found.mean_error), (1, Some(1.75)));
        assert_eq!(found.first.map(|d| (d.y, d.x)), Some((1, 0)));
    }

    #[test]
    fn equal_images_are_equal() {
        let found = compare::<f32, f32>(&[1.0, f32::NAN, -0.0], &[1.0, -f32::NAN, 0.0], 3, 0.0);
        assert_eq!((found.differing_pixels, found.first), (0, None));
        assert_eq!(
            (found.rmse, found.psnr, found.max_error),
            (Some(0.0), Some(f64::INFINITY), Value::Float(0.0))
        );
    }

    #[test]
    fn what_is_not_finite_is_told_apart() {
        let found = compare::<f64, f64>(&[f64::NAN, 1.0, f64::INFINITY], &[1.0, 2.0, f64::INFINITY], 3, 9.0);
        assert_eq!((found.differing_pixels, found.unlike_nan, found.mean_error), (1, 1, Some(0.5)));
        let found = compare::<f64, f64>(&[f64::INFINITY, 1.0], &[0.0, 1.0], 2, 0.0);
        assert_eq!((found.rmse, found.psnr), (Some(f64::INFINITY), None));
    }

    #[test]
    fn wide_integers_keep_every_bit() {
        let found = compare::<i64, i64>(&[i64::MIN, 0], &[i64::MAX, 0], 2, 0.0);
        assert_eq!(found.max_error, Value::Int(u64::MAX.into()));
        assert_eq!(found.mean_error, Some(u64::MAX as f64 / 2.0));
    }

    #[test]
    fn types_may_differ() {
        let found = compare::<u8, f32>(&[1, 2, 3], &[1.0, 2.5, 3.0], 3, 0.0);
        assert_eq!((found.differing_pixels, found.max_error), (1, Value::Float(0.5)));
    }
}
