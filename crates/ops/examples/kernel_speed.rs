//! Speed of the maps and of a percentile pass on chunks that stay in cache, in GB/s of input:
//! `cargo run --release -p outcrop-ops --example kernel_speed`.

use std::hint::black_box;
use std::time::Instant;

use outcrop_core::{Chunk, Map, Pixels, PixelsMut, Read, Rect, Reduce, Sample};
use outcrop_ops::Validity;
use outcrop_ops::map::MeanOverChannels;
use outcrop_ops::reduce::{PercentileSpec, Percentiles, Pool};

const SHAPE: [usize; 2] = [64, 2048];

fn gigabytes_per_second(bytes: usize, mut work: impl FnMut()) -> f64 {
    let best = (0..30).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    });
    bytes as f64 / best.fold(f64::INFINITY, f64::min) / 1e9
}

fn noise<T: Sample>(n: usize) -> Vec<T> {
    let mut state = 1u64;
    let next = |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        T::from_f64((state >> 40) as f64 / 2f64.powi(24) * if T::DTYPE.is_float() { 1.0 } else { 250.0 })
    };
    (0..n).map(next).collect()
}

fn measure<T: Sample>(channels: usize) {
    let [h, w] = SHAPE;
    let samples = noise::<T>(h * w * channels);
    let inputs = [Read { pixels: Pixels::contiguous(&samples, [h, w, channels]).unwrap(), holes: &[] }];
    let chunk = Chunk { index: 0, rect: Rect::of_size(h as u64, w as u64), inputs: &inputs };
    let bytes = size_of_val(&samples[..]);

    let map = MeanOverChannels::new(T::DTYPE, Some(outcrop_core::DataType::F32), Vec::new());
    let mut out = vec![0f32; h * w];
    let mean = gigabytes_per_second(bytes, || {
        map.apply(&chunk, PixelsMut::contiguous(&mut out, [h, w, 1]).unwrap()).unwrap();
        black_box(&out);
    });

    let validity = Validity::all(T::DTYPE, channels);
    let spec = PercentileSpec::parse("0.1,1,25,50,75,99,99.9").unwrap();
    let mut job = Percentiles::new(Pool::PerChannel, spec, validity).unwrap();
    let mut passes = Vec::new();
    while let Some(pass) = job.pass() {
        let mut partial = pass.start();
        passes
            .push(format!("{:.2}", gigabytes_per_second(bytes, || pass.fold(&mut partial, &chunk).unwrap())));
        let mut once = pass.start();
        pass.fold(&mut once, &chunk).unwrap();
        job.absorb(once).unwrap();
    }
    println!(
        "{}x{channels}: mean to f32 {mean:.1} GB/s, percentile passes {} GB/s",
        T::DTYPE,
        passes.join(", ")
    );
}

fn main() {
    measure::<u8>(1);
    measure::<u8>(3);
    measure::<u16>(1);
    measure::<u16>(3);
    measure::<f32>(1);
    measure::<f32>(3);
    measure::<f64>(1);
}
