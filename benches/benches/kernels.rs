//! Kernels on chunks that stay in cache, one core, beside naive loops and a copy of the same bytes:
//! `cargo bench -p outcrop-benches --bench kernels`.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use outcrop_core::{Chunk, DataType, Map, Pixels, PixelsMut, Read, Rect, Reduce, Sample};
use outcrop_ops::Validity;
use outcrop_ops::map::MeanOverChannels;
use outcrop_ops::reduce::{PercentileSpec, Percentiles, Pool, Stats};

const HEIGHT: usize = 64;
const WIDTH: usize = 2048;

/// Uniform noise: over the whole range of 8 and 16 bits, from 0 to 1 in floats.
fn noise<T: Sample>(n: usize) -> Vec<T> {
    let scale = match T::DTYPE {
        DataType::U8 => 256.0,
        DataType::U16 => 65536.0,
        _ => 1.0,
    };
    let mut state = 1u64;
    let next = |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let r = (state >> 40) as f64 / 2f64.powi(24) * scale;
        T::from_f64(if scale > 1.0 { r.floor() } else { r })
    };
    (0..n).map(next).collect()
}

/// What one writes without a care: smallest, largest and sum, in f64.
fn naive_stats<T: Sample>(samples: &[T]) -> (f64, f64, f64) {
    let first = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
    samples.iter().fold(first, |(min, max, sum), v| {
        let v = v.to_f64();
        (min.min(v), max.max(v), sum + v)
    })
}

/// The mean of each pixel in f32.
fn naive_mean<T: Sample>(samples: &[T], channels: usize, out: &mut [f32]) {
    for (out, pixel) in out.iter_mut().zip(samples.chunks_exact(channels)) {
        *out = pixel.iter().map(|v| v.to_f64() as f32).sum::<f32>() / channels as f32;
    }
}

fn kernels<T: Sample>(c: &mut Criterion, channels: usize) {
    let samples = noise::<T>(HEIGHT * WIDTH * channels);
    let pixels = Pixels::contiguous(&samples, [HEIGHT, WIDTH, channels]).expect("the shape fits");
    let inputs = [Read { pixels, holes: &[] }];
    let chunk = Chunk { index: 0, rect: Rect::of_size(HEIGHT as u64, WIDTH as u64), inputs: &inputs };
    let validity = Validity::all(T::DTYPE, channels);
    let name = format!("{}x{channels}", T::DTYPE.short_name());
    let mut group = c.benchmark_group(&name);
    group.throughput(Throughput::Bytes(size_of_val(&samples[..]) as u64));

    let mut copy = samples.clone();
    group.bench_function("copy", |b| {
        b.iter(|| black_box(&mut copy).copy_from_slice(black_box(&samples)));
    });

    let stats = Stats::new(validity.clone()).with_positions(true);
    let mut partial = stats.start();
    group.bench_function("stats", |b| {
        b.iter(|| stats.fold(&mut partial, black_box(&chunk)).expect("sound samples"));
    });
    group.bench_function("stats, naive", |b| b.iter(|| naive_stats(black_box(&samples))));

    let mean = MeanOverChannels::new(T::DTYPE, Some(DataType::F32), Vec::new());
    let mut out = vec![0f32; HEIGHT * WIDTH];
    group.bench_function("mean", |b| {
        b.iter(|| {
            let out = PixelsMut::contiguous(&mut out, [HEIGHT, WIDTH, 1]).expect("the shape fits");
            mean.apply(black_box(&chunk), out).expect("sound samples");
        });
    });
    group.bench_function("mean, naive", |b| b.iter(|| naive_mean(black_box(&samples), channels, &mut out)));

    let spec = PercentileSpec::parse("0.1,1,25,50,75,99,99.9").expect("seven percentiles");
    let mut job = Percentiles::new(Pool::PerChannel, spec, validity).expect("at least one channel");
    for number in 1.. {
        let Some(pass) = job.pass() else { break };
        let mut partial = pass.start();
        group.bench_function(BenchmarkId::new("percentiles, pass", number), |b| {
            b.iter(|| pass.fold(&mut partial, black_box(&chunk)).expect("sound samples"));
        });
        let mut once = pass.start();
        pass.fold(&mut once, &chunk).expect("sound samples");
        job.absorb(once).expect("the partial of this pass");
    }
    group.finish();
}

fn all(c: &mut Criterion) {
    kernels::<u8>(c, 1);
    kernels::<u8>(c, 3);
    kernels::<u16>(c, 1);
    kernels::<u16>(c, 8);
    kernels::<f32>(c, 1);
    kernels::<f32>(c, 3);
    kernels::<f64>(c, 1);
    kernels::<f64>(c, 3);
}

criterion_group!(benches, all);
criterion_main!(benches);
