//! The items: from folders, patterns, files and lists, in a fixed order, with their labels.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use outcrop_core::{Error, Result};
use outcrop_reader::Format;

/// A picture to be packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackItem {
    /// The file.
    pub path: PathBuf,
    /// What the manifest calls it: its path within the folder that was named, or as it was named. Splits and random
    /// crops follow from this name.
    pub name: String,
    /// Its label, where it has one.
    pub label: Option<String>,
}

impl PackItem {
    /// Bytes of memory, about.
    pub(super) fn bytes(&self) -> u64 {
        let label = self.label.as_ref().map_or(0, String::len);
        (self.path.as_os_str().len() + self.name.len() + label + size_of::<PackItem>() + 48) as u64
    }
}

/// Where labels come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PackLabels {
    /// There are none, but those of a list.
    #[default]
    None,
    /// The first folder within the folder that was named (`root/cat/1.png` is a `cat`).
    Folders,
    /// A file of lines of a name and a label.
    File(PathBuf),
}

/// The most bytes of a list.
const MOST_BYTES: u64 = 1 << 30;

/// Whether a file of that name is taken from a folder.
fn is_picture(path: &Path) -> bool {
    let known = Format::from_extension(path);
    matches!(
        known,
        Some(Format::Png | Format::Jpeg | Format::WebP | Format::Bmp | Format::Tiff | Format::Npy)
    )
}

/// The pictures that the inputs name: files, patterns (`*.png`, `**/*.jpg`), and folders with all that is in them. What
/// a folder or a pattern holds is sorted by its name; hidden files are left out.
///
/// # Errors
/// [`Error::Usage`] for an input that is not there, a label that is missing, and folders that hold no picture;
/// [`Error::Io`] where a folder or a list cannot be read.
pub fn pack_inputs(inputs: &[PathBuf], labels: &PackLabels) -> Result<Vec<PackItem>> {
    let mut items = Vec::new();
    for input in inputs {
        let text = input.to_string_lossy();
        if input.is_dir() {
            let mut found = Vec::new();
            walk(input, &mut found)?;
            found.sort();
            for path in found {
                let name = name_of(path.strip_prefix(input).unwrap_or(&path));
                let label = match labels {
                    PackLabels::Folders => Some(folder_of(&name, &path)?),
                    _ => None,
                };
                items.push(PackItem { path, name, label });
            }
        } else if input.exists() {
            items.push(file(input, labels)?);
        } else if text.contains(['*', '?', '[']) {
            let pattern = glob::glob(&text).map_err(|e| Error::Usage(format!("{text}: {e}")))?;
            let mut found = Vec::new();
            for entry in pattern {
                let path =
                    entry.map_err(|e| Error::io(format!("look at {}", e.path().display()), e.into()))?;
                if path.is_file() {
                    found.push(path);
                }
            }
            if found.is_empty() {
                return Err(Error::Usage(format!("{text}: no file has such a name")));
            }
            found.sort();
            for path in found {
                items.push(file(&path, labels)?);
            }
        } else {
            return Err(Error::Usage(format!("{text}: there is no such file or folder")));
        }
    }
    if let (true, Some(first)) = (items.is_empty(), inputs.first()) {
        let others = if inputs.len() == 1 { "it" } else { "it and the other folders" };
        return Err(Error::Usage(format!(
            "{}: no file in {others} is called like a picture: .png, .jpg, .webp, .bmp, .tif or .npy (--list takes \
             files of any name)",
            first.display()
        )));
    }
    if let PackLabels::File(path) = labels {
        label_from(path, &mut items)?;
    }
    Ok(items)
}

/// The pictures that a list names, one on each line: a path and perhaps a label, with a tab, a comma or blanks between.
/// Paths are within `root`, or within the list's own folder.
///
/// # Errors
/// [`Error::Usage`] for a line that makes no sense, [`Error::Io`] where the list cannot be read.
pub fn pack_list(list: &Path, root: Option<&Path>, labels: &PackLabels) -> Result<Vec<PackItem>> {
    let root = root.or_else(|| list.parent()).unwrap_or(Path::new(""));
    let mut items = Vec::new();
    for (name, label) in lines(list, "--list")? {
        let label = match labels {
            PackLabels::Folders => Some(folder_of(&name, Path::new(&name))?),
            _ => label,
        };
        items.push(PackItem { path: root.join(&name), name, label });
    }
    if items.is_empty() {
        return Err(Error::Usage(format!("{}: it names no picture (--list)", list.display())));
    }
    if let PackLabels::File(path) = labels {
        label_from(path, &mut items)?;
    }
    Ok(items)
}

fn file(path: &Path, labels: &PackLabels) -> Result<PackItem> {
    let label = match labels {
        PackLabels::Folders => {
            let folder =
                path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
            Some(folder.ok_or_else(|| no_folder(path))?)
        }
        _ => None,
    };
    Ok(PackItem { path: path.to_path_buf(), name: name_of(path), label })
}

fn name_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn folder_of(name: &str, path: &Path) -> Result<String> {
    let first = name.trim_start_matches("./").split_once('/').map(|(folder, _)| folder.to_owned());
    first.ok_or_else(|| no_folder(path))
}

fn no_folder(path: &Path) -> Error {
    Error::Usage(format!("{}: it lies in no folder that could be its label (--labels FILE)", path.display()))
}

/// All pictures below a folder.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    // Folders still to be looked at; links to folders may lead round in a circle and are not followed.
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let io = |e| Error::io(format!("read the folder {}", folder.display()), e);
        for entry in fs::read_dir(&folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            let path = entry.path();
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if entry.file_type().map_err(io)?.is_dir() {
                folders.push(path);
            } else if is_picture(&path) && path.is_file() {
                found.push(path);
            }
        }
    }
    Ok(())
}

/// The names of a list, each with what follows it.
fn lines(list: &Path, flag: &str) -> Result<Vec<(String, Option<String>)>> {
    let io = |e| Error::io(format!("read {} ({flag})", list.display()), e);
    let bytes = fs::metadata(list).map_err(io)?.len();
    if bytes > MOST_BYTES {
        return Err(Error::Limits { what: format!("{}", list.display()), needed: bytes, limit: MOST_BYTES });
    }
    let text = fs::read_to_string(list).map_err(io)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(split_line).collect())
}

/// A tab or a comma ends the name; else the last blank does, unless what follows is itself the name of a picture.
fn split_line(line: &str) -> (String, Option<String>) {
    let blank = || line.rsplit_once([' ', '\t']).filter(|(_, last)| !is_picture(Path::new(last)));
    let cut = line.split_once('\t').or_else(|| line.rsplit_once(',')).or_else(blank);
    match cut {
        Some((name, label)) => (name.trim().to_owned(), Some(label.trim().to_owned())),
        None => (line.to_owned(), None),
    }
}

/// Gives each item the label that a file has for its name, or for the name of its file.
fn label_from(path: &Path, items: &mut [PackItem]) -> Result<()> {
    let lines = lines(path, "--labels")?;
    let known: HashMap<&str, &String> =
        lines.iter().filter_map(|(name, label)| Some((name.as_str(), label.as_ref()?))).collect();
    for item in items {
        let file = item.path.file_name().unwrap_or_default().to_string_lossy();
        let label = known.get(item.name.as_str()).or_else(|| known.get(&*file));
        let missing =
            || Error::Usage(format!("{}: {} has no label for it (--labels)", item.name, path.display()));
        item.label = Some(label.ok_or_else(missing)?.to_string());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_a_name_and_a_label() {
        let split = |line| {
            let (name, label) = split_line(line);
            (name, label.unwrap_or_default())
        };
        let pair = |name: &str, label: &str| (name.to_owned(), label.to_owned());
        assert_eq!(
            split("val/ILSVRC2012_val_00000001.JPEG 65"),
            pair("val/ILSVRC2012_val_00000001.JPEG", "65")
        );
        assert_eq!(split("my cat.png\tbig cat"), pair("my cat.png", "big cat"));
        assert_eq!(split("a.png,cat"), pair("a.png", "cat"));
        assert_eq!(split("my cat.png"), pair("my cat.png", ""));
    }
}
