//! Baseline JPEG, as parts: [`Coder`] makes the data of one interleaved scan, [`Quality`] the segments around it.
//!
//! Pixels become light and colour in runs of units that stay in the nearest cache (`planes`), are transformed and
//! quantised eight lanes at a time (`transform`), and leave as symbols that are counted on the way (`coder`): codes
//! fitted to a stream cost a pass over its symbols, not over its pixels. The same source is compiled for the target's
//! baseline and for AVX2 (`vectors`), and makes the same bytes. `jpeg-encoder`, which was here before, fits codes only
//! to one scan for each component, which TIFF does not allow, and took four times as long.

mod coder;
mod huffman;
mod planes;
mod tables;
#[cfg(test)]
mod tests;
mod transform;
mod vectors;

use outcrop_core::{Error, Resolution, Result};

pub(crate) use coder::Coder;
use huffman::Spec;

pub(crate) const START: [u8; 2] = [0xff, 0xd8];
pub(crate) const END: [u8; 2] = [0xff, 0xd9];
const APP0: u8 = 0xe0;
const APP2: u8 = 0xe2;
const TABLES_Q: u8 = 0xdb;
const TABLES_H: u8 = 0xc4;
const RESTART: u8 = 0xdd;
const FRAME: u8 = 0xc0;
const SCAN: u8 = 0xda;

/// How coefficients are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quality {
    /// 1 (small) to 100 (good).
    pub(crate) quality: u8,
    /// Whether colour is kept at half the resolution both ways.
    pub(crate) subsampled: bool,
    /// 1 or 3.
    pub(crate) channels: usize,
}

pub(crate) fn failed(cause: impl std::fmt::Display) -> Error {
    Error::Panic(format!("JPEG encoder: {cause}"))
}

impl Quality {
    /// Of gray nothing can be subsampled.
    pub(crate) fn new(quality: u8, subsampled: bool, channels: usize) -> Quality {
        Quality { quality, subsampled: subsampled && channels == 3, channels }
    }

    /// The most bytes of a stream: 27 bits a coefficient at the very worst (16 of the code, 11 of the value), and the
    /// headers.
    pub(crate) fn bound(channels: u64, rows: u64, columns: u64) -> u64 {
        let pixels = rows.next_multiple_of(16).saturating_mul(columns.next_multiple_of(16));
        pixels.saturating_mul(channels).saturating_mul(4).saturating_add(4096)
    }

    fn steps(self) -> [[u8; 64]; 2] {
        tables::steps(self.quality)
    }

    /// Tables that are there: one of gray, two of colour.
    fn kinds(self) -> usize {
        if self.channels == 3 { 2 } else { 1 }
    }

    /// The quantisation tables as a stream of their own, for streams without them.
    pub(crate) fn tables(self) -> Vec<u8> {
        [&START[..], &self.quantisation(), &END].concat()
    }

    /// The segments of the quantisation tables.
    pub(crate) fn quantisation(self) -> Vec<u8> {
        let mut to = Vec::new();
        for (number, steps) in (0..).zip(&self.steps()[..self.kinds()]) {
            let steps = tables::ZIGZAG.map(|place| steps[usize::from(place)]);
            segment(TABLES_Q, &[&[number], &steps[..]], &mut to);
        }
        to
    }

    /// The frame's header.
    ///
    /// # Errors
    /// For more than 65,535 pixels a side.
    pub(crate) fn frame(self, (rows, columns): (usize, usize)) -> Result<Vec<u8>> {
        let side =
            |n: usize| u16::try_from(n).map(u16::to_be_bytes).map_err(|_| failed("more than 65535 pixels"));
        let factors = |component: u8| if self.subsampled && component == 1 { 0x22 } else { 0x11 };
        let components: Vec<u8> =
            (1..=self.channels as u8).flat_map(|c| [c, factors(c), u8::from(c > 1)]).collect();
        let mut to = Vec::new();
        let about: &[&[u8]] = &[&[8], &side(rows)?, &side(columns)?, &[self.channels as u8], &components];
        segment(FRAME, about, &mut to);
        Ok(to)
    }

    /// The Huffman tables and the header of the scan, with restarts every so many units where they are wanted.
    fn scan(self, codes: &[Spec; 4], restarts: Option<u16>) -> Vec<u8> {
        let mut to = Vec::new();
        for (number, codes) in (0..).zip(codes.chunks(2)).take(self.kinds()) {
            for (class, codes) in (0..).zip(codes) {
                segment(TABLES_H, &[&[class << 4 | number], &codes.counts, &codes.symbols], &mut to);
            }
        }
        if let Some(units) = restarts {
            segment(RESTART, &[&units.to_be_bytes()], &mut to);
        }
        let components: Vec<u8> =
            (1..=self.channels as u8).flat_map(|c| [c, if c > 1 { 0x11 } else { 0 }]).collect();
        segment(SCAN, &[&[self.channels as u8], &components, &[0, 63, 0]], &mut to);
        to
    }

    /// What stands before the data of restart intervals, which have codes for any picture.
    pub(crate) fn scan_of_intervals(self, units: u16) -> Vec<u8> {
        self.scan(&tables::usual_codes(), Some(units))
    }
}

impl Coder {
    /// Encodes pixels as a frame with codes of its own, from the frame's header to the last of the scan's data, into
    /// `out`, and says how many bytes it takes. Quantisation tables stand elsewhere.
    pub(crate) fn frame(
        &mut self,
        quality: Quality,
        pixels: &[u8],
        shape: (usize, usize),
        out: &mut [u8],
    ) -> Result<usize> {
        let counts = self.read(quality, pixels, shape)?;
        let codes = counts.each_ref().map(Spec::best);
        let header = [quality.frame(shape)?, quality.scan(&codes, None)].concat();
        let (to, rest) = out.split_at_mut_checked(header.len()).ok_or_else(|| failed("output too short"))?;
        to.copy_from_slice(&header);
        Ok(header.len() + self.write(&codes, rest)?)
    }

    /// Encodes pixels as the data of a restart interval into `out`, and says how many bytes it takes.
    pub(crate) fn interval(
        &mut self,
        quality: Quality,
        pixels: &[u8],
        shape: (usize, usize),
        out: &mut [u8],
    ) -> Result<usize> {
        self.read(quality, pixels, shape)?;
        self.write(&tables::usual_codes(), out)
    }
}

/// The start of a JFIF file, with what it can say of the resolution and a colour profile.
///
/// # Errors
/// [`Error::Usage`] for a profile of more than 16,707,345 bytes.
pub(crate) fn file_header(resolution: Option<Resolution>, icc: Option<&[u8]>) -> Result<Vec<u8>> {
    const PART: usize = 65_535 - 2 - 14;
    let mut to = START.to_vec();
    let (unit, x, y) = resolution.and_then(density).unwrap_or((0, 1, 1));
    let about: &[&[u8]] = &[b"JFIF\0\x01\x02", &[unit], &x.to_be_bytes(), &y.to_be_bytes(), &[0, 0]];
    segment(APP0, about, &mut to);
    let icc = icc.unwrap_or_default();
    let parts = u8::try_from(icc.len().div_ceil(PART))
        .map_err(|_| Error::Usage(format!("JPEG holds no ICC profile of {} bytes", icc.len())))?;
    for (number, part) in (1..=parts).zip(icc.chunks(PART)) {
        segment(APP2, &[b"ICC_PROFILE\0", &[number, parts], part], &mut to);
    }
    Ok(to)
}

/// What JFIF can say: whole pixels per inch or centimetre, in 16 bits.
fn density(resolution: Resolution) -> Option<(u8, u16, u16)> {
    let unit = match resolution.unit {
        2 => 1,
        3 => 2,
        _ => return None,
    };
    let whole = |n: f64| Some(n.round_ties_even()).filter(|n| (1.0..=65535.0).contains(n)).map(|n| n as u16);
    Some((unit, whole(resolution.x)?, whole(resolution.y)?))
}

/// A marker, the length of what comes with it, and that.
fn segment(marker: u8, parts: &[&[u8]], to: &mut Vec<u8>) {
    let len = 2 + parts.iter().map(|part| part.len()).sum::<usize>();
    to.extend([0xff, marker]);
    to.extend((len as u16).to_be_bytes());
    parts.iter().for_each(|part| to.extend(*part));
}
