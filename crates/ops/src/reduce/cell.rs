//! [`Cell`]: the exact state of one result of a reduction by name.

use outcrop_core::{DataType, Error, Result, Sample, Value, with_dtype};

use super::exact::ExactSums;
use super::key::{key, value};
use super::op::Op;
use crate::exact::Exact;
use crate::saved::{Loader, Saver};

/// State over samples of one type. Merges in any order to the same bits.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// Samples taken, NaN apart.
    count: u64,
    /// The first NaN, `NOWHERE` where there is none.
    nan_at: u64,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Sums(Box<ExactSums>),
    /// Key and first place of the least and the greatest.
    Ends {
        min: (u64, u64),
        max: (u64, u64),
    },
    Nonzero(u64),
    Product(u64),
}

const NOWHERE: u64 = u64::MAX;

impl Cell {
    /// The state over no sample.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for operations that have no such state.
    pub(crate) fn new(op: &Op, dtype: DataType) -> Result<Cell> {
        let state = match op {
            Op::Mean | Op::Sum | Op::Var { .. } | Op::Std { .. } | Op::NormL1 | Op::NormL2 => {
                State::Sums(Box::new(ExactSums::new(dtype)))
            }
            Op::Min | Op::Max | Op::Range | Op::ArgMin | Op::ArgMax => {
                State::Ends { min: (u64::MAX, NOWHERE), max: (0, NOWHERE) }
            }
            Op::Any | Op::All | Op::CountValid => State::Nonzero(0),
            Op::Product if !dtype.is_float() => State::Product(1),
            Op::Product => {
                return Err(Error::Unsupported("the product of floats over rows or columns".into()));
            }
            Op::Percentile(..) => {
                return Err(Error::Unsupported(
                    "percentiles over y or x (they are there over yx, yxc and c)".into(),
                ));
            }
        };
        Ok(Cell { count: 0, nan_at: NOWHERE, state })
    }

    /// The most bytes that a state takes.
    pub(crate) fn bytes(op: &Op, dtype: DataType) -> u64 {
        let sums = matches!(Cell::new(op, dtype), Ok(Cell { state: State::Sums(_), .. }));
        size_of::<Cell>() as u64 + if sums { ExactSums::bytes(dtype) } else { 0 }
    }

    /// Takes samples at the places `start`, `start + step`, ...; those that the filter drops are not taken.
    pub(crate) fn take<T: Sample>(
        &mut self,
        op: &Op,
        samples: impl Iterator<Item = (u64, T)>,
        buffer: &mut Vec<T>,
    ) {
        buffer.clear();
        for (place, sample) in samples {
            if sample.is_nan() {
                self.nan_at = self.nan_at.min(place);
            } else {
                self.count += 1;
            }
            match &mut self.state {
                State::Sums(sums) if *op == Op::NormL1 => add_magnitude(sums, sample),
                State::Sums(_) => buffer.push(sample),
                State::Ends { min, max } if !sample.is_nan() => {
                    let key = key(sample);
                    *min = (*min).min((key, place));
                    if key > max.0 || key == max.0 && place < max.1 {
                        *max = (key, place);
                    }
                }
                State::Ends { .. } => {}
                // NaN is not zero, and not among the samples counted.
                State::Nonzero(n) if *op == Op::Any || !sample.is_nan() => {
                    *n += u64::from(sample != T::default())
                }
                State::Nonzero(_) => {}
                State::Product(p) => {
                    if let Value::Int(i) = Value::of(sample) {
                        *p = p.wrapping_mul(i as u64);
                    }
                }
            }
        }
        if let State::Sums(sums) = &mut self.state
            && !buffer.is_empty()
        {
            sums.add_slice(buffer);
        }
    }

    /// Takes in the samples of another state.
    pub(crate) fn merge(&mut self, other: &Cell) {
        self.count += other.count;
        self.nan_at = self.nan_at.min(other.nan_at);
        match (&mut self.state, &other.state) {
            (State::Sums(a), State::Sums(b)) => a.merge(b),
            (State::Ends { min, max }, State::Ends { min: low, max: high }) => {
                *min = (*min).min(*low);
                if high.0 > max.0 || high.0 == max.0 && high.1 < max.1 {
                    *max = *high;
                }
            }
            (State::Nonzero(a), State::Nonzero(b)) => *a += b,
            (State::Product(a), State::Product(b)) => *a = a.wrapping_mul(*b),
            // Both come from one operation.
            _ => {}
        }
    }

    /// The result, exact; `None` where no sample was taken (counts apart), or a divisor is not positive.
    pub(crate) fn finish(&self, op: &Op, dtype: DataType) -> Option<Exact> {
        let nan = self.nan_at != NOWHERE;
        if self.count == 0 && !nan && !matches!(op, Op::Any | Op::All | Op::CountValid) {
            return None;
        }
        match &self.state {
            State::Sums(sums) => finish_sums(op, sums),
            State::Nonzero(n) => Some(Exact::int(match op {
                Op::Any => i128::from(*n > 0),
                Op::All => i128::from(*n == self.count),
                _ => self.count.into(),
            })),
            State::Product(p) if dtype.is_signed_integer() => Some(Exact::int((*p as i64).into())),
            State::Product(p) => Some(Exact::int((*p).into())),
            State::Ends { min, max } => Some(match op {
                Op::ArgMin | Op::ArgMax if nan => Exact::int(self.nan_at.into()),
                Op::ArgMin => Exact::int(min.1.into()),
                Op::ArgMax => Exact::int(max.1.into()),
                _ if nan => Exact::Special(f64::NAN),
                op => with_dtype!(dtype, T => ends::<T>(op, min.0, max.0)),
            }),
        }
    }

    pub(crate) fn save(&self, to: &mut Saver) {
        to.u64(self.count);
        to.u64(self.nan_at);
        match &self.state {
            State::Sums(sums) => sums.save(to),
            State::Ends { min, max } => [min.0, min.1, max.0, max.1].into_iter().for_each(|v| to.u64(v)),
            State::Nonzero(v) | State::Product(v) => to.u64(*v),
        }
    }

    pub(crate) fn load(op: &Op, dtype: DataType, from: &mut Loader<'_>) -> Result<Cell> {
        let mut cell = Cell::new(op, dtype)?;
        (cell.count, cell.nan_at) = (from.u64()?, from.u64()?);
        match &mut cell.state {
            State::Sums(sums) => **sums = ExactSums::load(dtype, from)?,
            State::Ends { min, max } => {
                *min = (from.u64()?, from.u64()?);
                *max = (from.u64()?, from.u64()?);
            }
            State::Nonzero(v) | State::Product(v) => *v = from.u64()?,
        }
        Ok(cell)
    }
}

fn add_magnitude<T: Sample>(sums: &mut ExactSums, sample: T) {
    match Value::of(sample) {
        Value::Int(i) => {
            sums.sum.add(i.abs(), 0);
            sums.n += 1;
        }
        Value::Float(f) if f.is_finite() => {
            sums.sum.add_f64(f.abs());
            sums.n += 1;
        }
        Value::Float(f) if f.is_nan() => sums.nan += 1,
        Value::Float(_) => {
            sums.pos_inf += 1;
            sums.n += 1;
        }
    }
}

fn finish_sums(op: &Op, sums: &ExactSums) -> Option<Exact> {
    // What the mean is where a sample is not finite, every other sum is, but for signs.
    let mean = match sums.mean_ratio() {
        Ok(mean) => mean,
        Err(special) => {
            return Some(Exact::Special(match op {
                Op::Var { .. } | Op::Std { .. } => f64::NAN,
                Op::NormL2 if sums.nan == 0 => f64::INFINITY,
                Op::NormL2 => f64::NAN,
                _ => special,
            }));
        }
    };
    Some(match op {
        Op::Mean => mean.exact(),
        Op::Var { ddof } => sums.variance_ratio(*ddof)?.exact(),
        Op::Std { ddof } => sums.variance_ratio(*ddof)?.root(),
        Op::NormL2 => sums.squares_ratio().root(),
        _ => sums.sum_ratio().exact(),
    })
}

fn ends<T: Sample>(op: &Op, min: u64, max: u64) -> Exact {
    let (min, max) = (value::<T>(min), value::<T>(max));
    match (op, min, max) {
        (Op::Range, Value::Int(min), Value::Int(max)) => Exact::int(max - min),
        (Op::Range, min, max) => difference(max.to_f64(), min.to_f64()),
        (Op::Max, _, v) | (_, v, _) => match v {
            Value::Int(i) => Exact::int(i),
            Value::Float(f) => Exact::float(f),
        },
    }
}

/// `a - b`, exact.
fn difference(a: f64, b: f64) -> Exact {
    if !a.is_finite() || !b.is_finite() {
        return Exact::Special(a - b);
    }
    let units = crate::exact::BigSum::units;
    let difference = units(Value::Float(a)) - units(Value::Float(b));
    Exact::big_ratio(&difference, crate::exact::BigSum::EXPONENT, &1u32.into())
}
