//! [`ReduceAxes`]: a reduction by name over rows, columns or both: profiles, a row per channel, or one number.

use ndarray::Axis;
use outcrop_core::{Chunk, DataType, Error, Pixels, Rect, Reduce, Result, Sample, with_dtype};

use super::cell::Cell;
use super::op::Op;
use super::rows::rows;
use crate::exact::Exact;
use crate::saved::{Loader, Saver};
use crate::validity::{Class, NanPolicy, Validity};

/// The axes that vanish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Rows: the result has shape (1, W, C).
    Y,
    /// Columns: (H, 1, C).
    X,
    /// Both: (1, 1, C).
    Yx,
    /// And channels: (1, 1, 1).
    Yxc,
}

impl Over {
    /// Reads `y`, `x`, `yx` or `yxc`.
    ///
    /// # Errors
    /// [`Error::Usage`] for anything else (`c` is a map: [`ReduceChannels`](crate::map::ReduceChannels)).
    pub fn parse(text: &str) -> Result<Over> {
        match text {
            "y" => Ok(Over::Y),
            "x" => Ok(Over::X),
            "yx" | "xy" => Ok(Over::Yx),
            "yxc" => Ok(Over::Yxc),
            _ => Err(Error::Usage(format!("expected c, y, x, yx or yxc, found {text:?} (--over)"))),
        }
    }

    /// Rows, columns and channels of the result over a window of so many channels.
    pub fn shape(self, window: Rect, channels: u64) -> [u64; 3] {
        match self {
            Over::Y => [1, window.width, channels],
            Over::X => [window.height, 1, channels],
            Over::Yx => [1, 1, channels],
            Over::Yxc => [1, 1, 1],
        }
    }

    /// Samples behind each result, saturating.
    pub fn count(self, window: Rect, channels: u64) -> u64 {
        match self {
            Over::Y => window.height,
            Over::X => window.width,
            Over::Yx => window.height.saturating_mul(window.width),
            Over::Yxc => window.height.saturating_mul(window.width).saturating_mul(channels),
        }
    }
}

/// A reduction by name over one or more axes of a window.
///
/// Places (argmin, argmax) count from the corner of the window: rows over y, columns over x, samples in C order over
/// yx (of one channel) and yxc. Where NaN propagates, they are the place of the first NaN, as in NumPy.
#[derive(Clone, Debug)]
pub struct ReduceAxes {
    op: Op,
    over: Over,
    window: Rect,
    validity: Validity,
}

/// One state for each result.
#[derive(Clone, Debug)]
pub struct AxesPartial(Vec<Cell>);

impl ReduceAxes {
    /// The reduction of `window`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for percentiles ([`Percentiles`](super::Percentiles) and [`Lines`](super::Lines) do them) and
    /// for products of floats; [`Error::Limits`] where the results do not fit the address space.
    pub fn new(op: Op, over: Over, window: Rect, validity: Validity) -> Result<ReduceAxes> {
        Cell::new(&op, validity.dtype())?;
        let reduce = ReduceAxes { op, over, window, validity };
        let needed = reduce.partial_bytes();
        let limit = isize::MAX as u64;
        if needed >= limit {
            return Err(Error::Limits { what: "the state of the results".into(), needed, limit });
        }
        Ok(reduce)
    }

    /// Rows, columns and channels of the result.
    pub fn shape(&self) -> [u64; 3] {
        self.over.shape(self.window, self.validity.channels() as u64)
    }

    /// The type of the result where none is asked for.
    pub fn output(&self) -> DataType {
        let count = self.over.count(self.window, self.validity.channels() as u64);
        self.op.output(self.validity.dtype(), Some(count))
    }

    /// The results in C order of [`shape`](ReduceAxes::shape), exact; `None` where no sample is valid.
    pub fn finish(&self, partial: &AxesPartial) -> Vec<Option<Exact>> {
        partial.0.iter().map(|cell| cell.finish(&self.op, self.validity.dtype())).collect()
    }

    fn cells(&self) -> u64 {
        self.shape().into_iter().fold(1, u64::saturating_mul)
    }

    fn take<T: Sample>(&self, cells: &mut [Cell], chunk: &Chunk<'_>) -> Result<()> {
        if !self.window.contains(&chunk.rect) {
            return Err(Error::Usage(format!(
                "the chunk {} is not in the window {}",
                chunk.rect, self.window
            )));
        }
        let (top, left) = (chunk.rect.y - self.window.y, chunk.rect.x - self.window.x);
        let (width, channels) = (self.window.width, self.validity.channels());
        let omit = self.validity.nan() == NanPolicy::Omit;
        let mut buffer = Vec::new();
        if self.over == Over::Y && self.whole_columns(chunk)? {
            let view = column_view::<T>(chunk.inputs[0].pixels)?;
            for (x, column) in view.axis_iter(Axis(1)).enumerate() {
                for (c, samples) in column.axis_iter(Axis(1)).enumerate() {
                    let samples = samples.iter().enumerate().map(|(y, s)| (top + y as u64, *s));
                    let cell = &mut cells[(left as usize + x) * channels + c];
                    cell.take(&self.op, samples.filter(|(_, s)| !(omit && s.is_nan())), &mut buffer);
                }
            }
            return Ok(());
        }
        rows::<T>(&self.validity, chunk, |[y, x], c, samples, classes| {
            let (y, left) = (top + y as u64, left + x as u64);
            let valid = |i: usize, s: &T| match classes {
                Some(classes) => classes[i] == Class::Valid,
                None => !(omit && s.is_nan()),
            };
            let samples =
                samples.iter().enumerate().filter(|(i, s)| valid(*i, s)).map(|(i, s)| (left + i as u64, *s));
            match self.over {
                Over::Y => {
                    for (x, sample) in samples {
                        let one = std::iter::once((y, sample));
                        cells[x as usize * channels + c].take(&self.op, one, &mut buffer);
                    }
                }
                Over::X => cells[y as usize * channels + c].take(&self.op, samples, &mut buffer),
                Over::Yx => cells[c].take(&self.op, samples.map(|(x, s)| (y * width + x, s)), &mut buffer),
                Over::Yxc => {
                    let place = |x| (y * width + x) * channels as u64 + c as u64;
                    cells[0].take(&self.op, samples.map(|(x, s)| (place(x), s)), &mut buffer);
                }
            }
            Ok(())
        })
    }

    /// Whether nothing but NaN leaves the chunk, so that columns can be taken whole.
    fn whole_columns(&self, chunk: &Chunk<'_>) -> Result<bool> {
        let bound = self.validity.bind(chunk)?;
        Ok((0..self.validity.channels()).all(|c| bound.keeps_all(c)))
    }
}

fn column_view<T: Sample>(pixels: Pixels<'_>) -> Result<ndarray::ArrayView3<'_, T>> {
    pixels.typed().ok_or_else(|| Error::Usage(format!("expected samples of {}", T::DTYPE)))
}

const NAME: &str = "axes";

impl Reduce for ReduceAxes {
    type Partial = AxesPartial;

    fn start(&self) -> AxesPartial {
        // `new` has tried the one way in which a cell cannot be made.
        let cell = Cell::new(&self.op, self.validity.dtype());
        AxesPartial(cell.map(|cell| vec![cell; self.cells() as usize]).unwrap_or_default())
    }

    fn partial_bytes(&self) -> u64 {
        self.cells().saturating_mul(Cell::bytes(&self.op, self.validity.dtype()))
    }

    fn fold(&self, partial: &mut AxesPartial, chunk: &Chunk<'_>) -> Result<()> {
        with_dtype!(self.validity.dtype(), T => self.take::<T>(&mut partial.0, chunk))
    }

    fn merge(&self, partial: &mut AxesPartial, other: AxesPartial) {
        partial.0.iter_mut().zip(&other.0).for_each(|(a, b)| a.merge(b));
    }

    fn save(&self, partial: &AxesPartial) -> Vec<u8> {
        let mut to = Saver::new(NAME, 1);
        to.dtype(self.validity.dtype());
        to.bytes(format!("{:?} over {:?}", self.op, self.over).as_bytes());
        to.u64(partial.0.len() as u64);
        partial.0.iter().for_each(|cell| cell.save(&mut to));
        to.finish()
    }

    fn load(&self, bytes: &[u8]) -> Result<AxesPartial> {
        let mut from = Loader::new(bytes, NAME, 1)?;
        from.expect_dtype(self.validity.dtype())?;
        if from.bytes()? != format!("{:?} over {:?}", self.op, self.over).as_bytes() {
            return Err(Error::Format("the saved state is of another reduction".into()));
        }
        from.expect_u64(self.cells(), "results")?;
        let dtype = self.validity.dtype();
        let cells =
            (0..self.cells()).map(|_| Cell::load(&self.op, dtype, &mut from)).collect::<Result<_>>()?;
        from.finish()?;
        Ok(AxesPartial(cells))
    }
}
