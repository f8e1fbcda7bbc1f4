//! Many small inputs under one budget and one pool: each is opened, worked on and committed as a whole.
//!
//! The caller's thread opens items in order, which says what each will cost, and gives each a slot: a permit and the
//! buffers that it has paid for. Tasks work; the caller's thread commits in order. A slot is used again where its permit
//! covers the next item; idle slots are given up where a larger item needs their bytes. As the lowest item that is not
//! committed is always at work, waiting for slots or bytes ends.

use std::sync::atomic::Ordering;

use crossbeam_channel::bounded;
use outcrop_core::{Budget, Error, Event, Permit, Result};

use crate::checkpoint::{Begun, Facts};
use crate::plan::Plan;
use crate::reorder::Reorder;
use crate::report::Clock;
use crate::run::Runtime;
use crate::runs::Runs;
use crate::work::unwound;

/// What is done with each item.
pub trait Items: Sync {
    /// An item that was opened.
    type Open: Send;
    /// Buffers that an item in flight uses, kept for the next one.
    type Slot: Default + Send;

    /// Opens an item and says how many bytes working on it takes at most. Called in order, from one thread.
    ///
    /// # Errors
    /// Where the run must end.
    fn open(&self, index: u64) -> Result<(Self::Open, u64)>;

    /// An item that needs more than the whole budget; `error` says so.
    ///
    /// # Errors
    /// Where the run must end; else what [`work`](Items::work) gets.
    fn too_large(&self, index: u64, error: Error) -> Result<Self::Open>;

    /// Works on an item, in a worker.
    ///
    /// # Errors
    /// Where the run must end.
    fn work(&self, index: u64, item: Self::Open, slot: &mut Self::Slot) -> Result<()>;
}

/// Takes what was made of items, in order.
pub trait ItemSink<S> {
    /// Takes an item's slot, whose buffers are then used again.
    ///
    /// # Errors
    /// Where the run must end.
    fn commit(&mut self, index: u64, slot: &mut S) -> Result<()>;

    /// Makes all that was committed durable and says how to go on from here in another process.
    ///
    /// # Errors
    /// Where it cannot be made durable.
    fn save(&mut self) -> Result<Vec<u8>>;

    /// Takes the state that an earlier process saved. Called before anything is committed.
    ///
    /// # Errors
    /// Where it is not of this run.
    fn load(&mut self, state: &[u8]) -> Result<()>;
}

/// A job over items.
#[derive(Clone, Debug)]
pub struct ItemsPlan {
    /// What the job does, in a word or two.
    pub stage: String,
    /// Items in all.
    pub items: u64,
    /// Bytes that each counts for in the progress.
    pub bytes_each: u64,
    /// Whether [`Checkpoint::output_state`](crate::Checkpoint::output_state) is this job's.
    pub is_output: bool,
}

impl ItemsPlan {
    fn facts(&self) -> Facts {
        let output = if self.is_output { "items" } else { Plan::NO_OUTPUT };
        [
            ("the stage", self.stage.clone()),
            ("the number of items", self.items.to_string()),
            (Plan::OUTPUT, output.to_string()),
        ]
        .map(|(what, value)| (what.to_string(), value))
        .to_vec()
    }
}

/// Saves what the sink has committed: so many items.
type Save<'a, S> = dyn Fn(&mut dyn ItemSink<S>, u64) -> Result<()> + 'a;

struct Slot<S> {
    /// Dropped before the permit.
    data: S,
    permit: Permit,
}

impl Runtime {
    /// Works on all items and commits them in order.
    ///
    /// # Errors
    /// What the lowest item that failed, or its commit, answered; [`Error::Cancelled`].
    pub fn items<I: Items>(
        &self,
        plan: &ItemsPlan,
        items: &I,
        sink: &mut dyn ItemSink<I::Slot>,
    ) -> Result<()> {
        self.meter.job(plan.items);
        self.meter.time(Clock::Wall, || {
            self.active.fetch_add(1, Ordering::SeqCst);
            let started = Event::Started {
                stage: plan.stage.clone(),
                chunks: plan.items,
                bytes: plan.items.saturating_mul(plan.bytes_each),
            };
            self.options.observer.event(started);
            let done = self.run_items(plan, items, sink);
            self.options.observer.event(Event::Finished);
            self.active.fetch_sub(1, Ordering::SeqCst);
            if let (Err(Error::Cancelled), Some(checkpoint)) = (&done, self.checkpoint()) {
                checkpoint.stop()?;
            }
            done
        })
    }

    fn run_items<I: Items>(
        &self,
        plan: &ItemsPlan,
        items: &I,
        sink: &mut dyn ItemSink<I::Slot>,
    ) -> Result<()> {
        let mut done = 0;
        let mut job = None;
        if let Some(checkpoint) = self.checkpoint() {
            let Begun { number, finished, record } = checkpoint.begin(&plan.facts(), plan.items)?;
            let gap = || checkpoint.refuse(&Error::Format("its output has a gap".into()));
            done = finished.prefix().ok_or_else(gap)?;
            match record.filter(|record| !record.state.is_empty()) {
                Some(record) => sink.load(&record.state)?,
                None => done = 0,
            }
            job = Some((checkpoint, number));
        }
        let save = |sink: &mut dyn ItemSink<I::Slot>, done: u64, write: bool| {
            let Some((checkpoint, number)) = job else { return Ok(()) };
            self.meter.time(Clock::Save, || {
                let state = unwound(|| sink.save())?;
                checkpoint.save(number, &Runs::first(done), state, Vec::new(), write)
            })
        };
        save(sink, done, true)?;
        if done > 0 {
            let bytes = done.saturating_mul(plan.bytes_each);
            self.options.observer.event(Event::Advanced { chunks: done, bytes });
        }
        let outcome = self.items_from(&mut done, plan, items, sink, &|sink, done| save(sink, done, true));
        if matches!(outcome, Ok(()) | Err(Error::Cancelled)) {
            save(sink, done, true)?;
        }
        outcome
    }

    fn items_from<I: Items>(
        &self,
        done: &mut u64,
        plan: &ItemsPlan,
        items: &I,
        sink: &mut dyn ItemSink<I::Slot>,
        save: &Save<'_, I::Slot>,
    ) -> Result<()> {
        let most = self.options.threads.saturating_mul(2).saturating_add(2);
        let due = || self.checkpoint().is_some_and(crate::Checkpoint::is_due);
        let (ended, made) = bounded(most);
        let mut idle: Vec<Slot<I::Slot>> = Vec::new();
        let mut reorder = Reorder::new(*done);
        let (mut next, mut parked) = (*done, None);
        let (mut in_flight, mut at_work, mut peak) = (0, 0, 0);
        let (mut failure, mut paused) = (None, false);
        let pool = self.pool()?;
        pool.in_place_scope_fifo(|scope| {
            loop {
                let stopped = || self.options.cancel.is_cancelled();
                while failure.is_none() && in_flight < most && !stopped() && !paused {
                    if parked.is_none() && next < plan.items {
                        match unwound(|| self.meter.time(Clock::Fetch, || items.open(next))) {
                            Ok(opened) => parked = Some(opened),
                            Err(error) => {
                                // Those before it are still finished, and may fail in turn.
                                failure = Some(error);
                                break;
                            }
                        }
                    }
                    let Some((item, bytes)) = parked.take() else { break };
                    let (item, slot) = match slot(&mut idle, &self.options.budget, bytes) {
                        Some(slot) => (item, slot),
                        None if in_flight > 0 => {
                            parked = Some((item, bytes));
                            break;
                        }
                        None => {
                            let budget = &self.options.budget;
                            let needed = bytes.saturating_add(budget.total() - budget.free());
                            let error = Error::Budget { needed, budget: budget.total() };
                            let told = unwound(|| items.too_large(next, error));
                            match told.map(|item| Some((item, slot(&mut idle, budget, 0)?))) {
                                Ok(Some(both)) => both,
                                Ok(None) => break,
                                Err(error) => {
                                    failure = Some(error);
                                    break;
                                }
                            }
                        }
                    };
                    let (index, ended, mut slot) = (next, ended.clone(), slot);
                    next += 1;
                    in_flight += 1;
                    at_work += 1;
                    // Asked once for each item, so that one is admitted between any two saves.
                    paused = due();
                    peak = peak.max(at_work);
                    scope.spawn_fifo(move |_| {
                        let work = || items.work(index, item, &mut slot.data);
                        let worked = unwound(|| self.meter.time(Clock::Decode, work));
                        // There is room for every slot.
                        let _ = ended.try_send((index, slot, worked));
                    });
                }
                if at_work == 0 {
                    // What was admitted has ended, and all before the first failure is committed.
                    if failure.is_some() || stopped() || next == plan.items {
                        break;
                    }
                    if std::mem::take(&mut paused)
                        && let Err(error) = save(sink, *done)
                    {
                        failure = Some(error);
                        break;
                    }
                    continue;
                }
                let Ok((index, slot, worked)) = self.meter.time(Clock::SinkWaited, || made.recv()) else {
                    break;
                };
                at_work -= 1;
                reorder.put(index, (slot, worked));
                while let Some((index, (mut slot, worked))) = reorder.pop() {
                    in_flight -= 1;
                    if *done == index {
                        let commit = || self.meter.time(Clock::Commit, || sink.commit(index, &mut slot.data));
                        match worked.and_then(|()| unwound(commit)) {
                            Ok(()) => {
                                *done += 1;
                                self.meter.decoded(1);
                                self.meter.done(plan.bytes_each);
                                let advanced = Event::Advanced { chunks: 1, bytes: plan.bytes_each };
                                self.options.observer.event(advanced);
                            }
                            // The lowest: all before it are committed.
                            Err(error) => failure = Some(error),
                        }
                    }
                    idle.push(slot);
                }
            }
        });
        self.meter.peak(peak, peak.min(self.options.threads));
        match failure {
            Some(error) => Err(error),
            None if *done < plan.items => Err(Error::Cancelled),
            None => Ok(()),
        }
    }
}

/// A slot of at least `bytes`; idle ones are given up where the budget has no room otherwise.
fn slot<S: Default>(idle: &mut Vec<Slot<S>>, budget: &Budget, bytes: u64) -> Option<Slot<S>> {
    if let Some(at) = idle.iter().position(|slot| slot.permit.bytes() >= bytes) {
        return Some(idle.swap_remove(at));
    }
    // A little more, so that the next item, a little larger, finds room.
    let rounded = bytes.next_multiple_of((bytes / 4).max(1).next_power_of_two());
    loop {
        if let Some(permit) = budget.try_take(rounded).or_else(|| budget.try_take(bytes)) {
            return Some(Slot { data: S::default(), permit });
        }
        idle.pop()?;
    }
}
