//! An event, and nothing else.
#![no_std]
#![no_main]

use core::hint::black_box;

/// This is never run.
#[unsafe(no_mangle)]
extern "C" fn _start(buffer: &mut [u8; 256]) -> ! {
    black_box(no_alloc_probe::event(buffer));
    loop {}
}
