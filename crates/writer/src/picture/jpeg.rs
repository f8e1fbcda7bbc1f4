//! JPEG: each band of MCU rows encoded by itself, and joined to the others as a restart interval.
//!
//! At a restart marker the DC predictions begin anew, and all bands have the same (fixed) Huffman tables: what an
//! encoder makes of a band alone, between its headers and its end, is what stands there in the whole picture.

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, PixelDensity, PixelDensityUnit, SamplingFactor};
use outcrop_core::{Buffer, Error, Extent, Resolution, Result};

use super::PictureOptions;
use super::bands::rows_of;

/// A restart interval counts MCUs in 16 bits.
const MOST_MCUS: u64 = 65_535;
const END: [u8; 2] = [0xff, 0xd9];

pub(super) struct Jpeg {
    extent: Extent,
    quality: u8,
    subsampled: bool,
    rows: u64,
    header: Vec<u8>,
}

fn failed(cause: impl std::fmt::Display) -> Error {
    Error::Panic(format!("JPEG encoder: {cause}"))
}

impl Jpeg {
    pub(super) fn new(extent: Extent, options: &PictureOptions) -> Result<Jpeg> {
        let Extent { height, width, channels } = extent;
        let subsampled = options.subsampled && channels == 3;
        let side = if subsampled { 16 } else { 8 };
        let across = width.div_ceil(side);
        let rows = rows_of(width * channels, side, MOST_MCUS / across * side);
        let mut jpeg = Jpeg { extent, quality: options.quality, subsampled, rows, header: Vec::new() };
        // The headers of a picture of one row, with the height put right.
        let mut header = Vec::new();
        let mut encoder = jpeg.encoder(&mut header);
        if let Some(icc) = options.profile(channels) {
            encoder.add_icc_profile(icc).map_err(failed)?;
        }
        if let Some(density) = options.resolution.and_then(density) {
            encoder.set_density(density);
        }
        if rows < height {
            encoder.set_restart_interval((rows / side * across) as u16);
        }
        let row = vec![0; (width * channels) as usize];
        encoder.encode(&row, width as u16, 1, jpeg.colour()).map_err(failed)?;
        let (frame, scan) = parts(&header)?;
        // Marker, length and depth stand before the height.
        header[frame + 5..frame + 7].copy_from_slice(&(height as u16).to_be_bytes());
        header.truncate(scan);
        jpeg.header = header;
        Ok(jpeg)
    }

    fn encoder<W: std::io::Write>(&self, to: W) -> jpeg_encoder::Encoder<W> {
        let mut encoder = jpeg_encoder::Encoder::new(to, self.quality);
        encoder.set_sampling_factor(if self.subsampled {
            SamplingFactor::R_4_2_0
        } else {
            SamplingFactor::R_4_4_4
        });
        encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
        encoder
    }

    fn colour(&self) -> ColorType {
        if self.extent.channels == 3 { ColorType::Rgb } else { ColorType::Luma }
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn header(&self) -> &[u8] {
        &self.header
    }

    pub(super) fn trailer() -> Vec<u8> {
        END.to_vec()
    }

    /// 27 bits a coefficient at the very worst (16 of the code, 11 of the value), and the headers.
    pub(super) fn bound(&self, rows: u64) -> u64 {
        let Extent { width, channels, .. } = self.extent;
        let samples = rows.next_multiple_of(16) * width.next_multiple_of(16) * channels;
        4 * samples + 4096
    }

    /// Encodes whole rows, band `number` from the top.
    pub(super) fn encode(
        &self,
        number: u64,
        height: usize,
        samples: &[u8],
        spare: &mut Buffer,
        out: &mut [u8],
    ) -> Result<usize> {
        spare.resize(self.bound(height as u64) as usize)?;
        let mut to = std::io::Cursor::new(spare.bytes_mut());
        let (width, height) = (self.extent.width as u16, height as u16);
        self.encoder(&mut to).encode(samples, width, height, self.colour()).map_err(failed)?;
        let len = to.position() as usize;
        let stream = &spare.bytes()[..len];
        let scan = stream.strip_suffix(&END).and_then(|stream| stream.get(parts(stream).ok()?.1..));
        let scan = scan.ok_or_else(|| failed("no scan"))?;
        // Markers stand between bands.
        let marker: &[u8] = if number == 0 { &[] } else { &[0xff, 0xd0 + ((number - 1) % 8) as u8] };
        let len = marker.len() + scan.len();
        let out = out.get_mut(..len).ok_or_else(|| failed("output too short"))?;
        out[..marker.len()].copy_from_slice(marker);
        out[marker.len()..].copy_from_slice(scan);
        Ok(len)
    }
}

/// Where the frame header starts, and where the entropy-coded data of the one scan does.
fn parts(stream: &[u8]) -> Result<(usize, usize)> {
    let (mut at, mut frame) = (2, None);
    while let Some(&[0xff, marker, high, low]) = stream.get(at..at + 4) {
        let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
        match (marker, frame) {
            (0xc0, _) => frame = Some(at),
            (0xda, Some(frame)) => return Ok((frame, end)),
            _ => {}
        }
        at = end;
    }
    Err(failed("no scan"))
}

/// What JFIF can say: whole pixels per inch or centimetre, in 16 bits.
fn density(resolution: Resolution) -> Option<PixelDensity> {
    let unit = match resolution.unit {
        2 => PixelDensityUnit::Inches,
        3 => PixelDensityUnit::Centimeters,
        _ => return None,
    };
    let whole = |n: f64| Some(n.round_ties_even()).filter(|n| (1.0..=65535.0).contains(n)).map(|n| n as u16);
    Some(PixelDensity { density: (whole(resolution.x)?, whole(resolution.y)?), unit })
}
