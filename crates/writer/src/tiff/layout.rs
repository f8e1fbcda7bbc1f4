//! [`Layout`]: which blocks an image is cut into, and how large each is.

use outcrop_core::{DataType, Error, Extent, Rect, Result};

use super::{Blocks, Compression, TiffOptions};

/// Strips of about this many bytes where nothing else is asked for.
const STRIP_BYTES: u64 = 256 << 10;
/// No block may be larger: counts are 32 bits, and codecs take at most an i32.
const MOST_BLOCK_BYTES: u64 = 1 << 30;

/// The blocks of an image in a TIFF. Blocks are numbered plane by plane, row by row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) extent: Extent,
    pub(super) dtype: DataType,
    pub(super) tiled: bool,
    /// Rows and columns of a block; a strip is as wide as the image.
    pub(super) height: u64,
    pub(super) width: u64,
    /// Blocks across and down.
    pub(super) across: u64,
    pub(super) down: u64,
    /// Planes, and the channels in each.
    pub(super) planes: u64,
    pub(super) per_plane: u64,
}

impl Layout {
    pub(super) fn new(extent: Extent, dtype: DataType, options: &TiffOptions) -> Result<Layout> {
        let Extent { height, width, channels } = extent;
        if height == 0 || width == 0 || channels == 0 {
            return Err(Error::Usage(format!("a TIFF cannot be empty ({height} x {width} x {channels})")));
        }
        if height > u32::MAX.into() || width > u32::MAX.into() || channels > u16::MAX.into() {
            return Err(Error::Usage(format!(
                "a TIFF has at most 4294967295 rows and columns and 65535 channels, \
                 not {height} x {width} x {channels}"
            )));
        }
        let (planes, per_plane) = if options.planar { (channels, 1) } else { (1, channels) };
        let row_bytes = width.saturating_mul(per_plane).saturating_mul(dtype.bytes() as u64);
        let (tiled, block_height, block_width) = match options.blocks {
            Blocks::Tiles { height, width } => (true, height.into(), width.into()),
            Blocks::Strips { rows: Some(rows) } => (false, u64::from(rows).min(height), width),
            Blocks::Strips { rows: None } if matches!(options.compression, Compression::Jpeg { .. }) => {
                (false, (STRIP_BYTES / row_bytes).max(1).next_multiple_of(16).min(height), width)
            }
            Blocks::Strips { rows: None } => (false, (STRIP_BYTES / row_bytes).clamp(1, height), width),
        };
        if matches!(options.compression, Compression::Jpeg { .. }) && block_height.max(block_width) > 65535 {
            return Err(Error::Usage(format!(
                "blocks of {block_height} x {block_width}: JPEG has at most 65535 a side (TILED=YES)"
            )));
        }
        if options.compression == Compression::WebP && block_height.max(block_width) > 16383 {
            return Err(Error::Usage(format!(
                "blocks of {block_height} x {block_width}: WebP has at most 16383 a side (TILED=YES)"
            )));
        }
        let layout = Layout {
            extent,
            dtype,
            tiled,
            height: block_height,
            width: block_width,
            across: width.div_ceil(block_width),
            down: height.div_ceil(block_height),
            planes,
            per_plane,
        };
        let bytes = block_height.saturating_mul(block_width).saturating_mul(layout.pixel_bytes());
        if bytes > MOST_BLOCK_BYTES {
            let what = format!("a block of {block_height} x {block_width} x {per_plane} samples of {dtype}");
            return Err(Error::Limits { what, needed: bytes, limit: MOST_BLOCK_BYTES });
        }
        if layout.blocks_checked().is_none_or(|n| n > u32::MAX.into()) {
            return Err(Error::Usage("more than 4294967295 blocks: choose larger ones (BLOCKYSIZE)".into()));
        }
        Ok(layout)
    }

    fn blocks_checked(&self) -> Option<u64> {
        self.across.checked_mul(self.down)?.checked_mul(self.planes)
    }

    /// Blocks of all planes.
    pub(super) fn blocks(&self) -> u64 {
        self.across * self.down * self.planes
    }

    /// Bytes of one pixel in one plane.
    pub(super) fn pixel_bytes(&self) -> u64 {
        self.per_plane * self.dtype.bytes() as u64
    }

    /// Bytes of a whole block, not compressed.
    pub(super) fn block_bytes(&self) -> usize {
        (self.height * self.width * self.pixel_bytes()) as usize
    }

    /// Rows stored in the block that starts at row `y`: tiles are padded, the last strip is not.
    pub(super) fn stored_rows(&self, y: u64) -> u64 {
        if self.tiled { self.height } else { self.height.min(self.extent.height - y) }
    }

    /// The most blocks of all planes that a chunk of that shape holds.
    pub(super) fn blocks_in(&self, shape: (u64, u64)) -> u64 {
        let down = shape.0.div_ceil(self.height).min(self.down);
        down * shape.1.div_ceil(self.width).min(self.across) * self.planes
    }

    /// The runs of blocks that a chunk holds, in the order in which they are committed: for each plane, for each
    /// row of blocks, the number of the first block and how many follow it.
    ///
    /// # Errors
    /// Where the chunk is no run of whole blocks.
    pub(super) fn runs(&self, rect: Rect) -> Result<impl Iterator<Item = Run> + use<>> {
        let whole = |start: u64, end: u64, block: u64, all: u64| {
            start.is_multiple_of(block) && (end.is_multiple_of(block) || end == all)
        };
        let fits = self.extent.rect().contains(&rect)
            && whole(rect.y, rect.bottom(), self.height, self.extent.height)
            && whole(rect.x, rect.right(), self.width, self.extent.width);
        if !fits || rect.is_empty() {
            return Err(Error::Panic(format!(
                "pixels {rect} are no whole blocks of {} x {}",
                self.height, self.width
            )));
        }
        let layout = *self;
        let rows = rect.y / self.height..rect.bottom().div_ceil(self.height);
        let columns = rect.x / self.width..rect.right().div_ceil(self.width);
        Ok((0..self.planes).flat_map(move |plane| {
            let columns = columns.clone();
            rows.clone().map(move |row| Run {
                plane,
                row,
                column: columns.start,
                first: (plane * layout.down + row) * layout.across + columns.start,
                count: columns.end - columns.start,
            })
        }))
    }
}

/// Blocks side by side in one plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) plane: u64,
    /// Row and first column, in blocks.
    pub(super) row: u64,
    pub(super) column: u64,
    /// Number of the first block.
    pub(super) first: u64,
    pub(super) count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(h: u64, w: u64, c: u64, options: TiffOptions) -> Result<Layout> {
        Layout::new(Extent::new(h, w, c), DataType::U16, &options)
    }

    #[test]
    fn runs_name_the_blocks_of_every_plane() {
        let options = TiffOptions {
            blocks: Blocks::Tiles { height: 16, width: 32 },
            planar: true,
            ..Default::default()
        };
        let l = layout(40, 100, 2, options).unwrap();
        assert_eq!((l.across, l.down, l.blocks()), (4, 3, 24));
        let found: Vec<_> = l
            .runs(Rect { y: 16, x: 64, height: 24, width: 36 })
            .unwrap()
            .map(|r| (r.plane, r.first, r.count))
            .collect();
        assert_eq!(found, [(0, 6, 2), (0, 10, 2), (1, 18, 2), (1, 22, 2)]);
        assert!(l.runs(Rect { y: 8, x: 0, height: 16, width: 32 }).is_err());
        assert!(l.runs(Rect { y: 0, x: 0, height: 16, width: 31 }).is_err());
    }

    #[test]
    fn strips_suit_their_rows_and_blocks_have_limits() {
        let strips = |rows| TiffOptions { blocks: Blocks::Strips { rows }, ..Default::default() };
        assert_eq!(layout(1000, 100_000, 3, strips(None)).unwrap().height, 1);
        assert_eq!(layout(1000, 100, 1, strips(None)).unwrap().height, 1000);
        assert_eq!(layout(70, 10, 1, strips(Some(32))).unwrap().stored_rows(64), 6);
        assert!(matches!(layout(1, 1 << 31, 3, strips(None)), Err(Error::Limits { .. })));
        assert!(layout(0, 5, 1, strips(None)).is_err());
        assert!(layout(5, 1 << 33, 1, strips(None)).is_err());
    }
}
