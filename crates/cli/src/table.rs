//! Tables that fit a terminal: numbers keep as many digits as there is room for.

use std::fmt::Write;

use outcrop::Value;

/// Columns of a terminal that a table fits.
const WIDTH: usize = 80;
/// Significant digits that numbers start from, and end at where the table is still too wide.
const DIGITS: std::ops::RangeInclusive<usize> = 3..=10;

/// One cell.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// A number, shortened where there is no room.
    Number(Value),
    /// A text, kept as it is.
    Text(String),
    /// Nothing to show.
    Undefined,
}

/// Rows under headings, aligned right; the first line is the headings. Rows are asked for again and again, so that nobody
/// holds a long table.
pub(crate) fn render<R: AsRef<[Cell]>>(
    headings: &[&str],
    rows: impl IntoIterator<Item = R> + Clone,
) -> String {
    let widths = |digits| {
        let mut widths: Vec<usize> = headings.iter().map(|heading| heading.len()).collect();
        for row in rows.clone() {
            for (width, cell) in widths.iter_mut().zip(row.as_ref()) {
                *width = (*width).max(cell.show(digits).chars().count());
            }
        }
        widths
    };
    let mut digits = *DIGITS.end();
    let mut found = widths(digits);
    while width(&found) > WIDTH && digits > *DIGITS.start() {
        digits -= 1;
        found = widths(digits);
    }
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = String>| {
        for (column, (cell, &width)) in cells.zip(&found).enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            let _ = write!(text, "{gap}{cell:>width$}");
        }
        text.push('\n');
    };
    line(&mut headings.iter().map(|heading| (*heading).to_owned()));
    for row in rows {
        line(&mut row.as_ref().iter().map(|cell| cell.show(digits)));
    }
    text
}

fn width(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1)
}

impl Cell {
    fn show(&self, digits: usize) -> String {
        match self {
            Cell::Undefined => "-".into(),
            Cell::Text(text) => text.clone(),
            Cell::Number(Value::Int(i)) => {
                let exact = i.to_string();
                // An integer is shown whole while the digits last: ten of them and a few more.
                if exact.len() <= digits + 4 { exact } else { scientific(*i as f64, digits) }
            }
            Cell::Number(Value::Float(f)) => float(*f, digits),
        }
    }
}

/// A float to that many significant digits, without trailing zeros; scientific where that is shorter.
pub(crate) fn float(v: f64, digits: usize) -> String {
    if v.is_nan() {
        return "nan".into();
    }
    if v == 0.0 || !v.is_finite() {
        return v.to_string();
    }
    let rounded: f64 = format!("{v:.*e}", digits - 1).parse().unwrap_or(v);
    let exponent = rounded.abs().log10().floor() as i32;
    if (-4..digits as i32).contains(&exponent) {
        // Display gives the shortest text of the rounded number, which has no more digits than asked for.
        rounded.to_string()
    } else {
        scientific(v, digits)
    }
}

/// A float as the shortest text that reads back to it.
pub(crate) fn exact(v: f64) -> String {
    Value::Float(v).to_string()
}

fn scientific(v: f64, digits: usize) -> String {
    let text = format!("{v:.*e}", digits - 1);
    match text.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => {
            format!("{}e{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

/// A list with commas after a heading, in as many lines as it takes; further ones are indented as far as the heading reaches.
pub(crate) fn wrapped(heading: &str, items: &[impl AsRef<str>]) -> String {
    let indent = heading.chars().count();
    let mut text = heading.to_owned();
    let mut column = indent;
    for (n, item) in items.iter().map(AsRef::as_ref).enumerate() {
        let comma = if n + 1 < items.len() { "," } else { "" };
        let long = item.chars().count() + comma.len();
        if column > indent && column + 1 + long > WIDTH {
            let _ = write!(text, "\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            text.push(' ');
            column += 1;
        }
        let _ = write!(text, "{item}{comma}");
        column += long;
    }
    text.trim_end().to_owned()
}

/// Bytes in the unit that people would choose, with three digits.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 7] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = if count < 10_000 { 0 } else { (count.ilog2() as usize / 10).min(6) };
    match unit {
        0 => format!("{count} bytes"),
        _ => format!("{} {}", float(count as f64 / 1024f64.powi(unit as i32), 4), UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_keep_the_digits_asked_for() {
        assert_eq!(float(127.499_999_9, 6), "127.5");
        assert_eq!(float(0.000_123_456_789, 4), "0.0001235");
        assert_eq!(float(1e-300, 6), "1e-300");
        assert_eq!(float(123_456_789.0, 4), "1.235e8");
        assert_eq!(float(999.96, 4), "1000");
        assert_eq!(float(f64::NEG_INFINITY, 4), "-inf");
        assert_eq!(float(-0.0, 4), "-0");
    }

    #[test]
    fn a_table_of_the_widest_numbers_fits() {
        let wide = Cell::Number(Value::Int(i128::from(u64::MAX) * 1_000_000_000_000));
        let float = Cell::Number(Value::Float(-1.234_567_890_123_4e-300));
        let row = vec![
            Cell::Number(Value::Int(65536)),
            wide.clone(),
            wide.clone(),
            wide.clone(),
            float.clone(),
            float.clone(),
            float,
        ];
        let text = render(&["channel", "count", "min", "max", "sum", "mean", "std"], &[row]);
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
    }

    #[test]
    fn small_integers_are_exact() {
        let text = render(&["sum"], &[vec![Cell::Number(Value::Int(12_345_678_901_234))]]);
        assert_eq!(text, "           sum\n12345678901234\n");
    }
}
