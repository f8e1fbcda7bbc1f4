//! JPEG XL (50002, 52546), by `jxl-oxide`.

use jxl_oxide::{AllocTracker, JxlImage, JxlThreadPool};
use outcrop_core::{DataType, Error, Result};

use super::super::block::BlockSpec;
use super::image::{Shape, nearest};

/// The most memory that the library may take for a block of so many samples: beyond, the block is refused.
pub(super) fn memory_bytes(samples: u64) -> u64 {
    samples.saturating_mul(64).saturating_add(16 << 20)
}

/// Decodes the first frame, colour channels first, then the extra ones, at the depth of the block.
pub(super) fn decode(spec: &BlockSpec, stored: &[u8], shape: Shape, out: &mut [u8]) -> Result<()> {
    let broken = |e| Error::Format(format!("jpeg xl: {e}"));
    let most = usize::try_from(memory_bytes((out.len() / shape.bytes) as u64)).unwrap_or(usize::MAX);
    let image = JxlImage::builder()
        .pool(JxlThreadPool::none())
        .alloc_tracker(AllocTracker::with_limit(most))
        .read(stored)
        .map_err(broken)?;
    let (width, height) = (image.width() as usize, image.height() as usize);
    shape.admit("jpeg xl", width as u64, height as u64, shape.samples as u64)?;
    if image.num_loaded_keyframes() == 0 {
        return Err(Error::Format("the block ends early: jpeg xl without a whole frame".into()));
    }
    let render = image.render_frame(0).map_err(broken)?;
    let frame = render.image_all_channels();
    shape.admit("jpeg xl", frame.width() as u64, frame.height() as u64, frame.channels() as u64)?;
    let samples = frame.buf();
    let largest = ((1u64 << spec.bits[0].min(16)) - 1) as f32;
    let rows =
        samples.chunks_exact(frame.width() * shape.samples).zip(out.chunks_exact_mut(shape.row_bytes()));
    for (from, to) in rows {
        match spec.dtype {
            DataType::U8 | DataType::I8 => {
                to.iter_mut().zip(from).for_each(|(t, v)| *t = nearest(v * largest, largest) as u8)
            }
            DataType::U16 | DataType::I16 => {
                let to = to.as_chunks_mut().0.iter_mut().zip(from);
                to.for_each(|(t, v)| *t = nearest(v * largest, largest).to_ne_bytes());
            }
            _ => to.chunks_exact_mut(4).zip(from).for_each(|(t, v)| t.copy_from_slice(&v.to_ne_bytes())),
        }
    }
    Ok(())
}
