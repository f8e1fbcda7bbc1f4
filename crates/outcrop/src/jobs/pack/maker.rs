//! [`Maker`]: from an item to its row.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use outcrop_core::{
    Buffer, Channels, Chunk, DataType, Error, Image, Pixels, Read, Rect, Reduce, Request, Result, Scratch,
    Source, with_dtype,
};
use outcrop_ops::picture::{
    Inks, Mode, Placed, RowWriter, Upright, upright, upright_bytes, upright_channels, working_type,
};
use outcrop_ops::reduce::{Stats, StatsPartial};
use outcrop_ops::resample::{Filter, Resize, ResizeScratch, resize_into, resize_scratch_bytes};
use outcrop_reader::{IoMode, OpenOptions, open};
use outcrop_scheduler::Items;
use outcrop_writer::{RowFile, deflate_bound, deflate_row};
use sha2::{Digest, Sha256};

use super::record::Record;
use super::{CropAt, OnBadImage, PackItem, PackOptions, chances};

/// Pieces in which files are hashed.
const PIECE: usize = 64 << 10;

/// Makes rows of items.
pub(super) struct Maker<'a> {
    items: &'a [PackItem],
    /// The items in the order of work.
    order: &'a [u32],
    /// For each place in that order its split and its row there.
    places: Vec<(u16, u32)>,
    options: &'a PackOptions,
    shape: [usize; 3],
    /// The type in which the pictures are worked on.
    kind: DataType,
    row: Option<RowWriter>,
}

/// What a worker keeps from item to item, and what it made of the last one.
#[derive(Default)]
pub(super) struct Work {
    scratch: Scratch,
    upright: Buffer,
    resized: Buffer,
    row: Buffer,
    piece: Vec<u8>,
    resize: ResizeScratch,
    pub(super) deflated: Vec<u8>,
    pub(super) record: Option<Record>,
    pub(super) partial: Option<StatsPartial>,
}

/// An opened picture and where it goes.
pub(super) struct Opened {
    source: Box<dyn Source>,
    placed: Placed,
}

/// What is done with rows.
pub(super) enum To {
    /// They are measured.
    Stats(Stats),
    /// They are written in their places, or deflated.
    Rows(Vec<Arc<RowFile>>),
}

/// A pass over the items.
pub(super) struct Job<'a> {
    pub(super) maker: &'a Maker<'a>,
    pub(super) to: To,
}

impl<'a> Maker<'a> {
    /// Finds out the shape of the rows: from the options, else from the first picture that can be opened.
    pub(super) fn new(
        items: &'a [PackItem],
        order: &'a [u32],
        parts: &[u16],
        options: &'a PackOptions,
    ) -> Result<Maker<'a>> {
        let mut rows = vec![0u32; parts.iter().max().map_or(1, |&n| usize::from(n) + 1)];
        let places = order.iter().map(|&n| {
            let part = parts[n as usize];
            let row = &mut rows[usize::from(part)];
            *row += 1;
            (part, *row - 1)
        });
        let places = places.collect();
        let mut maker = Maker { items, order, places, options, shape: [0; 3], kind: DataType::U8, row: None };
        let canvas = options.fit.canvas();
        let known = canvas.filter(|_| options.mode != Mode::Keep);
        let found = match known {
            Some((height, width)) => ([height, width, upright_channels(0, options.mode)], DataType::U8),
            None => maker.probe()?,
        };
        let too_large = || Error::Limits {
            what: "a row of the array".into(),
            needed: u64::MAX,
            limit: isize::MAX as u64,
        };
        let bytes = found.0.iter().try_fold(4u64, |n, &side| n.checked_mul(side));
        bytes.filter(|&n| n <= isize::MAX as u64 / 4).ok_or_else(too_large)?;
        maker.shape = found.0.map(|n| n as usize);
        maker.kind = found.1;
        Ok(maker)
    }

    /// Rows, columns and channels.
    pub(super) fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The type in which the pictures are worked on.
    pub(super) fn kind(&self) -> DataType {
        self.kind
    }

    /// How rows are made from now on.
    pub(super) fn use_row(&mut self, row: RowWriter) {
        self.row = Some(row);
    }

    pub(super) fn row_bytes(&self) -> u64 {
        self.row.as_ref().map_or(0, |row| row.bytes() as u64)
    }

    /// The shape and type that the first picture gives.
    fn probe(&self) -> Result<([u64; 3], DataType)> {
        let mut last = None;
        for item in self.items {
            let found = open_item(&item.path).and_then(|source| {
                let image = source.image();
                let placed = self.options.fit.place(turned(image), None)?;
                let (height, width) = placed.canvas;
                let channels = upright_channels(image.extent.channels, self.options.mode);
                Ok(([height, width, channels], working_type(image.dtype, self.options.mode)))
            });
            match found {
                Ok(found) => return Ok(found),
                Err(error) if self.options.on_bad == OnBadImage::Fail => return Err(named(item, error)),
                Err(error) => last = Some(named(item, error)),
            }
        }
        Err(last.unwrap_or_else(|| Error::Usage("there are no pictures among the inputs".into())))
    }

    fn item(&self, index: u64) -> &'a PackItem {
        &self.items[self.order[index as usize] as usize]
    }

    /// Opens a picture, and says what it costs.
    fn open(&self, index: u64) -> Result<(Opened, u64)> {
        let item = self.item(index);
        let source = open_item(&item.path)?;
        let image = source.image();
        let options = self.options;
        let random = (options.crop_at == CropAt::Random).then(|| chances("crop", options.seed, &item.name));
        let placed = options.fit.place(turned(image), random)?;
        let channels = upright_channels(image.extent.channels, options.mode);
        let kind = working_type(image.dtype, options.mode);
        let wanted = [placed.canvas.0, placed.canvas.1, channels];
        let shape = self.shape.map(|n| n as u64);
        if wanted != shape {
            return Err(Error::Usage(format!(
                "it gives {} x {} pixels of {} channels, the array's are {} x {} of {} (--resize, --crop, --mode)",
                wanted[1], wanted[0], wanted[2], shape[1], shape[0], shape[2]
            )));
        }
        if kind != self.kind {
            return Err(Error::Usage(format!(
                "its samples are {kind}, those of the first picture {} (--mode rgb)",
                self.kind
            )));
        }
        let resize = Resize {
            from: turned_size(image),
            to: (placed.size.0 as usize, placed.size.1 as usize),
            part: placed.part,
            filter: options.filter,
        };
        let e = image.extent;
        let part = placed.part.area().saturating_mul(channels).saturating_mul(kind.bytes() as u64);
        let alpha = if with_alpha(image, options.mode) {
            e.rect().area().saturating_mul(channels * kind.bytes() as u64)
        } else {
            0
        };
        let bytes = [
            source.cost((e.height, e.width), &Channels::all(e.channels))?.total(),
            upright_bytes(e.rect().area(), e.channels, image.dtype, options.mode),
            alpha,
            resize_scratch_bytes(&resize, channels as usize, kind.bytes()),
            part,
            self.row_bytes(),
            if options.compress { deflate_bound(self.row_bytes()).saturating_add(400 << 10) } else { 0 },
            PIECE as u64,
        ];
        Ok((Opened { source, placed }, bytes.into_iter().fold(0, u64::saturating_add)))
    }

    /// What a picture costs, from its header.
    pub(super) fn cost(&self, index: u64) -> Result<u64> {
        self.open(index).map(|(_, bytes)| bytes).map_err(|error| named(self.item(index), error))
    }

    /// The row of a picture, in the slot.
    fn make(&self, opened: &Opened, work: &mut Work) -> Result<()> {
        let Opened { source, placed } = opened;
        let Work { scratch, upright: turned_buffer, resized, row, resize, .. } = work;
        let image = source.image();
        let channels = Channels::all(image.extent.channels);
        let request = Request { rect: image.extent.rect(), channels: &channels };
        source.fetch(&request, scratch)?;
        let Read { pixels, .. } = source.read(&request, scratch)?;
        let orientation = image.metadata.orientation.unwrap_or(1);
        let turned = upright(pixels, inks(image), orientation, self.options.mode, turned_buffer)?;
        let Upright { dtype, shape: [height, width, count], samples } = turned;
        let resizing = Resize {
            from: (height, width),
            to: (placed.size.0 as usize, placed.size.1 as usize),
            part: placed.part,
            filter: self.options.filter,
        };
        let part = (placed.part.height as usize, placed.part.width as usize);
        let at = (placed.at.0 as usize, placed.at.1 as usize);
        let writer = self.row.as_ref().ok_or_else(|| Error::Panic("rows have no writer".into()))?;
        let whole = resizing.to == resizing.from && part == resizing.from;
        if whole {
            return writer.write(dtype, &samples, part, at, row);
        }
        resized.resize(part.0 * part.1 * count * dtype.bytes())?;
        // What is only picked is not weighed.
        let alpha = with_alpha(image, self.options.mode) && self.options.filter != Filter::Nearest;
        match dtype {
            DataType::U8 if alpha && resizing.to != resizing.from => {
                resize_with_alpha(&resizing, count, &samples, resized.bytes_mut(), resize)?;
            }
            DataType::U8 => resize_into::<u8>(&resizing, count, &samples, resized.bytes_mut(), resize)?,
            DataType::U16 => {
                let from = cast::<u16>(&samples)?;
                resize_into(&resizing, count, from, resized.samples_mut::<u16>(), resize)?;
            }
            _ => {
                let from = cast::<f32>(&samples)?;
                resize_into(&resizing, count, from, resized.samples_mut::<f32>(), resize)?;
            }
        }
        writer.write(dtype, resized.bytes(), part, at, row)
    }

    fn fails(&self, error: &Error) -> bool {
        self.options.on_bad == OnBadImage::Fail || matches!(error, Error::Cancelled | Error::Panic(_))
    }
}

fn cast<T: outcrop_core::Sample>(bytes: &[u8]) -> Result<&[T]> {
    bytemuck::try_cast_slice(bytes).map_err(|_| Error::Panic("samples are not aligned".into()))
}

/// Transparency weighs the colours, as Pillow has it: multiplied before, divided after.
fn resize_with_alpha(
    resize: &Resize,
    channels: usize,
    from: &[u8],
    to: &mut [u8],
    scratch: &mut ResizeScratch,
) -> Result<()> {
    let mut weighed = Buffer::new();
    weighed.resize(from.len())?;
    let out = weighed.bytes_mut();
    for (from, to) in from.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
        let alpha = u32::from(from[channels - 1]);
        for (from, to) in from.iter().zip(&mut *to) {
            let t = u32::from(*from) * alpha + 128;
            *to = (((t >> 8) + t) >> 8) as u8;
        }
        to[channels - 1] = from[channels - 1];
    }
    resize_into::<u8>(resize, channels, weighed.bytes(), to, scratch)?;
    for pixel in to.chunks_exact_mut(channels) {
        let alpha = u32::from(pixel[channels - 1]);
        if alpha != 0 && alpha != 255 {
            for colour in &mut pixel[..channels - 1] {
                *colour = (255 * u32::from(*colour) / alpha).min(255) as u8;
            }
        }
    }
    Ok(())
}

/// Whether a picture is worked on with its transparency as the last channel.
fn with_alpha(image: &Image, mode: Mode) -> bool {
    mode == Mode::Keep
        && image.dtype == DataType::U8
        && matches!((inks(image), image.extent.channels), (Inks::Gray, 2) | (Inks::Rgb, 4))
        && image.metadata.extra_samples.last() == Some(&2)
}

fn inks(image: &Image) -> Inks {
    match (image.metadata.photometric_code, image.extent.channels) {
        (Some(0), 1 | 2) => Inks::WhiteIsZero,
        (Some(1) | None, 1 | 2) => Inks::Gray,
        // TIFF's YCbCr is RGB once it is decoded from JPEG.
        (Some(2) | None, 3 | 4) => Inks::Rgb,
        (Some(6), 3) if image.codec.contains("JPEG") => Inks::Rgb,
        (Some(5), 4 | 5) => Inks::Cmyk,
        (Some(3), 3) => Inks::Rgb,
        _ => Inks::Other,
    }
}

/// Rows and columns the right way up.
fn turned(image: &Image) -> (u64, u64) {
    let (height, width) = (image.extent.height, image.extent.width);
    if image.metadata.orientation.unwrap_or(1) >= 5 { (width, height) } else { (height, width) }
}

fn turned_size(image: &Image) -> (usize, usize) {
    let (height, width) = turned(image);
    (height as usize, width as usize)
}

fn open_item(path: &Path) -> Result<Box<dyn Source>> {
    // Small files: a map costs more than a read.
    let options = OpenOptions { io: IoMode::Read, expand_palette: true, ..OpenOptions::default() };
    open(path, &options)
}

fn named(item: &PackItem, error: Error) -> Error {
    match error {
        Error::Cancelled => Error::Cancelled,
        error => Error::Item { name: item.name.clone(), cause: Box::new(error) },
    }
}

/// SHA-256 of a file.
fn hash(path: &Path, piece: &mut Vec<u8>) -> Result<[u8; 32]> {
    let io = |e| Error::io("read the file", e);
    let mut file = File::open(path).map_err(io)?;
    let mut sum = Sha256::new();
    piece.resize(PIECE, 0);
    loop {
        match file.read(piece).map_err(io)? {
            0 => return Ok(sum.finalize().into()),
            count => sum.update(&piece[..count]),
        }
    }
}

impl Items for Job<'_> {
    type Open = Result<Opened>;
    type Slot = Work;

    fn open(&self, index: u64) -> Result<(Result<Opened>, u64)> {
        match self.maker.open(index) {
            Ok((opened, bytes)) => Ok((Ok(opened), bytes)),
            Err(error) if self.maker.fails(&error) => Err(named(self.maker.item(index), error)),
            Err(error) => Ok((Err(error), PIECE as u64)),
        }
    }

    fn too_large(&self, index: u64, error: Error) -> Result<Result<Opened>> {
        if self.maker.fails(&error) { Err(named(self.maker.item(index), error)) } else { Ok(Err(error)) }
    }

    fn work(&self, index: u64, item: Result<Opened>, work: &mut Work) -> Result<()> {
        let Job { maker, to } = self;
        let place = maker.item(index);
        let shape = item.as_ref().map_or([0; 3], |opened| {
            let e = opened.source.image().extent;
            [e.height, e.width, e.channels].map(|n| u32::try_from(n).unwrap_or(u32::MAX))
        });
        let made = item.and_then(|opened| maker.make(&opened, work));
        let mut record = Record { hash: [0; 32], shape, crc: 0, bad: None };
        work.partial = None;
        match made {
            Err(error) if maker.fails(&error) => return Err(named(place, error)),
            Err(error) => record.bad = Some(error.to_string().into()),
            Ok(()) => match to {
                To::Stats(kernel) => work.partial = Some(maker.measure(kernel, index, work)?),
                To::Rows(_) if maker.options.compress => {
                    record.crc = deflate_row(work.row.bytes(), &mut work.deflated)?;
                }
                To::Rows(rows) => {
                    // A file for each split, or one file with an array for each.
                    let (part, row) = maker.places[index as usize];
                    let part = usize::from(part);
                    let (file, array) = if rows.len() > 1 { (part, 0) } else { (0, part) };
                    record.crc = rows[file].write(array, row.into(), work.row.bytes())?;
                }
            },
        }
        if matches!(to, To::Rows(_)) {
            match hash(&place.path, &mut work.piece) {
                Ok(hash) => record.hash = hash,
                Err(error) if record.bad.is_none() => return Err(named(place, error)),
                Err(_) => {}
            }
        }
        work.record = Some(record);
        Ok(())
    }
}

impl Maker<'_> {
    fn measure(&self, kernel: &Stats, index: u64, work: &Work) -> Result<StatsPartial> {
        let dtype = kernel.validity().dtype();
        let pixels = with_dtype!(dtype, T => Pixels::contiguous(work.row.samples::<T>(), self.shape))?;
        let rect = Rect::of_size(self.shape[0] as u64, self.shape[1] as u64);
        let mut partial = kernel.start();
        kernel.fold(&mut partial, &Chunk { index, rect, inputs: &[Read { pixels, holes: &[] }] })?;
        Ok(partial)
    }
}
