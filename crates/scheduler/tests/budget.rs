//! Memory is reserved before it is used, and all of it comes back.

mod common;

use common::{EXTENT, ends, image, input, runtime};
use outcrop_core::{BlockLayout, Budget, DataType, Error, Reduce, Result};
use outcrop_scheduler::Plan;
use outcrop_testkit::{Checksum, ChecksumPartial, Fault, FaultySource, MemorySink, SumChannels, When};

#[test]
fn a_job_that_cannot_fit_says_what_it_needs_before_it_reads() {
    let source = image().with_layout(BlockLayout::Tiles { height: 64, width: 64, planar: false });
    let source = FaultySource::new(source, When::Fetch, (0, 0), Fault::Panic);
    let plan = Plan::reduce("t", &input(&source), EXTENT.rect(), Some((64, 64)), 1000).unwrap();
    assert_eq!(plan.least_bytes(), 64 * 64 * 6 + 1000);
    let budget = Budget::new(plan.least_bytes() - 1);
    let refused = runtime(2, &budget).reduce(&plan, &input(&source), &Checksum).unwrap_err();
    let least = plan.least_bytes();
    assert!(
        matches!(refused, Error::Budget { needed, budget } if needed == least && budget == least - 1),
        "{refused}"
    );
}

#[test]
fn what_others_hold_for_good_is_counted_and_not_waited_for() {
    ends(|| {
        let source = image();
        let plan = Plan::reduce("t", &input(&source), EXTENT.rect(), None, 1000).unwrap();
        let budget = Budget::new(2000);
        let held = budget.try_take(1500).unwrap();
        let refused = runtime(2, &budget).reduce(&plan, &input(&source), &Checksum).unwrap_err();
        assert!(matches!(refused, Error::Budget { needed: 2500, budget: 2000 }), "{refused}");
        drop(held);
        assert!(runtime(2, &budget).reduce(&plan, &input(&source), &Checksum).is_ok());
    });
}

/// A checksum whose partials claim to be large.
struct Large;

const LARGE: u64 = 1 << 20;

impl Reduce for Large {
    type Partial = ChecksumPartial;

    fn start(&self) -> ChecksumPartial {
        Checksum.start()
    }

    fn partial_bytes(&self) -> u64 {
        LARGE
    }

    fn fold(&self, partial: &mut ChecksumPartial, chunk: &outcrop_core::Chunk<'_>) -> Result<()> {
        Checksum.fold(partial, chunk)
    }

    fn merge(&self, partial: &mut ChecksumPartial, other: ChecksumPartial) {
        Checksum.merge(partial, other);
    }

    fn save(&self, partial: &ChecksumPartial) -> Vec<u8> {
        Checksum.save(partial)
    }

    fn load(&self, bytes: &[u8]) -> Result<ChecksumPartial> {
        Checksum.load(bytes)
    }
}

#[test]
fn fewer_workers_run_where_partials_are_large() {
    let source = image();
    let plan = Plan::reduce("t", &input(&source), EXTENT.rect(), Some((9, 401)), LARGE).unwrap();
    for (partials, workers) in [(1, 1), (2, 2), (3, 3), (99, 4)] {
        let budget = Budget::new(partials * (LARGE + plan.chunk_bytes()));
        let runtime = runtime(4, &budget);
        assert_eq!(runtime.workers(&plan), workers);
        let got = runtime.reduce(&plan, &input(&source), &Large).unwrap();
        assert_eq!(got.samples, EXTENT.samples().unwrap());
        assert!(runtime.report().most_tasks <= workers as u64, "{:?}", runtime.report());
        assert!(budget.most_used() <= budget.total() && budget.free() == budget.total());
    }
}

#[test]
fn the_budget_decides_how_many_chunks_are_in_flight() {
    let source = image();
    for (chunks, expected) in [(1, 1), (3, 3), (100, 6)] {
        let sink = MemorySink::new(8);
        let output = (DataType::F64, 1);
        let plan = Plan::write("t", &input(&source), EXTENT.rect(), Some((8, 401)), output, &sink).unwrap();
        assert_eq!(plan.chunk_bytes(), 8 * 401 * 16);
        let budget = Budget::new(chunks * plan.chunk_bytes());
        let runtime = runtime(2, &budget);
        assert_eq!(runtime.in_flight(&plan), expected);
        runtime.write(&plan, &input(&source), &SumChannels, Box::new(sink)).unwrap();
        assert!(runtime.report().most_in_flight <= expected as u64);
        assert_eq!(budget.free(), budget.total());
    }
}

#[test]
fn jobs_at_the_same_time_share_a_budget_that_holds_one() {
    ends(|| {
        let source = image();
        let plan = Plan::reduce("t", &input(&source), EXTENT.rect(), Some((9, 401)), LARGE).unwrap();
        let budget = Budget::new(plan.least_bytes());
        let runtime = runtime(2, &budget);
        std::thread::scope(|threads| {
            let job = || runtime.reduce(&plan, &input(&source), &Large).unwrap().samples;
            let jobs: Vec<_> = (0..4).map(|_| threads.spawn(job)).collect();
            for job in jobs {
                assert_eq!(job.join().unwrap(), EXTENT.samples().unwrap());
            }
        });
        assert_eq!(budget.free(), budget.total());
    });
}
