//! Predictor 2 by SSE2, which every x86-64 has: running sums of 12 or 16 bytes at a time.
//!
//! Inside a vector, pixels are summed by shifts of one, two, four and eight pixels. What a vector adds to all that follow is
//! found apart from the sums so far, so that from one vector to the next there is one addition to wait for.

use std::arch::x86_64::*;

/// Undoes the differences of native samples of `bytes` bytes in a row, as the scalar code does. Returns how many bytes
/// are done: whole pixels, none where there is no loop for these samples.
pub(super) fn undo(row: &mut [u8], bytes: usize, samples: usize) -> usize {
    let sums = match (bytes, samples) {
        (1, 1) => bytes_1,
        (1, 2) => bytes_2,
        (1, 3) => bytes_3,
        (1, 4) => bytes_4,
        (1, 8) => bytes_8,
        (1, 16) => bytes_16,
        (2, 1) => words_1,
        (2, 2) => words_2,
        (2, 3) => words_3,
        (2, 4) => words_4,
        (2, 8) => words_8,
        (4, 1) => doubles_1,
        (4, 2) => doubles_2,
        (4, 4) => doubles_4,
        (8, 1) => quads_1,
        (8, 2) => quads_2,
        _ => return 0,
    };
    // SAFETY: SSE2 is part of x86-64.
    unsafe { sums(row) }
}

#[inline]
#[target_feature(enable = "sse2")]
fn load(bytes: &[u8]) -> __m128i {
    let mut v = [0; 16];
    v.copy_from_slice(&bytes[..16]);
    bytemuck::cast(v)
}

/// A loop of one kind of pixel: how samples are added, the bytes of a step, the shifts, and how the last pixel of a step is
/// brought to all places.
macro_rules! sums {
    ($name:ident, $add:ident, $step:literal, [$($shift:literal),*], |$v:ident| $last:expr) => {
        #[target_feature(enable = "sse2")]
        fn $name(row: &mut [u8]) -> usize {
            let mut before = _mm_setzero_si128();
            let mut at = 0;
            while row.len() - at >= 16 {
                let $v = load(&row[at..]);
                $(let $v = $add($v, _mm_slli_si128::<$shift>($v));)*
                let sums: [u8; 16] = bytemuck::cast($add($v, before));
                row[at..at + $step].copy_from_slice(&sums[..$step]);
                before = $add(before, $last);
                at += $step;
            }
            at
        }
    };
}

sums!(bytes_1, _mm_add_epi8, 16, [1, 2, 4, 8], |v| words_last(_mm_unpackhi_epi8(v, v)));
sums!(bytes_2, _mm_add_epi8, 16, [2, 4, 8], |v| words_last(v));
sums!(bytes_3, _mm_add_epi8, 12, [3, 6], |v| {
    let last = _mm_srli_si128::<13>(_mm_slli_si128::<4>(v));
    let two = _mm_or_si128(last, _mm_slli_si128::<3>(last));
    _mm_or_si128(two, _mm_slli_si128::<6>(two))
});
sums!(bytes_4, _mm_add_epi8, 16, [4, 8], |v| _mm_shuffle_epi32::<0xff>(v));
sums!(bytes_8, _mm_add_epi8, 16, [8], |v| _mm_shuffle_epi32::<0xee>(v));
sums!(bytes_16, _mm_add_epi8, 16, [], |v| v);
sums!(words_1, _mm_add_epi16, 16, [2, 4, 8], |v| words_last(v));
sums!(words_2, _mm_add_epi16, 16, [4, 8], |v| _mm_shuffle_epi32::<0xff>(v));
sums!(words_3, _mm_add_epi16, 12, [6], |v| {
    let last = _mm_srli_si128::<10>(_mm_slli_si128::<4>(v));
    _mm_or_si128(last, _mm_slli_si128::<6>(last))
});
sums!(words_4, _mm_add_epi16, 16, [8], |v| _mm_shuffle_epi32::<0xee>(v));
sums!(words_8, _mm_add_epi16, 16, [], |v| v);
sums!(doubles_1, _mm_add_epi32, 16, [4, 8], |v| _mm_shuffle_epi32::<0xff>(v));
sums!(doubles_2, _mm_add_epi32, 16, [8], |v| _mm_shuffle_epi32::<0xee>(v));
sums!(doubles_4, _mm_add_epi32, 16, [], |v| v);
sums!(quads_1, _mm_add_epi64, 16, [8], |v| _mm_shuffle_epi32::<0xee>(v));
sums!(quads_2, _mm_add_epi64, 16, [], |v| v);

/// The last 16 bits in all places.
#[inline]
#[target_feature(enable = "sse2")]
fn words_last(v: __m128i) -> __m128i {
    let high = _mm_shufflehi_epi16::<0xff>(v);
    _mm_unpackhi_epi64(high, high)
}

#[cfg(test)]
mod tests {
    use super::super::predictor::in_memory;
    use super::*;

    /// Kinds of pixels, as bytes and samples, that have a loop.
    const LOOPS: [(usize, usize); 16] = [
        (1, 1),
        (1, 2),
        (1, 3),
        (1, 4),
        (1, 8),
        (1, 16),
        (2, 1),
        (2, 2),
        (2, 3),
        (2, 4),
        (2, 8),
        (4, 1),
        (4, 2),
        (4, 4),
        (8, 1),
        (8, 2),
    ];

    #[test]
    fn vectors_give_what_one_sample_after_the_other_gives() {
        let mut seed = 1u64;
        let all = [1, 2, 4, 8].into_iter().flat_map(|bytes| (1..=17).map(move |samples| (bytes, samples)));
        for (bytes, samples) in all {
            for width in [0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 64, 333] {
                let mut row = vec![0; width * samples * bytes];
                for byte in &mut row {
                    seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(99);
                    *byte = (seed >> 56) as u8;
                }
                let mut want = row.clone();
                match bytes {
                    1 => in_memory::<u8>(&mut want, samples),
                    2 => in_memory::<u16>(&mut want, samples),
                    4 => in_memory::<u32>(&mut want, samples),
                    _ => in_memory::<u64>(&mut want, samples),
                }
                let done = undo(&mut row, bytes, samples);
                let left = if LOOPS.contains(&(bytes, samples)) { row.len() - done } else { done };
                assert!(
                    done.is_multiple_of(bytes * samples) && left < 16,
                    "{samples} x {bytes} bytes: {done}"
                );
                assert_eq!(row[..done], want[..done], "{samples} x {bytes} bytes, {width} pixels");
            }
        }
    }
}
