//! What the system does to a run: few descriptors, little address space, inputs that change, outputs that are slow or
//! cannot be. Each ends in the right result or in an error, not in a signal.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::util::{Folder, Outcome, but_progress, finish, sparse};

/// Runs the binary from a shell that lowers a limit first.
fn limited(folder: &Folder, limit: &str, args: &[&str]) -> Outcome {
    let mut shell = Command::new("sh");
    shell.current_dir(folder.path(".")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let script = format!("ulimit {limit} || exit 99; exec \"$@\"");
    shell.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_outcrop")]).args(args);
    finish(shell)
}

fn noise() -> Folder {
    let folder = Folder::new();
    folder.ok(&["generate", "noise", "in.npy", "-q", "--width", "1400", "--height", "1200"]);
    folder
}

#[test]
fn sixty_four_open_files_are_enough() {
    let folder = noise();
    folder.ok(&["convert", "in.npy", "in.tif", "-q", "--co", "COMPRESS=DEFLATE"]);
    let many: Vec<String> = (0..100).map(|i| format!("{i}.tif")).collect();
    for name in &many {
        fs::hard_link(folder.path("in.tif"), folder.path(name)).unwrap();
    }
    let args = [&["info", "--json"][..], &many.iter().map(String::as_str).collect::<Vec<_>>()].concat();
    let outcome = limited(&folder, "-n 64", &args);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    assert_eq!(outcome.stdout.iter().filter(|&&b| b == b'\n').count(), 100);

    let outcome = limited(&folder, "-n 64", &["convert", "in.tif", "out.npy", "-j", "16", "-q"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    assert!(folder.read("out.npy") == folder.read("in.npy"));

    let saved = ["--checkpoint", "run.ckpt", "--report", "r.json", "-j", "16", "-q"];
    let outcome =
        limited(&folder, "-n 64", &[&["pyramid", "in.tif", "out.tif", "--cog"], &saved[..]].concat());
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
}

#[test]
fn results_that_cannot_be_written_are_an_error() {
    let folder = noise();
    for args in [
        &["stats", "in.npy"][..],
        &["stats", "in.npy", "--json"],
        &["checksum", "in.npy"],
        &["verify", "in.npy"],
        &["compare", "in.npy", "in.npy"],
        &["mean", "in.npy"],
        &["reduce", "max", "in.npy", "--over", "yx"],
        &["info", "in.npy"],
        &["formats"],
        &["stats", "in.npy", "--plan"],
        &["convert", "in.npy", "-", "--to", "raw"],
        &["completions", "bash"],
        &["man"],
    ] {
        let mut command = folder.command(args);
        command.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap()).stderr(Stdio::piped());
        let outcome = command.spawn().unwrap().wait_with_output().unwrap();
        let stderr = but_progress(&String::from_utf8(outcome.stderr).unwrap());
        assert_eq!((outcome.status.code(), stderr.lines().count()), (Some(1), 1), "{args:?}: {stderr}");
        assert!(stderr.contains("No space left"), "{args:?}: {stderr}");
    }
}

#[test]
fn nobody_to_talk_to_is_no_failure() {
    let folder = noise();
    let wanted = folder.ok(&["checksum", "in.npy"]);
    let shell = |script: &str| {
        let mut shell = Command::new("sh");
        shell
            .current_dir(folder.path("."))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        shell.args(["-c", script, "sh", env!("CARGO_BIN_EXE_outcrop")]);
        finish(shell)
    };
    for script in [
        "exec \"$1\" checksum in.npy -v --progress json 2>&-",
        "exec \"$1\" checksum in.npy -v --progress json 2>/dev/full",
        "exec \"$1\" checksum in.npy -v --progress plain <&-",
    ] {
        let outcome = shell(script);
        assert_eq!(outcome.code, Some(0), "{script}: {}", outcome.stderr);
        assert!(outcome.stdout == wanted, "{script}");
    }
    assert_eq!(shell("exec \"$1\" checksum in.npy >&-").code, Some(0));
    // An output must never land in a descriptor that stands for the standard ones.
    assert_eq!(shell("exec \"$1\" convert in.npy out.npy -v <&- >&- 2>&-").code, Some(0));
    assert!(folder.read("out.npy") == folder.read("in.npy"));
}

#[test]
fn a_gigabyte_of_address_space_gives_a_result_or_an_error() {
    let folder = noise();
    let wanted = folder.ok(&["checksum", "in.npy"]);
    let outcome = limited(&folder, "-v 1048576", &["checksum", "in.npy", "-j", "2", "--memory", "64MiB"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    assert!(outcome.stdout == wanted);

    // Nobody says how much memory: what the address space leaves.
    folder.ok(&["convert", "in.npy", "in.tif", "-q", "--co", "COMPRESS=ZSTD"]);
    for args in [
        &["checksum", "in.npy", "-v"][..],
        &["convert", "in.tif", "out.npy", "-v", "-j", "16"],
        &["pyramid", "in.tif", "out.tif", "-v", "-j", "4", "--cog"],
    ] {
        let outcome = limited(&folder, "-v 1048576", args);
        assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("half of the address space (ulimit -v)"), "{}", outcome.stderr);
    }
    assert!(folder.read("out.npy") == folder.read("in.npy"));

    // A file that cannot be mapped whole.
    sparse(&folder.path("big.raw"), 60_000 * 50_000);
    let raw = ["--shape", "60000,50000", "--dtype", "u8", "--window", "7,59000,900,800", "--json"];
    for io in ["auto", "map", "read"] {
        let args = [&["stats", "big.raw", "--io", io, "-j", "2", "--memory", "64MiB"], &raw[..]].concat();
        let outcome = limited(&folder, "-v 1048576", &args);
        match outcome.code {
            Some(0) => {
                let found: serde_json::Value = serde_json::from_slice(&outcome.stdout).unwrap();
                assert_eq!(found["channels"][0]["valid"], 900 * 800, "{io}");
                assert_eq!(found["channels"][0]["max"], 0, "{io}");
            }
            Some(1) => assert!(io == "map" && outcome.stderr.lines().count() == 1, "{io}: {outcome:?}"),
            _ => panic!("{io}: {outcome:?}"),
        }
    }
}

/// A run whose output nobody reads yet: it has begun, and stands still long before its end.
fn stuck(folder: &Folder, io: &str) -> (Child, Vec<u8>) {
    let args = ["convert", "in.npy", "-", "--to", "raw", "--io", io, "-j", "1", "--chunk", "8,1400", "-q"];
    let mut child = folder.command(&args).spawn().unwrap();
    let mut first = vec![0; 1000];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    (child, first)
}

/// Takes what a run still writes, a little at a time, and how it ends.
fn drain(mut child: Child, mut taken: Vec<u8>) -> Outcome {
    let mut out = child.stdout.take().unwrap();
    let mut part = vec![0; 100_000];
    loop {
        match out.read(&mut part).unwrap() {
            0 => break,
            n => taken.extend(&part[..n]),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let left = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(left.stderr).unwrap();
    Outcome { code: left.status.code(), stdout: taken, stderr }
}

#[test]
fn an_input_that_is_cut_short_during_the_run_is_an_error() {
    for io in ["map", "read"] {
        let folder = noise();
        let (child, first) = stuck(&folder, io);
        let file = OpenOptions::new().write(true).open(folder.path("in.npy")).unwrap();
        file.set_len(2_500_000).unwrap();
        let outcome = drain(child, first);
        assert_eq!(outcome.code, Some(1), "{io}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 1, "{io}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("in.npy"), "{io}: {}", outcome.stderr);
        assert!(outcome.stdout.len() < 1400 * 1200 * 3, "{io}");
    }
}

#[test]
fn an_input_that_is_replaced_during_the_run_and_a_slow_reader_change_nothing() {
    for io in ["map", "read"] {
        let folder = noise();
        let wanted = folder.read("in.npy")[128..].to_vec();
        let (child, first) = stuck(&folder, io);
        folder.write("other", b"something else");
        fs::rename(folder.path("other"), folder.path("in.npy")).unwrap();
        let outcome = drain(child, first);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{io}");
        assert!(outcome.stdout == wanted, "{io}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_anything_is_read() {
    let folder = noise();
    fs::create_dir(folder.path("sealed")).unwrap();
    fs::set_permissions(folder.path("sealed"), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(folder.path("sealed/probe"), b"").is_ok() {
        return; // Permissions do not bind this user.
    }
    for args in [["convert", "in.npy", "sealed/out.npy"], ["convert", "in.npy", "sealed/out.tif"]] {
        let refused = folder.refused(1, &args);
        assert!(refused.contains("sealed") && refused.contains("ermission"), "{refused}");
    }
    let args = ["stats", "in.npy", "--checkpoint", "sealed/run.ckpt"];
    assert!(folder.refused(1, &args).contains("sealed/run.ckpt"));
}

/// Each way to write several blocks, bands, levels or tiles, and the names that appear when it is done.
const OUTPUTS: [(&[&str], &[&str]); 5] = [
    (&["convert", "in.npy", "out.png"], &["out.png"]),
    (&["convert", "in.npy", "out.jpg"], &["out.jpg"]),
    (&["pyramid", "in.npy", "out.tif", "--co", "COMPRESS=ZSTD"], &["out.tif"]),
    (&["pyramid", "in.npy", "out.tif", "--cog", "--co", "COMPRESS=LZW"], &["out.tif"]),
    (&["pyramid", "in.npy", "out.dzi", "--tile", "100"], &["out.dzi", "out_files"]),
];

/// The bytes of a file, or of all files below a folder.
fn whole(path: &std::path::Path) -> Vec<u8> {
    if !path.is_dir() {
        return fs::read(path).unwrap();
    }
    let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    names
        .iter()
        .flat_map(|path| [path.file_name().unwrap().as_encoded_bytes(), &whole(path)].concat())
        .collect()
}

#[test]
fn a_kill_at_any_time_leaves_whole_outputs_or_none() {
    killed(&[3, 10, 20, 35, 55, 80, 120, 200]);
}

#[test]
#[ignore = "long tier: 300 runs that are killed"]
fn a_kill_at_any_of_sixty_times_leaves_whole_outputs_or_none() {
    killed(&(0..60).map(|n| 2 + n * 7).collect::<Vec<_>>());
}

fn killed(delays: &[u64]) {
    for (args, outputs) in OUTPUTS {
        let folder = noise();
        folder.ok(&[args, &["-q"]].concat());
        let wanted: Vec<Vec<u8>> = outputs.iter().map(|name| whole(&folder.path(name))).collect();
        let clear = || {
            for name in outputs {
                let path = folder.path(name);
                let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            }
        };
        clear();
        for &delay in delays {
            let mut child = folder.command(&[args, &["-q"]].concat()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(delay));
            child.kill().unwrap();
            child.wait().unwrap();
            // The folder of tiles comes before its descriptor.
            for (name, wanted) in outputs.iter().zip(&wanted).filter(|(name, _)| folder.path(name).exists()) {
                assert!(whole(&folder.path(name)) == *wanted, "{name} after {delay} ms");
            }
            clear();
        }
        // What was left behind is in nobody's way, and goes.
        let outcome = folder.run(&[args, &["-q"]].concat());
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        let hidden = folder.names().iter().filter(|name| name.starts_with('.')).count();
        assert_eq!(hidden, 0, "{:?}", folder.names());
        assert!(outputs.iter().zip(&wanted).all(|(name, wanted)| whole(&folder.path(name)) == *wanted));
    }
}

#[test]
fn a_limit_of_file_sizes_leaves_nothing() {
    for (args, _) in OUTPUTS {
        let folder = noise();
        for blocks in ["1", "20", "200", "1500"] {
            let outcome = limited(&folder, &format!("-f {blocks}"), &[args, &["-q"]].concat());
            assert_eq!(outcome.code, Some(1), "{args:?} -f {blocks}: {}", outcome.stderr);
            assert!(outcome.stderr.contains("ulimit -f"), "{}", outcome.stderr);
            assert_eq!(folder.names(), ["in.npy"], "{args:?} -f {blocks}");
        }
    }
}
