//! [`Samples`]: what one pixel of a page is made of, from BitsPerSample, SampleFormat and their kin.

use outcrop_core::{DataType, Error, Result};

use super::ifd::{Directory, TiffFile};
use super::tags::{tag, tag_name};

/// The samples of a pixel as they are stored.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    /// Bits of each sample; one entry per sample.
    pub(super) bits: Vec<u16>,
    /// TIFF SampleFormat: 1 unsigned, 2 signed, 3 float.
    pub(super) format: u16,
    /// The type that holds every one of them.
    pub(super) dtype: DataType,
    /// TIFF Compression.
    pub(super) compression: u16,
    /// TIFF PhotometricInterpretation.
    pub(super) photometric: u16,
    /// Whether each channel is stored apart.
    pub(super) planar: bool,
    /// Columns and rows that share one pair of colour differences; (1, 1) unless the page is YCbCr.
    pub(super) subsampling: (u16, u16),
}

impl Samples {
    /// Reads them from a directory.
    pub(super) fn read(file: &TiffFile, dir: &Directory) -> Result<Samples> {
        let compression = dir.code(file, tag::COMPRESSION, 1)?;
        let photometric = dir.code(file, tag::PHOTOMETRIC, default_photometric(compression))?;
        let listed = bits(file, dir)?;
        // Without SamplesPerPixel, as many as have a depth (old-style JPEG files leave it out).
        let count = match dir.uint(file, tag::SAMPLES_PER_PIXEL)? {
            Some(count) => count,
            None if compression == 6 && photometric == 6 => 3,
            None => listed.len() as u64,
        };
        if count == 0 || count > 65_535 {
            return Err(Error::Format(format!("{} is {count}", tag_name(tag::SAMPLES_PER_PIXEL))));
        }
        let mut bits = listed;
        let last = bits[bits.len() - 1];
        bits.resize(count as usize, last);
        if let Some(bad) = bits.iter().find(|&&b| b == 0 || b > 64) {
            let complex = format(file, dir)? >= 5;
            return Err(if *bad == 0 {
                Error::Format(format!("{} is 0", tag_name(tag::BITS_PER_SAMPLE)))
            } else if complex {
                Error::Unsupported(format!("complex samples (SampleFormat 6, {bad} bits)"))
            } else {
                Error::Unsupported(format!("samples of {bad} bits"))
            });
        }
        let format = format(file, dir)?;
        let deepest = bits.iter().copied().max().unwrap_or(1);
        let dtype = dtype(format, deepest)?;
        let planar = dir.code(file, tag::PLANAR_CONFIG, 1)? == 2 && count > 1;
        if planar && bits.iter().any(|&b| b != deepest) {
            return Err(Error::Unsupported(format!("planes of different depths ({bits:?} bits)")));
        }
        let subsampling = if photometric == 6 && count == 3 { subsampling(file, dir)? } else { (1, 1) };
        Ok(Samples { bits, format, dtype, compression, photometric, planar, subsampling })
    }

    /// Samples of a pixel.
    pub(super) fn channels(&self) -> u64 {
        self.bits.len() as u64
    }

    /// Bits of the deepest sample.
    pub(super) fn deepest(&self) -> u16 {
        self.bits.iter().copied().max().unwrap_or(0)
    }

    /// Bits of a pixel in one block.
    pub(super) fn pixel_bits(&self) -> u64 {
        if self.planar { self.bits[0].into() } else { self.bits.iter().map(|&b| u64::from(b)).sum() }
    }

    /// Whether chroma is stored once per several pixels, outside a codec that knows of it.
    pub(super) fn packed_chroma(&self) -> bool {
        self.subsampling != (1, 1) && !self.planar && !matches!(self.compression, 6 | 7)
    }
}

/// CCITT files that leave it out mean white is zero; others gray, and old-style JPEG YCbCr.
fn default_photometric(compression: u16) -> u16 {
    match compression {
        2..=4 | 32771 => 0,
        6 => 6,
        _ => 1,
    }
}

/// BitsPerSample, never empty.
fn bits(file: &TiffFile, dir: &Directory) -> Result<Vec<u16>> {
    let Some(entry) = dir.get(tag::BITS_PER_SAMPLE).filter(|e| e.count > 0) else {
        // Old-style JPEG leaves it out and means 8.
        let default = if dir.code(file, tag::COMPRESSION, 1)? == 6 { 8 } else { 1 };
        return Ok(vec![default]);
    };
    let values = file.uints(entry, 65_535)?;
    Ok(values.into_iter().map(|b| u16::try_from(b).unwrap_or(u16::MAX)).collect())
}

/// SampleFormat, the same for all samples; void (4) and codes that mean nothing read as unsigned.
fn format(file: &TiffFile, dir: &Directory) -> Result<u16> {
    let Some(entry) = dir.get(tag::SAMPLE_FORMAT).filter(|e| e.count > 0) else { return Ok(1) };
    let formats = file.uints(entry, 65_535)?;
    if let Some(other) = formats.iter().find(|&&f| f != formats[0]) {
        return Err(Error::Unsupported(format!(
            "samples of different formats (SampleFormat {} and {other})",
            formats[0]
        )));
    }
    Ok(match formats[0] {
        f @ (2 | 3 | 5 | 6) => f as u16,
        _ => 1,
    })
}

fn dtype(format: u16, bits: u16) -> Result<DataType> {
    use DataType::*;
    Ok(match (format, bits) {
        (1, 1..=8) => U8,
        (1, 9..=16) => U16,
        (1, 17..=32) => U32,
        (1, 33..=64) => U64,
        (2, 1..=8) => I8,
        (2, 9..=16) => I16,
        (2, 17..=32) => I32,
        (2, 33..=64) => I64,
        (3, 16) => F16,
        (3, 24 | 32) => F32,
        (3, 64) => F64,
        (3, _) => return Err(Error::Unsupported(format!("floats of {bits} bits"))),
        (code, _) => {
            return Err(Error::Unsupported(format!("complex samples (SampleFormat {code}, {bits} bits)")));
        }
    })
}

fn subsampling(file: &TiffFile, dir: &Directory) -> Result<(u16, u16)> {
    let Some(entry) = dir.get(tag::YCBCR_SUBSAMPLING).filter(|e| e.count >= 2) else { return Ok((2, 2)) };
    let pair = (file.uint(entry, 0)?, file.uint(entry, 1)?);
    match pair {
        (1 | 2 | 4, 1 | 2 | 4) => Ok((pair.0 as u16, pair.1 as u16)),
        (x, y) => Err(Error::Format(format!("YCbCrSubSampling is {x} x {y}, expected 1, 2 or 4"))),
    }
}
