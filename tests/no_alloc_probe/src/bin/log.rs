//! The log, and nothing else.
#![no_std]
#![no_main]

use core::hint::black_box;
use edgelog_core::Memory;

/// A device has the memory in a `static`; this is never run.
#[unsafe(no_mangle)]
extern "C" fn _start(memory: &mut Memory) -> ! {
    black_box(no_alloc_probe::log(memory));
    black_box(&no_alloc_probe::LOG_BYTES);
    loop {}
}
