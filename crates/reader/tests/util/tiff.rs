//! TIFF files made byte by byte, and read whole.

use std::io::Write;
use std::sync::Arc;

use outcrop_core::{Channels, Error, HoleKind, Rect, Request, Sample, Scratch, Source, with_pixels};
use outcrop_reader::tiff::{self, TiffOptions, TiffSource};
use outcrop_reader::{IoMode, Store};

pub(crate) const BYTE: u16 = 1;
pub(crate) const ASCII: u16 = 2;
pub(crate) const SHORT: u16 = 3;
pub(crate) const LONG: u16 = 4;
pub(crate) const RATIONAL: u16 = 5;
pub(crate) const DOUBLE: u16 = 12;
pub(crate) const LONG8: u16 = 16;

/// A TIFF under construction: bytes are appended, directories point back.
#[derive(Clone)]
pub(crate) struct Builder {
    pub(crate) big: bool,
    pub(crate) little: bool,
    pub(crate) bytes: Vec<u8>,
    /// Where the offset of the next directory of the chain is to be written.
    pub(crate) link: usize,
}

/// A tag: number, field type, values.
pub(crate) type Tag = (u16, u16, Vec<u64>);

impl Builder {
    pub(crate) fn new(little: bool, big: bool) -> Builder {
        let mut b = Builder { big, little, bytes: Vec::new(), link: 0 };
        b.bytes.extend(if little { b"II" } else { b"MM" });
        b.put(if big { 43 } else { 42 }, 2);
        if big {
            b.put(8, 2);
            b.put(0, 2);
        }
        b.link = b.bytes.len();
        b.put(0, b.word());
        b
    }

    pub(crate) fn word(&self) -> usize {
        if self.big { 8 } else { 4 }
    }

    pub(crate) fn number(&self, value: u64, bytes: usize) -> Vec<u8> {
        if self.little {
            value.to_le_bytes()[..bytes].to_vec()
        } else {
            value.to_be_bytes()[8 - bytes..].to_vec()
        }
    }

    pub(crate) fn put(&mut self, value: u64, bytes: usize) {
        let number = self.number(value, bytes);
        self.bytes.extend(number);
    }

    /// Appends data and says where it lies.
    pub(crate) fn data(&mut self, data: &[u8]) -> u64 {
        while !self.bytes.len().is_multiple_of(8) {
            self.bytes.push(0);
        }
        self.bytes.extend(data);
        (self.bytes.len() - data.len()) as u64
    }

    /// Appends a directory and says where it lies. Tags are written in the order given.
    pub(crate) fn directory(&mut self, tags: &[Tag]) -> u64 {
        let sizes = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8];
        let mut entries = Vec::new();
        for (tag, kind, values) in tags {
            let size: usize = sizes.get(*kind as usize).copied().unwrap_or(1);
            let values: Vec<u8> = values
                .iter()
                .flat_map(|&v| match *kind {
                    // Numerator and denominator in one u64.
                    RATIONAL => [self.number(v >> 32, 4), self.number(v & 0xffff_ffff, 4)].concat(),
                    _ => self.number(v, size),
                })
                .collect();
            let count = values.len() / size.max(1);
            let mut value = values.clone();
            if values.len() > self.word() {
                let at = self.data(&values);
                value = self.number(at, self.word());
            }
            value.resize(self.word(), 0);
            entries.push((*tag, *kind, count, value));
        }
        let at = self.data(&[]);
        self.put(entries.len() as u64, if self.big { 8 } else { 2 });
        for (tag, kind, count, value) in entries {
            self.put(tag.into(), 2);
            self.put(kind.into(), 2);
            self.put(count as u64, self.word());
            self.bytes.extend(value);
        }
        self.put(0, self.word());
        at
    }

    /// Writes the offset of the chain's next directory.
    pub(crate) fn chain(&mut self, at: u64) {
        let link = self.number(at, self.word());
        self.bytes[self.link..self.link + link.len()].copy_from_slice(&link);
        // The link of a directory stands right behind it, at the file's end when it was just made.
        self.link = self.bytes.len() - self.word();
    }

    pub(crate) fn page(&mut self, tags: &[Tag]) -> u64 {
        let at = self.directory(tags);
        self.chain(at);
        at
    }
}

/// A page of 8-bit samples counting up, in strips of `rows`, with tags replaced, added or (no values) left out.
pub(crate) fn gray(b: &mut Builder, height: u64, width: u64, rows: u64, changes: &[Tag]) -> Vec<Tag> {
    let data: Vec<u8> = (0..height * width).map(|i| i as u8).collect();
    let start = b.data(&data);
    let strips = height.div_ceil(rows);
    let offsets = (0..strips).map(|s| start + s * rows * width).collect();
    let counts = (0..strips).map(|s| rows.min(height - s * rows) * width).collect();
    let mut tags: Vec<Tag> = vec![
        (256, SHORT, vec![width]),
        (257, SHORT, vec![height]),
        (258, SHORT, vec![8]),
        (259, SHORT, vec![1]),
        (262, SHORT, vec![1]),
        (273, LONG, offsets),
        (277, SHORT, vec![1]),
        (278, SHORT, vec![rows]),
        (279, LONG, counts),
    ];
    for change in changes {
        tags.retain(|t| t.0 != change.0);
        if !change.2.is_empty() {
            tags.push(change.clone());
        }
    }
    tags.sort_by_key(|t| t.0);
    tags
}

pub(crate) fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

pub(crate) fn open_with(bytes: &[u8], io: IoMode, options: &TiffOptions) -> Result<TiffSource, Error> {
    tiff::open(Arc::new(Store::open(file_of(bytes).path(), io)?), options)
}

/// Reads a rectangle; what the samples are as numbers, and the kinds of holes.
pub(crate) fn read(
    source: &TiffSource,
    rect: Rect,
    channels: &[u64],
) -> Result<(Vec<f64>, Vec<String>), Error> {
    let channels = Channels::select(channels.to_vec(), source.image().extent.channels)?;
    let request = Request { rect, channels: &channels };
    let mut scratch = Scratch::new();
    source.fetch(&request, &mut scratch)?;
    let read = source.read(&request, &mut scratch)?;
    let holes = read.holes.iter().map(|h| match &h.kind {
        HoleKind::Sparse => format!("sparse {}", h.rect),
        HoleKind::Bad(why) => format!("bad {}: {why}", h.rect),
    });
    let holes = holes.collect();
    Ok((with_pixels!(read.pixels, v => v.iter().map(|s| s.to_f64()).collect()), holes))
}

/// All samples, after checking that a mapped and a read file agree.
pub(crate) fn all(bytes: &[u8], options: &TiffOptions) -> Result<Vec<f64>, Error> {
    let of = |io| {
        let source = open_with(bytes, io, options)?;
        let extent = source.image().extent;
        read(&source, extent.rect(), &(0..extent.channels).collect::<Vec<_>>()).map(|r| r.0)
    };
    let (mapped, by_reads) = (of(IoMode::Map), of(IoMode::Read));
    match (&mapped, &by_reads) {
        (Ok(a), Ok(b)) => assert_eq!(a, b),
        (Err(a), Err(b)) => assert_eq!(a.to_string(), b.to_string()),
        _ => panic!("mapped: {mapped:?}, read: {by_reads:?}"),
    }
    mapped
}

pub(crate) fn ramp(n: u64) -> Vec<f64> {
    (0..n).map(|i| f64::from(i as u8)).collect()
}

/// The page of 5 x 4 pixels in strips of 2 rows, changed; read whole.
pub(crate) fn changed(changes: &[Tag]) -> Result<Vec<f64>, Error> {
    let mut b = Builder::new(true, false);
    let tags = gray(&mut b, 5, 4, 2, changes);
    b.page(&tags);
    all(&b.bytes, &TiffOptions::default())
}

pub(crate) fn refusal(result: Result<impl std::fmt::Debug, Error>) -> String {
    result.unwrap_err().to_string()
}

/// A text as the values of an ASCII tag.
pub(crate) fn text(text: &str) -> Vec<u64> {
    text.bytes().chain([0]).map(u64::from).collect()
}
