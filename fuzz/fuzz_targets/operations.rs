//! See `edgelog_fuzz::operations`.
#![no_main]

libfuzzer_sys::fuzz_target!(|life: edgelog_fuzz::operations::Life| edgelog_fuzz::operations::run(
    &life
));
