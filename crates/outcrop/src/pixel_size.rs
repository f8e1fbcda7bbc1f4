//! [`pixel_size`]: how long a pixel is in metres, where the file says so.

use outcrop_core::{GeoValue, Image};

/// GeoTIFF: sizes of pixels, and the directory of keys with the kind of coordinates and the unit of projected ones.
const SCALE: u16 = 33550;
const KEYS: u16 = 34735;
const MODEL_TYPE: u16 = 1024;
const PROJECTED: u16 = 1;
const LINEAR_UNITS: u16 = 3076;

/// Metres along a row and down a column that one pixel of the full resolution takes: by OME-XML, projected GeoTIFF
/// coordinates, or the resolution in pixels per inch or centimetre. `None` where nothing says so.
pub fn pixel_size(image: &Image) -> Option<(f64, f64)> {
    let sizes = ome(image).or_else(|| geo(image)).or_else(|| printed(image))?;
    let sound = |v: f64| v.is_finite() && v > 0.0;
    (sound(sizes.0) && sound(sizes.1)).then_some(sizes)
}

/// The metres of a unit of length by its symbol: `nm`, `um` (or `µm`), `mm`, `cm`, `m`, `km`, `in`, `ft`.
pub fn metres(unit: &str) -> Option<f64> {
    Some(match unit {
        "pm" => 1e-12,
        "nm" => 1e-9,
        // The micro sign and the Greek letter.
        "um" | "\u{b5}m" | "\u{3bc}m" => 1e-6,
        "mm" => 1e-3,
        "cm" => 1e-2,
        "m" => 1.0,
        "km" => 1e3,
        "in" => 0.0254,
        "ft" => 0.3048,
        _ => return None,
    })
}

fn ome(image: &Image) -> Option<(f64, f64)> {
    let xml = image.metadata.ome_xml.as_deref()?;
    let attribute = |name: &str| Some(xml.split_once(&format!(" {name}=\""))?.1.split_once('"')?.0);
    let size = |axis: &str| {
        let value: f64 = attribute(&format!("PhysicalSize{axis}"))?.parse().ok()?;
        Some(value * metres(attribute(&format!("PhysicalSize{axis}Unit")).unwrap_or("um"))?)
    };
    Some((size("X")?, size("Y")?))
}

fn geo(image: &Image) -> Option<(f64, f64)> {
    let find = |wanted| image.metadata.geo.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| value);
    let (GeoValue::Doubles(scale), GeoValue::Shorts(keys)) = (find(SCALE)?, find(KEYS)?) else { return None };
    let key = |wanted| keys.chunks_exact(4).skip(1).find(|key| key[0] == wanted).map(|key| key[3]);
    if key(MODEL_TYPE)? != PROJECTED {
        return None;
    }
    let unit = match key(LINEAR_UNITS) {
        None | Some(9001) => 1.0,
        Some(9002) => 0.3048,
        Some(9003) => 1200.0 / 3937.0,
        Some(_) => return None,
    };
    Some((scale.first()? * unit, scale.get(1)? * unit))
}

fn printed(image: &Image) -> Option<(f64, f64)> {
    let resolution = image.metadata.resolution?;
    let unit = match resolution.unit {
        2 => 0.0254,
        3 => 0.01,
        _ => return None,
    };
    Some((unit / resolution.x, unit / resolution.y))
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_core::{BlockLayout, DataType, Extent, Resolution};

    fn image() -> Image {
        Image::plain("TIFF", Extent::new(4, 4, 1), DataType::U8, BlockLayout::Rows { planar: false })
    }

    #[test]
    fn sizes_come_from_what_the_file_says() {
        let mut image = image();
        assert_eq!(pixel_size(&image), None);
        image.metadata.resolution = Some(Resolution { x: 40000.0, y: 20000.0, unit: 3 });
        assert_eq!(pixel_size(&image), Some((0.01 / 40000.0, 0.01 / 20000.0)));
        image.metadata.resolution = Some(Resolution { x: 0.0, y: 1.0, unit: 2 });
        assert_eq!(pixel_size(&image), None);
        let keys = |model| GeoValue::Shorts(vec![1, 1, 0, 2, 1024, 0, 1, model, 3076, 0, 1, 9002]);
        image.metadata.geo = vec![(SCALE, GeoValue::Doubles(vec![10.0, 20.0, 0.0])), (KEYS, keys(1))];
        assert_eq!(pixel_size(&image), Some((3.048, 6.096)));
        // Degrees are no length.
        image.metadata.geo[1].1 = keys(2);
        assert_eq!(pixel_size(&image), None);
        let sizes = "PhysicalSizeX=\"0.5\" PhysicalSizeXUnit=\"nm\" PhysicalSizeY=\"2\"";
        image.metadata.ome_xml = Some(format!("<Pixels SizeX=\"4\" {sizes}/>").into());
        assert_eq!(pixel_size(&image), Some((0.5 * 1e-9, 2e-6)));
    }
}
