//! [`Plan`]: what a job will do and what it costs, before a pixel is read.

use outcrop_core::{
    BlockLayout, Channels, ChunkGrid, Cost, DataType, Error, Image, Order, Rect, Result, Sink, Source,
};

use crate::checkpoint::Facts;
use crate::shape;

/// One input of a job: a source and the channels wanted of it.
#[derive(Clone)]
pub struct Input<'a> {
    /// Where the pixels come from.
    pub source: &'a dyn Source,
    /// Which channels the kernel sees, in this order.
    pub channels: Channels,
}

/// What a job will do: its chunks, their order and their cost.
///
/// A plan follows from the images, the kernel's needs, the sink's blocks and fixed constants alone. It never looks
/// at the machine or the budget, so that results, checkpoints and shards mean the same everywhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    stage: String,
    grid: ChunkGrid,
    order: Order,
    /// Shape of the parts in which a chunk is read, and what it is a multiple of; `None` where it is read whole.
    part: Option<Shape>,
    inputs: Vec<Cost>,
    /// Stored bytes of what is read at a time.
    near_bytes: u64,
    output: Option<Output>,
    chunk_bytes: u64,
    partial_bytes: u64,
    pixel_bytes: u64,
    bytes_to_decode: u64,
    amplification: f64,
    stored_bound: u64,
    output_bound: Option<u64>,
    variant: Option<&'static str>,
    blocks: Vec<Blocks>,
    passes: usize,
    /// Bytes of a partial of the passes that follow, at most.
    later_bytes: u64,
}

/// What a writing job makes of a chunk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Output {
    pub(crate) dtype: DataType,
    pub(crate) channels: u64,
}

impl Plan {
    /// The plan of a reduction over `window` of the inputs, whose partials take at most `partial_bytes` each.
    ///
    /// The first input decides on the shape of the chunks; further ones (a mask) have the same rows and columns.
    /// `chunk` (rows, columns) asks for another shape; it is raised to whole blocks.
    ///
    /// # Errors
    /// [`Error::Usage`] for no input, a window outside the image, inputs of different sizes, a channel that does
    /// not exist, a chunk of no pixels; what a source answers when asked for its cost.
    pub fn reduce(
        stage: &str,
        inputs: &[Input<'_>],
        window: Rect,
        chunk: Option<(u64, u64)>,
        partial_bytes: u64,
    ) -> Result<Plan> {
        let first = check(inputs, window, chunk)?;
        let (grid, part) = reducing_grid(inputs, first, window, chunk)?;
        let mut plan = Plan::over(stage, inputs, first, grid, part)?;
        plan.partial_bytes = partial_bytes;
        Ok(plan)
    }

    /// The plan of a job that makes a chunk of `output`'s type and channels of every chunk of the inputs.
    ///
    /// Chunks are runs of whole blocks of the sink, counted from the window's corner; where the sink takes any
    /// chunk, they follow the source as in [`reduce`](Plan::reduce).
    ///
    /// # Errors
    /// As [`reduce`](Plan::reduce).
    pub fn write(
        stage: &str,
        inputs: &[Input<'_>],
        window: Rect,
        chunk: Option<(u64, u64)>,
        output: (DataType, u64),
        sink: &dyn Sink,
    ) -> Result<Plan> {
        let first = check(inputs, window, chunk)?;
        let output = Output { dtype: output.0, channels: output.1 };
        let grid = match sink.align() {
            (0 | 1, 0 | 1) => {
                let (shape, align) = reading_shape(inputs, first, window, false)?;
                grid_of(inputs, first, window, (chunk.unwrap_or(shape), align))
            }
            align => {
                let pixel = pixel_bytes(&inputs[0])?.max(output.pixel_bytes()?);
                let (mut shape, mut unit) =
                    shape::writing(align, layout(&inputs[0]), first.extent, window, pixel);
                if let Some(asked) = chunk {
                    (shape, unit) = (asked, align);
                }
                if order(inputs) == Order::Sequential {
                    shape.1 = window.width;
                }
                ChunkGrid::from_corner(window, shape, unit)
            }
        };
        let mut plan = Plan::over(stage, inputs, first, grid, None)?;
        let (rows, columns) = grid.shape();
        let made = rows.saturating_mul(columns).saturating_mul(output.pixel_bytes()?);
        let encoded = sink.encoder().cost(grid.shape());
        plan.chunk_bytes = plan.chunk_bytes.saturating_add(made).saturating_add(encoded);
        plan.output = Some(output);
        (plan.output_bound, plan.variant) = (sink.bytes_bound(), sink.variant());
        Ok(plan)
    }

    /// Says how many passes over the input, this one included, the whole answer takes at most, where it is not this one
    /// alone.
    pub fn with_passes(mut self, most: usize) -> Plan {
        self.passes = most;
        self
    }

    /// Says how many bytes are written at most of what was reduced, by whoever asked for it.
    pub fn with_written_bytes(mut self, most: u64) -> Plan {
        self.output_bound = Some(most);
        self
    }

    /// Says how many bytes a partial of the passes that follow has at most: what does not fit is then known before the
    /// first.
    pub fn with_later_bytes(mut self, most: u64) -> Plan {
        self.later_bytes = most;
        self
    }

    /// The plan of the pass that follows with the largest partial, where that is larger than this one's.
    pub(crate) fn later(&self) -> Option<Plan> {
        let larger = self.later_bytes > self.partial_bytes;
        larger.then(|| Plan { partial_bytes: self.later_bytes, ..self.clone() })
    }

    /// What [`with_passes`](Plan::with_passes) said, or 1.
    pub fn passes(&self) -> usize {
        self.passes
    }

    fn over(
        stage: &str,
        inputs: &[Input<'_>],
        first: &Image,
        grid: ChunkGrid,
        part: Option<Shape>,
    ) -> Result<Plan> {
        let mut costs = Vec::with_capacity(inputs.len());
        let (mut pixel, mut chunk_bytes, mut decoded, mut stored) = (0u64, 0u64, 0u64, 0u64);
        let mut all_blocks = Vec::with_capacity(inputs.len());
        let mut near_bytes = 0u64;
        for input in inputs {
            let mut cost = input.source.cost(grid.shape(), &input.channels)?;
            let mut near = cost;
            if let Some((shape, _)) = part {
                near = input.source.cost(shape, &input.channels)?;
                cost.scratch_bytes = near.scratch_bytes;
            }
            near_bytes = near_bytes.saturating_add(near.stored_bytes);
            chunk_bytes = chunk_bytes.saturating_add(cost.total());
            pixel = pixel.saturating_add(pixel_bytes(input)?);
            let blocks = Blocks::of(input, grid.window());
            decoded = decoded.saturating_add(blocks.decoded_bytes(&grid));
            stored = stored.saturating_add(match cost.stored_bytes.saturating_mul(grid.len()) {
                // Every block is fetched once, so no more than all of them; which may share bytes of the file.
                each if blocks.amplification(&grid) <= 1.0 => match input.source.image().stored_bytes {
                    0 => each,
                    all => each.min(all.max(input.source.stored_bytes().unwrap_or(u64::MAX))),
                },
                each => each,
            });
            costs.push(cost);
            all_blocks.push(blocks);
        }
        let amplification = Blocks::of(&inputs[0], grid.window()).amplification(&grid);
        Ok(Plan {
            stage: stage.into(),
            order: order(inputs),
            part,
            inputs: costs,
            near_bytes,
            output: None,
            chunk_bytes,
            partial_bytes: 0,
            pixel_bytes: pixel,
            bytes_to_decode: decoded,
            amplification: if first.extent.rect().is_empty() { 1.0 } else { amplification },
            stored_bound: stored,
            output_bound: None,
            variant: None,
            blocks: all_blocks,
            passes: 1,
            later_bytes: 0,
            grid,
        })
    }

    /// What the job does, in a word or two.
    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// The chunks, in the order in which they are admitted and committed.
    pub fn grid(&self) -> &ChunkGrid {
        &self.grid
    }

    /// Chunks in all.
    pub fn chunks(&self) -> u64 {
        self.grid.len()
    }

    /// Whether the inputs are read as a stream.
    pub fn order(&self) -> Order {
        self.order
    }

    /// The most bytes that a chunk holds while in flight: stored, decoded and scratch of every input, and what is
    /// made and encoded of it.
    pub fn chunk_bytes(&self) -> u64 {
        self.chunk_bytes
    }

    /// Whether chunks are read in parts.
    pub(crate) fn has_parts(&self) -> bool {
        self.part.is_some()
    }

    /// The parts of a chunk, in the order in which they are read; the chunk itself where it is read whole.
    pub(crate) fn parts(&self, chunk: Rect) -> ChunkGrid {
        match self.part {
            Some((shape, align)) => ChunkGrid::new(chunk, shape, align),
            None => ChunkGrid::from_corner(chunk, (chunk.height, chunk.width), (1, 1)),
        }
    }

    /// The most stored bytes of what a worker reads at a time.
    pub(crate) fn near_bytes(&self) -> u64 {
        self.near_bytes
    }

    /// What a chunk of each input costs at its worst, where it is read in parts with the scratch of one of them.
    pub fn input_costs(&self) -> &[Cost] {
        &self.inputs
    }

    /// The most bytes of one partial; 0 for jobs that write.
    pub fn partial_bytes(&self) -> u64 {
        self.partial_bytes
    }

    /// The least budget with which the job runs.
    pub fn least_bytes(&self) -> u64 {
        self.chunk_bytes.saturating_add(self.partial_bytes)
    }

    /// Bytes of the pixels wanted: the window's, in the channels selected, of all inputs. Progress counts these.
    pub fn bytes(&self) -> u64 {
        self.grid.window().area().saturating_mul(self.pixel_bytes)
    }

    /// Bytes that are decoded at most: whole storage blocks, each as often as a chunk touches it.
    pub fn bytes_to_decode(&self) -> u64 {
        self.bytes_to_decode
    }

    /// How often a block of the first input is decoded, on average: 1 where no chunk border cuts one.
    pub fn amplification(&self) -> f64 {
        self.amplification
    }

    /// Stored bytes that are read at most.
    pub fn bytes_to_read(&self) -> u64 {
        self.stored_bound
    }

    /// Bytes that the output takes at most: 0 for jobs of which nothing is written, `None` where the sink cannot say.
    pub fn bytes_to_write(&self) -> Option<u64> {
        if self.output.is_some() { self.output_bound } else { Some(self.output_bound.unwrap_or(0)) }
    }

    /// The variant of the output's format that was chosen, where there are several.
    pub fn variant(&self) -> Option<&'static str> {
        self.variant
    }

    /// The name and the absence of an output among the [facts](Plan::facts).
    pub(crate) const OUTPUT: &'static str = "the output";
    pub(crate) const NO_OUTPUT: &'static str = "none";

    /// What must be equal for the chunks of another process's plan to be the same, with names for people.
    pub(crate) fn facts(&self) -> Facts {
        let grid = &self.grid;
        let output = self.output.map_or_else(
            || Plan::NO_OUTPUT.into(),
            |o| format!("{} of {} channels", o.dtype.name(), o.channels),
        );
        let shape = grid.shape();
        [
            ("the stage", self.stage.clone()),
            ("the window", grid.window().to_string()),
            ("the chunks' shape (--chunk)", format!("{},{}", shape.0, shape.1)),
            ("the number of chunks", grid.len().to_string()),
            (Plan::OUTPUT, output),
            ("the plan", format!("{grid:?} {:?} {} {}", self.order, self.pixel_bytes, self.inputs.len())),
        ]
        .map(|(what, value)| (what.to_string(), value))
        .to_vec()
    }

    /// Storage blocks that the window touches, over all inputs; 0 for data that is not in blocks.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks.iter().map(|b| b.in_rect(self.grid.window())).fold(0, u64::saturating_add)
    }

    pub(crate) fn output(&self) -> Option<Output> {
        self.output
    }

    pub(crate) fn wanted_bytes(&self, rect: Rect) -> u64 {
        rect.area().saturating_mul(self.pixel_bytes)
    }
}

impl Output {
    fn pixel_bytes(self) -> Result<u64> {
        samples_bytes(self.channels, self.dtype)
    }
}

fn samples_bytes(channels: u64, dtype: DataType) -> Result<u64> {
    channels.checked_mul(dtype.bytes() as u64).ok_or_else(|| Error::Limits {
        what: "a pixel".into(),
        needed: u64::MAX,
        limit: i64::MAX as u64,
    })
}

fn pixel_bytes(input: &Input<'_>) -> Result<u64> {
    samples_bytes(input.channels.len() as u64, input.source.image().dtype)
}

fn order(inputs: &[Input<'_>]) -> Order {
    let stream = inputs.iter().any(|i| i.source.order() == Order::Sequential);
    if stream { Order::Sequential } else { Order::Any }
}

/// The first input's image, once all inputs and the window agree.
fn check<'a>(inputs: &[Input<'a>], window: Rect, chunk: Option<(u64, u64)>) -> Result<&'a Image> {
    let first = inputs.first().ok_or_else(|| Error::Usage("a job needs an input".into()))?.source.image();
    if matches!(chunk, Some((0, _) | (_, 0))) {
        return Err(Error::Usage("a chunk of no rows or columns (--chunk H,W, both at least 1)".into()));
    }
    for input in inputs {
        let extent = input.source.image().extent;
        if (extent.height, extent.width) != (first.extent.height, first.extent.width) {
            return Err(Error::Usage(format!(
                "the inputs differ in size: {} x {} and {} x {} (width x height)",
                first.extent.width, first.extent.height, extent.width, extent.height
            )));
        }
        if let Some(missing) = input.channels.indices().iter().find(|&&c| c >= extent.channels) {
            return Err(Error::Usage(format!(
                "channel {} does not exist: the image has channels 1 to {} (--channels)",
                missing + 1,
                extent.channels
            )));
        }
    }
    let inside = Rect::checked(window.y, window.x, window.height, window.width)
        .is_some_and(|w| first.extent.rect().contains(&w));
    if !inside {
        return Err(Error::Usage(format!(
            "the window {window} reaches outside the image, which has {} x {} pixels (--window x,y,w,h)",
            first.extent.width, first.extent.height
        )));
    }
    Ok(first)
}

/// A shape of chunks, and what it is a multiple of.
type Shape = ((u64, u64), (u64, u64));

/// The chunks of a reduction, and the parts in which they are read, if they are: where there is one input, which can be read so,
/// and no shape was asked for, which the kernel may need.
fn reducing_grid(
    inputs: &[Input<'_>],
    first: &Image,
    window: Rect,
    chunk: Option<(u64, u64)>,
) -> Result<(ChunkGrid, Option<Shape>)> {
    let part = reading_shape(inputs, first, window, true)?;
    if let (None, [input]) = (chunk, inputs) {
        let shape = shape::of_parts(part.0, window, pixel_bytes(input)?);
        let grid = grid_of(inputs, first, window, (shape, part.1));
        if input.source.reads_parts(grid.shape(), &input.channels) {
            return Ok((grid, Some(part)));
        }
    }
    Ok((grid_of(inputs, first, window, (chunk.unwrap_or(part.0), part.1)), None))
}

fn reading_shape(inputs: &[Input<'_>], first: &Image, window: Rect, reduced: bool) -> Result<Shape> {
    let streams = order(inputs) == Order::Sequential;
    // What a stream has decoded is in nobody's cache: small chunks gain nothing there.
    let cached = reduced && !streams;
    Ok(shape::reading(layout(&inputs[0]), first.extent, window, pixel_bytes(&inputs[0])?, cached))
}

fn grid_of(inputs: &[Input<'_>], first: &Image, window: Rect, (mut shape, mut align): Shape) -> ChunkGrid {
    if order(inputs) == Order::Sequential {
        (shape.1, align.1) = (first.extent.width, first.extent.width);
    }
    ChunkGrid::new(window, shape, align)
}

/// How an input is laid out for planning: a stream goes on where it stopped, so its blocks cut nothing.
fn layout(input: &Input<'_>) -> BlockLayout {
    match input.source.order() {
        Order::Sequential => BlockLayout::Rows { planar: false },
        Order::Any => input.source.image().layout,
    }
}

/// The storage blocks that a window meets, as two independent axes.
#[derive(Clone, Debug, PartialEq)]
struct Blocks {
    rows: Axis,
    columns: Axis,
    pixel_bytes: u64,
    /// Blocks at one place: the channels selected where they are stored apart; 0 where nothing is in blocks.
    planes: u64,
}

/// The blocks of one axis: their size, and where the window begins and ends.
#[derive(Clone, Debug, PartialEq)]
struct Axis {
    block: u64,
    start: u64,
    size: u64,
}

impl Blocks {
    fn of(input: &Input<'_>, window: Rect) -> Blocks {
        let (image, layout) = (input.source.image(), layout(input));
        let planar = match layout {
            BlockLayout::Rows { planar }
            | BlockLayout::Strips { planar, .. }
            | BlockLayout::Tiles { planar, .. } => planar,
            _ => true,
        };
        let channels = if planar { input.channels.len() as u64 } else { image.extent.channels };
        let align = layout.align(image.extent.width);
        let axis =
            |block: u64, image: u64, start, size| Axis { block: block.clamp(1, image.max(1)), start, size };
        Blocks {
            rows: axis(align.0, image.extent.height, window.y, window.height),
            columns: axis(align.1, image.extent.width, window.x, window.width),
            pixel_bytes: channels.saturating_mul(image.dtype.bytes() as u64),
            planes: match layout {
                BlockLayout::Strips { planar, .. } | BlockLayout::Tiles { planar, .. } => {
                    if planar {
                        input.channels.len() as u64
                    } else {
                        1
                    }
                }
                _ => 0,
            },
        }
    }

    /// Blocks that `rect` meets.
    fn in_rect(&self, rect: Rect) -> u64 {
        let meets = |block: u64, start: u64, end: u64| {
            if end > start { end.div_ceil(block) - start / block } else { 0 }
        };
        meets(self.rows.block, rect.y, rect.bottom())
            .saturating_mul(meets(self.columns.block, rect.x, rect.right()))
            .saturating_mul(self.planes)
    }

    /// Bytes of all blocks that chunks touch, each counted for every chunk that touches it.
    fn decoded_bytes(&self, grid: &ChunkGrid) -> u64 {
        let (rows, columns) = self.touched(grid);
        let pixels = |touched: u64, axis: &Axis| touched.saturating_mul(axis.block);
        pixels(rows, &self.rows)
            .saturating_mul(pixels(columns, &self.columns))
            .saturating_mul(self.pixel_bytes)
    }

    fn amplification(&self, grid: &ChunkGrid) -> f64 {
        let (rows, columns) = self.touched(grid);
        let (once_rows, once_columns) = (self.rows.blocks(), self.columns.blocks());
        if once_rows == 0 || once_columns == 0 {
            return 1.0;
        }
        rows as f64 / once_rows as f64 * (columns as f64 / once_columns as f64)
    }

    fn touched(&self, grid: &ChunkGrid) -> (u64, u64) {
        if grid.is_empty() {
            return (0, 0);
        }
        let ((down, across), first) = (grid.counts(), grid.rect(0));
        let pitch =
            |last: u64, first: u64, chunks: u64| if chunks > 2 { (last - first) / (chunks - 2) } else { 1 };
        let last = grid.rect(grid.len() - 1);
        let rows = self.rows.touched(first.bottom(), pitch(last.y, first.bottom(), down), down);
        let columns = self.columns.touched(first.right(), pitch(last.x, first.right(), across), across);
        (rows, columns)
    }
}

impl Axis {
    /// Blocks that the window meets.
    fn blocks(&self) -> u64 {
        if self.size == 0 {
            return 0;
        }
        (self.start + self.size).div_ceil(self.block) - self.start / self.block
    }

    /// Blocks that chunks touch, where the borders between `chunks` chunks lie at `border`, `border + pitch`, ...
    /// A border inside a block makes that block count once more.
    fn touched(&self, border: u64, pitch: u64, chunks: u64) -> u64 {
        let borders = chunks.saturating_sub(1);
        self.blocks().saturating_add(borders - on_multiples(border, pitch, borders, self.block))
    }
}

/// How many of the `count` numbers `start`, `start + step`, ... are multiples of `of`.
fn on_multiples(start: u64, step: u64, count: u64, of: u64) -> u64 {
    // They repeat with this period, and within one period at most one of them is a multiple.
    let period = of / shape::greatest_divisor(of, step);
    let first = (0..period.min(count).min(1 << 16)).find(|k| {
        let at = u128::from(start) + u128::from(*k) * u128::from(step);
        at % u128::from(of) == 0
    });
    first.map_or(0, |k| (count - 1 - k) / period + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_core::Extent;
    use outcrop_testkit::{MemorySink, MemorySource, ramp};
    use proptest::prelude::*;

    fn source(layout: BlockLayout) -> MemorySource {
        MemorySource::new(Extent::new(60, 50, 2), &ramp::<u16>(6000)).with_layout(layout)
    }

    fn input(source: &MemorySource) -> [Input<'_>; 1] {
        [Input { source, channels: Channels::all(2) }]
    }

    proptest! {
        /// The closed form of how often blocks are touched equals counting them chunk by chunk.
        #[test]
        fn decoded_bytes_count_every_touch(
            y in 0u64..20, x in 0u64..20, height in 1u64..40, width in 1u64..30,
            ch in 1u64..30, cw in 1u64..30, th in 1u64..20, tw in 1u64..20, corner: bool,
        ) {
            let source = source(BlockLayout::Tiles { height: th, width: tw, planar: false });
            let window = Rect { y, x, height, width };
            let make = if corner { ChunkGrid::from_corner } else { ChunkGrid::new };
            let grid = make(window, (ch, cw), (1, 1));
            let touched: u64 = (0..grid.len()).map(|i| {
                let r = grid.rect(i);
                (r.bottom().div_ceil(th) - r.y / th) * (r.right().div_ceil(tw) - r.x / tw)
            }).sum();
            let bytes = Blocks::of(&input(&source)[0], window).decoded_bytes(&grid);
            prop_assert_eq!(bytes, touched * th * tw * 4);
        }
    }

    #[test]
    fn reading_whole_blocks_decodes_each_once() {
        let source = source(BlockLayout::Tiles { height: 16, width: 16, planar: false });
        let window = Rect { y: 3, x: 5, height: 50, width: 41 };
        let plan = Plan::reduce("t", &input(&source), window, Some((9, 9)), 0).unwrap();
        assert_eq!((plan.amplification(), plan.chunks()), (1.0, 12));
        assert_eq!(plan.bytes(), 50 * 41 * 4);
        assert_eq!(plan.bytes_to_decode(), 12 * 16 * 16 * 4);
    }

    #[test]
    fn one_giant_strip_is_streamed_in_bands() {
        let extent = Extent::new(9000, 1000, 1);
        let source = MemorySource::new(extent, &ramp::<u8>(9_000_000));
        let source = source.with_layout(BlockLayout::Strips { rows: 9000, planar: false, whole: true });
        let chunks = |source: &MemorySource| {
            let inputs = [Input { source, channels: Channels::all(1) }];
            Plan::reduce("t", &inputs, extent.rect(), None, 0).unwrap().grid().counts()
        };
        assert_eq!(chunks(&source), (1, 1));
        assert_eq!(chunks(&source.sequential()), (3, 1));
    }

    #[test]
    fn a_chunk_asked_for_is_raised_to_whole_blocks() {
        let source = source(BlockLayout::Tiles { height: 16, width: 16, planar: false });
        let window = source.image().extent.rect();
        let shape = |align, chunk| {
            let sink = MemorySink::new(4).with_align(align);
            let plan = Plan::write("t", &input(&source), window, chunk, (DataType::U16, 2), &sink).unwrap();
            plan.grid().shape()
        };
        // The sink's blocks where it has some, else the source's.
        assert_eq!(shape((3, 50), Some((4, 1))), (6, 50));
        assert_eq!(shape((1, 1), Some((17, 1))), (32, 16));
    }

    #[test]
    fn what_cannot_be_planned_is_a_usage_error() {
        let source = source(BlockLayout::Rows { planar: false });
        let all = source.image().extent.rect();
        let refused = |inputs: &[Input<'_>], window, chunk| {
            matches!(Plan::reduce("t", inputs, window, chunk, 0), Err(Error::Usage(_)))
        };
        assert!(refused(&[], all, None));
        assert!(refused(&input(&source), all, Some((0, 3))));
        assert!(refused(&input(&source), Rect { width: u64::MAX, x: 1, ..all }, None));
        assert!(refused(&input(&source), Rect { width: 51, ..all }, None));
        let other = MemorySource::new(Extent::new(5, 5, 1), &ramp::<u8>(25));
        let mask = Input { source: &other, channels: Channels::all(1) };
        assert!(refused(&[input(&source)[0].clone(), mask], all, None));
        assert!(!refused(&input(&source), all, None));
    }
}
