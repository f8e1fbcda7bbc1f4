//! [`Pass`]: the threads and channels of one job. [`Flow`] decides; this moves slots where it says.
//!
//! Every slot is in one place: with the feeder, in the channel of fetched chunks, in a task, in the channel of
//! ended chunks, with the sink, or in the channel of free slots. All three channels have room for every slot, so
//! no send blocks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use outcrop_core::{Error, Event, Result};
use rayon::{ScopeFifo, ThreadPool};

use crate::admit::Flow;
use crate::plan::{Input, Plan};
use crate::reorder::Reorder;
use crate::report::Clock;
use crate::run::Runtime;
use crate::work::{Slot, guard};

/// How long a feeder without a free slot waits before it looks at the cancel token again.
const LOOK: Duration = Duration::from_millis(20);

/// What a task does with a fetched chunk.
pub(crate) type Work<'a> = dyn Fn(&mut Slot) -> Result<()> + Sync + 'a;
/// What the sink does with one that was made.
pub(crate) type Commit<'a> = dyn FnMut(&mut Slot) -> Result<()> + 'a;

/// One pass over the chunks of a plan.
pub(crate) struct Pass<'a> {
    runtime: &'a Runtime,
    plan: &'a Plan,
    inputs: &'a [Input<'a>],
    flow: Mutex<Flow>,
    failure: Mutex<Option<Error>>,
    completed: AtomicU64,
    slots: usize,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(
        runtime: &'a Runtime,
        plan: &'a Plan,
        inputs: &'a [Input<'a>],
        workers: usize,
    ) -> Result<Pass<'a>> {
        if inputs.len() != plan.input_costs().len() {
            return Err(Error::Usage(format!(
                "{} inputs, the plan was made for {}",
                inputs.len(),
                plan.input_costs().len()
            )));
        }
        Ok(Pass {
            runtime,
            plan,
            inputs,
            flow: Mutex::new(Flow::new(plan.chunks(), workers)),
            failure: Mutex::new(None),
            completed: AtomicU64::new(0),
            slots: runtime.in_flight(plan).max(1),
        })
    }

    /// Everything on the caller's thread, chunk after chunk.
    pub(crate) fn inline(&self, work: &Work<'_>, commit: &mut Commit<'_>) {
        let mut slot = Slot::new(self.inputs.len(), None);
        while let Some(index) = self.next_chunk() {
            slot.place(index, self.plan.grid().rect(index));
            self.fetch(&mut slot);
            self.work(&mut slot, work);
            self.finish(&mut slot, commit);
        }
        self.runtime.meter.peak(1, 1);
    }

    /// Feeds from the caller's thread; tasks give their slots straight back.
    pub(crate) fn reduce(&self, pool: &ThreadPool, work: &Work<'_>) -> Result<()> {
        let lane = Lane { pass: self, work, fetched: bounded(self.slots), advances: true };
        let (ended, free) = bounded(self.slots);
        pool.in_place_scope_fifo(|scope| lane.feed(scope, ended, &free));
        Ok(())
    }

    /// Feeds from a thread of its own; the caller's thread puts what tasks make in order and commits it.
    pub(crate) fn write(&self, pool: &ThreadPool, work: &Work<'_>, commit: &mut Commit<'_>) -> Result<()> {
        let lane = Lane { pass: self, work, fetched: bounded(self.slots), advances: false };
        let (ended, made) = bounded(self.slots);
        let (give_back, free) = bounded(self.slots);
        let lane = &lane;
        pool.in_place_scope_fifo(|scope| {
            std::thread::scope(|threads| {
                let feeder = std::thread::Builder::new().name("outcrop-feeder".into());
                feeder
                    .spawn_scoped(threads, move || lane.feed(scope, ended, &free))
                    .map_err(|e| Error::io("start a thread (fewer: -j)", e))?;
                self.commit_all(&made, &give_back, commit);
                Ok(())
            })
        })
    }

    /// Takes ended chunks until all who could send one are gone.
    fn commit_all(&self, made: &Receiver<Slot>, give_back: &Sender<Slot>, commit: &mut Commit<'_>) {
        let mut reorder = Reorder::new();
        while let Ok(slot) = self.runtime.meter.time(Clock::SinkWaited, || made.recv()) {
            reorder.put(slot.index, slot);
            while let Some((_, mut slot)) = reorder.pop() {
                self.finish(&mut slot, commit);
                // The feeder may have ended; the slot is dropped then.
                let _ = give_back.try_send(slot);
            }
        }
    }

    /// How the pass ended.
    pub(crate) fn outcome(&self) -> Result<()> {
        match lock(&self.failure).take() {
            Some(error) => Err(error),
            None if self.completed.load(Ordering::SeqCst) < self.plan.chunks() => Err(Error::Cancelled),
            None => Ok(()),
        }
    }

    fn next_chunk(&self) -> Option<u64> {
        self.look();
        lock(&self.flow).admit()
    }

    /// Looks at the cancel token.
    fn look(&self) {
        if self.runtime.options.cancel.is_cancelled() {
            lock(&self.flow).cancel();
        }
    }

    fn wants(&self, slot: &Slot) -> bool {
        slot.sound && lock(&self.flow).wants(slot.index)
    }

    fn fail(&self, slot: &mut Slot, error: Error) {
        slot.sound = false;
        let mut flow = lock(&self.flow);
        if matches!(error, Error::Cancelled) {
            flow.cancel();
        } else if flow.fail(slot.index) {
            *lock(&self.failure) = Some(error);
        }
    }

    fn fetch(&self, slot: &mut Slot) {
        if let Err(error) = slot.fetch(self.inputs, &self.runtime.meter) {
            self.fail(slot, error);
        }
    }

    /// Works on a fetched chunk that is still wanted, and lets go of what was fetched in any case.
    fn work(&self, slot: &mut Slot, work: &Work<'_>) {
        self.look();
        if self.wants(slot)
            && let Err(error) = work(slot)
        {
            self.fail(slot, error);
        }
        if let Err(error) = slot.release(self.inputs) {
            self.fail(slot, error);
        }
    }

    /// Commits a chunk that is still wanted, and tells the observer.
    fn finish(&self, slot: &mut Slot, commit: &mut Commit<'_>) {
        self.look();
        if !self.wants(slot) {
            return;
        }
        match commit(slot) {
            Ok(()) => self.advance(slot),
            Err(error) => self.fail(slot, error),
        }
    }

    fn advance(&self, slot: &mut Slot) {
        let bytes = self.plan.wanted_bytes(slot.rect);
        self.completed.fetch_add(1, Ordering::SeqCst);
        self.runtime.meter.done(bytes);
        let told = guard("write", slot.index, slot.rect, || {
            self.runtime.options.observer.event(Event::Advanced { chunks: 1, bytes });
            Ok(())
        });
        if let Err(error) = told {
            self.fail(slot, error);
        }
    }
}

/// The way of slots from the feeder through tasks.
struct Lane<'a> {
    pass: &'a Pass<'a>,
    work: &'a Work<'a>,
    fetched: (Sender<Slot>, Receiver<Slot>),
    /// Whether a chunk is done when its task is (a reduction).
    advances: bool,
}

impl<'s> Lane<'s> {
    /// Admits, fetches and hands over chunks until no more are wanted. Slots that ended come back through `free`.
    fn feed(&'s self, scope: &ScopeFifo<'s>, ended: Sender<Slot>, free: &Receiver<Slot>) {
        let pass = self.pass;
        let mut made = 0;
        while let Some(mut slot) = self.slot(&mut made, free) {
            let Some(index) = pass.next_chunk() else { break };
            slot.place(index, pass.plan.grid().rect(index));
            pass.fetch(&mut slot);
            // Also a chunk that failed goes this way, so that it ends where all others do.
            let _ = self.fetched.0.try_send(slot);
            if lock(&pass.flow).fetched() {
                let ended = ended.clone();
                scope.spawn_fifo(move |scope| self.task(scope, ended));
            }
        }
        pass.runtime.meter.peak(made, lock(&pass.flow).most_tasks());
    }

    /// A free slot: one that was used before, else a new one if the budget has room, else the next to come back.
    /// `None` when admission is over.
    fn slot(&self, made: &mut usize, free: &Receiver<Slot>) -> Option<Slot> {
        let pass = self.pass;
        loop {
            pass.look();
            if lock(&pass.flow).is_over() {
                return None;
            }
            if let Ok(slot) = free.try_recv() {
                return Some(slot);
            }
            if let Some(slot) = self.new_slot(*made) {
                *made += 1;
                return Some(slot);
            }
            match pass.runtime.meter.time(Clock::FeederWaited, || free.recv_timeout(LOOK)) {
                Ok(slot) => return Some(slot),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn new_slot(&self, made: usize) -> Option<Slot> {
        let pass = self.pass;
        if made >= pass.slots {
            return None;
        }
        // The job's own permit holds the first chunk.
        let permit = match made {
            0 => None,
            _ => Some(pass.runtime.options.budget.try_take(pass.plan.chunk_bytes())?),
        };
        Some(Slot::new(pass.inputs.len(), permit))
    }

    /// Takes one fetched chunk to its end, then lets a chunk that waits have this task's place.
    fn task(&'s self, scope: &ScopeFifo<'s>, ended: Sender<Slot>) {
        let pass = self.pass;
        // A task is spawned after its chunk was sent: there is one for each.
        if let Ok(mut slot) = self.fetched.1.try_recv() {
            pass.work(&mut slot, self.work);
            if self.advances {
                pass.finish(&mut slot, &mut |_| Ok(()));
            }
            let _ = ended.try_send(slot);
        }
        if lock(&pass.flow).worked() {
            scope.spawn_fifo(move |scope| self.task(scope, ended));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
