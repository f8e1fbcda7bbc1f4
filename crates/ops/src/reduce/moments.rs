//! [`Moments`]: skewness and kurtosis.
//!
//! Types of up to 16 bits are counted, one counter for each value, and evaluated exactly in the first pass. Wider
//! ones take a second pass about the mean: powers of each deviation are rounded to f64, their sums are exact, so the
//! result still does not depend on chunks or threads.

use ndarray::{ArrayView3, s};
use num_bigint::BigInt;
use outcrop_core::{Chunk, DataType, Reduce, Result, Sample, f16, with_pixels};

use super::exact::{ExactSums, Rational, Scratch, decompose, fold, power_of_two};
use super::stats::ChannelStats;
use crate::saved::{Loader, Saver};
use crate::validity::{Bound, NanPolicy, Validity, keep};

const NAME: &str = "outcrop moments";
const VERSION: u32 = 1;

/// Skewness and kurtosis of each selected channel.
#[derive(Clone, Debug)]
pub struct Moments {
    validity: Validity,
    /// Centre and scale of each channel in a second pass; empty where values are counted.
    about: Vec<(f64, f64)>,
}

/// The state of [`Moments`] over some chunks.
#[derive(Clone, Debug, PartialEq)]
pub enum MomentsPartial {
    /// For each channel, how often each bit pattern occurs.
    Counts(Vec<Vec<u64>>),
    /// For each channel, sums of the scaled deviations, of their squares and of their cubes.
    About(Vec<[ExactSums; 3]>),
}

/// The shape of a distribution, of the population (not corrected for bias). `None` over no samples and where the
/// variance is 0; NaN where a sample is not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// The third central moment divided by the cube of the standard deviation.
    pub skewness: Option<f64>,
    /// The fourth central moment divided by the square of the variance, less 3 (Fisher's, 0 for a normal
    /// distribution).
    pub kurtosis: Option<f64>,
}

const UNDEFINED: Shape = Shape { skewness: None, kurtosis: None };
const SPECIAL: Shape = Shape { skewness: Some(f64::NAN), kurtosis: Some(f64::NAN) };

impl Moments {
    /// By counting, in the first pass; `None` for types of more than 16 bits.
    pub fn counting(validity: Validity) -> Option<Moments> {
        (validity.dtype().bytes() <= 2).then_some(Moments { validity, about: Vec::new() })
    }

    /// By a second pass about the means that a first pass with the same rules has found.
    ///
    /// # Panics
    /// If there are not as many statistics as channels.
    pub fn about(validity: Validity, first: &[ChannelStats]) -> Moments {
        assert_eq!(first.len(), validity.channels(), "statistics of each channel");
        let about = first.iter().map(|s| {
            let finite = |v: Option<f64>| v.filter(|v| v.is_finite());
            // A power of two near 1 / std, so that fourth powers stay in range; multiplying by it is exact.
            let std = finite(s.std(0)).filter(|&v| v > 0.0).unwrap_or(1.0);
            (finite(s.mean).unwrap_or(0.0), power_of_two(-(std.log2() as i32).clamp(-1000, 1000)))
        });
        Moments { about: about.collect(), validity }
    }

    /// The shape of each channel.
    pub fn finish(&self, partial: &MomentsPartial) -> Vec<Shape> {
        match partial {
            MomentsPartial::Counts(tables) => tables.iter().map(|t| self.of_counts(t)).collect(),
            MomentsPartial::About(sums) => sums.iter().map(of_deviations).collect(),
        }
    }

    /// The shape of all channels as one. A second pass must have been about the figures of all channels as one, the
    /// same for each.
    pub fn finish_pooled(&self, partial: &MomentsPartial) -> Shape {
        match partial {
            MomentsPartial::Counts(tables) => {
                let mut all = vec![0; tables.first().map_or(0, Vec::len)];
                tables.iter().for_each(|t| all.iter_mut().zip(t).for_each(|(a, b)| *a += b));
                self.of_counts(&all)
            }
            MomentsPartial::About(sums) => {
                let mut all = [const { DataType::F64 }; 3].map(ExactSums::new);
                for sums in sums {
                    all.iter_mut().zip(sums).for_each(|(a, b)| a.merge(b));
                }
                of_deviations(&all)
            }
        }
    }

    /// Exact, and rounded once.
    fn of_counts(&self, table: &[u64]) -> Shape {
        let mut sums = [const { BigInt::ZERO }; 5];
        for (bits, &count) in table.iter().enumerate().filter(|(_, c)| **c > 0) {
            let value = match self.validity.dtype() {
                DataType::U8 | DataType::U16 => bits as i64,
                DataType::I8 => (bits as u8 as i8).into(),
                DataType::I16 => (bits as u16 as i16).into(),
                _ => match f16::from_bits(bits as u16) {
                    v if v.is_finite() => {
                        let (significand, exponent) = decompose(v.to_f64());
                        let shift = exponent + 24; // in units of the smallest f16
                        // Zero has the exponent of the smallest f64.
                        match shift < 0 {
                            true => significand.checked_shr(shift.unsigned_abs()).unwrap_or(0),
                            false => significand << shift,
                        }
                    }
                    v if v.is_nan() && self.validity.nan() == NanPolicy::Omit => continue,
                    _ => return SPECIAL,
                },
            };
            let mut power = BigInt::from(count);
            for sum in &mut sums {
                *sum += &power;
                power *= value;
            }
        }
        let [n, s1, s2, s3, s4] = &sums;
        let (s1s1, nn) = (s1 * s1, n * n);
        // Central moments times n^2, n^3, n^4.
        let m2: BigInt = n * s2 - &s1s1;
        if m2 == BigInt::ZERO {
            return UNDEFINED;
        }
        let m3: BigInt = &nn * s3 - n * s1 * s2 * 3 + &s1s1 * s1 * 2;
        let m4: BigInt = n * &nn * s4 - &nn * s1 * s3 * 4 + n * &s1s1 * s2 * 6 - &s1s1 * &s1s1 * 3;
        let m2m2 = &m2 * &m2;
        let size = Rational::new(&m3 * &m3, (&m2m2 * &m2).magnitude().clone(), 0).sqrt_to_f64();
        let excess = Rational::new(m4 - &m2m2 * 3, m2m2.magnitude().clone(), 0).to_f64();
        Shape { skewness: Some(if m3 < BigInt::ZERO { -size } else { size }), kurtosis: Some(excess) }
    }

    fn fold_typed<T: Sample>(
        &self,
        partial: &mut MomentsPartial,
        bound: &Bound<'_, '_>,
        view: ArrayView3<'_, T>,
    ) {
        let mut classes = Vec::new();
        let mut kept: Vec<T> = Vec::new();
        let mut powers: [Vec<f64>; 3] = Default::default();
        let mut scratch: [Scratch; 3] = Default::default();
        for c in 0..view.dim().2 {
            for y in 0..view.dim().0 {
                let row = view.slice(s![y, .., c]);
                bound.classify(c, y, row, &mut classes);
                kept.clear();
                keep(&mut kept, row, &classes);
                match partial {
                    MomentsPartial::Counts(tables) => match T::DTYPE.bytes() {
                        1 => count::<T, u8>(&kept, &mut tables[c]),
                        _ => count::<T, u16>(&kept, &mut tables[c]),
                    },
                    MomentsPartial::About(sums) => {
                        let (centre, scale) = self.about[c];
                        powers.iter_mut().for_each(Vec::clear);
                        for v in &kept {
                            let d = v.to_f64() * scale - centre * scale;
                            powers[0].push(d);
                            powers[1].push(d * d);
                            powers[2].push(d * d * d);
                        }
                        for ((sums, powers), scratch) in sums[c].iter_mut().zip(&powers).zip(&mut scratch) {
                            fold(powers, None, sums, &mut None, scratch);
                            scratch.drain(sums);
                        }
                    }
                }
            }
        }
    }
}

/// Counts bit patterns of samples as large as `B`.
fn count<T: Sample, B: Sample + Into<usize>>(samples: &[T], table: &mut [u64]) {
    for &bits in bytemuck::cast_slice::<T, B>(samples) {
        table[bits.into()] += 1;
    }
}

/// The shape from sums of d, d^2 and d^3, and of the squares of d^2, where d is about nearly the mean.
fn of_deviations([one, two, three]: &[ExactSums; 3]) -> Shape {
    let sums = [one, two, three];
    if sums.iter().any(|s| s.nan() > 0 || s.infinities() != (0, 0)) {
        return SPECIAL;
    }
    let (Some(variance), Some(e)) = (one.variance(0), one.mean()) else { return UNDEFINED };
    if variance == 0.0 {
        return UNDEFINED;
    }
    let mean = |sum: Rational| sum.to_f64() / one.n() as f64;
    let (s2, s3, s4) = (mean(one.squares_ratio()), mean(three.sum_ratio()), mean(two.squares_ratio()));
    // The mean that deviations were taken about was rounded: what is left of it, e, is taken out.
    let m3 = s3 - 3.0 * e * s2 + 2.0 * e * e * e;
    let m4 = s4 - 4.0 * e * s3 + 6.0 * e * e * s2 - 3.0 * e * e * e * e;
    Shape {
        skewness: Some(m3 / (variance * variance.sqrt())),
        kurtosis: Some(m4 / (variance * variance) - 3.0),
    }
}

impl Reduce for Moments {
    type Partial = MomentsPartial;

    fn start(&self) -> MomentsPartial {
        let channels = self.validity.channels();
        match self.about.is_empty() && self.validity.dtype().bytes() <= 2 {
            true => {
                let patterns = 1usize << (8 * self.validity.dtype().bytes());
                MomentsPartial::Counts(vec![vec![0; patterns]; channels])
            }
            false => {
                let empty = [const { DataType::F64 }; 3].map(ExactSums::new);
                MomentsPartial::About(vec![empty; channels])
            }
        }
    }

    fn partial_bytes(&self) -> u64 {
        let one = match self.about.is_empty() && self.validity.dtype().bytes() <= 2 {
            true => 8u64 << (8 * self.validity.dtype().bytes()),
            false => 3 * ExactSums::bytes(DataType::F64),
        };
        one.saturating_mul(self.validity.channels() as u64)
    }

    fn fold(&self, partial: &mut MomentsPartial, chunk: &Chunk<'_>) -> Result<()> {
        let bound = self.validity.bind(chunk)?;
        with_pixels!(chunk.inputs[0].pixels, view => self.fold_typed(partial, &bound, view));
        Ok(())
    }

    fn merge(&self, partial: &mut MomentsPartial, other: MomentsPartial) {
        match (partial, other) {
            (MomentsPartial::Counts(a), MomentsPartial::Counts(b)) => {
                a.iter_mut().flatten().zip(b.iter().flatten()).for_each(|(a, b)| *a += b);
            }
            (MomentsPartial::About(a), MomentsPartial::About(b)) => {
                a.iter_mut().flatten().zip(b.iter().flatten()).for_each(|(a, b)| a.merge(b));
            }
            _ => debug_assert!(false, "partials of two kinds"),
        }
    }

    fn save(&self, partial: &MomentsPartial) -> Vec<u8> {
        let mut to = Saver::new(NAME, VERSION);
        to.dtype(self.validity.dtype());
        to.u64(self.validity.channels() as u64);
        for (centre, scale) in &self.about {
            to.f64(*centre);
            to.f64(*scale);
        }
        match partial {
            MomentsPartial::Counts(tables) => tables.iter().flatten().for_each(|&c| to.u64(c)),
            MomentsPartial::About(sums) => sums.iter().flatten().for_each(|s| s.save(&mut to)),
        }
        to.finish()
    }

    fn load(&self, bytes: &[u8]) -> Result<MomentsPartial> {
        let mut from = Loader::new(bytes, NAME, VERSION)?;
        from.expect_dtype(self.validity.dtype())?;
        from.expect_u64(self.validity.channels() as u64, "channels")?;
        for (centre, scale) in &self.about {
            from.expect_u64(centre.to_bits(), "a centre (as bits) of")?;
            from.expect_u64(scale.to_bits(), "a scale (as bits) of")?;
        }
        let mut partial = self.start();
        match &mut partial {
            MomentsPartial::Counts(tables) => {
                for count in tables.iter_mut().flatten() {
                    *count = from.count()?;
                }
            }
            MomentsPartial::About(sums) => {
                for sums in sums.iter_mut().flatten() {
                    *sums = ExactSums::load(DataType::F64, &mut from)?;
                }
            }
        }
        from.finish()?;
        Ok(partial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reduce::Stats;
    use outcrop_core::{Pixels, Read, Rect, with_dtype};

    fn run<R: Reduce, T: Sample>(kernel: &R, samples: &[T], cut: usize) -> R::Partial {
        let mut all = kernel.start();
        for part in samples.chunks(cut) {
            let pixels = Pixels::contiguous(part, [1, part.len(), 1]).unwrap();
            let rect = Rect::of_size(1, part.len() as u64);
            let mut partial = kernel.start();
            let inputs = [Read { pixels, holes: &[] }];
            kernel.fold(&mut partial, &Chunk { index: 0, rect, inputs: &inputs }).unwrap();
            kernel.merge(&mut all, kernel.load(&kernel.save(&partial)).unwrap());
        }
        all
    }

    fn second_pass<T: Sample>(samples: &[T], cut: usize) -> Shape {
        let validity = Validity::all(T::DTYPE, 1);
        let stats = Stats::new(validity.clone());
        let moments = Moments::about(validity, &stats.finish(&run(&stats, samples, cut)));
        moments.finish(&run(&moments, samples, cut))[0]
    }

    /// 1 2 3 10: deviations -3 -2 -1 6, so m2 = 12.5, m3 = 45, m4 = 348.5.
    #[test]
    fn every_type_gives_the_shape_worked_by_hand() {
        let (skewness, kurtosis) = (45.0 / 12.5f64.powf(1.5), 348.5 / 156.25 - 3.0);
        for dtype in DataType::ALL {
            with_dtype!(dtype, T => {
                let samples = [1.0, 2.0, 3.0, 10.0].map(T::from_f64);
                let s = second_pass(&samples, 4);
                let close = |a: Option<f64>, b: f64| (a.unwrap() - b).abs() < 4e-16;
                assert!(close(s.skewness, skewness) && close(s.kurtosis, kurtosis), "{dtype} {s:?}");
                if let Some(m) = Moments::counting(Validity::all(dtype, 1)) {
                    let s = m.finish(&run(&m, &samples, 3))[0];
                    assert!(close(s.skewness, skewness) && close(s.kurtosis, kurtosis), "{dtype} {s:?}");
                }
            });
        }
    }

    /// Counting is exact; the second pass is within its tolerance of it, far from zero as well.
    #[test]
    fn both_ways_agree() {
        let samples: Vec<u16> = (0..5000u32).map(|i| 60_000 + (i * i % 4099) as u16).collect();
        let m = Moments::counting(Validity::all(DataType::U16, 1)).unwrap();
        let exact = m.finish(&run(&m, &samples, 777))[0];
        let wide: Vec<f64> = samples.iter().map(|&v| f64::from(v) * 1e280).collect();
        let near = second_pass(&wide, 5000);
        assert!((near.skewness.unwrap() - exact.skewness.unwrap()).abs() < 1e-13);
        assert!((near.kurtosis.unwrap() - exact.kurtosis.unwrap()).abs() < 1e-13);
        assert_eq!(second_pass(&wide, 91), near);
    }

    #[test]
    fn shapes_of_nothing_constants_and_infinities_are_said() {
        assert_eq!(second_pass::<f32>(&[], 1), UNDEFINED);
        assert_eq!(second_pass(&[7.1f64; 9], 2), UNDEFINED);
        assert!(second_pass(&[1.0, f64::INFINITY], 2).skewness.unwrap().is_nan());
        let m = Moments::counting(Validity::all(DataType::F16, 1)).unwrap();
        let of = |v: &[f32]| {
            let samples: Vec<f16> = v.iter().map(|&v| f16::from_f32(v)).collect();
            m.finish(&run(&m, &samples, 5))[0]
        };
        assert_eq!(of(&[f32::NAN, 2.0, 2.0]), UNDEFINED);
        assert_eq!(of(&[f32::NAN, 1.0, 2.0]), Shape { skewness: Some(0.0), kurtosis: Some(-2.0) });
        assert!(of(&[f32::INFINITY, 2.0]).kurtosis.unwrap().is_nan());
        assert!(Moments::counting(Validity::all(DataType::F32, 1)).is_none());
    }
}
