//! What is drawn over and around a preview: a scale bar, and axes in pixels of the full resolution.

use outcrop::Picture;
use plotters::prelude::*;

use crate::labels::{self, FAMILY};

/// Space for the axes' numbers: left, top, right, bottom.
const MARGINS: [usize; 4] = [64, 12, 24, 32];

/// Rows and columns that [`axes`] adds.
pub(crate) const AROUND: (u64, u64) = ((MARGINS[1] + MARGINS[3]) as u64, (MARGINS[0] + MARGINS[2]) as u64);

const INK: RGBColor = RGBColor(40, 40, 40);

/// Drawing over opaque pixels, which go back with the alpha that they had.
fn draw_over(
    picture: &mut Picture,
    draw: impl FnOnce(&DrawingArea<BitMapBackend<'_>, plotters::coord::Shift>) -> Drawn,
) -> anyhow::Result<()> {
    labels::load_font();
    let mut rgb: Vec<u8> = picture.rgba.iter().flat_map(|p| [p[0], p[1], p[2]]).collect();
    {
        let size = (picture.width as u32, picture.height as u32);
        let area = BitMapBackend::with_buffer(&mut rgb, size).into_drawing_area();
        draw(&area).and_then(|()| area.present()).map_err(|e| anyhow::anyhow!("draw: {e}"))?;
    }
    for (to, from) in picture.rgba.iter_mut().zip(rgb.chunks_exact(3)) {
        to[..3].copy_from_slice(from);
    }
    Ok(())
}

type Drawn = Result<(), DrawingAreaErrorKind<<BitMapBackend<'static> as DrawingBackend>::ErrorType>>;

/// Draws a bar of a round length at the lower right, `metres` being those of a column.
pub(crate) fn scale_bar(picture: &mut Picture, metres: f64) -> anyhow::Result<()> {
    let (width, height) = (picture.width as i32, picture.height as i32);
    let length = labels::round_below(metres * f64::from(width) / 4.0);
    let (text, bar) = (labels::length(length), ((length / metres).round() as i32).max(1));
    let font = (width.min(height) / 32).clamp(10, 28);
    labels::load_font();
    let style = (FAMILY, font).into_font().color(&WHITE);
    let written = style.font.box_size(&text).map_or(0, |(w, _)| w as i32);
    let (pad, thick) = (font / 2, (font / 5).max(2));
    let box_width = bar.max(written) + 2 * pad;
    let box_height = font + thick + 2 * pad;
    let (left, top) = ((width - box_width - pad).max(0), (height - box_height - pad).max(0));
    let box_of = [(left, top), (left + box_width - 1, top + box_height - 1)];
    for y in top..(top + box_height).min(height) {
        for x in left..(left + box_width).min(width) {
            // A dark ground under the words, on which they can be read over any picture.
            let pixel = &mut picture.rgba[(y * width + x) as usize];
            let under = if pixel[3] == 0 { [90; 3] } else { [pixel[0], pixel[1], pixel[2]] };
            let [r, g, b] = under.map(|v| v / 3);
            *pixel = [r, g, b, 255];
        }
    }
    let middle = (box_of[0].0 + box_of[1].0) / 2;
    draw_over(picture, |area| {
        let (x, y) = (middle - bar / 2, top + pad + font);
        area.draw(&Rectangle::new([(x, y), (x + bar, y + thick)], WHITE.filled()))?;
        area.draw(&Text::new(text, (middle - written / 2, top + pad * 2 / 3), style))
    })
}

/// Puts axes around the picture. A picture's column is `step.0` pixels of the full resolution, its first at `start.0`; the
/// same for rows.
pub(crate) fn axes(picture: &Picture, start: (f64, f64), step: (f64, f64)) -> anyhow::Result<Picture> {
    let [left, top, right, bottom] = MARGINS;
    let (width, height) = (picture.width + left + right, picture.height + top + bottom);
    let mut framed = Picture { height, width, rgba: vec![[255; 4]; width * height] };
    let rows = picture.rgba.chunks_exact(picture.width);
    let inside = |y: usize| (top + y) * width + left..(top + y) * width + left + picture.width;
    for (y, row) in rows.clone().enumerate() {
        framed.rgba[inside(y)].copy_from_slice(row);
    }
    draw_over(&mut framed, |area| {
        let (x0, y0) = (left as i32, top as i32);
        let (x1, y1) = (x0 + picture.width as i32, y0 + picture.height as i32);
        area.draw(&Rectangle::new([(x0 - 1, y0 - 1), (x1, y1)], INK))?;
        let style = (FAMILY, 15).into_font().color(&INK);
        for (value, at) in ticks(start.0, step.0, picture.width, 90.0) {
            let x = x0 + at;
            area.draw(&PathElement::new([(x, y1), (x, y1 + 5)], INK))?;
            let text = labels::short(value);
            let wide = style.font.box_size(&text).map_or(0, |(w, _)| w as i32);
            area.draw(&Text::new(text, (x - wide / 2, y1 + 8), style.clone()))?;
        }
        for (value, at) in ticks(start.1, step.1, picture.height, 60.0) {
            let y = y0 + at;
            area.draw(&PathElement::new([(x0 - 6, y), (x0 - 1, y)], INK))?;
            let text = labels::short(value);
            let wide = style.font.box_size(&text).map_or(0, |(w, _)| w as i32);
            area.draw(&Text::new(text, (x0 - 9 - wide, y - 5), style.clone()))?;
        }
        Ok(())
    })?;
    Ok(framed)
}

/// Round numbers along a side of so many pixels, about so far apart, with their pixels.
fn ticks(start: f64, step: f64, pixels: usize, apart: f64) -> Vec<(f64, i32)> {
    let between = (labels::round_below(apart * step) * 2.0).max(1.0);
    let first = (start / between).ceil() as i64;
    let end = start + step * pixels as f64;
    (first..)
        .map(|k| k as f64 * between)
        .take_while(|v| *v <= end)
        .take(1000)
        .map(|v| (v, ((v - start) / step).round() as i32))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gray(width: usize, height: usize) -> Picture {
        Picture { height, width, rgba: vec![[100, 100, 100, 255]; width * height] }
    }

    #[test]
    fn a_scale_bar_has_the_length_that_it_says() {
        let mut picture = gray(400, 300);
        // A quarter of the width is 50 micrometres: exactly a bar of 100 columns.
        scale_bar(&mut picture, 0.5e-6).unwrap();
        let white = |row: &[[u8; 4]]| {
            let mut longest = 0;
            let mut run = 0;
            for p in row {
                run = if p[..3] == [255; 3] { run + 1 } else { 0 };
                longest = longest.max(run);
            }
            longest
        };
        let longest = picture.rgba.chunks_exact(400).map(white).max().unwrap();
        assert_eq!(longest, 100);
        assert!(picture.rgba[..400 * 200].iter().all(|p| *p == [100, 100, 100, 255]));
        // Also where there is no room for it.
        scale_bar(&mut gray(3, 2), 1.0).unwrap();
    }

    #[test]
    fn axes_leave_the_picture_as_it_is() {
        let mut picture = gray(50, 40);
        picture.rgba[7] = [0; 4];
        let framed = axes(&picture, (0.0, 0.0), (20.0, 20.0)).unwrap();
        for y in 0..40 {
            let row = (MARGINS[1] + y) * framed.width + MARGINS[0];
            assert_eq!(framed.rgba[row..row + 50], picture.rgba[y * 50..][..50]);
        }
        assert!(framed.rgba.contains(&[40, 40, 40, 255]));
        assert_eq!(ticks(0.0, 20.0, 1000, 90.0)[..3], [(0.0, 0), (2000.0, 100), (4000.0, 200)]);
    }
}
