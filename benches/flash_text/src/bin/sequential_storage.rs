//! sequential-storage's queue, with all of its caches.
#![no_std]
#![no_main]

use bench_flash_text::{CAPACITY, Flash, SEGMENTS, now};
use core::hint::black_box;
use core::sync::atomic::AtomicU8;
use sequential_storage::cache::page_pointers::ArrayPagePointers;
use sequential_storage::cache::page_states::ArrayPageStates;
use sequential_storage::cache::{Cache, Uncached};
use sequential_storage::queue::{QueueConfig, QueueStorage};

type Caches = Cache<ArrayPageStates<SEGMENTS>, ArrayPagePointers<SEGMENTS>, Uncached>;
type Queue = QueueStorage<Flash, Caches>;

/// The size of this symbol is what the queue takes of memory.
#[unsafe(no_mangle)]
static LOG_BYTES: [AtomicU8; size_of::<Queue>()] = [const { AtomicU8::new(0) }; _];

async fn log() -> Option<()> {
    let caches = Cache::new(ArrayPageStates::new(), ArrayPagePointers::new(), Uncached);
    let mut queue = Queue::new(Flash, const { QueueConfig::new(0..CAPACITY) }, caches);
    queue.push(black_box(b"open"), true).await.ok()?;
    let mut buffer = [0; 512];
    let mut walk = queue.iter().await.ok()?;
    while let Some(entry) = walk.next(&mut buffer).await.ok()? {
        black_box(&*entry);
    }
    queue.pop(&mut buffer).await.ok().map(|popped| drop(black_box(popped)))
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    black_box(now(log()));
    black_box(&LOG_BYTES);
    loop {}
}
