//! JPEG 2000 (33003, 33004, 33005, 34712), by `hayro-jpeg2000`.

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};
use outcrop_core::{Error, Result};

use super::super::block::BlockSpec;
use super::image::Shape;

/// Decodes an image of up to 16 bits. The components are taken as the codestream has them: its own colour transform
/// is undone, others (33003 stores YCbCr) are not.
pub(super) fn decode(spec: &BlockSpec, stored: &[u8], shape: Shape, out: &mut [u8]) -> Result<()> {
    let broken = |e: hayro_jpeg2000::error::DecodeError| Error::Format(format!("jpeg 2000: {e}"));
    let settings = DecodeSettings { resolve_palette_indices: false, strict: true, target_resolution: None };
    let image = Image::new(stored, &settings).map_err(broken)?;
    let (width, height) = (image.width(), image.height());
    shape.admit("jpeg 2000", width.into(), height.into(), shape.samples as u64)?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(broken)?;
    let components = decoded.components();
    shape.admit("jpeg 2000", width.into(), height.into(), components.len() as u64)?;
    // The crate shifts every component up by half its range, signed ones too.
    let bits = spec.bits[0].min(16);
    let (shift, largest) = if spec.dtype.is_signed_integer() {
        (1 << (bits - 1), (1 << (bits - 1)) - 1)
    } else {
        (0, (1 << bits) - 1)
    };
    let smallest = -shift;
    for (c, component) in components.iter().enumerate() {
        let samples = component.samples();
        if u32::from(component.bit_depth()) > 8 * shape.bytes as u32
            || samples.len() < width as usize * height as usize
        {
            return Err(Error::Unsupported(format!(
                "jpeg 2000: a component of {} bits and {} samples in a block of {} bits",
                component.bit_depth(),
                samples.len(),
                spec.bits[0]
            )));
        }
        let rows = samples.chunks_exact(width as usize).zip(out.chunks_exact_mut(shape.row_bytes()));
        for (from, to) in rows {
            for (&v, pixel) in from.iter().zip(to.chunks_exact_mut(shape.samples * shape.bytes)) {
                let v = (v.round_ties_even() as i32).saturating_sub(shift).clamp(smallest, largest);
                match shape.bytes {
                    1 => pixel[c] = v as u8,
                    _ => pixel[2 * c..2 * c + 2].copy_from_slice(&(v as u16).to_ne_bytes()),
                }
            }
        }
    }
    Ok(())
}
