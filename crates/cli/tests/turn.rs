//! `outcrop convert --flip`, `--rotate` and `--transpose`, of every layout that is stored another way.

use crate::util::{Folder, npy};

const HEIGHT: usize = 70;
const WIDTH: usize = 50;

fn sample(y: usize, x: usize, c: usize) -> u8 {
    (y * 7 + x * 13 + c * 101) as u8
}

/// `rows` x `columns` pixels of two channels, each the input's at the place that `at` says.
fn picture(rows: usize, columns: usize, at: impl Fn(usize, usize) -> (usize, usize)) -> Vec<u8> {
    let mut samples = Vec::new();
    for y in 0..rows {
        for x in 0..columns {
            let (y, x) = at(y, x);
            samples.extend([sample(y, x, 0), sample(y, x, 1)]);
        }
    }
    samples
}

#[test]
fn every_turn_of_every_layout_is_that_of_numpy() {
    let folder = Folder::new();
    let whole = picture(HEIGHT, WIDTH, |y, x| (y, x));
    folder.write("a.npy", &npy("|u1", &[HEIGHT as u64, WIDTH as u64, 2], &whole));
    let layouts = [
        ("tiles.tif", "COMPRESS=DEFLATE BLOCKXSIZE=32 BLOCKYSIZE=16"),
        ("strips.tif", "COMPRESS=LZW TILED=NO BLOCKYSIZE=9"),
        ("one.tif", "COMPRESS=ZSTD TILED=NO BLOCKYSIZE=70"),
        ("planar.tif", "COMPRESS=NONE INTERLEAVE=BAND BLOCKXSIZE=16"),
    ];
    for (name, options) in layouts {
        let mut args = vec!["convert", "a.npy", name];
        options.split(' ').for_each(|o| args.extend(["--co", o]));
        folder.ok(&args);
    }
    let (h, w) = (HEIGHT - 1, WIDTH - 1);
    let turns = [
        (["--flip", "h"], picture(HEIGHT, WIDTH, |y, x| (y, w - x))),
        (["--flip", "v"], picture(HEIGHT, WIDTH, |y, x| (h - y, x))),
        (["--rotate", "90"], picture(WIDTH, HEIGHT, |y, x| (h - x, y))),
        (["--rotate", "180"], picture(HEIGHT, WIDTH, |y, x| (h - y, w - x))),
        (["--rotate", "270"], picture(WIDTH, HEIGHT, |y, x| (x, w - y))),
        (["--transpose", "-q"], picture(WIDTH, HEIGHT, |y, x| (x, y))),
        (["--rotate=180", "--transpose"], picture(WIDTH, HEIGHT, |y, x| (h - x, w - y))),
        // In a fixed order, whatever was typed first.
        (["--rotate=90", "--flip=h"], picture(WIDTH, HEIGHT, |y, x| (h - x, w - y))),
        (["--rotate=180", "--flip=v"], picture(HEIGHT, WIDTH, |y, x| (y, w - x))),
    ];
    for name in ["a.npy", "tiles.tif", "strips.tif", "one.tif", "planar.tif"] {
        for (turn, wanted) in &turns {
            for out in ["o.raw", "o.tif"] {
                let args = [&["convert", name, out, "--overwrite", "--chunk", "20,10"][..], turn].concat();
                folder.as_planned(&args, Some(out));
                let found = if out == "o.raw" {
                    folder.read(out)
                } else {
                    folder.ok(&["convert", out, "o.raw", "--overwrite"]);
                    folder.read("o.raw")
                };
                assert!(&found == wanted, "{turn:?} of {name} as {out}");
            }
        }
    }
    assert!(folder.names().iter().all(|name| !name.starts_with('.')), "{:?}", folder.names());
}

#[test]
fn a_window_is_cut_before_it_is_turned() {
    let folder = Folder::new();
    let whole = picture(HEIGHT, WIDTH, |y, x| (y, x));
    folder.write("a.npy", &npy("|u1", &[HEIGHT as u64, WIDTH as u64, 2], &whole));
    folder.ok(&["convert", "a.npy", "o.raw", "--rotate", "90", "--window", "3,5,20,10", "--channels", "2"]);
    let wanted: Vec<u8> = (0..200).map(|i| sample(5 + 9 - i % 10, 3 + i / 10, 1)).collect();
    assert_eq!(folder.read("o.raw"), wanted);
    // What is decoded is planned too, wherever blocks end.
    folder.ok(&["convert", "a.npy", "a.tif", "--co", "COMPRESS=LZW", "--co", "BLOCKSIZE=16"]);
    for turn in ["--rotate=90", "--rotate=180", "--rotate=270", "--flip=h", "--flip=v", "--transpose"] {
        for window in ["0,0,50,70", "3,5,20,10", "17,20,30,40", "16,32,16,16", "33,1,17,69"] {
            for chunk in [&[][..], &["--chunk", "16,16"], &["--chunk", "20,10"]] {
                let args = ["convert", "a.tif", "o.raw", "--overwrite", turn, "--window", window];
                folder.as_planned(&[&args, chunk].concat(), Some("o.raw"));
            }
        }
    }
    folder.refused(2, &["convert", "a.npy", "p.raw", "--rotate", "45"]);
    folder.refused(2, &["convert", "a.npy", "p.raw", "--flip", "h", "--flip", "v"]);
}

#[test]
fn a_turned_image_is_not_turned_again_by_its_orientation() {
    let folder = Folder::new();
    // Two pixels, then 300 and 150 pixels an inch, then the directory.
    let mut file = b"II*\0\x1a\0\0\0\x01\x02".to_vec();
    file.extend([300, 1, 150, 1].map(u32::to_le_bytes).concat());
    let entries = [
        (256, 3, 2),
        (257, 3, 1),
        (258, 3, 8),
        (262, 3, 1),
        (273, 4, 8),
        (274, 3, 6),
        (279, 4, 2),
        (282, 5, 10),
        (283, 5, 18),
        (296, 3, 2u32),
    ];
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, value) in entries {
        file.extend([tag, kind].map(u16::to_le_bytes).concat());
        file.extend([1, value].map(u32::to_le_bytes).concat());
    }
    file.extend([0; 4]);
    folder.write("a.tif", &file);
    let said = |options: &[&str]| {
        folder.ok(&[&["convert", "a.tif", "b.tif", "--overwrite"], options].concat());
        let metadata = folder.json(&["info", "b.tif", "--json"])["image"]["metadata"].clone();
        (metadata["orientation"].as_u64(), metadata["resolution"]["x"].as_f64())
    };
    assert_eq!(said(&[]), (Some(6), Some(300.0)));
    assert_eq!(said(&["--flip", "h"]), (None, Some(300.0)));
    assert_eq!(said(&["--rotate", "90"]), (None, Some(150.0)));
}
