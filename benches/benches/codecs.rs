//! Decoding one block of 512 x 512 pixels, u8 x 3 and u16: ours, the plain library call on the same bytes (the limit), and
//! the `tiff` crate on a file of that one block. Throughput is in bytes of decoded pixels per second of the thread's processor
//! time, so that neighbours on a busy machine disturb little.
//!
//! `cargo bench -p outcrop-benches --bench codecs [FILTER]`. Both sides keep their contexts and buffers from block to block.

use std::hint::black_box;
use std::io::{Cursor, Read};
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

criterion_group!(name = benches; config = config(); targets = byte_codecs, predictors, image_codecs, fax_codec);
criterion_main!(benches);
