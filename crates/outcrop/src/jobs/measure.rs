//! [`measure`]: everything that is to be known of the channels, in as few passes as it takes.
//!
//! The first pass computes whatever one pass can: statistics, counts by value (samples of up to 16 bits), the first digit of
//! percentiles, a histogram of a known range, classes, covariances. Later ones, if any, run for percentiles of wider
//! types, a histogram whose range the first pass found, and moments about the mean: all of them together.

use outcrop_core::{Channels, Error, Reduce, Result, Source, Value};
use outcrop_ops::reduce::{
    BinCounts, Both, ChannelStats, Covariance, CovarianceMatrix, Histogram, HistogramPartial, HistogramSpec,
    Maybe, Moments, MomentsPartial, PercentilePartial, PercentileSpec, Percentiles, Pool, Shape, Stats,
    Unique,
};
use outcrop_ops::{Exact, Validity};
use outcrop_scheduler::{Input, Plan, Runtime};

use crate::{Mask, Region, ValidityOptions};

/// What [`measure`] finds out beside the statistics.
#[derive(Clone, Debug, Default)]
pub struct MeasureOptions<'a> {
    /// Which samples count.
    pub validity: ValidityOptions,
    /// Which pixels count.
    pub mask: Mask<'a>,
    /// One set of figures for all channels together, instead of one for each.
    pub pooled: bool,
    /// Skewness and kurtosis.
    pub shape: bool,
    /// Percentiles.
    pub percentiles: Option<PercentileSpec>,
    /// A histogram. A range that is not given reaches from the least to the greatest sample of all channels.
    pub histogram: Option<HistogramSpec>,
    /// Where that range is not given, bins for integers hold equally many values each: no more bins than asked for, and a
    /// range that may end after the greatest sample.
    pub whole_bins: bool,
    /// How often each value of integer classes occurs.
    pub unique: bool,
    /// The covariance and correlation of the channels, with divisor valid - ddof.
    pub covariance: Option<Ddof>,
    /// What the job is called while it runs: in progress, plans and reports. `statistics` where nothing is said.
    pub stage: Option<&'static str>,
}

/// Delta degrees of freedom: 0 for a population, 1 for a sample.
pub type Ddof = u64;

/// What [`measure`] found.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The channels that were read, as indices into the image.
    pub channels: Channels,
    /// The figures of each channel, or of all together.
    pub figures: Vec<Figures>,
    /// The edges of the histogram, one more than bins, the same for all channels; empty where none was asked for. A bin
    /// holds its lower edge and not its upper one, the last bin both.
    pub edges: Vec<f64>,
    /// Where it was asked for.
    pub covariance: Option<CovarianceMatrix>,
    /// How often the pixels were read.
    pub passes: usize,
}

/// Figures of one channel, or of all together. What was not asked for is `None`.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Counts, extremes with positions, sum, mean, variance.
    pub stats: ChannelStats,
    /// Skewness and kurtosis.
    pub shape: Option<Shape>,
    /// One for each percentile asked for, rounded once; `None` where no sample is valid.
    pub percentiles: Option<Vec<Option<f64>>>,
    /// The counts of each bin between [`Measured::edges`].
    pub histogram: Option<BinCounts>,
    /// Values in ascending order and how often each occurs.
    pub unique: Option<Vec<(Value, u64)>>,
}

/// Measures a region.
///
/// # Errors
/// What the source or the budget answer; [`Error::Usage`] for classes of floats or too many of them, and for a histogram
/// whose range is not finite; [`Error::Cancelled`] after a cancel.
pub fn measure(
    runtime: &Runtime,
    source: &dyn Source,
    region: &Region,
    options: &MeasureOptions<'_>,
) -> Result<Measured> {
    let image = source.image();
    let read = options.mask.resolve(source, region)?;
    let validity = Validity::all(image.dtype, read.channels.len())
        .with_nodata(options.validity.nodata.of(image, &read.channels)?)
        .with_nan(options.validity.nan)
        .with_mask(read.mask.is_some());
    let channels = read.channels.clone();
    let inputs: Vec<_> =
        std::iter::once(Input { source, channels: read.channels }).chain(read.mask).collect();
    let mut pass = Passes {
        runtime,
        inputs,
        region,
        window: read.window,
        done: 0,
        most: 1,
        later_bytes: 0,
        stage: options.stage.unwrap_or("statistics"),
    };

    let stats = Stats::new(validity.clone()).with_positions(true);
    let spec = options.histogram;
    let wants_counts = options.shape || spec.is_some_and(|h| h.range.is_none());
    let moments = Moments::counting(validity.clone()).filter(|_| wants_counts);
    // Moments about the means and bins between the extremes need these first, unless values were counted.
    let again = wants_counts && moments.is_none();
    let pool = if options.pooled { Pool::AllChannels } else { Pool::PerChannel };
    let percentiles = options.percentiles.clone();
    let percentiles = percentiles.map(|spec| Percentiles::new(pool, spec, validity.clone())).transpose()?;
    // Percentiles of the values that moments count anyway need no counters of their own.
    let shared = moments.is_some() && percentiles.as_ref().is_some_and(Percentiles::is_counted);
    let ranks = percentiles.as_ref().filter(|_| !shared).and_then(Percentiles::pass);
    let histogram = |spec: HistogramSpec, range| Histogram::new(spec.bins, range, validity.clone());
    let known = spec.and_then(|spec| Some(histogram(spec, spec.range?))).transpose()?;
    let unique = options.unique.then(|| Unique::new(validity.clone())).transpose()?;
    let covariance = options.covariance.map(|_| Covariance::new(validity.clone())).transpose()?;

    if again {
        let nothing = stats.finish(&stats.start());
        let shape = options.shape.then(|| Moments::about(validity.clone(), &nothing));
        let bins = spec.filter(|h| h.range.is_none()).map(|h| histogram(h, (0.0, 1.0))).transpose()?;
        pass.later_bytes = Both(Maybe(shape), Maybe(bins)).partial_bytes();
    }
    pass.later_bytes += percentiles.as_ref().map_or(0, Percentiles::later_bytes);
    let rest = Both(Maybe(known), Both(Maybe(unique), Maybe(covariance)));
    let first = Both(stats, Both(Maybe(moments), Both(Maybe(ranks), rest)));
    pass.most = percentiles.as_ref().map_or(1, Percentiles::passes).max(if again { 2 } else { 1 });
    let (found, (counted, (ranked, (binned, (classes, products))))) = pass.run(&first)?;
    let mut percentiles = percentiles;
    let Both(
        stats,
        Both(Maybe(moments), Both(_, Both(Maybe(known), Both(Maybe(unique), Maybe(covariance))))),
    ) = first;
    if shared && let (Some(percentiles), Some(kernel), Some(counted)) = (&mut percentiles, &moments, &counted)
    {
        percentiles.absorb_counted(kernel, counted)?;
    }
    let each = stats.finish(&found);
    let pooled = options.pooled.then(|| stats.finish_pooled(&found));

    let (histogram, binned) = match (known, spec) {
        (None, Some(spec)) => {
            let range = range_of(&each)?;
            let (bins, range) = match options.whole_bins && !image.dtype.is_float() {
                true => whole_bins(spec.bins, range),
                false => (spec.bins, range),
            };
            let kernel = Histogram::new(bins, range, validity.clone())?;
            let of = moments.as_ref().zip(counted.as_ref());
            let binned = of.map(|(of, counted)| kernel.of_counted(of, counted)).transpose()?.flatten();
            (Some(kernel), binned)
        }
        (known, _) => (known, binned),
    };
    let (moments, counted) = match (options.shape, moments, &pooled) {
        (false, ..) => (None, None),
        (true, None, Some(all)) => {
            (Some(Moments::about(validity.clone(), &vec![all.clone(); each.len()])), None)
        }
        (true, None, None) => (Some(Moments::about(validity.clone(), &each)), None),
        (true, counting, _) => (counting, counted),
    };
    let mut open = Open { moments, counted, percentiles, histogram, binned };
    open.absorb(ranked)?;
    open.close(&mut pass)?;

    let of = |stats| Figures { stats, shape: None, percentiles: None, histogram: None, unique: None };
    let mut figures: Vec<_> = pooled.map_or(each, |all| vec![all]).into_iter().map(of).collect();
    let edges = open.histogram.as_ref().map(|kernel| kernel.edges().to_vec()).unwrap_or_default();
    open.finish(options.pooled, &mut figures)?;
    if let Some((kernel, partial)) = unique.zip(classes) {
        let classes = match options.pooled {
            true => vec![kernel.finish_pooled(&partial)?],
            false => kernel.finish(&partial)?,
        };
        figures.iter_mut().zip(classes).for_each(|(f, classes)| f.unique = Some(classes));
    }
    let covariance = covariance.zip(products).zip(options.covariance);
    let covariance = covariance.map(|((kernel, partial), ddof)| kernel.finish(&partial, ddof));
    Ok(Measured { channels, figures, edges, covariance, passes: pass.done })
}

/// The runs over the same pixels.
struct Passes<'a> {
    runtime: &'a Runtime,
    inputs: Vec<Input<'a>>,
    region: &'a Region,
    window: outcrop_core::Rect,
    done: usize,
    /// How many there are at most.
    most: usize,
    /// Bytes of a partial after the first pass, at most.
    later_bytes: u64,
    /// What the first one is called.
    stage: &'static str,
}

impl Passes<'_> {
    fn run<K: Reduce>(&mut self, kernel: &K) -> Result<K::Partial> {
        self.done += 1;
        let stage = match self.done {
            1 => self.stage.to_owned(),
            n => format!("{}, pass {n}", self.stage),
        };
        let bytes = kernel.partial_bytes();
        let plan = Plan::reduce(&stage, &self.inputs, self.window, self.region.chunk, bytes)?;
        let later = if self.done == 1 { self.later_bytes } else { 0 };
        let plan = plan.with_passes(self.most).with_later_bytes(later);
        if later > 0 && !self.runtime.is_planning() {
            // What does not fit is said before the first pass.
            self.runtime.ensure_fits(&plan)?;
        }
        self.runtime.reduce(&plan, &self.inputs, kernel)
    }
}

/// What one pass may leave to another: a kernel without its partial is still to run.
struct Open {
    moments: Option<Moments>,
    counted: Option<MomentsPartial>,
    percentiles: Option<Percentiles>,
    histogram: Option<Histogram>,
    binned: Option<HistogramPartial>,
}

impl Open {
    fn absorb(&mut self, ranked: Option<PercentilePartial>) -> Result<()> {
        match (&mut self.percentiles, ranked) {
            (Some(percentiles), Some(ranked)) => percentiles.absorb(ranked),
            _ => Ok(()),
        }
    }

    /// Passes until nothing is open, each for all that is.
    fn close(&mut self, pass: &mut Passes<'_>) -> Result<()> {
        loop {
            let moments = self.moments.clone().filter(|_| self.counted.is_none());
            let ranks = self.percentiles.as_ref().and_then(Percentiles::pass);
            let bins = self.histogram.clone().filter(|_| self.binned.is_none());
            if moments.is_none() && ranks.is_none() && bins.is_none() {
                return Ok(());
            }
            let (counted, (ranked, binned)) =
                pass.run(&Both(Maybe(moments), Both(Maybe(ranks), Maybe(bins))))?;
            self.counted = self.counted.take().or(counted);
            self.binned = self.binned.take().or(binned);
            self.absorb(ranked)?;
        }
    }

    /// Fills in the figures of each channel, or of all together.
    fn finish(self, pooled: bool, figures: &mut [Figures]) -> Result<()> {
        if let Some((kernel, partial)) = self.moments.zip(self.counted) {
            let shapes = match pooled {
                true => vec![kernel.finish_pooled(&partial)?],
                false => kernel.finish(&partial)?,
            };
            figures.iter_mut().zip(shapes).for_each(|(f, shape)| f.shape = Some(shape));
        }
        if let Some((kernel, partial)) = self.histogram.zip(self.binned) {
            let bins = if pooled { vec![kernel.finish_pooled(&partial)] } else { kernel.finish(&partial) };
            figures.iter_mut().zip(bins).for_each(|(f, bins)| f.histogram = Some(bins));
        }
        let percentiles = self.percentiles.map(|p| p.finish()).transpose()?.unwrap_or_default();
        for (f, found) in figures.iter_mut().zip(percentiles) {
            f.percentiles = Some(found.into_iter().map(|p| p.map(Exact::to_f64)).collect());
        }
        Ok(())
    }
}

/// At most so many bins for the integers of a range, as many integers in each.
fn whole_bins(most: usize, (min, max): (f64, f64)) -> (usize, (f64, f64)) {
    let values = max - min + 1.0;
    let width = (values / most as f64).ceil();
    let bins = (values / width).ceil();
    (bins as usize, (min, min + bins * width))
}

/// The range of a histogram over all channels: as NumPy's, 0 to 1 where nothing is valid.
fn range_of(stats: &[ChannelStats]) -> Result<(f64, f64)> {
    let ends: Vec<_> = stats.iter().filter_map(|s| Some((s.min?.to_f64(), s.max?.to_f64()))).collect();
    let bad = ends.iter().find(|(min, max)| !(max - min).is_finite());
    if let Some((min, max)) = bad {
        return Err(Error::Usage(format!(
            "the samples reach from {min} to {max}: name a range for the histogram (--histogram BINS:MIN:MAX)"
        )));
    }
    let join = |(a, b): (f64, f64), &(c, d): &(f64, f64)| (a.min(c), b.max(d));
    Ok(ends.first().map_or((0.0, 1.0), |&first| ends.iter().fold(first, join)))
}
