//! Which directory is which: the main chain gives the pages; reduced images, SubIFDs and masks belong to theirs.
//!
//! The first directory is page 0 whatever it says of itself. A later one is a level of the page before it when it is
//! marked as reduced and has the same samples and shape; a SubIFD likewise, marked or only smaller. What fits neither
//! rule is a page of its own (SubIFDs after the main chain), so that everything can be reached.

use std::collections::HashSet;
use std::sync::Arc;

use outcrop_core::{DataType, Error, Extent, LevelInfo, PageInfo, Result};

use super::ifd::{Directory, Entry, TiffFile};
use super::layout::Layout;
use super::ome;
use super::samples::Samples;
use super::stack::Stack;
use super::tags::tag;

/// OME-XML that is read, at most, and bytes of a description that say what it is.
const MOST_OME: u64 = 32 << 20;
const HEAD: u64 = 4096;
/// Bits of NewSubfileType.
const REDUCED: u64 = 1;
const MASK: u64 = 4;

/// Directories that are walked, at most: what a page takes is small, but taken before a budget is known.
const MOST_DIRECTORIES: usize = 1 << 22;

/// All pages of a file. What is kept of a page is its description, where its directory lies, and that of its levels and
/// masks: 72 bytes and 64 for each of the latter, labels apart.
pub(super) struct Pages {
    /// What `info` says of each.
    pub(super) infos: Arc<Vec<PageInfo>>,
    /// The directories of the full resolution; the same for all planes of a stack.
    offsets: Vec<u64>,
    /// Bytes from the pixels of one plane of a stack to those of the next.
    step: u64,
    /// Levels but the full resolution, and masks: by page, levels first, larger ones first.
    parts: Vec<Part>,
    pub(super) ome: Option<Ome>,
    /// What the file claims to have and that is not read: later planes of a stack, directories.
    pub(super) notices: Vec<String>,
}

/// A level of a page, or the mask of one: its directory and what it says.
pub(super) struct Part {
    page: usize,
    is_mask: bool,
    pub(super) offset: u64,
    pub(super) level: LevelInfo,
}

/// One page: where its directories lie.
pub(super) struct Page<'a> {
    /// The directory of the full resolution.
    pub(super) offset: u64,
    /// Rows and columns of the full resolution.
    size: (u64, u64),
    /// The levels but the full resolution, larger ones first.
    pub(super) levels: &'a [Part],
    masks: &'a [Part],
    /// Bytes from where the directory says that its pixels lie to where this page's do: later planes of a stack.
    pub(super) shift: u64,
}

/// OME-XML of a file, and the names of channels in it.
pub(super) struct Ome {
    pub(super) xml: Arc<String>,
    pub(super) channel_names: Vec<String>,
}

/// What one directory says of itself, or why it cannot be read.
struct Brief {
    offset: u64,
    subfile: u64,
    image: Result<(Extent, DataType, LevelInfo)>,
    sub_ifds: Vec<u64>,
}

/// Walks all directories of a file.
///
/// # Errors
/// [`Error::Format`] where the first directory is broken, a chain returns to an earlier directory, or directories
/// overlap so much that reading them all is no bounded work. A later directory that is broken ends its chain, as in a file
/// that was cut short, and is in the notices. An image that cannot be read is no error here.
pub(super) fn read(file: &TiffFile) -> Result<Pages> {
    read_at_most(file, MOST_DIRECTORIES)
}

fn read_at_most(file: &TiffFile, most: usize) -> Result<Pages> {
    let work = file.store.len().saturating_mul(16);
    let mut walk = Walk { file, seen: HashSet::new(), most, work, broken: None };
    let mut pages = Found::default();
    // The page of each directory of the main chain, for OME; and the SubIFDs, for after the main chain.
    let (mut page_of, mut sub_ifds) = (Vec::new(), Vec::new());
    let (mut next, mut from) = (file.first, None);
    let mut directories = 0;
    let mut ome = None;
    // Aperio's slides have their levels as tiled pages that do not say that they are reduced.
    let mut is_aperio = false;
    while next != 0 {
        let Some(dir) = walk.directory(next, from)? else { break };
        (next, from) = (dir.next, Some(dir.offset));
        let brief = walk.brief(&dir)?;
        if directories == 0 {
            ome = Ome::read(file, &dir);
            is_aperio = describes_aperio(file, &dir);
        }
        directories += 1;
        // The first directory is a page whatever it says of itself.
        let reduced = brief.subfile & REDUCED != 0;
        let last = pages.infos.len().checked_sub(1);
        let taken =
            (is_aperio && !reduced && brief.is_tiled() && last.is_some() && pages.takes(0, &brief, true))
                || last.is_some_and(|last| pages.takes(last, &brief, reduced));
        if ome.is_some() {
            page_of.push((!taken).then_some(pages.infos.len()));
        }
        if !taken {
            sub_ifds.extend(brief.sub_ifds.iter().map(|&at| (pages.infos.len(), at)));
            pages.add(brief, reduced.then(|| "reduced".to_owned()));
        }
    }
    let mut notices = Vec::new();
    let mut step = 0;
    if directories == 1
        && let Some(stack) = Stack::read(file, &file.directory(file.first)?)
    {
        if stack.planes < stack.claimed {
            notices.push(format!(
                "{} planes behind the first are not read (they are not strips without compression in one run)",
                stack.claimed - stack.planes
            ));
        }
        let info = pages.infos[0].clone();
        let others = (1..stack.planes).map(|p| PageInfo { label: Some(stack.label(p)), ..info.clone() });
        pages.infos.extend(others);
        pages.offsets.resize(pages.infos.len(), file.first);
        if stack.planes > 1 {
            step = stack.step;
            pages.infos[0].label.get_or_insert(stack.label(0));
        }
    }
    for (owner, offset) in sub_ifds {
        // Two pages may name one SubIFD; the first has it. A page among its own SubIFDs is a cycle.
        if pages.offsets[owner] == offset {
            return Err(Error::Format(format!(
                "SubIFDs (tag 330) of the directory at byte {offset} return to it"
            )));
        }
        let mut next = offset;
        while next != 0 && !walk.seen.contains(&next) {
            let Some(dir) = walk.directory(next, None)? else { break };
            next = dir.next;
            let brief = walk.brief(&dir)?;
            if !pages.takes(owner, &brief, true) {
                pages.add(brief, Some(format!("SubIFD of page {owner}")));
            }
        }
    }
    if let Some((why, others)) = walk.broken {
        let more = if others > 0 { format!(", nor are {others} others") } else { String::new() };
        notices.push(format!("{why}: it and what it leads to are not read{more}"));
    }
    let Found { mut infos, offsets, mut parts } = pages;
    if let Some(ome) = &ome {
        let labels = ome::labels(&ome.xml, page_of.len());
        for (label, page) in labels.into_iter().zip(page_of) {
            if let (Some(label), Some(page)) = (label, page) {
                infos[page].label.get_or_insert(label);
            }
        }
    }
    let area = |level: &LevelInfo| level.height * level.width;
    parts.sort_by_key(|p| (p.page, p.is_mask, std::cmp::Reverse(area(&p.level))));
    for part in parts.iter().filter(|p| !p.is_mask) {
        infos[part.page].levels += 1;
    }
    Ok(Pages { infos: Arc::new(infos), offsets, step, parts, ome, notices })
}

impl Pages {
    /// A page, from 0.
    pub(super) fn page(&self, number: u64) -> Option<Page<'_>> {
        let index = usize::try_from(number).ok()?;
        let info = self.infos.get(index)?;
        let offset = *self.offsets.get(index)?;
        // Planes of a stack are where its one directory says, and further on; a SubIFD behind them is not.
        let shift = if self.offsets.first() == Some(&offset) { number * self.step } else { 0 };
        let start = self.parts.partition_point(|p| p.page < index);
        let all = &self.parts[start..];
        let all = &all[..all.partition_point(|p| p.page == index)];
        let (levels, masks) = all.split_at(all.partition_point(|p| !p.is_mask));
        let size = (info.extent.height, info.extent.width);
        Some(Page { offset, size, levels, masks, shift })
    }
}

impl Page<'_> {
    /// The directory of a level; `None` where there is none.
    pub(super) fn level(&self, level: u64) -> Option<u64> {
        match level.checked_sub(1) {
            None => Some(self.offset),
            Some(index) => self.levels.get(usize::try_from(index).ok()?).map(|l| l.offset),
        }
    }

    /// The directory of the mask of a level: the one of its size.
    pub(super) fn mask(&self, level: u64) -> Option<u64> {
        let size = match level.checked_sub(1) {
            None => self.size,
            Some(index) => self.levels.get(usize::try_from(index).ok()?)?.size(),
        };
        self.masks.iter().find(|mask| mask.size() == size).map(|mask| mask.offset)
    }
}

impl Part {
    fn size(&self) -> (u64, u64) {
        (self.level.height, self.level.width)
    }
}

/// The pages that the walk has found so far.
#[derive(Default)]
struct Found {
    infos: Vec<PageInfo>,
    offsets: Vec<u64>,
    parts: Vec<Part>,
}

impl Found {
    /// Adds a page.
    fn add(&mut self, brief: Brief, label: Option<String>) {
        let (extent, dtype, label) = match brief.image {
            Ok((extent, dtype, _)) => (extent, dtype, label),
            Err(why) => (Extent::new(0, 0, 0), DataType::U8, Some(format!("unreadable: {why}"))),
        };
        self.infos.push(PageInfo { extent, dtype, levels: 1, label });
        self.offsets.push(brief.offset);
    }

    /// Gives a page a mask, or (where `level` allows) a smaller image of the same samples and shape as a level.
    fn takes(&mut self, page: usize, brief: &Brief, level: bool) -> bool {
        let is_mask = brief.subfile & MASK != 0;
        let Ok((extent, dtype, image)) = &brief.image else { return is_mask };
        let info = &self.infos[page];
        let full = info.extent;
        let smaller = extent.height <= full.height
            && extent.width <= full.width
            && (extent.height, extent.width) != (full.height, full.width);
        // Sizes are rounded: each side may be off by one pixel.
        let skew = (full.width * extent.height).abs_diff(full.height * extent.width);
        let fits = level
            && smaller
            && skew <= full.width + full.height
            && (extent.channels, *dtype) == (full.channels, info.dtype);
        if is_mask || fits {
            self.parts.push(Part { page, is_mask, offset: brief.offset, level: *image });
        }
        is_mask || fits
    }
}

impl Ome {
    /// Reads the first directory's description, where it is OME-XML.
    fn read(file: &TiffFile, dir: &Directory) -> Option<Ome> {
        let entry = dir.get(tag::IMAGE_DESCRIPTION).filter(|entry| describes_ome(file, entry))?;
        let xml = Arc::new(file.text(entry, MOST_OME).ok()?);
        Some(Ome { channel_names: ome::channel_names(&xml), xml })
    }
}

impl Brief {
    fn is_tiled(&self) -> bool {
        matches!(&self.image, Ok((.., level)) if matches!(level.layout, outcrop_core::BlockLayout::Tiles { .. }))
    }
}

/// The state of the walk: what was seen, how much more may be read, and what is wrong with the first directory that is
/// broken and how many others are.
struct Walk<'a> {
    file: &'a TiffFile,
    seen: HashSet<u64>,
    /// Directories that may be seen.
    most: usize,
    work: u64,
    broken: Option<(String, u64)>,
}

impl Walk<'_> {
    /// A directory; `None` for a broken one that is not the file's first.
    fn directory(&mut self, offset: u64, from: Option<u64>) -> Result<Option<Directory>> {
        if !self.seen.insert(offset) {
            return Err(Error::Format(format!(
                "the chain of directories returns to byte {offset} (from the directory at byte {})",
                from.unwrap_or(offset)
            )));
        }
        let read = if self.seen.len() > self.most {
            Err(Error::Format(format!("the directory at byte {offset} is one of more than {}", self.most)))
        } else {
            self.file.directory(offset)
        };
        let dir = match read {
            Err(Error::Format(why)) if offset != self.file.first => {
                match &mut self.broken {
                    Some((_, others)) => *others += 1,
                    first => *first = Some((why, 0)),
                }
                return Ok(None);
            }
            dir => dir?,
        };
        self.charge(&dir, dir.bytes)?;
        Ok(Some(dir))
    }

    /// Sound directories and their arrays lie apart, so that all of them together are no longer than the file.
    fn charge(&mut self, dir: &Directory, bytes: u64) -> Result<()> {
        self.work = self.work.checked_sub(bytes).ok_or_else(|| {
            Error::Format(format!("directories overlap (the one at byte {} and others)", dir.offset))
        })?;
        Ok(())
    }

    fn brief(&mut self, dir: &Directory) -> Result<Brief> {
        let file = self.file;
        for number in [tag::BITS_PER_SAMPLE, tag::SAMPLE_FORMAT, tag::SUB_IFDS] {
            self.charge(dir, dir.get(number).map_or(0, |e| e.count.min(65_535)))?;
        }
        let subfile = match dir.get(tag::NEW_SUBFILE_TYPE) {
            Some(entry) => file.uint(entry, 0).unwrap_or(0),
            // Its old form: 2 is a reduced image.
            None => u64::from(dir.uint(file, tag::SUBFILE_TYPE).ok().flatten() == Some(2)),
        };
        let image = Samples::read(file, dir).and_then(|samples| {
            let layout = Layout::read(file, dir, &samples)?;
            Ok((layout.extent, samples.dtype, layout.level()))
        });
        let sub_ifds = dir.get(tag::SUB_IFDS).map_or(Ok(Vec::new()), |e| file.uints(e, 65_535))?;
        Ok(Brief { offset: dir.offset, subfile, image, sub_ifds })
    }
}

/// Whether the first directory's description is Aperio's.
fn describes_aperio(file: &TiffFile, dir: &Directory) -> bool {
    let text = dir.get(tag::IMAGE_DESCRIPTION).and_then(|entry| file.text_head(entry, HEAD).ok());
    text.is_some_and(|text| text.starts_with("Aperio "))
}

/// Whether a description is OME-XML.
pub(super) fn describes_ome(file: &TiffFile, description: &Entry) -> bool {
    let head = file.text_head(description, HEAD).unwrap_or_default();
    head.starts_with('<') && (head.contains("<OME") || head.contains(":OME"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use outcrop_core::Source;

    use super::super::{TiffOptions, TiffPages};
    use super::*;
    use crate::{IoMode, Store};

    /// A TIFF of pages of 4 x 4 gray pixels, each with a SubIFD of 2 x 2.
    fn many(pages: usize) -> tempfile::NamedTempFile {
        let mut bytes = b"II*\0\0\0\0\0".to_vec();
        bytes.extend(0..16);
        let mut link = 4;
        let directory = |bytes: &mut Vec<u8>, side: u32, sub_ifd: u32| {
            let at = bytes.len() as u32;
            let tags = [
                (256, side),
                (257, side),
                (258, 8),
                (259, 1),
                (262, 1),
                (273, 8),
                (277, 1),
                (278, side),
                (279, side * side),
                (330, sub_ifd),
            ];
            let tags = &tags[..if sub_ifd == 0 { 9 } else { 10 }];
            bytes.extend((tags.len() as u16).to_le_bytes());
            for &(tag, value) in tags {
                bytes.extend([tag, 4].map(u16::to_le_bytes).as_flattened());
                bytes.extend([1, value].map(u32::to_le_bytes).as_flattened());
            }
            bytes.extend([0; 4]);
            at
        };
        for _ in 0..pages {
            let sub_ifd = directory(&mut bytes, 2, 0);
            let page = directory(&mut bytes, 4, sub_ifd);
            bytes[link..link + 4].copy_from_slice(&page.to_le_bytes());
            link = bytes.len() - 4;
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn opening_each_page_and_level_walks_the_directories_once() {
        let file = many(3000);
        let tiff = TiffPages::open(Arc::new(Store::open(file.path(), IoMode::Read).unwrap())).unwrap();
        let reads = || tiff.file.reads.load(Ordering::Relaxed);
        assert_eq!((tiff.pages.infos.len(), reads()), (3000, 6000));
        for page in 0..3000 {
            for level in 0..2 {
                let source = tiff.at(&TiffOptions { page, level, ..TiffOptions::default() }).unwrap();
                let image = source.image();
                assert_eq!((image.page, image.extent.width, image.pages.len()), (page, 4 >> level, 3000));
                assert_eq!(image.levels.iter().map(|l| l.width).collect::<Vec<_>>(), [4, 2]);
            }
        }
        // A level takes its own directory and that of its page.
        assert_eq!(reads(), 6000 + 3 * 3000);
    }

    #[test]
    fn what_is_kept_of_a_page_is_small() {
        assert!(size_of::<PageInfo>() + size_of::<u64>() <= 72);
        assert!(size_of::<Part>() <= 64);
    }

    #[test]
    fn directories_past_the_most_are_not_read_and_said_so() {
        let file = many(20);
        let tiff = TiffFile::open(Arc::new(Store::open(file.path(), IoMode::Read).unwrap())).unwrap();
        assert_eq!(read_at_most(&tiff, 40).unwrap().notices, [""; 0]);
        let pages = read_at_most(&tiff, 12).unwrap();
        assert_eq!((pages.infos.len(), pages.parts.len()), (12, 0));
        assert!(pages.notices[0].contains("one of more than 12"), "{:?}", pages.notices);
    }
}
