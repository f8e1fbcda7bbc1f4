//! Figures of real files against those of NumPy: `OUTCROP_CORPUS`, or `shared/corpus` beside the repository. Without
//! it the test says so and passes.
//!
//! Counts, extremes, sums and means are equal to the last bit (but for means that the references round twice),
//! deviations to 1e-12. The mean over channels is equal
//! by its hash. NumPy rounds each addition and we only the result, so that with several channels of floats or of 64 bits
//! it may differ by one unit in the last place: such files are added again as NumPy does, which must give its hash.

use std::path::Path;
use std::result::Result as Outcome;

use outcrop::{
    ChannelStats, ConvertOptions, DataType, Error, ExactSum, MeanOptions, NanPolicy, Nodata, OpenOptions,
    Output, Overwrite, Region, Result, Runtime, RuntimeOptions, Source, StatsOptions, ValidityOptions, Value,
};
use outcrop_testkit::corpus;
use serde_json::Value as Json;

/// Files whose figures all are as NumPy's. It may only rise.
const RIGHT: usize = 371;
/// Of those, files whose mean over channels is one unit in the last place from NumPy's somewhere.
const NEAR: usize = 1;
/// Files of complex samples, refused by name. It may only fall.
const REFUSED: usize = 8;

/// A number of the manifest: floats that are not finite are text.
fn number(json: &Json) -> f64 {
    match json {
        Json::String(text) => text.parse().unwrap(),
        other => other.as_f64().unwrap(),
    }
}

fn same(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan()
}

/// Whether an exact number is the one in the manifest; integers are compared as integers.
fn is(found: Value, wanted: &Json) -> bool {
    match (found, wanted.as_i64().map(i128::from).or(wanted.as_u64().map(i128::from))) {
        (Value::Int(i), Some(wanted)) => i == wanted,
        (found, _) => same(found.to_f64(), number(wanted)),
    }
}

/// What is wrong with the figures, if anything.
fn fault(runtime: &Runtime, source: &dyn Source, channels: &[Json]) -> Result<Option<String>> {
    let validity = ValidityOptions { nodata: Nodata::None, nan: NanPolicy::Propagate };
    let options = StatsOptions { validity, ..StatsOptions::default() };
    let found = outcrop::stats(runtime, source, &Region::all(), &options)?;
    if found.len() < channels.len() {
        return Ok(Some(format!("{} channels, expected {}", found.len(), channels.len())));
    }
    for (found, wanted) in found.iter().zip(channels) {
        let right = || {
            let sum = match found.sum {
                ExactSum::Int(i) => Value::Int(i),
                ExactSum::Float(f) => Value::Float(f),
            };
            // NumPy's deviation is the root of a rounded sum of rounded squares.
            let (std, theirs) = (found.std(0)?, number(&wanted["std"]));
            let near = same(std, theirs) || (std - theirs).abs() <= 1e-12 * theirs.abs();
            Some(
                is(found.min?, &wanted["min"])
                    && is(found.max?, &wanted["max"])
                    && is(sum, &wanted["sum"])
                    && mean_is_right(found, number(&wanted["mean"]))
                    && near,
            )
        };
        let count = wanted["count"].as_u64();
        if Some(found.counts.count) != count || count != Some(0) && right() != Some(true) {
            let (mean, std) = (found.mean, found.std(0));
            let shown = format!("{:?} {:?} {:?} {mean:?} {std:?}", found.min, found.max, found.sum);
            return Ok(Some(format!("{shown}, expected {wanted}")));
        }
    }
    Ok(None)
}

/// Whether the mean is that of the manifest, which rounds twice for floats: the sum, then the quotient.
fn mean_is_right(found: &ChannelStats, wanted: f64) -> bool {
    let Some(mean) = found.mean else { return false };
    let twice = match found.sum {
        ExactSum::Float(sum) => sum / found.counts.valid as f64,
        ExactSum::Int(_) => mean,
    };
    same(mean, wanted) || same(twice, wanted) && ulps(mean, wanted) == 1
}

/// No zero with a sign.
fn normalised(v: f64) -> f64 {
    v + 0.0
}

/// Every NaN counts as one pattern.
fn hash(values: &[f64]) -> String {
    let bits = |v: &f64| if v.is_nan() { 0x7ff8 << 48 } else { v.to_bits() };
    let bytes: Vec<u8> = values.iter().flat_map(|v| bits(v).to_le_bytes()).collect();
    corpus::sha256(&bytes)
}

fn output(path: &Path) -> Output {
    let mut output = Output::new(path);
    output.options.overwrite = Overwrite::Replace;
    output
}

fn read_f64(path: &Path) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap();
    bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect()
}

/// Units in the last place from one number to the other; the most where their signs differ.
fn ulps(a: f64, b: f64) -> u64 {
    if same(a, b) {
        0
    } else if a.is_nan() || b.is_nan() || a.is_sign_negative() != b.is_sign_negative() {
        u64::MAX
    } else {
        a.to_bits().abs_diff(b.to_bits())
    }
}

/// How far the mean over channels is from NumPy's, in units of the last place.
fn distance(
    runtime: &Runtime,
    source: &dyn Source,
    wanted: &str,
    file: &Path,
) -> Result<Outcome<u64, String>> {
    let options = MeanOptions { dtype: Some(DataType::F64), nodata: None };
    outcrop::mean(runtime, source, &Region::all(), &options, &output(file))?;
    let means: Vec<f64> = read_f64(file).into_iter().map(normalised).collect();
    if hash(&means) == wanted {
        return Ok(Ok(0));
    }
    if !source.image().dtype.is_float() && source.image().dtype.bytes() < 8 {
        return Ok(Err("another mean over channels".into()));
    }
    let channels = source.image().extent.channels as usize;
    let options = ConvertOptions { dtype: Some(DataType::F64), ..ConvertOptions::default() };
    outcrop::convert(runtime, source, &Region::all(), &options, &output(file))?;
    let added = |pixel: &[f64]| normalised(pixel.iter().fold(-0.0, |a, b| a + b) / channels as f64);
    let theirs: Vec<f64> = read_f64(file).chunks_exact(channels).map(added).collect();
    if hash(&theirs) != wanted {
        return Ok(Err("neither our mean over channels nor one added in order is the manifest's".into()));
    }
    Ok(Ok(means.iter().zip(&theirs).map(|(a, b)| ulps(*a, *b)).max().unwrap_or(0)))
}

#[test]
fn figures_of_real_files_are_those_of_numpy() {
    let Some(dir) = corpus::folder() else { return };
    let runtime = Runtime::new(RuntimeOptions { threads: 2, ..RuntimeOptions::default() }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let scratch = folder.path().join("mean.raw");
    let (mut right, mut near, mut refused, mut wrong) = (0, 0, 0, Vec::new());
    for row in corpus::manifest(&dir) {
        let hwc = &row["reference"]["as_hwc"];
        let reference = if hwc.is_object() { hwc } else { &row["reference"] };
        let exact = hwc.is_object() || reference["exact"] == true;
        let Some(channels) = reference["channels"].as_array().filter(|_| exact) else { continue };
        if reference["contested"] == true {
            continue;
        }
        let name = row["file"].as_str().unwrap();
        let answer = || -> Result<Outcome<u64, String>> {
            let source = outcrop::open(&dir.join("files").join(name), &OpenOptions::default())?;
            match (fault(&runtime, &*source, channels)?, reference["mean_over_channels_sha256"].as_str()) {
                (Some(why), _) => Ok(Err(why)),
                (None, Some(wanted)) => distance(&runtime, &*source, wanted, &scratch),
                (None, None) => Ok(Ok(0)),
            }
        };
        match answer() {
            Ok(Ok(0)) => right += 1,
            Ok(Ok(1)) => {
                println!("near: {name}: the mean over channels is 1 ulp from the one added in order");
                (right, near) = (right + 1, near + 1);
            }
            Ok(Ok(far)) => wrong.push(format!("{name}: the mean over channels is {far} ulp off")),
            Ok(Err(why)) => wrong.push(format!("{name}: {why}")),
            Err(e) if matches!(e.root(), Error::Unsupported(_)) => {
                println!("refused: {name}: {e}");
                refused += 1;
            }
            Err(e) => wrong.push(format!("{name}: {e}")),
        }
    }
    println!("right {right} (near {near}), refused {refused}, wrong {}", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((right, near, refused), (RIGHT, NEAR, REFUSED));
}
