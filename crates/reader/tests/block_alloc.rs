//! After the first block a worker's state is warm: decoding another allocates nothing, in our own decoders and in the
//! libraries that decode from buffer to buffer.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use outcrop_core::{ByteOrder, DataType};
use outcrop_reader::tiff::block::{BlockSpec, CodecState};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all calls go to the system's allocator unchanged; the counter is a plain thread-local without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        BYTES.with(|n| n.set(n.get() + layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[rustfmt::skip]
const LZMA: &[u8] = &[
    253, 55, 122, 88, 90, 0, 0, 4, 230, 214, 180, 70, 2, 0, 33, 1, 16, 0, 0, 0, 168, 112, 142, 134,
    224, 1, 94, 0, 8, 93, 0, 3, 239, 251, 185, 100, 70, 0, 0, 0, 23, 145, 119, 210, 106, 93, 228, 227,
    0, 1, 36, 223, 2, 0, 0, 0, 254, 179, 196, 254, 177, 196, 103, 251, 2, 0, 0, 0, 0, 4, 89, 90,
];

fn spec(compression: u16, bits: u16, samples: usize, dtype: DataType, predictor: u16) -> BlockSpec {
    BlockSpec {
        predictor,
        bits: vec![bits; samples],
        byte_order: ByteOrder::Big,
        ..BlockSpec::new(compression, (40, 64), dtype, samples)
    }
}

/// What a second block of 13 x 9 pixels allocates inside libraries that keep nothing: counted, and listed in
/// docs/formats.md. Numbers may only fall. What C libraries take by malloc is not seen here: liblzma makes a decoder per block.
#[test]
fn the_image_libraries_allocate_what_is_listed() {
    // 13 x 9 x 3 samples of 7, as Python's `lzma.compress(bytes([7]) * 351, preset=1)` packs them.
    let lzma = LZMA;
    // 9 rows of 13 pixels: luminance in two planes, a run each.
    let logluv = [139u8, 0x40, 139, 0x12].repeat(9);
    type Case<'a> = (&'a str, u16, u16, usize, DataType, &'a [u8], u64);
    let cases: [Case<'_>; 11] = [
        ("LERC, Huffman codes", 34887, 2, 3, DataType::U8, include_bytes!("lerc/huffman.lerc"), 0),
        ("LERC, tiles", 34887, 1, 1, DataType::I16, include_bytes!("lerc/tiles.lerc"), 0),
        ("LogLuv", 34676, 32844, 1, DataType::I16, &logluv, 0),
        ("LogLuv 24", 34677, 32845, 3, DataType::I16, &[7; 13 * 9 * 3], 0),
        ("JPEG", 7, 6, 3, DataType::U8, include_bytes!("../src/tiff/codec/testdata/ycbcr.jpg"), 4),
        ("LZMA", 34925, 2, 3, DataType::U8, lzma, 0),
        ("PNG", 34933, 2, 3, DataType::U8, include_bytes!("../src/tiff/codec/testdata/rgb.png"), 6),
        ("WebP", 50001, 2, 3, DataType::U8, include_bytes!("../src/tiff/codec/testdata/rgb.webp"), 16),
        ("JPEG 2000", 34712, 2, 3, DataType::U8, include_bytes!("../src/tiff/codec/testdata/rgb.j2k"), 47),
        ("JPEG XL", 50002, 2, 3, DataType::U8, include_bytes!("../src/tiff/codec/testdata/rgb.jxl"), 134),
        (
            "ZSTD of unknown size",
            50000,
            2,
            3,
            DataType::U8,
            &zstd::stream::encode_all(&[7; 351][..], 1).unwrap(),
            0,
        ),
    ];
    for (name, compression, photometric, samples, dtype, stored, most) in cases {
        let mut spec = spec(compression, 8 * dtype.bytes() as u16, samples, dtype, 1);
        (spec.photometric, spec.width, spec.height) = (photometric, 13, 9);
        spec.sample_format = if dtype == DataType::I16 { 2 } else { 1 };
        if spec.check().is_err() {
            // A codec that this build leaves out.
            continue;
        }
        let mut state = CodecState::default();
        let mut out = vec![0; 13 * 9 * samples * dtype.bytes()];
        spec.decode(stored, 9, &mut state, &mut out).unwrap_or_else(|e| panic!("{name}: {e}"));
        let before = ALLOCATIONS.with(Cell::get);
        spec.decode(stored, 9, &mut state, &mut out).unwrap();
        let found = ALLOCATIONS.with(Cell::get) - before;
        println!("{name}: {found} allocations");
        assert!(found <= most, "{name}: {found} allocations, listed with {most}");
    }
}

#[test]
fn a_warm_state_allocates_nothing() {
    let packed: Vec<u8> = (0..40 * 64 * 3usize).map(|i| (i * i / 977) as u8).collect();
    let mut deflate = libdeflater::Compressor::new(libdeflater::CompressionLvl::new(6).unwrap());
    let mut zlib = vec![0; deflate.zlib_compress_bound(packed.len())];
    let n = deflate.zlib_compress(&packed, &mut zlib).unwrap();
    zlib.truncate(n);
    let lzw = weezl::encode::Encoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8).encode(&packed).unwrap();
    let zstd = zstd::bulk::compress(&packed, 3).unwrap();
    let packbits: Vec<u8> = packed.chunks(100).flat_map(|c| [&[c.len() as u8 - 1][..], c].concat()).collect();
    // 64 rows without a change from the row above: a one-bit code each.
    let group4 = vec![0xff; 8];

    let floats = packed.repeat(2);

    let cases: [(u16, &[u8], u16, u16); 9] = [
        (1, &packed, 8, 2),
        (5, &lzw, 8, 2),
        (8, &zlib, 8, 1),
        (50000, &zstd, 8, 2),
        (32773, &packbits, 8, 1),
        (1, &packed, 12, 1),
        (5, &lzw, 12, 2),
        (1, &floats, 32, 3),
        (4, &group4, 1, 1),
    ];
    for (compression, stored, bits, predictor) in cases {
        let dtype = match bits {
            32 => DataType::F32,
            12 => DataType::U16,
            _ => DataType::U8,
        };
        let samples = if bits == 8 { 3 } else { 1 };
        let spec = spec(compression, bits, samples, dtype, predictor);
        let mut state = CodecState::default();
        let mut out = vec![0; 40 * 64 * samples * dtype.bytes()];
        spec.decode(stored, 64, &mut state, &mut out).unwrap();
        let before = ALLOCATIONS.with(Cell::get);
        spec.decode(stored, 64, &mut state, &mut out).unwrap();
        let allocations = ALLOCATIONS.with(Cell::get) - before;
        assert_eq!(allocations, 0, "codec {compression}, {bits} bits");
    }
}

/// Blocks of 13 x 9 pixels whose own headers claim far more.
#[test]
fn headers_that_claim_more_than_the_block_take_no_memory() {
    let jpeg: &[u8] = include_bytes!("../src/tiff/codec/testdata/ycbcr.jpg");
    let j2k: &[u8] = include_bytes!("../src/tiff/codec/testdata/rgb.j2k");
    let jp2: &[u8] = include_bytes!("../src/tiff/codec/testdata/gray16.jp2");
    let jxl: &[u8] = include_bytes!("../src/tiff/codec/testdata/rgb.jxl");
    let webp: &[u8] = include_bytes!("../src/tiff/codec/testdata/rgb.webp");
    let patched = |stored: &[u8], marker: &[u8], skip: usize, bytes: &[u8]| {
        let at = stored.windows(marker.len()).position(|w| w == marker).unwrap() + skip;
        let mut stored = stored.to_vec();
        stored[at..at + bytes.len()].copy_from_slice(bytes);
        stored
    };
    let size: &[u8] = &[0xff, 0x51];
    let large = 0x7fff_ffffu32.to_be_bytes();
    // LERC version 2: no checksum; rows, columns, valid pixels, micro-block, blob size, type, error, least, greatest.
    let mut lerc = b"Lerc2 \x02\0\0\0".to_vec();
    lerc.extend([30_000i32, 30_000, 900_000_000, 8, 67, 1].iter().flat_map(|v| v.to_le_bytes()));
    lerc.extend([0.5f64, 0.0, 200.0].iter().flat_map(|v| v.to_le_bytes()));
    lerc.extend([0; 9]);
    let cases: [(&str, u16, Vec<u8>); 11] = [
        ("JPEG, large", 7, patched(jpeg, &[0xff, 0xc0], 5, &[0xff, 0xff, 0xff, 0xff])),
        ("JPEG, wide", 7, patched(jpeg, &[0xff, 0xc0], 7, &[0xff, 0xff])),
        ("JPEG 2000, large", 34712, patched(j2k, size, 6, &[large, large].concat())),
        ("JPEG 2000, tiny tiles", 34712, patched(j2k, size, 6, &[0, 0, 0, 200, 0, 0, 0, 200])),
        (
            "JPEG 2000, far tiles",
            34712,
            patched(j2k, size, 6, &{
                // 13 x 9 pixels at the far end of tiles of 256 x 256.
                let ends = [0x7fff_0000u32 + 13, 0x7fff_0000 + 9, 0x7fff_0000, 0x7fff_0000, 256, 256, 0, 0];
                ends.map(u32::to_be_bytes).concat()
            }),
        ),
        ("JPEG 2000, components", 34712, patched(j2k, size, 38, &[0x40, 0])),
        ("JPEG 2000 in boxes, large", 34712, patched(jp2, size, 6, &[large, large].concat())),
        // Not small, thirty bits of rows, all set, and as many columns.
        ("JPEG XL, large", 50002, patched(jxl, &[0xff, 0x0a], 2, &[0xfe, 0xff, 0xff, 0xff, 0x3f])),
        ("LERC, large", 34887, lerc),
        ("WebP, large", 50001, patched(webp, b"VP8L", 9, &[0xff, 0xff, 0xff, 0x0f])),
        ("WebP, wide", 50001, patched(webp, b"VP8L", 9, &[0xff, 0x3f])),
    ];
    for (name, compression, stored) in cases {
        let mut spec = spec(compression, 8, 3, DataType::U8, 1);
        (spec.photometric, spec.width, spec.height) = (if compression == 7 { 6 } else { 2 }, 13, 9);
        let mut out = vec![0; 13 * 9 * 3];
        // Tiles of 1 x 1 in an image that is not too large.
        let stored = if name.contains("tiny") {
            patched(&stored, size, 22, &[0, 0, 0, 1, 0, 0, 0, 1])
        } else {
            stored
        };
        let before = BYTES.with(Cell::get);
        let error = spec.decode(&stored, 9, &mut CodecState::default(), &mut out).unwrap_err();
        let taken = BYTES.with(Cell::get) - before;
        assert!(matches!(error, outcrop_core::Error::Format(_)), "{name}: {error}");
        println!("{name}: {error}, {taken} bytes");
        assert!(taken < 256 << 10, "{name}: {taken} bytes, then {error}");
    }
}
