//! Pictures in the terminal: kitty's graphics, sixels, half blocks in colour, or shades of ASCII.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outcrop::{Picture, PictureFormat};

use crate::args;

/// How a terminal is drawn in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drawing {
    Kitty,
    Sixel,
    /// Two pixels in a cell, in 24-bit colour or the 256 that every terminal has.
    Blocks {
        truecolor: bool,
    },
    Ascii,
}

/// Pixels that a cell is taken to have where a terminal draws pixels: columns, rows.
const CELL: (u64, u64) = (10, 20);

impl Drawing {
    /// What the surroundings say that the terminal can do; `asked` decides where it says something.
    pub(crate) fn choose(asked: Option<args::Terminal>, env: &dyn Fn(&str) -> Option<String>) -> Drawing {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let is = |name: &str, values: &[&str]| env(name).is_some_and(|v| values.contains(&&*v));
        let term = env("TERM").unwrap_or_default();
        // A multiplexer shows no graphics, whatever terminal it runs in.
        let multiplexed = env("TMUX").is_some() || ["screen", "tmux"].iter().any(|t| term.starts_with(t));
        let kitty = env("KITTY_WINDOW_ID").is_some()
            || ["kitty", "ghostty"].iter().any(|t| term.contains(t))
            || is("TERM_PROGRAM", &["ghostty", "WezTerm"]);
        let sixel = ["foot", "mlterm", "contour", "yaft"].iter().any(|t| term.starts_with(t))
            || term.contains("sixel")
            || is("TERM_PROGRAM", &["iTerm.app", "mintty", "rio"]);
        let truecolor = is("COLORTERM", &["truecolor", "24bit"]);
        match asked {
            Some(args::Terminal::Kitty) => Drawing::Kitty,
            Some(args::Terminal::Sixel) => Drawing::Sixel,
            Some(args::Terminal::Ascii) => Drawing::Ascii,
            None if kitty && !multiplexed => Drawing::Kitty,
            None if sixel && !multiplexed => Drawing::Sixel,
            _ if env("NO_COLOR").is_some() || term == "dumb" => Drawing::Ascii,
            _ => Drawing::Blocks { truecolor },
        }
    }

    /// The most rows and columns of pixels that fit so many rows and columns of cells.
    pub(crate) fn most(self, (rows, columns): (u64, u64)) -> (u64, u64) {
        match self {
            Drawing::Kitty | Drawing::Sixel => (rows.saturating_mul(CELL.1), columns.saturating_mul(CELL.0)),
            Drawing::Blocks { .. } | Drawing::Ascii => (rows.saturating_mul(2), columns),
        }
    }

    /// The bytes that draw the picture, with a line break at the end.
    ///
    /// # Errors
    /// Where the picture cannot be encoded.
    pub(crate) fn draw(self, picture: &Picture) -> outcrop::Result<Vec<u8>> {
        Ok(match self {
            Drawing::Kitty => kitty(&picture.encode(PictureFormat::Png)?, picture.width),
            Drawing::Sixel => sixel(picture),
            Drawing::Blocks { truecolor } => blocks(picture, truecolor),
            Drawing::Ascii => ascii(picture),
        }
        .into_bytes())
    }
}

/// Rows and columns of cells: of the terminal, but for the line of the prompt; else 80 columns, or those of COLUMNS.
pub(crate) fn room() -> (u64, u64) {
    if let Some((width, height)) = terminal_size::terminal_size() {
        return (u64::from(height.0).saturating_sub(1).max(1), u64::from(width.0).max(1));
    }
    (u64::MAX, columns())
}

/// Columns of the terminal; else those of COLUMNS, or 80.
pub(crate) fn columns() -> u64 {
    let said = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|n| (1..=10_000).contains(n));
    let size = terminal_size::terminal_size().map(|(width, _)| u64::from(width.0).max(1));
    size.or_else(said).unwrap_or(80)
}

/// A PNG in kitty's protocol, as many cells wide as it should have.
fn kitty(png: &[u8], width: usize) -> String {
    let (text, cells) = (STANDARD.encode(png), width.div_ceil(CELL.0 as usize).max(1));
    let mut out = String::with_capacity(text.len() + text.len() / 128 + 64);
    // Base64 is ASCII: any cut is between characters.
    let mut rest = text.as_str();
    let mut keys = format!("f=100,a=T,c={cells},");
    while !rest.is_empty() {
        let (part, later) = rest.split_at(rest.len().min(4096));
        let _ = write!(out, "\x1b_G{keys}m={};{part}\x1b\\", u8::from(!later.is_empty()));
        keys.clear();
        rest = later;
    }
    out.push('\n');
    out
}

/// Levels of red, green and blue that sixels are drawn in.
const LEVELS: [usize; 3] = [6, 7, 6];
/// A 4 x 4 pattern of ordered dithering, in sixteenths.
const DITHER: [[usize; 4]; 4] = [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]];

fn sixel(picture: &Picture) -> String {
    let (width, height) = (picture.width, picture.height);
    let index = |x: usize, y: usize| {
        let p = picture.rgba[y * width + x];
        let level = |c: usize| {
            let exact = usize::from(p[c]) * (LEVELS[c] - 1) * 16 + 255 * DITHER[y % 4][x % 4];
            (exact / (255 * 16)).min(LEVELS[c] - 1)
        };
        (p[3] > 0).then(|| (level(0) * LEVELS[1] + level(1)) * LEVELS[2] + level(2))
    };
    let mut out = format!("\x1bP0;1q\"1;1;{width};{height}");
    for color in 0..LEVELS.iter().product() {
        let levels = [color / (LEVELS[1] * LEVELS[2]), color / LEVELS[2] % LEVELS[1], color % LEVELS[2]];
        let [r, g, b] = std::array::from_fn(|c| levels[c] * 100 / (LEVELS[c] - 1));
        let _ = write!(out, "#{color};2;{r};{g};{b}");
    }
    for top in (0..height).step_by(6) {
        let rows: Vec<Vec<Option<usize>>> =
            (top..height.min(top + 6)).map(|y| (0..width).map(|x| index(x, y)).collect()).collect();
        let mut colors: Vec<usize> = rows.iter().flatten().flatten().copied().collect();
        colors.sort_unstable();
        colors.dedup();
        for color in colors {
            let _ = write!(out, "#{color}");
            let bits = |x: usize| {
                let set = |(k, row): (usize, &Vec<Option<usize>>)| u8::from(row[x] == Some(color)) << k;
                rows.iter().enumerate().map(set).sum::<u8>()
            };
            let mut x = 0;
            while x < width {
                let run = (x..width).take_while(|&other| bits(other) == bits(x)).count();
                let _ = write!(out, "!{run}{}", char::from(63 + bits(x)));
                x += run;
            }
            out.push('$');
        }
        out.push('-');
    }
    out + "\x1b\\\n"
}

/// Rows of pixels in pairs; what has no colour is not painted.
fn pairs(picture: &Picture) -> impl Iterator<Item = impl Iterator<Item = [[u8; 4]; 2]>> {
    (0..picture.height).step_by(2).map(move |y| {
        let at = move |x: usize, y: usize| {
            if y < picture.height { picture.rgba[y * picture.width + x] } else { [0; 4] }
        };
        (0..picture.width).map(move |x| [at(x, y), at(x, y + 1)])
    })
}

fn blocks(picture: &Picture, truecolor: bool) -> String {
    let color = |p: [u8; 4], layer: u8| match truecolor {
        _ if p[3] == 0 => format!("{}", layer + 1),
        true => format!("{layer};2;{};{};{}", p[0], p[1], p[2]),
        false => format!("{layer};5;{}", nearest([p[0], p[1], p[2]])),
    };
    let mut out = String::new();
    for line in pairs(picture) {
        let mut last = (String::new(), String::new());
        for [upper, lower] in line {
            // An upper half without colour is left to the background.
            let (sign, front, back) = match (upper[3], lower[3]) {
                (0, 0) => (' ', upper, lower),
                (0, _) => ('▄', lower, upper),
                _ => ('▀', upper, lower),
            };
            let now = (color(front, 38), color(back, 48));
            if now != last {
                let _ = write!(out, "\x1b[{};{}m", now.0, now.1);
                last = now;
            }
            out.push(sign);
        }
        out.push_str("\x1b[0m\n");
    }
    out
}

/// The nearest of the 256 colours that is not one of the first sixteen, which themes change.
fn nearest(rgb: [u8; 3]) -> usize {
    const CUBE: [i32; 6] = [0, 95, 135, 175, 215, 255];
    let far = |a: [i32; 3]| (0..3).map(|c| (a[c] - i32::from(rgb[c])).pow(2)).sum::<i32>();
    let of = |v: u8| (0..6).min_by_key(|&i| (CUBE[i] - i32::from(v)).abs()).unwrap_or(0);
    let [r, g, b] = rgb.map(of);
    let gray = (0..24).min_by_key(|&i| far([8 + 10 * i as i32; 3])).unwrap_or(0);
    let cube = far([CUBE[r], CUBE[g], CUBE[b]]);
    if far([8 + 10 * gray as i32; 3]) < cube { 232 + gray } else { 16 + 36 * r + 6 * g + b }
}

fn ascii(picture: &Picture) -> String {
    const SHADES: &[u8] = b" .:-=+*#%@";
    let light = |p: [u8; 4]| {
        let [r, g, b, alpha] = p.map(usize::from);
        if alpha == 0 { 0 } else { 299 * r + 587 * g + 114 * b }
    };
    let mut out = String::new();
    for (row, line) in pairs(picture).enumerate() {
        let halves = if 2 * row + 1 < picture.height { 2 } else { 1 };
        let shades =
            line.map(|[a, b]| char::from(SHADES[(light(a) + light(b)) * SHADES.len() / (halves * 255_001)]));
        out.push_str(shades.collect::<String>().trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)]) -> Drawing {
        let variables: Vec<_> = variables.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let env = move |name: &str| variables.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone());
        Drawing::choose(None, &env)
    }

    fn picture(width: usize, rgba: &[[u8; 4]]) -> Picture {
        Picture { height: rgba.len() / width, width, rgba: rgba.to_vec() }
    }

    const RED: [u8; 4] = [255, 0, 0, 255];
    const BLUE: [u8; 4] = [0, 0, 255, 255];
    const NONE: [u8; 4] = [0; 4];

    #[test]
    fn terminals_are_known_by_what_they_say() {
        assert_eq!(chosen(&[("TERM", "xterm-kitty")]), Drawing::Kitty);
        assert_eq!(chosen(&[("TERM", "xterm-256color"), ("KITTY_WINDOW_ID", "1")]), Drawing::Kitty);
        assert_eq!(chosen(&[("TERM_PROGRAM", "WezTerm")]), Drawing::Kitty);
        assert_eq!(chosen(&[("TERM", "foot")]), Drawing::Sixel);
        assert_eq!(chosen(&[("TERM_PROGRAM", "iTerm.app")]), Drawing::Sixel);
        let blocks = |truecolor| Drawing::Blocks { truecolor };
        assert_eq!(chosen(&[("TERM", "xterm"), ("COLORTERM", "truecolor")]), blocks(true));
        assert_eq!(chosen(&[("TERM", "tmux-256color"), ("KITTY_WINDOW_ID", "1")]), blocks(false));
        assert_eq!(chosen(&[("TERM", "xterm"), ("NO_COLOR", "1")]), Drawing::Ascii);
        assert_eq!(chosen(&[("TERM", "xterm"), ("NO_COLOR", "")]), blocks(false));
    }

    #[test]
    fn half_blocks_leave_what_has_no_data() {
        let small = picture(3, &[RED, NONE, NONE, BLUE, BLUE, NONE, RED, RED, RED]);
        assert_eq!(
            blocks(&small, true),
            "\x1b[38;2;255;0;0;48;2;0;0;255m▀\x1b[38;2;0;0;255;49m▄\x1b[39;49m \x1b[0m\n\
             \x1b[38;2;255;0;0;49m▀▀▀\x1b[0m\n"
        );
        assert!(blocks(&small, false).starts_with("\x1b[38;5;196;48;5;21m▀"));
        assert_eq!((nearest([128; 3]), nearest([255; 3]), nearest([0; 3])), (244, 231, 16));
    }

    #[test]
    fn shades_go_from_black_to_white() {
        let gray = |n: u8| [n, n, n, 255];
        let ramp: Vec<_> = (0..10).map(|n| gray(n * 28)).chain([gray(255), NONE]).collect();
        assert_eq!(ascii(&picture(12, &ramp)), " .:-=+*#%@@\n");
    }

    #[test]
    fn sixels_are_runs_of_six_rows() {
        let text = sixel(&picture(2, &[RED, RED, NONE, BLUE]));
        assert!(text.starts_with("\x1bP0;1q\"1;1;2;2#0;2;0;0;0#1;2;0;0;20"), "{text}");
        // Red is 5 * 42, blue 5; red has both columns of the first row, blue the second of the second.
        assert!(text.ends_with("#5!1?!1A$#210!2@$-\x1b\\\n"), "{text}");
    }

    #[test]
    fn kitty_takes_pieces_of_4096() {
        let text = kitty(&[0; 4000], 95);
        assert!(text.starts_with("\x1b_Gf=100,a=T,c=10,m=1;AAAA"));
        assert_eq!(text.matches("\x1b\\").count(), 2);
        assert!(text.contains("\x1b_Gm=0;") && text.ends_with("\x1b\\\n"));
    }
}
