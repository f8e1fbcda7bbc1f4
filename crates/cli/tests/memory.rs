//! The memory budget: peaks, and budgets that are too small. `scripts/bench-memory` makes the whole table.

use serde_json::Value as Json;

use crate::util::{Folder, npy, sparse};

const MIB: u64 = 1 << 20;
/// What a run may hold beside its budget: the program, stacks, small tables, what malloc keeps.
const BESIDE: u64 = 32 * MIB;

/// Runs a command with a budget of so many MiB and so many threads, and holds what it did against its plan. `writes` is its
/// output. Returns the report.
fn within(folder: &Folder, args: &[&str], budget: u64, threads: usize, writes: Option<&str>) -> Json {
    let (memory, threads) = (format!("{budget}MiB"), threads.to_string());
    let limits = ["--memory", &memory, "-j", &threads, "--report", "report.json", "-q"];
    let outcome = folder.run(&[args, &limits].concat());
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{args:?}");
    let report: Json = serde_json::from_slice(&folder.read("report.json")).unwrap();
    let number = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name}: {report}"));
    let (peak, planned) = (number("peak_resident_bytes"), number("planned_peak_bytes"));
    assert!(number("most_budget_bytes") <= planned && planned <= budget * MIB, "{args:?}: {report}");
    assert!(peak <= planned + BESIDE, "{args:?}: {peak} bytes resident, {planned} planned");
    if let Some(output) = writes {
        let plans = report["plans"].as_array().unwrap();
        let bound: u64 = plans.iter().map(|plan| plan["bytes_to_write"].as_u64().unwrap()).sum();
        let written = folder.path(output).metadata().unwrap().len();
        assert!(written <= bound, "{args:?}: {written} bytes written, {bound} planned");
        std::fs::remove_file(folder.path(output)).unwrap();
    }
    report
}

#[test]
fn four_gibibytes_are_measured_in_little_memory() {
    let folder = Folder::new();
    sparse(&folder.path("big.raw"), 4 << 30);
    within(&folder, &["stats", "big.raw", "--shape", "32768,65536,2", "--dtype", "u8"], 64, 16, None);
}

#[test]
fn every_kind_of_job_keeps_to_its_budget_and_its_plan() {
    let folder = Folder::new();
    sparse(&folder.path("big.raw"), 16_000 * 8_000 * 3);
    let raw = ["--shape", "16000,8000,3", "--dtype", "u8"];
    let tiled = ["--co", "TILED=YES", "--co", "COMPRESS=ZSTD"];
    folder.ok(&[&["convert", "big.raw", "big.tif", "-q"], &raw[..], &tiled].concat());
    // Noise fills what is only reserved for zeros.
    folder.ok(&["generate", "noise", "noise.npy", "-q", "--width", "4000", "--height", "3000"]);
    for threads in [1, 16] {
        within(&folder, &["stats", "big.tif"], 64, threads, None);
        within(&folder, &["stats", "noise.npy", "--percentiles", "1,99"], 64, threads, None);
        within(&folder, &["mean", "big.tif", "m.npy", "--out-dtype", "u8"], 64, threads, Some("m.npy"));
        within(&folder, &["mean", "noise.npy", "m.npy"], 64, threads, Some("m.npy"));
        let convert = [&["convert", "noise.npy", "c.tif"], &tiled[..]].concat();
        within(&folder, &convert, 64, threads, Some("c.tif"));
        for cog in [&[][..], &["--cog"]] {
            let pyramid = [&["pyramid", "noise.npy", "p.tif", "--co", "COMPRESS=DEFLATE"], cog].concat();
            within(&folder, &pyramid, 64, threads, Some("p.tif"));
            within(&folder, &pyramid, 256, threads, Some("p.tif"));
        }
    }
}

#[test]
fn malloc_does_not_grow_with_threads() {
    let folder = Folder::new();
    folder.ok(&["generate", "noise", "noise.npy", "-q", "--width", "4000", "--height", "3000"]);
    folder.ok(&["convert", "noise.npy", "in.tif", "-q", "--co", "TILED=YES", "--co", "COMPRESS=DEFLATE"]);
    // As many chunks in flight for both: what is beside the budget is threads' own.
    let beside = |threads| {
        let report = within(&folder, &["stats", "in.tif"], 24, threads, None);
        let number = |name: &str| report[name].as_u64().unwrap();
        number("peak_resident_bytes").saturating_sub(number("most_budget_bytes"))
    };
    let (few, many) = (beside(2), beside(64));
    assert!(many <= few + 8 * MIB, "{few} bytes beside the budget with 2 threads, {many} with 64");
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
