//! JPEG streams in parts: encoded with fixed Huffman tables, then taken apart, and coded anew with tables of their own
//! where a stream stands alone.
//!
//! `jpeg-encoder` makes the coefficients; its own optimised tables come with one scan for each component, which TIFF
//! does not allow and many readers refuse. [`Recoder`] makes them for the one interleaved scan.

mod huffman;
mod recode;

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, SamplingFactor};
use outcrop_core::{Error, Result};

pub(crate) use recode::{Keep, Recoder};

pub(crate) const START: [u8; 2] = [0xff, 0xd8];
pub(crate) const END: [u8; 2] = [0xff, 0xd9];
const TABLES_Q: u8 = 0xdb;
const TABLES_H: u8 = 0xc4;
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
    /// An encoder of whole streams, to be given metadata.
    pub(crate) fn encoder<W: std::io::Write>(self, to: W) -> jpeg_encoder::Encoder<W> {
        let mut encoder = jpeg_encoder::Encoder::new(to, self.quality);
        encoder.set_sampling_factor(if self.subsampled {
            SamplingFactor::R_4_2_0
        } else {
            SamplingFactor::R_4_4_4
        });
        encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
        encoder
    }

    pub(crate) fn colour(self) -> ColorType {
        if self.channels == 3 { ColorType::Rgb } else { ColorType::Luma }
    }

    /// Encodes pixels as a whole stream with fixed tables into `out`, and says how many bytes it takes.
    pub(crate) fn encode(
        self,
        pixels: &[u8],
        (rows, columns): (usize, usize),
        out: &mut [u8],
    ) -> Result<usize> {
        let side = |n: usize| u16::try_from(n).map_err(|_| failed("more than 65535 pixels a side"));
        let mut to = std::io::Cursor::new(out);
        self.encoder(&mut to).encode(pixels, side(columns)?, side(rows)?, self.colour()).map_err(failed)?;
        Ok(to.position() as usize)
    }

    /// The most bytes of a stream: 27 bits a coefficient at the very worst (16 of the code, 11 of the value), and the
    /// headers.
    pub(crate) fn bound(channels: u64, rows: u64, columns: u64) -> u64 {
        let pixels = rows.next_multiple_of(16).saturating_mul(columns.next_multiple_of(16));
        pixels.saturating_mul(channels).saturating_mul(4).saturating_add(4096)
    }

    /// The quantisation tables as a stream of their own, for streams without them.
    pub(crate) fn tables(self) -> Result<Vec<u8>> {
        let mut stream = Vec::new();
        self.encoder(&mut stream).encode(&[0; 3], 1, 1, self.colour()).map_err(failed)?;
        let parts = Parts::of(&stream)?;
        let mut tables = START.to_vec();
        for (_, segment) in parts.segments(TABLES_Q).take(if self.channels == 3 { 2 } else { 1 }) {
            tables.extend(segment);
        }
        tables.extend(END);
        Ok(tables)
    }
}

/// A stream taken apart.
pub(crate) struct Parts<'a> {
    stream: &'a [u8],
    /// Marker and place of each segment before the scan's data, the scan's header last.
    headers: Vec<(u8, std::ops::Range<usize>)>,
}

impl<'a> Parts<'a> {
    /// The parts of a stream of one scan.
    pub(crate) fn of(stream: &'a [u8]) -> Result<Parts<'a>> {
        let (mut at, mut headers) = (2, Vec::new());
        while let Some(&[0xff, marker, high, low]) = stream.get(at..at + 4) {
            let end = at + 2 + usize::from(u16::from_be_bytes([high, low]));
            headers.push((marker, at..end));
            at = end;
            if marker == SCAN && end <= stream.len() {
                return Ok(Parts { stream, headers });
            }
        }
        Err(failed("no scan"))
    }

    /// The segments of one kind, with their places.
    fn segments(&self, kind: u8) -> impl Iterator<Item = (std::ops::Range<usize>, &'a [u8])> + '_ {
        let all = self.headers.iter().filter(move |(marker, _)| *marker == kind);
        all.map(|(_, place)| (place.clone(), &self.stream[place.clone()]))
    }

    /// Where the frame header stands.
    pub(crate) fn frame(&self) -> Result<usize> {
        self.segments(FRAME).next().map(|(place, _)| place.start).ok_or_else(|| failed("no frame"))
    }

    /// Where the scan's data stands.
    pub(crate) fn scan(&self) -> usize {
        self.headers.last().map_or(0, |(_, place)| place.end)
    }

    /// The scan's data, without the end of the stream.
    pub(crate) fn data(&self) -> Result<&'a [u8]> {
        self.stream[self.scan()..].strip_suffix(&END).ok_or_else(|| failed("no end"))
    }
}
