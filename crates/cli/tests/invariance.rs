//! The same bytes for every number of threads and every shape of chunks.

use crate::util::{Folder, npy};

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

/// Bytes that look random and are the same on every machine (xorshift64).
fn bytes(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..count.div_ceil(8)).flat_map(|_| next()).take(count).collect()
}

/// Runs the same job in every way and demands the same answer.
fn same_in_every_way(folder: &Folder, args: &[&str], output: Option<&str>, what: &str) {
    let mut first = None;
    for threads in ["1", "2", "7"] {
        for chunk in CHUNKS {
            let out = folder.ok(&[args, &["-j", threads, "--chunk", chunk]].concat());
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
            let data = bytes(shape.iter().product::<u64>() as usize * size);
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
            let data = bytes(shape.iter().product::<u64>() as usize * size);
            folder.write("a.npy", &npy(descr, &shape, &data));
            let args = ["mean", "a.npy", "m.npy", "--overwrite"];
            same_in_every_way(&folder, &args, Some("m.npy"), &format!("{descr} {shape:?}"));
        }
    }
}

#[test]
fn mapped_and_read_files_give_the_same() {
    let folder = Folder::new();
    folder.write("a.npy", &npy("<f4", &[211, 103, 3], &bytes(211 * 103 * 3 * 4)));
    let mapped = folder.ok(&["stats", "a.npy", "--json", "--io", "map"]);
    let read = folder.ok(&["stats", "a.npy", "--json", "--io", "read"]);
    assert_eq!(mapped, read);
}
