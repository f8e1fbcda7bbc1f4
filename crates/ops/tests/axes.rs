//! Reductions by name, histograms and class counts against `axis_references.json` and however the image is cut.

use outcrop_core::{
    Chunk, DataType, Map, Pixels, PixelsMut, Read, Rect, Reduce, Result, Sample, Value, with_dtype,
};
use outcrop_ops::map::{MeanOverChannels, ReduceChannels};
use outcrop_ops::reduce::{Histogram, HistogramSpec, Op, Over, ReduceAxes, Unique};
use outcrop_ops::{NanPolicy, Validity};

const SHAPE: [usize; 3] = [5, 4, 3];

fn references() -> serde_json::Value {
    serde_json::from_str(include_str!("axis_references.json")).unwrap()
}

fn samples<T: Sample>(case: &serde_json::Value) -> Vec<T> {
    let parse = |s: &serde_json::Value| {
        let bits = u64::from_str_radix(s.as_str().unwrap(), 16).unwrap();
        bytemuck::pod_read_unaligned(&bits.to_le_bytes()[..size_of::<T>()])
    };
    case["samples"].as_array().unwrap().iter().map(parse).collect()
}

/// The window lies at (100, 50) and is cut into chunks of `cut` rows and columns, folded from the last to the first, each into
/// a partial of its own that is saved and loaded.
fn fold<T: Sample, R: Reduce>(
    reduce: &R,
    samples: &[T],
    [h, w, c]: [usize; 3],
    cut: (usize, usize),
) -> Result<R::Partial> {
    let mut all = reduce.start();
    let whole = ndarray::ArrayView3::from_shape((h, w, c), samples).unwrap();
    for y in (0..h).step_by(cut.0).rev() {
        for x in (0..w).step_by(cut.1).rev() {
            let (rows, columns) = (cut.0.min(h - y), cut.1.min(w - x));
            let part: Vec<T> =
                whole.slice(ndarray::s![y..y + rows, x..x + columns, ..]).iter().copied().collect();
            let inputs = [Read { pixels: Pixels::contiguous(&part, [rows, columns, c])?, holes: &[] }];
            let rect =
                Rect { y: 100 + y as u64, x: 50 + x as u64, height: rows as u64, width: columns as u64 };
            let mut partial = reduce.start();
            reduce.fold(&mut partial, &Chunk { index: 0, rect, inputs: &inputs })?;
            let saved = reduce.save(&partial);
            assert!(reduce.load(&saved[..saved.len() - 1]).is_err());
            reduce.merge(&mut all, reduce.load(&saved)?);
        }
    }
    Ok(all)
}

fn window(shape: [usize; 3]) -> Rect {
    Rect { y: 100, x: 50, height: shape[0] as u64, width: shape[1] as u64 }
}

fn hex(v: f64) -> String {
    // A zero may have either sign: the fraction has none.
    format!("{:016x}", (v + 0.0).to_bits())
}

#[test]
fn every_reduction_over_every_axis_is_right() {
    let mut compared = 0;
    for case in references()["cases"].as_array().unwrap() {
        let dtype = DataType::from_name(case["dtype"].as_str().unwrap()).unwrap();
        for over in ["y", "x", "yx", "yxc"] {
            for (name, wanted) in case["answers"][over].as_object().unwrap() {
                let (op, axis) = (Op::parse(name).unwrap(), Over::parse(over).unwrap());
                let validity = Validity::all(dtype, SHAPE[2]);
                let reduce = ReduceAxes::new(op, axis, window(SHAPE), validity);
                if name == "median" || name == "product" && dtype.is_float() {
                    assert!(reduce.is_err());
                    continue;
                }
                let reduce = reduce.unwrap();
                for cut in [(5, 4), (2, 3), (1, 1)] {
                    let partial =
                        with_dtype!(dtype, T => fold(&reduce, &samples::<T>(case), SHAPE, cut)).unwrap();
                    let found = reduce.finish(&partial);
                    let wanted = wanted.as_array().unwrap();
                    assert_eq!(found.len(), wanted.len());
                    for (found, wanted) in found.iter().zip(wanted) {
                        let found = hex(found.unwrap().to_f64());
                        assert_eq!(found, wanted.as_str().unwrap(), "{name} over {over} of {dtype}, {cut:?}");
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 5000);
}

fn map<T: Sample, U: Sample>(map: &dyn Map, samples: &[T], shape: [usize; 3]) -> Vec<U> {
    let mut out = vec![U::default(); shape[0] * shape[1]];
    let inputs = [Read { pixels: Pixels::contiguous(samples, shape).unwrap(), holes: &[] }];
    let chunk = Chunk { index: 0, rect: window(shape), inputs: &inputs };
    map.apply(&chunk, PixelsMut::contiguous(&mut out, [shape[0], shape[1], 1]).unwrap()).unwrap();
    out
}

#[test]
fn every_reduction_over_channels_is_right() {
    let mut compared = 0;
    for case in references()["cases"].as_array().unwrap() {
        let dtype = DataType::from_name(case["dtype"].as_str().unwrap()).unwrap();
        for (name, wanted) in case["answers"]["c"].as_object().unwrap() {
            let op = Op::parse(name).unwrap();
            let reduce = ReduceChannels::new(op, dtype, 3, Some(DataType::F64), Vec::new());
            let found: Vec<f64> = with_dtype!(dtype, T => map(&reduce, &samples::<T>(case), SHAPE));
            for (found, wanted) in found.iter().zip(wanted.as_array().unwrap()) {
                if let Some(wanted) = wanted.as_str() {
                    assert_eq!(hex(*found), wanted, "{name} over channels of {dtype}");
                    compared += 1;
                }
            }
            if name == "mean" {
                let quick = MeanOverChannels::new(dtype, Some(DataType::F64), Vec::new());
                let quick: Vec<f64> = with_dtype!(dtype, T => map(&quick, &samples::<T>(case), SHAPE));
                assert_eq!(quick, found);
            }
        }
    }
    assert!(compared > 2000);
}

#[test]
fn output_types_are_those_of_the_samples_where_no_rounding_is_needed() {
    let output = |op: &str, input, n| Op::parse(op).unwrap().output(input, Some(n));
    assert_eq!(output("median", DataType::I32, 3), DataType::I32);
    assert_eq!(output("median", DataType::I32, 4), DataType::F64);
    assert_eq!(output("median", DataType::U8, 4), DataType::F32);
    assert_eq!(output("range", DataType::U16, 4), DataType::U16);
    assert_eq!(output("sum", DataType::I8, 4), DataType::I64);
    assert_eq!(output("std", DataType::F32, 4), DataType::F32);
    assert_eq!(output("mean", DataType::U32, 4), DataType::F64);
    assert!(Op::parse("mode").is_err() && Over::parse("z").is_err());
}

#[test]
fn nan_and_nodata_leave_or_stay_as_asked() {
    let image = [1.0f32, f32::NAN, -2.0, 9.0, f32::INFINITY, 9.0];
    let run = |op: &str, validity: Validity| {
        let reduce = ReduceAxes::new(Op::parse(op).unwrap(), Over::Yx, window([2, 3, 1]), validity).unwrap();
        let partial = fold(&reduce, &image, [2, 3, 1], (1, 2)).unwrap();
        reduce.finish(&partial)[0].map(|v| v.to_f64())
    };
    let omit = || Validity::all(DataType::F32, 1).with_nodata(vec![vec![Value::Int(9)]]);
    assert_eq!(run("argmin", omit()), Some(2.0));
    assert_eq!(run("argmax", omit()), Some(4.0));
    assert_eq!(run("sum", omit()), Some(f64::INFINITY));
    assert_eq!(run("count-valid", omit()), Some(3.0));
    let stay = || Validity::all(DataType::F32, 1).with_nan(NanPolicy::Propagate);
    assert_eq!(run("argmin", stay()), Some(1.0));
    assert!(run("max", stay()).unwrap().is_nan() && run("norm-l2", stay()).unwrap().is_nan());
    let none =
        Validity::all(DataType::F32, 1).with_nodata(vec![image.map(|v| Value::Float(v.into())).to_vec()]);
    assert_eq!((run("min", none.clone()), run("mean", none.clone())), (None, None));
    assert_eq!(run("count-valid", none), Some(0.0));

    let nodata = || vec![vec![Value::Int(9)]];
    let channels = |op: &str| ReduceChannels::new(Op::parse(op).unwrap(), DataType::F32, 3, None, nodata());
    assert_eq!(map::<f32, f32>(&channels("min"), &[1.0, 9.0, 3.0, 9.0, 9.0, 2.0], [1, 2, 3]), [1.0, 2.0]);
    assert!(map::<f32, f32>(&channels("max"), &image, [1, 2, 3])[0].is_nan());
    let mean = MeanOverChannels::new(DataType::U8, Some(DataType::U8), nodata());
    assert_eq!(map::<u8, u8>(&mean, &[9, 9, 4, 9, 9, 9], [1, 2, 3]), [4, 9]);
}

#[test]
fn histograms_are_those_of_numpy() {
    for case in references()["cases"].as_array().unwrap() {
        let dtype = DataType::from_name(case["dtype"].as_str().unwrap()).unwrap();
        for row in case["histograms"].as_array().unwrap() {
            let (bins, range) =
                (row[0].as_u64().unwrap() as usize, (row[1].as_f64().unwrap(), row[2].as_f64().unwrap()));
            let histogram = Histogram::new(bins, range, Validity::all(dtype, 1)).unwrap();
            let edges: Vec<_> = histogram.edges().iter().map(|e| hex(*e)).collect();
            assert_eq!(serde_json::json!(edges), row[4]);
            let partial =
                with_dtype!(dtype, T => fold(&histogram, &samples::<T>(case), [60, 1, 1], (7, 1))).unwrap();
            let found = histogram.finish(&partial).remove(0);
            assert_eq!(serde_json::json!(found.bins), row[3], "{dtype} {range:?}");
            assert_eq!(found.bins.iter().sum::<u64>() + found.below + found.above + found.nan, 60);
        }
    }
    for text in ["0", "x", "10:1", "10:2:1", "10:0:inf", "2000000", "10:-1e308:1e308"] {
        assert!(HistogramSpec::parse(text).is_err(), "{text}");
    }
    assert_eq!(
        HistogramSpec::parse("16:0:1.5").unwrap(),
        HistogramSpec { bins: 16, range: Some((0.0, 1.5)) }
    );
}

#[test]
fn classes_are_counted_up_to_a_limit() {
    let image = [3i16, 3, -1, 3, 7, -1];
    let unique = Unique::new(Validity::all(DataType::I16, 1).with_nodata(vec![vec![Value::Int(7)]])).unwrap();
    let partial = fold(&unique, &image, [2, 3, 1], (1, 1)).unwrap();
    assert_eq!(unique.finish(&partial).unwrap(), [vec![(Value::Int(-1), 2), (Value::Int(3), 3)]]);
    let many: Vec<u32> = (0..70_000).collect();
    let unique = Unique::new(Validity::all(DataType::U32, 1)).unwrap();
    assert!(fold(&unique, &many, [1, 70_000, 1], (1, 70_000)).is_err());
    // Parts that are each within the limit are refused in the end.
    let partial = fold(&unique, &many, [1, 70_000, 1], (1, 40_000)).unwrap();
    assert!(unique.finish(&partial).unwrap_err().to_string().contains("channel 1 "));
    assert!(Unique::new(Validity::all(DataType::F32, 1)).is_err());
}
