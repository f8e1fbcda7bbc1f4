//! [`BlockSpec`]: from the stored bytes of one strip or tile to its samples.
//!
//! Decoding goes: bit order, codec, predictor, unpacking of odd depths and byte order, colour (JPEG and subsampled
//! YCbCr). The result is always native samples, interleaved, of the block's full shape.

use outcrop_core::{ByteOrder, DataType};

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

impl BlockSpec {
    /// Samples per pixel in a block.
    pub fn samples(&self) -> usize {
        self.bits.len()
    }
}
