//! Steering a run from outside: [`CancelToken`] stops it, [`Observer`] hears how far it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// A request to stop, shared by clones. Looked at between chunks; stopping is not an error.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicI32>);

impl CancelToken {
    /// A token that nobody has set.
    pub fn new() -> CancelToken {
        CancelToken::default()
    }

    /// Asks for a stop. `reason` is a nonzero number of the caller's choosing (the signal); the first one stays.
    /// Safe to call from a signal handler.
    pub fn cancel(&self, reason: i32) {
        let _ = self.0.compare_exchange(0, reason, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Whether a stop was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// The reason given, 0 while none is.
    pub fn reason(&self) -> i32 {
        self.0.load(Ordering::SeqCst)
    }
}

/// What happens in a run. Bytes are decoded bytes of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A pass begins.
    Started {
        /// What it does, in a word or two (`statistics`, `mean`, `percentiles 2/3`).
        stage: String,
        /// Chunks that it will visit.
        chunks: u64,
        /// Bytes that it will decode.
        bytes: u64,
    },
    /// A chunk is done (reduced, or committed to the output).
    Advanced {
        /// Chunks since the last event.
        chunks: u64,
        /// Bytes since the last event.
        bytes: u64,
    },
    /// The pass is over.
    Finished,
    /// Something that the user should hear but that does not stop the run.
    Warning(String),
}

/// Hears events, from any thread; must be quick.
pub trait Observer: Send + Sync {
    /// Called for each event.
    fn event(&self, event: Event);
}

/// An observer that does nothing.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: Event) {}
}
