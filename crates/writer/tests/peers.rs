//! Every sample type x compression x predictor x planar x layout, read back by tifffile.
//!
//! Runs where `OUTCROP_PYTHON` names a Python that has NumPy, tifffile and imagecodecs:
//! `OUTCROP_PYTHON=python3 cargo test -p outcrop-writer --test peers -- --ignored`

mod util;

use outcrop_core::{DataType, with_dtype};
use outcrop_writer::tiff::{BigTiff, Blocks, Compression, Predictor, TiffOptions};
use outcrop_writer::{Options, Overwrite};
use util::{described, image, write};

#[test]
#[ignore = "needs Python with tifffile; scripts/test --full runs it"]
fn tifffile_reads_every_combination() {
    let Ok(python) = std::env::var("OUTCROP_PYTHON") else {
        println!("skipped: OUTCROP_PYTHON names no Python with tifffile");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut files = 0;
    for dtype in DataType::ALL {
        with_dtype!(dtype, T => {
            for channels in [1, 3] {
                let img = image::<T>(70, 85, channels);
                for options in combinations(dtype, channels) {
                    let path = folder.path().join(format!("{files}.tif"));
                    let options = Options { tiff: options, overwrite: Overwrite::Refuse, ..Options::default() };
                    write(&path, &img, (32, 64), &described(&img), &options)
                        .unwrap_or_else(|e| panic!("{dtype} {options:?}: {e}"));
                    let npy = path.with_extension("npy");
                    write(&npy, &img, (70, 85), &described(&img), &Options::default()).unwrap();
                    files += 1;
                }
            }
        });
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers.py");
    let out = std::process::Command::new(python).arg(script).arg(folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    assert!(text.contains(&format!("{files} files, 0 wrong")), "{text}");
}

fn combinations(dtype: DataType, channels: usize) -> Vec<TiffOptions> {
    let mut all = Vec::new();
    for compression in [
        Compression::None,
        Compression::PackBits,
        Compression::Lzw,
        Compression::Deflate(1),
        Compression::Deflate(12),
        Compression::Zstd(3),
        Compression::Lzma(6),
        Compression::Lerc { max_error: 0.0 },
        Compression::WebP,
    ] {
        let lerc = matches!(compression, Compression::Lerc { .. });
        if lerc && matches!(dtype, DataType::U64 | DataType::I64 | DataType::F16) {
            continue;
        }
        if compression == Compression::WebP && (dtype != DataType::U8 || channels != 3) {
            continue;
        }
        for predictor in [Predictor::None, Predictor::Horizontal, Predictor::FloatingPoint] {
            let floating = predictor == Predictor::FloatingPoint;
            let webp = compression == Compression::WebP;
            let gains = !lerc && !webp && !matches!(compression, Compression::None | Compression::PackBits);
            if (floating && !dtype.is_float()) || (predictor != Predictor::None && !gains) {
                continue;
            }
            for planar in [false, true] {
                if planar && (channels == 1 || webp) {
                    continue;
                }
                for blocks in [Blocks::Tiles { height: 32, width: 64 }, Blocks::Strips { rows: Some(9) }] {
                    for bigtiff in [BigTiff::No, BigTiff::Yes] {
                        all.push(TiffOptions {
                            compression,
                            predictor,
                            planar,
                            blocks,
                            bigtiff,
                            sparse: false,
                        });
                    }
                }
            }
        }
    }
    all
}
