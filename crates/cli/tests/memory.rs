//! The memory budget: peaks, and budgets that are too small.

use crate::util::{Folder, npy, sparse};

/// Peak resident memory that `-v` reports, in MiB, from a line such as
/// `outcrop: at most 61.5 MiB of the budget in use, peak resident memory 84.2 MiB`.
fn peak_mib(stderr: &str) -> f64 {
    let text = stderr.rsplit_once("peak resident memory ").expect(stderr).1;
    let (number, unit) = text.trim().split_once(' ').unwrap();
    let scale = match unit {
        "KiB" => 1.0 / 1024.0,
        "MiB" => 1.0,
        "GiB" => 1024.0,
        other => panic!("{other}"),
    };
    number.parse::<f64>().unwrap() * scale
}

#[test]
fn four_gibibytes_are_measured_in_little_memory() {
    let folder = Folder::new();
    sparse(&folder.path("big.raw"), 4 << 30);
    let outcome = folder.run(&[
        "stats",
        "big.raw",
        "--shape",
        "32768,65536,2",
        "--dtype",
        "u8",
        "--memory",
        "64MiB",
        "-v",
        "--json",
    ]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let report: serde_json::Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!(report["channels"][1]["count"], 1u64 << 31);
    assert_eq!(report["channels"][1]["max"], 0);
    let peak = peak_mib(&outcome.stderr);
    assert!(peak < 160.0, "{peak} MiB");
}

#[test]
fn a_large_tiled_tiff_is_measured_in_little_memory() {
    let folder = Folder::new();
    sparse(&folder.path("big.raw"), 20_000 * 20_000 * 3);
    let raw = ["--shape", "20000,20000,3", "--dtype", "u8"];
    let tiled = ["--co", "TILED=YES", "--co", "COMPRESS=ZSTD", "-q"];
    folder.ok(&[&["convert", "big.raw", "big.tif"], &raw[..], &tiled].concat());
    let outcome = folder.run(&["stats", "big.tif", "--memory", "64MiB", "-v", "--json"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let report: serde_json::Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!(report["channels"][2]["count"], 400_000_000);
    assert_eq!(report["image"]["width"], 20_000);
    let peak = peak_mib(&outcome.stderr);
    assert!(peak < 160.0, "{peak} MiB");
}

#[test]
fn a_budget_too_small_for_a_chunk_says_what_is_needed() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[512, 1024, 3], &[1; 512 * 1024 * 3]));
    let line = folder.refused(5, &["stats", "a.npy", "--memory", "1KiB"]);
    assert!(
        line.contains("needs at least") && line.contains("1024 bytes") && line.contains("--memory"),
        "{line}"
    );
    folder.refused(5, &["mean", "a.npy", "m.npy", "--memory", "1KiB"]);
    folder.refused(5, &["convert", "a.npy", "c.raw", "--memory", "1KiB"]);
}

#[test]
fn verbose_says_who_set_the_limits() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[2, 2], &[1; 4]));
    let mut command = folder.command(&["stats", "a.npy", "-v"]);
    command.env("OUTCROP_THREADS", "3").env("OUTCROP_MEMORY", "96MiB");
    let outcome = crate::util::finish(command);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    for part in ["3 threads", "OUTCROP_THREADS", "96 MiB", "OUTCROP_MEMORY"] {
        assert!(outcome.stderr.contains(part), "expected {part} in: {}", outcome.stderr);
    }
}
