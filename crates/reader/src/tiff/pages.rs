//! Which directory is which: the main chain gives the pages; reduced images, SubIFDs and masks belong to theirs.
//!
//! The first directory is page 0 whatever it says of itself. A later one is a level of the page before it when it is
//! marked as reduced and has the same samples and shape; a SubIFD likewise, marked or only smaller. What fits neither
//! rule is a page of its own (SubIFDs after the main chain), so that everything can be reached.

use std::collections::HashSet;

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

/// All pages of a file.
pub(super) struct Pages {
    pub(super) pages: Vec<Page>,
    /// OME-XML of the file.
    pub(super) ome_xml: Option<String>,
    /// What the file claims to have and that is not read: later planes of a stack, directories.
    pub(super) notices: Vec<String>,
}

/// One page: where its directories lie and what `info` says of it.
pub(super) struct Page {
    pub(super) info: PageInfo,
    /// Full resolution first, then smaller and smaller: the directory and its description.
    pub(super) levels: Vec<(u64, LevelInfo)>,
    /// The directories of its masks, of the page's own size and of its levels', and their rows and columns.
    pub(super) masks: Vec<(u64, (u64, u64))>,
    /// Bytes from where the directory says that its pixels lie to where this page's do: later planes of a stack.
    pub(super) shift: u64,
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
    let work = file.store.len().saturating_mul(16);
    let mut walk = Walk { file, seen: HashSet::new(), work, broken: None };
    let mut pages: Vec<Page> = Vec::new();
    // The page of each directory of the main chain, for OME; and the SubIFDs, for after the main chain.
    let (mut page_of, mut sub_ifds) = (Vec::new(), Vec::new());
    let (mut next, mut from) = (file.first, None);
    let mut ome_xml = None;
    // Aperio's slides have their levels as tiled pages that do not say that they are reduced.
    let mut is_aperio = false;
    while next != 0 {
        let Some(dir) = walk.directory(next, from)? else { break };
        (next, from) = (dir.next, Some(dir.offset));
        let brief = walk.brief(&dir)?;
        if pages.is_empty() {
            ome_xml = ome_of(file, &dir);
            is_aperio = describes_aperio(file, &dir);
        }
        // The first directory is a page whatever it says of itself.
        let reduced = brief.subfile & REDUCED != 0;
        if is_aperio
            && !reduced
            && brief.is_tiled()
            && pages.first_mut().is_some_and(|p| p.takes(&brief, true))
        {
            page_of.push(None);
            continue;
        }
        if let Some(page) = pages.last_mut()
            && page.takes(&brief, reduced)
        {
            page_of.push(None);
            continue;
        }
        page_of.push(Some(pages.len()));
        sub_ifds.extend(brief.sub_ifds.iter().map(|&at| (pages.len(), at)));
        let label = (brief.subfile & REDUCED != 0).then(|| "reduced".to_owned());
        pages.push(Page::new(brief, label));
    }
    let mut notices = Vec::new();
    if page_of.len() == 1
        && let Some(stack) = Stack::read(file, &file.directory(file.first)?)
    {
        if stack.planes < stack.claimed {
            notices.push(format!(
                "{} planes behind the first are not read (they are not strips without compression in one run)",
                stack.claimed - stack.planes
            ));
        }
        let first = &pages[0];
        let (info, levels) = (first.info.clone(), first.levels.clone());
        for plane in 1..stack.planes {
            let info = PageInfo { label: Some(stack.label(plane)), ..info.clone() };
            let shift = plane * stack.step;
            pages.push(Page { info, levels: levels.clone(), masks: Vec::new(), shift });
        }
        if stack.planes > 1 {
            pages[0].info.label.get_or_insert(stack.label(0));
        }
    }
    for (owner, offset) in sub_ifds {
        // Two pages may name one SubIFD; the first has it. A page among its own SubIFDs is a cycle.
        if pages[owner].levels.first().is_some_and(|l| l.0 == offset) {
            return Err(Error::Format(format!(
                "SubIFDs (tag 330) of the directory at byte {offset} return to it"
            )));
        }
        let mut next = offset;
        while next != 0 && !walk.seen.contains(&next) {
            let Some(dir) = walk.directory(next, None)? else { break };
            next = dir.next;
            let brief = walk.brief(&dir)?;
            if !pages[owner].takes(&brief, true) {
                pages.push(Page::new(brief, Some(format!("SubIFD of page {owner}"))));
            }
        }
    }
    if let Some((why, others)) = walk.broken {
        let more = if others > 0 { format!(", nor are {others} others") } else { String::new() };
        notices.push(format!("{why}: it and what it leads to are not read{more}"));
    }
    if let Some(xml) = &ome_xml {
        let labels = ome::labels(xml, page_of.len());
        for (label, page) in labels.into_iter().zip(page_of) {
            if let (Some(label), Some(page)) = (label, page) {
                pages[page].info.label.get_or_insert(label);
            }
        }
    }
    for page in &mut pages {
        let area = |l: &LevelInfo| l.height * l.width;
        page.levels[1..].sort_by_key(|l| std::cmp::Reverse(area(&l.1)));
        page.info.levels = page.levels.len() as u64;
    }
    Ok(Pages { pages, ome_xml, notices })
}

impl Page {
    fn new(brief: Brief, label: Option<String>) -> Page {
        let (extent, dtype, level, label) = match brief.image {
            Ok((extent, dtype, level)) => (extent, dtype, level, label),
            Err(why) => {
                let layout = outcrop_core::BlockLayout::Rows { planar: false };
                let level = LevelInfo { height: 0, width: 0, layout };
                (Extent::new(0, 0, 0), DataType::U8, level, Some(format!("unreadable: {why}")))
            }
        };
        let info = PageInfo { extent, dtype, levels: 1, label };
        Page { info, levels: vec![(brief.offset, level)], masks: Vec::new(), shift: 0 }
    }

    /// Takes a mask, or (where `level` allows) a smaller image of the same samples and shape as a level.
    fn takes(&mut self, brief: &Brief, level: bool) -> bool {
        if brief.subfile & MASK != 0 {
            if let Ok((extent, ..)) = &brief.image {
                self.masks.push((brief.offset, (extent.height, extent.width)));
            }
            return true;
        }
        let Ok((extent, dtype, info)) = &brief.image else { return false };
        let full = self.info.extent;
        let smaller = extent.height <= full.height
            && extent.width <= full.width
            && (extent.height, extent.width) != (full.height, full.width);
        // Sizes are rounded: each side may be off by one pixel.
        let skew = (full.width * extent.height).abs_diff(full.height * extent.width);
        let fits = level
            && smaller
            && skew <= full.width + full.height
            && (extent.channels, *dtype) == (full.channels, self.info.dtype);
        if fits {
            self.levels.push((brief.offset, *info));
        }
        fits
    }
}

impl Page {
    /// The directory of the mask of a level: the one of its size.
    pub(super) fn mask_of(&self, level: &LevelInfo) -> Option<u64> {
        let size = (level.height, level.width);
        self.masks.iter().find(|mask| mask.1 == size).map(|mask| mask.0)
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
        let dir = match self.file.directory(offset) {
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
            let level = LevelInfo {
                height: layout.extent.height,
                width: layout.extent.width,
                layout: layout.describe(),
            };
            Ok((layout.extent, samples.dtype, level))
        });
        let sub_ifds = dir.get(tag::SUB_IFDS).map_or(Ok(Vec::new()), |e| file.uints(e, 65_535))?;
        Ok(Brief { offset: dir.offset, subfile, image, sub_ifds })
    }
}

/// The first directory's description, where it is OME-XML.
fn ome_of(file: &TiffFile, dir: &Directory) -> Option<String> {
    let entry = dir.get(tag::IMAGE_DESCRIPTION).filter(|entry| describes_ome(file, entry))?;
    file.text(entry, MOST_OME).ok()
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
