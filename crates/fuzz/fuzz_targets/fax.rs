//! Any bytes as a block of any description in the codecs of this family: CCITT, NeXT and ThunderScan.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop_fuzz::block(outcrop_fuzz::FAX_CODECS, data));
