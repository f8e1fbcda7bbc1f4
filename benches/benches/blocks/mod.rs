//! Blocks of pixels as instruments give them, and their descriptions.

use outcrop_core::DataType;
use outcrop_reader::tiff::block::BlockSpec;

/// Rows and columns of a block.
pub(crate) const SIDE: usize = 512;

/// A kind of pixel: its name, samples, and type.
pub(crate) type Kind = (&'static str, usize, DataType);

pub(crate) const KINDS: [Kind; 2] = [("u8x3", 3, DataType::U8), ("u16", 1, DataType::U16)];

/// A gradient with waves and sensor noise, as a scanner or a camera gives it: native samples, interleaved.
pub(crate) fn pixels((_, samples, dtype): Kind) -> Vec<u8> {
    let mut noise = 1u64;
    let mut out = Vec::new();
    for y in 0..SIDE {
        for x in 0..SIDE {
            for c in 0..samples {
                noise = noise.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                let (x, y) = (x as f64, y as f64);
                let wave = (x / 37.0 + c as f64).sin() * (y / 53.0).cos() * 0.2;
                let level = 0.4 + 0.2 * (x + y) / (2.0 * SIDE as f64) + wave;
                match dtype {
                    DataType::U8 => out.push((level * 200.0 + (noise >> 61) as f64) as u8),
                    DataType::F32 => {
                        out.extend(((level * 400.0 + (noise >> 57) as f64 / 100.0) as f32).to_ne_bytes())
                    }
                    DataType::F64 => out.extend((level * 400.0 + (noise >> 57) as f64 / 100.0).to_ne_bytes()),
                    _ => out.extend(((level * 40_000.0 + (noise >> 57) as f64) as u16).to_ne_bytes()),
                }
            }
        }
    }
    out
}

/// Horizontal differences of native samples (predictor 2).
pub(crate) fn differences(pixels: &[u8], (_, samples, dtype): Kind) -> Vec<u8> {
    let mut out = pixels.to_vec();
    let row = SIDE * samples * dtype.bytes();
    for row in out.chunks_mut(row) {
        if dtype == DataType::U8 {
            (samples..row.len()).rev().for_each(|i| row[i] = row[i].wrapping_sub(row[i - samples]));
            continue;
        }
        for i in (samples..row.len() / 2).rev() {
            let at = |row: &[u8], i: usize| u16::from_ne_bytes([row[2 * i], row[2 * i + 1]]);
            let difference = at(row, i).wrapping_sub(at(row, i - samples));
            row[2 * i..2 * i + 2].copy_from_slice(&difference.to_ne_bytes());
        }
    }
    out
}

pub(crate) fn spec(compression: u16, predictor: u16, (_, samples, dtype): Kind) -> BlockSpec {
    BlockSpec {
        predictor,
        photometric: match (compression, samples) {
            (7, _) => 6,
            (_, 3) => 2,
            _ => 1,
        },
        ..BlockSpec::new(compression, (SIDE as u32, SIDE as u32), dtype, samples)
    }
}

/// LZW by `weezl`, which stops now and then.
pub(crate) fn weezl_decode(decoder: &mut weezl::decode::Decoder, mut stored: &[u8], out: &mut [u8]) {
    decoder.reset();
    let mut done = 0;
    while done < out.len() {
        let step = decoder.decode_bytes(stored, &mut out[done..]);
        step.status.unwrap();
        assert!(step.consumed_in + step.consumed_out > 0, "{done} of {} bytes", out.len());
        stored = &stored[step.consumed_in..];
        done += step.consumed_out;
    }
}
