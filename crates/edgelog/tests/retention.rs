//! What a log keeps besides what fits its ring, and what becomes of the rest.
#![allow(clippy::unwrap_used, clippy::panic)]

use edgelog::{Event, FullPolicy, Gap, GapReason, Item, Log, Options, Start, View};
use std::fs;
use std::path::Path;

const SEGMENT: u32 = 4096;

fn options() -> Options {
    Options::new().segment_bytes(SEGMENT).budget_bytes(256 * u64::from(SEGMENT))
}

/// Three fill a segment.
fn append(log: &Log, records: u64) {
    for _ in 0..records {
        log.append("t", &Event::new(&[7; 1000])).unwrap();
    }
}

fn bytes_in(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let segments = files.filter(|file| file.path().extension().is_some_and(|it| it == "seg"));
    segments.map(|file| file.metadata().unwrap().len()).sum()
}

/// (records, the gap before them).
fn read(folder: &Path) -> (u64, Option<Gap>) {
    let mut view = View::open(folder, Start::Offset(0)).unwrap();
    let (mut records, mut first) = (0, None);
    while let Some(item) = view.next().unwrap() {
        match item {
            Item::Record(_) => records += 1,
            Item::Gap(gap) => {
                assert!(first.is_none() && records == 0, "{gap:?} behind {records} records");
                first = Some(gap);
            }
        }
    }
    (records, first)
}

#[test]
fn a_log_keeps_no_more_segments_or_bytes_than_it_was_told_to_and_counts_what_went() {
    let segment = u64::from(SEGMENT);
    for (told, most) in [
        (options().retain_segments(3), 3),
        (options().retain_bytes(5 * segment + 17), 5),
        (options().retain_bytes(1), 1),
        (options().retain_bytes(9 * segment).retain_segments(4), 4),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut end = 0;
        for round in 0..4 {
            let log = told.clone().full(FullPolicy::DropOldest).open(folder.path()).unwrap();
            let before = log.status().unwrap().earliest;
            for _ in 0..100 {
                append(&log, 1);
                assert!(bytes_in(folder.path()) <= most * segment, "round {round}");
            }
            end += 100;
            log.sync().unwrap();
            let status = log.status().unwrap();
            assert_eq!((status.segments, status.visible), (most, end));
            assert_eq!(status.evicted, status.earliest - before);
            let gap = Gap { from: 0, to: status.earliest, reason: GapReason::Evicted };
            assert_eq!(read(folder.path()), (end - gap.to, Some(gap)));
        }
    }
}

#[test]
fn retention_waits_for_the_cursors_that_the_policy_counts() {
    let folder = tempfile::tempdir().unwrap();
    let log = options().retain_segments(2).open(folder.path()).unwrap();
    let cursor = log.cursor("uplink", 0).unwrap();
    append(&log, 60);
    log.sync().unwrap();
    assert_eq!(log.status().unwrap().evicted, 0, "nobody has read it");
    log.commit(cursor, 31).unwrap();
    let gone = log.trim().unwrap();
    assert!((28..=31).contains(&gone), "{gone}: up to where the cursor stands, by segments");
    log.commit(cursor, 60).unwrap();
    let gone = gone + log.trim().unwrap();
    let status = log.status().unwrap();
    assert_eq!((status.evicted, status.earliest, status.segments), (gone, gone, 2));
    append(&log, 1);
    log.sync().unwrap();
    drop(log);
    // Another opening, another limit.
    let log = options().retain_segments(1).open(folder.path()).unwrap();
    log.trim().unwrap();
    assert_eq!(log.status().unwrap().segments, 1);
    let (records, gap) = read(folder.path());
    assert_eq!(records + gap.unwrap().count(), 61);
}

/// The offset behind what was met at `next`, and how many records are gone by then.
fn behind(item: Item<'_>, next: u64, gone: u64) -> (u64, u64) {
    match item {
        Item::Record(record) => {
            assert_eq!(record.identity.offset, next);
            (next + 1, gone)
        }
        Item::Gap(gap) => {
            assert_eq!((gap.from, gap.reason), (next, GapReason::Evicted));
            (gap.to, gone + gap.count())
        }
    }
}

#[test]
fn readers_and_views_that_are_behind_meet_a_gap_and_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let log =
        options().full(FullPolicy::DropOldest).retain_segments(3).open(folder.path()).unwrap();
    append(&log, 6);
    let mut reader = log.reader(Start::Earliest).unwrap();
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    // Both hold a record of the first segment.
    let Some(Item::Record(held)) = view.next().unwrap() else { panic!("a record") };
    let Some(Item::Record(lent)) = reader.next().unwrap() else { panic!("a record") };
    append(&log, 300);
    assert_eq!((held.payload, lent.payload), (&[7; 1000][..], &[7; 1000][..]));
    log.sync().unwrap();
    let (mut next, mut gone) = (1, 0);
    view.refresh().unwrap();
    while let Some(item) = view.next().unwrap() {
        (next, gone) = behind(item, next, gone);
    }
    assert!(next == 306 && gone > 280, "{next}, {gone} gone");
    (next, gone) = (1, 0);
    while let Some(item) = reader.next().unwrap() {
        (next, gone) = behind(item, next, gone);
    }
    // What was appended last it has out of memory, also where the files are gone.
    assert!(next == 306 && gone > 0, "{next}, {gone} gone");
}

#[test]
fn a_file_of_somebody_else_in_the_place_of_an_old_segment_is_moved_aside_and_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    append(&options().open(folder.path()).unwrap(), 30);
    fs::write(folder.path().join("00000001.seg"), b"a photo of a cat").unwrap();
    let few = options().full(FullPolicy::DropOldest).retain_segments(2);
    let log = few.open(folder.path()).unwrap();
    log.trim().unwrap();
    assert_eq!(log.status().unwrap().segments, 2);
    assert_eq!(fs::read(folder.path().join("00000001.foreign-0")).unwrap(), b"a photo of a cat");
    append(&log, 30);
    log.sync().unwrap();
    let (records, gap) = read(folder.path());
    assert_eq!(records + gap.unwrap().count(), 60);
}
