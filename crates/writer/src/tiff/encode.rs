//! [`BlockEncoder`]: the workers' part. A chunk becomes `[length of each block][bytes of each block]`.

use std::sync::{Mutex, PoisonError};

use outcrop_core::{Buffer, Encoder, Error, Pixels, Rect, Result, Sample, Value, with_pixels};

use super::Compression;
use super::codec::{Codec, Shape};
use super::layout::{Layout, Run};
use super::predict::predict;
use crate::gather::{extend_edges, gather};
use crate::rows::check_chunk;

/// Bytes of a block's length at the head of an encoded chunk; 0 is a block that is left out.
pub(super) const LENGTH_BYTES: usize = 8;

/// Cuts chunks into blocks and compresses them.
pub(super) struct BlockEncoder {
    pub(super) layout: Layout,
    pub(super) compression: Compression,
    pub(super) predictor: u16,
    /// Blocks that hold only this value are left out.
    pub(super) sparse: Option<Value>,
    /// Contexts that no worker is using.
    idle: Mutex<Vec<Worker>>,
}

/// What one worker needs, kept from chunk to chunk.
struct Worker {
    codec: Codec,
    block: Buffer,
    spare: Buffer,
}

impl BlockEncoder {
    pub(super) fn new(
        layout: Layout,
        compression: Compression,
        predictor: u16,
        sparse: Option<Value>,
    ) -> Result<BlockEncoder> {
        let encoder = BlockEncoder { layout, compression, predictor, sparse, idle: Mutex::new(Vec::new()) };
        encoder.put_back(encoder.worker()?);
        Ok(encoder)
    }

    /// The most bytes that one block can become.
    pub(super) fn block_bound(&self) -> usize {
        self.compression.bound(self.layout.block_bytes(), self.row_bytes())
    }

    fn row_bytes(&self) -> usize {
        (self.layout.width * self.layout.pixel_bytes()) as usize
    }

    fn worker(&self) -> Result<Worker> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(worker) => Ok(worker),
            None => {
                let codec = Codec::new(self.compression, self.layout.dtype)?;
                Ok(Worker { codec, block: Buffer::new(), spare: Buffer::new() })
            }
        }
    }

    fn put_back(&self, worker: Worker) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
    }

    fn encode_chunk(
        &self,
        rect: Rect,
        pixels: Pixels<'_>,
        worker: &mut Worker,
        encoded: &mut Buffer,
    ) -> Result<()> {
        let blocks = self.layout.blocks_in((rect.height, rect.width)) as usize;
        let (mut at, mut index) = (blocks * LENGTH_BYTES, 0);
        encoded.resize(blocks.saturating_mul(self.block_bound()).saturating_add(at))?;
        for run in self.layout.runs(rect)? {
            for i in 0..run.count {
                let (part, rows) = self.block_of(rect, pixels, &run, i);
                let out = &mut encoded.bytes_mut()[at..];
                let len = with_pixels!(part, view => self.encode_block(view, rows, worker, out))?;
                encoded.bytes_mut()[index * LENGTH_BYTES..][..LENGTH_BYTES]
                    .copy_from_slice(&(len as u64).to_ne_bytes());
                at += len;
                index += 1;
            }
        }
        encoded.resize(at)
    }

    /// The pixels of block `i` of a run that lie in the image, and how many rows the block stores.
    fn block_of<'a>(&self, rect: Rect, pixels: Pixels<'a>, run: &Run, i: u64) -> (Pixels<'a>, u64) {
        let l = &self.layout;
        let (y, x) = (run.row * l.height, (run.column + i) * l.width);
        let rows = y - rect.y..(y + l.height).min(rect.bottom()) - rect.y;
        let columns = x - rect.x..(x + l.width).min(rect.right()) - rect.x;
        let channels = run.plane * l.per_plane..(run.plane + 1) * l.per_plane;
        let part = [rows, columns, channels]
            .into_iter()
            .enumerate()
            .fold(pixels, |p, (axis, r)| p.slice(axis, r.start as usize..r.end as usize));
        (part, l.stored_rows(y))
    }

    fn encode_block<T: Sample>(
        &self,
        view: ndarray::ArrayView3<'_, T>,
        rows: u64,
        worker: &mut Worker,
        out: &mut [u8],
    ) -> Result<usize> {
        if let Some(fill) = self.sparse.and_then(Value::to_sample::<T>) {
            // Compared as bytes: -0.0 and NaNs of other payloads are samples that must come back.
            let fill = bytemuck::bytes_of(&fill);
            if view.iter().all(|s| bytemuck::bytes_of(s) == fill) {
                return Ok(0);
            }
        }
        let (width, stride) = (self.layout.width as usize, self.layout.per_plane as usize);
        let row = width * stride;
        let len = rows as usize * row * size_of::<T>();
        let uncompressed = self.compression == Compression::None;
        // Lengths and uncompressed blocks are whole multiples of the sample, so that `out` is aligned for it.
        let samples = if uncompressed {
            bytemuck::cast_slice_mut::<u8, T>(&mut out[..len])
        } else {
            worker.block.resize(len)?;
            worker.block.samples_mut::<T>()
        };
        if view.dim().0 < rows as usize || view.dim().1 < width {
            bytemuck::fill_zeroes(samples);
        }
        let (height, used) = (view.dim().0, view.dim().1);
        gather(view, samples, row, false);
        if matches!(self.compression, Compression::Jpeg { .. }) {
            extend_edges(samples, row, stride, height, used);
        }
        worker.spare.resize(row * size_of::<T>())?;
        predict(self.predictor, samples, row, stride, worker.spare.bytes_mut());
        if uncompressed {
            return Ok(len);
        }
        let rows = rows as usize;
        let shape = Shape { rows, columns: width, channels: stride, row_bytes: row * size_of::<T>() };
        worker.codec.compress(worker.block.bytes(), shape, out)
    }
}

impl Encoder for BlockEncoder {
    fn cost(&self, shape: (u64, u64)) -> u64 {
        let each = self.block_bound() as u64 + LENGTH_BYTES as u64;
        let block = self.layout.block_bytes();
        (self.layout.blocks_in(shape).saturating_mul(each))
            .saturating_add((block + self.row_bytes()) as u64)
            .saturating_add(self.compression.context_bytes(block, self.row_bytes()))
    }

    fn encode(&self, index: u64, rect: Rect, pixels: Pixels<'_>, encoded: &mut Buffer) -> Result<()> {
        check_chunk(index, rect, &pixels, self.layout.extent, self.layout.dtype)?;
        // A worker whose encoder failed is dropped: its contexts may be in any state.
        let mut worker = self.worker()?;
        self.encode_chunk(rect, pixels, &mut worker, encoded)?;
        self.put_back(worker);
        Ok(())
    }
}

/// The lengths at the head of an encoded chunk, and the bytes after them.
pub(super) fn split(encoded: &[u8], blocks: usize) -> Result<(impl Iterator<Item = u64> + '_, &[u8])> {
    let (lengths, data) = encoded
        .split_at_checked(blocks * LENGTH_BYTES)
        .ok_or_else(|| Error::Panic(format!("an encoded chunk of {} bytes", encoded.len())))?;
    let (lengths, _) = lengths.as_chunks::<LENGTH_BYTES>();
    Ok((lengths.iter().map(|b| u64::from_ne_bytes(*b)), data))
}
