//! TIFF and BigTIFF output: tiles or strips, compressed in the workers, committed in one canonical order.

mod options;

use outcrop_core::{Error, Result};

pub use options::{BigTiff, Blocks, Compression, Predictor, TiffOptions};

use crate::{Created, OutputImage, PartialFile};

pub(crate) fn create(
    _file: PartialFile,
    _image: &OutputImage<'_>,
    _options: &TiffOptions,
) -> Result<Created> {
    Err(Error::Unsupported("TIFF output".into()))
}
