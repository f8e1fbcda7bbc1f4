//! The small languages of option values: shapes, windows, lists of channels, nodata.

use outcrop::{
    ByteOrder, DataType, Extent, HistogramSpec, InputFormat, Interleave, MOST_THREADS, Method, Op,
    OutputFormat, Over, PercentileSpec, Rect, Value,
};

/// Parts of a list of whole numbers.
fn numbers(text: &str, wanted: &str) -> Result<Vec<u64>, String> {
    text.split(',')
        .map(|part| part.trim().parse().map_err(|_| format!("expected {wanted}, found `{text}`")))
        .collect()
}

/// The name of a sample type, checked but kept as typed: what a raw file's size says of it depends on the name.
pub(crate) fn dtype_name(text: &str) -> Result<String, String> {
    outcrop::parse_dtype(text).map(|_| text.to_owned()).map_err(|e| e.to_string())
}

/// The sample type of an output.
pub(crate) fn output_dtype(text: &str) -> Result<DataType, String> {
    match outcrop::parse_dtype(text).map_err(|e| e.to_string())? {
        (dtype, None | Some(ByteOrder::NATIVE)) => Ok(dtype),
        _ => Err("outputs are little-endian: name the type without a byte order, such as uint16".into()),
    }
}

/// A format of inputs by name.
pub(crate) fn input_format(text: &str) -> Result<InputFormat, String> {
    InputFormat::from_name(text).ok_or_else(|| {
        let names = InputFormat::ALL.map(InputFormat::name);
        format!("expected {}, found `{text}`", names.join(", "))
    })
}

/// A format of outputs by name.
pub(crate) fn output_format(text: &str) -> Result<OutputFormat, String> {
    OutputFormat::from_name(text).ok_or_else(|| {
        let names = OutputFormat::ALL.map(OutputFormat::name);
        format!("expected {}, found `{text}`", names.join(", "))
    })
}

/// A format of pictures by extension.
pub(crate) fn picture_format(text: &str) -> Result<outcrop::PictureFormat, String> {
    outcrop::PictureFormat::from_extension(text)
        .ok_or_else(|| format!("expected jpg, png or webp, found `{text}`"))
}

/// What `encode` makes of an image before it becomes text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// The file's own bytes.
    Original,
    /// A file of that format.
    Format(OutputFormat),
}

/// A format that `encode` knows, by name.
pub(crate) fn encoding(text: &str) -> Result<Encoding, String> {
    match OutputFormat::from_name(if text.eq_ignore_ascii_case("jpg") { "jpeg" } else { text }) {
        Some(format @ (OutputFormat::Picture(_) | OutputFormat::Npy | OutputFormat::Tiff)) => {
            Ok(Encoding::Format(format))
        }
        _ if text.eq_ignore_ascii_case("original") => Ok(Encoding::Original),
        _ => Err(format!("expected png, jpeg, webp, tiff, npy or original, found `{text}`")),
    }
}

/// `500ms`, `60s`, `5m`, `2h`.
pub(crate) fn duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || format!("expected a time such as 500ms, 60s or 5m, found `{text}`");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(milliseconds).map(std::time::Duration::from_millis).ok_or_else(wrong)
}

/// `fail`, `nodata` or `fill=V`.
pub(crate) fn bad_blocks(text: &str) -> Result<outcrop::BadBlocks, String> {
    let fill = text.strip_prefix("fill=").and_then(Value::parse);
    match (text, fill) {
        ("fail", _) => Ok(outcrop::BadBlocks::Fail),
        ("nodata", _) => Ok(outcrop::BadBlocks::Nodata),
        (_, Some(value)) => Ok(outcrop::BadBlocks::Fill(value)),
        _ => Err(format!("expected fail, nodata or fill=VALUE, found `{text}`")),
    }
}

/// A whole number from 0 to the greatest of its type.
pub(crate) fn whole<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let most = u64::MAX >> (64 - 8 * size_of::<T>());
    let number = text.parse().ok().and_then(|n: u64| T::try_from(n).ok());
    number.ok_or_else(|| format!("expected a whole number from 0 to {most}, found `{text}`"))
}

/// A size in pixels, or a number of channels: at least 1.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(format!("expected a whole number of at least 1, found `{text}`")),
    }
}

/// `H,W` or `H,W,C`.
pub(crate) fn shape(text: &str) -> Result<Extent, String> {
    outcrop::parse_shape(text).map_err(|e| e.to_string())
}

/// `bip`, `bil` or `bsq`.
pub(crate) fn interleave(text: &str) -> Result<Interleave, String> {
    Interleave::from_name(text).ok_or_else(|| format!("expected bip, bil or bsq, found `{text}`"))
}

/// `X,Y,W,H`.
pub(crate) fn window(text: &str) -> Result<Rect, String> {
    const WANTED: &str = "x,y,width,height in pixels, such as 0,0,512,512";
    let [x, y, width, height] = numbers(text, WANTED)?[..] else {
        return Err(format!("expected {WANTED}, found `{text}`"));
    };
    if width == 0 || height == 0 {
        return Err("the window is empty: its width and height must be at least 1".into());
    }
    Rect::checked(y, x, height, width).ok_or_else(|| "the window ends beyond 2^64 pixels".into())
}

/// `H,W`, both at least 1.
pub(crate) fn chunk(text: &str) -> Result<(u64, u64), String> {
    const WANTED: &str = "rows,columns of at least 1, such as 512,512";
    match numbers(text, WANTED)?[..] {
        [height, width] if height > 0 && width > 0 => Ok((height, width)),
        _ => Err(format!("expected {WANTED}, found `{text}`")),
    }
}

/// How samples are scaled.
pub(crate) fn scale(text: &str) -> Result<outcrop::ScaleBy, String> {
    outcrop::ScaleBy::parse(text).map_err(|e| e.to_string())
}

/// The longer side of a preview.
pub(crate) fn preview_size(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(n) if (1..=65_535).contains(&n) => Ok(n),
        _ => Err(format!("expected 1 to 65535 pixels, found `{text}`")),
    }
}

/// `LOW:HIGH`, `minmax` or `none`.
pub(crate) fn stretch(text: &str) -> Result<outcrop::Stretch, String> {
    outcrop::Stretch::parse(text).map_err(|e| e.to_string())
}

/// An exponent above 0.
pub(crate) fn gamma(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(gamma) if gamma > 0.0 && gamma.is_finite() => Ok(gamma),
        _ => Err(format!("expected a number above 0, found `{text}`")),
    }
}

/// Colours by name.
pub(crate) fn colormap(text: &str) -> Result<outcrop::ColorMap, String> {
    let known = outcrop::ColorMap::ALL;
    let found = known.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|found| found.1);
    found.ok_or_else(|| format!("expected {}, found `{text}`", known.map(|(name, _)| name).join(", ")))
}

/// `VALUE:UNIT`, in metres.
pub(crate) fn pixel_size(text: &str) -> Result<f64, String> {
    let wrong = || {
        format!(
            "expected a length above 0 and nm, um, mm, cm, m, km, in or ft, such as 0.25:um, found `{text}`"
        )
    };
    let (value, unit) = text.split_once(':').ok_or_else(wrong)?;
    let value: f64 = value.trim().parse().map_err(|_| wrong())?;
    let metres = value * outcrop::metres(unit.trim()).ok_or_else(wrong)?;
    if metres > 0.0 && metres.is_finite() { Ok(metres) } else { Err(wrong()) }
}

/// A difference: at least 0.
pub(crate) fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(t) if t >= 0.0 => Ok(t),
        _ => Err(format!("expected a number of at least 0, found `{text}`")),
    }
}

/// How a level is made of the one above.
pub(crate) fn resample(text: &str) -> Result<outcrop::Resample, String> {
    named(text, &outcrop::Resample::ALL)
}

/// `h` or `v`.
pub(crate) fn flip(text: &str) -> Result<outcrop::Turn, String> {
    match text {
        "h" | "horizontal" => Ok(outcrop::Turn::FlipHorizontal),
        "v" | "vertical" => Ok(outcrop::Turn::FlipVertical),
        _ => Err(format!("expected h (left and right) or v (top and bottom), found `{text}`")),
    }
}

/// Degrees, clockwise.
pub(crate) fn rotate(text: &str) -> Result<outcrop::Turn, String> {
    match text {
        "90" => Ok(outcrop::Turn::Rotate90),
        "180" => Ok(outcrop::Turn::Rotate180),
        "270" => Ok(outcrop::Turn::Rotate270),
        _ => Err(format!("expected 90, 180 or 270 degrees, found `{text}`")),
    }
}

/// The value of that name.
fn named<T: Copy>(text: &str, all: &[(&'static str, T)]) -> Result<T, String> {
    let found = all.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|found| found.1);
    let names = || all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("expected {}, found `{text}`", names()))
}

/// Colours.
pub(crate) fn mode(text: &str) -> Result<outcrop::Mode, String> {
    named(text, &outcrop::Mode::ALL)
}

/// A filter of a resize.
pub(crate) fn filter(text: &str) -> Result<outcrop::Filter, String> {
    named(text, &outcrop::Filter::ALL)
}

/// An order of axes.
pub(crate) fn layout(text: &str) -> Result<outcrop::Layout, String> {
    named(text, &[("nhwc", outcrop::Layout::Nhwc), ("nchw", outcrop::Layout::Nchw)])
}

/// Where crops are taken.
pub(crate) fn crop_at(text: &str) -> Result<outcrop::CropAt, String> {
    use outcrop::CropAt::{Centre, Random};
    named(text, &[("centre", Centre), ("random", Random), ("center", Centre)])
}

/// What becomes of bad pictures.
pub(crate) fn on_bad_image(text: &str) -> Result<outcrop::OnBadImage, String> {
    named(text, &[("fail", outcrop::OnBadImage::Fail), ("skip", outcrop::OnBadImage::Skip)])
}

/// The longest side of a picture that is made.
const LONGEST: u64 = 1 << 20;

/// `WxH` as rows and columns; one number is `None` and the number.
fn sides(text: &str) -> Result<(Option<u64>, u64), String> {
    let side = |text: &str| text.trim().parse().ok().filter(|n| (1..=LONGEST).contains(n));
    let made = match text.split_once(['x', 'X']) {
        Some((width, height)) => side(height).map(Some).zip(side(width)),
        None => side(text).map(|side| (None, side)),
    };
    made.ok_or_else(|| {
        format!("expected a length such as 256, or WIDTHxHEIGHT such as 320x240, found `{text}`")
    })
}

/// `256` or `320x240`.
pub(crate) fn resize(text: &str) -> Result<outcrop::ResizeTo, String> {
    Ok(match sides(text)? {
        (Some(height), width) => outcrop::ResizeTo::Exact(height, width),
        (None, side) => outcrop::ResizeTo::Short(side),
    })
}

/// `224` or `320x240`, as rows and columns.
pub(crate) fn crop(text: &str) -> Result<(u64, u64), String> {
    sides(text).map(|(height, side)| (height.unwrap_or(side), side))
}

/// `0..1`, `-1..1`, `imagenet`, `dataset` or `MEAN:STD`.
pub(crate) fn normalize(text: &str) -> Result<outcrop::NormalizeBy, String> {
    let list = |text: &str| -> Option<Vec<f64>> { text.split(',').map(|n| n.trim().parse().ok()).collect() };
    Ok(match text {
        "0..1" => outcrop::NormalizeBy::Unit,
        "-1..1" => outcrop::NormalizeBy::Symmetric,
        "imagenet" => outcrop::NormalizeBy::ImageNet,
        "dataset" => outcrop::NormalizeBy::Dataset,
        _ => {
            let figures = text.split_once(':').and_then(|(mean, std)| list(mean).zip(list(std)));
            let (mean, std) = figures.ok_or_else(|| {
                format!("expected 0..1, -1..1, imagenet, dataset or MEAN:STD, found `{text}`")
            })?;
            outcrop::NormalizeBy::Figures(mean, std)
        }
    })
}

/// `folders` or a file.
pub(crate) fn labels(text: &str) -> Result<outcrop::PackLabels, String> {
    Ok(match text {
        "folders" => outcrop::PackLabels::Folders,
        file => outcrop::PackLabels::File(file.into()),
    })
}

/// Parts and their shares.
#[derive(Clone, Debug)]
pub(crate) struct Splits(pub(crate) Vec<outcrop::Split>);

/// `train=0.8,val=0.1,test=0.1`.
pub(crate) fn split(text: &str) -> Result<Splits, String> {
    let wrong = || format!("expected names and shares such as train=0.8,val=0.2, found `{text}`");
    let mut splits: Vec<outcrop::Split> = Vec::new();
    for part in text.split(',') {
        let (name, share) = part.split_once('=').ok_or_else(wrong)?;
        let (name, share) = (name.trim(), share.trim().parse::<f64>().map_err(|_| wrong())?);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(plain) || !(0.0..=1.0).contains(&share) {
            return Err(wrong());
        }
        if splits.iter().any(|split| split.name == name) {
            return Err(format!("`{name}` is named twice"));
        }
        splits.push(outcrop::Split { name: name.into(), share });
    }
    Ok(Splits(splits))
}

/// One number of any sample type.
pub(crate) fn value(text: &str) -> Result<Value, String> {
    Value::parse(text).ok_or_else(|| format!("expected a number, found `{text}`"))
}

/// A number of threads.
pub(crate) fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if (1..=MOST_THREADS).contains(&n) => Ok(n),
        _ => Err(format!("expected a number of threads from 1 to {MOST_THREADS}, found `{text}`")),
    }
}

/// Ranges of channel numbers, from 1, as typed; a range that runs down counts down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChannelList(Vec<(u64, u64)>);

/// `1,3-5`.
pub(crate) fn channels(text: &str) -> Result<ChannelList, String> {
    let wrong = || format!("expected channel numbers from 1, such as 1,3-5, found `{text}`");
    let number = |part: &str| part.trim().parse::<u64>().map_err(|_| wrong());
    let mut ranges = Vec::new();
    for part in text.split(',') {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(part)?, number(part)?),
        };
        if first == 0 || last == 0 {
            return Err("channel 0 does not exist: channels count from 1".into());
        }
        ranges.push((first, last));
    }
    Ok(ChannelList(ranges))
}

impl ChannelList {
    /// The selection in an image of `count` channels, as indices from 0.
    ///
    /// # Errors
    /// [`outcrop::Error::Usage`] where a channel does not exist; looked at before the list is written out.
    pub(crate) fn select(&self, count: u64) -> outcrop::Result<outcrop::Channels> {
        if let Some(&(first, last)) = self.0.iter().find(|(first, last)| first.max(last) > &count) {
            return outcrop::Channels::select(vec![first.max(last) - 1], count);
        }
        let run = |&(first, last): &(u64, u64)| -> Vec<u64> {
            if first <= last { (first - 1..last).collect() } else { (last - 1..first).rev().collect() }
        };
        outcrop::Channels::select(self.0.iter().flat_map(run).collect(), count)
    }
}

/// `--nodata`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Nodata {
    /// No value means "no data", whatever the file says.
    None,
    /// These do: one for all channels, or one per channel.
    Values(Vec<Value>),
}

/// `V[,V..]` or `none`.
pub(crate) fn nodata(text: &str) -> Result<Nodata, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Nodata::None);
    }
    let value = |part: &str| {
        Value::parse(part)
            .ok_or_else(|| format!("expected a number, several with commas between, or none, found `{text}`"))
    };
    text.split(',').map(value).collect::<Result<_, _>>().map(Nodata::Values)
}

/// `0.1,25,50`: each of them once.
pub(crate) fn percentiles(text: &str) -> Result<PercentileSpec, String> {
    let mut spec = PercentileSpec::parse(text).map_err(|e| e.to_string())?;
    let mut seen: Vec<String> = Vec::new();
    spec.percentiles.retain(|p| {
        let new = !seen.iter().any(|text| text == p.text());
        seen.push(p.text().to_owned());
        new
    });
    Ok(spec)
}

/// A method for percentiles.
pub(crate) fn method(text: &str) -> Result<Method, String> {
    Method::from_name(text).map_err(|e| e.to_string())
}

/// `BINS[:MIN:MAX]`.
pub(crate) fn histogram(text: &str) -> Result<HistogramSpec, String> {
    HistogramSpec::parse(text).map_err(|e| e.to_string())
}

/// The name of a reduction.
pub(crate) fn op(text: &str) -> Result<Op, String> {
    Op::parse(text).map_err(|e| e.to_string())
}

/// The axes that a reduction makes vanish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axes {
    /// The channels of each pixel: the result is an image.
    Channels,
    /// Rows, columns or both, or all three.
    Over(Over),
}

/// `c`, `y`, `x`, `yx` or `yxc`.
pub(crate) fn axes(text: &str) -> Result<Axes, String> {
    match text {
        "c" => Ok(Axes::Channels),
        _ => Over::parse(text).map(Axes::Over).map_err(|e| e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_channels_run_both_ways() {
        let select = |text, count| channels(text).unwrap().select(count).map(|c| c.indices().to_vec());
        assert_eq!(select("1,3-5", 5).unwrap(), [0, 2, 3, 4]);
        assert_eq!(select("3-1,2", 3).unwrap(), [2, 1, 0, 1]);
        assert!(select("1-18446744073709551615", 3).is_err());
        assert!(channels("0").is_err() && channels("1-").is_err() && channels("").is_err());
    }

    #[test]
    fn windows_are_x_y_width_height() {
        assert_eq!(window("1,2,3,4"), Ok(Rect { y: 2, x: 1, height: 4, width: 3 }));
        for bad in ["1,2,3", "1,2,3,0", "-1,0,3,3", "18446744073709551615,0,2,2", "a,b,c,d", "1,2,3,4,5"] {
            assert!(window(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nodata_may_be_several_or_none() {
        assert_eq!(nodata("None"), Ok(Nodata::None));
        assert_eq!(nodata("-9999,nan"), Ok(Nodata::Values(vec![Value::Int(-9999), Value::Float(f64::NAN)])));
        assert!(nodata("nothing").is_err() && nodata("1,,2").is_err());
    }
}
