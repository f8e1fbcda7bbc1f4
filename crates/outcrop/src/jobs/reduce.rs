//! [`reduce_channels`] and [`reduce_axes`]: a reduction by name over channels, rows, columns or all of them.

use outcrop_core::{Channels, DataType, Error, Extent, Map, Metadata, Reduce, Result, Source, Value};
use outcrop_ops::map::{Convert, Masked, MeanOverChannels, ReduceChannels};
use outcrop_ops::reduce::{Lines, Op, Over, PercentileSpec, Percentiles, Pool, ReduceAxes};
use outcrop_ops::{Exact, Validity};
use outcrop_scheduler::{Input, Plan, Runtime};

use super::write::Write;
use crate::held::Held;
use crate::mask::Read;
use crate::output::{Output, carry_place};
use crate::{Mask, Nodata, Region, ValidityOptions};

/// What [`reduce_channels`] makes of the channels of a pixel.
#[derive(Clone, Debug)]
pub struct ChannelReduction<'a> {
    /// What becomes of them.
    pub op: Op,
    /// The sample type of the output; what [`Op::output`] says where this is `None`.
    pub dtype: Option<DataType>,
    /// Values to leave out. What the file declares counts only where it is asked for: by default every sample does.
    pub nodata: Option<Vec<Value>>,
    /// Leave NaN out too; it propagates otherwise.
    pub omit_nan: bool,
    /// Pixels to leave out. A mask must have one channel here.
    pub mask: Mask<'a>,
    /// What the job is called while it runs: in progress, plans and reports. `reduce` where nothing is said.
    pub stage: Option<&'static str>,
}

impl ChannelReduction<'_> {
    /// That reduction of all samples.
    pub fn new(op: Op) -> Self {
        ChannelReduction { op, dtype: None, nodata: None, omit_nan: false, mask: Mask::None, stage: None }
    }
}

/// Writes the reduction over the region's channels of each pixel: an image of one channel, each sample evaluated exactly
/// and rounded once. A pixel of which nothing is left is NaN; where the output is of integers the nodata value, or 0
/// where none was given, or -1 for places.
///
/// # Errors
/// As [`convert`](crate::convert); [`Error::Usage`] for a mask of several channels.
pub fn reduce_channels(
    runtime: &Runtime,
    source: &dyn Source,
    region: &Region,
    options: &ChannelReduction<'_>,
    output: &Output,
) -> Result<()> {
    let image = source.image();
    let Read { window, channels, mask } = options.mask.resolve(source, region)?;
    if mask.as_ref().is_some_and(|mask| mask.channels.len() > 1) {
        return Err(Error::Usage("a reduction over channels needs a mask of one channel (--mask)".into()));
    }
    let mut nodata = match &options.nodata {
        Some(values) => Nodata::Values(values.clone()).of(image, &channels)?,
        None => Vec::new(),
    };
    if options.omit_nan && image.dtype.is_float() {
        nodata.resize(channels.len(), Vec::new());
        nodata.iter_mut().for_each(|list| list.push(Value::Float(f64::NAN)));
    }
    let map: Box<dyn Map> = match options.op {
        Op::Mean => Box::new(MeanOverChannels::new(image.dtype, options.dtype, nodata)),
        ref op => {
            let count = channels.len() as u64;
            Box::new(ReduceChannels::new(op.clone(), image.dtype, count, options.dtype, nodata))
        }
    };
    let dtype = map.output().0;
    // What an integer pixel without a valid sample becomes; floats have NaN for that.
    let hollow = |v: &&Value| !dtype.is_float() && v.fits(dtype);
    let nodata: Vec<Value> = options.nodata.iter().flatten().take(1).filter(hollow).copied().collect();
    let job = Write {
        stage: options.stage.unwrap_or("reduce"),
        source,
        window,
        channels,
        mask,
        chunk: region.chunk,
        metadata: &carry_place(image, window),
        nodata: &nodata,
    };
    let masked = Masked::new(&*map, absent(&options.op, dtype, nodata.first().copied()));
    match job.mask {
        Some(_) => job.run(runtime, &masked, output),
        None => job.run(runtime, &*map, output),
    }
}

/// What stands for a result of nothing.
fn absent(op: &Op, dtype: DataType, nodata: Option<Value>) -> Value {
    match (op, nodata) {
        (Op::ArgMin | Op::ArgMax, _) => Value::Int(-1),
        (Op::CountValid | Op::Any, _) => Value::Int(0),
        (Op::All, _) => Value::Int(1),
        _ if dtype.is_float() => Value::Float(f64::NAN),
        (_, nodata) => nodata.unwrap_or(Value::Int(0)),
    }
}

/// What [`reduce_axes`] makes of rows, columns or everything.
#[derive(Clone, Debug)]
pub struct AxisReduction<'a> {
    /// What becomes of the samples.
    pub op: Op,
    /// The axes that vanish.
    pub over: Over,
    /// Which samples count: as in statistics, what the file declares as nodata and NaN do not by default.
    pub validity: ValidityOptions,
    /// Which pixels count.
    pub mask: Mask<'a>,
}

/// The results of [`reduce_axes`].
#[derive(Clone, Debug)]
pub struct Reduced {
    /// The channels that were read, as indices into the image.
    pub channels: Channels,
    /// Rows, columns and channels: (1, W, C) over y, (H, 1, C) over x, (1, 1, C) over yx, (1, 1, 1) over yxc.
    pub extent: Extent,
    /// The sample type of the results where none is asked for.
    pub dtype: DataType,
    /// In C order, exact; `None` where no sample is valid.
    pub values: Vec<Option<Exact>>,
    /// How often the pixels were read.
    pub passes: usize,
    op: Op,
    chunk: Option<(u64, u64)>,
}

/// Reduces a region over rows, columns or both, or over channels as well. Places count from the corner of the window. Where
/// the runtime only plans, there is no result, but its shape and type are those of the results.
///
/// # Errors
/// What the source or the budget answer; [`Error::Unsupported`] for the product of floats; [`Error::Cancelled`].
pub fn reduce_axes(
    runtime: &Runtime,
    source: &dyn Source,
    region: &Region,
    options: &AxisReduction<'_>,
) -> Result<Reduced> {
    let image = source.image();
    let Read { window, channels, mask } = options.mask.resolve(source, region)?;
    let nodata = options.validity.nodata.of(image, &channels)?;
    // Where samples can leave, how many are left is not known beforehand.
    let whole = mask.is_none() && nodata.iter().all(Vec::is_empty);
    let validity = Validity::all(image.dtype, channels.len())
        .with_nodata(nodata)
        .with_nan(options.validity.nan)
        .with_mask(mask.is_some());
    let (op, over, count) = (&options.op, options.over, channels.len() as u64);
    let inputs: Vec<_> = std::iter::once(Input { source, channels: channels.clone() }).chain(mask).collect();
    let [height, width, depth] = over.shape(window, count);
    let plan = |chunk, bytes| Plan::reduce("reduce", &inputs, window, chunk, bytes);
    // The results are rounded to samples, and written from these in chunks, while the exact ones are still there.
    let results = height.saturating_mul(width).saturating_mul(depth);
    let rounded = results.saturating_mul(3 * size_of::<u64>() as u64);
    let exact = results.saturating_mul(size_of::<Option<Exact>>() as u64);
    let mut passes = 1;
    let reduced = || -> Result<Vec<Option<Exact>>> {
        Ok(match (op, over) {
            (Op::Percentile(percentile, method), Over::Yx | Over::Yxc) => {
                let spec = PercentileSpec { percentiles: vec![percentile.clone()], method: *method };
                let pool = if over == Over::Yx { Pool::PerChannel } else { Pool::AllChannels };
                let mut percentiles = Percentiles::new(pool, spec, validity)?;
                passes = 0;
                while let Some(pass) = percentiles.pass() {
                    passes += 1;
                    let plan = plan(region.chunk, pass.partial_bytes())?.with_passes(percentiles.passes());
                    let plan = plan.with_later_bytes(percentiles.later_bytes());
                    let partial = runtime.reduce(&plan, &inputs, &pass)?;
                    percentiles.absorb(partial)?;
                }
                percentiles.finish()?.concat()
            }
            (Op::Percentile(percentile, method), _) => {
                let bytes = (image.dtype.bytes() as u64).saturating_mul(count);
                let budget = runtime.options().budget.total();
                let size = (window.height, window.width);
                let mut lines = widest(over, size, bytes, budget);
                let (kernel, plan) = loop {
                    // Borders of chunks are counted from the corner of the image: whole lines reach to the window's end.
                    let chunk = match over {
                        Over::Y => (window.bottom().max(1), lines),
                        _ => (lines, window.right().max(1)),
                    };
                    // The plan may raise the chunk to whole blocks of the file.
                    let shape = plan(Some(chunk), 0)?.grid().shape();
                    let validity = validity.clone();
                    let kernel = Lines::new(percentile.clone(), *method, over, window, validity, shape)?;
                    let last = kernel.partial_bytes().saturating_add(rounded);
                    let plan = plan(Some(chunk), kernel.partial_bytes())?.with_later_bytes(last);
                    let fits = plan.chunk_bytes().saturating_add(last) <= budget;
                    if fits || lines == 1 {
                        break (kernel, plan);
                    }
                    lines /= 2;
                };
                let partial = runtime.reduce(&plan, &inputs, &kernel)?;
                kernel.finish(partial)
            }
            _ => {
                let kernel = ReduceAxes::new(op.clone(), over, window, validity)?;
                let last = kernel.partial_bytes().saturating_add(exact).saturating_add(rounded);
                let plan = plan(region.chunk, kernel.partial_bytes())?.with_later_bytes(last);
                let partial = runtime.reduce(&plan, &inputs, &kernel)?;
                kernel.finish(&partial)
            }
        })
    };
    let extent = Extent::new(height, width, depth);
    let values = match reduced() {
        // What writes the results is planned too.
        Err(Error::Cancelled) if runtime.is_planning() => {
            vec![None; extent.samples().and_then(|n| n.try_into().ok()).unwrap_or(0)]
        }
        reduced => reduced?,
    };
    Ok(Reduced {
        channels,
        extent,
        dtype: op.output(image.dtype, whole.then(|| over.count(window, count))),
        values,
        passes,
        op: op.clone(),
        chunk: region.chunk,
    })
}

/// How many whole lines take about an eighth of the budget, with their copy.
fn widest(over: Over, (height, width): (u64, u64), pixel_bytes: u64, budget: u64) -> u64 {
    let (length, lines) = if over == Over::Y { (height, width) } else { (width, height) };
    let line = length.saturating_mul(pixel_bytes).saturating_mul(2).max(1);
    (budget / 8 / line).clamp(1, lines.max(1))
}

impl Reduced {
    /// The results, each rounded once to `dtype`; `None` for a result of nothing.
    pub fn rounded(&self, dtype: DataType) -> Vec<Option<Value>> {
        let round = |e: Exact| outcrop_core::with_dtype!(dtype, T => Value::of(e.round::<T>()));
        self.values.iter().map(|value| value.map(round)).collect()
    }

    /// Writes the results as an image of [`extent`](Reduced::extent). A result of nothing is NaN, where the output is of
    /// integers 0, or -1 for places.
    ///
    /// # Errors
    /// As [`convert`](crate::convert).
    pub fn write(&self, runtime: &Runtime, dtype: Option<DataType>, output: &Output) -> Result<()> {
        let dtype = dtype.unwrap_or(self.dtype);
        let absent = match absent(&self.op, dtype, None) {
            Value::Int(i) => Exact::int(i),
            Value::Float(f) => Exact::float(f),
        };
        let held = Held::new(self.extent, dtype, &self.values, absent)?;
        let job = Write {
            stage: "write",
            source: &held,
            window: self.extent.rect(),
            channels: Channels::all(self.extent.channels),
            mask: None,
            chunk: self.chunk,
            metadata: &Metadata::default(),
            nodata: &[],
        };
        job.run(runtime, &Convert::new(dtype, self.extent.channels), output)
    }
}
