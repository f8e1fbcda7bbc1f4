//! ZSTD (50000): one or more frames, with or without their size, by libzstd with a context that is kept.

use outcrop_core::{Error, Result};
use zstd::bulk::Decompressor;

use super::read::fill;

/// Fills `out`. Returns the bytes written, fewer where the stream is cut short.
pub(super) fn decode(
    context: &mut Option<Decompressor<'static>>,
    stored: &[u8],
    out: &mut [u8],
) -> Result<usize> {
    if context.is_none() {
        *context = Some(Decompressor::new().map_err(|e| Error::Format(format!("zstd: {e}")))?);
    }
    if let Some(context) = context
        && let Ok(n) = context.decompress_to_buffer(stored, out)
        && n == out.len()
    {
        return Ok(n);
    }
    // A stream longer than the rows, or something after it, or broken: as far as it goes.
    let mut reader = open(stored)?;
    fill(&mut reader, out).map_err(|e| Error::Format(format!("zstd: {e}")))
}

/// A reader whose window is no larger than what libzstd's own decoder admits by default (128 MiB).
pub(super) fn open<'a, R: std::io::BufRead + 'a>(input: R) -> Result<zstd::stream::read::Decoder<'a, R>> {
    zstd::stream::read::Decoder::with_buffer(input).map_err(|e| Error::Format(format!("zstd: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_unknown_size_several_frames_and_longer_ones_are_read() {
        let data: Vec<u8> = (0..60_000u32).map(|i| ((i * i) >> 9) as u8).collect();
        let sized = zstd::bulk::compress(&data, 3).unwrap();
        let unsized_ = zstd::stream::encode_all(&data[..], 3).unwrap();
        let two =
            [zstd::bulk::compress(&data[..100], 3).unwrap(), zstd::bulk::compress(&data[100..], 3).unwrap()];
        let mut context = None;
        for stored in [sized.clone(), unsized_, two.concat()] {
            for want in [data.len(), 50] {
                let mut out = vec![0; want];
                assert_eq!(decode(&mut context, &stored, &mut out).unwrap(), want);
                assert_eq!(out, data[..want]);
            }
        }
        let mut out = vec![0; data.len()];
        assert!(matches!(decode(&mut context, &sized[..sized.len() / 2], &mut out), Ok(n) if n < data.len()));
        assert!(decode(&mut context, b"not a frame", &mut out).is_err());
    }
}
