//! [`Exact`]: a result held wide enough to be rounded once, to whatever sample type is wanted.

use num_bigint::{BigInt, BigUint, Sign};
use outcrop_core::{DataType, Sample, Value};

use crate::reduce::exact::decompose;

/// A number, or as many of its leading bits as decide how it rounds to any sample type.
///
/// Finite numbers are `±bits * 2^exponent`. Where a quotient or a root has more than about a hundred bits, the
/// rest is cut and the last bit kept is set (rounding to odd), so that a later rounding to 64 bits or fewer
/// gives what the whole number would have given.
/// Source: Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to
/// odd", IEEE Transactions on Computers 57 (2008).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Exact {
    /// A finite number.
    Finite {
        /// Whether it is below zero (or -0.0).
        negative: bool,
        /// The leading bits of its magnitude.
        bits: u128,
        /// The weight of the lowest of them, as a power of two.
        exponent: i64,
    },
    /// An infinity, or NaN.
    Special(f64),
}

impl Exact {
    /// The integer itself.
    pub fn int(value: i128) -> Exact {
        Exact::Finite { negative: value < 0, bits: value.unsigned_abs(), exponent: 0 }
    }

    /// The float itself.
    pub fn float(value: f64) -> Exact {
        if !value.is_finite() {
            return Exact::Special(value);
        }
        let (significand, exponent) = decompose(value);
        let bits = significand.unsigned_abs().into();
        Exact::Finite { negative: value.is_sign_negative(), bits, exponent: exponent.into() }
    }

    /// The sample itself.
    pub fn of<T: Sample>(sample: T) -> Exact {
        match Value::of(sample) {
            Value::Int(i) => Exact::int(i),
            Value::Float(f) => Exact::float(f),
        }
    }

    /// `numerator / denominator`; a denominator of 0 gives NaN.
    pub fn ratio(numerator: i128, denominator: u64) -> Exact {
        if denominator == 0 {
            return Exact::Special(f64::NAN);
        }
        if denominator > u64::from(u32::MAX) {
            return Exact::big_ratio(&numerator.into(), 0, &denominator.into());
        }
        let magnitude = numerator.unsigned_abs();
        let shift = magnitude.leading_zeros().min(127);
        let dividend = magnitude << shift;
        let (quotient, rest) = (dividend / u128::from(denominator), dividend % u128::from(denominator));
        let bits = quotient | u128::from(rest != 0);
        Exact::Finite { negative: numerator < 0, bits, exponent: -i64::from(shift) }
    }

    /// The number times 2^by; specials as they are.
    pub(crate) fn scaled(self, by: i64) -> Exact {
        match self {
            Exact::Finite { negative, bits, exponent } if bits != 0 => {
                Exact::Finite { negative, bits, exponent: exponent + by }
            }
            other => other,
        }
    }

    /// `numerator * 2^exponent / denominator`; a denominator of 0 gives NaN.
    pub fn big_ratio(numerator: &BigInt, exponent: i64, denominator: &BigUint) -> Exact {
        let negative = numerator.sign() == Sign::Minus;
        match divide(numerator.magnitude(), denominator, |length| 120 - length) {
            Some((quotient, shift, inexact)) => Exact::Finite {
                negative,
                bits: low_bits(&quotient) | u128::from(inexact),
                exponent: exponent - shift,
            },
            None => Exact::Special(f64::NAN),
        }
    }

    /// The square root of `numerator * 2^exponent / denominator`; a denominator of 0 gives NaN.
    pub fn root_of_ratio(numerator: &BigUint, exponent: i64, denominator: &BigUint) -> Exact {
        let odd = exponent.rem_euclid(2);
        let even = |length: i64| (240 - length).div_euclid(2) * 2;
        let Some((square, shift, inexact)) = divide(&(numerator << odd), denominator, even) else {
            return Exact::Special(f64::NAN);
        };
        let root = square.sqrt();
        let inexact = inexact || &root * &root != square;
        let bits = low_bits(&root) | u128::from(inexact);
        Exact::Finite { negative: false, bits, exponent: (exponent - odd - shift) / 2 }
    }

    /// The sample that the number rounds to: floats to nearest, ties to even; integers half to even, saturating,
    /// NaN to 0.
    pub fn round<T: Sample>(self) -> T {
        match (self, T::DTYPE) {
            (Exact::Special(v), _) => T::from_f64(v),
            (_, DataType::F64) => T::from_f64(self.to_f64()),
            (_, DataType::F32 | DataType::F16) => T::from_f64(self.f64_rounded(Rounding::Odd)),
            (_, _) => saturate(self.to_integer()),
        }
    }

    /// The nearest f64, ties to even.
    pub fn to_f64(self) -> f64 {
        self.f64_rounded(Rounding::NearestEven)
    }

    /// The nearest integer, ties to even, saturating at the ends of i128; NaN gives 0.
    pub fn to_integer(self) -> i128 {
        let (negative, bits, exponent) = match self {
            Exact::Special(v) => return v as i128,
            Exact::Finite { negative, bits, exponent } => (negative, bits, exponent),
        };
        let magnitude = if exponent >= 0 {
            match i64::from(bits.leading_zeros()) > exponent {
                true => bits << exponent,
                false if bits == 0 => 0,
                false => u128::MAX,
            }
        } else {
            shift_right(bits, exponent.unsigned_abs(), Rounding::NearestEven)
        };
        let magnitude = i128::try_from(magnitude).unwrap_or(i128::MAX);
        if negative { -magnitude } else { magnitude }
    }

    fn f64_rounded(self, rounding: Rounding) -> f64 {
        const LOWEST: i64 = -1074;
        let (negative, bits, exponent) = match self {
            Exact::Special(v) => return v,
            Exact::Finite { negative, bits, exponent } => (negative, bits, exponent),
        };
        let sign = u64::from(negative) << 63;
        if bits == 0 {
            return f64::from_bits(sign);
        }
        let top = 127 - i64::from(bits.leading_zeros()) + exponent;
        let unit = (top - 52).max(LOWEST);
        if top > 1023 {
            // Rounding to odd never reaches infinity; the largest f64 is odd.
            let largest = matches!(rounding, Rounding::Odd);
            return f64::from_bits(sign | (f64::INFINITY.to_bits() - u64::from(largest)));
        }
        let significand = match unit - exponent {
            up if up <= 0 => bits << -up,
            down => shift_right(bits, down.unsigned_abs(), rounding),
        };
        // A significand of 53 bits carries its leading one into the exponent's field; so does one that was rounded up.
        f64::from_bits(sign | ((((unit - LOWEST) as u64) << 52) + significand as u64))
    }
}

/// Which neighbour stands for what lies between.
#[derive(Clone, Copy)]
enum Rounding {
    NearestEven,
    Odd,
}

/// `bits / 2^by`, rounded.
fn shift_right(bits: u128, by: u64, rounding: Rounding) -> u128 {
    if by > 128 {
        return match rounding {
            Rounding::NearestEven => 0,
            Rounding::Odd => u128::from(bits != 0),
        };
    }
    let (whole, rest) = if by == 128 { (0, bits) } else { (bits >> by, bits & ((1 << by) - 1)) };
    let half = if by == 0 { 0 } else { 1 << (by - 1) };
    match rounding {
        Rounding::Odd => whole | u128::from(rest != 0),
        Rounding::NearestEven => {
            whole + u128::from(by > 0 && (rest > half || rest == half && whole & 1 == 1))
        }
    }
}

/// `n * 2^shift / d` in whole bits, where the shift is chosen from the length of the quotient; and whether a rest
/// was left.
fn divide(n: &BigUint, d: &BigUint, shift: impl Fn(i64) -> i64) -> Option<(BigUint, i64, bool)> {
    if d.bits() == 0 {
        return None;
    }
    let shift = shift(n.bits() as i64 - d.bits() as i64);
    let (n, d) = if shift >= 0 { (n << shift, d.clone()) } else { (n.clone(), d << -shift) };
    let quotient = &n / &d;
    let inexact = &quotient * &d != n;
    Some((quotient, shift, inexact))
}

/// A number of at most 128 bits.
fn low_bits(n: &BigUint) -> u128 {
    n.iter_u64_digits().take(2).enumerate().fold(0, |bits, (i, digit)| bits | u128::from(digit) << (64 * i))
}

/// The integer as a sample of an integer type, saturating.
pub(crate) fn saturate<T: Sample>(value: i128) -> T {
    let ends = [f64::NEG_INFINITY, f64::INFINITY].map(|v| T::from_f64(v));
    match ends.map(Value::of) {
        [Value::Int(low), _] if value <= low => ends[0],
        [_, Value::Int(high)] if value >= high => ends[1],
        _ => Value::Int(value).to_sample().unwrap_or(ends[1]),
    }
}

/// The sum of finite samples in units of 2^-1074, and how to add to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct BigSum(pub(crate) BigInt);

impl BigSum {
    /// The weight of one unit.
    pub(crate) const EXPONENT: i64 = -1074;

    /// A finite number in those units.
    pub(crate) fn units(value: Value) -> BigInt {
        match value {
            Value::Int(i) => BigInt::from(i) << 1074u32,
            Value::Float(f) => {
                let (significand, exponent) = decompose(f);
                BigInt::from(significand) << (exponent + 1074)
            }
        }
    }

    /// Adds a finite number.
    pub(crate) fn add(&mut self, value: Value) {
        self.0 += BigSum::units(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_core::f16;

    #[test]
    fn a_float_comes_back_as_it_was() {
        for v in [0.0, -0.0, 1.5, -1e308, f64::MAX, 5e-324, f64::MIN_POSITIVE, 1e-310, f64::INFINITY] {
            assert_eq!(Exact::float(v).to_f64().to_bits(), v.to_bits());
            assert_eq!(Exact::of(v).round::<f64>().to_bits(), v.to_bits());
        }
        assert!(Exact::float(f64::NAN).to_f64().is_nan());
    }

    #[test]
    fn quotients_round_once() {
        assert_eq!(Exact::ratio(1, 3).to_f64(), 1.0 / 3.0);
        assert_eq!(Exact::ratio(-7, 2).round::<i8>(), -4);
        assert_eq!(Exact::ratio(5, 2).round::<u8>(), 2);
        assert_eq!(Exact::ratio(-1, 1).round::<u8>(), 0);
        assert_eq!(Exact::ratio(3 * u64::MAX as i128, 3).round::<u64>(), u64::MAX);
        assert_eq!(Exact::ratio(3 * u64::MAX as i128 - 4, 3).round::<u64>(), u64::MAX - 1);
        // Just above the middle of two f32: going through the nearest f64 would lose the excess.
        let n = (1i128 << 100) + (1i128 << 76) + 1;
        assert_eq!(Exact::big_ratio(&n.into(), -100, &1u32.into()).round::<f32>(), 1.0 + f32::EPSILON);
        assert_eq!(Exact::ratio(1, 0).to_f64().to_bits(), f64::NAN.to_bits());
    }

    #[test]
    fn both_divisions_agree() {
        for n in [1i128, -17, 255 * 3, i128::from(u64::MAX) * 5, i128::MAX] {
            for d in [1u64, 3, 7, 1000, 1 << 31] {
                let (small, big) = (Exact::ratio(n, d), Exact::big_ratio(&n.into(), 0, &d.into()));
                assert_eq!(small.to_f64(), big.to_f64());
                assert_eq!(small.round::<f16>().to_bits(), big.round::<f16>().to_bits());
                assert_eq!(small.round::<u64>(), big.round::<u64>(), "{n}/{d}");
                assert_eq!(small.round::<i64>(), big.round::<i64>(), "{n}/{d}");
            }
        }
    }

    #[test]
    fn roots_are_rounded_once() {
        let root = |n: u64, e| Exact::root_of_ratio(&n.into(), e, &1u32.into());
        for (n, e) in [(2u64, 0i64), (3, 1), (9, 0), (1, -1074), (5, -2149), (u64::MAX, 7)] {
            if e > -1000 {
                assert_eq!(root(n, e).to_f64(), (n as f64 * 2f64.powi(e as i32)).sqrt());
            }
        }
        assert_eq!(root(1, -2148).to_f64(), 5e-324);
        assert_eq!(root(0, 0).to_f64(), 0.0);
    }

    #[test]
    fn the_ends_of_f64_are_reached() {
        let big = |bits: u128, exponent| Exact::Finite { negative: true, bits, exponent };
        assert_eq!(big(1, 1024).to_f64(), f64::NEG_INFINITY);
        assert_eq!(big((1 << 54) - 1, 970).to_f64(), f64::NEG_INFINITY);
        assert_eq!(big(1, 1024).round::<f32>(), f32::NEG_INFINITY);
        assert_eq!(big(u128::MAX, -1202).to_f64(), -5e-324);
        assert_eq!(big(1, -1075).to_f64().to_bits(), (-0.0f64).to_bits());
        assert_eq!(big(u128::MAX, 10).round::<i64>(), i64::MIN);
    }
}
