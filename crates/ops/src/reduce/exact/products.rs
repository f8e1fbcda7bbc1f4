//! Sums of products of two runs of samples, exact.
//!
//! As squares are in [`float`](super::float) and [`integer`](super::integer): floats as split sums on a grid that the
//! magnitudes of the two blocks decide, integers in lanes that cannot wrap.

use outcrop_core::{DataType, Sample, Value};

use super::Fixed;
use super::fixed::decompose;
use super::float::{BLOCK, LANES, Split, exponent};
use crate::simd::{self, Work};

/// Largest sum of two spreads of exponents for which products of f32 are exact: 39 + 48 <= 87.
const SPREAD_F32: i32 = 39;
/// The same for f64: 33 + 54 <= 87.
const SPREAD_F64: i32 = 33;
/// Exponents between which products of f64 and their errors neither overflow nor fall below the normal numbers.
const RANGE_F64: std::ops::RangeInclusive<i32> = -800..=1000;

/// Magnitudes of a block of finite floats: below 2^top, and where they are not 0 at least 2^(low - 1).
#[derive(Clone, Copy)]
struct Reach {
    top: i32,
    low: i32,
}

/// Magnitudes of samples: the largest, and the smallest that is not 0.
struct Scan<'a, T> {
    samples: &'a [T],
    out: &'a mut (f64, f64),
}

impl<T: Sample> Work for Scan<'_, T> {
    #[inline(always)]
    fn run(self) {
        let (mut most, mut least) = ([0f64; LANES], [f64::INFINITY; LANES]);
        let mut add = |i: usize, v: T| {
            let v = v.to_f64().abs();
            let positive = if v == 0.0 { f64::INFINITY } else { v };
            most[i] = if v > most[i] { v } else { most[i] };
            least[i] = if positive < least[i] { positive } else { least[i] };
        };
        let (groups, rest) = self.samples.as_chunks::<LANES>();
        groups.iter().for_each(|group| (0..LANES).for_each(|i| add(i, group[i])));
        rest.iter().for_each(|&v| add(0, v));
        *self.out = (most.into_iter().fold(0.0, f64::max), least.into_iter().fold(f64::INFINITY, f64::min));
    }
}

impl Reach {
    /// `None` where all samples are 0.
    fn of<T: Sample>(samples: &[T]) -> Option<Reach> {
        let mut out = (0.0, 0.0);
        simd::run(Scan { samples, out: &mut out });
        let (most, least) = out;
        (most > 0.0).then(|| Reach { top: exponent(most), low: exponent(least) })
    }
}

/// Adds the products of every two of these columns of finite samples, all of one length, to the sums of their pairs: (0,
/// 1), (0, 2), (1, 2), (0, 3) ...
pub(crate) fn add_products<T: Sample>(columns: &[Vec<T>], sums: &mut [Fixed]) {
    let len = columns.first().map_or(0, Vec::len);
    let mut reaches: Vec<Option<Reach>> = Vec::new();
    for start in (0..len).step_by(BLOCK) {
        let block = |c: usize| &columns[c][start..(start + BLOCK).min(len)];
        if T::DTYPE.is_float() {
            reaches.clear();
            reaches.extend((0..columns.len()).map(|c| Reach::of(block(c))));
        }
        let pairs = (1..columns.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
        for ((a, b), sum) in pairs.zip(&mut *sums) {
            if T::DTYPE.is_float() {
                let (Some(x), Some(y)) = (reaches[a], reaches[b]) else { continue };
                floats(block(a), block(b), Reach { top: x.top + y.top, low: x.low + y.low }, sum);
            } else {
                integers(block(a), block(b), sum);
            }
        }
    }
}

/// Adds products of floats whose magnitudes are below 2^top and, where they are not 0, at least 2^(low - 2).
fn floats<T: Sample>(a: &[T], b: &[T], reach: Reach, sum: &mut Fixed) {
    let Reach { top, low } = reach;
    let wide = T::DTYPE == DataType::F64;
    let exact = match wide {
        true => top - low <= SPREAD_F64 && RANGE_F64.contains(&top) && fused(),
        false => top - low <= SPREAD_F32,
    };
    let whole = if exact { a.len() / LANES * LANES } else { 0 };
    if whole > 0 {
        let mut parts = [0.0; 4];
        simd::run(Products { a: &a[..whole], b: &b[..whole], top, wide, parts: &mut parts });
        parts.iter().for_each(|&v| sum.add_f64(v));
    }
    for (a, b) in a[whole..].iter().zip(&b[whole..]) {
        if wide {
            let ((a, i), (b, j)) = (decompose(a.to_f64()), decompose(b.to_f64()));
            sum.add_at(i128::from(a) * i128::from(b), i + j);
        } else {
            // 24 bits times 24 bits: exact.
            sum.add_f64(a.to_f64() * b.to_f64());
        }
    }
}

/// Whether a fused multiply-add is an instruction.
fn fused() -> bool {
    cfg!(target_arch = "aarch64") || simd::detected()
}

struct Products<'a, T> {
    a: &'a [T],
    b: &'a [T],
    top: i32,
    wide: bool,
    parts: &'a mut [f64; 4],
}

impl<T: Sample> Work for Products<'_, T> {
    #[inline(always)]
    fn run(self) {
        let mut sum = Split::new(self.top);
        let mut errors = Split::new(if self.wide { self.top - 53 } else { 0 });
        for (a, b) in self.a.as_chunks::<LANES>().0.iter().zip(self.b.as_chunks::<LANES>().0) {
            let (a, b) = (a.map(T::to_f64), b.map(T::to_f64));
            let product: [f64; LANES] = std::array::from_fn(|i| a[i] * b[i]);
            sum.add(&product);
            if self.wide {
                errors.add(&std::array::from_fn(|i| a[i].mul_add(b[i], -product[i])));
            }
        }
        let ([a, b], [c, d]) = (sum.parts(), errors.parts());
        *self.parts = [a, b, c, d];
    }
}

/// Adds products of integers, at most [`BLOCK`].
fn integers<T: Sample>(a: &[T], b: &[T], sum: &mut Fixed) {
    macro_rules! lanes {
        ($t:ty) => {{
            let mut out = [0; 2];
            let (a, b) = (bytemuck::cast_slice::<T, $t>(a), bytemuck::cast_slice::<T, $t>(b));
            simd::run(Whole { a, b, out: &mut out });
            sum.add((i128::from(out[1]) << 32) + i128::from(out[0]), 0);
        }};
    }
    match T::DTYPE {
        DataType::U8 => lanes!(u8),
        DataType::I8 => lanes!(i8),
        DataType::U16 => lanes!(u16),
        DataType::I16 => lanes!(i16),
        DataType::U32 => lanes!(u32),
        DataType::I32 => lanes!(i32),
        _ => {
            for (&a, &b) in a.iter().zip(b) {
                if let (Value::Int(a), Value::Int(b)) = (Value::of(a), Value::of(b)) {
                    let product = a.unsigned_abs() * b.unsigned_abs();
                    match (a < 0) != (b < 0) {
                        true => sum.add(-(product as i128), 0), // signed types only: at most 2^126
                        false => sum.add_unsigned(product, 0),
                    }
                }
            }
        }
    }
}

/// Integers of up to 32 bits; the sums of their products, or of the lower and the upper 32 bits of those.
struct Whole<'a, N> {
    a: &'a [N],
    b: &'a [N],
    out: &'a mut [i64; 2],
}

impl<N: Sample + Into<i64>> Work for Whole<'_, N> {
    #[inline(always)]
    fn run(self) {
        const LOWER: i64 = 0xffff_ffff;
        let (mut low, mut high) = (0i64, 0i64);
        for (&a, &b) in self.a.iter().zip(self.b) {
            let (a, b): (i64, i64) = (a.into(), b.into());
            match N::DTYPE {
                DataType::U32 => {
                    let product = a as u64 * b as u64;
                    low += product as i64 & LOWER;
                    high += (product >> 32) as i64;
                }
                DataType::I32 => {
                    low += (a * b) & LOWER;
                    high += (a * b) >> 32;
                }
                _ => low += a * b,
            }
        }
        *self.out = [low, high];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigInt;
    use outcrop_core::with_dtype;

    /// The weight of the lowest bit of a product of two f64.
    const FLOOR: i32 = -2148;

    /// The sum of products one by one; of floats in units of 2^FLOOR.
    fn one_by_one<T: Sample>(a: &[T], b: &[T]) -> BigInt {
        let mut all = BigInt::ZERO;
        for (a, b) in a.iter().zip(b) {
            all += match (Value::of(*a), Value::of(*b)) {
                (Value::Int(a), Value::Int(b)) => BigInt::from(a) * b,
                (a, b) => {
                    let ((a, i), (b, j)) = (decompose(a.to_f64()), decompose(b.to_f64()));
                    (BigInt::from(a) * b) << (i + j - FLOOR) as usize
                }
            };
        }
        all
    }

    #[test]
    fn blocks_add_what_single_products_do() {
        for (dtype, binades) in DataType::ALL.into_iter().flat_map(|d| [0, 4, 12, 30, 200].map(|b| (d, b))) {
            with_dtype!(dtype, T => {
                let one = |i: u32, seed: u32| {
                    let bits = i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 3;
                    let size = (f64::from(bits % 1000) / 1000.0 * f64::from(binades)).exp2();
                    let v = (f64::from(bits) - 2f64.powi(28)) / 2f64.powi(28) * size * 100.0;
                    match bits % 17 {
                        0 => T::default(),
                        1 => T::from_f64(if T::DTYPE.is_float() { 1.0 } else { 1e300 }),
                        2 if !T::DTYPE.is_float() => T::from_f64(-1e300),
                        _ => T::from_f64(v.clamp(-60000.0, 6e4 * size)),
                    }
                };
                let finite = |v: T| if v.to_f64().is_finite() { v } else { T::default() };
                let column = |seed| -> Vec<T> { (0..2500).map(|i| finite(one(i, seed))).collect() };
                let columns = [1, 77, 4096].map(column);
                let mut sums = vec![Fixed::for_squares(dtype); 3];
                add_products(&columns, &mut sums);
                for (sum, (a, b)) in sums.iter().zip([(0, 1), (0, 2), (1, 2)]) {
                    let shift = if dtype.is_float() { sum.unit() - FLOOR } else { 0 };
                    let got = sum.to_bigint() << shift as usize;
                    assert_eq!(got, one_by_one(&columns[a], &columns[b]), "{dtype} {binades}");
                }
            });
        }
    }
}
