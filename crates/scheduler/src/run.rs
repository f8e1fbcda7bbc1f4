//! [`Runtime`]: the threads and the budget of a process, and the jobs that run on them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outcrop_core::{
    Budget, CancelToken, Error, Event, Map, Observer, Permit, Rect, Reduce, Result, Silent, Sink,
};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::bad::BadBlock;
use crate::checkpoint::{Begun, Checkpoint, Record};
use crate::describe::PlanFacts;
use crate::parts::Parts;
use crate::pass::{Pass, Saver};
use crate::plan::{Input, Plan};
use crate::report::{Clock, Meter, Report};
use crate::runs::Runs;
use crate::work::{Slot, guard, unwound};

/// Jobs that decode less than this, or are one chunk, run on the caller's thread: waking others costs more.
const INLINE_BYTES: u64 = 512 << 10;

/// More than the usual number of chunks are in flight where they take no more than this for each thread.
const SMALL_BYTES: u64 = 16 << 20;

/// More stored bytes of a chunk than these would not stay in a core's cache until they are used.
const NEAR_BYTES: u64 = 4 << 20;

/// What a [`Runtime`] is made with.
#[derive(Clone)]
pub struct RuntimeOptions {
    /// Workers; 0 counts as 1. A feeder runs beside them, and the caller's thread commits.
    pub threads: usize,
    /// The memory that jobs share with whoever else takes from it.
    pub budget: Budget,
    /// Stops jobs between chunks.
    pub cancel: CancelToken,
    /// Hears how far jobs are.
    pub observer: Arc<dyn Observer>,
}

impl Default for RuntimeOptions {
    /// As many threads as the process may use, 1 GiB, never cancelled, silent.
    fn default() -> RuntimeOptions {
        RuntimeOptions {
            threads: std::thread::available_parallelism().map_or(1, |n| n.get()),
            budget: Budget::new(1 << 30),
            cancel: CancelToken::new(),
            observer: Arc::new(Silent),
        }
    }
}

/// Runs jobs, one pool of threads and one budget for all. May be shared: jobs can run at the same time.
///
/// Jobs are started from the caller's own threads, never from within a kernel or a source: the caller's thread
/// feeds or commits, and a worker must not wait for workers.
pub struct Runtime {
    pub(crate) options: RuntimeOptions,
    pub(crate) meter: Meter,
    /// Started by the first job that is worth it.
    pool: Mutex<Option<Arc<ThreadPool>>>,
    /// Jobs that hold part of the budget.
    pub(crate) active: AtomicUsize,
    checkpoint: Option<Checkpoint>,
    plans: Mutex<Vec<PlanFacts>>,
    plans_only: bool,
}

/// Plans that a runtime keeps for its report.
const MOST_PLANS: usize = 1000;

impl Runtime {
    /// A runtime; threads start with the first job that needs them.
    ///
    /// # Errors
    /// [`Error::Usage`] for more threads than a pool can have.
    pub fn new(mut options: RuntimeOptions) -> Result<Runtime> {
        let most = rayon::max_num_threads();
        options.threads = options.threads.max(1);
        if options.threads > most {
            return Err(Error::Usage(format!(
                "{} threads, at most {most} are possible (-j)",
                options.threads
            )));
        }
        Ok(Runtime {
            options,
            meter: Meter::default(),
            pool: Mutex::new(None),
            active: AtomicUsize::new(0),
            checkpoint: None,
            plans: Mutex::new(Vec::new()),
            plans_only: false,
        })
    }

    /// Saves what jobs have done in a checkpoint, and goes on from it. Jobs then run one after another, the same ones
    /// in the same order in every process of the run.
    ///
    /// A job that is cancelled saves, answers [`Error::Cancelled`], and [`Checkpoint::is_stopped`] says so. The file
    /// stays until [`Checkpoint::complete`].
    pub fn with_checkpoint(mut self, checkpoint: Checkpoint) -> Runtime {
        self.checkpoint = Some(checkpoint);
        self
    }

    /// Makes every job stop where its plan is made: it answers [`Error::Cancelled`] before anything is read, and
    /// [`plans`](Runtime::plans) has the plan.
    pub fn planning_only(mut self) -> Runtime {
        self.plans_only = true;
        self
    }

    /// Whether jobs stop where their plan is made.
    pub fn is_planning(&self) -> bool {
        self.plans_only
    }

    /// Looks whether a job that comes later will fit the budget, when it has that to itself.
    ///
    /// # Errors
    /// [`Error::Budget`] where it does not.
    pub fn ensure_fits(&self, plan: &Plan) -> Result<()> {
        let (facts, budget) = (PlanFacts::of(plan, self), self.options.budget.total());
        match facts.least_bytes {
            needed if needed > budget => Err(Error::Budget { needed, budget }),
            _ => Ok(()),
        }
    }

    /// The checkpoint, if there is one.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }

    /// The plans of the jobs so far, of the first 1000.
    pub fn plans(&self) -> Vec<PlanFacts> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The storage blocks that could not be read and were filled, since this was last asked, and how often others
    /// were met that are too many to be listed.
    pub fn take_bad_blocks(&self) -> (Vec<BadBlock>, u64) {
        self.meter.bad.take()
    }

    /// The options that it was made with.
    pub fn options(&self) -> &RuntimeOptions {
        &self.options
    }

    /// What all jobs so far have done, and where their time went.
    pub fn report(&self) -> Report {
        self.meter.report(self.options.budget.most_used(), self.options.threads)
    }

    /// Runs what ends an output after its jobs (a copy, a sync), so that the report counts its time as writing.
    pub fn end_output<R>(&self, work: impl FnOnce() -> R) -> R {
        self.meter.time(Clock::Wall, || self.meter.time(Clock::Commit, work))
    }

    /// Notes among the plans that an output is ended by a copy: so many bytes at most that are read and written, and held
    /// of the budget.
    pub fn plan_copy(&self, window: Rect, read: u64, written: u64, held: u64) {
        self.note(PlanFacts::of_copy(window, (read, written, held), self));
    }

    fn note(&self, facts: PlanFacts) {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_planning() || plans.len() < MOST_PLANS {
            plans.push(facts);
        }
    }

    /// Workers that the budget allows for a plan: fewer than the threads where partials are large.
    pub fn workers(&self, plan: &Plan) -> usize {
        self.workers_within(self.options.budget.total(), plan.chunk_bytes(), plan.partial_bytes())
    }

    /// Chunks of a plan that can be in flight at once: what the budget admits, at most 2 x threads + 2, or 8 x threads where
    /// chunks are small and nothing is written.
    pub fn in_flight(&self, plan: &Plan) -> usize {
        let partials = plan.partial_bytes().saturating_mul(self.workers(plan) as u64);
        let left = self.options.budget.total().saturating_sub(partials);
        let admits = left.checked_div(plan.chunk_bytes()).unwrap_or(u64::MAX);
        admits.min(self.most_slots(plan) as u64) as usize
    }

    /// Bytes of the buffers into which workers read stored bytes, rather than into their chunk's: there are fewer, and what they hold
    /// is in a core's cache. 0 where they are large, or the budget has no room for them beside all chunks in flight.
    pub(crate) fn near_bytes(&self, plan: &Plan) -> u64 {
        let stored = plan.near_bytes();
        let near = stored.saturating_mul(self.workers(plan).min(self.in_flight(plan)) as u64);
        let fits = self.flight_bytes(plan).saturating_add(near) <= self.options.budget.total();
        if stored <= NEAR_BYTES && fits { near } else { 0 }
    }

    /// Bytes of all chunks in flight and of the partials, at most; of what is saved of these, too.
    pub(crate) fn flight_bytes(&self, plan: &Plan) -> u64 {
        let saving = if self.checkpoint.is_some() { plan.partial_bytes() } else { 0 };
        let chunks = plan.chunk_bytes().saturating_mul(self.in_flight(plan).max(1) as u64);
        let partials = plan.partial_bytes().saturating_mul(self.workers(plan) as u64);
        chunks.saturating_add(partials).saturating_add(saving)
    }

    /// Folds all chunks and merges the partials.
    ///
    /// # Errors
    /// [`Error::Budget`] where one chunk and one partial do not fit, before anything is read;
    /// [`Error::Chunk`] for the lowest chunk that failed; [`Error::Cancelled`].
    pub fn reduce<K: Reduce>(&self, plan: &Plan, inputs: &[Input<'_>], kernel: &K) -> Result<K::Partial> {
        let partial_bytes = plan.partial_bytes().max(kernel.partial_bytes());
        self.job(plan, partial_bytes, |workers, saved| {
            let partials = Mutex::new(Vec::<K::Partial>::new());
            let lock = || partials.lock().unwrap_or_else(PoisonError::into_inner);
            let torn = AtomicUsize::new(0);
            if let Some(state) = saved.state() {
                lock().push(unwound(|| kernel.load(state)).map_err(|why| saved.refuse(&why))?);
            }
            let merged = || {
                let taken = std::mem::take(&mut *lock());
                let merge = |mut all: K::Partial, one| {
                    kernel.merge(&mut all, one);
                    all
                };
                taken.into_iter().reduce(merge).unwrap_or_else(|| kernel.start())
            };
            let save = |finished: &Runs, write| {
                unwound(|| {
                    if torn.load(Ordering::SeqCst) > 0 {
                        return Ok(());
                    }
                    let all = merged();
                    let state = kernel.save(&all);
                    lock().push(all);
                    saved.save(&self.meter, finished, state, write)
                })
            };
            let parts = Parts::new(plan, inputs, kernel.takes_channels())?;
            let fold = |slot: &mut Slot| {
                let mut partial = None;
                slot.compute(&parts, &self.meter, |chunk, channel| {
                    let partial = partial.get_or_insert_with(|| {
                        // Half a chunk must not be saved; what was saved before stays good.
                        torn.fetch_add(1, Ordering::SeqCst);
                        let taken = lock().pop();
                        taken.unwrap_or_else(|| kernel.start())
                    });
                    match channel {
                        None => kernel.fold(partial, chunk),
                        Some(channel) => kernel.fold_channel(partial, channel, chunk),
                    }
                })?;
                if let Some(partial) = partial {
                    torn.fetch_sub(1, Ordering::SeqCst);
                    lock().push(partial);
                }
                Ok(())
            };
            let (is_due, save_now) = (|| saved.is_due(), |finished: &Runs| save(finished, true));
            let saver = saved.is_kept().then_some(Saver { is_due: &is_due, save: &save_now });
            let pass = Pass::new(self, plan, inputs, workers, saved.finished.clone(), saver)?;
            if saved.is_kept() {
                // Also proves, before hours of work, that it can be saved.
                save(&saved.finished, true)?;
            }
            if self.is_inline(plan) {
                pass.inline(&fold, &mut |_| Ok(()));
            } else {
                pass.reduce(&*self.pool()?, &fold)?;
            }
            let outcome = pass.outcome();
            if saved.is_kept() && matches!(outcome, Ok(()) | Err(Error::Cancelled)) {
                save(&pass.finished(), false)?;
            }
            outcome?;
            unwound(|| Ok(merged()))
        })
    }

    /// Maps all chunks, encodes them, commits them in the order of the grid and completes the output.
    ///
    /// The plan must come from [`Plan::write`] with the same sink and the map's output. Where the job fails the
    /// sink is dropped and leaves nothing.
    ///
    /// # Errors
    /// As [`reduce`](Runtime::reduce); [`Error::Usage`] for a plan of another job; what the sink answers at the end.
    pub fn write(&self, plan: &Plan, inputs: &[Input<'_>], map: &dyn Map, sink: Box<dyn Sink>) -> Result<()> {
        let output = plan.output().filter(|o| (o.dtype, o.channels) == map.output());
        let output = output.ok_or_else(|| Error::Usage("the plan is not one of this map's output".into()))?;
        self.job(plan, 0, |workers, saved| {
            let (encoder, corner) = (sink.encoder(), plan.grid().window());
            let place = |rect: Rect| Rect { y: rect.y - corner.y, x: rect.x - corner.x, ..rect };
            // The sink's thread commits; the feeder's saves, while nothing is on its way to the sink.
            let sink = Mutex::new(sink);
            let lock = || sink.lock().unwrap_or_else(PoisonError::into_inner);
            let state = || {
                let state = unwound(|| lock().checkpoint())?;
                state.ok_or_else(|| {
                    Error::Usage("a pipe as output cannot be gone on with (leave out --checkpoint)".into())
                })
            };
            let save = |finished: &Runs, write| saved.save(&self.meter, finished, state()?, write);
            if saved.is_kept() {
                if saved.finished.prefix().is_none() {
                    return Err(saved.refuse(&Error::Format("its output has a gap".into())));
                }
                if saved.state().is_some_and(|was| state().is_ok_and(|is| is != was)) {
                    return Err(Error::Usage(
                        "the output was not opened where the checkpoint left it".into(),
                    ));
                }
                save(&saved.finished, true)?;
            }
            let make = |slot: &mut Slot| {
                let output = (output, place(slot.rect));
                slot.make(inputs, &self.meter, map, output, &*encoder)
            };
            let mut commit = |slot: &mut Slot| {
                guard("write", slot.index, slot.rect, || {
                    let place = place(slot.rect);
                    self.meter.time(Clock::Commit, || lock().commit(slot.index, place, &mut slot.encoded))
                })
            };
            let (is_due, save_now) = (|| saved.is_due(), |finished: &Runs| save(finished, true));
            let saver = saved.is_kept().then_some(Saver { is_due: &is_due, save: &save_now });
            let pass = Pass::new(self, plan, inputs, workers, saved.finished.clone(), saver)?;
            if self.is_inline(plan) {
                pass.inline(&make, &mut commit);
            } else {
                pass.write(&*self.pool()?, &make, &mut commit)?;
            }
            let mut outcome = pass.outcome();
            if outcome.is_ok() && self.options.cancel.is_cancelled() {
                outcome = Err(Error::Cancelled);
            }
            if saved.is_kept() && matches!(outcome, Err(Error::Cancelled)) {
                save(&pass.finished(), false)?;
            }
            outcome?;
            if saved.is_kept() {
                // From here on the output may have its name: who begins again must know that it is whole.
                save(&pass.finished(), true)?;
            }
            drop(pass);
            drop(encoder);
            let sink = sink.into_inner().unwrap_or_else(PoisonError::into_inner);
            unwound(|| self.meter.time(Clock::Commit, || sink.finish()))
        })
    }

    /// Takes what a job needs at least, runs it and tells the observer.
    fn job<R>(
        &self,
        plan: &Plan,
        partial_bytes: u64,
        run: impl FnOnce(usize, &Saved<'_>) -> Result<R>,
    ) -> Result<R> {
        self.note(PlanFacts::of(plan, self));
        if self.plans_only {
            return Err(Error::Cancelled);
        }
        self.meter.job(plan.blocks());
        self.meter.time(Clock::Wall, || {
            let _active = Active::enter(&self.active);
            let saved = Saved::begin(self, plan)?;
            // Saving takes the bytes of one more partial.
            let saving = if saved.is_kept() { partial_bytes } else { 0 };
            let done = self.admit(plan, partial_bytes, saving).and_then(|(workers, _permit)| {
                let started =
                    Event::Started { stage: plan.stage().into(), chunks: plan.chunks(), bytes: plan.bytes() };
                self.options.observer.event(started);
                let done = run(workers, &saved);
                self.options.observer.event(Event::Finished);
                done
            });
            if let (Err(Error::Cancelled), Some((checkpoint, _))) = (&done, &saved.kept) {
                checkpoint.stop()?;
            }
            done
        })
    }

    /// Takes the partials and the first chunk in one permit, so that no job can hold the one and starve for the
    /// other. More chunks come later, where they are free.
    fn admit(&self, plan: &Plan, partial_bytes: u64, saving: u64) -> Result<(usize, Permit)> {
        let (budget, chunk_bytes) = (&self.options.budget, plan.chunk_bytes().saturating_add(saving));
        let least = chunk_bytes.saturating_add(partial_bytes);
        loop {
            if self.options.cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let alone = self.active.load(Ordering::SeqCst) == 1;
            let free = budget.free();
            let workers = self.workers_within(free, chunk_bytes, partial_bytes);
            let wanted = partial_bytes.saturating_mul(workers as u64).saturating_add(chunk_bytes);
            if let Some(permit) = budget.try_take(wanted) {
                return Ok((workers, permit));
            }
            // Nobody will give back what is missing.
            if alone || least > budget.total() {
                let held = budget.total() - free.min(budget.total());
                return Err(Error::Budget { needed: least.saturating_add(held), budget: budget.total() });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn workers_within(&self, bytes: u64, chunk_bytes: u64, partial_bytes: u64) -> usize {
        let each = chunk_bytes.saturating_add(partial_bytes);
        if partial_bytes == 0 || each == 0 {
            return self.options.threads;
        }
        (bytes / each).clamp(1, self.options.threads as u64) as usize
    }

    fn most_slots(&self, plan: &Plan) -> usize {
        usize::try_from(plan.chunks()).unwrap_or(usize::MAX).min(self.wanted_slots(plan))
    }

    /// Chunks in flight that a job would like: 2 x threads + 2. A reduction's chunks may be small and soon done; of those
    /// there are up to four times as many, so that workers do not run dry while the feeder waits for a processor.
    pub(crate) fn wanted_slots(&self, plan: &Plan) -> usize {
        let threads = self.options.threads;
        let usual = threads.saturating_mul(2).saturating_add(2);
        if plan.output().is_some() {
            return usual;
        }
        let small = SMALL_BYTES.saturating_mul(threads as u64).checked_div(plan.chunk_bytes()).unwrap_or(0);
        usize::try_from(small).unwrap_or(usize::MAX).min(threads.saturating_mul(8)).max(usual)
    }

    fn is_inline(&self, plan: &Plan) -> bool {
        plan.chunks() <= 1 || plan.bytes_to_decode() <= INLINE_BYTES
    }

    pub(crate) fn pool(&self) -> Result<Arc<ThreadPool>> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = &*pool {
            return Ok(pool.clone());
        }
        let threads = self.options.threads;
        let made = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("outcrop-{i}"))
            .build()
            .map_err(|e| {
                Error::io(format!("start {threads} threads (fewer: -j)"), std::io::Error::other(e))
            })?;
        Ok(pool.insert(Arc::new(made)).clone())
    }
}

/// What an earlier process has done of a job, and where this one notes what it does.
struct Saved<'a> {
    /// The checkpoint and the job's number in it.
    kept: Option<(&'a Checkpoint, usize)>,
    finished: Runs,
    record: Option<Record>,
}

impl<'a> Saved<'a> {
    fn begin(runtime: &'a Runtime, plan: &Plan) -> Result<Saved<'a>> {
        let Some(checkpoint) = &runtime.checkpoint else {
            return Ok(Saved { kept: None, finished: Runs::default(), record: None });
        };
        let Begun { number, finished, record } = checkpoint.begin(&plan.facts(), plan.chunks())?;
        let bad = record.as_ref().map_or(&[][..], |record| &record.bad);
        runtime.meter.bad.load(bad).map_err(|why| checkpoint.refuse(&Error::Format(why)))?;
        Ok(Saved { kept: Some((checkpoint, number)), finished, record })
    }

    fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// The state that was saved; `None` where there is none yet.
    fn state(&self) -> Option<&[u8]> {
        self.record.as_ref().map(|record| &*record.state).filter(|state| !state.is_empty())
    }

    fn is_due(&self) -> bool {
        self.kept.is_some_and(|(checkpoint, _)| checkpoint.is_due())
    }

    fn save(&self, meter: &Meter, finished: &Runs, state: Vec<u8>, write: bool) -> Result<()> {
        self.kept.map_or(Ok(()), |(checkpoint, number)| {
            checkpoint.save(number, finished, state, meter.bad.save(), write)
        })
    }

    fn refuse(&self, why: &Error) -> Error {
        self.kept.map_or_else(|| Error::Format(why.to_string()), |(checkpoint, _)| checkpoint.refuse(why))
    }
}

/// Counts a job as active while it lives.
struct Active<'a>(&'a AtomicUsize);

impl<'a> Active<'a> {
    fn enter(count: &'a AtomicUsize) -> Active<'a> {
        count.fetch_add(1, Ordering::SeqCst);
        Active(count)
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
