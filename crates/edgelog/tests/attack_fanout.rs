//! Readers where memory and files meet: records given up, clocks that are not set, epochs, logs that have failed.

use edgelog::{Durability, Event, Item, Log, Options, Start, View};
use std::path::Path;

fn open(folder: &Path) -> Log {
    Options::new().segment_bytes(8 << 20).budget_bytes(64 << 20).open(folder).unwrap()
}

#[test]
fn what_is_durable_can_be_read_from_a_log_that_has_failed() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    for _ in 0..10 {
        log.append_as(Durability::Durable, "t", &Event::new(b"event")).unwrap();
    }
    log.append("t", &Event::new(b"lost")).unwrap();
    std::fs::remove_file(folder.path().join("lock")).unwrap();
    log.sync().unwrap_err();
    let mut reader = log.reader(Start::Earliest).unwrap();
    for offset in 0..10 {
        let Some(Item::Record(record)) = reader.next().unwrap() else { panic!("{offset}") };
        assert_eq!(record.identity.offset, offset);
    }
}

#[test]
fn records_that_were_given_up_are_the_same_gap_in_memory_and_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let log = Options::new().segment_bytes(64 << 10).budget_bytes(1 << 20).open(folder.path());
    let log = log.unwrap();
    let mut reader = log.reader(Start::Latest).unwrap();
    let mut seen = Vec::new();
    for n in 0..100_u32 {
        log.append("t", &Event::new(&vec![7; 100 * n as usize]).key(&[3; 255])).unwrap();
        log.give_up(n % 3);
        if n % 7 == 0 {
            log.commit(log.cursor("c", 0).unwrap(), u64::from(n)).unwrap();
        }
        while let Some(item) = reader.next().unwrap() {
            seen.push(format!("{item:?}"));
        }
    }
    log.sync().unwrap();
    assert_eq!(reader.offset(), log.status().unwrap().visible);
    assert!(seen.iter().any(|item| item.contains("Refused")));
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    for seen in &seen {
        assert_eq!(*seen, format!("{:?}", view.next().unwrap().unwrap()));
    }
    assert!(view.next().unwrap().is_none());
}

/// What a reader that keeps up gets of `appends`, which each append one record.
fn followed(log: &Log, appends: usize, append: impl Fn(usize)) -> Vec<String> {
    let mut reader = log.reader(Start::Latest).unwrap();
    let seen = (0..appends).map(|n| {
        append(n);
        let item = format!("{:?}", reader.next().unwrap().unwrap());
        assert!(reader.next().unwrap().is_none());
        item
    });
    seen.collect()
}

#[test]
fn epochs_and_times_are_the_same_in_memory_and_in_the_files_whatever_was_before_the_opening() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new().segment_bytes(4096).budget_bytes(1 << 20).chip(8, 0xFF);
    let mut seen = Vec::new();
    for opening in 0..30 {
        let log = options.clone().open(folder.path()).unwrap();
        seen.extend(followed(&log, opening, |n| {
            log.append("t", &Event::new(&vec![7; 10 * n]).key(&[3; 255][..n])).unwrap();
        }));
        if opening % 3 == 0 {
            // It ends without a sync, and what it gave up is not counted.
            log.give_up(3);
        }
    }
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    for seen in &seen {
        assert_eq!(*seen, format!("{:?}", view.next().unwrap().unwrap()));
    }
    assert!(view.next().unwrap().is_none());
}

#[test]
fn readers_that_come_and_go_while_others_append_miss_nothing_and_see_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let over = || is_over.load(std::sync::atomic::Ordering::SeqCst);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (log, over) = (&log, &over);
            scope.spawn(move || {
                let mut at = 0;
                let mut turns = 0;
                while !over() || at < log.status().unwrap().visible {
                    let mut reader = log.reader(Start::Offset(at)).unwrap();
                    for _ in 0..=(turns * 7 + thread) % 50 {
                        match reader.next().unwrap() {
                            Some(Item::Record(record)) => {
                                let number =
                                    u64::from_le_bytes(*record.payload.first_chunk().unwrap());
                                assert_eq!((record.identity.offset, number), (at, at));
                                at += 1;
                            }
                            Some(Item::Gap(gap)) => panic!("{gap:?}"),
                            None => break,
                        }
                    }
                    turns += 1;
                }
            });
        }
        for number in 0..20_000_u64 {
            let mut payload = vec![7; 8 + usize::try_from(number % 97).unwrap()];
            if number % 500 == 0 {
                payload.resize(30_000, 7);
            }
            payload[..8].copy_from_slice(&number.to_le_bytes());
            log.append("t", &Event::new(&payload)).unwrap();
        }
        is_over.store(true, std::sync::atomic::Ordering::SeqCst);
    });
}

#[test]
fn a_reader_by_time_begins_at_the_first_record_that_is_not_older_wherever_that_is() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let _follower = log.reader(Start::Latest).unwrap();
    let mut times = Vec::new();
    for _ in 0..300 {
        log.append("t", &Event::new(b"event")).unwrap();
        std::thread::yield_now();
    }
    let mut reader = log.reader(Start::Earliest).unwrap();
    while let Some(Item::Record(record)) = reader.next().unwrap() {
        times.push(record.time_ms);
    }
    for &time in &times {
        let first = times.iter().position(|&it| it >= time).unwrap();
        assert_eq!(log.reader(Start::Time(time)).unwrap().offset(), first as u64);
    }
    let behind = log.reader(Start::Time(u64::MAX)).unwrap();
    assert_eq!(behind.offset(), log.status().unwrap().visible);
    assert_eq!(log.reader(Start::Time(0)).unwrap().offset(), 0);
}

#[test]
fn a_reader_that_starts_beyond_the_end_waits_for_that_record() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let mut reader = log.reader(Start::Offset(5)).unwrap();
    for offset in 0..8 {
        assert!(offset > 5 || reader.next().unwrap().is_none());
        log.append("t", &Event::new(b"event")).unwrap();
    }
    assert_eq!(reader.offset(), 5);
    let Some(Item::Record(record)) = reader.next().unwrap() else { panic!("nothing") };
    assert_eq!(record.identity.offset, 5);
    assert!(log.reader(Start::Offset(u64::MAX)).unwrap().next().unwrap().is_none());
}
