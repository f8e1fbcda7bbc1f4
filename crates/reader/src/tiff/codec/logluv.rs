//! SGI LogLuv (34676): 16-bit log luminance, or 32-bit luminance and chroma, in byte planes of runs; and its 24-bit form
//! (34677), which has no runs. LogL is the same under either code.
//!
//! Handed out as libtiff does by default for 16-bit samples: L as its 16-bit code, u' and v' times 2^15, after Ward,
//! "The LogLuv encoding for full-gamut, high-dynamic range images" (1998).

use outcrop_core::{DataType, Error, Result};

use super::super::block::BlockSpec;
use super::Codec;
use super::image::Shape;
use super::luv24;

/// Chroma codes per unit of u' or v'.
const CHROMA_SCALE: f64 = 410.0;

/// What the codec demands of the page.
pub(super) fn check(spec: &BlockSpec) -> Result<()> {
    let samples_fit = match spec.photometric {
        32844 => spec.samples() == 1,
        32845 => spec.samples() == 3,
        _ => false,
    };
    if !samples_fit || !matches!(spec.dtype, DataType::I16 | DataType::U16) {
        return Err(Error::Unsupported(format!(
            "SGI LogLuv with compression {}, photometric {} and {} samples of {} ({})",
            spec.compression,
            spec.photometric,
            spec.samples(),
            spec.dtype,
            "only LogL or LogLuv of 16 bits"
        )));
    }
    Ok(())
}

/// Decodes rows of 24-bit pixels, or of runs: of each row first the highest bytes of all pixels, then the next ones.
pub(super) fn decode(
    codec: Codec,
    stored: &[u8],
    shape: Shape,
    codes: &mut Vec<u8>,
    out: &mut [u8],
) -> Result<()> {
    let width = shape.width as usize;
    let ends_early = |y: usize| {
        Error::Format(format!("the block ends early: {codec:?} gave {y} rows, expected {}", shape.rows))
    };
    if codec == Codec::SgiLog24 && shape.samples == 3 {
        let mut pixels = stored.chunks_exact(3);
        for (i, out) in out.chunks_exact_mut(6).enumerate() {
            let code = pixels.next().ok_or_else(|| ends_early(i / width.max(1)))?;
            let samples = luv24::pixel([code[0], code[1], code[2]]);
            out.copy_from_slice(bytemuck::bytes_of(&samples));
        }
        return Ok(());
    }
    let planes = if shape.samples == 1 { 2 } else { 4 };
    // Four bytes a pixel, the lowest first.
    codes.clear();
    codes.resize(4 * width, 0);
    let mut input = stored.iter().copied();
    for (y, row) in out.chunks_exact_mut(shape.row_bytes()).enumerate() {
        for plane in (0..planes).rev() {
            read_plane(&mut input, codes, plane).ok_or_else(|| ends_early(y))?;
        }
        for (code, pixel) in codes.chunks_exact(4).zip(row.chunks_exact_mut(2 * shape.samples)) {
            let code = u32::from_le_bytes([code[0], code[1], code[2], code[3]]);
            if shape.samples == 1 {
                pixel.copy_from_slice(&(code as u16).to_ne_bytes());
                continue;
            }
            let chroma = |code: u32| (f64::from(code & 0xff) + 0.5) / CHROMA_SCALE * 32768.0;
            let luv = [(code >> 16) as u16 as i16, chroma(code >> 8) as i16, chroma(code) as i16];
            for (sample, v) in pixel.chunks_exact_mut(2).zip(luv) {
                sample.copy_from_slice(&v.to_ne_bytes());
            }
        }
    }
    Ok(())
}

/// One byte of every pixel: runs of a repeated byte (counts from 130) and of literal ones.
fn read_plane(input: &mut impl Iterator<Item = u8>, codes: &mut [u8], plane: usize) -> Option<()> {
    let (mut x, width) = (0, codes.len() / 4);
    while x < width {
        let head = input.next()?;
        let (count, repeated) = if head >= 128 {
            (usize::from(head) - 126, Some(input.next()?))
        } else {
            (usize::from(head), None)
        };
        let count = count.min(width - x);
        for code in codes[4 * x..4 * (x + count)].chunks_exact_mut(4) {
            code[plane] = match repeated {
                Some(byte) => byte,
                None => input.next()?,
            };
        }
        x += count;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_read_from_runs_and_literals() {
        let mut codes = [0; 20];
        let mut input = [131u8, 7, 0, 0, 129, 3].into_iter();
        assert!(read_plane(&mut input, &mut codes, 1).is_some());
        assert_eq!(codes, [0, 7, 0, 0].repeat(5)[..]);
        let mut codes = [0; 20];
        assert!(read_plane(&mut [2u8, 1, 2, 129, 9].into_iter(), &mut codes, 0).is_some());
        let low: Vec<u8> = codes.iter().step_by(4).copied().collect();
        assert_eq!(low, [1, 2, 9, 9, 9]);
        assert!(read_plane(&mut [2u8, 1].into_iter(), &mut codes, 0).is_none());
    }
}
