//! `outcrop preview`: an image of any size as a small picture, in a file or in the terminal.

use std::io::{IsTerminal, Write};

use anyhow::Context;
use outcrop::{
    CancelToken, Checkpoint, Error, Image, Look, OpenOptions, Preview as Previewed, PreviewOptions, Region,
    Source,
};

use crate::args::{Preview, Terminal};
use crate::exit;
use crate::frame;
use crate::labels;
use crate::picture_file::{PictureFile, picture_format};
use crate::resolve::{self, Session};
use crate::terminal::{self, Drawing};

/// The longer side of a picture in a file.
const SIZE: u64 = 1024;

/// Reads, averages, and shows or writes the picture.
pub(crate) fn run(args: &Preview, cancel: &CancelToken) -> anyhow::Result<()> {
    let drawing = drawing(args)?;
    let format = match &args.output {
        Some(path) => Some(picture_format(path, args.target.to)?),
        None => None,
    };
    let most = match (args.size, drawing) {
        (size, None) => (size.unwrap_or(SIZE), size.unwrap_or(SIZE)),
        (size, Some(drawing)) => {
            let fits = drawing.most(terminal::room());
            let size = size.unwrap_or(u64::MAX);
            (fits.0.min(size), fits.1.min(size))
        }
    };
    let name = || args.input.display().to_string();
    let (source, region) = open(args, most)?;
    let image = source.image();
    let metres = metres(args, image).with_context(name)?;
    let channels = outcrop::preview_channels(image, &region).with_context(name)?;
    let look =
        Look { stretch: args.stretch.clone(), joint: args.joint, gamma: args.gamma, colors: args.colormap };
    look.check(channels.len()).with_context(name)?;
    let output = match &args.output {
        Some(path) => Some(resolve::output(path, &args.target, &args.running, Some(&args.input))?),
        None => None,
    };
    let mask = resolve::mask(&args.validity, &args.input, &args.reading, image).with_context(name)?;
    let what = format!("preview {:?} {:?} {:?} {most:?}", args.reading, args.raw.dtype, args.validity);
    let session =
        Session::begin(&args.running, cancel, &resolve::inputs(&args.input, &args.validity), &what)?;
    let resumed = session.runtime.checkpoint().is_some_and(Checkpoint::is_resumed);
    let open = if resumed { PictureFile::resume } else { PictureFile::create };
    let file = output.as_ref().map(open).transpose()?;
    let around = if args.axes { frame::AROUND } else { (0, 0) };
    let options = PreviewOptions {
        most,
        validity: resolve::validity(&args.validity),
        mask: mask.get(),
        file: format.map(|format| (format, around)),
    };
    let work = || -> anyhow::Result<()> {
        let found = outcrop::preview(&session.runtime, &*source, &region, &options).with_context(name)?;
        if args.running.verbose {
            exit::say(&describe(image, &found, &look));
        }
        if args.terminal == Some(Terminal::None) {
            let mut out = std::io::stdout().lock();
            return Ok(writeln!(out, "{}", describe(image, &found, &look))?);
        }
        session.runtime.end_output(|| {
            let mut picture = found.paint(&look)?;
            let step = step(image, &found);
            if let Some(metres) = metres {
                frame::scale_bar(&mut picture, metres * step.0)?;
            }
            if args.axes {
                let full = full_pixels(image);
                let start = (found.window.x as f64 * full.0, found.window.y as f64 * full.1);
                picture = frame::axes(&picture, start, step)?;
            }
            match (file, format, drawing) {
                (Some(file), Some(format), _) => file.save(&picture.encode(format)?),
                (_, _, Some(drawing)) => {
                    let bytes = drawing.draw(&picture)?;
                    let mut out = std::io::stdout().lock();
                    Ok(out.write_all(&bytes).and_then(|()| out.flush())?)
                }
                _ => Ok(()),
            }
        })
    };
    let done = work();
    session.end(&args.input, done)
}

/// How the terminal is drawn in; `None` where a file is written, or nothing is drawn.
fn drawing(args: &Preview) -> outcrop::Result<Option<Drawing>> {
    if args.output.is_some() || args.terminal == Some(Terminal::None) {
        return Ok(None);
    }
    if args.target.to.is_some() || args.target.overwrite {
        return Err(Error::Usage("--to and --overwrite are for an OUTPUT, and none is named".into()));
    }
    let asks_for_a_plan = args.running.plan.is_some();
    if args.terminal.is_none() && !asks_for_a_plan && !std::io::stdout().is_terminal() {
        return Err(Error::Usage(
            "standard output is no terminal: name an OUTPUT, or a way to draw (--terminal blocks)".into(),
        ));
    }
    Ok(Some(Drawing::choose(args.terminal, &|name| std::env::var(name).ok())))
}

/// Opens the level that is best for the size, and says which part of it is meant.
fn open(args: &Preview, most: (u64, u64)) -> anyhow::Result<(Box<dyn Source>, Region)> {
    let mut options = resolve::reading_options(&args.reading, args.raw.dtype.as_deref());
    let open = |options: &OpenOptions| {
        outcrop::open(&args.input, options).with_context(|| args.input.display().to_string())
    };
    let mut source = open(&options)?;
    if source.image().metadata.palette.is_some() && !options.expand_palette {
        // Between two indices there is no average.
        options.expand_palette = true;
        source = open(&options)?;
    }
    resolve::say_notices(&args.input, source.image(), &args.running);
    let mut region = resolve::region(&args.reading, &args.running, source.image())
        .with_context(|| args.input.display().to_string())?;
    region.resolve(source.image()).with_context(|| args.input.display().to_string())?;
    if args.reading.level.is_none() && args.validity.mask.is_none() {
        let (level, window) = outcrop::preview_level(source.image(), region.window, most);
        if level > 0 {
            options.level = level;
            source = open(&options)?;
            region.window = window;
        }
    }
    Ok((source, region))
}

/// Metres of a pixel of the full resolution, where a scale bar is asked for.
fn metres(args: &Preview, image: &Image) -> outcrop::Result<Option<f64>> {
    if !args.scale_bar {
        return Ok(None);
    }
    let said = args.pixel_size.or_else(|| outcrop::pixel_size(image).map(|size| size.0));
    said.map(Some).ok_or_else(|| {
        Error::Usage("the file does not say how long a pixel is (--pixel-size VALUE:UNIT)".into())
    })
}

/// Pixels of the full resolution along a pixel of the level: columns, rows.
fn full_pixels(image: &Image) -> (f64, f64) {
    let full =
        image.levels.first().map_or((image.extent.height, image.extent.width), |l| (l.height, l.width));
    let ratio = |full: u64, here: u64| full as f64 / here.max(1) as f64;
    (ratio(full.1, image.extent.width), ratio(full.0, image.extent.height))
}

/// Pixels of the full resolution along a pixel of the picture: columns, rows.
fn step(image: &Image, found: &Previewed) -> (f64, f64) {
    let full = full_pixels(image);
    let along = |window: u64, pixels: u64, full: f64| window as f64 / pixels as f64 * full;
    (along(found.window.width, found.size.1, full.0), along(found.window.height, found.size.0, full.1))
}

/// What is shown, in one line.
fn describe(image: &Image, found: &Previewed, look: &Look) -> String {
    let ends = found.limits(look);
    let ends = ends.iter().map(|(low, high)| format!("{} to {}", labels::short(*low), labels::short(*high)));
    let numbers: Vec<_> = found.channels.indices().iter().map(|c| (c + 1).to_string()).collect();
    format!(
        "{} x {} pixels of {} x {} at level {} of {}, channels {}, black to white: {}",
        found.size.1,
        found.size.0,
        found.window.width,
        found.window.height,
        image.level,
        image.levels.len(),
        numbers.join(","),
        ends.collect::<Vec<_>>().join("; ")
    )
}
