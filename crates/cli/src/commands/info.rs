//! `outcrop info`: what a file holds, from its directories alone.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context;
use outcrop::{BlockLayout, Error, GeoValue, Image, LevelInfo, PageInfo, Rect, Region};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::args::{Info, Running};
use crate::commands::sizes::{self, Sizes};
use crate::json::{self, Float, Listed, Number, SCHEMA};
use crate::resolve;
use crate::table::{self, bytes};

/// Pages and levels shown as text; JSON has all.
const SHOWN: usize = 20;

/// Describes each input.
pub(crate) fn run(args: &Info) -> anyhow::Result<()> {
    resolve::limits(&args.running)?;
    refuse(&args.running)?;
    let mut shown = 0;
    resolve::for_each_input(&args.inputs, |path| {
        let source = resolve::open(path, &args.reading, args.raw.dtype.as_deref())?;
        let region = resolve::region(&args.reading, &args.running, source.image())
            .and_then(|region| region.resolve(source.image()).map(|_| region))
            .with_context(|| path.display().to_string())?;
        if args.json {
            let sizes = if args.sizes { Some(sizes::of(args, path, source.image())?) } else { None };
            let image = Description {
                facts: describe(path, source.image(), &region)?,
                pages: Listed { items: &source.image().pages, json: page_json },
                levels: Listed { items: &source.image().levels, json: level_json },
                sizes: sizes.as_ref().map(Sizes::json),
            };
            return json::print(&Answer { schema: SCHEMA, image });
        }
        let gap = if shown == 0 { "" } else { "\n" };
        shown += 1;
        let mut out = std::io::stdout().lock();
        let mut text = render(path, source.image());
        if args.sizes {
            text += "\n";
            text += &sizes::of(args, path, source.image())?.render();
        }
        Ok(write!(out, "{gap}{text}").and_then(|()| out.flush())?)
    })
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    schema: u32,
    image: Description<'a>,
}

/// All facts of an image. A file may have millions of pages: they become JSON one by one.
#[derive(Serialize)]
struct Description<'a> {
    #[serde(flatten)]
    facts: Json,
    pages: Listed<'a, PageInfo>,
    levels: Listed<'a, LevelInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sizes: Option<sizes::SizesJson<'a>>,
}

/// Refuses what is for commands that read pixels, rather than to ignore it.
fn refuse(running: &Running) -> outcrop::Result<()> {
    let given = [
        ("--plan", running.plan.is_some()),
        ("--report", running.report.is_some()),
        ("--checkpoint", running.checkpoint.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((flag, _)) => Err(Error::Usage(format!("info reads no pixels: leave out {flag}"))),
        None => Ok(()),
    }
}

/// The file's own name: results never hold paths, which differ from machine to machine.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The facts of an image that every command's JSON begins with, and which part of it was asked for.
pub(crate) fn summary(path: &Path, image: &Image, region: &Region) -> outcrop::Result<Json> {
    let mut object = json!({
        "name": name(path),
        "format": image.format,
        "height": image.extent.height,
        "width": image.extent.width,
        "channels": image.extent.channels,
        "dtype": image.dtype.name(),
        "page": image.page,
        "level": image.level,
    });
    let (window, channels) = region.resolve(image)?;
    if region.window.is_some() {
        let Rect { y, x, height, width } = window;
        object["window"] = json!({ "x": x, "y": y, "width": width, "height": height });
    }
    if region.channels.is_some() {
        object["selected_channels"] = channels.indices().iter().map(|c| c + 1).collect();
    }
    Ok(object)
}

/// The facts of an image but its pages and levels.
fn describe(path: &Path, image: &Image, region: &Region) -> outcrop::Result<Json> {
    let mut object = summary(path, image, region)?;
    let nodata: Vec<_> = image.nodata.iter().map(|&v| Number(v)).collect();
    object["stored_bits"] = image.stored_bits.unwrap_or(8 * image.dtype.bytes() as u16).into();
    object["layout"] = layout_json(image.layout);
    object["codec"] = image.codec.clone().into();
    object["predictor"] = image.predictor.into();
    object["byte_order"] = image.byte_order.name().into();
    object["nodata"] = json!(nodata);
    object["stored_bytes"] = image.stored_bytes.into();
    object["decoded_bytes"] = image.decoded_bytes().into();
    object["metadata"] = metadata_json(image);
    Ok(object)
}

fn page_json(p: &PageInfo) -> Json {
    json!({
        "height": p.extent.height, "width": p.extent.width, "channels": p.extent.channels,
        "dtype": p.dtype.name(), "levels": p.levels, "label": p.label,
    })
}

fn level_json(l: &LevelInfo) -> Json {
    json!({ "height": l.height, "width": l.width, "layout": layout_json(l.layout) })
}

fn layout_json(layout: BlockLayout) -> Json {
    match layout {
        BlockLayout::Rows { planar } => json!({ "kind": "rows", "planar": planar }),
        BlockLayout::Columns => json!({ "kind": "columns" }),
        BlockLayout::Strips { rows, planar, .. } => {
            json!({ "kind": "strips", "rows": rows, "planar": planar })
        }
        BlockLayout::Tiles { height, width, planar } => {
            json!({ "kind": "tiles", "height": height, "width": width, "planar": planar })
        }
        _ => json!({ "kind": "other" }),
    }
}

/// What the file says beyond the pixels; a key is there only where the file says something.
fn metadata_json(image: &Image) -> Json {
    let m = &image.metadata;
    let mut object = Map::new();
    let mut text = |key: &str, value: &Option<String>| {
        if let Some(value) = value {
            object.insert(key.into(), value.clone().into());
        }
    };
    text("description", &m.description);
    text("software", &m.software);
    text("date_time", &m.date_time);
    text("photometric", &m.photometric);
    if let Some(xml) = &m.ome_xml {
        object.insert("ome_xml".into(), xml.as_str().into());
    }
    if let Some(r) = &m.resolution {
        let resolution = json!({ "x": Float(r.x), "y": Float(r.y), "unit": unit(r.unit) });
        object.insert("resolution".into(), resolution);
    }
    if let Some(icc) = &m.icc {
        object.insert("icc_bytes".into(), icc.len().into());
    }
    if let Some(orientation) = m.orientation {
        object.insert("orientation".into(), orientation.into());
    }
    if !m.extra_samples.is_empty() {
        object.insert("extra_samples".into(), json!(m.extra_samples));
    }
    if let Some(palette) = &m.palette {
        object.insert("palette_colours".into(), (palette.len() / 3).into());
    }
    if !m.channel_names.is_empty() {
        object.insert("channel_names".into(), json!(m.channel_names));
    }
    if !m.geo.is_empty() {
        let geo = m.geo.iter().map(|(tag, value)| {
            let value = match value {
                GeoValue::Shorts(v) => json!(v),
                GeoValue::Doubles(v) => json!(v.iter().map(|&v| Float(v)).collect::<Vec<_>>()),
                GeoValue::Text(v) => json!(v),
            };
            (tag.to_string(), value)
        });
        object.insert("geo".into(), Json::Object(geo.collect()));
    }
    if !m.other.is_empty() {
        let other = m.other.iter().map(|(key, value)| (key.clone(), Json::from(value.clone())));
        object.insert("other".into(), Json::Object(other.collect()));
    }
    if !m.notices.is_empty() {
        object.insert("notices".into(), json!(m.notices));
    }
    Json::Object(object)
}

/// A TIFF resolution unit in words.
fn unit(code: u16) -> &'static str {
    match code {
        2 => "inch",
        3 => "centimetre",
        _ => "none",
    }
}

/// The facts as lines of `name: value`.
fn render(path: &Path, image: &Image) -> String {
    let e = image.extent;
    let mut text = String::new();
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(text, "{key:<13} {}", printable(value));
    };
    line("file", &path.to_string_lossy());
    line("format", image.format);
    line("size", &format!("{} x {} (width x height), {}", e.width, e.height, plural(e.channels, "channel")));
    let bits = image.stored_bits.map_or(String::new(), |bits| format!(" ({bits} bits stored)"));
    line("sample type", &format!("{}{bits}", image.dtype));
    line("layout", &layout(image.layout));
    let predictor = match image.predictor {
        1 => String::new(),
        n => format!(", predictor {n}"),
    };
    line("codec", &format!("{}{predictor}", image.codec));
    line("byte order", &format!("{} endian", image.byte_order.name()));
    line("on disk", &bytes(image.stored_bytes));
    line("in memory", &bytes(image.decoded_bytes()));
    if !image.nodata.is_empty() {
        let values: Vec<_> = image.nodata.iter().map(ToString::to_string).collect();
        line("nodata", &values.join(", "));
    }
    if image.pages.len() > 1 {
        line("page", &format!("{} of {} (from 0)", image.page, image.pages.len()));
        for (number, p) in image.pages.iter().enumerate().take(SHOWN) {
            let label = p.label.as_ref().map_or(String::new(), |label| format!(", {label}"));
            let e = p.extent;
            line(
                &format!("  {number}"),
                &format!("{} x {}, {}, {}{label}", e.width, e.height, plural(e.channels, "channel"), p.dtype),
            );
        }
        more(image.pages.len(), &mut line);
    }
    if image.levels.len() > 1 {
        line("level", &format!("{} of {} (from 0)", image.level, image.levels.len()));
        for (number, l) in image.levels.iter().enumerate().take(SHOWN) {
            line(&format!("  {number}"), &format!("{} x {}, {}", l.width, l.height, layout(l.layout)));
        }
        more(image.levels.len(), &mut line);
    }
    metadata(image, &mut line);
    text
}

fn more(count: usize, line: &mut impl FnMut(&str, &str)) {
    if count > SHOWN {
        line("  ...", &format!("{} more (--json lists all)", count - SHOWN));
    }
}

fn metadata(image: &Image, line: &mut impl FnMut(&str, &str)) {
    let m = &image.metadata;
    let mut text = |key: &str, value: &Option<String>| {
        if let Some(value) = value {
            line(key, value);
        }
    };
    text("photometric", &m.photometric);
    text("description", &m.description);
    text("software", &m.software);
    text("date", &m.date_time);
    if let Some(xml) = &m.ome_xml {
        line("OME-XML", &bytes(xml.len() as u64));
    }
    if let Some(r) = &m.resolution {
        let per = if r.unit < 2 { String::new() } else { format!(" pixels per {}", unit(r.unit)) };
        line("resolution", &format!("{} x {}{per}", table::float(r.x, 10), table::float(r.y, 10)));
    }
    if let Some(icc) = &m.icc {
        line("ICC profile", &bytes(icc.len() as u64));
    }
    if let Some(orientation) = m.orientation.filter(|&o| o != 1) {
        line("orientation", &format!("{orientation} (not applied)"));
    }
    if !m.extra_samples.is_empty() {
        let kind = |code: &u16| match code {
            1 => "associated alpha",
            2 => "unassociated alpha",
            _ => "unspecified",
        };
        line("extra samples", &m.extra_samples.iter().map(kind).collect::<Vec<_>>().join(", "));
    }
    if let Some(palette) = &m.palette {
        line("palette", &plural(palette.len() as u64 / 3, "colour"));
    }
    if !m.channel_names.is_empty() {
        line("channels", &m.channel_names.join(", "));
    }
    for (tag, value) in &m.geo {
        let value = match value {
            GeoValue::Shorts(v) => format!("{v:?}"),
            GeoValue::Doubles(v) => format!("{v:?}"),
            GeoValue::Text(v) => v.clone(),
        };
        line(&format!("geo {tag}"), &value);
    }
    for (key, value) in &m.other {
        line(key, value);
    }
    for notice in &m.notices {
        line("notice", notice);
    }
}

fn layout(layout: BlockLayout) -> String {
    let apart = |planar: bool| if planar { ", each channel apart" } else { "" };
    match layout {
        BlockLayout::Rows { planar } => format!("rows{}", apart(planar)),
        BlockLayout::Columns => "columns (Fortran order)".into(),
        BlockLayout::Strips { rows, planar, .. } => {
            format!("strips of {}{}", plural(rows, "row"), apart(planar))
        }
        BlockLayout::Tiles { height, width, planar } => {
            format!("tiles of {width} x {height}{}", apart(planar))
        }
        _ => "other".into(),
    }
}

fn plural(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A value as one short line: text of a file may hold line breaks, escape sequences and megabytes.
fn printable(value: &str) -> String {
    const LONGEST: usize = 200;
    let mut shown: String =
        value.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if value.chars().nth(LONGEST).is_some() {
        shown.push_str(" ...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_file_cannot_steer_the_terminal() {
        assert_eq!(printable("a\x1b[2J\nb"), "a [2J b");
        assert_eq!(printable(&"é".repeat(300)).chars().count(), 204);
    }
}
