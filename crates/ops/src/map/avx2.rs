//! The mean of three 8-bit channels in AVX2.
//!
//! The portable loop of [`mean`](super::mean) is its twin; they are tested equal for every sum.

use std::arch::x86_64::*;

/// The mean of each pixel, for as many as there is place for in whole groups of eight; returns how many were done.
///
/// A third is multiplied by in two parts, 1/3 = HIGH + LOW to 2^-50: a sum of at most 765 is 1/6 of a unit in the last
/// place or more away from where the rounding of its third changes, and a division takes twice as long.
#[target_feature(enable = "avx2,fma")]
pub(super) fn mean_of_three(samples: &[u8], out: &mut [f32]) -> usize {
    // A pixel's three bytes and a zero in four: pixels 0 to 3 out of bytes 0 to 15, 4 to 7 out of bytes 8 to 23.
    let spread = _mm256_setr_epi8(
        0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1, //
        4, 5, 6, -1, 7, 8, 9, -1, 10, 11, 12, -1, 13, 14, 15, -1,
    );
    const HIGH: f32 = 1.0 / 3.0;
    const LOW: f32 = (1.0 / 3.0 - HIGH as f64) as f32;
    let (high, low) = (_mm256_set1_ps(HIGH), _mm256_set1_ps(LOW));
    let groups = samples.as_chunks::<24>().0.iter().zip(out.as_chunks_mut::<8>().0);
    let done = 8 * groups.len();
    for (group, out) in groups {
        let [a, b, c]: [u64; 3] = bytemuck::cast(*group);
        let bytes: __m256i = bytemuck::cast([a, b, b, c]);
        let pairs = _mm256_maddubs_epi16(_mm256_shuffle_epi8(bytes, spread), _mm256_set1_epi8(1));
        let sums = _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
        *out = bytemuck::cast(_mm256_fmadd_ps(sums, high, _mm256_mul_ps(sums, low)));
    }
    done
}
