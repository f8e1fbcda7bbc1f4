//! The same bytes for every number of threads and every shape of chunks.

use crate::util::{Folder, noise, npy};

/// NumPy's codes of all sample types, with their bytes.
const TYPES: [(&str, usize); 11] = [
    ("|u1", 1),
    ("<u2", 2),
    ("<u4", 4),
    ("<u8", 8),
    ("|i1", 1),
    ("<i2", 2),
    ("<i4", 4),
    ("<i8", 8),
    ("<f2", 2),
    ("<f4", 4),
    ("<f8", 8),
];

/// Rows, columns, channels: ones, primes, and edges that do not divide.
const SHAPES: [[u64; 3]; 5] = [[1, 1, 1], [1, 61, 3], [67, 1, 1], [31, 37, 2], [64, 50, 5]];

const CHUNKS: [&str; 4] = ["1,1000000", "7,11", "13,1000000", "1000000,1000000"];

/// Runs the same job in every way and demands the same answer.
fn same_in_every_way(folder: &Folder, args: &[&str], output: Option<&str>, what: &str) {
    let mut first = None;
    for threads in ["1", "2", "7"] {
        for chunk in CHUNKS {
            let args = [args, &["-j", threads, "--chunk", chunk]].concat();
            // Plans hold for every shape of chunks; they know of threads only how many chunks are in flight.
            let out = if threads == "2" { folder.as_planned(&args, output).0 } else { folder.ok(&args) };
            let answer = output.map_or(out, |name| folder.read(name));
            assert!(!answer.is_empty());
            let first = first.get_or_insert_with(|| answer.clone());
            assert!(*first == answer, "{what}: {threads} threads and chunks of {chunk} differ");
        }
    }
}

#[test]
fn stats_are_the_same_in_every_way() {
    let folder = Folder::new();
    for (descr, size) in TYPES {
        for shape in SHAPES {
            let data = noise(shape.iter().product::<u64>() as usize * size);
            folder.write("a.npy", &npy(descr, &shape, &data));
            same_in_every_way(&folder, &["stats", "a.npy", "--json"], None, &format!("{descr} {shape:?}"));
        }
    }
}

#[test]
fn mean_is_the_same_in_every_way() {
    let folder = Folder::new();
    for (descr, size) in TYPES {
        for shape in SHAPES {
            let data = noise(shape.iter().product::<u64>() as usize * size);
            folder.write("a.npy", &npy(descr, &shape, &data));
            let args = ["mean", "a.npy", "m.npy", "--overwrite"];
            same_in_every_way(&folder, &args, Some("m.npy"), &format!("{descr} {shape:?}"));
        }
    }
}

/// Everything that `stats` finds, with as many passes as it takes, of each channel and of all.
#[test]
fn all_figures_are_the_same_in_every_way() {
    let folder = Folder::new();
    let all = ["--percentiles", "0.1,50,99", "--histogram", "9", "--moments", "--covariance"];
    for (descr, size) in TYPES {
        let shape = [31, 37, 2];
        let bytes = noise(31 * 37 * 2 * size);
        // The exponent of a float that is not finite has no range for a histogram: such bytes lose a bit.
        let finite = |(i, b): (usize, u8)| if i % size == size - 1 { b & 0xbf } else { b };
        let bytes: Vec<u8> = match descr.as_bytes()[1] {
            b'f' => bytes.into_iter().enumerate().map(finite).collect(),
            _ => bytes,
        };
        folder.write("a.npy", &npy(descr, &shape, &bytes));
        folder.write(
            "m.npy",
            &npy("|u1", &shape[..2], &noise(31 * 37).iter().map(|b| b % 3).collect::<Vec<_>>()),
        );
        let mask = ["stats", "a.npy", "--json", "--mask", "m.npy"];
        for pool in ["--per-channel", "--all-channels"] {
            let args = [&mask[..], &all[..], &[pool]].concat();
            same_in_every_way(&folder, &args, None, &format!("{descr} {pool}"));
        }
    }
}

#[test]
fn reductions_are_the_same_in_every_way() {
    let folder = Folder::new();
    for (descr, size) in [("|u1", 1), ("<i2", 2), ("<u8", 8), ("<f4", 4)] {
        folder.write("a.npy", &npy(descr, &[31, 37, 2], &noise(31 * 37 * 2 * size)));
        for (op, over) in [
            ("median", "c"),
            ("std", "c"),
            ("mean", "y"),
            ("median", "y"),
            ("argmax", "x"),
            ("percentile:5", "x"),
            ("norm-l1", "yx"),
        ] {
            let args = ["reduce", op, "a.npy", "r.npy", "--over", over, "--overwrite"];
            same_in_every_way(&folder, &args, Some("r.npy"), &format!("{op} of {descr} over {over}"));
        }
    }
}

#[test]
fn mapped_and_read_files_give_the_same() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("<f4", &[211, 103, 3], &noise(211 * 103 * 3 * 4)));
    let mapped = folder.ok(&["stats", "a.npy", "--json", "--io", "map"]);
    let read = folder.ok(&["stats", "a.npy", "--json", "--io", "read"]);
    assert_eq!(mapped, read);
}
