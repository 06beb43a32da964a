//! Reading in place, attacked.

use edgelog::{Event, FullPolicy, Item, Log, Options, Payload, Start, TimeQuality, View};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

const SEGMENT: u32 = 16 << 10;

fn ring(folder: &Path, segments: u64) -> Log {
    let options = Options::new()
        .segment_bytes(SEGMENT)
        .budget_bytes(segments * u64::from(SEGMENT))
        .record_bytes_max(8 << 10);
    let log = options.open(folder).unwrap();
    log.set_full_policy(FullPolicy::DropOldest);
    log
}

fn append(log: &Log, count: u64) {
    for _ in 0..count {
        let next = log.status().unwrap().visible;
        log.append("numbers", &Event::new(&next.to_le_bytes().repeat(50))).unwrap();
    }
    // A view sees what is in the files.
    log.sync().unwrap();
}

fn check(item: Option<Item<'_>>, offset: u64) {
    let Some(Item::Record(record)) = item else { panic!("{offset}: {item:?} is no record") };
    assert_eq!(record.identity.offset, offset);
    assert_eq!(record.payload, offset.to_le_bytes().repeat(50), "record {offset}");
    assert_eq!(record.time_quality, TimeQuality::Synced, "record {offset}");
}

#[test]
fn a_reader_that_follows_a_small_ring_finds_nothing_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let log = ring(folder.path(), 3);
    let mut reader = log.reader(Start::Earliest).unwrap();
    for offset in 0..500 {
        append(&log, 1);
        check(reader.next().unwrap(), offset);
    }
}

#[test]
fn a_view_that_follows_a_small_ring_finds_nothing_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let log = ring(folder.path(), 3);
    append(&log, 1);
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    for offset in 0..500 {
        view.refresh().unwrap();
        check(view.next().unwrap(), offset);
        append(&log, 1);
    }
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn a_reader_keeps_few_files_open_however_many_segments_it_has_read() {
    let folder = tempfile::tempdir().unwrap();
    let log = ring(folder.path(), 100);
    append(&log, 90 * 30);
    let before = open_files();
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let mut reader = log.reader(Start::Earliest).unwrap();
            let mut read = 0;
            while reader.next().unwrap().is_some() {
                read += 1;
            }
            assert_eq!(read, 90 * 30);
            reader
        })
        .collect();
    // A process may have 1024 by default, and other tests of this one open some.
    let each = (open_files() - before) / readers.len();
    assert!(each <= 8, "{each} for each reader");
}

/// A payload whose composing goes wrong.
struct Panics;

impl Payload for Panics {
    fn len(&self) -> usize {
        64
    }

    fn write(&self, bytes: &mut [u8]) {
        bytes.fill(7);
        panic!("the sensor is gone");
    }
}

#[test]
fn a_payload_that_panics_leaves_nothing_in_the_log_which_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = ring(folder.path(), 4);
    let mut offset = 0;
    for round in 0..200 {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _ = log.append("numbers", &Event::composed(Panics));
        }));
        assert!(panicked.is_err());
        append(&log, round % 3);
        offset += round % 3;
        assert_eq!(log.status().unwrap().visible, offset);
    }
    drop(log);
    let log = ring(folder.path(), 4);
    assert_eq!((log.status().unwrap().visible, log.status().unwrap().damaged), (offset, 0));
}

#[test]
fn a_view_of_a_log_that_was_created_anew_reads_the_new_one_from_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let log = ring(folder.path(), 4);
    append(&log, 20);
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    for offset in 0..20 {
        check(view.next().unwrap(), offset);
    }
    let id = view.id();
    drop(log);
    fs::remove_dir_all(folder.path()).unwrap();
    let log = ring(folder.path(), 4);
    append(&log, 5);
    view.refresh().unwrap();
    assert_ne!(view.id(), id);
    for offset in 0..5 {
        check(view.next().unwrap(), offset);
    }
    assert!(view.next().unwrap().is_none());
}

#[test]
fn what_a_crash_left_of_a_segments_new_file_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    drop(ring(folder.path(), 4));
    for name in ["00000002.new", "notes.new", "00000002.new.txt"] {
        fs::write(folder.path().join(name), [0; 5000]).unwrap();
    }
    drop(View::open(folder.path(), Start::Earliest).unwrap());
    assert!(folder.path().join("00000002.new").exists(), "a view writes nothing");
    drop(ring(folder.path(), 4));
    assert!(!folder.path().join("00000002.new").exists(), "it would hold its space for ever");
    assert!(folder.path().join("notes.new").exists());
    assert!(folder.path().join("00000002.new.txt").exists());
}

#[test]
fn readers_and_views_account_for_every_record_of_a_ring_that_goes_round_under_them() {
    let folder = tempfile::tempdir().unwrap();
    let log = ring(folder.path(), 2);
    append(&log, 1);
    const END: u64 = 4000;
    // Each gives back how many records it was told of, as records or gaps.
    std::thread::scope(|scope| {
        for lag in [0, 3, 50] {
            let mut reader = log.reader(Start::Offset(0)).unwrap();
            let mut view = View::open(folder.path(), Start::Offset(0)).unwrap();
            scope.spawn(move || {
                let mut next = 0;
                while next < END {
                    next = follow(reader.next().unwrap(), next);
                    (0..lag).for_each(|_| std::thread::yield_now());
                }
            });
            scope.spawn(move || {
                let mut next = 0;
                while next < END {
                    view.refresh().unwrap();
                    for _ in 0..=lag {
                        next = follow(view.next().unwrap(), next);
                    }
                }
            });
        }
        append(&log, END - 1);
    });
}

#[test]
fn a_view_is_opened_and_finds_nothing_damaged_beside_a_ring_that_goes_round() {
    let folder = tempfile::tempdir().unwrap();
    let log = ring(folder.path(), 2);
    append(&log, 1);
    const END: u64 = 4000;
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut next = 0;
                while next < END {
                    let mut view = View::open(folder.path(), Start::Offset(next)).unwrap();
                    assert_eq!(view.topics().len(), 1);
                    for _ in 0..20 {
                        next = follow(view.next().unwrap(), next);
                    }
                }
            });
        }
        append(&log, END - 1);
    });
}

/// The offset behind what was met.
fn follow(item: Option<Item<'_>>, next: u64) -> u64 {
    match item {
        None => next,
        Some(Item::Gap(gap)) => {
            assert_eq!((gap.from, gap.reason), (next, edgelog::GapReason::Evicted));
            gap.to
        }
        record => {
            check(record, next);
            next + 1
        }
    }
}

#[test]
fn a_reader_of_a_ring_of_very_many_segments_takes_no_memory_for_each() {
    let folder = tempfile::tempdir().unwrap();
    let log = ring(folder.path(), 200_000);
    append(&log, 100);
    let counted = allocation_counter::measure(|| {
        let mut reader = log.reader(Start::Earliest).unwrap();
        let mut view = View::open(folder.path(), Start::Earliest).unwrap();
        for offset in 0..100 {
            check(reader.next().unwrap(), offset);
            check(view.next().unwrap(), offset);
        }
    });
    assert!(counted.bytes_max < 1 << 20, "{} bytes", counted.bytes_max);
}
