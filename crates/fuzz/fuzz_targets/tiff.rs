//! Any bytes as a TIFF: open, describe, read some chunks.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("outcrop-fuzz-{}.tif", std::process::id())));

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop_fuzz::tiff(data, &FILE));
