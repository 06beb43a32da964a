//! ekv as a log: a table whose keys are numbers.
#![no_std]
#![no_main]

use bench_flash_text::{Flash, now};
use core::hint::black_box;
use core::sync::atomic::AtomicU8;
use ekv::{Config, Database};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;

type Db = Database<Flash, NoopRawMutex>;

/// The size of this symbol is what the table takes of memory, with its two chunk buffers.
#[unsafe(no_mangle)]
static LOG_BYTES: [AtomicU8; size_of::<Db>()] = [const { AtomicU8::new(0) }; _];

async fn log() -> Option<()> {
    let db = Db::new(Flash, Config::default());
    if db.mount().await.is_err() {
        db.format().await.ok()?;
    }
    let mut transaction = db.write_transaction().await;
    transaction.write(black_box(&[1; 8]), black_box(b"open")).await.ok()?;
    transaction.commit().await.ok()?;
    let (mut key, mut value) = ([0; 8], [0; 512]);
    {
        let transaction = db.read_transaction().await;
        let mut walk = transaction.read_range(black_box(&[0; 8][..])..).await.ok()?;
        while let Some(found) = walk.next(&mut key, &mut value).await.ok()? {
            black_box((found, &key, &value));
        }
    }
    let mut transaction = db.write_transaction().await;
    transaction.delete(black_box(&key)).await.ok()?;
    transaction.commit().await.ok()
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    black_box(now(log()));
    black_box(&LOG_BYTES);
    loop {}
}
