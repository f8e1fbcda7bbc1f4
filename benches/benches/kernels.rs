//! Kernels on a chunk, one core: what exact figures cost beside the same pass written without a care.
//!
//! `cargo bench -p outcrop-benches --bench kernels [PART OF A NAME]`. Ratios are of times in one run; the plain loops are
//! compiled for the same vectors. With `OUTCROP_VECTORS=baseline` everything runs on what every x86-64 has.

use std::hint::black_box;
use std::time::{Duration, Instant};

use outcrop_core::{Chunk, DataType, Map, Pixels, PixelsMut, Read, Rect, Reduce, Sample, Value};
use outcrop_ops::map::MeanOverChannels;
use outcrop_ops::reduce::{Covariance, Moments, PercentileSpec, Percentiles, Pool, Stats};
use outcrop_ops::{Validity, simd};

/// A chunk of this many bytes stays in the second-level cache, the third holds one of 4 MiB.
const BYTES: usize = 512 << 10;

/// Seconds of the best of many runs.
fn best(mut run: impl FnMut()) -> f64 {
    let (mut least, begin) = (f64::INFINITY, Instant::now());
    while begin.elapsed() < Duration::from_millis(60) {
        let start = Instant::now();
        run();
        least = least.min(start.elapsed().as_secs_f64());
    }
    least
}

/// Smallest, largest, sum and, where asked, sum of squares in lanes of the sample's own width and f64.
struct Plain<'a, T, const SQUARES: bool> {
    samples: &'a [T],
    out: &'a mut [f64; 4],
}

impl<T: Sample, const SQUARES: bool> simd::Work for Plain<'_, T, SQUARES> {
    #[inline(always)]
    fn run(self) {
        let samples = black_box(self.samples);
        let (mut min, mut max) = ([samples[0]; 16], [samples[0]; 16]);
        let (mut sum, mut squares) = ([0.0; 16], [0.0; 16]);
        for group in samples.as_chunks::<16>().0 {
            for i in 0..16 {
                let v = group[i];
                min[i] = if v < min[i] { v } else { min[i] };
                max[i] = if v > max[i] { v } else { max[i] };
                sum[i] += v.to_f64();
                if SQUARES {
                    squares[i] += v.to_f64() * v.to_f64();
                }
            }
        }
        let least = min.iter().fold(f64::INFINITY, |a, v| a.min(v.to_f64()));
        let most = max.iter().fold(f64::NEG_INFINITY, |a, v| a.max(v.to_f64()));
        *self.out = [least, most, sum.iter().sum(), squares.iter().sum()];
    }
}

/// Smallest, largest and sum of small integers, in the best layout: one channel, narrow lanes, flushed in time.
struct Narrow<'a, T> {
    samples: &'a [T],
    out: &'a mut [f64; 4],
}

impl<T: Sample + Ord + Into<u32>> simd::Work for Narrow<'_, T> {
    #[inline(always)]
    fn run(self) {
        let samples = black_box(self.samples);
        let (mut min, mut max, mut total) = ([samples[0]; 64], [samples[0]; 64], 0u64);
        for run in samples.chunks(64 * 128) {
            if size_of::<T>() == 1 {
                let mut sum = [0u16; 64];
                for group in run.as_chunks::<64>().0 {
                    for i in 0..64 {
                        min[i] = min[i].min(group[i]);
                        max[i] = max[i].max(group[i]);
                        sum[i] += group[i].into() as u16;
                    }
                }
                total += sum.iter().map(|&s| u64::from(s)).sum::<u64>();
            } else {
                let mut sum = [0u32; 64];
                for group in run.as_chunks::<64>().0 {
                    for i in 0..64 {
                        min[i] = min[i].min(group[i]);
                        max[i] = max[i].max(group[i]);
                        sum[i] += group[i].into();
                    }
                }
                total += sum.iter().map(|&s| u64::from(s)).sum::<u64>();
            }
        }
        let (min, max) = (min.iter().min(), max.iter().max());
        let [min, max] = [min, max].map(|v| v.map_or(0.0, |v| v.to_f64()));
        *self.out = [min, max, total as f64, 0.0];
    }
}

fn narrow<T: Sample + Ord + Into<u32>>(n: usize) -> f64 {
    let (noise, mut out) = (samples::<T>(n, 1, Data::Noise), [0.0; 4]);
    let seconds = best(|| simd::run(Narrow { samples: &noise, out: &mut out }));
    black_box(out);
    seconds
}

/// How samples are spread.
#[derive(Clone, Copy)]
enum Data {
    /// Over the whole range of integers, from 0 to 1 for floats.
    Noise,
    /// As in a photograph: neighbours are close.
    Smooth,
    /// Floats of 60 binades.
    Binades,
    /// Noise of which 3 in 10 samples are 0, in runs of 1 to a few.
    Speckled,
    /// Noise of which 3 in 10 samples are NaN.
    Nan,
}

fn samples<T: Sample>(n: usize, channels: usize, data: Data) -> Vec<T> {
    let top = match T::DTYPE {
        DataType::U8 => 256.0,
        DataType::U16 => 65536.0,
        DataType::U32 => 4e9,
        DataType::U64 => 1e19,
        _ => 1.0,
    };
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / 2f64.powi(53)
    };
    let mut at = |i: usize| {
        let r = random();
        let v = match data {
            Data::Noise => r * top,
            Data::Smooth => {
                let slow = (i / channels) as f64 / 9000.0 + (i % channels) as f64;
                (0.45 + 0.4 * slow.sin() + 0.004 * r) * top
            }
            Data::Binades => (r * 60.0 - 30.0).exp2(),
            Data::Speckled => {
                if random() < 0.3 {
                    0.0
                } else {
                    r * top
                }
            }
            Data::Nan => {
                if random() < 0.3 {
                    f64::NAN
                } else {
                    r * top
                }
            }
        };
        T::from_f64(if top > 1.0 { v.floor() } else { v })
    };
    (0..n).map(&mut at).collect()
}

/// A row of the table: the speed of one kernel, and its time as a multiple of another.
fn row(name: &str, bytes: usize, seconds: f64, beside: &[(&str, f64)]) {
    let ratios: Vec<String> = beside.iter().map(|(of, s)| format!("{:.2} x {of}", seconds / s)).collect();
    println!("{name:40} {:7.2} GB/s   {}", bytes as f64 / 1e9 / seconds, ratios.join(", "));
}

/// What is measured of one kind of image.
struct Case<'a, T> {
    name: String,
    samples: &'a [T],
    channels: usize,
}

impl<T: Sample> Case<'_, T> {
    fn fold<K: Reduce>(&self, kernel: &K) -> (f64, K::Partial) {
        let width = self.samples.len() / self.channels;
        let pixels = Pixels::contiguous(self.samples, [1, width, self.channels]).expect("the size fits");
        let inputs = [Read { pixels, holes: &[] }];
        let mut partial = kernel.start();
        let mut fold = |y| {
            let rect = Rect { y, ..Rect::of_size(1, width as u64) };
            kernel
                .fold(&mut partial, black_box(&Chunk { index: y, rect, inputs: &inputs }))
                .expect("sound samples");
        };
        // Later chunks rarely improve an extreme.
        fold(0);
        (best(|| fold(1)), partial)
    }

    fn row(&self, what: &str, seconds: f64, beside: &[(&str, f64)]) {
        row(&format!("{}, {what}", self.name), size_of_val(self.samples), seconds, beside);
    }

    fn stats(&self, nodata: &[Value]) -> f64 {
        let validity =
            Validity::all(T::DTYPE, self.channels).with_nodata(vec![nodata.to_vec(); self.channels]);
        self.fold(&Stats::new(validity).with_positions(true)).0
    }

    /// The time of each pass, with the statistics in the first.
    fn percentiles(&self) -> Vec<f64> {
        let validity = Validity::all(T::DTYPE, self.channels);
        let spec = PercentileSpec::parse("0.1,1,25,50,75,99,99.9").expect("seven percentiles");
        let mut job = Percentiles::new(Pool::PerChannel, spec, validity).expect("at least one channel");
        let mut times = Vec::new();
        while let Some(pass) = job.pass() {
            let (time, partial) = self.fold(&pass);
            times.push(time);
            job.absorb(partial).expect("the partial of this pass");
        }
        times
    }

    fn copy(&self) -> f64 {
        let mut copy = self.samples.to_vec();
        best(|| black_box(&mut copy).copy_from_slice(black_box(self.samples)))
    }

    fn mean(&self) -> f64 {
        let mean = MeanOverChannels::new(T::DTYPE, Some(DataType::F32), Vec::new());
        let width = self.samples.len() / self.channels;
        let pixels = Pixels::contiguous(self.samples, [1, width, self.channels]).expect("the size fits");
        let inputs = [Read { pixels, holes: &[] }];
        let chunk = Chunk { index: 0, rect: Rect::of_size(1, width as u64), inputs: &inputs };
        let mut out = vec![0f32; width];
        best(|| {
            let out = PixelsMut::contiguous(&mut out, [1, width, 1]).expect("the shape fits");
            mean.apply(black_box(&chunk), out).expect("sound samples");
        })
    }
}

fn kind<T: Sample>(channels: usize, only: &str) {
    let name = format!("{}x{channels}", T::DTYPE.short_name());
    let n = BYTES / size_of::<T>() / (48 * channels) * 48 * channels;
    let of = |data, suffix: &str| (samples::<T>(n, channels, data), format!("{name}{suffix}"));
    let (noise, name_noise) = of(Data::Noise, " noise");
    let wanted = |name: &str| name.contains(only);
    let mut out = [0.0; 4];
    let plain = |samples: &[T], out: &mut [f64; 4]| best(|| simd::run(Plain::<T, false> { samples, out }));
    let naive = match T::DTYPE {
        DataType::U8 => narrow::<u8>(n),
        DataType::U16 => narrow::<u16>(n),
        _ => plain(&noise, &mut out),
    };
    black_box(out);
    let case = Case { name: name_noise, samples: &noise, channels };
    let stats = case.stats(&[]);
    let copy = case.copy();
    if wanted("stats") || wanted(&name) {
        case.row("copy", copy, &[]);
        case.row("min, max, sum", naive, &[]);
        let squares = best(|| simd::run(Plain::<T, true> { samples: &noise, out: &mut out }));
        case.row("stats", stats, &[("min, max, sum", naive), ("with squares in f64", squares)]);
        case.row("stats, rare nodata", case.stats(&[Value::Int(0)]), &[("stats", stats)]);
        if T::DTYPE.is_float() {
            for (data, suffix) in [(Data::Binades, " 60 binades"), (Data::Nan, " 30 % NaN")] {
                let (samples, name) = of(data, suffix);
                let case = Case { name, samples: &samples, channels };
                case.row("stats", case.stats(&[]), &[("stats", stats)]);
            }
        }
        let (samples, name) = of(Data::Speckled, " 30 % nodata");
        let speckled = Case { name, samples: &samples, channels };
        speckled.row("stats", speckled.stats(&[Value::Int(0)]), &[("stats", stats)]);
        if channels > 1 {
            let covariance = Covariance::new(Validity::all(T::DTYPE, channels)).expect("few channels");
            case.row("covariance", case.fold(&covariance).0, &[("stats", stats)]);
            let mean = case.mean();
            case.row("mean", mean, &[("copy", copy)]);
            let moved = size_of_val(&*noise) + n / channels * size_of::<f32>();
            row(&format!("{}, mean, in and out", case.name), moved, mean, &[]);
        }
        let validity = Validity::all(T::DTYPE, channels);
        let moments = Moments::counting(validity.clone()).unwrap_or_else(|| {
            let kernel = Stats::new(validity.clone());
            Moments::about(validity, &kernel.finish(&case.fold(&kernel).1))
        });
        case.row("moments", case.fold(&moments).0, &[("stats", stats)]);
    }
    if wanted("percentiles") || wanted(&name) {
        let (smooth, name_smooth) = of(Data::Smooth, " smooth");
        for case in [case, Case { name: name_smooth, samples: &smooth, channels }] {
            let times = case.percentiles();
            let all = stats + times.iter().sum::<f64>();
            for (i, &time) in times.iter().enumerate() {
                case.row(&format!("percentiles, pass {}", i + 1), time, &[("stats", stats)]);
            }
            case.row("percentiles and stats", all, &[("stats", stats)]);
        }
    }
}

/// What one core reads from memory, and copies in it (bytes read and written): far more than the caches hold.
struct Memory<'a> {
    words: &'a [u64],
    out: &'a mut u64,
}

impl simd::Work for Memory<'_> {
    #[inline(always)]
    fn run(self) {
        let mut sums = [0u64; 32];
        for group in black_box(self.words).as_chunks::<32>().0 {
            sums.iter_mut().zip(group).for_each(|(sum, v)| *sum = sum.wrapping_add(*v));
        }
        *self.out = sums.iter().fold(0, |a, b| a ^ b);
    }
}

fn memory() {
    let (words, mut sum) = (vec![1u64; 32 << 20], 0);
    let read = best(|| simd::run(Memory { words: &words, out: &mut sum }));
    black_box(sum);
    row("memory, read", size_of_val(&*words), read, &[]);
    let (from, mut to) = (&words[..words.len() / 2], words[words.len() / 2..].to_vec());
    let copy = best(|| black_box(&mut to).copy_from_slice(black_box(from)));
    row("memory, copy, in and out", 2 * size_of_val(from), copy, &[]);
}

fn main() {
    let only = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    memory();
    kind::<u8>(1, &only);
    kind::<u8>(3, &only);
    kind::<u8>(5, &only);
    kind::<u16>(1, &only);
    kind::<u16>(3, &only);
    kind::<u16>(8, &only);
    kind::<u32>(1, &only);
    kind::<u64>(1, &only);
    kind::<f32>(1, &only);
    kind::<f32>(3, &only);
    kind::<f64>(1, &only);
    kind::<f64>(3, &only);
}
