//! [`TiffPages`]: from a file to its pages, and from there to a page at a level, with all that decoding its blocks needs to
//! know.

use std::sync::Arc;

use outcrop_core::{ByteOrder, Channels, Error, Image, Result, Value};

use super::block::BlockSpec;
use super::copy::Palette;
use super::giant::{self, Streams};
use super::ifd::{Directory, TiffFile};
use super::layout::Layout;
use super::old_jpeg::{self, OldJpeg};
use super::pages::{self, Pages};
use super::samples::Samples;
use super::source::TiffSource;
use super::tags::{codec_name, tag};
use super::{BadBlocks, TiffOptions, metadata};
use crate::Store;

/// The pages of a TIFF: its directories are walked once, however many of its pages are opened.
pub struct TiffPages {
    pub(super) file: Arc<TiffFile>,
    pub(super) pages: Pages,
}

/// Opens a page of a TIFF at a level.
///
/// # Errors
/// What [`TiffPages::open`] and [`TiffPages::at`] answer.
pub fn open(store: Arc<Store>, options: &TiffOptions) -> Result<TiffSource> {
    TiffPages::open(store)?.at(options)
}

impl TiffPages {
    /// Walks the directories of a TIFF.
    ///
    /// # Errors
    /// [`Error::Format`] where it is none, its first directory is broken, or its directories lead in a circle.
    pub fn open(store: Arc<Store>) -> Result<TiffPages> {
        let file = TiffFile::open(store)?;
        let pages = pages::read(&file)?;
        Ok(TiffPages { file: Arc::new(file), pages })
    }

    /// Opens a page at a level.
    ///
    /// # Errors
    /// [`Error::Format`] where a directory is broken, [`Error::Unsupported`] where the page's codec or samples are not
    /// read by this build, [`Error::Usage`] where the page or level does not exist or the fill does not fit.
    pub fn at(&self, options: &TiffOptions) -> Result<TiffSource> {
        open_with(self, options, giant::WHOLE_BYTES)
    }
}

/// The same, decoding strips of more than `whole_bytes` as streams where their codec can be.
pub(super) fn open_with(tiff: &TiffPages, options: &TiffOptions, whole_bytes: u64) -> Result<TiffSource> {
    let TiffPages { file, pages } = tiff;
    let missing = |what: &str, wanted: u64, count: usize| {
        Error::Usage(format!("{what} {wanted} does not exist: there are {count}, counted from 0 (--{what})"))
    };
    let page = pages.page(options.page).ok_or_else(|| missing("page", options.page, pages.infos.len()))?;
    let level = page.level(options.level);
    let mut offset = level.ok_or_else(|| missing("level", options.level, page.levels.len() + 1))?;
    let mask = page.mask(options.level);
    if options.mask {
        offset = mask.ok_or_else(|| {
            Error::Usage(format!("page {} has no mask at level {}", options.page, options.level))
        })?;
    }

    let dir = file.directory(offset)?;
    let samples = Samples::read(file, &dir)?;
    let mut layout = Layout::read(file, &dir, &samples)?.shifted(page.shift);
    // The full resolution first: this directory's, or else what its own says.
    let mut levels = vec![layout.level()];
    levels.extend(page.levels.iter().map(|part| part.level));
    let mut stream = None;
    if samples.compression == 6 {
        stream = match old_jpeg::read(file, &dir, &samples, &layout)? {
            OldJpeg::Blocks => None,
            OldJpeg::Header(header) => Some(Arc::new(header)),
            OldJpeg::Whole(whole) => {
                layout = layout.into_one_block();
                Some(Arc::new(whole))
            }
        };
    }
    let mut spec = block_spec(file, &dir, &samples, &layout)?;
    spec.old_jpeg = stream;
    spec.check()?;

    let (mut metadata, mut nodata) = metadata::read(file, &dir, &samples, pages.ome.as_ref());
    if offset != page.offset {
        let whole = file.directory(page.offset)?;
        let its = Samples::read(file, &whole)?;
        levels[0] = Layout::read(file, &whole, &its)?.level();
        if !options.mask {
            let (of_page, its_nodata) = metadata::read(file, &whole, &its, pages.ome.as_ref());
            metadata::inherit(&mut metadata, of_page);
            if nodata.is_empty() {
                nodata = its_nodata.into_iter().filter(|value| value.fits(samples.dtype)).collect();
            }
        }
    }
    if mask.is_some() && !options.mask {
        metadata.other.push(("mask".into(), "yes".into()));
    }
    metadata.ome_xml = pages.ome.as_ref().map(|ome| ome.xml.clone());
    metadata.notices.clone_from(&pages.notices);
    let absent = nodata.first().copied().unwrap_or(Value::Int(0));
    let (mut extent, mut dtype) = (layout.extent, samples.dtype);
    let palette = if options.expand_palette { palette(file, &dir, &samples)? } else { None };
    if let Some(palette) = &palette {
        // The nodata value is an index; no colour stands for it.
        (extent.channels, dtype) = (3, palette.dtype);
        nodata.clear();
        metadata.palette = None;
        (metadata.photometric, metadata.photometric_code) = (Some("RGB".into()), Some(2));
    }
    let fill = match options.bad_blocks {
        BadBlocks::Fail => None,
        BadBlocks::Fill(value) if value.fits(dtype) => Some(value),
        BadBlocks::Fill(value) => {
            return Err(Error::Usage(format!("no sample of {dtype} is {value} (--on-bad-block)")));
        }
        BadBlocks::Nodata => Some(nodata.first().copied().unwrap_or(Value::Int(0))),
    };
    let image = Image {
        format: if file.big { "BigTIFF" } else { "TIFF" },
        extent,
        dtype,
        stored_bits: Some(samples.deepest()).filter(|&b| usize::from(b) != samples.dtype.bytes() * 8),
        layout: layout.describe(),
        codec: codec_name(samples.compression),
        predictor: spec.predictor,
        byte_order: file.order,
        nodata,
        page: options.page,
        level: options.level,
        levels,
        pages: pages.infos.clone(),
        stored_bytes: file.store.len(),
        metadata,
    };
    let plain = samples.compression == 1
        && (file.order == ByteOrder::NATIVE || samples.dtype.bytes() == 1)
        && samples.bits.iter().all(|&b| usize::from(b) == samples.dtype.bytes() * 8)
        && !spec.reversed_bits
        && !samples.packed_chroma();
    let stored_channels = Channels::all(samples.channels());
    let spec = Arc::new(spec);
    let whole = layout.height.saturating_mul(layout.width).saturating_mul(spec.samples() as u64);
    let giant = whole.saturating_mul(spec.dtype.bytes() as u64) > whole_bytes;
    let streams = (giant && !layout.tiled && layout.plain_bytes(1).is_none() && spec.can_stream())
        .then(|| Streams::new(file.store.clone(), spec.clone(), layout.planes));
    let file = file.clone();
    Ok(TiffSource { file, image, layout, spec, streams, plain, absent, fill, palette, stored_channels })
}

fn block_spec(file: &TiffFile, dir: &Directory, samples: &Samples, layout: &Layout) -> Result<BlockSpec> {
    const MOST_TABLES: u64 = 1 << 20;
    let raw = |number| dir.get(number).map(|e| file.raw(e, MOST_TABLES)).transpose();
    let options = |number| -> Result<u32> { Ok(dir.uint(file, number)?.unwrap_or(0) as u32) };
    let lerc = dir.get(tag::LERC_PARAMETERS).map(|e| file.uints(e, 16)).transpose()?;
    let bits = if samples.planar { samples.bits[..1].to_vec() } else { samples.bits.clone() };
    // Without a codec there is no predictor: libtiff ignores the tag, and so do we.
    let predictor = if samples.compression == 1 { 1 } else { dir.code(file, tag::PREDICTOR, 1)? };
    // Layout::read let no size past 32 bits through.
    Ok(BlockSpec {
        compression: samples.compression,
        predictor,
        photometric: samples.photometric,
        bits,
        sample_format: samples.format,
        dtype: samples.dtype,
        byte_order: file.order,
        reversed_bits: dir.code(file, tag::FILL_ORDER, 1)? == 2,
        width: layout.width as u32,
        height: layout.height as u32,
        subsampling: if samples.planar { (1, 1) } else { samples.subsampling },
        jpeg_tables: raw(tag::JPEG_TABLES)?.filter(|t| !t.is_empty()),
        t4_options: options(tag::T4_OPTIONS)?,
        t6_options: options(tag::T6_OPTIONS)?,
        lerc_parameters: lerc.unwrap_or_default().into_iter().map(|v| v as u32).collect(),
        old_jpeg: None,
    })
}

/// The colours of a palette image; `None` for any other.
fn palette(file: &TiffFile, dir: &Directory, samples: &Samples) -> Result<Option<Palette>> {
    if samples.photometric != 3 {
        return Ok(None);
    }
    if samples.channels() != 1 || samples.deepest() > 16 {
        return Err(Error::Unsupported(format!(
            "expanding the palette of pixels of {} samples of {} bits",
            samples.channels(),
            samples.deepest()
        )));
    }
    let entry = dir.get(tag::COLOR_MAP).ok_or_else(|| dir.lacks(tag::COLOR_MAP))?;
    let entries = 1usize << samples.deepest();
    let map: Vec<u16> = file.uints(entry, 3 << 16)?.into_iter().map(|v| v as u16).collect();
    if map.len() < 3 * entries {
        return Err(Error::Format(format!(
            "ColorMap (tag 320) has {} values, expected {}",
            map.len(),
            3 * entries
        )));
    }
    Ok(Some(Palette::new(entries, &map[..3 * entries])))
}
