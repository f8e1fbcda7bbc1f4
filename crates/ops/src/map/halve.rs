//! [`Halving`]: the next level of a pyramid.

use std::borrow::Cow;

use ndarray::{ArrayView2, ArrayView3, ArrayViewMut3, Axis};
use outcrop_core::{Error, Halve, Pixels, PixelsMut, Result, Sample, Value, f16, with_pixels};

use super::{float_mean, typed_out};

/// What becomes of each 2 x 2 samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resample {
    /// The mean of the valid ones, exact and rounded once, half to even.
    #[default]
    Average,
    /// The upper left one.
    Nearest,
    /// The valid one that is most frequent, of several the first by row and column. For classes.
    Mode,
}

impl Resample {
    /// All of them, by name.
    pub const ALL: [(&'static str, Resample); 3] =
        [("average", Resample::Average), ("nearest", Resample::Nearest), ("mode", Resample::Mode)];
}

/// Makes one sample of each 2 x 2 of a channel. Nodata and NaN leave averages and modes; where nothing is left, the
/// first of the four stays.
#[derive(Clone, Debug)]
pub struct Halving {
    resample: Resample,
    /// None, one for all channels, or one per channel.
    nodata: Vec<Value>,
}

impl Halving {
    /// With values that mean "no data": none, one for all channels, or one per channel.
    pub fn new(resample: Resample, nodata: Vec<Value>) -> Halving {
        Halving { resample, nodata }
    }

    /// For each channel its nodata value; empty where there are none.
    fn nodata<T: Sample>(&self, channels: usize) -> Vec<Option<T>> {
        let of = |value: &Value| value.to_sample::<T>();
        match self.nodata.len() {
            0 => Vec::new(),
            1 => vec![of(&self.nodata[0]); channels],
            _ => (0..channels).map(|c| self.nodata.get(c).and_then(of)).collect(),
        }
    }

    fn run<T: Mean>(&self, view: ArrayView3<'_, T>, mut out: ArrayViewMut3<'_, T>) {
        let (height, width, channels) = view.dim();
        let nodata = self.nodata::<T>(channels);
        let row = |y: usize| in_order(view.index_axis_move(Axis(0), y));
        for (y, mut to) in out.outer_iter_mut().enumerate() {
            let upper = row(2 * y);
            let lower = if 2 * y + 1 < height { Some(row(2 * y + 1)) } else { None };
            let whole = if lower.is_some() { width / 2 } else { 0 };
            let mut made: Cow<'_, [T]> = Cow::Owned(Vec::new());
            let samples = match to.as_slice_mut() {
                Some(samples) => samples,
                None => {
                    made.to_mut().resize(width.div_ceil(2) * channels, T::default());
                    made.to_mut()
                }
            };
            let (inner, edge) = samples.split_at_mut(whole * channels);
            if let Some(lower) = &lower {
                let used = 2 * whole * channels;
                self.pairs(&upper[..used], &lower[..used], inner, channels, &nodata);
            }
            for (i, to) in edge.iter_mut().enumerate() {
                let (x, c) = (whole + i / channels, i % channels);
                let right = (2 * x + 1 < width).then_some((2 * x + 1) * channels + c);
                let at = |row: &[T], i: Option<usize>| i.map(|i| row[i]);
                let left = 2 * x * channels + c;
                let lower = lower.as_deref();
                let four = [
                    Some(upper[left]),
                    at(&upper, right),
                    lower.map(|row| row[left]),
                    lower.and_then(|row| at(row, right)),
                ];
                *to = self.one(four, nodata.get(c).copied().flatten());
            }
            if let Cow::Owned(made) = made
                && !made.is_empty()
            {
                to.iter_mut().zip(made).for_each(|(to, sample)| *to = sample);
            }
        }
    }

    /// Whole pairs of pixels of two rows.
    fn pairs<T: Mean>(&self, upper: &[T], lower: &[T], out: &mut [T], channels: usize, nodata: &[Option<T>]) {
        if self.resample == Resample::Average && nodata.is_empty() && !T::DTYPE.is_float() {
            return match channels {
                1 => averages::<T, 1>(upper, lower, out),
                2 => averages::<T, 2>(upper, lower, out),
                3 => averages::<T, 3>(upper, lower, out),
                4 => averages::<T, 4>(upper, lower, out),
                _ => self.each_pair(upper, lower, out, channels, nodata),
            };
        }
        self.each_pair(upper, lower, out, channels, nodata);
    }

    fn each_pair<T: Mean>(
        &self,
        upper: &[T],
        lower: &[T],
        out: &mut [T],
        channels: usize,
        nodata: &[Option<T>],
    ) {
        let rows = upper.chunks_exact(2 * channels).zip(lower.chunks_exact(2 * channels));
        for ((upper, lower), out) in rows.zip(out.chunks_exact_mut(channels)) {
            for (c, to) in out.iter_mut().enumerate() {
                let four = [upper[c], upper[c + channels], lower[c], lower[c + channels]];
                *to = self.one(four.map(Some), nodata.get(c).copied().flatten());
            }
        }
    }

    /// One sample of up to four; the first is always there.
    #[inline]
    fn one<T: Mean>(&self, four: [Option<T>; 4], nodata: Option<T>) -> T {
        let first = four[0].unwrap_or_default();
        if self.resample == Resample::Nearest {
            return first;
        }
        let mut valid = [T::default(); 4];
        let mut n = 0;
        for sample in four.into_iter().flatten() {
            if !sample.is_nan() && nodata != Some(sample) {
                valid[n] = sample;
                n += 1;
            }
        }
        let valid = &valid[..n];
        match (valid, self.resample) {
            ([], _) => first,
            (valid, Resample::Mode) => mode(valid),
            (valid, _) => T::mean(valid),
        }
    }
}

impl Halve for Halving {
    fn halve(&self, pixels: Pixels<'_>, out: PixelsMut<'_>) -> Result<()> {
        fn typed<T: Mean>(halving: &Halving, view: ArrayView3<'_, T>, out: PixelsMut<'_>) -> Result<()> {
            halving.run(view, typed_out(out)?);
            Ok(())
        }
        let [height, width, channels] = pixels.shape();
        let wanted = [height.div_ceil(2), width.div_ceil(2), channels];
        if out.shape() != wanted {
            return Err(Error::Usage(format!("half of the pixels is {wanted:?}, not {:?}", out.shape())));
        }
        if wanted.contains(&0) {
            return Ok(());
        }
        with_pixels!(pixels, view => typed(self, view, out))
    }
}

/// A row's samples one after the other.
fn in_order<T: Sample>(row: ArrayView2<'_, T>) -> Cow<'_, [T]> {
    match row.to_slice() {
        Some(samples) => Cow::Borrowed(samples),
        None => Cow::Owned(row.iter().copied().collect()),
    }
}

/// The first of those that occur most often.
fn mode<T: Sample>(samples: &[T]) -> T {
    let count = |sample: &T| samples.iter().filter(|other| *other == sample).count();
    // `max_by_key` takes the last of equals.
    samples.iter().rev().max_by_key(|sample| count(sample)).copied().unwrap_or_default()
}

fn averages<T: Mean, const C: usize>(upper: &[T], lower: &[T], out: &mut [T]) {
    let ((upper, _), (lower, _)) = (upper.as_chunks::<C>(), lower.as_chunks::<C>());
    let ((upper, _), (lower, _)) = (upper.as_chunks::<2>(), lower.as_chunks::<2>());
    for ((u, l), out) in upper.iter().zip(lower).zip(out.as_chunks_mut::<C>().0) {
        for c in 0..C {
            out[c] = T::mean4(u[0][c], u[1][c], l[0][c], l[1][c]);
        }
    }
}

/// Samples that have a mean of their own type.
trait Mean: Sample {
    fn mean4(a: Self, b: Self, c: Self, d: Self) -> Self;
    /// Of one to four samples.
    fn mean(samples: &[Self]) -> Self;
}

macro_rules! integers {
    ($($t:ty => $wide:ty),*) => {$(impl Mean for $t {
        #[inline(always)]
        fn mean4(a: $t, b: $t, c: $t, d: $t) -> $t {
            let sum = a as $wide + b as $wide + c as $wide + d as $wide;
            // Three quarters round up; half does where the quotient is odd.
            ((sum + 1 + ((sum >> 2) & 1)) >> 2) as $t
        }
        #[inline(always)]
        fn mean(samples: &[$t]) -> $t {
            let sum = samples.iter().fold(0, |sum: $wide, &s| sum + s as $wide);
            (match samples.len() {
                1 => sum,
                2 => (sum + ((sum >> 1) & 1)) >> 1,
                3 => (2 * sum + 3).div_euclid(6),
                _ => (sum + 1 + ((sum >> 2) & 1)) >> 2,
            }) as $t
        }
    })*};
}
integers!(u8 => u16, i8 => i16, u16 => u32, i16 => i32, u32 => u64, i32 => i64, u64 => i128, i64 => i128);

macro_rules! floats {
    ($($t:ty),*) => {$(impl Mean for $t {
        #[inline(always)]
        fn mean4(a: $t, b: $t, c: $t, d: $t) -> $t {
            Self::mean(&[a, b, c, d])
        }
        #[inline(always)]
        fn mean(samples: &[$t]) -> $t {
            float_mean::mean(samples)
        }
    })*};
}
floats!(f16, f32, f64);

#[cfg(test)]
mod tests {
    use super::*;

    fn halve<T: Sample>(samples: &[T], shape: [usize; 3], resample: Resample, nodata: &[Value]) -> Vec<T> {
        let half = [shape[0].div_ceil(2), shape[1].div_ceil(2), shape[2]];
        let mut out = vec![T::default(); half.iter().product()];
        let pixels = Pixels::contiguous(samples, shape).unwrap();
        let halving = Halving::new(resample, nodata.to_vec());
        halving.halve(pixels, PixelsMut::contiguous(&mut out, half).unwrap()).unwrap();
        // Rows that are not contiguous give the same.
        let planes: Vec<T> =
            (0..shape[2]).flat_map(|c| samples.iter().skip(c).step_by(shape[2]).copied()).collect();
        let strides = [shape[1], 1, shape[0] * shape[1]];
        let mut again = vec![T::default(); out.len()];
        let pixels = Pixels::strided(&planes, shape, strides).unwrap();
        halving.halve(pixels, PixelsMut::contiguous(&mut again, half).unwrap()).unwrap();
        assert_eq!(bytemuck::cast_slice::<T, u8>(&out), bytemuck::cast_slice::<T, u8>(&again));
        out
    }

    #[test]
    fn averages_round_half_to_even() {
        for sum in 0..=1020u32 {
            let parts = [0, 1, 2, 3].map(|more| ((sum + more) / 4) as u8);
            let wanted = (f64::from(sum) / 4.0).round_ties_even() as u8;
            assert_eq!(halve(&parts, [2, 2, 1], Resample::Average, &[]), [wanted], "{sum}");
        }
        assert_eq!(halve(&[-1i16, -1, -2, -2], [2, 2, 1], Resample::Average, &[]), [-2]);
        assert_eq!(halve(&[-1i64, 0, 0, -1], [2, 2, 1], Resample::Average, &[]), [0]);
        assert_eq!(halve(&[u64::MAX; 4], [2, 2, 1], Resample::Average, &[]), [u64::MAX]);
        assert_eq!(halve(&[f64::MAX; 4], [2, 2, 1], Resample::Average, &[]), [f64::MAX]);
    }

    #[test]
    fn odd_edges_are_made_of_what_exists() {
        let samples = [0u8, 2, 10, 4, 6, 20, 7, 8, 31];
        assert_eq!(halve(&samples, [3, 3, 1], Resample::Average, &[]), [3, 15, 8, 31]);
        assert_eq!(halve(&samples, [3, 3, 1], Resample::Nearest, &[]), [0, 10, 7, 31]);
        assert_eq!(halve(&[5u8, 6, 9, 8], [1, 2, 2], Resample::Average, &[]), [7, 7]);
    }

    #[test]
    fn nodata_and_nan_take_no_part() {
        let nodata = [Value::Int(0)];
        assert_eq!(halve(&[0u8, 0, 0, 9], [2, 2, 1], Resample::Average, &nodata), [9]);
        assert_eq!(halve(&[0u8, 1, 1, 3], [2, 2, 1], Resample::Average, &nodata), [2]);
        assert_eq!(halve(&[0u8; 4], [2, 2, 1], Resample::Average, &nodata), [0]);
        let found = halve(&[f32::NAN, 1.0, f32::NAN, 2.0], [2, 2, 1], Resample::Average, &[]);
        assert_eq!(found, [1.5]);
        assert!(halve(&[f32::NAN; 4], [2, 2, 1], Resample::Average, &[])[0].is_nan());
    }

    #[test]
    fn the_mode_is_the_first_of_the_most_frequent() {
        assert_eq!(halve(&[3u8, 1, 1, 2], [2, 2, 1], Resample::Mode, &[]), [1]);
        assert_eq!(halve(&[3u8, 1, 2, 4], [2, 2, 1], Resample::Mode, &[]), [3]);
        assert_eq!(halve(&[0u8, 0, 0, 4], [2, 2, 1], Resample::Mode, &[Value::Int(0)]), [4]);
    }
}
