//! LERC (34887).

use outcrop_core::{Error, Result};

use super::super::block::BlockSpec;
use super::image::Shape;

/// What the codec demands of the page.
pub(super) fn check(_: &BlockSpec) -> Result<()> {
    Err(Error::Unsupported("TIFF compression 34887 (LERC)".into()))
}

/// Refuses, for now.
pub(super) fn decode(
    spec: &BlockSpec,
    _: &[u8],
    _: Shape,
    _: &mut super::Contexts,
    _: &mut [u8],
) -> Result<()> {
    check(spec)
}
