//! The corpus of real files with answers of other readers: `$OUTCROP_CORPUS`, or `shared/corpus` beside the repository.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The corpus's folder: `manifest.jsonl`, `files` and `malformed`. Where there is none it says so, for tests that then
/// pass.
pub fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let folder = std::env::var_os("OUTCROP_CORPUS").map_or(beside, PathBuf::from);
    if folder.join("manifest.jsonl").is_file() {
        return Some(folder);
    }
    println!("skipped: no corpus");
    None
}

/// The lines of a folder's `manifest.jsonl`: `file`, `features` and `reference` of each.
///
/// # Panics
///
/// Where the manifest cannot be read.
pub fn manifest(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("manifest.jsonl")).expect("a manifest");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// SHA-256 in hexadecimal, as manifests have it.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
