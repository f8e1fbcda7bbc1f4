//! [`create`]: an output by its extension, or by a format that is named.

use std::io::Write;
use std::path::Path;

use outcrop_core::{ByteOrder, DataType, Error, Extent, Metadata, Result, Sink, Value};

use crate::deepzoom::DeepZoomOptions;
use crate::output::{Output, Stream, Target};
use crate::rows::{RowsSink, Sidecar};
use crate::text::SharedText;
use crate::{Overwrite, PartialFile, PictureFormat, PictureOptions, envi, npy, picture, tiff};

/// A format that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Samples in (y, x, channel) order and nothing else.
    Raw,
    /// NumPy's array file.
    Npy,
    /// Raw samples with a text header beside them.
    Envi,
    /// TIFF or BigTIFF.
    Tiff,
    /// PNG, JPEG or WebP.
    Picture(PictureFormat),
    /// A descriptor and a folder of tiles: [`DeepZoom`](crate::deepzoom::DeepZoom).
    DeepZoom,
}

impl Format {
    /// Every format, as help texts list them.
    pub const ALL: [Format; 8] = [
        Format::Raw,
        Format::Npy,
        Format::Envi,
        Format::Tiff,
        Format::Picture(PictureFormat::Png),
        Format::Picture(PictureFormat::Jpeg),
        Format::Picture(PictureFormat::WebP),
        Format::DeepZoom,
    ];

    /// The name that `--to` takes.
    pub fn name(self) -> &'static str {
        match self {
            Format::Raw => "raw",
            Format::Npy => "npy",
            Format::Envi => "envi",
            Format::Tiff => "tiff",
            Format::Picture(PictureFormat::Png) => "png",
            Format::Picture(PictureFormat::Jpeg) => "jpeg",
            Format::Picture(PictureFormat::WebP) => "webp",
            Format::DeepZoom => "dzi",
        }
    }

    /// The compressions that can be written, by the names that creation options take; none where the format has none.
    pub fn codecs(self) -> &'static [&'static str] {
        if self == Format::Tiff { &tiff::COMPRESSIONS } else { &[] }
    }

    /// The format of that name (`raw`, `npy`, `envi`, `tiff`, `png`, `jpeg`, `webp`, `dzi`).
    pub fn from_name(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|f| f.name().eq_ignore_ascii_case(name))
    }

    /// The format that a file of that name has, by its extension.
    pub fn of_path(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "raw" | "bin" | "dat" => Some(Format::Raw),
            "npy" => Some(Format::Npy),
            "hdr" => Some(Format::Envi),
            "dzi" => Some(Format::DeepZoom),
            "tif" | "tiff" | "btf" | "tf8" => Some(Format::Tiff),
            extension => PictureFormat::from_extension(extension).map(Format::Picture),
        }
    }
}

/// The image that is to be written.
#[derive(Clone, Debug)]
pub struct OutputImage<'a> {
    /// Rows, columns and channels.
    pub extent: Extent,
    /// The type of every sample.
    pub dtype: DataType,
    /// What goes along with the pixels, as far as the format can hold it.
    pub metadata: &'a Metadata,
    /// Values that mean "no data": none, one for all channels, or one per channel.
    pub nodata: &'a [Value],
}

impl OutputImage<'_> {
    /// An image of which nothing else is known.
    pub fn new(extent: Extent, dtype: DataType) -> OutputImage<'static> {
        static NONE: std::sync::LazyLock<Metadata> = std::sync::LazyLock::new(Metadata::default);
        OutputImage { extent, dtype, metadata: &NONE, nodata: &[] }
    }
}

/// How an output is written.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The format; by the extension where this is `None`.
    pub format: Option<Format>,
    /// Whether a file of that name may be replaced.
    pub overwrite: Overwrite,
    /// Byte order of raw and ENVI samples; little-endian where this is `None`.
    pub byte_order: Option<ByteOrder>,
    /// What only TIFF has.
    pub tiff: tiff::TiffOptions,
    /// What pictures have, and the tiles of DeepZoom images.
    pub picture: PictureOptions,
    /// What only DeepZoom images have.
    pub deepzoom: DeepZoomOptions,
    /// The state of an unfinished output of the same image and options, as [`Sink::checkpoint`] gave it, to go on
    /// with. What it says is checked against the partial file.
    pub resume: Option<Vec<u8>>,
}

/// A sink that is ready, and what the user should hear about it.
pub struct Created {
    /// The sink.
    pub sink: Box<dyn Sink>,
    /// Lines for the log: a stale partial file was removed, space may run out, BigTIFF was chosen.
    pub notices: Vec<String>,
}

/// Opens an output. Everything that can be known to fail fails here, before a pixel is read.
///
/// # Errors
/// [`Error::Usage`] where the format is not known, does not go to a stream, or the target cannot be written (see
/// [`PartialFile::create`]); [`Error::Unsupported`] where the format cannot hold the image; [`Error::Io`] where the
/// system refuses or the disk has too little space for an output whose size is known.
pub fn create(target: Target<'_>, image: &OutputImage<'_>, options: &Options) -> Result<Created> {
    let resume = options.resume.as_deref();
    let open = || Output::open(target, options.overwrite, resume.is_some());
    match options.format.map_or_else(|| format_of(target), Ok)? {
        Format::Raw => {
            let order = options.byte_order.unwrap_or(ByteOrder::Little);
            rows(open()?, None, Vec::new(), image, order, resume)
        }
        Format::Npy => {
            let header = npy::header(image.extent, image.dtype);
            rows(open()?, None, header, image, ByteOrder::Little, resume)
        }
        Format::Envi => {
            let Target::Path(path) = target else {
                return Err(Error::Usage("ENVI output is two files and cannot go to standard output".into()));
            };
            let order = options.byte_order.unwrap_or(ByteOrder::Little);
            let content = envi::header(image, order)?.into_bytes();
            let (data, header) = envi::pair(path);
            let open = if options.resume.is_some() { PartialFile::resume } else { PartialFile::create };
            let data = open(&data, options.overwrite)?;
            if data.is_published() && std::fs::read(&header).is_ok_and(|found| found == content) {
                return rows(Output::File(data), None, Vec::new(), image, order, resume);
            }
            // It holds nothing before the end.
            let mut file = PartialFile::create(&header, options.overwrite)?;
            if options.resume.is_some() {
                file.notices().clear();
            }
            rows(Output::File(data), Some(Sidecar { file, content }), Vec::new(), image, order, resume)
        }
        Format::Tiff => match open()? {
            Output::Stream(_) => Err(Error::Usage(
                "TIFF output needs a file: its directory is completed at the end (--to npy can stream)"
                    .into(),
            )),
            Output::File(file) => tiff::create(file, image, &options.tiff, resume),
        },
        Format::DeepZoom => Err(Error::Usage(
            "a DeepZoom image has levels and is made by `outcrop pyramid` or `convert`".into(),
        )),
        Format::Picture(format) => picture::create(open()?, format, image, &options.picture, resume),
    }
}

/// A sink that writes to anything, in order: raw samples (little-endian), a `.npy` file or a picture.
///
/// # Errors
/// [`Error::Usage`] for a format that does not stream.
pub fn to_stream(
    to: impl Write + Send + 'static,
    name: &str,
    format: Format,
    image: &OutputImage<'_>,
) -> Result<Box<dyn Sink>> {
    let options = Options { format: Some(format), ..Options::default() };
    Ok(create_stream(Stream::new(to, name.into()), image, &options)?.sink)
}

/// A sink that writes to a text, with everything that [`create`] tells and takes; of the options the format must be there.
/// With a state to go on from, the text was opened to be gone on with.
///
/// # Errors
/// [`Error::Usage`] for a format that does not stream, or none; as [`create`].
pub fn create_text(text: &SharedText, image: &OutputImage<'_>, options: &Options) -> Result<Created> {
    create_stream(Stream::to_text(text.clone()), image, options)
}

fn create_stream(stream: Stream, image: &OutputImage<'_>, options: &Options) -> Result<Created> {
    let (stream, resume) = (Output::Stream(stream), options.resume.as_deref());
    let order = options.byte_order.unwrap_or(ByteOrder::Little);
    match options.format.map_or_else(|| format_of(Target::Stdout), Ok)? {
        Format::Raw => rows(stream, None, Vec::new(), image, order, resume),
        Format::Npy => {
            rows(stream, None, npy::header(image.extent, image.dtype), image, ByteOrder::Little, resume)
        }
        Format::Picture(format) => picture::create(stream, format, image, &options.picture, resume),
        other => Err(Error::Usage(format!("{} does not stream (--to raw or npy)", other.name()))),
    }
}

fn format_of(target: Target<'_>) -> Result<Format> {
    let Target::Path(path) = target else {
        return Err(Error::Usage(
            "standard output has no extension: name the format (--to raw, npy, png or jpeg)".into(),
        ));
    };
    Format::of_path(path).ok_or_else(|| {
        Error::Usage(format!(
            "{}: the extension names no format that can be written (.tif, .npy, .raw, .hdr, .png, .jpg, .webp, .dzi; or --to FORMAT)",
            path.display()
        ))
    })
}

fn rows(
    mut output: Output,
    mut sidecar: Option<Sidecar>,
    header: Vec<u8>,
    image: &OutputImage<'_>,
    order: ByteOrder,
    resume: Option<&[u8]>,
) -> Result<Created> {
    let mut notices = Vec::new();
    if let Output::File(file) = &mut output {
        notices.append(file.notices());
    }
    if let Some(sidecar) = &mut sidecar {
        notices.append(sidecar.file.notices());
    }
    let sink = RowsSink::new(output, sidecar, header, (image.extent, image.dtype), order, resume)?;
    Ok(Created { sink: Box::new(sink), notices })
}
