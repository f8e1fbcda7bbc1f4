//! [`convert`]: an image's pixels in another format, or of another type.

use outcrop_core::{Channels, DataType, Error, Event, Map, Metadata, Rect, Reduce, Result, Source, Value};
use outcrop_ops::Validity;
use outcrop_ops::map::{Convert, Scale};
use outcrop_ops::reduce::{Percentile, PercentileSpec, Percentiles, Pool, Stats};
use outcrop_scheduler::{Input, Plan, Runtime};

use super::turn::turning;
use super::write::Write;
use crate::Region;
use crate::output::{Output, carry, revalued};
use crate::place::swap_sizes;
use crate::turned::Turn;
use crate::validity::Nodata;

/// What [`convert`] does on the way.
#[derive(Clone, Debug, Default)]
pub struct ConvertOptions {
    /// The sample type of the output; the input's where this is `None`. Samples are rounded once, half to even, and
    /// saturate.
    pub dtype: Option<DataType>,
    /// A linear scale, one for all channels.
    pub scale: Option<ScaleBy>,
    /// Whether the window is turned.
    pub turn: Option<Turn>,
    /// What NaN becomes. Where this is `None` it stays in an output of floats, and is 0 in one of integers.
    pub nan: Option<Value>,
    /// What the job is called while it runs: in progress, plans and reports. `convert` where nothing is said.
    pub stage: Option<&'static str>,
}

/// The input values that a scale takes to the ends of the output.
#[derive(Clone, Debug, PartialEq)]
pub enum ScaleBy {
    /// These.
    Given(Scale),
    /// The least and the greatest finite sample of the region, found in a pass before.
    Extremes,
    /// Two percentiles of the region's samples, found in passes before.
    Percentiles(Percentile, Percentile),
}

impl ScaleBy {
    /// Reads `min:max[:outmin:outmax]`, `auto` or `percentile:low:high`.
    ///
    /// # Errors
    /// [`Error::Usage`] for anything else.
    pub fn parse(text: &str) -> Result<ScaleBy> {
        if text.eq_ignore_ascii_case("auto") {
            return Ok(ScaleBy::Extremes);
        }
        let Some(ends) = text.strip_prefix("percentile:") else {
            return Scale::parse(text).map(ScaleBy::Given);
        };
        let (low, high) = ends.split_once(':').ok_or_else(|| {
            Error::Usage(format!(
                "{text:?} is not a scale: expected percentile:low:high (--scale percentile:2:98)"
            ))
        })?;
        Ok(ScaleBy::Percentiles(Percentile::parse(low)?, Percentile::parse(high)?))
    }
}

/// Writes the pixels of a region to an output, as (y, x, channel).
///
/// Nodata and NaN take no part in finding a scale. Scaled samples have no nodata value any more.
///
/// # Errors
/// What the source, the output or the budget answer; [`Error::Usage`] where the output type does not have the value
/// that NaN becomes, or no sample is there to find a scale; [`Error::Cancelled`] after a cancel. Nothing is left
/// under the output's name then.
pub fn convert(
    runtime: &Runtime,
    source: &dyn Source,
    region: &Region,
    options: &ConvertOptions,
    output: &Output,
) -> Result<()> {
    let image = source.image();
    let (window, channels) = region.resolve(image)?;
    let dtype = options.dtype.unwrap_or(image.dtype);
    let mut map = Convert::new(dtype, channels.len() as u64);
    if let Some(value) = options.nan {
        map = map.nan_to(value)?;
    }
    let (mut metadata, mut nodata) = carry(image, window, &channels);
    if options.scale.is_some() || dtype != image.dtype {
        revalued(&mut metadata);
    }
    nodata.retain(|value| options.scale.is_none() && value.fits(dtype));
    if let Some(turn) = options.turn {
        turn_metadata(&mut metadata, turn, runtime);
    }
    let run = |source: &dyn Source, window: Rect, channels: Channels| -> Result<()> {
        let job = Write {
            stage: options.stage.unwrap_or("convert"),
            source,
            window,
            channels,
            mask: None,
            chunk: region.chunk,
            metadata: &metadata,
            nodata: &nodata,
        };
        // The output is opened before a scale is looked for: what cannot be written is not worth a pass.
        let channels = job.channels.clone();
        let opened = job.open(runtime, map.output(), output)?;
        match &options.scale {
            None => opened.run(runtime, &map),
            Some(by) => {
                let found = find_scale(runtime, source, window, channels, region.chunk, by);
                let (scale, passes) = match found {
                    // The plan of the pass that writes is the same for every scale.
                    Err(Error::Cancelled) if runtime.is_planning() => {
                        (Scale { input: (0.0, 1.0), output: None }, 1)
                    }
                    found => found?,
                };
                opened.after(passes).run(runtime, &map.clone().scale(scale))
            }
        }
    };
    match options.turn {
        None => run(source, window, channels),
        Some(turn) => turning(runtime, source, window, channels, turn, output, run),
    }
}

/// What stays true of an image that is turned: which side is up was said of the pixels as they were.
fn turn_metadata(metadata: &mut Metadata, turn: Turn, runtime: &Runtime) {
    metadata.orientation = None;
    if turn.transposes() {
        if let Some(resolution) = &mut metadata.resolution {
            std::mem::swap(&mut resolution.x, &mut resolution.y);
        }
        metadata.ome_xml = metadata.ome_xml.as_deref().map(|xml| swap_sizes(xml).into());
    }
    if !metadata.geo.is_empty() {
        metadata.geo.clear();
        let left_out = "the place in the world of a turned image is left out".to_owned();
        runtime.options().observer.event(Event::Warning(left_out));
    }
}

/// The scale, and how many passes it took.
fn find_scale(
    runtime: &Runtime,
    source: &dyn Source,
    window: Rect,
    channels: Channels,
    chunk: Option<(u64, u64)>,
    by: &ScaleBy,
) -> Result<(Scale, usize)> {
    let image = source.image();
    let nodata = Nodata::FromFile.of(image, &channels)?;
    let validity = Validity::all(image.dtype, channels.len()).with_nodata(nodata);
    let inputs = [Input { source, channels }];
    let mut number = 0;
    let ends = match by {
        ScaleBy::Given(scale) => return Ok((*scale, 0)),
        ScaleBy::Extremes => {
            number = 1;
            let kernel = Stats::new(validity);
            let plan = Plan::reduce("extremes", &inputs, window, chunk, kernel.partial_bytes())?;
            // One more writes.
            let plan = plan.with_passes(2);
            let found = kernel.finish_pooled(&runtime.reduce(&plan, &inputs, &kernel)?);
            found.min.zip(found.max).map(|(low, high)| (low.to_f64(), high.to_f64()))
        }
        ScaleBy::Percentiles(low, high) => {
            let spec = PercentileSpec::parse(&format!("{},{}", low.text(), high.text()))?;
            let mut percentiles = Percentiles::new(Pool::AllChannels, spec, validity)?;
            while let Some(pass) = percentiles.pass() {
                number += 1;
                let stage = format!("percentiles {number}/{}", percentiles.passes());
                let plan = Plan::reduce(&stage, &inputs, window, chunk, pass.partial_bytes())?;
                let plan = plan.with_passes(percentiles.passes() + 1);
                let plan = plan.with_later_bytes(percentiles.later_bytes());
                percentiles.absorb(runtime.reduce(&plan, &inputs, &pass)?)?;
            }
            match percentiles.finish()?.concat()[..] {
                [Some(low), Some(high)] => Some((low.to_f64(), high.to_f64())),
                _ => None,
            }
        }
    };
    let (low, high) = ends
        .filter(|(low, high)| low.is_finite() && high.is_finite())
        .ok_or_else(|| Error::Usage("no finite samples to find a scale by (--scale min:max)".into()))?;
    // All samples alike: the lower end of the output, whatever the upper one stands for.
    let high = if low == high { low + low.abs().max(1.0) } else { high };
    Ok((Scale { input: (low, high), output: None }, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_read() {
        assert_eq!(ScaleBy::parse("auto").unwrap(), ScaleBy::Extremes);
        let percentiles = ScaleBy::parse("percentile:2:98").unwrap();
        assert!(matches!(percentiles, ScaleBy::Percentiles(a, b) if a.text() == "2" && b.text() == "98"));
        assert!(matches!(
            ScaleBy::parse("0:10:1:2").unwrap(),
            ScaleBy::Given(Scale { input: (0., 10.), output: Some((1., 2.)) })
        ));
        for bad in ["percentile", "percentile:2", "percentile:2:x", "1", "1:1", "a:b"] {
            assert!(matches!(ScaleBy::parse(bad), Err(Error::Usage(_))), "{bad}");
        }
    }
}
