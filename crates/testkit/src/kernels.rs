//! Naive kernels, slow and plainly right.

use outcrop_core::{Chunk, DataType, Error, Map, Pixels, PixelsMut, Reduce, Result, Sample, with_pixels};

use crate::Fault;
use crate::pixels::mix;

/// Reduces to a number that depends on every sample's value, place and channel, and not on the order of chunks.
#[derive(Clone, Copy, Debug)]
pub struct Checksum;

/// What [`Checksum`] makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChecksumPartial {
    /// Samples seen.
    pub samples: u64,
    /// The sum, modulo 2^64, of a hash of every sample with its place.
    pub hash: u64,
}

fn bits<T: Sample>(sample: T) -> u64 {
    let mut wide = [0u8; 8];
    wide[..size_of::<T>()].copy_from_slice(bytemuck::bytes_of(&sample));
    u64::from_le_bytes(wide)
}

impl Reduce for Checksum {
    type Partial = ChecksumPartial;

    fn start(&self) -> ChecksumPartial {
        ChecksumPartial::default()
    }

    fn partial_bytes(&self) -> u64 {
        size_of::<ChecksumPartial>() as u64
    }

    fn fold(&self, partial: &mut ChecksumPartial, chunk: &Chunk<'_>) -> Result<()> {
        for (i, input) in chunk.inputs.iter().enumerate() {
            with_pixels!(input.pixels, v => for ((y, x, c), &sample) in v.indexed_iter() {
                let place = mix(mix(chunk.rect.y + y as u64) ^ (chunk.rect.x + x as u64)) ^ (c as u64 + 1000 * i as u64);
                partial.hash = partial.hash.wrapping_add(mix(mix(place) ^ bits(sample)));
                partial.samples += 1;
            });
        }
        Ok(())
    }

    fn merge(&self, partial: &mut ChecksumPartial, other: ChecksumPartial) {
        partial.samples += other.samples;
        partial.hash = partial.hash.wrapping_add(other.hash);
    }

    fn save(&self, partial: &ChecksumPartial) -> Vec<u8> {
        [partial.samples.to_le_bytes(), partial.hash.to_le_bytes()].concat()
    }

    fn load(&self, bytes: &[u8]) -> Result<ChecksumPartial> {
        let bad = || Error::Format(format!("a checksum of {} bytes, expected 16", bytes.len()));
        let word = |at: usize| bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        if bytes.len() != 16 {
            return Err(bad());
        }
        Ok(ChecksumPartial { samples: word(0).ok_or_else(bad)?, hash: word(8).ok_or_else(bad)? })
    }
}

/// The sum of all samples of the first input, wrapping at 64 bits for wide integers; u8 rows at full speed.
#[derive(Clone, Copy, Debug)]
pub struct Sum;

impl Reduce for Sum {
    type Partial = u64;

    fn start(&self) -> u64 {
        0
    }

    fn partial_bytes(&self) -> u64 {
        8
    }

    fn fold(&self, partial: &mut u64, chunk: &Chunk<'_>) -> Result<()> {
        match chunk.inputs[0].pixels {
            Pixels::U8(v) if v.is_standard_layout() => {
                let samples = v.to_slice().unwrap_or(&[]);
                // 255 * 65536 fits 32 bits.
                *partial += samples
                    .chunks(1 << 16)
                    .map(|p| u64::from(p.iter().map(|&s| u32::from(s)).sum::<u32>()))
                    .sum::<u64>();
            }
            other => with_pixels!(other, v => for &s in v {
                *partial = partial.wrapping_add(s.to_f64() as i64 as u64);
            }),
        }
        Ok(())
    }

    fn merge(&self, partial: &mut u64, other: u64) {
        *partial = partial.wrapping_add(other);
    }

    fn save(&self, partial: &u64) -> Vec<u8> {
        partial.to_le_bytes().to_vec()
    }

    fn load(&self, bytes: &[u8]) -> Result<u64> {
        bytes.try_into().map(u64::from_le_bytes).map_err(|_| Error::Format("a sum is 8 bytes".into()))
    }
}

/// Maps every pixel to the sum of its channels, as f64.
#[derive(Clone, Copy, Debug)]
pub struct SumChannels;

impl Map for SumChannels {
    fn output(&self) -> (DataType, u64) {
        (DataType::F64, 1)
    }

    fn apply(&self, chunk: &Chunk<'_>, out: PixelsMut<'_>) -> Result<()> {
        let mut out = out.typed::<f64>().ok_or_else(|| Error::Format("the output must be float64".into()))?;
        with_pixels!(chunk.inputs[0].pixels, v => for ((y, x, _), o) in out.indexed_iter_mut() {
            *o = (0..v.dim().2).map(|c| v[[y, x, c]].to_f64()).sum();
        });
        Ok(())
    }
}

/// A kernel with a fault at one chunk.
#[derive(Clone, Copy, Debug)]
pub struct Faulty<K> {
    /// What it is elsewhere.
    pub kernel: K,
    /// The chunk's number.
    pub chunk: u64,
    /// What goes wrong there.
    pub fault: Fault,
}

impl<K: Reduce> Reduce for Faulty<K> {
    type Partial = K::Partial;

    fn start(&self) -> K::Partial {
        self.kernel.start()
    }

    fn partial_bytes(&self) -> u64 {
        self.kernel.partial_bytes()
    }

    fn fold(&self, partial: &mut K::Partial, chunk: &Chunk<'_>) -> Result<()> {
        if chunk.index == self.chunk {
            self.fault.strike()?;
        }
        self.kernel.fold(partial, chunk)
    }

    fn merge(&self, partial: &mut K::Partial, other: K::Partial) {
        self.kernel.merge(partial, other);
    }

    fn save(&self, partial: &K::Partial) -> Vec<u8> {
        self.kernel.save(partial)
    }

    fn load(&self, bytes: &[u8]) -> Result<K::Partial> {
        self.kernel.load(bytes)
    }
}

impl<K: Map> Map for Faulty<K> {
    fn output(&self) -> (DataType, u64) {
        self.kernel.output()
    }

    fn apply(&self, chunk: &Chunk<'_>, out: PixelsMut<'_>) -> Result<()> {
        if chunk.index == self.chunk {
            self.fault.strike()?;
        }
        self.kernel.apply(chunk, out)
    }
}
