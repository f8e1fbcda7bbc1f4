//! [`TiffSource`]: the blocks that a request touches, lent from the map or decoded into the chunk's scratch.

use std::mem::take;
use std::ops::Range;
use std::sync::Arc;

use outcrop_core::{
    ByteOrder, Channels, Cost, Error, Extent, Hole, HoleKind, Image, Order, Pixels, Read, Rect, Request,
    Result, Scratch, Source, Value,
};

use super::block::{BlockSpec, CodecState};
use super::copy::{self, Grid, Palette};
use super::giant::{self, Failed, Streams, Wanted};
use super::ifd::{Directory, TiffFile};
use super::layout::{Layout, Place};
use super::old_jpeg::{self, OldJpeg};
use super::samples::Samples;
use super::tags::{codec_name, tag};
use super::{BadBlocks, TiffOptions, metadata, pages};
use crate::Store;

/// One page of a TIFF or BigTIFF at one level.
pub struct TiffSource {
    file: TiffFile,
    image: Image,
    layout: Layout,
    spec: Arc<BlockSpec>,
    /// Where strips are too large to be decoded whole.
    streams: Option<Streams>,
    /// Whether stored bytes are samples as they are.
    plain: bool,
    /// What absent blocks read as.
    absent: Value,
    /// What bad blocks read as, where they are filled.
    fill: Option<Value>,
    palette: Option<Palette>,
    stored_channels: Channels,
}

/// Opens a page of a TIFF at a level.
///
/// # Errors
/// [`Error::Format`] where a directory is broken, [`Error::Unsupported`] where the page's codec or samples are not
/// read by this build, [`Error::Usage`] where the page or level does not exist or the fill does not fit.
pub fn open(store: Arc<Store>, options: &TiffOptions) -> Result<TiffSource> {
    open_with(store, options, giant::WHOLE_BYTES)
}

/// The same, decoding strips of more than `whole_bytes` as streams where their codec can be.
pub(super) fn open_with(store: Arc<Store>, options: &TiffOptions, whole_bytes: u64) -> Result<TiffSource> {
    let file = TiffFile::open(store)?;
    let pages = pages::read(&file)?;
    let missing = |what: &str, wanted: u64, count: usize| {
        Error::Usage(format!("{what} {wanted} does not exist: there are {count}, counted from 0 (--{what})"))
    };
    let find = |index: u64| usize::try_from(index).unwrap_or(usize::MAX);
    let page = pages.pages.get(find(options.page));
    let page = page.ok_or_else(|| missing("page", options.page, pages.pages.len()))?;
    let level = page.levels.get(find(options.level));
    let (mut offset, level) = *level.ok_or_else(|| missing("level", options.level, page.levels.len()))?;
    let mask = page.mask_of(&level);
    if options.mask {
        offset = mask.ok_or_else(|| {
            Error::Usage(format!("page {} has no mask at level {}", options.page, options.level))
        })?;
    }

    let dir = file.directory(offset)?;
    let samples = Samples::read(&file, &dir)?;
    let mut layout = Layout::read(&file, &dir, &samples)?;
    let mut stream = None;
    if samples.compression == 6 {
        stream = match old_jpeg::read(&file, &dir, &samples, &layout)? {
            OldJpeg::Blocks => None,
            OldJpeg::Header(header) => Some(Arc::new(header)),
            OldJpeg::Whole(whole) => {
                layout = layout.into_one_block();
                Some(Arc::new(whole))
            }
        };
    }
    let mut spec = block_spec(&file, &dir, &samples, &layout)?;
    spec.old_jpeg = stream;
    spec.check()?;

    let (mut metadata, mut nodata) = metadata::read(&file, &dir, &samples, pages.ome_xml.as_deref());
    if options.level > 0 && !options.mask {
        let whole = file.directory(page.levels[0].0)?;
        let its = Samples::read(&file, &whole)?;
        let (of_page, its_nodata) = metadata::read(&file, &whole, &its, pages.ome_xml.as_deref());
        metadata::inherit(&mut metadata, of_page);
        if nodata.is_empty() {
            nodata = its_nodata.into_iter().filter(|value| value.fits(samples.dtype)).collect();
        }
    }
    if mask.is_some() && !options.mask {
        metadata.other.push(("mask".into(), "yes".into()));
    }
    let absent = nodata.first().copied().unwrap_or(Value::Int(0));
    let (mut extent, mut dtype) = (layout.extent, samples.dtype);
    let palette = if options.expand_palette { palette(&file, &dir, &samples)? } else { None };
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
        levels: page.levels.iter().map(|l| l.1).collect(),
        pages: pages.pages.iter().map(|p| p.info.clone()).collect(),
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

/// The stored bytes of a block that a request needs.
struct Part {
    offset: u64,
    bytes: u64,
    /// The first row of the block that they hold, and how many.
    first: u64,
    rows: u64,
}

/// Where a request can be lent: a run of bytes of the file, and the steps (in samples) between rows, columns and
/// channels.
struct Lend {
    offset: u64,
    bytes: u64,
    strides: [usize; 3],
}

/// Where decoding works, taken out of the scratch so that stored bytes can be looked at meanwhile.
struct Work {
    decoded: outcrop_core::Buffer,
    block: outcrop_core::Buffer,
    codec: Box<CodecState>,
    holes: Vec<Hole>,
    /// Blocks decoded.
    blocks: u64,
}

impl TiffSource {
    /// The planes that hold the channels of a selection, in its order.
    fn planes<'c>(&self, channels: &'c Channels) -> &'c [u64] {
        if self.layout.planes > 1 { channels.indices() } else { &[0] }
    }

    /// Samples of a pixel in a block.
    fn block_samples(&self) -> usize {
        self.spec.samples()
    }

    /// The stored bytes of a block that are needed for `rect`; `None` where the block is absent.
    ///
    /// # Errors
    /// Whenever the block is bad as a whole, whatever part of it is needed: results do not depend on chunks.
    fn part(&self, rect: &Rect, row: u64, column: u64, plane: u64) -> Result<Option<Part>> {
        let Place::Bytes { offset, bytes } = self.layout.place(&self.file, row, column, plane)? else {
            return Ok(None);
        };
        self.file.store.check(offset, bytes)?;
        let rows = self.layout.stored_rows(row);
        let Some(row_bytes) = self.layout.row_bytes else {
            return Ok(Some(Part { offset, bytes, first: 0, rows }));
        };
        let top = row * self.layout.height;
        let first = rect.y.max(top) - top;
        let rows = rect.bottom().min(top + rows) - top - first;
        Ok(Some(Part { offset: offset + first * row_bytes, bytes: rows * row_bytes, first, rows }))
    }

    /// The ranges of the file that a request needs, neighbours joined, those of bad blocks left out.
    fn ranges(&self, request: &Request<'_>) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        let channels = self.stored(request).channels;
        let (rows, columns) = self.layout.touched(&request.rect);
        for &plane in self.planes(channels) {
            for row in rows.clone() {
                for column in columns.clone() {
                    let Ok(Some(part)) = self.part(&request.rect, row, column, plane) else { continue };
                    match ranges.last_mut() {
                        Some((start, bytes)) if *start + *bytes == part.offset => *bytes += part.bytes,
                        _ => ranges.push((part.offset, part.bytes)),
                    }
                }
            }
        }
        ranges
    }

    /// The request in channels as they are stored: a palette has one.
    fn stored<'r>(&'r self, request: &Request<'r>) -> Request<'r> {
        let channels = if self.palette.is_some() { &self.stored_channels } else { request.channels };
        Request { rect: request.rect, channels }
    }

    /// How a request can be lent, if its samples lie as they are, aligned and evenly spaced in the file.
    fn lend(&self, request: &Request<'_>, scratch: &Scratch) -> Option<Lend> {
        if !self.plain || self.palette.is_some() {
            return None;
        }
        let row_bytes = self.layout.row_bytes?;
        let (first_channel, step) = request.channels.as_step().filter(|s| s.1 != 0)?;
        let rect = &request.rect;
        let (rows, columns) = self.layout.touched(rect);
        if columns.end - columns.start != 1 {
            return None;
        }
        let size = self.image.dtype.bytes() as u64;
        let pixel_bytes = self.block_samples() as u64 * size;
        let skip = (rect.x - columns.start * self.layout.width) * pixel_bytes;
        // Where the first pixel of the request lies, if the rows of this plane follow each other.
        let start_of = |plane: u64| -> Option<u64> {
            let first = self.part(rect, rows.start, columns.start, plane).ok()??;
            let mut end = first.offset + first.bytes;
            for row in rows.start + 1..rows.end {
                let part = self.part(rect, row, columns.start, plane).ok()??;
                (part.offset == end).then_some(())?;
                end += part.bytes;
            }
            Some(first.offset + skip)
        };
        let planes = self.planes(request.channels);
        let offset = start_of(planes[0])?;
        let mut lend = Lend {
            offset,
            bytes: (rect.height - 1) * row_bytes + rect.width * pixel_bytes,
            strides: [(row_bytes / size) as usize, self.block_samples(), 1],
        };
        if self.layout.planes > 1 && planes.len() > 1 {
            let step = start_of(planes[1])?.checked_sub(offset).filter(|s| s % size == 0 && *s > 0)?;
            for (k, &plane) in planes.iter().enumerate().skip(2) {
                (start_of(plane)? == step.checked_mul(k as u64)?.checked_add(offset)?).then_some(())?;
            }
            lend.bytes = step.checked_mul(planes.len() as u64 - 1)?.checked_add(lend.bytes)?;
            lend.strides[2] = usize::try_from(step / size).ok()?;
        } else if self.layout.planes == 1 && step > 0 {
            // Only the channels asked for are lent; backward steps are taken by Pixels::select.
            lend.offset += first_channel * size;
            lend.bytes -= (self.block_samples() as u64 - 1 - *request.channels.indices().last()?) * size;
            lend.bytes -= first_channel * size;
            lend.strides[2] = step as usize;
        }
        let stored = self.file.store.stored(scratch, lend.offset, lend.bytes).ok()?;
        (stored.as_ptr().addr() % size as usize == 0).then_some(lend)
    }

    /// Where the pixels of the plane at that position of the selection lie in `decoded`, and how many samples a pixel has
    /// there. Planes stay apart, each in C order; chunky pixels are one.
    fn plane_place(&self, request: &Request<'_>, position: usize) -> (Range<usize>, usize) {
        let selected = request.channels.len();
        let samples = if self.layout.planes > 1 { 1 } else { selected };
        let pixels = request.rect.height as usize * request.rect.width as usize;
        let bytes = pixels * samples * self.spec.dtype.bytes();
        (position * bytes..(position + 1) * bytes, samples)
    }

    /// Decodes a request into `work.decoded`, in C order, plane after plane.
    fn decode(&self, request: &Request<'_>, scratch: &Scratch, work: &mut Work) -> Result<()> {
        let selected = request.channels.len();
        let size = self.image_bytes(&request.rect, selected as u64, self.spec.dtype.bytes())?;
        work.decoded.resize(size)?;
        let (rows, columns) = self.layout.touched(&request.rect);
        let chunky: Vec<(usize, usize)> =
            request.channels.indices().iter().enumerate().map(|(to, &from)| (from as usize, to)).collect();
        let whole_pixels =
            self.layout.planes == 1 && request.channels.is_all(self.stored_channels.len() as u64);
        for (position, &plane) in self.planes(request.channels).iter().enumerate() {
            let (pairs, channels) = if self.layout.planes > 1 {
                (None, position..position + 1)
            } else {
                ((!whole_pixels).then_some(&chunky[..]), 0..selected)
            };
            for row in rows.clone() {
                for column in columns.clone() {
                    let block = self.layout.rect(row, column);
                    let Some(inside) = block.intersect(&request.rect) else { continue };
                    let done = match self.part(&request.rect, row, column, plane) {
                        Ok(Some(part)) => match &self.streams {
                            Some(streams) => {
                                let wanted = Wanted {
                                    plane,
                                    strip: row,
                                    offset: part.offset,
                                    bytes: part.bytes,
                                    rows: part.rows as u32,
                                    first: (inside.y - block.y) as u32,
                                    count: inside.height as u32,
                                };
                                self.decode_rows(request, streams, work, &wanted, (inside, position), pairs)
                            }
                            None => {
                                work.blocks += 1;
                                self.decode_block(
                                    request,
                                    scratch,
                                    work,
                                    &part,
                                    (block, inside, position),
                                    pairs,
                                )
                                .map_err(Failed::from)
                            }
                        },
                        Ok(None) => {
                            self.fill(
                                request,
                                work,
                                Hole { rect: inside, channels: channels.clone(), kind: HoleKind::Sparse },
                                self.absent,
                            );
                            continue;
                        }
                        Err(cause) => Err(Failed::from(cause)),
                    };
                    let Err(Failed { rows: good, cause }) = done else { continue };
                    let lost = Rect { y: inside.y + good, height: inside.height - good, ..inside };
                    let data_is_bad = matches!(cause, Error::Format(_));
                    let cause = self.block_error(row, column, plane, cause);
                    match self.fill {
                        Some(value) if data_is_bad => {
                            let kind = HoleKind::Bad(Arc::new(cause));
                            self.fill(
                                request,
                                work,
                                Hole { rect: lost, channels: channels.clone(), kind },
                                value,
                            );
                        }
                        _ => return Err(cause),
                    }
                }
            }
        }
        Ok(())
    }

    /// Decodes one block: straight into its place where it fills whole rows of the request, else by way of
    /// `work.block`.
    fn decode_block(
        &self,
        request: &Request<'_>,
        scratch: &Scratch,
        work: &mut Work,
        part: &Part,
        (block, inside, position): (Rect, Rect, usize),
        pairs: Option<&[(usize, usize)]>,
    ) -> Result<()> {
        let stored = self.file.store.stored(scratch, part.offset, part.bytes)?;
        let rect = &request.rect;
        let samples = self.block_samples();
        let bytes = self.spec.dtype.bytes();
        let (plane, samples_here) = self.plane_place(request, position);
        let here = Grid {
            width: rect.width as usize,
            samples: samples_here,
            at: ((inside.y - rect.y) as usize, (inside.x - rect.x) as usize),
        };
        let rows = part.rows as u32;
        let fills_rows = rect.width == self.layout.width && block.x == rect.x && inside.height == part.rows;
        if pairs.is_none() && fills_rows {
            let row = here.width * samples * bytes;
            let place = here.at.0 * row..(here.at.0 + inside.height as usize) * row;
            return self.spec.decode(
                stored,
                rows,
                &mut work.codec,
                &mut work.decoded.bytes_mut()[plane][place],
            );
        }
        let whole = Rect { height: part.rows, width: self.layout.width, ..block };
        work.block.resize(self.image_bytes(&whole, samples as u64, bytes)?)?;
        self.spec.decode(stored, rows, &mut work.codec, work.block.bytes_mut())?;
        let there = Grid {
            width: self.layout.width as usize,
            samples,
            at: ((inside.y - block.y - part.first) as usize, (inside.x - block.x) as usize),
        };
        let size = (inside.height as usize, inside.width as usize);
        let decoded = &mut work.decoded.bytes_mut()[plane];
        copy::copy(bytes, (work.block.bytes(), there), (decoded, here), size, pairs);
        Ok(())
    }

    /// Decodes rows of a giant strip, a piece at a time by way of `work.block`.
    fn decode_rows(
        &self,
        request: &Request<'_>,
        streams: &Streams,
        work: &mut Work,
        wanted: &Wanted,
        (inside, position): (Rect, usize),
        pairs: Option<&[(usize, usize)]>,
    ) -> Result<(), Failed> {
        let bytes = self.spec.dtype.bytes();
        // Where rows may be lost, each is decoded alone, so that it does not depend on chunks which ones are.
        let step = if self.fill.is_some() { 1 } else { streams.piece_rows() };
        let piece = Rect::of_size(step.into(), self.layout.width);
        work.block.resize(self.image_bytes(&piece, self.block_samples() as u64, bytes)?)?;
        let Work { decoded, block, blocks, .. } = work;
        let (plane, samples_here) = self.plane_place(request, position);
        streams.decode(wanted, step, block.bytes_mut(), blocks, |first, rows| {
            let width = self.layout.width as usize;
            let there = Grid { width, samples: self.block_samples(), at: (0, inside.x as usize) };
            let here = Grid {
                width: request.rect.width as usize,
                samples: samples_here,
                at: (
                    (inside.y - request.rect.y) as usize + first as usize,
                    (inside.x - request.rect.x) as usize,
                ),
            };
            let count = rows.len() / (width * self.block_samples() * bytes);
            let size = (count, inside.width as usize);
            copy::copy(bytes, (rows, there), (&mut decoded.bytes_mut()[plane.clone()], here), size, pairs);
        })
    }

    /// Runs `decode`, then colours, with the buffers of a scratch.
    fn decode_into(&self, request: &Request<'_>, scratch: &mut Scratch) -> Result<()> {
        scratch.holes.clear();
        let codec =
            take(&mut scratch.state).and_then(|s| s.downcast::<CodecState>().ok()).unwrap_or_default();
        let mut work = Work {
            decoded: take(&mut scratch.decoded),
            block: take(&mut scratch.block),
            codec,
            holes: take(&mut scratch.holes),
            blocks: scratch.blocks,
        };
        let done =
            self.decode(&self.stored(request), scratch, &mut work).and_then(|()| match &self.palette {
                Some(palette) => self.expand(palette, request, &mut work),
                None => Ok(()),
            });
        (scratch.decoded, scratch.block, scratch.holes) = (work.decoded, work.block, work.holes);
        scratch.state = Some(work.codec);
        scratch.blocks = work.blocks;
        done
    }

    /// What the stream of one plane takes at its worst, besides the pixels.
    ///
    /// Looks at the head of each strip the first time: only that tells how much a ZSTD stream needs. Of more strips
    /// than that is worth, the worst is assumed.
    fn stream_bytes(&self, streams: &Streams) -> u64 {
        const MOST_HEADS: u64 = 4096;
        *streams.decoder_bytes.get_or_init(|| {
            if self.layout.blocks() > MOST_HEADS {
                return streams.strip_bytes(0, 0);
            }
            let places = (0..self.layout.planes)
                .flat_map(|plane| (0..self.layout.down).map(move |row| (row, plane)))
                .filter_map(|(row, plane)| self.layout.place(&self.file, row, 0, plane).ok());
            places.fold(0, |most, place| match place {
                Place::Bytes { offset, bytes } => most.max(streams.strip_bytes(offset, bytes)),
                Place::Sparse => most,
            })
        })
    }

    /// Fills the place of a hole and notes it.
    fn fill(&self, request: &Request<'_>, work: &mut Work, hole: Hole, value: Value) {
        let (mut here, size) = place_of(request, &hole);
        let planar = self.layout.planes > 1;
        let positions = if planar { hole.channels.clone() } else { 0..1 };
        for position in positions {
            let (plane, samples) = self.plane_place(request, position);
            here.samples = samples;
            let channels = if planar { 0..1 } else { hole.channels.clone() };
            copy::fill(self.spec.dtype, (&mut work.decoded.bytes_mut()[plane], here), size, channels, value);
        }
        work.holes.push(hole);
    }

    /// Bytes of a rectangle of samples, or the error that they are too many.
    fn image_bytes(&self, rect: &Rect, samples: u64, bytes: usize) -> Result<usize> {
        let total = Extent::new(rect.height, rect.width, samples).samples();
        let total = total.and_then(|t| t.checked_mul(bytes as u64)).and_then(|t| usize::try_from(t).ok());
        total.ok_or_else(|| Error::Limits {
            what: format!("a block of {} x {} pixels", rect.height, rect.width),
            needed: u64::MAX,
            limit: usize::MAX as u64,
        })
    }

    fn block_error(&self, row: u64, column: u64, plane: u64, cause: Error) -> Error {
        let (offset, bytes) = match self.layout.place(&self.file, row, column, plane) {
            Ok(Place::Bytes { offset, bytes }) => (offset, bytes),
            _ => (0, 0),
        };
        Error::Block {
            page: self.image.page,
            block: self.layout.index(row, column, plane),
            offset,
            bytes,
            cause: Box::new(cause),
        }
    }

    /// Turns decoded indices into colours, in `work.block`, which then changes places with `work.decoded`.
    fn expand(&self, palette: &Palette, request: &Request<'_>, work: &mut Work) -> Result<()> {
        let channels = request.channels.indices();
        let bytes = self.image_bytes(&request.rect, channels.len() as u64, palette.dtype.bytes())?;
        work.block.resize(bytes)?;
        palette.expand(self.spec.dtype, work.decoded.bytes(), channels, work.block.bytes_mut());
        for hole in &mut work.holes {
            hole.channels = 0..channels.len();
            if let (HoleKind::Bad(_), Some(value)) = (&hole.kind, self.fill) {
                let (here, size) = place_of(request, hole);
                let all = hole.channels.clone();
                copy::fill(palette.dtype, (work.block.bytes_mut(), here), size, all, value);
            }
        }
        std::mem::swap(&mut work.block, &mut work.decoded);
        Ok(())
    }
}

/// The place of a hole in the pixels of a request: where it begins, and its rows and columns.
fn place_of(request: &Request<'_>, hole: &Hole) -> (Grid, (usize, usize)) {
    let (rect, hole) = (&request.rect, &hole.rect);
    let at = ((hole.y - rect.y) as usize, (hole.x - rect.x) as usize);
    let here = Grid { width: rect.width as usize, samples: request.channels.len(), at };
    (here, (hole.height as usize, hole.width as usize))
}

impl Source for TiffSource {
    fn image(&self) -> &Image {
        &self.image
    }

    fn stored_bytes(&self) -> Result<u64> {
        self.layout.stored_bytes(&self.file)
    }

    fn order(&self) -> Order {
        if self.streams.is_some() { Order::Sequential } else { Order::Any }
    }

    fn cost(&self, shape: (u64, u64), channels: &Channels) -> Result<Cost> {
        let layout = &self.layout;
        let (height, width) = (shape.0.min(layout.extent.height), shape.1.min(layout.extent.width));
        // A run of n pixels touches at most this many blocks of `block` pixels, wherever it lies.
        let touched = |n: u64, block: u64, all: u64| (n.saturating_sub(1).div_ceil(block) + 1).min(all);
        let (down, across) =
            (touched(height, layout.height, layout.down), touched(width, layout.width, layout.across));
        let planes = if layout.planes > 1 { channels.len() as u64 } else { 1 };
        let stored_selected = if self.palette.is_some() { 1 } else { channels.len() };
        let pixels = height.saturating_mul(width);
        let of = |pixels: u64, samples: usize, bytes: usize| {
            pixels.saturating_mul(samples as u64).saturating_mul(bytes as u64)
        };
        let decoded = of(pixels, stored_selected, self.spec.dtype.bytes());
        let colours = self.palette.as_ref().map_or(0, |p| of(pixels, channels.len(), p.dtype.bytes()));
        if let Some(streams) = &self.streams {
            let piece = layout.width.saturating_mul(streams.piece_rows().into());
            let block = of(piece, self.block_samples(), self.spec.dtype.bytes());
            let decoders = self.stream_bytes(streams).saturating_mul(planes);
            let scratch_bytes = decoded.saturating_add(block.max(colours)).saturating_add(decoders);
            return Ok(Cost { stored_bytes: 0, scratch_bytes });
        }
        let stored_bytes = match layout.row_bytes {
            Some(row) => row.saturating_mul(height).saturating_mul(across),
            None => {
                let (most, all) = layout.worst_block(&self.file)?;
                most.saturating_mul(down).saturating_mul(across).min(all)
            }
        };
        // What Store::fetch reads along between blocks.
        let gaps =
            if self.file.store.is_mapped() { 0 } else { down.saturating_mul(across).saturating_mul(64) };
        let rows = if layout.row_bytes.is_some() { height.min(layout.height) } else { layout.height };
        let block = of(rows.saturating_mul(layout.width), self.block_samples(), self.spec.dtype.bytes());
        let lent = self.plain
            && self.palette.is_none()
            && channels.as_step().is_some_and(|s| s.1 > 0)
            // Planes that are read lie in runs of their own.
            && (planes == 1 || self.file.store.is_mapped())
            && layout.one_run(&self.file, self.spec.dtype.bytes() as u64)?;
        let scratch_bytes = if lent {
            0
        } else {
            decoded.saturating_add(block.max(colours)).saturating_add(self.spec.scratch_bytes())
        };
        let stored_bytes = stored_bytes.saturating_add(gaps).saturating_mul(planes);
        Ok(Cost { stored_bytes, scratch_bytes })
    }

    fn fetch(&self, request: &Request<'_>, scratch: &mut Scratch) -> Result<()> {
        if self.streams.is_some() {
            return self.decode_into(request, scratch);
        }
        self.file.store.fetch(&self.ranges(request), scratch)
    }

    fn read<'a>(&'a self, request: &Request<'_>, scratch: &'a mut Scratch) -> Result<Read<'a>> {
        let [height, width, selected] =
            [request.rect.height as usize, request.rect.width as usize, request.channels.len()];
        let misfit = || Error::Format("samples are not aligned in memory".into());
        if let Some(lend) = self.lend(request, scratch) {
            let bytes = self.file.store.stored(scratch, lend.offset, lend.bytes)?;
            let backward = request.channels.as_step().is_some_and(|s| s.1 < 0);
            let all = if backward { self.block_samples() } else { selected };
            let pixels = Pixels::from_bytes(self.image.dtype, bytes, [height, width, all], lend.strides)?;
            let pixels = pixels.ok_or_else(misfit)?;
            let pixels = if backward { pixels.select(request.channels).ok_or_else(misfit)? } else { pixels };
            return Ok(Read { pixels, holes: &[] });
        }
        if self.streams.is_none() {
            self.decode_into(request, scratch)?;
        }
        let strides = match self.layout.planes {
            1 => [width * selected, selected, 1],
            _ => [width, 1, height * width],
        };
        let shape = [height, width, selected];
        let pixels = Pixels::from_bytes(self.image.dtype, scratch.decoded.bytes(), shape, strides)?;
        Ok(Read { pixels: pixels.ok_or_else(misfit)?, holes: &scratch.holes })
    }

    fn release(&self, request: &Request<'_>) {
        if self.streams.is_none() {
            self.file.store.release(&self.ranges(request));
        }
    }
}
