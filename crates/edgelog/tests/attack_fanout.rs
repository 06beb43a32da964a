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
