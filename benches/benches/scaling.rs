//! What a second thread gains: blocks of 512 x 512 decoded by us and by the plain library, on one thread and on two, all four
//! measured in turn so that a busy machine slows them alike.
//!
//! `cargo bench -p outcrop-benches --bench scaling [BLOCKS]`; 1521 blocks are an image of 20,000 x 20,000. Prints a line
//! for each codec: MB/s of pixels, the gains, and our gain over the library's.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use outcrop_core::DataType;
use outcrop_reader::tiff::block::{BlockSpec, CodecState};

mod blocks;
use blocks::{KINDS, Kind, SIDE, differences, pixels, spec, weezl_decode};

/// Decodes one block after the other; made anew in each thread.
type Worker<'a> = Box<dyn FnMut(&mut [u8]) + 'a>;

/// Seconds for `count` blocks on `threads` threads.
fn seconds(threads: usize, count: usize, bytes: usize, worker: &(dyn Fn() -> Worker<'static> + Sync)) -> f64 {
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let (mut worker, mut out) = (worker(), vec![0; bytes]);
                while next.fetch_add(1, Ordering::Relaxed) < count {
                    worker(&mut out);
                }
            });
        }
    });
    start.elapsed().as_secs_f64()
}

fn compare(
    name: &str,
    count: usize,
    spec: BlockSpec,
    stored: Vec<u8>,
    library: impl Fn(&'static [u8]) -> Worker<'static> + Sync,
) {
    // Leaked: a few megabytes for the life of a benchmark.
    let (spec, stored): (&'static BlockSpec, &'static [u8]) = (Box::leak(Box::new(spec)), stored.leak());
    let bytes = SIDE * SIDE * spec.samples() * spec.dtype.bytes();
    let ours = || -> Worker<'static> {
        let mut state = CodecState::default();
        Box::new(move |out| spec.decode(stored, SIDE as u32, &mut state, out).unwrap())
    };
    let theirs = || library(stored);
    let mut best = [f64::INFINITY; 4];
    for _ in 0..5 {
        for (i, best) in best.iter_mut().enumerate() {
            let threads = 1 + i % 2;
            let time = if i < 2 {
                seconds(threads, count, bytes, &ours)
            } else {
                seconds(threads, count, bytes, &theirs)
            };
            *best = best.min(time);
        }
    }
    let speed = best.map(|s| (bytes * count) as f64 / 1e6 / s);
    let (ours, theirs) = (speed[1] / speed[0], speed[3] / speed[2]);
    println!(
        "{name:<14} ours {:>6.0} {:>6.0} MB/s, gain {ours:.2}; library {:>6.0} {:>6.0}, gain {theirs:.2}; ratio {:.3}",
        speed[0],
        speed[1],
        speed[2],
        speed[3],
        ours / theirs
    );
}

fn main() {
    let count = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(200);
    let [rgb, gray] = KINDS;

    let plain = pixels(rgb);
    let lzw = weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(&plain).unwrap();
    compare("rgb lzw", count, spec(5, 1, rgb), lzw, |stored| {
        let mut d = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
        Box::new(move |out| {
            weezl_decode(&mut d, stored, out);
        })
    });

    let inflate = |stored: &'static [u8]| -> Worker<'static> {
        let mut d = libdeflater::Decompressor::new();
        Box::new(move |out| {
            d.zlib_decompress(stored, out).unwrap();
        })
    };
    compare("rgb deflate+p2", count, spec(8, 2, rgb), zlib(&differences(&plain, rgb)), inflate);
    compare("u16 deflate+p2", count, spec(8, 2, gray), zlib(&differences(&pixels(gray), gray)), inflate);

    let packed = differences(&pixels(gray), gray);
    compare(
        "u16 zstd+p2",
        count,
        spec(50_000, 2, gray),
        zstd::bulk::compress(&packed, 3).unwrap(),
        |stored| {
            let mut d = zstd::bulk::Decompressor::new().unwrap();
            Box::new(move |out| {
                d.decompress_to_buffer(stored, out).unwrap();
            })
        },
    );

    let float: Kind = ("f32", 1, DataType::F32);
    let mut predicted = spec(8, 3, float);
    predicted.sample_format = 3;
    // Any bytes will do: half of them smooth, as the exponents' planes are.
    compare("f32 deflate+p3", count, predicted, zlib(&differences(&pixels(gray), gray).repeat(2)), inflate);

    let mut jpeg = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut jpeg, 90);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    encoder.encode(&plain, SIDE as u16, SIDE as u16, jpeg_encoder::ColorType::Rgb).unwrap();
    compare("rgb jpeg", count, spec(7, 1, rgb), jpeg, |stored| {
        use zune_jpeg::zune_core::{bytestream::ZCursor, options::DecoderOptions};
        Box::new(move |out| {
            let options = DecoderOptions::new_fast();
            zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(stored), options).decode_into(out).unwrap();
        })
    });
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut deflate = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
    let mut stored = vec![0; deflate.zlib_compress_bound(bytes.len())];
    let n = deflate.zlib_compress(bytes, &mut stored).unwrap();
    stored.truncate(n);
    stored
}
