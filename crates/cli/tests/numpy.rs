//! `stats` and `reduce` of every sample type against NumPy: `make_stats_references.py` wrote the answers.

use std::process::Command;

use serde_json::Value as Json;

use crate::util::{Folder, noise, npy};

fn references() -> Json {
    serde_json::from_str(include_str!("stats_references.json")).unwrap()
}

fn shape(references: &Json) -> [u64; 3] {
    serde_json::from_value(references["shape"].clone()).unwrap()
}

/// The image of a case, as the script makes it.
fn samples(descr: &str, count: usize) -> Vec<u8> {
    let size = usize::from(descr.as_bytes()[2] - b'0');
    if descr.as_bytes()[1] != b'f' {
        return noise(count * size);
    }
    let float = |(i, raw): (usize, u8)| match raw % 16 == 0 && i % 3 == 0 {
        true => f64::NAN,
        false => (f64::from(raw) - 100.0) / 7.0,
    };
    let floats = noise(count).into_iter().enumerate().map(float);
    match size {
        2 => floats.flat_map(|v| half(v).to_le_bytes()).collect(),
        4 => floats.flat_map(|v| (v as f32).to_le_bytes()).collect(),
        _ => floats.flat_map(f64::to_le_bytes).collect(),
    }
}

/// The nearest float16 of a number in its normal range, ties to even; NaN.
fn half(v: f64) -> u16 {
    if v.is_nan() {
        return 0x7e00;
    }
    if v == 0.0 {
        return 0;
    }
    let exponent = v.abs().log2().floor() as i32;
    let significand = (v.abs() / 2f64.powi(exponent - 10)).round_ties_even() as u16;
    // One that was rounded up to the next power of two carries into the exponent.
    let magnitude = (((exponent + 15) as u16) << 10) + (significand - 1024);
    magnitude | if v < 0.0 { 0x8000 } else { 0 }
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_else(|| panic!("not text: {json}"))
}

fn float(json: &Json) -> f64 {
    match json {
        Json::String(text) => text.parse().unwrap(),
        number => number.as_f64().unwrap_or_else(|| panic!("not a number: {number}")),
    }
}

#[test]
fn stats_of_every_type_are_those_of_numpy() {
    let references = references();
    let [h, w, c] = shape(&references);
    for case in references["cases"].as_array().unwrap() {
        let descr = text(&case["descr"]);
        let folder = Folder::new();
        folder.write("a.npy", &npy(descr, &[h, w, c], &samples(descr, (h * w * c) as usize)));
        let mask: Vec<u8> = noise((h * w) as usize).iter().map(|b| b % 4).collect();
        folder.write("m.npy", &npy("|u1", &[h, w], &mask));
        let stats = |more: &[&str]| {
            let out = folder.ok(&[&["stats", "a.npy", "--mask", "m.npy", "--json"], more].concat());
            let report: Json = serde_json::from_slice(&out).unwrap();
            (String::from_utf8(out).unwrap(), report)
        };
        let percentiles = "0,0.1,25,50,66.7,99.9,100";
        let all = ["--moments", "--percentiles", percentiles, "--histogram", "7:-20:90", "--covariance"];
        let (line, report) = stats(&all);
        let (_, sample) = stats(&["--ddof", "1", "--percentiles", percentiles, "--method", "inverted_cdf"]);
        let narrow = ["1", "2"].contains(&&descr[2..]);
        assert!(report["passes"].as_u64() > Some(1) || narrow, "{descr}: {}", report["passes"]);
        assert!(report["passes"] == 1 || !narrow, "{descr}: {}", report["passes"]);
        for (i, wanted) in case["channels"].as_array().unwrap().iter().enumerate() {
            let found = &report["channels"][i];
            let what = format!("{descr} channel {}: {found}", i + 1);
            for key in ["count", "valid", "masked", "nan", "min_at", "max_at"] {
                assert_eq!(found[key], wanted[key], "{key} of {what}");
            }
            // Integers as text: they may be wider than a parser of JSON holds.
            if descr.as_bytes()[1] != b'f' {
                for (key, next) in [("min", "max"), ("max", "min_at"), ("sum", "mean")] {
                    let pair = format!("\"{key}\":{},\"{next}\":", text(&wanted[key]));
                    assert!(line.contains(&pair), "{pair} of {what}");
                }
            }
            for key in ["min", "max", "sum", "mean", "variance", "std"] {
                assert_eq!(float(&found[key]), float(&wanted[key]), "{key} of {what}");
            }
            assert_eq!(float(&sample["channels"][i]["variance"]), float(&wanted["variance1"]), "{what}");
            let spread = float(&wanted["max"]) - float(&wanted["min"]);
            for (name, value) in found["percentiles"].as_object().unwrap() {
                let Some(linear) = wanted["percentiles"].get(name) else { continue };
                // NumPy's index is a rounded product, so that its fraction is a little off.
                let off = (float(value) - float(linear)).abs();
                assert!(off <= 1e-13 * spread, "percentile {name} of {what}, expected {linear}");
                let lower = float(&sample["channels"][i]["percentiles"][name]);
                assert_eq!(lower, float(&wanted["percentiles"][format!("{name} lower")]), "{name} of {what}");
            }
            assert_eq!(found["histogram"]["counts"], wanted["histogram"], "{what}");
            for key in ["skewness", "kurtosis"] {
                let (found, wanted) = (float(&found[key]), float(&wanted[key]));
                let off = (found - wanted).abs();
                let bound = if narrow { 0.0 } else { 1e-12 * wanted.abs().max(1.0) };
                assert!(off <= bound, "{key} {found} of {what}, expected {wanted}");
            }
        }
        for (row, wanted) in case["covariance"].as_array().into_iter().flatten().enumerate() {
            for (column, wanted) in wanted.as_array().unwrap().iter().enumerate() {
                let found = &report["covariance"]["covariance"][row][column];
                assert_eq!(float(found), float(wanted), "{descr}: covariance {row}, {column}");
            }
        }
        if case["unique"].is_array() {
            let (_, report) = stats(&["--unique"]);
            assert_eq!(report["channels"][0]["unique"], case["unique"], "{descr}");
        }
    }
}

/// The samples of a `.npy` file as text, and its header.
fn read(file: &[u8]) -> (String, Vec<String>) {
    let end = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
    let header = String::from_utf8(file[10..end].to_vec()).unwrap();
    let descr = header.split('\'').nth(3).unwrap();
    let size = usize::from(descr.as_bytes()[2] - b'0');
    let sample = |b: &[u8]| {
        let mut wide = [0; 8];
        wide[..size].copy_from_slice(b);
        let bits = u64::from_le_bytes(wide);
        match descr.as_bytes()[1] {
            b'u' => bits.to_string(),
            b'i' => ((bits << (64 - 8 * size)) as i64 >> (64 - 8 * size)).to_string(),
            _ if size == 8 => f64::from_bits(bits).to_string(),
            _ if size == 4 => f64::from(f32::from_bits(bits as u32)).to_string(),
            _ => wide_half(bits as u16).to_string(),
        }
    };
    (header.clone(), file[end..].chunks_exact(size).map(sample).collect())
}

/// The value of a float16.
fn wide_half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    match exponent {
        31 if fraction > 0.0 => f64::NAN,
        31 => sign * f64::INFINITY,
        0 => sign * fraction * 2f64.powi(-24),
        _ => sign * (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}

#[test]
fn reductions_over_every_axis_are_those_of_numpy() {
    let references = references();
    let [h, w, c] = shape(&references);
    let shapes =
        [("c", [h, w, 1]), ("y", [1, w, c]), ("x", [h, 1, c]), ("yx", [1, 1, c]), ("yxc", [1, 1, 1])];
    for case in references["cases"].as_array().unwrap() {
        let descr = text(&case["descr"]);
        let folder = Folder::new();
        folder.write("a.npy", &npy(descr, &[h, w, c], &samples(descr, (h * w * c) as usize)));
        for (axes, [rows, columns, channels]) in shapes {
            for (op, wanted) in case["over"][axes].as_object().unwrap() {
                folder.ok(&["reduce", op, "a.npy", "o.npy", "--over", axes, "--overwrite", "--chunk", "3,2"]);
                let (header, found) = read(&folder.read("o.npy"));
                let what = format!("{op} of {descr} over {axes}: {header}");
                let shape = match channels {
                    1 => format!("({rows}, {columns})"),
                    _ => format!("({rows}, {columns}, {channels})"),
                };
                assert!(header.contains(&shape), "{what}");
                let wanted = wanted.as_array().unwrap();
                assert_eq!(found.len(), wanted.len(), "{what}");
                for (found, wanted) in found.iter().zip(wanted) {
                    let (a, b): (f64, f64) = (found.parse().unwrap(), text(wanted).parse().unwrap());
                    let same = found == text(wanted)
                        || header.contains("'<f") && (a == b || a.is_nan() && b.is_nan());
                    assert!(same, "{what}: {found}, expected {wanted}");
                }
            }
        }
    }
}

/// Runs `figures_check.py`, where there is a Python for it.
fn check_figures(how: &str) {
    let Some(python) = std::env::var_os("OUTCROP_PYTHON") else {
        println!("skipped: OUTCROP_PYTHON names no Python with NumPy");
        return;
    };
    if !Command::new(&python).args(["-c", "import numpy"]).output().is_ok_and(|found| found.status.success())
    {
        println!("skipped: OUTCROP_PYTHON has no NumPy");
        return;
    }
    let folder = Folder::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/figures_check.py");
    let mut command = Command::new(&python);
    command.current_dir(folder.path("")).args([script, env!("CARGO_BIN_EXE_outcrop"), how]);
    let found = command.output().unwrap();
    let said = [found.stdout, found.stderr].concat();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn figures_of_every_type_are_those_of_numpy_and_fractions() {
    check_figures("quick");
}

#[test]
#[ignore = "5,000 runs of the binary"]
fn all_figures_of_every_type_are_those_of_numpy_and_fractions() {
    check_figures("full");
}
