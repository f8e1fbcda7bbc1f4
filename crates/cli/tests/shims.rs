//! System calls that fail, are interrupted or tell another time: `shim.c` stands between the binary and the system.
//! Needs Linux, glibc and a C compiler; where there is none the tests say so and pass.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::util::{Folder, Outcome, PATIENCE, but_progress, finish};

/// Runs with the shim between.
struct Shimmed {
    folder: Folder,
}

impl Shimmed {
    /// A folder with noise in a `.npy` file and in compressed tiles.
    fn new() -> Option<Shimmed> {
        let folder = Folder::new();
        folder.shimmed("", &[])?;
        folder.ok(&["generate", "noise", "in.npy", "-q", "--width", "700", "--height", "600"]);
        let tiles = [
            "--co",
            "TILED=YES",
            "--co",
            "BLOCKXSIZE=64",
            "--co",
            "BLOCKYSIZE=64",
            "--co",
            "COMPRESS=DEFLATE",
        ];
        folder.ok(&[&["convert", "in.npy", "in.tif", "-q"], &tiles[..]].concat());
        folder.ok(&["convert", "in.npy", "rows.tif", "-q", "--co", "TILED=NO", "--co", "COMPRESS=LZW"]);
        Some(Shimmed { folder })
    }

    fn command(&self, mode: &str, args: &[&str]) -> Command {
        self.folder.shimmed(mode, args).expect("it was made before")
    }

    fn run(&self, mode: &str, args: &[&str]) -> Outcome {
        finish(self.command(mode, args))
    }

    /// Whether a fault struck since this was last asked.
    fn fired(&self) -> bool {
        std::fs::remove_file(self.folder.path("fired")).is_ok()
    }
}

/// Jobs of all kinds; each with its output, if it has one.
const JOBS: [(&[&str], Option<&str>); 12] = [
    (&["convert", "in.tif", "out.png", "-q"], Some("out.png")),
    (&["pyramid", "in.tif", "out.dzi", "-q"], Some("out.dzi")),
    (&["encode", "in.tif", "out.txt", "--to", "tiff", "-q"], Some("out.txt")),
    (&["stats", "in.tif", "--json", "--io", "read"], None),
    (&["stats", "in.npy", "--json", "--io", "map"], None),
    (&["checksum", "in.npy", "--io", "read"], None),
    (&["mean", "in.tif", "out.npy", "--io", "map"], Some("out.npy")),
    (&["convert", "in.tif", "out.raw"], Some("out.raw")),
    (&["convert", "in.tif", "out.hdr"], Some("out.raw")),
    (&["convert", "in.npy", "out.tif", "--co", "COMPRESS=ZSTD"], Some("out.tif")),
    (
        &["pyramid", "in.tif", "out.tif", "--co", "BLOCKXSIZE=64", "--co", "BLOCKYSIZE=64", "-q"],
        Some("out.tif"),
    ),
    (
        &["pyramid", "in.tif", "out.tif", "--co", "BLOCKXSIZE=64", "--co", "BLOCKYSIZE=64", "-q", "--cog"],
        Some("out.tif"),
    ),
];

/// A turn by way of a spill file, which takes no checkpoint.
const SPILLED: (&[&str], Option<&str>) =
    (&["convert", "rows.tif", "out.tif", "--rotate", "90", "--co", "COMPRESS=ZSTD"], Some("out.tif"));

/// What a job answers when nothing is wrong: standard output and the output's bytes. Removes the output.
fn wanted(shimmed: &Shimmed, args: &[&str], output: Option<&str>) -> (Vec<u8>, Vec<u8>) {
    let stdout = shimmed.folder.ok(args);
    (stdout, taken(shimmed, output))
}

fn taken(shimmed: &Shimmed, output: Option<&str>) -> Vec<u8> {
    let Some(output) = output else { return Vec::new() };
    let mut bytes = shimmed.folder.read(output);
    let tiles = shimmed.folder.path("out_files");
    if output == "out.dzi" {
        let list = |path: &Path| {
            let mut paths: Vec<_> =
                std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
            paths.sort();
            paths
        };
        for tile in list(&tiles).iter().flat_map(|level| list(level)) {
            bytes.extend(std::fs::read(tile).unwrap());
        }
        std::fs::remove_dir_all(tiles).unwrap();
    }
    std::fs::remove_file(shimmed.folder.path(output)).unwrap();
    let _ = std::fs::remove_file(shimmed.folder.path("out.hdr"));
    let _ = std::fs::remove_dir_all(shimmed.folder.path("out_files"));
    bytes
}

#[test]
fn a_call_that_fails_is_an_error_or_changes_nothing() {
    let Some(shimmed) = Shimmed::new() else { return };
    let mut struck = 0;
    for (args, output) in JOBS.into_iter().chain([SPILLED]) {
        let right = wanted(&shimmed, args, output);
        let before = shimmed.folder.names();
        for call in ["read", "write", "pread", "pwrite", "fsync", "ftruncate", "madvise"] {
            // The first ones, then ever fewer.
            for n in [0, 1, 2, 3, 5, 9, 20, 60, 150] {
                let what = format!("{args:?} whose {call} {n} fails");
                let outcome = shimmed.run(&format!("fail={call}:{n}"), args);
                if !shimmed.fired() {
                    assert_eq!(outcome.code, Some(0), "{what}: {}", outcome.stderr);
                    assert!((outcome.stdout, taken(&shimmed, output)) == right, "{what}");
                    break;
                }
                struck += 1;
                match outcome.code {
                    Some(0) => assert!((outcome.stdout, taken(&shimmed, output)) == right, "{what}"),
                    Some(1) => {
                        assert_eq!(outcome.stderr.lines().count(), 1, "{what}: {}", outcome.stderr);
                        assert!(outcome.stderr.starts_with("outcrop: "), "{what}: {}", outcome.stderr);
                    }
                    _ => panic!("{what}: {outcome:?}"),
                }
                let has = |name: &str| shimmed.folder.path(name).exists();
                if outcome.stderr.contains("write the folder") && output.is_some_and(has) {
                    // The output has its name and is whole; nobody knows whether the name survives a power cut.
                    assert!(!args.contains(&"out.hdr") || has("out.hdr"), "{what}");
                    assert!(taken(&shimmed, output) == right.1, "{what}");
                }
                assert_eq!(shimmed.folder.names(), before, "{what}: {}", outcome.stderr);
            }
        }
    }
    assert!(struck > 100, "the shim struck {struck} times");
}

#[test]
fn a_checkpoint_that_cannot_be_saved_is_an_error_and_what_was_saved_stays_good() {
    let Some(shimmed) = Shimmed::new() else { return };
    let saved = ["--checkpoint", "run.ckpt", "--checkpoint-every", "0ms", "--chunk", "64,64", "-q"];
    for (args, output) in [
        (&["stats", "in.tif", "--json"][..], None),
        (&["mean", "in.tif", "out.npy"], Some("out.npy")),
        (
            &["pyramid", "in.tif", "out.tif", "--co", "BLOCKXSIZE=64", "--co", "BLOCKYSIZE=64"],
            Some("out.tif"),
        ),
    ] {
        let right = wanted(&shimmed, &[args, &["--chunk", "64,64", "-q"]].concat(), output);
        for call in ["write", "rename", "fsync"] {
            for n in [0, 1, 4, 30] {
                let args = [args, &saved].concat();
                let outcome = shimmed.run(&format!("fail={call}:{n}"), &args);
                let what = format!("{args:?} whose {call} {n} fails: {}", outcome.stderr);
                assert_eq!(outcome.code, Some(if shimmed.fired() { 1 } else { 0 }), "{what}");
                let outcome = if outcome.code == Some(0) { outcome } else { shimmed.folder.run(&args) };
                assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{what}");
                assert!((outcome.stdout, taken(&shimmed, output)) == right, "{what}");
                let left = shimmed.folder.names();
                assert!(
                    !left.iter().any(|name| name.contains("part") || name.contains("ckpt")),
                    "{what}: {left:?}"
                );
            }
        }
    }
}

#[test]
fn calls_that_are_interrupted_all_the_time_change_nothing() {
    let Some(shimmed) = Shimmed::new() else { return };
    for (args, output) in JOBS.into_iter().chain([SPILLED]) {
        let right = wanted(&shimmed, args, output);
        let outcome = shimmed.run("interrupt", args);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{args:?}");
        assert!((outcome.stdout, taken(&shimmed, output)) == right, "{args:?}");
    }
}

/// Begins a run whose writes take so long that it stands still with an unfinished output.
fn slow(shimmed: &Shimmed, millis: u32, args: &[&str]) -> Child {
    let mut child = shimmed.command(&format!("slow:{millis}"), args).spawn().unwrap();
    while !shimmed.folder.names().iter().any(|name| name.ends_with("outcrop-part")) {
        assert!(child.try_wait().unwrap().is_none(), "{args:?} ended by itself");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(100));
    child
}

#[test]
fn a_second_signal_ends_the_run_at_once_and_leaves_no_unfinished_output() {
    let Some(shimmed) = Shimmed::new() else { return };
    let before = shimmed.folder.names();
    let child = slow(&shimmed, 2 * PATIENCE.as_millis() as u32, &["convert", "in.npy", "out.raw", "-j", "2"]);
    let started = Instant::now();
    for _ in 0..2 {
        // SAFETY: kill takes two numbers; the child has not been waited for, so its number is still its own.
        assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGTERM) }, 0);
        std::thread::sleep(Duration::from_millis(700));
    }
    let outcome = child.wait_with_output().unwrap();
    assert!(started.elapsed() < PATIENCE, "it waited for its writes");
    assert_eq!(outcome.status.code(), Some(143));
    assert_eq!(shimmed.folder.names(), before);
}

#[test]
fn an_input_that_is_cut_short_under_its_map_leaves_no_unfinished_output() {
    let Some(shimmed) = Shimmed::new() else { return };
    let before = shimmed.folder.names();
    let args = ["convert", "in.npy", "out.raw", "-j", "1", "--io", "map", "--chunk", "20,700"];
    let child = slow(&shimmed, 500, &args);
    let input = std::fs::OpenOptions::new().write(true).open(shimmed.folder.path("in.npy")).unwrap();
    input.set_len(4096).unwrap();
    let outcome = child.wait_with_output().unwrap();
    let stderr = but_progress(&String::from_utf8(outcome.stderr).unwrap());
    assert_eq!((outcome.status.code(), stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert!(stderr.contains("in.npy: the file was cut short"), "{stderr}");
    assert_eq!(shimmed.folder.names(), before);
}

#[test]
fn a_clock_that_jumps_changes_nothing() {
    let Some(shimmed) = Shimmed::new() else { return };
    for (args, output) in JOBS {
        let right = wanted(&shimmed, args, output);
        for style in ["bar", "plain", "json"] {
            let more = [
                "--progress",
                style,
                "--chunk",
                "64,64",
                "--checkpoint-every",
                "5ms",
                "--checkpoint",
                "run.ckpt",
            ];
            // The bytes of a TIFF depend on the shape of its chunks.
            let more = if output == Some("out.tif") { &more[..2] } else { &more };
            let args =
                [args, more, &["--report", "r.json", "-v"][..if args.contains(&"-q") { 2 } else { 3 }]]
                    .concat();
            let outcome = shimmed.run("clock", &args);
            assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
            assert!(!outcome.stderr.contains("panicked"), "{args:?}: {}", outcome.stderr);
            assert!((outcome.stdout, taken(&shimmed, output)) == right, "{args:?}");
        }
    }
}

#[test]
fn a_run_that_is_killed_before_it_removes_its_checkpoint_ends_well_when_begun_again() {
    let Some(shimmed) = Shimmed::new() else { return };
    let more: [(&[&str], Option<&str>); 3] = [
        (&["preview", "in.tif", "out.png", "-q"], Some("out.png")),
        (&["reduce", "mean", "in.tif", "out.npy", "--over", "y", "-q"], Some("out.npy")),
        (&["encode", "in.tif", "out.txt", "--to", "tiff", "--data-uri", "-q"], Some("out.txt")),
    ];
    for (args, output) in JOBS.into_iter().chain(more) {
        let right = wanted(&shimmed, args, output);
        let before = shimmed.folder.names();
        let args = [args, &["--checkpoint", "run.ckpt"]].concat();
        let killed = shimmed.run("end", &args);
        assert_eq!(killed.code, None, "{args:?}: {}", killed.stderr);
        assert!(shimmed.folder.names().contains(&"run.ckpt".to_string()), "{args:?}");
        let again = shimmed.folder.run(&args);
        assert_eq!(again.code, Some(0), "{args:?}: {}", again.stderr);
        assert!((again.stdout, taken(&shimmed, output)) == right, "{args:?}");
        assert_eq!(shimmed.folder.names(), before, "{args:?}");
    }
}

#[test]
fn another_file_under_the_name_of_a_text_or_a_picture_that_is_gone_on_with_stays_as_it_is() {
    let Some(shimmed) = Shimmed::new() else { return };
    let folder = &shimmed.folder;
    for args in [
        &["encode", "in.tif", "out", "--to", "tiff", "-q", "--checkpoint", "run.ckpt"][..],
        &["preview", "in.tif", "out", "--to", "png", "-q", "--checkpoint", "run.ckpt"],
    ] {
        assert_eq!(shimmed.run("end", args).code, None);
        let mut bytes = folder.read("out");
        *bytes.last_mut().unwrap() ^= 1;
        folder.write("out", &bytes);
        let refused = folder.run(args);
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert!(refused.stderr.contains("out exists (use --overwrite)"), "{}", refused.stderr);
        assert!(folder.read("out") == bytes && folder.path("run.ckpt").exists());
        std::fs::remove_file(folder.path("out")).unwrap();
        folder.ok(args);
        std::fs::remove_file(folder.path("out")).unwrap();
    }
}

#[test]
fn a_signal_during_the_copy_that_ends_a_cog_leaves_nothing_or_a_checkpoint() {
    let Some(shimmed) = Shimmed::new() else { return };
    let folder = &shimmed.folder;
    let args = ["convert", "in.tif", "out.tif", "--cog", "--co", "BLOCKSIZE=64"];
    let right = wanted(&shimmed, &[&args[..], &["-q"]].concat(), Some("out.tif"));
    let before = folder.names();
    for (saved, code) in [(&[][..], 143), (&["--checkpoint", "run.ckpt"], 75)] {
        let args = [&args[..], saved].concat();
        let told = [&args[..], &["--progress", "json"]].concat();
        // A copy that is over before the signal comes is made again, with slower writes.
        let mut ended = None;
        for millis in [4, 20, 100, 1000] {
            let mut child = shimmed.command(&format!("slow:{millis}"), &told).spawn().unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
            assert!(lines.any(|line| line.contains("\"copy\"")), "{args:?}: no copy");
            // SAFETY: kill takes two numbers; the child has not been waited for, so its number is still its own.
            assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGTERM) }, 0);
            let said: Vec<_> = lines.collect();
            ended = child.wait().unwrap().code();
            if ended != Some(0) {
                assert_eq!(ended, Some(code), "{args:?}: {said:?}");
                break;
            }
            std::fs::remove_file(folder.path("out.tif")).unwrap();
        }
        assert_eq!(ended, Some(code), "{args:?} was never caught");
        if saved.is_empty() {
            assert_eq!(folder.names(), before);
        } else {
            assert!(!folder.path("out.tif").exists());
            folder.ok(&[&args[..], &["-q"]].concat());
            assert!(taken(&shimmed, Some("out.tif")) == right.1);
            assert_eq!(folder.names(), before);
        }
    }
}
