//! [`Report`]: where the time went, counted while jobs run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::bad::BadBlocks;

/// What a runtime has done so far, over all its jobs.
#[derive(Clone, Debug, Default, PartialEq)]
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
    /// Workers of the pool.
    pub threads: u64,
    /// Storage blocks (strips, tiles) that sources decoded, each as often as it was; not those that are absent, or
    /// lent as they lie in the file.
    pub blocks_decoded: u64,
    /// Storage blocks that the windows of the jobs touch, each once for a job.
    pub blocks: u64,
    /// Fetched chunks that waited for a worker.
    pub fetched_queue: Occupancy,
    /// Chunks that waited for the sink.
    pub made_queue: Occupancy,
}

/// How full a channel was, seen each time something was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Occupancy {
    /// Items in it on average, the one just sent among them.
    pub mean: f64,
    /// Most items.
    pub most: u64,
    /// Room.
    pub slots: u64,
}

/// The whole time of the threads that do one kind of work, part by part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneTime {
    /// `feeder`, `workers` or `sink`.
    pub name: &'static str,
    /// Threads of this kind.
    pub threads: u64,
    /// What they did. The parts add up to the wall time times the threads; the last one is what the others leave.
    pub parts: Vec<(&'static str, Duration)>,
}

impl Report {
    /// How often a block was decoded, on average over those that the windows touch; `None` where there are none.
    pub fn decode_amplification(&self) -> Option<f64> {
        (self.blocks > 0).then(|| self.blocks_decoded as f64 / self.blocks as f64)
    }

    /// Where the time of each kind of thread went.
    ///
    /// One feeder fetches; in jobs that write, one sink commits (in others it idles); `threads` workers compute.
    /// Small jobs run all stages on the caller's thread; the accounts hold for them too.
    pub fn lanes(&self) -> [LaneTime; 3] {
        let s = &self.stages;
        let lane = |name, threads: u64, mut parts: Vec<_>, rest| {
            let whole = self.wall.saturating_mul(u32::try_from(threads).unwrap_or(u32::MAX));
            let told = parts.iter().map(|p: &(_, Duration)| p.1).sum();
            parts.push((rest, whole.saturating_sub(told)));
            LaneTime { name, threads, parts }
        };
        [
            lane(
                "feeder",
                1,
                vec![("fetch", s.fetch), ("wait", s.feeder_waited), ("checkpoint", s.checkpoint)],
                "other",
            ),
            lane(
                "workers",
                self.threads,
                vec![("decode", s.decode), ("kernel", s.kernel), ("encode", s.encode)],
                "idle",
            ),
            lane("sink", 1, vec![("commit", s.commit), ("wait", s.sink_waited)], "other"),
        ]
    }

    /// What the run spent most of its time on: `disk`, `decoding`, `kernel`, `encoding` or `writing`; `None` where it
    /// did nothing.
    pub fn bottleneck(&self) -> Option<&'static str> {
        let s = &self.stages;
        let each = |work: Duration| work / u32::try_from(self.threads.max(1)).unwrap_or(u32::MAX);
        // Each kind of thread works beside the others: the fullest one is what all wait for.
        let workers = each(s.decode + s.kernel + s.encode);
        let (_, lane) = [(s.fetch, "disk"), (workers, "workers"), (s.commit, "writing")]
            .into_iter()
            .max_by_key(|lane| lane.0)
            .filter(|lane| !lane.0.is_zero())?;
        if lane != "workers" {
            return Some(lane);
        }
        [(s.decode, "decoding"), (s.kernel, "kernel"), (s.encode, "encoding")]
            .into_iter()
            .max_by_key(|stage| stage.0)
            .map(|stage| stage.1)
    }

    /// The bottleneck in a sentence for people.
    pub fn sentence(&self) -> String {
        let s = &self.stages;
        let percent = |part: Duration, threads: u64| {
            let whole = self.wall.as_secs_f64() * threads as f64;
            if whole > 0.0 { (part.as_secs_f64() / whole * 100.0).min(100.0) } else { 0.0 }
        };
        let (who, part, threads) = match self.bottleneck() {
            None => return "nothing was done".into(),
            Some("disk") => ("reading: the feeder was", s.fetch, 1),
            Some("writing") => ("writing: the sink was", s.commit, 1),
            Some("decoding") => ("decoding: the workers were", s.decode, self.threads),
            Some("kernel") => ("the kernel: the workers were", s.kernel, self.threads),
            Some(_) => ("encoding: the workers were", s.encode, self.threads),
        };
        format!(
            "most of the time went into {who} busy with it for {:.0} % of the run",
            percent(part, threads)
        )
    }
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
    /// Draining for checkpoints and saving them.
    pub checkpoint: Duration,
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
    Save,
}

/// A channel whose occupancy is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Fetched,
    Made,
}

#[derive(Debug, Default)]
struct Queue {
    sends: AtomicU64,
    items: AtomicU64,
    most: AtomicU64,
    slots: AtomicU64,
}

/// The counters behind a [`Report`].
#[derive(Debug, Default)]
pub(crate) struct Meter {
    clocks: [AtomicU64; 9],
    queues: [Queue; 2],
    blocks_decoded: AtomicU64,
    blocks: AtomicU64,
    /// Blocks that were filled.
    pub(crate) bad: BadBlocks,
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

    pub(crate) fn job(&self, blocks: u64) {
        self.jobs.fetch_add(1, Ordering::Relaxed);
        self.blocks.fetch_add(blocks, Ordering::Relaxed);
    }

    /// Something was sent into a channel that holds `items` then.
    pub(crate) fn queued(&self, lane: Lane, items: usize, slots: usize) {
        let queue = &self.queues[lane as usize];
        queue.sends.fetch_add(1, Ordering::Relaxed);
        queue.items.fetch_add(items as u64, Ordering::Relaxed);
        queue.most.fetch_max(items as u64, Ordering::Relaxed);
        queue.slots.fetch_max(slots as u64, Ordering::Relaxed);
    }

    pub(crate) fn decoded(&self, blocks: u64) {
        self.blocks_decoded.fetch_add(blocks, Ordering::Relaxed);
    }

    pub(crate) fn done(&self, bytes: u64) {
        self.chunks.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn peak(&self, in_flight: usize, tasks: usize) {
        self.most_in_flight.fetch_max(in_flight as u64, Ordering::Relaxed);
        self.most_tasks.fetch_max(tasks as u64, Ordering::Relaxed);
    }

    pub(crate) fn report(&self, most_budget_bytes: u64, threads: usize) -> Report {
        let time = |c: Clock| Duration::from_nanos(self.clocks[c as usize].load(Ordering::Relaxed));
        let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let occupancy = |lane: Lane| {
            let queue = &self.queues[lane as usize];
            let mean = count(&queue.items) as f64 / count(&queue.sends).max(1) as f64;
            Occupancy { mean, most: count(&queue.most), slots: count(&queue.slots) }
        };
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
                checkpoint: time(Clock::Save),
            },
            most_budget_bytes,
            most_in_flight: count(&self.most_in_flight),
            most_tasks: count(&self.most_tasks),
            threads: threads as u64,
            blocks_decoded: count(&self.blocks_decoded),
            blocks: count(&self.blocks),
            fetched_queue: occupancy(Lane::Fetched),
            made_queue: occupancy(Lane::Made),
        }
    }
}
