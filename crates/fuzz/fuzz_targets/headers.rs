//! Any bytes as a `.npy` file or as the text header of an ENVI image, whose data are 4,096 zeros.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let header = std::env::temp_dir().join(format!("outcrop-fuzz-{}.hdr", std::process::id()));
    std::fs::write(header.with_extension("raw"), [0; 4096]).expect("a folder that can be written to");
    header
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop_fuzz::file(outcrop_fuzz::HEADERS, data, &FILE));
