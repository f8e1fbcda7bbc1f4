//! Real files against the answers of other readers: `OUTCROP_CORPUS`, or `shared/corpus` beside the repository.
//!
//! A well-formed file is read right or refused by name; a malformed one ends in a typed error or in pixels, with
//! bounded work. Without a corpus the tests say so and pass.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outcrop_core::{Channels, ChunkGrid, Error, Order, Request, Sample, Scratch, Source, with_pixels};
use outcrop_reader::tiff::{self, TiffOptions};
use outcrop_reader::{IoMode, Store};
use outcrop_testkit::corpus;
use serde_json::Value as Json;

/// Files of the corpus that are refused, by codec. Numbers may only fall.
///
/// Complex samples (ADOBE_DEFLATE 1, NONE 2), JPEG of 12 bits, a ThunderScan strip cut short.
const REFUSED: &[(&str, usize)] = &[("ADOBE_DEFLATE", 1), ("JPEG", 1), ("NONE", 2), ("THUNDERSCAN", 1)];

/// Files whose reference is one reader's convention and not ours.
const OTHERWISE: &[(&str, &str)] = &[
    ("image-tiff__ycbcr-cat.tif", "GDAL's array is converted to RGB; ours is the stored YCbCr"),
    ("image-tiff__zackthecat.tif", "GDAL stretches by ReferenceBlackWhite; ours is what the JPEG decodes to"),
];

fn open(path: &Path, io: IoMode) -> Result<Box<dyn Source>, Error> {
    let store = Arc::new(Store::open(path, io)?);
    Ok(Box::new(tiff::open(store, &TiffOptions::default())?))
}

/// A whole image read in chunks, as little-endian bytes in C order.
struct Whole {
    bytes: Vec<u8>,
    shape: [u64; 3],
    dtype: &'static str,
    means: Vec<f64>,
    /// Least and greatest sample of each channel.
    ranges: Vec<(f64, f64)>,
}

/// What chunks are multiples of: a stream goes on where it stopped.
fn align(source: &dyn Source) -> (u64, u64) {
    let image = source.image();
    match source.order() {
        Order::Sequential => (1, image.extent.width),
        Order::Any => image.layout.align(image.extent.width),
    }
}

/// Reads all chunks of about `rows` rows. Checks on the way that each keeps within the cost that was named.
fn read(source: &dyn Source, rows: u64) -> Result<Whole, Error> {
    let image = source.image();
    let extent = image.extent;
    let grid = ChunkGrid::new(extent.rect(), (rows, extent.width), align(source));
    let channels = Channels::all(extent.channels);
    let cost = source.cost(grid.shape(), &channels)?;
    let size = image.decoded_bytes();
    if size.max(cost.total()) > 1 << 30 {
        return Err(Error::Limits {
            what: "the image".into(),
            needed: size.max(cost.total()),
            limit: 1 << 30,
        });
    }
    let mut bytes = Vec::with_capacity(size as usize);
    let mut sums = vec![0f64; extent.channels as usize];
    let mut ranges = vec![(f64::INFINITY, f64::NEG_INFINITY); extent.channels as usize];
    let mut scratch = Scratch::new();
    for chunk in 0..grid.len() {
        let request = Request { rect: grid.rect(chunk), channels: &channels };
        source.fetch(&request, &mut scratch)?;
        let pixels = source.read(&request, &mut scratch)?.pixels;
        assert_eq!(pixels.dtype(), image.dtype);
        with_pixels!(pixels, view => {
            for (i, &sample) in view.iter().enumerate() {
                let (channel, value) = (i % extent.channels as usize, sample.to_f64());
                sums[channel] += value;
                ranges[channel] = (ranges[channel].0.min(value), ranges[channel].1.max(value));
                bytes.extend_from_slice(bytemuck::bytes_of(&sample));
            }
        });
        let held = (scratch.decoded.len() + scratch.block.len()) as u64;
        assert!(held <= cost.scratch_bytes, "{held} bytes of scratch, {cost:?}");
        let stored = scratch.stored.len() as u64;
        assert!(stored <= cost.stored_bytes, "{stored} stored bytes, {cost:?}");
        source.release(&request);
    }
    let pixels = (extent.height * extent.width) as f64;
    Ok(Whole {
        bytes,
        shape: [extent.height, extent.width, extent.channels],
        dtype: image.dtype.name(),
        means: sums.iter().map(|s| s / pixels).collect(),
        ranges,
    })
}

/// What is wrong with what was read, if anything.
fn fault(whole: &Whole, reference: &Json) -> Option<String> {
    let shape: Vec<u64> = reference["shape"].as_array()?.iter().filter_map(Json::as_u64).collect();
    if shape != whole.shape {
        return Some(format!("shape {:?}, expected {shape:?}", whole.shape));
    }
    let dtype = reference["dtype"].as_str()?;
    if reference["exact"] == true {
        if dtype != whole.dtype {
            return Some(format!("{}, expected {dtype}", whole.dtype));
        }
        return (corpus::sha256(&whole.bytes) != reference["sha256"]).then(|| "other pixels".into());
    }
    let numbers = |list: &Json| -> Option<Vec<f64>> {
        Some(list.as_array()?.iter().filter_map(|n| n.as_f64().or(n["mean"].as_f64())).collect())
    };
    let tolerance = reference["tolerance_abs"].as_f64()?;
    let near = |means: &[f64]| means.iter().zip(&whole.means).all(|(a, b)| (a - b).abs() <= tolerance);
    let first = numbers(&reference["channels"])?;
    let second = numbers(&reference["gdal_channel_means"]);
    if !near(&first) && !second.is_some_and(|means| near(&means)) {
        return Some(format!("means {:?}, expected {first:?} within {tolerance}", whole.means));
    }
    let channels = reference["channels"].as_array()?.iter().zip(&whole.ranges);
    let mut ranges = channels.map(|(c, found)| ((c["min"].as_f64(), c["max"].as_f64()), found));
    ranges.find_map(|((min, max), found)| {
        let near = |a: Option<f64>, b: f64| a.is_none_or(|a| (a - b).abs() <= tolerance);
        let right = near(min, found.0) && near(max, found.1);
        (!right).then(|| format!("range {found:?}, expected {min:?} to {max:?} within {tolerance}"))
    })
}

#[test]
fn well_formed_files_are_read_right_or_refused_by_name() {
    let Some(dir) = corpus::folder() else { return };
    let mut table: BTreeMap<(String, String), [usize; 4]> = BTreeMap::new();
    let (mut wrong, mut refused) = (Vec::new(), BTreeMap::<String, usize>::new());
    for row in corpus::manifest(&dir) {
        let features = &row["features"];
        if features["container"] != "tiff" {
            continue;
        }
        let file = row["file"].as_str().unwrap();
        let codec = features["compression_name"].as_str().unwrap_or("?").to_owned();
        let format = if features["bigtiff"] == true { "BigTIFF" } else { "TIFF" };
        let counts = table.entry((format.into(), codec.clone())).or_default();
        let reference = &row["reference"];
        // Mapped in chunks that follow the blocks, and by reads in chunks of an odd number of rows.
        for (io, rows) in [(IoMode::Map, 64), (IoMode::Read, 37)] {
            let judged = reference["sha256"].is_string();
            let path = dir.join("files").join(file);
            // Without a reference the image may be huge: some of it will do.
            let result = if judged {
                open(&path, io).and_then(|source| read(&*source, rows)).map(Some)
            } else {
                read_some(&path, io)
            };
            let outcome = match result {
                Ok(Some(whole)) if judged => fault(&whole, reference).map(|why| {
                    let other = OTHERWISE.iter().any(|&(name, _)| name == file);
                    if other || reference["contested"] == true { (3, why) } else { (2, why) }
                }),
                Ok(_) => None,
                // What no other reader decodes either may break in any typed way.
                Err(e) if !judged || matches!(e.root(), Error::Unsupported(_)) => Some((1, e.to_string())),
                Err(e) => Some((2, e.to_string())),
            };
            let (kind, why) = outcome.unwrap_or_default();
            if kind > 0 {
                println!("{}: {file}: {why}", ["right", "refused", "WRONG", "contested"][kind]);
            }
            if io == IoMode::Map {
                counts[kind] += 1;
                if kind == 1 {
                    *refused.entry(codec.clone()).or_default() += 1;
                }
            }
            if kind == 2 {
                wrong.push(format!("{file} ({io:?}): {why}"));
            }
        }
    }
    println!("\nformat     codec            right  refused  wrong  contested");
    for ((format, codec), [right, refused, wrong, contested]) in &table {
        println!("{format:<10} {codec:<15} {right:>6} {refused:>8} {wrong:>6} {contested:>10}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let expected: BTreeMap<String, usize> = REFUSED.iter().map(|&(c, n)| (c.to_owned(), n)).collect();
    assert_eq!(refused, expected, "files refused by codec");
}

/// Reads all of a small image, and a few chunks of a large one.
fn read_some(path: &Path, io: IoMode) -> Result<Option<Whole>, Error> {
    let source = open(path, io)?;
    let image = source.image();
    if image.decoded_bytes() <= 64 << 20 {
        return read(&*source, 64).map(Some);
    }
    let extent = image.extent;
    let grid = ChunkGrid::new(extent.rect(), (64, 1024), align(&*source));
    let channels = Channels::select(vec![0], extent.channels)?;
    let cost = source.cost(grid.shape(), &channels)?;
    if cost.total() > 256 << 20 {
        return Err(Error::Budget { needed: cost.total(), budget: 256 << 20 });
    }
    let mut scratch = Scratch::new();
    for chunk in [0, 1, 2, grid.len() / 2, grid.len() - 1] {
        let request = Request { rect: grid.rect(chunk.min(grid.len() - 1)), channels: &channels };
        source.fetch(&request, &mut scratch)?;
        source.read(&request, &mut scratch)?;
    }
    Ok(None)
}

/// Runs in a process of its own (see the next test), a line or two per file.
#[test]
fn malformed_files_in_a_child() {
    let Some(dir) = std::env::var_os("OUTCROP_TEST_MALFORMED").map(PathBuf::from) else { return };
    for row in corpus::manifest(&dir) {
        let file = row["file"].as_str().unwrap();
        for io in [IoMode::Map, IoMode::Read] {
            println!("begin {file}");
            let reference = &row["reference"];
            // What two readers agree on; the rest are one tolerant reader's word.
            let agreed = reference["sha256"].is_string()
                && reference["exact"] == true
                && reference["confirmed_by"].as_array().is_some_and(|by| !by.is_empty());
            match read_some(&dir.join(file), io) {
                Ok(Some(whole)) if agreed => match fault(&whole, reference) {
                    Some(why) => println!("WRONG {file}: {why}"),
                    None => println!("end {file}: the pixels that two readers agree on"),
                },
                Ok(_) => println!("end {file}: pixels"),
                Err(Error::Panic(why)) => println!("WRONG {file}: {why}"),
                Err(e) => println!("end {file}: {e}"),
            }
        }
    }
    println!("all done");
}

#[test]
fn malformed_files_end_in_an_error_or_in_pixels() {
    use std::os::unix::process::CommandExt;
    let Some(dir) = corpus::folder() else { return };
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "malformed_files_in_a_child", "--nocapture"]);
    child.env("OUTCROP_TEST_MALFORMED", dir.join("malformed"));
    // SAFETY: setrlimit may be called between fork and exec.
    unsafe {
        child.pre_exec(|| {
            for (resource, limit) in [(libc::RLIMIT_AS, 2 << 30), (libc::RLIMIT_CPU, 60)] {
                let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
                if libc::setrlimit(resource, &limit) != 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
    let output = child.output().unwrap();
    let lines = String::from_utf8_lossy(&output.stdout);
    println!("{lines}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && lines.contains("all done"), "{:?}\n{errors}", output.status);
    assert!(!lines.contains("WRONG"), "wrong pixels, listed above");
}
