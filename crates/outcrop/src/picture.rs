//! [`Picture`]: a preview as people see it: contrast, colours, and no colour where there is no data.

use outcrop_core::{Error, Extent, Pixels, Result};
use outcrop_ops::Exact;
use outcrop_ops::reduce::{Method, Percentile};
use outcrop_writer::{PictureFormat, PictureOptions, encode_picture};

use crate::Preview;

/// Which means become black and white.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stretch {
    /// The ends of the range that samples can have.
    None,
    /// The least and the greatest mean.
    MinMax,
    /// Two percentiles of the means, by NumPy's linear rule.
    Percentiles(Percentile, Percentile),
}

impl Stretch {
    /// Reads `none`, `minmax` or `LOW:HIGH` in percent.
    ///
    /// # Errors
    /// [`Error::Usage`] for anything else.
    pub fn parse(text: &str) -> Result<Stretch> {
        let bad = || {
            Error::Usage(format!(
                "{text:?} is not a stretch: expected none, minmax or two percentiles, the lesser first, such as 2:98"
            ))
        };
        match text {
            "none" => return Ok(Stretch::None),
            "minmax" => return Ok(Stretch::MinMax),
            _ => {}
        }
        let (low, high) = text.split_once(':').ok_or_else(bad)?;
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| bad());
        if number(low)? >= number(high)? {
            return Err(bad());
        }
        let percentile = |text| Percentile::parse(text).map_err(|_| bad());
        Ok(Stretch::Percentiles(percentile(low)?, percentile(high)?))
    }
}

/// Colours for one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ColorMap {
    Gray,
    Viridis,
    Magma,
    Turbo,
}

impl ColorMap {
    /// All of them, by name.
    pub const ALL: [(&'static str, ColorMap); 4] = [
        ("gray", ColorMap::Gray),
        ("viridis", ColorMap::Viridis),
        ("magma", ColorMap::Magma),
        ("turbo", ColorMap::Turbo),
    ];

    /// The colour of a level.
    fn color(self, level: u8) -> [u8; 3] {
        let gradient = match self {
            ColorMap::Gray => return [level; 3],
            ColorMap::Viridis => colorous::VIRIDIS,
            ColorMap::Magma => colorous::MAGMA,
            ColorMap::Turbo => colorous::TURBO,
        };
        gradient.eval_rational(level.into(), 256).as_array()
    }
}

/// How means become colours.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Which means become black and white; by default [`Stretch::None`] for 8-bit samples, else 2 to 98 percent.
    pub stretch: Option<Stretch>,
    /// One stretch for all channels.
    pub joint: bool,
    /// Levels are raised to 1 / gamma: above 1 is brighter.
    pub gamma: f64,
    /// Colours for one channel; gray by default, from white to black where the image declares so.
    pub colors: Option<ColorMap>,
}

impl Default for Look {
    fn default() -> Look {
        Look { stretch: None, joint: false, gamma: 1.0, colors: None }
    }
}

impl Look {
    /// Refuses what cannot be seen of so many channels.
    ///
    /// # Errors
    /// [`Error::Usage`] for colours of more than one channel, and a gamma that is not above 0.
    pub fn check(&self, channels: usize) -> Result<()> {
        if self.colors.is_some() && channels != 1 {
            return Err(Error::Usage(format!(
                "colours are for one channel, the preview has {channels} (--channels 1)"
            )));
        }
        if !(self.gamma > 0.0 && self.gamma.is_finite()) {
            return Err(Error::Usage(format!("gamma {} is not above 0 (--gamma)", self.gamma)));
        }
        Ok(())
    }
}

/// Pixels to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Red, green, blue and alpha (0 or 255) of each pixel, row by row.
    pub rgba: Vec<[u8; 4]>,
}

impl Preview {
    /// The means that become black and white, for each channel: of those that are finite. Equal where there is only one,
    /// NaN where there is none.
    pub fn limits(&self, look: &Look) -> Vec<(f64, f64)> {
        let channels = self.channels.len();
        let by_default = match self.dtype {
            outcrop_core::DataType::U8 => Stretch::None,
            _ => Stretch::parse("2:98").unwrap_or(Stretch::MinMax),
        };
        let stretch = look.stretch.as_ref().unwrap_or(&by_default);
        let of = |means: &mut Vec<f64>| match stretch {
            Stretch::None => self.range,
            Stretch::MinMax => means.iter().fold((f64::NAN, f64::NAN), |(a, b), &v| (a.min(v), b.max(v))),
            Stretch::Percentiles(low, high) => {
                let mut at = |p: &Percentile| p.select(Method::Linear, means).map_or(f64::NAN, Exact::to_f64);
                (at(low), at(high))
            }
        };
        let valid = |v: &&f64| v.is_finite();
        if look.joint || *stretch == Stretch::None {
            return vec![of(&mut self.means.iter().filter(valid).copied().collect()); channels];
        }
        let channel = |c| self.means.iter().skip(c).step_by(channels).filter(valid).copied().collect();
        (0..channels).map(|c| of(&mut channel(c))).collect()
    }

    /// Makes the picture. A pixel is transparent where no channel has data; a channel without data is black beside
    /// others.
    ///
    /// # Errors
    /// As [`Look::check`].
    pub fn paint(&self, look: &Look) -> Result<Picture> {
        let channels = self.channels.len();
        look.check(channels)?;
        let limits = self.limits(look);
        let level = |v: f64, (low, high): (f64, f64)| {
            // Exact where the range is that of 8 bits.
            let wide = match high > low {
                true => ((v - low) * 255.0 / (high - low)).clamp(0.0, 255.0),
                false => 255.0 * f64::from(v > low),
            };
            let bright = if look.gamma == 1.0 { wide } else { (wide / 255.0).powf(1.0 / look.gamma) * 255.0 };
            bright.round_ties_even() as u8
        };
        let colors = look.colors.unwrap_or(ColorMap::Gray);
        let inverted = self.white_is_zero && look.colors.is_none() && channels == 1;
        let table: Vec<[u8; 3]> =
            (0..=255).map(|n: u8| colors.color(if inverted { 255 - n } else { n })).collect();
        let pixel = |means: &[f64]| {
            if means.iter().all(|v| v.is_nan()) {
                return [0; 4];
            }
            let [r, g, b] = match means {
                [one] => table[usize::from(level(*one, limits[0]))],
                _ => std::array::from_fn(|c| level(means[c], limits[c])),
            };
            [r, g, b, 255]
        };
        let rgba = self.means.chunks_exact(channels).map(pixel).collect();
        // Sizes that were held as means index memory.
        Ok(Picture { height: self.size.0 as usize, width: self.size.1 as usize, rgba })
    }
}

impl Picture {
    /// Whether every pixel has a colour.
    pub fn is_opaque(&self) -> bool {
        self.rgba.iter().all(|p| p[3] == 255)
    }

    /// The picture as a file: gray or colour as it needs, with alpha where a pixel is transparent. Where the format has no
    /// alpha these pixels are white.
    ///
    /// # Errors
    /// [`Error::Usage`] where the format cannot hold the picture.
    pub fn encode(&self, format: PictureFormat) -> Result<Vec<u8>> {
        let opaque = self.is_opaque();
        let gray = format != PictureFormat::WebP && self.rgba.iter().all(|p| p[0] == p[1] && p[1] == p[2]);
        let flat = |p: &[u8; 4]| if p[3] == 0 { [255; 4] } else { *p };
        let (channels, samples): (usize, Vec<u8>) = match (gray, opaque || format == PictureFormat::Jpeg) {
            (true, true) => (1, self.rgba.iter().map(|p| flat(p)[0]).collect()),
            (true, false) => (2, self.rgba.iter().flat_map(|p| [p[0], p[3]]).collect()),
            (false, true) => (3, self.rgba.iter().flat_map(|p| flat(p)[..3].to_vec()).collect()),
            (false, false) => (4, self.rgba.iter().flatten().copied().collect()),
        };
        let extent = Extent::new(self.height as u64, self.width as u64, channels as u64);
        format.check(extent, outcrop_core::DataType::U8)?;
        let pixels = Pixels::contiguous(&samples, [self.height, self.width, channels])?;
        let mut file = Vec::new();
        encode_picture(format, pixels, &PictureOptions::default(), &mut file)?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_core::{Budget, Channels, DataType, Rect};

    fn preview(means: &[f64], channels: u64) -> Preview {
        let width = means.len() as u64 / channels;
        Preview {
            window: Rect::of_size(1, width),
            channels: Channels::all(channels),
            size: (1, width),
            means: means.to_vec(),
            dtype: DataType::U16,
            range: (0.0, 65535.0),
            white_is_zero: false,
            _permit: Budget::new(0).try_take(0).unwrap(),
        }
    }

    fn look(stretch: &str) -> Look {
        Look { stretch: Some(Stretch::parse(stretch).unwrap()), ..Look::default() }
    }

    #[test]
    fn percentiles_are_those_of_numpy() {
        // np.percentile([1, 2, 4, 8, 16], [10, 75]) == [1.4, 8.0]
        let p = preview(&[8.0, f64::NAN, 1.0, 16.0, 2.0, 4.0], 1);
        assert_eq!(p.limits(&look("10:75")), [(1.4, 8.0)]);
        assert_eq!(p.limits(&look("minmax")), [(1.0, 16.0)]);
        assert_eq!(p.limits(&look("none")), [(0.0, 65535.0)]);
        let wide = preview(&[f64::INFINITY, 1., 3., f64::NEG_INFINITY], 1);
        assert_eq!(wide.limits(&look("minmax")), [(1., 3.)]);
        let levels = wide.paint(&look("minmax")).unwrap().rgba.iter().map(|p| p[0]).collect::<Vec<_>>();
        assert_eq!(levels, [255, 0, 255, 0]);
        let two = preview(&[1., 10., 100., 3., 30., 300.], 3);
        assert_eq!(two.limits(&look("0:100")), [(1., 3.), (10., 30.), (100., 300.)]);
        let joint = Look { joint: true, ..look("0:100") };
        assert_eq!(two.limits(&joint), [(1., 300.); 3]);
    }

    #[test]
    fn pixels_without_data_are_transparent() {
        let nan = f64::NAN;
        let picture = preview(&[0., 1., 2., nan, nan, nan, 4., nan, 2.], 3).paint(&look("minmax")).unwrap();
        assert_eq!(picture.rgba, [[0, 0, 0, 255], [0; 4], [255, 0, 0, 255]]);
        let empty = preview(&[nan], 1).paint(&look("2:98")).unwrap();
        assert!(empty.rgba == [[0; 4]] && !empty.is_opaque());
    }

    #[test]
    fn gamma_and_colours_change_levels() {
        let p = preview(&[0., 1., 4.], 1);
        let gray = |look: &Look| p.paint(look).unwrap().rgba.iter().map(|p| p[0]).collect::<Vec<_>>();
        assert_eq!(gray(&look("minmax")), [0, 64, 255]);
        assert_eq!(gray(&Look { gamma: 2.0, ..look("minmax") }), [0, 128, 255]);
        // The ends of matplotlib's tables.
        let ends = |colors| {
            let picture = p.paint(&Look { colors: Some(colors), ..look("minmax") }).unwrap();
            [picture.rgba[0], picture.rgba[2]].map(|p| [p[0], p[1], p[2]])
        };
        assert_eq!(ends(ColorMap::Viridis), [[68, 1, 84], [253, 231, 37]]);
        assert_eq!(ends(ColorMap::Magma), [[0, 0, 4], [252, 253, 191]]);
        assert!(
            preview(&[1., 2., 3.], 3).paint(&Look { colors: Some(ColorMap::Gray), ..look("none") }).is_err()
        );
        assert!(p.paint(&Look { gamma: 0.0, ..Look::default() }).is_err());
        let inverted = Preview { white_is_zero: true, ..preview(&[0., 4.], 1) };
        assert_eq!(inverted.paint(&look("minmax")).unwrap().rgba[0], [255; 4]);
    }

    #[test]
    fn what_is_no_stretch_is_refused() {
        for bad in ["", "2", "98:2", "5:5", "-1:50", "a:b", "2:101", "1:2:3", "nan:nan"] {
            assert!(Stretch::parse(bad).is_err(), "{bad}");
        }
    }
}
