//! [`PlanFacts`]: a plan and what this runtime makes of it, as named facts.

use outcrop_core::{Order, Rect};

use crate::plan::Plan;
use crate::run::Runtime;

/// Everything that is known of a job before it reads anything.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PlanFacts {
    /// What the job does, in a word or two.
    pub stage: String,
    /// Passes over the input that the whole answer takes at most.
    pub passes: usize,
    /// The pixels that it is about.
    pub window: Rect,
    /// Chunks down and across.
    pub grid: (u64, u64),
    /// Rows and columns of a whole chunk.
    pub chunk_shape: (u64, u64),
    /// Chunks in all.
    pub chunks: u64,
    /// Whether the input is read as a stream, from top to bottom.
    pub is_stream: bool,
    /// Bytes of the pixels wanted.
    pub bytes: u64,
    /// Stored bytes that are read at most.
    pub bytes_to_read: u64,
    /// Bytes of pixels that are decoded at most.
    pub bytes_to_decode: u64,
    /// Bytes that the output takes at most: 0 without one, `None` where its format cannot say.
    pub bytes_to_write: Option<u64>,
    /// The variant of the output's format that was chosen, where there are several (`TIFF`, `BigTIFF`).
    pub variant: Option<&'static str>,
    /// How often a block of the first input is decoded, on average.
    pub amplification: f64,
    /// Bytes that a chunk in flight holds at most.
    pub chunk_bytes: u64,
    /// Bytes of each worker's partial at most, in this pass.
    pub partial_bytes: u64,
    /// The least budget with which the job and the passes that follow run.
    pub least_bytes: u64,
    /// Bytes of the budget in use at once, at most, in this pass and in those that follow.
    pub peak_bytes: u64,
    /// The budget.
    pub budget_bytes: u64,
    /// Threads asked for.
    pub threads: usize,
    /// Workers that the budget allows.
    pub workers: usize,
    /// Chunks in flight at most.
    pub in_flight: usize,
    /// What keeps more from being done at once.
    pub limited_by: LimitedBy,
}

/// What keeps a job from doing more at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitedBy {
    /// Nothing: every chunk can be in flight.
    Chunks,
    /// The number of threads.
    Threads,
    /// The memory budget.
    Memory,
    /// The memory budget, so much that the job cannot run at all.
    DoesNotFit,
}

impl PlanFacts {
    /// The facts of a plan as `runtime` would run it.
    pub fn of(plan: &Plan, runtime: &Runtime) -> PlanFacts {
        let (workers, in_flight) = (runtime.workers(plan), runtime.in_flight(plan));
        let options = runtime.options();
        let (threads, budget_bytes) = (options.threads, options.budget.total());
        let (least_bytes, peak) = std::iter::once(plan.clone())
            .chain(plan.later())
            .map(|plan| needs(&plan, runtime))
            .fold((0, 0), |(least, peak), needs| (needs.0.max(least), needs.1.max(peak)));
        // Where partials keep threads from work, those of later passes may be smaller: more of them then share the budget.
        let later = plan.later().map_or(workers, |later| runtime.workers(&later));
        let peak = if plan.passes() > 1 && workers.min(later) < threads { budget_bytes } else { peak };
        let most = runtime.wanted_slots(plan) as u64;
        let limited_by = if least_bytes > budget_bytes {
            LimitedBy::DoesNotFit
        } else if workers < threads || (in_flight as u64) < plan.chunks().min(most) {
            LimitedBy::Memory
        } else if plan.chunks() <= most {
            LimitedBy::Chunks
        } else {
            LimitedBy::Threads
        };
        PlanFacts {
            stage: plan.stage().into(),
            passes: plan.passes(),
            window: plan.grid().window(),
            grid: plan.grid().counts(),
            chunk_shape: plan.grid().shape(),
            chunks: plan.chunks(),
            is_stream: plan.order() == Order::Sequential,
            bytes: plan.bytes(),
            bytes_to_read: plan.bytes_to_read(),
            bytes_to_decode: plan.bytes_to_decode(),
            bytes_to_write: plan.bytes_to_write(),
            variant: plan.variant(),
            amplification: plan.amplification(),
            chunk_bytes: plan.chunk_bytes(),
            partial_bytes: plan.partial_bytes(),
            least_bytes,
            peak_bytes: if least_bytes > budget_bytes { least_bytes } else { peak.min(budget_bytes) },
            budget_bytes,
            threads,
            workers,
            in_flight,
            limited_by,
        }
    }

    /// The facts of a copy that ends an output: bytes read, written and held.
    pub(crate) fn of_copy(
        window: Rect,
        (read, written, held): (u64, u64, u64),
        runtime: &Runtime,
    ) -> PlanFacts {
        let options = runtime.options();
        let budget_bytes = options.budget.total();
        PlanFacts {
            stage: "copy".into(),
            passes: 1,
            window,
            grid: (1, 1),
            chunk_shape: (window.height, window.width),
            chunks: 1,
            is_stream: true,
            bytes: read,
            bytes_to_read: read,
            bytes_to_decode: 0,
            bytes_to_write: Some(written),
            variant: None,
            amplification: 1.0,
            chunk_bytes: held,
            partial_bytes: 0,
            least_bytes: held,
            peak_bytes: held,
            budget_bytes,
            threads: options.threads,
            workers: 1,
            in_flight: 1,
            limited_by: if held > budget_bytes { LimitedBy::DoesNotFit } else { LimitedBy::Chunks },
        }
    }
}

/// The least bytes that a pass needs, and the most that it takes where there is enough.
fn needs(plan: &Plan, runtime: &Runtime) -> (u64, u64) {
    let saving = if runtime.checkpoint().is_some() { plan.partial_bytes() } else { 0 };
    let most = runtime.flight_bytes(plan).saturating_add(runtime.near_bytes(plan));
    (plan.least_bytes().saturating_add(saving), most)
}

impl LimitedBy {
    /// The word for it: `chunks`, `threads`, `memory` or `does not fit`.
    pub fn name(self) -> &'static str {
        match self {
            LimitedBy::Chunks => "chunks",
            LimitedBy::Threads => "threads",
            LimitedBy::Memory => "memory",
            LimitedBy::DoesNotFit => "does not fit",
        }
    }
}
