//! JPEG: each band of MCU rows encoded by itself, and joined to the others as a restart interval.
//!
//! At a restart marker the DC predictions begin anew, and all bands have the same (fixed) Huffman tables: what an
//! encoder makes of a band alone, between its headers and its end, is what stands there in the whole picture. A picture
//! of one band has tables of its own.

use outcrop_core::{Extent, Result};

use super::PictureOptions;
use super::bands::rows_of;
use crate::jpeg::{Coder, END, Quality, failed, file_header};

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
        let quality = Quality::new(options.quality, options.subsampled, channels as usize);
        let side = if quality.subsampled { 16 } else { 8 };
        let across = width.div_ceil(side);
        let rows = rows_of(width * channels, side, MOST_MCUS / across * side);
        let mut header = file_header(options.resolution, options.profile(channels))?;
        header.extend(quality.quantisation());
        // What the one band of a small picture has itself begins with the frame.
        if rows < height {
            header.extend(quality.frame((height as usize, width as usize))?);
            header.extend(quality.scan_of_intervals((rows / side * across) as u16));
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
        coder: &mut Coder,
        out: &mut [u8],
    ) -> Result<usize> {
        let shape = (height, self.extent.width as usize);
        if self.rows >= self.extent.height {
            return coder.frame(self.quality, samples, shape, out);
        }
        // Markers stand between bands.
        let marker: &[u8] = if number == 0 { &[] } else { &[0xff, 0xd0 + ((number - 1) % 8) as u8] };
        let (to, rest) = out.split_at_mut_checked(marker.len()).ok_or_else(|| failed("output too short"))?;
        to.copy_from_slice(marker);
        Ok(marker.len() + coder.interval(self.quality, samples, shape, rest)?)
    }
}
