//! Histograms as pictures: PNG, JPEG, WebP, or SVG.

use std::path::{Path, PathBuf};

use outcrop::{Error, Image, Measured, Picture, PictureFormat};
use plotters::prelude::*;

use crate::args::{Running, Target};
use crate::commands::histogram_channels;
use crate::labels::{self, FAMILY};
use crate::picture_file::PictureFile;
use crate::resolve;

/// Columns and rows of a chart.
const SIZE: (u32, u32) = (900, 500);
const INK: RGBColor = RGBColor(60, 60, 60);
/// Colours that can be told apart, the first three for red, green and blue.
const COLORS: [RGBColor; 8] = [
    RGBColor(214, 39, 40),
    RGBColor(44, 160, 44),
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(227, 119, 194),
    RGBColor(23, 190, 207),
];

/// A chart that was asked for: its file is started, and has its name when it is drawn.
pub(crate) struct Plot {
    file: PictureFile,
    /// `None` for SVG.
    format: Option<PictureFormat>,
}

impl Plot {
    /// Starts the file, if one is named.
    ///
    /// # Errors
    /// [`Error::Usage`] for several inputs, an extension of another kind, and a file that cannot be written.
    pub(crate) fn create(
        path: Option<&Path>,
        overwrite: bool,
        inputs: &[PathBuf],
        running: &Running,
    ) -> anyhow::Result<Option<Plot>> {
        let Some(path) = path else { return Ok(None) };
        if inputs.len() != 1 {
            let message = format!("a plot is of one input, not of {} (--plot)", inputs.len());
            return Err(Error::Usage(message).into());
        }
        let is_svg = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("svg"));
        let format = PictureFormat::of_path(path);
        if format.is_none() && !is_svg {
            let message = format!("{}: a plot is a .png, .jpg, .webp or .svg file (--plot)", path.display());
            return Err(Error::Usage(message).into());
        }
        let target = Target { to: None, overwrite };
        let output = resolve::output(path, &target, running, inputs.first().map(PathBuf::as_path))?;
        Ok(Some(Plot { file: PictureFile::create(&output)?, format }))
    }

    /// Draws the histograms of all channels, and gives the file its name.
    pub(crate) fn draw(self, image: &Image, found: &Measured) -> anyhow::Result<()> {
        labels::load_font();
        let failed = |e: &dyn std::fmt::Display| anyhow::anyhow!("draw the plot: {e}");
        let Some(format) = self.format else {
            let mut text = String::new();
            chart(&SVGBackend::with_string(&mut text, SIZE).into_drawing_area(), image, found)
                .map_err(|e| failed(&e))?;
            return self.file.save(text.as_bytes());
        };
        let (width, height) = (SIZE.0 as usize, SIZE.1 as usize);
        let mut rgb = vec![255; width * height * 3];
        chart(&BitMapBackend::with_buffer(&mut rgb, SIZE).into_drawing_area(), image, found)
            .map_err(|e| failed(&e))?;
        let rgba = rgb.chunks_exact(3).map(|p| [p[0], p[1], p[2], 255]).collect();
        self.file.save(&Picture { height, width, rgba }.encode(format)?)
    }
}

type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

fn chart<B: DrawingBackend>(
    area: &DrawingArea<B, plotters::coord::Shift>,
    image: &Image,
    found: &Measured,
) -> Drawn<B> {
    let histograms: Vec<_> = histogram_channels(found).collect();
    let (first, last) = match (found.edges.first(), found.edges.last()) {
        (Some(first), Some(last)) => (*first, *last),
        _ => (0.0, 1.0),
    };
    let most =
        histograms.iter().flat_map(|(_, counts)| &counts.bins).copied().max().unwrap_or(0).max(1) as f64;
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(area)
        .margin(16)
        .margin_right(28)
        .x_label_area_size(48)
        .y_label_area_size(72)
        .build_cartesian_2d(first..last, 0.0..most * 1.04)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(225, 225, 225))
        .axis_style(INK)
        .label_style((FAMILY, 16).into_font().color(&INK))
        .axis_desc_style((FAMILY, 17).into_font().color(&INK))
        .x_labels(9)
        .y_labels(6)
        .x_label_formatter(&|v| labels::short(*v))
        .y_label_formatter(&|v| labels::count(*v))
        .x_desc(format!("sample value ({})", image.dtype))
        .y_desc("samples")
        .draw()?;
    let alone = histograms.len() == 1;
    // So many names have room in a corner.
    let named = (2..=12).contains(&histograms.len());
    for (number, (channel, counts)) in histograms.iter().enumerate() {
        let color = if alone { INK } else { COLORS[number % COLORS.len()] };
        // The outline of the bars: up at each bin's first edge, along it, down at its last.
        let steps = counts.bins.iter().enumerate().flat_map(|(i, n)| {
            let height = *n as f64;
            [(found.edges[i], height), (found.edges[i + 1], height)]
        });
        let outline: Vec<_> =
            std::iter::once((first, 0.0)).chain(steps).chain(std::iter::once((last, 0.0))).collect();
        chart.draw_series(std::iter::once(Polygon::new(outline.clone(), color.mix(0.18).filled())))?;
        let line = chart.draw_series(std::iter::once(PathElement::new(outline, color)))?;
        if named {
            line.label(format!("channel {channel}"))
                .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], color.filled()));
        }
    }
    if named {
        // Where the bars leave room.
        let height = |part: std::ops::Range<usize>| {
            histograms.iter().filter_map(|(_, c)| c.bins[part.clone()].iter().max()).max().copied()
        };
        let (bins, corner) = (found.edges.len().saturating_sub(1), found.edges.len() / 5);
        let left = height(0..corner) < height(bins - corner..bins);
        let position = if left { SeriesLabelPosition::UpperLeft } else { SeriesLabelPosition::UpperRight };
        chart
            .configure_series_labels()
            .position(position)
            .margin(12)
            .background_style(WHITE.mix(0.85))
            .border_style(RGBColor(200, 200, 200))
            .label_font((FAMILY, 16).into_font().color(&INK))
            .draw()?;
    }
    area.present()
}
