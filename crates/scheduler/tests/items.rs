//! Items: committed in order, within the budget, the lowest failure first, resumed where they were saved.

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::{ends, observed, runtime};
use outcrop_core::{Budget, Error, Result};
use outcrop_scheduler::{Checkpoint, CheckpointOptions, ItemSink, Items, ItemsPlan};

/// Squares of numbers; some items cost more, some fail.
struct Squares {
    cost: fn(u64) -> u64,
    fails: fn(u64) -> bool,
    held: AtomicU64,
    most: AtomicU64,
}

impl Squares {
    fn new(cost: fn(u64) -> u64, fails: fn(u64) -> bool) -> Squares {
        Squares { cost, fails, held: AtomicU64::new(0), most: AtomicU64::new(0) }
    }
}

impl Items for Squares {
    type Open = Option<u64>;
    type Slot = u64;

    fn open(&self, index: u64) -> Result<(Option<u64>, u64)> {
        Ok((Some(index), (self.cost)(index)))
    }

    fn too_large(&self, _: u64, error: Error) -> Result<Option<u64>> {
        assert!(matches!(error, Error::Budget { .. }));
        Ok(None)
    }

    fn work(&self, index: u64, item: Option<u64>, slot: &mut u64) -> Result<()> {
        let cost = item.map_or(0, self.cost);
        let held = self.held.fetch_add(cost, Ordering::SeqCst) + cost;
        self.most.fetch_max(held, Ordering::SeqCst);
        // Later items end first now and then.
        std::thread::sleep(Duration::from_micros((index % 7) * 100));
        *slot = item.map_or(u64::MAX, |n| n * n);
        self.held.fetch_sub(cost, Ordering::SeqCst);
        if (self.fails)(index) { Err(Error::Format(format!("item {index}"))) } else { Ok(()) }
    }
}

#[derive(Default)]
struct Kept(Vec<u64>);

impl ItemSink<u64> for Kept {
    fn commit(&mut self, index: u64, slot: &mut u64) -> Result<()> {
        assert_eq!(index, self.0.len() as u64);
        self.0.push(*slot);
        Ok(())
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        Ok(self.0.iter().flat_map(|n| n.to_le_bytes()).chain([1]).collect())
    }

    fn load(&mut self, state: &[u8]) -> Result<()> {
        self.0 = state.as_chunks::<8>().0.iter().map(|n| u64::from_le_bytes(*n)).collect();
        Ok(())
    }
}

fn plan(items: u64) -> ItemsPlan {
    ItemsPlan { stage: "squares".into(), items, bytes_each: 8, is_output: true }
}

#[test]
fn items_are_committed_in_order_within_the_budget() {
    ends(|| {
        for (threads, bytes) in [(1, 1000), (2, 1000), (7, 1000), (3, 1 << 20), (2, 130)] {
            let budget = Budget::new(bytes);
            let squares = Squares::new(|n| 1 + n % 130, |_| false);
            let mut kept = Kept::default();
            runtime(threads, &budget).items(&plan(300), &squares, &mut kept).unwrap();
            assert_eq!(kept.0, (0..300).map(|n| n * n).collect::<Vec<u64>>());
            assert!(squares.most.into_inner() <= bytes && budget.free() == bytes);
        }
    });
}

#[test]
fn an_item_beyond_the_budget_is_told_so_and_the_others_go_on() {
    ends(|| {
        let squares = Squares::new(|n| if n % 10 == 3 { 1 << 40 } else { 100 }, |_| false);
        let mut kept = Kept::default();
        runtime(2, &Budget::new(450)).items(&plan(40), &squares, &mut kept).unwrap();
        let wanted = (0..40).map(|n| if n % 10 == 3 { u64::MAX } else { n * n });
        assert_eq!(kept.0, wanted.collect::<Vec<u64>>());
    });
}

#[test]
fn the_lowest_failure_is_reported_and_all_before_it_committed() {
    ends(|| {
        for threads in [1, 2, 5] {
            let squares = Squares::new(|_| 10, |n| n >= 18);
            let mut kept = Kept::default();
            let failed = runtime(threads, &Budget::new(1000)).items(&plan(100), &squares, &mut kept);
            assert_eq!(failed.unwrap_err().to_string(), "item 18");
            assert_eq!(kept.0.len(), 18);
        }
    });
}

#[test]
fn a_run_that_was_stopped_goes_on_where_it_was_saved() {
    ends(|| {
        let folder = tempfile::tempdir().unwrap();
        let open = |every| {
            let path = folder.path().join("run.ckpt");
            Checkpoint::open(CheckpointOptions { path, every, facts: Vec::new() }).unwrap()
        };
        let mut starts = Vec::new();
        for (every, at) in [(Duration::from_secs(60), 20), (Duration::ZERO, 30), (Duration::ZERO, usize::MAX)]
        {
            let (runtime, _) = observed(2, &Budget::new(1000), at);
            let runtime = runtime.with_checkpoint(open(every));
            let squares = Squares::new(|_| 10, |_| false);
            let mut kept = Kept::default();
            starts.push(runtime.checkpoint().unwrap().output_state().map_or(0, |state| state.len() / 8));
            let done = runtime.items(&plan(100), &squares, &mut kept);
            if at < 100 {
                assert!(matches!(done, Err(Error::Cancelled)), "{done:?}");
            } else {
                done.unwrap();
                assert_eq!(kept.0, (0..100).map(|n| n * n).collect::<Vec<u64>>());
            }
        }
        // What was told of as advanced when it went on counts as one event.
        assert!(starts[0] == 0 && starts[1] >= 20 && starts[2] > starts[1], "{starts:?}");
    });
}
