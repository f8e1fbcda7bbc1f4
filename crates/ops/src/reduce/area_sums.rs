//! Sums of [`AreaMean`](super::AreaMean): integers, or the leading digits of floats.

use outcrop_core::{Error, Result};

use super::exact::decompose;
use crate::exact::Exact;
use crate::saved::{Loader, Saver};

/// A sum of each cell and channel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sums {
    /// Of samples of up to 16 bits.
    Narrow(Vec<i64>),
    /// Of wider integers.
    Wide(Vec<i128>),
    /// Of floats, with the bits of a digit.
    Float(Vec<Digits>, u32),
}

/// A sum of floats that keeps the three digits from the largest magnitude in it down.
///
/// Digits have 2^base values and fixed places: digit t counts 2^(t * base). A float is cut into digits of its own, those
/// that are kept are added as integers, and when a larger float comes, the places move up and the lowest are forgotten.
/// So what is kept of any float is decided by the largest one alone, and the order of the additions by nothing.
/// Source: Demmel and Nguyen, "Parallel reproducible summation", IEEE Transactions on Computers 64 (2015).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digits {
    /// From the highest to the lowest.
    digits: [i64; 3],
    /// The place of the highest.
    top: i16,
    /// Which of NaN, infinity and negative infinity are in the sum.
    special: u8,
}

const EMPTY: i16 = i16::MIN;
const NAN: u8 = 1;
const POSITIVE: u8 = 2;
const NEGATIVE: u8 = 4;

impl Default for Digits {
    fn default() -> Digits {
        Digits { digits: [0; 3], top: EMPTY, special: 0 }
    }
}

impl Digits {
    /// Adds each of a run of floats `weight` times. Returns how many there were not (`None`).
    pub(crate) fn add(
        &mut self,
        base: u32,
        run: impl Iterator<Item = Option<f64>> + Clone,
        weight: u64,
    ) -> u64 {
        let mut largest = 0f64;
        let mut absent = 0;
        for value in run.clone() {
            match value {
                Some(v) if v.is_finite() => largest = largest.max(v.abs()),
                Some(v) => self.special |= special(v),
                None => absent += 1,
            }
        }
        if largest > 0.0 {
            let (significand, exponent) = decompose(largest);
            let highest = exponent + significand.ilog2() as i32;
            self.raise(highest.div_euclid(base as i32) as i16);
        }
        if self.top == EMPTY {
            return absent;
        }
        let unit = (i32::from(self.top) - 2) * base as i32;
        let mask = (1i64 << base) - 1;
        let mut sums = [0i64; 3];
        for value in run.flatten().filter(|v| v.is_finite()) {
            let (significand, exponent) = decompose(value);
            let sign = significand >> 63;
            let magnitude = (significand ^ sign) - sign;
            // Below 2^(3 * base), by the choice of the top.
            let kept = match exponent - unit {
                up @ 0.. => magnitude << up,
                down => magnitude >> (-down).min(63),
            };
            let parts = [kept >> (2 * base), kept >> base & mask, kept & mask];
            for (sum, part) in sums.iter_mut().zip(parts) {
                *sum += (part ^ sign) - sign;
            }
        }
        for (digit, sum) in self.digits.iter_mut().zip(sums) {
            *digit += sum * weight as i64;
        }
        absent
    }

    /// Makes `top` the highest place, where it is higher.
    fn raise(&mut self, top: i16) {
        if top <= self.top {
            return;
        }
        let [a, b, _] = self.digits;
        self.digits = match (self.top, i32::from(top) - i32::from(self.top)) {
            (EMPTY, _) => [0; 3],
            (_, 1) => [0, a, b],
            (_, 2) => [0, 0, a],
            _ => [0; 3],
        };
        self.top = top;
    }

    fn merge(&mut self, mut other: Digits) {
        self.special |= other.special;
        self.raise(other.top);
        other.raise(self.top);
        self.digits.iter_mut().zip(other.digits).for_each(|(a, b)| *a += b);
    }

    /// The mean of that weight, rounded once; NaN for none.
    pub(crate) fn mean(self, base: u32, weight: u64) -> f64 {
        match self.special {
            _ if weight == 0 => return f64::NAN,
            0 => {}
            POSITIVE => return f64::INFINITY,
            NEGATIVE => return f64::NEG_INFINITY,
            _ => return f64::NAN,
        }
        if self.top == EMPTY {
            return 0.0;
        }
        let [a, b, c] = self.digits.map(i128::from);
        let unit = (i64::from(self.top) - 2) * i64::from(base);
        Exact::ratio((((a << base) + b) << base) + c, weight).scaled(unit).to_f64()
    }
}

fn special(v: f64) -> u8 {
    if v.is_nan() {
        NAN
    } else if v > 0.0 {
        POSITIVE
    } else {
        NEGATIVE
    }
}

impl Sums {
    pub(crate) fn merge(&mut self, other: Sums) {
        match (self, other) {
            (Sums::Narrow(a), Sums::Narrow(b)) => a.iter_mut().zip(b).for_each(|(a, b)| *a += b),
            (Sums::Wide(a), Sums::Wide(b)) => a.iter_mut().zip(b).for_each(|(a, b)| *a += b),
            (Sums::Float(a, _), Sums::Float(b, _)) => a.iter_mut().zip(b).for_each(|(a, b)| a.merge(b)),
            _ => unreachable!("partials of one kernel have one kind of sums"),
        }
    }

    pub(crate) fn save(&self, to: &mut Saver) {
        match self {
            Sums::Narrow(sums) => sums.iter().for_each(|s| to.u64(*s as u64)),
            Sums::Wide(sums) => sums.iter().for_each(|s| to.u128(*s as u128)),
            Sums::Float(sums, _) => {
                for sum in sums {
                    sum.digits.iter().for_each(|d| to.u64(*d as u64));
                    to.u64(i64::from(sum.top) as u64);
                    to.u64(sum.special.into());
                }
            }
        }
    }

    /// Reads sums in the place of these.
    ///
    /// # Errors
    /// [`Error::Format`] for what [`save`](Sums::save) does not write.
    pub(crate) fn load(&mut self, from: &mut Loader<'_>) -> Result<()> {
        match self {
            Sums::Narrow(sums) => {
                for sum in sums {
                    *sum = from.u64()? as i64 % (1 << 62);
                }
            }
            Sums::Wide(sums) => {
                for sum in sums {
                    *sum = from.u128()? as i128 % (1 << 126);
                }
            }
            Sums::Float(sums, _) => {
                let wrong = |_| Error::Format("the saved state has a digit at no place".into());
                for sum in sums {
                    for digit in &mut sum.digits {
                        *digit = from.u64()? as i64 % (1 << 62);
                    }
                    sum.top = i16::try_from(from.u64()? as i64).map_err(wrong)?;
                    sum.special = from.u64()? as u8 & (NAN | POSITIVE | NEGATIVE);
                }
            }
        }
        Ok(())
    }
}
