//! OME-XML of an output: everything around the `Pixels` element stays, the element describes what is written.

use outcrop_core::{DataType, Extent};

/// The document with its one `Pixels` element describing one page of that extent and type. Its identifier and
/// physical sizes are kept; what named other pages, channels and files is not.
///
/// `None` where the document has no `Pixels` element or several, or OME has no such sample type.
pub(super) fn describe(xml: &str, extent: Extent, dtype: DataType) -> Option<String> {
    let start = xml.find("<Pixels")?;
    let (attributes, inside) = start_tag(&xml[start + "<Pixels".len()..])?;
    let end = if inside.is_empty_element {
        inside.rest
    } else {
        const CLOSE: &str = "</Pixels>";
        &inside.rest[inside.rest.find(CLOSE)? + CLOSE.len()..]
    };
    if end.contains("<Pixels") {
        return None;
    }
    let mut kept = String::new();
    for (name, value) in attributes {
        if name == "ID" || name.starts_with("PhysicalSize") {
            kept += &format!(" {name}={value}");
        }
    }
    let Extent { height, width, channels } = extent;
    Some(format!(
        "{before}<Pixels{kept} DimensionOrder=\"XYCZT\" Type=\"{kind}\" SizeX=\"{width}\" SizeY=\"{height}\" \
         SizeC=\"{channels}\" SizeZ=\"1\" SizeT=\"1\"><Channel ID=\"Channel:0:0\" SamplesPerPixel=\"{channels}\"/>\
         <TiffData IFD=\"0\" PlaneCount=\"1\"/></Pixels>{end}",
        before = &xml[..start],
        kind = type_name(dtype)?,
    ))
}

fn type_name(dtype: DataType) -> Option<&'static str> {
    match dtype {
        DataType::F32 => Some("float"),
        DataType::F64 => Some("double"),
        DataType::F16 | DataType::U64 | DataType::I64 => None,
        integer => Some(integer.name()),
    }
}

/// What follows a start tag.
struct Inside<'a> {
    is_empty_element: bool,
    rest: &'a str,
}

/// The attributes of a start tag, values with their quotes, read from behind the element's name.
fn start_tag(mut text: &str) -> Option<(Vec<(&str, &str)>, Inside<'_>)> {
    if !text.starts_with([' ', '\t', '\r', '\n', '>', '/']) {
        return None;
    }
    let mut attributes = Vec::new();
    loop {
        text = text.trim_start();
        if let Some(rest) = text.strip_prefix('>') {
            return Some((attributes, Inside { is_empty_element: false, rest }));
        }
        if let Some(rest) = text.strip_prefix("/>") {
            return Some((attributes, Inside { is_empty_element: true, rest }));
        }
        let (name, value) = text.split_once('=')?;
        let value = value.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let close = value[1..].find(quote)? + 2;
        attributes.push((name.trim_end(), &value[..close]));
        text = &value[close..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_output_and_the_rest_stays() {
        let xml = "<OME><Image Name=\"µ\"><Pixels ID='P:0' PhysicalSizeX=\"0.5\" SizeX=\"9\" SizeZ=\"7\" Type=\"uint8\">\
                   <Channel/><TiffData IFD=\"3\"/></Pixels></Image></OME>";
        assert_eq!(
            describe(xml, Extent::new(4, 5, 3), DataType::F32).unwrap(),
            "<OME><Image Name=\"µ\"><Pixels ID='P:0' PhysicalSizeX=\"0.5\" DimensionOrder=\"XYCZT\" Type=\"float\" \
             SizeX=\"5\" SizeY=\"4\" SizeC=\"3\" SizeZ=\"1\" SizeT=\"1\"><Channel ID=\"Channel:0:0\" \
             SamplesPerPixel=\"3\"/><TiffData IFD=\"0\" PlaneCount=\"1\"/></Pixels></Image></OME>"
        );
    }

    #[test]
    fn what_cannot_be_described_is_left_out() {
        let one = |xml| describe(xml, Extent::new(1, 1, 1), DataType::U8);
        assert!(one("<OME><Pixels/></OME>").is_some());
        for bad in [
            "",
            "<OME/>",
            "<Pixels",
            "<Pixels SizeX",
            "<Pixels SizeX=",
            "<Pixels SizeX=é>",
            "<Pixels SizeX=\"1>",
            "<Pixels>",
            "<PixelsX/>",
            "<Pixels/><Pixels/>",
        ] {
            assert_eq!(one(bad), None, "{bad}");
        }
        assert_eq!(describe("<Pixels/>", Extent::new(1, 1, 1), DataType::F16), None);
    }
}
