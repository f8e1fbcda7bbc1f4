//! [`MemorySink`]: an output that keeps what it is given, and fails on demand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outcrop_core::{Buffer, Encoder, Error, Pixels, Rect, Result, Sink, with_pixels};

use crate::Fault;

/// What a [`MemorySink`] was given; shared, so that a test still has it when the sink is gone.
#[derive(Clone, Debug, Default)]
pub struct Collected(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    chunks: Vec<(u64, Rect, Vec<u8>)>,
    finished: bool,
}

impl Collected {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The numbers of the chunks committed, in that order.
    pub fn order(&self) -> Vec<u64> {
        self.state().chunks.iter().map(|c| c.0).collect()
    }

    /// Whether the output was completed.
    pub fn is_finished(&self) -> bool {
        self.state().finished
    }

    /// The bytes of the whole output in C order, whose pixels take `pixel_bytes` each.
    ///
    /// # Panics
    /// If a chunk reaches outside, or has not the bytes of its place.
    pub fn image(&self, height: u64, width: u64, pixel_bytes: usize) -> Vec<u8> {
        let mut image = vec![0; (height * width) as usize * pixel_bytes];
        for (_, rect, bytes) in &self.state().chunks {
            let row_bytes = rect.width as usize * pixel_bytes;
            assert_eq!(bytes.len(), rect.height as usize * row_bytes);
            for (row, from) in bytes.chunks(row_bytes).enumerate() {
                let at = ((rect.y as usize + row) * width as usize + rect.x as usize) * pixel_bytes;
                image[at..at + row_bytes].copy_from_slice(from);
            }
        }
        image
    }
}

/// An output in memory. Encoding copies the samples in C order.
pub struct MemorySink {
    align: (u64, u64),
    pixel_bytes: u64,
    encode: Option<(u64, Fault)>,
    commit: Option<(u64, Fault)>,
    finish: Option<Fault>,
    collected: Collected,
}

impl MemorySink {
    /// A sink whose pixels take `pixel_bytes` each.
    pub fn new(pixel_bytes: u64) -> MemorySink {
        let collected = Collected::default();
        MemorySink { align: (1, 1), pixel_bytes, encode: None, commit: None, finish: None, collected }
    }

    /// Asks for chunks that are multiples of so many rows and columns.
    pub fn with_align(mut self, align: (u64, u64)) -> MemorySink {
        self.align = align;
        self
    }

    /// Fails while chunk `index` is encoded.
    pub fn fail_encode(mut self, index: u64, fault: Fault) -> MemorySink {
        self.encode = Some((index, fault));
        self
    }

    /// Fails while chunk `index` is committed.
    pub fn fail_commit(mut self, index: u64, fault: Fault) -> MemorySink {
        self.commit = Some((index, fault));
        self
    }

    /// Fails at the end.
    pub fn fail_finish(mut self, fault: Fault) -> MemorySink {
        self.finish = Some(fault);
        self
    }

    /// A sink that goes on where another one, which collected that, was checkpointed with `state`: what was committed
    /// later is forgotten, as a file is truncated.
    pub fn resume(pixel_bytes: u64, collected: &Collected, state: &[u8]) -> MemorySink {
        let kept = usize::from_le_bytes(state.try_into().expect("the state of a MemorySink"));
        collected.state().chunks.truncate(kept);
        MemorySink { collected: collected.clone(), ..MemorySink::new(pixel_bytes) }
    }

    /// A handle on what the sink is given.
    pub fn collected(&self) -> Collected {
        self.collected.clone()
    }
}

fn strike(at: Option<(u64, Fault)>, index: u64) -> Result<()> {
    at.map_or(Ok(()), |(i, fault)| if i == index { fault.strike() } else { Ok(()) })
}

impl Sink for MemorySink {
    fn align(&self) -> (u64, u64) {
        self.align
    }

    fn encoder(&self) -> Arc<dyn Encoder> {
        Arc::new(Copy { pixel_bytes: self.pixel_bytes, fault: self.encode })
    }

    fn commit(&mut self, index: u64, rect: Rect, encoded: &mut Buffer) -> Result<()> {
        strike(self.commit, index)?;
        self.collected.state().chunks.push((index, rect, encoded.bytes().to_vec()));
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<Option<Vec<u8>>> {
        Ok(Some(self.collected.state().chunks.len().to_le_bytes().to_vec()))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.finish.map_or(Ok(()), Fault::strike)?;
        self.collected.state().finished = true;
        Ok(())
    }
}

struct Copy {
    pixel_bytes: u64,
    fault: Option<(u64, Fault)>,
}

impl Encoder for Copy {
    fn cost(&self, shape: (u64, u64)) -> u64 {
        shape.0.saturating_mul(shape.1).saturating_mul(self.pixel_bytes).next_multiple_of(8)
    }

    fn encode(&self, index: u64, rect: Rect, pixels: Pixels<'_>, encoded: &mut Buffer) -> Result<()> {
        strike(self.fault, index)?;
        let [height, width, _] = pixels.shape();
        if (height as u64, width as u64) != (rect.height, rect.width) {
            return Err(Error::Format(format!("{height} x {width} pixels for {rect}")));
        }
        with_pixels!(pixels, v => {
            let bytes = size_of_val(&v[[0, 0, 0]]);
            encoded.resize(v.len() * bytes)?;
            for (to, sample) in encoded.bytes_mut().chunks_exact_mut(bytes).zip(&v) {
                to.copy_from_slice(bytemuck::bytes_of(sample));
            }
        });
        Ok(())
    }
}
