//! Codecs: from stored bytes to the bytes that a writer compressed, one file per family.
//!
//! *Byte codecs* ([`decode`]) give back packed samples in the file's byte order, to which predictor and unpacking
//! still apply. *Image codecs* ([`image`]) carry a depth and often a colour model of their own, and give samples.

mod ccitt;
mod ccitt_tables;
mod deflate;
pub(super) mod image;
mod jpeg;
#[cfg(feature = "jpeg2000")]
mod jpeg2000;
#[cfg(feature = "jxl")]
mod jxl;
mod lerc;
mod lerc_bits;
mod lerc_tiles;
mod logluv;
mod luv24;
#[cfg(feature = "lzma")]
mod lzma;
mod lzw;
mod next;
mod packbits;
#[cfg(feature = "png")]
mod png;
pub(super) mod read;
mod thunder;
#[cfg(feature = "webp")]
mod webp;
mod zstandard;

use outcrop_core::{Error, Result};

use super::block::BlockSpec;
use super::tags::codec_name;

/// A compression that the format names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    None,
    CcittRle,
    CcittRleWord,
    Group3,
    Group4,
    Lzw,
    OldJpeg,
    Jpeg,
    Deflate,
    PackBits,
    Next,
    ThunderScan,
    SgiLog,
    SgiLog24,
    Lerc,
    Lzma,
    Png,
    Jpeg2000,
    Zstd,
    WebP,
    JpegXl,
}

/// One Compression code of each codec, in the order of the codes.
const CODES: [u16; 21] = [
    1, 2, 3, 4, 5, 6, 7, 8, 32766, 32771, 32773, 32809, 33003, 34676, 34677, 34887, 34925, 34933, 50000,
    50001, 50002,
];

/// A compression that TIFF files have and this crate can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecSupport {
    /// Its common name.
    pub name: String,
    /// The feature of this crate that it needs; `None` where every build has it.
    pub feature: Option<&'static str>,
    /// Whether this build reads it.
    pub built: bool,
}

/// The compressions of TIFF files that are read, and those that other builds read.
pub fn codecs() -> Vec<CodecSupport> {
    let support = |&code: &u16| {
        let feature = Codec::known(code).and_then(Codec::feature);
        CodecSupport {
            name: codec_name(code),
            feature: feature.map(|(name, _)| name),
            built: feature.is_none_or(|(_, built)| built),
        }
    };
    CODES.iter().map(support).collect()
}

impl Codec {
    /// The codec of a Compression code, whatever this build has.
    fn known(code: u16) -> Option<Codec> {
        Some(match code {
            0 | 1 => Codec::None,
            2 => Codec::CcittRle,
            3 => Codec::Group3,
            4 => Codec::Group4,
            5 => Codec::Lzw,
            6 => Codec::OldJpeg,
            7 | 33007 => Codec::Jpeg,
            8 | 32946 | 50013 => Codec::Deflate,
            32766 => Codec::Next,
            32771 => Codec::CcittRleWord,
            32773 => Codec::PackBits,
            32809 => Codec::ThunderScan,
            33003 | 33004 | 33005 | 34712 => Codec::Jpeg2000,
            34676 => Codec::SgiLog,
            34677 => Codec::SgiLog24,
            34887 => Codec::Lerc,
            34925 => Codec::Lzma,
            34933 => Codec::Png,
            50000 | 34926 => Codec::Zstd,
            50001 | 34927 => Codec::WebP,
            50002 | 52546 => Codec::JpegXl,
            _ => return None,
        })
    }

    /// The codec of a block, or an error that names the one this build lacks.
    pub(super) fn of(spec: &BlockSpec) -> Result<Codec> {
        let code = spec.compression;
        let codec = Codec::known(code).ok_or_else(|| {
            let name = match code {
                9 => " (JBIG T.85)",
                10 => " (JBIG T.43)",
                262 | 32767 | 32769 | 32770 | 32772 | 34713 => " (a camera's raw data)",
                32895..=32898 => " (IT8)",
                32908 => " (Pixar film)",
                32909 => " (Pixar log)",
                34661 => " (JBIG)",
                34718..=34720 => " (Microsoft Document Imaging)",
                34892 => " (lossy DNG JPEG)",
                34934 | 22610 => " (JPEG XR)",
                65000..=65002 => " (Electron Event Representation)",
                _ => "",
            };
            Error::Unsupported(format!("TIFF compression {code}{name}"))
        })?;
        match codec.feature() {
            Some((feature, false)) => Err(Error::Unsupported(format!(
                "TIFF compression {code}: {} (feature `{feature}`) is not in this build",
                codec_name(code)
            ))),
            _ => Ok(codec),
        }
    }

    /// The feature that a codec needs, and whether this build has it; `None` for those of every build.
    fn feature(self) -> Option<(&'static str, bool)> {
        Some(match self {
            Codec::Jpeg2000 => ("jpeg2000", cfg!(feature = "jpeg2000")),
            Codec::JpegXl => ("jxl", cfg!(feature = "jxl")),
            Codec::Lzma => ("lzma", cfg!(feature = "lzma")),
            Codec::Png => ("png", cfg!(feature = "png")),
            Codec::WebP => ("webp", cfg!(feature = "webp")),
            _ => return None,
        })
    }

    /// Whether blocks are images in themselves.
    pub(super) fn is_image(self) -> bool {
        use Codec::*;
        matches!(self, OldJpeg | Jpeg | SgiLog | SgiLog24 | Lerc | Png | Jpeg2000 | WebP | JpegXl)
    }

    /// Whether FillOrder 2 reverses the stored bytes, as in libtiff: those of JPEG and of what it does not know keep their
    /// own order.
    pub(super) fn reverses_bits(self) -> bool {
        !self.is_image() || matches!(self, Codec::Lerc | Codec::WebP | Codec::SgiLog | Codec::SgiLog24)
    }
}

/// Codec contexts kept from block to block, made when first used.
#[derive(Default)]
pub(super) struct Contexts {
    lzw: Option<lzw::Decoder>,
    deflate: Option<libdeflater::Decompressor>,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
    ccitt: ccitt::Lines,
    image: image::Buffers,
    lerc: lerc::Buffers,
}

/// What a byte codec demands of the page.
pub(super) fn check(spec: &BlockSpec, codec: Codec) -> Result<()> {
    let demanded = match codec {
        Codec::CcittRle | Codec::CcittRleWord | Codec::Group3 | Codec::Group4 => 1,
        Codec::Next => 2,
        Codec::ThunderScan => 4,
        _ => return Ok(()),
    };
    if spec.bits.iter().any(|&b| b != demanded) {
        return Err(Error::Unsupported(format!(
            "{} bits with {codec:?}, which holds {demanded}",
            spec.depths()
        )));
    }
    if codec == Codec::Group3 && spec.t4_options & 2 != 0 {
        return Err(Error::Unsupported("Group 3 in uncompressed mode (T4Options)".into()));
    }
    if codec == Codec::Group4 && spec.t6_options & 2 != 0 {
        return Err(Error::Unsupported("Group 4 in uncompressed mode (T6Options)".into()));
    }
    Ok(())
}

/// The most bytes that the contexts of a codec take for blocks of `out` bytes handed out.
pub(super) fn scratch_bytes(spec: &BlockSpec, codec: Codec, out: u64) -> u64 {
    let image = out / spec.dtype.bytes() as u64;
    match codec {
        Codec::Lzw => 128 << 10,
        Codec::Deflate => 64 << 10,
        Codec::Zstd => 256 << 10,
        #[cfg(feature = "lzma")]
        Codec::Lzma => lzma::MEMORY_BYTES,
        Codec::CcittRle | Codec::CcittRleWord | Codec::Group3 | Codec::Group4 => {
            8 * (u64::from(spec.width) * spec.samples() as u64 + 32)
        }
        // Whole images and their coefficients, inside the libraries.
        Codec::Jpeg | Codec::OldJpeg => image.saturating_mul(6).saturating_add(2 << 20),
        #[cfg(feature = "jxl")]
        Codec::JpegXl => jxl::memory_bytes(image),
        Codec::Jpeg2000 => image.saturating_mul(24).saturating_add(4 << 20),
        Codec::Png | Codec::WebP => out.saturating_mul(3).saturating_add(2 << 20),
        Codec::Lerc => out.saturating_mul(3).saturating_add(2 << 20),
        _ => 0,
    }
}

/// Decodes exactly `out.len()` bytes of `rows` rows.
pub(super) fn decode(
    spec: &BlockSpec,
    codec: Codec,
    stored: &[u8],
    rows: u32,
    contexts: &mut Contexts,
    out: &mut [u8],
) -> Result<()> {
    let found = match codec {
        Codec::None => {
            let n = stored.len().min(out.len());
            out[..n].copy_from_slice(&stored[..n]);
            n
        }
        Codec::Lzw if lzw::is_old(stored) => lzw::decode_old(stored, out)?,
        Codec::Lzw => contexts.lzw.get_or_insert_with(lzw::Decoder::new).decode(stored, out)?,
        Codec::Deflate => {
            let context = contexts.deflate.get_or_insert_with(libdeflater::Decompressor::new);
            deflate::decode(context, stored, out)?
        }
        Codec::Zstd => zstandard::decode(&mut contexts.zstd, stored, out)?,
        #[cfg(feature = "lzma")]
        Codec::Lzma => lzma::decode(stored, out)?,
        Codec::PackBits => packbits::decode(stored, out),
        Codec::Next => next::decode(stored, out, out.len() / rows.max(1) as usize)?,
        Codec::ThunderScan => {
            thunder::decode(stored, out, out.len() / rows.max(1) as usize, spec.width as usize)?
        }
        Codec::CcittRle | Codec::CcittRleWord | Codec::Group3 | Codec::Group4 => {
            let mut decoder = ccitt::Decoder::new(spec, codec, stored, &mut contexts.ccitt)?;
            let row_bytes = out.len() / rows.max(1) as usize;
            for row in out.chunks_exact_mut(row_bytes.max(1)) {
                decoder.row(row)?;
            }
            out.len()
        }
        _ => return Err(Error::Unsupported(format!("TIFF compression {}", spec.compression))),
    };
    whole(found, out.len(), codec)
}

/// An error where a stream gave too few bytes.
pub(super) fn whole(found: usize, expected: usize, codec: Codec) -> Result<()> {
    if found < expected {
        return Err(Error::Format(format!(
            "the block ends early: {codec:?} gave {found} bytes, its rows need {expected}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_is_listed_once_under_a_name_of_its_own() {
        let listed = CODES.map(|code| Codec::known(code).unwrap());
        for code in 0..=u16::MAX {
            if let Some(codec) = Codec::known(code) {
                assert_eq!(listed.iter().filter(|&&c| c == codec).count(), 1, "{codec:?}");
                let usual = CODES[listed.iter().position(|&c| c == codec).unwrap()];
                assert_eq!(codec_name(code), codec_name(usual), "{code}");
            }
        }
    }
}
