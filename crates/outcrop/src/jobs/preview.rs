//! [`preview`]: an image at a size to look at, from its best level, in one pass.

use outcrop_core::{
    Channels, DataType, Error, Event, Image, LevelInfo, Permit, Rect, Reduce, Result, Source,
};
use outcrop_ops::Validity;
use outcrop_ops::reduce::AreaMean;
use outcrop_scheduler::{Input, Plan, Runtime};
use outcrop_writer::PictureFormat;

use crate::mask::alpha_of;
use crate::{Mask, Region, ValidityOptions};

/// What [`preview`] looks at, and at which size.
#[derive(Clone, Debug)]
pub struct PreviewOptions<'a> {
    /// The most rows and columns of the result. It has the shape of the region, and never more pixels.
    pub most: (u64, u64),
    /// Which samples count.
    pub validity: ValidityOptions,
    /// Which pixels count. Where this is [`Mask::None`] and the image declares alpha, those where alpha is not zero.
    pub mask: Mask<'a>,
    /// The format of the file that is made of it, and the rows and columns that are drawn around it there: for the plan.
    pub file: Option<(PictureFormat, (u64, u64))>,
}

/// A region at a size to look at: [`paint`](Preview::paint) makes a picture of it.
#[derive(Debug)]
pub struct Preview {
    /// What was previewed, in pixels of the level that was read.
    pub window: Rect,
    /// The channels that were read, as indices into the image: one or three.
    pub channels: Channels,
    /// Rows and columns.
    pub size: (u64, u64),
    /// Means in C order (rows, columns, channels); NaN where nothing is valid.
    pub means: Vec<f64>,
    /// The type of the samples.
    pub dtype: DataType,
    /// The range that samples can have: that of their type, of the bits stored, 0 to 1 for floats.
    pub range: (f64, f64),
    /// Whether the image declares zero to be white.
    pub white_is_zero: bool,
    /// The memory of the means and of what is made of them.
    pub(crate) _permit: Permit,
}

/// Averages the region's channels over areas; the region's shape is kept. One channel or three are taken: without any
/// named, the first three that are not alpha, or the first where there are fewer.
///
/// Means of integers are exact, and all are the same for every number of threads, chunk and budget.
///
/// # Errors
/// [`Error::Usage`] for two channels or more than three; what the source or the budget answer;
/// [`Error::Cancelled`] after a cancel.
pub fn preview(
    runtime: &Runtime,
    source: &dyn Source,
    region: &Region,
    options: &PreviewOptions<'_>,
) -> Result<Preview> {
    let image = source.image();
    let region = Region { channels: Some(preview_channels(image, region)?), ..region.clone() };
    let mask = match options.mask {
        Mask::None if alpha_of(image).is_ok() => Mask::Alpha,
        mask => mask,
    };
    let read = mask.resolve(source, &region)?;
    let (window, channels) = (read.window, read.channels);
    if window.is_empty() {
        return Err(Error::Usage("an image without pixels has no preview".into()));
    }
    // CMYK and three kinds of L*a*b*.
    if let (Some(5 | 8 | 9 | 10), 3) = (image.metadata.photometric_code, channels.len()) {
        let what = image.metadata.photometric.as_deref().unwrap_or("no RGB");
        let text = format!("samples are {what}, and are shown as if they were red, green and blue");
        runtime.options().observer.event(Event::Warning(text));
    }
    let size = fitted((window.height, window.width), options.most);
    let validity = Validity::all(image.dtype, channels.len())
        .with_nodata(options.validity.nodata.of(image, &channels)?)
        .with_nan(options.validity.nan)
        .with_mask(read.mask.is_some());
    let kernel = AreaMean::new(window, size, validity)?;
    let inputs: Vec<_> =
        std::iter::once(Input { source, channels: channels.clone() }).chain(read.mask).collect();
    let mut plan = Plan::reduce("preview", &inputs, window, region.chunk, kernel.partial_bytes())?;
    if let Some((format, around)) = options.file {
        plan = plan.with_written_bytes(format.most_bytes((size.0 + around.0, size.1 + around.1)));
    }
    let partial = runtime.reduce(&plan, &inputs, &kernel)?;
    // The partial's bytes hold the means, a copy of them to be ranked, and the picture.
    let options = runtime.options();
    let permit = options.budget.take(kernel.partial_bytes(), &options.cancel)?;
    Ok(Preview {
        window,
        channels,
        size,
        means: kernel.finish(partial),
        dtype: image.dtype,
        range: range(image),
        white_is_zero: image.metadata.photometric_code == Some(0),
        _permit: permit,
    })
}

/// The channels that a preview of the region shows: those that it names; else the first three that are not alpha, or the
/// first where there are fewer.
///
/// # Errors
/// [`Error::Usage`] where these are not one or three, or do not exist.
pub fn preview_channels(image: &Image, region: &Region) -> Result<Channels> {
    let count = image.extent.channels;
    let alpha = alpha_of(image).ok();
    let mut colors: Vec<u64> = (0..count).filter(|c| Some(*c) != alpha).take(3).collect();
    colors.truncate(if colors.len() < 3 { 1 } else { 3 });
    let asked = region.channels.as_ref().map(|channels| channels.indices().to_vec());
    let channels = Channels::select(
        asked.unwrap_or(if count > 0 && colors.is_empty() { vec![0] } else { colors }),
        count,
    )?;
    if !matches!(channels.len(), 1 | 3) {
        return Err(Error::Usage(format!(
            "a preview shows one channel or three, not {} (--channels 3,2,1)",
            channels.len()
        )));
    }
    Ok(channels)
}

fn range(image: &Image) -> (f64, f64) {
    let bits = image.stored_bits.map_or(image.dtype.bytes() as i32 * 8, i32::from);
    match image.dtype {
        dtype if dtype.is_float() => (0.0, 1.0),
        dtype if dtype.is_signed_integer() => (-(2f64.powi(bits - 1)), 2f64.powi(bits - 1) - 1.0),
        _ => (0.0, 2f64.powi(bits) - 1.0),
    }
}

/// The largest size of that shape within `most`, at least one pixel and never larger than it is.
fn fitted((height, width): (u64, u64), most: (u64, u64)) -> (u64, u64) {
    let (most_rows, most_columns) = (most.0.max(1), most.1.max(1));
    if height <= most_rows && width <= most_columns {
        return (height, width);
    }
    let scaled = |side: u64, to: u64, of: u64| {
        let (side, to, of) = (u128::from(side), u128::from(to), u128::from(of));
        // No more than `side`, as `to` is less than `of`.
        (((2 * side * to + of) / (2 * of)) as u64).max(1)
    };
    if u128::from(height) * u128::from(most_columns) >= u128::from(width) * u128::from(most_rows) {
        (most_rows, scaled(width, most_rows, height).min(most_columns))
    } else {
        (scaled(height, most_columns, width).min(most_rows), most_columns)
    }
}

/// The smallest level of the page that still has the pixels that [`preview`] would make of the window, and the window in
/// its pixels, rounded outwards. The image is the full resolution; the window is in its pixels.
pub fn preview_level(image: &Image, window: Option<Rect>, most: (u64, u64)) -> (u64, Option<Rect>) {
    let full = image.extent;
    let wanted = window.unwrap_or(full.rect());
    let size = fitted((wanted.height, wanted.width), most);
    let scaled = |first: u64, length: u64, to: u64, of: u64| {
        let at = |v: u64, round: u128| {
            ((u128::from(v) * u128::from(to) + round) / u128::from(of.max(1))).min(to.into()) as u64
        };
        let (begin, end) = (at(first, 0), at(first.saturating_add(length), u128::from(of.max(1)) - 1));
        (begin, end - begin)
    };
    // Not what rounding outwards adds: an average of more than the window would be another picture.
    let has = |length: u64, to: u64, of: u64, pixels: u64| {
        u128::from(length) * u128::from(to) >= u128::from(pixels) * u128::from(of)
    };
    let enough = |level: &&LevelInfo| {
        has(wanted.height, level.height, full.height, size.0)
            && has(wanted.width, level.width, full.width, size.1)
    };
    let levels = (0..).zip(&image.levels).skip(1).filter(|(_, level)| enough(level));
    let Some((number, level)) = levels.min_by_key(|(_, level)| level.height.saturating_mul(level.width))
    else {
        return (0, window);
    };
    let part = window.map(|window| {
        let (y, height) = scaled(window.y, window.height, level.height, full.height);
        let (x, width) = scaled(window.x, window.width, level.width, full.width);
        Rect { y, x, height, width }
    });
    (number, part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_core::{BlockLayout, Extent};

    #[test]
    fn a_preview_keeps_the_shape_and_is_never_larger() {
        assert_eq!(fitted((20_000, 20_000), (1024, 1024)), (1024, 1024));
        assert_eq!(fitted((100, 50), (1024, 1024)), (100, 50));
        assert_eq!(fitted((3000, 2000), (1024, 1024)), (1024, 683));
        assert_eq!(fitted((1, 1_000_000), (1024, 1024)), (1, 1024));
        assert_eq!(fitted((100, 300), (24, 80)), (24, 72));
        assert_eq!(fitted((u64::MAX, 1), (7, 0)), (7, 1));
    }

    #[test]
    fn the_smallest_level_that_is_large_enough_is_read() {
        let layout = BlockLayout::Rows { planar: false };
        let mut image = Image::plain("TIFF", Extent::new(8001, 4001, 3), DataType::U8, layout);
        let level = |height, width| LevelInfo { height, width, layout };
        image.levels = vec![level(8001, 4001), level(4001, 2001), level(2001, 1001), level(1001, 501)];
        assert_eq!(preview_level(&image, None, (1024, 1024)), (2, None));
        assert_eq!(preview_level(&image, None, (1001, 1001)), (3, None));
        assert_eq!(preview_level(&image, None, (9000, 9000)), (0, None));
        let window = Rect { y: 11, x: 400, height: 4000, width: 2000 };
        let (level, part) = preview_level(&image, Some(window), (1024, 1024));
        assert_eq!((level, part), (1, Some(Rect { y: 5, x: 200, height: 2001, width: 1001 })));
        let corner = Rect { y: 8000, x: 4000, height: 1, width: 1 };
        let (level, part) = preview_level(&image, Some(corner), (1024, 1024));
        assert_eq!((level, part), (0, Some(corner)));
    }
}
