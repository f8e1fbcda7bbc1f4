//! What the machine and the plain codec libraries can do: the limits that outcrop is held against.
//!
//! ```text
//! limits memory FILE [BYTES]          read bandwidth over a mapped file; then reading it and writing BYTES by memcpy to
//!                                     a mapped file (FILE.copy, removed)
//! limits decode FILE                  every block of a TIFF through the plain library (libdeflate, zstd, zune-jpeg)
//! limits encode FILE CODEC [LEVEL]    every block of an uncompressed TIFF of 8-bit samples through the plain encoder
//!                                     (libdeflate, zstd, weezl, jpeg-encoder 4:2:0), after the predictor where it has one
//! ```
//!
//! Prints one JSON object: seconds and bytes. All CPUs that the process may use are at work (`taskset` for fewer). Run it beside the program it is compared with, in the same minute.

use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use memmap2::{Mmap, MmapMut};
use tiff::tags::Tag;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let threads = std::thread::available_parallelism()?.get();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["memory", file] => memory(file, None, threads),
        ["memory", file, bytes] => memory(file, Some(bytes.parse()?), threads),
        ["decode", file] => decode(file, threads),
        ["encode", file, codec] => encode(file, codec, 0, threads),
        ["encode", file, codec, level] => encode(file, codec, level.parse()?, threads),
        _ => Err("usage: limits memory FILE [BYTES] | decode FILE | encode FILE CODEC [LEVEL]".into()),
    }
}

fn map(path: &str) -> Result<Mmap, Failure> {
    // SAFETY: the file is the benchmark's own and nobody writes to it meanwhile.
    Ok(unsafe { Mmap::map(&File::open(path)?)? })
}

/// Runs `work` for pieces 0..count on all threads and returns the seconds it took.
fn on_all(
    threads: usize,
    count: usize,
    work: impl Fn(usize) -> Result<(), Failure> + Sync,
) -> Result<f64, Failure> {
    let (next, start) = (AtomicUsize::new(0), Instant::now());
    std::thread::scope(|s| -> Result<(), Failure> {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                s.spawn(|| -> Result<(), Failure> {
                    loop {
                        let i = next.fetch_add(1, Ordering::Relaxed);
                        if i >= count {
                            return Ok(());
                        }
                        work(i)?;
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().map_err(|_| "a thread panicked")??;
        }
        Ok(())
    })?;
    Ok(start.elapsed().as_secs_f64())
}

/// Sums the words of a piece: as cheap a use of every byte as there is.
fn sum(bytes: &[u8]) -> u64 {
    bytes
        .chunks_exact(8)
        .fold(0u64, |a, b| a.wrapping_add(u64::from_ne_bytes(b.try_into().expect("8 bytes"))))
}

fn memory(path: &str, written: Option<usize>, threads: usize) -> Result<(), Failure> {
    const PIECE: usize = 4 << 20;
    let input = map(path)?;
    let pieces = input.len().div_ceil(PIECE);
    let piece = |i: usize| &input[i * PIECE..input.len().min((i + 1) * PIECE)];
    let read = || {
        on_all(threads, pieces, |i| {
            std::hint::black_box(sum(piece(i)));
            Ok(())
        })
    };
    read()?;
    let read_seconds = read()?;

    let written = written.unwrap_or(input.len());
    let copy = format!("{path}.copy");
    let output = File::options().read(true).write(true).create(true).truncate(true).open(&copy)?;
    output.set_len(written as u64)?;
    // SAFETY: the file was just made and is the benchmark's own.
    let mut target = unsafe { MmapMut::map_mut(&output)? };
    let share = written.div_ceil(pieces.max(1)).max(1);
    let places: Vec<_> = target.chunks_mut(share).map(std::sync::Mutex::new).collect();
    let samples = vec![1u8; share];
    let copy_seconds = on_all(threads, pieces, |i| {
        std::hint::black_box(sum(piece(i)));
        if let Some(place) = places.get(i) {
            let mut place = place.lock().map_err(|_| "poisoned")?;
            let len = place.len();
            place.copy_from_slice(&samples[..len]);
        }
        Ok(())
    })?;
    drop(places);
    std::fs::remove_file(&copy)?;
    println!(
        "{{\"threads\": {threads}, \"bytes\": {}, \"read_seconds\": {read_seconds}, \"copy_seconds\": {copy_seconds}}}",
        input.len()
    );
    Ok(())
}

/// The blocks of a TIFF and how they are stored.
struct Stored {
    places: Vec<std::ops::Range<usize>>,
    compression: u16,
    tables: Vec<u8>,
    width: usize,
    height: usize,
    samples: usize,
    block_bytes: usize,
}

impl Stored {
    fn of(input: &[u8]) -> Result<Stored, Failure> {
        let mut decoder = tiff::decoder::Decoder::new(std::io::Cursor::new(input))?;
        let tiled = decoder.find_tag(Tag::TileOffsets)?.is_some();
        let (offsets, counts) = if tiled {
            (Tag::TileOffsets, Tag::TileByteCounts)
        } else {
            (Tag::StripOffsets, Tag::StripByteCounts)
        };
        let offsets = decoder.get_tag_u64_vec(offsets)?;
        let counts = decoder.get_tag_u64_vec(counts)?;
        let compression = decoder.find_tag(Tag::Compression)?.map_or(Ok(1), |v| v.into_u16())?;
        let tables = decoder.find_tag(Tag::JPEGTables)?.map_or(Ok(Vec::new()), |v| v.into_u8_vec())?;
        let bits = decoder.find_tag(Tag::BitsPerSample)?.map_or(Ok(vec![1]), |v| v.into_u16_vec())?;
        let samples = decoder.find_tag(Tag::SamplesPerPixel)?.map_or(Ok(1), |v| v.into_u16())?;
        let planar = decoder.find_tag(Tag::PlanarConfiguration)?.map_or(Ok(1), |v| v.into_u16())? == 2;
        let (width, height) = decoder.chunk_dimensions();
        let samples = if planar { 1 } else { samples as usize };
        let block_bytes = width as usize * height as usize * samples * bits[0] as usize / 8;
        let places = offsets.iter().zip(&counts).map(|(&at, &n)| at as usize..(at + n) as usize).collect();
        let (width, height) = (width as usize, height as usize);
        Ok(Stored { places, compression, tables, width, height, samples, block_bytes })
    }

    fn report(&self, threads: usize, seconds: f64, stored: usize) {
        println!(
            "{{\"threads\": {threads}, \"blocks\": {}, \"bytes\": {}, \"stored\": {stored}, \"seconds\": {seconds}}}",
            self.places.len(),
            self.block_bytes * self.places.len()
        );
    }
}

fn decode(path: &str, threads: usize) -> Result<(), Failure> {
    let input = map(path)?;
    let file = Stored::of(&input)?;
    let (compression, tables) = (file.compression, &file.tables);
    let seconds = on_all(threads, file.places.len(), |i| {
        let stored = &input[file.places[i].clone()];
        BUFFER.with_borrow_mut(|out| -> Result<(), Failure> {
            out.resize(file.block_bytes, 0);
            match compression {
                8 | 32946 => {
                    libdeflater::Decompressor::new().zlib_decompress(stored, out)?;
                }
                50000 => {
                    CONTEXT.with_borrow_mut(|c| c.decompress_to_buffer(stored, &mut out[..]))?;
                }
                7 => {
                    let stream = match tables.len() {
                        0..=2 => stored.to_vec(),
                        n => [&tables[..n - 2], &stored[2..]].concat(),
                    };
                    let mut jpeg =
                        zune_jpeg::JpegDecoder::new(zune_jpeg::zune_core::bytestream::ZCursor::new(stream));
                    jpeg.decode_into(out).map_err(|e| e.to_string())?;
                }
                other => return Err(format!("no plain library is set up for compression {other}").into()),
            }
            std::hint::black_box(&out[0]);
            Ok(())
        })
    })?;
    file.report(threads, seconds, input.len());
    Ok(())
}

/// Each sample minus the one of the pixel before, as TIFF's predictor 2.
fn difference(block: &[u8], row: usize, samples: usize, out: &mut [u8]) {
    for (from, to) in block.chunks_exact(row).zip(out.chunks_exact_mut(row)) {
        to[..samples].copy_from_slice(&from[..samples]);
        let pairs = from[samples..].iter().zip(from);
        to[samples..].iter_mut().zip(pairs).for_each(|(to, (s, before))| *to = s.wrapping_sub(*before));
    }
}

fn encode(path: &str, codec: &str, level: i32, threads: usize) -> Result<(), Failure> {
    let input = map(path)?;
    let file = Stored::of(&input)?;
    if file.compression != 1 || file.width * file.height * file.samples != file.block_bytes {
        return Err("an uncompressed file of 8-bit samples is wanted".into());
    }
    let stored = AtomicUsize::new(0);
    let seconds = on_all(threads, file.places.len(), |i| {
        let block = &input[file.places[i].clone()];
        BUFFER.with_borrow_mut(|out| -> Result<(), Failure> {
            out.resize(file.block_bytes * 3, 0);
            let (pixels, out) = out.split_at_mut(file.block_bytes);
            if codec == "jpeg" {
                pixels.copy_from_slice(block);
            } else {
                difference(block, file.width * file.samples, file.samples, pixels);
            }
            let len = match codec {
                "deflate" => DEFLATE.with_borrow_mut(|c| -> Result<usize, Failure> {
                    let level = libdeflater::CompressionLvl::new(level).map_err(|e| format!("{e:?}"))?;
                    let c = c.get_or_insert_with(|| libdeflater::Compressor::new(level));
                    Ok(c.zlib_compress(pixels, out)?)
                })?,
                "zstd" => ENCODER.with_borrow_mut(|c| -> Result<usize, Failure> {
                    c.set_compression_level(level)?;
                    Ok(c.compress_to_buffer(pixels, out)?)
                })?,
                "lzw" => {
                    let mut lzw = weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
                    let result = lzw.encode_bytes(pixels, out);
                    result.status?;
                    result.consumed_out
                }
                "jpeg" => {
                    let mut to = std::io::Cursor::new(out);
                    let mut jpeg = jpeg_encoder::Encoder::new(&mut to, level as u8);
                    jpeg.set_sampling_factor(jpeg_encoder::SamplingFactor::R_4_2_0);
                    let (width, height) = (file.width as u16, file.height as u16);
                    jpeg.encode(pixels, width, height, jpeg_encoder::ColorType::Rgb)?;
                    to.position() as usize
                }
                other => return Err(format!("no plain encoder is set up for {other}").into()),
            };
            stored.fetch_add(len, Ordering::Relaxed);
            Ok(())
        })
    })?;
    file.report(threads, seconds, stored.into_inner());
    Ok(())
}

thread_local! {
    static BUFFER: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
    static CONTEXT: std::cell::RefCell<zstd::bulk::Decompressor<'static>> =
        std::cell::RefCell::new(zstd::bulk::Decompressor::new().expect("a context without a dictionary"));
    static DEFLATE: std::cell::RefCell<Option<libdeflater::Compressor>> = const { std::cell::RefCell::new(None) };
    static ENCODER: std::cell::RefCell<zstd::bulk::Compressor<'static>> =
        std::cell::RefCell::new(zstd::bulk::Compressor::new(3).expect("a context without a dictionary"));
}
