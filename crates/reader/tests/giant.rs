//! A giant compressed strip is read in bounded memory. A process of its own: it looks at its own peak.
#![cfg(target_os = "linux")]

use std::io::Write;
use std::sync::Arc;

use outcrop_core::{Channels, Order, Rect, Request, Scratch, Source};
use outcrop_reader::tiff::{self, TiffOptions};
use outcrop_reader::{IoMode, Store};

const WIDTH: u64 = 10_000;
const HEIGHT: u64 = 10_000;

/// The sample at a place: a gradient with noise, so that the stored strip is large as well.
fn sample(y: u64, i: u64) -> u8 {
    let noise = (y * 3 * WIDTH + i).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61;
    (y / 50 + i / 150 + noise) as u8
}

/// A classic TIFF of one strip of 10,000 x 10,000 RGB pixels: 300 MB decoded.
fn file(compression: u32, strip: &[u8]) -> Vec<u8> {
    let mut out = b"II*\0".to_vec();
    let directory = (8 + strip.len()).next_multiple_of(2);
    out.extend((directory as u32).to_le_bytes());
    out.extend(strip);
    out.resize(directory, 0);
    let bits = (directory + 2 + 10 * 12 + 4) as u32;
    let tags: [(u16, u16, u32, u32); 10] = [
        (256, 4, 1, WIDTH as u32),
        (257, 4, 1, HEIGHT as u32),
        (258, 3, 3, bits),
        (259, 3, 1, compression),
        (262, 3, 1, 2),
        (273, 4, 1, 8),
        (277, 3, 1, 3),
        (278, 4, 1, HEIGHT as u32),
        (279, 4, 1, strip.len() as u32),
        (284, 3, 1, 1),
    ];
    out.extend(10u16.to_le_bytes());
    for (tag, kind, count, value) in tags {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(count.to_le_bytes());
        out.extend(value.to_le_bytes());
    }
    out.extend(0u32.to_le_bytes());
    out.extend([8u16; 3].iter().flat_map(|b| b.to_le_bytes()));
    out
}

fn pixels() -> impl Iterator<Item = Vec<u8>> {
    (0..HEIGHT).map(|y| (0..3 * WIDTH).map(|i| sample(y, i)).collect())
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// Runs in a process of its own (see the next test), so that making the file does not count.
#[test]
#[ignore = "long tier: by way of the next test"]
fn a_giant_strip_in_a_child() {
    let Some(path) = std::env::var_os("OUTCROP_TEST_GIANT").map(std::path::PathBuf::from) else { return };
    for io in [IoMode::Map, IoMode::Read] {
        let source = tiff::open(Arc::new(Store::open(&path, io).unwrap()), &TiffOptions::default()).unwrap();
        assert_eq!(source.order(), Order::Sequential);
        let (all, mut scratch) = (Channels::all(3), Scratch::new());
        let cost = source.cost((100, WIDTH), &all).unwrap();
        assert!(cost.total() < 16 << 20, "{cost:?}");
        // A window: rows above it are skipped, columns beside it cut off.
        for y in (1000..HEIGHT).step_by(100) {
            let rect = Rect { y, x: 17, height: 100, width: WIDTH - 30 };
            let request = Request { rect, channels: &all };
            source.fetch(&request, &mut scratch).unwrap();
            let pixels = source.read(&request, &mut scratch).unwrap().pixels.typed::<u8>().unwrap();
            for (k, row) in pixels.outer_iter().enumerate() {
                let (y, row) = (y + k as u64, row.to_slice().unwrap());
                assert!(row.iter().zip(51u64..).all(|(&s, i)| s == sample(y, i)), "row {y}");
            }
        }
    }
    let peak = peak_mib();
    assert!(peak < 48, "{peak} MiB at the peak");
    println!("done, {peak} MiB at the peak");
}

#[test]
#[ignore = "long tier: strips of 300 MB"]
fn a_giant_strip_is_read_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut deflate = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut zstandard = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    for row in pixels() {
        deflate.write_all(&row).unwrap();
        zstandard.write_all(&row).unwrap();
    }
    let path = folder.path().join("giant.tif");
    for (compression, strip) in [(8, deflate.finish().unwrap()), (50_000, zstandard.finish().unwrap())] {
        std::fs::write(&path, file(compression, &strip)).unwrap();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "a_giant_strip_in_a_child", "--ignored", "--nocapture"]);
        let output = child.env("OUTCROP_TEST_GIANT", &path).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("done"),
            "{text}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        println!("{compression}: {} stored bytes, {text}", strip.len());
    }
}
