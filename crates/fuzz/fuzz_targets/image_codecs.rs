//! Any bytes as a block of any description in the codecs of this family: JPEG, JPEG 2000, LogLuv, LERC, PNG, WebP and JPEG XL.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop_fuzz::block(outcrop_fuzz::IMAGE_CODECS, data));
