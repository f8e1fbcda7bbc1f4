//! [`TiffOptions`]: what can be chosen about a TIFF, and what cannot be.

use outcrop_core::{DataType, Error, Extent, Result};

/// How a TIFF is written. The default: tiles of 512 x 512, uncompressed, chunky.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TiffOptions {
    /// Tiles or strips.
    pub blocks: Blocks,
    /// Compression.
    pub compression: Compression,
    /// What is done to samples before they are compressed.
    pub predictor: Predictor,
    /// Whether each channel is stored apart.
    pub planar: bool,
    /// Whether offsets have 64 bits.
    pub bigtiff: BigTiff,
    /// Whether blocks that hold only nodata (zeros, where none is declared) are left out.
    pub sparse: bool,
}

/// The blocks of a TIFF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocks {
    /// Rectangles; both sides are multiples of 16.
    Tiles {
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
    },
    /// Bands of full rows.
    Strips {
        /// Rows; by itself (about 256 KiB) where this is `None`.
        rows: Option<u32>,
    },
}

impl Default for Blocks {
    fn default() -> Blocks {
        Blocks::Tiles { height: 512, width: 512 }
    }
}

/// Compressions; all but JPEG, and LERC with an error, are lossless.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Compression {
    /// Samples as they are.
    #[default]
    None,
    /// Byte runs.
    PackBits,
    /// LZW.
    Lzw,
    /// Deflate in a zlib frame, levels 1 (fast) to 12 (small).
    Deflate(u8),
    /// Zstandard, levels 1 to 22.
    Zstd(u8),
    /// LZMA2 in an xz frame, presets 0 to 9.
    Lzma(u8),
    /// JPEG of 8-bit samples, one channel or three (stored as YCbCr), or any number in planes.
    Jpeg {
        /// 1 (small) to 100 (good).
        quality: u8,
        /// Whether colour is kept at half the resolution both ways (4:2:0).
        subsampled: bool,
    },
    /// Lossless WebP of 8-bit samples, three channels or four.
    WebP,
    /// LERC of samples of up to 32 bits and float64; NaN goes into its mask.
    Lerc {
        /// The greatest difference that a sample may have; 0 is lossless.
        max_error: f64,
    },
}

/// What is done to samples before they are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Predictor {
    /// What suits the samples, where the compression gains from it.
    #[default]
    Auto,
    /// Nothing.
    None,
    /// Differences along the row.
    Horizontal,
    /// Differences of the bytes of floats, high bytes first.
    FloatingPoint,
}

/// Whether offsets have 64 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BigTiff {
    /// Where the file could become larger than 4 GiB.
    #[default]
    Auto,
    /// Always.
    Yes,
    /// Never; a file that would become larger is an error.
    No,
}

impl Compression {
    /// TIFF's number for it.
    pub fn code(self) -> u16 {
        match self {
            Compression::None => 1,
            Compression::Lzw => 5,
            Compression::Deflate(_) => 8,
            Compression::Jpeg { .. } => 7,
            Compression::PackBits => 32773,
            Compression::Lerc { .. } => 34887,
            Compression::Lzma(_) => 34925,
            Compression::Zstd(_) => 50000,
            Compression::WebP => 50001,
        }
    }

    fn check(self) -> Result<()> {
        let (name, level, range, key) = match self {
            Compression::Deflate(level) => ("Deflate", level, 1..=12, "ZLEVEL"),
            Compression::Zstd(level) => ("ZSTD", level, 1..=22, "ZSTD_LEVEL"),
            Compression::Lzma(level) => ("LZMA", level, 0..=9, "LZMA_PRESET"),
            Compression::Jpeg { quality, .. } => ("JPEG", quality, 1..=100, "JPEG_QUALITY"),
            Compression::Lerc { max_error } if !(max_error.is_finite() && max_error >= 0.0) => {
                return Err(Error::Usage(format!("an error of {max_error} is none (MAX_Z_ERROR)")));
            }
            _ => return Ok(()),
        };
        if range.contains(&level) {
            return Ok(());
        }
        let (low, high) = (range.start(), range.end());
        Err(Error::Usage(format!("{name} has levels {low} to {high}, not {level} ({key})")))
    }

    /// What WebP and LERC cannot hold.
    fn check_samples(self, dtype: DataType, channels: u64, planar: bool) -> Result<()> {
        match self {
            Compression::WebP if dtype != DataType::U8 => {
                Err(Error::Usage(format!("WebP holds uint8, not {dtype} (--dtype uint8 --scale auto)")))
            }
            Compression::WebP if planar || !(3..=4).contains(&channels) => Err(Error::Usage(format!(
                "WebP holds 3 or 4 channels together, not {} (COMPRESS=DEFLATE)",
                if planar { 1 } else { channels }
            ))),
            Compression::Lerc { .. } if !super::lerc::TYPES.contains(&dtype) => {
                Err(Error::Usage(format!("LERC has no {dtype} (--dtype float64, or COMPRESS=ZSTD)")))
            }
            _ => Ok(()),
        }
    }

    /// What JPEG cannot hold.
    fn check_jpeg(self, dtype: DataType, channels: u64, planar: bool, blocks: Blocks) -> Result<()> {
        if !matches!(self, Compression::Jpeg { .. }) {
            return Ok(());
        }
        if dtype != DataType::U8 {
            return Err(Error::Usage(format!("JPEG holds uint8, not {dtype} (--dtype uint8 --scale auto)")));
        }
        if !planar && channels != 1 && channels != 3 {
            return Err(Error::Usage(format!(
                "JPEG holds 1 or 3 channels together, not {channels} (INTERLEAVE=BAND stores each apart)"
            )));
        }
        match blocks {
            Blocks::Strips { rows: Some(rows) } if rows % 16 != 0 => {
                Err(Error::Usage(format!("strips of {rows} rows: JPEG needs a multiple of 16 (BLOCKYSIZE)")))
            }
            _ => Ok(()),
        }
    }
}

impl TiffOptions {
    /// Refuses levels, block sizes and predictors that do not exist or do not suit the samples.
    ///
    /// # Errors
    /// [`Error::Usage`] that says what would be right.
    pub fn check(&self, extent: Extent, dtype: DataType) -> Result<()> {
        self.compression.check()?;
        self.compression.check_samples(dtype, extent.channels, self.planar)?;
        self.compression.check_jpeg(dtype, extent.channels, self.planar, self.blocks)?;
        match self.blocks {
            Blocks::Tiles { height, width } => {
                if [height, width].iter().any(|&n| n == 0 || n % 16 != 0) {
                    return Err(Error::Usage(format!(
                        "tiles of {height} x {width}: both sides must be multiples of 16 (BLOCKXSIZE, BLOCKYSIZE)"
                    )));
                }
            }
            Blocks::Strips { rows: Some(0) } => {
                return Err(Error::Usage("strips need at least one row (BLOCKYSIZE)".into()));
            }
            Blocks::Strips { .. } => {}
        }
        if self.predictor == Predictor::FloatingPoint && !dtype.is_float() {
            return Err(Error::Usage(format!("predictor 3 is for floats, not {dtype} (PREDICTOR=2)")));
        }
        Ok(())
    }

    /// TIFF's number of the predictor for samples of that type. `palette`: samples are indices, not quantities.
    pub fn predictor_code(&self, dtype: DataType, palette: bool) -> u16 {
        let gains = matches!(
            self.compression,
            Compression::Lzw | Compression::Deflate(_) | Compression::Zstd(_) | Compression::Lzma(_)
        );
        match self.predictor {
            _ if !gains => 1,
            Predictor::None => 1,
            Predictor::Horizontal => 2,
            Predictor::FloatingPoint => 3,
            Predictor::Auto if palette => 1,
            Predictor::Auto if dtype.is_float() => 3,
            Predictor::Auto => 2,
        }
    }
}
