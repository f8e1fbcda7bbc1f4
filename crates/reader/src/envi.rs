//! ENVI: a text header (`.hdr`) beside a file of samples.
//!
//! The header is lines of `key = value`, keys in any case, values in braces over several lines, `;` before comments.
//! The fields that place samples must be right; all others are handed on as metadata.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outcrop_core::{BlockLayout, ByteOrder, DataType, Error, Extent, Image, Result, Value};

use crate::IoMode;
use crate::raw::{Interleave, RawSource};
use crate::runs::AxisOrder;
use crate::store::Store;

/// The longest header that is read; one of 2,000 bands with wavelengths takes 100 KiB.
const MAX_HEADER: u64 = 16 << 20;

/// Extensions that a data file may have, besides none at all.
const EXTENSIONS: [&str; 10] = ["dat", "img", "raw", "bin", "bsq", "bil", "bip", "sli", "cub", "rdn"];

/// What a header says.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Lines, samples and bands.
    pub extent: Extent,
    /// The type of the samples.
    pub dtype: DataType,
    /// Their byte order.
    pub byte_order: ByteOrder,
    /// How bands lie.
    pub interleave: Interleave,
    /// The byte of the data file at which samples begin.
    pub offset: u64,
    /// The value that means "no data".
    pub nodata: Option<Value>,
    /// Free text.
    pub description: Option<String>,
    /// Names of the bands: none or one for each.
    pub band_names: Vec<String>,
    /// Every other field, in alphabetical order.
    pub other: Vec<(String, String)>,
}

/// Whether a file that begins with these bytes is an ENVI header.
pub fn is_header(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    head.starts_with(b"ENVI") && head.get(4).is_none_or(|b| b.is_ascii_whitespace())
}

/// Opens the image that a header describes; the data file is looked for beside it.
///
/// # Errors
/// [`Error::Format`] for a broken header, a missing data file, or one that is too short; [`Error::Unsupported`] for
/// complex samples and compressed files.
pub fn open(header: &Path, io: IoMode) -> Result<RawSource> {
    let parsed = read(header)?;
    let data = data_beside(header, &parsed)?;
    build(parsed, &data, io)
}

/// Opens a header and its data file.
///
/// # Errors
/// As [`open`].
pub fn open_pair(header: &Path, data: &Path, io: IoMode) -> Result<RawSource> {
    build(read(header)?, data, io)
}

/// The data file of a header.
///
/// # Errors
/// As [`open`].
pub fn data_of(header: &Path) -> Result<PathBuf> {
    data_beside(header, &read(header)?)
}

/// The ENVI header that stands beside a data file: `NAME.EXT.hdr` or `NAME.hdr`.
pub fn header_beside(data: &Path) -> Option<PathBuf> {
    let names = ["hdr", "HDR"].into_iter().flat_map(|e| [append(data, e), data.with_extension(e)]);
    names.filter(|p| p != data && p.is_file()).find(|p| {
        let mut head = [0; 8];
        let there = |s: &Store| s.len().min(8) as usize;
        Store::open(p, IoMode::Read)
            .and_then(|s| s.read_at(0, &mut head[..there(&s)]).map(|()| is_header(&head[..there(&s)])))
            .unwrap_or(false)
    })
}

fn append(path: &Path, extension: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(extension);
    name.into()
}

/// The data file of a header: the same name without `.hdr`, or with an extension that data files have. Of several, the
/// first that is long enough.
fn data_beside(header: &Path, parsed: &Header) -> Result<PathBuf> {
    let base = header.with_extension("");
    let mut names = vec![base.clone()];
    for e in EXTENSIONS {
        names.push(append(&base, e));
        names.push(append(&base, &e.to_ascii_uppercase()));
    }
    names.retain(|p| p != header && p.is_file());
    let needed = parsed.extent.samples().and_then(|n| n.checked_mul(parsed.dtype.bytes() as u64));
    let end = needed.and_then(|n| n.checked_add(parsed.offset)).unwrap_or(u64::MAX);
    let long_enough = |p: &&PathBuf| p.metadata().is_ok_and(|m| m.len() >= end);
    names.iter().find(long_enough).or(names.first()).cloned().ok_or_else(|| {
        let name = base.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Error::Format(format!(
            "no data file beside the header: expected {name}, or {name} with .{}",
            EXTENSIONS.join(", .")
        ))
    })
}

fn build(header: Header, data: &Path, io: IoMode) -> Result<RawSource> {
    let (order, layout) = match header.interleave {
        Interleave::Bip => (AxisOrder::BIP, BlockLayout::Rows { planar: false }),
        Interleave::Bil => (AxisOrder::BIL, BlockLayout::Rows { planar: false }),
        Interleave::Bsq => (AxisOrder::BSQ, BlockLayout::Rows { planar: true }),
    };
    let mut image = Image::plain("ENVI", header.extent, header.dtype, layout);
    image.byte_order = header.byte_order;
    image.nodata = header.nodata.into_iter().collect();
    image.metadata.description = header.description;
    image.metadata.channel_names = header.band_names;
    image.metadata.other = header.other;
    RawSource::with_image(Arc::new(Store::open(data, io)?), image, order, header.offset)
}

/// Reads and parses a header.
///
/// # Errors
/// As [`open`].
pub fn read(path: &Path) -> Result<Header> {
    let store = Store::open(path, IoMode::Read)?;
    if store.len() > MAX_HEADER {
        return Err(Error::Limits { what: "the ENVI header".into(), needed: store.len(), limit: MAX_HEADER });
    }
    let mut bytes = vec![0; store.len() as usize];
    store.read_at(0, &mut bytes)?;
    parse(&bytes)
}

/// Parses the text of a header.
///
/// # Errors
/// As [`open`].
pub fn parse(bytes: &[u8]) -> Result<Header> {
    if !is_header(bytes) {
        return Err(Error::Format("expected a first line `ENVI`".into()));
    }
    let mut fields = fields(&String::from_utf8_lossy(bytes))?;
    for compressed in ["file compression", "data compression"] {
        if fields.get(compressed).is_some_and(|v| v != "0" && !v.is_empty()) {
            return Err(Error::Unsupported("compressed ENVI files (file compression = 1)".into()));
        }
    }
    for frame in ["major frame offsets", "minor frame offsets"] {
        if fields.get(frame).is_some_and(|v| v.chars().any(|c| c.is_ascii_digit() && c != '0')) {
            return Err(Error::Unsupported(format!("ENVI files with {frame}")));
        }
    }
    let mut number = |key: &str, default: Option<u64>| match fields.remove(key) {
        Some(text) => text.parse::<u64>().map_err(|_| bad(key, "a whole number", &text)),
        None => default.ok_or_else(|| Error::Format(format!("the ENVI header has no `{key}`"))),
    };
    let extent = Extent::new(number("lines", None)?, number("samples", None)?, number("bands", Some(1))?);
    let offset = number("header offset", Some(0))?;
    let dtype = data_type(number("data type", None)?)?;
    let byte_order = match number("byte order", Some(0))? {
        0 => ByteOrder::Little,
        1 => ByteOrder::Big,
        n => return Err(bad("byte order", "0 or 1", &n.to_string())),
    };
    let interleave = match fields.remove("interleave") {
        Some(text) => {
            Interleave::from_name(&text).ok_or_else(|| bad("interleave", "bsq, bil or bip", &text))?
        }
        None => Interleave::Bsq,
    };
    let nodata = match fields.remove("data ignore value") {
        Some(text) => Some(Value::parse(&text).ok_or_else(|| bad("data ignore value", "a number", &text))?),
        None => None,
    };
    let mut band_names: Vec<String> =
        fields.remove("band names").map_or(vec![], |v| v.split(',').map(|n| n.trim().to_owned()).collect());
    if band_names.len() as u64 != extent.channels {
        band_names.clear();
    }
    let description = fields.remove("description").filter(|d| !d.is_empty());
    let other = fields.into_iter().collect();
    Ok(Header { extent, dtype, byte_order, interleave, offset, nodata, description, band_names, other })
}

fn bad(key: &str, expected: &str, found: &str) -> Error {
    let shown: String = found.chars().take(40).collect();
    Error::Format(format!("the ENVI header: expected {expected} for `{key}`, found `{shown}`"))
}

fn data_type(code: u64) -> Result<DataType> {
    Ok(match code {
        1 => DataType::U8,
        2 => DataType::I16,
        3 => DataType::I32,
        4 => DataType::F32,
        5 => DataType::F64,
        12 => DataType::U16,
        13 => DataType::U32,
        14 => DataType::I64,
        15 => DataType::U64,
        6 | 9 => return Err(Error::Unsupported(format!("complex samples (ENVI data type {code})"))),
        _ => return Err(bad("data type", "1 to 5 or 12 to 15", &code.to_string())),
    })
}

/// The fields: keys in lower case with single spaces, values without their braces. The last of equal keys stays.
fn fields(text: &str) -> Result<BTreeMap<String, String>> {
    let mut fields = BTreeMap::new();
    let mut lines = text.lines().skip(1);
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.starts_with(';') {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let key = key.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
        let mut value = value.trim().to_owned();
        if value.starts_with('{') {
            let mut closed = value.contains('}');
            while !closed {
                let more = lines.next().ok_or_else(|| {
                    Error::Format(format!("the ENVI header: the braces of `{key:.40}` are not closed"))
                })?;
                closed = more.contains('}');
                value.push('\n');
                value.push_str(more.trim());
            }
            let end = value.find('}').unwrap_or(value.len());
            value = value[1..end].trim().to_owned();
        }
        fields.insert(key, value.trim_matches('\0').to_owned());
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_as_envi_writes_it() {
        let h = parse(
            b"ENVI\r\n; a comment = 3\r\nDescription = {\r\n  two\r\n  lines}\r\nSamples = 4\r\nlines   = 3\r\nbands=2\r\n\
              header  offset = 12\r\ndata type = 12\r\ninterleave = BIL\r\nbyte order = 1\r\n\
              data ignore value = -9999.0\r\nband names = {red, near\r\n infrared}\r\nmap info = {UTM, 1, 1}\r\n",
        )
        .unwrap();
        assert_eq!(h.extent, Extent::new(3, 4, 2));
        assert_eq!((h.dtype, h.byte_order, h.interleave), (DataType::U16, ByteOrder::Big, Interleave::Bil));
        assert_eq!((h.offset, h.nodata), (12, Some(Value::Int(-9999))));
        assert_eq!(h.description.as_deref(), Some("two\nlines"));
        assert_eq!(h.band_names, ["red", "near\ninfrared"]);
        assert_eq!(h.other, [("map info".to_owned(), "UTM, 1, 1".to_owned())]);
    }

    #[test]
    fn what_cannot_be_right_is_refused_with_the_field() {
        let with =
            |extra: &str| parse(format!("ENVI\nsamples = 4\nlines = 3\ndata type = 1\n{extra}\n").as_bytes());
        assert!(with("").is_ok());
        for (extra, word) in [
            ("samples = -1", "samples"),
            ("data type = 6", "complex"),
            ("data type = 7", "data type"),
            ("byte order = 2", "byte order"),
            ("interleave = tiled", "interleave"),
            ("file compression = 1", "compressed"),
            ("description = {never closed", "braces"),
            ("major frame offsets = {0, 4}", "frame"),
        ] {
            let e = with(extra).unwrap_err().to_string();
            assert!(e.contains(word), "{extra}: {e}");
        }
        assert!(parse(b"ENVI\nlines = 3\ndata type = 1\n").unwrap_err().to_string().contains("`samples`"));
        assert!(parse(b"ENVIRONMENT\n").is_err());
    }

    proptest! {
        #[test]
        fn no_header_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[a-z ={};,0-9\n]{0,200}") {
            let _ = parse(&bytes);
            let _ = parse(&[b"ENVI\n", &bytes[..]].concat());
            let _ = parse(format!("ENVI\nsamples = 1\nlines = 1\ndata type = 1\n{text}").as_bytes());
        }
    }
}
