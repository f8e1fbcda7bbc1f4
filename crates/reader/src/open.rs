//! [`open`] and [`ImageFile`]: from a path to a source, by what the file's first bytes say, else by its name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use outcrop_core::{ByteOrder, Error, Extent, Result, Source};

use crate::picture::{self, Kind};
use crate::raw::{Interleave, RawSource, RawSpec};
use crate::store::{IoMode, Store};
use crate::tiff::{BadBlocks, CodecSupport, TiffOptions, TiffPages, is_tiff};
use crate::{envi, npy, parse_dtype};

/// A format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// TIFF and BigTIFF.
    Tiff,
    /// Samples without a header.
    Raw,
    /// NumPy's `.npy`.
    Npy,
    /// ENVI: a text header `.hdr` beside a data file.
    Envi,
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// WebP.
    WebP,
    /// Windows bitmaps.
    Bmp,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 8] = [
        Format::Tiff,
        Format::Raw,
        Format::Npy,
        Format::Envi,
        Format::Png,
        Format::Jpeg,
        Format::WebP,
        Format::Bmp,
    ];

    /// The name that `--from` takes.
    pub fn name(self) -> &'static str {
        match self {
            Format::Tiff => "tiff",
            Format::Raw => "raw",
            Format::Npy => "npy",
            Format::Envi => "envi",
            Format::Png => "png",
            Format::Jpeg => "jpeg",
            Format::WebP => "webp",
            Format::Bmp => "bmp",
        }
    }

    fn picture(self) -> Option<Kind> {
        match self {
            Format::Png => Some(Kind::Png),
            Format::Jpeg => Some(Kind::Jpeg),
            Format::WebP => Some(Kind::WebP),
            Format::Bmp => Some(Kind::Bmp),
            _ => None,
        }
    }

    /// The compressions that can be read, also those that this build lacks; none where the format has none.
    pub fn codecs(self) -> Vec<CodecSupport> {
        if self == Format::Tiff { crate::tiff::codecs() } else { Vec::new() }
    }

    /// The format of that name, in any case.
    pub fn from_name(name: &str) -> Option<Format> {
        let lower = name.to_ascii_lowercase();
        Format::ALL.into_iter().find(|f| f.name() == lower)
    }

    /// The format that a file's name suggests.
    pub fn from_extension(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "tif" | "tiff" | "btf" | "tf8" | "gtiff" | "svs" | "ndpi" | "lsm" => Some(Format::Tiff),
            "raw" | "bin" | "dat" => Some(Format::Raw),
            "npy" => Some(Format::Npy),
            "hdr" => Some(Format::Envi),
            "png" | "apng" => Some(Format::Png),
            "jpg" | "jpeg" | "jpe" | "jfif" => Some(Format::Jpeg),
            "webp" => Some(Format::WebP),
            "bmp" | "dib" => Some(Format::Bmp),
            _ => None,
        }
    }

    /// The format that the first bytes of a file show.
    pub fn from_content(head: &[u8]) -> Option<Format> {
        match head {
            _ if is_tiff(head) => Some(Format::Tiff),
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(Format::Npy),
            _ if envi::is_header(head) => Some(Format::Envi),
            _ => Kind::from_content(head).map(|kind| match kind {
                Kind::Png => Format::Png,
                Kind::Jpeg => Format::Jpeg,
                Kind::WebP => Format::WebP,
                Kind::Bmp => Format::Bmp,
            }),
        }
    }
}

/// How to open a file. The default opens the first page of whatever the file shows itself to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenOptions {
    /// The format, whatever the file looks like.
    pub from: Option<Format>,
    /// The page, from 0.
    pub page: u64,
    /// The level of the page, 0 = full resolution.
    pub level: u64,
    /// The mask that the file has for that page and level, instead of its pixels: an image of one channel, not 0 where a
    /// pixel is valid. The description of the page says in [`outcrop_core::Metadata::other`] whether there is one.
    pub mask: bool,
    /// How bytes are reached.
    pub io: IoMode,
    /// What happens with a block that cannot be read.
    pub bad_blocks: BadBlocks,
    /// Palette images as colours rather than indices.
    pub expand_palette: bool,
    /// What is said of a raw file.
    pub raw: RawOptions,
}

impl OpenOptions {
    fn tiff(&self) -> TiffOptions {
        let OpenOptions { page, level, mask, bad_blocks, expand_palette, .. } = *self;
        TiffOptions { page, level, mask, bad_blocks, expand_palette }
    }
}

/// What is said of a raw file, as far as it is said. Saying a shape makes any file a raw one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawOptions {
    /// Rows, columns, channels ([`parse_shape`](crate::parse_shape)).
    pub shape: Option<Extent>,
    /// The sample type, by any name that [`parse_dtype`] knows.
    pub dtype: Option<String>,
    /// The byte at which the samples begin. Where it is given, bytes may follow the samples.
    pub offset: Option<u64>,
    /// Most significant byte first.
    pub big_endian: bool,
    /// How channels lie.
    pub interleave: Option<Interleave>,
}

impl RawOptions {
    fn is_empty(&self) -> bool {
        *self == RawOptions::default()
    }

    /// The whole description.
    ///
    /// # Errors
    /// [`Error::Usage`] naming what is missing or contradictory.
    pub fn spec(&self) -> Result<RawSpec> {
        let missing = |what: &str| Error::Usage(format!("a raw file needs {what}"));
        let extent = self.shape.ok_or_else(|| missing("its shape (--shape H,W[,C])"))?;
        let name =
            self.dtype.as_deref().ok_or_else(|| missing("its sample type (--dtype, such as uint16)"))?;
        let (dtype, order) = parse_dtype(name)?;
        if self.big_endian && order == Some(ByteOrder::Little) {
            return Err(Error::Usage(format!("`{name}` is little-endian, --big-endian says otherwise")));
        }
        let said = if self.big_endian { ByteOrder::Big } else { ByteOrder::Little };
        Ok(RawSpec {
            extent,
            dtype,
            offset: self.offset.unwrap_or(0),
            byte_order: order.unwrap_or(said),
            interleave: self.interleave.unwrap_or_default(),
            trailing: self.offset.is_some(),
        })
    }
}

/// Opens an image.
///
/// The format is the one asked for; else raw where a shape is given; else what the first bytes show (TIFF, `.npy`, an ENVI
/// header, a picture), or ENVI where a header stands beside the file.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::Format`] where it is not an image of a known format,
/// [`Error::Unsupported`] for what is known but not read, [`Error::Usage`] where the options do not suit it.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Box<dyn Source>> {
    ImageFile::open(path, options)?.at(options.page, options.level)
}

/// An image file of which many pages or levels are opened: what says where they lie is read once.
pub struct ImageFile {
    path: PathBuf,
    options: OpenOptions,
    format: Format,
    bytes: Bytes,
}

/// A file, and the directories of a TIFF.
enum Bytes {
    Plain(Arc<Store>),
    Tiff(TiffPages),
}

impl ImageFile {
    /// Opens a file, of the format that [`open`] finds. The page and level of the options are not looked at.
    ///
    /// # Errors
    /// Those of [`open`] that are about the file as a whole.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<ImageFile> {
        let store = Arc::new(Store::open(path, options.io)?);
        let format = match options.from {
            Some(format) => format,
            None if !options.raw.is_empty() => Format::Raw,
            None => sniff(path, &store)?,
        };
        if format != Format::Raw && !options.raw.is_empty() {
            return Err(Error::Usage(format!(
                "--shape, --dtype, --offset, --big-endian and --interleave describe raw files; this one is opened as {}",
                format.name()
            )));
        }
        let bytes = match format {
            Format::Tiff => Bytes::Tiff(TiffPages::open(store)?),
            _ => Bytes::Plain(store),
        };
        Ok(ImageFile { path: path.to_owned(), options: options.clone(), format, bytes })
    }

    /// Opens a page at a level, as the options say.
    ///
    /// # Errors
    /// Those of [`open`] that are about the page.
    pub fn at(&self, page: u64, level: u64) -> Result<Box<dyn Source>> {
        let options = OpenOptions { page, level, ..self.options.clone() };
        let store = match &self.bytes {
            Bytes::Tiff(pages) => return Ok(Box::new(pages.at(&options.tiff())?)),
            Bytes::Plain(store) => store,
        };
        one_page(self.format, &options)?;
        if let Some(kind) = self.format.picture() {
            return Ok(Box::new(picture::open(store.clone(), kind, options.bad_blocks)?));
        }
        Ok(match self.format {
            Format::Raw => Box::new(RawSource::new(store.clone(), &options.raw.spec()?)?),
            Format::Npy => Box::new(npy::open(store.clone())?),
            _ => Box::new(open_envi(&self.path, store, options.io)?),
        })
    }
}

/// The other file of an image that is two: ENVI's data for its header, its header for its data. `None` for an image that
/// is one file, and where there is nothing to be found out.
pub fn other_file(path: &Path) -> Option<PathBuf> {
    // Opening a pipe would take what is in it.
    let store = path.is_file().then(|| Store::open(path, IoMode::Read))?.ok()?;
    match sniff(path, &store).ok()? {
        Format::Envi => {
            let mut head = [0; 5];
            let head = &mut head[..store.len().min(5) as usize];
            store.read_at(0, head).ok()?;
            if envi::is_header(head) { envi::data_of(path).ok() } else { envi::header_beside(path) }
        }
        _ => None,
    }
}

/// Opens an ENVI image by its header or by its data file.
fn open_envi(path: &Path, store: &Store, io: IoMode) -> Result<RawSource> {
    let mut head = [0; 5];
    let head = &mut head[..store.len().min(5) as usize];
    store.read_at(0, head)?;
    if envi::is_header(head) {
        return envi::open(path, io);
    }
    match envi::header_beside(path) {
        Some(header) => envi::open_pair(&header, path, io),
        None => {
            Err(Error::Format("expected an ENVI header, or a data file with one beside it (NAME.hdr)".into()))
        }
    }
}

fn one_page(format: Format, options: &OpenOptions) -> Result<()> {
    if options.mask {
        return Err(Error::Usage(format!("a {} file has no mask", format.name())));
    }
    let (flag, n) = if options.page != 0 { ("page", options.page) } else { ("level", options.level) };
    if n == 0 {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{flag} {n} does not exist: a {} file has only {flag} 0 (--{flag})",
        format.name()
    )))
}

fn sniff(path: &Path, store: &Store) -> Result<Format> {
    if store.is_empty() {
        return Err(Error::Format("the file is empty, expected an image".into()));
    }
    let mut head = [0; 16];
    let head = &mut head[..store.len().min(16) as usize];
    store.read_at(0, head)?;
    if let Some(format) = Format::from_content(head) {
        return Ok(format);
    }
    if envi::header_beside(path).is_some() {
        return Ok(Format::Envi);
    }
    Err(unknown(path, head))
}

/// Says what the file seems to be and what would help.
fn unknown(path: &Path, head: &[u8]) -> Error {
    let unsupported = |what: &str| {
        Error::Unsupported(format!("{what} (reads TIFF, .npy, ENVI, PNG, JPEG, WebP, BMP and raw files)"))
    };
    match head {
        [b'P', b'K', 3 | 5, ..] => {
            let npz = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz"));
            unsupported(if npz { ".npz archives; save the array as .npy (np.save)" } else { "zip archives" })
        }
        [0x89, b'H', b'D', b'F', ..] => unsupported("HDF5"),
        _ => match Format::from_extension(path) {
            Some(Format::Raw) => Error::Usage(
                "a raw file needs its shape and sample type (--shape H,W[,C] --dtype uint16)".into(),
            ),
            Some(format) => {
                let want = match format {
                    Format::Tiff => "a TIFF header (II*, MM*)",
                    Format::Npy => "\\x93NUMPY",
                    Format::Png => "\\x89PNG",
                    Format::Jpeg => "\\xff\\xd8",
                    Format::WebP => "RIFF....WEBP",
                    Format::Bmp => "BM and a header",
                    _ => "a first line `ENVI`",
                };
                Error::Format(format!("expected {want} at the start, found {}", shown(head)))
            }
            None => Error::Format(format!(
                "not an image that this build knows: expected TIFF, .npy, ENVI, PNG, JPEG, WebP or BMP, found {} at the start (a raw file \
                 needs --shape H,W[,C] --dtype uint16)",
                shown(head)
            )),
        },
    }
}

/// The first bytes, as text where they are text.
fn shown(head: &[u8]) -> String {
    format!("`{}`", head[..head.len().min(8)].escape_ascii())
}
