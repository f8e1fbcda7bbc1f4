//! Speed of statistics on a 4 MiB chunk, against a pass with naive f64 sums in the same build. One core.
//!
//! `cargo bench -p outcrop-ops --bench stats`

use std::hint::black_box;
use std::time::Instant;

use outcrop_core::{Chunk, Pixels, Read, Rect, Reduce, Sample, Value};
use outcrop_ops::{Validity, reduce::Stats};

const BYTES: usize = 4 << 20;

/// Seconds of the best of many runs.
fn best(mut run: impl FnMut()) -> f64 {
    let runs = (0..60).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    runs.fold(f64::INFINITY, f64::min)
}

/// Smallest, largest, sum and sum of squares in f64 lanes: what one would write without a care for exactness.
#[inline(always)]
fn naive<T: Sample>(samples: &[T]) -> [f64; 4] {
    let (mut min, mut max) = ([samples[0]; 16], [samples[0]; 16]);
    let (mut sum, mut squares) = ([0.0; 16], [0.0; 16]);
    for group in samples.as_chunks::<16>().0 {
        for i in 0..16 {
            let v = group[i];
            min[i] = if v < min[i] { v } else { min[i] };
            max[i] = if v > max[i] { v } else { max[i] };
            sum[i] += v.to_f64();
            squares[i] += v.to_f64() * v.to_f64();
        }
    }
    let least = min.iter().fold(f64::INFINITY, |a, v| a.min(v.to_f64()));
    let most = max.iter().fold(f64::NEG_INFINITY, |a, v| a.max(v.to_f64()));
    [least, most, sum.iter().sum(), squares.iter().sum()]
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn naive_avx2<T: Sample>(samples: &[T]) -> [f64; 4] {
    naive(samples)
}

fn naive_best<T: Sample>(samples: &[T]) -> [f64; 4] {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the processor has the features.
        return unsafe { naive_avx2(samples) };
    }
    naive(samples)
}

fn measure<T: Sample>(what: &str, channels: usize, sample: impl Fn(f64) -> f64) {
    let pixels = BYTES / size_of::<T>() / channels;
    let mut seed = 1u64;
    let samples: Vec<T> = (0..pixels * channels)
        .map(|_| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            T::from_f64(sample((seed >> 11) as f64 / 2f64.powi(53)))
        })
        .collect();
    let view = Pixels::contiguous(&samples, [1, pixels, channels]).expect("the size fits");
    let inputs = [Read { pixels: view, holes: &[] }];
    let chunk = |y| {
        let rect = Rect { y, ..Rect::of_size(1, pixels as u64) };
        Chunk { index: y, rect, inputs: &inputs }
    };
    let nodata = if what.contains("nodata") { vec![Value::Int(77)] } else { vec![] };
    let validity = Validity::all(T::DTYPE, channels).with_nodata(vec![nodata; channels]);
    let stats = Stats::new(validity).with_positions(true);
    let mut partial = stats.start();
    // Later chunks rarely improve an extreme.
    stats.fold(&mut partial, &chunk(0)).expect("sound samples");
    let chunk = chunk(1);
    let exact = best(|| stats.fold(&mut partial, black_box(&chunk)).expect("sound samples"));
    let plain = best(|| {
        black_box(naive_best(black_box(&samples)));
    });
    let gigabytes = size_of_val(&samples[..]) as f64 / 1e9;
    println!(
        "{what:28} {:6.2} GB/s  {:5.2} ns/sample  naive {:6.2} GB/s  ratio {:.2}",
        gigabytes / exact,
        exact * 1e9 / samples.len() as f64,
        gigabytes / plain,
        exact / plain
    );
}

fn main() {
    measure::<u8>("u8 x 1", 1, |r| r * 256.0);
    measure::<u8>("u8 x 3", 3, |r| r * 256.0);
    measure::<u8>("u8 x 4", 4, |r| r * 256.0);
    measure::<u8>("u8 x 5", 5, |r| r * 256.0);
    measure::<i8>("i8 x 1", 1, |r| r * 256.0 - 128.0);
    measure::<u16>("u16 x 1", 1, |r| r * 65536.0);
    measure::<u16>("u16 x 3", 3, |r| r * 65536.0);
    measure::<i16>("i16 x 1", 1, |r| r * 65536.0 - 32768.0);
    measure::<u32>("u32 x 1", 1, |r| r * 4e9);
    measure::<u64>("u64 x 1", 1, |r| r * 1e19);
    measure::<f32>("f32 x 1, uniform", 1, |r| r);
    measure::<f32>("f32 x 3, uniform", 3, |r| r);
    measure::<f32>("f32 x 1, elevations", 1, |r| 200.0 + 1800.0 * r);
    measure::<f32>("f32 x 1, 60 binades", 1, |r| (r * 60.0 - 30.0).exp2());
    measure::<u8>("u8 x 1, nodata", 1, |r| r * 256.0);
    measure::<f32>("f32 x 1, nodata", 1, |r| r * 1e4);
    measure::<f64>("f64 x 1, uniform", 1, |r| r);
    measure::<f64>("f64 x 1, elevations", 1, |r| 200.0 + 1800.0 * r);
    measure::<f64>("f64 x 1, 600 binades", 1, |r| (r * 600.0 - 300.0).exp2());
}
