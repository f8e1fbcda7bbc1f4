//! [`Region`]: which part of an image a job is about.

use outcrop_core::{Channels, Error, Image, Rect, Result};

/// A part of an image: a window in the pixels of its level and some of its channels. By default all of it.
#[derive(Clone, Debug, Default)]
pub struct Region {
    /// The window; the whole image where this is `None`.
    pub window: Option<Rect>,
    /// The channels, in the order wanted; all where this is `None`.
    pub channels: Option<Channels>,
    /// Rows and columns of the unit of work, rounded up to whole blocks; chosen by the plan where this is `None`.
    /// Never changes a result.
    pub chunk: Option<(u64, u64)>,
}

impl Region {
    /// The whole image.
    pub fn all() -> Region {
        Region::default()
    }

    /// The window and channels in that image.
    ///
    /// # Errors
    /// [`Error::Usage`] where the window or a channel lies outside.
    pub fn resolve(&self, image: &Image) -> Result<(Rect, Channels)> {
        let whole = image.extent.rect();
        let window = self.window.unwrap_or(whole);
        if !whole.contains(&window) {
            return Err(Error::Usage(format!(
                "the window {window} (x,y,width,height) reaches outside the image of {} x {} pixels (--window)",
                whole.width, whole.height
            )));
        }
        let count = image.extent.channels;
        let channels = match &self.channels {
            Some(channels) => Channels::select(channels.indices().to_vec(), count)?,
            None => Channels::all(count),
        };
        Ok((window, channels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_core::{BlockLayout, DataType, Extent};

    #[test]
    fn what_lies_outside_is_refused() {
        let image =
            Image::plain("raw", Extent::new(4, 6, 2), DataType::U8, BlockLayout::Rows { planar: false });
        let window =
            |y, x, height, width| Region { window: Some(Rect { y, x, height, width }), ..Region::all() };
        assert!(window(0, 0, 4, 6).resolve(&image).is_ok());
        assert!(window(3, 5, 1, 1).resolve(&image).is_ok());
        let e = window(0, 1, 4, 6).resolve(&image).unwrap_err().to_string();
        assert!(e.contains("1,0,6,4") && e.contains("6 x 4"), "{e}");
        let third = Region { channels: Channels::select(vec![2], 3).ok(), ..Region::all() };
        assert!(matches!(third.resolve(&image), Err(Error::Usage(_))));
    }
}
