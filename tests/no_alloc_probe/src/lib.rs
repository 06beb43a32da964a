//! A static library without std and without an allocator: rustc refuses to finish it when anything below it allocates.
#![no_std]

use edgelog_core::{Log, LogId, RamMedium};
use edgelog_kafka::{Config, Instant, PartitionChoice};
use edgelog_uplink::Uplink;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Uses a function of every crate, so that none is left out of the library.
#[unsafe(no_mangle)]
pub extern "C" fn probe() -> u32 {
    let Ok(mut log) = Log::create(RamMedium::<8192>::new(4096), [0; 512], LogId([1; 16]), 0) else { return 1 };
    let Ok(config) = Config::new("probe", "probe", PartitionChoice::Fixed(0), 1) else { return 2 };
    let Ok(mut uplink) = Uplink::new(config, &mut log, [0; 1024], [0; 1024]) else { return 3 };
    u32::from(uplink.poll(Instant::from_millis(0), 0, &mut log).is_err())
}
