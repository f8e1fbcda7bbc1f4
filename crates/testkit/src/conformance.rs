//! The suite that every [`Source`] runs.

use outcrop_core::{Channels, LINE, Order, Pixels, Rect, Request, Scratch, Source, with_dtype};

/// Asks a source for many rectangles and channels, each in a scratch that earlier requests have used, and compares
/// every sample, bit for bit, with `expected`, the bytes of the whole image in native C order.
///
/// Also: the source keeps within the cost it stated, and answers the same when asked twice.
///
/// # Panics
/// If anything differs; the message names the rectangle and the channels.
pub fn check_source(source: &dyn Source, expected: &[u8]) {
    let image = source.image();
    let extent = image.extent;
    assert_eq!(image.decoded_bytes(), expected.len() as u64, "bytes of the expected image");
    let channels = selections(extent.channels);
    let mut scratch = Scratch::new();
    for rect in rects(source) {
        for channels in &channels {
            let request = Request { rect, channels };
            check_request(source, &request, &mut scratch, expected);
            let mut fresh = Scratch::new();
            check_request(source, &request, &mut fresh, expected);
            check_cost(source, &request, &fresh);
        }
    }
}

fn check_request(source: &dyn Source, request: &Request<'_>, scratch: &mut Scratch, expected: &[u8]) {
    let (rect, channels) = (request.rect, request.channels);
    let what = || format!("pixels {rect}, channels {:?}", channels.indices());
    let fetched = source.fetch(request, scratch);
    fetched.unwrap_or_else(|e| panic!("{}: fetch: {e}", what()));
    let read = source.read(request, scratch).unwrap_or_else(|e| panic!("{}: read: {e}", what()));
    let shape = [rect.height as usize, rect.width as usize, channels.len()];
    assert_eq!(read.pixels.shape(), shape, "{}", what());
    assert_eq!(read.pixels.dtype(), source.image().dtype, "{}", what());
    for hole in read.holes {
        assert!(rect.contains(&hole.rect) && hole.channels.end <= channels.len(), "{}: {hole:?}", what());
    }
    compare(read.pixels, source, request, expected);
    source.release(request);
}

/// A scratch that served this request alone holds no more than the source said it would.
fn check_cost(source: &dyn Source, request: &Request<'_>, scratch: &Scratch) {
    let rect = request.rect;
    let cost = source.cost((rect.height, rect.width), request.channels);
    let cost = cost.unwrap_or_else(|e| panic!("cost of {rect}: {e}")).total();
    let held = scratch.stored.capacity() + scratch.decoded.capacity() + scratch.block.capacity();
    // Each of the three buffers begins at a line of the cache and holds whole words.
    assert!(
        held as u64 <= cost.saturating_add(3 * LINE as u64),
        "pixels {rect}: {held} bytes held, {cost} stated"
    );
}

fn compare(pixels: Pixels<'_>, source: &dyn Source, request: &Request<'_>, expected: &[u8]) {
    let (rect, extent) = (request.rect, source.image().extent);
    with_dtype!(source.image().dtype, T => {
        let view = pixels.typed::<T>().expect("the type was compared");
        for ((y, x, k), got) in view.indexed_iter() {
            let c = request.channels.indices()[k];
            let at = ((rect.y + y as u64) * extent.width + rect.x + x as u64) * extent.channels + c;
            let want = &expected[at as usize * size_of::<T>()..][..size_of::<T>()];
            assert_eq!(
                bytemuck::bytes_of(got), want,
                "row {}, column {}, channel {} (from 0), asked as {rect}", rect.y + y as u64, rect.x + x as u64, c
            );
        }
    });
}

/// All channels, each alone, backwards, every other one, one that is no even step, and one twice.
fn selections(count: u64) -> Vec<Channels> {
    let mut lists: Vec<Vec<u64>> = vec![(0..count).collect(), (0..count).rev().collect()];
    lists.extend((0..count.min(4)).map(|c| vec![c]));
    lists.push((0..count).step_by(2).collect());
    if count > 3 {
        lists.push(vec![0, 3, 1]);
    }
    lists.push(vec![0, 0]);
    lists.dedup();
    lists.into_iter().filter_map(|l| Channels::select(l, count).ok()).collect()
}

/// The whole, corners, single rows, columns and pixels, what lies around block borders; full bands for streams.
fn rects(source: &dyn Source) -> Vec<Rect> {
    let extent = source.image().extent;
    let (h, w) = (extent.height, extent.width);
    if extent.rect().is_empty() {
        return Vec::new();
    }
    if source.order() == Order::Sequential {
        let rows = h.div_ceil(3);
        return vec![Rect { y: 0, x: 0, height: rows, width: w }];
    }
    let (bh, bw) = source.image().layout.align(w);
    let borders = |block: u64, size: u64| {
        let mut at = vec![0, 1, block.saturating_sub(1), block, size / 2, size - 1];
        at.retain(|&p| p < size);
        at.sort_unstable();
        at.dedup();
        at
    };
    let mut rects = vec![extent.rect()];
    for &y in &borders(bh, h) {
        for &x in &borders(bw, w) {
            for (height, width) in [(1, 1), (2, 3), (bh, bw), (bh + 1, bw + 1), (h, 1), (1, w)] {
                rects.push(Rect { y, x, height: height.clamp(1, h - y), width: width.clamp(1, w - x) });
            }
        }
    }
    rects.sort_unstable();
    rects.dedup();
    rects
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemorySource, noise};
    use outcrop_core::{BlockLayout, Extent};

    #[test]
    fn memory_sources_conform_in_every_layout() {
        let extent = Extent::new(13, 11, 4);
        let samples = noise::<u16>(13 * 11 * 4, 5);
        for planar in [false, true] {
            for layout in [
                BlockLayout::Rows { planar },
                BlockLayout::Columns,
                BlockLayout::Strips { rows: 4, planar, whole: true },
                BlockLayout::Tiles { height: 4, width: 8, planar },
            ] {
                let source = MemorySource::new(extent, &samples).with_layout(layout);
                check_source(&source, bytemuck::cast_slice(&samples));
            }
        }
    }

    #[test]
    #[should_panic(expected = "row 12, column 10, channel 3")]
    fn one_wrong_sample_is_found() {
        let samples = noise::<u16>(13 * 11 * 4, 5);
        let mut wrong = samples.clone();
        *wrong.last_mut().unwrap() ^= 1;
        let source = MemorySource::new(Extent::new(13, 11, 4), &samples);
        check_source(&source, bytemuck::cast_slice(&wrong));
    }
}
