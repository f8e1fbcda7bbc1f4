//! Rows wider than what the kernels hold at once, with samples that leave for every reason: the state is that of narrow
//! chunks, merged.

use std::sync::Arc;

use outcrop_core::{Chunk, Error, Hole, HoleKind, Pixels, Read, Rect, Reduce, Sample, Value};
use outcrop_ops::reduce::{
    AreaMean, Covariance, Histogram, Lines, Moments, Op, Over, PercentileSpec, Percentiles, Pool, ReduceAxes,
    Stats, Unique,
};
use outcrop_ops::{NanPolicy, Validity};

const WIDTH: usize = 9001;
const CHANNELS: usize = 2;
const WINDOW: Rect = Rect { y: 3, x: 5, height: 2, width: WIDTH as u64 };

/// Two rows of two channels, and their mask.
struct Image<T> {
    samples: Vec<T>,
    mask: Vec<u8>,
    holes: Vec<Hole>,
}

impl<T: Sample> Image<T> {
    fn new() -> Image<T> {
        let one = |i: usize| match i * 2_654_435_761 % 97 {
            0 => T::from_f64(f64::NAN),
            k => T::from_f64(k as f64),
        };
        let hole =
            |x, width, kind| Hole { rect: Rect { y: 3, x, height: 1, width }, channels: 0..CHANNELS, kind };
        // Over the ends of runs of 4096 pixels.
        let bad = HoleKind::Bad(Arc::new(Error::Format("broken".into())));
        Image {
            samples: (0..2 * WIDTH * CHANNELS).map(one).collect(),
            mask: (0..2 * WIDTH).map(|i| u8::from(i % 11 != 3)).collect(),
            holes: vec![hole(5 + 4000, 200, bad), hole(5 + 8100, 300, HoleKind::Sparse)],
        }
    }

    /// Folds the columns of a range.
    fn fold<K: Reduce>(&self, kernel: &K, masked: bool, columns: std::ops::Range<usize>) -> K::Partial {
        fn cut<V: Copy>(all: &[V], per_pixel: usize, columns: &std::ops::Range<usize>) -> Vec<V> {
            let row =
                |y| &all[(y * WIDTH + columns.start) * per_pixel..(y * WIDTH + columns.end) * per_pixel];
            [row(0), row(1)].concat()
        }
        let (samples, mask) = (cut(&self.samples, CHANNELS, &columns), cut(&self.mask, 1, &columns));
        let image = Pixels::contiguous(&samples, [2, columns.len(), CHANNELS]).unwrap();
        let mut inputs = vec![Read { pixels: image, holes: &self.holes }];
        if masked {
            inputs
                .push(Read { pixels: Pixels::contiguous(&mask, [2, columns.len(), 1]).unwrap(), holes: &[] });
        }
        let rect = Rect { x: WINDOW.x + columns.start as u64, width: columns.len() as u64, ..WINDOW };
        let mut partial = kernel.start();
        kernel.fold(&mut partial, &Chunk { index: 0, rect, inputs: &inputs }).unwrap();
        partial
    }

    fn check<K: Reduce>(&self, what: &str, masked: bool, kernel: &K) {
        let whole = self.fold(kernel, masked, 0..WIDTH);
        let mut merged = kernel.start();
        for start in (0..WIDTH).step_by(1000) {
            kernel.merge(&mut merged, self.fold(kernel, masked, start..(start + 1000).min(WIDTH)));
        }
        assert!(kernel.save(&whole) == kernel.save(&merged), "{what}, {}, {masked}", T::DTYPE);
    }

    fn check_all(&self) {
        for masked in [false, true] {
            let seven = vec![vec![Value::of(T::from_f64(7.0))]; CHANNELS];
            let omits = Validity::all(T::DTYPE, CHANNELS).with_nodata(seven).with_mask(masked);
            let stats = Stats::new(omits.clone()).with_positions(true);
            self.check("stats", masked, &stats);
            let each = stats.finish(&self.fold(&stats, masked, 0..WIDTH));
            self.check("moments", masked, &Moments::about(omits.clone(), &each));
            if let Some(counting) = Moments::counting(omits.clone()) {
                self.check("counted moments", masked, &counting);
                self.check("classes", masked, &Unique::new(omits.clone()).unwrap());
            }
            self.check("histogram", masked, &Histogram::new(9, (0.0, 100.0), omits.clone()).unwrap());
            self.check("covariance", masked, &Covariance::new(omits.clone()).unwrap());
            for pool in [Pool::PerChannel, Pool::AllChannels] {
                let spec = PercentileSpec::parse("1,50,99").unwrap();
                let mut percentiles = Percentiles::new(pool, spec, omits.clone()).unwrap();
                while let Some(pass) = percentiles.pass() {
                    self.check("percentiles", masked, &pass);
                    percentiles.absorb(self.fold(&pass, masked, 0..WIDTH)).unwrap();
                }
            }
            for validity in [omits.clone(), omits.clone().with_nan(NanPolicy::Propagate)] {
                for over in [Over::Y, Over::X, Over::Yx, Over::Yxc] {
                    for op in [Op::Sum, Op::ArgMax, Op::CountValid] {
                        let kernel = ReduceAxes::new(op, over, WINDOW, validity.clone()).unwrap();
                        self.check("axes", masked, &kernel);
                    }
                }
                let spec = PercentileSpec::parse("30").unwrap();
                let (one, chunk) = (spec.percentiles[0].clone(), (2, WIDTH as u64));
                let lines = Lines::new(one, spec.method, Over::Y, WINDOW, validity.clone(), chunk).unwrap();
                self.check("lines", masked, &lines);
                self.check("areas", masked, &AreaMean::new(WINDOW, (1, 7), validity).unwrap());
            }
        }
    }
}

#[test]
fn wide_rows_are_reduced_as_narrow_chunks_are() {
    Image::<u16>::new().check_all();
    Image::<f32>::new().check_all();
}
