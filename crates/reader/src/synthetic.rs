//! [`Synthetic`]: images that are computed, pixel by pixel, from a seed. They have any size and need no file.
//!
//! Every pixel depends on the seed and its place alone, through integer arithmetic and the operations that IEEE 754
//! rounds exactly (+, -, *, / and the square root, in one written order; no function of libm): any rectangle can be asked
//! for by itself and is the same on every machine, whatever the chunks.

use outcrop_core::{
    BlockLayout, Channels, Cost, DataType, Error, Extent, Image, Pixels, Read, Rect, Request, Result, Sample,
    Scratch, Source, Value, with_dtype,
};

mod mandelbrot;
mod random;
mod tissue;

use random::{Random, hash, noise_run};
use tissue::Tissue;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pattern {
    /// Coloured squares at random centres, with random radii up to an eighth of the image's shorter side, painted one
    /// over the other in order on zeros and clipped at the border (the well-known NumPy recipe). Integers use their
    /// whole range, floats 0 to 1.
    Squares,
    /// A ramp over the type's whole range (floats 0 to 1), rounded down: along the rows in channels 1, 4, ..., down the
    /// columns in 2, 5, ..., along the diagonal in 3, 6, ...
    Gradient,
    /// Independent samples, uniform over the type's whole range (floats: 0 to 1 without 1).
    Noise,
    /// Squares of the type's greatest and least value (floats 1 and 0) in turn, the greatest first, eight along the shorter
    /// side of the image.
    Checkerboard,
    /// The Mandelbrot set, coloured by the time of escape; the shorter side is 2.5 long in the complex plane.
    Mandelbrot,
    /// What a slide of stained tissue (haematoxylin and eosin) looks like: a section on white ground, glands with
    /// their cavities, fibres, nuclei, grain. Structures have the size that they have at 0.25 µm per pixel.
    Tissue,
    /// One value.
    Constant(Value),
}

impl Pattern {
    /// The pattern of that name: `squares`, `gradient`, `noise`, `checkerboard`, `mandelbrot` or `tissue`.
    pub fn from_name(name: &str) -> Option<Pattern> {
        match name {
            "squares" => Some(Pattern::Squares),
            "gradient" => Some(Pattern::Gradient),
            "noise" => Some(Pattern::Noise),
            "checkerboard" => Some(Pattern::Checkerboard),
            "mandelbrot" => Some(Pattern::Mandelbrot),
            "tissue" => Some(Pattern::Tissue),
            _ => None,
        }
    }
}

/// The most squares of an image: they are kept in memory, 32 bytes each.
const MAX_SQUARES: u64 = 1 << 20;

/// The longest side, so that sums of coordinates never overflow.
const MAX_SIDE: u64 = 1 << 48;

/// A computed image.
#[derive(Debug)]
pub struct Synthetic {
    image: Image,
    pattern: Pattern,
    seed: u64,
    /// In the order of painting.
    squares: Vec<Rect>,
}

impl Synthetic {
    /// An image of `pattern`. `count` is the number of squares; other patterns do not use it.
    ///
    /// # Errors
    /// [`Error::Usage`] for an image of more than 2^63 bytes or a side past 2^48, for more than 2^20 squares, and for a
    /// constant that the type does not hold.
    pub fn new(
        pattern: Pattern,
        extent: Extent,
        dtype: DataType,
        seed: u64,
        count: u64,
    ) -> Result<Synthetic> {
        let Extent { height, width, channels } = extent;
        let bytes = extent.samples().and_then(|n| n.checked_mul(dtype.bytes() as u64));
        if height.max(width).max(channels) > MAX_SIDE || bytes.is_none_or(|n| n > i64::MAX as u64) {
            return Err(Error::Usage(format!(
                "an image of {height} x {width} x {channels} {dtype} is too large: expected sides of at most 2^48 and \
                 2^63 bytes in all"
            )));
        }
        if let Pattern::Constant(value) = pattern
            && !value.fits(dtype)
        {
            return Err(Error::Usage(format!("{dtype} does not hold the value {value}")));
        }
        let mut squares = Vec::new();
        if pattern == Pattern::Squares && !extent.rect().is_empty() {
            if count > MAX_SQUARES {
                return Err(Error::Usage(format!(
                    "{count} squares are too many, the limit is {MAX_SQUARES} (--count)"
                )));
            }
            squares = (0..count).map(|i| square(seed, i, extent)).collect();
        }
        let mut image = Image::plain("generated", extent, dtype, BlockLayout::Rows { planar: false });
        image.stored_bytes = 0;
        Ok(Synthetic { image, pattern, seed, squares })
    }

    fn fill<T: Sample + Random>(&self, request: &Request<'_>, out: &mut [T], order: &mut Vec<u32>) {
        let n = request.channels.len();
        let rect = request.rect;
        let row = rect.width as usize * n;
        match self.pattern {
            Pattern::Constant(value) => out.fill(value.to_sample().unwrap_or_default()),
            Pattern::Squares => self.paint(request, out, order),
            Pattern::Noise => {
                for (y, line) in (rect.y..).zip(out.chunks_exact_mut(row)) {
                    self.noise_row(y, request, line);
                }
            }
            Pattern::Checkerboard => {
                let extent = self.image.extent;
                let side = extent.height.min(extent.width).div_ceil(8);
                for (y, line) in (rect.y..).zip(out.chunks_exact_mut(row)) {
                    for (x, pixel) in (rect.x..).zip(line.chunks_exact_mut(n)) {
                        pixel.fill(T::unit(if (y / side + x / side).is_multiple_of(2) { 1.0 } else { 0.0 }));
                    }
                }
            }
            Pattern::Mandelbrot => {
                for (y, line) in (rect.y..).zip(out.chunks_exact_mut(row)) {
                    for (x, pixel) in (rect.x..).zip(line.chunks_exact_mut(n)) {
                        self.colour(mandelbrot::colour(self.image.extent, y, x), request, pixel);
                    }
                }
            }
            Pattern::Tissue => {
                Tissue::new(self.seed, self.image.extent).paint(rect, |y, x, colour| {
                    let at = (y - rect.y) as usize * row + (x - rect.x) as usize * n;
                    self.colour(colour, request, &mut out[at..at + n]);
                });
            }
            Pattern::Gradient => {
                for (y, line) in (rect.y..).zip(out.chunks_exact_mut(row)) {
                    for (k, &c) in request.channels.indices().iter().enumerate() {
                        self.gradient_row(y, rect.x, c, line[k..].iter_mut().step_by(n));
                    }
                }
            }
        }
    }

    /// A colour as the samples of a pixel: channels 1, 4, ... are red, 2, 5, ... green, 3, 6, ... blue; an image of fewer than
    /// three channels is grey.
    #[inline(always)]
    fn colour<T: Random>(&self, [r, g, b]: [f64; 3], request: &Request<'_>, pixel: &mut [T]) {
        if self.image.extent.channels < 3 {
            return pixel.fill(T::unit(0.299 * r + 0.587 * g + 0.114 * b));
        }
        for (sample, &c) in pixel.iter_mut().zip(request.channels.indices()) {
            *sample = T::unit([r, g, b][(c % 3) as usize]);
        }
    }

    /// Samples of a row are numbered on from those of the row before; eight bytes of them share a hash.
    fn noise_row<T: Random>(&self, y: u64, request: &Request<'_>, line: &mut [T]) {
        let Extent { width, channels, .. } = self.image.extent;
        let number = |x: u64, c: u64| (y * width + x) * channels + c;
        if request.channels.is_all(channels) {
            return noise_run(self.seed, number(request.rect.x, 0), line);
        }
        for (x, pixel) in (request.rect.x..).zip(line.chunks_exact_mut(request.channels.len())) {
            for (sample, &c) in pixel.iter_mut().zip(request.channels.indices()) {
                noise_run(self.seed, number(x, c), std::slice::from_mut(sample));
            }
        }
    }

    fn gradient_row<'a, T: Random + 'a>(
        &self,
        y: u64,
        x: u64,
        channel: u64,
        out: impl Iterator<Item = &'a mut T>,
    ) {
        let Extent { height, width, .. } = self.image.extent;
        let (first, step, last) = match channel % 3 {
            0 => (x, 1, width - 1),
            1 => (y, 0, height - 1),
            _ => (x + y, 1, width + height - 2),
        };
        T::ramp(first, step, last.max(1), out);
    }

    /// Paints from the last square to the first, each only where no later one lies. Rows between two edges of squares
    /// are equal: the first is painted, the others copied.
    fn paint<T: Sample + Random>(&self, request: &Request<'_>, out: &mut [T], order: &mut Vec<u32>) {
        let (rect, channels) = (request.rect, request.channels.indices());
        order.clear();
        let mut edges = vec![rect.y, rect.bottom()];
        for (i, square) in self.squares.iter().enumerate().rev() {
            if let Some(seen) = square.intersect(&rect) {
                order.push(i as u32);
                edges.extend([seen.y, seen.bottom()]);
                if seen == rect {
                    break;
                }
            }
        }
        edges.sort_unstable();
        edges.dedup();
        let row = rect.width as usize * channels.len();
        for slab in edges.windows(2) {
            let at = |y: u64| (y - rect.y) as usize * row;
            let rows = &mut out[at(slab[0])..at(slab[1])];
            let (first, rest) = rows.split_at_mut(row);
            first.fill(T::default());
            let mut free = vec![(rect.x, rect.right())];
            for &i in order.iter() {
                if free.is_empty() {
                    break;
                }
                let square = self.squares[i as usize];
                if square.y > slab[0] || square.bottom() <= slab[0] {
                    continue;
                }
                take(&mut free, square.x, square.right(), |from, to| {
                    let span = &mut first[(from - rect.x) as usize * channels.len()..]
                        [..(to - from) as usize * channels.len()];
                    for (k, &c) in channels.iter().enumerate() {
                        let colour = T::random(hash(self.seed, COLOURS ^ (i as u64) << 32, c));
                        span[k..].iter_mut().step_by(channels.len()).for_each(|s| *s = colour);
                    }
                });
            }
            for line in rest.chunks_exact_mut(row) {
                line.copy_from_slice(first);
            }
        }
    }
}

/// Takes `from..to` out of ascending, disjoint intervals and calls `taken` for each piece that was in them.
fn take(free: &mut Vec<(u64, u64)>, from: u64, to: u64, mut taken: impl FnMut(u64, u64)) {
    let begin = free.partition_point(|&(_, end)| end <= from);
    let end = free.partition_point(|&(start, _)| start < to);
    if begin >= end {
        return;
    }
    let (first, last) = (free[begin].0, free[end - 1].1);
    for &(a, b) in &free[begin..end] {
        taken(a.max(from), b.min(to));
    }
    let left = [(first, from), (to, last)].into_iter().filter(|(a, b)| a < b);
    free.splice(begin..end, left);
}

/// The `i`-th square, clipped at the border.
fn square(seed: u64, i: u64, extent: Extent) -> Rect {
    let below = |what: u64, n: u64| ((hash(seed, SQUARES, i * 4 + what) as u128 * n as u128) >> 64) as u64;
    let radius = 1 + below(0, (extent.height.min(extent.width) / 8).max(1));
    let (y, x) = (below(1, extent.height), below(2, extent.width));
    let (top, left) = (y.saturating_sub(radius), x.saturating_sub(radius));
    let (bottom, right) = ((y + radius).min(extent.height), (x + radius).min(extent.width));
    Rect { y: top, x: left, height: bottom - top, width: right - left }
}

const SQUARES: u64 = 0x5175_6172_6573_0000;
const COLOURS: u64 = 0xc010_0000_0000_0000;

impl Source for Synthetic {
    fn image(&self) -> &Image {
        &self.image
    }

    fn cost(&self, shape: (u64, u64), channels: &Channels) -> Result<Cost> {
        let Extent { height, width, .. } = self.image.extent;
        let pixels = shape.0.min(height).saturating_mul(shape.1.min(width));
        let samples = pixels.saturating_mul(channels.len() as u64);
        // The order of painting, the edges of squares in a chunk, and the spans of a row.
        let squares = self.squares.len() as u64 * (4 + 2 * 16 + 2 * 16);
        let decoded = samples.saturating_mul(self.image.dtype.bytes() as u64);
        Ok(Cost { stored_bytes: 0, scratch_bytes: decoded.saturating_add(squares) })
    }

    fn fetch(&self, _: &Request<'_>, _: &mut Scratch) -> Result<()> {
        Ok(())
    }

    fn read<'a>(&'a self, request: &Request<'_>, scratch: &'a mut Scratch) -> Result<Read<'a>> {
        let extent = self.image.extent;
        let rect = request.rect;
        if !extent.rect().contains(&rect) || request.channels.indices().iter().any(|&c| c >= extent.channels)
        {
            return Err(Error::Usage(format!("pixels {rect} or their channels lie outside the image")));
        }
        let shape = [rect.height as usize, rect.width as usize, request.channels.len()];
        let dtype = self.image.dtype;
        let bytes = shape.iter().try_fold(dtype.bytes(), |n, &side| n.checked_mul(side));
        scratch.decoded.resize(bytes.unwrap_or(usize::MAX / 2))?;
        if bytes != Some(0) {
            if !matches!(&scratch.context, Some(state) if state.is::<Vec<u32>>()) {
                scratch.context = Some(Box::new(Vec::<u32>::new()));
            }
            let order = scratch.context.as_mut().and_then(|s| s.downcast_mut()).expect("just put there");
            with_dtype!(dtype, T => self.fill(request, scratch.decoded.samples_mut::<T>(), order));
        }
        let pixels = with_dtype!(dtype, T => Pixels::contiguous(scratch.decoded.samples::<T>(), shape))?;
        Ok(Read { pixels, holes: &[] })
    }
}

#[cfg(test)]
mod tests {
    use super::random::mix;
    use super::*;

    fn samples<T: Sample>(source: &Synthetic, rect: Rect) -> Vec<T> {
        let (all, mut scratch) = (Channels::all(source.image.extent.channels), Scratch::new());
        let pixels = source.read(&Request { rect, channels: &all }, &mut scratch).unwrap().pixels;
        pixels.typed::<T>().unwrap().iter().copied().collect()
    }

    /// The recipe itself: paint each square over what is there.
    #[test]
    fn squares_are_painted_in_order() {
        let extent = Extent::new(61, 83, 3);
        let source = Synthetic::new(Pattern::Squares, extent, DataType::U16, 7, 100).unwrap();
        let mut canvas = vec![0u16; 61 * 83 * 3];
        for (i, s) in source.squares.iter().enumerate() {
            for y in s.y..s.bottom() {
                for x in s.x..s.right() {
                    for c in 0..3 {
                        canvas[((y * 83 + x) * 3 + c) as usize] =
                            Random::random(hash(7, COLOURS ^ (i as u64) << 32, c));
                    }
                }
            }
        }
        assert_eq!(samples::<u16>(&source, extent.rect()), canvas);
        assert!(source.squares.iter().any(|s| s.height != s.width), "some are clipped");
    }

    /// The reference values of splitmix64 for seed 0 (its first three outputs, as in Java's SplittableRandom tests and
    /// the reference C code by Vigna).
    #[test]
    fn the_hash_is_splitmix64() {
        let next = |n: u64| mix((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        assert_eq!(
            [next(0), next(1), next(2)],
            [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]
        );
    }

    #[test]
    fn a_checkerboard_has_eight_squares_along_its_shorter_side() {
        let make = |t, h, w| Synthetic::new(Pattern::Checkerboard, Extent::new(h, w, 1), t, 0, 0).unwrap();
        let board = samples::<u8>(&make(DataType::U8, 16, 20), Rect::of_size(16, 20));
        for (i, &sample) in board.iter().enumerate() {
            let is_light = (i / 20 / 2 + i % 20 / 2) % 2 == 0;
            assert_eq!(sample, if is_light { 255 } else { 0 }, "{i}");
        }
        let tiny = samples::<i64>(&make(DataType::I64, 1, 2), Rect::of_size(1, 2));
        assert_eq!(tiny, [i64::MAX, i64::MIN]);
        let tiny = samples::<f32>(&make(DataType::F32, 1, 2), Rect::of_size(1, 2));
        assert_eq!(tiny, [1.0, 0.0]);
    }

    /// Tiles of tissue and nuclei across their borders: any part of the image is that part of the whole.
    #[test]
    fn tissue_cut_anywhere_is_the_same() {
        let extent = Extent::new(130, 700, 3);
        let source = Synthetic::new(Pattern::Tissue, extent, DataType::U8, 3, 0).unwrap();
        let all = samples::<u8>(&source, extent.rect());
        for (y, x, height, width) in [(0, 0, 1, 700), (23, 239, 2, 2), (47, 100, 83, 481), (129, 699, 1, 1)] {
            let part = samples::<u8>(&source, Rect { y, x, height, width });
            for (row, line) in part.chunks_exact(3 * width as usize).enumerate() {
                let at = 3 * ((y as usize + row) * 700 + x as usize);
                assert_eq!(line, &all[at..at + line.len()], "row {row} of {y}, {x}");
            }
        }
    }

    /// Sums over samples and places that were recorded on x86-64: other processors must give the same.
    #[test]
    fn pictures_are_the_same_on_every_machine() {
        let sums = [Pattern::Mandelbrot, Pattern::Tissue].map(|pattern| {
            let source = Synthetic::new(pattern, Extent::new(300, 400, 3), DataType::U16, 1, 0).unwrap();
            let samples = samples::<u16>(&source, Rect::of_size(300, 400));
            samples.iter().fold(0u64, |sum, &s| sum.wrapping_mul(31).wrapping_add(s.into()))
        });
        assert_eq!(sums, [14_691_455_836_822_683_172, 17_117_990_565_068_156_703]);
    }

    #[test]
    fn gradients_reach_both_ends_exactly() {
        let rect = Rect::of_size(1, 5);
        let make = |t| Synthetic::new(Pattern::Gradient, Extent::new(3, 5, 1), t, 0, 0).unwrap();
        assert_eq!(samples::<u8>(&make(DataType::U8), rect), [0, 63, 127, 191, 255]);
        assert_eq!(samples::<i8>(&make(DataType::I8), rect), [-128, -65, -1, 63, 127]);
        let max = u64::MAX as u128;
        let want: Vec<u64> = (0..5).map(|i| (i * max / 4) as u64).collect();
        assert_eq!(samples::<u64>(&make(DataType::U64), rect), want);
        assert_eq!(samples::<f64>(&make(DataType::F64), rect), [0.0, 0.25, 0.5, 0.75, 1.0]);
    }

    #[test]
    fn noise_is_spread_evenly() {
        let source = Synthetic::new(Pattern::Noise, Extent::new(256, 256, 1), DataType::U8, 3, 0).unwrap();
        let mut counts = [0u32; 256];
        samples::<u8>(&source, Rect::of_size(256, 256)).iter().for_each(|&s| counts[s as usize] += 1);
        // 256 expected of each with a deviation of 16: eight deviations never happen by chance.
        assert!(counts.iter().all(|&n| n.abs_diff(256) < 128), "{counts:?}");
        let floats = Synthetic::new(Pattern::Noise, Extent::new(64, 64, 1), DataType::F32, 3, 0).unwrap();
        let floats = samples::<f32>(&floats, Rect::of_size(64, 64));
        assert!(floats.iter().all(|f| (0.0..1.0).contains(f)));
    }

    #[test]
    fn a_far_corner_of_a_terapixel_costs_no_more_than_a_near_one() {
        let extent = Extent::new(1 << 20, 1 << 20, 3);
        for pattern in ["squares", "gradient", "noise", "checkerboard", "mandelbrot", "tissue"] {
            let pattern = Pattern::from_name(pattern).unwrap();
            let source = Synthetic::new(pattern, extent, DataType::U16, 1, 1000).unwrap();
            let rect = Rect { y: (1 << 20) - 3, x: (1 << 20) - 5, height: 3, width: 5 };
            assert_eq!(samples::<u16>(&source, rect).len(), 45);
        }
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        let make = |p, e, count| Synthetic::new(p, e, DataType::U8, 0, count).map(|_| ());
        assert!(make(Pattern::Noise, Extent::new(u64::MAX, u64::MAX, 1), 0).is_err());
        assert!(make(Pattern::Noise, Extent::new(1 << 40, 1 << 40, 1), 0).is_err());
        assert!(make(Pattern::Squares, Extent::new(9, 9, 1), u64::MAX).is_err());
        assert!(make(Pattern::Constant(Value::Int(256)), Extent::new(9, 9, 1), 0).is_err());
        assert!(make(Pattern::Squares, Extent::new(0, 9, 1), 5).is_ok());
    }
}
