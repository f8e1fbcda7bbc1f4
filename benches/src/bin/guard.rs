//! Three kernels for `scripts/guard`, which counts their instructions.
//!
//! `guard KERNEL REPETITIONS` runs one on the same data as often. What one repetition costs is the difference between two
//! runs: starting and making the data cancel out. Everything is integers and one thread, so that the counts of one build never
//! differ.

use std::hint::black_box;

use outcrop_core::{Chunk, DataType, Map, Pixels, PixelsMut, Read, Rect, Reduce};
use outcrop_ops::Validity;
use outcrop_ops::map::MeanOverChannels;
use outcrop_ops::reduce::Stats;
use outcrop_reader::tiff::block::{BlockSpec, CodecState};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const SIDE: usize = 256;

fn main() -> Result<(), Failure> {
    if outcrop_ops::simd::detected() {
        return Err("counts are of the baseline: set OUTCROP_VECTORS=baseline".into());
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (Some(kernel), Some(repetitions)) = (args.first(), args.get(1)) else {
        return Err("usage: guard stats-f32|mean-u8x3|lzw REPETITIONS".into());
    };
    let repetitions: u32 = repetitions.parse()?;
    match kernel.as_str() {
        "stats-f32" => stats_f32(repetitions),
        "mean-u8x3" => mean_u8x3(repetitions),
        "lzw" => lzw(repetitions),
        other => Err(format!("no kernel {other}").into()),
    }
}

/// Pseudo-random bits by a linear congruence.
fn bits() -> impl Iterator<Item = u32> {
    let mut state = 1u64;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as u32
    })
}

/// Exact statistics of floats from 0 to 1.
fn stats_f32(repetitions: u32) -> Result<(), Failure> {
    let samples: Vec<f32> = bits().take(SIDE * SIDE).map(|b| b as f32 / 16_777_216.0).collect();
    let pixels = Pixels::contiguous(&samples, [SIDE, SIDE, 1])?;
    let inputs = [Read { pixels, holes: &[] }];
    let chunk = Chunk { index: 0, rect: Rect::of_size(SIDE as u64, SIDE as u64), inputs: &inputs };
    let kernel = Stats::new(Validity::all(DataType::F32, 1)).with_positions(true);
    let mut partial = kernel.start();
    for _ in 0..repetitions {
        kernel.fold(&mut partial, black_box(&chunk))?;
    }
    black_box(&partial);
    Ok(())
}

/// The mean of three bytes, as f32.
fn mean_u8x3(repetitions: u32) -> Result<(), Failure> {
    let samples: Vec<u8> = bits().take(3 * SIDE * SIDE).map(|b| b as u8).collect();
    let pixels = Pixels::contiguous(&samples, [SIDE, SIDE, 3])?;
    let inputs = [Read { pixels, holes: &[] }];
    let chunk = Chunk { index: 0, rect: Rect::of_size(SIDE as u64, SIDE as u64), inputs: &inputs };
    let kernel = MeanOverChannels::new(DataType::U8, Some(DataType::F32), Vec::new());
    let mut out = vec![0f32; SIDE * SIDE];
    for _ in 0..repetitions {
        kernel.apply(black_box(&chunk), PixelsMut::contiguous(&mut out, [SIDE, SIDE, 1])?)?;
        black_box(&out);
    }
    Ok(())
}

/// One LZW block of a ramp with grain.
fn lzw(repetitions: u32) -> Result<(), Failure> {
    let level = |(i, b): (usize, u32)| ((i % SIDE / 2) as u32 + (i / SIDE / 4) as u32 + b % 4) as u8;
    let plain: Vec<u8> = (0..SIDE * SIDE).zip(bits()).map(level).collect();
    let stored = weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(&plain)?;
    let spec = BlockSpec::new(5, (SIDE as u32, SIDE as u32), DataType::U8, 1);
    let (mut out, mut state) = (vec![0; plain.len()], CodecState::default());
    for _ in 0..repetitions {
        spec.decode(black_box(&stored), SIDE as u32, &mut state, &mut out)?;
    }
    if repetitions > 0 && out != plain {
        return Err("the block was decoded wrongly".into());
    }
    Ok(())
}
