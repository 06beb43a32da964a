//! What every program has: nothing.
#![no_std]
#![no_main]

use no_alloc_probe as _;

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    loop {}
}
