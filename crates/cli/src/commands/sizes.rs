//! What `info --sizes` adds: how large each page and level is in memory, in the file and as base64.

use std::path::Path;

use anyhow::Context;
use outcrop::{Image, base64_len};
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::args::Info;
use crate::json::Listed;
use crate::resolve;
use crate::table::{self, Cell, bytes};

/// The sizes of a file.
pub(crate) struct Sizes {
    images: Vec<Size>,
    /// Bytes of the file itself, where it is one.
    file: Option<u64>,
}

/// One level of one page.
struct Size {
    page: u64,
    level: u64,
    memory: u64,
    stored: u64,
}

/// Sizes as JSON.
#[derive(Serialize)]
pub(crate) struct SizesJson<'a> {
    images: Listed<'a, Size>,
    memory_bytes: u64,
    file_bytes: Option<u64>,
    base64_bytes: Option<u64>,
}

impl Size {
    fn json(&self) -> Json {
        json!({
            "page": self.page,
            "level": self.level,
            "memory_bytes": self.memory,
            "stored_bytes": self.stored,
            "base64_bytes": base64_len(self.stored),
        })
    }
}

/// Opens every page and level of a file; no pixel is read, only tables of blocks.
pub(crate) fn of(args: &Info, path: &Path, image: &Image) -> anyhow::Result<Sizes> {
    let mut images = Vec::new();
    let reading = &args.reading;
    let file = resolve::open_file(path, reading, args.raw.dtype.as_deref(), reading.on_bad_block)?;
    for (page, about) in (0..).zip(&*image.pages) {
        for level in 0..about.levels.max(1) {
            let source = file
                .at(page, level)
                .with_context(|| path.display().to_string())
                .with_context(|| format!("page {page}, level {level}"))?;
            let stored = source.stored_bytes().with_context(|| format!("page {page}, level {level}"))?;
            images.push(Size { page, level, memory: source.image().decoded_bytes(), stored });
        }
    }
    let file = std::fs::metadata(path).ok().filter(|found| found.is_file()).map(|found| found.len());
    Ok(Sizes { images, file })
}

impl Sizes {
    pub(crate) fn json(&self) -> SizesJson<'_> {
        SizesJson {
            images: Listed { items: &self.images, json: Size::json },
            memory_bytes: self.memory(),
            file_bytes: self.file,
            base64_bytes: self.file.map(base64_len),
        }
    }

    /// A table, its last line about the whole file.
    pub(crate) fn render(&self) -> String {
        let text = |text: String| Cell::Text(text);
        let row = |page: String, level: String, memory: u64, stored: Option<u64>| {
            let stored_text = stored.map_or(Cell::Undefined, |stored| text(bytes(stored)));
            let base64 = stored.map_or(Cell::Undefined, |stored| text(bytes(base64_len(stored))));
            vec![text(page), text(level), text(bytes(memory)), stored_text, base64]
        };
        let each = |s: &Size| row(s.page.to_string(), s.level.to_string(), s.memory, Some(s.stored));
        let mut rows: Vec<_> = self.images.iter().map(each).collect();
        rows.push(row("file".into(), String::new(), self.memory(), self.file));
        table::render(&["page", "level", "in memory", "on disk", "as base64"], &rows)
    }

    fn memory(&self) -> u64 {
        self.images.iter().fold(0, |sum, size| size.memory.saturating_add(sum))
    }
}
