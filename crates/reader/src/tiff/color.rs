//! Subsampled YCbCr without JPEG (TIFF 6.0, section 21): chroma is repeated, colours are not converted.

/// Expands data units of `h * v` Y, one Cb and one Cr of 8 bits each into `rows` rows of `width` interleaved pixels.
/// Units reach past the right and lower edge; what lies there is dropped.
pub(super) fn upsample(packed: &[u8], (h, v): (u16, u16), width: usize, rows: usize, out: &mut [u8]) {
    let (h, v) = (usize::from(h), usize::from(v));
    let unit_bytes = h * v + 2;
    let unit_row_bytes = width.div_ceil(h) * unit_bytes;
    for (y, row) in out.chunks_exact_mut((3 * width).max(1)).enumerate().take(rows) {
        let units = &packed[y / v * unit_row_bytes..][..unit_row_bytes];
        for (unit, pixels) in units.chunks_exact(unit_bytes).zip(row.chunks_mut(3 * h)) {
            let luma = &unit[y % v * h..];
            for (pixel, &y) in pixels.chunks_exact_mut(3).zip(luma) {
                pixel.copy_from_slice(&[y, unit[h * v], unit[h * v + 1]]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_spread_and_cut_at_the_edges() {
        // 3 x 3 pixels in 2 x 2 units.
        let packed = [
            [1, 2, 4, 5, 100, 200], //
            [3, 99, 6, 99, 101, 201],
            [7, 8, 99, 99, 102, 202],
            [9, 99, 99, 99, 103, 203],
        ]
        .concat();
        let mut out = [0; 27];
        upsample(&packed, (2, 2), 3, 3, &mut out);
        assert_eq!(out.chunks(3).map(|p| p[0]).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(
            out.chunks(3).map(|p| p[1]).collect::<Vec<_>>(),
            [100, 100, 101, 100, 100, 101, 102, 102, 103]
        );
        assert_eq!(
            out.chunks(3).map(|p| p[2]).collect::<Vec<_>>(),
            [200, 200, 201, 200, 200, 201, 202, 202, 203]
        );
    }
}
