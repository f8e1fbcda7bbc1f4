//! Real `.npy` and ENVI files against the SHA-256 of their pixels; skipped where the set of files is not there.

mod util;

use outcrop_core::Error;
use outcrop_reader::{IoMode, OpenOptions, open};
use outcrop_testkit::corpus;

/// Refused by right: complex numbers, pickled objects, archives.
const REFUSED: usize = 13;
const RIGHT: usize = 56;

#[test]
fn every_npy_and_envi_file_is_right_or_refused_by_name() {
    let Some(folder) = corpus::folder() else { return };
    let (mut right, mut refused) = (0, 0);
    for row in corpus::manifest(&folder) {
        let container = row["features"]["container"].as_str().unwrap();
        if !["npy", "npz", "envi"].contains(&container) {
            continue;
        }
        let path = folder.join("files").join(row["file"].as_str().unwrap());
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
            assert_eq!(corpus::sha256(&pixels), reference["sha256"].as_str().unwrap(), "{}", path.display());
            right += usize::from(io == IoMode::Read);
        }
    }
    println!("right {right}, refused {refused}");
    assert_eq!((right, refused), (RIGHT, REFUSED));
}
