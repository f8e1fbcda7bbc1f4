//! Smallest and largest sample, and where each occurs first.
//!
//! Kernels find the values; a position is looked up only where a chunk improves an extreme, or repeats one and
//! may hold it earlier.

use ndarray::{ArrayView3, Axis};
use outcrop_core::{DataType, Rect, Result, Sample, Value, with_dtype};

use super::exact::Span;
use super::rows::RUN;
use crate::saved::{Loader, Saver};
use crate::simd::{self, Work};
use crate::validity::{Bound, Class};

/// An extreme value, and the first pixel (row, column) in C order of the image that has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Extreme {
    pub(crate) value: Value,
    pub(crate) at: Option<(u64, u64)>,
}

/// The extremes of some samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Extrema {
    min: Option<Extreme>,
    max: Option<Extreme>,
    /// The first NaN, where NaN propagates.
    nan: Option<Extreme>,
}

/// Where to look a value up: one channel of one chunk.
pub(crate) struct Place<'a, 'v, 'c, T> {
    pub(crate) bound: &'a Bound<'v, 'c>,
    pub(crate) view: &'a ArrayView3<'a, T>,
    pub(crate) channel: usize,
    pub(crate) rect: Rect,
    pub(crate) wanted: bool,
}

impl<T: Sample> Place<'_, '_, '_, T> {
    /// The first valid pixel for which `is` holds, in rows of the image up to `last`.
    fn first(&self, last: u64, is: impl Fn(T) -> bool) -> Option<(u64, u64)> {
        if !self.wanted {
            return None;
        }
        // A sample that equals a valid one is not nodata.
        let keeps_all =
            self.bound.keeps_all(self.channel) || self.bound.nodata_alone::<T>(self.channel).is_some();
        let mut classes = Vec::new();
        for y in 0..self.view.dim().0 {
            let image_y = self.rect.y + y as u64;
            if image_y > last {
                break;
            }
            let pixels = self.view.index_axis(Axis(0), y);
            let row = pixels.index_axis(Axis(1), self.channel);
            let x = if keeps_all {
                match (row.as_slice(), pixels.as_slice()) {
                    (Some(samples), _) => first_in(samples, 1, 0, &is),
                    (None, Some(samples)) => first_in(samples, pixels.dim().1, self.channel, &is),
                    (None, None) => row.iter().position(|&v| is(v)),
                }
            } else {
                row.axis_chunks_iter(Axis(0), RUN).enumerate().find_map(|(r, run)| {
                    self.bound.classify(self.channel, [y, r * RUN], run, &mut classes);
                    let valid = |(&v, &class): (&T, &Class)| class == Class::Valid && is(v);
                    run.iter().zip(&classes).position(valid).map(|i| r * RUN + i)
                })
            };
            if let Some(x) = x {
                return Some((image_y, self.rect.x + x as u64));
            }
        }
        None
    }
}

/// The first pixel for whose sample of a channel `is` holds.
fn first_in<T: Sample>(
    samples: &[T],
    channels: usize,
    channel: usize,
    is: &impl Fn(T) -> bool,
) -> Option<usize> {
    let mut found = None;
    simd::run(First { samples, channels, channel, is, found: &mut found });
    found
}

/// Finds the first pixel for whose sample of a channel `is` holds. Groups of pixels are tested at once, all channels of them, and
/// looked at one by one where that finds something.
struct First<'a, T, F> {
    samples: &'a [T],
    channels: usize,
    channel: usize,
    is: &'a F,
    found: &'a mut Option<usize>,
}

impl<T: Sample, F: Fn(T) -> bool> Work for First<'_, T, F> {
    #[inline(always)]
    fn run(self) {
        let First { samples, channels, channel, is, found } = self;
        for (i, group) in samples.chunks(256 * channels).enumerate() {
            // Without a branch, so that it becomes vectors.
            if group.iter().fold(false, |any, &v| any | is(v)) {
                let mut of_channel = group.iter().skip(channel).step_by(channels);
                if let Some(x) = of_channel.position(|&v| is(v)) {
                    *found = Some(i * 256 + x);
                    return;
                }
            }
        }
    }
}

impl Extrema {
    /// The smallest sample, or the first NaN.
    pub(crate) fn min(&self) -> Option<Extreme> {
        self.nan.or(self.min)
    }

    /// The largest sample, or the first NaN.
    pub(crate) fn max(&self) -> Option<Extreme> {
        self.nan.or(self.max)
    }

    /// Takes in the span of a chunk's samples.
    pub(crate) fn widen<T: Sample>(&mut self, span: Option<Span<T>>, place: &Place<'_, '_, '_, T>) {
        let Some(span) = span else { return };
        for (extreme, sample, sign) in [(&mut self.min, span.min, 1), (&mut self.max, span.max, -1)] {
            // A zero has no sign, so that no order of merging can show.
            let sample = if sample == T::default() { T::default() } else { sample };
            let value = Value::of(sample);
            let last = match extreme {
                Some(old) if order(old.value, value) == sign => u64::MAX,
                Some(old) if old.value == value => match old.at {
                    Some(at) if (place.rect.y, place.rect.x) < at => at.0,
                    _ => continue,
                },
                Some(_) => continue,
                None => u64::MAX,
            };
            let at = place.first(last, |v| v == sample);
            merge(extreme, Some(Extreme { value, at }), sign);
        }
    }

    /// Takes in that there are NaN samples here, where they propagate.
    pub(crate) fn note_nan<T: Sample>(&mut self, place: &Place<'_, '_, '_, T>) {
        let last = self.nan.and_then(|n| n.at).map_or(u64::MAX, |at| at.0);
        let at = place.first(last, T::is_nan);
        merge(&mut self.nan, Some(Extreme { value: Value::Float(f64::NAN), at }), 1);
    }

    /// Takes in the extremes of other samples.
    pub(crate) fn merge(&mut self, other: &Extrema) {
        merge(&mut self.min, other.min, 1);
        merge(&mut self.max, other.max, -1);
        merge(&mut self.nan, other.nan, 1);
    }

    pub(crate) fn save(&self, to: &mut Saver) {
        for extreme in [self.min, self.max, self.nan] {
            // Absent, value alone, value and position; then sixteen bytes of value.
            to.u64(extreme.map_or(0, |e| 1 + u64::from(e.at.is_some())));
            to.u128(match extreme.map(|e| e.value) {
                Some(Value::Int(i)) => i as u128,
                Some(Value::Float(v)) => v.to_bits().into(),
                None => 0,
            });
            let (y, x) = extreme.and_then(|e| e.at).unwrap_or_default();
            to.u64(y);
            to.u64(x);
        }
    }

    pub(crate) fn load(dtype: DataType, from: &mut Loader<'_>) -> Result<Extrema> {
        let mut load = || -> Result<Option<Extreme>> {
            let (kind, bits, y, x) = (from.u64()?, from.u128()?, from.u64()?, from.u64()?);
            let value = match dtype.is_float() {
                true => Value::Float(f64::from_bits(bits as u64)),
                false => Value::Int(bits as i128),
            };
            let sound = kind <= 2 && (kind == 0 || with_dtype!(dtype, T => value.to_sample::<T>().is_some()));
            if !sound {
                return Err(outcrop_core::Error::Format("a saved extreme is no sample of its type".into()));
            }
            Ok((kind > 0).then_some(Extreme { value, at: (kind == 2).then_some((y, x)) }))
        };
        Ok(Extrema { min: load()?, max: load()?, nan: load()? })
    }
}

/// -1, 0 or 1 as `a` is less than, equal to or greater than `b`, two samples of one type.
fn order(a: Value, b: Value) -> i32 {
    let ordering = match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(&b)),
        _ => a.to_f64().partial_cmp(&b.to_f64()),
    };
    ordering.map_or(0, |o| o as i32)
}

/// Keeps the smaller (`sign` 1) or larger (-1) extreme, and of equal ones the earlier.
fn merge(a: &mut Option<Extreme>, b: Option<Extreme>, sign: i32) {
    let Some(b) = b else { return };
    *a = Some(match *a {
        Some(old) => match order(old.value, b.value) * sign {
            1 => b,
            -1 => old,
            _ => Extreme { value: old.value, at: [old.at, b.at].into_iter().flatten().min() },
        },
        None => b,
    });
}
