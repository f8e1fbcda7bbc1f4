//! [`encode`] and [`decode`]: an image or a file as base64, and base64 as a file.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use base64::engine::general_purpose::STANDARD;
use base64::read::DecoderReader;

use outcrop_core::{CancelToken, DataType, Error, Event, Extent, Observer, Result, Source};
use outcrop_ops::map::Convert;
use outcrop_scheduler::{Checkpoint, Runtime};
use outcrop_writer::tiff::Compression;
use outcrop_writer::{
    Decoder, Format, OutputImage, Overwrite, PictureFormat, SharedText, Text, base64_len, create_text,
};

use super::convert::{ConvertOptions, convert};
use super::write::Write;
use crate::Region;
use crate::output::{Output, carry};

/// Bytes that are read at once.
const PIECE: usize = 192 << 10;
/// What reading, encoding and writing a piece take at most.
const COPY_BYTES: u64 = 1 << 20;

/// What an image or a file became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Whether decoding gives the same samples (or the same bytes).
    pub is_lossless: bool,
    /// Bytes before they became text.
    pub bytes: u64,
    /// Characters of the text, with what makes it a data URI.
    pub characters: u64,
}

/// The format that loses nothing of an image and that most programs open: PNG where it can hold it, else `.npy`.
pub fn lossless_format(extent: Extent, dtype: DataType) -> Format {
    match PictureFormat::Png.check(extent, dtype) {
        Ok(()) => Format::Picture(PictureFormat::Png),
        Err(_) => Format::Npy,
    }
}

/// Writes the pixels of a region as a file of the output's format (the [lossless one](lossless_format) where it names
/// none), and that file as base64. The output's path is that of the text; `data_uri` makes it a data URI.
///
/// Pictures and `.npy` stream. A TIFF, whose directory is completed at the end, is written beside the output first and
/// removed again; with a checkpoint it stays until the text is there, and the text is made of it once more.
///
/// # Errors
/// As [`convert`]; [`Error::Usage`] for raw samples and ENVI, which say too little to be opened again. Nothing is left under the output's name then.
pub fn encode(
    runtime: &Runtime,
    source: &dyn Source,
    region: &Region,
    data_uri: bool,
    output: &Output,
) -> Result<Encoded> {
    let image = source.image();
    let (window, channels) = region.resolve(image)?;
    let extent = Extent::new(window.height, window.width, channels.len() as u64);
    let mut options = output.options.clone();
    let format = *options.format.get_or_insert_with(|| lossless_format(extent, image.dtype));
    let (media_type, is_lossless) = match format {
        Format::Picture(PictureFormat::Png) => ("image/png", true),
        Format::Picture(PictureFormat::WebP) => ("image/webp", true),
        Format::Picture(PictureFormat::Jpeg) => ("image/jpeg", false),
        Format::Npy => ("application/octet-stream", true),
        Format::Tiff => (
            "image/tiff",
            match options.tiff.compression {
                Compression::Jpeg { .. } => false,
                Compression::Lerc { max_error } => max_error == 0.0,
                _ => true,
            },
        ),
        other => {
            return Err(Error::Usage(format!(
                "{} does not say what it holds (--to png, npy or tiff)",
                other.name()
            )));
        }
    };
    let media_type = data_uri.then_some(media_type);
    if format == Format::Tiff {
        if runtime.checkpoint().is_some() && output.path.is_none() {
            let what = "a pipe as output cannot be gone on with (leave out --checkpoint)";
            return Err(Error::Usage(what.into()));
        }
        let spill = Spill { path: spill_path(output)?, is_kept: runtime.checkpoint().is_some() };
        let overwrite = options.overwrite;
        let create = || -> Result<Text> {
            let mut text = Text::create(output.target(), overwrite, media_type, false)?;
            say(runtime, text.notices());
            Ok(text)
        };
        let resumed = runtime.checkpoint().is_some_and(Checkpoint::is_resumed);
        let there = output.path.as_deref().filter(|path| {
            resumed && overwrite == Overwrite::Refuse && path.is_file() && spill.path.is_file()
        });
        let begun = if there.is_none() { Some(create()?) } else { None };
        let mut to = Output::new(&spill.path);
        to.options = options;
        to.options.overwrite = Overwrite::Replace;
        let converted = convert(runtime, source, region, &ConvertOptions::default(), &to);
        if runtime.is_planning() && matches!(converted, Err(Error::Cancelled)) {
            let bound = runtime.plans().iter().filter_map(|plan| plan.bytes_to_write).fold(0, u64::max);
            runtime.plan_copy(window, bound, text_bytes(bound), COPY_BYTES);
        }
        converted?;
        let io = |e| Error::io(format!("read {}", spill.path.display()), e);
        let mut file = File::open(&spill.path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        runtime.plan_copy(window, length, text_bytes(length), COPY_BYTES);
        let (bytes, characters) = runtime.end_output(|| {
            let text = match (begun, there) {
                (Some(text), _) => text,
                (None, Some(path)) if is_text_of(runtime, path, &mut file, media_type)? => {
                    let characters = std::fs::metadata(path).map_err(io)?.len();
                    return Ok((length, characters));
                }
                (None, _) => create()?,
            };
            copy(runtime, &mut file, Some(length), text).map(|encoded| (encoded.bytes, encoded.characters))
        })?;
        // Before the file that the text was made of: as long as there is a checkpoint, it can be gone on with.
        runtime.checkpoint().map_or(Ok(()), Checkpoint::complete)?;
        spill.remove();
        return Ok(Encoded { is_lossless, bytes, characters });
    }
    options.resume = runtime.checkpoint().and_then(Checkpoint::output_state);
    let mut text = Text::create(output.target(), options.overwrite, media_type, options.resume.is_some())?;
    say(runtime, text.notices());
    let (metadata, nodata) = carry(image, window, &channels);
    let made = OutputImage { extent, dtype: image.dtype, metadata: &metadata, nodata: &nodata };
    let text = SharedText::new(text);
    let created = create_text(&text, &made, &options)?;
    say(runtime, created.notices);
    let map = Convert::new(image.dtype, extent.channels);
    let chunk = region.chunk;
    let job = Write {
        stage: "encode",
        source,
        window,
        channels,
        mask: None,
        chunk,
        metadata: &metadata,
        nodata: &nodata,
    };
    job.into_sink(created.sink).run(runtime, &map)?;
    let (bytes, characters) = runtime.end_output(|| text.take()?.finish())?;
    Ok(Encoded { is_lossless, bytes, characters })
}

/// Writes the bytes of a file or a stream as base64, whatever they are. `length` is how many there are, where that is known;
/// the media type of a data URI follows from how they begin.
///
/// # Errors
/// [`Error::Io`] where reading or writing fails; as [`PartialFile::create`](outcrop_writer::PartialFile::create);
/// [`Error::Cancelled`] after a cancel. Nothing is left under the output's name then.
pub fn encode_bytes(
    runtime: &Runtime,
    from: &mut dyn Read,
    length: Option<u64>,
    data_uri: bool,
    output: &Output,
) -> Result<Encoded> {
    let mut start = Vec::new();
    from.take(16).read_to_end(&mut start).map_err(|e| Error::io("read the input", e))?;
    let media_type = data_uri.then(|| media_type(&start));
    let mut text = Text::create(output.target(), output.options.overwrite, media_type, false)?;
    say(runtime, text.notices());
    copy(runtime, &mut start.chain(from), length, text)
}

/// Reads base64 or a data URI and writes the bytes that it stands for. Returns the characters read and the bytes written.
///
/// # Errors
/// [`Error::Format`] for what is no base64, with its place; as [`encode_bytes`].
pub fn decode(
    from: &mut dyn Read,
    output: &Output,
    cancel: &CancelToken,
    observer: &dyn Observer,
) -> Result<(u64, u64)> {
    let mut decoder = Decoder::create(output.target(), output.options.overwrite)?;
    for notice in decoder.notices() {
        observer.event(Event::Warning(notice));
    }
    each_piece(from, cancel, |piece| decoder.put(piece))?;
    decoder.finish()
}

/// Whether the text that stands under the output's name is that of a file: a run that was killed has published it.
fn is_text_of(
    runtime: &Runtime,
    path: &Path,
    from: &mut (impl Read + Seek),
    media_type: Option<&str>,
) -> Result<bool> {
    let options = runtime.options();
    let _permit = options.budget.take(COPY_BYTES, &options.cancel)?;
    let io = |e| Error::io(format!("read {}", path.display()), e);
    let mut text = BufReader::with_capacity(PIECE, File::open(path).map_err(io)?);
    let wanted = media_type.map_or(String::new(), |media_type| format!("data:{media_type};base64,"));
    let mut head = vec![0; wanted.len()];
    let mut same = text.read_exact(&mut head).is_ok() && head == wanted.as_bytes();
    let mut decoded = DecoderReader::new(text, &STANDARD);
    let mut found = vec![0; PIECE];
    each_piece(from, &options.cancel, |piece| {
        let found = &mut found[..piece.len()];
        same = same && decoded.read_exact(found).is_ok() && *found == *piece;
        Ok(())
    })?;
    same = same && decoded.read(&mut [0]).is_ok_and(|more| more == 0);
    from.rewind().map_err(|e| Error::io("read the file again", e))?;
    Ok(same)
}

/// Characters of a data URI of so many bytes, at most.
fn text_bytes(bytes: u64) -> u64 {
    const HEAD: u64 = 64;
    base64_len(bytes).saturating_add(HEAD)
}

fn copy(runtime: &Runtime, from: &mut dyn Read, length: Option<u64>, mut text: Text) -> Result<Encoded> {
    let options = runtime.options();
    let _permit = options.budget.take(COPY_BYTES, &options.cancel)?;
    if let Some(length) = length {
        text.ensure_space(length)?;
    }
    each_piece(from, &options.cancel, |piece| text.put(piece))?;
    let (bytes, characters) = text.finish()?;
    Ok(Encoded { is_lossless: true, bytes, characters })
}

fn each_piece(
    from: &mut dyn Read,
    cancel: &CancelToken,
    mut take: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let (mut piece, mut read) = (vec![0; PIECE], 0u64);
    loop {
        match from.read(&mut piece) {
            _ if cancel.is_cancelled() => return Err(Error::Cancelled),
            Ok(0) => return Ok(()),
            Ok(count) => {
                read += count as u64;
                take(&piece[..count])?;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::io(format!("read the input at byte {read}"), e)),
        }
    }
}

fn say(runtime: &Runtime, notices: Vec<String>) {
    for notice in notices {
        runtime.options().observer.event(Event::Warning(notice));
    }
}

/// What a file that begins so is; all others are bytes.
fn media_type(start: &[u8]) -> &'static str {
    match start {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => "image/tiff",
        [b'B', b'M', ..] => "image/bmp",
        _ => "application/octet-stream",
    }
}

/// A file that goes away when this is dropped, unless a checkpoint may need it.
struct Spill {
    path: PathBuf,
    is_kept: bool,
}

impl Spill {
    fn remove(mut self) {
        self.is_kept = false;
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Beside the output, or in the folder of temporary files for one that is a stream. A run that was killed leaves it; the next
/// one of the same output, which nobody else is writing, replaces it.
fn spill_path(output: &Output) -> Result<PathBuf> {
    let Some(path) = &output.path else {
        return Ok(std::env::temp_dir().join(format!("outcrop.{}.encode.tif", std::process::id())));
    };
    let name = path
        .file_name()
        .ok_or_else(|| Error::Usage(format!("{}: an output needs the name of a file", path.display())))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".encode.tif");
    Ok(path.with_file_name(hidden))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_follow_from_the_first_bytes() {
        for (start, wanted) in [
            (&b"\x89PNG\r\n\x1a\n"[..], "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"RIFF1234WEBPVP8L", "image/webp"),
            (b"RIFF1234WAVE", "application/octet-stream"),
            (b"II*\0", "image/tiff"),
            (b"MM\0+", "image/tiff"),
            (b"\x93NUMPY", "application/octet-stream"),
            (b"", "application/octet-stream"),
        ] {
            assert_eq!(media_type(start), wanted);
        }
    }

    #[test]
    fn png_is_chosen_where_it_loses_nothing() {
        let png = Format::Picture(PictureFormat::Png);
        for (channels, dtype, wanted) in [
            (3, DataType::U8, png),
            (1, DataType::U16, png),
            (4, DataType::U8, png),
            (5, DataType::U8, Format::Npy),
            (1, DataType::F32, Format::Npy),
            (1, DataType::I16, Format::Npy),
        ] {
            assert_eq!(lossless_format(Extent::new(2, 2, channels), dtype), wanted, "{channels} {dtype}");
        }
    }
}
