//! [`PowerSums`]: sums of the first four powers of deviations from a mean, the same bits in every order.
//!
//! Each power is rounded to f64 and to a multiple of 2^-61, a sum of those is exact. Deviations are in units near the
//! standard deviation, so the powers' means are near 1 or above, and 2^-60 is less than they are known to.

use outcrop_core::{DataType, Result};

use super::Fixed;
use super::float::{BLOCK, LANES, Split};
use crate::saved::{Loader, Saver};
use crate::simd::{self, Work};

/// Deviations below 2^BOUND are added in vectors: the fourth power is a multiple of 2^-61 below 2^24, and 24 + 61 bits
/// are no more than the 87 of a split sum.
const BOUND: i32 = 6;
/// Added and subtracted, this rounds what is below 2^-9 to a multiple of 2^-60. What is greater keeps 52 bits, none of them
/// below 2^-61.
const GRID: f64 = 1.5 / 256.0;

/// Sums of deviations, of their squares, cubes and fourth powers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PowerSums {
    /// Deviations added.
    pub(crate) n: u64,
    /// Those that are not finite, which are in no sum.
    pub(crate) special: u64,
    sums: [Fixed; 4],
}

impl PowerSums {
    pub(crate) fn new() -> PowerSums {
        let sums = std::array::from_fn(|_| Fixed::for_squares(DataType::F64));
        PowerSums { n: 0, special: 0, sums }
    }

    /// Bytes that the sums take.
    pub(crate) fn bytes() -> u64 {
        let limbs: usize = PowerSums::new().sums.iter().map(|s| s.limbs().len()).sum();
        (size_of::<PowerSums>() + 8 * limbs) as u64
    }

    /// Adds deviations.
    pub(crate) fn add(&mut self, deviations: &[f64]) {
        self.n += deviations.len() as u64;
        let (whole, rest) = deviations.split_at(deviations.len() / LANES * LANES);
        for block in whole.chunks(BLOCK) {
            let mut parts = None;
            simd::run(Powers { deviations: block, parts: &mut parts });
            match parts {
                Some(parts) => {
                    for (sum, parts) in self.sums.iter_mut().zip(parts) {
                        parts.iter().for_each(|&v| sum.add_f64(v));
                    }
                }
                None => block.iter().for_each(|&d| self.add_one(d)),
            }
        }
        rest.iter().for_each(|&d| self.add_one(d));
    }

    fn add_one(&mut self, d: f64) {
        let powers = powers(&[d]);
        if powers.as_flattened().iter().all(|p| p.is_finite()) {
            self.sums.iter_mut().zip(powers).for_each(|(sum, [p])| sum.add_f64(p));
        } else {
            self.special += 1;
        }
    }

    /// Adds the deviations of other sums, from the same mean.
    pub(crate) fn merge(&mut self, other: &PowerSums) {
        self.n += other.n;
        self.special += other.special;
        self.sums.iter_mut().zip(&other.sums).for_each(|(a, b)| a.add_fixed(b));
    }

    /// The means of the four powers; of at least one deviation, all finite.
    pub(crate) fn means(&self) -> [f64; 4] {
        std::array::from_fn(|i| {
            let sum = &self.sums[i];
            super::Rational::new(sum.to_bigint(), self.n, sum.unit().into()).to_f64()
        })
    }

    pub(crate) fn save(&self, to: &mut Saver) {
        [self.n, self.special].into_iter().for_each(|v| to.u64(v));
        self.sums.iter().flat_map(Fixed::limbs).for_each(|&l| to.u64(l));
    }

    pub(crate) fn load(from: &mut Loader<'_>) -> Result<PowerSums> {
        let mut sums = PowerSums::new();
        (sums.n, sums.special) = (from.count()?, from.count()?);
        for limb in sums.sums.iter_mut().flat_map(Fixed::limbs_mut) {
            *limb = from.u64()?;
        }
        Ok(sums)
    }
}

/// The first four powers of some deviations, each as it is added.
#[inline(always)]
fn powers<const N: usize>(d: &[f64; N]) -> [[f64; N]; 4] {
    let square: [f64; N] = std::array::from_fn(|i| d[i] * d[i]);
    let mut powers = [
        *d,
        square,
        std::array::from_fn(|i| square[i] * d[i]),
        std::array::from_fn(|i| square[i] * square[i]),
    ];
    powers.iter_mut().flatten().for_each(|p| *p = (*p + GRID) - GRID);
    powers
}

/// A block of deviations; `parts` are of the sums, where all are below the bound.
struct Powers<'a> {
    deviations: &'a [f64],
    parts: &'a mut Option<[[f64; 2]; 4]>,
}

impl Work for Powers<'_> {
    #[inline(always)]
    fn run(self) {
        let groups = self.deviations.as_chunks::<LANES>().0;
        let limit = f64::from(1 << BOUND);
        let beyond =
            |group: &[f64; LANES]| group.iter().fold(false, |any, d| any | (d.abs() >= limit) | d.is_nan());
        if groups.iter().fold(false, |any, group| any | beyond(group)) {
            return;
        }
        let mut sums = [1, 2, 3, 4].map(|power| Split::new(power * BOUND));
        for group in groups {
            sums.iter_mut().zip(powers(group)).for_each(|(sum, powers)| sum.add(&powers));
        }
        *self.parts = Some(sums.map(|sum| sum.parts()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_add_what_single_deviations_do() {
        let of = |i: u32| f64::from(i.wrapping_mul(2_654_435_761)) / 2f64.powi(26) - 32.0;
        let mut deviations: Vec<f64> = (0..5003).map(of).collect();
        deviations[7] = 1e-9;
        deviations[8] = -0.0;
        let mut one = PowerSums::new();
        deviations.iter().for_each(|d| one.add(&[*d]));
        let mut all = PowerSums::new();
        all.add(&deviations);
        assert_eq!(all, one);
        // Beyond the bound, and no numbers.
        for far in [64.0, -1e40, f64::INFINITY, f64::NAN, 1e100] {
            let mut one = one.clone();
            one.add(&[far]);
            let mut all = PowerSums::new();
            all.add(&[&deviations[..1000], &[far], &deviations[1000..]].concat());
            assert_eq!(all, one, "{far}");
        }
        let squares = deviations.iter().map(|d| d * d).sum::<f64>() / 5003.0;
        assert!((one.means()[1] / squares - 1.0).abs() < 1e-13);
    }
}
