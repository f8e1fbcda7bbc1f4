//! [`Flow`]: who may be admitted, who works, what is still wanted. A pure state machine; threads drive it.
//!
//! Chunks are admitted in the order of the grid. Each then ends exactly once: done, failed, or dropped because it
//! is no longer wanted. The first failure makes later chunks unwanted but lets earlier ones go on, so that the
//! failure reported is that of the lowest chunk that can fail, for every number of threads.

/// The state of one pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flow {
    /// The chunk to admit next.
    next: u64,
    /// Chunks from here on are not wanted: the number of chunks, or the lowest that failed, or 0 when cancelled.
    stop: u64,
    /// Fetched chunks that wait for a task.
    waiting: usize,
    /// Tasks spawned that have not ended.
    tasks: usize,
    most_tasks: usize,
    /// Tasks that may run at once.
    workers: usize,
}

impl Flow {
    /// A pass over that many chunks with at most `workers` tasks at once.
    pub(crate) fn new(chunks: u64, workers: usize) -> Flow {
        Flow { next: 0, stop: chunks, waiting: 0, tasks: 0, most_tasks: 0, workers }
    }

    /// Whether nothing more will be admitted.
    pub(crate) fn is_over(&self) -> bool {
        self.next >= self.stop
    }

    /// The feeder holds a free slot: the chunk to fill it with, or `None` when admission is over.
    pub(crate) fn admit(&mut self) -> Option<u64> {
        let index = self.next;
        (index < self.stop).then(|| {
            self.next += 1;
            index
        })
    }

    /// A fetched chunk has entered the channel. Whether the feeder spawns a task for it now.
    #[must_use]
    pub(crate) fn fetched(&mut self) -> bool {
        if self.tasks < self.workers {
            self.tasks += 1;
            self.most_tasks = self.most_tasks.max(self.tasks);
            true
        } else {
            self.waiting += 1;
            false
        }
    }

    /// A task has ended. Whether it spawns a successor for a chunk that waits.
    #[must_use]
    pub(crate) fn worked(&mut self) -> bool {
        if self.waiting > 0 {
            self.waiting -= 1;
            true
        } else {
            self.tasks -= 1;
            false
        }
    }

    /// Whether a chunk should still be worked on, or committed.
    pub(crate) fn wants(&self, index: u64) -> bool {
        index < self.stop
    }

    /// A chunk has failed. Whether it is the lowest so far.
    pub(crate) fn fail(&mut self, index: u64) -> bool {
        let lowest = index < self.stop;
        self.stop = self.stop.min(index);
        lowest
    }

    /// Someone asked for a stop.
    pub(crate) fn cancel(&mut self) {
        self.stop = 0;
    }

    /// The most tasks that ran at once.
    pub(crate) fn most_tasks(&self) -> usize {
        self.most_tasks
    }
}
#[cfg(test)]
#[path = "admit_model.rs"]
mod model;
