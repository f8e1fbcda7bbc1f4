//! Words in pictures: the font that comes with the program, and how lengths and counts are written.

use std::sync::Once;

use plotters::style::{FontStyle, register_font};

/// The family under which the font is known.
pub(crate) const FAMILY: &str = "sans-serif";

/// Makes the font known. Called before anything is written in a picture.
pub(crate) fn load_font() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // It is part of the program: it is a font.
        let _ = register_font(FAMILY, FontStyle::Normal, include_bytes!("../assets/labels.ttf"));
    });
}

/// The largest of 1, 2 and 5 times a power of ten that is not above `most`, which is above 0.
pub(crate) fn round_below(most: f64) -> f64 {
    let power = 10f64.powf(most.log10().floor());
    [5.0, 2.0, 1.0].map(|n| n * power).into_iter().find(|v| *v <= most * (1.0 + 1e-9)).unwrap_or(power)
}

/// A length in the unit in which it is between 1 and 1000.
pub(crate) fn length(metres: f64) -> String {
    const UNITS: [(f64, &str); 5] = [(1e3, "km"), (1.0, "m"), (1e-3, "mm"), (1e-6, "\u{b5}m"), (1e-9, "nm")];
    let fits = |unit: &&(f64, &str)| metres >= unit.0 * (1.0 - 1e-9);
    let (unit, name) = UNITS.iter().find(fits).copied().unwrap_or((1e-9, "nm"));
    format!("{} {name}", short(metres / unit))
}

/// A count: 950, 12k, 3.4M.
pub(crate) fn count(n: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match UNITS.iter().find(|(unit, _)| n.abs() >= *unit) {
        Some((unit, name)) => format!("{}{name}", short(n / unit)),
        None => short(n),
    }
}

/// A number with at most four significant digits.
pub(crate) fn short(v: f64) -> String {
    if v != 0.0 && !(1e-3..1e7).contains(&v.abs()) {
        return format!("{v:.2e}").replace(".00e", "e");
    }
    let places = (3 - v.abs().max(1e-3).log10().floor() as i32).clamp(0, 6) as usize;
    let text = format!("{v:.places$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.0, 1.0, 12.5, 0.001, 65535.0, -2.25].map(short),
            ["0", "1", "12.5", "0.001", "65535", "-2.25"]
        );
        assert_eq!([1e9, 1.25e-7].map(short), ["1e9", "1.25e-7"]);
        assert_eq!([950.0, 12_000.0, 3_400_000.0].map(count), ["950", "12k", "3.4M"]);
        assert_eq!([0.5, 2e-6, 5e-9, 2000.0].map(length), ["500 mm", "2 \u{b5}m", "5 nm", "2 km"]);
    }

    #[test]
    fn round_numbers_are_1_2_and_5() {
        let round = [0.99, 1.0, 4.9, 5.0, 730.0, 0.0021].map(round_below).map(short);
        assert_eq!(round, ["0.5", "1", "2", "5", "500", "0.002"]);
    }
}
