//! Where an image lies in the world, once a window of it or one of its levels is an image of its own.

use outcrop_core::{GeoValue, Image, Metadata, Rect};

/// GeoTIFF's tags of pixel places: scale, tie points, and the matrix that stands for both.
const SCALE: u16 = 33550;
const TIE_POINTS: u16 = 33922;
const MATRIX: u16 = 34264;
/// The directory of keys, and in it the key that says whether a pixel's place is its corner (1) or centre (2).
const KEYS: u16 = 34735;
const RASTER_TYPE: u16 = 1025;
/// GDAL's metadata: statistics and the like, of the whole image as it was stored.
const GDAL_METADATA: u16 = 42112;

/// How the pixels of a part lie in the full resolution: column `x` there is `x * scale.0 + start.0`.
#[derive(Clone, Copy, Debug)]
struct Map {
    scale: (f64, f64),
    start: (f64, f64),
}

/// What the image's metadata say of the window: the origin moved, sizes of pixels scaled for a level.
pub(crate) fn placed(image: &Image, window: Rect) -> Metadata {
    let mut metadata = image.metadata.clone();
    if window == image.extent.rect() && image.level == 0 {
        return metadata;
    }
    let full =
        image.levels.first().map_or((image.extent.height, image.extent.width), |l| (l.height, l.width));
    let ratio = |full: u64, here: u64| if here == 0 { 1.0 } else { full as f64 / here as f64 };
    let scale = (ratio(full.1, image.extent.width), ratio(full.0, image.extent.height));
    // The centre of a level's pixel is not the centre of a pixel of the full resolution.
    let centre = |scale: f64| if is_point(&metadata) { (scale - 1.0) / 2.0 } else { 0.0 };
    let start = (window.x as f64 * scale.0 + centre(scale.0), window.y as f64 * scale.1 + centre(scale.1));
    let map = Map { scale, start };
    metadata.geo.retain(|(tag, _)| *tag != GDAL_METADATA);
    for (tag, value) in &mut metadata.geo {
        if let GeoValue::Doubles(numbers) = value {
            map.apply(*tag, numbers);
        }
    }
    if image.level > 0 {
        if let Some(resolution) = &mut metadata.resolution {
            resolution.x /= scale.0;
            resolution.y /= scale.1;
        }
        metadata.ome_xml = metadata.ome_xml.map(|xml| {
            let xml = scale_attribute(&xml, "PhysicalSizeX", scale.0);
            scale_attribute(&xml, "PhysicalSizeY", scale.1).into()
        });
    }
    metadata
}

/// Forgets what was only true of the samples as they were.
pub(crate) fn forget_figures(metadata: &mut Metadata) {
    metadata.geo.retain(|(tag, _)| *tag != GDAL_METADATA);
}

fn is_point(metadata: &Metadata) -> bool {
    let keys = metadata.geo.iter().find_map(|(tag, value)| match value {
        GeoValue::Shorts(keys) if *tag == KEYS => Some(keys),
        _ => None,
    });
    keys.is_some_and(|keys| keys.chunks_exact(4).any(|key| key[0] == RASTER_TYPE && key[3] == 2))
}

impl Map {
    fn apply(&self, tag: u16, numbers: &mut [f64]) {
        match tag {
            SCALE if numbers.len() >= 2 => {
                numbers[0] *= self.scale.0;
                numbers[1] *= self.scale.1;
            }
            TIE_POINTS => {
                for point in numbers.chunks_exact_mut(6) {
                    point[0] = (point[0] - self.start.0) / self.scale.0;
                    point[1] = (point[1] - self.start.1) / self.scale.1;
                }
            }
            MATRIX if numbers.len() == 16 => {
                for row in numbers.chunks_exact_mut(4) {
                    row[3] += row[0] * self.start.0 + row[1] * self.start.1;
                    row[0] *= self.scale.0;
                    row[1] *= self.scale.1;
                }
                // The last row is 0 0 0 1.
                numbers[12] = 0.0;
                numbers[13] = 0.0;
                numbers[15] = 1.0;
            }
            _ => {}
        }
    }
}

/// The text of an image whose rows became columns: physical sizes and their units change places.
pub(crate) fn swap_sizes(xml: &str) -> String {
    let [x, y, other] = [" PhysicalSizeX", " PhysicalSizeY", " PhysicalSize\0"];
    xml.replace(x, other).replace(y, x).replace(other, y)
}

/// The text with the number in each `name="number"` multiplied; what is no number stays.
fn scale_attribute(xml: &str, name: &str, factor: f64) -> String {
    let start = format!(" {name}=\"");
    let mut parts = xml.split(&start);
    let mut scaled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (value, rest) = part.split_once('"').unwrap_or((part, ""));
        let value = value.parse::<f64>().map_or(value.to_owned(), |v| (v * factor).to_string());
        scaled += &format!("{start}{value}\"{rest}");
    }
    scaled
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_core::{BlockLayout, DataType, Extent, LevelInfo};

    const LAYOUT: BlockLayout = BlockLayout::Rows { planar: false };

    fn image(raster_type: u16, level: u64) -> Image {
        let extent = if level == 0 { Extent::new(80, 100, 1) } else { Extent::new(20, 25, 1) };
        let mut image = Image::plain("TIFF", extent, DataType::U8, LAYOUT);
        image.level = level;
        image.levels = vec![
            LevelInfo { height: 80, width: 100, layout: LAYOUT },
            LevelInfo { height: 20, width: 25, layout: LAYOUT },
        ];
        image.metadata.geo = vec![
            (SCALE, GeoValue::Doubles(vec![0.5, 0.25, 0.0])),
            (TIE_POINTS, GeoValue::Doubles(vec![0.0, 0.0, 0.0, 1000.0, 2000.0, 0.0])),
            (KEYS, GeoValue::Shorts(vec![1, 1, 0, 1, RASTER_TYPE, 0, 1, raster_type])),
            (GDAL_METADATA, GeoValue::Text("<GDALMetadata/>".into())),
        ];
        image
    }

    /// The place in the world of a pixel's corner.
    fn world(metadata: &Metadata, x: f64, y: f64) -> (f64, f64) {
        let find = |tag| {
            metadata.geo.iter().find_map(|(t, v)| match v {
                GeoValue::Doubles(v) if *t == tag => Some(v.clone()),
                _ => None,
            })
        };
        if let Some(m) = find(MATRIX) {
            return (m[0] * x + m[1] * y + m[3], m[4] * x + m[5] * y + m[7]);
        }
        let (s, t) = (find(SCALE).unwrap(), find(TIE_POINTS).unwrap());
        (t[3] + (x - t[0]) * s[0], t[4] - (y - t[1]) * s[1])
    }

    #[test]
    fn a_window_has_its_own_origin() {
        let metadata = placed(&image(1, 0), Rect { y: 8, x: 10, height: 5, width: 5 });
        assert_eq!(world(&metadata, 0.0, 0.0), (1005.0, 1998.0));
        assert!(metadata.geo.iter().all(|(tag, _)| *tag != GDAL_METADATA));
        let whole = image(1, 0);
        assert_eq!(placed(&whole, whole.extent.rect()), whole.metadata);
    }

    #[test]
    fn a_window_of_a_level_lies_where_it_did() {
        let window = Rect { y: 2, x: 3, height: 5, width: 5 };
        let corners = placed(&image(1, 1), window);
        assert_eq!(world(&corners, 0.0, 0.0), (1000.0 + 12.0 * 0.5, 2000.0 - 8.0 * 0.25));
        // The centre of pixel 3 of the level is that of columns 12 to 15: 13.5 between centres.
        let centres = placed(&image(2, 1), window);
        assert_eq!(world(&centres, 0.0, 0.0), (1000.0 + 13.5 * 0.5, 2000.0 - 9.5 * 0.25));
    }

    #[test]
    fn a_matrix_moves_like_scale_and_tie_point() {
        let mut turned = image(1, 1);
        let matrix = vec![0.5, 0.1, 0.0, 7.0, 0.2, -0.25, 0.0, 9.0, 0., 0., 0., 0., 0., 0., 0., 1.];
        turned.metadata.geo = vec![(MATRIX, GeoValue::Doubles(matrix))];
        let before = world(&turned.metadata, 16.0, 12.0);
        let after = placed(&turned, Rect { y: 2, x: 3, height: 5, width: 5 });
        let found = world(&after, 1.0, 1.0);
        assert!(
            (found.0 - before.0).abs() < 1e-12 && (found.1 - before.1).abs() < 1e-12,
            "{found:?} {before:?}"
        );
    }

    #[test]
    fn sizes_of_a_transposed_image_change_places() {
        let xml = "<Pixels PhysicalSizeX=\"0.5\" PhysicalSizeXUnit=\"mm\" PhysicalSizeY=\"2\" SizeX=\"7\"/>";
        let wanted =
            "<Pixels PhysicalSizeY=\"0.5\" PhysicalSizeYUnit=\"mm\" PhysicalSizeX=\"2\" SizeX=\"7\"/>";
        assert_eq!(swap_sizes(xml), wanted);
    }

    #[test]
    fn sizes_of_a_level_are_larger() {
        let mut level = image(1, 1);
        level.metadata.ome_xml =
            Some(String::from("<Pixels PhysicalSizeX=\"0.5\" PhysicalSizeXUnit=\"µm\"/>").into());
        level.metadata.resolution = Some(outcrop_core::Resolution { x: 40000.0, y: 20000.0, unit: 3 });
        let metadata = placed(&level, level.extent.rect());
        assert_eq!(
            metadata.ome_xml.unwrap().as_str(),
            "<Pixels PhysicalSizeX=\"2\" PhysicalSizeXUnit=\"µm\"/>"
        );
        let r = metadata.resolution.unwrap();
        assert_eq!((r.x, r.y), (10000.0, 5000.0));
    }
}
