//! Help, completions and formats: texts that the arguments make by themselves.

use crate::util::Folder;

const COMMANDS: [&str; 18] = [
    "info",
    "stats",
    "reduce",
    "mean",
    "convert",
    "pyramid",
    "encode",
    "decode",
    "compare",
    "checksum",
    "pack",
    "preview",
    "histogram",
    "generate",
    "verify",
    "formats",
    "completions",
    "man",
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
    let reading = [
        "--window",
        "--channels",
        "--page",
        "--level",
        "--from",
        "--shape",
        "--dtype",
        "--offset",
        "--big-endian",
        "--interleave",
    ];
    let running = ["--threads", "--memory", "--chunk", "--progress"];
    for command in ["info", "stats", "reduce", "mean", "convert", "preview", "histogram"] {
        let text = String::from_utf8(folder.ok(&[command, "-h"])).unwrap();
        for flag in reading.iter().chain(&running) {
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
fn every_command_has_a_manual_page() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("man1")).unwrap();
    folder.ok(&["man", "man1"]);
    assert_eq!(std::fs::read_dir(folder.path("man1")).unwrap().count(), COMMANDS.len() + 1);
    let main = folder.read("man1/outcrop.1");
    assert!(main == folder.ok(&["man"]));
    let main = String::from_utf8(main).unwrap();
    for command in COMMANDS {
        let page = String::from_utf8(folder.read(&format!("man1/outcrop-{command}.1"))).unwrap();
        assert!(page.contains(".TH outcrop") && page.contains(".SH SYNOPSIS"), "{page}");
        assert!(main.contains(&format!("outcrop\\-{command}(1)")), "the main page lacks {command}: {main}");
    }
    let page = String::from_utf8(folder.read("man1/outcrop-stats.1")).unwrap();
    assert!(page.contains("\\-\\-percentiles") && page.contains("outcrop stats a.tif b.tif"), "{page}");
    assert!(folder.refused(1, &["man", "nowhere"]).contains("nowhere/outcrop.1"));
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
    let codec = |key: &str, name: &str| formats[key]["tiff"].as_array().unwrap().iter().any(|c| c == name);
    assert!(codec("read_codecs", "CCITT G4") && codec("write_codecs", "ZSTD"), "{formats}");
    assert_eq!(formats["read_codecs"]["npy"], serde_json::json!([]));
    assert_eq!(formats["features"]["jpeg2000"], codec("read_codecs", "JPEG 2000"));
    let text = String::from_utf8(folder.ok(&["formats"])).unwrap();
    assert!(
        text.contains("reads   tiff  none, CCITT RLE,") && text.contains("feature webp: WebP is "),
        "{text}"
    );
    assert!(text.lines().all(|line| line.len() <= 80 && line == line.trim_end()), "{text}");
    // What is wrapped is whole again where the lines are joined.
    let joined = text.replace(&format!("\n{:14}", ""), " ");
    let line = joined.lines().find(|line| line.starts_with("reads   tiff")).unwrap();
    let codecs: Vec<_> = line["reads   tiff  ".len()..].split(", ").collect();
    assert_eq!(serde_json::json!(codecs), formats["read_codecs"]["tiff"]);
}

#[test]
fn what_formats_says_is_written_is_written() {
    let folder = Folder::new();
    folder.ok(&["generate", "squares", "in.npy", "-q", "--width", "64", "--height", "64"]);
    let formats = folder.json(&["formats", "--json"]);
    for codec in formats["write_codecs"]["tiff"].as_array().unwrap() {
        let option = format!("COMPRESS={}", codec.as_str().unwrap());
        folder.ok(&["convert", "in.npy", "out.tif", "--overwrite", "--co", &option]);
        folder.ok(&["verify", "out.tif"]);
    }
}

#[test]
fn no_command_at_all_is_a_usage_error() {
    let outcome = Folder::new().run(&[]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("Usage: outcrop"), "{}", outcome.stderr);
}
