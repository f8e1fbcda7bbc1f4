//! LERC blocks: one blob of all channels, of the version and by the choices of GDAL's encoder.

use lerc_writer::{EncodeOptions, EncoderProfile, MaskView, RasterView};
use outcrop_core::{DataType, Error, Result};

use super::codec::Shape;

/// The types that LERC has.
pub(super) const TYPES: [DataType; 8] = [
    DataType::U8,
    DataType::I8,
    DataType::U16,
    DataType::I16,
    DataType::U32,
    DataType::I32,
    DataType::F32,
    DataType::F64,
];

/// Encodes a block; NaN goes into the mask, infinity has no place.
pub(super) fn lerc(
    max_error: f64,
    dtype: DataType,
    input: &[u8],
    shape: Shape,
    out: &mut [u8],
) -> Result<usize> {
    match dtype {
        DataType::U8 => blob::<u8>(max_error, input, None, shape, out),
        DataType::I8 => blob::<i8>(max_error, input, None, shape, out),
        DataType::U16 => blob::<u16>(max_error, input, None, shape, out),
        DataType::I16 => blob::<i16>(max_error, input, None, shape, out),
        DataType::U32 => blob::<u32>(max_error, input, None, shape, out),
        DataType::I32 => blob::<i32>(max_error, input, None, shape, out),
        DataType::F32 => {
            let mask = mask::<f32>(input, shape, |v| v.is_nan(), |v| v.is_infinite())?;
            blob::<f32>(max_error, input, mask, shape, out)
        }
        DataType::F64 => {
            let mask = mask::<f64>(input, shape, |v| v.is_nan(), |v| v.is_infinite())?;
            blob::<f64>(max_error, input, mask, shape, out)
        }
        other => Err(Error::Panic(format!("LERC of {other}"))),
    }
}

/// 1 for each pixel that is a number and 0 for those that are none; `None` where all are numbers.
fn mask<T: bytemuck::Pod>(
    input: &[u8],
    shape: Shape,
    is_nan: impl Fn(&T) -> bool,
    is_infinite: impl Fn(&T) -> bool,
) -> Result<Option<Vec<u8>>> {
    let samples: &[T] = bytemuck::cast_slice(input);
    if samples.iter().any(&is_infinite) {
        return Err(Error::Usage("LERC holds no infinite samples (COMPRESS=ZSTD does)".into()));
    }
    if !samples.iter().any(&is_nan) {
        return Ok(None);
    }
    let pixels =
        samples.chunks(shape.channels.max(1)).map(|pixel| match pixel.iter().filter(|v| is_nan(v)).count() {
            0 => Ok(1),
            all if all == pixel.len() => Ok(0),
            _ => Err(Error::Usage(
                "LERC holds no pixels of which some channels are NaN (INTERLEAVE=BAND stores each apart)"
                    .into(),
            )),
        });
    pixels.collect::<Result<_>>().map(Some)
}

fn blob<T: lerc_core::Sample + bytemuck::Pod>(
    max_error: f64,
    input: &[u8],
    mask: Option<Vec<u8>>,
    shape: Shape,
    out: &mut [u8],
) -> Result<usize> {
    let failed = |e| Error::Panic(format!("LERC encoder: {e}"));
    let [width, height, depth] = [shape.columns, shape.rows, shape.channels].map(|n| n as u32);
    let raster =
        RasterView::new(width, height, depth, bytemuck::cast_slice::<u8, T>(input)).map_err(failed)?;
    let mask = mask.as_deref().map(|mask| MaskView::new(width, height, mask)).transpose().map_err(failed)?;
    let options = EncodeOptions::new().with_max_z_error(max_error).with_profile(EncoderProfile::Gdal);
    lerc_writer::encode_into(raster, mask, options, out).map_err(failed)
}
