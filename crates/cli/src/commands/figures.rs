//! The figures of a channel as `stats` shows them: JSON, tables of at most 80 columns, CSV.

use std::fmt::Write as _;

use outcrop::{ExactSum, PercentileSpec, Value};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::json::{Float, Number};
use crate::table::{self, Cell};

/// Columns of numbers in one table; what is more goes into a further table.
const ACROSS: usize = 5;

/// The figures of one channel, or of all together. What was not asked for is not there; what is undefined is null.
#[derive(serde::Serialize)]
pub(crate) struct Figures {
    /// From 1, in the image; none for all channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    count: u64,
    valid: u64,
    nodata: u64,
    nan: u64,
    pos_inf: u64,
    neg_inf: u64,
    masked: u64,
    sparse: u64,
    quarantined: u64,
    min: Option<Number>,
    max: Option<Number>,
    /// Row and column in the image of the first pixel that has the minimum.
    min_at: Option<(u64, u64)>,
    max_at: Option<(u64, u64)>,
    /// 0 over no valid sample.
    sum: Number,
    mean: Option<Float>,
    variance: Option<Float>,
    std: Option<Float>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skewness: Option<Option<Float>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kurtosis: Option<Option<Float>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percentiles: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    histogram: Option<Bins>,
    /// Values in ascending order with how often each occurs.
    #[serde(skip_serializing_if = "Option::is_none")]
    unique: Option<Vec<(Number, u64)>>,
}

/// Percentiles under the names that were typed, in that order.
struct Percentiles(Vec<(String, Option<Float>)>);

impl Serialize for Percentiles {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A histogram.
#[derive(serde::Serialize)]
struct Bins {
    /// The edges are `numpy.linspace(min, max, len(counts) + 1)`.
    min: Float,
    max: Float,
    counts: Vec<u64>,
    below: u64,
    above: u64,
    #[serde(skip)]
    edges: Vec<f64>,
}

impl Figures {
    pub(crate) fn new(
        index: Option<u64>,
        found: &outcrop::Figures,
        edges: &[f64],
        percentiles: Option<&PercentileSpec>,
        ddof: u64,
    ) -> Figures {
        let (stats, counts) = (&found.stats, &found.stats.counts);
        let names = percentiles.iter().flat_map(|spec| &spec.percentiles).map(|p| p.text().to_owned());
        let bins = |bins: &outcrop::BinCounts| Bins {
            min: Float(edges.first().copied().unwrap_or(f64::NAN)),
            max: Float(edges.last().copied().unwrap_or(f64::NAN)),
            counts: bins.bins.clone(),
            below: bins.below,
            above: bins.above,
            edges: edges.to_vec(),
        };
        Figures {
            index,
            count: counts.count,
            valid: counts.valid,
            nodata: counts.nodata,
            nan: counts.nan,
            pos_inf: counts.pos_inf,
            neg_inf: counts.neg_inf,
            masked: counts.masked,
            sparse: counts.sparse,
            quarantined: counts.quarantined,
            min: stats.min.map(Number),
            max: stats.max.map(Number),
            min_at: stats.min_at,
            max_at: stats.max_at,
            sum: Number(match stats.sum {
                ExactSum::Int(sum) => Value::Int(sum),
                ExactSum::Float(sum) => Value::Float(sum),
            }),
            mean: stats.mean.map(Float),
            variance: stats.variance(ddof).map(Float),
            std: stats.std(ddof).map(Float),
            skewness: found.shape.map(|shape| shape.skewness.map(Float)),
            kurtosis: found.shape.map(|shape| shape.kurtosis.map(Float)),
            percentiles: found
                .percentiles
                .as_ref()
                .map(|values| Percentiles(names.zip(values.iter().map(|v| v.map(Float))).collect())),
            histogram: found.histogram.as_ref().map(bins),
            unique: found.unique.as_ref().map(|list| list.iter().map(|&(v, n)| (Number(v), n)).collect()),
        }
    }

    fn name(&self) -> Cell {
        self.index.map_or(Cell::Text("all".into()), whole)
    }

    /// What was left out and why, and what is remarkable among the rest; nothing where there is nothing.
    fn remark(&self) -> Option<String> {
        let left_out = self.count - self.valid;
        let outside = self.histogram.as_ref().map_or((0, 0), |bins| (bins.below, bins.above));
        let parts = [
            (self.nodata, "nodata"),
            (self.nan, "NaN"),
            (self.masked, "masked"),
            (self.quarantined, "in bad blocks"),
            (self.pos_inf, "+inf"),
            (self.neg_inf, "-inf"),
            (self.sparse, "not stored"),
            (outside.0, "below the histogram"),
            (outside.1, "above the histogram"),
        ];
        let some: Vec<_> =
            parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        let who = self.index.map_or("all channels".into(), |index| format!("channel {index}"));
        (!some.is_empty())
            .then(|| format!("{who}: {left_out} of {} left out; {}", self.count, some.join(", ")))
    }
}

fn whole(n: u64) -> Cell {
    Cell::Number(Value::Int(n.into()))
}

fn number(n: Option<Number>) -> Cell {
    n.map_or(Cell::Undefined, |n| Cell::Number(n.0))
}

fn float(f: Option<Float>) -> Cell {
    f.map_or(Cell::Undefined, |f| Cell::Number(Value::Float(f.0)))
}

fn place(at: Option<(u64, u64)>) -> Cell {
    at.map_or(Cell::Undefined, |(y, x)| Cell::Text(format!("{y},{x}")))
}

/// The tables.
pub(crate) fn render(text: &mut String, all: &[Figures]) {
    let basic = |f: &Figures| {
        let sum = number(Some(f.sum));
        vec![f.name(), whole(f.count), number(f.min), number(f.max), sum, float(f.mean), float(f.std)]
    };
    let rows: Vec<_> = all.iter().map(basic).collect();
    text.push_str(&table::render(&["channel", "count", "min", "max", "sum", "mean", "std"], &rows));

    let mut headings = vec!["channel", "min at y,x", "max at y,x", "variance"];
    let shaped = all.iter().any(|f| f.skewness.is_some());
    if shaped {
        headings.extend(["skewness", "kurtosis"]);
    }
    let more = |f: &Figures| {
        let mut row = vec![f.name(), place(f.min_at), place(f.max_at), float(f.variance)];
        if shaped {
            row.extend([float(f.skewness.flatten()), float(f.kurtosis.flatten())]);
        }
        row
    };
    let rows: Vec<_> = all.iter().map(more).collect();
    let _ = write!(text, "\n{}", table::render(&headings, &rows));
    percentiles(text, all);
    histogram(text, all);
    unique(text, all);
}

fn percentiles(text: &mut String, all: &[Figures]) {
    let asked = all.iter().find_map(|f| f.percentiles.as_ref()).map_or(0, |p| p.0.len());
    for start in (0..asked).step_by(ACROSS) {
        let end = (start + ACROSS).min(asked);
        let some = |f: &Figures| f.percentiles.as_ref().map(|p| p.0[start..end].to_vec()).unwrap_or_default();
        let names: Vec<String> =
            all.first().map(some).iter().flatten().map(|(n, _)| format!("{n} %")).collect();
        let headings: Vec<&str> =
            std::iter::once("channel").chain(names.iter().map(String::as_str)).collect();
        let row = |f: &Figures| {
            let values = some(f).into_iter().map(|(_, value)| float(value));
            std::iter::once(f.name()).chain(values).collect::<Vec<_>>()
        };
        let _ = write!(text, "\n{}", table::render(&headings, &all.iter().map(row).collect::<Vec<_>>()));
    }
}

fn histogram(text: &mut String, all: &[Figures]) {
    for some in all.chunks(ACROSS) {
        let bins: Vec<&Bins> = some.iter().filter_map(|f| f.histogram.as_ref()).collect();
        let Some(first) = bins.first() else { continue };
        let names = names(some);
        let headings: Vec<&str> =
            ["from", "to"].into_iter().chain(names.iter().map(String::as_str)).collect();
        let row = |i: usize| {
            let edge = |i: usize| float(first.edges.get(i).copied().map(Float));
            let counts = bins.iter().map(|bins| whole(bins.counts[i]));
            [edge(i), edge(i + 1)].into_iter().chain(counts).collect::<Vec<_>>()
        };
        let rows: Vec<_> = (0..first.counts.len()).map(row).collect();
        let _ = write!(text, "\n{}", table::render(&headings, &rows));
    }
}

fn unique(text: &mut String, all: &[Figures]) {
    let row = |f: &Figures, &(value, n): &(Number, u64)| vec![f.name(), number(Some(value)), whole(n)];
    if all.iter().any(|f| f.unique.is_some()) {
        let rows = all.iter().flat_map(|f| f.unique.iter().flatten().map(move |class| row(f, class)));
        let _ = write!(text, "\n{}", table::render(&["channel", "value", "count"], rows));
    }
}

fn names(some: &[Figures]) -> Vec<String> {
    some.iter().map(|f| f.index.map_or("all".into(), |index| format!("channel {index}"))).collect()
}

/// A matrix of the channels, in tables of a few columns.
pub(crate) fn matrix(text: &mut String, name: &str, channels: &[u64], rows: &[Vec<Option<Float>>]) {
    for start in (0..channels.len()).step_by(ACROSS) {
        let end = (start + ACROSS).min(channels.len());
        let numbers: Vec<String> = channels[start..end].iter().map(u64::to_string).collect();
        let headings: Vec<&str> = std::iter::once(name).chain(numbers.iter().map(String::as_str)).collect();
        let row = |(&channel, row): (&u64, &Vec<Option<Float>>)| {
            std::iter::once(whole(channel))
                .chain(row[start..end].iter().map(|v| float(*v)))
                .collect::<Vec<_>>()
        };
        let rows: Vec<_> = channels.iter().zip(rows).map(row).collect();
        let _ = write!(text, "\n{}", table::render(&headings, &rows));
    }
}

/// What was left out, a line for each channel that lacks something.
pub(crate) fn remarks(text: &mut String, all: &[Figures]) {
    for remark in all.iter().filter_map(Figures::remark) {
        let _ = writeln!(text, "{remark}");
    }
}

/// The names of the columns of CSV.
pub(crate) fn csv_heading(all: &[Figures]) -> String {
    let mut line = "file,channel,count,valid,nodata,nan,pos_inf,neg_inf,masked,sparse,quarantined,min,max,\
                    min_y,min_x,max_y,max_x,sum,mean,variance,std"
        .to_owned();
    if let Some(f) = all.first() {
        if f.skewness.is_some() {
            line.push_str(",skewness,kurtosis");
        }
        for (name, _) in f.percentiles.iter().flat_map(|p| &p.0) {
            let _ = write!(line, ",p{name}");
        }
    }
    line.push('\n');
    line
}

/// A line for each channel; what is undefined is empty.
pub(crate) fn csv(text: &mut String, file: &str, all: &[Figures]) {
    let exact = |n: Option<Number>| n.map(|n| n.0.to_string()).unwrap_or_default();
    let float = |f: Option<Float>| exact(f.map(|f| Number(Value::Float(f.0))));
    for f in all {
        let mut fields = vec![quoted(file), f.index.map_or("all".into(), |index| index.to_string())];
        let counts =
            [f.count, f.valid, f.nodata, f.nan, f.pos_inf, f.neg_inf, f.masked, f.sparse, f.quarantined];
        fields.extend(counts.map(|n| n.to_string()));
        fields.extend([exact(f.min), exact(f.max)]);
        for at in [f.min_at, f.max_at] {
            fields.extend(at.map_or([String::new(), String::new()], |(y, x)| [y.to_string(), x.to_string()]));
        }
        fields.extend([exact(Some(f.sum)), float(f.mean), float(f.variance), float(f.std)]);
        fields.extend([f.skewness, f.kurtosis].into_iter().flatten().map(float));
        fields.extend(f.percentiles.iter().flat_map(|p| &p.0).map(|(_, value)| float(*value)));
        let _ = writeln!(text, "{}", fields.join(","));
    }
}

/// A field as RFC 4180 has it.
pub(crate) fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", field.replace('"', "\"\""));
    }
    field.to_owned()
}
