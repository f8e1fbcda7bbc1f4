//! [`TiffSink`]: appends encoded blocks in the order of the grid and notes where each stands.

use std::sync::Arc;

use outcrop_core::{Buffer, Encoder, Error, Rect, Result, Sink};

use super::directory::Laid;
use super::encode::BlockEncoder;
use super::level::{Level, append, passes_4_gib, too_large};
use super::{BigTiff, Compression, TiffOptions, tags};
use crate::{Created, OutputImage, PartialFile};

pub(super) struct TiffSink {
    pub(super) file: PartialFile,
    pub(super) encoder: Arc<BlockEncoder>,
    pub(super) laid: Laid,
    /// The most bytes that the file can have.
    bytes_bound: u64,
    /// Where the next block goes.
    pub(super) end: u64,
    pub(super) blocks_done: u64,
    /// The file's; of an output that is gone on with, what it was at first.
    pub(super) inode: u64,
}

/// Decides all that is known before the first pixel, writes the directory, and gives the sink.
pub(crate) fn create(
    mut file: PartialFile,
    image: &OutputImage<'_>,
    options: &TiffOptions,
    resume: Option<&[u8]>,
) -> Result<Created> {
    options.check(image.extent, image.dtype)?;
    let mut notices = left_out(image);
    let level = Level::new(image, image.extent, options)?;
    let bound = |laid: &Laid| laid.end.saturating_add(level.data_bound());
    let classic = level.lay_out(0, false);
    let fits = classic.as_ref().is_ok_and(|laid| !passes_4_gib(bound(laid)));
    let laid = if is_big(options, fits) { level.lay_out(0, true)? } else { classic? };
    notices.extend(big_notice(options, laid.big, bound(&laid)));
    let exact = options.compression == Compression::None && !options.sparse;
    if !laid.big && exact && !fits {
        return Err(too_large(bound(&laid)));
    }
    let bytes_bound = bound(&laid);
    let (encoder, end, inode) = (level.encoder.clone(), laid.end, file.inode());
    if let Some(state) = resume {
        let mut sink = TiffSink { file, encoder, laid, bytes_bound, end, blocks_done: 0, inode };
        sink.restore(state)?;
        return Ok(Created { sink: Box::new(sink), notices: Vec::new() });
    }
    file.ensure_space(bytes_bound, exact)?;
    file.file().set_len(laid.end)?;
    if exact {
        file.file().reserve(bytes_bound)?;
    }
    file.file().write_all_at(&laid.bytes, 0)?;
    notices.splice(0..0, file.notices().drain(..));
    Ok(Created {
        sink: Box::new(TiffSink { file, encoder, laid, bytes_bound, end, blocks_done: 0, inode }),
        notices,
    })
}

/// Whether offsets have 64 bits, where it is known that the file `fits` 32.
pub(super) fn is_big(options: &TiffOptions, fits: bool) -> bool {
    match options.bigtiff {
        BigTiff::Yes => true,
        BigTiff::No => false,
        BigTiff::Auto => !fits,
    }
}

/// The name of the variant with offsets of 64 bits, or of the other.
pub(super) fn variant(big: bool) -> &'static str {
    if big { "BigTIFF" } else { "TIFF" }
}

/// What is said where the choice was ours.
pub(super) fn big_notice(options: &TiffOptions, big: bool, bound: u64) -> Option<String> {
    (big && options.bigtiff == BigTiff::Auto).then(|| format!("BigTIFF, as the file may reach {bound} bytes"))
}

/// What the file will not say about the image.
pub(super) fn left_out(image: &OutputImage<'_>) -> Vec<String> {
    let mut notices = Vec::new();
    if tags::nodata(image).is_none() && !image.nodata.is_empty() {
        notices.push("channels have different nodata values; TIFF declares one, so none is written".into());
    }
    if image.metadata.ome_xml.is_some() && tags::ome_xml(image).is_none() {
        notices.push("the OME-XML cannot describe this one image and was left out".into());
    }
    notices
}

impl Sink for TiffSink {
    fn align(&self) -> (u64, u64) {
        (self.encoder.layout.height, self.encoder.layout.width)
    }

    fn encoder(&self) -> Arc<dyn Encoder> {
        self.encoder.clone()
    }

    fn commit(&mut self, _index: u64, rect: Rect, encoded: &mut Buffer) -> Result<()> {
        let (file, layout) = (self.file.file(), &self.encoder.layout);
        let (end, blocks) = append(file, layout, &self.laid, rect, encoded.bytes(), self.end)?;
        self.end = end;
        self.blocks_done += blocks;
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<Option<Vec<u8>>> {
        self.state().map(Some)
    }

    fn variant(&self) -> Option<&'static str> {
        Some(variant(self.laid.big))
    }

    fn bytes_bound(&self) -> Option<u64> {
        Some(self.bytes_bound)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let blocks = self.encoder.layout.blocks();
        if self.blocks_done != blocks {
            return Err(Error::Panic(format!("{} of {blocks} blocks were written", self.blocks_done)));
        }
        self.file.publish()
    }
}
