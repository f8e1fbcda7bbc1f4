//! Random bits by place instead of by state, and how each sample type takes them.

use outcrop_core::{Sample, f16};

const NOISE: u64 = 0x0015_e000_0000_0000;

/// The finaliser of splitmix64 (Steele, Lea, Flood 2014): a bijection that mixes every bit into every bit.
#[inline(always)]
pub(super) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The `index`-th output of the splitmix64 generator that a seed and a stream name.
#[inline(always)]
pub(super) fn hash(seed: u64, stream: u64, index: u64) -> u64 {
    mix(mix(seed ^ stream).wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// Fills samples numbered from `first` on.
pub(super) fn noise_run<T: Random>(seed: u64, first: u64, out: &mut [T]) {
    let per_word = 8 / size_of::<T>() as u64;
    let base = mix(seed ^ NOISE);
    let word = |n: u64| mix(base.wrapping_add((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let pick = |word: u64, i: u64| T::random(word >> (64 - (i + 1) * 64 / per_word) << (64 - 64 / per_word));
    let head = (first.next_multiple_of(per_word) - first).min(out.len() as u64);
    let (head, rest) = out.split_at_mut(head as usize);
    for (sample, n) in head.iter_mut().zip(first..) {
        *sample = pick(word(n / per_word), n % per_word);
    }
    let start = (first + head.len() as u64) / per_word;
    let mut words = rest.chunks_exact_mut(per_word as usize);
    let mut n = start;
    for samples in &mut words {
        let w = word(n);
        for (i, sample) in samples.iter_mut().enumerate() {
            *sample = pick(w, i as u64);
        }
        n += 1;
    }
    let tail = words.into_remainder();
    let w = word(n);
    for (i, sample) in tail.iter_mut().enumerate() {
        *sample = pick(w, i as u64);
    }
}

/// How a type takes random bits and ramps.
pub(super) trait Random: Sample {
    /// A sample from the upper bits: as many as it has (integers), or as its significand holds (floats, in 0..1).
    fn random(bits: u64) -> Self;
    /// The sample that far through the type's range (floats: that number), to the nearest; `at` lies in 0..=1.
    fn unit(at: f64) -> Self;
    /// Samples `first / last`, `(first + step) / last`, ... of the way through the type's range.
    fn ramp<'a>(first: u64, step: u64, last: u64, out: impl Iterator<Item = &'a mut Self>)
    where
        Self: 'a;
}

macro_rules! integer {
    ($($t:ty),*) => {$(
        impl Random for $t {
            #[inline(always)]
            fn random(bits: u64) -> Self {
                (bits >> (64 - <$t>::BITS)) as $t
            }

            #[inline(always)]
            fn unit(at: f64) -> Self {
                let range = (<$t>::MAX as i128 - <$t>::MIN as i128) as f64;
                <$t>::MIN.wrapping_add((at * range + 0.5) as u64 as $t)
            }

            /// Steps a quotient and its remainder, so that only the first sample costs a wide division.
            fn ramp<'a>(first: u64, step: u64, last: u64, out: impl Iterator<Item = &'a mut Self>) {
                let range = (<$t>::MAX as i128 - <$t>::MIN as i128) as u128;
                let at = first as u128 * range;
                let (mut quotient, mut rest) = ((at / last as u128) as u64, (at % last as u128) as u64);
                let (more, left) = ((range / last as u128) as u64 * step, (range % last as u128) as u64 * step);
                for sample in out {
                    *sample = <$t>::MIN.wrapping_add(quotient as $t);
                    quotient = quotient.wrapping_add(more);
                    rest += left;
                    if rest >= last {
                        rest -= last;
                        quotient = quotient.wrapping_add(1);
                    }
                }
            }
        }
    )*};
}
integer!(u8, u16, u32, u64, i8, i16, i32, i64);

macro_rules! float {
    ($($t:ty: $bits:literal),*) => {$(
        impl Random for $t {
            #[inline(always)]
            fn random(bits: u64) -> Self {
                const UNIT: f64 = 1.0 / (1u64 << $bits) as f64;
                <$t as Sample>::from_f64((bits >> (64 - $bits)) as f64 * UNIT)
            }

            #[inline(always)]
            fn unit(at: f64) -> Self {
                <$t as Sample>::from_f64(at)
            }

            fn ramp<'a>(first: u64, step: u64, last: u64, out: impl Iterator<Item = &'a mut Self>) {
                let mut at = first;
                for sample in out {
                    *sample = <$t as Sample>::from_f64(at as f64 / last as f64);
                    at += step;
                }
            }
        }
    )*};
}
float!(f16: 11, f32: 24, f64: 53);
