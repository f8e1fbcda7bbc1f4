//! A slide of stained tissue, drawn from noise and the absorption of two dyes.
//!
//! Fields of noise say what lies at a pixel: ground or section, cavity, epithelium or fibres. Nuclei sit in the cells of a
//! jittered grid, at most one in each. Both dyes absorb as Beer and Lambert have it: what arrives is exp(-amount).

use outcrop_core::{Extent, Rect};

use super::random::mix;

/// The side of a cell of the grid of nuclei. No nucleus reaches further from its own cell than the next.
const CELL: u64 = 24;
/// Pixels are painted in tiles of these sides, whose place in the image is fixed.
const TILE: (u64, u64) = (CELL, 10 * CELL);
const WIDTH: usize = TILE.1 as usize;

/// How strongly haematoxylin (Ruifrok and Johnston, 2001) and eosin (a bright scanner's) absorb red, green and blue.
const HAEMATOXYLIN: [f32; 3] = [0.65, 0.70, 0.29];
const EOSIN: [f32; 3] = [0.14, 0.88, 0.42];
/// The light of the empty ground.
const GROUND: [f32; 3] = [0.955, 0.950, 0.960];

/// A slide.
pub(super) struct Tissue {
    extent: Extent,
    outline: Octaves,
    glands: Octaves,
    fibres: Octaves,
    crowds: Octaves,
    texture: Octaves,
    nuclei: u64,
    grain: u64,
}

/// One nucleus: an ellipse that is darker at its rim.
#[derive(Clone, Copy)]
struct Nucleus {
    x: f32,
    y: f32,
    /// The direction of the long axis.
    axis: (f32, f32),
    long: f32,
    short: f32,
    dark: f32,
}

/// What a place is made of, each 0 to 1.
#[derive(Clone, Copy)]
struct Matter {
    section: f32,
    epithelium: f32,
    cavity: f32,
}

impl Tissue {
    pub(super) fn new(seed: u64, extent: Extent) -> Tissue {
        let field = |number: u64, shift: u32, count: u32| Octaves {
            base: mix(seed ^ 0x0071_5500_0000_0000 ^ number),
            shift,
            count: count.min(shift),
        };
        let outline = (extent.height.min(extent.width) / 3).max(8).ilog2();
        Tissue {
            extent,
            outline: field(1, outline, 7),
            glands: field(2, 9, 4),
            fibres: field(3, 8, 4),
            crowds: field(4, 10, 2),
            texture: field(5, 3, 3),
            nuclei: mix(seed ^ 0x0071_5510_0000_0000),
            grain: mix(seed ^ 0x0071_5520_0000_0000),
        }
    }

    /// Calls `put(y, x, colour)` for each pixel of a rectangle inside the image.
    pub(super) fn paint(&self, rect: Rect, mut put: impl FnMut(u64, u64, [f64; 3])) {
        for ty in rect.y / TILE.0..rect.bottom().div_ceil(TILE.0) {
            for tx in rect.x / TILE.1..rect.right().div_ceil(TILE.1) {
                let tile = Rect { y: ty * TILE.0, x: tx * TILE.1, height: TILE.0, width: TILE.1 };
                if let Some(seen) = tile.intersect(&rect) {
                    let nuclei = self.nuclei(tile);
                    for y in seen.y..seen.bottom() {
                        self.row(y, seen.x..seen.right(), tile, &nuclei, &mut put);
                    }
                }
            }
        }
    }

    /// The nuclei that may reach into a tile; their places count from its corner.
    fn nuclei(&self, tile: Rect) -> [Option<Nucleus>; 36] {
        std::array::from_fn(|i| {
            // From one cell before the tile to one past it.
            let (j, i) = (tile.y / CELL + i as u64 / 12, tile.x / CELL + i as u64 % 12);
            let corner =
                (((j * CELL) as i64 - (tile.y + CELL) as i64), (i * CELL) as i64 - (tile.x + CELL) as i64);
            let (cell_y, cell_x) = (j.checked_sub(1)?, i.checked_sub(1)?);
            let bits = mix(mix(self.nuclei.wrapping_add(cell_x)).wrapping_add(cell_y));
            // Eleven bits each.
            let random = |number: u64| (bits >> (11 * number) & 2047) as f32 / 2048.0;
            let (dx, dy) = (random(0) * CELL as f32, random(1) * CELL as f32);
            let (x, y) = (cell_x * CELL + dx as u64, cell_y * CELL + dy as u64);
            if x >= self.extent.width || y >= self.extent.height {
                return None;
            }
            let matter = self.matter(y, x, self.outline.at(y, x), self.glands.at(y, x));
            let crowd = self.crowds.at(y, x) > 0.66;
            let (chance, long, short, dark) = match (matter.epithelium > 0.5, crowd) {
                (true, _) => (0.93, 8.0 + 3.0 * random(2), 6.5 + 2.0 * random(3), 1.15),
                (false, true) => (0.9, 5.5 + random(2), 5.0 + random(3), 1.75),
                (false, false) => (0.33, 8.5 + 4.0 * random(2), 2.6 + 1.6 * random(3), 1.5),
            };
            let stands = matter.section > 0.9 && matter.cavity < 0.1 && random(4) < chance;
            stands.then(|| Nucleus {
                x: corner.1 as f32 + dx,
                y: corner.0 as f32 + dy,
                axis: self.along_fibres(y, x),
                long,
                short,
                dark: dark * (0.8 + 0.4 * random(3)),
            })
        })
    }

    /// The direction in which the field of fibres stays level, of length 1.
    fn along_fibres(&self, y: u64, x: u64) -> (f32, f32) {
        let here = self.fibres.at(y, x);
        let (gx, gy) = (self.fibres.at(y, x + 6) - here, self.fibres.at(y + 6, x) - here);
        let length = (gx * gx + gy * gy).sqrt();
        if length > 0.0 { (-gy / length, gx / length) } else { (1.0, 0.0) }
    }

    fn matter(&self, y: u64, x: u64, outline: f32, glands: f32) -> Matter {
        // 0 in the middle, 1 at the border of the image.
        let off = |at: u64, side: u64| (2 * at as i64 - side as i64) as f64 / side as f64;
        let (dy, dx) = (off(y, self.extent.height), off(x, self.extent.width));
        let inside = 0.62 - (dx * dx * dx * dx + dy * dy * dy * dy) as f32 + 2.2 * (outline - 0.5);
        let sharp = self.extent.height.min(self.extent.width) as f32 / 24.0;
        Matter {
            section: (inside * sharp).clamp(0.0, 1.0),
            epithelium: smooth(((glands - 0.53) * 30.0).clamp(0.0, 1.0)),
            cavity: smooth(((glands - 0.66) * 120.0).clamp(0.0, 1.0)),
        }
    }

    fn row(
        &self,
        y: u64,
        columns: std::ops::Range<u64>,
        tile: Rect,
        nuclei: &[Option<Nucleus>; 36],
        put: &mut impl FnMut(u64, u64, [f64; 3]),
    ) {
        let (first, count) = (columns.start, (columns.end - columns.start) as usize);
        let field = |octaves: &Octaves| {
            let mut values = [0f32; WIDTH];
            octaves.row(y, first, &mut values[..count]);
            values
        };
        let (outline, glands, fibres) = (field(&self.outline), field(&self.glands), field(&self.fibres));
        let texture = field(&self.texture);
        let mut blue = [0f32; WIDTH];
        for nucleus in nuclei.iter().flatten() {
            let start = (first - tile.x) as f32;
            nucleus.stain((y - tile.y) as f32, start, &texture, &mut blue[..count]);
        }
        for (i, x) in columns.enumerate() {
            let matter = self.matter(y, x, outline[i], glands[i]);
            // Waves across the fibres: a triangle of 0 to 1.
            let phase = fibres[i] * 42.0 + texture[i] * 1.6;
            let wave = smooth(((phase - phase.floor()) * 2.0 - 1.0).abs());
            // Clefts between fibres, where glands are far.
            let loose = ((0.44 - glands[i]) * 6.0).clamp(0.0, 0.8);
            let gap = ((0.10 - wave) * 12.0).clamp(0.0, 1.0) * loose;
            let solid = matter.section * (1.0 - matter.cavity) * (1.0 - gap);
            let speckle = 0.75 + 0.5 * texture[i];
            let e = matter.epithelium;
            let eosin = (1.0 - e) * (0.30 + 0.20 * wave) * speckle + e * 0.36 * speckle;
            let haematoxylin = ((1.0 - e) * 0.05 + e * 0.26) * speckle;
            let (blue, grain) = (blue[i], mix(self.grain.wrapping_add(mix(x)).wrapping_add(y)));
            let h = solid * haematoxylin + matter.section * blue;
            let o = solid * eosin * (1.0 - 0.35 * blue.min(1.0));
            put(
                y,
                x,
                std::array::from_fn(|c| {
                    let light = GROUND[c] * fade(1.7 * h * HAEMATOXYLIN[c] + 1.25 * o * EOSIN[c]);
                    let noise = ((grain >> (16 * c) & 0xffff) as f32 / 65536.0 - 0.5) * 0.022;
                    f64::from((light + noise).clamp(0.0, 1.0))
                }),
            );
        }
    }
}

impl Nucleus {
    /// Darkens the pixels of a row that lie in it.
    fn stain(&self, y: f32, start: f32, texture: &[f32], blue: &mut [f32]) {
        let dy = y + 0.5 - self.y;
        if dy.abs() > self.long {
            return;
        }
        let from = (self.x - self.long - start).max(0.0) as usize;
        let to = ((self.x + self.long - start).max(0.0) as usize + 1).min(blue.len());
        for i in from..to {
            let dx = start + i as f32 + 0.5 - self.x;
            let a = (dx * self.axis.0 + dy * self.axis.1) / self.long;
            let b = (dy * self.axis.0 - dx * self.axis.1) / self.short;
            let off = a * a + b * b;
            if off < 1.0 {
                let edge = ((1.0 - off) * 4.0).min(1.0);
                let tone = self.dark * (0.45 + 0.55 * texture[i] + 0.30 * off);
                blue[i] = blue[i].max(edge * tone);
            }
        }
    }
}

/// Noise of several finenesses: random values on a lattice of 2^shift pixels, between them smooth, and `count - 1` finer
/// lattices of half the spacing and half the weight each. 0 to 1.
struct Octaves {
    base: u64,
    shift: u32,
    count: u32,
}

impl Octaves {
    fn at(&self, y: u64, x: u64) -> f32 {
        let mut value = [0.0];
        self.row(y, x, &mut value);
        value[0]
    }

    /// The values of a row from `x` on.
    fn row(&self, y: u64, x: u64, out: &mut [f32]) {
        out.fill(0.0);
        let mut weight = 0.5 / (1.0 - 1.0 / (1u64 << self.count) as f32);
        for octave in 0..self.count {
            let shift = self.shift - octave;
            let base = mix(self.base.wrapping_add(u64::from(octave)));
            let share = 1.0 / (1u64 << shift) as f32;
            let part = |at: u64| smooth((at & ((1 << shift) - 1)) as f32 * share);
            let (iy, ty) = (y >> shift, part(y));
            let node = |ix: u64, iy: u64| (mix(mix(base.wrapping_add(ix)).wrapping_add(iy)) >> 40) as f32;
            let column = |ix: u64| {
                let (above, below) = (node(ix, iy), node(ix, iy + 1));
                (above + (below - above) * ty) * (weight / 16_777_216.0)
            };
            let mut done = 0;
            let mut right = column(x >> shift);
            while done < out.len() {
                let from = x + done as u64;
                let left = std::mem::replace(&mut right, column((from >> shift) + 1));
                let end = ((from >> shift) + 1) << shift;
                let count = ((end - from) as usize).min(out.len() - done);
                for (i, value) in out[done..done + count].iter_mut().enumerate() {
                    *value += left + (right - left) * part(from + i as u64);
                }
                done += count;
            }
            weight *= 0.5;
        }
    }
}

fn smooth(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// exp(-amount) to 2 % for amounts of 0 to 4, by operations that round alike on every machine.
fn fade(amount: f32) -> f32 {
    let half = 1.0 / (1.0 + amount * (0.25 + amount * (0.031_25 + amount * (0.002_6 + amount * 0.000_163))));
    let fourth = half * half;
    fourth * fourth
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_fades_as_the_exponential_does() {
        for amount in [0.0f32, 0.1, 0.5, 1.0, 2.0, 4.0] {
            let (found, wanted) = (fade(amount), (-amount).exp());
            assert!((found - wanted).abs() <= 0.02 * wanted, "{amount}: {found}, expected {wanted}");
        }
    }

    #[test]
    fn noise_reaches_most_of_its_range_and_leaves_it_never() {
        let octaves = Octaves { base: 7, shift: 4, count: 3 };
        let values: Vec<f32> =
            (0..200u64).flat_map(|y| [0, 64, 4096].map(|x| octaves.at(y * 3, x + y))).collect();
        let (low, high) = values.iter().fold((1f32, 0f32), |(l, h), &v| (l.min(v), h.max(v)));
        assert!((0.0..0.3).contains(&low) && (0.7..=1.0).contains(&high), "{low} to {high}");
    }

    /// White ground at the border, stained section in the middle, and dark nuclei in it.
    #[test]
    fn a_slide_has_ground_section_and_nuclei() {
        let extent = Extent::new(600, 800, 3);
        let mut pixels = Vec::new();
        Tissue::new(1, extent).paint(extent.rect(), |_, _, colour| pixels.push(colour));
        let share =
            |is: &dyn Fn(&[f64; 3]) -> bool| pixels.iter().filter(|p| is(p)).count() as f64 / 480_000.0;
        let ground = share(&|p| p.iter().all(|&v| v > 0.9));
        let nuclei = share(&|p| p[0] < 0.55 && p[2] > p[0]);
        let pink = share(&|p| p[0] > 0.7 && p[1] < 0.8);
        assert!((0.15..0.9).contains(&ground), "{ground}");
        assert!(nuclei > 0.01 && pink > 0.05, "{nuclei} {pink}");
    }
}
