//! What the machine and the plain codec libraries can do: the limits that outcrop is held against.
//!
//! ```text
//! limits memory FILE [BYTES]         read bandwidth over a mapped file; then reading it and writing BYTES by memcpy to a
//!                                    mapped file (FILE.copy, removed)
//! limits cache FILE                  reading a file out of the page cache, in pieces that stay in a core's cache: what any
//!                                    program needs that neither maps nor keeps it
//! limits decode FILE [THREADS]       every block of a TIFF through the plain library (libdeflate, zstd, weezl, zune-jpeg) and
//!                                    a plain loop that undoes its predictor, no more
//! limits blocks FILE [THREADS]       the same by our own block decoder: no chunks, no scheduler, no statistics
//! limits encode FILE CODEC [LEVEL]   every block of an uncompressed TIFF of 8-bit samples, of all its pages if these have blocks of
//!                                    one size, through the plain encoder (libdeflate, zstd, weezl, jpeg-encoder 4:2:0), after
//!                                    the predictor where it has one
//! ```
//!
//! Prints one JSON object: seconds, processor seconds and bytes. Run it beside the program it is compared with, in the
//! same minute. All CPUs that the process may use are at work
//! where no number of threads is given. Blocks that are decoded are read from the page cache into a buffer of the thread's, one
//! `pread` for each, by the thread that decodes them; what is mapped is present before the clock starts. What a second thread gains is the
//! seconds of one thread over those of two, for both sides; of files that are not in the page cache, and of jobs that write, outcrop has
//! a second thread at work also with `-j 1`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use memmap2::{Mmap, MmapMut, MmapOptions};
use outcrop_core::{ByteOrder, DataType};
use outcrop_reader::tiff::block::{BlockSpec, CodecState};
use tiff::tags::Tag;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let all = std::thread::available_parallelism()?.get();
    match args[..] {
        ["memory", file] => memory(file, None, all),
        ["memory", file, bytes] => memory(file, Some(bytes.parse()?), all),
        ["cache", file] => cache(file, all),
        ["decode", file] => decode(file, all, false),
        ["decode", file, threads] => decode(file, threads.parse()?, false),
        ["blocks", file] => decode(file, all, true),
        ["blocks", file, threads] => decode(file, threads.parse()?, true),
        ["encode", file, codec] => encode(file, codec, 0, all),
        ["encode", file, codec, level] => encode(file, codec, level.parse()?, all),
        _ => Err(
            "usage: limits memory FILE [BYTES] | cache FILE | decode|blocks FILE [THREADS] | encode FILE CODEC [LEVEL]"
                .into(),
        ),
    }
}

fn map(path: &str) -> Result<Mmap, Failure> {
    // SAFETY: the file is the benchmark's own and nobody writes to it meanwhile.
    Ok(unsafe { MmapOptions::new().populate().map(&File::open(path)?)? })
}

/// Processor time of the whole process.
fn processor_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
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

fn cache(path: &str, threads: usize) -> Result<(), Failure> {
    const PIECE: usize = 512 << 10;
    thread_local! { static BUFFER: std::cell::RefCell<Vec<u8>> = std::cell::RefCell::new(vec![0; PIECE]); }
    let file = File::open(path)?;
    let bytes = file.metadata()?.len() as usize;
    let read = || {
        on_all(threads, bytes.div_ceil(PIECE), |i| {
            BUFFER.with_borrow_mut(|buffer| {
                let buffer = &mut buffer[..PIECE.min(bytes - i * PIECE)];
                file.read_exact_at(buffer, (i * PIECE) as u64)?;
                std::hint::black_box(sum(buffer));
                Ok(())
            })
        })
    };
    read()?;
    let seconds = read()?;
    println!("{{\"threads\": {threads}, \"bytes\": {bytes}, \"seconds\": {seconds}}}");
    Ok(())
}

/// Which blocks a file has and what they hold: those of the first page.
struct Blocks {
    offsets: Vec<u64>,
    counts: Vec<u64>,
    tables: Vec<u8>,
    spec: BlockSpec,
}

impl Blocks {
    fn of(input: &[u8]) -> Result<Blocks, Failure> {
        Blocks::of_page(&mut tiff::decoder::Decoder::new(std::io::Cursor::new(input))?)
    }

    /// The blocks of all pages, all of one size.
    fn of_all_pages(input: &[u8]) -> Result<Blocks, Failure> {
        let mut decoder = tiff::decoder::Decoder::new(std::io::Cursor::new(input))?;
        let mut all = Blocks::of_page(&mut decoder)?;
        while decoder.more_images() {
            decoder.next_image()?;
            let page = Blocks::of_page(&mut decoder)?;
            if page.counts[0] != all.counts[0] {
                return Err("pages have blocks of several sizes".into());
            }
            all.offsets.extend(page.offsets);
            all.counts.extend(page.counts);
        }
        Ok(all)
    }

    fn of_page(decoder: &mut tiff::decoder::Decoder<std::io::Cursor<&[u8]>>) -> Result<Blocks, Failure> {
        let tiled = decoder.find_tag(Tag::TileOffsets)?.is_some();
        let (offsets, counts) = if tiled {
            (Tag::TileOffsets, Tag::TileByteCounts)
        } else {
            (Tag::StripOffsets, Tag::StripByteCounts)
        };
        let offsets = decoder.get_tag_u64_vec(offsets)?;
        let counts = decoder.get_tag_u64_vec(counts)?;
        let mut code = |tag: Tag, absent: u16| -> Result<u16, Failure> {
            Ok(decoder.find_tag(tag)?.map_or(Ok(vec![absent]), |v| v.into_u16_vec())?[0])
        };
        let (compression, predictor) = (code(Tag::Compression, 1)?, code(Tag::Predictor, 1)?);
        let (bits, sample_format) = (code(Tag::BitsPerSample, 1)?, code(Tag::SampleFormat, 1)?);
        let (samples, photometric) =
            (code(Tag::SamplesPerPixel, 1)?, code(Tag::PhotometricInterpretation, 1)?);
        let samples = if code(Tag::PlanarConfiguration, 1)? == 2 { 1 } else { usize::from(samples) };
        let tables = decoder.find_tag(Tag::JPEGTables)?.map_or(Ok(Vec::new()), |v| v.into_u8_vec())?;
        let (width, height) = decoder.chunk_dimensions();
        let dtype = match (sample_format, bits) {
            (1, 8) => DataType::U8,
            (1, 16) => DataType::U16,
            (1, 32) => DataType::U32,
            (3, 32) => DataType::F32,
            _ => {
                return Err(format!("samples of {bits} bits of format {sample_format} are not set up").into());
            }
        };
        let byte_order = match decoder.byte_order() {
            tiff::tags::ByteOrder::LittleEndian => ByteOrder::Little,
            tiff::tags::ByteOrder::BigEndian => ByteOrder::Big,
        };
        let spec = BlockSpec {
            predictor,
            photometric,
            byte_order,
            jpeg_tables: Some(tables.clone()).filter(|t| !t.is_empty()),
            ..BlockSpec::new(compression, (width, height), dtype, samples)
        };
        Ok(Blocks { offsets, counts, tables, spec })
    }
}

/// What a thread keeps from block to block.
struct Worker {
    stored: Vec<u8>,
    out: Vec<u8>,
    row: Vec<u8>,
    own: CodecState,
    inflate: libdeflater::Decompressor,
    zstd: zstd::bulk::Decompressor<'static>,
    lzw: weezl::decode::Decoder,
    deflate: Option<libdeflater::Compressor>,
    encoder: zstd::bulk::Compressor<'static>,
}

fn decode(path: &str, threads: usize, own: bool) -> Result<(), Failure> {
    let file = File::open(path)?;
    let Blocks { offsets, counts, tables, spec } = Blocks::of(&map(path)?)?;
    let row_bytes = spec.width as usize * spec.samples() * spec.dtype.bytes();
    let block_bytes = row_bytes * spec.height as usize;
    if !own && spec.byte_order != ByteOrder::NATIVE {
        return Err("only native byte order is set up".into());
    }

    let processor = processor_seconds();
    let seconds = on_all(threads, offsets.len(), |i| {
        WORKER.with_borrow_mut(|worker| -> Result<(), Failure> {
            let Worker { stored, out, row, own: state, inflate, zstd, lzw, .. } = worker;
            stored.resize(counts[i] as usize, 0);
            file.read_exact_at(stored, offsets[i])?;
            out.resize(block_bytes, 0);
            if own {
                spec.decode(stored, spec.height, state, out)?;
            } else {
                match spec.compression {
                    8 | 32946 => {
                        inflate.zlib_decompress(stored, out)?;
                    }
                    50000 => {
                        zstd.decompress_to_buffer(stored, &mut out[..])?;
                    }
                    5 => weezl(lzw, stored, out)?,
                    7 => jpeg(&tables, stored, out)?,
                    other => return Err(format!("no plain library is set up for compression {other}").into()),
                }
                for samples in out.chunks_exact_mut(row_bytes) {
                    undo(&spec, samples, row)?;
                }
            }
            std::hint::black_box(&out[0]);
            Ok(())
        })
    })?;
    let (bytes, processor) = (block_bytes * offsets.len(), processor_seconds() - processor);
    println!(
        "{{\"threads\": {threads}, \"blocks\": {}, \"bytes\": {bytes}, \"seconds\": {seconds}, \"processor_seconds\": {processor}}}",
        offsets.len()
    );
    Ok(())
}

/// Goes on after each stop: a call may return before the output is full.
fn weezl(decoder: &mut weezl::decode::Decoder, stored: &[u8], out: &mut [u8]) -> Result<(), Failure> {
    decoder.reset();
    let (mut taken, mut given) = (0, 0);
    while given < out.len() {
        let step = decoder.decode_bytes(&stored[taken..], &mut out[given..]);
        step.status?;
        if (step.consumed_in, step.consumed_out) == (0, 0) || decoder.has_ended() && step.consumed_out == 0 {
            return Err(format!("a block ends early: {given} of {} bytes", out.len()).into());
        }
        (taken, given) = (taken + step.consumed_in, given + step.consumed_out);
    }
    Ok(())
}

fn jpeg(tables: &[u8], stored: &[u8], out: &mut [u8]) -> Result<(), Failure> {
    use zune_jpeg::zune_core::{bytestream::ZCursor, options::DecoderOptions};
    let joined;
    let stream = match tables.len() {
        0..=2 => stored,
        n => {
            joined = [&tables[..n - 2], &stored[2..]].concat();
            &joined[..]
        }
    };
    let mut jpeg = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(stream), DecoderOptions::new_fast());
    jpeg.decode_into(out).map_err(|e| e.to_string().into())
}

/// Undoes the predictor of one row, plainly.
fn undo(spec: &BlockSpec, row: &mut [u8], planes: &mut Vec<u8>) -> Result<(), Failure> {
    match (spec.predictor, spec.samples(), spec.dtype) {
        (1, ..) => {}
        (2, 1, DataType::U8) => sums::<1>(row),
        (2, 3, DataType::U8) => sums::<3>(row),
        (2, 1, DataType::U16) => sums_of_u16::<1>(row),
        (2, 8, DataType::U16) => sums_of_u16::<8>(row),
        (3, 1, DataType::F32) => {
            sums::<1>(row);
            planes.clear();
            planes.extend_from_slice(row);
            let (a, rest) = planes.split_at(row.len() / 4);
            let (b, rest) = rest.split_at(row.len() / 4);
            let (c, d) = rest.split_at(row.len() / 4);
            for (i, sample) in row.chunks_exact_mut(4).enumerate() {
                sample.copy_from_slice(&u32::from_be_bytes([a[i], b[i], c[i], d[i]]).to_ne_bytes());
            }
        }
        (predictor, samples, dtype) => {
            return Err(format!("predictor {predictor} of {samples} x {dtype} is not set up").into());
        }
    }
    Ok(())
}

fn sums<const N: usize>(row: &mut [u8]) {
    let mut sums = [0u8; N];
    for pixel in row.chunks_exact_mut(N) {
        for (sum, sample) in sums.iter_mut().zip(pixel) {
            *sum = sum.wrapping_add(*sample);
            *sample = *sum;
        }
    }
}

fn sums_of_u16<const N: usize>(row: &mut [u8]) {
    let mut sums = [0u16; N];
    for pixel in row.chunks_exact_mut(2 * N) {
        for (sum, sample) in sums.iter_mut().zip(pixel.chunks_exact_mut(2)) {
            *sum = sum.wrapping_add(u16::from_ne_bytes([sample[0], sample[1]]));
            sample.copy_from_slice(&sum.to_ne_bytes());
        }
    }
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
    let Blocks { offsets, counts, spec, .. } = Blocks::of_all_pages(&input)?;
    let (samples, row) = (spec.samples(), spec.width as usize * spec.samples());
    let block_bytes = row * spec.height as usize;
    if spec.compression != 1 || spec.dtype != DataType::U8 {
        return Err("an uncompressed file of 8-bit samples is wanted".into());
    }
    let stored = AtomicUsize::new(0);
    let seconds = on_all(threads, offsets.len(), |i| {
        let block = &input[offsets[i] as usize..(offsets[i] + counts[i]) as usize];
        WORKER.with_borrow_mut(|worker| -> Result<(), Failure> {
            worker.out.resize(block_bytes * 3, 0);
            let (pixels, out) = worker.out.split_at_mut(block_bytes);
            if codec == "jpeg" {
                pixels.copy_from_slice(block);
            } else {
                difference(block, row, samples, pixels);
            }
            let len = match codec {
                "deflate" => {
                    let level = libdeflater::CompressionLvl::new(level).map_err(|e| format!("{e:?}"))?;
                    let deflate = worker.deflate.get_or_insert_with(|| libdeflater::Compressor::new(level));
                    deflate.zlib_compress(pixels, out)?
                }
                "zstd" => {
                    worker.encoder.set_compression_level(level)?;
                    worker.encoder.compress_to_buffer(pixels, out)?
                }
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
                    let (width, height) = (spec.width as u16, spec.height as u16);
                    jpeg.encode(pixels, width, height, jpeg_encoder::ColorType::Rgb)?;
                    to.position() as usize
                }
                other => return Err(format!("no plain encoder is set up for {other}").into()),
            };
            stored.fetch_add(len, Ordering::Relaxed);
            Ok(())
        })
    })?;
    println!(
        "{{\"threads\": {threads}, \"blocks\": {}, \"bytes\": {}, \"stored\": {}, \"seconds\": {seconds}}}",
        offsets.len(),
        block_bytes * offsets.len(),
        stored.into_inner()
    );
    Ok(())
}

thread_local! {
    static WORKER: std::cell::RefCell<Worker> = std::cell::RefCell::new(Worker {
        stored: Vec::new(),
        out: Vec::new(),
        row: Vec::new(),
        own: CodecState::default(),
        inflate: libdeflater::Decompressor::new(),
        zstd: zstd::bulk::Decompressor::new().expect("a context without a dictionary"),
        lzw: weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8),
        deflate: None,
        encoder: zstd::bulk::Compressor::new(3).expect("a context without a dictionary"),
    });
}
