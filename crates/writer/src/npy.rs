//! The header of a `.npy` file, byte for byte as NumPy writes it (format version 1.0).

use outcrop_core::{DataType, Extent};

/// Digits that NumPy (since 1.23) leaves room for in the first axis, so that a file can grow in place.
const GROWTH_DIGITS: usize = 21;

/// The header of an array of shape (H, W, C), or (H, W) for one channel, little-endian, in C order.
pub(crate) fn header(extent: Extent, dtype: DataType) -> Vec<u8> {
    let Extent { height, width, channels } = extent;
    let shape = if channels == 1 {
        format!("({height}, {width})")
    } else {
        format!("({height}, {width}, {channels})")
    };
    let mut text = format!("{{'descr': '{}', 'fortran_order': False, 'shape': {shape}, }}", descr(dtype));
    let spare = GROWTH_DIGITS.saturating_sub(height.to_string().len());
    text.extend(std::iter::repeat_n(' ', spare));
    // Magic, version, length: 10 bytes; then the text and a newline, padded to a multiple of 64.
    let padding = (64 - (10 + text.len() + 1) % 64) % 64;
    text.extend(std::iter::repeat_n(' ', padding));
    text.push('\n');

    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((text.len() as u16).to_le_bytes());
    header.extend(text.as_bytes());
    header
}

fn descr(dtype: DataType) -> String {
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
