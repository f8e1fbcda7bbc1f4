//! The text header that stands beside an ENVI raster.

use std::path::{Path, PathBuf};

use outcrop_core::{ByteOrder, DataType, Error, Result};

use crate::OutputImage;

/// Data file and header for the path that the user named, which may be either.
pub(crate) fn pair(path: &Path) -> (PathBuf, PathBuf) {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("hdr")) {
        (path.with_extension("raw"), path.to_path_buf())
    } else {
        (path.to_path_buf(), path.with_extension("hdr"))
    }
}

/// The header of pixels stored in (y, x, channel) order from the first byte of the data file.
pub(crate) fn header(image: &OutputImage<'_>, order: ByteOrder) -> Result<String> {
    let mut text = String::from("ENVI\n");
    if let Some(description) = &image.metadata.description {
        text += &format!("description = {{{}}}\n", in_braces(description));
    }
    text += &format!("samples = {}\n", image.extent.width);
    text += &format!("lines = {}\n", image.extent.height);
    text += &format!("bands = {}\n", image.extent.channels);
    text += "header offset = 0\nfile type = ENVI Standard\n";
    text += &format!("data type = {}\n", data_type(image.dtype)?);
    text += "interleave = bip\n";
    text += &format!("byte order = {}\n", u8::from(order == ByteOrder::Big));
    if let Some(nodata) = image.nodata.first() {
        text += &format!("data ignore value = {nodata}\n");
    }
    let names = &image.metadata.channel_names;
    if !names.is_empty() && names.len() as u64 == image.extent.channels {
        let names: Vec<String> = names.iter().map(|n| in_braces(n).replace(',', ";")).collect();
        text += &format!("band names = {{{}}}\n", names.join(", "));
    }
    Ok(text)
}

/// Text that cannot end the braces around it.
fn in_braces(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '{' => '(',
            '}' => ')',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

fn data_type(dtype: DataType) -> Result<u8> {
    Ok(match dtype {
        DataType::U8 => 1,
        DataType::I16 => 2,
        DataType::I32 => 3,
        DataType::F32 => 4,
        DataType::F64 => 5,
        DataType::U16 => 12,
        DataType::U32 => 13,
        DataType::I64 => 14,
        DataType::U64 => 15,
        DataType::I8 | DataType::F16 => {
            return Err(Error::Unsupported(format!(
                "{dtype} in an ENVI file, which has no such type (--dtype)"
            )));
        }
    })
}
