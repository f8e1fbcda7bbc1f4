//! The one thing that is wanted of EXIF: how the camera was held.

/// The Orientation tag (1 to 8) of the first directory of an EXIF block; `None` where there is none.
pub(super) fn orientation(exif: &[u8]) -> Option<u16> {
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let big = match tiff.get(..4)? {
        b"II*\0" => false,
        b"MM\0*" => true,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = *tiff.get(at..)?.first_chunk()?;
        Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let bytes = *tiff.get(4..)?.first_chunk()?;
    let first = if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) } as usize;
    let entry = |n: usize| first.checked_add(2 + 12 * n);
    let found = (0..usize::from(short(first)?)).find(|&n| entry(n).and_then(short) == Some(0x0112))?;
    let at = entry(found)?;
    // One SHORT.
    let value = (short(at + 2)? == 3).then(|| short(at + 8))??;
    (1..=8).contains(&value).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with another tag before it, in either byte order.
    fn block(big: bool, value: u16) -> Vec<u8> {
        let short = |v: u16| if big { v.to_be_bytes() } else { v.to_le_bytes() };
        let long = |v: u32| if big { v.to_be_bytes() } else { v.to_le_bytes() };
        let mut bytes = if big { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        bytes.extend(long(8));
        bytes.extend(short(2));
        for (tag, v) in [(0x010f, 7), (0x0112, value)] {
            bytes.extend(short(tag));
            bytes.extend(short(3));
            bytes.extend(long(1));
            bytes.extend(short(v));
            bytes.extend([0, 0]);
        }
        bytes
    }

    #[test]
    fn the_orientation_is_found_in_either_byte_order() {
        for big in [false, true] {
            assert_eq!(orientation(&block(big, 6)), Some(6));
            assert_eq!(orientation(&[b"Exif\0\0", &block(big, 3)[..]].concat()), Some(3));
            assert_eq!(orientation(&block(big, 9)), None);
            let whole = block(big, 8);
            for cut in 0..whole.len() - 2 {
                assert_eq!(orientation(&whole[..cut]), None, "{cut} bytes");
            }
        }
    }
}
