//! From the blocks that a request touches to its pixels: decoded, put in place, holes filled, palettes expanded.

use std::mem::take;
use std::ops::Range;
use std::sync::Arc;

use outcrop_core::{Error, Extent, Hole, HoleKind, Rect, Request, Result, Scratch, Value};

use super::block::CodecState;
use super::copy::{self, Grid, Palette};
use super::giant::{Failed, Streams, Wanted};
use super::layout::Place;
use super::source::{Part, TiffSource};

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
        let padded =
            self.layout.tiled && part.rows < self.layout.height && self.spec.is_better_whole(part.rows);
        let fills_rows = rect.width == self.layout.width && block.x == rect.x && inside.height == part.rows;
        if pairs.is_none() && fills_rows && !padded {
            let row = here.width * samples * bytes;
            let place = here.at.0 * row..(here.at.0 + inside.height as usize) * row;
            return self.spec.decode(
                stored,
                rows,
                &mut work.codec,
                &mut work.decoded.bytes_mut()[plane][place],
            );
        }
        let columns = block.width as u32;
        let mut decode = |rows: u64, codec: &mut CodecState| {
            let whole = Rect { height: rows, width: self.layout.width, ..block };
            work.block.resize(self.image_bytes(&whole, samples as u64, bytes)?)?;
            self.spec.decode_part(stored, (rows as u32, columns), codec, work.block.bytes_mut())
        };
        // A fault in the padding is none of the image's.
        if !(padded && decode(self.layout.height, &mut work.codec).is_ok()) {
            decode(part.rows, &mut work.codec)?;
        }
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
    pub(super) fn decode_into(&self, request: &Request<'_>, scratch: &mut Scratch) -> Result<()> {
        scratch.holes.clear();
        let codec =
            take(&mut scratch.context).and_then(|s| s.downcast::<CodecState>().ok()).unwrap_or_default();
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
        scratch.context = Some(work.codec);
        scratch.blocks = work.blocks;
        done
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
