//! [`Rational`]: an exact quotient, not evaluated yet. [`Exact`] rounds it.

use crate::exact::Exact;
use num_bigint::{BigInt, BigUint, Sign};

/// The exact number `numerator / denominator * 2^exponent`.
#[derive(Clone, Debug)]
pub struct Rational {
    numerator: BigInt,
    denominator: BigUint,
    exponent: i64,
}

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

    /// The quotient over `n`.
    ///
    /// # Panics
    /// If `n` is zero.
    pub fn divided_by(self, n: u64) -> Rational {
        Rational::new(self.numerator, self.denominator * n, self.exponent)
    }

    /// As many leading bits as decide how the quotient rounds.
    pub fn exact(&self) -> Exact {
        Exact::big_ratio(&self.numerator, self.exponent, &self.denominator)
    }

    /// The same of its square root; NaN for negative numbers.
    pub fn root(&self) -> Exact {
        match self.numerator.sign() {
            Sign::Minus => Exact::Special(f64::NAN),
            _ => Exact::root_of_ratio(self.numerator.magnitude(), self.exponent, &self.denominator),
        }
    }

    /// Rounded to nearest, ties to even; infinite where beyond the range.
    pub fn to_f64(&self) -> f64 {
        self.exact().to_f64()
    }

    /// The square root, rounded once to f64; NaN for negative numbers.
    pub fn sqrt_to_f64(&self) -> f64 {
        self.root().to_f64()
    }
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
        assert_eq!(r((1 << 25) - 1, 1, 103).exact().round::<f32>(), f32::INFINITY);
        assert_eq!(r(1, 1, -2148).sqrt_to_f64(), 5e-324);
        assert_eq!(r(1, 1, 2000).sqrt_to_f64(), 2f64.powi(1000));
        assert_eq!(r(2, 1, 0).sqrt_to_f64(), 2f64.sqrt());
    }

    #[test]
    fn samples_round_once_and_saturate() {
        // 1 + 2^-24 + 2^-60 is above a tie of f32; by way of f64 it would fall on the tie and to 1.
        assert_eq!(r((1 << 60) + (1 << 36) + 1, 1, -60).exact().round::<f32>(), 1.0 + f32::EPSILON);
        assert_eq!(r(5, 2, 0).exact().round::<u8>(), 2);
        assert_eq!(r(7, 2, 0).exact().round::<u8>(), 4);
        assert_eq!(r(-1, 1, 0).exact().round::<u8>(), 0);
        assert_eq!(r(-1000, 1, 0).exact().round::<i8>(), -128);
        assert_eq!(r(1, 1, 70).exact().round::<i64>(), i64::MAX);
        assert_eq!(r(u64::MAX.into(), 1, 0).exact().round::<u64>(), u64::MAX);
    }
}
