//! GDAL's creation options (`COMPRESS=DEFLATE`, `BLOCKXSIZE=256`, ...) as [`TiffOptions`].

use outcrop_core::{Error, Result};

use super::{BigTiff, Blocks, Compression, Predictor, TiffOptions};

const KEYS: [&str; 13] = [
    "COMPRESS",
    "TILED",
    "BLOCKXSIZE",
    "BLOCKYSIZE",
    "PREDICTOR",
    "BIGTIFF",
    "INTERLEAVE",
    "SPARSE_OK",
    "ZLEVEL",
    "ZSTD_LEVEL",
    "LZMA_PRESET",
    "JPEG_QUALITY",
    "JPEG_SUBSAMPLING",
];
pub(crate) const COMPRESSIONS: [&str; 7] = ["NONE", "PACKBITS", "LZW", "DEFLATE", "ZSTD", "LZMA", "JPEG"];

/// What was given, by key; the last one of a key counts.
struct Given<'a>(Vec<(&'static str, &'a str)>);

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
        let given = Given::read(pairs)?;
        Ok(TiffOptions {
            blocks: given.blocks()?,
            compression: given.compression()?,
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

impl<'a> Given<'a> {
    fn read(pairs: impl IntoIterator<Item = &'a str>) -> Result<Given<'a>> {
        let mut given = Vec::new();
        for pair in pairs {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(Error::Usage(format!("creation option `{pair}` is not KEY=VALUE (--co)")));
            };
            let key = known("creation option", key, &KEYS)?;
            given.push((key, value.trim()));
        }
        Ok(Given(given))
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(k, _)| *k == key).map(|&(_, value)| value)
    }

    fn one_of<T: Copy + Default>(&self, key: &str, values: &[(&'static str, T)]) -> Result<T> {
        let Some(value) = self.get(key) else { return Ok(T::default()) };
        let names: Vec<&'static str> = values.iter().map(|v| v.0).collect();
        let name = known(&format!("{key} value"), value, &names)?;
        Ok(values.iter().find(|v| v.0 == name).map(|v| v.1).unwrap_or_default())
    }

    fn flag(&self, key: &str) -> Result<Option<bool>> {
        if self.get(key).is_none() {
            return Ok(None);
        }
        let values = [("YES", true), ("TRUE", true), ("ON", true), ("1", true)];
        let values = [&values[..], &[("NO", false), ("FALSE", false), ("OFF", false), ("0", false)]].concat();
        self.one_of(key, &values).map(Some)
    }

    fn number<T: std::str::FromStr>(&self, key: &str, range: &str) -> Result<Option<T>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| {
            Error::Usage(format!("creation option {key}={value}: a number of {range} is wanted"))
        })
    }

    fn blocks(&self) -> Result<Blocks> {
        let side = |key| self.number::<u32>(key, "pixels");
        let (width, height) = (side("BLOCKXSIZE")?, side("BLOCKYSIZE")?);
        if self.flag("TILED")? == Some(false) {
            if width.is_some() {
                return Err(Error::Usage(
                    "strips are as wide as the image: BLOCKXSIZE needs TILED=YES".into(),
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

    fn compression(&self) -> Result<Compression> {
        let level = |key| self.number::<u8>(key, "0 to 255");
        let name = match self.get("COMPRESS") {
            Some(value) => known("compression", value, &COMPRESSIONS)?,
            None => "NONE",
        };
        for (key, of) in [
            ("ZLEVEL", "DEFLATE"),
            ("ZSTD_LEVEL", "ZSTD"),
            ("LZMA_PRESET", "LZMA"),
            ("JPEG_QUALITY", "JPEG"),
            ("JPEG_SUBSAMPLING", "JPEG"),
        ] {
            if self.get(key).is_some() && name != of {
                return Err(Error::Usage(format!("creation option {key} needs COMPRESS={of}, not {name}")));
            }
        }
        Ok(match name {
            "PACKBITS" => Compression::PackBits,
            "LZW" => Compression::Lzw,
            "DEFLATE" => Compression::Deflate(level("ZLEVEL")?.unwrap_or(6)),
            "ZSTD" => Compression::Zstd(level("ZSTD_LEVEL")?.unwrap_or(1)),
            "LZMA" => Compression::Lzma(level("LZMA_PRESET")?.unwrap_or(6)),
            "JPEG" => Compression::Jpeg {
                quality: level("JPEG_QUALITY")?.unwrap_or(90),
                subsampled: self.get("JPEG_SUBSAMPLING").is_none()
                    || self.one_of("JPEG_SUBSAMPLING", &[("4:2:0", true), ("4:4:4", false)])?,
            },
            _ => Compression::None,
        })
    }
}

/// The name among `names` that `found` is, in any case.
fn known(what: &str, found: &str, names: &[&'static str]) -> Result<&'static str> {
    let upper = found.trim().to_ascii_uppercase();
    if let Some(name) = names.iter().find(|n| **n == upper) {
        return Ok(name);
    }
    let nearest = names.iter().min_by_key(|n| distance(n.as_bytes(), upper.as_bytes())).unwrap_or(&"");
    Err(Error::Usage(format!(
        "{what} `{found}` is not known, the nearest is {nearest} (known: {})",
        names.join(", ")
    )))
}

/// Levenshtein's distance, one row at a time; of the first 64 bytes, as no key is longer.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let b = &b[..b.len().min(64)];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
