//! Pictures: PNG, JPEG, WebP and BMP files, each one image that is decoded and held whole.
//!
//! The header alone is read when a picture is opened. Whoever reads first decodes, on its own thread; later readers are
//! lent the same samples. [`Source::cost`] charges every chunk for the whole picture, so a permit always covers what is
//! held, and a header that claims more than the budget is refused before anything is allocated.
//!
//! Samples are as Pillow opens them: palettes become colours, 1 to 4 bits are widened to 8, samples of 16 bits stay,
//! transparency is a last channel, CMYK is not inverted. Nothing is turned; `metadata.orientation` says what EXIF says.

mod bmp;
mod exif;
mod jpeg;
#[cfg(feature = "png")]
mod png;
#[cfg(feature = "webp")]
mod webp;

use std::io::{BufReader, Seek, SeekFrom};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use outcrop_core::{
    BlockLayout, Buffer, Channels, Cost, DataType, Error, Extent, Hole, HoleKind, Image, Pixels, PixelsMut,
    Read, Rect, Request, Result, Scratch, Source, with_dtype,
};

use crate::store::Store;
use crate::tiff::BadBlocks;

/// A kind of picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Png,
    Jpeg,
    WebP,
    Bmp,
}

impl Kind {
    /// The kind that the first bytes of a file show.
    pub(crate) fn from_content(head: &[u8]) -> Option<Kind> {
        match head {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Kind::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Kind::Jpeg),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Kind::WebP),
            // The length of the second header: text may begin with BM too.
            [b'B', b'M', .., size, 0]
                if head.len() == 16 && [12, 16, 40, 52, 56, 64, 108, 124].contains(size) =>
            {
                Some(Kind::Bmp)
            }
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Png => "PNG",
            Kind::Jpeg => "JPEG",
            Kind::WebP => "WebP",
            Kind::Bmp => "BMP",
        }
    }
}

/// What the channels of a picture are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colours {
    Gray,
    Rgb,
    Cmyk,
}

/// What a header says.
struct Head {
    width: u64,
    height: u64,
    dtype: DataType,
    /// Bits per sample in the file, where not the type's.
    bits: Option<u16>,
    colours: Colours,
    alpha: bool,
    codec: &'static str,
    orientation: Option<u16>,
    icc: Option<Vec<u8>>,
    /// Bytes that decoding takes beside the stored bytes and the samples.
    work_bytes: u64,
}

impl Head {
    fn channels(&self) -> u64 {
        let colours = match self.colours {
            Colours::Gray => 1,
            Colours::Rgb => 3,
            Colours::Cmyk => 4,
        };
        colours + u64::from(self.alpha)
    }
}

/// A picture that was opened.
pub(crate) struct Picture {
    store: Arc<Store>,
    kind: Kind,
    image: Image,
    decoded_bytes: usize,
    work_bytes: u64,
    bad_blocks: BadBlocks,
    held: OnceLock<Held>,
    decoding: Mutex<()>,
}

/// The samples, and why they are filled where they are.
struct Held {
    samples: Buffer,
    bad: Option<Arc<Error>>,
}

/// Opens a picture by its header.
///
/// # Errors
/// [`Error::Format`] for a broken header, [`Error::Unsupported`] for what is known but not read.
pub(crate) fn open(store: Arc<Store>, kind: Kind, bad_blocks: BadBlocks) -> Result<Picture> {
    let reader = BufReader::new(StoreReader { store: &store, at: 0 });
    let head = match kind {
        Kind::Jpeg => jpeg::head(reader)?,
        Kind::Bmp => bmp::head(reader)?,
        #[cfg(feature = "png")]
        Kind::Png => png::head(reader)?,
        #[cfg(feature = "webp")]
        Kind::WebP => webp::head(reader)?,
        #[cfg(not(all(feature = "png", feature = "webp")))]
        other => return Err(Error::Unsupported(format!("{} in this build", other.name()))),
    };
    let extent = Extent::new(head.height, head.width, head.channels());
    if extent.rect().is_empty() {
        return Err(Error::Format(format!("a picture of {} x {} pixels", head.width, head.height)));
    }
    let mut image = Image::plain(kind.name(), extent, head.dtype, BlockLayout::Rows { planar: false });
    image.codec = head.codec.into();
    image.stored_bits = head.bits;
    image.stored_bytes = store.len();
    let (name, code) = match head.colours {
        Colours::Gray => ("gray", 1),
        Colours::Rgb => ("RGB", 2),
        Colours::Cmyk => ("CMYK", 5),
    };
    image.metadata.photometric = Some(name.into());
    image.metadata.photometric_code = Some(code);
    image.metadata.extra_samples = if head.alpha { vec![2] } else { Vec::new() };
    image.metadata.orientation = head.orientation;
    image.metadata.icc = head.icc;
    let decoded_bytes = usize::try_from(image.decoded_bytes())
        .ok()
        .filter(|&n| n <= isize::MAX as usize)
        .ok_or_else(|| Error::Limits {
            what: "the picture".into(),
            needed: image.decoded_bytes(),
            limit: isize::MAX as u64,
        })?;
    Ok(Picture {
        store,
        kind,
        image,
        decoded_bytes,
        work_bytes: head.work_bytes,
        bad_blocks,
        held: OnceLock::new(),
        decoding: Mutex::new(()),
    })
}

impl Picture {
    /// The samples; decoded by whoever comes first.
    fn held(&self) -> Result<&Held> {
        if let Some(held) = self.held.get() {
            return Ok(held);
        }
        let _alone = self.decoding.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = self.held.get() {
            return Ok(held);
        }
        let mut samples = Buffer::new();
        samples.resize(self.decoded_bytes)?;
        let decoded = self.decode(samples.bytes_mut()).map_err(|cause| Error::Block {
            page: 0,
            block: 0,
            offset: 0,
            bytes: self.store.len(),
            cause: Box::new(cause),
        });
        let fill = match self.bad_blocks {
            BadBlocks::Fail => None,
            BadBlocks::Nodata => Some(outcrop_core::Value::Int(0)),
            BadBlocks::Fill(value) => Some(value),
        };
        let bad = match (decoded, fill) {
            (Ok(()), _) => None,
            (Err(error), None) => return Err(error),
            (Err(error), Some(value)) => {
                with_dtype!(self.image.dtype, T => {
                    samples.samples_mut::<T>().fill(value.to_sample::<T>().unwrap_or_default());
                });
                Some(Arc::new(error))
            }
        };
        Ok(self.held.get_or_init(|| Held { samples, bad }))
    }

    fn decode(&self, out: &mut [u8]) -> Result<()> {
        let mut stored = Buffer::new();
        let len = usize::try_from(self.store.len()).map_err(|_| Error::Limits {
            what: "the file".into(),
            needed: self.store.len(),
            limit: isize::MAX as u64,
        })?;
        stored.resize(len)?;
        self.store.read_file_at(0, stored.bytes_mut())?;
        match self.kind {
            Kind::Jpeg => jpeg::decode(stored.bytes(), out),
            Kind::Bmp => bmp::decode(stored.bytes(), out),
            #[cfg(feature = "png")]
            Kind::Png => png::decode(stored.bytes(), self.image.dtype, out),
            #[cfg(feature = "webp")]
            Kind::WebP => webp::decode(stored.bytes(), out),
            #[cfg(not(all(feature = "png", feature = "webp")))]
            other => Err(Error::Unsupported(format!("{} in this build", other.name()))),
        }
    }
}

impl Source for Picture {
    fn image(&self) -> &Image {
        &self.image
    }

    /// The whole picture for every chunk: whichever permit comes first has paid for it.
    fn cost(&self, shape: (u64, u64), channels: &Channels) -> Result<Cost> {
        let Extent { height, width, channels: all } = self.image.extent;
        let gathered = if channels.as_step().is_some() || channels.is_all(all) {
            0
        } else {
            let samples = shape.0.min(height).saturating_mul(shape.1.min(width));
            samples.saturating_mul(channels.len() as u64 * self.image.dtype.bytes() as u64)
        };
        let decoding = (self.decoded_bytes as u64).saturating_add(self.work_bytes);
        Ok(Cost { stored_bytes: self.store.len(), scratch_bytes: decoding.saturating_add(gathered) })
    }

    /// Nothing: whoever reads first also reads the file, beside other pictures' readers.
    fn fetch(&self, _: &Request<'_>, _: &mut Scratch) -> Result<()> {
        Ok(())
    }

    fn read<'a>(&'a self, request: &Request<'_>, scratch: &'a mut Scratch) -> Result<Read<'a>> {
        let Image { extent, dtype, .. } = self.image;
        let Held { samples, bad } = self.held()?;
        let Rect { y, x, height, width } = request.rect;
        if !extent.rect().contains(&request.rect) {
            return Err(Error::Usage(format!("{} lies outside the picture", request.rect)));
        }
        let shape = [extent.height, extent.width, extent.channels].map(|n| n as usize);
        let all = with_dtype!(dtype, T => Pixels::contiguous(samples.samples::<T>(), shape))?;
        let part = all
            .slice(0, y as usize..request.rect.bottom() as usize)
            .slice(1, x as usize..request.rect.right() as usize);
        let Scratch { decoded, holes, .. } = scratch;
        holes.clear();
        if let Some(bad) = bad {
            let channels = 0..request.channels.len();
            holes.push(Hole { rect: request.rect, channels, kind: HoleKind::Bad(bad.clone()) });
        }
        let pixels = match part.select(request.channels) {
            Some(pixels) => pixels,
            None => {
                let shape = [height as usize, width as usize, request.channels.len()];
                decoded.resize(shape.iter().product::<usize>() * dtype.bytes())?;
                part.gather(request.channels, PixelsMut::in_buffer(dtype, decoded, shape)?);
                with_dtype!(dtype, T => Pixels::contiguous(decoded.samples::<T>(), shape))?
            }
        };
        Ok(Read { pixels, holes })
    }
}

/// A file's bytes as a stream, so that a decoder can read a header and no more.
struct StoreReader<'a> {
    store: &'a Store,
    at: u64,
}

impl std::io::Read for StoreReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let left = self.store.len().saturating_sub(self.at);
        let count = (out.len() as u64).min(left) as usize;
        self.store.read_file_at(self.at, &mut out[..count]).map_err(std::io::Error::other)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for StoreReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::End(by) => (self.store.len(), by),
            SeekFrom::Current(by) => (self.at, by),
        };
        self.at = from.checked_add_signed(by).ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

type HeadReader<'a> = BufReader<StoreReader<'a>>;

/// The files are those of `tiff/codec/image.rs`: a ramp of 9 rows of 13 pixels.
#[cfg(all(test, feature = "png", feature = "webp"))]
mod tests {
    use super::*;
    use crate::store::IoMode;

    fn opened(bytes: &[u8], bad_blocks: BadBlocks) -> Result<Picture> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let store = Arc::new(Store::open(file.path(), IoMode::Read)?);
        open(store, Kind::from_content(&bytes[..16.min(bytes.len())]).unwrap(), bad_blocks)
    }

    #[test]
    fn any_part_and_channels_of_a_picture_are_lent() {
        let files: [(&[u8], u64); 3] = [
            (include_bytes!("../tiff/codec/testdata/rgb.png"), 3),
            (include_bytes!("../tiff/codec/testdata/rgb.webp"), 3),
            (include_bytes!("../tiff/codec/testdata/rgba.webp"), 4),
        ];
        for (bytes, channels) in files {
            let picture = opened(bytes, BadBlocks::Fail).unwrap();
            assert_eq!(picture.image().extent, Extent::new(9, 13, channels));
            let rect = Rect { y: 2, x: 3, height: 4, width: 5 };
            for list in [vec![0, 1, 2], vec![2, 0], vec![1, 1]] {
                let channels = Channels::select(list.clone(), channels).unwrap();
                let (request, mut scratch) = (Request { rect, channels: &channels }, Scratch::new());
                picture.fetch(&request, &mut scratch).unwrap();
                let read = picture.read(&request, &mut scratch).unwrap();
                let view = read.pixels.typed::<u8>().unwrap();
                for ((y, x, k), &sample) in view.indexed_iter() {
                    let wanted = 20 * (y + 2) + 7 * (x + 3) + 30 * list[k] as usize;
                    assert_eq!(usize::from(sample), wanted % 256, "{channels:?}");
                }
            }
        }
    }

    #[test]
    fn a_picture_that_does_not_decode_is_an_error_or_filled() {
        let whole: &[u8] = include_bytes!("../tiff/codec/testdata/rgb.png");
        let cut = &whole[..whole.len() / 2];
        let channels = Channels::all(3);
        let request = Request { rect: Rect::of_size(9, 13), channels: &channels };
        let (bad, mut scratch) = (opened(cut, BadBlocks::Fail), Scratch::new());
        let failed = bad.and_then(|bad| bad.read(&request, &mut scratch).map(drop));
        assert!(failed.unwrap_err().to_string().contains("png"));
        if let Ok(filled) = opened(cut, BadBlocks::Fill(outcrop_core::Value::Int(7))) {
            let read = filled.read(&request, &mut scratch).unwrap();
            assert!(matches!(read.holes, [Hole { kind: HoleKind::Bad(_), .. }]));
            assert!(read.pixels.typed::<u8>().unwrap().iter().all(|&sample| sample == 7));
        }
    }

    #[test]
    fn what_a_header_claims_is_told_before_it_is_allocated() {
        // A bitmap of 2,000,000,000 x 1,000,000,000 pixels.
        let mut bytes = b"BM".to_vec();
        bytes.extend([54, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0]);
        bytes.extend(2_000_000_000u32.to_le_bytes());
        bytes.extend(1_000_000_000u32.to_le_bytes());
        bytes.extend([1, 0, 24, 0]);
        bytes.extend([0; 224]);
        let bomb = opened(&bytes, BadBlocks::Fail).unwrap();
        let cost = bomb.cost((1, 1), &Channels::all(3)).unwrap();
        assert!(cost.total() >= 6_000_000_000_000_000_000, "{cost:?}");
    }
}
