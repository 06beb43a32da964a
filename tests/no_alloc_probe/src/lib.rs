//! Uses of the crates for microcontrollers, without std and without an allocator: linking fails when anything below them allocates.
//!
//! The host links all of it as a static library. For microcontrollers the programs in `bin` each link a part, and what one
//! links beyond `empty` is the size of that part. Nothing here is ever run.
#![no_std]

mod event;
mod flash;

use core::hint::black_box;
use core::sync::atomic::AtomicU8;
use edgelog_core::{Class, Event, Log, LogId, Memory, NorMedium, Reader};
use edgelog_kafka::{Config, Instant, PartitionChoice};
use edgelog_uplink::Uplink;
pub use event::event;
use flash::Flash;

/// The size of this symbol is what a log takes of memory, with its medium and the memory that it is lent, and without its frame
/// buffer, which is borrowed here.
#[unsafe(no_mangle)]
pub static LOG_BYTES: [AtomicU8; size_of::<Log<NorMedium<Flash>, &mut [u8]>>()] =
    [const { AtomicU8::new(0) }; _];

/// Keeps events on a NOR flash and reads them back: all that a program needs. `None`: something was refused.
pub fn log(memory: &mut Memory) -> Option<()> {
    let mut log = open(memory)?;
    let topic = log.topic(black_box("door")).ok()?;
    let cursor = log.cursor(black_box("reader"), black_box(0)).ok()?;
    let event =
        Event { topic, class: Class::Normal, key: black_box(None), payload: black_box(b"open") };
    log.append(&event, black_box(1)).ok()?;
    let limit = log.sync().ok()?;
    let mut reader = Reader::at(black_box(0));
    let mut buffer = [0; 512];
    while let Some(item) = log.read(&mut reader, limit, &mut buffer).ok()? {
        black_box(&item);
    }
    log.commit(cursor, reader.offset(), black_box(0)).ok()
}

/// Ships them.
pub fn uplink(memory: &mut Memory) -> Option<()> {
    let mut log = open(memory)?;
    let config =
        Config::new(black_box("probe"), black_box("probe"), PartitionChoice::Fixed(0), 1).ok()?;
    let mut uplink = Uplink::new(config, &mut log, [0; 1024], [0; 1024]).ok()?;
    let now = Instant::from_millis(black_box(0));
    black_box(uplink.poll(now, black_box(0), &mut log)).ok().map(drop)
}

fn open(memory: &mut Memory) -> Option<Log<NorMedium<Flash>, [u8; 512], &mut Memory>> {
    let id = || LogId(black_box([1; 16]));
    Log::mount_or_create(medium()?, [0; 512], memory, id, black_box(0)).ok()
}

/// Where on the flash is known at run time only.
fn medium() -> Option<NorMedium<Flash>> {
    NorMedium::new(Flash, black_box(0..16384), black_box(4096)).ok()
}

/// Uses all of it, so that nothing is left out of the static library.
#[unsafe(no_mangle)]
pub extern "C" fn probe() -> bool {
    let mut memory = Memory::new();
    log(&mut memory).and(uplink(&mut memory)).and(event(&mut [0; 256])).is_some()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
