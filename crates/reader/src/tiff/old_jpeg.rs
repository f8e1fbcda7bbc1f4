//! Old-style JPEG (compression 6): puts together what TIFF 6.0 scattered over tags 513 to 521.
//!
//! Three forms are known: a whole JPEG stream at JPEGInterchangeFormat, which covers the image whatever the strips
//! say; a stream there that ends with its scan header, the scan being the strips; and tables alone, at the offsets
//! that tags 519 to 521 list, to which frame and scan headers are made here.

use outcrop_core::{Error, Result};

use super::ifd::{Directory, TiffFile};
use super::layout::Layout;
use super::samples::Samples;
use super::tags::{tag, tag_name};

/// What a page's blocks are decoded with.
pub(super) enum OldJpeg {
    /// A stream for the whole page, blocks or not.
    Whole(Vec<u8>),
    /// What goes before each block's bytes; ends with a scan header.
    Header(Vec<u8>),
    /// Nothing: blocks are streams of their own.
    Blocks,
}

/// Bytes of a stream that is put together, at most; JPEG's sides end at 65535 pixels.
const MOST_BYTES: u64 = 256 << 20;

/// Puts together the stream of a page.
///
/// # Errors
/// [`Error::Format`] where a table lies beyond the file; [`Error::Unsupported`] where there is no stream and no table.
pub(super) fn read(file: &TiffFile, dir: &Directory, samples: &Samples, layout: &Layout) -> Result<OldJpeg> {
    if let Some(offset) = dir.uint(file, tag::JPEG_INTERCHANGE)?
        && let Some(stream) = interchange(file, dir, offset)?
    {
        return Ok(stream);
    }
    if dir.get(tag::JPEG_Q_TABLES).is_some() {
        return Ok(OldJpeg::Header(from_tables(file, dir, samples, layout)?));
    }
    if dir.get(tag::JPEG_INTERCHANGE).is_some() {
        return Err(Error::Unsupported("old-style JPEG without a readable stream or tables".into()));
    }
    Ok(OldJpeg::Blocks)
}

/// The stream at JPEGInterchangeFormat, if one begins there.
fn interchange(file: &TiffFile, dir: &Directory, offset: u64) -> Result<Option<OldJpeg>> {
    let rest = file.store.len().saturating_sub(offset);
    let length = dir.uint(file, tag::JPEG_INTERCHANGE_LENGTH)?.filter(|&l| l > 0).unwrap_or(rest).min(rest);
    let mut start = [0; 2];
    if length < 4 || file.bytes(offset, &mut start).is_err() || start != [0xff, 0xd8] {
        return Ok(None);
    }
    if length > MOST_BYTES {
        return Err(Error::Unsupported(format!("old-style JPEG of {length} bytes in one stream")));
    }
    let mut stream = vec![0; length as usize];
    file.bytes(offset, &mut stream)?;
    Ok(scan(&stream).map(|at| {
        let rest = &stream[at..];
        // Only markers after the scan header: the scan itself is elsewhere.
        if rest.len() < 2 || rest.starts_with(&[0xff, 0xd9]) {
            stream.truncate(at);
            OldJpeg::Header(stream)
        } else {
            OldJpeg::Whole(stream)
        }
    }))
}

/// Where the scan header of a stream ends.
fn scan(stream: &[u8]) -> Option<usize> {
    let mut at = 2;
    loop {
        let &[0xff, marker, high, low] = stream.get(at..at + 4)? else { return None };
        if marker == 0xff {
            at += 1;
            continue;
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
        if marker == 0xda {
            return (at <= stream.len()).then_some(at);
        }
    }
}

/// A stream's headers from the tables of tags 519 to 521 and the size of a block.
fn from_tables(file: &TiffFile, dir: &Directory, samples: &Samples, layout: &Layout) -> Result<Vec<u8>> {
    let components = if samples.planar { 1 } else { samples.bits.len() };
    let (Ok(height), Ok(width)) = (u16::try_from(layout.height), u16::try_from(layout.width)) else {
        return Err(Error::Unsupported(format!(
            "old-style JPEG blocks of {} x {} pixels",
            layout.height, layout.width
        )));
    };
    if components > 4 || samples.planar {
        return Err(Error::Unsupported(format!("old-style JPEG of {} samples", samples.bits.len())));
    }
    let mut out = vec![0xff, 0xd8];
    let quantisers = tables(file, dir, tag::JPEG_Q_TABLES, components, |_| 64)?;
    let huffman = |counts: &[u8]| 16 + counts.iter().map(|&n| usize::from(n)).sum::<usize>();
    let dc = tables(file, dir, tag::JPEG_DC_TABLES, components, huffman)?;
    let ac = tables(file, dir, tag::JPEG_AC_TABLES, components, huffman)?;
    for (marker, class, kind) in [(0xdb, 0, &quantisers), (0xc4, 0, &dc), (0xc4, 0x10, &ac)] {
        for (id, table) in kind.0.iter().enumerate() {
            segment(&mut out, marker, &[&[class | id as u8], &table[..]].concat());
        }
    }
    let interval = dir.uint(file, tag::JPEG_RESTART_INTERVAL)?.unwrap_or(0).min(65_535) as u16;
    if interval > 0 {
        segment(&mut out, 0xdd, &interval.to_be_bytes());
    }
    let (mut frame, mut scan) = (vec![8], vec![components as u8]);
    frame.extend(height.to_be_bytes());
    frame.extend(width.to_be_bytes());
    frame.push(components as u8);
    for i in 0..components {
        let (h, v) = if i == 0 { samples.subsampling } else { (1, 1) };
        frame.extend([i as u8 + 1, (h << 4 | v) as u8, quantisers.1[i]]);
        scan.extend([i as u8 + 1, dc.1[i] << 4 | ac.1[i]]);
    }
    segment(&mut out, 0xc0, &frame);
    scan.extend([0, 63, 0]);
    segment(&mut out, 0xda, &scan);
    Ok(out)
}

fn segment(out: &mut Vec<u8>, marker: u8, content: &[u8]) {
    out.extend([0xff, marker]);
    out.extend((content.len() as u16 + 2).to_be_bytes());
    out.extend(content);
}

/// The different tables at the offsets that a tag lists, and which of them each component uses. `length` tells a table's
/// from its first 16 bytes.
fn tables(
    file: &TiffFile,
    dir: &Directory,
    number: u16,
    components: usize,
    length: impl Fn(&[u8]) -> usize,
) -> Result<(Vec<Vec<u8>>, Vec<u8>)> {
    let offsets = file.uints(dir.get(number).ok_or_else(|| dir.lacks(number))?, 255)?;
    let (mut found, mut used) = (Vec::<Vec<u8>>::new(), Vec::new());
    for i in 0..components {
        let Some(&offset) = offsets.get(i).or(offsets.last()) else { return Err(dir.lacks(number)) };
        let mut head = [0; 16];
        let table = file.bytes(offset, &mut head).and_then(|()| {
            let mut table = vec![0; length(&head)];
            file.bytes(offset, &mut table).map(|()| table)
        });
        let table = table.map_err(|e| Error::Format(format!("{}: {e}", tag_name(number))))?;
        let id = found.iter().position(|t| *t == table).unwrap_or(found.len());
        if id == found.len() {
            found.push(table);
        }
        used.push(id as u8);
    }
    Ok((found, used))
}
