//! [`AreaMean`]: an image at a smaller size, each pixel the mean of the area that it covers.

use ndarray::{ArrayView1, ArrayView3, Axis};
use outcrop_core::{Chunk, DataType, Error, Rect, Reduce, Result, Sample};

use super::area_sums::{Digits, Sums};
use super::rows::rows;
use crate::exact::Exact;
use crate::saved::{Loader, Saver};
use crate::validity::{Class, NanPolicy, Validity};

/// How the rows (or columns) of a window fall into fewer cells of one size, also where that is no whole number.
///
/// Lengths are counted in units that both a pixel and a cell are a whole number of, so that weights are whole: the part
/// of pixel `p` in cell `i` is the overlap of `p * pixel ..` and `i * cell ..`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cells {
    /// Where the window begins.
    start: u64,
    /// Cells.
    count: u64,
    /// Units in a pixel.
    pixel: u64,
    /// Units in a cell; at least those in a pixel.
    cell: u64,
}

impl Cells {
    fn new(start: u64, length: u64, count: u64) -> Option<Cells> {
        let whole = length.checked_mul(count).filter(|_| (1..=length).contains(&count))?;
        let unit = gcd(length, count);
        (whole < 1 << 62).then_some(Cells { start, count, pixel: count / unit, cell: length / unit })
    }

    /// The cells that pixels of the image are in, the last one included.
    fn of(&self, first: u64, end: u64) -> std::ops::RangeInclusive<u64> {
        let (first, end) = (first - self.start, end - self.start);
        first * self.pixel / self.cell..=((end * self.pixel - 1) / self.cell)
    }

    /// The pixels of the image that have a part in a cell.
    fn pixels(&self, cell: u64) -> std::ops::Range<u64> {
        let (from, to) = (cell * self.cell, (cell + 1) * self.cell);
        self.start + from / self.pixel..self.start + to.div_ceil(self.pixel)
    }

    /// The part of a pixel of the image in a cell that it meets.
    fn weight(&self, pixel: u64, cell: u64) -> u64 {
        let from = (pixel - self.start) * self.pixel;
        let (begin, end) = (cell * self.cell, (cell + 1) * self.cell);
        (from + self.pixel).min(end) - from.max(begin)
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A window made smaller: `height` x `width` pixels, each the mean of the valid samples in its area, weighted by how much
/// of each lies in it, per channel.
///
/// Means of integers are exact, rounded once to f64. Means of floats are those of their leading bits: what is below
/// 2^-42 of the largest magnitude in the area does not count (a little more beyond 10^12 pixels in it). Either state
/// depends on nothing but the samples, so partials merge in any order to the same bits.
#[derive(Clone, Debug)]
pub struct AreaMean {
    rows: Cells,
    columns: Cells,
    window: Rect,
    validity: Validity,
    /// Weight of a cell whose samples are all valid.
    whole: u64,
    kind: Kind,
}

/// How sums are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Narrow,
    Wide,
    /// Bits of a digit.
    Float(u32),
}

/// Weighted sums of each cell and channel, and the weight of what took no part.
#[derive(Clone, Debug, PartialEq)]
pub struct AreaPartial {
    sums: Sums,
    /// Empty as long as everything took part.
    left: Vec<u64>,
}

const NAME: &str = "area mean";
/// Samples of a line that are summed by column at once: their sums stay in the processor's cache.
const STRIP: usize = 8192;

impl AreaMean {
    /// The window in `size` (rows, columns): at least 1 and at most those of the window.
    ///
    /// # Errors
    /// [`Error::Usage`] for another size, [`Error::Unsupported`] for an area whose weights would not fit 62 bits.
    pub fn new(window: Rect, size: (u64, u64), validity: Validity) -> Result<AreaMean> {
        let (rows, columns) =
            (Cells::new(window.y, window.height, size.0), Cells::new(window.x, window.width, size.1));
        let Some((rows, columns)) = rows.zip(columns) else {
            return Err(Error::Usage(format!(
                "{} x {} pixels cannot be averaged to {} x {} (width x height; --size)",
                window.width, window.height, size.1, size.0
            )));
        };
        let whole = rows.cell.checked_mul(columns.cell).filter(|w| *w < 1 << 62).ok_or_else(|| {
            Error::Unsupported(format!("averages over {} x {} pixels", window.width, window.height))
        })?;
        let bits = 64 - whole.leading_zeros();
        let kind = match validity.dtype() {
            dtype if dtype.is_float() => Kind::Float((63 - bits).min(21)),
            DataType::U8 | DataType::I8 | DataType::U16 | DataType::I16 if bits <= 46 => Kind::Narrow,
            _ => Kind::Wide,
        };
        let kernel = AreaMean { rows, columns, window, validity, whole, kind };
        let bytes = (kernel.samples() as u128).saturating_mul(64);
        if kernel.count() > u64::MAX as u128 / 64 || bytes > isize::MAX as u128 {
            return Err(Error::Usage(format!("{} x {} pixels are too many (--size)", size.1, size.0)));
        }
        Ok(kernel)
    }

    fn count(&self) -> u128 {
        u128::from(self.rows.count) * u128::from(self.columns.count) * self.validity.channels() as u128
    }

    /// Samples of the result.
    fn samples(&self) -> usize {
        usize::try_from(self.count()).unwrap_or(usize::MAX)
    }

    /// The means in C order (rows, columns, channels), each rounded once to f64; NaN where nothing was valid.
    pub fn finish(&self, partial: AreaPartial) -> Vec<f64> {
        let AreaPartial { sums, left } = partial;
        let weight = |i: usize| self.whole - left.get(i).copied().unwrap_or(0);
        let mean = |(i, sum): (usize, i128)| match weight(i) {
            0 => f64::NAN,
            weight => Exact::ratio(sum, weight).to_f64(),
        };
        match sums {
            Sums::Narrow(sums) => sums.into_iter().map(i128::from).enumerate().map(mean).collect(),
            Sums::Wide(sums) => sums.into_iter().enumerate().map(mean).collect(),
            Sums::Float(sums, base) => {
                sums.into_iter().enumerate().map(|(i, sum)| sum.mean(base, weight(i))).collect()
            }
        }
    }

    /// The number of a cell's first channel.
    fn at(&self, row: u64, column: u64) -> usize {
        (row * self.columns.count + column) as usize * self.validity.channels()
    }

    /// Integers of a chunk in which every sample takes part: sums by column first, a strip of columns at a time.
    ///
    /// `most` samples fit a lane.
    fn by_column<T, L, A>(&self, samples: ArrayView3<'_, T>, rect: Rect, most: usize, sums: &mut [A])
    where
        T: Sample + Into<L>,
        L: Copy + Default + std::ops::AddAssign,
        A: Copy + Default + From<L> + From<i64> + std::ops::AddAssign + std::ops::Mul<Output = A>,
    {
        let channels = self.validity.channels();
        let strip = (STRIP / channels).max(1).min(rect.width as usize);
        let (mut lanes, mut columns) =
            (vec![L::default(); strip * channels], vec![A::default(); strip * channels]);
        let flush = |lanes: &mut [L], columns: &mut [A], weight: u64| {
            let weight = A::from(weight as i64);
            for (sum, part) in columns.iter_mut().zip(lanes) {
                *sum += A::from(*part) * weight;
                *part = L::default();
            }
        };
        for x in (0..rect.width as usize).step_by(strip) {
            let end = (x + strip).min(rect.width as usize);
            let samples = samples.slice(ndarray::s![.., x..end, ..]);
            let lanes = &mut lanes[..(end - x) * channels];
            let columns = &mut columns[..(end - x) * channels];
            let part = Rect { x: rect.x + x as u64, width: (end - x) as u64, ..rect };
            for row in self.rows.of(rect.y, rect.bottom()) {
                let within = self.rows.pixels(row);
                let (mut summed, mut last) = (0, 0);
                for y in within.start.max(rect.y)..within.end.min(rect.bottom()) {
                    let weight = self.rows.weight(y, row);
                    if summed > 0 && (weight != last || summed == most) {
                        flush(lanes, columns, last);
                        summed = 0;
                    }
                    (summed, last) = (summed + 1, weight);
                    let line = samples.index_axis(Axis(0), (y - rect.y) as usize);
                    match line.as_slice() {
                        Some(line) => lanes.iter_mut().zip(line).for_each(|(sum, &s)| *sum += s.into()),
                        None => lanes.iter_mut().zip(&line).for_each(|(sum, &s)| *sum += s.into()),
                    }
                }
                flush(lanes, columns, last);
                for cell in self.columns.of(part.x, part.right()) {
                    let within = self.columns.pixels(cell);
                    let at = self.at(row, cell);
                    let sums = &mut sums[at..at + channels];
                    for x in within.start.max(part.x)..within.end.min(part.right()) {
                        let weight = A::from(self.columns.weight(x, cell) as i64);
                        let from = &columns[(x - part.x) as usize * channels..][..channels];
                        sums.iter_mut().zip(from).for_each(|(sum, part)| *sum += *part * weight);
                    }
                }
                columns.fill(A::default());
            }
        }
    }

    /// Calls `add` with each run of samples of one weight in one cell: the number of the cell's sum, the weight, and the
    /// samples with `None` for those that take no part. Notes how many there are of these, which `add` returns.
    fn by_run<T: Sample>(
        &self,
        chunk: &Chunk<'_>,
        left: &mut Vec<u64>,
        mut add: impl FnMut(usize, u64, Run<'_, T>) -> u64,
    ) -> Result<()> {
        let rect = chunk.rect;
        let omits = self.validity.nan() == NanPolicy::Omit;
        rows::<T>(&self.validity, chunk, |[y, x], c, samples, classes| {
            let (y, first) = (rect.y + y as u64, rect.x + x as u64);
            let right = first + samples.len() as u64;
            for row in self.rows.of(y, y + 1) {
                let down = self.rows.weight(y, row);
                for cell in self.columns.of(first, right) {
                    let within = self.columns.pixels(cell);
                    let (mut x, end) = (within.start.max(first), within.end.min(right));
                    let at = self.at(row, cell) + c;
                    // Whole pixels go at once, one that is cut at either end on its own.
                    while x < end {
                        let across = self.columns.weight(x, cell);
                        let stop = match across == self.columns.pixel && end - x > 1 {
                            true => end - u64::from(self.columns.weight(end - 1, cell) != across),
                            false => x + 1,
                        };
                        let part = (x - first) as usize..(stop - first) as usize;
                        let run = Run {
                            samples: samples.slice(ndarray::s![part.clone()]),
                            classes: classes.map(|classes| &classes[part]),
                            omits,
                        };
                        let gone = add(at, down * across, run);
                        if gone > 0 {
                            left.resize(self.samples(), 0);
                            left[at] += gone * down * across;
                        }
                        x = stop;
                    }
                }
            }
            Ok(())
        })
    }

    fn integers<T, L, A>(
        &self,
        chunk: &Chunk<'_>,
        sums: &mut [A],
        left: &mut Vec<u64>,
        (samples, most): (ArrayView3<'_, T>, usize),
    ) -> Result<()>
    where
        T: Sample + Into<L> + Into<A>,
        L: Copy + Default + std::ops::AddAssign,
        A: Copy + Default + From<L> + From<i64> + std::ops::AddAssign + std::ops::Mul<Output = A>,
    {
        let bound = self.validity.bind(chunk)?;
        if (0..self.validity.channels()).all(|c| bound.keeps_all(c)) {
            self.by_column::<T, L, A>(samples, chunk.rect, most, sums);
            return Ok(());
        }
        self.by_run::<T>(chunk, left, |at, weight, run| {
            let (mut sum, mut gone) = (A::default(), 0);
            for sample in run.iter() {
                match sample {
                    Some(sample) => sum += sample.into(),
                    None => gone += 1,
                }
            }
            sums[at] += sum * A::from(weight as i64);
            gone
        })
    }

    fn floats<T: Sample>(
        &self,
        chunk: &Chunk<'_>,
        (sums, base): (&mut [Digits], u32),
        left: &mut Vec<u64>,
    ) -> Result<()> {
        self.by_run::<T>(chunk, left, |at, weight, run| {
            sums[at].add(base, run.iter().map(|s| s.map(T::to_f64)), weight)
        })
    }
}

/// Samples of a line that have one weight in one cell.
struct Run<'a, T> {
    samples: ArrayView1<'a, T>,
    classes: Option<&'a [Class]>,
    /// Whether NaN takes no part.
    omits: bool,
}

impl<T: Sample> Run<'_, T> {
    fn iter(&self) -> impl Iterator<Item = Option<T>> + Clone {
        self.samples.iter().enumerate().map(|(i, &sample)| {
            let valid = self.classes.is_none_or(|classes| classes[i] == Class::Valid);
            (valid && !(self.omits && sample.is_nan())).then_some(sample)
        })
    }
}

impl Reduce for AreaMean {
    type Partial = AreaPartial;

    fn start(&self) -> AreaPartial {
        let samples = self.samples();
        let sums = match self.kind {
            Kind::Narrow => Sums::Narrow(vec![0; samples]),
            Kind::Wide => Sums::Wide(vec![0; samples]),
            Kind::Float(base) => Sums::Float(vec![Digits::default(); samples], base),
        };
        AreaPartial { sums, left: Vec::new() }
    }

    fn partial_bytes(&self) -> u64 {
        let sum = match self.kind {
            Kind::Narrow => size_of::<i64>(),
            Kind::Wide => size_of::<i128>(),
            Kind::Float(_) => size_of::<Digits>(),
        };
        (self.samples() as u64).saturating_mul((sum + size_of::<u64>()) as u64)
    }

    fn fold(&self, partial: &mut AreaPartial, chunk: &Chunk<'_>) -> Result<()> {
        if !self.window.contains(&chunk.rect) || chunk.rect.is_empty() {
            return Err(Error::Usage(format!(
                "the chunk {} is not of the window {}",
                chunk.rect, self.window
            )));
        }
        let Some(input) = chunk.inputs.first() else {
            return Err(Error::Usage("a chunk without an image".into()));
        };
        let left = &mut partial.left;
        macro_rules! whole {
            ($sums:expr, $lane:ty, $most:expr, $($t:ty),*) => {{
                $(if let Some(view) = input.pixels.typed::<$t>() {
                    return self.integers::<$t, $lane, _>(chunk, $sums, left, (view, $most));
                })*
                Err(Error::Usage(format!("expected samples of {}", self.validity.dtype())))
            }};
        }
        match &mut partial.sums {
            // So many 16-bit samples fit 32 bits.
            Sums::Narrow(sums) => whole!(sums, i32, 32767, u8, i8, u16, i16),
            Sums::Wide(sums) => whole!(sums, i128, usize::MAX, u8, i8, u16, i16, u32, i32, u64, i64),
            Sums::Float(sums, base) => match self.validity.dtype() {
                DataType::F16 => self.floats::<outcrop_core::f16>(chunk, (sums, *base), left),
                DataType::F32 => self.floats::<f32>(chunk, (sums, *base), left),
                _ => self.floats::<f64>(chunk, (sums, *base), left),
            },
        }
    }

    fn merge(&self, partial: &mut AreaPartial, other: AreaPartial) {
        partial.sums.merge(other.sums);
        if partial.left.is_empty() {
            partial.left = other.left;
        } else {
            partial.left.iter_mut().zip(other.left).for_each(|(a, b)| *a += b);
        }
    }

    fn save(&self, partial: &AreaPartial) -> Vec<u8> {
        let mut to = Saver::new(NAME, 1);
        to.dtype(self.validity.dtype());
        for number in [self.rows.count, self.columns.count, self.samples() as u64, self.whole] {
            to.u64(number);
        }
        partial.sums.save(&mut to);
        to.u64(partial.left.len() as u64);
        partial.left.iter().for_each(|w| to.u64(*w));
        to.finish()
    }

    fn load(&self, bytes: &[u8]) -> Result<AreaPartial> {
        let mut from = Loader::new(bytes, NAME, 1)?;
        from.expect_dtype(self.validity.dtype())?;
        from.expect_u64(self.rows.count, "rows")?;
        from.expect_u64(self.columns.count, "columns")?;
        from.expect_u64(self.samples() as u64, "samples")?;
        from.expect_u64(self.whole, "the weight of a cell")?;
        let mut partial = self.start();
        partial.sums.load(&mut from)?;
        let left = from.u64()?;
        if left > 0 && left != self.samples() as u64 {
            return Err(Error::Format(format!("the saved state of {NAME:?} has {left} weights")));
        }
        for _ in 0..left {
            let weight = from.u64()?;
            if weight > self.whole {
                return Err(Error::Format(format!("the saved state of {NAME:?} has a weight of {weight}")));
            }
            partial.left.push(weight);
        }
        from.finish()?;
        Ok(partial)
    }
}

#[cfg(test)]
#[path = "area_tests.rs"]
mod tests;
