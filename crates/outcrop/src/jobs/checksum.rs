//! [`checksum`]: the SHA-256 of an image's pixels, whatever file they are in.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use outcrop_core::{Extent, Result, Source};
use outcrop_ops::map::Convert;
use outcrop_scheduler::{Input, Plan, Runtime};
use outcrop_writer::{Format, OutputImage, to_stream};
use sha2::{Digest, Sha256};

use crate::Region;

/// Hashes what is written.
#[derive(Clone, Default)]
struct Hashing(Arc<Mutex<Sha256>>);

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The SHA-256 of the region's samples as (y, x, channel) in C order, little-endian: what `sha256sum` says of the
/// `.raw` that [`convert`](crate::convert) writes. In lower-case hexadecimal digits.
///
/// # Errors
/// As [`stats`](crate::stats).
pub fn checksum(runtime: &Runtime, source: &dyn Source, region: &Region) -> Result<String> {
    let image = source.image();
    let (window, channels) = region.resolve(image)?;
    let map = Convert::new(image.dtype, channels.len() as u64);
    let extent = Extent::new(window.height, window.width, channels.len() as u64);
    let hash = Hashing::default();
    let sink = to_stream(hash.clone(), "checksum", Format::Raw, &OutputImage::new(extent, image.dtype))?;
    let inputs = [Input { source, channels }];
    let output = (image.dtype, extent.channels);
    let plan = Plan::write("checksum", &inputs, window, region.chunk, output, &*sink)?;
    runtime.write(&plan, &inputs, &map, sink)?;
    let hash = hash.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
