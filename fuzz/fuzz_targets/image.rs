//! See `edgelog_fuzz::image`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| edgelog_fuzz::image::run(input));
