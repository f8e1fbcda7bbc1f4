//! [`Labels`]: what items are, as numbers.

use outcrop_core::{Error, Result};

use super::{OneHot, PackItem};

/// The class of each item.
pub(super) struct Labels {
    /// For each item its class; `None` where items have no labels.
    numbers: Option<Vec<u64>>,
    /// Names of the classes, sorted; empty where labels are numbers.
    pub(super) classes: Vec<String>,
    /// The length of a one-hot row.
    width: Option<u64>,
}

impl Labels {
    /// Labels that are all whole numbers stay as they are; names get numbers in their sorted order.
    pub(super) fn of(items: &[PackItem], one_hot: OneHot) -> Result<Labels> {
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            texts.extend(item.label.as_deref());
        }
        if texts.is_empty() {
            if one_hot != OneHot::No {
                return Err(Error::Usage(
                    "there are no labels to write (--one-hot needs --labels or --list)".into(),
                ));
            }
            return Ok(Labels { numbers: None, classes: Vec::new(), width: None });
        }
        if texts.len() < items.len() {
            let name = items.iter().find(|item| item.label.is_none()).map_or("", |item| &item.name);
            return Err(Error::Usage(format!("{name}: it has no label and others have (--labels, --list)")));
        }
        let numbers: Option<Vec<u64>> =
            texts.iter().map(|text| text.parse().ok().filter(|&n| n <= i64::MAX as u64)).collect();
        let (numbers, classes) = match numbers {
            Some(numbers) => (numbers, Vec::new()),
            None => {
                let mut classes: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
                classes.sort();
                classes.dedup();
                let of = |text: &&str| {
                    classes.binary_search_by(|name| name.as_str().cmp(text)).unwrap_or(0) as u64
                };
                (texts.iter().map(of).collect(), classes)
            }
        };
        let needed = numbers.iter().max().map_or(0, |n| n.saturating_add(1)).max(classes.len() as u64);
        let width = match one_hot {
            OneHot::No => None,
            OneHot::Of(Some(given)) if given < needed => {
                return Err(Error::Usage(format!(
                    "{given} classes are too few: labels reach {} (--one-hot)",
                    needed - 1
                )));
            }
            OneHot::Of(given) => Some(given.unwrap_or(needed)),
        };
        if width.is_some_and(|width| width > 1 << 24) {
            return Err(Error::Usage(format!("rows of {needed} classes are too long (--one-hot)")));
        }
        Ok(Labels { numbers: Some(numbers), classes, width })
    }

    /// Whether items have labels.
    pub(super) fn are_there(&self) -> bool {
        self.numbers.is_some()
    }

    /// The class of an item.
    pub(super) fn number(&self, item: usize) -> Option<u64> {
        self.numbers.as_ref()?.get(item).copied()
    }

    /// The array of the labels of some items: NumPy's type code, shape and the samples in pieces.
    pub(super) fn array<'a>(
        &'a self,
        items: &'a [u32],
    ) -> (&'static str, Vec<u64>, impl Iterator<Item = Vec<u8>> + 'a) {
        let (rows, width) = (items.len() as u64, self.width);
        let (descr, shape) = match width {
            Some(width) => ("<f4", vec![rows, width]),
            None => ("<i8", vec![rows]),
        };
        // Pieces of some ten thousand numbers.
        let rows = (16_384 / width.unwrap_or(1).max(1)).max(1) as usize;
        let pieces = items.chunks(rows).map(move |items| {
            let numbers = items.iter().filter_map(|&item| self.number(item as usize));
            match width {
                None => numbers.flat_map(u64::to_le_bytes).collect(),
                Some(width) => {
                    let row =
                        |n: u64| (0..width).flat_map(move |c| f32::from(u8::from(c == n)).to_le_bytes());
                    numbers.flat_map(row).collect()
                }
            }
        });
        (descr, shape, pieces)
    }

    /// The names of the classes as an array of text: NumPy's type code and the bytes.
    pub(super) fn names(&self) -> (String, Vec<u8>) {
        let longest = self.classes.iter().map(|name| name.chars().count()).max().unwrap_or(1).max(1);
        let mut bytes = Vec::new();
        for name in &self.classes {
            let end = bytes.len() + 4 * longest;
            bytes.extend(name.chars().flat_map(|c| u32::from(c).to_le_bytes()));
            bytes.resize(end, 0);
        }
        (format!("<U{longest}"), bytes)
    }
}
