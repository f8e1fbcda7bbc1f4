//! Order-preserving keys: unsigned integers that sort as the samples do.

use outcrop_core::{DataType, Sample, Value};

/// The key of a sample that is not NaN, in the lowest bits. -0.0 has the key of 0.0.
#[inline(always)]
pub(crate) fn key<T: Sample>(sample: T) -> u64 {
    if size_of::<T>() == 4 {
        return key32(sample).into();
    }
    let bits = bits_of(sample);
    let width = 8 * size_of::<T>() as u32;
    let sign = 1u64 << (width - 1);
    match T::DTYPE {
        DataType::U8 | DataType::U16 | DataType::U32 | DataType::U64 => bits,
        DataType::I8 | DataType::I16 | DataType::I32 | DataType::I64 => bits ^ sign,
        // The magnitudes of negative floats run backwards.
        DataType::F16 | DataType::F32 | DataType::F64 => {
            let flipped = !bits & (sign | (sign - 1));
            if bits & sign == 0 || bits == sign { bits | sign } else { flipped }
        }
    }
}

/// The key of a sample of 32 bits, in as many: twice as many fit a vector.
#[inline(always)]
fn key32<T: Sample>(sample: T) -> u32 {
    const SIGN: u32 = 1 << 31;
    let bits = bytemuck::cast::<T, u32>(sample);
    match T::DTYPE {
        DataType::U32 => bits,
        DataType::I32 => bits ^ SIGN,
        _ if bits == SIGN => SIGN,
        // Of negative floats all bits are flipped, of others the sign.
        _ => bits ^ ((bits as i32 >> 31) as u32 | SIGN),
    }
}

/// The key of any sample: that of NaN is the largest there is, which no other sample has.
#[inline(always)]
pub(crate) fn sample_key<T: Sample>(sample: T) -> u64 {
    if sample.is_nan() { u64::MAX >> (64 - 8 * size_of::<T>() as u32) } else { key(sample) }
}

/// The same for a sample of 32 bits.
#[inline(always)]
pub(crate) fn sample_key32<T: Sample>(sample: T) -> u32 {
    if sample.is_nan() { u32::MAX } else { key32(sample) }
}

/// The sample of a key.
pub(crate) fn value<T: Sample>(key: u64) -> Value {
    let width = 8 * size_of::<T>() as u32;
    let sign = 1u64 << (width - 1);
    let bits = match T::DTYPE {
        DataType::U8 | DataType::U16 | DataType::U32 | DataType::U64 => key,
        DataType::I8 | DataType::I16 | DataType::I32 | DataType::I64 => key ^ sign,
        DataType::F16 | DataType::F32 | DataType::F64 if key & sign != 0 => key ^ sign,
        DataType::F16 | DataType::F32 | DataType::F64 => !key,
    };
    Value::of(bytemuck::pod_read_unaligned::<T>(&bits.to_le_bytes()[..size_of::<T>()]))
}

#[inline(always)]
fn bits_of<T: Sample>(sample: T) -> u64 {
    match size_of::<T>() {
        1 => bytemuck::cast::<T, u8>(sample).into(),
        2 => bytemuck::cast::<T, u16>(sample).into(),
        4 => bytemuck::cast::<T, u32>(sample).into(),
        _ => bytemuck::cast::<T, u64>(sample),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_core::f16;

    fn check<T: Sample>(sorted: &[T]) {
        for pair in sorted.windows(2) {
            assert!(key(pair[0]) < key(pair[1]), "{pair:?}");
        }
        for &sample in sorted {
            assert_eq!(value::<T>(key(sample)), Value::of(sample));
        }
    }

    #[test]
    fn keys_sort_as_samples_do() {
        check(&[f64::NEG_INFINITY, f64::MIN, -1.0, -5e-324, 0.0, 5e-324, 1.0, f64::MAX, f64::INFINITY]);
        check(&[-1.0, 0.0, 0.1, 65504.0].map(f16::from_f64));
        check(&[i64::MIN, -1, 0, 1, i64::MAX]);
        check(&[i8::MIN, -1, 0, 1, i8::MAX]);
        check(&[0, 1, u16::MAX]);
        assert_eq!(key(-0.0f32), key(0.0f32));
        assert!(sample_key(-f32::NAN) > key(f32::INFINITY) && sample_key(7u8) == 7);
    }
}
