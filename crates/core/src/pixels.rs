//! [`Pixels`] and [`PixelsMut`]: borrowed samples of any type, as `ndarray` views of shape (y, x, channel).

use ndarray::{ArrayView3, ArrayViewMut3, Axis, ShapeBuilder, Slice};

use crate::{Channels, DataType, Error, Result, Sample, f16, with_dtype};

macro_rules! views {
    ($($variant:ident: $t:ty),*) => {
        /// Samples of one of the eleven types, borrowed, of shape (rows, columns, channels). Strides are free: planar
        /// and Fortran-ordered data are lent as they lie. [`with_pixels!`](crate::with_pixels) binds the type.
        #[derive(Clone, Copy, Debug)]
        #[allow(missing_docs)]
        pub enum Pixels<'a> {
            $($variant(ArrayView3<'a, $t>)),*
        }

        /// Samples to be written, of shape (rows, columns, channels).
        #[derive(Debug)]
        #[allow(missing_docs)]
        pub enum PixelsMut<'a> {
            $($variant(ArrayViewMut3<'a, $t>)),*
        }

        impl<'a> Pixels<'a> {
            /// The type of the samples.
            pub fn dtype(&self) -> DataType {
                match self { $(Pixels::$variant(_) => DataType::$variant),* }
            }

            /// Rows, columns, channels.
            pub fn shape(&self) -> [usize; 3] {
                let (h, w, c) = match self { $(Pixels::$variant(v) => v.dim()),* };
                [h, w, c]
            }

            /// The part of the samples between two bounds of an axis (0 rows, 1 columns, 2 channels).
            pub fn slice(self, axis: usize, range: std::ops::Range<usize>) -> Pixels<'a> {
                let slice = Slice::from(range);
                match self { $(Pixels::$variant(mut v) => {
                    v.slice_axis_inplace(Axis(axis), slice);
                    Pixels::$variant(v)
                }),* }
            }

            fn step_channels(self, slice: Slice) -> Pixels<'a> {
                match self { $(Pixels::$variant(mut v) => {
                    v.slice_axis_inplace(Axis(2), slice);
                    Pixels::$variant(v)
                }),* }
            }
        }

        impl<'a> PixelsMut<'a> {
            /// The type of the samples.
            pub fn dtype(&self) -> DataType {
                match self { $(PixelsMut::$variant(_) => DataType::$variant),* }
            }

            /// Rows, columns, channels.
            pub fn shape(&self) -> [usize; 3] {
                let (h, w, c) = match self { $(PixelsMut::$variant(v) => v.dim()),* };
                [h, w, c]
            }
        }

        $(impl Typed for $t {
            fn wrap(view: ArrayView3<'_, $t>) -> Pixels<'_> {
                Pixels::$variant(view)
            }
            fn wrap_mut(view: ArrayViewMut3<'_, $t>) -> PixelsMut<'_> {
                PixelsMut::$variant(view)
            }
            fn unwrap(pixels: Pixels<'_>) -> Option<ArrayView3<'_, $t>> {
                match pixels { Pixels::$variant(v) => Some(v), _ => None }
            }
            fn unwrap_mut(pixels: PixelsMut<'_>) -> Option<ArrayViewMut3<'_, $t>> {
                match pixels { PixelsMut::$variant(v) => Some(v), _ => None }
            }
        })*
    };
}
views!(U8: u8, U16: u16, U32: u32, U64: u64, I8: i8, I16: i16, I32: i32, I64: i64, F16: f16, F32: f32, F64: f64);

/// The way between a sample type and its variant; part of [`Sample`].
#[allow(missing_docs)]
pub trait Typed: Sized {
    fn wrap(view: ArrayView3<'_, Self>) -> Pixels<'_>;
    fn wrap_mut(view: ArrayViewMut3<'_, Self>) -> PixelsMut<'_>;
    fn unwrap(pixels: Pixels<'_>) -> Option<ArrayView3<'_, Self>>;
    fn unwrap_mut(pixels: PixelsMut<'_>) -> Option<ArrayViewMut3<'_, Self>>;
}

fn misfit(shape: [usize; 3], strides: [usize; 3], bytes: usize) -> Error {
    Error::Format(format!(
        "pixels of shape {shape:?} and strides {strides:?} do not lie within {bytes} bytes"
    ))
}

/// Strides, in samples, of C order (rows, columns, channels).
fn c_order(shape: [usize; 3]) -> [usize; 3] {
    if shape.contains(&0) { [0; 3] } else { [shape[1] * shape[2], shape[2], 1] }
}

impl<'a> Pixels<'a> {
    /// Samples of that shape and those strides, in samples, starting at the first of `samples`.
    ///
    /// # Errors
    /// [`Error::Format`] where they would reach past the end.
    pub fn strided<T: Sample>(
        samples: &'a [T],
        shape: [usize; 3],
        strides: [usize; 3],
    ) -> Result<Pixels<'a>> {
        // ndarray wants even the samples of an empty array to lie within the slice.
        let strides = if shape.contains(&0) { [0; 3] } else { strides };
        ArrayView3::from_shape(shape.strides(strides), samples)
            .map(T::wrap)
            .map_err(|_| misfit(shape, strides, size_of_val(samples)))
    }

    /// Samples in C order: rows, columns, channels.
    ///
    /// # Errors
    /// [`Error::Format`] where there are too few.
    pub fn contiguous<T: Sample>(samples: &'a [T], shape: [usize; 3]) -> Result<Pixels<'a>> {
        Pixels::strided(samples, shape, c_order(shape))
    }

    /// Native samples of `dtype` lying in `bytes`, or `None` where they are not aligned for their type.
    ///
    /// # Errors
    /// [`Error::Format`] where they would reach past the end.
    pub fn from_bytes(
        dtype: DataType,
        bytes: &'a [u8],
        shape: [usize; 3],
        strides: [usize; 3],
    ) -> Result<Option<Pixels<'a>>> {
        with_dtype!(dtype, T => {
            let whole = bytes.len() / size_of::<T>() * size_of::<T>();
            match bytemuck::try_cast_slice::<u8, T>(&bytes[..whole]) {
                Ok(samples) => Pixels::strided(samples, shape, strides).map(Some),
                Err(_) => Ok(None),
            }
        })
    }

    /// The typed view, or `None` for another type.
    pub fn typed<T: Sample>(self) -> Option<ArrayView3<'a, T>> {
        T::unwrap(self)
    }

    /// The channels of the selection as a view, where it is evenly spaced; `None` where it must be gathered
    /// ([`gather`](Pixels::gather)).
    pub fn select(self, channels: &Channels) -> Option<Pixels<'a>> {
        let count = self.shape()[2];
        if channels.is_all(count as u64) {
            return Some(self);
        }
        let (first, step) = channels.as_step()?;
        let last = *channels.indices().last()?;
        if step == 0 || first.max(last) >= count as u64 {
            return None;
        }
        let (low, high) = (first.min(last) as isize, first.max(last) as isize);
        Some(self.step_channels(Slice::new(low, Some(high + 1), step as isize)))
    }

    /// Copies the channels of the selection, in its order, into `out`.
    ///
    /// # Panics
    /// If shapes or types differ, or a channel does not exist.
    pub fn gather(self, channels: &Channels, out: PixelsMut<'_>) {
        with_dtype!(self.dtype(), T => {
            let from = self.typed::<T>().expect("the type was just asked");
            let mut to = out.typed::<T>().expect("gather into pixels of the same type");
            for (k, &c) in channels.indices().iter().enumerate() {
                to.index_axis_mut(Axis(2), k).assign(&from.index_axis(Axis(2), c as usize));
            }
        })
    }
}

impl<'a> PixelsMut<'a> {
    /// Samples in C order, to be written.
    ///
    /// # Errors
    /// [`Error::Format`] where there are too few.
    pub fn contiguous<T: Sample>(samples: &'a mut [T], shape: [usize; 3]) -> Result<PixelsMut<'a>> {
        let bytes = size_of_val(samples);
        ArrayViewMut3::from_shape(shape.strides(c_order(shape)), samples)
            .map(T::wrap_mut)
            .map_err(|_| misfit(shape, c_order(shape), bytes))
    }

    /// Samples of `dtype` in C order, lying in a buffer, to be written.
    ///
    /// # Errors
    /// [`Error::Format`] where the buffer is too small.
    pub fn in_buffer(
        dtype: DataType,
        buffer: &'a mut crate::Buffer,
        shape: [usize; 3],
    ) -> Result<PixelsMut<'a>> {
        with_dtype!(dtype, T => PixelsMut::contiguous(buffer.samples_mut::<T>(), shape))
    }

    /// The typed view, or `None` for another type.
    pub fn typed<T: Sample>(self) -> Option<ArrayViewMut3<'a, T>> {
        T::unwrap_mut(self)
    }
}

/// Binds the typed view of [`Pixels`](crate::Pixels) to a name and evaluates the body for its type.
///
/// ```
/// use outcrop_core::{with_pixels, Pixels, Sample};
/// let p = Pixels::contiguous(&[1i16, 2, 3][..], [1, 3, 1]).unwrap();
/// let sum: f64 = with_pixels!(p, v => v.iter().map(|s| s.to_f64()).sum());
/// assert_eq!(sum, 6.0);
/// ```
#[macro_export]
macro_rules! with_pixels {
    ($pixels:expr, $view:ident => $body:expr) => {
        match $pixels {
            $crate::Pixels::U8($view) => $body,
            $crate::Pixels::U16($view) => $body,
            $crate::Pixels::U32($view) => $body,
            $crate::Pixels::U64($view) => $body,
            $crate::Pixels::I8($view) => $body,
            $crate::Pixels::I16($view) => $body,
            $crate::Pixels::I32($view) => $body,
            $crate::Pixels::I64($view) => $body,
            $crate::Pixels::F16($view) => $body,
            $crate::Pixels::F32($view) => $body,
            $crate::Pixels::F64($view) => $body,
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planar_samples_are_lent_as_they_lie() {
        let planes: Vec<u16> = (0..12).collect();
        let p = Pixels::strided(&planes, [2, 3, 2], [3, 1, 6]).unwrap();
        let v = p.typed::<u16>().unwrap();
        assert_eq!((v[[0, 0, 0]], v[[0, 0, 1]], v[[1, 2, 1]]), (0, 6, 11));
        assert!(Pixels::strided(&planes[..11], [2, 3, 2], [3, 1, 6]).is_err());
    }

    #[test]
    fn even_selections_are_views_and_others_are_gathered() {
        let samples: Vec<u8> = (0..8).collect();
        let p = Pixels::contiguous(&samples, [1, 2, 4]).unwrap();
        let pick = |v: Vec<u64>| Channels::select(v, 4).unwrap();
        let back = p.select(&pick(vec![3, 2, 1])).unwrap().typed::<u8>().unwrap();
        assert_eq!(back.iter().copied().collect::<Vec<_>>(), [3, 2, 1, 7, 6, 5]);
        let odd = pick(vec![0, 3, 1]);
        assert!(p.select(&odd).is_none());
        assert!(p.select(&pick(vec![1, 1])).is_none());
        let mut out = [0u8; 6];
        p.gather(&odd, PixelsMut::contiguous(&mut out, [1, 2, 3]).unwrap());
        assert_eq!(out, [0, 3, 1, 4, 7, 5]);
    }

    #[test]
    fn empty_pixels_need_no_samples() {
        for shape in [[0, 5, 1], [3, 0, 2], [3, 5, 0]] {
            assert_eq!(Pixels::contiguous::<u16>(&[], shape).unwrap().shape(), shape);
            assert_eq!(PixelsMut::contiguous::<u16>(&mut [], shape).unwrap().shape(), shape);
        }
    }

    #[test]
    fn bytes_that_are_not_aligned_are_not_lent() {
        let mut b = crate::Buffer::new();
        b.resize(16).unwrap();
        assert!(Pixels::from_bytes(DataType::F64, b.bytes(), [1, 2, 1], [2, 1, 1]).unwrap().is_some());
        assert!(Pixels::from_bytes(DataType::F64, &b.bytes()[1..9], [1, 1, 1], [1, 1, 1]).unwrap().is_none());
        assert!(Pixels::from_bytes(DataType::F64, b.bytes(), [1, 3, 1], [3, 1, 1]).is_err());
    }
}
