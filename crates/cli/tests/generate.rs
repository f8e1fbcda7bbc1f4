//! `outcrop generate`: images of any size, the same for the same seed.

use crate::util::Folder;

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let folder = Folder::new();
    for pattern in ["squares", "gradient", "noise", "checkerboard", "mandelbrot", "tissue"] {
        let size = ["--width", "97", "--height", "61", "--channels", "3", "--seed", "5"];
        let make = |name: &str, more: &[&str]| {
            folder.ok(&[&["generate", pattern, name], &size[..], more].concat());
            folder.read(name)
        };
        let once = make(&format!("{pattern}1.raw"), &["-j", "1"]);
        let again = make(&format!("{pattern}2.raw"), &["-j", "7", "--chunk", "3,11"]);
        assert_eq!(once.len(), 97 * 61 * 3);
        assert!(once == again, "{pattern} differs");
        assert!(once.iter().any(|&b| b != once[0]), "{pattern} is flat");
    }
}

#[test]
fn another_seed_gives_another_image() {
    let folder = Folder::new();
    for pattern in ["squares", "noise", "tissue"] {
        let make = |seed: &str| {
            folder.ok(&[
                "generate", pattern, "-", "--to", "raw", "--width", "64", "--height", "64", "--seed", seed,
            ])
        };
        assert!(make("1") != make("2"), "{pattern}");
    }
}

#[test]
fn squares_are_counted() {
    let folder = Folder::new();
    let make = |count: &str| {
        folder.ok(&[
            "generate", "squares", "-", "--to", "raw", "--width", "64", "--height", "64", "--count", count,
        ])
    };
    assert!(make("0").iter().all(|&b| b == 0));
    assert!(make("30").iter().filter(|&&b| b != 0).count() > make("1").iter().filter(|&&b| b != 0).count());
}

#[test]
fn every_sample_type_is_made() {
    let folder = Folder::new();
    for (name, bytes) in
        [("u8", 1), ("int16", 2), ("f16", 2), ("uint32", 4), ("f32", 4), ("i64", 8), ("float64", 8)]
    {
        let size = ["--width", "5", "--height", "3", "--channels", "2", "--dtype", name];
        let made = folder.ok(&[&["generate", "noise", "-", "--to", "raw"], &size[..]].concat());
        assert_eq!(made.len(), 5 * 3 * 2 * bytes, "{name}");
    }
}

#[test]
fn sizes_of_zero_are_refused() {
    let folder = Folder::new();
    folder.refused(2, &["generate", "noise", "a.npy", "--width", "0", "--height", "5"]);
    folder.refused(2, &["generate", "noise", "a.npy", "--width", "5"]);
    let line = folder.refused(2, &["generate", "plaid", "a.npy", "--width", "5", "--height", "5"]);
    assert!(line.contains("squares"), "{line}");
}
