//! Pictures that everybody opens: PNG, JPEG and WebP, of an image held in memory or as it streams by.
//!
//! A picture is cut into *bands* of full rows that do not depend on each other, and whose height follows from the
//! picture alone: workers encode bands, one thread joins them, and the bytes are the same for every thread count and
//! budget. A band of a PNG is deflated up to a full flush into an IDAT chunk of its own; a band of a JPEG is a restart
//! interval; a WebP is one band, held whole.

mod bands;
mod creation;
mod encoder;
mod filter;
mod jpeg;
mod png;
mod sink;
mod webp;

use std::io::Write;
use std::path::Path;

use outcrop_core::{DataType, Error, Extent, Pixels, Resolution, Result};

pub(crate) use encoder::PictureEncoder;
pub(crate) use sink::{create, left_out};

/// A format of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PictureFormat {
    /// Lossless: uint8 and uint16, 1 to 4 channels.
    Png,
    /// Lossy: uint8, 1 or 3 channels, up to 65,535 pixels a side.
    Jpeg,
    /// Lossless: uint8, 3 or 4 channels, up to 16,383 pixels a side.
    WebP,
}

impl PictureFormat {
    /// The format of files with that extension, in any case and without its dot: `png`, `jpg`, `jpeg`, `webp`.
    pub fn from_extension(extension: &str) -> Option<PictureFormat> {
        match extension.to_ascii_lowercase().as_str() {
            "png" => Some(PictureFormat::Png),
            "jpg" | "jpeg" => Some(PictureFormat::Jpeg),
            "webp" => Some(PictureFormat::WebP),
            _ => None,
        }
    }

    /// The format that a file of that name has, by its extension.
    pub fn of_path(path: &Path) -> Option<PictureFormat> {
        PictureFormat::from_extension(path.extension()?.to_str()?)
    }

    /// Its name as people write it.
    pub fn name(self) -> &'static str {
        match self {
            PictureFormat::Png => "PNG",
            PictureFormat::Jpeg => "JPEG",
            PictureFormat::WebP => "WebP",
        }
    }

    /// The extension of its files.
    pub fn extension(self) -> &'static str {
        match self {
            PictureFormat::Png => "png",
            PictureFormat::Jpeg => "jpg",
            PictureFormat::WebP => "webp",
        }
    }

    /// The most bytes of a file of 8-bit samples with that many rows and columns, in gray or colour.
    pub fn most_bytes(self, (height, width): (u64, u64)) -> u64 {
        let channels = if self == PictureFormat::Jpeg { 3 } else { 4 };
        PictureEncoder::file_bound(self, Extent::new(height, width, channels), DataType::U8)
    }

    /// Refuses an image that the format cannot hold.
    ///
    /// # Errors
    /// [`Error::Usage`] that says what it holds, and ends with the flag that helps.
    pub fn check(self, extent: Extent, dtype: DataType) -> Result<()> {
        let name = self.name();
        let (channels, most, types) = match self {
            PictureFormat::Png => (&[1, 2, 3, 4][..], i32::MAX as u64, &[DataType::U8, DataType::U16][..]),
            PictureFormat::Jpeg => (&[1, 3][..], 65_535, &[DataType::U8][..]),
            PictureFormat::WebP => (&[3, 4][..], 16_383, &[DataType::U8][..]),
        };
        let list = |values: Vec<String>, or: &str| values.join(or);
        if !types.contains(&dtype) {
            let types = list(types.iter().map(|t| t.to_string()).collect(), " and ");
            return Err(Error::Usage(format!("{name} holds {types}, not {dtype} (--scale auto --dtype u8)")));
        }
        if !channels.contains(&extent.channels) {
            let some = if extent.channels < 3 { "--channels 1,1,1" } else { "--channels 1-3" };
            let channels = match self {
                PictureFormat::Png => "1 to 4".to_owned(),
                _ => list(channels.iter().map(u64::to_string).collect(), " or "),
            };
            return Err(Error::Usage(format!(
                "{name} holds {channels} channels, not {} ({some})",
                extent.channels
            )));
        }
        let Extent { height, width, .. } = extent;
        if height == 0 || width == 0 {
            return Err(Error::Usage(format!("a {name} cannot be empty ({width} x {height})")));
        }
        if height.max(width) > most {
            return Err(Error::Usage(format!(
                "{name} has at most {most} pixels a side, not {width} x {height} (--window or --level)"
            )));
        }
        Ok(())
    }
}

/// How a picture is written.
#[derive(Clone, Debug, PartialEq)]
pub struct PictureOptions {
    /// Deflate level of PNG, 1 (fast) to 9 (small).
    pub level: u8,
    /// Quality of JPEG, 1 (small) to 100 (good).
    pub quality: u8,
    /// Whether JPEG keeps colour at half the resolution both ways (4:2:0).
    pub subsampled: bool,
    /// An ICC colour profile; left out where it is not of the picture's colours.
    pub icc: Option<Vec<u8>>,
    /// Pixels per unit of length, where the unit is one.
    pub resolution: Option<Resolution>,
}

impl Default for PictureOptions {
    fn default() -> PictureOptions {
        PictureOptions { level: 6, quality: 90, subsampled: true, icc: None, resolution: None }
    }
}

impl PictureOptions {
    /// Refuses levels and qualities that do not exist.
    ///
    /// # Errors
    /// [`Error::Usage`] that names the range.
    pub fn check(&self) -> Result<()> {
        if !(1..=9).contains(&self.level) {
            return Err(Error::Usage(format!("PNG has levels 1 to 9, not {} (ZLEVEL)", self.level)));
        }
        if !(1..=100).contains(&self.quality) {
            return Err(Error::Usage(format!("JPEG has qualities 1 to 100, not {} (QUALITY)", self.quality)));
        }
        Ok(())
    }

    /// The profile, where it says of itself that it is of gray or of RGB samples, and these are.
    fn profile(&self, channels: u64) -> Option<&[u8]> {
        let wanted: &[u8] = if channels < 3 { b"GRAY" } else { b"RGB " };
        self.icc.as_deref().filter(|icc| icc.get(16..20) == Some(wanted))
    }
}

/// Writes a picture that is held in memory: the same bytes that a file of its own would get.
///
/// # Errors
/// As [`PictureFormat::check`] and [`PictureOptions::check`]; [`Error::Io`] where `out` fails.
pub fn encode_picture(
    format: PictureFormat,
    pixels: Pixels<'_>,
    options: &PictureOptions,
    out: &mut dyn Write,
) -> Result<()> {
    let mut encoder = PictureEncoder::new(format, options.clone());
    let bytes = encoder.encode(pixels)?;
    out.write_all(bytes)
        .map_err(|e| Error::io(format!("write {} bytes of a {}", bytes.len(), format.name()), e))
}
