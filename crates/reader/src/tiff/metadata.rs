//! What a directory says beyond the pixels: text, resolution, colour, georeference, nodata.
//!
//! A tag that cannot be read never stops the image: it is named under `unread tags`.

use outcrop_core::{DataType, GeoValue, Metadata, Resolution, Result, Value};

use super::ifd::{Directory, Entry, TiffFile};
use super::pages::{self, Ome};
use super::samples::Samples;
use super::tags::{photometric_name, tag, tag_name};
use super::xml;

/// Bytes of the description and of the colour profile that are kept, at most.
const MOST_BYTES: u64 = 16 << 20;
/// The same of GDAL's metadata, whose items each take several times their bytes; and of any other text.
const MOST_ITEMS: u64 = 2 << 20;
const MOST_TEXT: u64 = 64 << 10;
/// Numbers of one tag that are kept, at most.
const MOST_NUMBERS: u64 = 3 << 16;

/// Reads what a directory says but for OME-XML, and the nodata value of its channels (none or one for all).
pub(super) fn read(
    file: &TiffFile,
    dir: &Directory,
    samples: &Samples,
    ome: Option<&Ome>,
) -> (Metadata, Vec<Value>) {
    let mut tags = Tags { file, dir, unread: Vec::new() };
    let mut m = Metadata::default();
    let is_ome = dir.get(tag::IMAGE_DESCRIPTION).is_some_and(|entry| pages::describes_ome(file, entry));
    if ome.is_none() || !is_ome {
        m.description = tags.text_of(tag::IMAGE_DESCRIPTION, MOST_BYTES);
    }
    m.software = tags.text(tag::SOFTWARE);
    m.date_time = tags.text(tag::DATE_TIME);
    let along = [tag::X_RESOLUTION, tag::Y_RESOLUTION].map(|number| {
        let values = tags.read(number, |f, e| f.floats(e, MOST_NUMBERS))?;
        values.first().copied().filter(|v| v.is_finite() && *v > 0.0)
    });
    if let [Some(x), Some(y)] = along {
        m.resolution = Some(Resolution { x, y, unit: tags.code(tag::RESOLUTION_UNIT).unwrap_or(2) });
    }
    m.icc = tags.read(tag::ICC_PROFILE, |f, e| f.raw(e, MOST_BYTES));
    m.photometric = Some(photometric_name(samples.photometric));
    m.photometric_code = Some(samples.photometric);
    m.extra_samples = tags.shorts(tag::EXTRA_SAMPLES).unwrap_or_default();
    m.orientation = tags.code(tag::ORIENTATION);
    if samples.photometric == 3 {
        m.palette = tags.shorts(tag::COLOR_MAP);
    }
    for number in [
        tag::MODEL_PIXEL_SCALE,
        tag::MODEL_TIEPOINT,
        tag::MODEL_TRANSFORMATION,
        tag::GEO_KEY_DIRECTORY,
        tag::GEO_DOUBLE_PARAMS,
        tag::GEO_ASCII_PARAMS,
    ] {
        let value = match number {
            tag::GEO_KEY_DIRECTORY => tags.shorts(number).map(GeoValue::Shorts),
            tag::GEO_ASCII_PARAMS => tags.text(number).map(GeoValue::Text),
            _ => tags.read(number, |f, e| f.floats(e, MOST_NUMBERS)).map(GeoValue::Doubles),
        };
        m.geo.extend(value.map(|value| (number, value)));
    }
    for (number, name) in [
        (tag::MAKE, "make"),
        (tag::MODEL, "model"),
        (tag::PAGE_NAME, "page name"),
        (tag::ARTIST, "artist"),
        (tag::COPYRIGHT, "copyright"),
    ] {
        m.other.extend(tags.text(number).map(|text| (name.to_owned(), text)));
    }
    let channels = samples.channels() as usize;
    if let Some(text) = tags.text_of(tag::GDAL_METADATA, MOST_ITEMS) {
        gdal_items(&text, channels, &mut m);
    }
    if m.channel_names.is_empty()
        && let Some(names) = ome.map(|ome| &ome.channel_names)
    {
        if names.len() == channels {
            m.channel_names.clone_from(names);
        } else if !names.is_empty() {
            m.other.push(("OME channels".into(), names.join(", ")));
        }
    }
    let mut nodata = Vec::new();
    if let Some(text) = tags.text(tag::GDAL_NODATA) {
        match nodata_value(&text, samples.dtype) {
            Some(value) => nodata.push(value),
            None => {
                let why = format!("{text} (no sample of {} has it)", samples.dtype);
                m.other.push(("nodata".into(), why));
            }
        }
    }
    if !tags.unread.is_empty() {
        m.other.push(("unread tags".into(), tags.unread.join("; ")));
    }
    (m, nodata)
}

/// Gives a level what only the directory of its page says: the place in the world and the resolution are always
/// those of the full resolution, text and colour profile where the level has none.
pub(super) fn inherit(level: &mut Metadata, page: Metadata) {
    level.geo = page.geo;
    level.resolution = page.resolution;
    level.description = level.description.take().or(page.description);
    level.software = level.software.take().or(page.software);
    level.date_time = level.date_time.take().or(page.date_time);
    level.icc = level.icc.take().or(page.icc);
    if level.channel_names.is_empty() {
        level.channel_names = page.channel_names;
    }
}

/// The value that a GDAL_NODATA text stands for, where a sample of the type can have it.
pub(super) fn nodata_value(text: &str, dtype: DataType) -> Option<Value> {
    let text = text.trim();
    // As Microsoft's C library printed NaN.
    let nan = text.to_ascii_lowercase().contains("#ind") || text.to_ascii_lowercase().contains("#qnan");
    let value = if nan { Value::Float(f64::NAN) } else { Value::parse(text)? };
    value.fits(dtype).then_some(value)
}

/// `Item`s of GDAL's metadata: names of channels where every channel has one, the rest by name.
fn gdal_items(text: &str, channels: usize, m: &mut Metadata) {
    let mut names = vec![None; channels];
    for item in xml::elements(text).filter(|e| e.name == "Item") {
        let sample = item.number("sample").and_then(|s| usize::try_from(s).ok());
        let name = item.attribute("name").unwrap_or_default();
        match sample {
            Some(sample) if sample < channels && item.attribute("role").as_deref() == Some("description") => {
                names[sample] = Some(item.text());
            }
            Some(sample) => {
                m.other.push((format!("channel {}: {name}", sample.saturating_add(1)), item.text()))
            }
            None => m.other.push((name, item.text())),
        }
    }
    if names.iter().any(Option::is_some) {
        m.channel_names = names.into_iter().map(Option::unwrap_or_default).collect();
    }
}

struct Tags<'a> {
    file: &'a TiffFile,
    dir: &'a Directory,
    unread: Vec<String>,
}

impl Tags<'_> {
    fn read<T>(&mut self, number: u16, read: impl Fn(&TiffFile, &Entry) -> Result<T>) -> Option<T> {
        let entry = self.dir.get(number).filter(|e| e.count > 0)?;
        match read(self.file, entry) {
            Ok(value) => Some(value),
            Err(why) => {
                let why = why.to_string();
                let named = why.contains(&format!("tag {number}"));
                self.unread.push(if named { why } else { format!("{}: {why}", tag_name(number)) });
                None
            }
        }
    }

    fn text(&mut self, number: u16) -> Option<String> {
        self.text_of(number, MOST_TEXT)
    }

    fn text_of(&mut self, number: u16, most: u64) -> Option<String> {
        self.read(number, |f, e| f.text(e, most)).filter(|t| !t.is_empty())
    }

    fn shorts(&mut self, number: u16) -> Option<Vec<u16>> {
        let values = self.read(number, |f, e| f.uints(e, MOST_NUMBERS))?;
        values.into_iter().map(|v| u16::try_from(v).ok()).collect()
    }

    fn code(&mut self, number: u16) -> Option<u16> {
        self.read(number, |f, e| f.uint(e, 0)).and_then(|v| u16::try_from(v).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodata_is_what_a_sample_can_be() {
        let read = |text, dtype| nodata_value(text, dtype);
        assert_eq!(read("-9999", DataType::I16), Some(Value::Int(-9999)));
        assert_eq!(read("-9999", DataType::U8), None);
        assert_eq!(read(" 255.0 ", DataType::U8), Some(Value::Int(255)));
        assert_eq!(read("-3.4028234663852886e+38", DataType::F32), Some(Value::Float(f32::MIN.into())));
        assert!(matches!(read("-nan", DataType::F32), Some(Value::Float(v)) if v.is_nan()));
        assert!(matches!(read("-1.#IND", DataType::F64), Some(Value::Float(v)) if v.is_nan()));
        assert_eq!(read("nan", DataType::U16), None);
        assert_eq!(read("18446744073709551615", DataType::U64), Some(Value::Int(u64::MAX.into())));
        assert_eq!(read("n/a", DataType::U8), None);
    }

    #[test]
    fn gdal_items_name_channels() {
        let mut m = Metadata::default();
        let text = "<GDALMetadata><Item name='DESCRIPTION' sample='1' role='description'>Near &lt;IR&gt;</Item>\
                    <Item name='SCALE' sample='0' role='scale'>2</Item><Item name='AREA'>x</Item></GDALMetadata>";
        gdal_items(text, 2, &mut m);
        assert_eq!(m.channel_names, ["", "Near <IR>"]);
        let other: Vec<_> = m.other.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(other, ["channel 1: SCALE=2", "AREA=x"]);
    }
}
