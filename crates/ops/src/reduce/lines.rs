//! [`Lines`]: a percentile of each row or column, sorted whole.

use outcrop_core::{Chunk, Error, Rect, Reduce, Result, Sample, with_dtype};

use super::axis::Over;
use super::quantile::{Method, Percentile};
use super::rows::rows;
use crate::exact::Exact;
use crate::saved::{Loader, Saver};
use crate::validity::{Class, NanPolicy, Validity};

/// A percentile over rows or columns. Its chunks must hold whole lines: every row of the window over y, every column
/// over x.
#[derive(Clone, Debug)]
pub struct Lines {
    percentile: Percentile,
    method: Method,
    over: Over,
    window: Rect,
    validity: Validity,
    /// Samples that a chunk has at most: they are copied, line by line.
    chunk_samples: u64,
}

/// One result for each line, where it is known.
#[derive(Clone, Debug, PartialEq)]
pub struct LinesPartial(Vec<Option<Exact>>);

impl Lines {
    /// The percentile of each line of `window`, in chunks of at most `chunk` rows and columns.
    ///
    /// # Errors
    /// [`Error::Usage`] over other axes than y or x; [`Error::Limits`] where the results do not fit the address space.
    pub fn new(
        percentile: Percentile,
        method: Method,
        over: Over,
        window: Rect,
        validity: Validity,
        chunk: (u64, u64),
    ) -> Result<Lines> {
        if !matches!(over, Over::X | Over::Y) {
            return Err(Error::Usage("lines lie along y or x (--over)".into()));
        }
        let samples = chunk.0.saturating_mul(chunk.1).saturating_mul(validity.channels() as u64);
        let lines = Lines { percentile, method, over, window, validity, chunk_samples: samples };
        let (needed, limit) = (lines.partial_bytes(), isize::MAX as u64);
        if needed >= limit {
            return Err(Error::Limits { what: "the percentiles of all lines".into(), needed, limit });
        }
        Ok(lines)
    }

    /// The results in C order of [`Over::shape`]; `None` where no sample is valid.
    pub fn finish(&self, partial: LinesPartial) -> Vec<Option<Exact>> {
        partial.0
    }

    fn results(&self) -> u64 {
        self.over.shape(self.window, self.validity.channels() as u64).into_iter().fold(1, u64::saturating_mul)
    }

    fn take<T: Sample>(&self, results: &mut [Option<Exact>], chunk: &Chunk<'_>) -> Result<()> {
        let (rect, window) = (chunk.rect, self.window);
        let whole = match self.over {
            Over::Y => (rect.y, rect.height) == (window.y, window.height),
            _ => (rect.x, rect.width) == (window.x, window.width),
        };
        if !whole || !window.contains(&rect) {
            return Err(Error::Usage(format!(
                "the chunk {rect} does not hold whole lines of the window {window} (--chunk)"
            )));
        }
        let channels = self.validity.channels();
        let along_x = self.over == Over::X;
        // Lines of this chunk, one after the other; `filled` samples of each are valid.
        let (count, length) = match along_x {
            true => (rect.height as usize * channels, rect.width as usize),
            false => (rect.width as usize * channels, rect.height as usize),
        };
        let first = if along_x { rect.y - window.y } else { rect.x - window.x } as usize * channels;
        let mut samples = vec![T::default(); count * length];
        let mut filled = vec![0usize; count];
        let mut nan = vec![false; count];
        rows::<T>(&self.validity, chunk, |[y, from], c, run, classes| {
            for (i, &sample) in run.iter().enumerate() {
                if classes.is_some_and(|classes| classes[i] != Class::Valid) {
                    continue;
                }
                let line = if along_x { y } else { from + i } * channels + c;
                if sample.is_nan() {
                    nan[line] = true;
                    continue;
                }
                samples[line * length + filled[line]] = sample;
                filled[line] += 1;
            }
            Ok(())
        })?;
        let propagates = self.validity.nan() == NanPolicy::Propagate;
        for line in 0..count {
            let valid = &mut samples[line * length..][..filled[line]];
            results[first + line] = match nan[line] && propagates {
                true => Some(Exact::Special(f64::NAN)),
                false => self.percentile.select(self.method, valid),
            };
        }
        Ok(())
    }
}

const NAME: &str = "lines";

impl Reduce for Lines {
    type Partial = LinesPartial;

    fn start(&self) -> LinesPartial {
        LinesPartial(vec![None; self.results() as usize])
    }

    /// The results, and the copy of a chunk while it is folded.
    fn partial_bytes(&self) -> u64 {
        let results = self.results().saturating_mul(size_of::<Option<Exact>>() as u64);
        let length = if self.over == Over::Y { self.window.height } else { self.window.width };
        let samples = self.chunk_samples.saturating_mul(self.validity.dtype().bytes() as u64);
        // For each line a counter and a flag.
        let beside = self.chunk_samples.div_ceil(length.max(1)).saturating_mul(size_of::<usize>() as u64 + 1);
        results.saturating_add(samples).saturating_add(beside)
    }

    fn fold(&self, partial: &mut LinesPartial, chunk: &Chunk<'_>) -> Result<()> {
        with_dtype!(self.validity.dtype(), T => self.take::<T>(&mut partial.0, chunk))
    }

    /// Every line lies in one chunk alone.
    fn merge(&self, partial: &mut LinesPartial, other: LinesPartial) {
        for (a, b) in partial.0.iter_mut().zip(other.0) {
            *a = a.or(b);
        }
    }

    fn save(&self, partial: &LinesPartial) -> Vec<u8> {
        let mut to = Saver::new(NAME, 1);
        to.dtype(self.validity.dtype());
        to.bytes(self.percentile.text().as_bytes());
        to.u64(partial.0.len() as u64);
        for result in &partial.0 {
            match result {
                None => to.u64(0),
                Some(Exact::Special(v)) => {
                    to.u64(1);
                    to.f64(*v);
                }
                Some(Exact::Finite { negative, bits, exponent }) => {
                    to.u64(2 + u64::from(*negative));
                    to.u128(*bits);
                    to.u64(*exponent as u64);
                }
            }
        }
        to.finish()
    }

    fn load(&self, bytes: &[u8]) -> Result<LinesPartial> {
        let mut from = Loader::new(bytes, NAME, 1)?;
        from.expect_dtype(self.validity.dtype())?;
        if from.bytes()? != self.percentile.text().as_bytes() {
            return Err(Error::Format("the saved state is of another percentile".into()));
        }
        from.expect_u64(self.results(), "results")?;
        let mut partial = self.start();
        for result in &mut partial.0 {
            *result = match from.u64()? {
                0 => None,
                1 => Some(Exact::Special(from.f64()?)),
                sign @ (2 | 3) => {
                    let (bits, exponent) = (from.u128()?, from.u64()? as i64);
                    Some(Exact::Finite { negative: sign == 3, bits, exponent })
                }
                kind => return Err(Error::Format(format!("the saved state has a result of kind {kind}"))),
            };
        }
        from.finish()?;
        Ok(partial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_core::{DataType, Pixels, Read};

    fn lines(over: Over, window: Rect, nan: NanPolicy) -> Lines {
        let validity = Validity::all(DataType::F32, 2).with_nan(nan);
        let half = Percentile::parse("50").unwrap();
        Lines::new(half, Method::Linear, over, window, validity, (window.height, window.width)).unwrap()
    }

    fn of(lines: &Lines, samples: &[f32], rect: Rect) -> Result<LinesPartial> {
        let shape = [rect.height as usize, rect.width as usize, 2];
        let inputs = [Read { pixels: Pixels::contiguous(samples, shape).unwrap(), holes: &[] }];
        let mut partial = lines.start();
        lines.fold(&mut partial, &Chunk { index: 0, rect, inputs: &inputs }).map(|()| partial)
    }

    fn values(lines: &Lines, partial: &LinesPartial) -> Vec<Option<f64>> {
        lines.finish(partial.clone()).iter().map(|r| r.map(Exact::to_f64)).collect()
    }

    #[test]
    fn columns_of_two_chunks_are_put_together() {
        let window = Rect { y: 1, x: 1, height: 3, width: 2 };
        let lines = lines(Over::Y, window, NanPolicy::Omit);
        let column = |x| Rect { x, width: 1, ..window };
        let mut left = of(&lines, &[5.0, f32::NAN, 1.0, f32::NAN, 3.0, f32::NAN], column(1)).unwrap();
        let right = of(&lines, &[1.0, 7.0, 2.0, f32::NAN, 9.0, 8.0], column(2)).unwrap();
        lines.merge(&mut left, right);
        assert_eq!(values(&lines, &left), [Some(3.0), None, Some(2.0), Some(7.5)]);
        assert_eq!(lines.load(&lines.save(&left)).unwrap(), left);
        assert!(of(&lines, &[0.0; 4], Rect { height: 2, ..column(1) }).is_err());
    }

    #[test]
    fn nan_propagates_along_its_row_alone() {
        let window = Rect::of_size(2, 2);
        let lines = lines(Over::X, window, NanPolicy::Propagate);
        let partial = of(&lines, &[1.0, f32::NAN, 2.0, 3.0, 4.0, 5.0, 4.0, 6.0], window).unwrap();
        let found = values(&lines, &partial);
        assert!(found[1].unwrap().is_nan());
        assert_eq!((found[0], found[2], found[3]), (Some(1.5), Some(4.0), Some(5.5)));
    }
}
