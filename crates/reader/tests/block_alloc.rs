//! After the first block a worker's state is warm: decoding another allocates nothing, in our own decoders and in the
//! libraries that decode from buffer to buffer.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use outcrop_core::{ByteOrder, DataType};
use outcrop_reader::tiff::block::{BlockSpec, CodecState};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: all calls go to the system's allocator unchanged; the counter is a plain thread-local without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
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
        let spec = BlockSpec {
            compression,
            predictor,
            photometric: 1,
            bits: vec![bits; samples],
            sample_format: if bits == 32 { 3 } else { 1 },
            dtype,
            byte_order: ByteOrder::Big,
            reversed_bits: false,
            width: 40,
            height: 64,
            subsampling: (1, 1),
            jpeg_tables: None,
            t4_options: 0,
            t6_options: 0,
            lerc_parameters: vec![],
            old_jpeg: None,
        };
        let mut state = CodecState::default();
        let mut out = vec![0; 40 * 64 * samples * dtype.bytes()];
        spec.decode(stored, 64, &mut state, &mut out).unwrap();
        let before = ALLOCATIONS.with(Cell::get);
        spec.decode(stored, 64, &mut state, &mut out).unwrap();
        let allocations = ALLOCATIONS.with(Cell::get) - before;
        assert_eq!(allocations, 0, "codec {compression}, {bits} bits");
    }
}
