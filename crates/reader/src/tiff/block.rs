//! [`BlockSpec`]: from the stored bytes of one strip or tile to its samples.
//!
//! Decoding goes: bit order, codec, predictor, unpacking of odd depths and byte order, colour (JPEG and subsampled
//! YCbCr). The result is always native samples, interleaved, of the block's full shape.

use outcrop_core::{ByteOrder, DataType, Error, Result};

use super::codec::{self, Codec, Contexts};
use super::{color, predictor, unpack};

/// Everything that decoding a block needs to know of its page. Made once per page, shared by all workers.
#[derive(Clone, Debug)]
pub struct BlockSpec {
    /// TIFF Compression.
    pub compression: u16,
    /// TIFF Predictor: 1, 2 or 3.
    pub predictor: u16,
    /// TIFF PhotometricInterpretation.
    pub photometric: u16,
    /// Bits of each sample of a pixel of this block: one entry per sample (one alone where planes are apart).
    pub bits: Vec<u16>,
    /// TIFF SampleFormat: 1 unsigned, 2 signed, 3 float.
    pub sample_format: u16,
    /// The type of the samples handed out.
    pub dtype: DataType,
    /// Byte order of the file.
    pub byte_order: ByteOrder,
    /// TIFF FillOrder 2: bits in a byte are reversed.
    pub reversed_bits: bool,
    /// Columns of a block: the tile's, or the image's for strips.
    pub width: u32,
    /// Rows of a whole block.
    pub height: u32,
    /// YCbCrSubSampling, (1, 1) unless the photometric interpretation is YCbCr.
    pub subsampling: (u16, u16),
    /// JPEGTables.
    pub jpeg_tables: Option<Vec<u8>>,
    /// T4Options.
    pub t4_options: u32,
    /// T6Options.
    pub t6_options: u32,
    /// LercParameters: version, additional compression.
    pub lerc_parameters: Vec<u32>,
    /// Old-style JPEG: the whole interchange stream, tables and scan, put together by the directory reader.
    pub old_jpeg: Option<std::sync::Arc<Vec<u8>>>,
}

/// Contexts and buffers that a worker keeps from block to block, so that decoding allocates nothing after the first
/// block (our own decoders, libdeflate and zstd; the image codecs allocate inside their libraries).
#[derive(Default)]
pub struct CodecState {
    /// Codec contexts.
    pub(super) codec: Contexts,
    /// Stored bytes with their bits put right (FillOrder 2).
    reversed: Vec<u8>,
    /// Decoded bytes where they cannot go straight to the output: odd depths and subsampled YCbCr.
    packed: Vec<u8>,
    /// One row, for predictor 3.
    row: Vec<u8>,
}

impl BlockSpec {
    /// A block of `samples` unsigned, signed or float samples per pixel, as wide as their type and of the machine's byte order,
    /// black as zero, without a predictor. What else a page says is set afterwards.
    pub fn new(compression: u16, (width, height): (u32, u32), dtype: DataType, samples: usize) -> BlockSpec {
        BlockSpec {
            compression,
            predictor: 1,
            photometric: 1,
            bits: vec![8 * dtype.bytes() as u16; samples],
            sample_format: if dtype.is_float() { 3 } else { 1 + u16::from(dtype.is_signed_integer()) },
            dtype,
            byte_order: ByteOrder::NATIVE,
            reversed_bits: false,
            width,
            height,
            subsampling: (1, 1),
            jpeg_tables: None,
            t4_options: 0,
            t6_options: 0,
            lerc_parameters: vec![],
            old_jpeg: None,
        }
    }

    /// Samples per pixel in a block.
    pub fn samples(&self) -> usize {
        self.bits.len()
    }

    /// Whether this build decodes such blocks.
    ///
    /// # Errors
    /// [`Error::Unsupported`] names the codec, the predictor or the depth that it does not; [`Error::Format`] is for
    /// combinations that no writer can mean.
    pub fn check(&self) -> Result<()> {
        let codec = Codec::of(self)?;
        if self.bits.is_empty() || self.width == 0 || self.height == 0 {
            return Err(Error::Format("a block without samples, columns or rows".into()));
        }
        if self.subsampling.0 == 0
            || self.subsampling.1 == 0
            || self.subsampling.0 > 4
            || self.subsampling.1 > 4
        {
            let (h, v) = self.subsampling;
            return Err(Error::Format(format!("YCbCrSubSampling {h}x{v}, expected 1, 2 or 4")));
        }
        self.sizes(self.height)?;
        if codec.is_image() {
            return codec::image::check(self, codec);
        }
        unpack::check(self)?;
        if self.is_subsampled() && (self.samples() != 3 || self.bits != [8; 3] || self.predictor != 1) {
            return Err(Error::Unsupported(format!(
                "subsampled YCbCr of {} bits with predictor {}",
                self.depths(),
                self.predictor
            )));
        }
        predictor::check(self)?;
        codec::check(self, codec)
    }

    /// The depths of the samples in words, each once: a pixel may have 65,535 samples.
    pub(super) fn depths(&self) -> String {
        let mut depths = self.bits.clone();
        depths.sort_unstable();
        depths.dedup();
        depths.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
    }

    /// The most memory that a [`CodecState`] takes for such blocks, in bytes.
    pub fn scratch_bytes(&self) -> u64 {
        let Ok(codec) = Codec::of(self) else { return 0 };
        let Ok(sizes) = self.sizes(self.height) else { return u64::MAX };
        let staged = if codec.is_image() || self.is_direct() { 0 } else { sizes.packed as u64 };
        let row = if self.predictor == 3 { sizes.packed_row as u64 } else { 0 };
        staged.saturating_add(row).saturating_add(codec::scratch_bytes(self, codec, sizes.out as u64))
    }

    /// Decodes the first `rows` rows of a block into `out`: native samples, interleaved, predictor undone, of exactly
    /// `rows * width * samples * dtype.bytes()` bytes. Stored bytes past what the rows need are ignored.
    ///
    /// # Errors
    /// [`Error::Format`] where the stream is broken or ends early, with the bytes expected and found; what
    /// [`BlockSpec::check`] says; [`Error::Usage`] where `out` has another length. `out` then holds anything.
    pub fn decode(&self, stored: &[u8], rows: u32, state: &mut CodecState, out: &mut [u8]) -> Result<()> {
        self.decode_part(stored, (rows, self.width), state, out)
    }

    /// The same for a block of which only the first `columns` are in the image. The others may be missing from it and then
    /// hold anything.
    pub(super) fn decode_part(
        &self,
        stored: &[u8],
        (rows, columns): (u32, u32),
        state: &mut CodecState,
        out: &mut [u8],
    ) -> Result<()> {
        let codec = Codec::of(self)?;
        let sizes = self.sizes(rows)?;
        if out.len() != sizes.out || rows > self.height {
            return Err(Error::Usage(format!(
                "{} bytes for {rows} rows of a block, expected {} bytes and at most {} rows",
                out.len(),
                sizes.out,
                self.height
            )));
        }
        if rows == 0 {
            return Ok(());
        }
        let CodecState { codec: contexts, reversed, packed, row } = state;
        let stored = if self.reversed_bits && codec.reverses_bits() {
            reversed.clear();
            reversed.extend(stored.iter().map(|b| b.reverse_bits()));
            &reversed[..]
        } else {
            stored
        };
        if codec.is_image() {
            return codec::image::decode(self, codec, stored, (rows, columns), contexts, out);
        }
        if self.is_direct() {
            codec::decode(self, codec, stored, rows, contexts, out)?;
            finish_direct(self, out, row);
        } else {
            packed.resize(sizes.packed, 0);
            codec::decode(self, codec, stored, rows, contexts, packed)?;
            finish_packed(self, packed, rows, row, out);
        }
        Ok(())
    }

    /// Whether so many of a block's rows come sooner where all are decoded: the libraries that decode from buffer to buffer want
    /// room for the whole stream, and others take two to three times as long.
    pub(super) fn is_better_whole(&self, rows: u64) -> bool {
        matches!(Codec::of(self), Ok(Codec::Deflate | Codec::Zstd)) && rows * 3 >= u64::from(self.height)
    }

    /// Whether stored samples are as wide as those handed out, so that a block is decoded in place.
    pub(super) fn is_direct(&self) -> bool {
        let bits = 8 * self.dtype.bytes();
        !self.is_subsampled() && self.bits.iter().all(|&b| usize::from(b) == bits)
    }

    /// Whether the block holds data units of several Y and one Cb and Cr. JPEG does its own subsampling.
    pub(super) fn is_subsampled(&self) -> bool {
        self.photometric == 6 && self.subsampling != (1, 1) && self.samples() == 3
    }

    /// Checked sizes of `rows` rows.
    pub(super) fn sizes(&self, rows: u32) -> Result<Sizes> {
        let sizes = || {
            let (width, rows) = (self.width as usize, rows as usize);
            let out =
                width.checked_mul(self.samples())?.checked_mul(self.dtype.bytes())?.checked_mul(rows)?;
            let bits: usize = self.bits.iter().map(|&b| usize::from(b)).sum();
            let mut packed_row = width.checked_mul(bits)?.div_ceil(8);
            let mut packed = packed_row.checked_mul(rows)?;
            if self.is_subsampled() {
                let (h, v) = (usize::from(self.subsampling.0), usize::from(self.subsampling.1));
                packed_row = width.div_ceil(h).checked_mul(h * v + 2)?;
                packed = packed_row.checked_mul(rows.div_ceil(v))?;
            }
            Some(Sizes { out, packed_row, packed })
        };
        sizes().ok_or_else(|| Error::Limits {
            what: format!("a block of {} x {} pixels", rows, self.width),
            needed: u64::MAX,
            limit: isize::MAX as u64,
        })
    }
}

/// Bytes of some rows of a block.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    /// As handed out.
    pub(super) out: usize,
    /// As stored, one row (of data units where subsampled).
    pub(super) packed_row: usize,
    /// As stored, all rows.
    pub(super) packed: usize,
}

/// Byte order and predictor, in place, of whole rows whose stored samples are as wide as their type.
pub(super) fn finish_direct(spec: &BlockSpec, rows: &mut [u8], scratch: &mut Vec<u8>) {
    let bytes = spec.dtype.bytes();
    let row_bytes = spec.width as usize * spec.samples() * bytes;
    match spec.predictor {
        2 => predictor::undo_differences(rows, row_bytes, bytes, spec.samples(), spec.byte_order),
        3 => predictor::undo_float(rows, row_bytes, bytes, spec.samples(), scratch),
        _ => unpack::to_native(rows, bytes, spec.byte_order),
    }
}

/// Predictor, depth and subsampling of `rows` rows from their stored form into `out`.
pub(super) fn finish_packed(
    spec: &BlockSpec,
    packed: &mut [u8],
    rows: u32,
    scratch: &mut Vec<u8>,
    out: &mut [u8],
) {
    if spec.is_subsampled() {
        return color::upsample(packed, spec.subsampling, spec.width as usize, rows as usize, out);
    }
    let packed_row = packed.len() / rows.max(1) as usize;
    let mut order = spec.byte_order;
    if spec.predictor == 3 {
        predictor::undo_float(packed, packed_row, usize::from(spec.bits[0] / 8), spec.samples(), scratch);
        order = ByteOrder::NATIVE;
    }
    unpack::widen(spec, order, packed, packed_row, out);
    if spec.predictor == 2 {
        predictor::undo_narrow_differences(spec, out);
    }
}
