//! What the machine and the plain codec libraries can do: the limits that outcrop is held against.
//!
//! ```text
//! limits memory FILE [THREADS]   read bandwidth over a mapped file, and memcpy of it into a mapped output of FILE.copy
//! limits decode FILE [THREADS]   every block of a TIFF through the plain library (libdeflate, zstd, zune-jpeg), no more
//! ```
//!
//! Prints one JSON object: seconds and bytes. Run it beside the program it is compared with, in the same minute.

use std::fs::File;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use memmap2::{Mmap, MmapMut};
use tiff::tags::Tag;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let threads = match args.get(2) {
        Some(n) => n.parse()?,
        None => std::thread::available_parallelism()?.get(),
    };
    match (args.first().map(String::as_str), args.get(1)) {
        (Some("memory"), Some(file)) => memory(file, threads),
        (Some("decode"), Some(file)) => decode(file, threads),
        _ => Err("usage: limits memory|decode FILE [THREADS]".into()),
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

fn memory(path: &str, threads: usize) -> Result<(), Failure> {
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

    let copy = format!("{path}.copy");
    let output = File::options().read(true).write(true).create(true).truncate(true).open(&copy)?;
    output.set_len(input.len() as u64)?;
    // SAFETY: the file was just made and is the benchmark's own.
    let mut target = unsafe { MmapMut::map_mut(&output)? };
    let places: Vec<_> = target.chunks_mut(PIECE).map(std::sync::Mutex::new).collect();
    let copy_seconds = on_all(threads, pieces, |i| {
        places[i].lock().map_err(|_| "poisoned")?.copy_from_slice(piece(i));
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

fn decode(path: &str, threads: usize) -> Result<(), Failure> {
    let input = map(path)?;
    let mut decoder = tiff::decoder::Decoder::new(std::io::Cursor::new(&input[..]))?;
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

    let seconds = on_all(threads, offsets.len(), |i| {
        let stored = &input[offsets[i] as usize..(offsets[i] + counts[i]) as usize];
        BUFFER.with_borrow_mut(|out| -> Result<(), Failure> {
            out.resize(block_bytes, 0);
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
    let bytes = block_bytes * offsets.len();
    println!(
        "{{\"threads\": {threads}, \"blocks\": {}, \"bytes\": {bytes}, \"seconds\": {seconds}}}",
        offsets.len()
    );
    Ok(())
}

thread_local! {
    static BUFFER: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
    static CONTEXT: std::cell::RefCell<zstd::bulk::Decompressor<'static>> =
        std::cell::RefCell::new(zstd::bulk::Decompressor::new().expect("a context without a dictionary"));
}
