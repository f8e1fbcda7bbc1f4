//! `outcrop compare` and `outcrop checksum`.

use std::process::Command;

use crate::util::{Folder, finish, le_bytes, npy, tiff};

fn two(folder: &Folder) -> Vec<u8> {
    let samples: Vec<u8> = (0..40 * 30 * 3).map(|n: u32| (n * n / 7) as u8).collect();
    folder.write("a.tif", &tiff(40, 30, 3, &samples));
    let mut changed = samples.clone();
    changed[(3 * 40 + 5) * 3 + 2] ^= 2;
    changed[(20 * 40 + 1) * 3] ^= 1;
    folder.write("b.npy", &npy("|u1", &[30, 40, 3], &changed));
    samples
}

#[test]
fn images_in_different_files_are_equal() {
    let folder = Folder::new();
    two(&folder);
    folder.ok(&["convert", "a.tif", "c.tif", "--co", "COMPRESS=ZSTD", "--co", "BLOCKXSIZE=16"]);
    assert_eq!(folder.ok(&["compare", "a.tif", "c.tif"]), b"equal: 1200 pixels\n");
    assert_eq!(folder.json(&["compare", "a.tif", "c.tif", "--json"])["psnr"], "inf");
}

#[test]
fn differences_are_an_answer_and_an_exit_code() {
    let folder = Folder::new();
    two(&folder);
    let outcome = folder.run(&["compare", "a.tif", "b.npy", "--json", "--chunk", "7,9"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), ""));
    let found: serde_json::Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!(found["equal"], false);
    assert_eq!((&found["differing_pixels"], &found["max_error"]), (&2.into(), &2.into()));
    assert_eq!(found["mean_error"], 3.0 / 3600.0);
    assert_eq!(found["rmse"], (5.0f64 / 3600.0).sqrt());
    let first = &found["first_difference"];
    assert_eq!((&first["x"], &first["y"], &first["channel"]), (&5.into(), &3.into(), &3.into()));
    let outcome = folder.run(&["compare", "a.tif", "b.npy"]);
    assert!(String::from_utf8(outcome.stdout).unwrap().starts_with("2 of 1200 pixels differ\n"));
    assert_eq!(folder.run(&["compare", "a.tif", "b.npy", "--tolerance", "1"]).code, Some(1));
    assert_eq!(folder.run(&["compare", "a.tif", "b.npy", "--tolerance", "2"]).code, Some(0));
    assert_eq!(folder.run(&["compare", "a.tif", "b.npy", "--window", "6,0,9,9"]).code, Some(0));
    folder.refused(2, &["compare", "a.tif", "b.npy", "--tolerance", "-1"]);
}

#[test]
fn images_of_other_sizes_differ() {
    let folder = Folder::new();
    two(&folder);
    folder.write("c.npy", &npy("|u1", &[30, 40], &[0; 1200]));
    let outcome = folder.run(&["compare", "a.tif", "c.npy"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), ""));
    assert!(String::from_utf8(outcome.stdout).unwrap().contains("40 x 30 x 3 and 40 x 30 x 1"));
}

#[test]
fn a_checksum_is_that_of_the_raw_file() {
    let folder = Folder::new();
    let samples: Vec<u16> = (0..90 * 70 * 2).map(|n: u32| (n * n / 7) as u16).collect();
    folder.write("a.npy", &npy("<u2", &[90, 70, 2], &le_bytes(&samples, u16::to_le_bytes)));
    folder.ok(&["convert", "a.npy", "a.raw"]);
    let mut command = Command::new("sha256sum");
    command
        .arg(folder.path("a.raw"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let wanted = String::from_utf8(finish(command).stdout).unwrap()[..64].to_owned();
    assert_eq!(folder.ok(&["checksum", "a.npy"]), format!("{wanted}  a.npy\n").as_bytes());
    let tiled = ["--co", "BLOCKXSIZE=32", "--co", "BLOCKYSIZE=16", "--co", "INTERLEAVE=BAND"];
    folder.ok(&[&["convert", "a.npy", "a.tif"][..], &tiled].concat());
    for chunk in ["1,1", "16,32", "1000,1000"] {
        let found = folder.json(&["checksum", "a.tif", "--json", "--chunk", chunk]);
        assert_eq!(found["sha256"], wanted.as_str(), "{chunk}");
    }
}
