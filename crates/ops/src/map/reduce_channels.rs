//! [`ReduceChannels`]: a reduction by name over the channels of each pixel.

use ndarray::{ArrayView3, ArrayViewMut3, Axis};
use num_bigint::BigInt;
use outcrop_core::{Chunk, DataType, Map, PixelsMut, Result, Sample, Value, with_dtype, with_pixels};

use super::quick_reduce;
use crate::exact::Exact;
use crate::nodata::{Nodata, contains};
use crate::reduce::cell::Cell;
use crate::reduce::exact::decompose;
use crate::reduce::key::key;
use crate::reduce::percentile::interpolate;
use crate::reduce::{Method, Op, Percentile};

/// A reduction over the channels of each pixel; the output has one channel.
///
/// NaN propagates (argmin and argmax give the place of the first NaN). Samples equal to a nodata value are left out; a
/// pixel that has no other gives NaN, or where the output is of integers the first nodata value, and -1 as a place
/// among the channels, which count from 0. Results are exact and rounded once to the output type, saturating.
#[derive(Clone, Debug)]
pub struct ReduceChannels {
    op: Op,
    output: DataType,
    nodata: Nodata,
}

impl ReduceChannels {
    /// The reduction of `channels` samples of type `input`, as `output` or what [`Op::output`] says. `nodata` as for
    /// [`MeanOverChannels`](super::MeanOverChannels), which is the quick way to a mean.
    pub fn new(
        op: Op,
        input: DataType,
        channels: u64,
        output: Option<DataType>,
        nodata: Vec<Vec<Value>>,
    ) -> ReduceChannels {
        let count = nodata.iter().all(Vec::is_empty).then_some(channels);
        let output = output.unwrap_or_else(|| op.output(input, count));
        ReduceChannels { op, output, nodata: Nodata::new(nodata) }
    }

    fn run<T: Sample, U: Sample>(&self, pixels: ArrayView3<'_, T>, mut out: ArrayViewMut3<'_, U>) {
        let nodata = self.nodata.bound::<T>(pixels.dim().2);
        if nodata.iter().all(Vec::is_empty) && quick_reduce::reduce_into(&self.op, pixels, &mut out) {
            return;
        }
        let absent = match self.op {
            Op::ArgMin | Op::ArgMax => Exact::int(-1).round(),
            _ => self.nodata.absent(),
        };
        let mut pixel: Vec<(u64, T)> = Vec::with_capacity(pixels.dim().2);
        let mut buffer = Vec::new();
        for (row, mut out) in pixels.outer_iter().zip(out.outer_iter_mut()) {
            for (samples, out) in row.outer_iter().zip(out.index_axis_mut(Axis(1), 0)) {
                pixel.clear();
                let valid = samples.iter().zip(&nodata).enumerate().filter(|(_, (s, n))| !contains(n, **s));
                pixel.extend(valid.map(|(c, (s, _))| (c as u64, *s)));
                *out = self.one(&mut pixel, &mut buffer).map_or(absent, Exact::round);
            }
        }
    }

    fn one<T: Sample>(&self, pixel: &mut [(u64, T)], buffer: &mut Vec<T>) -> Option<Exact> {
        match &self.op {
            Op::Sum | Op::Var { .. } | Op::Std { .. } if T::DTYPE.bytes() <= 4 && !T::DTYPE.is_float() => {
                small_sums(&self.op, pixel)
            }
            Op::Percentile(p, method) => percentile(p, *method, pixel),
            Op::Product if T::DTYPE.is_float() => product(pixel),
            op => {
                let mut cell = Cell::new(op, T::DTYPE).ok()?;
                cell.take(op, pixel.iter().copied(), buffer);
                cell.finish(op, T::DTYPE)
            }
        }
    }
}

impl Map for ReduceChannels {
    fn output(&self) -> (DataType, u64) {
        (self.output, 1)
    }

    fn apply(&self, chunk: &Chunk<'_>, out: PixelsMut<'_>) -> Result<()> {
        let pixels = super::sole_input(chunk, &out, self.output())?;
        with_dtype!(self.output, U => {
            let out = super::typed_out::<U>(out)?;
            if self.op == Op::Mean {
                super::mean::mean_into(pixels, &self.nodata, out);
                return Ok(());
            }
            with_pixels!(pixels, view => self.run(view, out));
        });
        Ok(())
    }
}

/// Sums of integers of up to 32 bits: squares of 2^32 of them, times their number, fit 128 bits.
fn small_sums<T: Sample>(op: &Op, pixel: &[(u64, T)]) -> Option<Exact> {
    let (mut n, mut sum, mut squares) = (0u64, 0i128, 0i128);
    for (_, sample) in pixel {
        let v = sample.to_f64() as i64;
        n += 1;
        sum += i128::from(v);
        squares += i128::from(v) * i128::from(v);
    }
    if n == 0 {
        return None;
    }
    let spread = || i128::from(n) * squares - sum * sum;
    match op {
        Op::Var { ddof } => {
            let divisor = n.checked_sub(*ddof).filter(|&d| d > 0)?;
            Some(Exact::ratio(spread(), n.checked_mul(divisor)?))
        }
        Op::Std { ddof } => {
            let divisor = n.checked_sub(*ddof).filter(|&d| d > 0)?;
            Some(Exact::root_of_ratio(&spread().unsigned_abs().into(), 0, &n.checked_mul(divisor)?.into()))
        }
        _ => Some(Exact::int(sum)),
    }
}

fn percentile<T: Sample>(p: &Percentile, method: Method, pixel: &mut [(u64, T)]) -> Option<Exact> {
    if pixel.is_empty() {
        return None;
    }
    if pixel.iter().any(|(_, s)| s.is_nan()) {
        return Some(Exact::Special(f64::NAN));
    }
    pixel.sort_unstable_by_key(|(_, s)| key(*s));
    let place = p.place(pixel.len() as u64, method);
    let at = |i: u64| Value::of(pixel[i as usize].1);
    Some(interpolate(at(place.low), at(place.high), &place))
}

/// The exact product of floats; what IEEE makes of it where one is not finite.
fn product<T: Sample>(pixel: &[(u64, T)]) -> Option<Exact> {
    let (mut mantissa, mut exponent, mut special) = (BigInt::from(1), 0, None);
    let mut negative = false;
    for (_, sample) in pixel {
        let v = sample.to_f64();
        negative ^= v.is_sign_negative();
        if v.is_finite() {
            let (significand, e) = decompose(v.abs());
            mantissa *= significand;
            exponent += i64::from(e);
        } else {
            special = Some(special.unwrap_or(1.0) * v.abs());
        }
    }
    if pixel.is_empty() {
        return None;
    }
    let zero = mantissa == BigInt::ZERO;
    Some(match (special, Exact::big_ratio(&mantissa, exponent, &1u32.into())) {
        (Some(_), _) if zero => Exact::Special(f64::NAN),
        (Some(v), _) => Exact::Special(if negative { -v } else { v }),
        (None, Exact::Finite { bits, exponent, .. }) => Exact::Finite { negative, bits, exponent },
        (None, other) => other,
    })
}
