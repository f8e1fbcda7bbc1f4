//! Any bytes as a block of any description in the codecs of this family: LZW, Deflate, PackBits, LZMA, ZSTD and none.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop_fuzz::block(outcrop_fuzz::BYTE_CODECS, data));
