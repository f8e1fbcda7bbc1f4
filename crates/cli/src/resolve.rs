//! What the arguments mean on this machine and for this file: source, region, limits, output.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use outcrop::{
    Arrangement, BadBlock, BadBlocks, BigTiff, Budget, CancelToken, DataType, Error, Event, Extent, Image,
    ImageFile, InputFormat, IoMode, Limits, Mask, NanPolicy, Observer, OpenOptions, Output, OutputFormat,
    PictureOptions, Pyramid, RawOptions, Region, Runtime, RuntimeOptions, Source, TiffOptions,
    ValidityOptions, Value,
};

use crate::args::{self, Reading, Running, Target, Types, Validity};
use crate::control;
use crate::exit::{self, Ending};
use crate::memory;
use crate::parse::{self, Nodata};
use crate::progress::Progress;
use crate::table::bytes;

/// A run: threads and memory for one command, however many inputs it has.
pub(crate) struct Session {
    pub(crate) runtime: Runtime,
    budget: Budget,
    verbose: bool,
    checkpoint: Option<PathBuf>,
    plan: Option<args::PlanFormat>,
    report: Option<PathBuf>,
    filled: RefCell<(control::Filled, u64)>,
}

impl Session {
    /// Finds the limits, says with `-v` who set them, and lets signals cancel.
    ///
    /// `options` are those that change the result, as text: a checkpoint of others is not gone on with.
    pub(crate) fn begin(
        running: &Running,
        cancel: &CancelToken,
        inputs: &[&Path],
        options: &str,
    ) -> anyhow::Result<Session> {
        apart(running, inputs, "an input")?;
        if let Some(report) = running.report.as_ref().filter(|_| running.plan.is_none()) {
            control::check_report(report)?;
        }
        if let Some(checkpoint) = running.checkpoint.as_ref().filter(|_| running.plan.is_none()) {
            control::check_checkpoint(checkpoint)?;
        }
        let limits = limits(running)?;
        exit::budget_is_from(&limits.memory_from);
        let budget = Budget::new(limits.memory);
        exit::cancel_on_signals(cancel, &budget).context("listen to signals")?;
        let progress = Arc::new(Progress::new(running.progress, running.quiet));
        for warning in limits.warnings {
            progress.event(Event::Warning(warning));
        }
        if running.verbose {
            let threads = if limits.threads == 1 { "thread" } else { "threads" };
            exit::say(&format!("{} {threads} ({})", limits.threads, limits.threads_from));
            exit::say(&format!("{} of memory ({})", bytes(limits.memory), limits.memory_from));
        }
        let mut runtime = Runtime::new(RuntimeOptions {
            threads: limits.threads,
            budget: budget.clone(),
            cancel: cancel.clone(),
            observer: progress,
        })?;
        if running.plan.is_some() {
            runtime = runtime.planning_only();
        } else if let Some(checkpoint) = control::checkpoint(running, inputs, options)? {
            if checkpoint.is_resumed() && !running.quiet {
                exit::say("going on where the checkpoint was saved");
            }
            runtime = runtime.with_checkpoint(checkpoint);
        }
        Ok(Session {
            runtime,
            budget,
            verbose: running.verbose,
            checkpoint: running.checkpoint.clone(),
            plan: running.plan,
            report: running.report.clone(),
            filled: RefCell::default(),
        })
    }

    /// Says with `-v` how often the pixels of an input were read.
    pub(crate) fn say_passes(&self, passes: usize) {
        if self.verbose {
            exit::say(&format!("{passes} {} over the pixels", if passes == 1 { "pass" } else { "passes" }));
        }
    }

    /// Whether an input's answer ends where its plan is made: on to the next.
    pub(crate) fn is_planned<T>(&self, answer: &outcrop::Result<T>) -> bool {
        self.plan.is_some() && matches!(answer, Err(Error::Cancelled))
    }

    /// Notes the bad blocks that were filled in an input.
    pub(crate) fn note_bad(&self, path: &Path) {
        let (blocks, more) = self.runtime.take_bad_blocks();
        self.keep_bad(path, blocks, more);
    }

    /// Keeps bad blocks for the report.
    pub(crate) fn keep_bad(&self, path: &Path, blocks: Vec<BadBlock>, more: u64) {
        let mut filled = self.filled.borrow_mut();
        filled.0.extend(blocks.into_iter().map(|bad| (path.to_path_buf(), bad)));
        filled.1 += more;
    }

    /// Ends the run: prints the plan, or writes the report, and says how it ended. `path` is the input that it was
    /// about last.
    pub(crate) fn end(self, path: &Path, done: anyhow::Result<()>) -> anyhow::Result<()> {
        self.note_bad(path);
        let filled = self.filled.borrow().0.len();
        let done = done.and_then(|()| match filled {
            0 => Ok(()),
            1 => Err(Ending::Filled("1 bad block was filled (--report lists it)".into()).into()),
            n => Err(Ending::Filled(format!("{n} bad blocks were filled (--report lists them)")).into()),
        });
        self.end_after_reporting(done)
    }

    /// The same without a word on bad blocks.
    pub(crate) fn end_after_reporting(self, done: anyhow::Result<()>) -> anyhow::Result<()> {
        let cancelled = done.as_ref().is_err_and(exit::is_cancelled);
        if let (Some(format), true) = (self.plan, cancelled || done.is_ok()) {
            let plans = self.runtime.plans();
            if control::print_plans(&plans, format)? {
                return Ok(());
            }
            let needed = plans.iter().map(|plan| plan.least_bytes).max().unwrap_or(0);
            return Err(Error::Budget { needed, budget: self.budget.total() }.into());
        }
        let mut done = done;
        if let (Some(checkpoint), Some(path)) = (self.runtime.checkpoint(), &self.checkpoint) {
            if cancelled {
                // Also where that was between jobs or after them: what is in the file is there to be gone on with.
                checkpoint.stop()?;
                let what = format!("stopped; {} holds what is done, run it again to go on", path.display());
                done = Err(Ending::Stopped(what).into());
            } else if matches!(&done, Ok(())) || done.as_ref().is_err_and(|e| e.is::<Ending>()) {
                checkpoint.complete()?;
            }
        }
        if self.verbose {
            let peak = memory::peak_bytes().map_or("unknown".into(), bytes);
            let most = bytes(self.budget.most_used());
            exit::say(&format!("at most {most} of the budget in use, peak resident memory {peak}"));
        }
        if let Some(path) = &self.report {
            let (filled, more) = &*self.filled.borrow();
            let outcome = done.as_ref().map_or_else(|e| format!("{e:#}"), |()| "done".into());
            control::write_report(path, &self.runtime, filled, *more, &outcome)?;
        }
        done
    }
}

/// Threads and memory, and where they come from.
///
/// # Errors
/// A flag or a variable that makes no sense.
pub(crate) fn limits(running: &Running) -> outcrop::Result<Limits> {
    let env = |name: &str| std::env::var(name).ok();
    Limits::resolve(running.threads, running.memory.as_deref(), &env, Path::new("/"))
}

/// Opens an input; `dtype` is the sample type of a raw one.
pub(crate) fn open(path: &Path, reading: &Reading, dtype: Option<&str>) -> anyhow::Result<Box<dyn Source>> {
    outcrop::open(path, &reading_options(reading, dtype)).with_context(|| path.display().to_string())
}

/// Opens an input that is worked on, and says on standard error what of it is not read.
pub(crate) fn open_for_work(
    path: &Path,
    reading: &Reading,
    running: &Running,
    dtype: Option<&str>,
) -> anyhow::Result<Box<dyn Source>> {
    let source = open(path, reading, dtype)?;
    say_notices(path, source.image(), running);
    Ok(source)
}

/// Says what cannot be reached through an image of a file.
pub(crate) fn say_notices(path: &Path, image: &Image, running: &Running) {
    for notice in image.metadata.notices.iter().filter(|_| !running.quiet) {
        exit::say(&format!("warning: {}: {notice}", path.display()));
    }
}

/// Opens an input of which other pages and levels are read than the one that was asked for.
pub(crate) fn open_file(
    path: &Path,
    reading: &Reading,
    dtype: Option<&str>,
    bad_blocks: BadBlocks,
) -> anyhow::Result<ImageFile> {
    let options = OpenOptions { bad_blocks, ..reading_options(reading, dtype) };
    ImageFile::open(path, &options).with_context(|| path.display().to_string())
}

/// How an input is read.
pub(crate) fn reading_options(reading: &Reading, dtype: Option<&str>) -> OpenOptions {
    OpenOptions {
        from: reading.from,
        page: reading.page.unwrap_or(0),
        level: reading.level.unwrap_or(0),
        mask: false,
        bad_blocks: reading.on_bad_block,
        expand_palette: reading.expand_palette,
        io: match reading.io {
            args::Io::Auto => IoMode::Auto,
            args::Io::Map => IoMode::Map,
            args::Io::Read => IoMode::Read,
        },
        raw: RawOptions {
            shape: reading.raw.shape,
            dtype: dtype.map(str::to_owned),
            offset: reading.raw.offset,
            big_endian: reading.raw.big_endian,
            interleave: reading.raw.interleave,
        },
    }
}

/// The part of an image that was asked for.
pub(crate) fn region(reading: &Reading, running: &Running, image: &Image) -> outcrop::Result<Region> {
    let count = image.extent.channels;
    let channels = reading.channels.as_ref().map(|list| list.select(count)).transpose()?;
    Ok(Region { window: reading.window, channels, chunk: running.chunk })
}

/// The sample types of a raw input and of the output: `--dtype` is the input's where the input is raw.
///
/// # Errors
/// Where both flags name a type for the output and they differ, or it has a byte order that is not ours.
pub(crate) fn types<'a>(
    types: &'a Types,
    reading: &Reading,
) -> outcrop::Result<(Option<&'a str>, Option<DataType>)> {
    let dtype = types.dtype.as_deref();
    if reading.raw.shape.is_some() || reading.from == Some(InputFormat::Raw) {
        return Ok((dtype, types.out_dtype));
    }
    let named =
        dtype.map(parse::output_dtype).transpose().map_err(|e| Error::Usage(format!("{e} (--dtype)")))?;
    match (named, types.out_dtype) {
        (Some(a), Some(b)) if a != b => {
            Err(Error::Usage(format!("--dtype {a} and --out-dtype {b} both name the output's type")))
        }
        (a, b) => Ok((None, b.or(a))),
    }
}

/// The output, checked not to be a file that the input is made of, nor the run's report or checkpoint. To be called while
/// the input is open.
pub(crate) fn output(
    path: &Path,
    target: &Target,
    running: &Running,
    input: Option<&Path>,
) -> anyhow::Result<Output> {
    let mut output = file_output(path, target.overwrite, input)?;
    output.options.format = target.to;
    if let Some(path) = &output.path {
        let mut made = vec![path.clone()];
        if target.to.or(OutputFormat::of_path(path)) == Some(OutputFormat::Envi) {
            made.extend([path.with_extension("raw"), path.with_extension("hdr")]);
        }
        if target.to.or(OutputFormat::of_path(path)) == Some(OutputFormat::DeepZoom) {
            made.push(outcrop::tiles_folder(path));
        }
        not_read(path, &made, input)?;
        apart(running, &made.iter().map(PathBuf::as_path).collect::<Vec<_>>(), "the output")?;
    }
    Ok(output)
}

/// An output of which only the name is known, checked as [`output`] does.
pub(crate) fn file_output(path: &Path, overwrite: bool, input: Option<&Path>) -> outcrop::Result<Output> {
    let mut output = if path == Path::new("-") { Output::default() } else { Output::new(path) };
    output.options.overwrite =
        if overwrite { outcrop::Overwrite::Replace } else { outcrop::Overwrite::Refuse };
    if let Some(path) = &output.path {
        not_read(path, std::slice::from_ref(path), input)?;
    }
    Ok(output)
}

/// Refuses an output whose files are read.
fn not_read(path: &Path, made: &[PathBuf], input: Option<&Path>) -> outcrop::Result<()> {
    match made.iter().any(|made| is_read(made, input)) {
        true => Err(Error::Usage(format!("{}: the output is the input: name another file", path.display()))),
        false => Ok(()),
    }
}

/// Refuses a report or a checkpoint that is no file, would be written over one of `files`, or over each other.
pub(crate) fn apart(running: &Running, files: &[&Path], what: &str) -> outcrop::Result<()> {
    let (report, checkpoint) = (running.report.as_deref(), running.checkpoint.as_deref());
    // A header and its data are both the input.
    let halves: Vec<_> = files.iter().filter_map(|file| outcrop::other_file(file)).collect();
    let files: Vec<&Path> = files.iter().copied().chain(halves.iter().map(|file| &**file)).collect();
    for (flag, written) in [("--report", report), ("--checkpoint", checkpoint)] {
        let Some(written) = written else { continue };
        let shown = written.display();
        if written == Path::new("-") {
            return Err(Error::Usage(format!("- is no file: name one ({flag})")));
        }
        if flag == "--checkpoint" && written.is_dir() {
            return Err(Error::Usage(format!("{shown} is a folder: name a file ({flag})")));
        }
        if is_unfinished(written) {
            return Err(Error::Usage(format!(
                "{shown} is a name of unfinished outputs: name another file ({flag})"
            )));
        }
        if files.iter().any(|file| is_same(file, written)) {
            return Err(Error::Usage(format!("{shown} is {what}: name another file ({flag})")));
        }
    }
    match report.zip(checkpoint) {
        Some((a, b)) if is_same(a, b) => {
            Err(Error::Usage(format!("{} is the report and the checkpoint: name two files", a.display())))
        }
        _ => Ok(()),
    }
}

/// Whether that is how outputs are called before they have their name.
fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let endings = [".outcrop-part", ".outcrop-save", ".outcrop-probe", ".encode.tif"];
    name.starts_with('.') && endings.iter().any(|ending| name.ends_with(ending))
}

/// Whether two paths lead to one file, or would if it were there.
fn is_same(a: &Path, b: &Path) -> bool {
    let place = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Some(fs::canonicalize(folder.unwrap_or(Path::new("."))).ok()?.join(path.file_name()?))
    };
    let number = |path| fs::metadata(path).ok().filter(|f| f.is_file()).map(|f| (f.dev(), f.ino()));
    place(a).is_some_and(|at| place(b) == Some(at)) || number(a).is_some_and(|n| number(b) == Some(n))
}

/// What was typed about how the output is written; refused where its format has no such thing.
///
/// # Errors
/// [`Error::Usage`] for options that do not exist, and for an output of another format.
pub(crate) fn tiff(typed: &args::Tiff, pyramid: bool, output: &mut Output) -> outcrop::Result<()> {
    let format = output.options.format.or_else(|| OutputFormat::of_path(output.path.as_deref()?));
    let deepzoom = format == Some(OutputFormat::DeepZoom);
    if typed.cog && deepzoom {
        return Err(Error::Usage("--cog is for TIFF outputs (.tif or --to tiff)".into()));
    }
    if pyramid || typed.cog || deepzoom {
        let arrangement = if typed.cog { Arrangement::CloudOptimized } else { Arrangement::SubIfds };
        output.pyramid = Some(Pyramid { resample: typed.resample, arrangement });
    } else if typed.resample.is_some() {
        return Err(Error::Usage("--resample is for levels (--pyramid or --cog)".into()));
    }
    let given = if typed.bigtiff.is_some() {
        "--bigtiff"
    } else if typed.sparse {
        "--sparse"
    } else if !typed.co.is_empty() {
        "--co"
    } else {
        return Ok(());
    };
    let creation = typed.co.iter().map(String::as_str);
    let picture = match format {
        Some(OutputFormat::Picture(format)) => Some(format),
        Some(OutputFormat::DeepZoom) => Some(output.options.deepzoom.format),
        _ => None,
    };
    match (format, picture) {
        (None | Some(OutputFormat::Tiff), _) => {}
        (_, Some(format)) if given == "--co" => {
            output.options.picture = PictureOptions::from_creation_options(format, creation)?;
            return Ok(());
        }
        _ => return Err(Error::Usage(format!("{given} is for TIFF outputs (.tif or --to tiff)"))),
    }
    let mut options = TiffOptions::from_creation_options(creation)?;
    match typed.bigtiff {
        None => {}
        Some(args::BigTiff::Auto) => options.bigtiff = BigTiff::Auto,
        Some(args::BigTiff::Yes) => options.bigtiff = BigTiff::Yes,
        Some(args::BigTiff::No) => options.bigtiff = BigTiff::No,
    }
    options.sparse |= typed.sparse;
    output.options.tiff = options;
    Ok(())
}

/// What was typed about the tiles of a DeepZoom image; refused where the output is none.
///
/// # Errors
/// [`Error::Usage`] for an output of another format.
pub(crate) fn deepzoom(typed: &args::DeepZoom, output: &mut Output) -> outcrop::Result<()> {
    let format = output.options.format.or_else(|| OutputFormat::of_path(output.path.as_deref()?));
    let args::DeepZoom { tile, overlap, tile_format } = *typed;
    let given = [
        ("--tile", tile.is_some()),
        ("--overlap", overlap.is_some()),
        ("--tile-format", tile_format.is_some()),
    ];
    if format != Some(OutputFormat::DeepZoom) {
        return match given.iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((flag, _)) => Err(Error::Usage(format!("{flag} is for DeepZoom outputs (.dzi)"))),
        };
    }
    let usual = &mut output.options.deepzoom;
    usual.tile = tile.unwrap_or(usual.tile);
    usual.overlap = overlap.unwrap_or(usual.overlap);
    usual.format = tile_format.unwrap_or(usual.format);
    Ok(())
}

/// Whether a file is the input or one that is open for reading: so the system itself knows the data file beside an
/// ENVI header, links, and other spellings of a path.
fn is_read(file: &Path, input: Option<&Path>) -> bool {
    let Ok(found) = fs::metadata(file) else { return false };
    let same = |other: &Path| {
        fs::metadata(other).is_ok_and(|other| (other.dev(), other.ino()) == (found.dev(), found.ino()))
    };
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let mut above_stderr =
        open.filter(|fd| fd.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) > Some(2));
    found.is_file() && (input.is_some_and(same) || above_stderr.any(|fd| same(&fd.path())))
}

/// Which samples count in figures.
pub(crate) fn validity(validity: &Validity) -> ValidityOptions {
    ValidityOptions {
        nodata: match &validity.nodata {
            None => outcrop::Nodata::FromFile,
            Some(Nodata::None) => outcrop::Nodata::None,
            Some(Nodata::Values(values)) => outcrop::Nodata::Values(values.clone()),
        },
        nan: match validity.nan {
            None | Some(args::Nan::Omit) => NanPolicy::Omit,
            Some(args::Nan::Propagate) => NanPolicy::Propagate,
        },
    }
}

/// Which values leave the pixels of an image over channels: only those that were typed.
pub(crate) fn given_nodata(validity: &Validity) -> Option<Vec<Value>> {
    match &validity.nodata {
        Some(Nodata::Values(values)) => Some(values.clone()),
        _ => None,
    }
}

/// What `--mask` calls the input's own mask; a file of that name is `./self`.
const OWN_MASK: &str = "self";

/// A mask that was opened, if one was named.
pub(crate) struct OpenMask {
    source: Option<Box<dyn Source>>,
    name: String,
    alpha: bool,
}

impl Validity {
    /// The file that holds the mask, where it is not the input itself.
    pub(crate) fn mask_file(&self) -> Option<&Path> {
        self.mask.as_deref().filter(|path| *path != Path::new(OWN_MASK))
    }
}

/// The files that a result depends on: the input, and the mask where it is another.
pub(crate) fn inputs<'a>(input: &'a Path, validity: &'a Validity) -> Vec<&'a Path> {
    [input].into_iter().chain(validity.mask_file()).collect()
}

/// Opens the mask for an image of the input. A raw one holds bytes, as many rows and columns as the image.
///
/// # Errors
/// A mask that cannot be opened; an input that has none, where it is asked for its own.
pub(crate) fn mask(
    validity: &Validity,
    input: &Path,
    reading: &Reading,
    image: &Image,
) -> anyhow::Result<OpenMask> {
    if validity.mask.as_deref() == Some(Path::new(OWN_MASK)) {
        let options = OpenOptions { mask: true, ..reading_options(reading, None) };
        let source = outcrop::open(input, &options).context("--mask self")?;
        return Ok(OpenMask { source: Some(source), name: OWN_MASK.into(), alpha: false });
    }
    let Some(path) = &validity.mask else {
        return Ok(OpenMask { source: None, name: String::new(), alpha: validity.alpha_mask });
    };
    let mut options = OpenOptions::default();
    if OutputFormat::of_path(path) == Some(OutputFormat::Raw) && !path.with_extension("hdr").is_file() {
        options.raw.shape = Some(Extent { channels: 1, ..image.extent });
        options.raw.dtype = Some("uint8".into());
    }
    let name = path.display().to_string();
    let source = outcrop::open(path, &options).with_context(|| format!("the mask {name} (--mask)"))?;
    Ok(OpenMask { source: Some(source), name, alpha: false })
}

impl OpenMask {
    /// As the library takes it.
    pub(crate) fn get(&self) -> Mask<'_> {
        match &self.source {
            Some(source) => Mask::Image { source: &**source, name: &self.name },
            None if self.alpha => Mask::Alpha,
            None => Mask::None,
        }
    }
}

/// Does the same for each input, and goes on to the next where one fails, as `cat` does: a bad file among
/// thousands must not hide the others. What failed first decides the exit code.
pub(crate) fn for_each_input(
    inputs: &[PathBuf],
    mut each: impl FnMut(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut first = None;
    for path in inputs {
        let Err(error) = each(path) else { continue };
        if inputs.len() == 1 || exit::ends_all(&error) {
            return Err(error);
        }
        exit::say_error(&error);
        first.get_or_insert(error);
    }
    first.map_or(Ok(()), |error| Err(exit::AlreadySaid(error).into()))
}
