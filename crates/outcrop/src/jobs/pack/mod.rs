//! [`pack`]: many pictures as one array, for training.
//!
//! ```text
//! items (listed, labelled, split) ─► Maker: open ► decode ► upright ► resize ► row ─► Output: arrays ► labels ► manifest
//!                                      └── first, for `dataset`: ► exact statistics of the train split
//! ```
//!
//! Items are worked on by split, then in their order; that is the order of the rows.

mod labels;
mod list;
mod maker;
mod manifest;
mod output;
mod plan;
mod record;

use std::path::{Path, PathBuf};

use outcrop_core::{DataType, Error, Event, Permit, Result};
use outcrop_ops::picture::{Fit, Layout, Mode, Normalize, RowWriter};
use outcrop_ops::resample::Filter;
use outcrop_scheduler::{Checkpoint, ItemsPlan, Runtime};
use outcrop_writer::Overwrite;
use sha2::{Digest, Sha256};

pub use list::{PackItem, PackLabels, pack_inputs, pack_list};
pub use output::pack_outputs;
pub use plan::{PackPlan, pack_plan};

use labels::Labels;
use maker::{Job, Maker, To};
use output::Output;
use record::Measure;

/// What becomes of a picture that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBadImage {
    /// The run fails.
    #[default]
    Fail,
    /// It gets no row; the manifest says why.
    Skip,
}

/// Where a crop is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CropAt {
    /// In the middle.
    #[default]
    Centre,
    /// Anywhere, decided by the seed and the item's name.
    Random,
}

/// How samples become numbers: `(sample / most - mean) / deviation`.
#[derive(Clone, Debug, PartialEq)]
pub enum NormalizeBy {
    /// 0 to 1.
    Unit,
    /// -1 to 1.
    Symmetric,
    /// The figures of ImageNet's training set, for three channels.
    ImageNet,
    /// One mean and deviation for all channels, or one for each of the array's.
    Figures(Vec<f64>, Vec<f64>),
    /// The exact figures of all samples of the first split.
    Dataset,
}

/// How labels are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OneHot {
    /// As integers.
    #[default]
    No,
    /// As rows with a 1 at the class; of so many classes, or as many as there are.
    Of(Option<u64>),
}

/// A part of the items, by its name and share.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Its name (`train`).
    pub name: String,
    /// Its share, from 0 to 1.
    pub share: f64,
}

/// What [`pack`] does. The default packs pictures of one size as RGB bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PackOptions {
    /// Colours.
    pub mode: Mode,
    /// Sizes.
    pub fit: Fit,
    /// How pictures are resized.
    pub filter: Filter,
    /// Where crops are taken.
    pub crop_at: CropAt,
    /// What fills the canvas, as a sample.
    pub pad_value: u8,
    /// Decides on splits and random crops.
    pub seed: u64,
    /// How samples become numbers; as they are where this is `None`.
    pub normalize: Option<NormalizeBy>,
    /// uint8, float16 or float32; uint8 where this is `None` and nothing is normalised, else float32.
    pub dtype: Option<DataType>,
    /// The order of the axes.
    pub layout: Layout,
    /// How labels are written.
    pub one_hot: OneHot,
    /// Compressed archives.
    pub compress: bool,
    /// Parts by a seeded hash of the names; one nameless part where this is empty.
    pub split: Vec<Split>,
    /// What becomes of pictures that cannot be read.
    pub on_bad: OnBadImage,
    /// Whether outputs may be replaced.
    pub overwrite: Overwrite,
    /// The manifest (.jsonl or .csv); beside the output where this is `None`.
    pub manifest: Option<PathBuf>,
}

/// What was packed.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The files that were made, the manifest last.
    pub files: Vec<PathBuf>,
    /// For each split its name (empty where there are none) and rows.
    pub rows: Vec<(String, u64)>,
    /// The axes of a row.
    pub row_shape: [u64; 3],
    /// The type of every number.
    pub dtype: DataType,
    /// Names of the classes, where labels are names.
    pub classes: Vec<String>,
    /// The figures that samples were normalised with.
    pub normalize: Option<Normalize>,
    /// Pictures that could not be read, with the reason; the first hundred.
    pub bad: Vec<(String, String)>,
    /// All pictures that could not be read.
    pub bad_count: u64,
}

/// Packs pictures into `output` (`.npy`, `.npz`) in the order of `items`.
///
/// # Errors
/// [`Error::Usage`] where options do not go together; [`Error::Item`] for a picture that cannot be read;
/// [`Error::Budget`] where the list of items, or a picture, does not fit.
pub fn pack(runtime: &Runtime, items: &[PackItem], output: &Path, options: &PackOptions) -> Result<Packed> {
    let _listed = charge(runtime, items)?;
    let Begun { parts, order } = Begun::new(items, options)?;
    let labels = Labels::of(items, options.one_hot)?;
    let mut maker = Maker::new(items, &order, &parts, options)?;
    let shape = maker.shape();
    let dtype = options.dtype();
    // Checked before anything is read; `dataset` has its figures later.
    let checked = figures(options, shape[2])?;
    options.row(&maker, checked.clone(), dtype, options.layout)?;

    let state = runtime.checkpoint().and_then(Checkpoint::output_state);
    let mut out = Output::create(output, options, &order, &parts, (shape, dtype), &labels, state.is_some())?;
    for notice in out.take_notices() {
        runtime.options().observer.event(Event::Warning(notice));
    }

    let normalize = match options.normalize {
        Some(NormalizeBy::Dataset) => {
            let plain = if maker.kind() == DataType::U8 { DataType::U8 } else { DataType::F32 };
            maker.use_row(options.row(&maker, None, plain, Layout::Nhwc)?);
            let first = order.iter().take_while(|&&n| parts[n as usize] == 0).count() as u64;
            let mut measure = Measure::new(plain, shape, maker.kind());
            let plan = ItemsPlan {
                stage: "statistics of the pictures".into(),
                items: first,
                bytes_each: maker.row_bytes(),
                is_output: false,
            };
            let job = Job { maker: &maker, to: To::Stats(measure.kernel().clone()) };
            runtime.items(&plan, &job, &mut measure)?;
            Some(measure.finish()?)
        }
        _ => checked,
    };
    maker.use_row(options.row(&maker, normalize.clone(), dtype, options.layout)?);
    let plan = ItemsPlan {
        stage: "pack".into(),
        items: order.len() as u64,
        bytes_each: maker.row_bytes(),
        is_output: true,
    };
    let job = Job { maker: &maker, to: To::Rows(out.rows()) };
    runtime.items(&plan, &job, &mut out)?;
    out.finish(items, &labels, normalize)
}

impl PackOptions {
    /// The type of the array's numbers.
    fn dtype(&self) -> DataType {
        self.dtype.unwrap_or(if self.normalize.is_some() { DataType::F32 } else { DataType::U8 })
    }

    /// How rows of that type are made.
    fn row(
        &self,
        maker: &Maker<'_>,
        figures: Option<Normalize>,
        dtype: DataType,
        layout: Layout,
    ) -> Result<RowWriter> {
        let reversed = self.mode == Mode::Bgr;
        RowWriter::new(maker.shape(), dtype, layout, reversed, figures, f64::from(self.pad_value))
    }
}

/// The items by split.
struct Begun {
    /// The split of each.
    parts: Vec<u16>,
    /// The items, split by split.
    order: Vec<u32>,
}

impl Begun {
    fn new(items: &[PackItem], options: &PackOptions) -> Result<Begun> {
        if items.is_empty() {
            return Err(Error::Usage("there are no pictures among the inputs".into()));
        }
        let parts = parts(items, options)?;
        let mut order: Vec<u32> = (0..u32::try_from(items.len()).map_err(|_| too_many())?).collect();
        order.sort_by_key(|&n| parts[n as usize]);
        Ok(Begun { parts, order })
    }
}

fn too_many() -> Error {
    Error::Limits { what: "the list of pictures".into(), needed: u64::MAX, limit: u32::MAX.into() }
}

/// Takes what the list of items holds, and what is noted of each, from the budget.
fn charge(runtime: &Runtime, items: &[PackItem]) -> Result<Permit> {
    let bytes: u64 = items.iter().map(|item| item.bytes() + record::BYTES).sum();
    let budget = &runtime.options().budget;
    budget.try_take(bytes).ok_or_else(|| Error::Budget {
        needed: bytes + budget.total() - budget.free(),
        budget: budget.total(),
    })
}

/// For each item the number of its split.
fn parts(items: &[PackItem], options: &PackOptions) -> Result<Vec<u16>> {
    if options.split.is_empty() {
        return Ok(vec![0; items.len()]);
    }
    let sum: f64 = options.split.iter().map(|split| split.share).sum();
    if (sum - 1.0).abs() > 1e-6 {
        return Err(Error::Usage(format!("the shares add up to {sum}, not to 1 (--split)")));
    }
    let of = |item: &PackItem| {
        let [at, _] = chances("split", options.seed, &item.name);
        let mut end = 0.0;
        let found = options.split.iter().position(|split| {
            end += split.share;
            at < end
        });
        // Where rounding leaves a gap at the end.
        let last = options.split.iter().rposition(|split| split.share > 0.0).unwrap_or(0);
        found.unwrap_or(last) as u16
    };
    Ok(items.iter().map(of).collect())
}

/// Two numbers from 0 to 1, the latter left out, that follow from a purpose, a seed and a name alone.
fn chances(purpose: &str, seed: u64, name: &str) -> [f64; 2] {
    let hash =
        Sha256::new().chain_update(purpose).chain_update(seed.to_le_bytes()).chain_update(name).finalize();
    let number = |at: usize| {
        let bytes: [u8; 8] = std::array::from_fn(|i| hash[at + i]);
        (u64::from_le_bytes(bytes) >> 11) as f64 / (1u64 << 53) as f64
    };
    [number(0), number(8)]
}

/// The figures that are known before anything is read.
fn figures(options: &PackOptions, channels: usize) -> Result<Option<Normalize>> {
    let all = |mean: f64, deviation: f64| Normalize {
        mean: vec![mean; channels],
        deviation: vec![deviation; channels],
    };
    let made = match &options.normalize {
        None => return Ok(None),
        Some(NormalizeBy::Unit) => all(0.0, 1.0),
        Some(NormalizeBy::Symmetric) => all(0.5, 0.5),
        Some(NormalizeBy::Dataset) => all(0.0, 1.0),
        Some(NormalizeBy::ImageNet) => {
            if !matches!(options.mode, Mode::Rgb | Mode::Bgr) {
                return Err(Error::Usage(
                    "imagenet has figures for rgb and bgr (--normalize, --mode)".into(),
                ));
            }
            let (mut mean, mut deviation) = (vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225]);
            if options.mode == Mode::Bgr {
                mean.reverse();
                deviation.reverse();
            }
            Normalize { mean, deviation }
        }
        Some(NormalizeBy::Figures(mean, deviation)) => {
            let spread = |list: &[f64]| if list.len() == 1 { vec![list[0]; channels] } else { list.to_vec() };
            Normalize { mean: spread(mean), deviation: spread(deviation) }
        }
    };
    if made.deviation.iter().any(|&d| d == 0.0 || !d.is_finite()) || made.mean.iter().any(|m| !m.is_finite())
    {
        return Err(Error::Usage(
            "means must be finite and deviations finite and not 0 (--normalize)".into(),
        ));
    }
    Ok(Some(made))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_follow_from_seed_and_name() {
        let item = |n: usize| PackItem { path: PathBuf::new(), name: format!("{n}.png"), label: None };
        let items: Vec<_> = (0..10_000).map(item).collect();
        let split = |name: &str, share| Split { name: name.into(), share };
        let options = |seed| PackOptions {
            split: vec![split("train", 0.8), split("val", 0.1), split("test", 0.1)],
            seed,
            ..PackOptions::default()
        };
        let of = |seed, items: &[PackItem]| parts(items, &options(seed)).unwrap();
        let all = of(1, &items);
        let count = |part| all.iter().filter(|&&p| p == part).count();
        // Four deviations of a binomial count.
        assert!(count(0).abs_diff(8000) < 160 && count(1).abs_diff(1000) < 120, "{}", count(0));
        assert_eq!(of(1, &items[5000..]), all[5000..]);
        assert_ne!(of(2, &items), all);
        let short = PackOptions { split: vec![split("train", 0.8)], ..PackOptions::default() };
        assert!(parts(&items, &short).unwrap_err().to_string().contains("--split"));
    }
}
