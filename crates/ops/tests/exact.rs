//! Statistics against `references.json` (make_references.py: Python's fractions), and what must not change them:
//! chunks, strides, the order of merging, saving.

use outcrop_core::{Chunk, DataType, Hole, HoleKind, Pixels, Read, Rect, Reduce, Sample, Value, with_dtype};
use outcrop_ops::reduce::{ChannelStats, ExactSum, ExactSums, Stats, StatsPartial};
use outcrop_ops::{NanPolicy, Validity};
use proptest::prelude::*;
use serde_json::Value as Json;

fn fold<T: Sample>(stats: &Stats, partial: &mut StatsPartial, samples: &[T], rect: Rect, channels: usize) {
    let shape = [rect.height as usize, rect.width as usize, channels];
    let inputs = [Read { pixels: Pixels::contiguous(samples, shape).unwrap(), holes: &[] }];
    stats.fold(partial, &Chunk { index: 0, rect, inputs: &inputs }).unwrap();
}

fn stats_of<T: Sample>(samples: &[T], validity: Validity) -> ChannelStats {
    let stats = Stats::new(validity).with_positions(true);
    let mut partial = stats.start();
    fold(&stats, &mut partial, samples, Rect::of_size(1, samples.len() as u64), 1);
    stats.finish(&partial).remove(0)
}

fn samples_of<T: Sample>(row: &Json) -> Vec<T> {
    let hex = row["samples"].as_str().unwrap();
    let bytes: Vec<u8> =
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
    bytes.chunks(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()
}

/// Bits in hex as the references have them; all NaN are one.
fn bits(v: Option<f64>) -> Json {
    v.map_or(Json::Null, |v| format!("{:016x}", if v.is_nan() { f64::NAN } else { v }.to_bits()).into())
}

fn value(v: Option<Value>) -> Json {
    match v {
        Some(Value::Int(i)) => i.to_string().into(),
        Some(Value::Float(f)) => bits(Some(f)),
        None => Json::Null,
    }
}

fn rows() -> Vec<Json> {
    serde_json::from_str(include_str!("references.json")).unwrap()
}

#[test]
fn every_figure_equals_that_of_fractions() {
    for row in rows() {
        let dtype = DataType::from_name(row["dtype"].as_str().unwrap()).unwrap();
        let s = with_dtype!(dtype, T => stats_of(&samples_of::<T>(&row), Validity::all(dtype, 1)));
        let sum = match s.sum {
            ExactSum::Int(i) => i.to_string().into(),
            ExactSum::Float(v) => bits(Some(v)),
        };
        let at = |at: Option<(u64, u64)>| at.map_or(Json::Null, |(_, x)| x.into());
        for (key, got) in [
            ("valid", s.counts.valid.into()),
            ("nan", s.counts.nan.into()),
            ("pos_inf", s.counts.pos_inf.into()),
            ("neg_inf", s.counts.neg_inf.into()),
            ("min", value(s.min)),
            ("max", value(s.max)),
            ("min_at", at(s.min_at)),
            ("max_at", at(s.max_at)),
            ("sum", sum),
            ("mean", bits(s.mean)),
            ("var0", bits(s.variance(0))),
            ("var1", bits(s.variance(1))),
            ("std0", bits(s.std(0))),
            ("std1", bits(s.std(1))),
        ] {
            assert_eq!(got, row[key], "{dtype} {}: {key}", row["name"]);
        }
    }
}

#[test]
fn one_sample_at_a_time_gives_the_same_state() {
    for row in rows() {
        let dtype = DataType::from_name(row["dtype"].as_str().unwrap()).unwrap();
        with_dtype!(dtype, T => {
            assert_same(&samples_of::<T>(&row));
        });
    }
}

#[test]
fn constant_images_have_no_variance() {
    for dtype in DataType::ALL {
        with_dtype!(dtype, T => {
            let s = stats_of(&vec![T::from_f64(0.1).max_of(T::from_f64(77.7)); 5000], Validity::all(dtype, 1));
            assert_eq!((s.variance(0), s.std(1)), (Some(0.0), Some(0.0)), "{dtype}");
        });
    }
}

trait MaxOf: PartialOrd + Sized {
    fn max_of(self, other: Self) -> Self {
        if self < other { other } else { self }
    }
}
impl<T: PartialOrd> MaxOf for T {}

/// 2^33 and 2^62 equal samples, by doubling partials.
#[test]
fn sums_of_very_many_samples_do_not_wrap() {
    for (dtype, v) in [
        (DataType::U8, 255.0),
        (DataType::I32, -2147483648.0),
        (DataType::F16, 65504.0),
        (DataType::F32, f32::MAX as f64),
        (DataType::F64, f64::MAX / 2f64.powi(62)),
    ] {
        let mut sums = ExactSums::new(dtype);
        with_dtype!(dtype, T => sums.add(T::from_f64(v)));
        for doublings in 1..=62u32 {
            let copy = sums.clone();
            sums.merge(&copy);
            if [33, 40, 41, 62].contains(&doublings) {
                assert_eq!(sums.n(), 1 << doublings);
                assert_eq!((sums.mean(), sums.variance(0)), (Some(v), Some(0.0)), "{dtype} 2^{doublings}");
                match sums.sum() {
                    ExactSum::Int(i) => assert_eq!(i, (v as i128) << doublings),
                    ExactSum::Float(f) => assert_eq!(f, v * 2f64.powi(doublings as i32)),
                }
            }
        }
    }
    let mut sums = ExactSums::new(DataType::U64);
    sums.add(u64::MAX);
    sums.add(u64::MAX - 2);
    for _ in 0..61 {
        let copy = sums.clone();
        sums.merge(&copy);
    }
    assert_eq!(sums.sum(), ExactSum::Int((i128::from(u64::MAX) - 1) << 62));
    assert_eq!((sums.variance(0), sums.std(0)), (Some(1.0), Some(1.0)));
}

/// Blocks whose exponents spread just less and just more than the vector kernels can take, at several heights, with
/// significands of all ones and at random.
#[test]
fn blocks_at_the_edge_of_their_spread_stay_exact() {
    let mut seed = 7u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        seed >> 11
    };
    for spread in 0..40 {
        for height in [-390, -100, 0, 60, 490] {
            let samples: Vec<f64> = (0..1104)
                .map(|i| {
                    let fraction = if i % 2 == 0 { (1 << 53) - 1 } else { next() | 1 << 52 };
                    let down = if i % 5 == 0 { spread } else { next() % (spread + 1) };
                    let v = fraction as f64 * 2f64.powi(height - 53 - down as i32);
                    if next() % 3 == 0 { -v } else { v }
                })
                .collect();
            assert_same(&samples);
            if height.abs() <= 100 {
                assert_same(&samples.iter().map(|&v| v as f32).collect::<Vec<f32>>());
            }
        }
    }
}

fn assert_same<T: Sample>(samples: &[T]) {
    let (mut slice, mut single) = (ExactSums::new(T::DTYPE), ExactSums::new(T::DTYPE));
    slice.add_slice(samples);
    samples.iter().for_each(|&v| single.add(v));
    assert_eq!(slice, single, "{}", T::DTYPE);
}

/// The negative control: on these samples sums in f64 depend on the order, ours do not.
#[test]
fn naive_sums_of_the_same_samples_differ() {
    let row = rows().into_iter().find(|r| r["dtype"] == "f64" && r["name"] == "some exponents").unwrap();
    let mut samples = samples_of::<f64>(&row);
    let naive: f64 = samples.iter().sum();
    let exact = stats_of(&samples, Validity::all(DataType::F64, 1));
    samples.reverse();
    assert_ne!(samples.iter().sum::<f64>(), naive);
    assert_eq!(stats_of(&samples, Validity::all(DataType::F64, 1)).sum, exact.sum);
}

#[test]
fn nan_propagates_where_asked() {
    let validity = || Validity::all(DataType::F32, 1).with_nan(NanPolicy::Propagate);
    let s = stats_of(&[1.0f32, f32::NAN, 2.0, f32::NAN], validity());
    assert!(s.mean.unwrap().is_nan() && s.variance(0).unwrap().is_nan());
    assert!(matches!(s.min, Some(Value::Float(v)) if v.is_nan()));
    assert_eq!((s.min_at, s.max_at), (Some((0, 1)), Some((0, 1))));
    assert_eq!((s.counts.valid, s.counts.nan), (4, 2));
    assert_eq!(stats_of(&[1.0f32, 2.0], validity()).mean, Some(1.5));
}

#[test]
fn what_leaves_is_counted_and_leaves_everything() {
    let stats = Stats::new(
        Validity::all(DataType::I16, 2)
            .with_nodata(vec![vec![Value::Int(-9999)], vec![Value::Int(-9999), Value::Int(9)]])
            .with_mask(true),
    )
    .with_positions(true);
    let image = [-9999i16, 9, 5, 9, 7, 100, 3, -9999, 1, 2, 1, 4];
    let bad = HoleKind::Bad(std::sync::Arc::new(outcrop_core::Error::Format("broken".into())));
    let holes = [
        Hole { rect: Rect { y: 11, x: 20, height: 1, width: 1 }, channels: 0..1, kind: bad },
        Hole { rect: Rect { y: 11, x: 21, height: 5, width: 5 }, channels: 0..2, kind: HoleKind::Sparse },
    ];
    let inputs = [
        Read { pixels: Pixels::contiguous(&image, [2, 3, 2]).unwrap(), holes: &holes },
        Read { pixels: Pixels::contiguous(&[1u8, 1, 0, 1, 1, 255], [2, 3, 1]).unwrap(), holes: &[] },
    ];
    let rect = Rect { y: 10, x: 20, height: 2, width: 3 };
    let mut partial = stats.start();
    stats.fold(&mut partial, &Chunk { index: 0, rect, inputs: &inputs }).unwrap();
    let all = stats.finish(&partial);
    let fields = |c: usize| {
        let n = all[c].counts;
        (n.count, n.valid, n.nodata, n.masked, n.sparse, n.quarantined)
    };
    // Channel 0: -9999 | 5 | masked 7 | quarantined 3 | two sparse. Channel 1: 9 | 9 | masked | -9999 | two sparse.
    assert_eq!(fields(0), (6, 1, 3, 1, 2, 1));
    assert_eq!(fields(1), (6, 0, 5, 1, 2, 0));
    assert_eq!((all[0].min_at, all[0].mean), (Some((10, 21)), Some(5.0)));
    assert!(all[1].mean.is_none() && all[1].min.is_none() && all[1].std(0).is_none());
    let pooled = stats.finish_pooled(&partial);
    assert_eq!((pooled.counts.count, pooled.counts.valid, pooled.mean), (12, 1, Some(5.0)));
}

#[test]
fn strides_do_not_matter() {
    let (h, w, c) = (5, 37, 3);
    for dtype in DataType::ALL {
        with_dtype!(dtype, T => {
            let at = |y: usize, x: usize, c: usize| T::from_f64(((y * 131 + x * 17 + c * 71) % 127) as f64);
            let mut inter = Vec::new();
            let mut planar = vec![T::default(); h * w * c];
            for y in 0..h { for x in 0..w { for k in 0..c {
                inter.push(at(y, x, k));
                planar[(k * h + y) * w + x] = at(y, x, k);
            }}}
            let stats = Stats::new(Validity::all(dtype, c)).with_positions(true);
            let run = |samples: &[T], strides| {
                let pixels = Pixels::strided(samples, [h, w, c], strides).unwrap();
                let (mut p, rect) = (stats.start(), Rect::of_size(h as u64, w as u64));
                stats.fold(&mut p, &Chunk { index: 0, rect, inputs: &[Read { pixels, holes: &[] }] }).unwrap();
                stats.save(&p)
            };
            assert_eq!(run(&inter, [w * c, c, 1]), run(&planar, [w, 1, h * w]), "{dtype}");
        });
    }
}

#[test]
fn a_saved_partial_of_another_kind_is_refused() {
    let one = |dtype, channels| Stats::new(Validity::all(dtype, channels));
    let saved = one(DataType::F32, 2).save(&one(DataType::F32, 2).start());
    assert!(one(DataType::F32, 2).load(&saved).is_ok());
    assert!(one(DataType::F32, 3).load(&saved).is_err());
    assert!(one(DataType::F64, 2).load(&saved).is_err());
    for end in 0..saved.len() {
        assert!(one(DataType::F32, 2).load(&saved[..end]).is_err());
    }
}

/// Folds a 12 x 31 image in chunks of that shape, in that order, each into one of three partials, and merges.
fn in_chunks<T: Sample>(
    stats: &Stats,
    image: &[T],
    channels: usize,
    shape: (usize, usize),
    order: &[usize],
) -> Vec<u8> {
    let (h, w) = (12, 31);
    let mut rects = Vec::new();
    for y in (0..h).step_by(shape.0) {
        for x in (0..w).step_by(shape.1) {
            rects.push((y, x, shape.0.min(h - y), shape.1.min(w - x)));
        }
    }
    let mut partials = [stats.start(), stats.start(), stats.start()];
    let mut places: Vec<usize> = (0..rects.len()).collect();
    places.sort_by_key(|&i| order[i % order.len()].wrapping_mul(i + 1) % 1009);
    for (turn, &i) in places.iter().enumerate() {
        let (y, x, rows, columns) = rects[i];
        let samples: Vec<T> = (y..y + rows)
            .flat_map(|row| &image[(row * w + x) * channels..(row * w + x + columns) * channels])
            .copied()
            .collect();
        let rect = Rect { y: y as u64, x: x as u64, height: rows as u64, width: columns as u64 };
        fold(stats, &mut partials[order[turn % order.len()] % 3], &samples, rect, channels);
    }
    let [a, b, c] = partials;
    let mut all = stats.load(&stats.save(&b)).unwrap();
    stats.merge(&mut all, c);
    stats.merge(&mut all, a);
    stats.save(&all)
}

#[test]
fn channels_one_by_one_are_the_channels_at_once() {
    let (rect, mut seed) = (Rect { y: 3, x: 5, height: 40, width: 300 }, 1u32);
    let samples: Vec<i16> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) as i16 % 100
    })
    .take(40 * 300 * 3)
    .collect();
    let nodata = vec![vec![Value::Int(7)], vec![], vec![Value::Int(7), Value::Int(-3)]];
    let stats = Stats::new(Validity::all(DataType::I16, 3).with_nodata(nodata)).with_positions(true);
    let hole =
        |channels| Hole { rect: Rect { y: 4, x: 9, height: 2, width: 30 }, channels, kind: HoleKind::Sparse };
    let pixels = Pixels::contiguous(&samples, [40, 300, 3]).unwrap();
    let mut whole = stats.start();
    stats
        .fold(&mut whole, &Chunk { index: 0, rect, inputs: &[Read { pixels, holes: &[hole(1..3)] }] })
        .unwrap();
    let mut apart = stats.start();
    for c in 0..3 {
        let plane: Vec<i16> = samples.iter().skip(c).step_by(3).copied().collect();
        let pixels = Pixels::contiguous(&plane, [40, 300, 1]).unwrap();
        let (one, none) = ([hole(0..1)], []);
        let inputs = [Read { pixels, holes: if c > 0 { &one } else { &none } }];
        stats.fold_channel(&mut apart, c, &Chunk { index: 0, rect, inputs: &inputs }).unwrap();
    }
    assert!(stats.finish(&apart).iter().all(|s| s.counts.valid > 0));
    assert_eq!(stats.save(&apart), stats.save(&whole));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn chunks_and_the_order_of_merging_leave_no_trace(
        dtype in prop::sample::select(DataType::ALL.to_vec()),
        channels in 1usize..6,
        seeds in prop::collection::vec(any::<u64>(), 64),
        order in prop::collection::vec(any::<usize>(), 1..20),
        shape in (1usize..13, 1usize..32),
        nodata in any::<bool>(),
    ) {
        with_dtype!(dtype, T => {
            // Raw bits: every kind of sample, and repeated ones.
            let image: Vec<T> = (0..12 * 31 * channels)
                .map(|i| bytemuck::pod_read_unaligned(&seeds[(i * i + i / 7) % 64].to_le_bytes()[..size_of::<T>()]))
                .collect();
            let mut validity = Validity::all(dtype, channels);
            if nodata {
                validity = validity.with_nodata(vec![vec![Value::of(image[0])]; channels]);
            }
            let stats = Stats::new(validity).with_positions(true);
            let whole = in_chunks(&stats, &image, channels, (12, 31), &[0]);
            prop_assert_eq!(in_chunks(&stats, &image, channels, shape, &order), whole);
        });
    }
}

/// One nodata value of integers is folded as another sample and taken out again.
#[test]
fn integers_with_nodata_equal_those_that_were_picked() {
    fn check<T: Sample>(value: f64) {
        let nodata = T::from_f64(value);
        let image: Vec<T> = (0..3 * 5000u32)
            .map(|i| T::from_f64(f64::from(i.wrapping_mul(2_654_435_761) >> 26) * 4.0 - 64.0))
            .map(|v| if v < T::from_f64(9.0) { nodata } else { v })
            .collect();
        let fold = |validity: Validity, samples: &[T], width: usize| {
            let stats = Stats::new(validity);
            let pixels = Pixels::contiguous(samples, [1, width, samples.len() / width]).unwrap();
            let inputs = [Read { pixels, holes: &[] }];
            let mut partial = stats.start();
            let rect = Rect::of_size(1, width as u64);
            stats.fold(&mut partial, &Chunk { index: 0, rect, inputs: &inputs }).unwrap();
            stats.finish(&partial)
        };
        for channels in [1, 3] {
            let validity =
                Validity::all(T::DTYPE, channels).with_nodata(vec![vec![Value::of(nodata)]; channels]);
            let found = fold(validity, &image, image.len() / channels);
            for (c, found) in found.iter().enumerate() {
                let own = image.iter().skip(c).step_by(channels);
                let picked: Vec<T> = own.copied().filter(|&v| v != nodata).collect();
                let wanted = &fold(Validity::all(T::DTYPE, 1), &picked, picked.len())[0];
                assert!(found.counts.nodata > 100);
                assert_eq!(found.counts.valid, wanted.counts.valid);
                assert_eq!((found.min, found.max, found.sum), (wanted.min, wanted.max, wanted.sum));
                assert_eq!(found.variance(1), wanted.variance(1));
            }
        }
    }
    check::<u8>(255.0);
    check::<i8>(-128.0);
    check::<u16>(65535.0);
    check::<i16>(-9999.0);
    check::<u32>(4294967295.0);
    check::<i32>(-2147483648.0);
}
