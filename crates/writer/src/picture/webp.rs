//! WebP, lossless, as one band: the encoder looks at all of the picture at once.

use image_webp::{ColorType, WebPEncoder};
use outcrop_core::{Error, Extent, Result};

use super::PictureOptions;

pub(super) struct WebP {
    extent: Extent,
    icc: Vec<u8>,
}

impl WebP {
    pub(super) fn new(extent: Extent, options: &PictureOptions) -> WebP {
        WebP { extent, icc: options.profile(extent.channels).unwrap_or_default().to_vec() }
    }

    /// Codes of up to 15 bits for each of the four samples of a pixel, and headers.
    pub(super) fn bound(&self) -> u64 {
        self.extent.height * self.extent.width * 8 + self.icc.len() as u64 + (1 << 16)
    }

    pub(super) fn encode(&self, samples: &[u8], mut out: &mut [u8]) -> Result<usize> {
        let room = out.len();
        let mut encoder = WebPEncoder::new(&mut out);
        encoder.set_icc_profile(self.icc.clone());
        let colour = if self.extent.channels == 4 { ColorType::Rgba8 } else { ColorType::Rgb8 };
        encoder
            .encode(samples, self.extent.width as u32, self.extent.height as u32, colour)
            .map_err(|e| Error::Panic(format!("WebP encoder: {e}")))?;
        Ok(room - out.len())
    }
}
