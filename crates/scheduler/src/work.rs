//! One chunk on its way: its [`Slot`], and the stages that it passes, with their faults named.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use outcrop_core::{
    Buffer, Chunk, DataType, Encoder, Error, Map, Order, Permit, Pixels, PixelsMut, Read, Rect, Request,
    Result, Scratch,
};

use crate::parts::Parts;
use crate::plan::{Input, Output};
use crate::report::{Clock, Meter};

/// Room for one chunk in flight: its permit, and the buffers that go along with it from stage to stage.
///
/// A job makes as many as the budget admits and uses each again and again; their memory and their permits come
/// back together when the job ends. A pool of buffers that outlived their permits would be memory nobody counts.
/// The permit pays for a [`Desk`] too, which a chunk has only while a worker is at it.
pub(crate) struct Slot {
    pub(crate) index: u64,
    pub(crate) rect: Rect,
    /// Whether the chunk got through all stages so far.
    pub(crate) sound: bool,
    scratches: Vec<Scratch>,
    output: Buffer,
    pub(crate) encoded: Buffer,
    /// `None` for the job's first slot, which the job's own permit covers. Dropped last.
    _permit: Option<Permit>,
}

/// What a chunk needs only while a worker is at it: codec contexts, decoded pixels and those of a map, and stored bytes where it
/// is the worker who reads them.
///
/// There are as many as chunks are worked on at once, fewer than are in flight, and the one that was used last is used
/// next: what it holds is still in a cache.
#[derive(Default)]
pub(crate) struct Desk {
    inputs: Vec<Near>,
    output: Buffer,
}

/// A desk's buffers for one input, and which of them are in the place of a chunk's.
#[derive(Default)]
struct Near {
    /// Of these [`Scratch::decoded`], [`Scratch::block`], [`Scratch::context`] and [`Scratch::stored`], nothing else.
    scratch: Scratch,
    /// Whether the chunk's are lent: a stream's are not, it is decoded when it is fetched.
    lent: bool,
    /// Whether that of stored bytes is as well: the feeder has left the reading to the worker.
    stored: bool,
}

impl Slot {
    pub(crate) fn new(inputs: usize, permit: Option<Permit>) -> Slot {
        Slot {
            index: 0,
            rect: Rect::of_size(0, 0),
            sound: false,
            scratches: std::iter::repeat_with(Scratch::new).take(inputs).collect(),
            output: Buffer::new(),
            encoded: Buffer::new(),
            _permit: permit,
        }
    }

    /// Works on the chunk at `desk`, whose buffers are warm from the chunk before; with that of stored bytes where it is the
    /// worker who reads them and `at_desk` says that there is room, which is paid for apart.
    pub(crate) fn at<R>(
        &mut self,
        desk: &mut Desk,
        inputs: &[Input<'_>],
        at_desk: bool,
        work: impl FnOnce(&mut Slot) -> R,
    ) -> R {
        desk.inputs.resize_with(inputs.len(), Default::default);
        for ((scratch, near), input) in self.scratches.iter().zip(&mut desk.inputs).zip(inputs) {
            near.lent = input.source.order() == Order::Any;
            near.stored = at_desk && near.lent && scratch.left;
        }
        self.swap(desk);
        let done = work(self);
        self.swap(desk);
        done
    }

    fn swap(&mut self, desk: &mut Desk) {
        for (scratch, near) in self.scratches.iter_mut().zip(&mut desk.inputs) {
            if near.lent {
                std::mem::swap(&mut scratch.decoded, &mut near.scratch.decoded);
                std::mem::swap(&mut scratch.block, &mut near.scratch.block);
                std::mem::swap(&mut scratch.context, &mut near.scratch.context);
            }
            if near.stored {
                std::mem::swap(&mut scratch.stored, &mut near.scratch.stored);
            }
        }
        std::mem::swap(&mut self.output, &mut desk.output);
    }

    /// Whether fetching has left the reading of all inputs to the worker.
    pub(crate) fn was_left(&self, inputs: &[Input<'_>]) -> bool {
        let is_left =
            |(input, scratch): (&Input<'_>, &Scratch)| input.source.order() == Order::Any && scratch.left;
        inputs.iter().zip(&self.scratches).all(is_left)
    }

    /// Begins a chunk.
    pub(crate) fn place(&mut self, index: u64, rect: Rect) {
        (self.index, self.rect, self.sound) = (index, rect, true);
    }

    /// Fetches the chunk of every input.
    pub(crate) fn fetch(&mut self, inputs: &[Input<'_>], meter: &Meter) -> Result<()> {
        guard("fetch", self.index, self.rect, || {
            meter.time(Clock::Fetch, || {
                for (input, scratch) in inputs.iter().zip(&mut self.scratches) {
                    input.source.fetch(&Request { rect: self.rect, channels: &input.channels }, scratch)?;
                }
                Ok(())
            })
        })
    }

    /// Reads the chunk that was fetched, part by part, and lets `kernel` see each: with the position of its channel, where that
    /// is all that was read.
    pub(crate) fn compute(
        &mut self,
        parts: &Parts<'_>,
        meter: &Meter,
        mut kernel: impl FnMut(&Chunk<'_>, Option<usize>) -> Result<()>,
    ) -> Result<()> {
        let (index, chunk, scratches) = (self.index, self.rect, &mut self.scratches);
        parts.visit(chunk, |rect, inputs, channel| {
            let reads = read((index, chunk), rect, inputs, scratches, meter)?;
            let part = Chunk { index, rect, inputs: &reads };
            guard("kernel", index, chunk, || meter.time(Clock::Kernel, || kernel(&part, channel)))
        })
    }

    /// Reads the chunk that was fetched, maps and encodes it. `place` is the chunk's in the output.
    pub(crate) fn make(
        &mut self,
        inputs: &[Input<'_>],
        meter: &Meter,
        map: &dyn Map,
        (output, place): (Output, Rect),
        encoder: &dyn Encoder,
    ) -> Result<()> {
        let (index, rect, made, encoded) = (self.index, self.rect, &mut self.output, &mut self.encoded);
        let shape = shape_of(rect, output.channels)?;
        let reads = read((index, rect), rect, inputs, &mut self.scratches, meter)?;
        let chunk = Chunk { index, rect, inputs: &reads };
        let pixels = guard("kernel", index, rect, || {
            meter.time(Clock::Kernel, || mapped(map, &chunk, made, output.dtype, shape))
        })?;
        guard("encode", index, rect, || {
            meter.time(Clock::Encode, || encoder.encode(index, place, pixels, encoded))
        })
    }

    /// Lets go of what was fetched and counts what was decoded; once for every chunk that [`fetch`](Slot::fetch) was
    /// called for.
    pub(crate) fn release(&mut self, inputs: &[Input<'_>], meter: &Meter) -> Result<()> {
        meter.decoded(self.scratches.iter_mut().map(|scratch| std::mem::take(&mut scratch.blocks)).sum());
        guard("decode", self.index, self.rect, || {
            for input in inputs {
                input.source.release(&Request { rect: self.rect, channels: &input.channels });
            }
            Ok(())
        })
    }
}

/// Reads `rect` of what was fetched of every input for a chunk.
fn read<'a>(
    (index, chunk): (u64, Rect),
    rect: Rect,
    inputs: &'a [Input<'_>],
    scratches: &'a mut [Scratch],
    meter: &Meter,
) -> Result<Vec<Read<'a>>> {
    let mut reads: Vec<Read<'_>> = Vec::with_capacity(inputs.len());
    guard("decode", index, chunk, || {
        meter.time(Clock::Decode, || {
            for (number, (input, scratch)) in (0..).zip(inputs.iter().zip(scratches)) {
                let request = Request { rect, channels: &input.channels };
                let read = input.source.read(&request, scratch)?;
                meter.bad.note(number, read.holes);
                let (got, wanted) = (read.pixels.shape(), shape_of(rect, input.channels.len() as u64)?);
                if got != wanted {
                    return Err(Error::Format(format!("the source gave pixels of {got:?}, not {wanted:?}")));
                }
                reads.push(read);
            }
            Ok(())
        })
    })?;
    Ok(reads)
}

/// The pixels of a map: where they lie already, or computed into `made`.
fn mapped<'a>(
    map: &dyn Map,
    chunk: &Chunk<'a>,
    made: &'a mut Buffer,
    dtype: DataType,
    shape: [usize; 3],
) -> Result<Pixels<'a>> {
    if let Some(lent) = map.lend(chunk) {
        return Ok(lent);
    }
    let samples = shape.iter().try_fold(dtype.bytes(), |n, &side| n.checked_mul(side));
    made.resize(samples.ok_or_else(|| too_large(chunk.rect))?)?;
    map.apply(chunk, PixelsMut::in_buffer(dtype, made, shape)?)?;
    let pixels = Pixels::from_bytes(dtype, made.bytes(), shape, [shape[1] * shape[2], shape[2], 1])?;
    pixels.ok_or_else(|| Error::Format("the output is not aligned".into()))
}

/// Rows, columns and channels as sizes in memory.
fn shape_of(rect: Rect, channels: u64) -> Result<[usize; 3]> {
    let size = |n: u64| usize::try_from(n).map_err(|_| too_large(rect));
    Ok([size(rect.height)?, size(rect.width)?, size(channels)?])
}

fn too_large(rect: Rect) -> Error {
    Error::Limits { what: format!("a chunk of {rect}"), needed: u64::MAX, limit: isize::MAX as u64 }
}

/// Runs a stage of a chunk and says, of an error or a panic in it, which stage and chunk it was.
pub(crate) fn guard<R>(
    stage: &'static str,
    index: u64,
    rect: Rect,
    work: impl FnOnce() -> Result<R>,
) -> Result<R> {
    match unwound(work) {
        Err(Error::Cancelled) => Err(Error::Cancelled),
        Err(cause) => Err(Error::Chunk { stage, chunk: index, rect, cause: Box::new(cause) }),
        done => done,
    }
}

/// Runs `work` and makes an error of a panic. What a panic may have left half done is never looked at again: the
/// job fails, and its slots and partials are dropped.
pub(crate) fn unwound<R>(work: impl FnOnce() -> Result<R>) -> Result<R> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Error::Panic(message(&*panic))))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| s.to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into())
}
