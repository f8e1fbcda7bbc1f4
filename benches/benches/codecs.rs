//! Decoding one block of 512 x 512 pixels, u8 x 3 and u16: ours, the plain library call on the same bytes (the limit), and
//! the `tiff` crate on a file of that one block. Throughput is in bytes of decoded pixels per second of the thread's processor
//! time, so that neighbours on a busy machine disturb little.
//!
//! `cargo bench -p outcrop-benches --bench codecs [FILTER]`. Both sides keep their contexts and buffers from block to block.
//! JPEG 2000, JPEG XL, LERC, CCITT and lossy WebP have no encoder here: `OUTCROP_PYTHON` names a Python with imagecodecs and
//! Pillow, and they are left out without it. It also times liblerc, libtiff and imagecodecs' own decoders on the same bytes.

use std::hint::black_box;
use std::io::{Cursor, Read};
use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use outcrop_core::DataType;
use outcrop_reader::tiff::block::{BlockSpec, CodecState};

mod blocks;
mod cpu_time;
mod python;
use blocks::{KINDS, Kind, SIDE, differences, pixels, spec, weezl_decode};
use cpu_time::CpuTime;
use python::{Python, by_python};

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

/// What a block is measured in: ours first, then whatever else decodes the same bytes.
struct Measured<'a> {
    group: BenchmarkGroup<'a, CpuTime>,
    /// What ours gave.
    samples: Vec<u8>,
}

/// Measures one block in ours and, where it has the codec, in the `tiff` crate.
fn ours<'a>(
    c: &'a mut Criterion<CpuTime>,
    name: &str,
    kind: Kind,
    spec: &BlockSpec,
    stored: &[u8],
) -> Measured<'a> {
    let mut group = c.benchmark_group(format!("{name} {}", kind.0));
    let bytes = SIDE * SIDE * kind.1 * kind.2.bytes();
    group.throughput(Throughput::Bytes(bytes as u64));
    let (mut samples, mut state) = (vec![0; bytes], CodecState::default());
    spec.decode(stored, SIDE as u32, &mut state, &mut samples).unwrap();
    let mut out = samples.clone();
    group.bench_function("ours", |b| {
        b.iter(|| spec.decode(black_box(stored), SIDE as u32, &mut state, &mut out).unwrap());
    });
    let file = file(spec, stored);
    let mut theirs = vec![0; bytes];
    let read = |theirs: &mut [u8]| -> tiff::TiffResult<tiff::decoder::Decoder<Cursor<&[u8]>>> {
        let mut decoder = tiff::decoder::Decoder::new(Cursor::new(&file[..]))?;
        decoder.read_chunk_bytes(0, theirs)?;
        Ok(decoder)
    };
    if let Ok(mut decoder) = read(&mut theirs) {
        group.bench_function("tiff crate", |b| {
            b.iter(|| decoder.read_chunk_bytes(0, black_box(&mut theirs)).unwrap());
        });
    }
    Measured { group, samples }
}

impl Measured<'_> {
    /// Beside a plain library call, which decodes into its argument.
    fn library(mut self, mut decode: impl FnMut(&mut [u8])) -> Self {
        let mut there = vec![0; self.samples.len()];
        self.group.bench_function("library", |b| b.iter(|| decode(black_box(&mut there))));
        self
    }

    /// Beside a library that Python calls: `decode` is an expression in the stored bytes `b` of `blocks` such blocks. It
    /// must give the same samples.
    fn python(mut self, name: &str, decode: &str, stored: &[u8], blocks: u32) -> Self {
        let samples = self.samples.repeat(blocks as usize);
        let Some((mut python, theirs)) = Python::start(decode, stored, samples.len()) else { return self };
        assert!(theirs == samples, "{name}: {decode} gives other samples");
        self.group.bench_function(name, |b| b.iter_custom(|n| python.time(n) / blocks));
        self
    }
}

/// Measures one block three ways. `library` decodes the stored bytes into its argument.
fn measure(
    c: &mut Criterion<CpuTime>,
    name: &str,
    kind: Kind,
    spec: &BlockSpec,
    stored: &[u8],
    library: impl FnMut(&mut [u8]),
) {
    ours(c, name, kind, spec, stored).library(library);
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
    for kind in KINDS.into_iter().chain([("u16x8", 8, DataType::U16)]) {
        let packed = differences(&pixels(kind), kind);
        measure(c, "predictor 2", kind, &spec(1, 2, kind), &packed, |out| out.copy_from_slice(&packed));
    }
    for kind in [("f32", 1, DataType::F32), ("f64", 1, DataType::F64)] {
        let packed: Vec<u8> = pixels(KINDS[1]).repeat(kind.2.bytes() / 2);
        let mut float = spec(1, 3, kind);
        float.sample_format = 3;
        measure(c, "predictor 3", kind, &float, &packed, |out| out.copy_from_slice(&packed));
    }
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

/// Codecs whose blocks others must make.
fn foreign_codecs(c: &mut Criterion<CpuTime>) {
    for kind in KINDS {
        let plain = pixels(kind);
        for (name, encode) in [
            ("jpeg 2000 lossless", "c.jpeg2k_encode(a, reversible=True, codecformat='j2k')"),
            ("jpeg 2000 40 dB", "c.jpeg2k_encode(a, level=40, codecformat='j2k')"),
        ] {
            let Some(stored) = by_python(encode, &plain, kind) else { continue };
            measure(c, name, kind, &spec(34_712, 1, kind), &stored, |out| {
                let settings = hayro_jpeg2000::DecodeSettings::default();
                let image = hayro_jpeg2000::Image::new(&stored, &settings).unwrap();
                let mut context = hayro_jpeg2000::DecoderContext::default();
                let decoded = image.decode(&mut context).unwrap();
                // It gives bytes, or f32.
                if kind.2 == DataType::U8 {
                    decoded.store_u8_into(out);
                } else {
                    out[0] = decoded.components().len() as u8;
                }
            });
        }
        for (name, encode) in [
            ("jpeg xl lossless", "c.jpegxl_encode(a, lossless=True, effort=3)"),
            ("jpeg xl lossy", "c.jpegxl_encode(a, distance=1.0, effort=3)"),
        ] {
            let Some(stored) = by_python(encode, &plain, kind) else { continue };
            measure(c, name, kind, &spec(50_002, 1, kind), &stored, |out| {
                let pool = jxl_oxide::JxlThreadPool::none();
                let image = jxl_oxide::JxlImage::builder().pool(pool).read(&stored[..]).unwrap();
                out[0] = image.render_frame(0).unwrap().image_all_channels().channels() as u8;
            });
        }
    }
    let kind = KINDS[0];
    let plain = pixels(kind);
    if let Some(stored) = by_python("c.webp_encode(a, level=90)", &plain, kind) {
        measure(c, "webp lossy", kind, &spec(50_001, 1, kind), &stored, |out| {
            image_webp::WebPDecoder::new(Cursor::new(&stored)).unwrap().read_image(out).unwrap();
        });
    }
}

/// LERC, without loss and within an error, beside liblerc.
fn lerc(c: &mut Criterion<CpuTime>) {
    for (kind, error) in [
        (KINDS[0], 2.0),
        (KINDS[1], 10.0),
        (("f32", 1, DataType::F32), 0.01),
        (("f64", 1, DataType::F64), 0.01),
    ] {
        let plain = pixels(kind);
        for (name, encode) in [
            ("lerc lossless", "c.lerc_encode(a, version=4)".into()),
            ("lerc", format!("c.lerc_encode(a, level={error})")),
        ] {
            let Some(stored) = by_python(&encode, &plain, kind) else { continue };
            let mut lerc = spec(34_887, 1, kind);
            lerc.lerc_parameters = vec![4, 0];
            ours(c, name, kind, &lerc, &stored).python("liblerc", "c.lerc_decode(b, out=o)", &stored, 1);
        }
    }
}

/// PackBits of rows with runs, as drawings have them, and of short runs and literals of any length.
fn packbits(c: &mut Criterion<CpuTime>) {
    let kind = KINDS[0];
    let mut noise = 1u64;
    let mut random = || {
        noise = noise.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (noise >> 40) as usize
    };
    for (name, mixed) in [("packbits", false), ("packbits mixed", true)] {
        let (mut stored, mut plain) = (Vec::new(), Vec::new());
        while plain.len() < SIDE * SIDE * 3 {
            let left = SIDE * SIDE * 3 - plain.len();
            let (literals, run) = if mixed { (1 + random() % 12, 2 + random() % 9) } else { (16, 32) };
            let literals = literals.min(left);
            stored.push(literals as u8 - 1);
            let bytes: Vec<u8> = (0..literals).map(|_| random() as u8).collect();
            stored.extend(&bytes);
            plain.extend(bytes);
            let run = run.min(left - literals);
            if run > 1 {
                stored.extend([(257 - run) as u8, run as u8]);
                plain.resize(plain.len() + run, run as u8);
            } else if run == 1 {
                stored.extend([0, 1]);
                plain.push(1);
            }
        }
        ours(c, name, kind, &spec(32_773, 1, kind), &stored).python(
            "imagecodecs",
            "c.packbits_decode(b, out=o)",
            &stored,
            1,
        );
    }
}

/// CCITT codecs, black and white: throughput is in samples, a byte each.
fn fax_codecs(c: &mut Criterion<CpuTime>) {
    let kind = ("1 bit", 1, DataType::U8);
    let black = |x: usize, y: usize| (x / 7 + y / 11).is_multiple_of(3) || (x * y).is_multiple_of(97);
    let plain: Vec<u8> = (0..SIDE * SIDE).map(|k| u8::from(black(k % SIDE, k / SIDE))).collect();
    for (name, compression, options, encode, decode) in [
        ("ccitt rle", 2, 0, "'tiff_ccitt'", "c.ccittrle_decode(b, side, side, out=o)"),
        ("group 3", 3, 0, "'group3'", "c.ccittfax3_decode(b, side, side, out=o)"),
        ("group 3 2-D", 3, 1, "'group3', {292: 1}", "c.ccittfax3_decode(b, side, side, t4options=1, out=o)"),
        ("group 4", 4, 0, "'group4'", "c.ccittfax4_decode(b, side, side, out=o)"),
    ] {
        let Some(stored) = by_python(&format!("strip(fax(a, {encode}))"), &plain, kind) else { continue };
        let mut fax = spec(compression, 1, kind);
        (fax.bits, fax.t4_options) = (vec![1], options);
        let mut measured = ours(c, name, kind, &fax, &stored);
        assert_eq!(measured.samples, plain, "{name}");
        let paint = |changes: &[u32], row: &mut [u8]| {
            for (sample, colour) in row.iter_mut().zip(fax::decoder::pels(changes, SIDE as u32)) {
                *sample = u8::from(colour == fax::Color::Black);
            }
        };
        if (compression, options) == (3, 0) {
            measured = measured.library(|out| {
                let mut rows = out.chunks_mut(SIDE);
                fax::decoder::decode_g3(stored.iter().copied(), |changes| {
                    rows.next().into_iter().for_each(|row| paint(changes, row));
                });
            });
        } else if compression == 4 {
            measured = measured.library(|out| {
                let mut rows = out.chunks_mut(SIDE);
                fax::decoder::decode_g4(stored.iter().copied(), SIDE as u32, Some(SIDE as u32), |changes| {
                    rows.next().into_iter().for_each(|row| paint(changes, row));
                });
            });
        }
        measured = measured.python("imagecodecs", decode, &stored, 1);
        // libtiff reads files: one of many strips, so that opening it counts little.
        let file = by_python(&format!("fax(n.tile(a, (16, 1)), {encode})"), &plain, kind).expect("as above");
        measured.python("libtiff", "c.tiff_decode(b)", &file, 16);
    }
}

fn config() -> Criterion<CpuTime> {
    Criterion::default()
        .with_measurement(CpuTime)
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
}

criterion_group!(name = benches; config = config(); targets = byte_codecs, packbits, predictors, image_codecs, foreign_codecs, lerc, fax_codecs);
criterion_main!(benches);
