//! See `edgelog_fuzz::frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| edgelog_fuzz::frame::run(input));
