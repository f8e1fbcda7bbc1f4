//! `outcrop stats`, against figures made with NumPy or by hand.

use serde_json::{Value as Json, json};

use crate::util::{Folder, le_bytes, npy, tiff};

/// Runs `stats --json` on a `.npy` of those samples and returns its channels.
fn channels(descr: &str, shape: &[u64], data: &[u8], more: &[&str]) -> Vec<Json> {
    let folder = Folder::new();
    folder.write("a.npy", &npy(descr, shape, data));
    let report = folder.json(&[&["stats", "a.npy", "--json"], more].concat());
    assert_eq!(report["schema"], 1);
    report["channels"].as_array().unwrap().clone()
}

#[test]
fn every_key_is_there() {
    let found = channels("|u1", &[2, 2, 1], &[1, 2, 3, 6], &[]);
    let wanted = json!({
        "index": 1, "count": 4, "valid": 4, "nodata": 0, "nan": 0, "pos_inf": 0, "neg_inf": 0,
        "min": 1, "max": 6, "sum": 12, "mean": 3.0, "std": 3.5f64.sqrt(),
    });
    for (key, value) in wanted.as_object().unwrap() {
        assert_eq!(&found[0][key], value, "{key}");
    }
}

#[test]
fn channels_are_kept_apart_and_numbered_from_one() {
    let data: Vec<u8> = (0..24).collect();
    let found = channels("|u1", &[2, 4, 3], &data, &["--channels", "3,1"]);
    let figures: Vec<_> = found.iter().map(|c| (&c["index"], &c["min"], &c["max"], &c["sum"])).collect();
    assert_eq!(
        figures,
        [(&json!(3), &json!(2), &json!(23), &json!(100)), (&json!(1), &json!(0), &json!(21), &json!(84))]
    );
}

#[test]
fn integers_are_exact_at_any_width() {
    let data = le_bytes(&[u64::MAX, u64::MAX, u64::MAX - 2], u64::to_le_bytes);
    let folder = Folder::new();
    folder.write("a.npy", &npy("<u8", &[1, 3], &data));
    let text = String::from_utf8(folder.ok(&["stats", "a.npy", "--json"])).unwrap();
    // 3 * (2^64 - 1) - 2; parsed as text, for JSON numbers are f64 to most parsers.
    assert!(text.contains("\"sum\":55340232221128654843"), "{text}");
    assert!(text.contains("\"max\":18446744073709551615"), "{text}");
}

#[test]
fn the_window_is_x_y_width_height() {
    let data: Vec<u8> = (0..30).collect();
    let found = channels("|u1", &[5, 6], &data, &["--window", "1,2,3,2"]);
    // Rows 2 and 3, columns 1 to 3: 13 14 15 19 20 21.
    assert_eq!(
        (&found[0]["count"], &found[0]["sum"], &found[0]["min"]),
        (&json!(6), &json!(102), &json!(13))
    );
}

#[test]
fn nan_is_left_out_and_infinities_stay() {
    let data = le_bytes(&[1.0, f32::NAN, f32::INFINITY, 3.0], f32::to_le_bytes);
    let found = &channels("<f4", &[2, 2], &data, &[])[0];
    assert_eq!(
        (&found["count"], &found["valid"], &found["nan"], &found["pos_inf"]),
        (&json!(4), &json!(3), &json!(1), &json!(1))
    );
    assert_eq!((&found["min"], &found["max"], &found["sum"]), (&json!(1.0), &json!("inf"), &json!("inf")));
    let plain = &channels("<f4", &[2, 2], &data, &["--nodata", "none", "--nan", "propagate"])[0];
    assert_eq!((&plain["sum"], &plain["mean"], &plain["min"]), (&json!("nan"), &json!("nan"), &json!("nan")));
}

#[test]
fn nodata_leaves_every_figure() {
    let data = le_bytes(&[-9999i16, 4, 6, -9999], i16::to_le_bytes);
    let found = &channels("<i2", &[4, 1], &data, &["--nodata", "-9999"])[0];
    assert_eq!((&found["count"], &found["valid"], &found["nodata"]), (&json!(4), &json!(2), &json!(2)));
    assert_eq!((&found["min"], &found["mean"], &found["std"]), (&json!(4), &json!(5.0), &json!(1.0)));
}

#[test]
fn nothing_valid_is_null() {
    let data = le_bytes(&[f64::NAN; 4], f64::to_le_bytes);
    let found = &channels("<f8", &[2, 2], &data, &[])[0];
    assert_eq!(found["valid"], 0);
    for key in ["min", "max", "mean", "std"] {
        assert_eq!(found[key], Json::Null, "{key}");
    }
}

#[test]
fn f32_cancels_exactly() {
    let data = le_bytes(&[1e30f32, 1.0, -1e30, 1.0], f32::to_le_bytes);
    let found = &channels("<f4", &[2, 2], &data, &[])[0];
    assert_eq!((&found["sum"], &found["mean"]), (&json!(2.0), &json!(0.5)));
}

#[test]
fn raw_files_are_read_as_described() {
    let folder = Folder::new();
    let mut data = vec![0xff; 3];
    data.extend(le_bytes(&[1u16, 2, 3, 10, 20, 30], u16::to_be_bytes));
    folder.write("a.bin", &data);
    let report = folder.json(&[
        "stats",
        "a.bin",
        "--json",
        "--shape",
        "1,3,2",
        "--dtype",
        "u16",
        "--offset",
        "3",
        "--big-endian",
        "--interleave",
        "bsq",
    ]);
    let sums: Vec<_> = report["channels"].as_array().unwrap().iter().map(|c| c["sum"].clone()).collect();
    assert_eq!(sums, [json!(6), json!(60)]);
    let report =
        folder.json(&["stats", "a.bin", "--json", "--shape", "1,3,2", "--dtype", ">u2", "--offset", "3"]);
    assert_eq!(report["channels"][0]["sum"], json!(1 + 3 + 20));
}

#[test]
fn several_inputs_give_a_line_each() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[1, 2], &[1, 2]));
    folder.write("b.tif", &tiff(2, 1, 3, &[1, 2, 3, 4, 5, 6]));
    let out = String::from_utf8(folder.ok(&["stats", "--json", "a.npy", "b.tif"])).unwrap();
    let lines: Vec<Json> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["image"]["name"], &lines[1]["image"]["name"]), (&json!("a.npy"), &json!("b.tif")));
    assert_eq!(lines[1]["channels"][2]["sum"], json!(9));
    let table = String::from_utf8(folder.ok(&["stats", "a.npy", "b.tif"])).unwrap();
    assert!(table.contains("a.npy") && table.contains("b.tif"), "{table}");
}

#[test]
fn the_table_fits_80_columns() {
    let folder = Folder::new();
    let wide = [f64::MIN_POSITIVE, -f64::MAX / 3.0, 0.1, 1.0 / 3.0, f64::MAX / 7.0, -1.0 / 7.0];
    folder.write("f.npy", &npy("<f8", &[1, 2, 3], &le_bytes(&wide, f64::to_le_bytes)));
    folder.write("u.npy", &npy("<u8", &[3, 1], &le_bytes(&[u64::MAX; 3], u64::to_le_bytes)));
    folder.write("n.npy", &npy("<f4", &[1, 2], &le_bytes(&[f32::NAN, 1.0], f32::to_le_bytes)));
    let table = String::from_utf8(folder.ok(&["stats", "f.npy", "u.npy", "n.npy"])).unwrap();
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    assert!(table.contains("mean") && table.contains("std"), "{table}");
}

#[test]
fn an_empty_image_has_counts_of_zero() {
    let found = channels("<f4", &[0, 5, 2], &[], &[]);
    assert_eq!(found.len(), 2);
    assert_eq!((&found[1]["count"], &found[1]["mean"]), (&json!(0), &Json::Null));
}
