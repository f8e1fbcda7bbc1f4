//! [`Mask`]: which pixels count, by another image or by the image's own alpha.

use outcrop_core::{Channels, Error, Image, Rect, Result, Source};
use outcrop_scheduler::Input;

use crate::Region;

/// Which pixels take part beside nodata and NaN.
#[derive(Clone, Copy, Default)]
pub enum Mask<'a> {
    /// All.
    #[default]
    None,
    /// Those where an image of the same size, of one channel or as many as the image, is not zero.
    Image {
        /// The mask.
        source: &'a dyn Source,
        /// What messages call it.
        name: &'a str,
    },
    /// Those where the channel that the image declares as alpha is not zero. It is read beside the others, and no
    /// figure is of it unless the region asks for it.
    Alpha,
}

impl std::fmt::Debug for Mask<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Mask::None => f.write_str("None"),
            Mask::Image { name, .. } => write!(f, "Image({name:?})"),
            Mask::Alpha => f.write_str("Alpha"),
        }
    }
}

/// What a job reads: the image's channels and, after them, the mask's.
pub(crate) struct Read<'a> {
    pub(crate) window: Rect,
    pub(crate) channels: Channels,
    pub(crate) mask: Option<Input<'a>>,
}

impl<'a> Mask<'a> {
    /// Puts region and mask together.
    ///
    /// # Errors
    /// [`Error::Usage`] where the region lies outside, the mask does not fit the image, or there is no alpha.
    pub(crate) fn resolve(&self, source: &'a dyn Source, region: &Region) -> Result<Read<'a>> {
        let image = source.image();
        let (window, channels) = region.resolve(image)?;
        Ok(match *self {
            Mask::None => Read { window, channels, mask: None },
            Mask::Image { source: mask, name } => {
                let mask = Input { source: mask, channels: fitting(mask.image(), name, image, &channels)? };
                Read { window, channels, mask: Some(mask) }
            }
            Mask::Alpha => {
                let alpha = alpha_of(image)?;
                let others = channels.indices().iter().copied().filter(|&c| c != alpha).collect::<Vec<_>>();
                let channels = match region.channels {
                    None if !others.is_empty() => Channels::select(others, image.extent.channels)?,
                    _ => channels,
                };
                let mask = Input { source, channels: Channels::select(vec![alpha], image.extent.channels)? };
                Read { window, channels, mask: Some(mask) }
            }
        })
    }
}

/// The channels of the mask for those of the image.
fn fitting(mask: &Image, name: &str, image: &Image, channels: &Channels) -> Result<Channels> {
    let (m, i) = (mask.extent, image.extent);
    if (m.height, m.width) != (i.height, i.width) {
        return Err(Error::Usage(format!(
            "the mask {name} has {} x {} pixels, the image {} x {} (width x height; --mask)",
            m.width, m.height, i.width, i.height
        )));
    }
    match m.channels {
        1 => Ok(Channels::all(1)),
        n if n == i.channels => Ok(channels.clone()),
        n => Err(Error::Usage(format!(
            "the mask {name} has {n} channels, expected 1 or, as the image, {} (--mask)",
            i.channels
        ))),
    }
}

/// The first channel that is declared as alpha; `extra_samples` speaks of the last channels.
pub(crate) fn alpha_of(image: &Image) -> Result<u64> {
    let extra = &image.metadata.extra_samples;
    let first = image.extent.channels.saturating_sub(extra.len() as u64);
    let alpha = (first..).zip(extra).find(|(_, code)| matches!(code, 1 | 2)).map(|(c, _)| c);
    alpha.filter(|&c| c < image.extent.channels).ok_or_else(|| {
        Error::Usage("the image declares no alpha channel (--mask FILE names a mask of its own)".into())
    })
}
