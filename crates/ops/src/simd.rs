//! Runs a computation as compiled for the vectors that this processor has.
//!
//! Exact sums (`reduce/exact`) and the mean of three 8-bit channels (`map/avx2`) choose kernels of their own.
//! `OUTCROP_VECTORS=baseline` in the environment turns all of them off, `avx2` what is beyond that: results are the same, as tests and
//! benches show.

/// A computation that the compiler may vectorise; `run` must be `#[inline(always)]` to be compiled for both.
pub trait Work {
    /// Does it. The result must not depend on how it was compiled (no fused operation unless written as one).
    fn run(self);
}

/// Whether this processor has AVX2 and FMA, and they are wanted.
#[inline]
pub fn detected() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        static DETECTED: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
            let wanted = std::env::var_os("OUTCROP_VECTORS").is_none_or(|v| v != "baseline");
            wanted && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
        });
        *DETECTED
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Whether this processor has the parts of AVX-512 that [small integers](crate::reduce::Stats) are added with, and they are wanted.
#[inline]
pub(crate) fn detected_512() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        static DETECTED: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
            let wanted = std::env::var_os("OUTCROP_VECTORS").is_none_or(|v| v != "avx2");
            wanted
                && detected()
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vbmi")
                && is_x86_feature_detected!("avx512vnni")
        });
        *DETECTED
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Runs the work with AVX2 and FMA where they are [`detected`], else with the target's baseline.
pub fn run<W: Work>(work: W) {
    #[cfg(target_arch = "x86_64")]
    if detected() {
        // SAFETY: the processor has what `run_avx2` is compiled for; it was asked just now.
        return unsafe { run_avx2(work) };
    }
    work.run();
}

/// # Safety
/// The processor must have AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2<W: Work>(work: W) {
    work.run();
}
