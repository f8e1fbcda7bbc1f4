//! [`Rational`]: an exact quotient, rounded once to a floating-point or integer type.

use num_bigint::{BigInt, BigUint, Sign};
use outcrop_core::{DataType, Sample, Value};

/// The exact number `numerator / denominator * 2^exponent`.
#[derive(Clone, Debug)]
pub struct Rational {
    numerator: BigInt,
    denominator: BigUint,
    exponent: i64,
}

/// A binary floating-point format: bits of the significand, exponent of the smallest subnormal, and the exponent
/// of the power of two at which numbers become infinite.
#[derive(Clone, Copy)]
struct Format {
    bits: i64,
    least: i64,
    overflow: i32,
}

const F64: Format = Format { bits: 53, least: -1074, overflow: 1024 };
const F32: Format = Format { bits: 24, least: -149, overflow: 128 };
const F16: Format = Format { bits: 11, least: -24, overflow: 16 };

impl Rational {
    /// `numerator / denominator * 2^exponent`.
    ///
    /// # Panics
    /// If the denominator is zero.
    pub fn new(numerator: impl Into<BigInt>, denominator: impl Into<BigUint>, exponent: i64) -> Rational {
        let r = Rational { numerator: numerator.into(), denominator: denominator.into(), exponent };
        assert_ne!(r.denominator, BigUint::ZERO, "a quotient by zero");
        r
    }

    /// Numerator, denominator and exponent.
    pub(crate) fn parts(&self) -> (&BigInt, &BigUint, i64) {
        (&self.numerator, &self.denominator, self.exponent)
    }

    /// Rounded to nearest, ties to even; infinite where beyond the range.
    pub fn to_f64(&self) -> f64 {
        self.round(F64)
    }

    /// Rounded once to nearest, ties to even; infinite where beyond the range.
    pub fn to_f32(&self) -> f32 {
        self.round(F32) as f32
    }

    /// Rounded once to a sample type: floats as [`to_f64`](Rational::to_f64); integers half to even, saturating.
    pub fn to_sample<T: Sample>(&self) -> T {
        match T::DTYPE {
            DataType::F64 => T::from_f64(self.to_f64()),
            DataType::F32 => T::from_f64(self.round(F32)),
            DataType::F16 => T::from_f64(self.round(F16)),
            _ => {
                let whole = self.to_integer();
                match i128::try_from(&whole).ok().and_then(|i| Value::Int(i).to_sample::<T>()) {
                    Some(sample) => sample,
                    None if whole.sign() == Sign::Minus => T::from_f64(f64::NEG_INFINITY),
                    None => T::from_f64(f64::INFINITY),
                }
            }
        }
    }

    /// The nearest integer, half to even.
    pub fn to_integer(&self) -> BigInt {
        let (numerator, denominator) = self.over_one_power();
        let (q, r) = div_rem(numerator, &denominator);
        let twice = r << 1u8;
        let up = twice > denominator || twice == denominator && q.bit(0);
        BigInt::from_biguint(self.numerator.sign(), q + BigUint::from(up))
    }

    /// The square root, rounded once to f64; NaN for negative numbers.
    pub fn sqrt_to_f64(&self) -> f64 {
        match self.numerator.sign() {
            Sign::Minus => return f64::NAN,
            Sign::NoSign => return 0.0,
            Sign::Plus => {}
        }
        // A quotient of at least 128 bits and an even exponent; its root has at least 64 bits, the rest is sticky.
        let a = self.numerator.magnitude();
        let mut shift = (130 + self.denominator.bits() as i64 - a.bits() as i64).max(0);
        if (self.exponent - shift) % 2 != 0 {
            shift += 1;
        }
        let (q, r) = div_rem(a << shift as u64, &self.denominator);
        let root = q.sqrt();
        let exact = r == BigUint::ZERO && &root * &root == q;
        round(&root, !exact, (self.exponent - shift) / 2, F64)
    }

    fn round(&self, format: Format) -> f64 {
        let a = self.numerator.magnitude();
        if *a == BigUint::ZERO {
            return 0.0;
        }
        let shift = (66 + self.denominator.bits() as i64 - a.bits() as i64).max(0);
        let (q, r) = div_rem(a << shift as u64, &self.denominator);
        let v = round(&q, r != BigUint::ZERO, self.exponent - shift, format);
        if self.numerator.sign() == Sign::Minus { -v } else { v }
    }

    fn over_one_power(&self) -> (BigUint, BigUint) {
        let a = self.numerator.magnitude();
        if self.exponent >= 0 {
            (a << self.exponent as u64, self.denominator.clone())
        } else {
            (a.clone(), &self.denominator << self.exponent.unsigned_abs())
        }
    }
}

fn div_rem(a: BigUint, b: &BigUint) -> (BigUint, BigUint) {
    let q = &a / b;
    let r = a - &q * b;
    (q, r)
}

/// Rounds `q * 2^exponent`, plus something below one unit where `sticky`. `q` has more bits than the format
/// (64 at least) unless it is exact.
fn round(q: &BigUint, sticky: bool, exponent: i64, format: Format) -> f64 {
    let top = q.bits() as i64 - 1 + exponent;
    if top >= i64::from(format.overflow) {
        return f64::INFINITY;
    }
    let least = (top - (format.bits - 1)).max(format.least);
    let drop = least - exponent;
    let whole = if drop <= 0 {
        // Exact: fewer bits than the format has.
        u64::try_from(q << drop.unsigned_abs()).unwrap_or(u64::MAX)
    } else {
        let drop = drop as u64;
        let kept = u64::try_from(q >> drop).unwrap_or(u64::MAX);
        let half = q.bit(drop - 1);
        let rest = sticky || q.trailing_zeros().is_some_and(|z| z < drop - 1);
        kept + u64::from(half && (rest || kept & 1 == 1))
    };
    let v = whole as f64 * power_of_two(least as i32);
    if v >= power_of_two(format.overflow - 1) * 2.0 { f64::INFINITY } else { v }
}

/// 2^e for -1074 <= e <= 1023.
pub(crate) fn power_of_two(e: i32) -> f64 {
    if e >= -1022 { f64::from_bits(((e + 1023) as u64) << 52) } else { f64::from_bits(1 << (e + 1074)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn r(n: i128, d: u128, e: i64) -> Rational {
        Rational::new(n, d, e)
    }

    #[test]
    fn quotients_round_as_the_processor_does() {
        for (a, b) in [(1u32, 3u32), (2, 3), (10, 7), (1, 49), (4_294_967_295, 65_535), (1, 4_294_967_295)] {
            assert_eq!(r(a.into(), b.into(), 0).to_f64(), f64::from(a) / f64::from(b));
            assert_eq!(r(-i128::from(a), b.into(), 0).to_f64(), -(f64::from(a) / f64::from(b)));
            assert_eq!(r(a.into(), b.into(), 0).sqrt_to_f64().to_bits(), {
                // Correct here: the quotient's error does not reach the root's rounding in these cases.
                (f64::from(a) / f64::from(b)).sqrt().to_bits()
            });
        }
        assert_eq!(r((1 << 53) + 1, 1, 0).to_f64(), (1u64 << 53) as f64);
        assert_eq!(r((1 << 54) + 3, 1, 0).to_f64(), ((1u64 << 54) + 4) as f64);
        assert_eq!(r(i128::MAX, 1, 0).to_f64(), i128::MAX as f64);
    }

    #[test]
    fn the_ends_of_the_range_round_rightly() {
        assert_eq!(r(1, 1, -1074).to_f64(), 5e-324);
        assert_eq!(r(1, 2, -1074).to_f64(), 0.0);
        assert_eq!(r(3, 2, -1074).to_f64(), 1e-323);
        assert_eq!(r(2, 3, -1074).to_f64(), 5e-324);
        assert_eq!(r((1 << 53) - 1, 1, 971).to_f64(), f64::MAX);
        assert_eq!(r((1 << 54) - 1, 1, 970).to_f64(), f64::INFINITY);
        assert_eq!(r(1, 1, 5000).to_f64(), f64::INFINITY);
        assert_eq!(r((1 << 25) - 1, 1, 103).to_f32(), f32::INFINITY);
        assert_eq!(r(1, 1, -2148).sqrt_to_f64(), 5e-324);
        assert_eq!(r(1, 1, 2000).sqrt_to_f64(), 2f64.powi(1000));
        assert_eq!(r(2, 1, 0).sqrt_to_f64(), 2f64.sqrt());
    }

    #[test]
    fn samples_round_once_and_saturate() {
        // 1 + 2^-24 + 2^-60 is above a tie of f32; by way of f64 it would fall on the tie and to 1.
        assert_eq!(r((1 << 60) + (1 << 36) + 1, 1, -60).to_sample::<f32>(), 1.0 + f32::EPSILON);
        assert_eq!(r(5, 2, 0).to_sample::<u8>(), 2);
        assert_eq!(r(7, 2, 0).to_sample::<u8>(), 4);
        assert_eq!(r(-1, 1, 0).to_sample::<u8>(), 0);
        assert_eq!(r(-1000, 1, 0).to_sample::<i8>(), -128);
        assert_eq!(r(1, 1, 70).to_sample::<i64>(), i64::MAX);
        assert_eq!(r(u64::MAX.into(), 1, 0).to_sample::<u64>(), u64::MAX);
    }
}
