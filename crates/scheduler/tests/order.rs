//! Chunks are committed in the order of the grid, however long each takes; events add up.

mod common;

use std::time::Duration;

use common::{EXTENT, ends, image, input, observed};
use outcrop_core::{Budget, DataType, Event};
use outcrop_scheduler::Plan;
use outcrop_testkit::{Fault, Faulty, MemorySink, SumChannels};

#[test]
fn a_slow_chunk_holds_back_those_behind_it() {
    ends(|| {
        let source = image();
        for slow in [0, 4, 30] {
            let sink = MemorySink::new(8);
            let (kept, budget) = (sink.collected(), Budget::new(1 << 30));
            let output = (DataType::F64, 1);
            let plan =
                Plan::write("t", &input(&source), EXTENT.rect(), Some((20, 401)), output, &sink).unwrap();
            let (runtime, events) = observed(3, &budget, usize::MAX);
            let map =
                Faulty { kernel: SumChannels, chunk: slow, fault: Fault::Delay(Duration::from_millis(30)) };
            runtime.write(&plan, &input(&source), &map, Box::new(sink)).unwrap();
            assert_eq!(kept.order(), (0..31).collect::<Vec<_>>());
            let events = events.seen.lock().unwrap();
            let sum = |n: fn(&Event) -> u64| events.iter().map(n).sum::<u64>();
            let chunks = sum(|e| if let Event::Advanced { chunks, .. } = e { *chunks } else { 0 });
            let bytes = sum(|e| if let Event::Advanced { bytes, .. } = e { *bytes } else { 0 });
            assert_eq!((chunks, bytes), (31, plan.bytes()));
            let started = Event::Started { stage: "t".into(), chunks: 31, bytes: plan.bytes() };
            assert_eq!((events.first(), events.last()), (Some(&started), Some(&Event::Finished)));
            let report = runtime.report();
            assert_eq!((report.jobs, report.chunks, report.bytes), (1, 31, bytes));
            assert!(
                report.stages.kernel >= Duration::from_millis(30) && report.wall >= Duration::from_millis(30)
            );
        }
    });
}
