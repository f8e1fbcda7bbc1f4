//! [`verify`]: decodes every block and keeps nothing.

use outcrop_core::{Chunk, Error, Reduce, Result, Source};
use outcrop_scheduler::{Input, Plan, Runtime};

use crate::Region;

/// Decodes every block of a region. Where the source was opened to fill bad blocks, [`Runtime::take_bad_blocks`] has
/// them afterwards.
///
/// # Errors
/// What the source or the budget answer; [`Error::Cancelled`] after a cancel.
pub fn verify(runtime: &Runtime, source: &dyn Source, region: &Region) -> Result<()> {
    let (window, channels) = region.resolve(source.image())?;
    let inputs = [Input { source, channels }];
    let plan = Plan::reduce("verify", &inputs, window, region.chunk, Nothing.partial_bytes())?;
    runtime.reduce(&plan, &inputs, &Nothing)
}

/// The reduction to nothing.
struct Nothing;

impl Reduce for Nothing {
    type Partial = ();

    fn start(&self) {}

    fn partial_bytes(&self) -> u64 {
        0
    }

    fn fold(&self, _: &mut (), _: &Chunk<'_>) -> Result<()> {
        Ok(())
    }

    fn merge(&self, _: &mut (), _: ()) {}

    fn save(&self, _: &()) -> Vec<u8> {
        vec![0]
    }

    fn load(&self, bytes: &[u8]) -> Result<()> {
        (bytes == [0]).then_some(()).ok_or_else(|| Error::Format("not the state of a verification".into()))
    }
}
