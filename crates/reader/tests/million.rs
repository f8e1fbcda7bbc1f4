//! Opening a file of a million blocks reads its directories and no table. Counts what this thread reads, not time.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use outcrop_reader::{IoMode, OpenOptions, open};

/// Bytes that this thread has read so far, by any call.
fn read_so_far() -> u64 {
    let counters = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    counters.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

/// A BigTIFF of 20,000 x 20,000 bytes in tiles of 16 x 16: 1,562,500 blocks, none of them written; nor are the tables.
fn sparse_file(path: &std::path::Path) -> u64 {
    const BLOCKS: u64 = 1250 * 1250;
    let tables = 4096;
    let entries: [(u16, u16, u64, u64); 11] = [
        (256, 4, 1, 20_000),
        (257, 4, 1, 20_000),
        (258, 3, 1, 8),
        (259, 3, 1, 8),
        (262, 3, 1, 1),
        (277, 3, 1, 1),
        (322, 3, 1, 16),
        (323, 3, 1, 16),
        (324, 16, BLOCKS, tables),
        (325, 4, BLOCKS, tables + 8 * BLOCKS),
        (339, 3, 1, 1),
    ];
    let mut bytes = b"II\x2b\0\x08\0\0\0".to_vec();
    bytes.extend(16u64.to_le_bytes());
    bytes.extend((entries.len() as u64).to_le_bytes());
    for (tag, kind, count, value) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(0u64.to_le_bytes());
    let mut file = File::create(path).unwrap();
    file.write_all(&bytes).unwrap();
    let length = tables + 12 * BLOCKS;
    file.seek(SeekFrom::Start(length - 1)).unwrap();
    file.write_all(&[0]).unwrap();
    length
}

#[test]
fn opening_a_million_blocks_reads_no_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("million.tif");
    let length = sparse_file(&path);
    let before = read_so_far();
    let source = open(&path, &OpenOptions { io: IoMode::Read, ..OpenOptions::default() }).unwrap();
    let opened = read_so_far() - before;
    assert_eq!(source.image().extent.width, 20_000);
    assert!(opened < 256 << 10, "{opened} bytes read of {length}");
    // The control: the sum of all byte counts takes the whole table of them.
    assert_eq!(source.stored_bytes().unwrap(), 0);
    let summed = read_so_far() - before;
    assert!(summed > 4 * 1250 * 1250, "{summed} bytes read");
}
