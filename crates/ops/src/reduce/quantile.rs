//! Quantiles as they were typed, and NumPy's rules for which order statistics they lie between.

use num_bigint::{BigInt, BigUint, Sign};
use outcrop_core::{Error, Result};

/// How a quantile that falls between two samples is found: NumPy's methods, whose first nine are those of Hyndman
/// and Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50 (1996).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    InvertedCdf,
    AveragedInvertedCdf,
    ClosestObservation,
    InterpolatedInvertedCdf,
    Hazen,
    Weibull,
    #[default]
    Linear,
    MedianUnbiased,
    NormalUnbiased,
    Lower,
    Higher,
    Midpoint,
    Nearest,
}

impl Method {
    /// Every method with NumPy's name for it.
    pub const ALL: [(&'static str, Method); 13] = [
        ("inverted_cdf", Method::InvertedCdf),
        ("averaged_inverted_cdf", Method::AveragedInvertedCdf),
        ("closest_observation", Method::ClosestObservation),
        ("interpolated_inverted_cdf", Method::InterpolatedInvertedCdf),
        ("hazen", Method::Hazen),
        ("weibull", Method::Weibull),
        ("linear", Method::Linear),
        ("median_unbiased", Method::MedianUnbiased),
        ("normal_unbiased", Method::NormalUnbiased),
        ("lower", Method::Lower),
        ("higher", Method::Higher),
        ("midpoint", Method::Midpoint),
        ("nearest", Method::Nearest),
    ];

    /// The method of that name.
    ///
    /// # Errors
    /// [`Error::Usage`] for any other name.
    pub fn from_name(name: &str) -> Result<Method> {
        Method::ALL.iter().find(|(n, _)| *n == name).map(|(_, m)| *m).ok_or_else(|| {
            let names = Method::ALL.map(|(n, _)| n).join(", ");
            Error::Usage(format!("{name:?} is not a method for percentiles: expected one of {names}"))
        })
    }
}

/// A percentile, kept as the decimal that was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Percentile {
    /// What was typed, for labels.
    text: String,
    /// The quantile as a fraction: between 0 and 1.
    numerator: u128,
    denominator: u128,
}

impl Percentile {
    /// Reads a decimal between 0 and 100 with at most 18 places.
    ///
    /// # Errors
    /// [`Error::Usage`] for anything else.
    pub fn parse(text: &str) -> Result<Percentile> {
        let text = text.trim();
        let bad = || {
            Error::Usage(format!(
                "{text:?} is not a percentile: expected a decimal from 0 to 100, such as 99.9"
            ))
        };
        let (whole, places) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.len() + places.len() == 0
            || whole.len() > 18
            || places.len() > 18
            || !digits(whole)
            || !digits(places)
        {
            return Err(bad());
        }
        let unit = 10u128.pow(places.len() as u32);
        let number = |s: &str| if s.is_empty() { 0 } else { s.parse::<u128>().unwrap_or(u128::MAX >> 64) };
        let (numerator, denominator) = (number(whole) * unit + number(places), 100 * unit);
        if numerator > denominator {
            return Err(bad());
        }
        Ok(Percentile { text: text.into(), numerator, denominator })
    }

    /// What was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the percentile lies among `n` sorted samples, at least one.
    pub(crate) fn place(&self, n: u64, method: Method) -> Place {
        let (p, q) = (BigInt::from(self.numerator), BigInt::from(self.denominator));
        let (n_big, one) = (BigInt::from(n), BigInt::from(1));
        // NumPy's virtual index n*q + alpha + q*(1 - alpha - beta) - 1 with alpha = beta = a/24.
        let virtual_index = |a: u32| {
            let (a, k) = (BigInt::from(a), BigInt::from(24));
            (&n_big * &p * &k + &a * &q + &p * (&k - &a - &a) - &q * &k, &q * &k)
        };
        let between = || (&p * (&n_big - &one), q.clone());
        let inverted = || (&n_big * &p - &q, q.clone());
        let whole = |index: BigInt| Place::at(index, None, n);
        match method {
            Method::InvertedCdf => {
                let (floor, rest) = floor(&inverted());
                whole(if is_zero(&rest) { floor } else { floor + 1 })
            }
            Method::AveragedInvertedCdf => {
                let (floor, rest) = floor(&inverted());
                if is_zero(&rest) {
                    Place::at(floor, Some((1u32.into(), 2u32.into())), n)
                } else {
                    whole(floor + 1)
                }
            }
            Method::ClosestObservation => {
                let index = (&n_big * &p * 2 - &q * 3, &q * 2);
                let (floor, rest) = floor(&index);
                let stays = is_zero(&rest) && floor.bit(0);
                whole(if stays { floor } else { floor + 1 })
            }
            Method::InterpolatedInvertedCdf => Place::interpolated(inverted(), n),
            Method::Hazen => Place::interpolated(virtual_index(12), n),
            Method::Weibull => Place::interpolated(virtual_index(0), n),
            Method::MedianUnbiased => Place::interpolated(virtual_index(8), n),
            Method::NormalUnbiased => Place::interpolated(virtual_index(9), n),
            Method::Linear => Place::interpolated(between(), n),
            Method::Lower => whole(floor(&between()).0),
            Method::Higher | Method::Midpoint => {
                let (floor, rest) = floor(&between());
                match (is_zero(&rest), method) {
                    (true, _) => whole(floor),
                    (false, Method::Higher) => whole(floor + 1),
                    (false, _) => Place::at(floor, Some((1u32.into(), 2u32.into())), n),
                }
            }
            Method::Nearest => {
                let (floor, rest) = floor(&between());
                let twice = rest * 2;
                let up = twice > q || twice == q && floor.bit(0);
                whole(if up { floor + 1 } else { floor })
            }
        }
    }
}

/// Two neighbouring order statistics, from 0, and the fraction of the way from the first to the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) low: u64,
    pub(crate) high: u64,
    /// Numerator and denominator; the numerator is 0 where `low` is `high`.
    pub(crate) fraction: (BigUint, BigUint),
}

impl Place {
    /// Whether the value there is that of one sample.
    pub(crate) fn is_sample(&self) -> bool {
        self.low == self.high
    }

    fn interpolated(index: (BigInt, BigInt), n: u64) -> Place {
        let (whole, rest) = floor(&index);
        Place::at(whole, Some((rest.magnitude().clone(), index.1.magnitude().clone())), n)
    }

    /// At an index or, with a fraction, on the way to the next; both clamped to the samples there are.
    fn at(index: BigInt, fraction: Option<(BigUint, BigUint)>, n: u64) -> Place {
        let last = n.saturating_sub(1);
        let single = |at| Place { low: at, high: at, fraction: (0u32.into(), 1u32.into()) };
        match (index.sign(), u64::try_from(index)) {
            (Sign::Minus, _) => single(0),
            (_, Ok(low)) if low < last => match fraction {
                Some(fraction) if fraction.0.bits() > 0 => Place { low, high: low + 1, fraction },
                _ => single(low),
            },
            _ => single(last),
        }
    }
}

fn is_zero(n: &BigInt) -> bool {
    n.sign() == Sign::NoSign
}

/// The floor of a fraction with a positive denominator, and the rest in units of it.
fn floor((p, q): &(BigInt, BigInt)) -> (BigInt, BigInt) {
    let toward_zero = p / q;
    let rest = p - &toward_zero * q;
    if rest.sign() == Sign::Minus { (toward_zero - 1, rest + q) } else { (toward_zero, rest) }
}

/// The percentiles that are wanted, and by which method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PercentileSpec {
    /// The percentiles, in the order in which they were typed.
    pub percentiles: Vec<Percentile>,
    /// How one between two samples is found.
    pub method: Method,
}

impl PercentileSpec {
    /// The most percentiles at once.
    pub const MOST: usize = 64;

    /// Reads `0.1,1,25,50`, by the linear method.
    ///
    /// # Errors
    /// [`Error::Usage`] for none, more than [`MOST`](PercentileSpec::MOST), and what is not a percentile.
    pub fn parse(text: &str) -> Result<PercentileSpec> {
        let percentiles = text.split(',').map(Percentile::parse).collect::<Result<Vec<_>>>()?;
        if percentiles.len() > PercentileSpec::MOST {
            return Err(Error::Usage(format!(
                "expected at most {} percentiles, found {} (--percentiles)",
                PercentileSpec::MOST,
                percentiles.len()
            )));
        }
        Ok(PercentileSpec { percentiles, method: Method::default() })
    }

    /// By another method.
    pub fn method(mut self, method: Method) -> PercentileSpec {
        self.method = method;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_percentile_is_refused() {
        for text in ["", "101", "-1", "1e2", "nan", "100.000001", ".", "50,,60", "0.1234567890123456789"] {
            assert!(PercentileSpec::parse(text).is_err(), "{text}");
        }
        assert!(PercentileSpec::parse(&vec!["1"; 65].join(",")).is_err());
        assert_eq!(PercentileSpec::parse("0, 99.90,.5,100").unwrap().percentiles[1].text(), "99.90");
    }

    /// 0.1 % of 1001 samples is the second; in f64 the index would come out a little below or above 1.
    #[test]
    fn a_decimal_is_taken_as_typed() {
        let place = Percentile::parse("0.1").unwrap().place(1001, Method::Linear);
        assert_eq!((place.low, place.high), (1, 1));
        let place = Percentile::parse("29").unwrap().place(101, Method::Higher);
        assert_eq!(place.low, 29);
    }

    #[test]
    fn places_stay_within_the_samples() {
        for (_, method) in Method::ALL {
            for text in ["0", "0.0001", "50", "99.9999", "100"] {
                for n in [1, 2, 3, 1000, u64::MAX] {
                    let place = Percentile::parse(text).unwrap().place(n, method);
                    assert!(place.low <= place.high && place.high < n, "{method:?} {text} {n}: {place:?}");
                }
            }
        }
    }
}
