//! `outcrop pyramid`: levels against a naive halving, and the same bytes whatever the threads.

use std::os::unix::process::CommandExt;
use std::time::Duration;

use crate::util::{Folder, finish, npy};

/// The samples of a `.npy` file that this program wrote.
fn data(folder: &Folder, name: &str) -> Vec<u8> {
    let file = folder.read(name);
    let header = usize::from(u16::from_le_bytes([file[8], file[9]]));
    file[10 + header..].to_vec()
}

/// Averages of 2 x 2, rounded half to even.
fn halve(samples: &[u8], (height, width, channels): (usize, usize, usize)) -> Vec<u8> {
    let mut half = Vec::new();
    for y in (0..height).step_by(2) {
        for x in (0..width).step_by(2) {
            for c in 0..channels {
                let rows = y..(y + 2).min(height);
                let pixels =
                    rows.flat_map(|y| (x..(x + 2).min(width)).map(move |x| (y * width + x) * channels + c));
                let all: Vec<f64> = pixels.map(|i| f64::from(samples[i])).collect();
                half.push((all.iter().sum::<f64>() / all.len() as f64).round_ties_even() as u8);
            }
        }
    }
    half
}

#[test]
fn every_level_is_the_half_of_the_one_above() {
    let folder = Folder::new();
    let (mut height, mut width) = (211usize, 301usize);
    let samples: Vec<u8> = (0..height * width * 3).map(|n| (n * n / 31 % 251) as u8).collect();
    folder.write("a.npy", &npy("|u1", &[height as u64, width as u64, 3], &samples));
    let options = ["--co", "BLOCKXSIZE=16", "--co", "COMPRESS=DEFLATE"];
    folder.ok(&[&["pyramid", "a.npy", "p.tif"][..], &options].concat());
    folder.ok(&[&["convert", "a.npy", "c.tif", "--cog"][..], &options].concat());
    let mut wanted = samples;
    for level in 0..6 {
        if level > 0 {
            wanted = halve(&wanted, (height, width, 3));
            (height, width) = (height.div_ceil(2), width.div_ceil(2));
        }
        for file in ["p.tif", "c.tif"] {
            folder.ok(&["convert", file, "l.npy", "--overwrite", "--level", &level.to_string()]);
            assert!(data(&folder, "l.npy") == wanted, "level {level} of {file}");
        }
    }
    assert!(height <= 16 && width <= 16);
    folder.refused(2, &["convert", "p.tif", "l.npy", "--overwrite", "--level", "6"]);
    assert_eq!(folder.names(), ["a.npy", "c.tif", "l.npy", "p.tif"]);
}

#[test]
fn the_file_is_the_same_for_every_thread_count_and_budget() {
    let folder = Folder::new();
    folder.ok(&["generate", "noise", "n.npy", "--width", "1500", "--height", "1100", "--dtype", "u16"]);
    for cog in [&["--cog"][..], &[]] {
        let mut first = None;
        for (i, run) in [["-j", "1", "--memory", "64MiB"], ["-j", "4", "--memory", "1GiB"]].iter().enumerate()
        {
            let out = format!("{i}{}.tif", cog.len());
            folder.ok(&[
                &["pyramid", "n.npy", &out, "--co", "COMPRESS=ZSTD", "--co", "BLOCKXSIZE=128"],
                &run[..],
                cog,
            ]
            .concat());
            let bytes = folder.read(&out);
            assert!(first.get_or_insert_with(|| bytes.clone()) == &bytes, "{run:?} {cog:?}");
        }
    }
}

#[test]
fn extreme_shapes_have_levels() {
    let folder = Folder::new();
    for (height, width) in [(1, 1), (1, 3000), (3000, 1), (17, 33), (512, 512)] {
        let samples: Vec<u8> = (0..height * width).map(|n| (n % 255) as u8).collect();
        folder.write("a.npy", &npy("|u1", &[height, width], &samples));
        for extra in [&["--cog"][..], &[]] {
            let args = ["pyramid", "a.npy", "a.tif", "--overwrite", "--co", "BLOCKXSIZE=16"];
            folder.ok(&[&args[..], extra].concat());
            folder.ok(&["compare", "a.npy", "a.tif"]);
        }
    }
}

#[test]
fn pyramids_need_a_tiff_with_tiles() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[2, 2], &[1, 2, 3, 4]));
    folder.refused(2, &["pyramid", "a.npy", "b.npy"]);
    folder.refused(2, &["pyramid", "a.npy", "b.tif", "--co", "TILED=NO"]);
    folder.refused(2, &["pyramid", "a.npy", "b.tif", "--resample", "cubic"]);
    folder.refused(2, &["convert", "a.npy", "b.tif", "--resample", "mode"]);
    folder.write("b.tif", b"old");
    folder.refused(2, &["pyramid", "a.npy", "b.tif"]);
}

#[test]
fn nodata_stays_out_of_averages() {
    let folder = Folder::new();
    let samples: Vec<u8> = (0..64 * 64).map(|n| if n % 3 == 0 { 0 } else { 200 }).collect();
    folder.write("a.raw", &samples);
    folder.write(
        "a.hdr",
        b"ENVI\nsamples = 64\nlines = 64\nbands = 1\ndata type = 1\ninterleave = bip\nbyte order = 0\ndata ignore value = 0\n",
    );
    folder.ok(&["pyramid", "a.hdr", "a.tif", "--co", "BLOCKXSIZE=16"]);
    folder.ok(&["convert", "a.tif", "b.npy", "--level", "1"]);
    assert!(data(&folder, "b.npy").iter().all(|&v| v == 200));
    folder.ok(&["pyramid", "a.hdr", "n.tif", "--co", "BLOCKXSIZE=16", "--resample", "nearest"]);
    folder.ok(&["convert", "n.tif", "c.npy", "--level", "2"]);
    let wanted: Vec<u8> = (0..16 * 16).map(|i| samples[i / 16 * 4 * 64 + i % 16 * 4]).collect();
    assert_eq!(data(&folder, "c.npy"), wanted);
}

#[test]
fn a_limit_of_file_sizes_leaves_no_file() {
    let folder = Folder::new();
    folder.ok(&["generate", "noise", "n.npy", "--width", "600", "--height", "500"]);
    folder.ok(&["pyramid", "n.npy", "whole.tif", "--co", "COMPRESS=LZW", "--co", "BLOCKXSIZE=128"]);
    let whole = folder.read("whole.tif").len() as u64;
    for limit in [0, 100, 5000, whole / 2, whole - 1] {
        for cog in [&["--cog"][..], &[]] {
            let args = ["pyramid", "n.npy", "a.tif", "--co", "COMPRESS=LZW", "--co", "BLOCKXSIZE=128"];
            let mut command = folder.command(&[&args[..], cog].concat());
            let limits = libc::rlimit { rlim_cur: limit, rlim_max: limit };
            // SAFETY: setrlimit may be called between fork and exec, and `limits` is a copy of its own.
            unsafe {
                command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_FSIZE, &limits) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                })
            };
            let outcome = finish(command);
            assert_eq!(outcome.code, Some(1), "{limit}: {}", outcome.stderr);
            assert!(outcome.stderr.contains("bytes"), "{}", outcome.stderr);
            assert_eq!(folder.names(), ["n.npy", "whole.tif"], "{limit} {cog:?}");
        }
    }
}

#[test]
fn a_kill_leaves_no_half_file_and_the_next_run_cleans_up() {
    let folder = Folder::new();
    folder.ok(&["generate", "noise", "n.npy", "--width", "1500", "--height", "1500"]);
    folder.write("a.tif", b"old");
    let args =
        ["pyramid", "n.npy", "a.tif", "--cog", "--overwrite", "--co", "COMPRESS=DEFLATE", "--co", "ZLEVEL=9"];
    for wait in [5, 40, 90, 200] {
        let mut child = folder.command(&args).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        let _ = child.kill();
        child.wait().unwrap();
        let whole = || folder.run(&["compare", "n.npy", "a.tif"]).code == Some(0);
        assert!(folder.read("a.tif") == b"old" || whole(), "after {wait} ms");
        folder.write("a.tif", b"old");
    }
    let outcome = folder.run(&args);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(folder.names(), ["a.tif", "n.npy"]);
    assert_eq!(folder.run(&["compare", "n.npy", "a.tif"]).code, Some(0));
}

#[test]
#[ignore = "long tier: writes 4.5 GB"]
fn files_past_4_gib_are_bigtiff_and_whole() {
    let folder = Folder::new();
    crate::util::sparse(&folder.path("z.raw"), 66_000 * 66_000);
    let raw = ["--shape", "66000,66000", "--dtype", "u8"];
    let outcome = folder.run(&[&["convert", "z.raw", "z.tif"][..], &raw].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("BigTIFF"), "{}", outcome.stderr);
    assert!(std::fs::metadata(folder.path("z.tif")).unwrap().len() > u32::MAX.into());
    let last = folder.json(&["stats", "z.tif", "--window", "65000,65000,1000,1000", "--json"]);
    assert_eq!((&last["channels"][0]["count"], &last["channels"][0]["max"]), (&1_000_000.into(), &0.into()));
    let said = folder.refused(2, &[&["convert", "z.raw", "n.tif", "--bigtiff", "no"][..], &raw].concat());
    assert!(said.contains("--bigtiff"), "{said}");
}

/// The pixels of a raw file, found again in a file: all of them by their checksum, some by GDAL's answer at their place.
fn has_pixels_of_raw(folder: &Folder, name: &str, side: u64, marks: &[(u64, u64, u8)]) {
    let sum = |args: &[&str]| String::from_utf8(folder.ok(args)).unwrap();
    let raw = sum(&["checksum", "m.raw", "-q", "--shape", &format!("{side},{side}"), "--dtype", "u8"]);
    let found = sum(&["checksum", name, "-q"]);
    assert_eq!(found.split_whitespace().next(), raw.split_whitespace().next(), "{name}");
    for &(x, y, wanted) in marks {
        let mut gdal = std::process::Command::new("gdallocationinfo");
        gdal.arg("-valonly").arg(folder.path(name)).args([x.to_string(), y.to_string()]);
        let Ok(said) = gdal.output() else {
            println!("gdallocationinfo is not installed: skipped");
            return;
        };
        let said = String::from_utf8_lossy(&said.stdout).trim().to_string();
        assert_eq!(said, wanted.to_string(), "{name} at {x},{y}");
    }
}

#[test]
#[ignore = "long tier: writes 17 GB, one file at a time"]
fn pyramids_and_cloud_optimised_files_past_4_gib_are_whole() {
    use std::os::unix::fs::FileExt;
    let folder = Folder::new();
    // A Cloud Optimized GeoTIFF and the spill file that it is copied from.
    if crate::util::free_space(&folder.path(".")) < 14 << 30 {
        return println!("skipped: 14 GB of disk are not free");
    }
    let side = 66_000u64;
    crate::util::sparse(&folder.path("m.raw"), side * side);
    let marks = [(0, 0, 1), (65_999, 0, 2), (0, 65_999, 3), (65_999, 65_999, 4), (33_333, 33_334, 5)];
    let raw = std::fs::OpenOptions::new().write(true).open(folder.path("m.raw")).unwrap();
    for (x, y, value) in marks {
        raw.write_all_at(&[value], y * side + x).unwrap();
    }
    let shape = format!("{side},{side}");
    for extra in [&[][..], &["--cog"]] {
        let args = ["pyramid", "m.raw", "m.tif", "--shape", &shape, "--dtype", "u8", "-q"];
        folder.ok(&[&args[..], extra].concat());
        assert!(std::fs::metadata(folder.path("m.tif")).unwrap().len() > 5 << 30);
        has_pixels_of_raw(&folder, "m.tif", side, &marks);
        std::fs::remove_file(folder.path("m.tif")).unwrap();
        assert_eq!(folder.names(), ["m.raw"]);
    }
}

#[test]
fn a_sparse_cloud_optimised_file_is_small_and_read_by_gdal() {
    let folder = Folder::new();
    crate::util::sparse(&folder.path("m.raw"), 20_000 * 20_000);
    let marks = [(0u64, 0u64, 0u8), (19_999, 19_999, 9)];
    let raw = std::fs::OpenOptions::new().write(true).open(folder.path("m.raw")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&raw, &[9], 20_000 * 20_000 - 1).unwrap();
    let args = ["pyramid", "m.raw", "m.tif", "--shape", "20000,20000", "--dtype", "u8", "-q", "--sparse"];
    folder.ok(&[&args[..], &["--cog", "--bigtiff", "yes"]].concat());
    assert!(std::fs::metadata(folder.path("m.tif")).unwrap().len() < 4 << 20);
    has_pixels_of_raw(&folder, "m.tif", 20_000, &marks);
}

#[test]
fn an_image_much_narrower_than_a_block_needs_little_memory() {
    let folder = Folder::new();
    folder.ok(&["generate", "noise", "a.npy", "-q", "--width", "1", "--height", "100000"]);
    for (output, options) in
        [("a.tif", &["--co", "COMPRESS=JPEG"][..]), ("b.tif", &["--cog"]), ("a.dzi", &[])]
    {
        folder.ok(&[&["pyramid", "a.npy", output, "-q", "--memory", "160MiB"], options].concat());
    }
    let equal = folder.run(&["compare", "a.npy", "b.tif"]);
    assert_eq!(equal.code, Some(0), "{equal:?}");
}
