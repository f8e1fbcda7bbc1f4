//! [`Histogram`]: counts of samples in bins of equal width, by NumPy's rule.

use outcrop_core::{Chunk, Error, Reduce, Result, Sample, with_dtype};

use super::key::value;
use super::moments::{Counted, Moments, MomentsPartial};
use super::rows::rows;
use crate::saved::{Loader, Saver};
use crate::validity::{Class, Validity};

/// What `--histogram BINS[:MIN:MAX]` asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HistogramSpec {
    /// Bins, at least one.
    pub bins: usize,
    /// From the first edge to the last; `None`: from the least to the greatest finite sample, which a first pass finds.
    pub range: Option<(f64, f64)>,
}

impl HistogramSpec {
    /// The most bins.
    pub const MOST: usize = 1 << 20;

    /// Reads `BINS` or `BINS:MIN:MAX`.
    ///
    /// # Errors
    /// [`Error::Usage`] for anything else, no bins or too many, and a range that is not finite or runs backwards.
    pub fn parse(text: &str) -> Result<HistogramSpec> {
        let bad = |why: String| Error::Usage(format!("{text:?} is not a histogram: {why} (BINS[:MIN:MAX])"));
        let parts: Vec<&str> = text.split(':').map(str::trim).collect();
        let bins = parts[0].parse::<usize>().ok().filter(|b| (1..=HistogramSpec::MOST).contains(b));
        let bins = bins.ok_or_else(|| bad(format!("expected 1 to {} bins", HistogramSpec::MOST)))?;
        let number = |t: &str| t.parse::<f64>().ok().filter(|v| v.is_finite());
        let range = match parts[1..] {
            [] => None,
            [min, max] => match (number(min), number(max)) {
                (Some(min), Some(max)) if min <= max && (max - min).is_finite() => Some((min, max)),
                _ => return Err(bad("expected a finite range, the lesser end first".into())),
            },
            _ => return Err(bad("expected one part or three".into())),
        };
        Ok(HistogramSpec { bins, range })
    }
}

/// Counts per channel of the samples in bins of equal width.
///
/// Edges are `np.linspace(min, max, bins + 1)` in f64, a range of one value widened by 0.5 either way, and bin i holds the
/// samples v with `edge[i] <= v < edge[i + 1]`; the last holds its upper edge too. Samples are compared as f64 (as
/// `np.histogram(a.astype(float64), ...)` does). Infinities and what lies outside are counted as below or above.
#[derive(Clone, Debug)]
pub struct Histogram {
    edges: Vec<f64>,
    validity: Validity,
}

/// Counters: for each channel the bins, then below, above and NaN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramPartial(Vec<u64>);

/// The counts of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinCounts {
    /// Samples in each bin.
    pub bins: Vec<u64>,
    /// Samples below the first edge.
    pub below: u64,
    /// Samples above the last.
    pub above: u64,
    /// NaN samples, where they propagate or nothing else is left out; they are in no bin.
    pub nan: u64,
}

/// Counters beside the bins.
const BESIDE: usize = 3;
const NAME: &str = "histogram";

impl Histogram {
    /// The histogram of `bins` bins from `range.0` to `range.1`.
    ///
    /// # Errors
    /// [`Error::Usage`] for no bins, too many, and a range that is not finite or runs backwards.
    pub fn new(bins: usize, range: (f64, f64), validity: Validity) -> Result<Histogram> {
        let (mut min, mut max) = range;
        if !(1..=HistogramSpec::MOST).contains(&bins) || min > max || !(max - min).is_finite() {
            return Err(Error::Usage(format!(
                "expected 1 to {} bins over a finite range, found {bins} from {min} to {max} (--histogram BINS:MIN:MAX)",
                HistogramSpec::MOST
            )));
        }
        if min == max {
            (min, max) = (min - 0.5, max + 0.5);
        }
        let step = (max - min) / bins as f64;
        // As linspace: where the step underflows, the division comes last.
        let inner = |i: usize| match step == 0.0 {
            true => i as f64 / bins as f64 * (max - min) + min,
            false => i as f64 * step + min,
        };
        let edges = (0..bins).map(inner).chain([max]).collect();
        Ok(Histogram { edges, validity })
    }

    /// The edges: one more than bins.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// The counts of each channel.
    pub fn finish(&self, partial: &HistogramPartial) -> Vec<BinCounts> {
        let channel = |counts: &[u64]| {
            let (bins, beside) = counts.split_at(self.bins());
            BinCounts { bins: bins.to_vec(), below: beside[0], above: beside[1], nan: beside[2] }
        };
        partial.0.chunks_exact(self.bins() + BESIDE).map(channel).collect()
    }

    /// The counts of samples that [`Moments::counting`] has counted by value: a second pass that need not be. `None`
    /// where it did not count.
    ///
    /// # Errors
    /// [`Error::Usage`] where the partial is not the kernel's.
    pub fn of_counted(&self, kernel: &Moments, counted: &MomentsPartial) -> Result<Option<HistogramPartial>> {
        let Some(Counted { counts, nan, size }) = kernel.counted(counted)? else { return Ok(None) };
        let mut partial = self.start();
        let bins = partial.0.chunks_exact_mut(self.bins() + BESIDE);
        for ((table, nan), bins) in counts.chunks_exact(size).zip(&*nan).zip(bins) {
            for (key, &n) in table.iter().enumerate().filter(|(_, n)| **n > 0) {
                let sample = with_dtype!(self.validity.dtype(), T => value::<T>(key as u64));
                bins[self.place(sample.to_f64())] += n;
            }
            bins[self.place(f64::NAN)] += nan;
        }
        Ok(Some(partial))
    }

    /// The counts of all channels as one.
    pub fn finish_pooled(&self, partial: &HistogramPartial) -> BinCounts {
        let mut all = BinCounts { bins: vec![0; self.bins()], below: 0, above: 0, nan: 0 };
        for one in self.finish(partial) {
            all.bins.iter_mut().zip(one.bins).for_each(|(a, b)| *a += b);
            all.below += one.below;
            all.above += one.above;
            all.nan += one.nan;
        }
        all
    }

    fn bins(&self) -> usize {
        self.edges.len() - 1
    }

    fn counters(&self) -> usize {
        self.validity.channels() * (self.bins() + BESIDE)
    }

    /// The counter of a value.
    #[inline]
    fn place(&self, v: f64) -> usize {
        let (bins, min, max) = (self.bins(), self.edges[0], self.edges[self.bins()]);
        if !(v >= min && v <= max) {
            return bins
                + if v < min {
                    0
                } else if v > max {
                    1
                } else {
                    2
                };
        }
        // The quotient can be one off; the edges decide.
        let mut i = (((v - min) / (max - min) * bins as f64) as usize).min(bins - 1);
        while i > 0 && v < self.edges[i] {
            i -= 1;
        }
        while i + 1 < bins && v >= self.edges[i + 1] {
            i += 1;
        }
        i
    }

    fn count<T: Sample>(&self, partial: &mut HistogramPartial, chunk: &Chunk<'_>) -> Result<()> {
        let size = self.bins() + BESIDE;
        // 8-bit samples look their counter up.
        let sample = |byte: u8| bytemuck::pod_read_unaligned::<T>(&[byte; 8][..size_of::<T>()]);
        let bytes = if size_of::<T>() == 1 { 0..256 } else { 0..0 };
        let table: Vec<usize> = bytes.map(|byte| self.place(sample(byte as u8).to_f64())).collect();
        let place = |s: T| match table.get(bytemuck::bytes_of(&s)[0] as usize) {
            Some(place) if size_of::<T>() == 1 => *place,
            _ => self.place(s.to_f64()),
        };
        rows::<T>(&self.validity, chunk, |_, c, samples, classes| {
            let counts = &mut partial.0[c * size..][..size];
            match classes {
                None => samples.iter().for_each(|s| counts[place(*s)] += 1),
                Some(classes) => {
                    let valid = samples.iter().zip(classes).filter(|(_, class)| **class == Class::Valid);
                    valid.for_each(|(s, _)| counts[place(*s)] += 1);
                }
            }
            Ok(())
        })
    }
}

impl Reduce for Histogram {
    type Partial = HistogramPartial;

    fn start(&self) -> HistogramPartial {
        HistogramPartial(vec![0; self.counters()])
    }

    fn partial_bytes(&self) -> u64 {
        8 * self.counters() as u64
    }

    fn fold(&self, partial: &mut HistogramPartial, chunk: &Chunk<'_>) -> Result<()> {
        with_dtype!(self.validity.dtype(), T => self.count::<T>(partial, chunk))
    }

    fn merge(&self, partial: &mut HistogramPartial, other: HistogramPartial) {
        partial.0.iter_mut().zip(other.0).for_each(|(a, b)| *a += b);
    }

    fn save(&self, partial: &HistogramPartial) -> Vec<u8> {
        let mut to = Saver::new(NAME, 1);
        to.dtype(self.validity.dtype());
        for word in [self.edges[0].to_bits(), self.edges[self.bins()].to_bits(), partial.0.len() as u64] {
            to.u64(word);
        }
        partial.0.iter().for_each(|v| to.u64(*v));
        to.finish()
    }

    fn load(&self, bytes: &[u8]) -> Result<HistogramPartial> {
        let mut from = Loader::new(bytes, NAME, 1)?;
        from.expect_dtype(self.validity.dtype())?;
        from.expect_u64(self.edges[0].to_bits(), "first edge (bits)")?;
        from.expect_u64(self.edges[self.bins()].to_bits(), "last edge (bits)")?;
        from.expect_u64(self.counters() as u64, "counters")?;
        let counts = (0..self.counters()).map(|_| from.u64()).collect::<Result<_>>()?;
        from.finish()?;
        Ok(HistogramPartial(counts))
    }
}
