//! Chunks are committed in the order of the grid, however long each takes; events add up.

mod common;

use std::sync::Mutex;
use std::thread::ThreadId;
use std::time::Duration;

use common::{EXTENT, ends, image, input, observed, runtime};
use outcrop_core::{
    Budget, Channels, Cost, DataType, Event, Image, Read, Rect, Request, Result, Scratch, Source,
};
use outcrop_scheduler::Plan;
use outcrop_testkit::{Checksum, Fault, Faulty, MemorySink, MemorySource, SumChannels, noise};

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

/// Notes which thread fetches.
struct Watched {
    inner: MemorySource,
    fetched_by: Mutex<Vec<ThreadId>>,
}

impl Watched {
    fn new(at_hand: fn(Rect) -> bool) -> Watched {
        let samples = noise::<u16>(EXTENT.samples().unwrap() as usize, 11);
        let inner = MemorySource::new(EXTENT, &samples).at_hand(at_hand);
        Watched { inner, fetched_by: Mutex::default() }
    }
}

impl Source for Watched {
    fn image(&self) -> &Image {
        self.inner.image()
    }

    fn cost(&self, shape: (u64, u64), channels: &Channels) -> Result<Cost> {
        self.inner.cost(shape, channels)
    }

    fn fetch(&self, request: &Request<'_>, scratch: &mut Scratch) -> Result<()> {
        self.fetched_by.lock().unwrap().push(std::thread::current().id());
        self.inner.fetch(request, scratch)
    }

    fn read<'a>(&'a self, request: &Request<'_>, scratch: &'a mut Scratch) -> Result<Read<'a>> {
        self.inner.read(request, scratch)
    }
}

#[test]
fn a_reduction_feeds_itself_while_its_bytes_are_at_hand() {
    ends(|| {
        let budget = Budget::new(1 << 30);
        let fetches = |at_hand| {
            let source = Watched::new(at_hand);
            let inputs = input(&source);
            let plan = Plan::reduce("t", &inputs, EXTENT.rect(), Some((5, 401)), 16).unwrap();
            runtime(2, &budget).reduce(&plan, &inputs, &Checksum).unwrap();
            let by = source.fetched_by.into_inner().unwrap();
            let feeder = std::thread::current().id();
            (by.iter().filter(|&&who| who == feeder).count(), by.len())
        };
        let chunks = 121;
        assert_eq!(fetches(|_| false), (chunks, chunks));
        // The feeder fills the slots that there are, the tasks fill them again.
        let (fed, all) = fetches(|_| true);
        assert!(fed <= 16 && all == chunks, "{fed} of {all}");
        // From chunk 40 on they have to be read: each slot is filled once more by a task, then by the feeder.
        let (fed, all) = fetches(|rect| rect.y < 200);
        assert!((65..=97).contains(&fed) && all == chunks, "{fed} of {all}");
    });
}
