//! `outcrop info`: facts without pixels.

use serde_json::json;

use crate::util::{Folder, npy, tiff};

#[test]
fn facts_of_a_tiff_are_shown() {
    let folder = Folder::new();
    folder.write("a.tif", &tiff(5, 4, 3, &[0; 60]));
    let report = folder.json(&["info", "a.tif", "--json"]);
    assert_eq!(report["schema"], 1);
    let image = &report["image"];
    for (key, value) in [
        ("name", json!("a.tif")),
        ("format", json!("TIFF")),
        ("height", json!(4)),
        ("width", json!(5)),
        ("channels", json!(3)),
        ("dtype", json!("uint8")),
        ("codec", json!("none")),
        ("decoded_bytes", json!(60)),
        ("page", json!(0)),
    ] {
        assert_eq!(image[key], value, "{key}");
    }
    assert_eq!(image["layout"]["kind"], "strips");
    assert_eq!(image["pages"].as_array().map(Vec::len), Some(1));
    let text = String::from_utf8(folder.ok(&["info", "a.tif"])).unwrap();
    for part in ["TIFF", "5 x 4 (width x height), 3 channels", "uint8", "60 bytes"] {
        assert!(text.contains(part), "expected `{part}` in:\n{text}");
    }
}

#[test]
fn facts_of_a_raw_file_are_those_given() {
    let folder = Folder::new();
    folder.write("a.bin", &[0; 48]);
    let raw = ["--shape", "2,3,2", "--dtype", "f32"];
    let report = folder.json(&[&["info", "a.bin", "--json", "--channels", "2"], &raw[..]].concat());
    assert_eq!((&report["image"]["format"], &report["image"]["dtype"]), (&json!("raw"), &json!("float32")));
    assert_eq!(report["image"]["selected_channels"], json!([2]));
}

#[test]
fn several_inputs_give_a_line_each() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("<f2", &[3], &[0; 6]));
    folder.write("b.npy", &npy(">i8", &[1, 2], &[0; 16]));
    let out = String::from_utf8(folder.ok(&["info", "--json", "a.npy", "b.npy"])).unwrap();
    assert_eq!(out.lines().count(), 2);
    assert!(out.contains("float16") && out.contains("int64"));
}

#[test]
fn sizes_of_each_page_and_level_are_listed() {
    let folder = Folder::new();
    let file = tiff(5, 4, 3, &[0; 60]);
    folder.write("a.tif", &file);
    let sizes = &folder.json(&["info", "a.tif", "--sizes", "--json"])["image"]["sizes"];
    let whole = json!({ "page": 0, "level": 0, "memory_bytes": 60, "stored_bytes": 60, "base64_bytes": 80 });
    assert_eq!(sizes["images"], json!([whole]));
    assert_eq!(sizes["file_bytes"], file.len());
    assert_eq!(sizes["base64_bytes"], file.len().div_ceil(3) * 4);
    let text = String::from_utf8(folder.ok(&["info", "a.tif", "--sizes"])).unwrap();
    assert!(text.contains("as base64") && text.contains("80 bytes"), "{text}");

    folder.ok(&["generate", "tissue", "b.npy", "-q", "--width", "1100", "--height", "700"]);
    folder.ok(&["pyramid", "b.npy", "b.tif", "--co", "COMPRESS=DEFLATE", "--co", "BLOCKSIZE=256"]);
    let sizes = &folder.json(&["info", "b.tif", "--sizes", "--json"])["image"]["sizes"];
    let levels = sizes["images"].as_array().unwrap();
    let of = |key: &str| levels.iter().map(|level| level[key].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!(of("level"), [0, 1, 2, 3]);
    let memory = [1100 * 700 * 3, 550 * 350 * 3, 275 * 175 * 3, 138 * 88 * 3];
    assert_eq!(of("memory_bytes"), memory);
    assert_eq!(sizes["memory_bytes"], memory.iter().sum::<u64>());
    let stored: u64 = of("stored_bytes").iter().sum();
    let file = folder.read("b.tif").len() as u64;
    assert!(stored < file && stored > file * 9 / 10, "{stored} of {file}");
    // Without --sizes nothing more is opened.
    assert!(folder.json(&["info", "b.tif", "--json"])["image"].get("sizes").is_none());
}

#[test]
fn options_of_a_run_are_refused_by_name() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("|u1", &[2, 3], &[0; 6]));
    for flag in ["--plan", "--report=r.json", "--checkpoint=c"] {
        let refused = folder.refused(2, &["info", "a.npy", flag]);
        assert!(refused.contains(flag.split('=').next().unwrap()), "{refused}");
    }
}

/// Planes behind a directory that are not one run cannot be read: `info` says so, and every job does, once.
#[test]
fn planes_that_are_not_read_are_said_by_every_job() {
    let folder = Folder::new();
    // ImageDepth of 6 in place of SamplesPerPixel, whose usual value is the file's; there is one plane.
    let mut file = tiff(5, 4, 1, &[7; 20]);
    let at = file.windows(2).rposition(|bytes| bytes == 277u16.to_le_bytes()).unwrap();
    file[at..at + 2].copy_from_slice(&32997u16.to_le_bytes());
    file[at + 8] = 6;
    folder.write("a.tif", &file);
    folder.write("b.npy", &npy("|u1", &[4, 5], &[7; 20]));
    let notice = "5 planes behind the first are not read (";
    let text = String::from_utf8(folder.ok(&["info", "a.tif"])).unwrap();
    assert!(text.contains(notice), "{text}");
    let notices = &folder.json(&["info", "a.tif", "--json"])["image"]["metadata"]["notices"];
    assert!(notices.as_array().is_some_and(|all| all.len() == 1), "{notices}");
    for args in [
        &["stats", "a.tif", "b.npy", "--percentiles", "50"][..],
        &["mean", "a.tif"],
        &["mean", "a.tif", "m.npy"],
        &["reduce", "max", "a.tif", "--over", "yx"],
        &["convert", "a.tif", "c.tif", "--scale", "auto", "--dtype", "u16"],
        &["convert", "a.tif", "d.npy", "--rotate", "90"],
        &["pyramid", "a.tif", "e.tif"],
        &["preview", "a.tif", "f.png"],
        &["encode", "a.tif", "g.txt", "--to", "png"],
        &["histogram", "a.tif"],
        &["checksum", "a.tif"],
        &["compare", "a.tif", "b.npy"],
        &["verify", "a.tif", "--page", "0"],
    ] {
        let outcome = folder.run(args);
        assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
        let said = format!("outcrop: warning: a.tif: {notice}");
        assert!(outcome.stderr.starts_with(&said), "{args:?}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.matches("warning").count(), 1, "{args:?}: {}", outcome.stderr);
    }
    folder.ok(&["stats", "a.tif", "-q"]);
    // What cannot be read cannot be found sound.
    let refused = folder.refused(1, &["verify", "a.tif"]);
    assert!(refused.starts_with(&format!("outcrop: a.tif: {notice}")), "{refused}");

    // A file that was cut before its second directory: its first page is read.
    let mut cut = tiff(5, 4, 1, &[7; 20]);
    let link = cut.len() - 4;
    cut[link..].copy_from_slice(&5000u32.to_le_bytes());
    folder.write("cut.tif", &cut);
    let outcome = folder.run(&["mean", "cut.tif"]);
    assert_eq!((outcome.code, outcome.stdout.as_slice()), (Some(0), &b"7.0\n"[..]), "{}", outcome.stderr);
    let said = "outcrop: warning: cut.tif: the directory at byte 5000 lies beyond the end of the file";
    assert!(outcome.stderr.starts_with(said), "{}", outcome.stderr);
    assert!(folder.refused(1, &["verify", "cut.tif"]).contains("the directory at byte 5000"));
}
