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

/// The window that the frame at the start of `head` asks for (RFC 8878, 3.1.1.1), in bytes: what its decoder must hold. The
/// largest that is admitted where the head does not say.
pub(super) fn window_bytes(head: &[u8]) -> u64 {
    const MOST: u64 = 128 << 20;
    let window = || {
        let descriptor = head.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?;
        let (&flags, rest) = descriptor.split_first()?;
        if flags & 0x20 == 0 {
            let &byte = rest.first()?;
            let base = 1u64 << (10 + (byte >> 3));
            return Some(base + base / 8 * u64::from(byte & 7));
        }
        // A single segment: the window is the content, whose size follows the dictionary's number.
        let skip = [0, 1, 2, 4][usize::from(flags & 3)];
        let bytes = [1, 2, 4, 8][usize::from(flags >> 6)];
        let size = rest.get(skip..skip + bytes)?.iter().rev().fold(0, |v, &b| v << 8 | u64::from(b));
        Some(if bytes == 2 { size + 256 } else { size })
    };
    window().map_or(MOST, |bytes| bytes.min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_is_what_libzstd_says() {
        let data = vec![7; 70_000];
        for n in [1usize, 200, 255, 256, 300, 65_791, 70_000] {
            assert_eq!(window_bytes(&zstd::bulk::compress(&data[..n], 3).unwrap()), n as u64);
        }
        for log in [10, 17, 23, 27] {
            let mut e = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
            e.window_log(log).unwrap();
            std::io::Write::write_all(&mut e, &data).unwrap();
            assert_eq!(window_bytes(&e.finish().unwrap()), 1 << log);
        }
        assert_eq!(window_bytes(&[0x28, 0xb5, 0x2f, 0xfd]), 128 << 20);
        assert_eq!(window_bytes(b"anything else"), 128 << 20);
    }

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
