//! sensor-db with pages of 256 bytes.
#![no_std]
#![no_main]

use bench_flash_text::{Flash, SEGMENTS};
use core::hint::black_box;
use core::sync::atomic::AtomicU8;
use sensor_db::{Error, SensorDb};

type Db = SensorDb<Flash, 256, SEGMENTS>;

/// The size of this symbol is what the log takes of memory, with its page buffer.
#[unsafe(no_mangle)]
static LOG_BYTES: [AtomicU8; size_of::<Db>()] = [const { AtomicU8::new(0) }; _];

fn log() -> Result<(), Error> {
    let mut db = Db::new(Flash, 0, SEGMENTS as u16, 1)?;
    if db.mount().is_err() {
        db.format()?;
    }
    db.append(black_box(1), black_box(1), black_box(b"open"))?;
    db.sync()?;
    db.query_range(black_box(None), black_box(0), black_box(1), |header, payload| {
        black_box((header, payload));
        true
    })?;
    Ok(())
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    black_box(log().is_ok());
    black_box(&LOG_BYTES);
    loop {}
}
