//! Real `.npy` and ENVI files against the SHA-256 of their pixels; skipped where the set of files is not there.

mod util;

use std::path::PathBuf;

use outcrop_core::Error;
use outcrop_reader::{IoMode, OpenOptions, open};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn corpus() -> Option<PathBuf> {
    let path = std::env::var_os("OUTCROP_CORPUS").map(PathBuf::from);
    path.filter(|p| p.join("manifest.jsonl").is_file())
}

fn sha(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Refused by right: complex numbers, pickled objects, archives.
const REFUSED: usize = 13;
const RIGHT: usize = 56;

#[test]
fn every_npy_and_envi_file_is_right_or_refused_by_name() {
    let Some(corpus) = corpus() else {
        eprintln!("skipped: OUTCROP_CORPUS names no folder with manifest.jsonl");
        return;
    };
    let (mut right, mut refused) = (0, 0);
    for line in std::fs::read_to_string(corpus.join("manifest.jsonl")).unwrap().lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let container = row["features"]["container"].as_str().unwrap();
        if !["npy", "npz", "envi"].contains(&container) {
            continue;
        }
        let path = corpus.join("files").join(row["file"].as_str().unwrap());
        for io in [IoMode::Map, IoMode::Read] {
            let options = OpenOptions { io, ..OpenOptions::default() };
            let source = match open(&path, &options) {
                Ok(source) => source,
                Err(Error::Unsupported(why)) => {
                    refused += usize::from(io == IoMode::Read);
                    println!("{}: refused: {why}", path.display());
                    continue;
                }
                Err(e) => panic!("{}: {e}", path.display()),
            };
            let reference = &row["reference"];
            let reference = if reference["as_hwc"].is_object() { &reference["as_hwc"] } else { reference };
            // A bool array is checked by its bytes: the type is ours.
            let dtype = reference["dtype"].as_str().unwrap().replace("bool", "uint8");
            assert_eq!(source.image().dtype.name(), dtype, "{}", path.display());
            let shape: Vec<u64> =
                reference["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
            if let [h, w, c] = shape[..] {
                assert_eq!(source.image().extent, outcrop_core::Extent::new(h, w, c));
            }
            let pixels = util::whole(&*source).unwrap();
            assert_eq!(sha(&pixels), reference["sha256"].as_str().unwrap(), "{}", path.display());
            right += usize::from(io == IoMode::Read);
        }
    }
    println!("right {right}, refused {refused}");
    assert_eq!((right, refused), (RIGHT, REFUSED));
}
