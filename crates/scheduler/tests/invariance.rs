//! The same result for every number of threads, chunk shape and budget.

mod common;

use common::{EXTENT, ends, image, input, runtime};
use outcrop_core::{BlockLayout, Budget, Channels, DataType, Extent, Rect};
use outcrop_scheduler::{Input, Plan};
use outcrop_testkit::{Checksum, ChecksumPartial, MemorySink, MemorySource, SumChannels, noise};

const LAYOUTS: [BlockLayout; 5] = [
    BlockLayout::Rows { planar: false },
    BlockLayout::Rows { planar: true },
    BlockLayout::Columns,
    BlockLayout::Strips { rows: 40, planar: false, whole: true },
    BlockLayout::Tiles { height: 64, width: 48, planar: false },
];
const SHAPES: [Option<(u64, u64)>; 5] =
    [None, Some((1, 1 << 40)), Some((37, 53)), Some((64, 64)), Some((1 << 40, 9))];

/// The checksum in one go, without a scheduler.
fn whole(source: &MemorySource, rect: Rect) -> ChecksumPartial {
    use outcrop_core::{Chunk, Reduce, Request, Scratch, Source};
    let (mut scratch, channels) = (Scratch::new(), Channels::all(source.image().extent.channels));
    let request = Request { rect, channels: &channels };
    source.fetch(&request, &mut scratch).unwrap();
    let read = source.read(&request, &mut scratch).unwrap();
    let mut partial = Checksum.start();
    Checksum.fold(&mut partial, &Chunk { index: 0, rect, inputs: &[read] }).unwrap();
    partial
}

#[test]
fn a_reduction_is_the_same_for_threads_shapes_layouts_and_budgets() {
    ends(|| {
        let window = Rect { y: 3, x: 5, height: 590, width: 391 };
        let expected = whole(&image(), window);
        for layout in LAYOUTS {
            let source = image().with_layout(layout);
            for shape in SHAPES {
                let plan = Plan::reduce("t", &input(&source), window, shape, 16).unwrap();
                for threads in [1, 2, 7] {
                    for budget in [plan.least_bytes(), plan.least_bytes() * 3 + 5, 1 << 30] {
                        let budget = Budget::new(budget);
                        let got =
                            runtime(threads, &budget).reduce(&plan, &input(&source), &Checksum).unwrap();
                        assert_eq!(got, expected, "{layout:?} {shape:?} {threads} threads {budget:?}");
                        assert_eq!(budget.free(), budget.total());
                    }
                }
            }
        }
    });
}

#[test]
fn an_output_is_the_same_bytes_for_threads_shapes_layouts_and_budgets() {
    ends(|| {
        let window = Rect { y: 64, x: 48, height: 500, width: 301 };
        let mut expected: Option<Vec<u8>> = None;
        for layout in LAYOUTS {
            let source = image().with_layout(layout);
            for (align, shape) in
                [((1, 1), None), ((1, 1), Some((37, 53))), ((32, 32), None), ((16, 301), Some((1, 1)))]
            {
                for (threads, tight) in [(1, false), (2, true), (7, false)] {
                    let sink = MemorySink::new(8).with_align(align);
                    let kept = sink.collected();
                    let output = (DataType::F64, 1);
                    let plan = Plan::write("t", &input(&source), window, shape, output, &sink).unwrap();
                    let budget = Budget::new(if tight { plan.least_bytes() } else { 1 << 30 });
                    let runtime = runtime(threads, &budget);
                    runtime.write(&plan, &input(&source), &SumChannels, Box::new(sink)).unwrap();
                    assert!(kept.is_finished());
                    let bytes = kept.image(window.height, window.width, 8);
                    assert!(
                        *expected.get_or_insert_with(|| bytes.clone()) == bytes,
                        "{layout:?} {align:?} {threads}"
                    );
                }
            }
        }
        // And they are the right bytes: the sum of a pixel's channels.
        let samples = noise::<u16>(EXTENT.samples().unwrap() as usize, 11);
        let at = (64 * EXTENT.width + 48) as usize * 3;
        let sum: f64 = samples[at..at + 3].iter().map(|&s| f64::from(s)).sum();
        assert_eq!(expected.unwrap()[..8], sum.to_ne_bytes());
    });
}

#[test]
fn a_mask_shares_the_grid() {
    let mask = MemorySource::new(Extent { channels: 1, ..EXTENT }, &noise::<u8>((601 * 401) as usize, 3));
    let source = image();
    let inputs = [input(&source)[0].clone(), Input { source: &mask, channels: Channels::all(1) }];
    let plan = Plan::reduce("t", &inputs, EXTENT.rect(), Some((50, 60)), 16).unwrap();
    let budget = Budget::new(1 << 30);
    let one = runtime(1, &budget).reduce(&plan, &inputs, &Checksum).unwrap();
    assert_eq!(one.samples, 601 * 401 * 4);
    assert_eq!(runtime(7, &budget).reduce(&plan, &inputs, &Checksum).unwrap(), one);
    assert_eq!(plan.bytes(), 601 * 401 * 7);
}

#[test]
fn a_stream_is_read_in_full_bands_from_the_top() {
    let source =
        image().with_layout(BlockLayout::Tiles { height: 64, width: 48, planar: false }).sequential();
    let plan = Plan::reduce("t", &input(&source), EXTENT.rect(), Some((10, 10)), 16).unwrap();
    assert_eq!(plan.grid().counts().1, 1);
    let got = runtime(2, &Budget::new(1 << 30)).reduce(&plan, &input(&source), &Checksum).unwrap();
    assert_eq!(got, whole(&source, EXTENT.rect()));
}

#[test]
fn an_empty_window_is_a_job_of_no_chunks() {
    let source = image();
    let empty = Rect { height: 0, ..EXTENT.rect() };
    let plan = Plan::reduce("t", &input(&source), empty, None, 16).unwrap();
    let got = runtime(2, &Budget::new(1 << 20)).reduce(&plan, &input(&source), &Checksum).unwrap();
    assert_eq!((plan.chunks(), got.samples), (0, 0));
}
