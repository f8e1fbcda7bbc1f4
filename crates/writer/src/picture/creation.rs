//! Creation options of pictures, spelled as those of GDAL's drivers, as [`PictureOptions`].

use outcrop_core::Result;

use super::{PictureFormat, PictureOptions};
use crate::creation::Given;

impl PictureOptions {
    /// Reads options spelled `KEY=VALUE`, in any case and order: ZLEVEL of PNG, QUALITY and SUBSAMPLING (4:2:0 or
    /// 4:4:4) of JPEG; WebP has none.
    ///
    /// # Errors
    /// [`Error::Usage`](outcrop_core::Error::Usage) for a key or value that the format does not have.
    pub fn from_creation_options<'a>(
        format: PictureFormat,
        pairs: impl IntoIterator<Item = &'a str>,
    ) -> Result<PictureOptions> {
        let keys: &[&str] = match format {
            PictureFormat::Png => &["ZLEVEL"],
            PictureFormat::Jpeg => &["QUALITY", "SUBSAMPLING"],
            PictureFormat::WebP => &[],
        };
        let given = Given::read(pairs, keys)?;
        let usual = PictureOptions::default();
        let options = PictureOptions {
            level: given.number("ZLEVEL", "1 to 9")?.unwrap_or(usual.level),
            quality: given.number("QUALITY", "1 to 100")?.unwrap_or(usual.quality),
            subsampled: given.get("SUBSAMPLING").is_none()
                || given.one_of("SUBSAMPLING", &[("4:2:0", true), ("4:4:4", false)])?,
            ..usual
        };
        options.check()?;
        Ok(options)
    }
}
