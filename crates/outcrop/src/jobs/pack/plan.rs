//! [`pack_plan`]: what a run of `pack` does, from the list and the headers of the pictures alone.

use std::fs;
use std::path::{Path, PathBuf};

use outcrop_core::{DataType, Result};
use outcrop_scheduler::Runtime;
use outcrop_writer::deflate_bound;

use super::maker::Maker;
use super::{Begun, NormalizeBy, OnBadImage, PackItem, PackOptions, charge, pack_outputs};

/// What a run will do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PackPlan {
    /// The files that it makes, the manifest last.
    pub files: Vec<PathBuf>,
    /// For each split its name (empty where there are none) and pictures.
    pub rows: Vec<(String, u64)>,
    /// Rows, columns and channels of a picture in the array, before its axes are put in order.
    pub shape: [usize; 3],
    /// The type of every number.
    pub dtype: DataType,
    /// Passes over pictures: a second one, of the first split, finds the figures of `dataset`.
    pub passes: usize,
    /// Stored bytes that are read at most: each picture once to decode and once to hash, and once for its figures.
    pub bytes_to_read: u64,
    /// Bytes that the arrays of rows take at most, without labels and manifest.
    pub bytes_to_write: u64,
    /// Bytes that the list of items takes.
    pub list_bytes: u64,
    /// Bytes that the largest picture takes while it is worked on.
    pub picture_bytes: u64,
    /// Pictures whose header cannot be read.
    pub bad: u64,
    /// The least budget with which the job runs.
    pub least_bytes: u64,
    /// The budget.
    pub budget_bytes: u64,
    /// Threads asked for.
    pub threads: usize,
    /// Pictures in flight at most, were all as large as the largest.
    pub in_flight: u64,
}

/// Says what [`pack`](super::pack) would do. Reads the header of every picture, and makes nothing.
///
/// # Errors
/// As [`pack`](super::pack), but that pictures are not decoded and a budget that is too small is only told.
pub fn pack_plan(
    runtime: &Runtime,
    items: &[PackItem],
    output: &Path,
    options: &PackOptions,
) -> Result<PackPlan> {
    let budget = &runtime.options().budget;
    let list_bytes = match charge(runtime, items) {
        Ok(listed) => listed.bytes(),
        Err(outcrop_core::Error::Budget { needed, .. }) => needed,
        Err(other) => return Err(other),
    };
    let Begun { parts, order } = Begun::new(items, options)?;
    let mut maker = Maker::new(items, &order, &parts, options)?;
    let dtype = options.dtype();
    let files = pack_outputs(output, options, items.iter().any(|item| item.label.is_some()))?;
    maker.use_row(options.row(&maker, None, dtype, options.layout)?);
    let row_bytes = maker.row_bytes();
    // Rows that are only measured are of u8 or f32.
    let more = (maker.shape().iter().product::<usize>() as u64 * 4).saturating_sub(row_bytes);

    let has_figures = options.normalize == Some(NormalizeBy::Dataset);
    let (mut bytes_to_read, mut picture_bytes, mut bad) = (0u64, 0, 0);
    for (index, &item) in order.iter().enumerate() {
        match maker.cost(index as u64) {
            Ok(bytes) => picture_bytes = bytes.saturating_add(more).max(picture_bytes),
            Err(error) if options.on_bad == OnBadImage::Fail => return Err(error),
            Err(_) => bad += 1,
        }
        let stored = fs::metadata(&items[item as usize].path).map_or(0, |found| found.len());
        let reads = 2 + u64::from(has_figures && parts[item as usize] == 0);
        bytes_to_read = bytes_to_read.saturating_add(stored.saturating_mul(reads));
    }
    let row_bound = if options.compress { deflate_bound(row_bytes) } else { row_bytes };
    let count = |part: usize| parts.iter().filter(|&&p| usize::from(p) == part).count() as u64;
    let name = |part: usize| options.split.get(part).map_or_else(String::new, |split| split.name.clone());
    let splits = options.split.len().max(1);
    let least_bytes = list_bytes.saturating_add(picture_bytes);
    let most = runtime.options().threads.saturating_mul(2).saturating_add(2).min(order.len()) as u64;
    let fit = budget.total().saturating_sub(list_bytes) / picture_bytes.max(1);
    Ok(PackPlan {
        files,
        rows: (0..splits).map(|part| (name(part), count(part))).collect(),
        shape: maker.shape(),
        dtype,
        passes: 1 + usize::from(has_figures),
        bytes_to_read,
        bytes_to_write: row_bound.saturating_mul(order.len() as u64).saturating_add(4096 * splits as u64),
        list_bytes,
        picture_bytes,
        bad,
        least_bytes,
        budget_bytes: budget.total(),
        threads: runtime.options().threads,
        in_flight: most.min(fit),
    })
}
