//! A reduction of one's own: the parity of all samples, in parallel and within 64 MiB.
//!
//! `cargo run -p outcrop --example own_reduction -- scan.tif`

use outcrop::{Budget, Error, OpenOptions, Region, Result, Runtime, RuntimeOptions};
use outcrop_core::{Chunk, Reduce, Sample, with_pixels};
use outcrop_scheduler::{Input, Plan};

/// Exclusive or of the bits of every sample as f64: any order of chunks gives the same.
struct Parity;

impl Reduce for Parity {
    type Partial = u64;

    fn start(&self) -> u64 {
        0
    }

    fn partial_bytes(&self) -> u64 {
        8
    }

    fn fold(&self, parity: &mut u64, chunk: &Chunk<'_>) -> Result<()> {
        *parity ^= with_pixels!(chunk.inputs[0].pixels, view => {
            view.iter().fold(0, |parity, sample| parity ^ sample.to_f64().to_bits())
        });
        Ok(())
    }

    fn merge(&self, parity: &mut u64, other: u64) {
        *parity ^= other;
    }

    fn save(&self, parity: &u64) -> Vec<u8> {
        parity.to_le_bytes().to_vec()
    }

    fn load(&self, bytes: &[u8]) -> Result<u64> {
        let bytes = bytes.try_into().map_err(|_| Error::Format("a parity has eight bytes".into()))?;
        Ok(u64::from_le_bytes(bytes))
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("name an image")?;
    let source = outcrop::open(path.as_ref(), &OpenOptions::default())?;
    let (window, channels) = Region::all().resolve(source.image())?;
    let inputs = [Input { source: &*source, channels }];
    let plan = Plan::reduce("parity", &inputs, window, None, Parity.partial_bytes())?;
    let runtime =
        Runtime::new(RuntimeOptions { budget: Budget::new(64 << 20), ..RuntimeOptions::default() })?;
    println!("{:016x}", runtime.reduce(&plan, &inputs, &Parity)?);
    Ok(())
}
