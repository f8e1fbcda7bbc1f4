//! Runs a computation as compiled for the vectors that this processor has.
//!
//! Exact sums (`reduce/exact`) and the mean of three 8-bit channels (`map/avx2`) choose kernels of their own.

/// A computation that the compiler may vectorise; `run` must be `#[inline(always)]` to be compiled for both.
pub(crate) trait Work {
    /// Does it. The result must not depend on how it was compiled (no fused operation unless written as one).
    fn run(self);
}

/// Whether this processor has AVX2. The feature `baseline` says no whatever it has: the instruction counts of
/// `scripts/guard` must be those of every machine.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn has_avx2() -> bool {
    !cfg!(feature = "baseline") && is_x86_feature_detected!("avx2")
}

/// The same with FMA.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn has_avx2_and_fma() -> bool {
    has_avx2() && is_x86_feature_detected!("fma")
}

/// Runs the work with AVX2 and FMA where they are found at run time, else with the target's baseline.
pub(crate) fn run<W: Work>(work: W) {
    #[cfg(target_arch = "x86_64")]
    if has_avx2_and_fma() {
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
