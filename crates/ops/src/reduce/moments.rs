//! [`Moments`]: skewness and kurtosis.
//!
//! Types of up to 16 bits are counted, one counter for each value, and evaluated exactly in the first pass. Wider
//! ones take a second pass about the mean: powers of each deviation are rounded, their sums are exact, so the
//! result still does not depend on chunks or threads.

use std::borrow::Cow;

use ndarray::s;
use num_bigint::BigInt;
use outcrop_core::{Chunk, Reduce, Result, Sample, Value, with_dtype};

use super::exact::{PowerSums, Rational, decompose, power_of_two};
use super::key::value;
use super::percentile_pass::{PercentilePartial, PercentilePass};
use super::rows::{append_channel, rows};
use super::stats::ChannelStats;
use crate::saved::{Loader, Saver};
use crate::simd::{self, Work};
use crate::validity::{NanPolicy, Validity, keep};

/// Samples whose deviations are held at once.
const HELD: usize = 4096;
const NAME: &str = "outcrop moments";
const VERSION: u32 = 2;

/// Skewness and kurtosis of each selected channel.
#[derive(Clone, Debug)]
pub struct Moments {
    validity: Validity,
    how: How,
}

#[derive(Clone, Debug)]
enum How {
    /// The pass of percentiles that counts whole samples.
    Counting(PercentilePass),
    /// Centre and scale of each channel in a second pass.
    About(Vec<(f64, f64)>),
}

/// The state of [`Moments`] over some chunks.
#[derive(Clone, Debug, PartialEq)]
pub enum MomentsPartial {
    /// How often each value of each channel occurs.
    Counts(PercentilePartial),
    /// For each channel, sums of powers of the scaled deviations.
    About(Vec<PowerSumsPartial>),
}

/// Sums of the powers of one channel's deviations.
#[derive(Clone, Debug, PartialEq)]
pub struct PowerSumsPartial(PowerSums);

/// How often each value of samples of up to 16 bits occurs.
pub(super) struct Counted<'a> {
    /// Channel by channel, by the samples' keys.
    pub(super) counts: Cow<'a, [u64]>,
    /// NaN samples of each channel.
    pub(super) nan: Cow<'a, [u64]>,
    /// Counters of a channel.
    pub(super) size: usize,
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
        let pass = PercentilePass::of_values(&validity)?;
        Some(Moments { validity, how: How::Counting(pass) })
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
        Moments { how: How::About(about.collect()), validity }
    }

    /// What was counted; `None` in a second pass.
    ///
    /// # Errors
    /// [`outcrop_core::Error::Usage`] where the partial is of other channels.
    pub(super) fn counted<'a>(&self, partial: &'a MomentsPartial) -> Result<Option<Counted<'a>>> {
        let (How::Counting(pass), MomentsPartial::Counts(partial)) = (&self.how, partial) else {
            return Ok(None);
        };
        let (counts, nan) = pass.totals(partial)?;
        Ok(Some(Counted { counts, nan, size: 1 << pass.digit }))
    }

    /// The shape of each channel.
    ///
    /// # Errors
    /// [`outcrop_core::Error::Usage`] where the partial is of another pass.
    pub fn finish(&self, partial: &MomentsPartial) -> Result<Vec<Shape>> {
        Ok(match partial {
            MomentsPartial::About(sums) => sums.iter().map(|sums| of_deviations(&sums.0)).collect(),
            MomentsPartial::Counts(_) => {
                let Some(Counted { counts, nan, size }) = self.counted(partial)? else {
                    return Ok(Vec::new());
                };
                counts.chunks_exact(size).zip(&*nan).map(|(t, &nan)| self.of_counts(t, nan)).collect()
            }
        })
    }

    /// The shape of all channels as one. A second pass must have been about the figures of all channels as one, the
    /// same for each.
    ///
    /// # Errors
    /// As [`finish`](Moments::finish).
    pub fn finish_pooled(&self, partial: &MomentsPartial) -> Result<Shape> {
        Ok(match partial {
            MomentsPartial::About(sums) => {
                let mut all = PowerSums::new();
                sums.iter().for_each(|sums| all.merge(&sums.0));
                of_deviations(&all)
            }
            MomentsPartial::Counts(_) => {
                let Some(Counted { counts, nan, size }) = self.counted(partial)? else {
                    return Ok(UNDEFINED);
                };
                self.of_counts(&pooled(&counts, size), nan.iter().sum())
            }
        })
    }

    /// Exact, and rounded once.
    fn of_counts(&self, table: &[u64], nan: u64) -> Shape {
        if nan > 0 && self.validity.nan() == NanPolicy::Propagate {
            return SPECIAL;
        }
        let mut sums = [const { BigInt::ZERO }; 5];
        for (key, &count) in table.iter().enumerate().filter(|(_, c)| **c > 0) {
            let value = match with_dtype!(self.validity.dtype(), T => value::<T>(key as u64)) {
                Value::Int(i) => i as i64, // of up to 16 bits
                Value::Float(v) if v.is_finite() => {
                    let (significand, exponent) = decompose(v);
                    let shift = exponent + 24; // in units of the smallest f16
                    // Zero has the exponent of the smallest f64.
                    match shift < 0 {
                        true => significand.checked_shr(shift.unsigned_abs()).unwrap_or(0),
                        false => significand << shift,
                    }
                }
                Value::Float(_) => return SPECIAL,
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

    fn fold_about<T: Sample>(
        &self,
        about: &[(f64, f64)],
        sums: &mut [PowerSumsPartial],
        chunk: &Chunk<'_>,
    ) -> Result<()> {
        let mut kept: Vec<T> = Vec::new();
        let mut deviations: Vec<f64> = Vec::new();
        let view = chunk.inputs.first().and_then(|image| image.pixels.typed::<T>());
        rows::<T>(&self.validity, chunk, |[y, x], c, samples, classes| {
            kept.clear();
            match (classes, &view) {
                (Some(classes), _) => keep(&mut kept, samples, classes),
                (None, Some(view)) => {
                    append_channel(&mut kept, view.slice(s![y, x..x + samples.len(), ..]), c);
                }
                (None, None) => kept.extend(samples),
            }
            if self.validity.nan() == NanPolicy::Omit && kept.iter().fold(false, |any, v| any | v.is_nan()) {
                kept.retain(|v| !v.is_nan());
            }
            let (centre, scale) = about[c];
            for held in kept.chunks(HELD) {
                deviations.resize(held.len(), 0.0);
                simd::run(Deviations { samples: held, centre, scale, out: &mut deviations });
                sums[c].0.add(&deviations);
            }
            Ok(())
        })
    }
}

/// Samples' differences from a centre, in units of 1 / scale.
struct Deviations<'a, T> {
    samples: &'a [T],
    centre: f64,
    scale: f64,
    out: &'a mut [f64],
}

impl<T: Sample> Work for Deviations<'_, T> {
    #[inline(always)]
    fn run(self) {
        let (scale, centre) = (self.scale, self.centre * self.scale);
        self.out.iter_mut().zip(self.samples).for_each(|(d, v)| *d = v.to_f64() * scale - centre);
    }
}

/// The counters of all channels as one.
pub(super) fn pooled(counts: &[u64], size: usize) -> Vec<u64> {
    let mut all = vec![0; size];
    for table in counts.chunks_exact(size) {
        all.iter_mut().zip(table).for_each(|(a, b)| *a += b);
    }
    all
}

/// The shape from the sums of powers of deviations from nearly the mean.
fn of_deviations(sums: &PowerSums) -> Shape {
    if sums.special > 0 {
        return SPECIAL;
    }
    if sums.n == 0 {
        return UNDEFINED;
    }
    // The mean that deviations were taken from was rounded: what is left of it, e, is taken out.
    let [e, s2, s3, s4] = sums.means();
    let variance = s2 - e * e;
    if variance <= 0.0 {
        return UNDEFINED;
    }
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
        match &self.how {
            How::Counting(pass) => MomentsPartial::Counts(pass.start()),
            How::About(about) => MomentsPartial::About(vec![PowerSumsPartial(PowerSums::new()); about.len()]),
        }
    }

    fn partial_bytes(&self) -> u64 {
        match &self.how {
            How::Counting(pass) => pass.partial_bytes(),
            How::About(about) => {
                PowerSums::bytes().saturating_mul(about.len() as u64).saturating_add(8 * HELD as u64)
            }
        }
    }

    fn fold(&self, partial: &mut MomentsPartial, chunk: &Chunk<'_>) -> Result<()> {
        match (&self.how, partial) {
            (How::Counting(pass), MomentsPartial::Counts(partial)) => pass.fold(partial, chunk),
            (How::About(about), MomentsPartial::About(sums)) => {
                with_dtype!(self.validity.dtype(), T => self.fold_about::<T>(about, sums, chunk))
            }
            _ => Err(other_pass()),
        }
    }

    fn merge(&self, partial: &mut MomentsPartial, other: MomentsPartial) {
        match (&self.how, partial, other) {
            (How::Counting(pass), MomentsPartial::Counts(a), MomentsPartial::Counts(b)) => pass.merge(a, b),
            (_, MomentsPartial::About(a), MomentsPartial::About(b)) => {
                a.iter_mut().zip(&b).for_each(|(a, b)| a.0.merge(&b.0));
            }
            _ => debug_assert!(false, "partials of two kinds"),
        }
    }

    fn save(&self, partial: &MomentsPartial) -> Vec<u8> {
        let mut to = Saver::new(NAME, VERSION);
        to.dtype(self.validity.dtype());
        to.u64(self.validity.channels() as u64);
        match (&self.how, partial) {
            (How::Counting(pass), MomentsPartial::Counts(partial)) => to.bytes(&pass.save(partial)),
            (How::About(about), MomentsPartial::About(sums)) => {
                for (centre, scale) in about {
                    to.f64(*centre);
                    to.f64(*scale);
                }
                sums.iter().for_each(|s| s.0.save(&mut to));
            }
            _ => debug_assert!(false, "a partial of another kind"),
        }
        to.finish()
    }

    fn load(&self, bytes: &[u8]) -> Result<MomentsPartial> {
        let mut from = Loader::new(bytes, NAME, VERSION)?;
        from.expect_dtype(self.validity.dtype())?;
        from.expect_u64(self.validity.channels() as u64, "channels")?;
        let partial = match &self.how {
            How::Counting(pass) => MomentsPartial::Counts(pass.load(from.bytes()?)?),
            How::About(about) => {
                for (centre, scale) in about {
                    from.expect_u64(centre.to_bits(), "a centre (as bits) of")?;
                    from.expect_u64(scale.to_bits(), "a scale (as bits) of")?;
                }
                let load = |_| PowerSums::load(&mut from).map(PowerSumsPartial);
                MomentsPartial::About(about.iter().map(load).collect::<Result<_>>()?)
            }
        };
        from.finish()?;
        Ok(partial)
    }
}

fn other_pass() -> outcrop_core::Error {
    outcrop_core::Error::Usage("the partial is of another pass over the moments".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reduce::Stats;
    use outcrop_core::{DataType, Pixels, Read, Rect, f16};

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
        moments.finish(&run(&moments, samples, cut)).unwrap()[0]
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
                    let s = m.finish(&run(&m, &samples, 3)).unwrap()[0];
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
        let exact = m.finish(&run(&m, &samples, 777)).unwrap()[0];
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
            m.finish(&run(&m, &samples, 5)).unwrap()[0]
        };
        assert_eq!(of(&[f32::NAN, 2.0, 2.0]), UNDEFINED);
        assert_eq!(of(&[f32::NAN, 1.0, 2.0]), Shape { skewness: Some(0.0), kurtosis: Some(-2.0) });
        assert!(of(&[f32::INFINITY, 2.0]).kurtosis.unwrap().is_nan());
        assert!(Moments::counting(Validity::all(DataType::F32, 1)).is_none());
    }
}
