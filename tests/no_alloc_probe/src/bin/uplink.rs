//! The log and its way to Kafka.
#![no_std]
#![no_main]

use core::hint::black_box;

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    black_box(no_alloc_probe::uplink());
    loop {}
}
