//! A run that is stopped and begun again, however often, gives what an undisturbed one gives.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::{EXTENT, Events, ends, image, input};
use outcrop_core::{Budget, CancelToken, DataType, Error, Event, Result};
use outcrop_scheduler::{BadBlock, Checkpoint, CheckpointOptions, Input, Plan, Runtime, RuntimeOptions};
use outcrop_testkit::{Checksum, ChecksumPartial, Fault, FaultySource, MemorySink, SumChannels, When};

const CHUNK: Option<(u64, u64)> = Some((20, 401));
const CHUNKS: usize = 31;

fn options(path: &Path, every: Duration) -> CheckpointOptions {
    CheckpointOptions { path: path.into(), every, facts: vec![("the input".into(), "noise".into())] }
}

/// A runtime that cancels itself after `stop` chunks, those of earlier processes not counted.
fn runtime(threads: usize, path: &Path, every: Duration, stop: usize) -> (Runtime, Arc<Events>) {
    let cancel = CancelToken::new();
    let resumed = usize::from(path.exists());
    let observer = Arc::new(Events { cancel: Some((stop + resumed, cancel.clone())), ..Default::default() });
    let budget = Budget::new(1 << 30);
    let runtime = RuntimeOptions { threads, budget, cancel, observer: observer.clone() };
    let checkpoint = Checkpoint::open(options(path, every)).unwrap();
    (Runtime::new(runtime).unwrap().with_checkpoint(checkpoint), observer)
}

fn sum(runtime: &Runtime, inputs: &[Input<'_>]) -> Result<ChecksumPartial> {
    runtime.reduce(&Plan::reduce("t", inputs, EXTENT.rect(), CHUNK, 16)?, inputs, &Checksum)
}

fn plain() -> Runtime {
    Runtime::new(RuntimeOptions::default()).unwrap()
}

#[test]
fn a_reduction_that_is_stopped_again_and_again_gives_the_same_and_reads_no_chunk_twice() {
    ends(|| {
        let source = image();
        let wanted = sum(&plain(), &input(&source)).unwrap();
        for (threads, every) in [(1, Duration::ZERO), (2, Duration::ZERO), (3, Duration::from_secs(60))] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("run.ckpt");
            let (mut chunks, mut stops) = (0, 0);
            let found = loop {
                let (runtime, _) = runtime(threads, &path, every, 3 + stops % 4);
                let found = sum(&runtime, &input(&source));
                chunks += runtime.report().chunks;
                let checkpoint = runtime.checkpoint().unwrap();
                match found {
                    Ok(found) => {
                        checkpoint.complete().unwrap();
                        break found;
                    }
                    Err(Error::Cancelled) => assert!(checkpoint.is_stopped()),
                    Err(other) => panic!("{other}"),
                }
                stops += 1;
            };
            assert!(stops >= 3, "{stops} stops");
            assert_eq!((found, chunks), (wanted.clone(), CHUNKS as u64));
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    });
}

#[test]
fn an_output_that_is_stopped_again_and_again_gets_every_chunk_once_and_in_order() {
    ends(|| {
        let source = image();
        let output = (DataType::F64, 1);
        let first = MemorySink::new(8);
        let kept = first.collected();
        let plan = Plan::write("t", &input(&source), EXTENT.rect(), CHUNK, output, &first).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.ckpt");
        for stops in 0.. {
            let (runtime, _) = runtime(1 + stops % 3, &path, Duration::ZERO, 4);
            let state = runtime.checkpoint().unwrap().output_state();
            let sink = state.map_or_else(
                || MemorySink::resume(8, &kept, &0usize.to_le_bytes()),
                |state| MemorySink::resume(8, &kept, &state),
            );
            match runtime.write(&plan, &input(&source), &SumChannels, Box::new(sink)) {
                Ok(()) => {
                    assert!(stops >= 4, "{stops} stops");
                    break;
                }
                Err(Error::Cancelled) => assert!(!kept.is_finished()),
                Err(other) => panic!("{other}"),
            }
        }
        assert!(kept.is_finished());
        assert_eq!(kept.order(), (0..CHUNKS as u64).collect::<Vec<_>>());
    });
}

#[test]
fn a_process_that_dies_goes_on_from_what_was_saved_last() {
    ends(|| {
        let source = image();
        let wanted = sum(&plain(), &input(&source)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.ckpt");
        // A kernel's error stands for the kill: nothing is saved at that moment, only before.
        let (dying, _) = runtime(2, &path, Duration::ZERO, 1000);
        let broken = FaultySource::new(image(), When::Read, (400, 0), Fault::Error);
        assert!(matches!(sum(&dying, &input(&broken)), Err(Error::Chunk { .. })));
        assert!(!dying.checkpoint().unwrap().is_stopped());
        let (again, _) = runtime(2, &path, Duration::ZERO, 1000);
        assert_eq!(sum(&again, &input(&source)).unwrap(), wanted);
        let chunks = again.report().chunks;
        assert!((1..CHUNKS as u64).contains(&chunks), "{chunks} chunks were done again");
    });
}

#[test]
fn jobs_of_a_run_that_were_done_are_not_done_again() {
    ends(|| {
        let source = image();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.ckpt");
        let first = plain();
        let wanted = sum(&first, &input(&source)).unwrap();
        let (stopped, _) = runtime(2, &path, Duration::from_secs(60), CHUNKS + 5);
        assert_eq!(sum(&stopped, &input(&source)).unwrap(), wanted);
        assert!(matches!(sum(&stopped, &input(&source)), Err(Error::Cancelled)));
        let (again, events) = runtime(2, &path, Duration::from_secs(60), 1000);
        assert_eq!(sum(&again, &input(&source)).unwrap(), wanted);
        assert_eq!(again.report().chunks, 0);
        assert_eq!(sum(&again, &input(&source)).unwrap(), wanted);
        assert!(again.report().chunks < CHUNKS as u64);
        // Progress reaches the end of both jobs.
        let seen = events.seen.lock().unwrap();
        let told = seen.iter().map(|e| if let Event::Advanced { chunks, .. } = e { *chunks } else { 0 });
        assert_eq!(told.sum::<u64>(), 2 * CHUNKS as u64);
    });
}

#[test]
fn a_checkpoint_of_another_plan_is_refused() {
    let source = image();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.ckpt");
    let (stopped, _) = runtime(1, &path, Duration::ZERO, 3);
    assert!(sum(&stopped, &input(&source)).is_err());
    let (other, _) = runtime(1, &path, Duration::ZERO, 3);
    let plan = Plan::reduce("t", &input(&source), EXTENT.rect(), Some((40, 401)), 16).unwrap();
    let refused = other.reduce(&plan, &input(&source), &Checksum).unwrap_err().to_string();
    assert!(refused.contains("--chunk") && refused.contains("20,401"), "{refused}");
    assert_eq!(other.report().chunks, 0);
}

#[test]
fn a_checkpoint_that_cannot_be_saved_fails_before_anything_is_read() {
    let source = FaultySource::new(image(), When::Fetch, (0, 0), Fault::Panic);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("run.ckpt");
    let (runtime, _) = runtime(2, &path, Duration::ZERO, 1000);
    let refused = sum(&runtime, &input(&source)).unwrap_err();
    assert!(matches!(refused, Error::Io { .. }), "{refused}");
}

#[test]
fn a_plan_alone_reads_nothing_and_tells_all() {
    let source = FaultySource::new(image(), When::Fetch, (0, 0), Fault::Panic);
    let options = RuntimeOptions { threads: 3, budget: Budget::new(1 << 30), ..Default::default() };
    let runtime = Runtime::new(options).unwrap().planning_only();
    assert!(matches!(sum(&runtime, &input(&source)), Err(Error::Cancelled)));
    let plans = runtime.plans();
    let plan = &plans[0];
    assert_eq!((plan.chunks, plan.grid, plan.chunk_shape), (31, (31, 1), (20, 401)));
    assert_eq!((plan.in_flight, plan.workers, plan.limited_by.name()), (8, 3, "threads"));
    assert_eq!(plan.bytes_to_write, Some(0));
    assert_eq!(plan.bytes, 601 * 401 * 6);
    assert_eq!((plan.bytes_to_decode, plan.amplification), (plan.bytes, 1.0));
    let none: Vec<BadBlock> = Vec::new();
    assert_eq!(runtime.take_bad_blocks(), (none, 0));
}

#[test]
fn the_parts_of_every_lane_add_up_and_fit_into_the_wall_time() {
    ends(|| {
        for (when, sentence) in [(When::Fetch, "disk"), (When::Read, "decoding")] {
            // The delay must be longer than all else takes, also on a machine that is busy with other things.
            let report = [40, 400, 4000, 20_000].into_iter().find_map(|millis| {
                let slow = Fault::Delay(Duration::from_millis(millis));
                let source = FaultySource::new(image(), when, (100, 0), slow);
                let budget = Budget::new(1 << 30);
                let options = RuntimeOptions { threads: 2, budget, ..Default::default() };
                let runtime = Runtime::new(options).unwrap();
                sum(&runtime, &input(&source)).unwrap();
                Some(runtime.report()).filter(|report| report.bottleneck() == Some(sentence))
            });
            let report = report.unwrap_or_else(|| panic!("{sentence} was never the bottleneck"));
            for lane in report.lanes() {
                let parts: Duration = lane.parts.iter().map(|part| part.1).sum();
                assert_eq!(parts, report.wall * lane.threads as u32, "{lane:?}");
            }
            assert!(
                report.fetched_queue.most >= 1 && report.fetched_queue.most <= report.fetched_queue.slots
            );
        }
    });
}
