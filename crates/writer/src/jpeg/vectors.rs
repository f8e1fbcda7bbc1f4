//! Eight floats at a time: [`Lanes`] as arrays on any processor, and in AVX2 where it is found at run time.
//!
//! The compiler turns sums of arrays into vectors, but not a transposition of registers.

/// Eight floats. Each operation gives the same bits however it is done. Values come from values: the first one, which
/// [`run`] hands out, is the proof that the processor has what they are made with.
pub(super) trait Lanes: Copy {
    fn zero(proof: Self) -> Self;
    fn load(proof: Self, from: &[f32; 8]) -> Self;
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn times(self, factor: f32) -> Self;
    fn transpose(rows: [Self; 8]) -> [Self; 8];
    /// Rounds to integers, halves to even, of at most 22 bits; says which are not 0.
    fn round(self, to: &mut [i32; 8]) -> u8;
}

/// A computation; `run` must be `#[inline(always)]` to be compiled for each kind of lanes. Its result must not depend
/// on which these are.
pub(super) trait Work {
    fn run<L: Lanes>(self, lanes: L);
}

/// Does the work with AVX2 where there is one, else with the target's baseline.
/// `OUTCROP_VECTORS=baseline` in the environment asks for that.
pub(super) fn run<W: Work>(work: W) {
    #[cfg(target_arch = "x86_64")]
    if avx2::detected() {
        // SAFETY: the processor has what `run` is compiled for; it was asked just now.
        return unsafe { avx2::run(work) };
    }
    work.run(Plain([0.0; 8]));
}

/// Lanes of any processor.
#[derive(Clone, Copy)]
pub(super) struct Plain(pub(super) [f32; 8]);

impl Plain {
    #[inline(always)]
    fn with(self, other: Plain, of: impl Fn(f32, f32) -> f32) -> Plain {
        Plain(std::array::from_fn(|i| of(self.0[i], other.0[i])))
    }
}

impl Lanes for Plain {
    #[inline(always)]
    fn zero(_: Plain) -> Plain {
        Plain([0.0; 8])
    }

    #[inline(always)]
    fn load(_: Plain, from: &[f32; 8]) -> Plain {
        Plain(*from)
    }

    #[inline(always)]
    fn add(self, other: Plain) -> Plain {
        self.with(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Plain) -> Plain {
        self.with(other, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, other: Plain) -> Plain {
        self.with(other, |a, b| a * b)
    }

    #[inline(always)]
    fn times(self, factor: f32) -> Plain {
        Plain(self.0.map(|a| a * factor))
    }

    #[inline(always)]
    fn transpose(rows: [Plain; 8]) -> [Plain; 8] {
        std::array::from_fn(|i| Plain(std::array::from_fn(|k| rows[k].0[i])))
    }

    #[inline(always)]
    fn round(self, to: &mut [i32; 8]) -> u8 {
        // Added to it a number keeps no fraction.
        const ROUND: f32 = 12_582_912.0;
        *to = self.0.map(|a| (a + ROUND).to_bits() as i32 - ROUND.to_bits() as i32);
        (0..8).fold(0, |mask, i| mask | u8::from(to[i] != 0) << i)
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2 {
    //! Lanes in AVX2. Each is made from another, and the first only by `run`: where there is one, AVX2 is.

    use std::arch::x86_64::*;

    use super::{Lanes, Work};

    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(__m256);

    /// Whether this processor has AVX2 and the bit operations that came with it, and they are wanted.
    pub(crate) fn detected() -> bool {
        static DETECTED: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
            let wanted = std::env::var_os("OUTCROP_VECTORS").is_none_or(|v| v != "baseline");
            let bits = is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt");
            wanted && is_x86_feature_detected!("avx2") && bits
        });
        *DETECTED
    }

    /// # Safety
    /// The processor must have AVX2, BMI1, BMI2 and LZCNT.
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    pub(crate) unsafe fn run<W: Work>(work: W) {
        work.run(Avx2(_mm256_setzero_ps()));
    }

    impl Lanes for Avx2 {
        #[inline(always)]
        fn zero(_: Avx2) -> Avx2 {
            // SAFETY: there is a value of this type, so there is AVX2; the same holds below.
            Avx2(unsafe { _mm256_setzero_ps() })
        }

        #[inline(always)]
        fn load(_: Avx2, from: &[f32; 8]) -> Avx2 {
            Avx2(bytemuck::cast(*from))
        }

        #[inline(always)]
        fn add(self, other: Avx2) -> Avx2 {
            // SAFETY: as above.
            Avx2(unsafe { _mm256_add_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn sub(self, other: Avx2) -> Avx2 {
            // SAFETY: as above.
            Avx2(unsafe { _mm256_sub_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn mul(self, other: Avx2) -> Avx2 {
            // SAFETY: as above.
            Avx2(unsafe { _mm256_mul_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn times(self, factor: f32) -> Avx2 {
            // SAFETY: as above.
            self.mul(Avx2(unsafe { _mm256_set1_ps(factor) }))
        }

        #[inline(always)]
        fn transpose(rows: [Avx2; 8]) -> [Avx2; 8] {
            // SAFETY: as above.
            unsafe { transpose(rows.map(|row| row.0)).map(Avx2) }
        }

        #[inline(always)]
        fn round(self, to: &mut [i32; 8]) -> u8 {
            // SAFETY: as above.
            unsafe {
                let whole = _mm256_cvtps_epi32(self.0);
                *to = bytemuck::cast(whole);
                let zeros = _mm256_cmpeq_epi32(whole, _mm256_setzero_si256());
                !(_mm256_movemask_ps(_mm256_castsi256_ps(zeros)) as u8)
            }
        }
    }

    /// # Safety
    /// The processor must have AVX2.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn transpose(r: [__m256; 8]) -> [__m256; 8] {
        // Pairs of rows, then fours, in each half of the registers; then the halves.
        let pairs =
            [0, 2, 4, 6].map(|i| (_mm256_unpacklo_ps(r[i], r[i + 1]), _mm256_unpackhi_ps(r[i], r[i + 1])));
        let fours = |a: (__m256, __m256), b: (__m256, __m256)| {
            [
                _mm256_shuffle_ps::<0x44>(a.0, b.0),
                _mm256_shuffle_ps::<0xee>(a.0, b.0),
                _mm256_shuffle_ps::<0x44>(a.1, b.1),
                _mm256_shuffle_ps::<0xee>(a.1, b.1),
            ]
        };
        let (upper, lower) = (fours(pairs[0], pairs[1]), fours(pairs[2], pairs[3]));
        std::array::from_fn(|i| match i {
            0..4 => _mm256_permute2f128_ps::<0x20>(upper[i], lower[i]),
            _ => _mm256_permute2f128_ps::<0x31>(upper[i - 4], lower[i - 4]),
        })
    }
}
