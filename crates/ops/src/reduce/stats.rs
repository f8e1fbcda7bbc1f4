//! [`Stats`]: counts, extremes with their first positions, sum, mean, variance and standard deviation by channel.

use ndarray::{ArrayView1, ArrayView3, Axis, s};
use outcrop_core::{Chunk, DataType, Rect, Reduce, Result, Sample, Value, with_pixels};

use super::exact::{ExactSum, ExactSums, Scratch, Span, fold, fold_interleaved};
use super::extrema::{Extrema, Place};
use super::rows::{append_every, as_rows};
use crate::saved::{Loader, Saver};
use crate::validity::{Bound, Class, Counts, NanPolicy, Validity, keep, same};

/// Bytes of a band of rows that is walked once for each channel: it stays in the second-level cache.
const BAND_BYTES: usize = 256 << 10;
/// Bytes of rows that are brought together, where they do not lie so, and folded at once.
const ROWS_BYTES: usize = 64 << 10;
/// Samples gathered before they are folded; no more than twice as many are held.
const GATHER: usize = 4096;
const NAME: &str = "outcrop stats";
const VERSION: u32 = 1;

/// Statistics of each selected channel, in one pass, from exact state.
///
/// ```
/// use outcrop_core::{Chunk, DataType, Pixels, Read, Rect, Reduce};
/// use outcrop_ops::{Validity, reduce::Stats};
/// let stats = Stats::new(Validity::all(DataType::U8, 1)).with_positions(true);
/// let pixels = Pixels::contiguous(&[3u8, 9, 1, 1], [2, 2, 1]).unwrap();
/// let inputs = [Read { pixels, holes: &[] }];
/// let mut partial = stats.start();
/// stats.fold(&mut partial, &Chunk { index: 0, rect: Rect::of_size(2, 2), inputs: &inputs }).unwrap();
/// let channel = &stats.finish(&partial)[0];
/// assert_eq!((channel.mean, channel.min_at), (Some(3.5), Some((1, 0))));
/// assert_eq!(channel.variance(0), Some(10.75));
/// ```
#[derive(Clone, Debug)]
pub struct Stats {
    validity: Validity,
    positions: bool,
}

/// The state of [`Stats`] over some chunks.
#[derive(Clone, Debug, PartialEq)]
pub struct StatsPartial {
    channels: Vec<ChannelPartial>,
}

/// The state of one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelPartial {
    counts: Counts,
    extrema: Extrema,
    sums: ExactSums,
}

/// The statistics of one channel. What is undefined over no valid sample is `None`.
#[derive(Clone, Debug)]
pub struct ChannelStats {
    /// How many samples of each kind.
    pub counts: Counts,
    /// The smallest valid sample. NaN where a NaN propagates. Zero has no sign here.
    pub min: Option<Value>,
    /// The largest valid sample, as [`min`](ChannelStats::min).
    pub max: Option<Value>,
    /// Row and column of the first pixel, in C order of the image, that has the smallest sample; `None` where
    /// positions were not asked for.
    pub min_at: Option<(u64, u64)>,
    /// Row and column of the first pixel that has the largest sample.
    pub max_at: Option<(u64, u64)>,
    /// The sum; 0 over no valid sample.
    pub sum: ExactSum,
    /// The mean, correctly rounded.
    pub mean: Option<f64>,
    sums: ExactSums,
}

impl ChannelStats {
    /// The variance with divisor valid - `ddof`, correctly rounded; `None` where that is not positive.
    pub fn variance(&self, ddof: u64) -> Option<f64> {
        self.sums.variance(ddof)
    }

    /// The standard deviation: the root of the exact variance, correctly rounded.
    pub fn std(&self, ddof: u64) -> Option<f64> {
        self.sums.std(ddof)
    }

    /// The exact state behind the figures.
    pub fn sums(&self) -> &ExactSums {
        &self.sums
    }
}

impl Stats {
    /// Statistics of the samples that take part by these rules.
    pub fn new(validity: Validity) -> Stats {
        Stats { validity, positions: false }
    }

    /// Whether the first positions of the extremes are wanted.
    pub fn with_positions(mut self, positions: bool) -> Stats {
        self.positions = positions;
        self
    }

    /// The rules.
    pub fn validity(&self) -> &Validity {
        &self.validity
    }

    /// The statistics of each channel.
    pub fn finish(&self, partial: &StatsPartial) -> Vec<ChannelStats> {
        partial.channels.iter().map(ChannelPartial::finish).collect()
    }

    /// The statistics of all channels as one.
    pub fn finish_pooled(&self, partial: &StatsPartial) -> ChannelStats {
        let mut all = ChannelPartial::new(self.validity.dtype());
        partial.channels.iter().for_each(|c| all.merge(c));
        all.finish()
    }

    fn fold_typed<T: Sample>(
        &self,
        channels: &mut [ChannelPartial],
        bound: &Bound<'_, '_>,
        rect: Rect,
        view: ArrayView3<'_, T>,
    ) {
        let (height, width, count) = view.dim();
        let mut spans: Vec<Option<Span<T>>> = vec![None; count];
        let before: Vec<u64> = channels.iter().map(|c| c.sums.nan).collect();
        let rules: Vec<Rule<T>> = (0..count).map(|c| Rule::of(bound, c)).collect();
        if !fold_interleaved_rows(channels, &view, &rules, &mut spans) {
            let row_bytes = (width * count * size_of::<T>()).max(1);
            let mut gather = Gather::default();
            for y in (0..height).step_by((BAND_BYTES / row_bytes).max(1)) {
                let rows = y..(y + (BAND_BYTES / row_bytes).max(1)).min(height);
                for (c, (channel, span)) in channels.iter_mut().zip(&mut spans).enumerate() {
                    gather.fold_rows(bound, &view, rows.clone(), c, &rules[c], channel, span);
                }
            }
        }
        for (c, (channel, span)) in channels.iter_mut().zip(spans).enumerate() {
            channel.counts.count += rect.area();
            channel.counts.sparse += bound.sparse(c);
            let place = Place { bound, view: &view, channel: c, rect, wanted: self.positions };
            channel.extrema.widen(span, &place);
            if channel.sums.nan > before[c] {
                if bound.nan() == NanPolicy::Omit {
                    channel.counts.nan += channel.sums.omit_nan();
                } else {
                    channel.extrema.note_nan(&place);
                }
            }
        }
    }
}

/// What leaves a channel of a chunk, beside NaN.
enum Rule<T> {
    /// Nothing, or this one value alone.
    Value(Option<T>),
    /// Several values, or NaN.
    Values(Vec<T>),
    /// What the classes say.
    Classes,
}

impl<T: Sample> Rule<T> {
    fn of(bound: &Bound<'_, '_>, channel: usize) -> Rule<T> {
        match bound.nodata_alone::<T>(channel) {
            _ if bound.keeps_all(channel) => Rule::Value(None),
            None => Rule::Classes,
            Some(list) => match list[..] {
                [] => Rule::Value(None),
                [value] if !value.is_nan() => Rule::Value(Some(value)),
                _ => Rule::Values(list),
            },
        }
    }
}

/// Folds samples whose rows lie in C order and have a kernel for interleaved channels; false where they do not, or where
/// channels leave out a value each and others none.
fn fold_interleaved_rows<T: Sample>(
    channels: &mut [ChannelPartial],
    view: &ArrayView3<'_, T>,
    rules: &[Rule<T>],
    spans: &mut [Option<Span<T>>],
) -> bool {
    let Some(rows) = as_rows(view) else { return false };
    let value = |rule: &Rule<T>| if let Rule::Value(value) = rule { Some(*value) } else { None };
    let Some(values): Option<Vec<Option<T>>> = rules.iter().map(value).collect() else { return false };
    let nodata: Vec<T> = values.iter().flatten().copied().collect();
    if !nodata.is_empty() && nodata.len() < values.len() {
        return false;
    }
    let nodata = Some(&nodata[..]).filter(|list| !list.is_empty());
    let mut left = vec![0; values.len()];
    let mut sums: Vec<&mut ExactSums> = channels.iter_mut().map(|c| &mut c.sums).collect();
    let mut fold = |samples: &[T]| fold_interleaved(samples, nodata, &mut sums, spans, &mut left);
    // Whether there is a kernel.
    if !fold(&[]) {
        return false;
    }
    let mut held = Vec::new();
    for row in rows {
        if size_of_val(row) >= ROWS_BYTES || row.len() == view.len() {
            fold(row);
            continue;
        }
        held.extend_from_slice(row);
        if size_of_val(&held[..]) >= ROWS_BYTES {
            fold(&held);
            held.clear();
        }
    }
    fold(&held);
    channels.iter_mut().zip(left).for_each(|(c, left)| c.counts.nodata += left);
    true
}

/// Brings samples of one channel together, where they do not lie so, and folds them.
#[derive(Default)]
struct Gather<T> {
    held: Vec<T>,
    classes: Vec<Class>,
    scratch: Scratch,
}

impl<T: Sample> Gather<T> {
    #[allow(clippy::too_many_arguments)]
    fn fold_rows(
        &mut self,
        bound: &Bound<'_, '_>,
        view: &ArrayView3<'_, T>,
        rows: std::ops::Range<usize>,
        c: usize,
        rule: &Rule<T>,
        channel: &mut ChannelPartial,
        span: &mut Option<Span<T>>,
    ) {
        match rule {
            Rule::Value(nodata) => {
                self.fold_but(*nodata, view.slice(s![rows, .., ..]), c, channel, span);
            }
            Rule::Values(values) => {
                for row in view.slice(s![rows, .., c]).outer_iter() {
                    for part in row.axis_chunks_iter(Axis(0), GATHER) {
                        self.hold_without(values, part, channel);
                        self.fold_held(None, channel, span, GATHER);
                    }
                }
            }
            Rule::Classes => {
                for y in rows {
                    let row = view.slice(s![y, .., c]);
                    for (i, part) in row.axis_chunks_iter(Axis(0), GATHER).enumerate() {
                        bound.classify(c, [y, i * GATHER], part, &mut self.classes);
                        channel.counts.leave_all(&self.classes);
                        keep(&mut self.held, part, &self.classes);
                        self.fold_held(None, channel, span, GATHER);
                    }
                }
            }
        }
        self.fold_held(None, channel, span, 1);
        self.scratch.drain(&mut channel.sums);
    }

    /// Folds a channel of all pixels, but for one value.
    fn fold_but(
        &mut self,
        nodata: Option<T>,
        pixels: ArrayView3<'_, T>,
        c: usize,
        channel: &mut ChannelPartial,
        span: &mut Option<Span<T>>,
    ) {
        let (plane, count) = (pixels.index_axis(Axis(2), c), pixels.dim().2);
        if let Some(samples) = plane.as_slice() {
            // A plane of its own.
            channel.counts.nodata += fold(samples, nodata, &mut channel.sums, span, &mut self.scratch);
        } else if count > 1
            && let Some(runs) = as_rows(&pixels)
        {
            for part in runs.flat_map(|run| run.chunks(GATHER * count)) {
                append_every(&mut self.held, part, count, c);
                self.fold_held(nodata, channel, span, GATHER);
            }
        } else {
            for row in plane.outer_iter() {
                if let Some(samples) = row.as_slice().filter(|s| s.len() >= GATHER / 4) {
                    channel.counts.nodata +=
                        fold(samples, nodata, &mut channel.sums, span, &mut self.scratch);
                    continue;
                }
                for part in row.axis_chunks_iter(Axis(0), GATHER) {
                    self.held.extend(part);
                    self.fold_held(nodata, channel, span, GATHER);
                }
            }
        }
        self.fold_held(nodata, channel, span, 1);
    }

    /// Holds the samples of a part of a row that are not nodata, and counts the others. No branch depends on one
    /// sample alone; runs without nodata, and of nothing else, pass quickly.
    fn hold_without(&mut self, nodata: &[T], row: ArrayView1<'_, T>, channel: &mut ChannelPartial) {
        let leaves = |v: T| nodata.iter().fold(false, |any, &value| any | same(v, value));
        for part in row.axis_chunks_iter(Axis(0), 128) {
            let (start, len) = (self.held.len(), part.len());
            if let Some(samples) = part.as_slice() {
                // One value at a time, so that the compiler makes vectors of the comparisons.
                let meets = |value: T| samples.iter().fold(false, |any, &v| any | same(v, value));
                if !nodata.iter().any(|&value| meets(value)) {
                    self.held.extend_from_slice(samples);
                    continue;
                }
                if samples.iter().all(|&v| leaves(v)) {
                    channel.counts.nodata += len as u64;
                    continue;
                }
            }
            self.held.resize(start + len, T::default());
            let mut end = start;
            for &v in &part {
                self.held[end] = v;
                end += usize::from(!leaves(v));
            }
            channel.counts.nodata += (start + len - end) as u64;
            self.held.truncate(end);
        }
    }

    /// Folds what is held, if it is at least so many samples.
    fn fold_held(
        &mut self,
        nodata: Option<T>,
        channel: &mut ChannelPartial,
        span: &mut Option<Span<T>>,
        least: usize,
    ) {
        if self.held.len() >= least {
            let left = fold(&self.held, nodata, &mut channel.sums, span, &mut self.scratch);
            channel.counts.nodata += left;
            self.held.clear();
        }
    }
}

impl ChannelPartial {
    fn new(dtype: DataType) -> ChannelPartial {
        let (counts, extrema) = (Counts::default(), Extrema::default());
        ChannelPartial { counts, extrema, sums: ExactSums::new(dtype) }
    }

    fn merge(&mut self, other: &ChannelPartial) {
        self.counts.merge(&other.counts);
        self.extrema.merge(&other.extrema);
        self.sums.merge(&other.sums);
    }

    fn finish(&self) -> ChannelStats {
        let sums = self.sums.clone();
        let (pos_inf, neg_inf) = sums.infinities();
        let counts = Counts {
            valid: sums.n() + sums.nan(),
            nan: self.counts.nan + sums.nan(),
            pos_inf,
            neg_inf,
            ..self.counts
        };
        let (min, max) = (self.extrema.min(), self.extrema.max());
        ChannelStats {
            counts,
            min: min.map(|e| e.value),
            max: max.map(|e| e.value),
            min_at: min.and_then(|e| e.at),
            max_at: max.and_then(|e| e.at),
            sum: sums.sum(),
            mean: sums.mean(),
            sums,
        }
    }
}

impl Reduce for Stats {
    type Partial = StatsPartial;

    fn start(&self) -> StatsPartial {
        let empty = ChannelPartial::new(self.validity.dtype());
        StatsPartial { channels: vec![empty; self.validity.channels()] }
    }

    fn partial_bytes(&self) -> u64 {
        let one = size_of::<ChannelPartial>() as u64 + ExactSums::bytes(self.validity.dtype());
        // What a fold gathers, too; it may hold a part of a row beyond what it folds.
        let gathered = (2 * GATHER * self.validity.dtype().bytes()) as u64 + Scratch::BYTES;
        one.saturating_mul(self.validity.channels() as u64).saturating_add(gathered)
    }

    fn fold(&self, partial: &mut StatsPartial, chunk: &Chunk<'_>) -> Result<()> {
        let bound = self.validity.bind(chunk)?;
        let channels = &mut partial.channels[..];
        with_pixels!(chunk.inputs[0].pixels, view => self.fold_typed(channels, &bound, chunk.rect, view));
        Ok(())
    }

    fn takes_channels(&self) -> bool {
        true
    }

    fn fold_channel(&self, partial: &mut StatsPartial, channel: usize, chunk: &Chunk<'_>) -> Result<()> {
        let validity = self.validity.of_channel(channel);
        let bound = validity.bind(chunk)?;
        let channels = &mut partial.channels[channel..=channel];
        with_pixels!(chunk.inputs[0].pixels, view => self.fold_typed(channels, &bound, chunk.rect, view));
        Ok(())
    }

    fn merge(&self, partial: &mut StatsPartial, other: StatsPartial) {
        partial.channels.iter_mut().zip(&other.channels).for_each(|(a, b)| a.merge(b));
    }

    fn save(&self, partial: &StatsPartial) -> Vec<u8> {
        let mut to = Saver::new(NAME, VERSION);
        to.dtype(self.validity.dtype());
        to.u64(partial.channels.len() as u64);
        for channel in &partial.channels {
            channel.counts.fields().into_iter().for_each(|v| to.u64(v));
            channel.extrema.save(&mut to);
            channel.sums.save(&mut to);
        }
        to.finish()
    }

    fn load(&self, bytes: &[u8]) -> Result<StatsPartial> {
        let mut from = Loader::new(bytes, NAME, VERSION)?;
        from.expect_dtype(self.validity.dtype())?;
        from.expect_u64(self.validity.channels() as u64, "channels")?;
        let mut partial = self.start();
        for channel in &mut partial.channels {
            for v in channel.counts.fields_mut() {
                *v = from.count()?;
            }
            channel.extrema = Extrema::load(self.validity.dtype(), &mut from)?;
            channel.sums = ExactSums::load(self.validity.dtype(), &mut from)?;
        }
        from.finish()?;
        Ok(partial)
    }
}
