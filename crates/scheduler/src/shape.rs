//! Which shape chunks take: whole storage blocks, about [`TARGET_BYTES`] of decoded pixels. Where pixels are only reduced they are
//! read in parts of [`CACHED_BYTES`] where blocks are decoded, of [`ROWS_BYTES`] where rows are, and chunks are [runs](of_parts)
//! of those.

use outcrop_core::{BlockLayout, Extent, Rect};

/// Decoded bytes that a chunk aims at: large enough to hide the cost of a task, small enough for many to be in
/// flight and for a core's cache to hold a good part.
pub(crate) const TARGET_BYTES: u64 = 4 << 20;

/// What a chunk of blocks aims at whose pixels are reduced as soon as they are decoded: they are still in a core's
/// second-level cache then.
const CACHED_BYTES: u64 = 1 << 20;

/// What a chunk of full-width rows aims at that is only reduced: a source may copy so much into a core's second-level
/// cache, where it is used.
const ROWS_BYTES: u64 = 512 << 10;

/// A tile of so many bytes is a chunk, or a part of one, there: it is decoded where it is used, and nothing is copied. Of smaller ones
/// a copy costs less than a part.
const LONE_BYTES: u64 = 64 << 10;

/// What a chunk aims at that is read in parts: few threads have to be woken for it, and a source reads so much rather than maps it.
const RUN_BYTES: u64 = 3 << 20;

/// An image has at least about so many of those, so that many threads share it evenly.
const MANY: u64 = 256;

/// Above this a writing job would rather decode source blocks twice than hold them whole.
const MOST_BYTES: u64 = 16 * TARGET_BYTES;

/// Rows and columns of the chunks of a job that reads an image of that layout, and what they are multiples of.
///
/// `pixel_bytes` are those of the channels selected; `reduced` is whether nothing is written of them: a chunk, or a part of one, then
/// fits a core's cache.
pub(crate) fn reading(
    layout: BlockLayout,
    extent: Extent,
    window: Rect,
    pixel_bytes: u64,
    reduced: bool,
) -> ((u64, u64), (u64, u64)) {
    let align = layout.align(extent.width);
    let of = |bytes: u64| (bytes / pixel_bytes.max(1)).max(1);
    let pixels = of(TARGET_BYTES);
    let of_blocks = if reduced { of(CACHED_BYTES) } else { pixels };
    let (height, width) = (window.height.max(1), window.width.max(1));
    let shape = match layout {
        BlockLayout::Columns if height > pixels => (pixels, 1),
        BlockLayout::Columns => (height, pixels / height),
        BlockLayout::Tiles { height: rows, width: columns, .. } => {
            let tile = (rows.max(1), columns.max(1));
            let lone = reduced && tile.0.saturating_mul(tile.1) >= of(LONE_BYTES);
            runs(tile, width, if lone { 1 } else { of_blocks })
        }
        BlockLayout::Strips { rows, whole: true, .. } => runs((rows.max(1), width), width, of_blocks),
        // Rows of planes, and parts of rows, are short runs in the file: few chunks have few of them.
        BlockLayout::Rows { planar: false } if reduced && width == extent.width => {
            rows(of(ROWS_BYTES), width)
        }
        _ => rows(pixels, width),
    };
    (shape, align)
}

/// Rows and columns of the chunks of a job that reads them in parts of that shape.
pub(crate) fn of_parts(part: (u64, u64), window: Rect, pixel_bytes: u64) -> (u64, u64) {
    let pixels = (RUN_BYTES / pixel_bytes.max(1)).min(window.area() / MANY);
    runs(part, window.width.max(1), pixels)
}

/// Rows and columns of the chunks of a job that writes blocks of `sink_align`, counted from the window's corner.
///
/// The chunks are whole blocks of the source as well where that fits and the window allows it.
pub(crate) fn writing(
    sink_align: (u64, u64),
    layout: BlockLayout,
    extent: Extent,
    window: Rect,
    pixel_bytes: u64,
) -> ((u64, u64), (u64, u64)) {
    let pixels = (TARGET_BYTES / pixel_bytes.max(1)).max(1);
    let (height, width) = (window.height.max(1), window.width.max(1));
    let source = layout.align(extent.width);
    let both = |sink: u64, source: u64, start: u64, size: u64| {
        let source = source.max(1);
        if source >= size || !start.is_multiple_of(source) { sink } else { common_multiple(sink, source) }
    };
    let sink = (sink_align.0.max(1), sink_align.1.max(1));
    let joint = (both(sink.0, source.0, window.y, height), both(sink.1, source.1, window.x, width));
    let bytes = joint.0.min(height).saturating_mul(joint.1.min(width)).saturating_mul(pixel_bytes);
    if bytes > MOST_BYTES {
        // Blocks are decoded more than once; the taller full-width bands are, the less often.
        let bytes = if sink.1 >= width { MOST_BYTES } else { TARGET_BYTES };
        return (runs(sink, width, (bytes / pixel_bytes.max(1)).max(1)), sink);
    }
    let unit = joint;
    // Rows and strips are stored across the whole image: take whole bands where one is not too much.
    let banded = !matches!(layout, BlockLayout::Tiles { .. } | BlockLayout::Columns);
    let band = unit.0.saturating_mul(width);
    let shape = if banded && band.saturating_mul(pixel_bytes) <= MOST_BYTES {
        (unit.0.saturating_mul((pixels / band).max(1)), width)
    } else {
        runs(unit, width, pixels)
    };
    (shape, unit)
}

/// Whole rows, or a part of one, of about `pixels`.
fn rows(pixels: u64, width: u64) -> (u64, u64) {
    if width > pixels { (1, pixels) } else { (pixels / width, width) }
}

/// A run of blocks along a row of blocks, or whole rows of blocks, of about `pixels`.
fn runs(block: (u64, u64), width: u64, pixels: u64) -> (u64, u64) {
    let blocks = (pixels / block.0.saturating_mul(block.1).max(1)).max(1);
    let across = width.div_ceil(block.1);
    if blocks < across {
        (block.0, block.1.saturating_mul(blocks))
    } else {
        (block.0.saturating_mul(blocks / across), across.saturating_mul(block.1))
    }
}

fn common_multiple(a: u64, b: u64) -> u64 {
    (a / greatest_divisor(a, b)).saturating_mul(b)
}

/// Of two numbers that are not both 0.
pub(crate) fn greatest_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENT: Extent = Extent { height: 20_000, width: 10_000, channels: 3 };

    #[test]
    fn rows_are_full_width_bands_and_long_ones_are_split() {
        let rows = BlockLayout::Rows { planar: false };
        assert_eq!(reading(rows, EXTENT, EXTENT.rect(), 3, false).0, (139, 10_000));
        let wide = Extent { width: 100_000_000, ..EXTENT };
        assert_eq!(reading(rows, wide, wide.rect(), 8, false).0, (1, TARGET_BYTES / 8));
    }

    #[test]
    fn strips_tiles_and_columns_stay_whole() {
        let strips = BlockLayout::Strips { rows: 64, planar: false, whole: true };
        assert_eq!(reading(strips, EXTENT, EXTENT.rect(), 3, false), ((128, 10_000), (64, 10_000)));
        let tiles = BlockLayout::Tiles { height: 256, width: 256, planar: false };
        assert_eq!(reading(tiles, EXTENT, EXTENT.rect(), 3, false), ((256, 21 * 256), (256, 256)));
        let big = BlockLayout::Tiles { height: 4096, width: 4096, planar: false };
        assert_eq!(reading(big, EXTENT, EXTENT.rect(), 3, false).0, (4096, 4096));
        assert_eq!(reading(BlockLayout::Columns, EXTENT, EXTENT.rect(), 8, false).0, (20_000, 26));
    }

    #[test]
    fn what_is_only_reduced_is_decoded_in_pieces_that_stay_in_cache() {
        let tiles = |side| BlockLayout::Tiles { height: side, width: side, planar: false };
        let shape = |layout| reading(layout, EXTENT, EXTENT.rect(), 3, true).0;
        assert_eq!(shape(tiles(512)), (512, 512));
        assert_eq!(shape(tiles(4096)), (4096, 4096));
        assert_eq!(shape(tiles(256)), (256, 256));
        assert_eq!(shape(tiles(128)), (128, 21 * 128));
        assert_eq!(shape(BlockLayout::Strips { rows: 16, planar: false, whole: true }), (32, 10_000));
        assert_eq!(shape(BlockLayout::Strips { rows: 64, planar: false, whole: true }), (64, 10_000));
        assert_eq!(shape(BlockLayout::Rows { planar: false }), (17, 10_000));
        assert_eq!(shape(BlockLayout::Rows { planar: true }), (139, 10_000));
        let part = Rect { width: 5000, ..EXTENT.rect() };
        let rows = BlockLayout::Rows { planar: false };
        assert_eq!(reading(rows, EXTENT, part, 3, true).0, (279, 5000));
    }

    #[test]
    fn writing_keeps_blocks_of_both_sides_whole_where_it_can() {
        let tiles = BlockLayout::Tiles { height: 240, width: 240, planar: false };
        let (shape, unit) = writing((256, 256), tiles, EXTENT, EXTENT.rect(), 1);
        assert_eq!((shape, unit), ((3840, 3840), (3840, 3840)));
        let off = Rect { y: 1, x: 1, height: 9000, width: 9000 };
        assert_eq!(writing((256, 256), tiles, EXTENT, off, 1).1, (256, 256));
        // Bands for a pipe: whole rows of tiles, or as many rows as may be held.
        assert_eq!(writing((1, 10_000), tiles, EXTENT, EXTENT.rect(), 3).0.0, 240);
        let wide = Extent { width: 1_000_000, ..EXTENT };
        assert_eq!(writing((1, 1_000_000), tiles, wide, wide.rect(), 3), ((22, 1_000_000), (1, 1_000_000)));
        let rows = BlockLayout::Rows { planar: false };
        assert_eq!(writing((256, 256), rows, EXTENT, EXTENT.rect(), 3).0, (256, 10_000));
    }
}
