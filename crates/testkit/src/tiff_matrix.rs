//! TIFF files of every combination of codec, predictor, depth, planes, blocks, byte order and container, with known
//! pixels: the matrix that the reader is tested on.
//!
//! The writer here is for tests: small, plain, one block at a time, and written from the specification (TIFF 6.0, its
//! Technical Notes 1 and 3, BigTIFF), not from the reader. A script (`crates/reader/tests/make_matrix.py`) lets tifffile read what it makes and
//! keeps the checksums.

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Bits of a sample.
    pub bits: u16,
    /// TIFF SampleFormat: 1 unsigned, 2 signed, 3 float.
    pub format: u16,
}

impl Depth {
    /// `u12`, `i16`, `f24`.
    pub fn name(self) -> String {
        format!("{}{}", ["", "u", "i", "f"][self.format as usize], self.bits)
    }

    /// Bytes of a sample once it is widened to a type that Rust or NumPy has.
    pub fn decoded_bytes(self) -> usize {
        match self.bits {
            ..=8 => 1,
            9..=16 => 2,
            17..=32 => 4,
            _ => 8,
        }
    }

    /// Whether samples follow the file's byte order. Integers of 24 bits have the opposite one: what GDAL writes and
    /// reads, and what other writers of such files took for the format.
    fn has_byte_order(self) -> bool {
        self.bits.is_multiple_of(8) && (self.bits != 24 || self.format == 3)
    }
}

/// One file of the matrix.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct TiffCase {
    pub codec: Codec,
    /// 1, 2 or 3.
    pub predictor: u16,
    pub depth: Depth,
    pub samples: usize,
    pub planar: bool,
    pub tiled: bool,
    pub big_endian: bool,
    pub big_tiff: bool,
}

/// The codecs that the matrix encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Codec {
    None,
    Lzw,
    Deflate,
    PackBits,
    Lzma,
    Zstd,
}

impl Codec {
    /// All of them.
    pub const ALL: [Codec; 6] =
        [Codec::None, Codec::Lzw, Codec::Deflate, Codec::PackBits, Codec::Lzma, Codec::Zstd];

    fn code(self) -> u16 {
        match self {
            Codec::None => 1,
            Codec::Lzw => 5,
            Codec::Deflate => 8,
            Codec::PackBits => 32773,
            Codec::Lzma => 34925,
            Codec::Zstd => 50000,
        }
    }

    fn encode(self, block: &[u8], row_bytes: usize) -> Vec<u8> {
        match self {
            Codec::None => block.to_vec(),
            Codec::Lzw => weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8)
                .encode(block)
                .expect("LZW takes any bytes"),
            Codec::Deflate => {
                let mut c = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
                let mut out = vec![0; c.zlib_compress_bound(block.len())];
                let n = c.zlib_compress(block, &mut out).expect("the bound holds");
                out.truncate(n);
                out
            }
            Codec::PackBits => block.chunks(row_bytes.max(1)).flat_map(pack_bits).collect(),
            Codec::Lzma => {
                use liblzma::stream::{Check, Filters, LzmaOptions, Stream};
                // A small dictionary: the presets' would cost more page faults than all the rest of the matrix.
                let mut options = LzmaOptions::new_preset(0).expect("preset 0 exists");
                options.dict_size(4096);
                let mut filters = Filters::new();
                filters.lzma2(&options);
                let stream = Stream::new_stream_encoder(&filters, Check::Crc32).expect("a sound filter");
                let mut out = Vec::new();
                let mut w = liblzma::write::XzEncoder::new_stream(&mut out, stream);
                std::io::Write::write_all(&mut w, block).expect("memory takes any bytes");
                w.finish().expect("memory takes any bytes");
                out
            }
            Codec::Zstd => zstd::bulk::compress(block, 1).expect("zstd takes any bytes"),
        }
    }
}

/// Runs of three or more equal bytes as repeats, everything else as literals.
fn pack_bits(row: &[u8]) -> Vec<u8> {
    let (mut out, mut i, mut literal) = (Vec::new(), 0, 0);
    let flush = |out: &mut Vec<u8>, bytes: &[u8]| {
        for part in bytes.chunks(128) {
            out.push(part.len() as u8 - 1);
            out.extend(part);
        }
    };
    while i < row.len() {
        let run = row[i..].iter().take(128).take_while(|&&b| b == row[i]).count();
        if run >= 3 {
            flush(&mut out, &row[literal..i]);
            out.extend([(1 - run as i32) as u8, row[i]]);
            i += run;
            literal = i;
        } else {
            i += run;
        }
    }
    flush(&mut out, &row[literal..]);
    out
}

/// Size of every image of the matrix: prime, so that strips and tiles have partial edges.
pub const HEIGHT: usize = 37;
/// See [`HEIGHT`].
pub const WIDTH: usize = 53;
const STRIP: usize = 10;
const TILE: (usize, usize) = (16, 32);

/// Every case that the formats allow: predictor 2 for whole bytes up to 64 bits, 3 for floats.
pub fn all_cases() -> Vec<TiffCase> {
    let depth = |bits, format| Depth { bits, format };
    let depths = [1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 24, 31, 32, 64]
        .map(|b| depth(b, 1))
        .into_iter()
        .chain([8, 16, 32, 64].map(|b| depth(b, 2)))
        .chain([16, 24, 32, 64].map(|b| depth(b, 3)));
    let mut cases = Vec::new();
    for depth in depths {
        for codec in Codec::ALL {
            for predictor in 1..=3 {
                let fits = match predictor {
                    1 => true,
                    2 => {
                        matches!(depth.bits, 8 | 16 | 32 | 64)
                            && codec != Codec::None
                            && codec != Codec::PackBits
                    }
                    _ => depth.format == 3 && codec != Codec::None && codec != Codec::PackBits,
                };
                for bools in (0..32).filter(|_| fits) {
                    let bit = |i: usize| bools >> i & 1 == 1;
                    cases.push(TiffCase {
                        codec,
                        predictor,
                        depth,
                        samples: if bit(4) { 3 } else { 1 },
                        planar: bit(0) && bit(4),
                        tiled: bit(1),
                        big_endian: bit(2),
                        big_tiff: bit(3),
                    });
                }
            }
        }
    }
    cases.retain(|c| c.samples == 3 || !c.planar);
    cases.dedup_by_key(|c| c.name());
    cases
}

fn hash(mut v: u64) -> u64 {
    v = (v ^ v >> 30).wrapping_mul(0xbf58476d1ce4e5b9);
    v = (v ^ v >> 27).wrapping_mul(0x94d049bb133111eb);
    v ^ v >> 31
}

impl TiffCase {
    /// A file name that tells the case: `zstd-p2-u16-s3-planar-tiled-mm-big`.
    pub fn name(&self) -> String {
        let flag = |on: bool, yes: &'static str, no: &'static str| if on { yes } else { no };
        format!(
            "{:?}-p{}-{}-s{}-{}-{}-{}-{}",
            self.codec,
            self.predictor,
            self.depth.name(),
            self.samples,
            flag(self.planar, "planar", "chunky"),
            flag(self.tiled, "tiled", "strips"),
            flag(self.big_endian, "mm", "ii"),
            flag(self.big_tiff, "big", "classic"),
        )
        .to_lowercase()
    }

    /// What the pixels depend on: depth and samples per pixel.
    pub fn content(&self) -> String {
        format!("{}-s{}", self.depth.name(), self.samples)
    }

    /// The stored bits of a sample: a gradient with noise, and for floats every kind of number.
    fn bits(&self, y: usize, x: usize, c: usize) -> u64 {
        let h = hash((y * WIDTH * 4 + x * 4 + c) as u64 + 1);
        let slope = (y * 7 + x * 3 + c * 50) as u64 + h % 5;
        if self.depth.format != 3 {
            let wide = if x % 16 < 12 { slope << self.depth.bits.saturating_sub(9) } else { h };
            return if self.depth.bits == 64 { wide } else { wide & ((1 << self.depth.bits) - 1) };
        }
        let v = (slope as f64 - 200.0) * 0.125 * 2f64.powi((h % 7) as i32 - 3);
        match self.depth.bits {
            16 => u64::from(half::f16::from_f32(v as f32).to_bits()),
            // The upper 16 of 23 fraction bits, the exponent rebiased from 127 to 63: the values used are normal.
            24 => {
                let b = (v as f32).to_bits();
                let exponent = (b >> 23 & 0xff) as i32 - 127 + 63;
                let magnitude = if v == 0.0 { 0 } else { (exponent as u32) << 16 | b >> 7 & 0xffff };
                u64::from((b >> 31) << 23 | magnitude)
            }
            32 if h.is_multiple_of(61) => u64::from(f32::NEG_INFINITY.to_bits()),
            32 => u64::from((v as f32).to_bits()),
            _ => v.to_bits(),
        }
    }

    /// The decoded pixels: (y, x, c) in C order, widened, little-endian.
    pub fn pixels(&self) -> Vec<u8> {
        let size = self.depth.decoded_bytes();
        let mut out = Vec::with_capacity(HEIGHT * WIDTH * self.samples * size);
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                for c in 0..self.samples {
                    let bits = self.bits(y, x, c);
                    let wide = if self.depth == (Depth { bits: 24, format: 3 }) {
                        let fraction = (bits & 0xffff) as u32;
                        let exponent = (bits >> 16 & 0x7f) as u32;
                        let magnitude = if exponent == 0 { 0 } else { (exponent + 64) << 23 | fraction << 7 };
                        u64::from((bits >> 23 & 1) as u32) << 31 | u64::from(magnitude)
                    } else {
                        bits
                    };
                    out.extend(&wide.to_le_bytes()[..size]);
                }
            }
        }
        out
    }

    /// The samples of one row of a block as stored, before the predictor; beyond the image's edge zeros.
    fn row(&self, y: usize, x0: usize, width: usize, plane: Option<usize>) -> Vec<u64> {
        let channels = plane.map_or(0..self.samples, |p| p..p + 1);
        let at = |x: usize, c: usize| if y < HEIGHT && x < WIDTH { self.bits(y, x, c) } else { 0 };
        (x0..x0 + width).flat_map(|x| channels.clone().map(move |c| (x, c))).map(|(x, c)| at(x, c)).collect()
    }

    /// A row of samples as bytes: predicted, packed, in the file's byte order.
    fn row_bytes(&self, mut row: Vec<u64>, stride: usize) -> Vec<u8> {
        let bits = self.depth.bits as usize;
        let bytes = bits / 8;
        if self.predictor == 3 {
            let mut planes: Vec<u8> =
                (0..bytes).rev().flat_map(|b| row.iter().map(move |v| (v >> (8 * b)) as u8)).collect();
            for i in (stride..planes.len()).rev() {
                planes[i] = planes[i].wrapping_sub(planes[i - stride]);
            }
            return planes;
        }
        if self.predictor == 2 {
            for i in (stride..row.len()).rev() {
                row[i] = row[i].wrapping_sub(row[i - stride]);
            }
        }
        if self.depth.has_byte_order() {
            return row
                .iter()
                .flat_map(|v| {
                    let mut b = v.to_le_bytes()[..bytes].to_vec();
                    if self.big_endian {
                        b.reverse();
                    }
                    b
                })
                .collect();
        }
        if bits == 24 && self.big_endian {
            return row.iter().flat_map(|v| v.to_le_bytes().into_iter().take(3)).collect();
        }
        let mut out = vec![0u8; (row.len() * bits).div_ceil(8)];
        for (i, v) in row.iter().enumerate() {
            for b in 0..bits {
                let place = i * bits + b;
                out[place / 8] |= ((v >> (bits - 1 - b) & 1) as u8) << (7 - place % 8);
            }
        }
        out
    }

    fn blocks(&self) -> Vec<Vec<u8>> {
        let planes: Vec<Option<usize>> =
            if self.planar { (0..self.samples).map(Some).collect() } else { vec![None] };
        let (height, width) = if self.tiled { TILE } else { (STRIP, WIDTH) };
        let mut blocks = Vec::new();
        for plane in planes {
            let stride = if plane.is_some() { 1 } else { self.samples };
            for y0 in (0..HEIGHT).step_by(height) {
                for x0 in (0..WIDTH).step_by(width) {
                    let rows = if self.tiled { height } else { height.min(HEIGHT - y0) };
                    let lines: Vec<_> = (y0..y0 + rows)
                        .map(|y| self.row_bytes(self.row(y, x0, width, plane), stride))
                        .collect();
                    blocks.push(self.codec.encode(&lines.concat(), lines[0].len()));
                }
            }
        }
        blocks
    }

    /// The file.
    pub fn file(&self) -> Vec<u8> {
        let mut out = Out { bytes: Vec::new(), big_endian: self.big_endian, big_tiff: self.big_tiff };
        out.bytes.extend(if self.big_endian { b"MM" } else { b"II" });
        if self.big_tiff {
            out.number(43, 2);
            out.number(8, 2);
            out.number(0, 2);
            out.number(0, 8);
        } else {
            out.number(42, 2);
            out.number(0, 4);
        }
        let (mut offsets, mut counts) = (Vec::new(), Vec::new());
        for block in self.blocks() {
            offsets.push(out.bytes.len() as u64);
            counts.push(block.len() as u64);
            out.bytes.extend(block);
            if out.bytes.len() % 2 == 1 {
                out.bytes.push(0);
            }
        }
        let n = self.samples;
        let same = |v: u64| vec![v; n];
        let mut tags: Vec<(u16, u16, Vec<u64>)> = vec![
            (256, 3, vec![WIDTH as u64]),
            (257, 4, vec![HEIGHT as u64]),
            (258, 3, same(self.depth.bits.into())),
            (259, 3, vec![self.codec.code().into()]),
            (262, 3, vec![1]),
            (277, 3, vec![n as u64]),
            (284, 3, vec![if self.planar { 2 } else { 1 }]),
            (339, 3, same(self.depth.format.into())),
        ];
        if n > 1 {
            tags.push((338, 3, vec![0; n - 1]));
        }
        if self.predictor > 1 {
            tags.push((317, 3, vec![self.predictor.into()]));
        }
        let long = if self.big_tiff { 16 } else { 4 };
        if self.tiled {
            tags.extend([
                (322, 3, vec![TILE.1 as u64]),
                (323, 3, vec![TILE.0 as u64]),
                (324, long, offsets),
                (325, 4, counts),
            ]);
        } else {
            tags.extend([(273, long, offsets), (278, 3, vec![STRIP as u64]), (279, 4, counts)]);
        }
        tags.sort();
        out.directory(&tags);
        out.bytes
    }
}

struct Out {
    bytes: Vec<u8>,
    big_endian: bool,
    big_tiff: bool,
}

impl Out {
    fn number(&mut self, v: u64, bytes: usize) {
        if self.big_endian {
            self.bytes.extend(&v.to_be_bytes()[8 - bytes..]);
        } else {
            self.bytes.extend(&v.to_le_bytes()[..bytes]);
        }
    }

    /// Writes the directory at the end and its offset into the header.
    fn directory(&mut self, tags: &[(u16, u16, Vec<u64>)]) {
        let word = if self.big_tiff { 8 } else { 4 };
        let size = |kind: u16| match kind {
            3 => 2,
            4 => 4,
            _ => 8,
        };
        let mut places = Vec::new();
        for (_, kind, values) in tags {
            places.push(self.bytes.len() as u64);
            if values.len() * size(*kind) > word {
                values.iter().for_each(|&v| self.number(v, size(*kind)));
                self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
            }
        }
        let start = self.bytes.len() as u64;
        self.number(tags.len() as u64, if self.big_tiff { 8 } else { 2 });
        for ((tag, kind, values), place) in tags.iter().zip(places) {
            self.number((*tag).into(), 2);
            self.number((*kind).into(), 2);
            self.number(values.len() as u64, word);
            if values.len() * size(*kind) > word {
                self.number(place, word);
            } else {
                let end = self.bytes.len() + word;
                values.iter().for_each(|&v| self.number(v, size(*kind)));
                self.bytes.resize(end, 0);
            }
        }
        self.number(0, word);
        let mut pointer = Out { bytes: Vec::new(), ..*self };
        pointer.number(start, word);
        let at = if self.big_tiff { 8 } else { 4 };
        self.bytes[at..at + word].copy_from_slice(&pointer.bytes);
    }
}
