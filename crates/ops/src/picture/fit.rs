//! [`Fit`]: how large a picture is made, and which part of it goes where.

use outcrop_core::{Error, Rect, Result};

/// What `--resize` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResizeTo {
    /// The shorter side gets that length, the longer one follows (rounded down, as torchvision does it).
    Short(u64),
    /// Rows and columns.
    Exact(u64, u64),
}

/// The steps that decide on sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    /// The size that pictures are made.
    pub resize: Option<ResizeTo>,
    /// Rows and columns of the part that is kept.
    pub crop: Option<(u64, u64)>,
    /// Whether what is too small is put in the middle of a larger canvas. Without a crop the canvas is what `resize`
    /// says (a square for one number), and pictures keep their proportions within it.
    pub pad: bool,
}

/// Where a picture goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Rows and columns that the whole picture is made.
    pub size: (u64, u64),
    /// The part of that which is kept.
    pub part: Rect,
    /// Rows and columns of the canvas.
    pub canvas: (u64, u64),
    /// Where the part's first row and column go on the canvas.
    pub at: (u64, u64),
}

/// Most rows or columns of a result: what any of the formats can hold.
const MOST: u64 = 1 << 30;

impl Fit {
    /// The canvas, where it is the same for pictures of every size.
    pub fn canvas(&self) -> Option<(u64, u64)> {
        match (self.crop, self.resize) {
            (Some(size), _) => Some(size),
            (None, Some(ResizeTo::Exact(height, width))) => Some((height, width)),
            (None, Some(ResizeTo::Short(side))) if self.pad => Some((side, side)),
            _ => None,
        }
    }

    /// Where a picture of so many rows and columns goes. `random` are two numbers that place a crop, from 0 to 1, the
    /// latter left out; without them it is in the middle.
    ///
    /// # Errors
    /// [`Error::Usage`] where a crop is larger than the picture and nothing is padded.
    pub fn place(&self, (height, width): (u64, u64), random: Option<[f64; 2]>) -> Result<Placed> {
        let size = match (self.resize, self.crop.is_none() && self.pad) {
            (None, _) => (height, width),
            (Some(ResizeTo::Exact(h, w)), true) => contain((height, width), (h, w)),
            (Some(ResizeTo::Short(side)), true) => contain((height, width), (side, side)),
            (Some(ResizeTo::Exact(h, w)), false) => (h, w),
            (Some(ResizeTo::Short(side)), false) => {
                let (short, long) = (height.min(width).max(1), height.max(width));
                let other =
                    (u128::from(side) * u128::from(long) / u128::from(short)).min(u128::from(MOST)) as u64;
                if height <= width { (side, other) } else { (other, side) }
            }
        };
        let canvas = self.canvas().unwrap_or(size);
        if !self.pad && (size.0 < canvas.0 || size.1 < canvas.1) {
            return Err(Error::Usage(format!(
                "{} x {} pixels are fewer than the {} x {} of the crop (--pad, or another --resize)",
                size.1, size.0, canvas.1, canvas.0
            )));
        }
        let axis = |size: u64, canvas: u64, random: Option<f64>| {
            if size >= canvas {
                let free = size - canvas;
                let first = match random {
                    Some(r) => ((free + 1) as f64 * r) as u64,
                    None => half(free),
                };
                (first.min(free), canvas, 0)
            } else {
                (0, size, half(canvas - size))
            }
        };
        let (y, rows, down) = axis(size.0, canvas.0, random.map(|r| r[0]));
        let (x, columns, across) = axis(size.1, canvas.1, random.map(|r| r[1]));
        Ok(Placed { size, part: Rect { y, x, height: rows, width: columns }, canvas, at: (down, across) })
    }
}

/// Half of it, half to even, as Python rounds.
fn half(n: u64) -> u64 {
    n / 2 + u64::from(n % 4 == 3)
}

/// The largest size of the same proportions within a box, as Pillow's `ImageOps.contain` finds it.
fn contain((height, width): (u64, u64), (rows, columns): (u64, u64)) -> (u64, u64) {
    let (ratio, wanted) = (width as f64 / height as f64, columns as f64 / rows as f64);
    if ratio > wanted {
        let made = (height as f64 / width as f64 * columns as f64).round_ties_even() as u64;
        (made.clamp(1, rows), columns)
    } else if ratio < wanted {
        let made = (width as f64 / height as f64 * rows as f64).round_ties_even() as u64;
        (rows, made.clamp(1, columns))
    } else {
        (rows, columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_side_gets_the_length_and_crops_are_in_the_middle() {
        let fit = Fit { resize: Some(ResizeTo::Short(256)), crop: Some((224, 224)), pad: false };
        let placed = fit.place((375, 500), None).unwrap();
        assert_eq!(placed.size, (256, 341));
        assert_eq!(placed.part, Rect { y: 16, x: 58, height: 224, width: 224 });
        // 59.5 is rounded to 60, as torchvision's CenterCrop does it.
        assert_eq!(fit.place((256, 343), None).unwrap().part.x, 60);
        assert_eq!(fit.place((500, 375), None).unwrap().size, (341, 256));
    }

    #[test]
    fn random_crops_reach_every_place_and_no_further() {
        let fit = Fit { crop: Some((2, 2)), ..Fit::default() };
        let x = |r| fit.place((2, 5), Some([0.0, r])).unwrap().part.x;
        assert_eq!((x(0.0), x(0.25), x(0.5), x(0.999_999)), (0, 1, 2, 3));
        assert!(fit.place((1, 5), None).unwrap_err().to_string().contains("--pad"));
    }

    #[test]
    fn padding_keeps_proportions() {
        let fit = Fit { resize: Some(ResizeTo::Exact(100, 200)), pad: true, crop: None };
        let placed = fit.place((50, 50), None).unwrap();
        assert_eq!((placed.size, placed.canvas, placed.at), ((100, 100), (100, 200), (0, 50)));
        let crop = Fit { crop: Some((10, 10)), pad: true, resize: None };
        let placed = crop.place((4, 20), None).unwrap();
        assert_eq!((placed.part, placed.at), (Rect { y: 0, x: 5, height: 4, width: 10 }, (3, 0)));
    }
}
