//! [`Planes`]: pixels as light and colour, a few units (MCUs) at a time, so that they stay in a core's nearest cache.

/// Pixels of a run of units: whole units of either size.
pub(super) const WIDTH: usize = 128;

/// Light, eight rows and eight more, and the two colours, around 0; of colours at half the resolution the first half of each row is used.
pub(super) struct Planes {
    pub(super) light: [[[f32; WIDTH]; 8]; 2],
    pub(super) colour: [[[f32; WIDTH]; 8]; 2],
}

/// Pixels in C order, and how many rows and columns of them there are.
#[derive(Clone, Copy)]
pub(super) struct Samples<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// The weights of red, green and blue in the two colours.
const COLOURS: [[f32; 3]; 2] = [[-0.168_735_89, -0.331_264_1, 0.5], [0.5, -0.418_687_59, -0.081_312_41]];

impl Planes {
    pub(super) fn new() -> Planes {
        Planes { light: [[[0.0; WIDTH]; 8]; 2], colour: [[[0.0; WIDTH]; 8]; 2] }
    }

    /// Takes gray samples from row `y` and column `x` on: eight rows.
    #[inline(always)]
    pub(super) fn gray(&mut self, samples: Samples<'_>, y: usize, x: usize) {
        for (i, light) in self.light[0].iter_mut().enumerate() {
            let mut spare = [0; WIDTH];
            let row: &[u8; WIDTH] = samples.row::<1, WIDTH>(y + i, x, &mut spare);
            light.iter_mut().zip(row).for_each(|(to, &v)| *to = f32::from(v) - 128.0);
        }
    }

    /// Takes RGB pixels: eight rows.
    #[inline(always)]
    pub(super) fn full(&mut self, samples: Samples<'_>, y: usize, x: usize) {
        for i in 0..8 {
            let rgb = samples.channels(y + i, x);
            light(&rgb, &mut self.light[0][i]);
            for (weights, plane) in COLOURS.iter().zip(&mut self.colour) {
                for (k, to) in plane[i].iter_mut().enumerate() {
                    *to = weighted(weights, rgb.each_ref().map(|c| f32::from(c[k])));
                }
            }
        }
    }

    /// Takes RGB pixels, the mean colour of each 2 x 2: sixteen rows.
    #[inline(always)]
    pub(super) fn halved(&mut self, samples: Samples<'_>, y: usize, x: usize) {
        for i in 0..8 {
            let rows = [samples.channels(y + 2 * i, x), samples.channels(y + 2 * i + 1, x)];
            light(&rows[0], &mut self.light[i / 4][2 * i % 8]);
            light(&rows[1], &mut self.light[i / 4][2 * i % 8 + 1]);
            let mut sums = [[0.0; WIDTH / 2]; 3];
            for (channel, sums) in sums.iter_mut().enumerate() {
                let pairs = |row: usize| rows[row][channel].as_chunks::<2>().0;
                for ((to, &a), &b) in sums.iter_mut().zip(pairs(0)).zip(pairs(1)) {
                    let sum =
                        |pair: [u8; 2]| (u16::from_le_bytes(pair) & 255) + (u16::from_le_bytes(pair) >> 8);
                    *to = f32::from(sum(a) + sum(b));
                }
            }
            for (weights, plane) in COLOURS.iter().zip(&mut self.colour) {
                let weights = weights.map(|w| w / 4.0);
                for (k, to) in plane[i][..WIDTH / 2].iter_mut().enumerate() {
                    *to = weighted(&weights, sums.each_ref().map(|c| c[k]));
                }
            }
        }
    }
}

#[inline(always)]
fn weighted(weights: &[f32; 3], [r, g, b]: [f32; 3]) -> f32 {
    weights[0] * r + weights[1] * g + weights[2] * b
}

#[inline(always)]
fn light(rgb: &[[u8; WIDTH]; 3], to: &mut [f32; WIDTH]) {
    for (k, to) in to.iter_mut().enumerate() {
        *to = weighted(&[0.299, 0.587, 0.114], rgb.each_ref().map(|c| f32::from(c[k]))) - 128.0;
    }
}

impl Samples<'_> {
    /// Red, green and blue from a pixel on.
    #[inline(always)]
    fn channels(&self, y: usize, x: usize) -> [[u8; WIDTH]; 3] {
        let mut spare = [0; 3 * WIDTH];
        let row = self.row::<3, { 3 * WIDTH }>(y, x, &mut spare);
        let mut rgb = [[0; WIDTH]; 3];
        for (k, pixel) in row.as_chunks::<3>().0.iter().enumerate() {
            rgb[0][k] = pixel[0];
            rgb[1][k] = pixel[1];
            rgb[2][k] = pixel[2];
        }
        rgb
    }

    /// A part of a row; past the edges the last row and the last pixel are repeated.
    #[inline(always)]
    fn row<'s, const CHANNELS: usize, const BYTES: usize>(
        &'s self,
        y: usize,
        x: usize,
        spare: &'s mut [u8; BYTES],
    ) -> &'s [u8; BYTES] {
        let row = self.columns * CHANNELS;
        let rest = &self.bytes[y.min(self.rows - 1) * row..][x * CHANNELS..row];
        if let Some(whole) = rest.first_chunk() {
            return whole;
        }
        spare[..rest.len()].copy_from_slice(rest);
        for at in rest.len()..BYTES {
            spare[at] = spare[at - CHANNELS];
        }
        spare
    }
}
