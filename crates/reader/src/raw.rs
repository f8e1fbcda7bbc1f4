//! [`RawSource`]: an uncompressed array in a file. Also what `.npy` and ENVI files are once their header is read.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use outcrop_core::{
    BlockLayout, Buffer, ByteOrder, Channels, Cost, DataType, Error, Extent, Image, LINE, Pixels, PixelsMut,
    Read, Rect, Request, Result, Sample, Scratch, Source, with_dtype,
};

use crate::IoMode;
use crate::runs::{AxisOrder, Selection};
use crate::store::Store;

/// How channels lie in a raw file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interleave {
    /// By pixel: rows, columns, channels.
    #[default]
    Bip,
    /// By line: rows, channels, columns.
    Bil,
    /// Sequential: channels, rows, columns.
    Bsq,
}

impl Interleave {
    /// The interleave of that name: `bip`, `bil` or `bsq`, in any case.
    pub fn from_name(name: &str) -> Option<Interleave> {
        match name.trim().to_ascii_lowercase().as_str() {
            "bip" => Some(Interleave::Bip),
            "bil" => Some(Interleave::Bil),
            "bsq" => Some(Interleave::Bsq),
            _ => None,
        }
    }
}

/// What must be known of a raw file to read it.
#[derive(Clone, Debug, PartialEq)]
pub struct RawSpec {
    /// Rows, columns, channels.
    pub extent: Extent,
    /// The type of the samples.
    pub dtype: DataType,
    /// The byte at which the samples begin.
    pub offset: u64,
    /// Byte order of the samples.
    pub byte_order: ByteOrder,
    /// How channels lie.
    pub interleave: Interleave,
    /// Whether bytes may follow the samples. Where not, a file of another size is refused: a wrong shape is the
    /// usual mistake.
    pub trailing: bool,
}

/// Reads `H,W` or `H,W,C`; `x` may stand for the comma.
///
/// # Errors
/// [`Error::Usage`] for anything else, and for zeros.
pub fn parse_shape(text: &str) -> Result<Extent> {
    let numbers: Option<Vec<u64>> =
        text.split([',', 'x']).map(|n| n.trim().parse().ok().filter(|&n| n > 0)).collect();
    match numbers.as_deref() {
        Some(&[h, w]) => Ok(Extent::new(h, w, 1)),
        Some(&[h, w, c]) => Ok(Extent::new(h, w, c)),
        _ => {
            let shown: String = text.chars().take(60).collect();
            Err(Error::Usage(format!(
                "expected rows, columns and maybe channels, all positive, found `{shown}` (--shape H,W[,C])"
            )))
        }
    }
}

/// An uncompressed array in a file, any interleave, either byte order.
///
/// Lends large requests where they lie on the map, if they are aligned and of the machine's byte order; elsewhere what the
/// request needs lies in the scratch, run by run, in the order of the file, and is lent from there by strides.
/// What is read rather than mapped is read by the worker that uses it, as long as it is in the page cache.
#[derive(Debug)]
pub struct RawSource {
    store: Arc<Store>,
    image: Image,
    order: AxisOrder,
    offset: u64,
    repair: Repair,
    /// Whether samples on the map can be lent as they lie.
    lendable: bool,
}

/// What stored samples need before they are the machine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repair {
    Nothing,
    Swap,
    /// Booleans: any byte but 0 is 1, as NumPy has it.
    Boolean,
}

impl RawSource {
    /// Opens a raw file.
    ///
    /// # Errors
    /// As [`Store::open`]; [`Error::Usage`] naming both sizes where the array does not fit the file.
    pub fn open(path: &Path, io: IoMode, spec: &RawSpec) -> Result<RawSource> {
        RawSource::new(Arc::new(Store::open(path, io)?), spec)
    }

    /// The array that `spec` describes in an open file.
    ///
    /// # Errors
    /// [`Error::Usage`] naming both sizes where the array does not fit the file.
    pub fn new(store: Arc<Store>, spec: &RawSpec) -> Result<RawSource> {
        check_size(store.len(), spec)?;
        let (order, layout) = match spec.interleave {
            Interleave::Bip => (AxisOrder::BIP, BlockLayout::Rows { planar: false }),
            Interleave::Bil => (AxisOrder::BIL, BlockLayout::Rows { planar: false }),
            Interleave::Bsq => (AxisOrder::BSQ, BlockLayout::Rows { planar: true }),
        };
        let mut image = Image::plain("raw", spec.extent, spec.dtype, layout);
        image.byte_order = spec.byte_order;
        RawSource::with_image(store, image, order, spec.offset)
    }

    /// An array whose description is made already; checks that it lies in the file.
    pub(crate) fn with_image(
        store: Arc<Store>,
        mut image: Image,
        order: AxisOrder,
        offset: u64,
    ) -> Result<RawSource> {
        let bytes = array_bytes(image.extent, image.dtype)?;
        if offset.checked_add(bytes).is_none_or(|end| end > store.len()) {
            return Err(Error::Format(format!(
                "the header promises {bytes} bytes of samples at byte {offset}, the file has {} bytes",
                store.len()
            )));
        }
        image.stored_bytes = store.len();
        let size = image.dtype.bytes() as u64;
        let native = size == 1 || image.byte_order == ByteOrder::NATIVE;
        let repair = if native { Repair::Nothing } else { Repair::Swap };
        let lendable = store.is_mapped() && native && offset.is_multiple_of(size);
        Ok(RawSource { store, image, order, offset, repair, lendable })
    }

    /// The same array of bytes as booleans.
    pub(crate) fn into_booleans(self) -> RawSource {
        RawSource { repair: Repair::Boolean, lendable: false, ..self }
    }

    fn size(&self) -> u64 {
        self.image.dtype.bytes() as u64
    }

    fn select(&self, request: &Request<'_>) -> Result<Selection> {
        let extent = self.image.extent;
        if !extent.rect().contains(&request.rect) {
            return Err(Error::Usage(format!("pixels {} lie outside the image", request.rect)));
        }
        if let Some(c) = request.channels.indices().iter().find(|&&c| c >= extent.channels) {
            return Err(Error::Usage(format!("channel {} does not exist", c + 1)));
        }
        Ok(Selection::new(self.order, extent, self.size(), request.rect, request.channels))
    }

    /// Byte ranges of the runs of a selection.
    fn ranges(&self, selection: &Selection) -> impl Iterator<Item = (u64, u64)> {
        let (_, samples) = selection.run_shape();
        let (offset, size) = (self.offset, self.size());
        selection.runs().map(move |first| (offset + first * size, samples * size))
    }

    /// Whether a request is read into the scratch. Also where the file is mapped it is, if it is one small run, which is faster, or
    /// many short runs far apart, of which each would make up to 2 MiB more resident.
    fn is_read(&self, selection: &Selection) -> bool {
        let (runs, samples) = selection.run_shape();
        if runs == 1 && self.store.is_better_read(samples * self.size()) {
            return true;
        }
        let dense = runs == 1
            || samples * self.size() >= LONG_RUN
            || selection.span() <= selection.samples().saturating_mul(2);
        !(self.store.is_mapped() && dense)
    }

    /// The samples of a request on the map; it has some.
    fn lend(&self, request: &Request<'_>) -> Result<View<'_>> {
        let (rect, channels) = (request.rect, request.channels.indices());
        let low = channels.iter().copied().min().unwrap_or(0);
        let high = channels.iter().copied().max().unwrap_or(0);
        let extent = self.image.extent;
        let strides = self.order.strides([extent.height, extent.width, extent.channels]);
        let first = rect.y * strides[0] + rect.x * strides[1] + low * strides[2];
        let shape = [rect.height, rect.width, high - low + 1];
        let span: u64 = (0..3).map(|axis| (shape[axis] - 1) * strides[axis]).sum::<u64>() + 1;
        let (offset, bytes) = (self.offset + first * self.size(), span * self.size());
        let bytes = self.store.mapped(offset, bytes).unwrap_or(&[]);
        let positions = channels.iter().map(|c| c - low).collect();
        Ok(View { bytes, shape, strides, positions: Channels::select(positions, high - low + 1)? })
    }

    fn repair(&self, stored: &mut Buffer) {
        match self.repair {
            Repair::Nothing => {}
            Repair::Boolean => stored.bytes_mut().iter_mut().for_each(|b| *b = u8::from(*b != 0)),
            Repair::Swap => with_dtype!(self.image.dtype, T => {
                stored.samples_mut::<T>().iter_mut().for_each(|s| *s = s.swap_bytes());
            }),
        }
    }

    /// Where a selection lies in what was read: one run in a longer one, or all that was read.
    fn packed_place(&self, selection: &Selection, scratch: &Scratch) -> Option<Range<usize>> {
        let bytes = usize::try_from(selection.samples() * self.size()).ok()?;
        if selection.run_shape().0 > 1 {
            let all = scratch.segments.first()?.1.start..scratch.stored.len();
            return (all.len() == bytes).then_some(all);
        }
        let offset = self.offset + selection.runs().next()? * self.size();
        scratch.segments.iter().find_map(|(start, place)| {
            let skip = usize::try_from(offset.checked_sub(*start)?).ok()?;
            (skip.checked_add(bytes)? <= place.len()).then(|| place.start + skip..place.start + skip + bytes)
        })
    }

    /// Writes the runs of a selection one after the other into `packed`, as the machine has them.
    fn pack(&self, selection: &Selection, scratch: &Scratch, packed: &mut Buffer) -> Result<()> {
        packed.resize((selection.samples() * self.size()) as usize)?;
        let mut out = packed.bytes_mut();
        for (offset, bytes) in self.ranges(selection) {
            let (run, rest) = out.split_at_mut(bytes as usize);
            run.copy_from_slice(self.store.stored(scratch, offset, bytes)?);
            out = rest;
        }
        self.repair(packed);
        Ok(())
    }
}

/// Samples that lie in order in memory, of shape (rows, columns, channels kept), and which of the channels are wanted.
struct View<'a> {
    bytes: &'a [u8],
    shape: [u64; 3],
    strides: [u64; 3],
    positions: Channels,
}

impl<'a> View<'a> {
    /// The wanted channels, as a view where they are evenly spaced, gathered into `decoded` elsewhere.
    fn pixels(self, dtype: DataType, decoded: &'a mut Buffer) -> Result<Pixels<'a>> {
        let to_usize = |v: [u64; 3]| v.map(|n| n as usize);
        let all = Pixels::from_bytes(dtype, self.bytes, to_usize(self.shape), to_usize(self.strides))?
            .ok_or_else(|| Error::Format("samples are not aligned".into()))?;
        if let Some(pixels) = all.select(&self.positions) {
            return Ok(pixels);
        }
        let shape = [self.shape[0] as usize, self.shape[1] as usize, self.positions.len()];
        decoded.resize(shape.iter().product::<usize>() * dtype.bytes())?;
        all.gather(&self.positions, PixelsMut::in_buffer(dtype, decoded, shape)?);
        with_dtype!(dtype, T => Pixels::contiguous(decoded.samples::<T>(), shape))
    }
}

impl Source for RawSource {
    fn image(&self) -> &Image {
        &self.image
    }

    fn cost(&self, shape: (u64, u64), channels: &Channels) -> Result<Cost> {
        let extent = self.image.extent;
        let rect = Rect::of_size(shape.0.min(extent.height), shape.1.min(extent.width));
        let selection = self.select(&Request { rect, channels })?;
        let packed = selection.samples() * self.size();
        // A smaller chunk may go another way, but never costs more than what is said here.
        let (runs, samples) = selection.run_shape();
        let run = samples * self.size();
        let resident = if runs == 1 || run >= LONG_RUN {
            self.store.resident_bytes(runs, run)
        } else {
            self.store.resident_bytes(1, packed.saturating_mul(2)).max(packed)
        };
        let read = runs == 1 && self.store.is_better_read(run);
        let on_map = self.store.is_mapped() && !read;
        let stored_bytes = if on_map { resident } else { packed.saturating_add(LINE as u64) };
        let copied = if self.repair != Repair::Nothing || on_map && !self.lendable { packed } else { 0 };
        let gathered = match channels.as_step() {
            Some((_, step)) if step != 0 => 0,
            _ => rect.area().saturating_mul(channels.len() as u64).saturating_mul(self.size()),
        };
        Ok(Cost { stored_bytes, scratch_bytes: copied.saturating_add(gathered) })
    }

    fn reads_parts(&self, shape: (u64, u64), channels: &Channels) -> bool {
        let extent = self.image.extent;
        let rect = Rect::of_size(shape.0.min(extent.height), shape.1.min(extent.width));
        self.select(&Request { rect, channels }).is_ok_and(|selection| selection.run_shape().0 == 1)
    }

    fn fetch(&self, request: &Request<'_>, scratch: &mut Scratch) -> Result<()> {
        let selection = self.select(request)?;
        let ranges: Vec<_> = self.ranges(&selection).collect();
        if self.is_read(&selection) {
            self.store.fetch_or_leave(&ranges, scratch)
        } else {
            self.store.fetch(&ranges, scratch)
        }
    }

    fn read<'a>(&'a self, request: &Request<'_>, scratch: &'a mut Scratch) -> Result<Read<'a>> {
        let selection = self.select(request)?;
        let dtype = self.image.dtype;
        if selection.samples() == 0 || request.channels.is_empty() {
            let shape = [request.rect.height, request.rect.width, request.channels.len() as u64];
            let pixels = with_dtype!(dtype, T => Pixels::contiguous::<T>(&[], shape.map(|n| n as usize)))?;
            return Ok(Read { pixels, holes: &[] });
        }
        if scratch.left {
            self.store.read_left(&self.ranges(&selection).collect::<Vec<_>>(), scratch)?;
            self.repair(&mut scratch.stored);
        }
        let is_read = !scratch.segments.is_empty();
        if !is_read && self.lendable {
            return Ok(Read { pixels: self.lend(request)?.pixels(dtype, &mut scratch.decoded)?, holes: &[] });
        }
        // Where the samples lie packed among those that were read, if they are the machine's own there.
        let own = scratch.left || is_read && self.repair == Repair::Nothing;
        let place = self.packed_place(&selection, scratch).filter(|_| own);
        if place.is_none() {
            let mut block = std::mem::take(&mut scratch.block);
            self.pack(&selection, scratch, &mut block)?;
            scratch.block = block;
        }
        let Scratch { stored, decoded, block, .. } = scratch;
        let bytes = place.map_or(block.bytes(), |place| &stored.bytes()[place]);
        let strides = selection.packed_strides();
        let first = (request.rect.y - selection.start[0]) * strides[0]
            + (request.rect.x - selection.start[1]) * strides[1];
        let kept = selection.lengths[2];
        let view = View {
            bytes: bytes.get((first * self.size()) as usize..).unwrap_or(&[]),
            shape: [request.rect.height, request.rect.width, kept],
            strides,
            positions: Channels::select(selection.positions(request.channels), kept)?,
        };
        Ok(Read { pixels: view.pixels(dtype, decoded)?, holes: &[] })
    }

    fn release(&self, request: &Request<'_>) {
        if let Ok(selection) = self.select(request)
            && !self.is_read(&selection)
        {
            let ranges: Vec<_> = self.ranges(&selection).collect();
            self.store.release(&ranges);
        }
    }
}

/// Runs of this many bytes are lent even where they are far apart (planes), whatever pages come along at their ends
/// (see [`Store::resident_bytes`]).
const LONG_RUN: u64 = 512 << 10;

/// Bytes of an array, as long as they can be addressed.
fn array_bytes(extent: Extent, dtype: DataType) -> Result<u64> {
    let Extent { height, width, channels } = extent;
    // Zeros count as one here, so that strides fit too.
    let most = Extent::new(height.max(1), width.max(1), channels.max(1)).samples();
    let fits = most.and_then(|n| n.checked_mul(dtype.bytes() as u64)).is_some_and(|n| n <= i64::MAX as u64);
    fits.then(|| height * width * channels * dtype.bytes() as u64).ok_or_else(|| {
        Error::Format(format!("an array of {height} x {width} x {channels} {dtype} is larger than any file"))
    })
}

/// Compares the file with what the user says is in it.
fn check_size(len: u64, spec: &RawSpec) -> Result<()> {
    let RawSpec { extent: Extent { height, width, channels }, dtype, offset, .. } = *spec;
    let bytes = array_bytes(spec.extent, dtype)?;
    let there = len.saturating_sub(offset);
    if there == bytes || spec.trailing && there > bytes {
        return Ok(());
    }
    let from = if offset > 0 { format!(" from byte {offset} on") } else { String::new() };
    let mut text = format!(
        "the shape does not fit the file: {height} x {width} x {channels} {dtype} needs {bytes} bytes, the file has \
         {there}{from}"
    );
    let size = dtype.bytes() as u64;
    let fits = |t: &&DataType| bytes / size * t.bytes() as u64 == there && t.bytes() as u64 != size;
    let fitting: Vec<&DataType> = DataType::ALL.iter().filter(fits).collect();
    if let [first, others @ ..] = &fitting[..] {
        let others: String = others.iter().map(|t| format!(" or {t}")).collect();
        text += &format!("; {first}{others} would fit");
        match (dtype, first.bytes()) {
            (DataType::U8, 8) => text += " (`u8` is eight bits here, eight bytes in NumPy)",
            (DataType::I8, 8) => text += " (`i8` is eight bits here, eight bytes in NumPy)",
            _ => {}
        }
        text += " (--dtype)";
    } else if there > bytes {
        text += " (--shape, --dtype, or --offset to read a part)";
    } else {
        text += " (--shape, --dtype, --offset)";
    }
    Err(Error::Usage(text))
}
