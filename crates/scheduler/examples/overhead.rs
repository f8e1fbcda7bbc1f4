//! What the scheduler itself costs: per tiny job, per chunk, and beside a plain rayon loop over the same memory.
//!
//! `cargo run --release -p outcrop-scheduler --example overhead -- [MEBIBYTES] [THREADS]`

use std::time::Instant;

use outcrop_core::{Budget, Channels, Chunk, Extent, Reduce, Result};
use outcrop_scheduler::{Input, Plan, Runtime, RuntimeOptions};
use outcrop_testkit::{MemorySource, Sum};
use rayon::prelude::*;

/// Looks at nothing.
struct Nothing;

impl Reduce for Nothing {
    type Partial = ();
    fn start(&self) {}
    fn partial_bytes(&self) -> u64 {
        0
    }
    fn fold(&self, (): &mut (), _: &Chunk<'_>) -> Result<()> {
        Ok(())
    }
    fn merge(&self, (): &mut (), (): ()) {}
    fn save(&self, (): &()) -> Vec<u8> {
        Vec::new()
    }
    fn load(&self, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// The median time of some runs, in seconds.
fn median(runs: usize, mut run: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[runs / 2]
}

fn main() -> Result<()> {
    let argument =
        |n: usize, default: usize| std::env::args().nth(n).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (mebibytes, threads) = (argument(1, 1024), argument(2, 2));
    let runtime =
        Runtime::new(RuntimeOptions { threads, budget: Budget::new(1 << 30), ..Default::default() })?;

    let tiny = MemorySource::new(Extent::new(64, 64, 3), &vec![1u8; 64 * 64 * 3]);
    let inputs = [Input { source: &tiny, channels: Channels::all(3) }];
    let jobs = 10_000;
    let time = median(5, || {
        for _ in 0..jobs {
            let plan = Plan::reduce("tiny", &inputs, Extent::new(64, 64, 3).rect(), None, 8).expect("a plan");
            runtime.reduce(&plan, &inputs, &Sum).expect("a sum");
        }
    });
    println!("tiny job (plan and run): {:.2} us", time / jobs as f64 * 1e6);

    let extent = Extent::new(mebibytes as u64, 1 << 20, 1);
    let samples = vec![1u8; mebibytes << 20];
    let source = MemorySource::new(extent, &samples);
    drop(samples);
    let inputs = [Input { source: &source, channels: Channels::all(1) }];
    let small = Plan::reduce("chunks", &inputs, extent.rect(), Some((1, 4096)), 0)?;
    let time = median(5, || runtime.reduce(&small, &inputs, &Nothing).expect("a pass"));
    println!("chunk without work ({} chunks): {:.2} us", small.chunks(), time / small.chunks() as f64 * 1e6);

    let plan = Plan::reduce("sum", &inputs, extent.rect(), None, 8)?;
    let gigabytes = (mebibytes << 20) as f64 / 1e9;
    let time = median(9, || {
        assert_eq!(runtime.reduce(&plan, &inputs, &Sum).expect("a sum"), (mebibytes as u64) << 20);
    });
    println!(
        "sum of u8, scheduler, {threads} threads, {} chunks: {:.1} GB/s",
        plan.chunks(),
        gigabytes / time
    );

    let bytes = vec![1u8; mebibytes << 20];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    let sum = |part: &[u8]| {
        part.chunks(1 << 16).map(|p| u64::from(p.iter().map(|&s| u32::from(s)).sum::<u32>())).sum::<u64>()
    };
    let time = median(9, || {
        let all: u64 = pool.install(|| bytes.par_chunks(4 << 20).map(sum).sum());
        assert_eq!(all, (mebibytes as u64) << 20);
    });
    println!("sum of u8, plain rayon loop, {threads} threads: {:.1} GB/s", gigabytes / time);
    Ok(())
}
