//! Means over areas, against the definition in big integers, and however the image is cut.

use num_bigint::{BigInt, BigUint};
use outcrop_core::{Buffer, Channels, ChunkGrid, Pixels, Read, Value, with_dtype};

use super::*;
use crate::exact::BigSum;

/// A pseudo-random image of a type.
fn image(dtype: DataType, (height, width, channels): (usize, usize, usize), seed: u64) -> Buffer {
    let mut state = seed | 1;
    let mut buffer = Buffer::new();
    buffer.resize(height * width * channels * dtype.bytes()).unwrap();
    with_dtype!(dtype, T => {
        for sample in buffer.samples_mut::<T>() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let bits = (state >> 11).to_le_bytes();
            *sample = match T::DTYPE.is_float() {
                false => bytemuck::pod_read_unaligned(&state.rotate_left(17).to_le_bytes()[..size_of::<T>()]),
                // Numbers of all sizes, and some that are none.
                true if bits[0] < 4 => T::from_f64(f64::NAN),
                true => {
                    let wide = (state as i64 as f64) * 2f64.powi(i32::from(bits[0]) / 8 - 80);
                    T::from_f64(if T::DTYPE == DataType::F16 { wide.clamp(-6e4, 6e4) } else { wide })
                }
            };
        }
    });
    buffer
}

/// Part of [from, from + 1) pixels of `length` in cell `i` of `count`, in units of 1 / count pixels.
fn overlap(pixel: u64, length: u64, i: u64, count: u64) -> u64 {
    let (a, b) = (pixel * count, (pixel + 1) * count);
    let (c, d) = (i * length, (i + 1) * length);
    b.min(d).saturating_sub(a.max(c))
}

/// The mean of a cell by its definition, and the largest magnitude in it.
fn naive<T: Sample>(
    samples: &[T],
    (height, width, channels): (u64, u64, u64),
    (rows, columns): (u64, u64),
    (i, j, c): (u64, u64, u64),
    valid: impl Fn(T, u64, u64) -> bool,
) -> (f64, f64) {
    let (mut sum, mut weight, mut largest) = (BigInt::ZERO, BigUint::ZERO, 0f64);
    for y in 0..height {
        for x in 0..width {
            let w = overlap(y, height, i, rows) * overlap(x, width, j, columns);
            let sample = samples[((y * width + x) * channels + c) as usize];
            if w > 0 && valid(sample, y, x) {
                sum += BigSum::units(Value::of(sample)) * w;
                weight += w;
                largest = largest.max(sample.to_f64().abs());
            }
        }
    }
    (Exact::big_ratio(&sum, BigSum::EXPONENT, &weight).to_f64(), largest)
}

/// The means over a window, folded in chunks of a shape by as many partials as asked, the last chunk first where `back`.
fn fold<T: Sample>(
    kernel: &AreaMean,
    samples: &[T],
    shape: [usize; 3],
    (chunk, partials, back): ((u64, u64), usize, bool),
) -> AreaPartial {
    let grid = ChunkGrid::new(kernel.window, chunk, (1, 1));
    let mut states: Vec<_> = (0..partials).map(|_| kernel.start()).collect();
    for n in 0..grid.len() {
        let index = if back { grid.len() - 1 - n } else { n };
        let r = grid.rect(index);
        let all = Pixels::contiguous(samples, shape).unwrap();
        let pixels =
            all.slice(0, r.y as usize..r.bottom() as usize).slice(1, r.x as usize..r.right() as usize);
        let inputs = [Read { pixels, holes: &[] }];
        let state = &mut states[n as usize % partials];
        kernel.fold(state, &Chunk { index, rect: r, inputs: &inputs }).unwrap();
    }
    let merge = |mut a: AreaPartial, b| {
        kernel.merge(&mut a, b);
        a
    };
    if back {
        states.into_iter().rev().reduce(merge).unwrap()
    } else {
        states.into_iter().reduce(merge).unwrap()
    }
}

fn bits(means: Vec<f64>) -> Vec<u64> {
    means.into_iter().map(f64::to_bits).collect()
}

/// Every cell against its definition, and the same bits however the image is cut, for one type and size.
fn check<T: Sample>(shape: (u64, u64, u64), size: (u64, u64), nodata: Option<Value>, seed: u64) {
    let (height, width, channels) = shape;
    let usizes = (height as usize, width as usize, channels as usize);
    let buffer = image(T::DTYPE, usizes, seed);
    let samples = buffer.samples::<T>();
    let validity = Validity::all(T::DTYPE, channels as usize)
        .with_nodata(vec![nodata.into_iter().collect(); channels as usize]);
    let kernel = AreaMean::new(Rect::of_size(height, width), size, validity).unwrap();
    let shape3 = [usizes.0, usizes.1, usizes.2];
    let whole = fold(&kernel, samples, shape3, ((height, width), 1, false));
    assert_eq!(kernel.load(&kernel.save(&whole)).unwrap(), whole);
    let means = kernel.finish(whole);
    let absent = nodata.and_then(Value::to_sample::<T>);
    for i in 0..size.0 {
        for j in 0..size.1 {
            for c in 0..channels {
                let valid = |s: T, _, _| !s.is_nan() && Some(s) != absent;
                let (wanted, largest) = naive(samples, shape, size, (i, j, c), valid);
                let found = means[((i * size.1 + j) * channels + c) as usize];
                if T::DTYPE.is_float() && !wanted.is_nan() {
                    let tolerance = largest * 2f64.powi(-42);
                    assert!(
                        (found - wanted).abs() <= tolerance,
                        "{shape:?} {size:?} {i} {j} {c}: {found} {wanted}"
                    );
                } else {
                    assert_eq!(found.to_bits(), wanted.to_bits(), "{shape:?} {size:?} {i} {j} {c}");
                }
            }
        }
    }
    let means = bits(means);
    for cut in [((1, 1), 3, true), ((2, 3), 2, false), ((3, width), 4, true), ((height, 2), 2, true)] {
        let found = kernel.finish(fold(&kernel, samples, shape3, cut));
        assert_eq!(bits(found), means, "{} {shape:?} {size:?} {cut:?}", T::DTYPE);
    }
}

#[test]
fn a_mean_is_of_the_area_for_factors_that_divide_and_that_do_not() {
    let sizes = [
        ((8, 8, 1), (4, 2)),
        ((9, 7, 3), (4, 5)),
        ((5, 6, 2), (5, 6)),
        ((1, 13, 1), (1, 4)),
        ((17, 3, 3), (1, 1)),
        ((10, 11, 1), (3, 7)),
    ];
    for (k, (shape, size)) in sizes.into_iter().enumerate() {
        for dtype in DataType::ALL {
            with_dtype!(dtype, T => check::<T>(shape, size, None, 77 + k as u64));
        }
    }
}

#[test]
fn wide_rows_are_summed_in_strips() {
    check::<u8>((2, 9001, 1), (1, 7), None, 3);
    check::<i64>((1, 3001, 3), (1, 2), None, 3);
}

#[test]
fn nodata_takes_no_part_and_an_area_without_data_is_nan() {
    let ones = [[7u8; 4], [9, 7, 7, 7], [7; 4], [7; 4]].concat();
    let validity = Validity::all(DataType::U8, 1).with_nodata(vec![vec![Value::Int(7)]]);
    let kernel = AreaMean::new(Rect::of_size(4, 4), (2, 2), validity).unwrap();
    let means = kernel.finish(fold(&kernel, &ones, [4, 4, 1], ((3, 3), 2, false)));
    assert_eq!(means[0], 9.0);
    assert!(means[1..].iter().all(|m| m.is_nan()));
    // Of 256 values one is nodata, in every cell some.
    check::<u8>((31, 29, 3), (4, 3), Some(Value::Int(0)), 5);
    check::<i16>((9, 8, 1), (2, 3), Some(Value::Int(-1)), 5);
    check::<f32>((9, 8, 2), (2, 3), Some(Value::Float(f64::NAN)), 5);
}

#[test]
fn a_mask_and_bad_pixels_leave_the_weight() {
    let validity = Validity::all(DataType::U16, 1).with_mask(true);
    let kernel = AreaMean::new(Rect::of_size(2, 3), (1, 2), validity).unwrap();
    let (image, mask) = ([10u16, 20, 30, 40, 50, 60], [1u8, 0, 1, 1, 1, 1]);
    let inputs = [
        Read { pixels: Pixels::contiguous(&image[..], [2, 3, 1]).unwrap(), holes: &[] },
        Read { pixels: Pixels::contiguous(&mask[..], [2, 3, 1]).unwrap(), holes: &[] },
    ];
    let mut partial = kernel.start();
    kernel.fold(&mut partial, &Chunk { index: 0, rect: Rect::of_size(2, 3), inputs: &inputs }).unwrap();
    // Columns have weights 1, 1/2 | 1/2, 1.
    let left = (10. + 40. + 50. / 2.) / 2.5;
    let right = (30. + 50. / 2. + 60.) / 2.5;
    assert_eq!(kernel.finish(partial), [left, right]);
}

#[test]
fn infinities_stay_and_nan_propagates_where_asked() {
    let samples = [1.0f32, f32::INFINITY, f32::NEG_INFINITY, f32::INFINITY, f32::NAN, 3.0, 1e30, -1e30];
    let mean = |nan| {
        let validity = Validity::all(DataType::F32, 1).with_nan(nan);
        let kernel = AreaMean::new(Rect::of_size(1, 8), (1, 4), validity).unwrap();
        kernel.finish(fold(&kernel, &samples, [1, 8, 1], ((1, 3), 2, true)))
    };
    let omitted = mean(NanPolicy::Omit);
    assert_eq!((omitted[0], omitted[2], omitted[3]), (f64::INFINITY, 3.0, 0.0));
    assert!(omitted[1].is_nan());
    assert!(mean(NanPolicy::Propagate)[2].is_nan());
}

#[test]
fn planar_and_selected_channels_are_read_where_they_lie() {
    let buffer = image(DataType::U16, (6, 5, 3), 9);
    let samples = buffer.samples::<u16>();
    let validity = Validity::all(DataType::U16, 2);
    let kernel = AreaMean::new(Rect::of_size(6, 5), (2, 3), validity).unwrap();
    let selected = Channels::select(vec![2, 0], 3).unwrap();
    let pixels = Pixels::contiguous(samples, [6, 5, 3]).unwrap().select(&selected).unwrap();
    let mut partial = kernel.start();
    let inputs = [Read { pixels, holes: &[] }];
    kernel.fold(&mut partial, &Chunk { index: 0, rect: Rect::of_size(6, 5), inputs: &inputs }).unwrap();
    for (n, mean) in kernel.finish(partial).into_iter().enumerate() {
        let (i, j, c) = (n as u64 / 6, n as u64 / 2 % 3, selected.indices()[n % 2]);
        assert_eq!(mean, naive(samples, (6, 5, 3), (2, 3), (i, j, c), |_, _, _| true).0);
    }
}

#[test]
fn long_columns_do_not_overflow_their_lanes() {
    let rows = 40_000;
    let samples = vec![u16::MAX; rows];
    let kernel =
        AreaMean::new(Rect::of_size(rows as u64, 1), (1, 1), Validity::all(DataType::U16, 1)).unwrap();
    let partial = fold(&kernel, &samples, [rows, 1, 1], ((rows as u64, 1), 1, false));
    assert_eq!(kernel.finish(partial), [65535.0]);
}

#[test]
fn sizes_that_make_no_sense_are_refused() {
    let new = |window, size| AreaMean::new(window, size, Validity::all(DataType::U8, 1)).is_ok();
    assert!(new(Rect::of_size(4, 4), (4, 4)));
    assert!(!new(Rect::of_size(4, 4), (5, 4)) && !new(Rect::of_size(4, 4), (0, 4)));
    assert!(!new(Rect::of_size(0, 4), (1, 4)));
    // Weights beyond 62 bits, and more cells than there is memory to name.
    assert!(!new(Rect::of_size(1 << 32, 1 << 32), (3, 7)));
    assert!(!new(Rect::of_size(1 << 31, 1 << 31), (1 << 30, 1 << 30)));
}
