//! What every program has: nothing.
#![no_std]
#![no_main]

use bench_flash_text as _;

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    loop {}
}
