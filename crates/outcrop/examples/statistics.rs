//! Prints the mean and standard deviation of each channel of an image.
//!
//! `cargo run -p outcrop --example statistics -- scan.tif`

use outcrop::{OpenOptions, Region, Runtime, RuntimeOptions, StatsOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("name an image")?;
    let image = outcrop::open(path.as_ref(), &OpenOptions::default())?;
    let runtime = Runtime::new(RuntimeOptions::default())?;
    let channels = outcrop::stats(&runtime, &*image, &Region::all(), &StatsOptions::default())?;
    for (number, channel) in (1..).zip(&channels) {
        match (channel.mean, channel.std(0)) {
            (Some(mean), Some(std)) => println!("channel {number}: {mean} +- {std}"),
            _ => println!("channel {number}: nothing valid"),
        }
    }
    Ok(())
}
