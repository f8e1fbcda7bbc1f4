//! The 24-bit form of SGI LogLuv (34677): three bytes a pixel, the highest first, 10 bits of log luminance and a code of 14
//! bits for chroma.
//!
//! The codes number the squares of 0.0035 x 0.0035 that cover the visible colours in (u', v'), along rows of rising v'. Where
//! the rows begin and how many squares they have was found by asking libtiff for every code
//! (`crates/reader/tests/make_luv24.py` does it again), so that samples are those that it gives.

/// Millionths of u' or v' from one square to the next.
const SQUARE: u32 = 3500;
/// Millionths of v' where the first row begins.
const FIRST_ROW: u32 = 16940;
/// u' and v' of codes that stand for no square: the neutral colour, as samples.
const NEUTRAL: [i16; 2] = [6898, 15521];
const ROWS: usize = 163;

/// Millionths of u' where each row begins.
const STARTS: [u32; ROWS] = [
    247664, 243778, 241681, 237874, 235907, 232153, 228352, 226260, 222371, 220410, 214710, 212714, 210722,
    204976, 202986, 199246, 195525, 193560, 189878, 186216, 186216, 182592, 179003, 175467, 172001, 172001,
    168612, 168612, 163576, 158642, 158642, 158642, 153815, 153815, 149097, 149097, 142746, 142746, 142746,
    138270, 138270, 138270, 132166, 132166, 126204, 126204, 126204, 120381, 120381, 120381, 120381, 112962,
    112962, 112962, 107450, 107450, 107450, 107450, 100343, 100343, 100343, 95126, 95126, 95126, 95126,
    88276, 88276, 88276, 88276, 81523, 81523, 81523, 81523, 74861, 74861, 74861, 74861, 68290, 68290, 68290,
    68290, 63573, 63573, 63573, 63573, 57219, 57219, 57219, 57219, 50985, 50985, 50985, 50985, 50985, 44859,
    44859, 44859, 44859, 40571, 40571, 40571, 40571, 36339, 36339, 36339, 36339, 32139, 32139, 32139, 32139,
    27947, 27947, 27947, 23739, 23739, 23739, 23739, 19504, 19504, 19504, 16976, 16976, 16976, 16976, 12639,
    12639, 12639, 9991, 9991, 9991, 9016, 9016, 9016, 6217, 6217, 5097, 5097, 5097, 3909, 3909, 2340, 2389,
    1068, 1653, 717, 1614, 270, 484, 1103, 1242, 1188, 1011, 709, 301, 2416, 3251, 3246, 4141, 5963, 8839,
    10490, 16995, 23659,
];

/// Squares of each row.
const SQUARES: [u8; ROWS] = [
    4, 6, 7, 9, 10, 12, 14, 15, 17, 18, 21, 22, 23, 26, 27, 29, 31, 32, 34, 36, 36, 38, 40, 42, 44, 44, 46,
    46, 49, 52, 52, 52, 55, 55, 58, 58, 62, 62, 62, 65, 65, 65, 69, 69, 73, 73, 73, 77, 77, 77, 77, 82, 82,
    82, 86, 86, 86, 86, 91, 91, 91, 95, 95, 95, 95, 100, 100, 100, 100, 105, 105, 105, 105, 110, 110, 110,
    110, 115, 115, 115, 115, 119, 119, 119, 119, 124, 124, 124, 124, 129, 129, 129, 129, 129, 134, 134, 134,
    134, 138, 138, 138, 138, 142, 142, 142, 142, 146, 146, 146, 146, 150, 150, 150, 154, 154, 154, 154, 158,
    158, 158, 161, 161, 161, 161, 165, 165, 165, 168, 168, 168, 170, 170, 170, 173, 173, 175, 175, 175, 177,
    177, 177, 170, 164, 157, 150, 143, 136, 129, 123, 115, 109, 103, 97, 89, 82, 76, 69, 62, 55, 47, 40, 31,
    21,
];

/// u' and v' of every code, as samples.
static CHROMA: [[i16; 2]; 1 << 14] = chroma();

const fn chroma() -> [[i16; 2]; 1 << 14] {
    let mut all = [NEUTRAL; 1 << 14];
    let (mut code, mut row) = (0, 0);
    while row < ROWS {
        let mut square = 0;
        while square < SQUARES[row] as u32 {
            all[code] = [sample(STARTS[row], square), sample(FIRST_ROW, row as u32)];
            code += 1;
            square += 1;
        }
        row += 1;
    }
    all
}

/// The middle of a square times 2^15.
const fn sample(start: u32, square: u32) -> i16 {
    ((2 * start + (2 * square + 1) * SQUARE) as u64 * 32768 / 2_000_000) as i16
}

/// L, u' and v' of a pixel, the samples that the 32-bit form has.
///
/// As libtiff cuts out the luminance: its second bit is lost, and its lowest is one of chroma's.
pub(super) fn pixel(code: [u8; 3]) -> [i16; 3] {
    let code = u32::from_be_bytes([0, code[0], code[1], code[2]]);
    let [u, v] = CHROMA[(code & 0x3fff) as usize];
    [((code >> 12 & 0xffd) + 13314) as i16, u, v]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_what_libtiff_gives() {
        let bytes: Vec<u8> = CHROMA.iter().flatten().flat_map(|sample| sample.to_le_bytes()).collect();
        assert_eq!(
            outcrop_testkit::corpus::sha256(&bytes),
            "f3cdcf1d60e529b563de7f82fc8fa67ef8dcecbdbf7d4a2ecad3da4c6abad0d7"
        );
    }

    #[test]
    fn luminance_is_cut_out_as_libtiff_does() {
        // What GDAL gives for the bytes.
        let luma = |bytes| pixel(bytes)[0];
        assert_eq!(
            [[0, 0, 0], [0, 0x10, 0], [0, 0x40, 0], [0xff, 0xff, 0xff]].map(luma),
            [13314, 13315, 13318, 17407]
        );
    }
}
