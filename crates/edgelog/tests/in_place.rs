//! Records are borrowed from mapped segments, which stay as they are for as long as somebody reads them.

use edgelog::{Event, FullPolicy, Item, Log, Options, Start, View};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const SEGMENT: u32 = 16 << 10;

fn small_ring(folder: &Path) -> Log {
    let options = Options::new()
        .segment_bytes(SEGMENT)
        .budget_bytes(4 * u64::from(SEGMENT))
        .record_bytes_max(8 << 10);
    let log = options.open(folder).unwrap();
    log.set_full_policy(FullPolicy::DropOldest);
    log
}

/// So many records that the ring goes round `laps` times.
fn go_round(log: &Log, laps: u32) {
    for _ in 0..laps * 4 * (SEGMENT / 1024) {
        let next = log.status().unwrap().visible;
        log.append("numbers", &Event::new(&next.to_le_bytes().repeat(128))).unwrap();
    }
    log.sync().unwrap();
}

fn inode(folder: &Path, slot: u32) -> u64 {
    fs::metadata(folder.join(format!("{slot:08}.seg"))).unwrap().ino()
}

fn check(item: Option<Item<'_>>) -> u64 {
    let Some(Item::Record(record)) = item else { panic!("{item:?} is no record") };
    let offset = record.identity.offset;
    assert_eq!(record.payload, offset.to_le_bytes().repeat(128), "record {offset}");
    offset
}

#[test]
fn a_record_that_is_held_stays_as_it_is_while_the_ring_goes_round_under_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = small_ring(folder.path());
    go_round(&log, 1);
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    let mut reader = log.reader(Start::Earliest).unwrap();
    let seen = view.next().unwrap().unwrap();
    let held = reader.next().unwrap().unwrap();
    go_round(&log, 3);
    let first = check(Some(held));
    assert_eq!(check(Some(seen)), first);
    // What is gone since is told, and reading goes on.
    let (mut next, mut dropped) = (first + 1, 0);
    while let Some(item) = reader.next().unwrap() {
        if let Item::Gap(gap) = item {
            assert_eq!(gap.from, next);
            (next, dropped) = (gap.to, dropped + gap.count());
        } else {
            assert_eq!(check(Some(item)), next);
            next += 1;
        }
    }
    assert_eq!(next, log.status().unwrap().visible);
    assert!(dropped > 0);
    view.refresh().unwrap();
    let Some(Item::Gap(gap)) = view.next().unwrap() else { panic!("nothing was dropped") };
    assert_eq!((gap.from, check(view.next().unwrap())), (first + 1, gap.to));
}

#[test]
fn a_segment_is_recycled_in_its_file_once_nobody_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = small_ring(folder.path());
    go_round(&log, 1);
    let mut reader = log.reader(Start::Offset(0)).unwrap();
    let mut read = 0;
    while let Some(item) = reader.next().unwrap() {
        read += u32::from(matches!(item, Item::Record(_)));
    }
    assert!(read > 0);
    let before: Vec<_> = (0..4).map(|slot| inode(folder.path(), slot)).collect();
    go_round(&log, 1);
    let pinned: Vec<_> = (0..4).map(|slot| inode(folder.path(), slot)).collect();
    assert!(before != pinned, "the segments that the reader has mapped were rewritten under it");
    drop(reader);
    go_round(&log, 2);
    let after: Vec<_> = (0..4).map(|slot| inode(folder.path(), slot)).collect();
    assert_eq!(after, pinned, "nobody reads, and still files were replaced");
}

#[test]
fn readers_read_while_others_append() {
    let folder = tempfile::tempdir().unwrap();
    let log = small_ring(folder.path());
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let mut reader = log.reader(Start::Earliest).unwrap();
                scope.spawn(move || {
                    let (mut records, mut gone, mut next) = (0, 0, 0);
                    while next < 2000 {
                        match reader.next().unwrap() {
                            Some(Item::Gap(gap)) => {
                                assert_eq!(gap.from, next);
                                (next, gone) = (gap.to, gone + gap.count());
                            }
                            Some(item) => {
                                assert_eq!(check(Some(item)), next);
                                (next, records) = (next + 1, records + 1);
                            }
                            None => std::thread::yield_now(),
                        }
                    }
                    records + gone
                })
            })
            .collect();
        for n in 0u64..2000 {
            log.append("numbers", &Event::new(&n.to_le_bytes().repeat(128))).unwrap();
        }
        for reader in readers {
            assert_eq!(reader.join().unwrap(), 2000);
        }
    });
}
