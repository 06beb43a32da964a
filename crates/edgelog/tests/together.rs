//! Many threads on one log: one order, shared syncs, no lost wake-ups.

use edgelog::{Event, Item, Log, Options, Start, View};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const THREADS: u64 = 8;
/// As a length.
const COUNT: usize = 8;
const EACH: u64 = 200;

fn open(folder: &std::path::Path) -> Log {
    Options::new().segment_bytes(64 << 10).budget_bytes(4 << 20).open(folder).unwrap()
}

/// (thread, number) of an event.
fn parse(payload: &[u8]) -> (u64, u64) {
    let (thread, number) = payload.split_first_chunk().unwrap();
    (u64::from_le_bytes(*thread), u64::from_le_bytes(number.try_into().unwrap()))
}

#[test]
fn what_a_thread_synced_is_durable_and_each_threads_events_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let log = log.clone();
            scope.spawn(move || {
                for number in 0..EACH {
                    let payload = [thread.to_le_bytes(), number.to_le_bytes()].concat();
                    let offset = log.append("t", &Event::new(&payload)).unwrap();
                    if number % 5 == 0 {
                        assert!(log.sync().unwrap() > offset);
                        assert!(log.status().unwrap().durable > offset);
                    }
                }
            });
        }
    });
    log.sync().unwrap();
    let status = log.status().unwrap();
    assert_eq!((status.visible, status.durable), (THREADS * EACH, THREADS * EACH));
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    let mut next = [0; COUNT];
    while let Some(item) = view.next().unwrap() {
        let Item::Record(record) = item else { panic!("a gap") };
        let (thread, number) = parse(record.payload);
        assert_eq!(number, next[usize::try_from(thread).unwrap()]);
        next[usize::try_from(thread).unwrap()] += 1;
    }
    assert_eq!(next, [EACH; COUNT]);
}

#[test]
fn readers_that_wait_are_woken_by_each_append_and_see_it_while_others_sync() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let seen = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut reader = log.reader(Start::Earliest).unwrap();
            let seen = &seen;
            scope.spawn(move || {
                while reader.offset() < THREADS * EACH {
                    // Far longer than the test takes: who is not woken hangs.
                    assert!(reader.wait(Duration::from_secs(60)));
                    while let Some(item) = reader.next().unwrap() {
                        assert!(matches!(item, Item::Record(_)));
                        seen.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        for _ in 0..THREADS {
            let log = log.clone();
            scope.spawn(move || {
                for number in 0..EACH {
                    log.append("t", &Event::new(&number.to_le_bytes())).unwrap();
                    if number % 50 == 0 {
                        log.sync().unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(seen.into_inner(), 4 * THREADS * EACH);
}

#[test]
fn another_process_sees_what_was_appended_without_a_sync() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    log.append("t", &Event::new(b"unsynced")).unwrap();
    // Bounded by the test's own time only: it is there when the writer thread has run.
    while view.visible() == 0 {
        view.refresh().unwrap();
        std::thread::yield_now();
    }
    assert!(
        matches!(view.next().unwrap(), Some(Item::Record(record)) if record.payload == b"unsynced")
    );
    assert_eq!(log.status().unwrap().durable, 0);
}

#[test]
fn a_log_that_is_dropped_without_a_sync_has_everything_that_was_appended() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    for number in 0u64..1000 {
        log.append("t", &Event::new(&number.to_le_bytes())).unwrap();
    }
    drop(log);
    assert_eq!(open(folder.path()).status().unwrap().visible, 1000);
}

#[test]
fn a_batch_is_stored_as_one_and_one_that_is_too_large_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let payloads: Vec<_> = (0u64..100).map(u64::to_le_bytes).collect();
    let events: Vec<_> = payloads.iter().map(|payload| Event::new(payload)).collect();
    assert_eq!(log.append_batch("t", &events).unwrap(), 0..100);
    assert_eq!(log.append_batch("t", &[]).unwrap(), 100..100);
    let large = vec![0; 40 << 10];
    assert!(log.append_batch("t", &[Event::new(&large), Event::new(&large)]).is_err());
    assert_eq!(log.append_batch("t", &events[..1]).unwrap(), 100..101);
    let mut reader = log.reader(Start::Earliest).unwrap();
    for number in (0u64..100).chain([0]) {
        let Some(Item::Record(record)) = reader.next().unwrap() else { panic!("no record") };
        assert_eq!(record.payload, number.to_le_bytes());
    }
    assert!(reader.next().unwrap().is_none());
}
