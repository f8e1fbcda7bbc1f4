//! Baseline JPEG beside other encoders and decoders, and beside itself done otherwise.

use ndarray::Array3;
use outcrop_core::Pixels;

use super::*;
use crate::{PictureFormat, PictureOptions, encode_picture};

/// A picture with edges, slopes and a little noise.
fn picture(rows: usize, columns: usize, channels: usize) -> Vec<u8> {
    let sample = |y: usize, x: usize, c: usize| {
        let slope = (x * 200 / columns + y * 55 / rows) as u32;
        let edge = if (x / 23 + y / 31 + c).is_multiple_of(5) { 70 } else { 0 };
        let noise = (((y * columns + x) * 3 + c) as u32).wrapping_mul(2_654_435_761) >> 29;
        (slope + edge + noise).min(255) as u8
    };
    (0..rows * columns * channels)
        .map(|i| sample(i / channels / columns, i / channels % columns, i % channels))
        .collect()
}

/// A whole file of one frame.
fn file(quality: Quality, pixels: &[u8], shape: (usize, usize)) -> Vec<u8> {
    let mut out = vec![0; Quality::bound(quality.channels as u64, shape.0 as u64, shape.1 as u64) as usize];
    let len = Coder::default().frame(quality, pixels, shape, &mut out).unwrap();
    [&file_header(None, None).unwrap(), &quality.quantisation(), &out[..len], &END[..]].concat()
}

/// Pixels of so many channels; the decoder gives three of gray, too.
fn decoded(file: &[u8], channels: usize) -> Vec<u8> {
    let stream = zune_jpeg::zune_core::bytestream::ZCursor::new(file);
    let rgb = zune_jpeg::JpegDecoder::new(stream).decode().unwrap();
    if channels == 3 { rgb } else { rgb.into_iter().step_by(3).collect() }
}

/// Mean squared difference.
fn error(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>() / a.len() as f64
}

const QUALITIES: [(u8, bool, usize); 7] = [
    (1, true, 3),
    (50, false, 3),
    (75, true, 3),
    (90, true, 3),
    (90, true, 1),
    (100, false, 3),
    (100, false, 1),
];

#[test]
fn pixels_come_back_as_close_as_from_another_encoder_and_in_no_more_bytes() {
    use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};
    for shape in [(512, 512), (33, 700), (1, 1), (7, 129), (200, 128), (16, 127)] {
        for (quality, subsampled, channels) in QUALITIES {
            let pixels = picture(shape.0, shape.1, channels);
            let ours = file(Quality::new(quality, subsampled, channels), &pixels, shape);
            let mut theirs = Vec::new();
            let mut encoder = Encoder::new(&mut theirs, quality);
            let factor = if subsampled { SamplingFactor::R_4_2_0 } else { SamplingFactor::R_4_4_4 };
            encoder.set_sampling_factor(factor);
            encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
            let colour = if channels == 3 { ColorType::Rgb } else { ColorType::Luma };
            encoder.encode(&pixels, shape.1 as u16, shape.0 as u16, colour).unwrap();
            let (mine, other) =
                (error(&decoded(&ours, channels), &pixels), error(&decoded(&theirs, channels), &pixels));
            let what = format!("{shape:?} x {channels}, quality {quality}, {subsampled}");
            // Of one pixel a rounding is much.
            let hair = other * 0.02 + 0.05 + 2.0 / (shape.0 * shape.1) as f64;
            assert!(mine <= other + hair, "{what}: error {mine}, not {other}");
            assert!(ours.len() <= theirs.len(), "{what}: {} bytes, not {}", ours.len(), theirs.len());
        }
    }
}

#[test]
fn bands_are_the_whole_but_for_their_marks() {
    // More bytes than a band holds.
    let (rows, columns) = (1100, 700);
    for (quality, subsampled, channels) in QUALITIES {
        let pixels = picture(rows, columns, channels);
        let view = Array3::from_shape_vec((rows, columns, channels), pixels.clone()).unwrap();
        let options = PictureOptions { quality, subsampled, ..Default::default() };
        let mut bands = Vec::new();
        encode_picture(PictureFormat::Jpeg, Pixels::U8(view.view()), &options, &mut bands).unwrap();
        let restarts = bands.windows(2).filter(|w| w[0] == 0xff && (0xd0..=0xd7).contains(&w[1])).count();
        assert!(restarts > 0 || channels == 1, "no bands");
        let whole = file(Quality::new(quality, subsampled, channels), &pixels, (rows, columns));
        assert!(
            decoded(&bands, channels) == decoded(&whole, channels),
            "{channels} channels, quality {quality}"
        );
    }
}

#[test]
fn extreme_samples_keep_to_the_bound_and_come_back() {
    let noise = |n: usize| -> Vec<u8> {
        (0..n as u32).map(|i| if i.wrapping_mul(2_654_435_761) >> 31 == 1 { 255 } else { 0 }).collect()
    };
    for channels in [1, 3] {
        for pixels in [noise(64 * 64 * channels), vec![0; 64 * 64 * channels], vec![255; 64 * 64 * channels]]
        {
            let back = decoded(&file(Quality::new(100, false, channels), &pixels, (64, 64)), channels);
            let most = back.iter().zip(&pixels).map(|(&a, &b)| a.abs_diff(b)).max().unwrap();
            assert!(most <= 4, "{most}");
        }
    }
}

#[test]
fn an_output_too_short_is_an_error() {
    let (quality, pixels) = (Quality::new(90, true, 3), picture(64, 64, 3));
    let len = {
        let mut out = vec![0; Quality::bound(3, 64, 64) as usize];
        Coder::default().frame(quality, &pixels, (64, 64), &mut out).unwrap()
    };
    for room in [0, 1, 100, len - 1] {
        assert!(Coder::default().frame(quality, &pixels, (64, 64), &mut vec![0; room]).is_err(), "{room}");
    }
    assert!(Coder::default().frame(quality, &pixels[1..], (64, 64), &mut vec![0; 9999]).is_err());
    assert!(quality.frame((65_536, 1)).is_err());
}
