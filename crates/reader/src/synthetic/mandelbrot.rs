//! The Mandelbrot set, pixel by pixel.

use outcrop_core::Extent;

/// Steps after which a point counts as one of the set.
const STEPS: u32 = 500;

/// The square of the radius past which a point has escaped; so far out the time of escape is smooth.
const ESCAPED: f64 = 65536.0;

/// Stops of the palette, which goes round: place, red, green, blue.
const PALETTE: [(f64, [f64; 3]); 6] = [
    (0.0, [0.0, 0.03, 0.39]),
    (0.16, [0.13, 0.42, 0.80]),
    (0.42, [0.93, 1.0, 1.0]),
    (0.6425, [1.0, 0.67, 0.0]),
    (0.8575, [0.0, 0.01, 0.0]),
    (1.0, [0.0, 0.03, 0.39]),
];

/// The colour of a pixel of an image of that size; the set itself is black.
pub(super) fn colour(extent: Extent, y: u64, x: u64) -> [f64; 3] {
    let scale = 1.25 / extent.height.min(extent.width) as f64;
    // Twice the distance of the pixel's centre from the image's: whole numbers.
    let from_centre = |at: u64, side: u64| ((2 * at + 1) as i64 - side as i64) as f64;
    let (re, im) = (from_centre(x, extent.width) * scale - 0.75, from_centre(y, extent.height) * scale);
    match escape(re, im) {
        None => [0.0; 3],
        Some(time) => palette((time + 2.0).max(0.0).sqrt() * 0.22),
    }
}

/// When z -> z^2 + c leaves: a smooth function of c. `None` for points of the set.
fn escape(re: f64, im: f64) -> Option<f64> {
    let (p, q) = (re - 0.25, im * im);
    let r = p * p + q;
    let in_cardioid = r * (r + p) <= 0.25 * q;
    let in_disc = (re + 1.0) * (re + 1.0) + q <= 0.0625;
    if in_cardioid || in_disc {
        return None;
    }
    let (mut x, mut y) = (0.0, 0.0);
    for step in 0..STEPS {
        let (xx, yy) = (x * x, y * y);
        if xx + yy > ESCAPED {
            return Some(f64::from(step) - log2(log2(xx + yy) * 0.5));
        }
        y = 2.0 * x * y + im;
        x = xx - yy + re;
    }
    None
}

/// The binary logarithm of a normal positive number to 6 digits, by operations that round alike on every machine.
fn log2(value: f64) -> f64 {
    const FRACTION: u64 = (1 << 52) - 1;
    let bits = value.to_bits();
    let exponent = (bits >> 52) as i64 - 1023;
    let m = f64::from_bits(bits & FRACTION | 1023 << 52);
    let t = (m - 1.0) / (m + 1.0);
    let s = t * t;
    let series = 1.0 + s * (1.0 / 3.0 + s * (1.0 / 5.0 + s * (1.0 / 7.0 + s * (1.0 / 9.0))));
    exponent as f64 + 2.0 / std::f64::consts::LN_2 * t * series
}

fn palette(at: f64) -> [f64; 3] {
    let at = at - at.floor();
    let next = PALETTE.iter().position(|&(stop, _)| at < stop).unwrap_or(1).max(1);
    let ((a, from), (b, to)) = (PALETTE[next - 1], PALETTE[next]);
    let t = (at - a) / (b - a);
    [0, 1, 2].map(|k| from[k] + (to[k] - from[k]) * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_one() {
        for value in [1.0, 1.5, 2.0, 3.999, 65536.0, 1e9] {
            assert!((log2(value) - f64::log2(value)).abs() < 2e-6, "{value}");
        }
    }

    /// Members and times of escape that are known: 0, -1 and i never leave; 1 leaves at 0, 1, 2, 5, 26, 677.
    #[test]
    fn points_of_the_set_stay_and_others_leave() {
        for (re, im) in [(0.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.25, 0.0), (-2.0, 0.0), (-0.1, 0.75)] {
            assert_eq!(escape(re, im), None, "{re} + {im} i");
        }
        let time = escape(1.0, 0.0).unwrap();
        assert!((time - (6.0 - f64::log2(f64::log2(458330.0) / 2.0))).abs() < 1.0, "{time}");
        assert!(escape(0.3, 0.0).unwrap() > escape(0.4, 0.0).unwrap());
    }

    #[test]
    fn the_picture_is_the_same_above_and_below() {
        let extent = Extent::new(64, 96, 3);
        for (y, x) in [(0, 0), (10, 50), (31, 12), (20, 70)] {
            assert_eq!(colour(extent, y, x), colour(extent, 63 - y, x));
        }
        assert_eq!(colour(extent, 32, 48), [0.0; 3]);
    }
}
