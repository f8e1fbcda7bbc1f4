//! The float blocks of [`float`](super::float) in AVX2 and FMA: five times the speed of what the compiler makes of them.
//!
//! Each is the twin of the portable block of the same name and tested equal to it.

use std::arch::x86_64::*;

use super::fixed::power_of_two;
use super::float::{BINADE, Block, LANES, Leave};

/// A running sum in two parts, as `Split` of the portable blocks, in four lanes. Two of them are kept where they fit
/// the registers.
#[derive(Clone, Copy)]
struct Split {
    high: __m256d,
    low: __m256d,
    start: f64,
}

impl Split {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn new(k: i32) -> Split {
        let start = 1.5 * power_of_two(k + BINADE);
        Split { high: _mm256_set1_pd(start), low: _mm256_setzero_pd(), start }
    }

    /// `one` is 1 in every lane: half of the additions are fused with a product by it, so that units that only add and
    /// those that also multiply share the work (27 GB/s of f64 against 20).
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn add(&mut self, v: __m256d, one: __m256d) {
        let next = _mm256_add_pd(self.high, v);
        let low = _mm256_sub_pd(v, _mm256_fmsub_pd(next, one, self.high));
        self.low = _mm256_fmadd_pd(low, one, self.low);
        self.high = next;
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn add_square(&mut self, v: __m256d) {
        let next = _mm256_fmadd_pd(v, v, self.high);
        let low = _mm256_fmadd_pd(v, v, _mm256_sub_pd(self.high, next));
        self.low = _mm256_add_pd(self.low, low);
        self.high = next;
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn parts(&self) -> [f64; 2] {
        let high: [f64; 4] = bytemuck::cast(self.high);
        let low: [f64; 4] = bytemuck::cast(self.low);
        [high.iter().map(|h| h - self.start).sum(), low.iter().sum()]
    }
}

/// See [`float`](super::float).
#[target_feature(enable = "avx2,fma")]
pub(super) fn block_f32(samples: &[f32], e: i32, leave: Leave<f32>) -> Block<f32> {
    match leave {
        None => add_f32::<false>(samples, e, 0.0),
        Some(nodata) => add_f32::<true>(samples, e, nodata),
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_f32<const LEAVE: bool>(samples: &[f32], e: i32, nodata: f32) -> Block<f32> {
    let mut min = _mm256_set1_ps(f32::INFINITY);
    let mut max = _mm256_set1_ps(f32::NEG_INFINITY);
    let mut least = _mm256_set1_epi32(-1);
    let mut sum = [_mm256_setzero_pd(); 2];
    let mut squares = [Split::new(2 * e); 2];
    let (mut nans, mut gone, nodata) =
        (_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_set1_ps(nodata));
    for group in samples.as_chunks::<LANES>().0 {
        let mut v: __m256 = bytemuck::cast(*group);
        // The second operand is the result where one is NaN: what leaves is made NaN for the extremes, then 0.
        if LEAVE {
            let (nan, is) = (_mm256_cmp_ps::<_CMP_UNORD_Q>(v, v), _mm256_cmp_ps::<_CMP_EQ_OQ>(v, nodata));
            nans = _mm256_sub_epi32(nans, _mm256_castps_si256(nan));
            gone = _mm256_sub_epi32(gone, _mm256_castps_si256(is));
            let leaves = _mm256_or_ps(nan, is);
            let number = _mm256_or_ps(v, leaves);
            min = _mm256_min_ps(number, min);
            max = _mm256_max_ps(number, max);
            v = _mm256_andnot_ps(leaves, v);
        } else {
            min = _mm256_min_ps(v, min);
            max = _mm256_max_ps(v, max);
        }
        // Without the sign, zero last.
        let magnitude = _mm256_slli_epi32::<1>(_mm256_castps_si256(v));
        least = _mm256_min_epu32(least, _mm256_sub_epi32(magnitude, _mm256_set1_epi32(1)));
        for (i, half) in [_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v)].into_iter().enumerate() {
            let wide = _mm256_cvtps_pd(half);
            sum[i] = _mm256_add_pd(sum[i], wide);
            squares[i].add_square(wide);
        }
    }
    let least = bytemuck::cast::<_, [u32; LANES]>(least).into_iter().fold(u32::MAX, u32::min);
    let sum: [f64; LANES] = bytemuck::cast(sum);
    let [[a, b], [c, d]] = [squares[0].parts(), squares[1].parts()];
    let lanes = |v: __m256| bytemuck::cast::<_, [f32; LANES]>(v).into_iter();
    let count = |v: __m256i| bytemuck::cast::<_, [u32; LANES]>(v).into_iter().map(u64::from).sum();
    Block {
        min: lanes(min).fold(f32::INFINITY, f32::min),
        max: lanes(max).fold(f32::NEG_INFINITY, f32::max),
        least: if least == u32::MAX { f32::INFINITY } else { f32::from_bits((least + 1) >> 1) },
        sums: [sum.iter().sum(), 0.0],
        squares: [a + c, b + d, 0.0, 0.0],
        nan: count(nans),
        nodata: count(gone),
    }
}

/// See [`float`](super::float).
#[target_feature(enable = "avx2,fma")]
pub(super) fn block_f64(samples: &[f64], e: i32, leave: Leave<f64>) -> Block<f64> {
    match leave {
        None => add_f64::<false>(samples, e, 0.0),
        Some(nodata) => add_f64::<true>(samples, e, nodata),
    }
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_f64<const LEAVE: bool>(samples: &[f64], e: i32, nodata: f64) -> Block<f64> {
    let mut min = _mm256_set1_pd(f64::INFINITY);
    let mut max = _mm256_set1_pd(f64::NEG_INFINITY);
    let mut least = _mm256_set1_epi32(-1);
    // The compiler would make additions of products by a 1 that it knows.
    let one = _mm256_set1_pd(std::hint::black_box(1.0));
    let mut sum = Split::new(e);
    let (mut squares, mut errors) = (Split::new(2 * e), Split::new(2 * e - 53));
    let (mut nans, mut gone, nodata) =
        (_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_set1_pd(nodata));
    for group in samples.as_chunks::<4>().0 {
        let mut v: __m256d = bytemuck::cast(*group);
        if LEAVE {
            let (nan, is) = (_mm256_cmp_pd::<_CMP_UNORD_Q>(v, v), _mm256_cmp_pd::<_CMP_EQ_OQ>(v, nodata));
            nans = _mm256_sub_epi64(nans, _mm256_castpd_si256(nan));
            gone = _mm256_sub_epi64(gone, _mm256_castpd_si256(is));
            let leaves = _mm256_or_pd(nan, is);
            let number = _mm256_or_pd(v, leaves);
            min = _mm256_min_pd(number, min);
            max = _mm256_max_pd(number, max);
            v = _mm256_andnot_pd(leaves, v);
        } else {
            min = _mm256_min_pd(v, min);
            max = _mm256_max_pd(v, max);
        }
        // Without the sign, zero last. The upper halves decide, there is no minimum of 64 bits.
        let magnitude = _mm256_slli_epi64::<1>(_mm256_castpd_si256(v));
        least = _mm256_min_epu32(least, _mm256_sub_epi64(magnitude, _mm256_set1_epi64x(1)));
        sum.add(v, one);
        let square = _mm256_mul_pd(v, v);
        squares.add(square, one);
        errors.add(_mm256_fmsub_pd(v, v, square), one);
    }
    let ([a, b], [c, d]) = (squares.parts(), errors.parts());
    let lanes = |v: __m256d| bytemuck::cast::<_, [f64; 4]>(v).into_iter();
    let count = |v: __m256i| bytemuck::cast::<_, [u64; 4]>(v).into_iter().sum();
    let least = bytemuck::cast::<_, [u64; 4]>(least).into_iter().map(|v| v >> 32).fold(u64::MAX, u64::min);
    Block {
        min: lanes(min).fold(f64::INFINITY, f64::min),
        max: lanes(max).fold(f64::NEG_INFINITY, f64::max),
        // Less than the smallest magnitude, but not by half.
        least: if least == u64::from(u32::MAX) { f64::INFINITY } else { f64::from_bits(least << 31) },
        sums: sum.parts(),
        squares: [a, b, c, d],
        nan: count(nans),
        nodata: count(gone),
    }
}
