//! [`Output`]: where a job writes, and what goes along with the pixels.

use std::path::PathBuf;

use outcrop_core::{Channels, Image, Metadata, Rect, Value};
use outcrop_ops::map::Resample;
use outcrop_writer::tiff::Arrangement;
use outcrop_writer::{Options, Target};

use crate::place::{forget_figures, placed};

/// An output that a job makes.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// The file; standard output where this is `None`.
    pub path: Option<PathBuf>,
    /// Its format and how it is written.
    pub options: Options,
    /// Reduced levels beside the image, for TIFF files.
    pub pyramid: Option<Pyramid>,
}

/// The reduced levels of an output: each half the size of the one above, down to one block.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pyramid {
    /// How they are made; by averages where this is `None`, or by the nearest sample for the indices of a palette.
    pub resample: Option<Resample>,
    /// Where they stand in the file.
    pub arrangement: Arrangement,
}

impl Output {
    /// A file, in the format of its extension. An existing one is refused.
    pub fn new(path: impl Into<PathBuf>) -> Output {
        Output { path: Some(path.into()), ..Output::default() }
    }

    /// What the writer calls it.
    pub fn target(&self) -> Target<'_> {
        self.path.as_deref().map_or(Target::Stdout, Target::Path)
    }
}

/// What is still true of a part of an image whose samples are kept.
pub(crate) fn carry(image: &Image, window: Rect, channels: &Channels) -> (Metadata, Vec<Value>) {
    let count = image.extent.channels;
    let mut metadata = placed(image, window);
    let nodata = match image.nodata.len() {
        0 | 1 => image.nodata.clone(),
        _ => channels.indices().iter().filter_map(|&c| image.nodata_of(c)).collect(),
    };
    if !channels.is_all(count) {
        let names = std::mem::take(&mut metadata.channel_names);
        let name = |&c: &u64| names.get(c as usize).cloned().unwrap_or_default();
        if !names.is_empty() {
            metadata.channel_names = channels.indices().iter().map(name).collect();
        }
        forget_figures(&mut metadata);
        if !keeps_colours(&mut metadata, channels, count) {
            forget_colours(&mut metadata);
        }
    }
    (metadata, nodata)
}

/// Whether the selection is the colours in their order, without some or all of the channels after them.
fn keeps_colours(metadata: &mut Metadata, channels: &Channels, count: u64) -> bool {
    let extra = metadata.extra_samples.len() as u64;
    let selected = channels.len() as u64;
    let in_order = channels.as_step() == Some((0, 1)) && selected < count;
    if !in_order || extra == 0 || selected + extra < count {
        return false;
    }
    metadata.extra_samples.truncate((selected + extra - count) as usize);
    true
}

/// What is still true of one channel that was computed from several.
pub(crate) fn carry_place(image: &Image, window: Rect) -> Metadata {
    let mut metadata = placed(image, window);
    metadata.channel_names.clear();
    forget_figures(&mut metadata);
    forget_colours(&mut metadata);
    metadata
}

/// Without what says which channel is which colour.
fn forget_colours(metadata: &mut Metadata) {
    metadata.photometric = None;
    metadata.photometric_code = None;
    metadata.extra_samples.clear();
    metadata.palette = None;
    metadata.icc = None;
}

/// Metadata of samples whose values changed: a palette's indices mean nothing any more.
pub(crate) fn revalued(metadata: &mut Metadata) {
    if metadata.palette.is_some() {
        forget_colours(metadata);
    }
    forget_figures(metadata);
}
