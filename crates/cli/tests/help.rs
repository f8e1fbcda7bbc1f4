//! Help, completions and formats: texts that the arguments make by themselves.

use crate::util::Folder;

const COMMANDS: [&str; 11] = [
    "info",
    "stats",
    "reduce",
    "mean",
    "convert",
    "pyramid",
    "compare",
    "checksum",
    "generate",
    "formats",
    "completions",
];

#[test]
fn short_help_fits_80_columns() {
    let folder = Folder::new();
    for args in COMMANDS.map(|c| vec![c, "-h"]).iter().chain([&vec!["-h"], &vec!["--help"]]) {
        let text = String::from_utf8(folder.ok(args)).unwrap();
        assert!(text.contains("Usage: outcrop"), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "outcrop {args:?}: {line}");
        }
    }
}

#[test]
fn every_command_that_reads_takes_the_common_options() {
    let folder = Folder::new();
    for command in ["info", "stats", "reduce", "mean", "convert"] {
        let text = String::from_utf8(folder.ok(&[command, "-h"])).unwrap();
        for flag in [
            "--window",
            "--channels",
            "--page",
            "--level",
            "--from",
            "--threads",
            "--memory",
            "--chunk",
            "--progress",
            "--shape",
            "--dtype",
            "--offset",
            "--big-endian",
            "--interleave",
        ] {
            assert!(text.contains(flag), "outcrop {command} -h lacks {flag}");
        }
    }
}

#[test]
fn completions_exist_for_the_common_shells() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = String::from_utf8(folder.ok(&["completions", shell])).unwrap();
        for command in COMMANDS {
            assert!(script.contains(command), "{shell} lacks {command}");
        }
    }
}

#[test]
fn formats_lists_what_is_read_and_written() {
    let folder = Folder::new();
    let formats = folder.json(&["formats", "--json"]);
    let has = |key: &str, name: &str| formats[key].as_array().unwrap().iter().any(|f| f == name);
    for name in ["tiff", "raw", "npy", "envi"] {
        assert!(has("reads", name), "{formats}");
    }
    assert!(has("writes", "raw") && has("writes", "npy"), "{formats}");
}

#[test]
fn no_command_at_all_is_a_usage_error() {
    let outcome = Folder::new().run(&[]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("Usage: outcrop"), "{}", outcome.stderr);
}
