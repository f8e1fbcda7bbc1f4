//! Deflate (8, 32946, Atalasoft's 50013): zlib streams, by libdeflate, and by zlib-rs where the stream is longer than the rows.

use std::io::{ErrorKind, Read};

use outcrop_core::{Error, Result};

use super::read::fill;

/// Fills `out`. Returns the bytes written, fewer where the stream is cut short.
///
/// libdeflate decodes only streams that end with the output. Any other is read again as far as the rows go: writers
/// pad the last strip, and old ones leave the checksum away. A wrong checksum is an error.
pub(super) fn decode(
    context: &mut libdeflater::Decompressor,
    stored: &[u8],
    out: &mut [u8],
) -> Result<usize> {
    if let Ok(n) = context.zlib_decompress(stored, out)
        && n == out.len()
    {
        return Ok(n);
    }
    let mut reader = flate2::bufread::ZlibDecoder::new(stored);
    let n = fill(&mut reader, out).map_err(|e| Error::Format(format!("deflate: {e}")))?;
    if n == out.len() {
        // Looks one byte further, so that a checksum that is there is also compared.
        match reader.read(&mut [0]) {
            Err(e) if e.kind() != ErrorKind::UnexpectedEof => {
                return Err(Error::Format(format!("deflate: {e}")));
            }
            _ => {}
        }
    }
    Ok(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(data: &[u8]) -> Vec<u8> {
        let mut c = libdeflater::Compressor::new(libdeflater::CompressionLvl::new(6).unwrap());
        let mut out = vec![0; c.zlib_compress_bound(data.len())];
        let n = c.zlib_compress(data, &mut out).unwrap();
        out.truncate(n);
        out
    }

    #[test]
    fn rows_come_from_longer_unfinished_and_exact_streams() {
        let data: Vec<u8> = (0..40_000u32).map(|i| ((i * i) >> 7) as u8).collect();
        let stored = encode(&data);
        let mut d = libdeflater::Decompressor::new();
        for (stored, want) in [
            (&stored[..], data.len()),
            (&stored[..], 1000),
            (&stored[..stored.len() - 4], data.len()),
            (&stored[..stored.len() - 2], data.len()),
        ] {
            let mut out = vec![0; want];
            assert_eq!(decode(&mut d, stored, &mut out).unwrap(), want);
            assert_eq!(out, data[..want]);
        }
        let mut out = vec![0; data.len()];
        assert!(decode(&mut d, &stored[..stored.len() / 2], &mut out).unwrap() < data.len());
    }

    #[test]
    fn a_wrong_checksum_is_an_error() {
        let data = vec![5; 3000];
        let mut stored = encode(&data);
        *stored.last_mut().unwrap() ^= 1;
        let mut out = vec![0; data.len()];
        assert!(decode(&mut libdeflater::Decompressor::new(), &stored, &mut out).is_err());
    }
}
