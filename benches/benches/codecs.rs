//! Decoding one block of 512 x 512 pixels, u8 x 3 and u16: ours, the plain library call on the same bytes (the limit), and
//! the `tiff` crate on a file of that one block. Throughput is in bytes of decoded pixels per second of the thread's processor
//! time, so that neighbours on a busy machine disturb little.
//!
//! `cargo bench -p outcrop-benches --bench codecs [FILTER]`. Both sides keep their contexts and buffers from block to block.
//! JPEG 2000, JPEG XL, LERC and lossy WebP have no encoder here: `OUTCROP_PYTHON` names a Python with imagecodecs, and they
//! are left out without it.

use std::hint::black_box;
use std::io::{Cursor, Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use outcrop_core::DataType;
use outcrop_reader::tiff::block::{BlockSpec, CodecState};

mod blocks;
mod cpu_time;
use blocks::{KINDS, Kind, SIDE, differences, pixels, spec, weezl_decode};
use cpu_time::CpuTime;

/// A classic TIFF of one strip.
fn file(spec: &BlockSpec, stored: &[u8]) -> Vec<u8> {
    let mut out = if cfg!(target_endian = "big") { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
    let start = (8 + stored.len()).next_multiple_of(4) as u32;
    out.extend(start.to_ne_bytes());
    out.extend(stored);
    out.resize(start as usize, 0);
    let samples = spec.samples() as u32;
    let side = SIDE as u32;
    // Three depths do not fit into the entry: they follow the directory.
    let depths = if samples > 2 { start + 2 + 11 * 12 + 4 } else { u32::from(spec.bits[0]) };
    let tags: [(u16, u16, u32, u32); 11] = [
        (256, 4, 1, side),
        (257, 4, 1, side),
        (258, 3, samples, depths),
        (259, 3, 1, spec.compression.into()),
        (262, 3, 1, spec.photometric.into()),
        (273, 4, 1, 8),
        (277, 3, 1, samples),
        (278, 4, 1, side),
        (279, 4, 1, stored.len() as u32),
        (284, 3, 1, 1),
        (317, 3, 1, spec.predictor.into()),
    ];
    out.extend(11u16.to_ne_bytes());
    for (tag, kind, count, value) in tags {
        out.extend(tag.to_ne_bytes());
        out.extend(kind.to_ne_bytes());
        out.extend(count.to_ne_bytes());
        if kind == 3 && count == 1 {
            out.extend([(value as u16).to_ne_bytes(), [0; 2]].concat());
        } else {
            out.extend(value.to_ne_bytes());
        }
    }
    out.extend(0u32.to_ne_bytes());
    out.extend(spec.bits.iter().flat_map(|b| b.to_ne_bytes()));
    out
}

/// Measures one block three ways. `library` decodes the stored bytes into its argument.
fn measure(
    c: &mut Criterion<CpuTime>,
    name: &str,
    kind: Kind,
    spec: &BlockSpec,
    stored: &[u8],
    mut library: impl FnMut(&mut [u8]),
) {
    let mut group = c.benchmark_group(format!("{name} {}", kind.0));
    let bytes = SIDE * SIDE * kind.1 * kind.2.bytes();
    group.throughput(Throughput::Bytes(bytes as u64));
    let (mut out, mut state) = (vec![0; bytes], CodecState::default());
    group.bench_function("ours", |b| {
        b.iter(|| spec.decode(black_box(stored), SIDE as u32, &mut state, &mut out).unwrap());
    });
    let mut there = vec![0; bytes];
    group.bench_function("library", |b| b.iter(|| library(black_box(&mut there))));
    let file = file(spec, stored);
    let mut theirs = vec![0; bytes];
    let read = |theirs: &mut [u8]| -> tiff::TiffResult<tiff::decoder::Decoder<Cursor<&[u8]>>> {
        let mut decoder = tiff::decoder::Decoder::new(Cursor::new(&file[..]))?;
        decoder.read_chunk_bytes(0, theirs)?;
        Ok(decoder)
    };
    // Not every codec is one of the crate's.
    if let Ok(mut decoder) = read(&mut theirs) {
        group.bench_function("tiff crate", |b| {
            b.iter(|| decoder.read_chunk_bytes(0, black_box(&mut theirs)).unwrap());
        });
    }
    group.finish();
}

fn byte_codecs(c: &mut Criterion<CpuTime>) {
    for kind in KINDS {
        let plain = pixels(kind);
        for (predictor, packed) in [(1, plain.clone()), (2, differences(&plain, kind))] {
            let with = |name: &str| if predictor == 2 { format!("{name}+p2") } else { name.into() };

            let stored = weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8)
                .encode(&packed)
                .unwrap();
            let mut lzw = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
            measure(c, &with("lzw"), kind, &spec(5, predictor, kind), &stored, |out| {
                weezl_decode(&mut lzw, &stored, out);
            });

            let mut deflate = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
            let mut stored = vec![0; deflate.zlib_compress_bound(packed.len())];
            let n = deflate.zlib_compress(&packed, &mut stored).unwrap();
            stored.truncate(n);
            let mut inflate = libdeflater::Decompressor::new();
            measure(c, &with("deflate"), kind, &spec(8, predictor, kind), &stored, |out| {
                inflate.zlib_decompress(&stored, out).unwrap();
            });

            let stored = zstd::bulk::compress(&packed, 3).unwrap();
            let mut zstandard = zstd::bulk::Decompressor::new().unwrap();
            measure(c, &with("zstd"), kind, &spec(50_000, predictor, kind), &stored, |out| {
                zstandard.decompress_to_buffer(&stored, out).unwrap();
            });

            let mut stored = Vec::new();
            liblzma::read::XzEncoder::new(&packed[..], 6).read_to_end(&mut stored).unwrap();
            measure(c, &with("lzma"), kind, &spec(34_925, predictor, kind), &stored, |out| {
                liblzma::bufread::XzDecoder::new(&stored[..]).read_exact(out).unwrap();
            });
        }
    }
}

/// The predictors alone, on bytes that no codec has touched; the limit is a copy.
fn predictors(c: &mut Criterion<CpuTime>) {
    for kind in KINDS {
        let packed = differences(&pixels(kind), kind);
        measure(c, "predictor 2", kind, &spec(1, 2, kind), &packed, |out| out.copy_from_slice(&packed));
    }
    let kind = ("f32", 1, DataType::F32);
    let packed: Vec<u8> = pixels(KINDS[1]).repeat(2);
    let mut float = spec(1, 3, kind);
    float.sample_format = 3;
    measure(c, "predictor 3", kind, &float, &packed, |out| out.copy_from_slice(&packed));
}

/// Codecs whose blocks are images, of eight bits and three channels.
fn image_codecs(c: &mut Criterion<CpuTime>) {
    let kind = KINDS[0];
    let plain = pixels(kind);
    let side = SIDE as u16;

    let mut stored = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut stored, 90);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    encoder.encode(&plain, side, side, jpeg_encoder::ColorType::Rgb).unwrap();
    measure(c, "jpeg 4:2:0", kind, &spec(7, 1, kind), &stored, |out| {
        use zune_jpeg::zune_core::{bytestream::ZCursor, options::DecoderOptions};
        let options = DecoderOptions::new_fast();
        zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(&stored[..]), options)
            .decode_into(out)
            .unwrap();
    });

    let mut stored = Vec::new();
    let mut encoder = png::Encoder::new(&mut stored, SIDE as u32, SIDE as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&plain).unwrap();
    measure(c, "png", kind, &spec(34_933, 1, kind), &stored, |out| {
        png::Decoder::new(Cursor::new(&stored)).read_info().unwrap().next_frame(out).unwrap();
    });

    let mut stored = Vec::new();
    let webp = image_webp::WebPEncoder::new(&mut stored);
    webp.encode(&plain, SIDE as u32, SIDE as u32, image_webp::ColorType::Rgb8).unwrap();
    measure(c, "webp lossless", kind, &spec(50_001, 1, kind), &stored, |out| {
        image_webp::WebPDecoder::new(Cursor::new(&stored)).unwrap().read_image(out).unwrap();
    });
}

/// A block encoded by imagecodecs: `encode` is an expression in the pixels `a`. `None` where there is no such Python.
fn by_imagecodecs(encode: &str, plain: &[u8], (_, samples, dtype): Kind) -> Option<Vec<u8>> {
    let python = std::env::var_os("OUTCROP_PYTHON")?;
    let code = format!(
        "import sys, numpy as n, imagecodecs as c\n\
         a = n.frombuffer(sys.stdin.buffer.read(), '{}').reshape({SIDE}, {SIDE}, {samples}).squeeze()\n\
         sys.stdout.buffer.write({encode})",
        dtype.name()
    );
    let mut child = Command::new(python)
        .args(["-c", &code])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().expect("it is piped").write_all(plain).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "imagecodecs: {encode}");
    Some(done.stdout)
}

/// Codecs whose blocks others must make.
fn foreign_codecs(c: &mut Criterion<CpuTime>) {
    for kind in KINDS {
        let plain = pixels(kind);
        for (name, encode) in [
            ("jpeg 2000 lossless", "c.jpeg2k_encode(a, reversible=True, codecformat='j2k')"),
            ("jpeg 2000 40 dB", "c.jpeg2k_encode(a, level=40, codecformat='j2k')"),
        ] {
            let Some(stored) = by_imagecodecs(encode, &plain, kind) else { continue };
            measure(c, name, kind, &spec(34_712, 1, kind), &stored, |out| {
                let settings = hayro_jpeg2000::DecodeSettings::default();
                let image = hayro_jpeg2000::Image::new(&stored, &settings).unwrap();
                let mut context = hayro_jpeg2000::DecoderContext::default();
                out[0] = image.decode(&mut context).unwrap().components().len() as u8;
            });
        }
        for (name, encode) in [
            ("jpeg xl lossless", "c.jpegxl_encode(a, lossless=True, effort=3)"),
            ("jpeg xl lossy", "c.jpegxl_encode(a, distance=1.0, effort=3)"),
        ] {
            let Some(stored) = by_imagecodecs(encode, &plain, kind) else { continue };
            measure(c, name, kind, &spec(50_002, 1, kind), &stored, |out| {
                let pool = jxl_oxide::JxlThreadPool::none();
                let image = jxl_oxide::JxlImage::builder().pool(pool).read(&stored[..]).unwrap();
                out[0] = image.render_frame(0).unwrap().image_all_channels().channels() as u8;
            });
        }
        // No other decoder in Rust: the limit is a copy.
        if let Some(stored) = by_imagecodecs("c.lerc_encode(a)", &plain, kind) {
            let mut lerc = spec(34_887, 1, kind);
            lerc.lerc_parameters = vec![4, 0];
            measure(c, "lerc", kind, &lerc, &stored, |out| out.copy_from_slice(&plain));
        }
    }
    let kind = KINDS[0];
    let plain = pixels(kind);
    if let Some(stored) = by_imagecodecs("c.webp_encode(a, level=90)", &plain, kind) {
        measure(c, "webp lossy", kind, &spec(50_001, 1, kind), &stored, |out| {
            image_webp::WebPDecoder::new(Cursor::new(&stored)).unwrap().read_image(out).unwrap();
        });
    }
}

/// PackBits of rows with runs, as drawings have them; the limit is a copy.
fn packbits(c: &mut Criterion<CpuTime>) {
    let kind = KINDS[0];
    let mut stored = Vec::new();
    let mut plain = Vec::new();
    for i in 0..SIDE * SIDE * 3 / 48 {
        stored.extend([15].into_iter().chain((0..16).map(|k| (i * 7 + k * k) as u8)));
        plain.extend((0..16).map(|k| (i * 7 + k * k) as u8));
        stored.extend([(1 - 32i8) as u8, i as u8]);
        plain.extend([i as u8; 32]);
    }
    measure(c, "packbits", kind, &spec(32_773, 1, kind), &stored, |out| out.copy_from_slice(&plain));
}

/// Group 4, black and white: throughput is in samples, a byte each.
fn fax_codec(c: &mut Criterion<CpuTime>) {
    let kind = ("1 bit", 1, DataType::U8);
    let black = |x: usize, y: usize| (x / 7 + y / 11).is_multiple_of(3) || (x * y).is_multiple_of(97);
    let mut encoder = fax::encoder::Encoder::new(fax::VecWriter::new());
    for y in 0..SIDE {
        let row = (0..SIDE).map(|x| if black(x, y) { fax::Color::Black } else { fax::Color::White });
        encoder.encode_line(row, SIDE as u32).unwrap();
    }
    let stored = encoder.finish().unwrap().finish();
    let mut group4 = spec(4, 1, kind);
    (group4.bits, group4.photometric) = (vec![1], 0);
    measure(c, "group 4", kind, &group4, &stored, |out| {
        let mut rows = out.chunks_mut(SIDE);
        fax::decoder::decode_g4(stored.iter().copied(), SIDE as u32, Some(SIDE as u32), |changes| {
            let Some(row) = rows.next() else { return };
            for (sample, colour) in row.iter_mut().zip(fax::decoder::pels(changes, SIDE as u32)) {
                *sample = u8::from(colour == fax::Color::Black);
            }
        });
    });
}

fn config() -> Criterion<CpuTime> {
    Criterion::default()
        .with_measurement(CpuTime)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
}

criterion_group!(name = benches; config = config(); targets = byte_codecs, packbits, predictors, image_codecs, foreign_codecs, fax_codec);
criterion_main!(benches);
