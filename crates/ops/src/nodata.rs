//! Nodata values that were asked for, as maps see them: per channel, bound to the sample type where they are used.

use outcrop_core::{Pixels, Sample, Value};

use crate::exact::Exact;
use crate::validity::same;

/// The values that are no data, per channel.
#[derive(Clone, Debug)]
pub(crate) struct Nodata(Vec<Vec<Value>>);

impl Nodata {
    /// One list for each channel, or one for all, or none.
    pub(crate) fn new(values: Vec<Vec<Value>>) -> Nodata {
        Nodata(values)
    }

    /// Whether a sample of these pixels can be nodata at all.
    pub(crate) fn applies(&self, pixels: Pixels<'_>) -> bool {
        self.0.iter().flatten().any(|v| v.fits(pixels.dtype()))
    }

    /// The values of each channel as samples; those that no sample equals are left out.
    pub(crate) fn bound<T: Sample>(&self, channels: usize) -> Vec<Vec<T>> {
        let bind = |values: &Vec<Value>| values.iter().filter_map(|v| v.to_sample()).collect();
        (0..channels).map(|c| self.of(c).map(bind).unwrap_or_default()).collect()
    }

    fn of(&self, channel: usize) -> Option<&Vec<Value>> {
        if self.0.len() == 1 { self.0.first() } else { self.0.get(channel) }
    }

    /// What stands for a pixel without data: NaN, or for integers the first nodata value.
    pub(crate) fn absent<U: Sample>(&self) -> U {
        if U::DTYPE.is_float() {
            return U::from_f64(f64::NAN);
        }
        match self.0.iter().flatten().next() {
            Some(Value::Int(i)) => Exact::int(*i).round(),
            Some(Value::Float(f)) => U::from_f64(*f),
            None => U::from_f64(0.0),
        }
    }
}

/// Whether the sample is one of the values; NaN is NaN.
#[inline]
pub(crate) fn contains<T: Sample>(values: &[T], sample: T) -> bool {
    values.iter().any(|&v| same(sample, v))
}
