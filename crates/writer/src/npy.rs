//! The header of a `.npy` file, byte for byte as NumPy writes it (format version 1.0).

use outcrop_core::{DataType, Extent};

/// Digits that NumPy (since 1.23) leaves room for in the first axis, so that a file can grow in place.
const GROWTH_DIGITS: usize = 21;

/// The header of an array of shape (H, W, C), or (H, W) for one channel, little-endian, in C order.
pub(crate) fn header(extent: Extent, dtype: DataType) -> Vec<u8> {
    let Extent { height, width, channels } = extent;
    let shape = [height, width, channels];
    header_of(if channels == 1 { &shape[..2] } else { &shape }, &descr(dtype))
}

/// The header of an array of any shape, of NumPy's type code. Its length does not depend on the first axis.
pub(crate) fn header_of(shape: &[u64], descr: &str) -> Vec<u8> {
    let axes: Vec<String> = shape.iter().map(u64::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let axes = axes.join(", ");
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({axes}{comma}), }}");
    let first = shape.first().map_or(0, |n| n.to_string().len());
    text.extend(std::iter::repeat_n(' ', GROWTH_DIGITS.saturating_sub(first)));
    // Magic, version, length: 10 bytes; then the text and a newline, padded to a multiple of 64.
    let padding = (64 - (10 + text.len() + 1) % 64) % 64;
    text.extend(std::iter::repeat_n(' ', padding));
    text.push('\n');

    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((text.len() as u16).to_le_bytes());
    header.extend(text.as_bytes());
    header
}

/// NumPy's code of a sample type.
pub(crate) fn descr(dtype: DataType) -> String {
    let kind = if dtype.is_float() {
        'f'
    } else if dtype.is_signed_integer() {
        'i'
    } else {
        'u'
    };
    let order = if dtype.bytes() == 1 { '|' } else { '<' };
    format!("{order}{kind}{}", dtype.bytes())
}
