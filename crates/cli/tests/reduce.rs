//! `outcrop reduce`, masks, and what `stats` refuses.

use serde_json::json;

use crate::util::{Folder, le_bytes, noise, npy, tiff};

fn says(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{line:?} lacks {part:?}");
    }
}

#[test]
fn mean_is_short_for_reduce_mean_over_channels() {
    let folder = Folder::new();
    folder.write("a.tif", &tiff(5, 4, 3, &noise(60)));
    for more in [&[][..], &["--dtype", "u8"], &["--nodata", "3,4,5"]] {
        folder.ok(&[&["mean", "a.tif", "m.npy", "--overwrite"], more].concat());
        folder.ok(&[&["reduce", "mean", "a.tif", "r.npy", "--over", "c", "--overwrite"], more].concat());
        assert_eq!(folder.read("m.npy"), folder.read("r.npy"));
    }
}

#[test]
fn masked_pixels_become_nan_or_nodata() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[1, 3, 2], &[1, 3, 5, 7, 9, 9]));
    folder.write("m.npy", &npy("<f4", &[1, 3], &le_bytes(&[1f32, 0.0, -2.0], f32::to_le_bytes)));
    let read = |args: &[&str]| {
        folder.ok(&[&["reduce"], args, &["--over", "c", "--mask", "m.npy", "--overwrite"]].concat());
        folder.read("o.raw")
    };
    assert_eq!(read(&["mean", "a.npy", "o.raw"]), le_bytes(&[2.0, f32::NAN, 9.0], f32::to_le_bytes));
    assert_eq!(read(&["max", "a.npy", "o.raw"]), [3, 0, 9]);
    assert_eq!(read(&["max", "a.npy", "o.raw", "--nodata", "7"]), [3, 7, 9]);
    assert_eq!(read(&["argmin", "a.npy", "o.raw", "--dtype", "i8"]), [0, 0xff, 0]);
}

#[test]
fn nan_may_leave_over_channels() {
    let folder = Folder::new();
    let samples = [1.0, f32::NAN, f32::NAN, f32::NAN];
    folder.write("a.npy", &npy("<f4", &[1, 2, 2], &le_bytes(&samples, f32::to_le_bytes)));
    for command in [&["mean"][..], &["reduce", "mean", "--over", "c"]] {
        folder.ok(&[command, &["a.npy", "o.raw", "--nan", "omit", "--overwrite"]].concat());
        assert_eq!(folder.read("o.raw"), le_bytes(&[1.0, f32::NAN], f32::to_le_bytes));
    }
}

#[test]
fn results_are_printed_where_they_are_few() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[2, 2, 2], &[1, 10, 2, 10, 3, 10, 5, 10]));
    let print = |args: &[&str]| String::from_utf8(folder.ok(&[&["reduce"], args].concat())).unwrap();
    assert_eq!(print(&["median", "a.npy", "--over", "yx"]), "1  2.5\n2  10.0\n");
    assert_eq!(print(&["sum", "a.npy", "--over", "yxc"]), "51\n");
    assert_eq!(print(&["var", "a.npy", "--over", "yx", "--ddof", "4"]), "1  null\n2  null\n");
    assert_eq!(print(&["percentile:50", "a.npy", "--over", "yx", "--method", "lower"]), "1  2\n2  10\n");
    let report = folder.json(&["reduce", "argmax", "a.npy", "--over", "yx", "--json", "--channels", "2,1"]);
    assert_eq!((&report["channels"], &report["values"]), (&json!([2, 1]), &json!([0, 3])));
    says(&folder.refused(2, &["reduce", "sum", "a.npy", "--over", "y"]), &["over y", "OUTPUT"]);
    says(&folder.refused(2, &["reduce", "sum", "a.npy", "--over", "c"]), &["over c", "OUTPUT"]);
}

#[test]
fn profiles_are_written_to_every_format() {
    let folder = Folder::new();
    let samples = noise(300 * 7 * 3);
    folder.write("a.npy", &npy("|u1", &[300, 7, 3], &samples));
    folder.ok(&["reduce", "max", "a.npy", "p.tif", "--over", "x"]);
    folder.ok(&["reduce", "max", "a.npy", "p.raw", "--over", "x"]);
    let rows = samples.chunks_exact(21);
    let wanted: Vec<u8> =
        rows.flat_map(|row| (0..3).map(|c| row[c..].iter().step_by(3).copied().max().unwrap())).collect();
    assert_eq!(folder.read("p.raw"), wanted);
    folder.ok(&["convert", "p.tif", "q.raw"]);
    assert_eq!(folder.read("q.raw"), wanted);
}

#[test]
fn a_percentile_of_lines_keeps_to_its_budget_or_says_what_it_needs() {
    let folder = Folder::new();
    folder.ok(&["generate", "noise", "a.raw", "--width", "300", "--height", "4000", "--channels", "1"]);
    let raw = ["--shape", "4000,300", "--dtype", "u8", "--over", "y", "--overwrite"];
    let run = |memory: &str| {
        folder.run(
            &[
                &["reduce", "percentile:90", "a.raw", "p.raw", "--out-dtype", "f32", "--memory", memory],
                &raw[..],
            ]
            .concat(),
        )
    };
    let wide = run("1GiB");
    assert_eq!(wide.code, Some(0), "{}", wide.stderr);
    let wanted = folder.read("p.raw");
    assert_eq!(run("2MiB").code, Some(0));
    assert_eq!(folder.read("p.raw"), wanted);
    let small = run("10KiB");
    assert_eq!(small.code, Some(5), "{}", small.stderr);
}

/// Whole lines of a window, wherever a grid of its size counted from the image's corner would cut it.
#[test]
fn a_percentile_of_lines_is_there_for_every_window() {
    let folder = Folder::new();
    let samples = noise(12 * 14);
    folder.write("a.npy", &npy("|u1", &[12, 14], &samples));
    folder.write("a.tif", &tiff(14, 12, 1, &samples));
    for (input, y, x) in
        ["a.npy", "a.tif"].into_iter().flat_map(|i| [(i, 2, 7), (i, 5, 3), (i, 7, 9), (i, 0, 1)])
    {
        let window = format!("{x},{y},5,5");
        let sorted = |line: &dyn Fn(usize) -> usize| {
            let mut line: Vec<u8> = (0..5).map(|i| samples[line(i)]).collect();
            line.sort_unstable();
            line[2]
        };
        let columns: Vec<u8> = (0..5).map(|c| sorted(&|i| (y + i) * 14 + x + c)).collect();
        let rows: Vec<u8> = (0..5).map(|r| sorted(&|i| (y + r) * 14 + x + i)).collect();
        for (over, wanted) in [("y", columns), ("x", rows)] {
            let args =
                ["reduce", "median", input, "o.raw", "--over", over, "--window", &window, "--overwrite"];
            folder.ok(&args);
            assert_eq!(folder.read("o.raw"), wanted, "{args:?}");
        }
    }
}

#[test]
fn a_mask_that_does_not_fit_is_refused_with_both_sizes() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[2, 3, 3], &[7; 18]));
    folder.write("m.npy", &npy("|u1", &[3, 2], &[1; 6]));
    folder.write("two.npy", &npy("|u1", &[2, 3, 2], &[1; 12]));
    let line = folder.refused(2, &["stats", "a.npy", "--mask", "m.npy"]);
    says(&line, &["a.npy", "m.npy", "2 x 3", "3 x 2", "--mask"]);
    says(&folder.refused(2, &["stats", "a.npy", "--mask", "two.npy"]), &["2 channels", "--mask"]);
    says(&folder.refused(1, &["stats", "a.npy", "--mask", "none.npy"]), &["none.npy"]);
    says(&folder.refused(2, &["stats", "a.npy", "--alpha-mask"]), &["alpha", "--mask"]);
    let over_c = ["reduce", "max", "a.npy", "o.npy", "--over", "c", "--mask", "a.npy"];
    says(&folder.refused(2, &over_c), &["mask of one channel"]);
}

#[test]
fn a_mask_may_be_raw_or_have_all_channels() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[1, 2, 2], &[1, 2, 3, 4]));
    folder.write("m.raw", &[0, 9]);
    let report = folder.json(&["stats", "a.npy", "--json", "--mask", "m.raw"]);
    assert_eq!((&report["channels"][0]["sum"], &report["channels"][1]["masked"]), (&json!(3), &json!(1)));
    folder.write("m.npy", &npy("|u1", &[1, 2, 2], &[0, 1, 1, 0]));
    let report = folder.json(&["stats", "a.npy", "--json", "--mask", "m.npy", "--channels", "2,1"]);
    assert_eq!((&report["channels"][0]["sum"], &report["channels"][1]["sum"]), (&json!(2), &json!(3)));
}

#[test]
fn alpha_is_a_mask_and_no_channel_where_it_is_asked_for() {
    let folder = Folder::new();
    folder.write("rgba.tif", &tiff(2, 1, 4, &[10, 20, 30, 0, 1, 2, 3, 255]));
    let report = folder.json(&["stats", "rgba.tif", "--json", "--alpha-mask"]);
    let sums: Vec<_> = report["channels"].as_array().unwrap().iter().map(|c| c["sum"].clone()).collect();
    assert_eq!(sums, [json!(1), json!(2), json!(3)]);
}

/// An 8-bit grayscale image of one row, and after it the directory of its mask (NewSubfileType 4).
fn masked_tiff(samples: &[u8], mask: &[u8]) -> Vec<u8> {
    let width = samples.len() as u32;
    let mut file = tiff(width, 1, 1, samples);
    let end = file.len();
    let strip = end as u32;
    file.extend(mask);
    file.resize(file.len().next_multiple_of(2), 0);
    let directory = file.len() as u32;
    file[end - 4..end].copy_from_slice(&directory.to_le_bytes());
    let entries = [
        (254, 4),
        (256, width),
        (257, 1),
        (258, 8),
        (259, 1),
        (262, 4),
        (273, strip),
        (277, 1),
        (278, 1),
        (279, width),
    ];
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, value) in entries {
        file.extend((tag as u16).to_le_bytes());
        file.extend(4u16.to_le_bytes());
        file.extend(1u32.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    file
}

#[test]
fn the_inputs_own_mask_is_taken_where_it_is_asked_for() {
    let folder = Folder::new();
    folder.write("m.tif", &masked_tiff(&[1, 20, 3, 40], &[255, 0, 1, 0]));
    folder.write("plain.tif", &tiff(2, 1, 1, &[1, 2]));
    folder.write("a.npy", &npy("|u1", &[1, 2], &[1, 2]));
    let more = ["--percentiles", "50", "--histogram", "2:0:50", "--mask", "self"];
    let report = folder.json(&[&["stats", "m.tif", "--json"], &more[..]].concat());
    let channel = &report["channels"][0];
    assert_eq!((&channel["sum"], &channel["masked"], &channel["max"]), (&json!(4), &json!(2), &json!(3)));
    assert_eq!((&channel["percentiles"]["50"], &channel["valid"]), (&json!(2.0), &json!(2)));
    let all = folder.json(&["stats", "m.tif", "--json"]);
    assert_eq!((&all["channels"][0]["sum"], &all["channels"][0]["masked"]), (&json!(64), &json!(0)));
    // Every job that takes a mask; a file of that name is named by a path.
    folder.ok(&["reduce", "max", "m.tif", "o.npy", "--over", "x", "--mask", "self"]);
    assert_eq!(folder.read("o.npy").last(), Some(&3));
    folder.ok(&["mean", "m.tif", "p.npy", "--mask", "self", "--out-dtype", "uint8"]);
    assert!(folder.read("p.npy").ends_with(&[1, 0, 3, 0]));
    folder.write("self", &npy("|u1", &[1, 4], &[0, 0, 0, 1]));
    let file = folder.json(&["stats", "m.tif", "--json", "--mask", "./self"]);
    assert_eq!(file["channels"][0]["sum"], json!(40));

    says(
        &folder.refused(2, &["stats", "plain.tif", "--mask", "self"]),
        &["plain.tif", "--mask self", "no mask"],
    );
    says(&folder.refused(2, &["stats", "a.npy", "--mask", "self"]), &["a.npy", "--mask self", "no mask"]);
}

#[test]
fn what_makes_no_sense_is_refused_in_a_line() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("<f4", &[1, 3], &le_bytes(&[1f32, 2.0, f32::INFINITY], f32::to_le_bytes)));
    let stats = |more: &[&str]| folder.refused(2, &[&["stats", "a.npy"], more].concat());
    says(&stats(&["--percentiles", "101"]), &["101", "0 to 100"]);
    says(&stats(&["--percentiles", "50", "--method", "best"]), &["best", "median_unbiased"]);
    says(&stats(&["--histogram", "0"]), &["bins"]);
    says(&stats(&["--histogram", "4"]), &["inf", "BINS:MIN:MAX"]);
    says(&stats(&["--unique"]), &["integer"]);
    says(&stats(&["--csv", "--json"]), &["--csv", "--json"]);
    says(&folder.refused(2, &["reduce", "mode", "a.npy", "o.npy", "--over", "c"]), &["mode", "median"]);
    says(&folder.refused(2, &["reduce", "mean", "a.npy", "o.npy", "--over", "z"]), &["z", "yxc"]);
    let product = folder.refused(1, &["reduce", "product", "a.npy", "--over", "yx"]);
    says(&product, &["not supported", "product of floats"]);
}

#[test]
fn classes_past_the_limit_are_refused() {
    let folder = Folder::new();
    let values: Vec<u32> = (0..70_000).collect();
    folder.write("a.npy", &npy("<u4", &[1, 70_000], &le_bytes(&values, u32::to_le_bytes)));
    says(&folder.refused(2, &["stats", "a.npy", "--unique"]), &["65536", "--histogram"]);
}

#[test]
fn csv_has_a_line_for_each_channel() {
    let folder = Folder::new();
    folder.write("a,b.npy", &npy("|u1", &[1, 2, 2], &[1, 2, 3, 4]));
    folder.write("n.npy", &npy("<f4", &[1, 1], &le_bytes(&[f32::NAN], f32::to_le_bytes)));
    let args = ["stats", "a,b.npy", "n.npy", "--csv", "--percentiles", "50", "--moments"];
    let text = String::from_utf8(folder.ok(&args)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].starts_with("file,channel,count,valid,") && lines[0].ends_with(",p50"), "{text}");
    assert_eq!(lines[1], "\"a,b.npy\",1,2,2,0,0,0,0,0,0,0,1,3,0,0,0,1,4,2.0,1.0,1.0,0.0,-2.0,2.0");
    assert_eq!(lines[3], "n.npy,1,1,0,0,1,0,0,0,0,0,,,,,,,0.0,,,,,,");
}

#[test]
fn all_tables_fit_80_columns() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("<f8", &[40, 3, 7], &noise(40 * 3 * 7 * 8)));
    let all = [
        "--percentiles",
        "0.1,1,5,25,50,75,95,99,99.9",
        "--histogram",
        "3:-1e300:1e300",
        "--covariance",
        "--moments",
    ];
    let text = String::from_utf8(folder.ok(&[&["stats", "a.npy"], &all[..]].concat())).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    for part in ["99.9 %", "correlation", "kurtosis", "channel 7", "min at y,x"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let verbose = folder.run(&["stats", "a.npy", "--percentiles", "50", "-v"]);
    assert!(verbose.stderr.contains(" passes over the pixels"), "{}", verbose.stderr);
}
