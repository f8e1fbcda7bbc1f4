//! GDAL's creation options (`COMPRESS=DEFLATE`, `BLOCKXSIZE=256`, ...) as [`TiffOptions`].

use outcrop_core::{Error, Result};

use super::{BigTiff, Blocks, Compression, Predictor, TiffOptions};
use crate::creation::{Given, known};

const KEYS: [&str; 18] = [
    "COMPRESS",
    "TILED",
    "BLOCKXSIZE",
    "BLOCKYSIZE",
    "BLOCKSIZE",
    "PREDICTOR",
    "BIGTIFF",
    "INTERLEAVE",
    "SPARSE_OK",
    "LEVEL",
    "QUALITY",
    "ZLEVEL",
    "ZSTD_LEVEL",
    "LZMA_PRESET",
    "JPEG_QUALITY",
    "JPEG_SUBSAMPLING",
    "WEBP_LOSSLESS",
    "MAX_Z_ERROR",
];
pub(crate) const COMPRESSIONS: [&str; 9] =
    ["NONE", "PACKBITS", "LZW", "DEFLATE", "ZSTD", "LZMA", "JPEG", "WEBP", "LERC"];

impl TiffOptions {
    /// Reads options spelled `KEY=VALUE` as GDAL spells them, in any case and order.
    ///
    /// Levels that are not given are 6 for Deflate and LZMA, 1 for ZSTD (after a predictor, 3 and 9 were found to be
    /// several times slower and no smaller), quality 90 with 4:2:0 for JPEG. One block side alone makes square tiles.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown key or value, with the nearest known one, and for levels of another
    /// compression than the one chosen.
    pub fn from_creation_options<'a>(pairs: impl IntoIterator<Item = &'a str>) -> Result<TiffOptions> {
        let given = Given::read(pairs, &KEYS)?;
        Ok(TiffOptions {
            blocks: blocks(&given)?,
            compression: compression(&given)?,
            predictor: given.one_of(
                "PREDICTOR",
                &[
                    ("AUTO", Predictor::Auto),
                    ("YES", Predictor::Auto),
                    ("NO", Predictor::None),
                    ("1", Predictor::None),
                    ("2", Predictor::Horizontal),
                    ("STANDARD", Predictor::Horizontal),
                    ("3", Predictor::FloatingPoint),
                    ("FLOATING_POINT", Predictor::FloatingPoint),
                ],
            )?,
            planar: given.one_of("INTERLEAVE", &[("PIXEL", false), ("BAND", true)])?,
            bigtiff: given.one_of(
                "BIGTIFF",
                &[
                    ("AUTO", BigTiff::Auto),
                    ("IF_NEEDED", BigTiff::Auto),
                    ("IF_SAFER", BigTiff::Auto),
                    ("YES", BigTiff::Yes),
                    ("NO", BigTiff::No),
                ],
            )?,
            sparse: given.flag("SPARSE_OK")?.unwrap_or(false),
        })
    }
}

fn blocks(given: &Given<'_>) -> Result<Blocks> {
    let side = |key| given.number::<u32>(key, "pixels");
    let both = side("BLOCKSIZE")?;
    let (width, height) = (side("BLOCKXSIZE")?.or(both), side("BLOCKYSIZE")?.or(both));
    if given.flag("TILED")? == Some(false) {
        if width.is_some() {
            return Err(Error::Usage(
                "strips are as wide as the image: BLOCKXSIZE and BLOCKSIZE need TILED=YES".into(),
            ));
        }
        return Ok(Blocks::Strips { rows: height });
    }
    Ok(match (height, width) {
        (None, None) => Blocks::default(),
        (height, width) => {
            let other = height.or(width).unwrap_or_default();
            Blocks::Tiles { height: height.unwrap_or(other), width: width.unwrap_or(other) }
        }
    })
}

fn compression(given: &Given<'_>) -> Result<Compression> {
    let level = |key| given.number::<u8>(key, "0 to 255");
    let name = match given.get("COMPRESS") {
        Some(value) => known("COMPRESS", value, &COMPRESSIONS)?,
        None => "NONE",
    };
    for (key, of) in [
        ("ZLEVEL", "DEFLATE"),
        ("ZSTD_LEVEL", "ZSTD"),
        ("LZMA_PRESET", "LZMA"),
        ("JPEG_QUALITY", "JPEG"),
        ("JPEG_SUBSAMPLING", "JPEG"),
        ("WEBP_LOSSLESS", "WEBP"),
        ("MAX_Z_ERROR", "LERC"),
    ] {
        if given.get(key).is_some() && name != of {
            return Err(Error::Usage(format!(
                "creation option {key} needs COMPRESS={of}, not {name} (--co)"
            )));
        }
    }
    // The names that GDAL's COG driver has for those of any compression.
    let leveled = ["DEFLATE", "ZSTD", "LZMA"].contains(&name);
    for (key, fits, of) in [("LEVEL", leveled, "DEFLATE, ZSTD or LZMA"), ("QUALITY", name == "JPEG", "JPEG")]
    {
        if given.get(key).is_some() && !fits {
            return Err(Error::Usage(format!(
                "creation option {key} needs COMPRESS={of}, not {name} (--co)"
            )));
        }
    }
    if given.flag("WEBP_LOSSLESS")? == Some(false) {
        return Err(Error::Usage("WebP is written without loss only (COMPRESS=JPEG is smaller)".into()));
    }
    let level = |own, common| Ok::<_, Error>(level(own)?.or(level(common)?));
    Ok(match name {
        "PACKBITS" => Compression::PackBits,
        "LZW" => Compression::Lzw,
        "DEFLATE" => Compression::Deflate(level("ZLEVEL", "LEVEL")?.unwrap_or(6)),
        "ZSTD" => Compression::Zstd(level("ZSTD_LEVEL", "LEVEL")?.unwrap_or(1)),
        "LZMA" => Compression::Lzma(level("LZMA_PRESET", "LEVEL")?.unwrap_or(6)),
        "JPEG" => Compression::Jpeg {
            quality: level("JPEG_QUALITY", "QUALITY")?.unwrap_or(90),
            subsampled: given.get("JPEG_SUBSAMPLING").is_none()
                || given.one_of("JPEG_SUBSAMPLING", &[("4:2:0", true), ("4:4:4", false)])?,
        },
        "WEBP" => Compression::WebP,
        "LERC" => Compression::Lerc { max_error: given.number("MAX_Z_ERROR", "at least 0")?.unwrap_or(0.0) },
        _ => Compression::None,
    })
}
