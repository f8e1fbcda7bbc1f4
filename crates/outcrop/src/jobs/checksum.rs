//! [`checksum`]: the SHA-256 of an image's pixels, whatever file they are in.

use std::sync::{Arc, Mutex, PoisonError};

use outcrop_core::{Buffer, Encoder, Error, Extent, Rect, Result, Sink, Source};
use outcrop_ops::map::Convert;
use outcrop_scheduler::{Checkpoint, Input, Plan, Runtime};
use outcrop_writer::{Format, OutputImage, to_stream};
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest, Sha256};

use crate::Region;

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
    // What a stream of samples would be, hashed instead of written.
    let stream = to_stream(std::io::sink(), "checksum", Format::Raw, &OutputImage::new(extent, image.dtype))?;
    let state = runtime.checkpoint().and_then(Checkpoint::output_state);
    let hash = Arc::new(Mutex::new(state.map_or_else(|| Ok(Sha256::new()), |state| load(&state))?));
    let sink = Box::new(Hashing { encoder: stream.encoder(), align: stream.align(), hash: hash.clone() });
    let inputs = [Input { source, channels }];
    let output = (image.dtype, extent.channels);
    let plan = Plan::write("checksum", &inputs, window, region.chunk, output, &*sink)?;
    runtime.write(&plan, &inputs, &map, sink)?;
    let hash = hash.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Hashes the samples that a stream would be given.
struct Hashing {
    encoder: Arc<dyn Encoder>,
    align: (u64, u64),
    hash: Arc<Mutex<Sha256>>,
}

impl Sink for Hashing {
    fn align(&self) -> (u64, u64) {
        self.align
    }

    fn encoder(&self) -> Arc<dyn Encoder> {
        self.encoder.clone()
    }

    fn commit(&mut self, _: u64, _: Rect, encoded: &mut Buffer) -> Result<()> {
        self.hash.lock().unwrap_or_else(PoisonError::into_inner).update(encoded.bytes());
        Ok(())
    }

    /// The sum over what was committed: SHA-256's eight words, the blocks it has taken, and what does not fill one yet.
    fn checkpoint(&mut self) -> Result<Option<Vec<u8>>> {
        Ok(Some(self.hash.lock().unwrap_or_else(PoisonError::into_inner).serialize().to_vec()))
    }

    fn bytes_bound(&self) -> Option<u64> {
        Some(0)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// The sum that [`Hashing::checkpoint`] saved.
fn load(state: &[u8]) -> Result<Sha256> {
    let state = SerializedState::<Sha256>::try_from(state).ok();
    let hash = state.and_then(|state| Sha256::deserialize(&state).ok());
    hash.ok_or_else(|| Error::Format("the checkpoint is of another kind of output".into()))
}
