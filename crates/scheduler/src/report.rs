//! [`Report`]: where the time went, counted while jobs run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a runtime has done so far, over all its jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Jobs (passes) that were begun.
    pub jobs: u64,
    /// Chunks done: reduced or committed.
    pub chunks: u64,
    /// Bytes of the pixels wanted in those chunks.
    pub bytes: u64,
    /// Time from the start of jobs to their end.
    pub wall: Duration,
    /// Time in each stage, summed over threads.
    pub stages: StageTime,
    /// Most bytes of the budget in use at once.
    pub most_budget_bytes: u64,
    /// Most chunks in flight at once.
    pub most_in_flight: u64,
    /// Most tasks at work at once.
    pub most_tasks: u64,
}

/// Time per stage, summed over the threads that work in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageTime {
    /// Bringing stored bytes near, in one thread.
    pub fetch: Duration,
    /// Decoding, or lending pixels.
    pub decode: Duration,
    /// Kernels.
    pub kernel: Duration,
    /// Encoding.
    pub encode: Duration,
    /// Committing to the output, in one thread.
    pub commit: Duration,
    /// The feeder had no free slot: what comes after it was slower, or the budget is small.
    pub feeder_waited: Duration,
    /// The sink had nothing to commit: what comes before it was slower.
    pub sink_waited: Duration,
}

/// A counter of [`Meter`] that holds a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    Wall,
    Fetch,
    Decode,
    Kernel,
    Encode,
    Commit,
    FeederWaited,
    SinkWaited,
}

/// The counters behind a [`Report`].
#[derive(Debug, Default)]
pub(crate) struct Meter {
    clocks: [AtomicU64; 8],
    jobs: AtomicU64,
    chunks: AtomicU64,
    bytes: AtomicU64,
    most_in_flight: AtomicU64,
    most_tasks: AtomicU64,
}

impl Meter {
    /// Runs `work` on that clock.
    pub(crate) fn time<R>(&self, clock: Clock, work: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let made = work();
        let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.clocks[clock as usize].fetch_add(nanos, Ordering::Relaxed);
        made
    }

    pub(crate) fn job(&self) {
        self.jobs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn done(&self, bytes: u64) {
        self.chunks.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn peak(&self, in_flight: usize, tasks: usize) {
        self.most_in_flight.fetch_max(in_flight as u64, Ordering::Relaxed);
        self.most_tasks.fetch_max(tasks as u64, Ordering::Relaxed);
    }

    pub(crate) fn report(&self, most_budget_bytes: u64) -> Report {
        let time = |c: Clock| Duration::from_nanos(self.clocks[c as usize].load(Ordering::Relaxed));
        let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
        Report {
            jobs: count(&self.jobs),
            chunks: count(&self.chunks),
            bytes: count(&self.bytes),
            wall: time(Clock::Wall),
            stages: StageTime {
                fetch: time(Clock::Fetch),
                decode: time(Clock::Decode),
                kernel: time(Clock::Kernel),
                encode: time(Clock::Encode),
                commit: time(Clock::Commit),
                feeder_waited: time(Clock::FeederWaited),
                sink_waited: time(Clock::SinkWaited),
            },
            most_budget_bytes,
            most_in_flight: count(&self.most_in_flight),
            most_tasks: count(&self.most_tasks),
        }
    }
}
