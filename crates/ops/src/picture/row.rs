//! [`RowWriter`]: the numbers of one row of the array, from a picture of the right size.

use bytemuck::Pod;
use outcrop_core::{Buffer, DataType, Error, Result, Sample, f16};

/// How the axes of the array lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Pictures, rows, columns, channels.
    #[default]
    Nhwc,
    /// Pictures, channels, rows, columns.
    Nchw,
}

/// `(sample / most - mean) / deviation`, where `most` is the greatest sample of the integer type, 1 for floats.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalize {
    /// For each channel of the output.
    pub mean: Vec<f64>,
    /// For each channel of the output; not 0.
    pub deviation: Vec<f64>,
}

/// Writes rows of one shape, type and layout.
#[derive(Clone, Debug)]
pub struct RowWriter {
    /// Rows, columns, channels.
    shape: [usize; 3],
    dtype: DataType,
    layout: Layout,
    /// Whether the channels come in the other order (BGR).
    reversed: bool,
    normalize: Option<Normalize>,
    pad: f64,
    /// For each channel what each 8-bit sample becomes, as bytes of the output's type.
    table: Vec<u8>,
}

impl RowWriter {
    /// Rows of `dtype` (uint8, float16 or float32). Where a picture leaves room, samples are as `pad` (0 to 255 for
    /// integers) would become.
    ///
    /// # Errors
    /// [`Error::Usage`] for another type, normalised samples as uint8, and figures for another number of channels.
    pub fn new(
        shape: [usize; 3],
        dtype: DataType,
        layout: Layout,
        reversed: bool,
        normalize: Option<Normalize>,
        pad: f64,
    ) -> Result<RowWriter> {
        match (dtype, &normalize) {
            (DataType::U8, Some(_)) => {
                return Err(Error::Usage("normalised samples are fractions (--dtype f32 or f16)".into()));
            }
            (DataType::U8 | DataType::F16 | DataType::F32, _) => {}
            (other, _) => {
                return Err(Error::Usage(format!("rows are never of {other} (--dtype u8, f16 or f32)")));
            }
        }
        if let Some(Normalize { mean, deviation }) = &normalize
            && (mean.len() != shape[2] || deviation.len() != shape[2])
        {
            return Err(Error::Usage(format!(
                "means of {} and deviations of {} channels, the pictures have {} (--normalize)",
                mean.len(),
                deviation.len(),
                shape[2]
            )));
        }
        let mut made = RowWriter { shape, dtype, layout, reversed, normalize, pad, table: Vec::new() };
        for c in 0..shape[2] {
            for sample in 0..=255u8 {
                let value = made.number(c, f64::from(sample), 255.0);
                match dtype {
                    DataType::U8 => made.table.push(value as u8),
                    DataType::F16 => made.table.extend(f16::from_f64(value).to_ne_bytes()),
                    _ => made.table.extend((value as f32).to_ne_bytes()),
                }
            }
        }
        Ok(made)
    }

    /// Bytes of one row.
    pub fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bytes()
    }

    /// Rows, columns, channels.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    fn number(&self, channel: usize, sample: f64, most: f64) -> f64 {
        match &self.normalize {
            None => sample,
            Some(n) => (sample / most - n.mean[channel]) / n.deviation[channel],
        }
    }

    /// Makes a row of a picture: `samples` of `part` (rows, columns) go to `at` (row, column).
    ///
    /// # Errors
    /// [`Error::Unsupported`] for wide samples into uint8; [`Error::Usage`] for a part that does not fit.
    pub fn write(
        &self,
        dtype: DataType,
        samples: &[u8],
        part: (usize, usize),
        at: (usize, usize),
        out: &mut Buffer,
    ) -> Result<()> {
        let [height, width, channels] = self.shape;
        let fits = at.0 + part.0 <= height && at.1 + part.1 <= width;
        if !fits || samples.len() != part.0 * part.1 * channels * dtype.bytes() {
            return Err(Error::Usage(format!("a picture of {part:?} at {at:?} of {:?}", self.shape)));
        }
        if self.dtype == DataType::U8 && dtype != DataType::U8 {
            return Err(Error::Unsupported(format!("samples of {dtype} in an array of uint8 (--dtype f32)")));
        }
        out.resize(self.bytes())?;
        match self.dtype {
            DataType::U8 => self.typed::<u8>(dtype, samples, part, at, out, |v| v as u8),
            DataType::F16 => self.typed::<f16>(dtype, samples, part, at, out, f16::from_f64),
            _ => self.typed::<f32>(dtype, samples, part, at, out, |v| v as f32),
        }
        Ok(())
    }

    fn typed<T: Sample + Pod>(
        &self,
        dtype: DataType,
        samples: &[u8],
        part: (usize, usize),
        at: (usize, usize),
        out: &mut Buffer,
        round: impl Fn(f64) -> T,
    ) {
        let (tables, [height, width, _]) = (bytemuck::cast_slice::<u8, T>(&self.table), self.shape);
        let out = out.samples_mut::<T>();
        if part != (height, width) {
            let most = if dtype == DataType::U16 { 65535.0 / 255.0 } else { 1.0 };
            let scale = if dtype == DataType::F32 { 1.0 } else { 255.0 };
            for (i, out) in out.iter_mut().enumerate() {
                let c = self.channel(i);
                // What is given in levels of 8 bits means as much in 16.
                let sample = if self.normalize.is_some() { self.pad } else { self.pad * most };
                *out = round(self.number(c, sample, scale));
            }
        }
        match dtype {
            DataType::U8 => self.place(samples, part, at, out, |c, v: u8| tables[c * 256 + usize::from(v)]),
            DataType::U16 => {
                let samples = bytemuck::cast_slice::<u8, u16>(samples);
                self.place(samples, part, at, out, |c, v| round(self.number(c, f64::from(v), 65535.0)));
            }
            _ => {
                let samples = bytemuck::cast_slice::<u8, f32>(samples);
                self.place(samples, part, at, out, |c, v| round(self.number(c, f64::from(v), 1.0)));
            }
        }
    }

    /// The channel of a place in the row.
    fn channel(&self, place: usize) -> usize {
        match self.layout {
            Layout::Nhwc => place % self.shape[2],
            Layout::Nchw => place / (self.shape[0] * self.shape[1]),
        }
    }

    /// Puts each sample in its place; `make` gets the channel of the output.
    fn place<S: Copy, T: Copy>(
        &self,
        samples: &[S],
        part: (usize, usize),
        at: (usize, usize),
        out: &mut [T],
        make: impl Fn(usize, S) -> T,
    ) {
        let [height, width, channels] = self.shape;
        let of = |c: usize| if self.reversed { channels - 1 - c } else { c };
        for (y, from) in samples.chunks_exact((part.1 * channels).max(1)).enumerate() {
            let row = at.0 + y;
            match self.layout {
                Layout::Nhwc => {
                    let to = &mut out[(row * width + at.1) * channels..][..part.1 * channels];
                    if let (3, false) = (channels, self.reversed) {
                        let pixels = from.as_chunks::<3>().0.iter().zip(to.as_chunks_mut::<3>().0);
                        for ([a, b, c], to) in pixels {
                            *to = [make(0, *a), make(1, *b), make(2, *c)];
                        }
                        continue;
                    }
                    for (from, to) in from.chunks_exact(channels).zip(to.chunks_exact_mut(channels)) {
                        for (c, to) in to.iter_mut().enumerate() {
                            *to = make(c, from[of(c)]);
                        }
                    }
                }
                Layout::Nchw => {
                    for c in 0..channels {
                        let to = &mut out[(c * height + row) * width + at.1..][..part.1];
                        for (to, from) in to.iter_mut().zip(from[of(c)..].iter().step_by(channels)) {
                            *to = make(c, *from);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_once_from_f64() {
        let n = Normalize { mean: vec![0.485, 0.1], deviation: vec![0.229, 3.0] };
        let row =
            RowWriter::new([2, 2, 2], DataType::F32, Layout::Nchw, false, Some(n.clone()), 128.0).unwrap();
        let mut out = Buffer::new();
        row.write(DataType::U8, &[10, 20, 30, 40], (1, 2), (1, 0), &mut out).unwrap();
        let number = |c: usize, v: f64| ((v / 255.0 - n.mean[c]) / n.deviation[c]) as f32;
        let wanted = [
            [number(0, 128.0); 2],
            [number(0, 10.0), number(0, 30.0)],
            [number(1, 128.0); 2],
            [number(1, 20.0), number(1, 40.0)],
        ];
        assert_eq!(out.samples::<f32>(), wanted.as_flattened());
    }

    #[test]
    fn what_cannot_be_held_is_refused() {
        let row = RowWriter::new([1, 1, 1], DataType::U8, Layout::Nhwc, false, None, 0.0).unwrap();
        assert!(row.write(DataType::F32, &[0; 4], (1, 1), (0, 0), &mut Buffer::new()).is_err());
        let n = Some(Normalize { mean: vec![0.0], deviation: vec![1.0] });
        assert!(RowWriter::new([1, 1, 1], DataType::U8, Layout::Nhwc, false, n.clone(), 0.0).is_err());
        assert!(RowWriter::new([1, 1, 3], DataType::F32, Layout::Nhwc, false, n, 0.0).is_err());
    }
}
