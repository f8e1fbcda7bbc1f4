//! Percentiles against `percentile_references.json`, which a script evaluates as fractions, and against themselves
//! however the image is cut.

use std::sync::Arc;

use outcrop_core::{
    Chunk, DataType, Error, Hole, HoleKind, Pixels, Read, Rect, Reduce, Sample, Value, with_dtype,
};
use outcrop_ops::reduce::{Method, Moments, PercentileSpec, Percentiles, Pool};
use outcrop_ops::{Exact, NanPolicy, Validity};

fn job<T: Sample>(channels: usize, pool: Pool, spec: &PercentileSpec) -> Percentiles {
    Percentiles::new(pool, spec.clone(), Validity::all(T::DTYPE, channels)).unwrap()
}

/// Runs every pass over `samples` (rows of `width` pixels), cut into bands of `band` rows, with a partial each that
/// is saved, loaded and merged from the last to the first.
fn run<T: Sample>(
    mut job: Percentiles,
    samples: &[T],
    width: usize,
    channels: usize,
    band: usize,
) -> Vec<Vec<Option<Exact>>> {
    let mut passes = 0;
    while let Some(pass) = job.pass() {
        let mut all = pass.start();
        let bands: Vec<_> = samples.chunks(width * channels * band).enumerate().collect();
        for (index, part) in bands.into_iter().rev() {
            let rows = part.len() / (width * channels);
            let inputs =
                [Read { pixels: Pixels::contiguous(part, [rows, width, channels]).unwrap(), holes: &[] }];
            let rect = Rect { y: (index * band) as u64, x: 0, height: rows as u64, width: width as u64 };
            let mut partial = pass.start();
            pass.fold(&mut partial, &Chunk { index: index as u64, rect, inputs: &inputs }).unwrap();
            pass.merge(&mut all, partial);
        }
        let saved = pass.save(&all);
        assert!(pass.load(&saved[1..]).is_err() && pass.load(&saved[..saved.len() - 8]).is_err());
        assert_eq!(pass.load(&saved).unwrap(), all);
        job.absorb(all).unwrap();
        assert!(pass.load(&saved).is_ok() && job.pass().is_none_or(|next| next.load(&saved).is_err()));
        passes += 1;
    }
    assert!(passes <= job.passes());
    job.finish().unwrap()
}

fn samples<T: Sample>(case: &serde_json::Value) -> Vec<T> {
    let parse = |s: &serde_json::Value| {
        let bits = u64::from_str_radix(s.as_str().unwrap(), 16).unwrap();
        bytemuck::pod_read_unaligned(&bits.to_le_bytes()[..size_of::<T>()])
    };
    case["samples"].as_array().unwrap().iter().map(parse).collect()
}

#[test]
fn every_method_gives_the_fraction_rounded_once() {
    let file: serde_json::Value = serde_json::from_str(include_str!("percentile_references.json")).unwrap();
    let asked: Vec<_> = file["percentiles"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    let mut compared = 0;
    for case in file["cases"].as_array().unwrap() {
        let dtype = DataType::from_name(case["dtype"].as_str().unwrap()).unwrap();
        for (method, answers) in case["answers"].as_object().unwrap() {
            let spec =
                PercentileSpec::parse(&asked.join(",")).unwrap().method(Method::from_name(method).unwrap());
            let found = with_dtype!(dtype, T => {
                let samples = samples::<T>(case);
                run(job::<T>(1, Pool::PerChannel, &spec), &samples, 1, 1, samples.len())
            });
            for ((found, wanted), p) in found[0].iter().zip(answers.as_array().unwrap()).zip(&asked) {
                let found = found.map(|v| v.to_f64()).map(|v| match v.is_nan() {
                    true => "nan".to_string(),
                    false => format!("{:016x}", v.to_bits()),
                });
                assert_eq!(found.as_deref(), wanted.as_str(), "{method} {p} of {dtype} {}", case["samples"]);
                compared += 1;
            }
        }
    }
    assert!(compared > 5000);
}

/// Noise whose upper bits are often equal.
fn noise<T: Sample>(n: usize) -> Vec<T> {
    let mut state = 7u64;
    let mut next = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as f64 / 2f64.powi(31)
    };
    (0..n).map(|i| T::from_f64((next() - 0.3) * 10f64.powi(i as i32 % 4))).collect()
}

#[test]
fn cuts_and_channels_leave_no_trace() {
    fn check<T: Sample>() {
        let spec = PercentileSpec::parse("0,2,50,98,100").unwrap();
        let all = noise::<T>(60 * 7 * 3);
        let whole = |pool| job::<T>(3, pool, &spec);
        let wanted = run(whole(Pool::PerChannel), &all, 7, 3, 60);
        assert_eq!(run(whole(Pool::PerChannel), &all, 7, 3, 13), wanted);
        for (c, wanted) in wanted.iter().enumerate() {
            let mut sorted: Vec<T> = all.iter().skip(c).step_by(3).copied().collect();
            sorted.sort_by(|a, b| a.partial_cmp(b).unwrap());
            assert_eq!(wanted[0].unwrap().to_f64(), sorted[0].to_f64());
            assert_eq!(wanted[4].unwrap().to_f64(), sorted[419].to_f64());
            let middle = (sorted[209].to_f64() + sorted[210].to_f64()) / 2.0;
            assert_eq!(wanted[2].unwrap().to_f64(), middle);
        }
        let one = job::<T>(1, Pool::PerChannel, &spec);
        assert_eq!(run(whole(Pool::AllChannels), &all, 7, 3, 25), run(one, &all, 1, 1, 700));
    }
    check::<u8>();
    check::<i32>();
    check::<f32>();
    check::<f64>();
}

#[test]
fn sixty_four_percentiles_of_many_channels_keep_to_their_memory() {
    let spec = PercentileSpec::parse(&(1..=64).map(|p| p.to_string()).collect::<Vec<_>>().join(",")).unwrap();
    let all = noise::<f64>(500 * 4);
    let mut job = job::<f64>(4, Pool::PerChannel, &spec);
    let found = run(job.clone(), &all, 10, 4, 50);
    let mut sorted: Vec<f64> = all.iter().step_by(4).copied().collect();
    sorted.sort_by(f64::total_cmp);
    for (i, p) in (1..=64).enumerate() {
        let at = 499 * p / 100;
        let v = found[0][i].unwrap().to_f64();
        assert!(sorted[at] <= v && v <= sorted[at + 1]);
    }
    while let Some(pass) = job.pass() {
        assert!(pass.partial_bytes() <= (64 << 20) + 64);
        job.absorb(pass.start()).unwrap();
    }
    assert_eq!(job.finish().unwrap(), vec![vec![None; 64]; 4]);
}

#[test]
fn what_does_not_count_is_left_out() {
    let spec = PercentileSpec::parse("0,50,100").unwrap();
    let image = [9u8, 1, 2, 9, 3, 4, 200, 250];
    let mask = [1u8, 1, 1, 1, 1, 1, 0, 1];
    let validity = Validity::all(DataType::U8, 1).with_nodata(vec![vec![Value::Int(9)]]).with_mask(true);
    let mut job = Percentiles::new(Pool::PerChannel, spec.clone(), validity).unwrap();
    let pass = job.pass().unwrap();
    let place = Rect { y: 11, x: 3, height: 1, width: 1 };
    let holes = [Hole { rect: place, channels: 0..1, kind: HoleKind::Bad(Arc::new(Error::Cancelled)) }];
    let inputs = [
        Read { pixels: Pixels::contiguous(&image[..], [2, 4, 1]).unwrap(), holes: &holes },
        Read { pixels: Pixels::contiguous(&mask[..], [2, 4, 1]).unwrap(), holes: &[] },
    ];
    let rect = Rect { y: 10, x: 0, height: 2, width: 4 };
    let mut partial = pass.start();
    pass.fold(&mut partial, &Chunk { index: 0, rect, inputs: &inputs }).unwrap();
    job.absorb(partial).unwrap();
    let found: Vec<_> = job.finish().unwrap()[0].iter().map(|v| v.unwrap().to_f64()).collect();
    assert_eq!(found, [1.0, 2.5, 4.0]);

    let validity = Validity::all(DataType::F32, 1).with_nan(NanPolicy::Propagate);
    let job = Percentiles::new(Pool::PerChannel, spec, validity).unwrap();
    let found = run(job, &[1.0f32, f32::NAN, 2.0], 1, 1, 2);
    assert!(found[0].iter().all(|v| v.unwrap().to_f64().is_nan()));
}

/// Moments count the same values: percentiles take theirs where there is one digit, and refuse them elsewhere.
#[test]
fn percentiles_take_what_moments_have_counted() {
    let spec = PercentileSpec::parse("0,0.1,25,50,99.9,100").unwrap();
    for dtype in DataType::ALL {
        with_dtype!(dtype, T => {
            let value = |i: u32| T::from_f64(f64::from(i.wrapping_mul(2_654_435_761) >> 20) / 9.0 - 100.0);
            let samples: Vec<T> = (0..3000).map(value).collect();
            for (pool, nodata) in [(Pool::PerChannel, 7), (Pool::AllChannels, 300), (Pool::AllChannels, 7)] {
                let nodata = vec![vec![Value::Int(nodata)]; 3];
                let validity = Validity::all(dtype, 3).with_nodata(nodata);
                let job = || Percentiles::new(pool, spec.clone(), validity.clone()).unwrap();
                let Some(kernel) = Moments::counting(validity.clone()) else {
                    assert!(!job().is_counted());
                    continue;
                };
                let inputs = [Read { pixels: Pixels::contiguous(&samples, [10, 100, 3]).unwrap(), holes: &[] }];
                let mut counted = kernel.start();
                let chunk = Chunk { index: 0, rect: Rect::of_size(10, 100), inputs: &inputs };
                kernel.fold(&mut counted, &chunk).unwrap();
                let mut shared = job();
                assert!(shared.is_counted());
                shared.absorb_counted(&kernel, &counted).unwrap();
                assert!(shared.absorb_counted(&kernel, &counted).is_err());
                assert_eq!(shared.finish().unwrap(), run::<T>(job(), &samples, 100, 3, 3), "{dtype}");
            }
        });
    }
}

/// 64 quantiles of a few binades, of several channels, by large tables of 20 bits and by small ones.
#[test]
fn many_quantiles_of_wide_samples_equal_sorting() {
    let asked: Vec<String> = (0..64).map(|i| format!("{}.{}", i, i % 10)).collect();
    let spec = PercentileSpec::parse(&asked.join(",")).unwrap().method(Method::Lower);
    for (dtype, channels) in
        [DataType::U32, DataType::I32, DataType::F32].into_iter().flat_map(|d| [(d, 1), (d, 3), (d, 9)])
    {
        with_dtype!(dtype, T => {
            let value = |i: u32| T::from_f64(f64::from(i.wrapping_mul(2_654_435_761)) * 0.37 - 4e8);
            let samples: Vec<T> = (0..9000).map(value).collect();
            let found = run(job::<T>(channels, Pool::PerChannel, &spec), &samples, 100, channels, 3);
            for (c, found) in found.into_iter().enumerate() {
                let mut own: Vec<f64> = samples.iter().skip(c).step_by(channels).map(|v| v.to_f64()).collect();
                own.sort_by(f64::total_cmp);
                for (i, found) in found.into_iter().enumerate() {
                    let tenths = 10 * i + i % 10;
                    assert_eq!(found.unwrap().to_f64(), own[(own.len() - 1) * tenths / 1000], "{dtype} {c} {i}");
                }
            }
        });
    }
}

/// Samples by their bits: at the borders of tables and digits, in runs about as long as a byte counts, in order, not numbers.
fn hostile<T: Sample>(kind: u64, n: usize) -> Vec<T> {
    let bits = 8 * size_of::<T>() as u32;
    let mut state = kind + 11;
    let mut next = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state >> 20
    };
    let of = |bits: u64| bytemuck::pod_read_unaligned::<T>(&bits.to_le_bytes()[..size_of::<T>()]);
    let special =
        [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -0.0, 0.0, 1.0, 1e-40, 5e-324].map(T::from_f64);
    let (sign, any) = (1u64 << (bits - 1), next());
    let mut samples: Vec<T> = match kind {
        0 => vec![of(any); n],
        1 => (0..n).map(|_| of(if next() % 3 == 0 { sign } else { 0 })).collect(),
        2 => (0..n).map(|_| of(any.wrapping_add(next() % 3))).collect(),
        3 => (0..n).flat_map(|i| vec![of(next()); 255 + i % 3]).take(n).collect(),
        4 => (0..n).map(|_| special[(next() % 8) as usize]).collect(),
        5..=8 => {
            let shift = bits * (kind as u32 - 4) / 5;
            (0..n).map(|_| of(((next() % 4) << shift).wrapping_add(next() % 5).wrapping_sub(2))).collect()
        }
        _ => (0..n).map(|_| of(next() << 8 ^ next())).collect(),
    };
    match kind {
        10 => samples.sort_by(|a, b| a.to_f64().total_cmp(&b.to_f64())),
        11 => samples.sort_by(|a, b| b.to_f64().total_cmp(&a.to_f64())),
        _ => {}
    }
    samples
}

#[test]
fn samples_at_the_borders_of_tables_and_blocks_equal_sorting() {
    const ASKED: [u64; 12] = [0, 1, 2, 10, 25, 33, 50, 67, 75, 90, 99, 100];
    let all = PercentileSpec::parse(&ASKED.map(|q| q.to_string()).join(",")).unwrap().method(Method::Lower);
    let dtypes = [DataType::U8, DataType::U16, DataType::I16, DataType::U32, DataType::F32, DataType::F64];
    let sizes = [(1, 1), (257, 2), (171, 3), (70_000, 1), (64, 12)];
    for (dtype, (pixels, channels)) in dtypes.into_iter().flat_map(|d| sizes.map(|size| (d, size))) {
        with_dtype!(dtype, T => for kind in 0..12 {
            let samples = hostile::<T>(kind, pixels * channels);
            let mut job = job::<T>(channels, Pool::PerChannel, &all);
            while let Some(pass) = job.pass() {
                let pixels = Pixels::contiguous(&samples[..], [1, pixels, channels]).unwrap();
                let inputs = [Read { pixels, holes: &[] }];
                let mut partial = pass.start();
                let rect = Rect::of_size(1, (samples.len() / channels) as u64);
                pass.fold(&mut partial, &Chunk { index: 0, rect, inputs: &inputs }).unwrap();
                job.absorb(partial).unwrap();
            }
            let found = job.finish().unwrap();
            for (c, found) in found.into_iter().enumerate() {
                let own = samples.iter().skip(c).step_by(channels).map(|v| v.to_f64());
                let mut own: Vec<f64> = own.filter(|v| !v.is_nan()).collect();
                own.sort_by(f64::total_cmp);
                for (q, found) in ASKED.into_iter().zip(found) {
                    let wanted = own.len().checked_sub(1).map(|last| own[last * q as usize / 100]);
                    let what = format!("{dtype}, {pixels} x {channels}, kind {kind}, channel {c}, {q} %");
                    // A zero has no sign there.
                    assert_eq!(found.map(|v| v.to_f64()), wanted, "{what}");
                }
            }
        });
    }
}
