//! PNG's filters: what is left of a row once its neighbours are known.

/// Filters rows of `row` bytes into rows of one byte more, each with the filter whose differences are the least in
/// all. `pixel` is how far back the filters look; `spare` holds a row.
///
/// The first row does not look at the one above it, which belongs to another band.
pub(super) fn filter(samples: &[u8], row: usize, pixel: usize, out: &mut [u8], spare: &mut [u8]) {
    let mut above: &[u8] = &[];
    for (line, out) in samples.chunks_exact(row).zip(out.chunks_exact_mut(row + 1)) {
        let (kind, best) = out.split_at_mut(1);
        kind[0] = 0;
        best.copy_from_slice(line);
        let mut least = cost(line);
        let filters: &[u8] = if above.is_empty() { &[1] } else { &[1, 2, 3, 4] };
        for &filter in filters {
            apply(filter, line, above, pixel, spare);
            let cost = cost(spare);
            if cost < least {
                least = cost;
                kind[0] = filter;
                best.copy_from_slice(spare);
            }
        }
        above = line;
    }
}

/// The sum of the differences as signed bytes: the usual guess at what deflates well.
fn cost(line: &[u8]) -> u64 {
    // Parts whose sums fit 32 bits, so that the loop is one of vectors.
    line.chunks(1 << 16)
        .map(|part| u64::from(part.iter().map(|&b| u32::from((b as i8).unsigned_abs())).sum::<u32>()))
        .sum()
}

fn apply(filter: u8, line: &[u8], above: &[u8], pixel: usize, out: &mut [u8]) {
    let head = pixel.min(line.len());
    let left = &line[..line.len() - head];
    let (first, rest) = out.split_at_mut(head);
    let tail = &line[head..];
    match filter {
        1 => {
            first.copy_from_slice(&line[..head]);
            rest.iter_mut().zip(tail).zip(left).for_each(|((o, x), a)| *o = x.wrapping_sub(*a));
        }
        2 => out.iter_mut().zip(line).zip(above).for_each(|((o, x), b)| *o = x.wrapping_sub(*b)),
        3 => {
            first.iter_mut().zip(line).zip(above).for_each(|((o, x), b)| *o = x.wrapping_sub(b / 2));
            let around = left.iter().zip(&above[head..]);
            let mean = |a: &u8, b: &u8| ((u16::from(*a) + u16::from(*b)) / 2) as u8;
            rest.iter_mut()
                .zip(tail)
                .zip(around)
                .for_each(|((o, x), (a, b))| *o = x.wrapping_sub(mean(a, b)));
        }
        _ => {
            first.iter_mut().zip(line).zip(above).for_each(|((o, x), b)| *o = x.wrapping_sub(*b));
            let around = left.iter().zip(&above[head..]).zip(above);
            rest.iter_mut().zip(tail).zip(around).for_each(|((o, x), ((a, b), c))| {
                *o = x.wrapping_sub(paeth(*a, *b, *c));
            });
        }
    }
}

/// Of the left, upper and upper left byte the one nearest to left + upper - upper left.
fn paeth(a: u8, b: u8, c: u8) -> u8 {
    let [left, up, corner] = [a, b, c].map(i16::from);
    let to_left = (up - corner).abs();
    let to_up = (left - corner).abs();
    let to_corner = (left + up - 2 * corner).abs();
    if to_left <= to_up && to_left <= to_corner {
        a
    } else if to_up <= to_corner {
        b
    } else {
        c
    }
}
