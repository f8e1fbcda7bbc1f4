//! Sample types: [`DataType`] names one at run time, [`Sample`] binds one at compile time.
//!
//! [`with_dtype!`](crate::with_dtype) is the one match that leads from the first to the second.

use half::f16;

/// The type of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum DataType {
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F16,
    F32,
    F64,
}

impl DataType {
    /// Every type, in the order in which help texts list them.
    pub const ALL: [DataType; 11] = [
        DataType::U8,
        DataType::U16,
        DataType::U32,
        DataType::U64,
        DataType::I8,
        DataType::I16,
        DataType::I32,
        DataType::I64,
        DataType::F16,
        DataType::F32,
        DataType::F64,
    ];

    /// NumPy's name: `uint8` to `float64`.
    pub fn name(self) -> &'static str {
        match self {
            DataType::U8 => "uint8",
            DataType::U16 => "uint16",
            DataType::U32 => "uint32",
            DataType::U64 => "uint64",
            DataType::I8 => "int8",
            DataType::I16 => "int16",
            DataType::I32 => "int32",
            DataType::I64 => "int64",
            DataType::F16 => "float16",
            DataType::F32 => "float32",
            DataType::F64 => "float64",
        }
    }

    /// Rust's name, by bits: `u8` to `f64`.
    pub fn short_name(self) -> &'static str {
        match self {
            DataType::U8 => "u8",
            DataType::U16 => "u16",
            DataType::U32 => "u32",
            DataType::U64 => "u64",
            DataType::I8 => "i8",
            DataType::I16 => "i16",
            DataType::I32 => "i32",
            DataType::I64 => "i64",
            DataType::F16 => "f16",
            DataType::F32 => "f32",
            DataType::F64 => "f64",
        }
    }

    /// The type of that name, NumPy's or Rust's (`uint16`, `u16`).
    pub fn from_name(name: &str) -> Option<DataType> {
        DataType::ALL.into_iter().find(|t| t.name() == name || t.short_name() == name)
    }

    /// Bytes in one sample: 1, 2, 4 or 8.
    pub fn bytes(self) -> usize {
        match self {
            DataType::U8 | DataType::I8 => 1,
            DataType::U16 | DataType::I16 | DataType::F16 => 2,
            DataType::U32 | DataType::I32 | DataType::F32 => 4,
            DataType::U64 | DataType::I64 | DataType::F64 => 8,
        }
    }

    /// Whether samples are floating-point numbers.
    pub fn is_float(self) -> bool {
        matches!(self, DataType::F16 | DataType::F32 | DataType::F64)
    }

    /// Whether samples are signed integers.
    pub fn is_signed_integer(self) -> bool {
        matches!(self, DataType::I8 | DataType::I16 | DataType::I32 | DataType::I64)
    }
}

impl std::fmt::Display for DataType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A sample of a type known at compile time. Implemented for the eleven types of [`DataType`] and no others.
pub trait Sample:
    sealed::Sealed
    + crate::pixels::Typed
    + bytemuck::Pod
    + Copy
    + PartialEq
    + PartialOrd
    + Default
    + Send
    + Sync
    + std::fmt::Debug
    + 'static
{
    /// The run-time name of this type.
    const DTYPE: DataType;
    /// The sample as f64: exact for every type but 64-bit integers, which round to nearest, ties to even.
    fn to_f64(self) -> f64;
    /// The sample that `v` rounds to: floats round to nearest, ties to even (once, also for f16); integers
    /// round half to even and saturate, NaN becomes 0.
    fn from_f64(v: f64) -> Self;
    /// The sample with its bytes in the other order.
    fn swap_bytes(self) -> Self;
    /// Whether the sample is NaN; never for integers.
    fn is_nan(self) -> bool;
}

macro_rules! integer {
    ($($t:ty => $d:ident),*) => {$(
        impl sealed::Sealed for $t {}
        impl Sample for $t {
            const DTYPE: DataType = DataType::$d;
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn from_f64(v: f64) -> Self {
                v.round_ties_even() as $t
            }
            #[inline(always)]
            fn swap_bytes(self) -> Self {
                <$t>::swap_bytes(self)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                false
            }
        }
    )*};
}
integer!(u8 => U8, u16 => U16, u32 => U32, u64 => U64, i8 => I8, i16 => I16, i32 => I32, i64 => I64);

/// Rounds to f16 once. `half` 2.7 loses the low bits of an f64 or goes through f32, either of which rounds some
/// values wrongly (November 2026). Rounding to odd in f32 first keeps what decides a tie.
fn f16_from_f64(v: f64) -> f16 {
    let near = v as f32;
    if near as f64 == v || !near.is_finite() {
        return f16::from_f32(near);
    }
    let toward_zero = near.to_bits() - u32::from((near as f64).abs() > v.abs());
    f16::from_f32(f32::from_bits(toward_zero | 1))
}

macro_rules! float {
    ($($t:ty => $d:ident, $to:expr, $from:expr);*) => {$(
        impl sealed::Sealed for $t {}
        impl Sample for $t {
            const DTYPE: DataType = DataType::$d;
            #[inline(always)]
            fn to_f64(self) -> f64 {
                $to(self)
            }
            #[inline(always)]
            fn from_f64(v: f64) -> Self {
                $from(v)
            }
            #[inline(always)]
            fn swap_bytes(self) -> Self {
                <$t>::from_bits(self.to_bits().swap_bytes())
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                <$t>::is_nan(self)
            }
        }
    )*};
}
float!(
    f16 => F16, f16::to_f64, f16_from_f64;
    f32 => F32, |v: f32| v as f64, |v: f64| v as f32;
    f64 => F64, |v: f64| v, |v: f64| v
);

/// Binds `$T` to the Rust type of a [`DataType`] and evaluates the body: the one match over sample types.
///
/// ```
/// use outcrop_core::{with_dtype, DataType};
/// let bytes = with_dtype!(DataType::F16, T => size_of::<T>());
/// assert_eq!(bytes, 2);
/// ```
#[macro_export]
macro_rules! with_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DataType::U8 => {
                type $T = u8;
                $body
            }
            $crate::DataType::U16 => {
                type $T = u16;
                $body
            }
            $crate::DataType::U32 => {
                type $T = u32;
                $body
            }
            $crate::DataType::U64 => {
                type $T = u64;
                $body
            }
            $crate::DataType::I8 => {
                type $T = i8;
                $body
            }
            $crate::DataType::I16 => {
                type $T = i16;
                $body
            }
            $crate::DataType::I32 => {
                type $T = i32;
                $body
            }
            $crate::DataType::I64 => {
                type $T = i64;
                $body
            }
            $crate::DataType::F16 => {
                type $T = $crate::f16;
                $body
            }
            $crate::DataType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DataType::F64 => {
                type $T = f64;
                $body
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_round_half_to_even_and_saturate() {
        assert_eq!(u8::from_f64(2.5), 2);
        assert_eq!(u8::from_f64(3.5), 4);
        assert_eq!(u8::from_f64(-3.0), 0);
        assert_eq!(i8::from_f64(1e9), 127);
        assert_eq!(u16::from_f64(f64::NAN), 0);
        assert_eq!(u64::from_f64(f64::INFINITY), u64::MAX);
    }

    /// 1 + 2^-11 + 2^-40 lies just above a tie of f16: going through f32 would round it down to 1.
    #[test]
    fn f16_rounds_once() {
        let v = 1.0 + 2f64.powi(-11) + 2f64.powi(-40);
        assert_eq!(<f16 as Sample>::from_f64(v).to_bits(), 0x3c01);
        assert_eq!(<f16 as Sample>::from_f64(1.0 + 2f64.powi(-11)).to_bits(), 0x3c00);
        assert_eq!(<f16 as Sample>::from_f64(-(1.0 + 2f64.powi(-11) - 2f64.powi(-40))).to_bits(), 0xbc00);
        assert_eq!(<f16 as Sample>::from_f64(1e300), f16::INFINITY);
        assert_eq!(<f16 as Sample>::from_f64(65519.999).to_bits(), 0x7bff);
        assert_eq!(<f16 as Sample>::from_f64(2f64.powi(-25) * 1.0000001).to_bits(), 1);
        assert_eq!(<f16 as Sample>::from_f64(-1e-300).to_bits(), 0x8000);
    }

    #[test]
    fn names_lead_back_to_their_type() {
        for t in DataType::ALL {
            assert_eq!(DataType::from_name(t.name()), Some(t));
            assert_eq!(DataType::from_name(t.short_name()), Some(t));
            assert_eq!(with_dtype!(t, T => T::DTYPE), t);
            assert_eq!(with_dtype!(t, T => size_of::<T>()), t.bytes());
        }
        assert_eq!(DataType::from_name("u9"), None);
    }
}
