//! The manifest: one line for each item, in the order of the inputs.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

/// One line.
pub(super) struct Line<'a> {
    pub(super) path: &'a str,
    pub(super) hash: Option<[u8; 32]>,
    pub(super) label: Option<&'a str>,
    pub(super) class: Option<u64>,
    pub(super) split: Option<&'a str>,
    pub(super) row: Option<u64>,
    pub(super) shape: Option<[u32; 3]>,
    /// Why it has no row.
    pub(super) bad: Option<&'a str>,
}

/// JSON Lines, or CSV where the file is called so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    JsonLines,
    Csv,
}

impl Style {
    /// By the extension: CSV where it is that, else JSON lines.
    pub(super) fn of(path: &Path) -> Style {
        let csv = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
        if csv { Style::Csv } else { Style::JsonLines }
    }

    /// What stands before the first line.
    pub(super) fn head(self) -> &'static str {
        match self {
            Style::JsonLines => "",
            Style::Csv => "path,sha256,label,class,split,row,height,width,channels,status,reason\n",
        }
    }

    pub(super) fn line(self, line: &Line<'_>, out: &mut String) {
        let hash = line.hash.map(|hash| {
            hash.iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
        });
        let status = if line.bad.is_some() { "skipped" } else { "packed" };
        match self {
            Style::JsonLines => {
                let object = json!({
                    "path": line.path, "sha256": hash, "label": line.label, "class": line.class,
                    "split": line.split, "row": line.row, "shape": line.shape, "status": status, "reason": line.bad,
                });
                let _ = writeln!(out, "{object}");
            }
            Style::Csv => {
                let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
                let side = |i: usize| number(line.shape.map(|shape| shape[i].into()));
                let fields = [
                    quoted(line.path),
                    hash.unwrap_or_default(),
                    quoted(line.label.unwrap_or("")),
                    number(line.class),
                    quoted(line.split.unwrap_or("")),
                    number(line.row),
                    side(0),
                    side(1),
                    side(2),
                    status.into(),
                    quoted(line.bad.unwrap_or("")),
                ];
                let _ = writeln!(out, "{}", fields.join(","));
            }
        }
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
