//! [`Runtime`]: the threads and the budget of a process, and the jobs that run on them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outcrop_core::{
    Budget, CancelToken, Error, Event, Map, Observer, Permit, Rect, Reduce, Result, Silent, Sink,
};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::pass::Pass;
use crate::plan::{Input, Plan};
use crate::report::{Clock, Meter, Report};
use crate::work::{Slot, guard, unwound};

/// Jobs that decode less than this, or are one chunk, run on the caller's thread: waking others costs more.
const INLINE_BYTES: u64 = 512 << 10;

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
    active: AtomicUsize,
}

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
        Ok(Runtime { options, meter: Meter::default(), pool: Mutex::new(None), active: AtomicUsize::new(0) })
    }

    /// The options that it was made with.
    pub fn options(&self) -> &RuntimeOptions {
        &self.options
    }

    /// What all jobs so far have done, and where their time went.
    pub fn report(&self) -> Report {
        self.meter.report(self.options.budget.most_used())
    }

    /// Workers that the budget allows for a plan: fewer than the threads where partials are large.
    pub fn workers(&self, plan: &Plan) -> usize {
        self.workers_within(self.options.budget.total(), plan.chunk_bytes(), plan.partial_bytes())
    }

    /// Chunks of a plan that can be in flight at once: what the budget admits, at most 2 x threads + 2.
    pub fn in_flight(&self, plan: &Plan) -> usize {
        let partials = plan.partial_bytes().saturating_mul(self.workers(plan) as u64);
        let left = self.options.budget.total().saturating_sub(partials);
        let admits = left.checked_div(plan.chunk_bytes()).unwrap_or(u64::MAX);
        admits.min(self.most_slots(plan) as u64) as usize
    }

    /// Folds all chunks and merges the partials.
    ///
    /// # Errors
    /// [`Error::Budget`] where one chunk and one partial do not fit, before anything is read;
    /// [`Error::Chunk`] for the lowest chunk that failed; [`Error::Cancelled`].
    pub fn reduce<K: Reduce>(&self, plan: &Plan, inputs: &[Input<'_>], kernel: &K) -> Result<K::Partial> {
        let partial_bytes = plan.partial_bytes().max(kernel.partial_bytes());
        self.job(plan, partial_bytes, |workers| {
            let partials = Mutex::new(Vec::<K::Partial>::new());
            let lock = || partials.lock().unwrap_or_else(PoisonError::into_inner);
            let pass = Pass::new(self, plan, inputs, workers)?;
            let fold = |slot: &mut Slot| {
                slot.compute(inputs, &self.meter, |chunk| {
                    let taken = lock().pop();
                    let mut partial = taken.unwrap_or_else(|| kernel.start());
                    kernel.fold(&mut partial, chunk)?;
                    lock().push(partial);
                    Ok(())
                })
            };
            if self.is_inline(plan) {
                pass.inline(&fold, &mut |_| Ok(()));
            } else {
                pass.reduce(&*self.pool()?, &fold)?;
            }
            pass.outcome()?;
            let partials = partials.into_inner().unwrap_or_else(PoisonError::into_inner);
            unwound(|| {
                let merge = |mut all: K::Partial, one| {
                    kernel.merge(&mut all, one);
                    all
                };
                Ok(partials.into_iter().reduce(merge).unwrap_or_else(|| kernel.start()))
            })
        })
    }

    /// Maps all chunks, encodes them, commits them in the order of the grid and completes the output.
    ///
    /// The plan must come from [`Plan::write`] with the same sink and the map's output. Where the job fails the
    /// sink is dropped and leaves nothing.
    ///
    /// # Errors
    /// As [`reduce`](Runtime::reduce); [`Error::Usage`] for a plan of another job; what the sink answers at the end.
    pub fn write(
        &self,
        plan: &Plan,
        inputs: &[Input<'_>],
        map: &dyn Map,
        mut sink: Box<dyn Sink>,
    ) -> Result<()> {
        let output = plan.output().filter(|o| (o.dtype, o.channels) == map.output());
        let output = output.ok_or_else(|| Error::Usage("the plan is not one of this map's output".into()))?;
        self.job(plan, 0, |workers| {
            let (pass, encoder, corner) =
                (Pass::new(self, plan, inputs, workers)?, sink.encoder(), plan.grid().window());
            let place = |rect: Rect| Rect { y: rect.y - corner.y, x: rect.x - corner.x, ..rect };
            let make = |slot: &mut Slot| {
                let output = (output, place(slot.rect));
                slot.make(inputs, &self.meter, map, output, &*encoder)
            };
            let mut commit = |slot: &mut Slot| {
                guard("write", slot.index, slot.rect, || {
                    self.meter
                        .time(Clock::Commit, || sink.commit(slot.index, place(slot.rect), &mut slot.encoded))
                })
            };
            if self.is_inline(plan) {
                pass.inline(&make, &mut commit);
            } else {
                pass.write(&*self.pool()?, &make, &mut commit)?;
            }
            pass.outcome()?;
            if self.options.cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            drop(encoder);
            unwound(|| self.meter.time(Clock::Commit, || sink.finish()))
        })
    }

    /// Takes what a job needs at least, runs it and tells the observer.
    fn job<R>(&self, plan: &Plan, partial_bytes: u64, run: impl FnOnce(usize) -> Result<R>) -> Result<R> {
        self.meter.job();
        self.meter.time(Clock::Wall, || {
            let _active = Active::enter(&self.active);
            let (workers, _permit) = self.admit(plan, partial_bytes)?;
            let started =
                Event::Started { stage: plan.stage().into(), chunks: plan.chunks(), bytes: plan.bytes() };
            self.options.observer.event(started);
            let done = run(workers);
            self.options.observer.event(Event::Finished);
            done
        })
    }

    /// Takes the partials and the first chunk in one permit, so that no job can hold the one and starve for the
    /// other. More chunks come later, where they are free.
    fn admit(&self, plan: &Plan, partial_bytes: u64) -> Result<(usize, Permit)> {
        let (budget, chunk_bytes) = (&self.options.budget, plan.chunk_bytes());
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
        let most = self.options.threads.saturating_mul(2).saturating_add(2);
        usize::try_from(plan.chunks()).unwrap_or(usize::MAX).min(most)
    }

    fn is_inline(&self, plan: &Plan) -> bool {
        plan.chunks() <= 1 || plan.bytes_to_decode() <= INLINE_BYTES
    }

    fn pool(&self) -> Result<Arc<ThreadPool>> {
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
