//! LZMA (34925): xz streams (or the older .lzma), by liblzma.

use outcrop_core::{Error, Result};

use super::read::fill;

/// The memory that liblzma may take: enough for the dictionary of its highest preset (64 MiB).
pub(super) const MEMORY_BYTES: u64 = 66 << 20;

/// Fills `out`. Returns the bytes written, fewer where the stream is cut short.
pub(super) fn decode(stored: &[u8], out: &mut [u8]) -> Result<usize> {
    fill(&mut open(stored)?, out).map_err(|e| Error::Format(format!("lzma: {e}")))
}

/// A reader of one stream.
pub(super) fn open<R: std::io::BufRead>(input: R) -> Result<liblzma::bufread::XzDecoder<R>> {
    let stream = liblzma::stream::Stream::new_auto_decoder(MEMORY_BYTES, 0)
        .map_err(|e| Error::Format(format!("lzma: {e}")))?;
    Ok(liblzma::bufread::XzDecoder::new_stream(input, stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_read_as_far_as_the_rows_go() {
        let data: Vec<u8> = (0..30_000u32).map(|i| ((i * i) >> 9) as u8).collect();
        let mut stored = Vec::new();
        std::io::Read::read_to_end(&mut liblzma::bufread::XzEncoder::new(&data[..], 6), &mut stored).unwrap();
        for want in [data.len(), 77] {
            let mut out = vec![0; want];
            assert_eq!(decode(&stored, &mut out).unwrap(), want);
            assert_eq!(out, data[..want]);
        }
        let mut out = vec![0; data.len()];
        assert!(!matches!(decode(&stored[..stored.len() / 2], &mut out), Ok(n) if n == data.len()));
        assert!(decode(b"not an xz stream", &mut out).is_err());
    }
}
