//! [`Fixed`]: a wide two's-complement integer that counts units of a power of two.

use num_bigint::BigInt;
use outcrop_core::DataType;

/// A number of units of 2^`unit`, in two's complement, wide enough that no sum of 2^63 samples wraps.
///
/// Every finite sample of a type is a whole number of the type's units, so addition here is exact, commutative
/// and associative: the whole of the promise that partials merge in any order to the same bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    unit: i32,
    limbs: Vec<u64>,
}

impl Fixed {
    /// Zero, for sums of samples of that type.
    pub fn for_sum(dtype: DataType) -> Fixed {
        // Width: bits of the largest sample in units, 63 for the number of samples, 1 for the sign.
        let (unit, limbs) = match dtype {
            DataType::F64 => (-1074, 34),
            DataType::F32 => (-149, 6),
            DataType::F16 => (-24, 2),
            _ => (0, 2),
        };
        Fixed { unit, limbs: vec![0; limbs] }
    }

    /// Zero, for sums of squares of samples of that type. Its unit is the square of the sum's unit.
    pub fn for_squares(dtype: DataType) -> Fixed {
        let (unit, limbs) = match dtype {
            DataType::F64 => (-2148, 67),
            DataType::F32 => (-298, 10),
            DataType::F16 => (-48, 3),
            DataType::U64 | DataType::I64 => (0, 3),
            _ => (0, 2),
        };
        Fixed { unit, limbs: vec![0; limbs] }
    }

    /// The exponent of the unit: the value is a whole number times 2^`unit`.
    pub fn unit(&self) -> i32 {
        self.unit
    }

    /// Adds `v` shifted left by `shift` bits.
    pub fn add(&mut self, v: i128, shift: u32) {
        let (first, s) = ((shift / 64) as usize, shift % 64);
        let low = (v as u128) << s;
        let high = (v >> 1) >> (127 - s); // v >> (128 - s), and the sign alone where s is 0
        let words = [low as u64, (low >> 64) as u64, high as u64];
        self.add_words(first, &words, if v < 0 { u64::MAX } else { 0 });
    }

    /// Adds an unsigned number shifted left by `shift` bits.
    pub fn add_unsigned(&mut self, v: u128, shift: u32) {
        let (first, s) = ((shift / 64) as usize, shift % 64);
        let low = v << s;
        let high = (v >> 1) >> (127 - s);
        self.add_words(first, &[low as u64, (low >> 64) as u64, high as u64], 0);
    }

    /// Adds a finite f64 that is a whole number of units.
    pub fn add_f64(&mut self, v: f64) {
        if v == 0.0 {
            return;
        }
        let (significand, exponent) = decompose(v);
        self.add_at(significand.into(), exponent);
    }

    /// Adds `v * 2^exponent`, which is a whole number of units.
    pub(crate) fn add_at(&mut self, v: i128, exponent: i32) {
        let shift = exponent - self.unit;
        if shift >= 0 {
            self.add(v, shift as u32);
        } else {
            debug_assert!(v.trailing_zeros() as i32 >= -shift || v == 0, "no whole number of units");
            self.add(v >> (-shift).min(127), 0);
        }
    }

    /// Adds another number of the same unit and width.
    pub fn add_fixed(&mut self, other: &Fixed) {
        debug_assert_eq!((self.unit, self.limbs.len()), (other.unit, other.limbs.len()));
        self.add_words(0, &other.limbs, 0);
    }

    fn add_words(&mut self, first: usize, words: &[u64], fill: u64) {
        let mut carry = false;
        let mut words = words.iter();
        for limb in self.limbs.iter_mut().skip(first) {
            let word = match words.next() {
                Some(&w) => w,
                None if fill == 0 && !carry || fill != 0 && carry => return,
                None => fill,
            };
            (*limb, carry) = limb.carrying_add_(word, carry);
        }
    }

    /// The whole number of units.
    pub fn to_bigint(&self) -> BigInt {
        let bytes: Vec<u8> = self.limbs.iter().flat_map(|l| l.to_le_bytes()).collect();
        BigInt::from_signed_bytes_le(&bytes)
    }

    /// The limbs, least significant first.
    pub(crate) fn limbs(&self) -> &[u64] {
        &self.limbs
    }

    /// The limbs, least significant first.
    pub(crate) fn limbs_mut(&mut self) -> &mut [u64] {
        &mut self.limbs
    }
}

trait CarryingAdd: Sized {
    fn carrying_add_(self, other: Self, carry: bool) -> (Self, bool);
}

impl CarryingAdd for u64 {
    #[inline(always)]
    fn carrying_add_(self, other: u64, carry: bool) -> (u64, bool) {
        let (a, c1) = self.overflowing_add(other);
        let (b, c2) = a.overflowing_add(carry as u64);
        (b, c1 | c2)
    }
}

/// A finite f64 as a whole number times a power of two.
pub(crate) fn decompose(v: f64) -> (i64, i32) {
    let bits = v.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i32;
    let fraction = (bits & ((1 << 52) - 1)) as i64;
    let magnitude = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    (if v.is_sign_negative() { -magnitude } else { magnitude }, exponent.max(1) - 1075)
}

/// 2^e for -1074 <= e <= 1023.
pub(crate) fn power_of_two(e: i32) -> f64 {
    if e >= -1022 { f64::from_bits(((e + 1023) as u64) << 52) } else { f64::from_bits(1 << (e + 1074)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigUint;

    #[test]
    fn sums_equal_those_of_big_integers() {
        let mut fixed = Fixed::for_sum(DataType::F64);
        let mut big = BigInt::ZERO;
        let mut seed = 1u64;
        for i in 0..2000u32 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let v = ((seed as i64 as i128) << (i % 60)) * if i % 3 == 0 { -1 } else { 1 };
            let shift = (seed >> 40) as u32 % 2000;
            fixed.add(v, shift);
            big += BigInt::from(v) << shift;
            assert_eq!(fixed.to_bigint(), big);
        }
    }

    #[test]
    fn the_extremes_of_every_width_do_not_wrap() {
        let n = 1u64 << 63;
        for (dtype, largest) in [
            (DataType::F64, f64::MAX),
            (DataType::F32, f32::MAX as f64),
            (DataType::F16, 65504.0),
            (DataType::I64, -(2f64.powi(63))),
            (DataType::U32, u32::MAX as f64),
        ] {
            let (m, e) = decompose(largest);
            let mut sum = Fixed::for_sum(dtype);
            let total = i128::from(m) * i128::from(n);
            let shift = e - sum.unit();
            let expected = if shift >= 0 {
                sum.add(total, shift as u32);
                BigInt::from(total) << shift
            } else {
                sum.add(total >> -shift, 0);
                BigInt::from(total >> -shift)
            };
            assert_eq!(sum.to_bigint(), expected, "{dtype}");
            let square = BigUint::from(m.unsigned_abs()).pow(2) * n;
            let squares = Fixed::for_squares(dtype);
            let shift = 2 * e - squares.unit();
            let bits = square.bits() as i64 + i64::from(shift);
            assert!(bits < squares.limbs.len() as i64 * 64, "{dtype}: {bits}");
        }
    }
}
