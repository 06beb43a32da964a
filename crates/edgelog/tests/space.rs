//! A disk that has less space than the log may take.
#![allow(clippy::unwrap_used, clippy::panic)]

use edgelog::{
    AppendError, Class, CursorSet, Event, FullPolicy, GapReason, Item, Log, Options, Start,
    StoreOptions, View,
};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;

const SEGMENT: u32 = 4096;

fn options() -> Options {
    Options::new().segment_bytes(SEGMENT).budget_bytes(256 * u64::from(SEGMENT))
}

/// Three fill a segment.
fn append(log: &Log) -> Result<u64, AppendError> {
    log.append("t", &Event::new(&[7; 1000]))
}

fn fill(log: &Log, segments: u64) {
    for _ in 0..3 * segments {
        append(log).unwrap();
    }
}

/// The disk has no space for the file of this slot: until the log has met that once, as space comes when a file goes.
fn no_space_for(slot: u32, folder: &Path) {
    // Every write there fails for want of space.
    let _ = symlink("/dev/full", folder.join(format!("{slot:08}.new")));
}

fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.contains(".seg") || name.contains(".new"));
    names.sort();
    names
}

/// The records that are there, behind the gap at the beginning.
fn read(folder: &Path) -> (u64, u64) {
    let (mut view, mut gone, mut records) = (View::open(folder, Start::Offset(0)).unwrap(), 0, 0);
    while let Some(item) = view.next().unwrap() {
        match item {
            Item::Gap(gap) if gap.reason == GapReason::Evicted && records == 0 => {
                gone += gap.to - gap.from;
            }
            Item::Record(_) => records += 1,
            Item::Gap(gap) => panic!("{gap:?} behind {records} records"),
        }
    }
    (gone, records)
}

fn tells_want_of_space(refused: Result<u64, AppendError>) {
    let Err(AppendError::Medium(error)) = refused else { panic!("{refused:?}") };
    assert_eq!((error.kind(), error.durable()), (ErrorKind::StorageFull, None), "{error}");
    let told = error.to_string();
    assert!(
        told.contains("make room for the segment") && told.contains("free some space"),
        "{told}"
    );
}

#[test]
fn a_log_that_drops_its_oldest_does_so_where_the_disk_has_less_space_than_its_budget() {
    let folder = tempfile::tempdir().unwrap();
    let log = options().full(FullPolicy::DropOldest).open(folder.path()).unwrap();
    fill(&log, 4);
    for slot in 4..20 {
        no_space_for(slot, folder.path());
        fill(&log, 1);
        let names: Vec<_> = (slot - 3..=slot).map(|slot| format!("{slot:08}.seg")).collect();
        assert_eq!(files(folder.path()), names);
    }
    let status = log.status().unwrap();
    assert_eq!((status.evicted, status.visible), (48, 60));
    log.sync().unwrap();
    assert_eq!(read(folder.path()), (48, 12));
    drop(log);
    let log = options().open(folder.path()).unwrap();
    assert_eq!(read(folder.path()), (48, 12));
    append(&log).unwrap();
}

#[test]
fn a_log_that_refuses_does_so_until_its_cursors_let_a_segment_go() {
    let folder = tempfile::tempdir().unwrap();
    let log = options().open(folder.path()).unwrap();
    fill(&log, 4);
    for _ in 0..9 {
        no_space_for(4, folder.path());
        tells_want_of_space(append(&log));
    }
    // Room was kept for what lets it go on.
    log.sync().unwrap();
    no_space_for(4, folder.path());
    let cursor = log.cursor("slow", 0).unwrap();
    for offset in 1..3 {
        no_space_for(4, folder.path());
        log.commit(cursor, offset).unwrap();
        tells_want_of_space(append(&log));
    }
    log.commit(cursor, 3).unwrap();
    no_space_for(4, folder.path());
    fill(&log, 1);
    log.sync().unwrap();
    assert_eq!(read(folder.path()), (3, 12));
}

#[test]
fn a_log_that_protects_a_cursor_drops_what_that_has_passed_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let log = options().open(folder.path()).unwrap();
    let (kept, other) = (log.cursor("kept", 0).unwrap(), log.cursor("other", 0).unwrap());
    log.set_full_policy(FullPolicy::Protect(CursorSet::from_iter([kept])));
    fill(&log, 4);
    log.sync().unwrap();
    log.commit(kept, 6).unwrap();
    for slot in 4..6 {
        no_space_for(slot, folder.path());
        fill(&log, 1);
    }
    no_space_for(6, folder.path());
    tells_want_of_space(append(&log));
    assert_eq!(log.status().unwrap().earliest, 6);
    assert_eq!(log.cursor_state(other).unwrap().offset, 0);
    // With the space comes the record.
    append(&log).unwrap();
}

#[test]
fn where_a_store_is_on_a_disk_with_less_space_than_its_budget_the_lowest_class_gives_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = StoreOptions::new().open(folder.path()).unwrap();
    let dropping = options().full(FullPolicy::DropOldest);
    let alarms = store.log("alarms", Class::Critical, &options()).unwrap();
    let readings = store.log("readings", Class::Bulk, &dropping).unwrap();
    fill(&readings, 3);
    fill(&alarms, 1);
    for slot in 1..3 {
        no_space_for(slot, alarms.directory());
        fill(&alarms, 1);
    }
    let segments = |log: &Log| log.status().unwrap().segments;
    assert_eq!((segments(&alarms), segments(&readings)), (3, 1));
    // The newest segment of a log stays, and nobody gives for a lower class.
    no_space_for(3, alarms.directory());
    tells_want_of_space(append(&alarms));
    no_space_for(3, readings.directory());
    tells_want_of_space(append(&readings));
    let bytes: u64 = [alarms.directory(), readings.directory()]
        .iter()
        .map(|folder| files(folder).len() as u64 * u64::from(SEGMENT))
        .sum();
    assert_eq!(store.status().unwrap().bytes, bytes);
}
