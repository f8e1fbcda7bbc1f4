//! [`Output`]: the arrays, the labels and the manifest, published together.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outcrop_core::{DataType, Error, Result};
use outcrop_ops::picture::{Layout, Normalize};
use outcrop_scheduler::ItemSink;
use outcrop_writer::{ArrayFile, ArraySpec, Container, PartialFile, RowFile, write_array};

use super::labels::Labels;
use super::maker::Work;
use super::manifest::{Line, Style};
use super::record::Record;
use super::{PackItem, PackOptions, Packed};

/// Bad pictures that are listed in the answer; the manifest has all.
const LISTED: usize = 100;

/// The files of an output.
struct Names {
    container: Container,
    /// One for each split of `.npy`, else one.
    arrays: Vec<PathBuf>,
    /// Beside each `.npy`, where there are labels.
    labels: Vec<PathBuf>,
    manifest: PathBuf,
}

/// The files that [`pack`](super::pack) makes, the manifest last. `labelled` says whether items have labels.
///
/// # Errors
/// [`Error::Usage`] where the output is no `.npy` or `.npz` file.
pub fn pack_outputs(output: &Path, options: &PackOptions, labelled: bool) -> Result<Vec<PathBuf>> {
    let Names { arrays, labels, manifest, .. } = names(output, options, labelled)?;
    Ok(arrays.into_iter().chain(labels).chain([manifest]).collect())
}

fn names(output: &Path, options: &PackOptions, labelled: bool) -> Result<Names> {
    let extension = output.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    let container = match (extension.as_deref(), options.compress) {
        (Some("npy"), false) => Container::Npy,
        (Some("npz"), false) => Container::Npz,
        (Some("npz"), true) => Container::Deflated,
        (Some("npy"), true) => {
            return Err(Error::Usage("a .npy file is never compressed (--compress is for .npz)".into()));
        }
        _ => {
            let shown = output.display();
            return Err(Error::Usage(format!(
                "{shown}: an output of pack is a .npy or .npz file, and comes last"
            )));
        }
    };
    let beside = |middle: &str, ending: &str| {
        let mut name = OsString::from(output.file_stem().unwrap_or_default());
        name.push(middle);
        name.push(ending);
        output.with_file_name(name)
    };
    let (mut arrays, mut labels) = (vec![output.to_path_buf()], Vec::new());
    if container == Container::Npy {
        let middles: Vec<String> = match options.split.is_empty() {
            true => vec![String::new()],
            false => options.split.iter().map(|split| format!("-{}", split.name)).collect(),
        };
        if !options.split.is_empty() {
            arrays = middles.iter().map(|middle| beside(middle, ".npy")).collect();
        }
        if labelled {
            labels = middles.iter().map(|middle| beside(middle, "-labels.npy")).collect();
        }
    }
    let manifest = options.manifest.clone().unwrap_or_else(|| beside("", ".manifest.jsonl"));
    Ok(Names { container, arrays, labels, manifest })
}

/// What is being written.
pub(super) struct Output<'a> {
    options: &'a PackOptions,
    order: &'a [u32],
    parts: &'a [u16],
    names: Names,
    /// One for each array file.
    files: Vec<ArrayFile>,
    labels: Vec<PartialFile>,
    manifest: PartialFile,
    records: Vec<Record>,
    row_shape: [u64; 3],
    dtype: DataType,
    notices: Vec<String>,
}

impl<'a> Output<'a> {
    pub(super) fn create(
        path: &Path,
        options: &'a PackOptions,
        order: &'a [u32],
        parts: &'a [u16],
        (shape, dtype): ([usize; 3], DataType),
        labels: &Labels,
        resume: bool,
    ) -> Result<Output<'a>> {
        let names = names(path, options, labels.are_there())?;
        let [height, width, channels] = shape.map(|n| n as u64);
        let row_shape = match options.layout {
            Layout::Nhwc => [height, width, channels],
            Layout::Nchw => [channels, height, width],
        };
        let spec = |part: usize| {
            let rows = parts.iter().filter(|&&p| usize::from(p) == part).count() as u64;
            let name = match options.split.get(part) {
                Some(split) => format!("x_{}", split.name),
                None => "x".into(),
            };
            ArraySpec { name, rows, shape: row_shape.to_vec(), dtype }
        };
        let specs: Vec<_> = (0..options.split.len().max(1)).map(spec).collect();
        let mut notices = Vec::new();
        let open = if resume { PartialFile::resume } else { PartialFile::create };
        let file = |path: &Path, specs, notices: &mut Vec<String>| -> Result<ArrayFile> {
            let file = open(path, options.overwrite)?;
            let mut made = ArrayFile::new(file, names.container, specs, resume)?;
            notices.append(made.notices());
            Ok(made)
        };
        let files = if names.container == Container::Npy {
            let each = names.arrays.iter().zip(specs);
            each.map(|(path, spec)| file(path, vec![spec], &mut notices)).collect::<Result<_>>()?
        } else {
            vec![file(&names.arrays[0], specs, &mut notices)?]
        };
        // These hold nothing before the end.
        let mut late = |path: &PathBuf| -> Result<PartialFile> {
            let mut file = PartialFile::create(path, options.overwrite)?;
            if !resume {
                notices.append(file.notices());
            }
            Ok(file)
        };
        let labels = names.labels.iter().map(&mut late).collect::<Result<_>>()?;
        let manifest = late(&names.manifest)?;
        let records = Vec::with_capacity(order.len());
        Ok(Output {
            options,
            order,
            parts,
            names,
            files,
            labels,
            manifest,
            records,
            row_shape,
            dtype,
            notices,
        })
    }

    /// What the user should hear.
    pub(super) fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Where workers write rows: by split.
    pub(super) fn rows(&self) -> Vec<Arc<RowFile>> {
        self.files.iter().map(ArrayFile::rows).collect()
    }

    fn part(&self, place: usize) -> usize {
        self.parts[self.order[place] as usize].into()
    }

    /// Writes what stands after the rows, and publishes all.
    pub(super) fn finish(
        mut self,
        items: &[PackItem],
        labels: &Labels,
        normalize: Option<Normalize>,
    ) -> Result<Packed> {
        let splits = self.options.split.len().max(1);
        let mut kept: Vec<Vec<(u64, u32)>> = vec![Vec::new(); splits];
        let mut packed: Vec<Vec<u32>> = vec![Vec::new(); splits];
        let mut rows = vec![None; items.len()];
        let mut planned = vec![0u64; splits];
        let mut bad = Vec::new();
        let mut bad_count = 0;
        for (place, record) in self.records.iter().enumerate() {
            let (part, item) = (self.part(place), self.order[place]);
            match &record.bad {
                None => {
                    rows[item as usize] = Some(kept[part].len() as u64);
                    kept[part].push((planned[part], record.crc));
                    packed[part].push(item);
                }
                Some(why) => {
                    bad_count += 1;
                    if bad.len() < LISTED {
                        bad.push((items[item as usize].name.clone(), why.to_string()));
                    }
                }
            }
            planned[part] += 1;
        }
        if kept.iter().all(Vec::is_empty) {
            let first = bad.first().map_or(String::new(), |(name, why)| format!(" ({name}: {why})"));
            return Err(Error::Format(format!("not one picture could be read{first}")));
        }
        if self.names.container == Container::Npy {
            for (file, kept) in self.files.iter_mut().zip(&kept) {
                file.close_rows(std::slice::from_ref(kept))?;
            }
            for (file, items) in self.labels.iter().zip(&packed) {
                let (descr, shape, pieces) = labels.array(items);
                write_array(file, descr, &shape, pieces)?;
            }
        } else {
            let file = &mut self.files[0];
            file.close_rows(&kept)?;
            for (part, items) in packed.iter().enumerate().filter(|_| labels.are_there()) {
                let (descr, shape, pieces) = labels.array(items);
                let name =
                    self.options.split.get(part).map_or("y".into(), |split| format!("y_{}", split.name));
                file.add(&name, descr, &shape, pieces)?;
            }
            if !labels.classes.is_empty() {
                let (descr, bytes) = labels.names();
                file.add("classes", &descr, &[labels.classes.len() as u64], std::iter::once(bytes))?;
            }
            if let Some(Normalize { mean, deviation }) = &normalize {
                for (name, figures) in [("mean", mean), ("std", deviation)] {
                    let bytes = figures.iter().flat_map(|v| v.to_le_bytes()).collect();
                    file.add(name, "<f8", &[figures.len() as u64], std::iter::once(bytes))?;
                }
            }
        }
        self.write_manifest(items, labels, &rows)?;
        let mut files: Vec<PartialFile> =
            self.files.into_iter().map(ArrayFile::finish).collect::<Result<_>>()?;
        files.extend(self.labels);
        files.push(self.manifest);
        PartialFile::publish_all(files)?;
        let name =
            |part: usize| self.options.split.get(part).map_or(String::new(), |split| split.name.clone());
        Ok(Packed {
            files: self
                .names
                .arrays
                .into_iter()
                .chain(self.names.labels)
                .chain([self.names.manifest])
                .collect(),
            rows: kept.iter().enumerate().map(|(part, kept)| (name(part), kept.len() as u64)).collect(),
            row_shape: self.row_shape,
            dtype: self.dtype,
            classes: labels.classes.clone(),
            normalize,
            bad,
            bad_count,
        })
    }

    fn write_manifest(&self, items: &[PackItem], labels: &Labels, rows: &[Option<u64>]) -> Result<()> {
        let style = Style::of(&self.names.manifest);
        let mut places = vec![0; items.len()];
        self.order.iter().enumerate().for_each(|(place, &item)| places[item as usize] = place);
        let (mut text, mut at) = (style.head().to_owned(), 0);
        for (n, item) in items.iter().enumerate() {
            let record = &self.records[places[n]];
            let line = Line {
                path: &item.name,
                hash: Some(record.hash).filter(|hash| *hash != [0; 32]),
                label: item.label.as_deref(),
                class: labels.number(n),
                split: self.options.split.get(usize::from(self.parts[n])).map(|split| split.name.as_str()),
                row: rows[n],
                shape: Some(record.shape).filter(|shape| *shape != [0; 3]),
                bad: record.bad.as_deref(),
            };
            style.line(&line, &mut text);
            if text.len() > 1 << 20 || n + 1 == items.len() {
                self.manifest.file().write_all_at(text.as_bytes(), at)?;
                at += text.len() as u64;
                text.clear();
            }
        }
        Ok(())
    }
}

impl ItemSink<Work> for Output<'_> {
    fn commit(&mut self, index: u64, slot: &mut Work) -> Result<()> {
        let record = slot.record.take();
        let record = record.ok_or_else(|| Error::Panic(format!("item {index} has no record")))?;
        if self.names.container == Container::Deflated && record.bad.is_none() {
            let part = self.part(index as usize);
            self.files[0].append(part, &slot.deflated, record.crc)?;
        }
        self.records.push(record);
        Ok(())
    }

    fn save(&mut self) -> Result<Vec<u8>> {
        let mut state = Vec::new();
        for file in &mut self.files {
            let saved = file.save()?;
            state.extend((saved.len() as u64).to_le_bytes());
            state.extend(saved);
        }
        self.records.iter().for_each(|record| record.save(&mut state));
        Ok(state)
    }

    fn load(&mut self, mut state: &[u8]) -> Result<()> {
        let short = || Error::Format("the state of the output is cut short".into());
        for file in &mut self.files {
            let length = state.split_off(..8).and_then(|bytes| bytes.first_chunk()).ok_or_else(short)?;
            let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| short())?;
            file.load(state.split_off(..length).ok_or_else(short)?)?;
        }
        while !state.is_empty() {
            self.records.push(Record::load(&mut state).ok_or_else(short)?);
        }
        Ok(())
    }
}
