//! [`StreamDecoder`]: the rows of one large block in order, in bounded memory.
//!
//! For strips too large to be decoded whole (one strip of many gigabytes is a common layout). The stages after the
//! codec are those of whole blocks.

use std::io::{BufRead, ErrorKind, Read};
use std::sync::Arc;

use outcrop_core::{Error, Result};

use super::block::{BlockSpec, finish_direct, finish_packed};
use super::codec::{Codec, read};

/// Decodes a block row by row.
pub struct StreamDecoder<'a> {
    spec: Arc<BlockSpec>,
    codec: Codec,
    packed: Box<dyn Read + Send + 'a>,
    rows_left: u32,
    buffer: Vec<u8>,
    row: Vec<u8>,
}

impl BlockSpec {
    /// Whether [`StreamDecoder`] decodes such blocks. The image codecs, and YCbCr with subsampling, are decoded whole.
    pub fn can_stream(&self) -> bool {
        matches!(Codec::of(self), Ok(codec) if read::can(codec) && !self.is_subsampled())
    }

    /// The most memory that a [`StreamDecoder`] takes for `rows` rows a call, in bytes, for a block whose stored bytes
    /// begin with `head` (18 bytes say all there is to know).
    pub fn stream_bytes(&self, rows: u32, head: &[u8]) -> u64 {
        let Ok(codec) = Codec::of(self) else { return 0 };
        let Ok(sizes) = self.sizes(rows) else { return u64::MAX };
        let staged = if self.is_direct() { 0 } else { sizes.packed as u64 };
        let row = if self.predictor == 3 { sizes.packed_row as u64 } else { 0 };
        staged.saturating_add(row).saturating_add(read::context_bytes(self, codec, head))
    }
}

impl<'a> StreamDecoder<'a> {
    /// A decoder of the first `rows` rows of a block, whose stored bytes come from `stored`. It borrows at most a few
    /// hundred KiB of its own (66 MiB for LZMA, 128 MiB for ZSTD frames of the longest window), and what the
    /// rows of one call to [`read_rows`](Self::read_rows) take as stored where their depth is not their type's.
    ///
    /// # Errors
    /// What [`BlockSpec::check`] says, and [`Error::Unsupported`] where [`BlockSpec::can_stream`] does not hold.
    pub fn new(
        spec: Arc<BlockSpec>,
        rows: u32,
        stored: impl BufRead + Send + 'a,
    ) -> Result<StreamDecoder<'a>> {
        spec.check()?;
        let codec = Codec::of(&spec)?;
        if !spec.can_stream() {
            return Err(Error::Unsupported(format!("{codec:?} blocks as a stream")));
        }
        let packed = if spec.reversed_bits && codec.reverses_bits() {
            read::open(&spec, codec, std::io::BufReader::with_capacity(64 << 10, Reversed(stored)))?
        } else {
            read::open(&spec, codec, stored)?
        };
        Ok(StreamDecoder {
            rows_left: rows.min(spec.height),
            spec,
            codec,
            packed,
            buffer: Vec::new(),
            row: Vec::new(),
        })
    }

    /// Decodes the next `rows` rows into `out`, as [`BlockSpec::decode`] does.
    ///
    /// # Errors
    /// [`Error::Format`] where the stream is broken or ends early; [`Error::Usage`] where `out` has another length or
    /// the block fewer rows left; [`Error::Io`] where the reader failed.
    pub fn read_rows(&mut self, rows: u32, out: &mut [u8]) -> Result<()> {
        let sizes = self.spec.sizes(rows)?;
        if rows > self.rows_left || out.len() != sizes.out {
            return Err(Error::Usage(format!(
                "{} bytes for {rows} rows, expected {} bytes and at most {} rows",
                out.len(),
                sizes.out,
                self.rows_left
            )));
        }
        if rows == 0 {
            return Ok(());
        }
        if self.spec.is_direct() {
            fill(&mut self.packed, self.codec, out)?;
            finish_direct(&self.spec, out, &mut self.row);
        } else {
            self.buffer.resize(sizes.packed, 0);
            fill(&mut self.packed, self.codec, &mut self.buffer)?;
            finish_packed(&self.spec, &mut self.buffer, rows, &mut self.row, out);
        }
        self.rows_left -= rows;
        Ok(())
    }
}

fn fill(reader: &mut impl Read, codec: Codec, out: &mut [u8]) -> Result<()> {
    let found = read::fill(reader, out).map_err(|e| match e.kind() {
        // What decoders say of their input.
        ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Other => {
            Error::Format(format!("{codec:?}: {e}"))
        }
        _ => Error::io("read a block", e),
    })?;
    super::codec::whole(found, out.len(), codec)
}

/// Bytes with their bits in the other order.
struct Reversed<R>(R);

impl<R: BufRead> Read for Reversed<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.read(out)?;
        out[..n].iter_mut().for_each(|b| *b = b.reverse_bits());
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::super::block::CodecState;
    use super::*;
    use outcrop_core::{ByteOrder, DataType};
    use proptest::prelude::*;

    /// Stored forms of `packed` in every byte codec that has an encoder here.
    fn encodings(packed: &[u8]) -> Vec<(u16, Vec<u8>)> {
        let mut deflate = libdeflater::Compressor::new(libdeflater::CompressionLvl::new(6).unwrap());
        let mut zlib = vec![0; deflate.zlib_compress_bound(packed.len())];
        let n = deflate.zlib_compress(packed, &mut zlib).unwrap();
        zlib.truncate(n);
        let packbits = packed.chunks(100).flat_map(|c| [&[c.len() as u8 - 1][..], c].concat()).collect();
        let lzw =
            weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(packed).unwrap();
        let old_lzw = weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 8).encode(packed).unwrap();
        let all = vec![
            (1, packed.to_vec()),
            (5, lzw),
            (5, old_lzw),
            (8, zlib),
            (32773, packbits),
            (50000, zstd::stream::encode_all(packed, 3).unwrap()),
        ];
        #[cfg(feature = "lzma")]
        let all = {
            let mut xz = Vec::new();
            liblzma::bufread::XzEncoder::new(packed, 1).read_to_end(&mut xz).unwrap();
            [all, vec![(34925, xz)]].concat()
        };
        all
    }

    /// Both decoders' rows; the stream's are taken a few at a time from a reader with a small buffer.
    fn both(spec: &BlockSpec, stored: &[u8], rows: u32) -> (Result<Vec<u8>>, Result<Vec<u8>>) {
        let row_bytes = spec.width as usize * spec.samples() * spec.dtype.bytes();
        let whole = || {
            let mut out = vec![0; row_bytes * rows as usize];
            spec.decode(stored, rows, &mut CodecState::default(), &mut out)?;
            Ok(out)
        };
        let stream = || {
            let mut out = vec![1; row_bytes * rows as usize];
            let reader = std::io::BufReader::with_capacity(37, stored);
            let mut decoder = StreamDecoder::new(Arc::new(spec.clone()), rows, reader)?;
            for part in out.chunks_mut(3 * row_bytes) {
                decoder.read_rows((part.len() / row_bytes) as u32, part)?;
            }
            Ok(out)
        };
        (whole(), stream())
    }

    #[test]
    fn a_stream_gives_what_the_whole_block_gives() {
        let types =
            [(DataType::U8, 1, 8), (DataType::I16, 2, 16), (DataType::F32, 3, 32), (DataType::U16, 1, 12)];
        for (dtype, predictor, bits) in types {
            for (samples, order) in [(1, ByteOrder::Little), (3, ByteOrder::Big)] {
                let mut spec = BlockSpec::new(1, (61, 50), dtype, samples);
                (spec.predictor, spec.byte_order, spec.bits) = (predictor, order, vec![bits; samples]);
                let packed: Vec<u8> =
                    (0..spec.sizes(50).unwrap().packed).map(|i| (i * i / 977 + i % 3) as u8).collect();
                for reversed in [false, true] {
                    for (compression, mut stored) in encodings(&packed) {
                        (spec.compression, spec.reversed_bits) = (compression, reversed);
                        if reversed {
                            stored.iter_mut().for_each(|b| *b = b.reverse_bits());
                        }
                        for rows in [50, 7] {
                            let (whole, stream) = both(&spec, &stored, rows);
                            assert_eq!(
                                whole.unwrap(),
                                stream.unwrap(),
                                "codec {compression}, {dtype} of {bits} bits"
                            );
                        }
                    }
                }
            }
        }
    }

    /// Codes of nine bits, the highest bit first.
    fn lzw_codes(codes: &[u16]) -> Vec<u8> {
        let bits: Vec<bool> = codes.iter().flat_map(|c| (0..9).rev().map(move |k| c >> k & 1 == 1)).collect();
        bits.chunks(8)
            .map(|b| b.iter().enumerate().fold(0, |v, (k, &bit)| v | u8::from(bit) << (7 - k)))
            .collect()
    }

    #[test]
    fn a_repeated_clear_code_does_not_end_a_stream() {
        const CLEAR: u16 = 256;
        for clears in [1, 2, 3, 9, 40] {
            for last in [3, 60] {
                let mut codes = vec![CLEAR; clears];
                codes.extend([7, 258, 259, 9]);
                codes.extend(vec![CLEAR; clears]);
                codes.extend([5, 258]);
                codes.extend(vec![CLEAR; clears]);
                codes.extend((0..last).map(|i| i % 200));
                codes.push(257);
                let mut want = vec![7, 7, 7, 7, 7, 7, 9, 5, 5, 5];
                want.extend((0..last).map(|i| (i % 200) as u8));
                let spec = BlockSpec::new(5, (want.len() as u32, 1), DataType::U8, 1);
                let (whole, stream) = both(&spec, &lzw_codes(&codes), 1);
                assert_eq!(whole.unwrap(), want, "{clears} clears");
                assert_eq!(stream.unwrap(), want, "{clears} clears");
            }
        }
    }

    #[test]
    fn a_stream_that_ends_early_is_refused() {
        let packed: Vec<u8> = (0..3000usize).map(|i| (i * i / 977) as u8).collect();
        for (compression, stored) in encodings(&packed) {
            let spec = BlockSpec::new(compression, (30, 100), DataType::U8, 1);
            let (whole, stream) = both(&spec, &stored[..stored.len() / 2], 100);
            for error in [whole.unwrap_err(), stream.unwrap_err()] {
                assert!(matches!(error, Error::Format(_)), "codec {compression}: {error}");
            }
        }
    }

    proptest! {
        #[test]
        fn garbage_in_any_codec_ends_in_rows_or_an_error(
            stored in prop::collection::vec(any::<u8>(), 0..400),
            head in 0usize..4,
            options in 0u32..8,
        ) {
            let heads: [&[u8]; 4] = [&[], &[0x80, 0], &[0x78, 0x9c], &[0x28, 0xb5, 0x2f, 0xfd]];
            let stored = [heads[head], &stored].concat();
            for (bits, codecs) in [
                (1u16, &[1u16, 2, 3, 4, 5, 32771][..]),
                (2, &[1, 32766]),
                (4, &[5, 32809]),
                (8, &[0, 1, 5, 6, 7, 8, 32773, 33003, 34887, 34925, 34933, 50000, 50001, 50002]),
            ] {
                for &compression in codecs {
                    let mut spec = BlockSpec::new(compression, (20, 9), DataType::U8, 1);
                    (spec.bits, spec.t4_options) = (vec![bits], options);
                    let (whole, stream) = both(&spec, &stored, 9);
                    // Where both give rows they are the same. (One may refuse what the other does not come to see.)
                    if spec.can_stream() && let (Ok(whole), Ok(stream)) = (whole, stream) {
                        prop_assert_eq!(whole, stream, "codec {}", compression);
                    }
                }
            }
        }
    }
}
