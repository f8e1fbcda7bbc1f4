//! [`upright`]: a picture turned as its orientation says, in the colours that are wanted, as Pillow converts them.

use std::borrow::Cow;

use ndarray::{ArrayView3, Axis};
use outcrop_core::{Buffer, DataType, Error, Pixels, Result, Sample, with_pixels};

/// What the channels of a picture are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inks {
    /// One channel; a second one is transparency.
    Gray,
    /// One channel whose zero is white.
    WhiteIsZero,
    /// Three channels; a fourth one is transparency.
    Rgb,
    /// Four channels, 255 is full ink.
    Cmyk,
    /// Nothing that can be converted.
    Other,
}

/// The colours that are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red, as OpenCV has them.
    Bgr,
    /// One channel: Pillow's `L`, ITU-R 601.
    Gray,
    /// The channels and samples of the file.
    Keep,
}

impl Mode {
    /// All of them, by name.
    pub const ALL: [(&'static str, Mode); 4] =
        [("rgb", Mode::Rgb), ("bgr", Mode::Bgr), ("gray", Mode::Gray), ("keep", Mode::Keep)];
}

/// A picture the right way up: interleaved samples of uint8, uint16 or float32 in C order.
#[derive(Debug)]
pub struct Upright<'a> {
    /// The type of the samples.
    pub dtype: DataType,
    /// Rows, columns, channels; colours in the order red, green, blue.
    pub shape: [usize; 3],
    /// The samples, in this machine's byte order, aligned.
    pub samples: Cow<'a, [u8]>,
}

/// The type in which samples of `dtype` are worked on.
pub fn working_type(dtype: DataType, mode: Mode) -> DataType {
    match dtype {
        DataType::U8 => DataType::U8,
        DataType::U16 if mode == Mode::Keep => DataType::U16,
        DataType::U16 => DataType::U8,
        _ => DataType::F32,
    }
}

/// The channels that a picture of `channels` gets.
pub fn upright_channels(channels: u64, mode: Mode) -> u64 {
    match mode {
        Mode::Rgb | Mode::Bgr => 3,
        Mode::Gray => 1,
        Mode::Keep => channels,
    }
}

/// The most bytes that [`upright`] takes, saturating.
pub fn upright_bytes(pixels: u64, channels: u64, dtype: DataType, mode: Mode) -> u64 {
    let sample = working_type(dtype, mode).bytes() as u64;
    pixels.saturating_mul(upright_channels(channels, mode)).saturating_mul(sample)
}

/// Turns a picture by its EXIF or TIFF orientation (1 to 8) and converts its colours.
///
/// Samples of 16 bits give their upper byte where colours are converted, as Pillow and OpenCV have it. Transparency is
/// left out. Samples that need nothing are lent.
///
/// # Errors
/// [`Error::Unsupported`] for colours or sample types that do not convert; [`Error::Limits`] where memory cannot be had.
pub fn upright<'a>(
    pixels: Pixels<'a>,
    inks: Inks,
    orientation: u16,
    mode: Mode,
    scratch: &'a mut Buffer,
) -> Result<Upright<'a>> {
    let [height, width, channels] = pixels.shape();
    let convert = Convert::new(inks, channels, mode, pixels.dtype())?;
    let turned = orientation >= 5;
    let shape = [
        if turned { width } else { height },
        if turned { height } else { width },
        upright_channels(channels as u64, mode) as usize,
    ];
    let dtype = working_type(pixels.dtype(), mode);
    if convert == Convert::Copy && orientation <= 1 {
        let lent = match pixels {
            Pixels::U8(view) => view.to_slice(),
            Pixels::U16(view) => view.to_slice().map(bytemuck::cast_slice),
            Pixels::F32(view) => view.to_slice().map(bytemuck::cast_slice),
            _ => None,
        };
        if let Some(samples) = lent {
            return Ok(Upright { dtype, shape, samples: Cow::Borrowed(samples) });
        }
    }
    scratch.resize(shape.iter().product::<usize>() * dtype.bytes())?;
    match dtype {
        DataType::U8 => {
            let out = scratch.samples_mut::<u8>();
            match pixels {
                Pixels::U8(view) => convert.run(turn(view, orientation), |v| v, out),
                Pixels::U16(view) => convert.run(turn(view, orientation), |v| (v >> 8) as u8, out),
                other => return Err(Error::Unsupported(format!("colours of {}", other.dtype()))),
            }
        }
        DataType::U16 => {
            if let Pixels::U16(view) = pixels {
                copy(turn(view, orientation), |v| v, scratch.samples_mut::<u16>());
            }
        }
        _ => with_pixels!(pixels, view => {
            copy(turn(view, orientation), |v| v.to_f64() as f32, scratch.samples_mut::<f32>());
        }),
    }
    Ok(Upright { dtype, shape, samples: Cow::Borrowed(scratch.bytes()) })
}

/// The same samples seen the right way up.
fn turn<T: Sample>(mut view: ArrayView3<'_, T>, orientation: u16) -> ArrayView3<'_, T> {
    if orientation >= 5 {
        view.swap_axes(0, 1);
    }
    if matches!(orientation, 3 | 4 | 7 | 8) {
        view.invert_axis(Axis(0));
    }
    if matches!(orientation, 2 | 3 | 6 | 7) {
        view.invert_axis(Axis(1));
    }
    view
}

fn copy<T: Sample, U>(view: ArrayView3<'_, T>, to: impl Fn(T) -> U, out: &mut [U]) {
    for (out, sample) in out.iter_mut().zip(view.iter()) {
        *out = to(*sample);
    }
}

/// What is done to each pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Convert {
    /// All channels as they are.
    Copy,
    /// The first three of more channels.
    First3,
    /// The first channel alone.
    First,
    Invert,
    GrayToRgb,
    InvertToRgb,
    RgbToGray,
    CmykToRgb,
    CmykToGray,
}

impl Convert {
    fn new(inks: Inks, channels: usize, mode: Mode, dtype: DataType) -> Result<Convert> {
        if mode == Mode::Keep {
            return Ok(Convert::Copy);
        }
        if !matches!(dtype, DataType::U8 | DataType::U16) {
            return Err(Error::Unsupported(format!("colours of {dtype} samples (--mode keep)")));
        }
        let gray = mode == Mode::Gray;
        Ok(match (inks, channels) {
            (Inks::Gray, 1) if gray && dtype == DataType::U8 => Convert::Copy,
            (Inks::Gray, 1 | 2) if gray => Convert::First,
            (Inks::Gray, 1 | 2) => Convert::GrayToRgb,
            (Inks::WhiteIsZero, 1 | 2) if gray => Convert::Invert,
            (Inks::WhiteIsZero, 1 | 2) => Convert::InvertToRgb,
            (Inks::Rgb, 3 | 4) if gray => Convert::RgbToGray,
            (Inks::Rgb, 3) if dtype == DataType::U8 => Convert::Copy,
            (Inks::Rgb, 3 | 4) => Convert::First3,
            (Inks::Cmyk, 4 | 5) if gray => Convert::CmykToGray,
            (Inks::Cmyk, 4 | 5) => Convert::CmykToRgb,
            _ => {
                return Err(Error::Unsupported(format!(
                    "the colours of {channels} channels of this kind (--mode keep)"
                )));
            }
        })
    }

    fn run<T: Sample>(self, view: ArrayView3<'_, T>, narrow: impl Fn(T) -> u8, out: &mut [u8]) {
        let each3 = |out: &mut [u8], f: &dyn Fn(&[T; 4]) -> [u8; 3]| {
            for (out, pixel) in out.as_chunks_mut::<3>().0.iter_mut().zip(four(view)) {
                *out = f(&pixel);
            }
        };
        let each1 = |out: &mut [u8], f: &dyn Fn(&[T; 4]) -> u8| {
            for (out, pixel) in out.iter_mut().zip(four(view)) {
                *out = f(&pixel);
            }
        };
        let rgb = |p: &[T; 4]| [narrow(p[0]), narrow(p[1]), narrow(p[2])];
        let cmyk = |p: &[T; 4]| {
            let k = 255 - u32::from(narrow(p[3]));
            rgb(p).map(|ink| (k as i32 - by_255(u32::from(ink), k) as i32).clamp(0, 255) as u8)
        };
        match self {
            Convert::Copy => copy(view, narrow, out),
            Convert::First3 => each3(out, &rgb),
            Convert::First => each1(out, &|p| narrow(p[0])),
            Convert::Invert => each1(out, &|p| 255 - narrow(p[0])),
            Convert::GrayToRgb => each3(out, &|p| [narrow(p[0]); 3]),
            Convert::InvertToRgb => each3(out, &|p| [255 - narrow(p[0]); 3]),
            Convert::RgbToGray => each1(out, &|p| luma(rgb(p))),
            Convert::CmykToRgb => each3(out, &cmyk),
            Convert::CmykToGray => each1(out, &|p| luma(cmyk(p))),
        }
    }
}

/// The first four channels of each pixel, the last one again where there are fewer.
fn four<T: Sample>(view: ArrayView3<'_, T>) -> impl Iterator<Item = [T; 4]> {
    let last = view.dim().2.saturating_sub(1);
    let (height, width, _) = view.dim();
    (0..height).flat_map(move |y| (0..width).map(move |x| std::array::from_fn(|c| view[[y, x, c.min(last)]])))
}

/// ITU-R 601 in 16 fractional bits, as Pillow has it.
fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471 + 0x8000) >> 16) as u8
}

/// a * b / 255, rounded.
fn by_255(a: u32, b: u32) -> u32 {
    let t = a * b + 128;
    ((t >> 8) + t) >> 8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EXIF's table: where the first row and column of the stored picture are shown.
    #[test]
    fn every_orientation_puts_the_picture_upright() {
        let stored = [1u8, 2, 3, 4, 5, 6];
        let wanted: [(u16, [usize; 2], [u8; 6]); 8] = [
            (1, [2, 3], [1, 2, 3, 4, 5, 6]),
            (2, [2, 3], [3, 2, 1, 6, 5, 4]),
            (3, [2, 3], [6, 5, 4, 3, 2, 1]),
            (4, [2, 3], [4, 5, 6, 1, 2, 3]),
            (5, [3, 2], [1, 4, 2, 5, 3, 6]),
            (6, [3, 2], [4, 1, 5, 2, 6, 3]),
            (7, [3, 2], [6, 3, 5, 2, 4, 1]),
            (8, [3, 2], [3, 6, 2, 5, 1, 4]),
        ];
        for (orientation, [h, w], samples) in wanted {
            let mut scratch = Buffer::new();
            let pixels = Pixels::contiguous(&stored, [2, 3, 1]).unwrap();
            let made = upright(pixels, Inks::Gray, orientation, Mode::Gray, &mut scratch).unwrap();
            assert_eq!((made.shape, &*made.samples), ([h, w, 1], &samples[..]), "{orientation}");
        }
    }

    #[test]
    fn sixteen_bits_give_their_upper_byte_and_alpha_goes() {
        let (mut scratch, mut other) = (Buffer::new(), Buffer::new());
        let stored = [0x1234u16, 0xff00, 0x00ff, 7];
        let pixels = Pixels::contiguous(&stored, [1, 1, 4]).unwrap();
        let made = upright(pixels, Inks::Rgb, 1, Mode::Rgb, &mut scratch).unwrap();
        assert_eq!((made.dtype, &*made.samples), (DataType::U8, &[0x12, 0xff, 0][..]));
        let kept = upright(pixels, Inks::Rgb, 1, Mode::Keep, &mut other).unwrap();
        assert_eq!((kept.dtype, kept.shape), (DataType::U16, [1, 1, 4]));
    }
}
