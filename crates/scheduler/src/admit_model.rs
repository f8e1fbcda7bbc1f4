//! [`Flow`] and [`Reorder`] driven through every interleaving of feeder, tasks, sink, pauses and a cancel, for small
//! sizes.
//!
//! Each actor of `pass.rs` is a few atomic steps between which any other may move. From every state some step
//! leads on until the pass has ended with every slot back where it came from.

use std::collections::{HashSet, VecDeque};

use super::{Admission, Flow};
use crate::reorder::Reorder;
use crate::runs::Runs;

/// What is explored.
#[derive(Clone, Debug)]
struct Setup {
    chunks: u64,
    slots: usize,
    workers: usize,
    /// With a sink that commits in order, or a reduction.
    sink: bool,
    faults: Vec<(Stage, u64)>,
    cancels: bool,
    /// How often the clock asks for a save.
    pauses: u8,
    /// Bits of the chunks that an earlier process has done.
    before: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Stage {
    Fetch,
    Work,
    Commit,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Feeder {
    NeedsSlot,
    HasSlot,
    Fetching(u64),
    /// Holds a slot; waits until all chunks have ended, to save.
    Draining,
    Ended,
}

/// A task: it has taken its chunk; it has looked whether the chunk is wanted; it has worked and let go of it, and keeps the slot; it
/// fetches the next chunk into that; it has no slot any more.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Task {
    Spawned,
    Took(u64, bool),
    Looked(u64, bool),
    HasSlot,
    Fetching(u64),
    LetGo,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    flow: Flow,
    feeder: Feeder,
    free: usize,
    fetched: VecDeque<(u64, bool)>,
    tasks: Vec<Task>,
    ended: VecDeque<(u64, bool)>,
    reorder: Reorder<bool>,
    /// Bits of the chunks that are done.
    done: u32,
    failed: Option<u64>,
    cancelled: bool,
    pauses: u8,
}

impl State {
    fn start(setup: &Setup) -> State {
        State {
            flow: Flow::new(setup.chunks, setup.workers, runs(setup.before)),
            feeder: Feeder::NeedsSlot,
            free: setup.slots,
            fetched: VecDeque::new(),
            tasks: Vec::new(),
            ended: VecDeque::new(),
            reorder: Reorder::new(runs(setup.before).gap_from(0)),
            done: setup.before,
            failed: None,
            cancelled: false,
            pauses: 0,
        }
    }

    fn strikes(&mut self, setup: &Setup, stage: Stage, chunk: u64) -> bool {
        let struck = setup.faults.contains(&(stage, chunk));
        if struck && self.flow.fail(chunk) {
            assert!(self.failed.is_none_or(|before| before > chunk), "a higher failure replaced a lower");
            self.failed = Some(chunk);
        }
        struck
    }

    fn fetch(&mut self, setup: &Setup, chunk: u64) {
        let sound = !self.strikes(setup, Stage::Fetch, chunk);
        self.fetched.push_back((chunk, sound));
        if self.flow.fetched() {
            self.tasks.push(Task::Spawned);
        }
    }

    fn finish(&mut self, setup: &Setup, chunk: u64) {
        assert_eq!(self.done & (1 << chunk), 0, "chunk {chunk} was done twice");
        assert!(!setup.sink || self.done == (1 << chunk) - 1, "chunk {chunk} was committed out of order");
        self.done |= 1 << chunk;
    }

    fn next(&self, setup: &Setup) -> Vec<State> {
        let mut next = Vec::new();
        let mut step = |change: &dyn Fn(&mut State)| {
            let mut state = self.clone();
            change(&mut state);
            state.tasks.sort();
            assert!(state.tasks.len() <= setup.workers, "more tasks than workers");
            assert!(
                state.fetched.len() <= setup.slots && state.ended.len() <= setup.slots,
                "a send would block"
            );
            next.push(state);
        };
        match self.feeder {
            Feeder::NeedsSlot if self.flow.is_over() => step(&|s| s.feeder = Feeder::Ended),
            Feeder::NeedsSlot if self.free > 0 => step(&|s| {
                s.free -= 1;
                s.feeder = Feeder::HasSlot;
            }),
            Feeder::HasSlot => step(&|s| {
                s.feeder = match s.flow.admit() {
                    Admission::Chunk(chunk) => Feeder::Fetching(chunk),
                    Admission::Paused => Feeder::Draining,
                    Admission::Over => Feeder::Ended,
                };
                s.free += usize::from(s.feeder == Feeder::Ended);
            }),
            Feeder::Draining if self.flow.is_drained() => step(&|s| {
                s.check_save(setup);
                s.flow.resume();
                s.feeder = Feeder::HasSlot;
            }),
            Feeder::Fetching(chunk) => step(&|s| {
                s.feeder = Feeder::NeedsSlot;
                s.fetch(setup, chunk);
            }),
            Feeder::NeedsSlot | Feeder::Draining | Feeder::Ended => {}
        }
        for (i, task) in self.tasks.iter().enumerate() {
            match *task {
                Task::Spawned => step(&|s| {
                    let (chunk, sound) = s.fetched.pop_front().expect("every task finds a chunk");
                    s.tasks[i] = Task::Took(chunk, sound);
                }),
                Task::Took(chunk, sound) => {
                    step(&|s| s.tasks[i] = Task::Looked(chunk, sound && s.flow.wants(chunk)))
                }
                Task::Looked(chunk, wanted) => step(&|s| {
                    let sound = wanted && !s.strikes(setup, Stage::Work, chunk);
                    s.tasks[i] = Task::LetGo;
                    if setup.sink {
                        s.ended.push_back((chunk, sound));
                    } else {
                        if sound {
                            s.finish(setup, chunk);
                        }
                        s.flow.ended(chunk, sound);
                        s.tasks[i] = Task::HasSlot;
                    }
                }),
                Task::HasSlot => {
                    step(&|s| {
                        s.free += 1;
                        s.tasks[i] = Task::LetGo;
                    });
                    step(&|s| match s.flow.admit() {
                        Admission::Chunk(chunk) => s.tasks[i] = Task::Fetching(chunk),
                        Admission::Paused | Admission::Over => {
                            s.free += 1;
                            s.tasks[i] = Task::LetGo;
                        }
                    });
                }
                Task::Fetching(chunk) => step(&|s| {
                    s.tasks[i] = Task::LetGo;
                    s.fetch(setup, chunk);
                }),
                Task::LetGo => step(&|s| {
                    s.tasks.remove(i);
                    if s.flow.worked() {
                        s.tasks.push(Task::Spawned);
                    }
                }),
            }
        }
        if !self.ended.is_empty() {
            step(&|s| {
                let (chunk, sound) = s.ended.pop_front().expect("just asked");
                s.reorder.put(chunk, sound);
                while let Some((chunk, sound)) = s.reorder.pop() {
                    let done = sound && s.flow.wants(chunk) && !s.strikes(setup, Stage::Commit, chunk);
                    if done {
                        s.finish(setup, chunk);
                    }
                    s.flow.ended(chunk, done);
                    s.free += 1;
                }
            });
        }
        if setup.cancels && !self.cancelled {
            step(&|s| {
                s.flow.cancel();
                s.cancelled = true;
            });
        }
        if self.pauses < setup.pauses {
            step(&|s| {
                s.flow.pause();
                s.pauses += 1;
            });
        }
        next
    }

    /// What is saved now is what is done: no chunk is at work, or on its way, or waits for one before it.
    fn check_save(&self, setup: &Setup) {
        assert_eq!(*self.flow.finished(), runs(self.done), "what is saved is not what is done");
        assert!(self.fetched.is_empty() && self.ended.is_empty(), "a chunk is on its way");
        assert!(
            self.tasks.iter().all(|task| matches!(task, Task::LetGo | Task::HasSlot)),
            "a task holds a chunk while the partials are saved"
        );
        let kept = self.tasks.iter().filter(|task| **task == Task::HasSlot).count();
        let held = kept + usize::from(self.feeder == Feeder::Draining);
        assert_eq!(self.free + held, setup.slots, "a slot is away");
        assert!(!setup.sink || self.flow.finished().prefix().is_some(), "an output with a gap is saved");
    }

    /// Nothing can move any more: the pass must have ended well.
    fn check_end(&self, setup: &Setup) {
        assert_eq!(self.feeder, Feeder::Ended, "deadlock");
        assert!(self.flow.is_drained(), "a chunk has not ended");
        self.check_save(setup);
        assert_eq!(self.free, setup.slots, "a slot, and so a permit, is lost");
        assert!(
            self.fetched.is_empty() && self.tasks.is_empty() && self.ended.is_empty(),
            "work is left over"
        );
        let lowest = setup.faults.iter().map(|f| f.1).min();
        let before = |end: u64| (1u32 << end) - 1;
        match lowest {
            _ if self.cancelled => {}
            None => assert_eq!(self.done, before(setup.chunks), "a chunk was not done"),
            Some(lowest) => {
                assert_eq!(self.failed, Some(lowest), "another failure is reported");
                assert_eq!(
                    self.done & before(lowest),
                    before(lowest),
                    "a chunk before the failure was not done"
                );
                assert!(
                    !setup.sink || self.done == before(lowest) | setup.before,
                    "a chunk behind the failure was committed"
                );
            }
        }
    }
}

/// The set of the bits that are set.
fn runs(bits: u32) -> Runs {
    let mut runs = Runs::default();
    (0..32).filter(|n| bits & (1 << n) != 0).for_each(|n| runs.insert(n));
    runs
}

/// Visits every state that can be reached; how many there are.
fn explore(setup: &Setup) -> usize {
    let start = State::start(setup);
    let (mut seen, mut open) = (HashSet::from([start.clone()]), vec![start]);
    while let Some(state) = open.pop() {
        let next = state.next(setup);
        // A cancel or a pause is not work: it must not be what saves a pass from a deadlock.
        let outside =
            usize::from(setup.cancels && !state.cancelled) + usize::from(state.pauses < setup.pauses);
        if next.len() == outside {
            state.check_end(setup);
        }
        for state in next {
            if seen.insert(state.clone()) {
                open.push(state);
            }
        }
    }
    seen.len()
}

#[test]
fn every_interleaving_ends_with_every_slot_back() {
    let mut states = 0;
    for sink in [false, true] {
        let stages =
            if sink { &[Stage::Fetch, Stage::Work, Stage::Commit][..] } else { &[Stage::Fetch, Stage::Work] };
        for chunks in 0..=4 {
            let places: Vec<_> = (0..chunks).flat_map(|c| stages.iter().map(move |&s| (s, c))).collect();
            let mut faults = vec![Vec::new()];
            faults.extend(places.iter().map(|&p| vec![p]));
            let pairs = places.iter().flat_map(|&a| places.iter().map(move |&b| vec![a, b]));
            faults.extend(pairs.filter(|p| chunks <= 3 && p[0] < p[1]));
            for (slots, workers) in [(1, 1), (2, 1), (2, 2), (3, 2), (3, 3)] {
                for cancels in [false, true] {
                    for faults in &faults {
                        let faults = faults.clone();
                        states += explore(&Setup {
                            chunks,
                            slots,
                            workers,
                            sink,
                            faults,
                            cancels,
                            pauses: 0,
                            before: 0,
                        });
                    }
                }
            }
        }
    }
    // Guards against a model that has come to explore nothing.
    assert!(states > 100_000, "{states} states");
    println!("{states} states");
}

#[test]
fn every_pause_and_restart_saves_exactly_what_is_done() {
    let mut states = 0;
    for (chunks, sink, before) in [
        (3, false, 0b000),
        (3, false, 0b101),
        (4, false, 0b0110),
        (3, false, 0b111),
        (3, true, 0b000),
        (4, true, 0b0011),
        (2, true, 0b11),
    ] {
        let stages =
            if sink { &[Stage::Fetch, Stage::Work, Stage::Commit][..] } else { &[Stage::Fetch, Stage::Work] };
        let places = (0..chunks).filter(|c| before & (1 << c) == 0);
        let places = places.flat_map(|c| stages.iter().map(move |&s| vec![(s, c)]));
        for faults in std::iter::once(Vec::new()).chain(places) {
            for (slots, workers) in [(1, 1), (2, 1), (2, 2), (3, 2)] {
                for (cancels, pauses) in [(false, 1), (false, 2), (true, 1)] {
                    let faults = faults.clone();
                    states +=
                        explore(&Setup { chunks, slots, workers, sink, faults, cancels, pauses, before });
                }
            }
        }
    }
    assert!(states > 100_000, "{states} states");
    println!("{states} states");
}
