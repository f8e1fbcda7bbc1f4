//! JPEG: each band of MCU rows encoded by itself, and joined to the others as a restart interval.
//!
//! At a restart marker the DC predictions begin anew, and all bands have the same (fixed) Huffman tables: what an
//! encoder makes of a band alone, between its headers and its end, is what stands there in the whole picture. A picture
//! of one band has tables of its own.

use jpeg_encoder::{PixelDensity, PixelDensityUnit};
use outcrop_core::{Buffer, Extent, Resolution, Result};

use super::PictureOptions;
use super::bands::rows_of;
use crate::jpeg::{END, Keep, Parts, Quality, Recoder, START, failed};

/// A restart interval counts MCUs in 16 bits.
const MOST_MCUS: u64 = 65_535;

pub(super) struct Jpeg {
    extent: Extent,
    quality: Quality,
    rows: u64,
    header: Vec<u8>,
}

impl Jpeg {
    pub(super) fn new(extent: Extent, options: &PictureOptions) -> Result<Jpeg> {
        let Extent { height, width, channels } = extent;
        let subsampled = options.subsampled && channels == 3;
        let quality = Quality { quality: options.quality, subsampled, channels: channels as usize };
        let side = if subsampled { 16 } else { 8 };
        let across = width.div_ceil(side);
        let rows = rows_of(width * channels, side, MOST_MCUS / across * side);
        // The headers of a picture of one row, with the height put right.
        let mut header = Vec::new();
        let mut encoder = quality.encoder(&mut header);
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
        encoder.encode(&row, width as u16, 1, quality.colour()).map_err(failed)?;
        let parts = Parts::of(&header)?;
        let (frame, scan) = (parts.frame()?, parts.scan());
        if rows < height {
            // Marker, length and depth stand before the height.
            header[frame + 5..frame + 7].copy_from_slice(&(height as u16).to_be_bytes());
            header.truncate(scan);
        } else {
            // What the one band has itself begins with the frame.
            header.truncate(frame);
        }
        Ok(Jpeg { extent, quality, rows, header })
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

    /// The most bytes that a band of so many rows becomes.
    pub(super) fn bound(&self, rows: u64) -> u64 {
        Quality::bound(self.extent.channels, rows, self.extent.width)
    }

    /// Encodes whole rows, band `number` from the top.
    pub(super) fn encode(
        &self,
        number: u64,
        height: usize,
        samples: &[u8],
        (spare, recoder): (&mut Buffer, &mut Recoder),
        out: &mut [u8],
    ) -> Result<usize> {
        spare.resize(self.bound(height as u64) as usize)?;
        let len = self.quality.encode(samples, (height, self.extent.width as usize), spare.bytes_mut())?;
        let stream = &spare.bytes()[..len];
        if self.rows >= self.extent.height {
            let len = recoder.recode(stream, Keep::Tables, out)?;
            // The start stands in the header, the end in the trailer.
            out.copy_within(START.len()..len - END.len(), 0);
            return Ok(len - START.len() - END.len());
        }
        let scan = Parts::of(stream)?.data()?;
        // Markers stand between bands.
        let marker: &[u8] = if number == 0 { &[] } else { &[0xff, 0xd0 + ((number - 1) % 8) as u8] };
        let len = marker.len() + scan.len();
        let out = out.get_mut(..len).ok_or_else(|| failed("output too short"))?;
        out[..marker.len()].copy_from_slice(marker);
        out[marker.len()..].copy_from_slice(scan);
        Ok(len)
    }
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
