//! What was appended last, in memory.

use super::{Time, check};
use crate::block::BLOCK_LEN;
use crate::recent::{Held, Recent};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Arc, Mutex};
use edgelog_core::{Class, Event, LogId, RamMedium, Record};
use std::sync::LazyLock;

super::models!(
    a_reader_finds_every_record_that_he_sees_to_be_there_in_memory,
    who_joins_while_others_append_finds_each_record_in_memory_or_in_the_files,
    the_last_reader_goes_while_another_comes_and_none_reads_another_record,
    who_leaves_takes_nothing_from_another_reader,
    a_block_that_is_being_read_is_not_filled_anew,
);

/// As many as a log keeps; see `BLOCKS_MAX`.
const BLOCKS_MAX: u64 = 512;
/// So much that every record has a block of its own.
const LONG: usize = BLOCK_LEN / 2;

struct Log {
    /// The offset of the next record, and how many are in the files.
    engine: Mutex<u64>,
    recent: Recent,
}

fn payload(offset: u64) -> [u8; 8] {
    offset.to_le_bytes()
}

/// A record as an engine gives it.
fn record(offset: u64, payload: &[u8]) -> Record<'_> {
    static FIRST: LazyLock<Record<'static>> = LazyLock::new(|| {
        // A thread of its own: those of a model have small stacks.
        std::thread::spawn(first).join().unwrap()
    });
    let mut record = FIRST.with_bytes(None, payload);
    (record.identity.offset, record.time_ms) = (offset, offset);
    record
}

fn first() -> Record<'static> {
    let medium = RamMedium::<8192>::new(4096);
    let mut log = edgelog_core::Log::create(medium, [0; 512], LogId([1; 16]), 0).unwrap();
    let topic = log.topic("t").unwrap();
    log.as_read(&Event { topic, class: Class::Normal, key: None, payload: &[] }, 0)
}

impl Log {
    fn new() -> Arc<Self> {
        Arc::new(Self { engine: Mutex::new(0), recent: Recent::new(0) })
    }

    /// As the log appends: asks for readers without the lock, keeps and shows with it.
    fn append(&self, count: u64, length: usize) {
        let is_followed = self.recent.is_followed();
        let mut next = self.engine.lock().unwrap();
        let payloads: Vec<_> = (*next..*next + count)
            .map(|offset| {
                let mut bytes = vec![0; length];
                bytes[..8].copy_from_slice(&payload(offset));
                (offset, bytes)
            })
            .collect();
        if is_followed {
            self.recent.keep(payloads.iter().map(|(offset, bytes)| record(*offset, bytes)));
        }
        *next += count;
        self.recent.show(*next);
    }

    /// Reads what is visible from `offset` on, and gives the next offset and how many records were not in memory.
    fn read(&self, mut offset: u64, held: &mut Held) -> (u64, u64) {
        let (visible, mut missing) = (self.recent.visible(), 0);
        while offset < visible {
            if held.get(offset).is_none() && !self.recent.find(offset, held) {
                // In the files it is, when it is visible.
                assert!(*self.engine.lock().unwrap() > offset);
                missing += 1;
            } else {
                is_whole(held, offset);
            }
            offset += 1;
        }
        (offset, missing)
    }

    /// As a reader that starts with the next record.
    fn join(&self) -> u64 {
        self.recent.join();
        *self.engine.lock().unwrap()
    }
}

fn appending(log: &Arc<Log>, count: u64, length: usize) -> JoinHandle<()> {
    let log = Arc::clone(log);
    thread::spawn(move || log.append(count, length))
}

fn is_whole(held: &Held, offset: u64) {
    let record = held.get(offset).expect("it was found");
    assert_eq!((record.identity.offset, record.time_ms), (offset, offset));
    assert_eq!(record.payload[..8], payload(offset));
}

fn a_reader_finds_every_record_that_he_sees_to_be_there_in_memory() -> u64 {
    check(Time::Stands, Some(3), || {
        let log = Log::new();
        let (mut offset, mut held) = (log.join(), Held::default());
        let appending = [appending(&log, 2, LONG), appending(&log, 1, 8)];
        for _ in 0..2 {
            let (next, missing) = log.read(offset, &mut held);
            assert_eq!(missing, 0);
            offset = next;
        }
        appending.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(log.read(offset, &mut held), (3, 0));
    })
}

fn who_joins_while_others_append_finds_each_record_in_memory_or_in_the_files() -> u64 {
    check(Time::Stands, Some(3), || {
        let log = Log::new();
        let appending = [appending(&log, 1, 8), appending(&log, 2, 8)];
        let (offset, mut held) = (log.join(), Held::default());
        let (offset, _) = log.read(offset, &mut held);
        appending.into_iter().for_each(|it| it.join().unwrap());
        let (offset, _) = log.read(offset, &mut held);
        assert_eq!(offset, 3);
        // From here on everybody knows of the reader.
        log.append(1, 8);
        assert_eq!(log.read(offset, &mut held), (4, 0));
    })
}

fn the_last_reader_goes_while_another_comes_and_none_reads_another_record() -> u64 {
    check(Time::Stands, Some(3), || {
        let log = Log::new();
        log.join();
        log.append(1, 8);
        let going = Arc::clone(&log);
        let going = thread::spawn(move || going.recent.leave());
        let appending = appending(&log, 1, 8);
        let (offset, mut held) = (log.join(), Held::default());
        let (offset, _) = log.read(offset, &mut held);
        going.join().unwrap();
        appending.join().unwrap();
        let (offset, _) = log.read(offset, &mut held);
        assert_eq!(offset, 2);
        log.append(1, 8);
        assert_eq!(log.read(offset, &mut held), (3, 0));
    })
}

fn who_leaves_takes_nothing_from_another_reader() -> u64 {
    check(Time::Stands, Some(3), || {
        let log = Log::new();
        let (offset, mut held) = (log.join(), Held::default());
        log.join();
        let leaving = Arc::clone(&log);
        let leaving = thread::spawn(move || leaving.recent.leave());
        let appending = appending(&log, 2, 8);
        let (next, missing) = log.read(offset, &mut held);
        assert_eq!(missing, 0);
        leaving.join().unwrap();
        appending.join().unwrap();
        assert_eq!(log.read(next, &mut held), (2, 0));
    })
}

fn a_block_that_is_being_read_is_not_filled_anew() -> u64 {
    check(Time::Stands, Some(3), || {
        let log = Log::new();
        log.join();
        // As many blocks as are kept, and one that is open.
        log.append(BLOCKS_MAX + 1, LONG);
        let reading = [(); 2].map(|()| {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                let mut held = Held::default();
                // The oldest may have gone.
                if log.recent.find(0, &mut held) {
                    is_whole(&held, 0);
                    log.recent.visible();
                    is_whole(&held, 0);
                    assert!(held.get(1).is_none());
                }
            })
        });
        log.append(1, LONG);
        let mut held = Held::default();
        assert!(!log.recent.find(0, &mut held) && log.recent.find(BLOCKS_MAX + 1, &mut held));
        is_whole(&held, BLOCKS_MAX + 1);
        reading.into_iter().for_each(|it| it.join().unwrap());
    })
}
