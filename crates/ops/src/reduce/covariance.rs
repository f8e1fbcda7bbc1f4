//! [`Covariance`]: how the selected channels vary together, from exact sums of products.
//!
//! A pixel takes part where all selected channels are valid there, so that the matrix is one of one set of pixels.

use ndarray::{ArrayView3, Axis, s};
use num_bigint::{BigInt, BigUint};
use outcrop_core::{Chunk, Error, Reduce, Result, Sample, with_pixels};

use super::exact::{ExactSums, Fixed, Rational, Scratch, add_products, fold};
use super::rows::append_channel;
use crate::saved::{Loader, Saver};
use crate::validity::{Bound, Class, NanPolicy, Validity};

const NAME: &str = "outcrop covariance";
const VERSION: u32 = 2;
/// Pixels whose samples are brought together, channel by channel, at once.
const HELD: usize = 4096;
/// Channels for which a matrix is kept: its sums of products take memory by the square.
pub(crate) const MOST_CHANNELS: usize = 256;

/// The covariance and correlation of every pair of selected channels, in one pass.
#[derive(Clone, Debug)]
pub struct Covariance {
    validity: Validity,
}

/// The state of [`Covariance`] over some chunks.
#[derive(Clone, Debug, PartialEq)]
pub struct CovariancePartial {
    /// Sums and squares of each channel, over pixels that are valid in all.
    channels: Vec<ExactSums>,
    /// Sums of products of the pairs (0, 1), (0, 2), (1, 2), (0, 3) ...
    products: Vec<Fixed>,
    /// Samples of each channel in such pixels that were infinite or NaN; they are 0 in the sums.
    special: Vec<u64>,
}

/// Two symmetric matrices, row by row. What is undefined is `None`: divisors that are not positive, correlations
/// with a constant channel.
#[derive(Clone, Debug, PartialEq)]
pub struct CovarianceMatrix {
    /// Pixels that are valid in all channels.
    pub valid: u64,
    /// Covariances with divisor valid - ddof, correctly rounded; NaN where a sample of either channel was not finite.
    pub covariance: Vec<Vec<Option<f64>>>,
    /// Pearson's correlations: the root of the exact squared correlation, correctly rounded.
    pub correlation: Vec<Vec<Option<f64>>>,
}

fn pair(a: usize, b: usize) -> usize {
    b * (b - 1) / 2 + a
}

impl Covariance {
    /// The matrix over pixels that take part by these rules.
    ///
    /// # Errors
    /// [`Error::Usage`] for more than 256 channels.
    pub fn new(validity: Validity) -> Result<Covariance> {
        let channels = validity.channels();
        if channels > MOST_CHANNELS {
            return Err(Error::Usage(format!(
                "a covariance matrix of {channels} channels, at most {MOST_CHANNELS} (--channels)"
            )));
        }
        Ok(Covariance { validity })
    }

    fn fold_typed<T: Sample>(
        &self,
        partial: &mut CovariancePartial,
        bound: &Bound<'_, '_>,
        view: ArrayView3<'_, T>,
    ) {
        let (height, width, count) = view.dim();
        let keeps_all = (0..count).all(|c| bound.keeps_all(c));
        let mut kept = vec![true; HELD.min(width)];
        let mut classes = Vec::new();
        let mut columns: Vec<Vec<T>> = vec![Vec::new(); count];
        let mut scratch = Scratch::default();
        for y in 0..height {
            for from in (0..width).step_by(HELD) {
                let part = from..(from + HELD).min(width);
                let kept = &mut kept[..part.len()];
                if !keeps_all {
                    kept.fill(true);
                    for c in 0..count {
                        bound.classify(c, [y, from], view.slice(s![y, part.clone(), c]), &mut classes);
                        kept.iter_mut()
                            .zip(&classes)
                            .for_each(|(kept, &class)| *kept &= class == Class::Valid);
                    }
                }
                // No sample has been asked for NaN.
                if T::DTYPE.is_float() && keeps_all && self.validity.nan() == NanPolicy::Omit {
                    kept.fill(true);
                    for samples in view.slice(s![y, part.clone(), ..]).axis_iter(Axis(1)) {
                        kept.iter_mut().zip(samples).for_each(|(kept, v)| *kept &= !v.is_nan());
                    }
                }
                let whole = kept.iter().fold(true, |all, &kept| all & kept);
                for (c, column) in columns.iter_mut().enumerate() {
                    column.clear();
                    append_channel(column, view.slice(s![y, part.clone(), ..]), c);
                    if !whole {
                        let mut kept = kept.iter();
                        column.retain(|_| kept.next().is_some_and(|&kept| kept));
                    }
                    partial.special[c] += zero_special(column);
                    fold(column, None, &mut partial.channels[c], &mut None, &mut scratch);
                    scratch.drain(&mut partial.channels[c]);
                }
                add_products(&columns, &mut partial.products);
            }
        }
    }

    /// The matrices; covariances have the divisor valid - `ddof`.
    pub fn finish(&self, partial: &CovariancePartial, ddof: u64) -> CovarianceMatrix {
        let count = partial.channels.len();
        let n = partial.channels.first().map_or(0, ExactSums::n);
        // n Σab - Σa Σb, whole numbers of one unit.
        let spread = |a: usize, b: usize| -> BigInt {
            let (x, y) = (&partial.channels[a], &partial.channels[b]);
            let products = match a.cmp(&b) {
                std::cmp::Ordering::Equal => x.squares.to_bigint(),
                std::cmp::Ordering::Less => partial.products[pair(a, b)].to_bigint(),
                std::cmp::Ordering::Greater => partial.products[pair(b, a)].to_bigint(),
            };
            products * BigInt::from(n) - x.sum.to_bigint() * y.sum.to_bigint()
        };
        let own: Vec<BigInt> = (0..count).map(|c| spread(c, c)).collect();
        let mut covariance = vec![vec![None; count]; count];
        let mut correlation = covariance.clone();
        for a in 0..count {
            for b in a..count {
                let both = spread(a, b);
                let special = partial.special[a] > 0 || partial.special[b] > 0;
                let divisor = n.checked_sub(ddof).filter(|&d| d > 0);
                let cov = divisor.map(|d| match special {
                    true => f64::NAN,
                    false => {
                        let unit = partial.channels[a].squares.unit();
                        Rational::new(both.clone(), BigUint::from(n) * d, unit.into()).to_f64()
                    }
                });
                let scale = own[a].magnitude() * own[b].magnitude();
                let corr = if special {
                    Some(f64::NAN)
                } else if scale == BigUint::ZERO {
                    None
                } else {
                    let size = Rational::new(both.clone() * &both, scale, 0).sqrt_to_f64();
                    Some(if both < BigInt::ZERO { -size } else { size })
                };
                (covariance[a][b], covariance[b][a]) = (cov, cov);
                (correlation[a][b], correlation[b][a]) = (corr, corr);
            }
        }
        CovarianceMatrix { valid: n, covariance, correlation }
    }
}

/// Sets the samples of a channel that are not finite to 0, and returns how many these are: nothing that they take part in
/// is finite, and the figures of other channels are spared.
fn zero_special<T: Sample>(column: &mut [T]) -> u64 {
    if !T::DTYPE.is_float() || column.iter().fold(true, |all, v| all & v.to_f64().is_finite()) {
        return 0;
    }
    let special = column.iter_mut().filter(|v| !v.to_f64().is_finite());
    special.map(|v| *v = T::default()).count() as u64
}

impl Reduce for Covariance {
    type Partial = CovariancePartial;

    fn start(&self) -> CovariancePartial {
        let (dtype, count) = (self.validity.dtype(), self.validity.channels());
        CovariancePartial {
            channels: vec![ExactSums::new(dtype); count],
            products: vec![Fixed::for_squares(dtype); count * count.saturating_sub(1) / 2],
            special: vec![0; count],
        }
    }

    fn partial_bytes(&self) -> u64 {
        // At most 256 channels of at most 900 bytes each.
        let (dtype, count) = (self.validity.dtype(), self.validity.channels() as u64);
        let held = (HELD * dtype.bytes()) as u64 * count + Scratch::BYTES;
        ExactSums::bytes(dtype) * (count + count * count / 2) + held
    }

    fn fold(&self, partial: &mut CovariancePartial, chunk: &Chunk<'_>) -> Result<()> {
        let bound = self.validity.bind(chunk)?;
        with_pixels!(chunk.inputs[0].pixels, view => self.fold_typed(partial, &bound, view));
        Ok(())
    }

    fn merge(&self, partial: &mut CovariancePartial, other: CovariancePartial) {
        partial.channels.iter_mut().zip(&other.channels).for_each(|(a, b)| a.merge(b));
        partial.products.iter_mut().zip(&other.products).for_each(|(a, b)| a.add_fixed(b));
        partial.special.iter_mut().zip(&other.special).for_each(|(a, b)| *a += b);
    }

    fn save(&self, partial: &CovariancePartial) -> Vec<u8> {
        let mut to = Saver::new(NAME, VERSION);
        to.dtype(self.validity.dtype());
        to.u64(partial.channels.len() as u64);
        partial.channels.iter().for_each(|c| c.save(&mut to));
        partial.products.iter().flat_map(Fixed::limbs).for_each(|&l| to.u64(l));
        partial.special.iter().for_each(|&n| to.u64(n));
        to.finish()
    }

    fn load(&self, bytes: &[u8]) -> Result<CovariancePartial> {
        let mut from = Loader::new(bytes, NAME, VERSION)?;
        from.expect_dtype(self.validity.dtype())?;
        from.expect_u64(self.validity.channels() as u64, "channels")?;
        let mut partial = self.start();
        for channel in &mut partial.channels {
            *channel = ExactSums::load(self.validity.dtype(), &mut from)?;
        }
        for limb in partial.products.iter_mut().flat_map(Fixed::limbs_mut) {
            *limb = from.u64()?;
        }
        for special in &mut partial.special {
            *special = from.count()?;
        }
        from.finish()?;
        Ok(partial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_core::{DataType, Pixels, Read, Rect, Value};

    fn matrix<T: Sample>(image: &[T], channels: usize, validity: Validity) -> CovarianceMatrix {
        let covariance = Covariance::new(validity).unwrap();
        let pixels = image.len() / channels;
        let mut all = covariance.start();
        // One partial for each pixel, saved and loaded.
        for x in 0..pixels {
            let samples = &image[x * channels..(x + 1) * channels];
            let inputs =
                [Read { pixels: Pixels::contiguous(samples, [1, 1, channels]).unwrap(), holes: &[] }];
            let mut partial = covariance.start();
            let rect = Rect { y: 0, x: x as u64, height: 1, width: 1 };
            covariance.fold(&mut partial, &Chunk { index: 0, rect, inputs: &inputs }).unwrap();
            covariance.merge(&mut all, covariance.load(&covariance.save(&partial)).unwrap());
        }
        let inputs = [Read { pixels: Pixels::contiguous(image, [1, pixels, channels]).unwrap(), holes: &[] }];
        let mut whole = covariance.start();
        let rect = Rect::of_size(1, pixels as u64);
        covariance.fold(&mut whole, &Chunk { index: 0, rect, inputs: &inputs }).unwrap();
        assert_eq!(whole, all);
        covariance.finish(&whole, 1)
    }

    /// By hand: a = 1 2 4, b = 10 8 3: sums 7 and 21, Σab = 38, Σaa = 21, Σbb = 173.
    #[test]
    fn every_type_gives_the_matrix_worked_by_hand() {
        for dtype in DataType::ALL {
            outcrop_core::with_dtype!(dtype, T => {
                let image = [1, 10, 2, 8, 4, 3].map(|v| T::from_f64(f64::from(v)));
                let m = matrix(&image, 2, Validity::all(dtype, 2));
                assert_eq!(m.covariance[0], [Some(14.0 / 6.0), Some(-33.0 / 6.0)], "{dtype}");
                assert_eq!(m.covariance[1], [Some(-33.0 / 6.0), Some(78.0 / 6.0)]);
                assert_eq!(m.correlation[0], [Some(1.0), Some(-(33.0f64 * 33.0 / (14.0 * 78.0)).sqrt())]);
            });
        }
    }

    #[test]
    fn extremes_of_64_bits_do_not_wrap() {
        let m = matrix(&[i64::MIN, i64::MAX, i64::MAX, i64::MIN], 2, Validity::all(DataType::I64, 2));
        assert_eq!(m.correlation[0][1], Some(-1.0));
        let m = matrix(&[u64::MAX, u64::MAX, 0, 0, u64::MAX, u64::MAX], 2, Validity::all(DataType::U64, 2));
        assert_eq!(m.correlation[0][1], Some(1.0));
        let m = matrix(&[1e300, -1e-300, 0.0, 0.0], 2, Validity::all(DataType::F64, 2));
        assert_eq!((m.correlation[0][1], m.covariance[0][1]), (Some(-1.0), Some(-0.5)));
    }

    #[test]
    fn a_pixel_leaves_where_any_channel_does() {
        let nodata = vec![vec![], vec![Value::Int(0)]];
        let image = [1.0f32, 2.0, f32::NAN, 7.0, 5.0, 0.0, 3.0, 6.0];
        let m = matrix(&image, 2, Validity::all(DataType::F32, 2).with_nodata(nodata));
        assert_eq!((m.valid, m.covariance[0][1]), (2, Some(4.0)));
        let m = matrix(&[1.0f32, f32::INFINITY, 2.0, 3.0, 1.0, 1.0], 2, Validity::all(DataType::F32, 2));
        assert!(m.valid == 3 && m.covariance[0][1].unwrap().is_nan());
        // The channel without an infinity keeps its variance, over the same pixels.
        assert_eq!(m.covariance[0][0], Some(1.0 / 3.0));
        assert!(m.covariance[1][1].unwrap().is_nan() && m.correlation[0][1].unwrap().is_nan());
        let m = matrix(&[4u8, 1, 4, 9], 2, Validity::all(DataType::U8, 2));
        assert_eq!((m.covariance[0][1], m.correlation[0][1]), (Some(0.0), None));
        assert!(Covariance::new(Validity::all(DataType::U8, 257)).is_err());
    }
}
