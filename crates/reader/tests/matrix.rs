//! The whole matrix of generated TIFF files: codec, predictor, depth, samples, planes, blocks, byte order, container.
//!
//! Each file is read mapped in one request or by reads in odd windows, and must give the generator's pixels, whose checksums
//! tifffile confirmed (`make_matrix.py`, `matrix.json`).

use std::collections::BTreeMap;
use std::sync::Arc;

use outcrop_core::{ByteOrder, Channels, Rect, Scratch, Source};
use outcrop_reader::tiff::{self, TiffOptions};
use outcrop_reader::{IoMode, Store};
use outcrop_testkit::tiff_matrix::{TiffCase, all_cases};
use sha2::{Digest, Sha256};

mod util;

/// SHA-256 of the pixels that tifffile read, by content (depth and samples).
fn answers() -> BTreeMap<String, String> {
    let json: serde_json::Value = serde_json::from_str(include_str!("matrix.json")).unwrap();
    let map = json["sha256"].as_object().unwrap();
    map.iter().map(|(content, hash)| (content.clone(), hash.as_str().unwrap().to_owned())).collect()
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Rectangles that cover the image once and follow neither strips nor tiles.
fn pieces(source: &dyn Source) -> Vec<Rect> {
    let extent = source.image().extent;
    let bands = [(0, 7), (7, 13), (20, extent.height - 20)];
    let stripes = [(0, 31), (31, extent.width - 31)];
    bands.iter().flat_map(|&(y, height)| stripes.map(|(x, width)| Rect { y, x, height, width })).collect()
}

/// What differs from the case's pixels, if anything.
fn fault(case: &TiffCase, path: &std::path::Path, io: IoMode) -> Option<String> {
    let expected = case.pixels();
    let read = || -> outcrop_core::Result<Option<String>> {
        let source = tiff::open(Arc::new(Store::open(path, io)?), &TiffOptions::default())?;
        let image = source.image();
        let described =
            (image.extent.channels, image.byte_order == ByteOrder::Big, image.format == "BigTIFF");
        if described != (case.samples as u64, case.big_endian, case.big_tiff) {
            return Ok(Some(format!("described as {described:?}")));
        }
        if io == IoMode::Map {
            if util::whole(&source)? != expected {
                return Ok(Some("other pixels".into()));
            }
            let (all, scratch) = (Channels::all(image.extent.channels), &mut Scratch::new());
            return util::wrong_part(&expected, &source, image.extent.rect(), &all, scratch);
        }
        let mut scratch = Scratch::new();
        // All channels, then the last one alone.
        for channels in [
            Channels::all(image.extent.channels),
            Channels::select(vec![image.extent.channels - 1], image.extent.channels)?,
        ] {
            for rect in pieces(&source) {
                let found = util::bytes_of(&source, rect, &channels, &mut scratch)?;
                if found != util::cut(&expected, &source, rect, &channels) {
                    return Ok(Some(format!("other pixels in {rect} of channels {:?}", channels.indices())));
                }
                let wrong = util::wrong_part(&expected, &source, rect, &channels, &mut scratch)?;
                if wrong.is_some() {
                    return Ok(wrong);
                }
            }
        }
        Ok(None)
    };
    read().unwrap_or_else(|e| Some(e.to_string()))
}

#[test]
fn the_generators_pixels_are_those_that_tifffile_read() {
    let answers = answers();
    let mut seen = BTreeMap::new();
    for case in all_cases() {
        seen.entry(case.content()).or_insert_with(|| hex(&case.pixels()));
    }
    assert_eq!(seen, answers);
}

#[test]
fn every_file_of_the_matrix_is_read_right() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("case.tif");
    let cases = all_cases();
    assert!(cases.len() > 2000, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for (i, case) in cases.iter().enumerate() {
        std::fs::write(&path, case.file()).unwrap();
        // Alternating out of step with every field of the case (Thue-Morse).
        let io = if i.count_ones() % 2 == 0 { IoMode::Map } else { IoMode::Read };
        if let Some(why) = fault(case, &path, io) {
            wrong.push(format!("{} ({io:?}): {why}", case.name()));
        }
    }
    println!("{} files", cases.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
