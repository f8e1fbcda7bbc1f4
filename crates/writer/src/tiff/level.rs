//! [`Level`]: one image of a TIFF, its encoder and where its blocks are noted.

use std::sync::Arc;

use outcrop_core::{Error, Extent, Rect, Result};

use super::directory::{Directory, Laid};
use super::encode::{BlockEncoder, split};
use super::layout::Layout;
use super::{Compression, TiffOptions, tags};
use crate::{OutputImage, Positioned};

/// Tags of offsets and lengths of tiles and strips.
const TILES: (u16, u16) = (324, 325);
const STRIPS: (u16, u16) = (273, 279);

/// An image before its place in the file is known.
pub(super) struct Level {
    pub(super) encoder: Arc<BlockEncoder>,
    pub(super) directory: Directory,
}

impl Level {
    /// The image of that extent: the output's own, or a reduced one beside it.
    pub(super) fn new(image: &OutputImage<'_>, extent: Extent, options: &TiffOptions) -> Result<Level> {
        let layout = Layout::new(extent, image.dtype, options)?;
        let photometric = tags::photometric(image, options);
        let palette = photometric == tags::PALETTE;
        if palette && matches!(options.compression, Compression::Jpeg { .. }) {
            return Err(Error::Usage("JPEG would change the indices of a palette (COMPRESS=DEFLATE)".into()));
        }
        let predictor = options.predictor_code(image.dtype, palette);
        let sparse = options.sparse.then(|| tags::nodata(image).unwrap_or(outcrop_core::Value::Int(0)));
        let reduced = extent != image.extent;
        let directory = tags::directory(image, &layout, options, photometric, predictor, reduced)?;
        let encoder = Arc::new(BlockEncoder::new(layout, options.compression, predictor, sparse)?);
        Ok(Level { encoder, directory })
    }

    /// Its directory from that byte of the file.
    pub(super) fn lay_out(&self, start: u64, big: bool) -> Result<Laid> {
        let layout = &self.encoder.layout;
        self.directory.lay_out(start, big, layout.blocks(), if layout.tiled { TILES } else { STRIPS })
    }

    /// The most bytes that all blocks can take; what they take where they are not compressed.
    pub(super) fn data_bound(&self) -> u64 {
        let l = &self.encoder.layout;
        if self.encoder.compression == Compression::None && !l.tiled {
            // The last strip is not padded.
            return l
                .extent
                .height
                .saturating_mul(l.width)
                .saturating_mul(l.pixel_bytes())
                .saturating_mul(l.planes);
        }
        l.blocks().saturating_mul(self.encoder.block_bound() as u64)
    }
}

/// Whether that many bytes are too many for 32-bit offsets.
pub(super) fn passes_4_gib(bytes: u64) -> bool {
    bytes > u32::MAX.into()
}

pub(super) fn too_large(bytes: u64) -> Error {
    Error::Usage(format!(
        "the file reaches {bytes} bytes, a classic TIFF holds 4294967295 (--bigtiff auto or yes)"
    ))
}

/// Writes the offsets and lengths of blocks side by side; a block of no bytes is absent.
pub(super) fn note(file: &Positioned, laid: &Laid, first: u64, places: &[(u64, u64)]) -> Result<()> {
    let word = if laid.big { 8 } else { 4 };
    let (mut offsets, mut counts) = (Vec::new(), Vec::new());
    for &(at, length) in places {
        let offset = if length == 0 { 0 } else { at };
        offsets.extend_from_slice(&offset.to_le_bytes()[..word]);
        counts.extend_from_slice(&(length as u32).to_le_bytes());
    }
    file.write_all_at(&offsets, laid.offsets + first * word as u64)?;
    file.write_all_at(&counts, laid.counts + first * 4)
}

/// Appends the blocks of an encoded chunk at byte `end` of the file and notes where they stand. Returns where the
/// next ones go, and how many blocks these were.
pub(super) fn append(
    file: &Positioned,
    layout: &Layout,
    laid: &Laid,
    rect: Rect,
    encoded: &[u8],
    end: u64,
) -> Result<(u64, u64)> {
    let blocks = layout.blocks_in((rect.height, rect.width));
    let (mut lengths, data) = split(encoded, blocks as usize)?;
    let after = end + data.len() as u64;
    if !laid.big && passes_4_gib(after) {
        return Err(too_large(after));
    }
    file.write_all_at(data, end)?;
    file.begin_write_out(end, data.len() as u64);
    let (mut at, mut places) = (end, Vec::new());
    for run in layout.runs(rect)? {
        places.clear();
        for length in lengths.by_ref().take(run.count as usize) {
            places.push((at, length));
            at += length;
        }
        note(file, laid, run.first, &places)?;
    }
    if at != after {
        return Err(Error::Panic(format!("blocks of {rect} end at {at}, their bytes at {after}")));
    }
    Ok((after, blocks))
}
