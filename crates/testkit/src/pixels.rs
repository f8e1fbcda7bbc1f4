//! Known pixels: ramps and seeded noise.

use outcrop_core::{DataType, Sample};

/// 0, 1, 2, ... as samples; integers wrap, floats are in eighths.
pub fn ramp<T: Sample>(samples: usize) -> Vec<T> {
    (0..samples as u64)
        .map(|i| match T::DTYPE {
            DataType::F16 => T::from_f64((i % 1024) as f64),
            t if t.is_float() => T::from_f64(i as f64 / 8.0),
            _ => low_bytes(i),
        })
        .collect()
}

/// Noise that depends on the seed alone; floats are finite, of mixed sign and magnitude.
pub fn noise<T: Sample>(samples: usize, seed: u64) -> Vec<T> {
    let mut state = seed;
    (0..samples)
        .map(|_| {
            let bits = next(&mut state);
            if T::DTYPE.is_float() {
                let unit = (bits >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
                T::from_f64(unit * 2f64.powi((bits % 16) as i32))
            } else {
                low_bytes(bits)
            }
        })
        .collect()
}

/// The integer sample of these low bytes.
fn low_bytes<T: Sample>(bits: u64) -> T {
    bytemuck::pod_read_unaligned(&bits.to_le_bytes()[..size_of::<T>()])
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mix(*state)
}

/// The finaliser of SplitMix64: scatters the bits of a number.
pub(crate) fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_splitmix64() {
        // The first outputs for seed 1234567, from the reference implementation (Vigna).
        assert_eq!(noise::<u64>(2, 1234567), [6457827717110365317, 3203168211198807973]);
        assert_eq!(ramp::<u8>(257)[256], 0);
    }
}
