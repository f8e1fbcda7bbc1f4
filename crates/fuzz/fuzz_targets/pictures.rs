//! Any bytes as a picture: PNG, JPEG, WebP or BMP.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("outcrop-fuzz-{}.picture", std::process::id())));

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop_fuzz::file(outcrop_fuzz::PICTURES, data, &FILE));
