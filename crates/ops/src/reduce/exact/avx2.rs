//! The float blocks of [`float`](super::float) in AVX2 and FMA: five times the speed of what the compiler makes of them.
//!
//! Each is the twin of the portable block of the same name and tested equal to it.

use std::arch::x86_64::*;

use super::fixed::power_of_two;
use super::float::{BINADE, Block, LANES};

/// Whether this processor runs the blocks.
pub(super) fn detected() -> bool {
    crate::simd::has_avx2_and_fma()
}

/// A running sum in two parts, as `Split` of the portable blocks.
struct Split {
    high: [__m256d; 2],
    low: [__m256d; 2],
    start: f64,
}

impl Split {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn new(k: i32) -> Split {
        let start = 1.5 * power_of_two(k + BINADE);
        Split { high: [_mm256_set1_pd(start); 2], low: [_mm256_setzero_pd(); 2], start }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn add(&mut self, i: usize, v: __m256d) {
        let next = _mm256_add_pd(self.high[i], v);
        let low = _mm256_sub_pd(v, _mm256_sub_pd(next, self.high[i]));
        self.low[i] = _mm256_add_pd(self.low[i], low);
        self.high[i] = next;
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn add_square(&mut self, i: usize, v: __m256d) {
        let next = _mm256_fmadd_pd(v, v, self.high[i]);
        let low = _mm256_fmadd_pd(v, v, _mm256_sub_pd(self.high[i], next));
        self.low[i] = _mm256_add_pd(self.low[i], low);
        self.high[i] = next;
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn parts(&self) -> [f64; 2] {
        let high: [f64; LANES] = bytemuck::cast(self.high);
        let low: [f64; LANES] = bytemuck::cast(self.low);
        [high.iter().map(|h| h - self.start).sum(), low.iter().sum()]
    }
}

/// See [`float`](super::float).
#[target_feature(enable = "avx2,fma")]
pub(super) fn block_f32(samples: &[f32], e: i32) -> Block<f32> {
    let mut min = _mm256_set1_ps(f32::INFINITY);
    let mut max = _mm256_set1_ps(f32::NEG_INFINITY);
    let mut least = _mm256_set1_epi32(-1);
    let mut sum = [_mm256_setzero_pd(); 2];
    let mut squares = Split::new(2 * e);
    for group in samples.as_chunks::<LANES>().0 {
        let v: __m256 = bytemuck::cast(*group);
        min = _mm256_min_ps(v, min);
        max = _mm256_max_ps(v, max);
        // Without the sign, zero last.
        let magnitude = _mm256_slli_epi32::<1>(_mm256_castps_si256(v));
        least = _mm256_min_epu32(least, _mm256_sub_epi32(magnitude, _mm256_set1_epi32(1)));
        let halves: [[f32; 4]; 2] = bytemuck::cast(*group);
        for (i, half) in halves.into_iter().enumerate() {
            let wide = _mm256_cvtps_pd(bytemuck::cast(half));
            sum[i] = _mm256_add_pd(sum[i], wide);
            squares.add_square(i, wide);
        }
    }
    let least = bytemuck::cast::<_, [u32; LANES]>(least).into_iter().fold(u32::MAX, u32::min);
    let sum: [f64; LANES] = bytemuck::cast(sum);
    let [high, low] = squares.parts();
    Block {
        min: bytemuck::cast::<_, [f32; LANES]>(min).into_iter().fold(f32::INFINITY, f32::min),
        max: bytemuck::cast::<_, [f32; LANES]>(max).into_iter().fold(f32::NEG_INFINITY, f32::max),
        least: if least == u32::MAX { f32::INFINITY } else { f32::from_bits((least + 1) >> 1) },
        sums: [sum.iter().sum(), 0.0],
        squares: [high, low, 0.0, 0.0],
    }
}

/// See [`float`](super::float).
#[target_feature(enable = "avx2,fma")]
pub(super) fn block_f64(samples: &[f64], e: i32) -> Block<f64> {
    let infinity = _mm256_set1_pd(f64::INFINITY);
    let mut min = infinity;
    let mut max = _mm256_set1_pd(f64::NEG_INFINITY);
    let mut least = infinity;
    let mut sum = Split::new(e);
    let (mut squares, mut errors) = (Split::new(2 * e), Split::new(2 * e - 53));
    for group in samples.as_chunks::<LANES>().0 {
        let halves: [[f64; 4]; 2] = bytemuck::cast(*group);
        for (i, half) in halves.into_iter().enumerate() {
            let v: __m256d = bytemuck::cast(half);
            min = _mm256_min_pd(v, min);
            max = _mm256_max_pd(v, max);
            let magnitude = _mm256_andnot_pd(_mm256_set1_pd(-0.0), v);
            let zero = _mm256_cmp_pd::<_CMP_EQ_OQ>(v, _mm256_setzero_pd());
            least = _mm256_min_pd(_mm256_or_pd(magnitude, _mm256_and_pd(zero, infinity)), least);
            sum.add(i, v);
            let square = _mm256_mul_pd(v, v);
            squares.add(i, square);
            errors.add(i, _mm256_fmsub_pd(v, v, square));
        }
    }
    let ([a, b], [c, d]) = (squares.parts(), errors.parts());
    let lanes = |v: __m256d| bytemuck::cast::<_, [f64; 4]>(v).into_iter();
    Block {
        min: lanes(min).fold(f64::INFINITY, f64::min),
        max: lanes(max).fold(f64::NEG_INFINITY, f64::max),
        least: lanes(least).fold(f64::INFINITY, f64::min),
        sums: sum.parts(),
        squares: [a, b, c, d],
    }
}
