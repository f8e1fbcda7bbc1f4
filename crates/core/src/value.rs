//! [`Value`]: one number of any sample type, kept exactly, for nodata, fills and results.

use crate::{DataType, Sample, with_dtype};

/// A number that is an integer or a float. Integers of every sample type fit exactly.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// An integer.
    Int(i128),
    /// A float, finite or not.
    Float(f64),
}

impl Value {
    /// Reads `-9999`, `0.5`, `1e-3`, `nan`, `inf`, `-inf` (any case). Integers are kept as integers.
    pub fn parse(text: &str) -> Option<Value> {
        let text = text.trim();
        if let Ok(i) = text.parse::<i128>() {
            return Some(Value::Int(i));
        }
        text.parse::<f64>().ok().map(Value::Float)
    }

    /// The value of a sample.
    pub fn of<T: Sample>(sample: T) -> Value {
        if T::DTYPE.is_float() {
            return Value::Float(sample.to_f64());
        }
        let bytes = bytemuck::bytes_of(&sample);
        let mut wide =
            [if T::DTYPE.is_signed_integer() && bytes[bytes.len() - 1] >= 0x80 { 0xff } else { 0 }; 16];
        wide[..bytes.len()].copy_from_slice(bytes);
        Value::Int(i128::from_le_bytes(wide))
    }

    /// The sample of type `T` that equals this value, or `None` where no sample does (300 or 0.5 for u8).
    ///
    /// For f32 and f16 a float counts as equal to the sample it rounds to, as GDAL reads a nodata value that
    /// was written with more or fewer digits; NaN gives NaN.
    pub fn to_sample<T: Sample>(self) -> Option<T> {
        if T::DTYPE.is_float() {
            return Some(T::from_f64(self.to_f64()));
        }
        let int = match self {
            Value::Int(i) => i,
            Value::Float(f) if f.fract() == 0.0 && f.abs() < 2f64.powi(100) => f as i128,
            Value::Float(_) => return None,
        };
        let wide = int.to_le_bytes();
        let sample: T = bytemuck::pod_read_unaligned(&wide[..size_of::<T>()]);
        matches!(Value::of(sample), Value::Int(back) if back == int).then_some(sample)
    }

    /// Whether a sample of `dtype` can have this value.
    pub fn fits(self, dtype: DataType) -> bool {
        with_dtype!(dtype, T => self.to_sample::<T>().is_some())
    }

    /// The value as f64, rounded to nearest.
    pub fn to_f64(self) -> f64 {
        match self {
            Value::Int(i) => i as f64,
            Value::Float(f) => f,
        }
    }
}

impl PartialEq for Value {
    /// Equality of numbers; NaN equals NaN, so that two descriptions of one image compare equal.
    fn eq(&self, other: &Value) -> bool {
        match (*self, *other) {
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b || a.is_nan() && b.is_nan(),
            (Value::Int(i), Value::Float(f)) | (Value::Float(f), Value::Int(i)) => {
                f.fract() == 0.0 && f.abs() < 2f64.powi(100) && f as i128 == i
            }
        }
    }
}

impl std::fmt::Display for Value {
    /// The shortest text that [`Value::parse`] reads back: `-9999`, `0.1`, `nan`, `inf`, `-inf`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Int(i) => write!(f, "{i}"),
            Value::Float(v) if v.is_nan() => f.write_str("nan"),
            Value::Float(v) => write!(f, "{v:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_fits_only_the_types_that_hold_it() {
        let v = |t: &str| Value::parse(t).unwrap();
        assert_eq!(v("-9999").to_sample::<i16>(), Some(-9999));
        assert_eq!(v("-9999").to_sample::<u8>(), None);
        assert_eq!(v("255.0").to_sample::<u8>(), Some(255));
        assert_eq!(v("0.5").to_sample::<u8>(), None);
        assert_eq!(v("18446744073709551615").to_sample::<u64>(), Some(u64::MAX));
        assert_eq!(v("-3.4028234663852886e+38").to_sample::<f32>(), Some(f32::MIN));
        assert!(v("nan").to_sample::<f32>().unwrap().is_nan());
        assert_eq!(v("nan").to_sample::<u8>(), None);
    }

    #[test]
    fn samples_keep_their_value() {
        assert_eq!(Value::of(-3i8), Value::Int(-3));
        assert_eq!(Value::of(u64::MAX), Value::Int(u64::MAX as i128));
        assert_eq!(Value::of(0.1f32).to_sample::<f32>(), Some(0.1f32));
        assert_eq!(Value::Float(f64::NEG_INFINITY).to_string(), "-inf");
    }
}
