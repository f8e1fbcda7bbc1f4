//! [`ExactSums`]: how many samples, their sum and the sum of their squares, exactly.

use num_bigint::{BigInt, BigUint};
use outcrop_core::{DataType, Result, Sample, Value, f16};

use super::bins::Bins;
use super::fixed::decompose;
use super::{Fixed, Rational, Span, float, integer};
use crate::saved::{Loader, Saver};

/// The exact state of sums over samples of one type. Merges in any order to the same bits, and holds 2^63 samples.
///
/// ```
/// use outcrop_ops::reduce::ExactSums;
/// let mut sums = ExactSums::new(outcrop_core::DataType::F64);
/// sums.add_slice(&[1e308, 1e-308, -1e308, 1.0, -1.0]);
/// assert_eq!(sums.mean(), Some(2e-309));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExactSums {
    dtype: DataType,
    /// Samples added, NaN apart.
    pub(crate) n: u64,
    pub(crate) nan: u64,
    pub(crate) pos_inf: u64,
    pub(crate) neg_inf: u64,
    /// Of the finite samples.
    pub(crate) sum: Fixed,
    pub(crate) squares: Fixed,
}

/// A sum, exact for integers and rounded once for floats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ExactSum {
    /// The sum of integer samples.
    Int(i128),
    /// The sum of float samples, rounded to nearest; infinite or NaN as IEEE 754 has it.
    Float(f64),
}

impl std::fmt::Display for ExactSum {
    /// All digits of an integer; the shortest text that reads back for a float.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ExactSum::Int(i) => write!(f, "{i}"),
            ExactSum::Float(v) => Value::Float(*v).fmt(f),
        }
    }
}

/// What folding keeps between blocks; empty of samples whenever [`Scratch::drain`] was called.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(super) bins: Bins,
    /// Guess: the magnitudes of the next block are below 2^exponent.
    pub(super) exponent: i32,
    /// Guess: there is NaN in the next block.
    pub(super) nan: bool,
}

impl Scratch {
    /// The most bytes that it takes.
    pub(crate) const BYTES: u64 = (size_of::<Scratch>() + Bins::BYTES) as u64;

    /// Completes `sums`, the ones that were last folded into.
    pub(crate) fn drain(&mut self, sums: &mut ExactSums) {
        self.bins.drain(&mut sums.sum, &mut sums.squares);
    }
}

/// Adds samples of one channel and returns how many are `nodata` and were not added; NaN is no such value here. The
/// scratch must be drained before it meets other sums.
pub(crate) fn fold<T: Sample>(
    samples: &[T],
    nodata: Option<T>,
    sums: &mut ExactSums,
    span: &mut Option<Span<T>>,
    scratch: &mut Scratch,
) -> u64 {
    debug_assert_eq!(sums.dtype, T::DTYPE);
    /// The one place where a generic sample type becomes the type it is.
    fn at<A: Sample, B: Sample>(samples: &[A]) -> &[B] {
        bytemuck::cast_slice(samples)
    }
    macro_rules! typed {
        ($t:ty, $span:ident => $body:expr) => {{
            let mut $span: Option<Span<$t>> = None;
            let left = $body;
            if let Some(s) = $span {
                Span::extend(span, bytemuck::cast(s.min), bytemuck::cast(s.max));
            }
            left
        }};
    }
    match T::DTYPE {
        DataType::U32 => {
            typed!(u32, s => integer::fold32(at::<T, u32>(samples), nodata.map(bytemuck::cast), sums, &mut s))
        }
        DataType::I32 => {
            typed!(i32, s => integer::fold32(at::<T, i32>(samples), nodata.map(bytemuck::cast), sums, &mut s))
        }
        DataType::U64 => {
            typed!(u64, s => integer::fold64(at::<T, u64>(samples), nodata.map(bytemuck::cast), sums, &mut s))
        }
        DataType::I64 => {
            typed!(i64, s => integer::fold64(at::<T, i64>(samples), nodata.map(bytemuck::cast), sums, &mut s))
        }
        DataType::F16 => {
            typed!(f16, s => float::fold_f16(at(samples), nodata.map(bytemuck::cast), sums, &mut s, scratch))
        }
        DataType::F32 => {
            typed!(f32, s => float::fold(at::<T, f32>(samples), nodata.map(bytemuck::cast), sums, &mut s, scratch))
        }
        DataType::F64 => {
            typed!(f64, s => float::fold(at::<T, f64>(samples), nodata.map(bytemuck::cast), sums, &mut s, scratch))
        }
        _ => {
            let (nodata, mut left) = (nodata.as_ref().map(std::slice::from_ref), 0);
            let (span, out) = (std::slice::from_mut(span), std::slice::from_mut(&mut left));
            integer::fold_interleaved(samples, nodata, &mut [sums], span, out);
            left
        }
    }
}

impl ExactSums {
    /// Sums over no samples of that type.
    pub fn new(dtype: DataType) -> ExactSums {
        let (sum, squares) = (Fixed::for_sum(dtype), Fixed::for_squares(dtype));
        ExactSums { dtype, n: 0, nan: 0, pos_inf: 0, neg_inf: 0, sum, squares }
    }

    /// The type of the samples.
    pub fn dtype(&self) -> DataType {
        self.dtype
    }

    /// Bytes that sums over that type take.
    pub fn bytes(dtype: DataType) -> u64 {
        let limbs = Fixed::for_sum(dtype).limbs().len() + Fixed::for_squares(dtype).limbs().len();
        (size_of::<ExactSums>() + limbs * 8) as u64
    }

    /// Samples added, NaN apart.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// NaN samples added.
    pub fn nan(&self) -> u64 {
        self.nan
    }

    /// Forgets the NaN samples, so that they leave every result; returns how many there were.
    pub fn omit_nan(&mut self) -> u64 {
        std::mem::take(&mut self.nan)
    }

    /// Positive and negative infinities among the samples.
    pub fn infinities(&self) -> (u64, u64) {
        (self.pos_inf, self.neg_inf)
    }

    /// Adds samples. Quickest in long slices.
    ///
    /// # Panics
    /// If `T` is not the type of the sums.
    pub fn add_slice<T: Sample>(&mut self, samples: &[T]) {
        assert_eq!(self.dtype, T::DTYPE, "samples of another type");
        let mut scratch = Scratch::default();
        fold(samples, None, self, &mut None, &mut scratch);
        scratch.drain(self);
    }

    /// Adds one sample.
    ///
    /// # Panics
    /// If `T` is not the type of the sums.
    pub fn add<T: Sample>(&mut self, sample: T) {
        assert_eq!(self.dtype, T::DTYPE, "a sample of another type");
        match Value::of(sample) {
            Value::Int(i) => {
                self.sum.add(i, 0);
                self.squares.add_unsigned(i.unsigned_abs().pow(2), 0);
                self.n += 1;
            }
            Value::Float(v) => self.add_f64(v),
        }
    }

    /// Adds one sample of a float type.
    pub(super) fn add_f64(&mut self, v: f64) {
        if v.is_nan() {
            self.nan += 1;
            return;
        }
        self.n += 1;
        if v.is_infinite() {
            *(if v > 0.0 { &mut self.pos_inf } else { &mut self.neg_inf }) += 1;
            return;
        }
        let (significand, exponent) = decompose(v);
        self.sum.add_at(significand.into(), exponent);
        self.squares.add_at(i128::from(significand).pow(2), 2 * exponent);
    }

    /// Adds the samples of other sums over the same type.
    pub fn merge(&mut self, other: &ExactSums) {
        debug_assert_eq!(self.dtype, other.dtype);
        self.n += other.n;
        self.nan += other.nan;
        self.pos_inf += other.pos_inf;
        self.neg_inf += other.neg_inf;
        self.sum.add_fixed(&other.sum);
        self.squares.add_fixed(&other.squares);
    }

    /// What IEEE 754 makes of the samples that are not finite; `None` where all are.
    fn special(&self) -> Option<f64> {
        match (self.nan, self.pos_inf, self.neg_inf) {
            (0, 0, 0) => None,
            (0, _, 0) => Some(f64::INFINITY),
            (0, 0, _) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }

    /// The sum; 0 over no samples.
    pub fn sum(&self) -> ExactSum {
        match self.special() {
            Some(v) => ExactSum::Float(v),
            None if self.dtype.is_float() => ExactSum::Float(self.sum_ratio().to_f64()),
            // Two limbs: at most 2^63 samples of 64 bits.
            None => ExactSum::Int(i128::try_from(self.sum.to_bigint()).unwrap_or(i128::MAX)),
        }
    }

    /// The exact sum of the finite samples.
    pub fn sum_ratio(&self) -> Rational {
        Rational::new(self.sum.to_bigint(), 1u8, self.sum.unit().into())
    }

    /// The exact sum of the squares of the finite samples.
    pub fn squares_ratio(&self) -> Rational {
        Rational::new(self.squares.to_bigint(), 1u8, self.squares.unit().into())
    }

    /// The mean, correctly rounded; `None` over no samples.
    pub fn mean(&self) -> Option<f64> {
        (self.n + self.nan > 0).then(|| match self.mean_ratio() {
            Ok(mean) => mean.to_f64(),
            Err(special) => special,
        })
    }

    /// The exact mean of at least one sample, or what it is where samples are not finite (NaN over none).
    ///
    /// # Errors
    /// An infinity or NaN, which no quotient is.
    pub fn mean_ratio(&self) -> Result<Rational, f64> {
        match self.special() {
            Some(special) => Err(special),
            None if self.n == 0 => Err(f64::NAN),
            None => Ok(Rational::new(self.sum.to_bigint(), self.n, self.sum.unit().into())),
        }
    }

    /// The variance with divisor n - `ddof`, correctly rounded; `None` where that divisor is not positive; NaN
    /// where a sample is not finite.
    pub fn variance(&self, ddof: u64) -> Option<f64> {
        self.spread(ddof, Rational::to_f64)
    }

    /// The square root of the exact variance, correctly rounded; otherwise as [`variance`](ExactSums::variance).
    pub fn std(&self, ddof: u64) -> Option<f64> {
        self.spread(ddof, Rational::sqrt_to_f64)
    }

    fn spread(&self, ddof: u64, round: impl Fn(&Rational) -> f64) -> Option<f64> {
        if self.special().is_some() {
            return (self.n + self.nan > ddof).then_some(f64::NAN);
        }
        self.variance_ratio(ddof).map(|v| round(&v))
    }

    /// The exact variance of the finite samples: (n Σx² - (Σx)²) / (n (n - ddof)).
    pub fn variance_ratio(&self, ddof: u64) -> Option<Rational> {
        let divisor = self.n.checked_sub(ddof).filter(|&d| d > 0)?;
        let sum = self.sum.to_bigint();
        let numerator = self.squares.to_bigint() * BigInt::from(self.n) - &sum * &sum;
        Some(Rational::new(numerator, BigUint::from(self.n) * divisor, self.squares.unit().into()))
    }

    /// Writes the sums, their type apart.
    pub(crate) fn save(&self, to: &mut Saver) {
        for v in [self.n, self.nan, self.pos_inf, self.neg_inf] {
            to.u64(v);
        }
        self.sum.limbs().iter().chain(self.squares.limbs()).for_each(|&l| to.u64(l));
    }

    /// Reads what [`save`](ExactSums::save) wrote of sums over that type.
    pub(crate) fn load(dtype: DataType, from: &mut Loader<'_>) -> Result<ExactSums> {
        let mut sums = ExactSums::new(dtype);
        for v in [&mut sums.n, &mut sums.nan, &mut sums.pos_inf, &mut sums.neg_inf] {
            *v = from.count()?;
        }
        for limb in sums.sum.limbs_mut().iter_mut().chain(sums.squares.limbs_mut()) {
            *limb = from.u64()?;
        }
        Ok(sums)
    }
}
