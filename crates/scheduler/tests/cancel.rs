//! A cancelled job stops soon, gives everything back and publishes nothing.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{EXTENT, ends, image, input, observed};
use outcrop_core::{Budget, CancelToken, DataType, Error, Event};
use outcrop_scheduler::{Plan, Runtime, RuntimeOptions};
use outcrop_testkit::{Checksum, Fault, FaultySource, MemorySink, SumChannels, When};

#[test]
fn a_reduction_stops_wherever_it_is_cancelled() {
    ends(|| {
        let source = image();
        let plan = Plan::reduce("t", &input(&source), EXTENT.rect(), Some((20, 401)), 16).unwrap();
        for at in [1, 2, 10, 25] {
            let budget = Budget::new(1 << 30);
            let (runtime, events) = observed(2, &budget, at);
            let stopped = runtime.reduce(&plan, &input(&source), &Checksum);
            assert!(matches!(stopped, Err(Error::Cancelled)), "{stopped:?}");
            assert_eq!(budget.free(), budget.total());
            let advanced =
                events.seen.lock().unwrap().iter().filter(|e| matches!(e, Event::Advanced { .. })).count();
            assert!((at..at + 3).contains(&advanced), "{advanced} chunks after a cancel at {at}");
        }
    });
}

#[test]
fn an_output_that_is_cancelled_is_a_prefix_and_never_finished() {
    ends(|| {
        let source = image();
        for (threads, at) in [(1, 1), (2, 7), (7, 30), (2, 31)] {
            let sink = MemorySink::new(8);
            let (kept, budget) = (sink.collected(), Budget::new(1 << 30));
            let output = (DataType::F64, 1);
            let plan =
                Plan::write("t", &input(&source), EXTENT.rect(), Some((20, 401)), output, &sink).unwrap();
            assert_eq!(plan.chunks(), 31);
            let (runtime, _) = observed(threads, &budget, at);
            let stopped = runtime.write(&plan, &input(&source), &SumChannels, Box::new(sink));
            assert!(matches!(stopped, Err(Error::Cancelled)), "{stopped:?}");
            assert_eq!(kept.order(), (0..at as u64).collect::<Vec<_>>());
            assert!(!kept.is_finished() && budget.free() == budget.total());
        }
    });
}

#[test]
fn a_job_cancelled_before_it_begins_reads_nothing() {
    let source = FaultySource::new(image(), When::Fetch, (0, 0), Fault::Panic);
    let plan = Plan::reduce("t", &input(&source), EXTENT.rect(), None, 16).unwrap();
    let cancel = CancelToken::new();
    cancel.cancel(15);
    let runtime = Runtime::new(RuntimeOptions { cancel, ..Default::default() }).unwrap();
    assert!(matches!(runtime.reduce(&plan, &input(&source), &Checksum), Err(Error::Cancelled)));
}

#[test]
fn a_job_that_waits_for_the_budget_hears_a_cancel() {
    static FREE: AtomicBool = AtomicBool::new(false);
    ends(|| {
        let source = FaultySource::new(image(), When::Read, (0, 0), Fault::Until(&FREE));
        let plan = Plan::reduce("t", &input(&source), EXTENT.rect(), Some((20, 401)), 1000).unwrap();
        let (budget, cancel) = (Budget::new(1500), CancelToken::new());
        let options = RuntimeOptions {
            threads: 2,
            budget: budget.clone(),
            cancel: cancel.clone(),
            ..Default::default()
        };
        let runtime = Runtime::new(options).unwrap();
        std::thread::scope(|threads| {
            let jobs = [(); 2].map(|()| threads.spawn(|| runtime.reduce(&plan, &input(&source), &Checksum)));
            // One holds the budget and stands still; the other comes and waits for it.
            while budget.free() == budget.total() {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(50));
            cancel.cancel(2);
            while !jobs.iter().any(|job| job.is_finished()) {
                std::thread::sleep(Duration::from_millis(1));
            }
            FREE.store(true, Ordering::SeqCst);
            for job in jobs {
                assert!(matches!(job.join().unwrap(), Err(Error::Cancelled)));
            }
        });
        assert_eq!(budget.free(), budget.total());
    });
}
