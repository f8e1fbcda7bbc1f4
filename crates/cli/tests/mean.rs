//! `outcrop mean` and `outcrop convert`: what they write, byte for byte.

use serde_json::json;

use crate::util::{Folder, le_bytes, npy, tiff};

#[test]
fn the_mean_over_channels_is_f32_for_narrow_samples() {
    let folder = Folder::new();
    folder.write("a.tif", &tiff(2, 2, 3, &[1, 2, 4, 0, 0, 1, 255, 255, 255, 10, 20, 30]));
    folder.ok(&["mean", "a.tif", "m.npy"]);
    let wanted = le_bytes(&[7f32 / 3.0, 1f32 / 3.0, 255.0, 20.0], f32::to_le_bytes);
    assert_eq!(folder.read("m.npy"), npy("<f4", &[2, 2], &wanted));
    assert_eq!(folder.names(), ["a.tif", "m.npy"]);
}

#[test]
fn the_mean_over_channels_is_f64_for_wide_samples() {
    let folder = Folder::new();
    folder
        .write("a.npy", &npy("<u4", &[1, 2, 2], &le_bytes(&[1u32, 2, u32::MAX, u32::MAX], u32::to_le_bytes)));
    folder.ok(&["mean", "a.npy", "m.raw"]);
    assert_eq!(folder.read("m.raw"), le_bytes(&[1.5f64, 4294967295.0], f64::to_le_bytes));
}

#[test]
fn integers_round_half_to_even() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[1, 3, 2], &[0, 1, 1, 2, 2, 3]));
    folder.ok(&["mean", "a.npy", "m.raw", "--dtype", "u8"]);
    assert_eq!(folder.read("m.raw"), [0, 2, 2]);
}

#[test]
fn a_raw_input_and_the_output_have_types_of_their_own() {
    let folder = Folder::new();
    folder.write("a.bin", &le_bytes(&[1u16, 3, 500, 700], u16::to_le_bytes));
    let raw = ["--shape", "1,2,2", "--dtype", "uint16"];
    folder.ok(&[&["mean", "a.bin", "m.raw", "--out-dtype", "u8"], &raw[..]].concat());
    assert_eq!(folder.read("m.raw"), [2, 255]);
    folder.ok(&[&["mean", "a.bin", "n.raw"], &raw[..]].concat());
    assert_eq!(folder.read("n.raw"), le_bytes(&[2f32, 600.0], f32::to_le_bytes));
}

#[test]
fn without_an_output_the_mean_of_all_samples_is_printed() {
    let folder = Folder::new();
    folder
        .write("a.npy", &npy("<f4", &[1, 2, 2], &le_bytes(&[0.1f32, 0.2, f32::NAN, 0.4], f32::to_le_bytes)));
    let exact = (f64::from(0.1f32) + f64::from(0.2f32) + f64::from(0.4f32)) / 3.0;
    assert_eq!(folder.ok(&["mean", "a.npy"]), format!("{exact:?}\n").into_bytes());
    let report = folder.json(&["mean", "a.npy", "--json"]);
    assert_eq!((&report["count"], &report["valid"], &report["mean"]), (&json!(4), &json!(3), &json!(exact)));
    assert_eq!(folder.ok(&["mean", "a.npy", "--nan", "propagate"]), b"nan\n");
}

#[test]
fn standard_output_takes_what_can_stream() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[2, 1, 2], &[2, 4, 6, 8]));
    assert_eq!(folder.ok(&["mean", "a.npy", "-", "--to", "raw", "--dtype", "u8"]), [3, 7]);
    assert_eq!(folder.ok(&["convert", "a.npy", "-", "--to", "npy"]), npy("|u1", &[2, 1, 2], &[2, 4, 6, 8]));
}

#[test]
fn conversion_keeps_every_sample() {
    let folder = Folder::new();
    let samples: Vec<u8> = (0..=251).collect();
    folder.write("a.tif", &tiff(12, 7, 3, &samples));
    folder.ok(&["convert", "a.tif", "a.npy"]);
    assert_eq!(folder.read("a.npy"), npy("|u1", &[7, 12, 3], &samples));
    folder.ok(&["convert", "a.npy", "a.raw"]);
    assert_eq!(folder.read("a.raw"), samples);
    folder.ok(&["convert", "a.tif", "one.npy", "--channels", "2", "--window", "10,5,2,2"]);
    let wanted = [(5, 10), (5, 11), (6, 10), (6, 11)].map(|(y, x)| samples[(y * 12 + x) * 3 + 1]);
    assert_eq!(folder.read("one.npy"), npy("|u1", &[2, 2], &wanted));
}

#[test]
fn conversion_to_another_type_rounds_once_and_saturates() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("<f8", &[1, 5], &le_bytes(&[0.5, 1.5, -3.0, 1e9, 254.5], f64::to_le_bytes)));
    folder.ok(&["convert", "a.npy", "b.raw", "--dtype", "uint8"]);
    assert_eq!(folder.read("b.raw"), [0, 2, 0, 255, 254]);
}
