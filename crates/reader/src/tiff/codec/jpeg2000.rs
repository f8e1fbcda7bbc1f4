//! JPEG 2000 (33003, 33004, 33005, 34712), by `hayro-jpeg2000`.

use std::ops::Range;

use hayro_jpeg2000::{ComponentData, DecodeSettings, DecoderContext, Image};
use outcrop_core::{Error, Result};

use super::super::block::BlockSpec;
use super::image::{Shape, nearest};

/// Decodes an image of up to 16 bits. The components are taken as the codestream has them: its own colour transform
/// is undone, others (33003 stores YCbCr) are not.
pub(super) fn decode(spec: &BlockSpec, stored: &[u8], shape: Shape, out: &mut [u8]) -> Result<()> {
    let broken = |e: hayro_jpeg2000::error::DecodeError| Error::Format(format!("jpeg 2000: {e}"));
    let size = Size::of(stored)?;
    size.admit(shape)?;
    let settings = DecodeSettings { resolve_palette_indices: false, strict: true, target_resolution: None };
    let image = Image::new(stored, &settings).map_err(broken)?;
    let (width, height) = (image.width(), image.height());
    shape.admit("jpeg 2000", width.into(), height.into(), shape.samples as u64)?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(broken)?;
    let components = decoded.components();
    shape.admit("jpeg 2000", width.into(), height.into(), components.len() as u64)?;
    for component in components {
        let samples = component.samples();
        if u32::from(component.bit_depth()) > 8 * shape.bytes as u32
            || samples.len() < width as usize * height as usize
        {
            return Err(Error::Unsupported(format!(
                "jpeg 2000: a component of {} bits and {} samples in a block of {} bits",
                component.bit_depth(),
                samples.len(),
                spec.bits[0]
            )));
        }
    }
    // The crate shifts every component up by half its range, signed ones too: the largest value there, and the shift.
    let range = |c: usize| {
        let range = 1u32 << components[c].bit_depth().max(1);
        ((range - 1) as f32, if size.is_signed(c) { (range / 2) as u16 } else { 0 })
    };
    let width = width as usize;
    let rows = out.chunks_exact_mut(shape.row_bytes());
    let plane = |c: usize| components[c].samples().chunks_exact(width);
    match (shape.bytes, shape.samples) {
        (1, 3) if range(1) == range(0) && range(2) == range(0) => {
            let of_all = range(0);
            for (((to, red), green), blue) in rows.zip(plane(0)).zip(plane(1)).zip(plane(2)) {
                interleave(to, [red, green, blue], |v| sample(v, of_all));
            }
        }
        (1, samples) => {
            for (y, to) in rows.enumerate() {
                let sample = |v, range| [sample(v, range) as u8];
                each_plane(components, samples, y * width..(y + 1) * width, to, range, sample);
            }
        }
        (_, samples) => {
            for (y, to) in rows.enumerate() {
                let sample = |v, range| sample(v, range).to_ne_bytes();
                each_plane(components, samples, y * width..(y + 1) * width, to, range, sample);
            }
        }
    }
    Ok(())
}

/// The largest value that a component has in the crate, and how far that has shifted it up.
type ComponentRange = (f32, u16);

/// The bits of a sample.
#[inline(always)]
fn sample(v: f32, (largest, shift): ComponentRange) -> u16 {
    nearest(v, largest).wrapping_sub(shift)
}

/// Puts a row of each plane into its channel.
fn each_plane<const N: usize>(
    planes: &[ComponentData],
    samples: usize,
    row: Range<usize>,
    out: &mut [u8],
    range: impl Fn(usize) -> ComponentRange,
    sample: impl Fn(f32, ComponentRange) -> [u8; N],
) {
    let out = out.as_chunks_mut().0;
    for (c, plane) in planes.iter().enumerate() {
        let (from, range) = (&plane.samples()[row.clone()], range(c));
        if samples == 1 {
            out.iter_mut().zip(from).for_each(|(to, &v)| *to = sample(v, range));
        } else {
            out.chunks_exact_mut(samples).zip(from).for_each(|(pixel, &v)| pixel[c] = sample(v, range));
        }
    }
}

/// Joins three planes into pixels of three bytes.
fn interleave(out: &mut [u8], [red, green, blue]: [&[f32]; 3], sample: impl Fn(f32) -> u16) {
    const SOME: usize = 64;
    let planes = red.chunks(SOME).zip(green.chunks(SOME)).zip(blue.chunks(SOME));
    for (k, ((red, green), blue)) in planes.enumerate() {
        // Pixels of 24 bits first, which is done in vectors.
        let mut pixels = [0u32; SOME];
        for (((pixel, &red), &green), &blue) in pixels.iter_mut().zip(red).zip(green).zip(blue) {
            let [red, green, blue] = [red, green, blue].map(|v| u32::from(sample(v) as u8));
            *pixel = red | green << 8 | blue << 16;
        }
        let out = out.get_mut(3 * SOME * k..).unwrap_or_default();
        match out.first_chunk_mut::<{ 3 * SOME }>() {
            Some(out) if red.len() == SOME => {
                // Two pixels at a time, as eight bytes, the last two of which the next ones overwrite.
                let (pairs, _) = pixels.as_chunks();
                let both =
                    |[first, second]: [u32; 2]| (u64::from(first) | u64::from(second) << 24).to_le_bytes();
                for at in 0..SOME / 2 - 1 {
                    out[6 * at..6 * at + 8].copy_from_slice(&both(pairs[at]));
                }
                out[3 * SOME - 6..].copy_from_slice(&both(pairs[SOME / 2 - 1])[..6]);
            }
            _ => {
                for (to, pixel) in out.chunks_exact_mut(3).zip(&pixels[..red.len()]) {
                    to.copy_from_slice(&pixel.to_le_bytes()[..3]);
                }
            }
        }
    }
}

/// What the library would make room for: the numbers of the codestream's size segment (ISO/IEC 15444-1, A.5.1).
struct Size<'a> {
    /// Where the image ends and begins, and of a tile the size and where the first begins: x and y.
    end: [u64; 2],
    start: [u64; 2],
    tile: [u64; 2],
    first_tile: [u64; 2],
    components: u64,
    /// The codestream from its first marker on.
    stream: &'a [u8],
}

impl<'a> Size<'a> {
    /// Reads the segment, which follows the start of the codestream, wherever that lies in its boxes.
    fn of(stored: &'a [u8]) -> Result<Size<'a>> {
        const START: [u8; 4] = [0xff, 0x4f, 0xff, 0x51];
        let stream = stored.windows(4).position(|w| w == START).map(|at| &stored[at..]);
        let segment = stream.and_then(|stream| stream.get(8..42));
        let (Some(stream), Some(segment)) = (stream, segment) else {
            return Err(Error::Format("jpeg 2000: no codestream with a size segment".into()));
        };
        let pair = |k: usize| [number(&segment[8 * k..8 * k + 4]), number(&segment[8 * k + 4..8 * k + 8])];
        let components = number(&segment[32..34]);
        Ok(Size { end: pair(0), start: pair(1), tile: pair(2), first_tile: pair(3), components, stream })
    }

    /// Whether the samples of a component have a sign, whatever the page says of them.
    fn is_signed(&self, component: usize) -> bool {
        self.stream.get(42 + 3 * component).is_some_and(|depth| depth & 0x80 != 0)
    }

    /// Checks the size, the components, and the numbers of tiles and precincts.
    fn admit(&self, shape: Shape) -> Result<()> {
        /// Tiles and precincts that a block may have beside one for each 16 of its pixels.
        const SOME: u64 = 64;
        let [width, height] = [0, 1].map(|k| self.end[k].saturating_sub(self.start[k]));
        shape.admit("jpeg 2000", width, height, self.components)?;
        let [across, down] =
            [0, 1].map(|k| self.end[k].saturating_sub(self.first_tile[k]).div_ceil(self.tile[k].max(1)));
        let tiles = across.saturating_mul(down);
        let most = width * height / 16 + SOME;
        if tiles > most {
            return Err(Error::Format(format!("jpeg 2000: {tiles} tiles in {width} x {height} pixels")));
        }
        let mut precincts = 0;
        each_style(self.stream, self.components, |style| {
            precincts = precincts_of(style, width, height).max(precincts);
        });
        if precincts > most {
            return Err(Error::Format(format!(
                "jpeg 2000: {precincts} precincts in {width} x {height} pixels"
            )));
        }
        Ok(())
    }
}

/// Finds the coding styles (COD and COC: Scod or Scoc, and what follows from the number of levels on) in the headers of the
/// codestream and of its tile-parts.
fn each_style<'a>(stream: &'a [u8], components: u64, mut found: impl FnMut((u8, &'a [u8]))) {
    // Where the marker lies, and where the next tile-part begins.
    let (mut at, mut next) = (2, 0);
    while let Some(&[0xff, marker]) = stream.get(at..at + 2) {
        let length = stream.get(at + 2..at + 4).map_or(0, number) as usize;
        let Some(segment) = stream.get(at + 4..at + 2 + length) else { break };
        match (marker, segment) {
            (0x90, [_, _, part @ ..]) if part.len() >= 4 && next <= at => {
                // A length of 0 is one up to the end.
                next = match number(&part[..4]) as usize {
                    0 => stream.len(),
                    bytes => at.saturating_add(bytes),
                };
            }
            (0x52, [style, _, _, _, _, coding @ ..]) => found((*style, coding)),
            (0x53, [_, style, coding @ ..]) if components < 257 => found((*style, coding)),
            (0x53, [_, _, style, coding @ ..]) => found((*style, coding)),
            _ => {}
        }
        at += 2 + length.max(2);
        // After the header, the data: on with the next tile-part.
        if stream.get(at..at + 2) == Some(&[0xff, 0x93]) {
            at = next.max(at + 2);
        }
    }
}

/// The precincts of one component: without sizes of their own they are as large as can be.
fn precincts_of((style, coding): (u8, &[u8]), width: u64, height: u64) -> u64 {
    let (Some(&levels), true) = (coding.first(), style & 1 != 0) else { return 0 };
    let sizes = coding.get(5..).unwrap_or_default();
    let of = |(resolution, &size): (u32, &u8)| {
        let halvings = u32::from(levels).saturating_sub(resolution).min(32);
        let count = |side: u64, exponent: u8| side.div_ceil(1 << halvings).div_ceil(1 << exponent);
        count(width, size & 15).saturating_mul(count(height, size >> 4))
    };
    (0..=u32::from(levels)).zip(sizes).map(of).fold(0, u64::saturating_add)
}

/// The number in some bytes, the highest first.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |v, &b| v << 8 | u64::from(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_joined_in_rows_of_any_width() {
        let plane = |c: usize| (0..300).map(|x| ((x * 7 + c * 50) % 256) as f32 + 0.25).collect::<Vec<f32>>();
        let planes = [0, 1, 2].map(plane);
        for width in (0..70).chain([127, 128, 129, 191, 192, 193, 300]) {
            let mut out = vec![9; 3 * width + 3];
            let (row, after) = out.split_at_mut(3 * width);
            interleave(row, [&planes[0], &planes[1], &planes[2]], |v| nearest(v, 255.0));
            let want = (0..width).flat_map(|x| [0, 1, 2].map(|c| ((x * 7 + c * 50) % 256) as u8));
            assert!(want.eq(row.iter().copied()), "{width} pixels");
            assert_eq!(after, [9; 3], "{width} pixels");
        }
    }

    #[test]
    fn precincts_are_counted_in_every_header() {
        // A size segment of 64 x 64, two levels with precincts of 2 x 2, 4 x 4 and 8 x 8, then a tile-part of 20 bytes with
        // others for the component 1.
        let mut stream = vec![0xff, 0x4f, 0xff, 0x51, 0, 41, 0, 0];
        for v in [64u32, 64, 0, 0, 64, 64, 0, 0] {
            stream.extend(v.to_be_bytes());
        }
        stream.extend([0, 1, 7, 1, 1]);
        stream.extend([0xff, 0x52, 0, 15, 1, 0, 0, 1, 0, 2, 4, 4, 0, 1, 0x11, 0x22, 0x33]);
        stream.extend([0xff, 0x90, 0, 10, 0, 0, 0, 0, 0, 30, 0, 1]);
        stream.extend([0xff, 0x53, 0, 10, 1, 1, 0, 4, 4, 0, 1, 0x11]);
        stream.extend([0xff, 0x93, 1, 2, 3, 4, 0xff, 0xd9]);
        let size = Size::of(&stream).unwrap();
        let mut counts = Vec::new();
        each_style(size.stream, 1, |style| counts.push(precincts_of(style, 64, 64)));
        assert_eq!(counts, [8 * 8 + 8 * 8 + 8 * 8, 32 * 32]);
        let shape = Shape { width: 64, height: 64, rows: 64, columns: 64, samples: 1, bytes: 1 };
        let error = size.admit(shape).unwrap_err().to_string();
        assert!(error.contains("1024 precincts in 64 x 64"), "{error}");
        for cut in 0..stream.len() {
            let _ = Size::of(&stream[..cut]).and_then(|size| size.admit(shape));
        }
    }
}
