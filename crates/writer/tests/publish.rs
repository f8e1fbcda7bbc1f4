//! Nothing half, nothing clobbered, nothing left behind.

mod util;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use outcrop_core::Error;
use outcrop_writer::{Format, Options, Overwrite, PartialFile, Target, create};
use util::{bytes, described, feed, image, names, place, write};

fn refusal(path: &std::path::Path) -> String {
    match PartialFile::create(path, Overwrite::Refuse) {
        Err(Error::Usage(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_sink_that_is_dropped_leaves_nothing() {
    let img = image::<u8>(8, 8, 3);
    for name in ["a.raw", "a.npy", "a.hdr", "a.tif"] {
        let (folder, path) = place(name);
        let mut made = create(Target::Path(&path), &described(&img), &Options::default()).unwrap();
        feed(&mut *made.sink, &img, (2, 8)).unwrap();
        assert!(!path.exists() && !names(folder.path()).is_empty());
        drop(made);
        assert!(names(folder.path()).is_empty(), "{name}: {:?}", names(folder.path()));
    }
}

#[test]
fn an_output_that_exists_is_refused_or_replaced_whole() {
    let (folder, path) = place("a.raw");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(refusal(&path).ends_with("a.raw exists (use --overwrite)"));

    let img = image::<u8>(4, 4, 1);
    let options = Options { overwrite: Overwrite::Replace, ..Options::default() };
    let mut made = create(Target::Path(&path), &described(&img), &options).unwrap();
    feed(&mut *made.sink, &img, (2, 4)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    made.sink.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes(&img));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(names(folder.path()), ["a.raw"]);
}

#[test]
fn an_output_that_appears_meanwhile_is_not_clobbered() {
    let (folder, path) = place("a.raw");
    let img = image::<u8>(4, 4, 1);
    let mut made = create(Target::Path(&path), &described(&img), &Options::default()).unwrap();
    feed(&mut *made.sink, &img, (2, 4)).unwrap();
    fs::write(&path, "theirs").unwrap();
    let e = made.sink.finish().unwrap_err();
    assert!(matches!(&e, Error::Usage(t) if t.contains("meanwhile") && t.contains("--overwrite")), "{e}");
    assert_eq!(fs::read(&path).unwrap(), b"theirs");
    assert_eq!(names(folder.path()), ["a.raw"]);
}

#[test]
fn a_pair_whose_header_cannot_be_published_is_withdrawn() {
    let (folder, path) = place("a.raw");
    let img = image::<u8>(4, 4, 1);
    let options = Options { format: Some(Format::Envi), ..Options::default() };
    let mut made = create(Target::Path(&path), &described(&img), &options).unwrap();
    feed(&mut *made.sink, &img, (2, 4)).unwrap();
    fs::write(folder.path().join("a.hdr"), "theirs").unwrap();
    assert!(made.sink.finish().is_err());
    assert_eq!(names(folder.path()), ["a.hdr"]);
}

#[test]
fn folders_missing_folders_and_files_as_folders_are_refused() {
    let (folder, path) = place("a.raw");
    assert!(refusal(folder.path()).contains("is a folder"));
    assert!(refusal(&folder.path().join("none/a.raw")).contains("does not exist"));
    fs::write(&path, "x").unwrap();
    assert!(refusal(&path.join("b.raw")).contains("is not a folder"));
    assert!(refusal(std::path::Path::new("/")).contains("is a folder"));
    assert!(refusal(&folder.path().join("..")).contains("is a folder"));
}

#[test]
fn a_second_run_of_the_same_output_is_refused_and_a_stale_file_removed() {
    let (folder, path) = place("a.raw");
    let first = PartialFile::create(&path, Overwrite::Refuse).unwrap();
    assert!(refusal(&path).contains("another run"));
    drop(first);
    fs::write(folder.path().join(".a.raw.outcrop-part"), "half").unwrap();
    let mut again = PartialFile::create(&path, Overwrite::Refuse).unwrap();
    assert!(again.notices()[0].contains("earlier run"), "{:?}", again.notices());
    again.file().write_all_at(b"whole", 0).unwrap();
    again.publish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"whole");
    assert_eq!(names(folder.path()), ["a.raw"]);
}

#[test]
fn a_link_is_followed_and_a_planted_one_is_not() {
    let (folder, path) = place("link.raw");
    let real = folder.path().join("real.raw");
    fs::write(&real, "old").unwrap();
    symlink(&real, &path).unwrap();
    let partial = PartialFile::create(&path, Overwrite::Replace).unwrap();
    partial.file().write_all_at(b"new", 0).unwrap();
    partial.publish().unwrap();
    assert_eq!(fs::read(&real).unwrap(), b"new");
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());

    let victim = folder.path().join("victim");
    fs::write(&victim, "safe").unwrap();
    symlink(&victim, folder.path().join(".b.raw.outcrop-part")).unwrap();
    assert!(PartialFile::create(&folder.path().join("b.raw"), Overwrite::Refuse).is_err());
    assert_eq!(fs::read(&victim).unwrap(), b"safe");
}

#[test]
fn too_little_space_is_an_error_where_the_size_is_exact() {
    let (_folder, path) = place("a.raw");
    let mut partial = PartialFile::create(&path, Overwrite::Refuse).unwrap();
    let e = partial.ensure_space(1 << 60, true).unwrap_err().to_string();
    assert!(e.contains("needs 1152921504606846976 bytes"), "{e}");
    partial.ensure_space(1 << 60, false).unwrap();
    assert!(partial.notices()[0].contains("may need up to"));
    partial.ensure_space(1, true).unwrap();
}

#[test]
fn pipes_take_no_tiff_and_standard_output_needs_a_format() {
    let img = image::<u8>(4, 4, 1);
    let tiff = Options { format: Some(Format::Tiff), ..Options::default() };
    for (target, options) in [
        (Target::Stdout, Options::default()),
        (Target::Stdout, tiff.clone()),
        (Target::Path("/dev/null".as_ref()), tiff),
    ] {
        let e = create(target, &described(&img), &options).err().unwrap().to_string();
        assert!(e.contains("--to"), "{e}");
    }
    let e = create(Target::Path("a.xyz".as_ref()), &described(&img), &Options::default()).err().unwrap();
    assert!(e.to_string().contains("--to FORMAT"), "{e}");
}

/// Runs the test of that name of this binary again, under a limit of file sizes, with a folder to write to.
fn under_a_size_limit(test: &str, folder: &std::path::Path) -> std::process::Output {
    Command::new("sh")
        .args(["-c", "ulimit -f 16; exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env("OUTCROP_TEST_FOLDER", folder)
        .output()
        .unwrap()
}

/// 16 blocks are 8 or 16 KiB, as the shell counts. The limit must come as an error, not as SIGXFSZ.
#[test]
fn a_limit_of_file_sizes_is_an_error_before_the_first_pixel() {
    if let Ok(folder) = std::env::var("OUTCROP_TEST_FOLDER") {
        let img = image::<f64>(100, 100, 1);
        let path = std::path::Path::new(&folder).join("a.npy");
        let e = write(&path, &img, (10, 100), &described(&img), &Options::default()).unwrap_err();
        println!("{e}");
        assert!(e.to_string().contains("needs 80128 bytes"), "{e}");
        return;
    }
    let (folder, _) = place("a");
    let out = under_a_size_limit("a_limit_of_file_sizes_is_an_error_before_the_first_pixel", folder.path());
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && text.contains("ulimit -f"), "{out:?}");
    assert!(names(folder.path()).is_empty());
}
