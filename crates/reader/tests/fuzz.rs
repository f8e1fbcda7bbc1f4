//! The fuzz targets' loops on stable, seeded: files of the matrix and of the corpus, changed here and there, must end in
//! pixels or in a typed error, soon.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[path = "../../fuzz/src/lib.rs"]
#[allow(unreachable_pub)]
mod bodies;

/// No case may take longer, on a machine that does other things as well.
const MOST: Duration = Duration::from_secs(120);

/// Cases that are tried however slow the machine is.
const LEAST: usize = 50;

/// A small generator of numbers (xorshift64*): the same changes on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 16) as usize % n.max(1)
    }

    /// Changes a few places of `data`, often near the start or the end, where directories are.
    fn mutate(&mut self, data: &mut Vec<u8>) {
        for _ in 0..1 + self.below(6) {
            if data.is_empty() {
                return;
            }
            let at = match self.below(3) {
                0 => self.below(data.len().min(300)),
                1 => data.len() - 1 - self.below(data.len().min(400)),
                _ => self.below(data.len()),
            };
            match self.below(6) {
                0 => data[at] ^= 1 << self.below(8),
                1 => data[at] = self.next() as u8,
                2 => {
                    let value =
                        [0, 1, 0xff, 0x7f, 0x80, 0xffff, 0x8000_0000, u64::MAX][self.below(8)].to_le_bytes();
                    let n = [1, 2, 4, 8][self.below(4)].min(data.len() - at);
                    data[at..at + n].copy_from_slice(&value[..n]);
                }
                3 => data.truncate(at),
                4 => {
                    let (from, n) = (self.below(data.len()), 1 + self.below(16));
                    let piece = data[from..data.len().min(from + n)].to_vec();
                    data.splice(at..at, piece);
                }
                _ => {
                    let end = data.len().min(at + 1 + self.below(8));
                    data.drain(at..end);
                }
            }
        }
    }
}

/// Runs one case; a panic or a slow case leaves its bytes in a file and fails the test with its name.
fn run(what: &str, data: &[u8], body: impl Fn(&[u8])) {
    let start = Instant::now();
    let sound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(data))).is_ok();
    let slow = start.elapsed() > MOST;
    if !sound || slow {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("found-{}", what.replace(['/', ' '], "-")));
        std::fs::write(&path, data).unwrap();
        panic!("{what}: {}; the bytes are in {}", if slow { "too slow" } else { "a panic" }, path.display());
    }
}

/// The files of a folder, in order; relative paths begin at the crate.
fn folder(path: impl AsRef<Path>) -> Vec<(String, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let mut files: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())
    };
    files.into_iter().map(read).collect()
}

/// Small TIFF files of every kind.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let cases = outcrop_testkit::tiff_matrix::all_cases();
    let mut seeds: Vec<_> = cases.iter().step_by(37).map(|c| (c.name(), c.file())).collect();
    let Some(corpus) = outcrop_testkit::corpus::folder() else { return seeds };
    for name in ["files", "malformed"] {
        seeds.extend(folder(corpus.join(name)).into_iter().filter(|(_, bytes)| bytes.len() <= 40_000));
    }
    seeds
}

fn mutated_files(time: Duration) {
    let seeds = seeds();
    let (dir, start, mut random) = (tempfile::tempdir().unwrap(), Instant::now(), Random(1));
    let path = dir.path().join("case.tif");
    let mut cases = 0;
    while start.elapsed() < time || cases < LEAST {
        let (name, seed) = &seeds[random.below(seeds.len())];
        let mut data = seed.clone();
        random.mutate(&mut data);
        run(&format!("{name} {cases}"), &data, |data| bodies::tiff(data, &path));
        cases += 1;
    }
    println!("{cases} cases of {} seeds", seeds.len());
}

fn mutated_blocks(time: Duration) {
    let codecs = [bodies::BYTE_CODECS, bodies::FAX_CODECS, bodies::IMAGE_CODECS];
    let blocks: [&[u8]; 11] = [
        include_bytes!("../src/tiff/codec/testdata/cmyk.jpg"),
        include_bytes!("../src/tiff/codec/testdata/gray.jpg"),
        include_bytes!("../src/tiff/codec/testdata/ycbcr.jpg"),
        include_bytes!("../src/tiff/codec/testdata/gray16.jp2"),
        include_bytes!("../src/tiff/codec/testdata/rgb.j2k"),
        include_bytes!("../src/tiff/codec/testdata/rgb.jxl"),
        include_bytes!("../src/tiff/codec/testdata/rgb.png"),
        include_bytes!("../src/tiff/codec/testdata/rgba.webp"),
        include_bytes!("lerc/huffman.lerc"),
        include_bytes!("lerc/tiles.lerc"),
        b"\x80\x00\x20\x50\x38\x24\x16\x0d\x07\x84\x42\x61\x50\xb8\x64\x36\x1d\x0f\x88\x44\x60",
    ];
    let (start, mut random) = (Instant::now(), Random(2));
    let mut cases = 0;
    while start.elapsed() < time || cases < LEAST {
        let codecs = codecs[random.below(3)];
        let mut stored = match random.below(3) {
            0 => (0..random.below(300)).map(|_| random.next() as u8).collect(),
            _ => blocks[random.below(blocks.len())].to_vec(),
        };
        random.mutate(&mut stored);
        let mut data: Vec<u8> = (0..12).map(|_| random.next() as u8).collect();
        // The width and height of the test blocks, half the time.
        if random.below(2) == 0 {
            (data[7], data[8], data[11]) = (12, 8, 8);
        }
        data.extend(stored);
        run(&format!("block {cases} of {codecs:?}"), &data, |data| bodies::block(codecs, data));
        cases += 1;
    }
    println!("{cases} cases");
}

/// Pictures, and headers with or without the samples that they speak of.
fn mutated_pictures_and_headers(time: Duration) {
    let (dir, start, mut random) = (tempfile::tempdir().unwrap(), Instant::now(), Random(3));
    let path = dir.path().join("case.hdr");
    std::fs::write(path.with_extension("raw"), [0; 4096]).unwrap();
    let kinds = [
        (bodies::PICTURES, [folder("../fuzz/seeds/pictures"), folder("src/tiff/codec/testdata")].concat()),
        (bodies::HEADERS, folder("../fuzz/seeds/headers")),
    ];
    for (formats, seeds) in &kinds {
        for (name, seed) in seeds {
            let shows_itself = outcrop_reader::Format::from_content(&seed[..16.min(seed.len())]);
            // Streams of JPEG 2000 and JPEG XL are no files that are read.
            assert!(shows_itself.is_some_and(|f| formats.contains(&f)) || name.contains(".j"), "{name}");
        }
    }
    let mut cases = 0;
    while start.elapsed() < time || cases < LEAST {
        let (formats, seeds) = &kinds[random.below(2)];
        let (name, seed) = &seeds[random.below(seeds.len())];
        let mut data = seed.clone();
        random.mutate(&mut data);
        run(&format!("{name} {cases}"), &data, |data| bodies::file(formats, data, &path));
        cases += 1;
    }
    println!("{cases} cases");
}

#[test]
fn mutated_pictures_and_headers_end_in_pixels_or_an_error() {
    mutated_pictures_and_headers(Duration::from_secs(3));
}

#[test]
fn mutated_files_end_in_pixels_or_an_error() {
    mutated_files(Duration::from_secs(5));
}

#[test]
fn mutated_blocks_end_in_pixels_or_an_error() {
    mutated_blocks(Duration::from_secs(4));
}

#[test]
#[ignore = "long tier: two minutes"]
fn many_more_mutated_files_and_blocks() {
    mutated_files(Duration::from_secs(90));
    mutated_blocks(Duration::from_secs(30));
    mutated_pictures_and_headers(Duration::from_secs(30));
}
