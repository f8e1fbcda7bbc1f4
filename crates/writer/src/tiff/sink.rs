//! [`TiffSink`]: appends encoded blocks in the order of the grid and notes where each stands.

use std::sync::Arc;

use outcrop_core::{Buffer, Encoder, Error, Rect, Result, Sink, Value};

use super::directory::Laid;
use super::encode::{BlockEncoder, split};
use super::layout::Layout;
use super::{BigTiff, Compression, TiffOptions, tags};
use crate::{Created, OutputImage, PartialFile};

/// Tags of offsets and lengths of tiles and strips.
const TILES: (u16, u16) = (324, 325);
const STRIPS: (u16, u16) = (273, 279);

struct TiffSink {
    file: PartialFile,
    encoder: Arc<BlockEncoder>,
    laid: Laid,
    /// Where the next block goes.
    end: u64,
    blocks_done: u64,
}

/// Decides all that is known before the first pixel, writes the directory, and gives the sink.
pub(crate) fn create(
    mut file: PartialFile,
    image: &OutputImage<'_>,
    options: &TiffOptions,
) -> Result<Created> {
    options.check(image.extent, image.dtype)?;
    let mut notices = Vec::new();
    let layout = Layout::new(image.extent, image.dtype, options)?;
    let photometric = tags::photometric(image, options);
    let palette = photometric == tags::PALETTE;
    if palette && matches!(options.compression, Compression::Jpeg { .. }) {
        return Err(Error::Usage("JPEG would change the indices of a palette (COMPRESS=DEFLATE)".into()));
    }
    let predictor = options.predictor_code(image.dtype, palette);
    let nodata = tags::nodata(image);
    if nodata.is_none() && !image.nodata.is_empty() {
        notices.push("channels have different nodata values; TIFF declares one, so none is written".into());
    }
    if image.metadata.ome_xml.is_some() && tags::ome_xml(image).is_none() {
        notices.push("the OME-XML cannot describe this one image and was left out".into());
    }
    let sparse = options.sparse.then(|| nodata.unwrap_or(Value::Int(0)));
    let encoder = Arc::new(BlockEncoder::new(layout, options.compression, predictor, sparse)?);
    let directory = tags::directory(image, &layout, options, photometric, predictor);

    let tags = if layout.tiled { TILES } else { STRIPS };
    let lay_out = |big| directory.lay_out(big, layout.blocks(), tags);
    let bound = |laid: &Laid| laid.data.saturating_add(data_bound(&encoder));
    let laid = match options.bigtiff {
        BigTiff::Yes => lay_out(true)?,
        BigTiff::No => lay_out(false)?,
        BigTiff::Auto => match lay_out(false) {
            Ok(classic) if bound(&classic) <= u32::MAX.into() => classic,
            _ => {
                let big = lay_out(true)?;
                notices.push(format!("BigTIFF, as the file may reach {} bytes", bound(&big)));
                big
            }
        },
    };
    let exact = options.compression == Compression::None && sparse.is_none();
    if !laid.big && exact && bound(&laid) > u32::MAX.into() {
        return Err(too_large(bound(&laid)));
    }
    file.ensure_space(bound(&laid), exact)?;
    file.file().set_len(laid.data)?;
    file.file().write_all_at(&laid.bytes, 0)?;
    notices.splice(0..0, file.notices().drain(..));
    let end = laid.data;
    Ok(Created { sink: Box::new(TiffSink { file, encoder, laid, end, blocks_done: 0 }), notices })
}

/// The most bytes that all blocks can take; what they take where they are not compressed.
fn data_bound(encoder: &BlockEncoder) -> u64 {
    let l = &encoder.layout;
    if encoder.compression == Compression::None && !l.tiled {
        // The last strip is not padded.
        return l
            .extent
            .height
            .saturating_mul(l.width)
            .saturating_mul(l.pixel_bytes())
            .saturating_mul(l.planes);
    }
    l.blocks().saturating_mul(encoder.block_bound() as u64)
}

fn too_large(bytes: u64) -> Error {
    Error::Usage(format!(
        "the file reaches {bytes} bytes, a classic TIFF holds 4294967295 (--bigtiff auto or yes)"
    ))
}

impl TiffSink {
    /// Writes offsets and lengths of blocks side by side.
    fn note(&self, first: u64, lengths: &[u64], mut at: u64) -> Result<()> {
        let word = if self.laid.big { 8 } else { 4 };
        let (mut offsets, mut counts) = (Vec::new(), Vec::new());
        for &length in lengths {
            let offset = if length == 0 { 0 } else { at };
            offsets.extend_from_slice(&offset.to_le_bytes()[..word]);
            counts.extend_from_slice(&(length as u32).to_le_bytes());
            at += length;
        }
        let file = self.file.file();
        file.write_all_at(&offsets, self.laid.offsets + first * word as u64)?;
        file.write_all_at(&counts, self.laid.counts + first * 4)
    }
}

impl Sink for TiffSink {
    fn align(&self) -> (u64, u64) {
        (self.encoder.layout.height, self.encoder.layout.width)
    }

    fn encoder(&self) -> Arc<dyn Encoder> {
        self.encoder.clone()
    }

    fn commit(&mut self, _index: u64, rect: Rect, encoded: &mut Buffer) -> Result<()> {
        let layout: Layout = self.encoder.layout;
        let blocks = layout.blocks_in((rect.height, rect.width));
        let (mut lengths, data) = split(encoded.bytes(), blocks as usize)?;
        let end = self.end + data.len() as u64;
        if !self.laid.big && end > u32::MAX.into() {
            return Err(too_large(end));
        }
        self.file.file().write_all_at(data, self.end)?;
        let mut run_lengths = Vec::new();
        for run in layout.runs(rect)? {
            run_lengths.clear();
            run_lengths.extend(lengths.by_ref().take(run.count as usize));
            self.note(run.first, &run_lengths, self.end)?;
            self.end += run_lengths.iter().sum::<u64>();
        }
        if self.end != end {
            return Err(Error::Panic(format!("blocks of {rect} end at {}, their bytes at {end}", self.end)));
        }
        self.blocks_done += blocks;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let blocks = self.encoder.layout.blocks();
        if self.blocks_done != blocks {
            return Err(Error::Panic(format!("{} of {blocks} blocks were written", self.blocks_done)));
        }
        self.file.publish()
    }
}
