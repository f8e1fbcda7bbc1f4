//! [`Pass`]: the threads and channels of one job. [`Flow`] decides; this moves slots where it says.
//!
//! Every slot is in one place: with the feeder, in the channel of fetched chunks, in a task, in the channel of
//! ended chunks, with the sink, or in the channel of free slots. All three channels have room for every slot, so
//! no send blocks.
//!
//! The feeder is there to read ahead. While a reduction's bytes are in the page cache there is nothing to read ahead, and a feeder that wakes
//! for every chunk takes turns with workers: tasks then fill their slots themselves and the feeder sleeps.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use outcrop_core::{Error, Event, Permit, Result};
use rayon::{ScopeFifo, ThreadPool};

use crate::admit::{Admission, Flow};
use crate::plan::{Input, Plan};
use crate::reorder::Reorder;
use crate::report::{Clock, Lane as Queue};
use crate::run::Runtime;
use crate::runs::Runs;
use crate::work::{Desk, Slot, guard};

/// How long a feeder without a free slot waits before it looks whether the budget has room for one more.
const LOOK: Duration = Duration::from_millis(20);

/// What a task does with a fetched chunk.
pub(crate) type Work<'a> = dyn Fn(&mut Slot) -> Result<()> + Sync + 'a;
/// What the sink does with one that was made.
pub(crate) type Commit<'a> = dyn FnMut(&mut Slot) -> Result<()> + 'a;

/// Saves what is done, while no chunk is at work.
pub(crate) type Save<'a> = dyn Fn(&Runs) -> Result<()> + Sync + 'a;

/// When a pass saves, and how.
pub(crate) struct Saver<'a> {
    pub(crate) is_due: &'a (dyn Fn() -> bool + Sync),
    pub(crate) save: &'a Save<'a>,
}

/// One pass over the chunks of a plan.
pub(crate) struct Pass<'a> {
    runtime: &'a Runtime,
    plan: &'a Plan,
    inputs: &'a [Input<'a>],
    flow: Mutex<Flow>,
    failure: Mutex<Option<Error>>,
    /// Desks that nobody works at; dropped before the slots, whose permits pay for them.
    desks: Mutex<Vec<Desk>>,
    /// What pays for the desks' buffers of stored bytes, where there is room for them.
    near: Option<Permit>,
    slots: usize,
    /// The first chunk that an output gets here.
    first: u64,
    saver: Option<Saver<'a>>,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(
        runtime: &'a Runtime,
        plan: &'a Plan,
        inputs: &'a [Input<'a>],
        workers: usize,
        finished: Runs,
        saver: Option<Saver<'a>>,
    ) -> Result<Pass<'a>> {
        if inputs.len() != plan.input_costs().len() {
            return Err(Error::Usage(format!(
                "{} inputs, the plan was made for {}",
                inputs.len(),
                plan.input_costs().len()
            )));
        }
        let already = finished.iter().map(|i| plan.wanted_bytes(plan.grid().rect(i))).sum();
        if finished.len() > 0 {
            let chunks = finished.len();
            runtime.options.observer.event(Event::Advanced { chunks, bytes: already });
        }
        Ok(Pass {
            runtime,
            plan,
            inputs,
            first: finished.gap_from(0),
            flow: Mutex::new(Flow::new(plan.chunks(), workers, finished)),
            failure: Mutex::new(None),
            desks: Mutex::default(),
            slots: runtime.in_flight(plan).max(1),
            near: match runtime.near_bytes(plan) {
                0 => None,
                bytes => runtime.options.budget.try_take(bytes),
            },
            saver,
        })
    }

    /// Everything on the caller's thread, chunk after chunk.
    pub(crate) fn inline(&self, work: &Work<'_>, commit: &mut Commit<'_>) {
        let mut slot = Slot::new(self.inputs.len(), None);
        while let Some(index) = self.next_chunk(|| {}) {
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
        lock(&self.desks).clear();
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
                lock(&self.desks).clear();
                Ok(())
            })
        })
    }

    /// Takes ended chunks until all who could send one are gone.
    fn commit_all(&self, made: &Receiver<Slot>, give_back: &Sender<Slot>, commit: &mut Commit<'_>) {
        let mut reorder = Reorder::new(self.first);
        while let Ok(slot) = self.runtime.meter.time(Clock::SinkWaited, || made.recv()) {
            reorder.put(slot.index, slot);
            while let Some((_, mut slot)) = reorder.pop() {
                self.finish(&mut slot, commit);
                // The feeder may have ended; the slot is dropped then.
                let _ = give_back.try_send(slot);
            }
        }
    }

    /// How the pass ended. What is [finished](Pass::finished) holds in any case.
    pub(crate) fn outcome(&self) -> Result<()> {
        match lock(&self.failure).take() {
            Some(error) => Err(error),
            None if self.finished().len() < self.plan.chunks() => Err(Error::Cancelled),
            None => Ok(()),
        }
    }

    /// The chunks that are done.
    pub(crate) fn finished(&self) -> Runs {
        lock(&self.flow).finished().clone()
    }

    /// The chunk to admit next. Where it is time to save, all that were admitted before have ended by then: `wait`
    /// waits a little for them.
    fn next_chunk(&self, mut wait: impl FnMut()) -> Option<u64> {
        // Asked once for each chunk, so that one is admitted between any two saves.
        if self.saver.as_ref().is_some_and(|saver| (saver.is_due)()) {
            lock(&self.flow).pause();
        }
        loop {
            self.look();
            let admission = lock(&self.flow).admit();
            match admission {
                Admission::Chunk(index) => return Some(index),
                Admission::Over => return None,
                Admission::Paused => {
                    while !lock(&self.flow).is_drained() {
                        self.look();
                        wait();
                    }
                    self.save();
                }
            }
        }
    }

    /// The chunk to admit next without the feeder, after one that needed none: its bytes were at hand, so those of the next are
    /// likely to be. If they are not, the feeder gets the slot back after it.
    fn next_at_hand(&self, slot: &Slot) -> Option<u64> {
        if !slot.was_left(self.inputs) || self.saver.as_ref().is_some_and(|saver| (saver.is_due)()) {
            return None;
        }
        self.look();
        match lock(&self.flow).admit() {
            Admission::Chunk(index) => Some(index),
            Admission::Paused | Admission::Over => None,
        }
    }

    /// Saves what is done, and opens admission again. A save that fails ends the pass.
    fn save(&self) {
        let finished = self.finished();
        let saved = self
            .saver
            .as_ref()
            .map_or(Ok(()), |saver| self.runtime.meter.time(Clock::Save, || (saver.save)(&finished)));
        let mut flow = lock(&self.flow);
        flow.resume();
        if let Err(error) = saved {
            flow.cancel();
            lock(&self.failure).get_or_insert(error);
        }
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
        if !self.wants(slot) {
            slot.sound = false;
        } else {
            let mut desk = lock(&self.desks).pop().unwrap_or_default();
            let worked = slot.at(&mut desk, self.inputs, self.near.is_some(), work);
            lock(&self.desks).push(desk);
            if let Err(error) = worked {
                self.fail(slot, error);
            }
        }
        if let Err(error) = slot.release(self.inputs, &self.runtime.meter) {
            self.fail(slot, error);
        }
    }

    /// Commits a chunk that is still wanted, and tells the observer.
    fn finish(&self, slot: &mut Slot, commit: &mut Commit<'_>) {
        self.look();
        let mut done = false;
        // What was folded is in a partial, whatever came since; what was made is nowhere until it is committed.
        let counts = if self.plan.output().is_some() { self.wants(slot) } else { slot.sound };
        if counts {
            match commit(slot) {
                Ok(()) => {
                    self.advance(slot);
                    done = true;
                }
                Err(error) => self.fail(slot, error),
            }
        }
        lock(&self.flow).ended(slot.index, done);
    }

    fn advance(&self, slot: &mut Slot) {
        let bytes = self.plan.wanted_bytes(slot.rect);
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
        // Slots that came back while the pass was drained.
        let mut spare: Vec<Slot> = Vec::new();
        while let Some(mut slot) = spare.pop().or_else(|| self.slot(&mut made, free)) {
            let mut wait = || spare.extend(pass.runtime.meter.time(Clock::Save, || free.recv_timeout(LOOK)));
            let Some(index) = pass.next_chunk(&mut wait) else { break };
            slot.place(index, pass.plan.grid().rect(index));
            self.hand_over(scope, &ended, slot);
        }
        pass.runtime.meter.peak(made, lock(&pass.flow).most_tasks());
    }

    /// Fetches a chunk and leaves it to a task.
    fn hand_over(&'s self, scope: &ScopeFifo<'s>, ended: &Sender<Slot>, mut slot: Slot) {
        let pass = self.pass;
        pass.fetch(&mut slot);
        // Also a chunk that failed goes this way, so that it ends where all others do.
        let _ = self.fetched.0.try_send(slot);
        pass.runtime.meter.queued(Queue::Fetched, self.fetched.0.len(), pass.slots);
        if lock(&pass.flow).fetched() {
            let ended = ended.clone();
            scope.spawn_fifo(move |scope| self.task(scope, ended));
        }
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
            // A wait with a timeout would come back again and again, and each time in turns with a worker on its processor. A
            // cancel is seen by the workers, who send their slots then.
            let wait = || match *made < pass.slots {
                true => free.recv_timeout(LOOK),
                false => free.recv().map_err(RecvTimeoutError::from),
            };
            match pass.runtime.meter.time(Clock::FeederWaited, wait) {
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
                match pass.next_at_hand(&slot) {
                    Some(index) => {
                        slot.place(index, pass.plan.grid().rect(index));
                        self.hand_over(scope, &ended, slot);
                    }
                    None => drop(ended.try_send(slot)),
                }
            } else {
                let _ = ended.try_send(slot);
                pass.runtime.meter.queued(Queue::Made, ended.len(), pass.slots);
            }
        }
        if lock(&pass.flow).worked() {
            scope.spawn_fifo(move |scope| self.task(scope, ended));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
