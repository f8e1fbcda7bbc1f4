//! The memory budget: peaks, and budgets that are too small. `scripts/bench-memory` makes the whole table.

use serde_json::Value as Json;

use crate::util::{Folder, noise, npy, sparse};

const MIB: u64 = 1 << 20;
/// Runs a command with a budget of so many MiB and so many threads, and holds what it did against its plan. `writes` is its
/// output. Returns the report.
fn within(folder: &Folder, args: &[&str], budget: u64, threads: usize, writes: Option<&str>) -> Json {
    let (memory, threads) = (format!("{budget}MiB"), threads.to_string());
    let limits = ["--memory", &memory, "-j", &threads, "-q"];
    let (_, report) = folder.as_planned(&[args, &limits].concat(), writes);
    if let Some(output) = writes {
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

/// Of a window one pixel wide a chunk has millions of rows.
#[test]
fn a_tall_window_of_one_column_keeps_to_its_plan() {
    let folder = Folder::new();
    sparse(&folder.path("tall.raw"), 4_200_000 * 100);
    let window = ["--shape", "4200000,100", "--dtype", "u8", "--window", "3,0,1,4200000"];
    within(&folder, &[&["stats", "tall.raw"], &window[..]].concat(), 512, 1, None);
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
        within(&folder, &["mean", "noise.npy", "m.npy", "--io", "read"], 64, threads, Some("m.npy"));
        within(&folder, &["stats", "big.tif", "--io", "read"], 64, threads, None);
        within(&folder, &["stats", "noise.npy", "--percentiles", "1", "--io", "read"], 64, threads, None);
        within(&folder, &["convert", "noise.npy", "c.png"], 64, threads, Some("c.png"));
        within(&folder, &["convert", "noise.npy", "c.jpg"], 128, threads, Some("c.jpg"));
        for picture in ["c.png", "c.jpg", "c.webp"] {
            let small = ["preview", "noise.npy", picture, "--size", "64"];
            within(&folder, &small, 64, threads, Some(picture));
            within(&folder, &[&small[..], &["--axes"]].concat(), 64, threads, Some(picture));
        }
        within(&folder, &["compare", "noise.npy", "noise.npy"], 64, threads, None);
        within(&folder, &["checksum", "noise.npy", "big.tif", "--io", "read"], 64, threads, None);
        within(&folder, &["verify", "noise.npy", "big.tif", "--io", "read"], 64, threads, None);
        within(&folder, &["histogram", "noise.npy"], 64, threads, None);
        let scaled = ["convert", "noise.npy", "c.tif", "--dtype", "u16", "--scale", "percentile:1:99"];
        within(&folder, &scaled, 64, threads, Some("c.tif"));
        let figures = ["stats", "noise.npy", "--moments", "--histogram", "9", "--covariance"];
        within(&folder, &figures, 64, threads, None);
        within(&folder, &["reduce", "mean", "big.tif", "m.npy", "--over", "c"], 64, threads, Some("m.npy"));
        let convert = [&["convert", "noise.npy", "c.tif"], &tiled[..]].concat();
        within(&folder, &convert, 64, threads, Some("c.tif"));
        for cog in [&[][..], &["--cog"]] {
            let pyramid = [&["pyramid", "noise.npy", "p.tif", "--co", "COMPRESS=DEFLATE"], cog].concat();
            within(&folder, &pyramid, 64, threads, Some("p.tif"));
            within(&folder, &pyramid, 256, threads, Some("p.tif"));
        }
        // By way of a spill file; a text of a TIFF, which ends with a copy.
        folder.ok(&[
            "convert",
            "noise.npy",
            "s.tif",
            "-q",
            "--co",
            "TILED=NO",
            "--co",
            "COMPRESS=DEFLATE",
            "--overwrite",
        ]);
        within(&folder, &["convert", "s.tif", "t.tif", "--rotate", "90"], 64, threads, Some("t.tif"));
        within(&folder, &["encode", "noise.npy", "t.txt", "--to", "tiff"], 64, threads, Some("t.txt"));
        within(&folder, &["pyramid", "noise.npy", "p.dzi"], 128, threads, Some("p.dzi"));
        let tiles = std::fs::read_dir(folder.path("p_files")).unwrap();
        assert_eq!(tiles.count(), 13);
        std::fs::remove_dir_all(folder.path("p_files")).unwrap();
    }
}

/// Figures of many channels, and as many results as an image has columns or rows: within the budget, or refused with the
/// flag that helps.
#[test]
fn many_channels_quantiles_and_results_keep_to_the_budget_or_are_refused() {
    let folder = Folder::new();
    folder.write("deep.npy", &npy("<f4", &[40, 50, 64], &noise(40 * 50 * 64 * 4)));
    folder.write("wide.npy", &npy("|u1", &[2, 2_000_000], &noise(4_000_000)));
    folder.write("tall.npy", &npy("<u2", &[2_000_000, 2], &noise(8_000_000)));
    let asked: Vec<String> = (0..64).map(|i| format!("{i}.5")).collect();
    let asked = asked.join(",");
    let run = |args: &[&str], budgets: &[u64]| {
        let mut done = 0;
        for &budget in budgets {
            let memory = format!("{budget}MiB");
            let limits = ["-j", "16", "-q", "--memory", &memory, "--report", "r.json"];
            let outcome = folder.run(&[args, &limits].concat());
            if outcome.code == Some(5) {
                assert!(outcome.stderr.contains("--memory"), "{}", outcome.stderr);
                continue;
            }
            assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
            let report: Json = serde_json::from_slice(&folder.read("r.json")).unwrap();
            std::fs::remove_file(folder.path("r.json")).unwrap();
            let peak = report["peak_resident_bytes"].as_u64().unwrap();
            assert!(peak <= (budget + 32) * MIB, "{args:?} with {budget} MiB: {peak} bytes");
            done += 1;
        }
        assert!(done > 0, "{args:?} fits none of {budgets:?}");
    };
    run(&["stats", "deep.npy", "--percentiles", &asked, "--json"], &[64, 256]);
    run(&["stats", "deep.npy", "--percentiles", "50", "--nodata", "3", "--moments"], &[64, 256]);
    run(&["stats", "wide.npy", "--percentiles", &asked, "--moments"], &[64]);
    // A table of 131,072 lines.
    run(&["stats", "tall.npy", "--unique"], &[32, 64]);
    // The results alone take 61 MiB, and their samples 15 MiB.
    for (input, over) in [("wide.npy", "y"), ("tall.npy", "x")] {
        run(&["reduce", "median", input, "o.npy", "--over", over, "--overwrite"], &[64, 128, 200]);
        run(&["reduce", "argmax", input, "o.npy", "--over", over, "--overwrite"], &[256, 512]);
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
fn a_pyramid_whose_later_levels_do_not_fit_is_refused_before_the_first() {
    let folder = Folder::new();
    folder.ok(&["generate", "noise", "in.npy", "-q", "--width", "4500", "--height", "5000"]);
    for more in [&["--co", "COMPRESS=PACKBITS"][..], &["--co", "COMPRESS=ZSTD", "--cog"]] {
        let args = [&["pyramid", "in.npy", "out.tif"], more].concat();
        let lines = folder.ok(&[&args[..], &["--plan=json"]].concat());
        let plans: Vec<Json> = lines
            .split(|&b| b == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        let least: Vec<u64> =
            plans.iter().map(|plan| plan["plan"]["least_bytes"].as_u64().unwrap()).collect();
        assert!(least.len() > 1 && least[1] > least[0], "{least:?}");
        let most = *least.iter().max().unwrap();
        let refused = folder.refused(5, &[&args[..], &["--memory", &(most - 1).to_string()]].concat());
        assert!(refused.contains("needs at least"), "{refused}");
        folder.ok(&[&args[..], &["--memory", &most.to_string(), "--report", "r.json", "-q"]].concat());
        let report: Json = serde_json::from_slice(&folder.read("r.json")).unwrap();
        let ran = report["plans"].as_array().unwrap();
        // It is the plans that run.
        assert!(ran.iter().map(|plan| plan["least_bytes"].as_u64().unwrap()).eq(least), "{report}");
        std::fs::remove_file(folder.path("out.tif")).unwrap();
        std::fs::remove_file(folder.path("r.json")).unwrap();
    }
}

#[test]
fn a_budget_that_is_too_small_says_who_set_it() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("<f4", &[512, 1024], &[1; 512 * 1024 * 4]));
    for (name, value, says) in [
        ("OUTCROP_MEMORY", "1KiB", "(OUTCROP_MEMORY; raise --memory)"),
        ("SLURM_MEM_PER_NODE", "1", "(80 % of Slurm's memory per task; raise --memory)"),
    ] {
        let mut command = folder.command(&["stats", "a.npy", "--percentiles", "50"]);
        command.env(name, value);
        let outcome = crate::util::finish(command);
        assert_eq!(outcome.code, Some(5), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(says), "{}", outcome.stderr);
    }
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
