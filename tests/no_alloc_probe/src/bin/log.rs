//! The log, and nothing else.
#![no_std]
#![no_main]

use core::hint::black_box;

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    black_box(no_alloc_probe::log());
    black_box(&no_alloc_probe::LOG_BYTES);
    loop {}
}
