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
    ];
    for name in ["a.npy", "tiles.tif", "strips.tif", "one.tif", "planar.tif"] {
        for (turn, wanted) in &turns {
            for out in ["o.raw", "o.tif"] {
                folder.ok(&[&["convert", name, out, "--overwrite", "--chunk", "20,10"][..], turn].concat());
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
    folder.refused(2, &["convert", "a.npy", "p.raw", "--rotate", "45"]);
    folder.refused(2, &["convert", "a.npy", "p.raw", "--rotate", "90", "--flip", "h"]);
}
