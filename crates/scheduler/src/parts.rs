//! [`Parts`]: what a worker reads and folds of a chunk at a time.
//!
//! A chunk is the unit of admission and of I/O, large enough that handing it from thread to thread costs little. What is
//! folded is best read just before, and small enough to be in a core's second-level cache then: a part. Parts are rectangles of
//! the chunk and, where channels are stored apart and do not meet in the kernel, single channels of those.

use outcrop_core::{BlockLayout, Channels, Rect, Result};

use crate::plan::{Input, Plan};

/// The parts of a job's chunks.
pub(crate) struct Parts<'a> {
    plan: &'a Plan,
    inputs: &'a [Input<'a>],
    /// The one input, a channel at a time; empty where channels are read together.
    channels: Vec<Input<'a>>,
}

impl<'a> Parts<'a> {
    /// The parts for a kernel that takes channels one by one, or does not.
    pub(crate) fn new(plan: &'a Plan, inputs: &'a [Input<'a>], takes_channels: bool) -> Result<Parts<'a>> {
        let one = |input: &Input<'a>, channel| {
            let channels = Channels::select(vec![channel], input.source.image().extent.channels)?;
            Ok(Input { source: input.source, channels })
        };
        let channels = match inputs {
            [input] if takes_channels && plan.has_parts() && are_apart(input) => {
                input.channels.indices().iter().map(|&c| one(input, c)).collect::<Result<_>>()?
            }
            _ => Vec::new(),
        };
        Ok(Parts { plan, inputs, channels })
    }

    /// Visits the parts of a chunk: the place, what is read there, and the position of the channel where it is one alone.
    pub(crate) fn visit(
        &self,
        chunk: Rect,
        mut part: impl FnMut(Rect, &[Input<'a>], Option<usize>) -> Result<()>,
    ) -> Result<()> {
        let places = self.plan.parts(chunk);
        for place in (0..places.len()).map(|i| places.rect(i)) {
            if self.channels.is_empty() {
                part(place, self.inputs, None)?;
            }
            for (position, channel) in self.channels.iter().enumerate() {
                part(place, std::slice::from_ref(channel), Some(position))?;
            }
        }
        Ok(())
    }
}

/// Whether more channels than one are read, each from blocks of its own.
fn are_apart(input: &Input<'_>) -> bool {
    use BlockLayout::{Strips, Tiles};
    input.channels.len() > 1
        && matches!(input.source.image().layout, Strips { planar: true, .. } | Tiles { planar: true, .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcrop_core::{Extent, Rect};
    use outcrop_testkit::MemorySource;

    fn places(
        layout: BlockLayout,
        window: Rect,
        chunk: Option<(u64, u64)>,
        apart: bool,
    ) -> Vec<(Rect, Option<usize>)> {
        let extent = Extent::new(2000, 1500, 3);
        let samples = vec![0u8; 2000 * 1500 * 3];
        let source = MemorySource::new(extent, &samples).with_layout(layout);
        let inputs = [Input { source: &source, channels: Channels::select(vec![0, 2], 3).unwrap() }];
        let plan = Plan::reduce("test", &inputs, window, chunk, 0).unwrap();
        let parts = Parts::new(&plan, &inputs, apart).unwrap();
        let mut places = Vec::new();
        for i in 0..plan.chunks() {
            let mut within = 0;
            parts
                .visit(plan.grid().rect(i), |rect, inputs, channel| {
                    assert!(plan.grid().rect(i).contains(&rect));
                    assert_eq!(inputs[0].channels.len(), if channel.is_some() { 1 } else { 2 });
                    within += rect.area() * inputs[0].channels.len() as u64;
                    places.push((rect, channel));
                    Ok(())
                })
                .unwrap();
            assert_eq!(within, plan.grid().rect(i).area() * 2);
        }
        places
    }

    #[test]
    fn parts_are_whole_blocks_that_cover_the_window_once() {
        let tiles = BlockLayout::Tiles { height: 512, width: 512, planar: false };
        let window = Rect { y: 100, x: 700, height: 1200, width: 700 };
        for chunk in [None, Some((1, 1))] {
            let parts = places(tiles, window, chunk, true);
            let at = |y, x, height, width| (Rect { y, x, height, width }, None);
            let mut found = parts.clone();
            found.sort_unstable_by_key(|(r, _)| (r.y, r.x));
            let want = [
                at(100, 700, 412, 324),
                at(100, 1024, 412, 376),
                at(512, 700, 512, 324),
                at(512, 1024, 512, 376),
                at(1024, 700, 276, 324),
                at(1024, 1024, 276, 376),
            ];
            assert_eq!(found, want, "{chunk:?}");
        }
        // A shape that was asked for is what the kernel sees.
        assert_eq!(places(tiles, window, Some((2048, 2048)), true), [(window, None)]);
    }

    #[test]
    fn channels_that_are_stored_apart_are_visited_one_by_one() {
        let planar = BlockLayout::Tiles { height: 512, width: 512, planar: true };
        let window = Rect::of_size(600, 512);
        let channels =
            |apart| places(planar, window, None, apart).iter().map(|(_, c)| *c).collect::<Vec<_>>();
        assert_eq!(channels(true), [Some(0), Some(1), Some(0), Some(1)]);
        assert_eq!(channels(false), [None, None]);
    }
}
