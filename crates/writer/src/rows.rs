//! [`RowsSink`]: a header, then samples in C order, each at a known place. What raw, `.npy` and ENVI share.
//!
//! In a file the workers write their chunks themselves, by offset, from where the samples lie wherever that is
//! possible; a commit only counts. In a stream they encode, and the commits write in order.
//!
//! Positioned writes, not a mapped output: 1.5 to 1.9 GB/s into the page cache against 0.3 to 0.6 (1.6 GB, 2 threads,
//! chunks of 1 to 16 MiB, ext4), and a full disk is an error there, not a signal.

use std::sync::Arc;

use ndarray::ArrayView3;
use outcrop_core::{
    Buffer, ByteOrder, DataType, Encoder, Error, Extent, Pixels, Rect, Result, Sample, Sink, with_pixels,
};

use crate::gather::gather;
use crate::output::{Output, Stream};
use crate::resume::{TAIL_BYTES, changed, check_published, pack, unpack, unpack_front};
use crate::{PartialFile, Positioned};

/// A small file that belongs to the output and is published after it.
pub(crate) struct Sidecar {
    pub(crate) file: PartialFile,
    pub(crate) content: Vec<u8>,
}

pub(crate) struct RowsSink {
    output: Output,
    sidecar: Option<Sidecar>,
    /// What a stream starts with, until it was written.
    header: Vec<u8>,
    encoder: Arc<RowsEncoder>,
    pixels_done: u64,
    /// What was committed last.
    last: Rect,
    total: u64,
    /// The file's, where the output is one; of an output that is gone on with, what it was at first.
    inode: u64,
}

struct RowsEncoder {
    extent: Extent,
    dtype: DataType,
    order: ByteOrder,
    /// The file and the place of the first sample in it; `None` for a stream.
    place: Option<(Arc<Positioned>, u64)>,
}

impl RowsSink {
    pub(crate) fn new(
        mut output: Output,
        sidecar: Option<Sidecar>,
        header: Vec<u8>,
        (extent, dtype): (Extent, DataType),
        order: ByteOrder,
        resume: Option<&[u8]>,
    ) -> Result<RowsSink> {
        let total = extent
            .samples()
            .and_then(|n| n.checked_mul(dtype.bytes() as u64)?.checked_add(header.len() as u64))
            .filter(|&total| total <= i64::MAX as u64)
            .ok_or_else(|| {
                Error::Usage(format!(
                    "an output of {} x {} x {} samples of {dtype} is larger than any file can be",
                    extent.height, extent.width, extent.channels
                ))
            })?;
        let place = match &mut output {
            Output::Stream(_) => None,
            Output::File(partial) if resume.is_some() => Some((partial.file().clone(), header.len() as u64)),
            Output::File(partial) => {
                partial.ensure_space(total, true)?;
                let file = partial.file().clone();
                file.set_len(total)?;
                file.reserve(total)?;
                file.write_all_at(&header, 0)?;
                Some((file, header.len() as u64))
            }
        };
        let encoder = Arc::new(RowsEncoder { extent, dtype, order, place });
        let last = Rect::of_size(0, 0);
        let inode = if let Output::File(file) = &output { file.inode() } else { 0 };
        let mut sink = RowsSink { output, sidecar, header, encoder, pixels_done: 0, last, total, inode };
        if let Some(state) = resume {
            sink.restore(state)?;
        }
        Ok(sink)
    }

    /// Goes on where a checkpoint says, once the file is what it was then.
    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let pixels = self.encoder.extent.rect().area();
        if let Output::Stream(stream) = &mut self.output {
            let ([pixels_done], state) = unpack_front(state)?;
            if pixels_done > 0 {
                self.header.clear();
            }
            self.pixels_done = pixels_done;
            return stream.restore(state, pixels_done == pixels);
        }
        let Output::File(file) = &self.output else { return Ok(()) };
        let [total, pixels_done, y, x, height, width, tail, inode] = unpack(state)?;
        check_published(file, inode, pixels_done == pixels)?;
        let mut header = vec![0; self.header.len()];
        let whole = Rect::checked(y, x, height, width).filter(|r| self.encoder.extent.rect().contains(r));
        let length = file.file().file().metadata().map_or(0, |found| found.len());
        if total != self.total || length != total {
            return Err(changed(file, "the length"));
        }
        if !file.file().read_all_at(&mut header, 0)? || header != self.header {
            return Err(changed(file, "the header"));
        }
        self.last = whole.ok_or_else(|| changed(file, "the size"))?;
        if self.tail()? != Some(tail) {
            return Err(changed(file, "the end"));
        }
        (self.pixels_done, self.inode) = (pixels_done, inode);
        Ok(())
    }

    /// The checksum of rows at the end of what was committed last; `None` for a stream.
    fn tail(&self) -> Result<Option<u64>> {
        let Some((file, start)) = &self.encoder.place else { return Ok(None) };
        let pixel = self.encoder.extent.channels * self.encoder.dtype.bytes() as u64;
        let bytes = (self.last.width * pixel).min(TAIL_BYTES);
        let mut row = vec![0; bytes as usize];
        let rows = TAIL_BYTES.checked_div(bytes).unwrap_or(0).min(self.last.height);
        let mut sum = crc32fast::Hasher::new();
        for y in self.last.bottom() - rows..self.last.bottom() {
            if !file.read_all_at(&mut row, start + self.encoder.offset(y, self.last.x))? {
                return Ok(None);
            }
            sum.update(&row);
        }
        Ok(Some(sum.finalize().into()))
    }

    fn start_stream<'a>(stream: &'a mut Stream, header: &mut Vec<u8>) -> Result<&'a mut Stream> {
        stream.write_all(&std::mem::take(header))?;
        Ok(stream)
    }
}

impl Sink for RowsSink {
    /// A stream takes full-width bands only.
    fn align(&self) -> (u64, u64) {
        match self.output {
            Output::File(_) => (1, 1),
            Output::Stream(_) => (1, self.encoder.extent.width),
        }
    }

    fn encoder(&self) -> Arc<dyn Encoder> {
        self.encoder.clone()
    }

    fn commit(&mut self, index: u64, rect: Rect, encoded: &mut Buffer) -> Result<()> {
        if let Output::Stream(stream) = &mut self.output {
            let extent = self.encoder.extent;
            if rect.width != extent.width || rect.y.checked_mul(extent.width) != Some(self.pixels_done) {
                return Err(Error::Panic(format!("chunk {index} ({rect}) came out of order to a stream")));
            }
            RowsSink::start_stream(stream, &mut self.header)?.write_all(encoded.bytes())?;
        }
        if let Some((file, start)) = &self.encoder.place
            && rect.right() == self.encoder.extent.width
        {
            // Its rows are whole now, also where chunks are narrower.
            let rows = self.encoder.offset(rect.y, 0)..self.encoder.offset(rect.bottom(), 0);
            file.begin_write_out(start + rows.start, rows.end - rows.start);
        }
        self.pixels_done += rect.area();
        self.last = rect;
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<Option<Vec<u8>>> {
        match &mut self.output {
            Output::File(file) => file.keep()?,
            Output::Stream(stream) => {
                return Ok(stream.save()?.map(|to| [pack([self.pixels_done]), to].concat()));
            }
        }
        let r = self.last;
        let tail = self.tail()?;
        Ok(tail
            .map(|tail| pack([self.total, self.pixels_done, r.y, r.x, r.height, r.width, tail, self.inode])))
    }

    fn bytes_bound(&self) -> Option<u64> {
        Some(self.total)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let pixels = self.encoder.extent.rect().area();
        if self.pixels_done != pixels {
            return Err(Error::Panic(format!("{} of {pixels} pixels were written", self.pixels_done)));
        }
        let data = match self.output {
            Output::File(data) => data,
            Output::Stream(mut stream) => {
                return RowsSink::start_stream(&mut stream, &mut self.header)?.flush();
            }
        };
        let Some(sidecar) = self.sidecar else { return data.publish() };
        sidecar.file.file().write_all_at(&sidecar.content, 0)?;
        data.publish_before(sidecar.file)
    }
}

impl RowsEncoder {
    /// Bytes from the image's first sample to the first one of a row and column.
    fn offset(&self, y: u64, x: u64) -> u64 {
        (y * self.extent.width + x) * self.extent.channels * self.dtype.bytes() as u64
    }

    fn encode_view<T: Sample>(
        &self,
        rect: Rect,
        view: ArrayView3<'_, T>,
        encoded: &mut Buffer,
    ) -> Result<()> {
        let swap = self.order != ByteOrder::NATIVE && size_of::<T>() > 1;
        let Some((file, start)) = &self.place else {
            return gather_all(view, encoded, swap);
        };
        let write = |samples: &[T], y: u64, x: u64| {
            file.write_all_at(bytemuck::cast_slice(samples), start + self.offset(y, x))
        };
        if rect.width == self.extent.width {
            if let (Some(samples), false) = (view.as_slice(), swap) {
                return write(samples, rect.y, 0);
            }
            gather_all(view, encoded, swap)?;
            write(encoded.samples(), rect.y, 0)?;
        } else {
            for (y, row) in (rect.y..).zip(view.outer_iter()) {
                if let (Some(samples), false) = (row.as_slice(), swap) {
                    write(samples, y, rect.x)?;
                } else {
                    gather_all(row.insert_axis(ndarray::Axis(0)), encoded, swap)?;
                    write(encoded.samples(), y, rect.x)?;
                }
            }
        }
        encoded.resize(0)
    }
}

fn gather_all<T: Sample>(view: ArrayView3<'_, T>, encoded: &mut Buffer, swap: bool) -> Result<()> {
    encoded.resize(view.len() * size_of::<T>())?;
    let row = view.dim().1 * view.dim().2;
    gather(view, encoded.samples_mut::<T>(), row, swap);
    Ok(())
}

impl Encoder for RowsEncoder {
    fn cost(&self, shape: (u64, u64)) -> u64 {
        let pixel = self.extent.channels.saturating_mul(self.dtype.bytes() as u64);
        shape.0.saturating_mul(shape.1).saturating_mul(pixel)
    }

    fn encode(&self, index: u64, rect: Rect, pixels: Pixels<'_>, encoded: &mut Buffer) -> Result<()> {
        check_chunk(index, rect, &pixels, self.extent, self.dtype)?;
        with_pixels!(pixels, view => self.encode_view(rect, view, encoded))
    }
}

/// Refuses a chunk that is not of the output's type and channels, or does not lie inside it.
pub(crate) fn check_chunk(
    index: u64,
    rect: Rect,
    pixels: &Pixels<'_>,
    extent: Extent,
    dtype: DataType,
) -> Result<()> {
    let wanted = [rect.height, rect.width, extent.channels];
    let found = pixels.shape().map(|n| n as u64);
    if found == wanted && pixels.dtype() == dtype && extent.rect().contains(&rect) {
        return Ok(());
    }
    Err(Error::Panic(format!(
        "chunk {index} ({rect}) is {found:?} of {}, the output takes {wanted:?} of {dtype}",
        pixels.dtype()
    )))
}
