//! [`Flow`]: who may be admitted, who works, what is still wanted. A pure state machine; threads drive it.
//!
//! Chunks are admitted in the order of the grid. Each then ends exactly once: done, failed, or dropped because it
//! is no longer wanted. The first failure makes later chunks unwanted but lets earlier ones go on, so that the
//! failure reported is that of the lowest chunk that can fail, for every number of threads.
//!
//! A *pause* closes admission until all that were admitted have ended. Then what is done can be saved: nothing is
//! at work, and [`finished`](Flow::finished) is exactly what the partials, or the output, hold.

use crate::runs::Runs;

/// What the feeder does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Fill the slot with this chunk.
    Chunk(u64),
    /// Wait until the pass is drained, save, and [`resume`](Flow::resume).
    Paused,
    /// End.
    Over,
}

/// The state of one pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flow {
    /// Chunks that are done, here or before a restart.
    finished: Runs,
    /// Chunks admitted that have not ended.
    in_flight: u64,
    paused: bool,
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
    /// A pass over that many chunks, without those finished before, with at most `workers` tasks at once.
    pub(crate) fn new(chunks: u64, workers: usize, finished: Runs) -> Flow {
        let next = finished.gap_from(0);
        Flow {
            finished,
            in_flight: 0,
            paused: false,
            next,
            stop: chunks,
            waiting: 0,
            tasks: 0,
            most_tasks: 0,
            workers,
        }
    }

    /// Whether nothing more will be admitted.
    pub(crate) fn is_over(&self) -> bool {
        self.next >= self.stop
    }

    /// The feeder holds a free slot: what it does with it.
    pub(crate) fn admit(&mut self) -> Admission {
        if self.is_over() {
            return Admission::Over;
        }
        if self.paused {
            return Admission::Paused;
        }
        let index = self.next;
        self.next = self.finished.gap_from(index + 1);
        self.in_flight += 1;
        Admission::Chunk(index)
    }

    /// An admitted chunk has come to its end: `done` where it was folded, or committed.
    pub(crate) fn ended(&mut self, index: u64, done: bool) {
        self.in_flight -= 1;
        if done {
            self.finished.insert(index);
        }
    }

    /// Closes admission until [`resume`](Flow::resume).
    pub(crate) fn pause(&mut self) {
        self.paused = true;
    }

    /// Opens admission again.
    pub(crate) fn resume(&mut self) {
        self.paused = false;
    }

    /// Whether all chunks that were admitted have ended.
    pub(crate) fn is_drained(&self) -> bool {
        self.in_flight == 0
    }

    /// Chunks that are done.
    pub(crate) fn finished(&self) -> &Runs {
        &self.finished
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
