//! The cosine transform of 8 x 8 samples and its quantisation, in floats: after Arai, Agui and Nakajima, whose outputs
//! have factors of their own that go into the divisors.
//!
//! The eight lanes are the columns of a block; nothing here is fused, so that every processor makes the same bits.

use super::planes::WIDTH;
use super::tables::ZIGZAG;
use super::vectors::Lanes;

/// The factors of the transform's outputs.
const FACTORS: [f64; 8] = [
    1.0,
    1.387_039_845_322_148,
    1.306_562_964_876_377,
    1.175_875_602_419_359,
    1.0,
    0.785_694_958_387_102,
    0.541_196_100_146_197,
    0.275_899_379_282_943,
];

/// Where in a transformed block, which is transposed, the coefficient of each place in the zigzag order stands.
pub(super) const PLACES: [u8; 64] = {
    let mut places = [0; 64];
    let mut k = 0;
    while k < 64 {
        places[k] = ZIGZAG[k] % 8 * 8 + ZIGZAG[k] / 8;
        k += 1;
    }
    places
};

/// By row of a transformed block and which of its coefficients are not 0: the same as bits in the zigzag order.
static BITS: [[u64; 256]; 8] = {
    let mut bits = [[0; 256]; 8];
    let mut k = 0;
    while k < 64 {
        let (row, column) = (PLACES[k] as usize / 8, PLACES[k] as usize % 8);
        let mut mask = 0;
        while mask < 256 {
            if mask >> column & 1 == 1 {
                bits[row][mask] |= 1 << k;
            }
            mask += 1;
        }
        k += 1;
    }
    bits
};

/// What the coefficients of a block are multiplied by, transposed as they are.
pub(super) fn scales(steps: &[u8; 64]) -> [[f32; 8]; 8] {
    let mut scales = [[0.0; 8]; 8];
    for (x, scales) in scales.iter_mut().enumerate() {
        for (y, scale) in scales.iter_mut().enumerate() {
            *scale = (1.0 / (f64::from(steps[y * 8 + x]) * FACTORS[y] * FACTORS[x] * 8.0)) as f32;
        }
    }
    scales
}

/// Writes a block's coefficients, transposed, and says which of them are not 0, in the zigzag order.
#[inline(always)]
pub(super) fn transform<L: Lanes>(
    lanes: L,
    rows: &[[f32; WIDTH]; 8],
    x: usize,
    scales: &[[f32; 8]; 8],
    out: &mut [[i32; 8]; 8],
) -> u64 {
    let block =
        rows.each_ref().map(|row| row[x..].first_chunk().map_or(L::zero(lanes), |row| L::load(lanes, row)));
    let block = pass(L::transpose(pass(block)));
    let mut bits = 0;
    for i in 0..8 {
        let mask = block[i].mul(L::load(lanes, &scales[i])).round(&mut out[i]);
        bits |= BITS[i][usize::from(mask)];
    }
    bits
}

/// The transform along one side of the block, of all eight lines at once.
#[inline(always)]
fn pass<L: Lanes>(d: [L; 8]) -> [L; 8] {
    let (s07, d07) = (d[0].add(d[7]), d[0].sub(d[7]));
    let (s16, d16) = (d[1].add(d[6]), d[1].sub(d[6]));
    let (s25, d25) = (d[2].add(d[5]), d[2].sub(d[5]));
    let (s34, d34) = (d[3].add(d[4]), d[3].sub(d[4]));

    let (a, b) = (s07.add(s34), s16.add(s25));
    let (c, e) = (s07.sub(s34), s16.sub(s25));
    let z1 = e.add(c).times(std::f32::consts::FRAC_1_SQRT_2);

    let (f, g, h) = (d34.add(d25), d25.add(d16), d16.add(d07));
    let z5 = f.sub(h).times(0.382_683_43);
    let z2 = f.times(0.541_196_1).add(z5);
    let z4 = h.times(1.306_563).add(z5);
    let z3 = g.times(std::f32::consts::FRAC_1_SQRT_2);
    let (z11, z13) = (d07.add(z3), d07.sub(z3));
    [a.add(b), z11.add(z4), c.add(z1), z13.sub(z2), a.sub(b), z13.add(z2), c.sub(z1), z11.sub(z4)]
}
