//! A log in a directory: who owns it, what is in its files, and what is never touched.

use edgelog::{Event, Item, Log, OpenError, Options, Start, View};
use std::fs;
use std::path::Path;
use std::time::Duration;

fn options() -> Options {
    Options::new().segment_bytes(16 << 10).budget_bytes(4 * (16 << 10)).record_bytes_max(8 << 10)
}

fn append(log: &Log, count: u64) {
    for _ in 0..count {
        let next = log.status().unwrap().visible;
        log.append("numbers", &Event::new(&next.to_le_bytes())).unwrap();
    }
    log.sync().unwrap();
}

/// Offsets of all records, each with its own offset as payload, and the number of records in gaps.
fn read_all(view: &mut View) -> (Vec<u64>, u64) {
    let (mut offsets, mut gone) = (Vec::new(), 0);
    while let Some(item) = view.next().unwrap() {
        match item {
            Item::Record(record) => {
                assert_eq!(record.payload, record.identity.offset.to_le_bytes());
                offsets.push(record.identity.offset);
            }
            Item::Gap(gap) => gone += gap.count(),
        }
    }
    (offsets, gone)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_second_owner_is_refused_and_told_who_the_first_is_and_readers_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let log = options().open(folder.path()).unwrap();
    append(&log, 3);
    let refused = options().open(folder.path()).unwrap_err();
    assert!(
        matches!(&refused, OpenError::Locked { owner, .. } if *owner == std::process::id().to_string())
    );
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    assert_eq!(read_all(&mut view), (vec![0, 1, 2], 0));
    drop(log);
    options().open(folder.path()).unwrap();
}

#[test]
fn a_reopened_log_has_everything_and_a_greater_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let mut epochs = Vec::new();
    for round in 0..5_u64 {
        let log = options().open(folder.path()).unwrap();
        assert_eq!(log.status().unwrap().visible, round * 10);
        append(&log, 10);
        epochs.push(log.status().unwrap().epoch);
    }
    assert_eq!(epochs, [1, 2, 3, 4, 5]);
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    assert_eq!(read_all(&mut view), ((0..50).collect(), 0));
}

#[test]
fn a_full_log_refuses_and_goes_on_when_a_cursor_has_passed_its_oldest_segment() {
    let folder = tempfile::tempdir().unwrap();
    let log = options().open(folder.path()).unwrap();
    let cursor = log.cursor("reader", 0).unwrap();
    let mut appended = 0_u64;
    let refused = loop {
        match log.append("numbers", &Event::new(&appended.to_le_bytes())) {
            Ok(offset) => appended = offset + 1,
            Err(error) => break error,
        }
        assert!(appended < 10_000, "a log of 64 KiB must be full by now");
    };
    assert!(refused.to_string().contains("the log is full"), "{refused}");
    assert_eq!(log.sync().unwrap(), appended);

    log.commit(cursor, appended / 2).unwrap();
    append(&log, 100);
    let mut view = View::open(folder.path(), Start::Offset(0)).unwrap();
    let (offsets, gone) = read_all(&mut view);
    assert_eq!(offsets.last(), Some(&(appended + 99)));
    assert!(
        gone > 0 && gone <= appended / 2,
        "only what the cursor had passed was recycled: {gone}"
    );
    assert_eq!(offsets.len() as u64 + gone, appended + 100, "appended = delivered + gaps");
    let segments = names(folder.path()).into_iter().filter(|name| name.ends_with(".seg")).count();
    assert_eq!(segments, 4, "the budget is kept");
}

#[test]
fn a_view_in_another_process_follows_while_the_log_rolls() {
    let folder = tempfile::tempdir().unwrap();
    let log = options().open(folder.path()).unwrap();
    append(&log, 1);
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    let mut seen = Vec::new();
    for _ in 0..20 {
        append(&log, 50);
        view.refresh().unwrap();
        let (offsets, gone) = read_all(&mut view);
        assert_eq!(gone, 0);
        seen.extend(offsets);
    }
    assert_eq!(seen, (0..1001).collect::<Vec<_>>());
}

#[test]
fn a_reader_starts_at_the_earliest_the_latest_an_offset_or_a_time_and_waits_for_more() {
    let folder = tempfile::tempdir().unwrap();
    let log = options().open(folder.path()).unwrap();
    append(&log, 10);
    let first = |start| {
        let mut reader = log.reader(start).unwrap();
        match reader.next().unwrap() {
            Some(Item::Record(record)) => Some((record.identity.offset, record.time_ms)),
            _ => None,
        }
    };
    let (offset, time) = first(Start::Offset(7)).unwrap();
    assert_eq!(offset, 7);
    assert_eq!(first(Start::Earliest).unwrap().0, 0);
    assert!(first(Start::Latest).is_none());
    let (at_time, found) = first(Start::Time(time)).unwrap();
    assert!(at_time <= 7 && found == time, "the first record of that millisecond");

    let reader = log.reader(Start::Latest).unwrap();
    assert!(!reader.wait(Duration::from_millis(1)), "nothing comes by itself");
    let producer = log.clone();
    let appending = std::thread::spawn(move || append(&producer, 1));
    assert!(reader.wait(Duration::from_secs(60)), "an append wakes a waiting reader");
    appending.join().unwrap();
}

#[test]
fn a_folder_of_other_files_is_not_taken_for_a_log_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("00000000.seg"), b"a photo of a cat").unwrap();
    let before = names(folder.path());
    let refused = options().open(folder.path()).unwrap_err();
    assert!(matches!(refused, OpenError::NotALog { files: 1, .. }), "{refused}");
    assert!(View::open(folder.path(), Start::Earliest).is_err());
    let after: Vec<_> = names(folder.path()).into_iter().filter(|name| name != "lock").collect();
    assert_eq!(after, before);
    assert_eq!(fs::read(folder.path().join("00000000.seg")).unwrap(), b"a photo of a cat");
}

#[test]
fn a_foreign_file_in_a_segments_place_is_moved_aside_when_the_ring_comes_to_it() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    append(&options().open(folder.path()).unwrap(), 1);
    append(&options().open(other.path()).unwrap(), 3);
    // A photo where the second segment will be, and another log's segment where the third will.
    fs::write(folder.path().join("00000001.seg"), b"a photo of a cat").unwrap();
    fs::copy(other.path().join("00000000.seg"), folder.path().join("00000002.seg")).unwrap();
    let foreign = fs::read(folder.path().join("00000002.seg")).unwrap();

    let log = options().open(folder.path()).unwrap();
    append(&log, 1500);
    drop(log);
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    assert_eq!(read_all(&mut view), ((0..1501).collect(), 0));
    assert_eq!(fs::read(folder.path().join("00000001.foreign-0")).unwrap(), b"a photo of a cat");
    assert_eq!(fs::read(folder.path().join("00000002.foreign-0")).unwrap(), foreign);
}

#[test]
fn a_segment_that_was_cut_short_costs_its_lost_records_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    append(&options().open(folder.path()).unwrap(), 1500);
    let cut = folder.path().join("00000001.seg");
    fs::OpenOptions::new().write(true).open(&cut).unwrap().set_len(8 << 10).unwrap();
    let log = options().open(folder.path()).unwrap();
    append(&log, 10);
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    let (offsets, gone) = read_all(&mut view);
    assert!(gone > 0);
    assert_eq!(offsets.len() as u64 + gone, 1510, "appended = delivered + gaps");
}

#[test]
fn what_a_crash_left_of_a_log_that_was_being_created_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("00000000.seg"), vec![0; 16 << 10]).unwrap();
    fs::write(folder.path().join("00000000.new"), vec![0; 1000]).unwrap();
    append(&options().open(folder.path()).unwrap(), 3);
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    assert_eq!(read_all(&mut view), (vec![0, 1, 2], 0));
}

#[test]
fn an_existing_log_keeps_its_sizes_and_says_so_when_others_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    append(&options().open(folder.path()).unwrap(), 1);
    Options::new().open(folder.path()).unwrap();
    let refused = Options::new().segment_bytes(1 << 20).open(folder.path()).unwrap_err();
    assert!(refused.to_string().contains("4 segments of 16384 bytes"), "{refused}");
}

#[test]
fn many_threads_append_to_one_log_and_every_record_has_its_own_offset() {
    let folder = tempfile::tempdir().unwrap();
    let log = Options::new().segment_bytes(1 << 20).open(folder.path()).unwrap();
    let threads: Vec<_> = (0..8_u64)
        .map(|thread| {
            let log = log.clone();
            std::thread::spawn(move || {
                let append = |n: u64| {
                    log.append("numbers", &Event::new(&(thread * 1000 + n).to_le_bytes())).unwrap()
                };
                (0..500).map(append).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut offsets: Vec<u64> =
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    offsets.sort_unstable();
    assert_eq!(offsets, (0..4000).collect::<Vec<_>>());
    assert_eq!(log.sync().unwrap(), 4000);
}
