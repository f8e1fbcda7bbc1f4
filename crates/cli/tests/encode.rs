//! `outcrop encode` and `outcrop decode`: what goes in comes out, in bounded memory, and others read it.

use std::fs::File;
use std::process::Stdio;

use serde_json::json;

use crate::util::{Folder, finish, noise, npy, sparse, tiff};

/// Runs it with a file as standard input; returns standard output.
fn piped(folder: &Folder, args: &[&str], input: &str) -> Vec<u8> {
    let mut command = folder.command(args);
    command.stdin(File::open(folder.path(input)).unwrap());
    let outcome = finish(command);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "outcrop {args:?}");
    outcome.stdout
}

fn png_samples(file: &[u8]) -> Vec<u8> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut out = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut out).unwrap();
    out
}

#[test]
fn an_image_of_bytes_becomes_a_png_without_loss() {
    let folder = Folder::new();
    let samples = noise(30 * 40 * 3);
    folder.write("a.npy", &npy("|u1", &[30, 40, 3], &samples));
    let outcome = folder.run(&["encode", "a.npy", "a.txt"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.starts_with("outcrop: lossless: 3600 bytes in memory, "), "{}", outcome.stderr);
    folder.ok(&["decode", "a.txt", "a.png"]);
    assert!(png_samples(&folder.read("a.png")) == samples);

    let report = folder.json(&["encode", "a.npy", "b.txt", "--json", "--data-uri", "--co", "ZLEVEL=9"]);
    let (text, length) = (folder.read("b.txt"), folder.read("b.txt").len());
    assert!(text.starts_with(b"data:image/png;base64,iVBORw0KGgo"), "{}", text.escape_ascii());
    folder.ok(&["decode", "b.txt", "b.png"]);
    assert!(png_samples(&folder.read("b.png")) == samples);
    let bytes = folder.read("b.png").len();
    for (key, value) in [
        ("format", json!("png")),
        ("form", json!("data-uri")),
        ("lossless", json!(true)),
        ("memory_bytes", json!(3600)),
        ("encoded_bytes", json!(bytes)),
        ("base64_bytes", json!(bytes.div_ceil(3) * 4)),
        ("text_bytes", json!(length)),
    ] {
        assert_eq!(report[key], value, "{key} of {report}");
    }
    // A part of it, on standard output.
    let part = ["encode", "a.npy", "-q", "--window", "10,20,7,5", "--channels", "2"];
    folder.write("part.txt", &folder.ok(&part));
    folder.ok(&["decode", "part.txt", "part.png"]);
    let wanted: Vec<u8> =
        (20..25).flat_map(|y| (10..17).map(move |x| (y * 40 + x) * 3 + 1)).map(|i| samples[i]).collect();
    assert!(png_samples(&folder.read("part.png")) == wanted);
}

#[test]
fn every_lossless_format_keeps_the_pixels() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("<u2", &[33, 21, 4], &noise(33 * 21 * 4 * 2)));
    for (to, name) in [("png", "a.png"), ("npy", "b.npy"), ("tiff", "a.tif")] {
        folder.ok(&["encode", "a.npy", "a.txt", "--to", to, "--overwrite", "-q"]);
        folder.ok(&["decode", "a.txt", name]);
        if to != "png" {
            folder.ok(&["compare", "a.npy", name]);
        }
    }
    assert_eq!(folder.names(), ["a.npy", "a.png", "a.tif", "a.txt", "b.npy"], "nothing else is left");
    // What a PNG cannot hold is an array.
    folder.ok(&["convert", "a.npy", "f.npy", "--dtype", "f32"]);
    let report = folder.json(&["encode", "f.npy", "f.txt", "--json"]);
    assert_eq!((&report["format"], &report["lossless"]), (&json!("npy"), &json!(true)));
    folder.ok(&["decode", "f.txt", "g.npy"]);
    assert!(folder.read("f.npy") == folder.read("g.npy"));
    let lossy = ["--to", "jpeg", "--channels", "1-3", "--json"];
    folder.ok(&["convert", "a.npy", "u8.npy", "--dtype", "u8", "--scale", "auto"]);
    let report = folder.json(&[&["encode", "u8.npy", "u8.txt"], &lossy[..]].concat());
    assert_eq!((&report["format"], &report["lossless"]), (&json!("jpeg"), &json!(false)));
    for (codec, is_lossless) in [("JPEG", false), ("LERC", true), ("LZW", true)] {
        let codec = format!("COMPRESS={codec}");
        let tiff = [
            "encode",
            "u8.npy",
            "t.txt",
            "--overwrite",
            "--to",
            "tiff",
            "--channels",
            "1-3",
            "--co",
            codec.as_str(),
        ];
        assert_eq!(folder.json(&[&tiff[..], &["--json"]].concat())["lossless"], is_lossless, "{codec}");
    }
}

#[test]
fn original_passes_the_bytes_of_any_file() {
    let folder = Folder::new();
    let image = tiff(5, 4, 3, &noise(60));
    folder.write("a.tif", &image);
    folder.write("a.bin", &noise(1_000_003));
    for name in ["a.tif", "a.bin"] {
        let text = folder.ok(&["encode", name, "--to", "original", "-q"]);
        assert_eq!(text, piped(&folder, &["encode", "-", "-q", "--to", "original"], name));
        folder.write("text", &text);
        assert!(piped(&folder, &["decode", "-", "-"], "text") == folder.read(name), "{name}");
        // In lines, as MIME has it.
        folder.write("text", &text.chunks(76).collect::<Vec<_>>().join(&b"\r\n"[..]));
        folder.ok(&["decode", "text", "back", "--overwrite"]);
        assert!(folder.read("back") == folder.read(name), "{name}");
    }
    let uri = folder.ok(&["encode", "a.tif", "--to", "original", "-q", "--data-uri"]);
    assert!(uri.starts_with(b"data:image/tiff;base64,SUkqA"), "{}", uri.escape_ascii());
    let report = folder.json(&["encode", "a.tif", "a.txt", "--to", "original", "--json"]);
    assert_eq!(report["memory_bytes"], 60);
    assert_eq!(report["encoded_bytes"], image.len());
}

#[test]
fn what_is_no_base64_leaves_no_file() {
    let folder = Folder::new();
    let text = b"QUJD".repeat(50_000);
    let mut bad = text.clone();
    bad[123_457] = b'#';
    folder.write("bad.txt", &bad);
    folder.write("cut.txt", &text[..199_998]);
    folder.write("good.txt", &text);
    let line = folder.refused(1, &["decode", "bad.txt", "out"]);
    assert!(line.contains("bad.txt: `#` at byte 123457 is not base64"), "{line}");
    let line = folder.refused(1, &["decode", "cut.txt", "out"]);
    assert!(line.contains("at byte 199998: it was cut short"), "{line}");
    let line = folder.refused(2, &["decode", "good.txt", "bad.txt"]);
    assert!(line.contains("--overwrite"), "{line}");
    let line = folder.refused(2, &["decode", "good.txt", "good.txt", "--overwrite"]);
    assert!(line.contains("the output is the input"), "{line}");
    assert!(folder.refused(1, &["decode", "none.txt", "out"]).contains("none.txt"));
}

#[test]
fn what_cannot_be_encoded_says_which_flag_helps() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("<f4", &[3, 5], &[0; 60]));
    let line = folder.refused(2, &["encode", "a.npy", "a.txt", "--to", "png"]);
    assert!(line.contains("float32") && line.contains("--dtype"), "{line}");
    assert!(folder.refused(2, &["encode", "a.npy", "a.txt", "--to", "raw"]).contains("original"));
    assert!(folder.refused(2, &["encode", "a.npy", "--json"]).contains("OUTPUT"));
    assert!(folder.refused(2, &["encode", "-", "a.txt"]).contains("--to original"));
    let part = ["encode", "a.npy", "a.txt", "--to", "original", "--window", "0,0,1,1"];
    assert!(folder.refused(2, &part).contains("--window"));
    assert!(
        folder.refused(2, &["encode", "a.npy", "a.txt", "--base64", "--data-uri"]).contains("--data-uri")
    );
    let line = folder.refused(2, &["encode", "a.npy", "a.npy", "--overwrite"]);
    assert!(line.contains("the output is the input"), "{line}");
    for args in
        [&["encode", "a.npy", "-", "--to", "npy"][..], &["encode", "a.npy", "a.txt", "--to", "original"]]
    {
        let line = folder.refused(2, &[args, &["--checkpoint", "c"]].concat());
        assert!(line.contains("--checkpoint"), "{line}");
    }
    // A plan reads nothing and writes nothing.
    folder.ok(&["encode", "a.npy", "a.txt", "--plan"]);
    assert_eq!(folder.names(), ["a.npy"]);
}

/// Peak resident memory of a run with `-v`, in MiB.
fn peak(folder: &Folder, args: &[&str]) -> f64 {
    let mut command = folder.command(args);
    command.stdout(Stdio::null());
    let outcome = finish_quietly(command);
    let (_, peak) = outcome.split_once("peak resident memory ").unwrap_or_else(|| panic!("{outcome}"));
    peak.split_once(" MiB").unwrap_or_else(|| panic!("{outcome}")).0.parse().unwrap()
}

/// The standard error of a run whose standard output goes nowhere.
fn finish_quietly(mut command: std::process::Command) -> String {
    let out = command.output().unwrap();
    assert!(out.status.success());
    String::from_utf8(out.stderr).unwrap()
}

#[test]
fn large_files_pass_in_bounded_memory() {
    let folder = Folder::new();
    sparse(&folder.path("big.bin"), 300 << 20);
    let used = peak(&folder, &["encode", "big.bin", "--to", "original", "-v", "--memory", "64MiB"]);
    assert!(used < 64.0, "{used} MiB");
    let raw = [
        "encode",
        "big.bin",
        "--shape",
        "10240,10240,3",
        "--dtype",
        "u8",
        "-v",
        "--memory",
        "64MiB",
        "-j",
        "2",
    ];
    let used = peak(&folder, &raw);
    // The budget, and what a process takes without it.
    assert!(used < 110.0, "{used} MiB");
}

/// NumPy and OpenCV read what was encoded, where `OUTCROP_PYTHON` names a Python that has them.
#[test]
fn numpy_and_opencv_read_the_texts() {
    let Ok(python) = std::env::var("OUTCROP_PYTHON") else {
        println!("skipped: OUTCROP_PYTHON names no Python with NumPy and OpenCV");
        return;
    };
    let run = |folder: &Folder, script: &str| {
        let out = std::process::Command::new(&python)
            .current_dir(folder.path("."))
            .args(["-c", script])
            .output()
            .unwrap();
        (out.status.success(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let folder = Folder::new();
    if !run(&folder, "import numpy, cv2").0 {
        println!("skipped: OUTCROP_PYTHON has no NumPy or no OpenCV");
        return;
    }
    let size = ["--width", "301", "--height", "203", "-q"];
    for (name, pattern, more) in [
        ("rgb.npy", "tissue", &["--channels", "3"][..]),
        ("gray.npy", "mandelbrot", &["--channels", "1", "--dtype", "u16"]),
        ("floats.npy", "noise", &["--channels", "5", "--dtype", "f32"]),
    ] {
        folder.ok(&[&["generate", pattern, name], &size[..], more].concat());
    }
    for (input, output, more) in [
        ("rgb.npy", "rgb.txt", &[][..]),
        ("rgb.npy", "webp.txt", &["--to", "webp"]),
        ("rgb.npy", "tiff.txt", &["--to", "tiff", "--co", "COMPRESS=LZW"]),
        ("rgb.npy", "jpeg.txt", &["--to", "jpeg", "--co", "QUALITY=95"]),
        ("rgb.npy", "part.txt", &["--window", "20,30,40,50", "--data-uri"]),
        ("gray.npy", "gray.txt", &["--co", "ZLEVEL=1"]),
        ("floats.npy", "floats.txt", &[]),
        ("rgb.npy", "original.txt", &["--to", "original"]),
    ] {
        folder.ok(&[&["encode", input, output, "-q"], more].concat());
    }
    folder.ok(&["decode", "floats.txt", "decoded.npy"]);
    let script = r#"
import base64, io
import cv2, numpy as np
rgb, gray, floats = (np.load(n) for n in ("rgb.npy", "gray.npy", "floats.npy"))
def load(name):
    return base64.b64decode(open(name, "rb").read(), validate=True)
def picture(data):
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return found if found.ndim == 2 else found[..., ::-1]
for name in ("rgb.txt", "webp.txt", "tiff.txt"):
    assert np.array_equal(picture(load(name)), rgb), name
assert np.abs(picture(load("jpeg.txt")).astype(int) - rgb).mean() < 6
assert np.array_equal(picture(load("gray.txt")), gray)
head, _, text = open("part.txt").read().partition(",")
assert head == "data:image/png;base64", head
assert np.array_equal(picture(base64.b64decode(text, validate=True)), rgb[30:80, 20:60])
assert np.array_equal(np.load(io.BytesIO(load("floats.txt"))), floats)
assert np.array_equal(np.load("decoded.npy", mmap_mode="r"), floats)
assert load("original.txt") == open("rgb.npy", "rb").read()
# And what Python encodes is decoded.
open("lines.txt", "wb").write(base64.encodebytes(load("rgb.txt")))
"#;
    let (is_well, complaint) = run(&folder, script);
    assert!(is_well, "{complaint}");
    folder.ok(&["decode", "lines.txt", "rgb.png"]);
    folder.ok(&["decode", "rgb.txt", "same.png"]);
    assert!(folder.read("rgb.png") == folder.read("same.png"));
}
