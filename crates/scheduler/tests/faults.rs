//! An error or a panic at each stage and chunk: no hang, no lost permit, and always the same answer.

mod common;

use std::sync::Arc;

use common::{EXTENT, ends, image, input, runtime};
use outcrop_core::{Budget, DataType, Error, Event, Extent, Observer, Result};
use outcrop_scheduler::{Plan, Runtime, RuntimeOptions};
use outcrop_testkit::{
    Checksum, Collected, Fault, Faulty, FaultySource, MemorySink, MemorySource, SumChannels, When, ramp,
};

const CHUNK: Option<(u64, u64)> = Some((100, 401));
const CHUNKS: u64 = 7;

fn check(result: Result<()>, stage: &str, chunk: u64, fault: Fault) {
    let error = result.unwrap_err();
    let Error::Chunk { stage: got, chunk: at, cause, .. } = &error else { panic!("{error}") };
    assert_eq!((*got, *at), (stage, chunk), "{error}");
    match fault {
        Fault::Error => assert!(matches!(&**cause, Error::Format(text) if text == "injected"), "{error}"),
        _ => assert!(matches!(&**cause, Error::Panic(text) if text == "injected"), "{error}"),
    }
}

/// Every chunk, both kinds of fault, one and more threads, a budget for one chunk and for many.
fn everywhere(job: impl Fn(u64, Fault, &Runtime)) {
    for chunk in 0..CHUNKS {
        for fault in [Fault::Error, Fault::Panic] {
            for threads in [1, 3] {
                for bytes in [100 * 401 * 16, 1 << 30] {
                    let budget = Budget::new(bytes);
                    job(chunk, fault, &runtime(threads, &budget));
                    assert_eq!(budget.free(), budget.total(), "chunk {chunk}, {fault:?}, {threads} threads");
                }
            }
        }
    }
}

fn write(
    runtime: &Runtime,
    source: &dyn outcrop_core::Source,
    map: &dyn outcrop_core::Map,
    sink: MemorySink,
) -> Result<()> {
    let plan = Plan::write("t", &input(source), EXTENT.rect(), CHUNK, (DataType::F64, 1), &sink)?;
    assert_eq!(plan.chunks(), CHUNKS);
    runtime.write(&plan, &input(source), map, Box::new(sink))
}

fn is_prefix(kept: &Collected, chunks: u64) {
    assert_eq!(kept.order(), (0..chunks).collect::<Vec<_>>());
    assert!(!kept.is_finished());
}

#[test]
fn a_reduction_reports_the_chunk_that_failed() {
    ends(|| {
        everywhere(|chunk, fault, runtime| {
            for (when, stage) in [(When::Fetch, "fetch"), (When::Read, "decode")] {
                let source = FaultySource::new(image(), when, (chunk * 100, 7), fault);
                let plan = Plan::reduce("t", &input(&source), EXTENT.rect(), CHUNK, 16).unwrap();
                check(runtime.reduce(&plan, &input(&source), &Checksum).map(|_| ()), stage, chunk, fault);
            }
            let (source, kernel) = (image(), Faulty { kernel: Checksum, chunk, fault });
            let plan = Plan::reduce("t", &input(&source), EXTENT.rect(), CHUNK, 16).unwrap();
            check(runtime.reduce(&plan, &input(&source), &kernel).map(|_| ()), "kernel", chunk, fault);
        });
    });
}

#[test]
fn an_output_ends_before_the_chunk_that_failed_and_is_not_published() {
    ends(|| {
        everywhere(|chunk, fault, runtime| {
            for (when, stage) in [(When::Fetch, "fetch"), (When::Read, "decode")] {
                let source = FaultySource::new(image(), when, (chunk * 100, 7), fault);
                let sink = MemorySink::new(8);
                let kept = sink.collected();
                check(write(runtime, &source, &SumChannels, sink), stage, chunk, fault);
                is_prefix(&kept, chunk);
            }
            let source = image();
            let map = Faulty { kernel: SumChannels, chunk, fault };
            check(write(runtime, &source, &map, MemorySink::new(8)), "kernel", chunk, fault);
            let sink = MemorySink::new(8).fail_encode(chunk, fault);
            let kept = sink.collected();
            check(write(runtime, &source, &SumChannels, sink), "encode", chunk, fault);
            is_prefix(&kept, chunk);
            let sink = MemorySink::new(8).fail_commit(chunk, fault);
            let kept = sink.collected();
            check(write(runtime, &source, &SumChannels, sink), "write", chunk, fault);
            is_prefix(&kept, chunk);
        });
    });
}

#[test]
fn of_two_faults_the_lower_chunk_is_reported_for_every_number_of_threads() {
    ends(|| {
        for threads in [1, 2, 7] {
            for _ in 0..20 {
                let source = FaultySource::new(
                    image(),
                    When::Read,
                    (250, 0),
                    Fault::Delay(std::time::Duration::from_millis(2)),
                );
                let source = FaultySource::new(source, When::Read, (250, 0), Fault::Error);
                let kernel = Faulty { kernel: Checksum, chunk: 3, fault: Fault::Panic };
                let plan = Plan::reduce("t", &input(&source), EXTENT.rect(), CHUNK, 16).unwrap();
                let done = runtime(threads, &Budget::new(1 << 30)).reduce(&plan, &input(&source), &kernel);
                check(done.map(|_| ()), "decode", 2, Fault::Error);
            }
        }
    });
}

#[test]
fn a_failure_at_the_very_end_is_an_error() {
    let (source, budget) = (image(), Budget::new(1 << 30));
    let runtime = runtime(2, &budget);
    let failed = write(&runtime, &source, &SumChannels, MemorySink::new(8).fail_finish(Fault::Error));
    assert!(matches!(failed, Err(Error::Format(_))));
    let failed = write(&runtime, &source, &SumChannels, MemorySink::new(8).fail_finish(Fault::Panic));
    assert!(matches!(failed, Err(Error::Panic(_))));
    assert!(write(&runtime, &source, &SumChannels, MemorySink::new(8)).is_ok());
    assert_eq!(budget.free(), budget.total());
}

struct Grumpy;

impl Observer for Grumpy {
    fn event(&self, event: Event) {
        assert!(!matches!(event, Event::Advanced { .. }), "injected");
    }
}

#[test]
fn an_observer_that_panics_ends_the_job() {
    ends(|| {
        let (source, budget) = (image(), Budget::new(1 << 30));
        let options = RuntimeOptions {
            threads: 2,
            budget: budget.clone(),
            observer: Arc::new(Grumpy),
            ..Default::default()
        };
        let runtime = Runtime::new(options).unwrap();
        let plan = Plan::reduce("t", &input(&source), EXTENT.rect(), CHUNK, 16).unwrap();
        assert!(runtime.reduce(&plan, &input(&source), &Checksum).is_err());
        assert!(write(&runtime, &source, &SumChannels, MemorySink::new(8)).is_err());
        assert_eq!(budget.free(), budget.total());
    });
}

#[test]
fn a_job_on_the_callers_thread_fails_the_same_way() {
    ends(|| {
        let extent = Extent::new(20, 20, 1);
        let image = || MemorySource::new(extent, &ramp::<u8>(400));
        let budget = Budget::new(1 << 20);
        let runtime = runtime(2, &budget);
        for fault in [Fault::Error, Fault::Panic] {
            for (when, stage) in [(When::Fetch, "fetch"), (When::Read, "decode")] {
                let source = FaultySource::new(image(), when, (12, 3), fault);
                let plan = Plan::reduce("t", &input(&source), extent.rect(), Some((5, 20)), 16).unwrap();
                check(runtime.reduce(&plan, &input(&source), &Checksum).map(|_| ()), stage, 2, fault);
            }
            let source = image();
            let sink = MemorySink::new(8).fail_commit(2, fault);
            let kept = sink.collected();
            let output = (DataType::F64, 1);
            let plan =
                Plan::write("t", &input(&source), extent.rect(), Some((5, 20)), output, &sink).unwrap();
            check(runtime.write(&plan, &input(&source), &SumChannels, Box::new(sink)), "write", 2, fault);
            is_prefix(&kept, 2);
        }
        assert_eq!(budget.free(), budget.total());
    });
}
