//! A disk that is full: a small file system of memory, in namespaces of our own. Needs Linux and leave to make them; where
//! there is none the test says so and passes.

use std::process::{Command, Stdio};

use crate::util::{Folder, Outcome, finish};

/// Runs the binary where `disk` is a file system of 8 MiB that holds a file `old`, and lists after the errors what is there then.
fn on_a_small_disk(folder: &Folder, args: &[&str]) -> Option<Outcome> {
    let mut shell = Command::new("unshare");
    shell.current_dir(folder.path(".")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let script = "mkdir -p disk && mount -t tmpfs -o size=8m none disk || exit 99
        echo precious > disk/old.tif
        \"$@\"
        code=$?
        ls -A disk
        cat disk/old.tif
        exit $code";
    shell.args(["-rm", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_outcrop")]).args(args);
    if !Command::new("unshare").args(["-rm", "true"]).output().is_ok_and(|out| out.status.success()) {
        println!("skipped: no namespaces of our own here");
        return None;
    }
    let outcome = finish(shell);
    if outcome.code == Some(99) {
        println!("skipped: nothing can be mounted here");
        return None;
    }
    Some(outcome)
}

#[test]
fn a_full_disk_is_an_error_that_says_how_much_was_needed_and_leaves_nothing() {
    let folder = Folder::new();
    // 12 MB that no codec makes smaller.
    folder.ok(&["generate", "noise", "in.npy", "-q", "--width", "2000", "--height", "2000"]);
    folder.ok(&["convert", "in.npy", "rows.tif", "-q", "--co", "TILED=NO", "--co", "COMPRESS=ZSTD"]);
    for (args, said) in [
        (&["convert", "in.npy", "disk/a.raw"][..], "needs 12000000 bytes, "),
        (&["convert", "in.npy", "disk/a.npy"], "needs 12000128 bytes, "),
        (&["convert", "in.npy", "disk/a.hdr"], "needs 12000000 bytes, "),
        (&["convert", "in.npy", "disk/a.tif"], "needs 12"),
        (&["convert", "in.npy", "disk/a.tif", "--co", "COMPRESS=DEFLATE"], "may need 12"),
        (&["convert", "in.npy", "disk/a.png"], "may need 13"),
        (&["convert", "rows.tif", "disk/a.png", "--rotate", "90"], "needs 12"),
        (&["pyramid", "in.npy", "disk/a.tif"], "needs 16"),
        (&["pyramid", "in.npy", "disk/a.tif", "--co", "COMPRESS=ZSTD"], "may need 16"),
        (&["pyramid", "in.npy", "disk/a.tif", "--cog"], "needs 16"),
        (&["pyramid", "in.npy", "disk/a.tif", "--cog", "--co", "COMPRESS=ZSTD"], "may need 16"),
        (&["pyramid", "in.npy", "disk/a.dzi", "--tile-format", "png"], "needs 16"),
        (&["pyramid", "in.npy", "disk/old.tif", "--overwrite", "--co", "COMPRESS=ZSTD"], "may need 16"),
        (&["convert", "in.npy", "disk/old.tif", "--overwrite"], "needs 12"),
    ] {
        let Some(outcome) = on_a_small_disk(&folder, &[args, &["-q"]].concat()) else { return };
        assert_eq!(outcome.code, Some(1), "{args:?}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 1, "{args:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(said), "{args:?}: {}", outcome.stderr);
        let space = ["No space left", "no storage space"];
        assert!(space.iter().any(|words| outcome.stderr.contains(words)), "{args:?}: {}", outcome.stderr);
        assert_eq!(String::from_utf8_lossy(&outcome.stdout), "old.tif\nprecious\n", "{args:?}");
    }
}
