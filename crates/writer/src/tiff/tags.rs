//! What a TIFF says about its image: tags from the layout, the sample type and the metadata.

use std::borrow::Cow;

use outcrop_core::{DataType, Extent, GeoValue, Metadata, Result, Value};

use super::directory::{Directory, rational};
use super::layout::Layout;
use super::{Compression, TiffOptions, ome};
use crate::OutputImage;
use crate::jpeg::Quality;

const WHITE_IS_ZERO: u16 = 0;
const BLACK_IS_ZERO: u16 = 1;
const RGB: u16 = 2;
pub(super) const PALETTE: u16 = 3;
const CMYK: u16 = 5;
const YCBCR: u16 = 6;
const CIE_LAB: u16 = 8;

/// The one nodata value that a TIFF can declare (GDAL_NODATA): that of all channels, where it is one.
pub(super) fn nodata(image: &OutputImage<'_>) -> Option<Value> {
    let (first, rest) = image.nodata.split_first()?;
    rest.iter().all(|v| v == first).then_some(*first)
}

/// TIFF's photometric interpretation for the channels and type that are written, which may not be those of the file
/// that the metadata came from. YCbCr pixels are RGB by the time they get here, and become YCbCr in a JPEG only.
pub(super) fn photometric(image: &OutputImage<'_>, options: &TiffOptions) -> u16 {
    let channels = image.extent.channels;
    if matches!(options.compression, Compression::Jpeg { .. }) && !options.planar && channels == 3 {
        return YCBCR;
    }
    let colours = matches!(image.dtype, DataType::U8 | DataType::U16);
    match image.metadata.photometric_code {
        Some(WHITE_IS_ZERO) if channels == 1 => WHITE_IS_ZERO,
        Some(PALETTE) if channels == 1 && palette(image).is_some() => PALETTE,
        Some(RGB | YCBCR) if channels >= 3 => RGB,
        Some(CMYK) if channels >= 4 => CMYK,
        Some(CIE_LAB) if channels >= 3 && colours => CIE_LAB,
        None if (3..=4).contains(&channels) && colours => RGB,
        _ => BLACK_IS_ZERO,
    }
}

/// The colour map, where it fits the samples.
fn palette<'a>(image: &OutputImage<'a>) -> Option<&'a [u16]> {
    let entries = match image.dtype {
        DataType::U8 => 1 << 8,
        DataType::U16 => 1 << 16,
        _ => return None,
    };
    image.metadata.palette.as_deref().filter(|p| p.len() == 3 * entries)
}

/// The tags of the image, or of a `reduced` one beside it, which says nothing of its own about places and origins.
pub(super) fn directory(
    image: &OutputImage<'_>,
    layout: &Layout,
    options: &TiffOptions,
    photometric: u16,
    predictor: u16,
    reduced: bool,
) -> Result<Directory> {
    let mut d = Directory::default();
    let channels = layout.extent.channels as usize;
    let dtype = layout.dtype;
    d.long(254, reduced.into());
    d.long(256, layout.extent.width as u32);
    d.long(257, layout.extent.height as u32);
    d.shorts(258, &vec![dtype.bytes() as u16 * 8; channels]);
    d.shorts(259, &[options.compression.code()]);
    d.shorts(262, &[photometric]);
    d.shorts(277, &[channels as u16]);
    d.shorts(284, &[if layout.planes > 1 { 2 } else { 1 }]);
    if layout.tiled {
        d.long(322, layout.width as u32);
        d.long(323, layout.height as u32);
    } else {
        d.long(278, layout.height as u32);
    }
    if predictor != 1 {
        d.shorts(317, &[predictor]);
    }
    if photometric == PALETTE {
        d.shorts(320, palette(image).unwrap_or_default());
    }
    let colours = match photometric {
        RGB | YCBCR | CIE_LAB => 3,
        CMYK => 4,
        _ => 1,
    };
    if let (YCBCR, Compression::Jpeg { subsampled, .. }) = (photometric, options.compression) {
        d.shorts(530, &[if subsampled { 2 } else { 1 }; 2]);
    }
    match options.compression {
        Compression::Jpeg { quality, subsampled } => {
            let quality = Quality::new(quality, subsampled, layout.per_plane as usize);
            d.undefined(347, &quality.tables());
        }
        // Version 4 and no other compression around it: numbers of 32 bits.
        Compression::Lerc { .. } => d.longs(50674, &[4, 0]),
        _ => {}
    }
    let extra = &image.metadata.extra_samples;
    match channels - colours {
        0 => {}
        more if extra.len() == more => d.shorts(338, extra),
        more => d.shorts(338, &vec![0; more]),
    }
    let format = if dtype.is_float() {
        3
    } else if dtype.is_signed_integer() {
        2
    } else {
        1
    };
    d.shorts(339, &vec![format; channels]);
    if !reduced {
        if let Some(text) =
            image.metadata.description.as_deref().and_then(|text| description(text, image.extent))
        {
            d.text(270, &text);
        }
        add_metadata(&mut d, image.metadata);
        if let Some(xml) = ome_xml(image) {
            d.text(270, &xml);
        }
    }
    if let Some(value) = nodata(image) {
        d.text(42113, &value.to_string());
    }
    Ok(d)
}

/// The file's OME-XML, made to describe the one page that is written.
pub(super) fn ome_xml(image: &OutputImage<'_>) -> Option<String> {
    ome::describe(image.metadata.ome_xml.as_deref()?, image.extent, image.dtype)
}

/// What stays true of a description once one page is written: tifffile's names a shape, ImageJ's how many pages follow.
fn description(text: &str, extent: Extent) -> Option<Cow<'_, str>> {
    if let Some(rest) = text.strip_prefix("{\"shape\": [") {
        let shape: Option<Vec<u64>> =
            rest.split(']').next()?.split(',').map(|n| n.trim().parse().ok()).collect();
        let Extent { height, width, channels } = extent;
        let is_ours = shape.is_some_and(|shape| match shape[..] {
            [h, w] => (h, w, 1) == (height, width, channels),
            [h, w, c] => (h, w, c) == (height, width, channels),
            _ => false,
        });
        return is_ours.then_some(text.into());
    }
    if !text.starts_with("ImageJ=") {
        return Some(text.into());
    }
    const PAGES: [&str; 6] = ["images=", "channels=", "slices=", "frames=", "hyperstack=", "mode="];
    let kept = text.lines().filter(|line| !PAGES.iter().any(|key| line.starts_with(key)));
    Some(kept.map(|line| format!("{line}\n")).collect::<String>().into())
}

fn add_metadata(d: &mut Directory, metadata: &Metadata) {
    if let Some(code @ 1..=8) = metadata.orientation {
        d.shorts(274, &[code]);
    }
    if let Some(r) = metadata.resolution
        && let Some((x, y)) = rational(r.x).zip(rational(r.y))
    {
        d.rational(282, x);
        d.rational(283, y);
        d.shorts(296, &[if r.unit <= 3 { r.unit.max(1) } else { 1 }]);
    }
    if let Some(text) = &metadata.software {
        d.text(305, text);
    }
    if let Some(text) = &metadata.date_time {
        d.text(306, text);
    }
    if let Some(icc) = &metadata.icc {
        d.undefined(34675, icc);
    }
    for (tag, value) in &metadata.geo {
        // Only what is GeoTIFF's: a tag of the layout must never be replaced from outside.
        if !matches!(tag, 33550 | 33922 | 34264 | 34735..=34737 | 42112) {
            continue;
        }
        match value {
            GeoValue::Shorts(v) => d.shorts(*tag, v),
            GeoValue::Doubles(v) => d.doubles(*tag, v),
            GeoValue::Text(v) => d.text(*tag, v),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_of_other_pages_is_left_out_or_cut() {
        let extent = Extent::new(4, 5, 3);
        for kept in ["a scan", "{\"shape\": [4, 5, 3]}", "{\"other\": 1}", ""] {
            assert_eq!(description(kept, extent).unwrap(), kept);
        }
        for gone in
            ["{\"shape\": [4, 5]}", "{\"shape\": [9, 4, 5, 3]}", "{\"shape\": [", "{\"shape\": [5, 4, 3]}"]
        {
            assert_eq!(description(gone, extent), None, "{gone}");
        }
        let stack = "ImageJ=1.53\nimages=12\nslices=12\nunit=um\nspacing=0.5\n";
        assert_eq!(description(stack, extent).unwrap(), "ImageJ=1.53\nunit=um\nspacing=0.5\n");
    }
}
