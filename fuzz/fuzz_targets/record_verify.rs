//! See `edgelog_fuzz::record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| edgelog_fuzz::record::run(input));
