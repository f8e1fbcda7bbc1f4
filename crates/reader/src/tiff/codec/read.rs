//! Byte codecs as readers: for blocks too large to be decoded at once.

use std::io::{BufRead, ErrorKind, Read};

use outcrop_core::{Error, Result};

use super::super::block::BlockSpec;
use super::{Codec, ccitt, lzw, zstandard};

/// Reads until `out` is full or the stream ends, also where it is cut short. Returns the bytes read.
pub(in super::super) fn fill(reader: &mut impl Read, out: &mut [u8]) -> std::io::Result<usize> {
    let mut done = 0;
    while done < out.len() {
        match reader.read(&mut out[done..]) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => break,
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// Whether [`open`] knows the codec.
pub(in super::super) fn can(codec: Codec) -> bool {
    !codec.is_image() && !matches!(codec, Codec::Next | Codec::ThunderScan)
}

/// A reader of the packed bytes of a block whose stored bytes come from `input`.
pub(in super::super) fn open<'a, R: BufRead + Send + 'a>(
    spec: &BlockSpec,
    codec: Codec,
    mut input: R,
) -> Result<Box<dyn Read + Send + 'a>> {
    Ok(match codec {
        Codec::None => Box::new(input),
        Codec::Lzw => {
            let start = input.fill_buf().map_err(|e| Error::io("read a block", e))?;
            let decoder = if lzw::is_old(start) {
                weezl::decode::Decoder::new(weezl::BitOrder::Lsb, 8)
            } else {
                weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8)
            };
            Box::new(Lzw { decoder, input })
        }
        Codec::Deflate => Box::new(flate2::bufread::ZlibDecoder::new(input)),
        Codec::Zstd => Box::new(zstandard::open(input)?),
        #[cfg(feature = "lzma")]
        Codec::Lzma => Box::new(super::lzma::open(input)?),
        Codec::PackBits => Box::new(PackBits { input, state: Run::None }),
        Codec::CcittRle | Codec::CcittRleWord | Codec::Group3 | Codec::Group4 => {
            Box::new(Ccitt::new(ccitt::Decoder::new(spec, codec, input, ccitt::Lines::default())?, spec))
        }
        _ => return Err(Error::Unsupported(format!("{codec:?} as a stream"))),
    })
}

/// The most memory that a reader takes, buffers of its own included, for stored bytes that begin with `head`.
pub(in super::super) fn context_bytes(spec: &BlockSpec, codec: Codec, head: &[u8]) -> u64 {
    const SMALL: u64 = 256 << 10;
    SMALL.saturating_add(match codec {
        Codec::Zstd => zstandard::window_bytes(head).saturating_add(512 << 10),
        #[cfg(feature = "lzma")]
        Codec::Lzma => super::lzma::MEMORY_BYTES,
        // Two lists of the places where a row changes colour, and a row.
        Codec::CcittRle | Codec::CcittRleWord | Codec::Group3 | Codec::Group4 => {
            u64::from(spec.width).saturating_mul(2 * 4 * 2 + 1)
        }
        _ => 0,
    })
}

/// LZW by `weezl`, which keeps its strings itself and so needs no output behind it.
struct Lzw<R> {
    decoder: weezl::decode::Decoder,
    input: R,
}

impl<R: BufRead> Read for Lzw<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        // Codes that give no bytes (Clear) may wait in the decoder when the input is at its end: as many as it has bits for.
        let mut idle = 0;
        loop {
            let stored = self.input.fill_buf()?;
            let step = self.decoder.decode_bytes(stored, out);
            self.input.consume(step.consumed_in);
            step.status.map_err(|e| std::io::Error::new(ErrorKind::InvalidData, e.to_string()))?;
            idle = if step.consumed_in == 0 { idle + 1 } else { 0 };
            // Not its status: a Clear that follows a Clear is said to be the end.
            if step.consumed_out > 0 || out.is_empty() || self.decoder.has_ended() || idle > 8 {
                return Ok(step.consumed_out);
            }
        }
    }
}

/// What PackBits still owes of a run.
enum Run {
    None,
    Literal(usize),
    Repeat(u8, usize),
}

struct PackBits<R> {
    input: R,
    state: Run,
}

impl<R: BufRead> PackBits<R> {
    fn byte(&mut self) -> std::io::Result<Option<u8>> {
        let byte = self.input.fill_buf()?.first().copied();
        self.input.consume(usize::from(byte.is_some()));
        Ok(byte)
    }
}

impl<R: BufRead> Read for PackBits<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let mut done = 0;
        while done < out.len() {
            match self.state {
                Run::None => {
                    let Some(head) = self.byte()? else { break };
                    self.state = match head {
                        0..128 => Run::Literal(usize::from(head) + 1),
                        128 => Run::None,
                        _ => match self.byte()? {
                            Some(value) => Run::Repeat(value, 257 - usize::from(head)),
                            None => break,
                        },
                    };
                }
                Run::Literal(left) => {
                    let n = left.min(out.len() - done);
                    let n = self.input.read(&mut out[done..done + n])?;
                    if n == 0 {
                        break;
                    }
                    done += n;
                    self.state = if left == n { Run::None } else { Run::Literal(left - n) };
                }
                Run::Repeat(value, left) => {
                    let n = left.min(out.len() - done);
                    out[done..done + n].fill(value);
                    done += n;
                    self.state = if left == n { Run::None } else { Run::Repeat(value, left - n) };
                }
            }
        }
        Ok(done)
    }
}

struct Ccitt<R> {
    decoder: ccitt::Decoder<R, ccitt::Lines>,
    row: Vec<u8>,
    at: usize,
}

impl<R: BufRead> Ccitt<R> {
    fn new(decoder: ccitt::Decoder<R, ccitt::Lines>, spec: &BlockSpec) -> Ccitt<R> {
        let row = vec![0; (spec.width as usize).saturating_mul(spec.samples()).div_ceil(8)];
        Ccitt { decoder, at: row.len(), row }
    }
}

impl<R: BufRead> Read for Ccitt<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.row.len() {
            let found = self.decoder.row(&mut self.row);
            found.map_err(|e| std::io::Error::new(ErrorKind::InvalidData, e.to_string()))?;
            self.at = 0;
        }
        let n = out.len().min(self.row.len() - self.at);
        out[..n].copy_from_slice(&self.row[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use outcrop_core::DataType;

    use super::*;

    /// All codes have nine bits.
    #[test]
    fn a_stream_of_lzw_goes_on_after_a_second_clear() {
        let codes = [256u64, 256, 97, 98, 256, 256, 256, 99, 257];
        let mut bits: Vec<bool> =
            codes.iter().flat_map(|code| (0..9).rev().map(move |b| code >> b & 1 == 1)).collect();
        bits.resize(bits.len().next_multiple_of(8), false);
        let byte = |bits: &[bool]| bits.iter().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
        let stored: Vec<u8> = bits.chunks(8).map(byte).collect();
        let spec = BlockSpec::new(5, (3, 1), DataType::U8, 1);
        let mut whole = [0; 8];
        assert_eq!(lzw::Decoder::new().decode(&stored, &mut whole).unwrap(), 3);
        assert_eq!(&whole[..3], b"abc");
        for at_once in [1, 2, 100] {
            let input = std::io::BufReader::with_capacity(at_once, &stored[..]);
            let mut stream = open(&spec, Codec::Lzw, input).unwrap();
            let mut out = Vec::new();
            stream.read_to_end(&mut out).unwrap();
            assert_eq!(out, b"abc", "{at_once} bytes at once");
        }
    }
}
