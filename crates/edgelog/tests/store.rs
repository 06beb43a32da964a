//! Several logs under one byte budget.
#![allow(clippy::unwrap_used, clippy::panic)]

use edgelog::{
    AppendError, Class, Event, FullPolicy, GapReason, Item, Log, OpenError, Options, Start, Store,
    StoreOptions, View,
};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const SEGMENT: u64 = 4096;

fn open(folder: &Path, segments: u64) -> Store {
    StoreOptions::new().budget_bytes(segments * SEGMENT).open(folder).unwrap()
}

fn refusing() -> Options {
    Options::new().segment_bytes(4096)
}

fn dropping() -> Options {
    refusing().full(FullPolicy::DropOldest)
}

/// Three fill a segment.
const EVENT: [u8; 1000] = [7; 1000];

fn append(log: &Log) -> Result<u64, AppendError> {
    log.append("t", &Event::new(&EVENT))
}

/// Appends that many segments' worth.
fn fill(log: &Log, segments: u64) {
    for _ in 0..3 * segments {
        append(log).unwrap();
    }
}

/// Appends until the log refuses; gives how many it took.
fn fill_up(log: &Log) -> u64 {
    let mut taken = 0;
    loop {
        match append(log) {
            Ok(_) => taken += 1,
            Err(AppendError::Full) => return taken,
            Err(other) => panic!("{other}"),
        }
        assert!(taken < 10_000, "it never refuses");
    }
}

/// What stands on the disk, in segment files and unfinished ones.
fn on_disk(folder: &Path) -> u64 {
    let mut bytes = 0;
    for log in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if log.is_dir() {
            for file in fs::read_dir(log).unwrap().map(|entry| entry.unwrap()) {
                let path = file.path();
                if path.extension().is_some_and(|it| it == "seg" || it == "new") {
                    bytes += file.metadata().unwrap().len();
                }
            }
        }
    }
    bytes
}

/// What is told is what is there, and no more than there may be.
fn counts_right(store: &Store) {
    let status = store.status().unwrap();
    let there = on_disk(store.directory());
    assert_eq!(status.bytes, there, "{status:?}");
    assert!(there <= status.budget_bytes, "{there} of {}", status.budget_bytes);
}

fn segments(log: &Log) -> u64 {
    log.status().unwrap().segments
}

/// Reads all, and gives how many records went; the gaps account for them.
fn gone(log: &Log) -> u64 {
    log.sync().unwrap();
    let (mut next, mut gone) = (0, 0);
    let mut reader = log.reader(Start::Offset(0)).unwrap();
    while let Some(item) = reader.next().unwrap() {
        match item {
            Item::Record(record) => {
                assert_eq!((record.identity.offset, record.payload), (next, &EVENT[..]));
                next += 1;
            }
            Item::Gap(gap) => {
                assert_eq!((gap.from, gap.reason), (next, GapReason::Evicted));
                (next, gone) = (gap.to, gone + gap.count());
            }
        }
    }
    let status = log.status().unwrap();
    assert_eq!((next, gone), (status.visible, status.earliest), "appended = delivered + gaps");
    gone
}

#[test]
fn the_lowest_class_makes_room_first_and_nobody_for_a_lower_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 12);
    // The names are in another order than the classes.
    let bulk = store.log("b", Class::Bulk, &dropping()).unwrap();
    let normal = store.log("a", Class::Normal, &dropping()).unwrap();
    let critical = store.log("c", Class::Critical, &refusing()).unwrap();
    fill(&normal, 4);
    fill(&bulk, 20);
    counts_right(&store);
    assert_eq!((segments(&bulk), segments(&normal), segments(&critical)), (7, 4, 1));
    let mut seen = Vec::new();
    for _ in 0..29 {
        append(&critical).unwrap();
        counts_right(&store);
        seen.push((segments(&bulk), segments(&normal)));
    }
    seen.dedup();
    let bulk_first: Vec<_> = (1..=7).rev().map(|bulk| (bulk, 4)).collect();
    assert_eq!(seen[..7], bulk_first[..]);
    assert_eq!(
        seen[7..],
        [(1, 3), (1, 2), (1, 1)],
        "then the next class, and each keeps its newest"
    );
    fill_up(&critical);
    assert_eq!((segments(&bulk), segments(&normal), segments(&critical)), (1, 1, 10));
    // It is full, and so are those below it, each behind its own oldest.
    assert!(matches!(append(&critical), Err(AppendError::Full)));
    fill_up(&normal);
    fill_up(&bulk);
    assert_eq!(gone(&critical), 0, "nobody has read it, and it is above all");
    assert!(gone(&bulk) > 50 && gone(&normal) > 8);
    counts_right(&store);
    assert_eq!(store.status().unwrap().evicted, gone(&bulk) + gone(&normal));
}

#[test]
fn a_critical_log_never_loses_to_bulk_even_if_its_policy_would_let_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 6);
    let bulk = store.log("bulk", Class::Bulk, &dropping()).unwrap();
    let critical = store.log("critical", Class::Critical, &dropping()).unwrap();
    fill(&critical, 5);
    assert_eq!((segments(&critical), segments(&bulk)), (5, 1));
    fill_up(&bulk);
    assert_eq!((gone(&critical), gone(&bulk)), (0, 0));
    // It makes room for itself and for its equals.
    fill(&critical, 3);
    assert!(gone(&critical) >= 9 && gone(&bulk) == 0);
    counts_right(&store);
    let refused = store.log("more", Class::Bulk, &dropping()).unwrap_err();
    assert!(matches!(refused, OpenError::Full(_)), "{refused}");
    store.log("more", Class::Critical, &dropping()).unwrap();
    counts_right(&store);
}

#[test]
fn among_equals_the_oldest_data_go_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 8);
    // Where the clock does not tell them apart, their names do.
    let old = store.log("a", Class::Normal, &dropping()).unwrap();
    let new = store.log("b", Class::Normal, &dropping()).unwrap();
    fill(&old, 7);
    let mut seen = Vec::new();
    for _ in 0..18 {
        append(&new).unwrap();
        counts_right(&store);
        seen.push((segments(&old), segments(&new)));
    }
    seen.dedup();
    assert_eq!(seen, [(7, 1), (6, 2), (5, 3), (4, 4), (3, 5), (2, 6)]);
    fill(&new, 4);
    assert_eq!(
        (segments(&old), segments(&new)),
        (1, 7),
        "the newest stays, and new ones take old ones' place"
    );
    assert!(gone(&old) == 18 && gone(&new) > 6);
}

#[test]
fn what_is_refused_leaves_everything_as_it_was_and_passes_when_a_cursor_moves() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 6);
    let a = store.log("a", Class::Normal, &refusing()).unwrap();
    let b = store.log("b", Class::Normal, &refusing()).unwrap();
    let cursor = a.cursor("uplink", 0).unwrap();
    let (in_a, in_b) = (fill_up(&a), fill_up(&b));
    assert!(in_a >= 12 && (1..=3).contains(&in_b));
    for _ in 0..20 {
        assert!(matches!(append(&a), Err(AppendError::Full)));
        assert!(matches!(append(&b), Err(AppendError::Full)));
    }
    assert_eq!((gone(&a), gone(&b)), (0, 0));
    // A full log still takes a cursor and commits: that is what makes room, for both.
    let late = b.cursor("late", 0).unwrap();
    b.commit(late, 1).unwrap();
    b.sync().unwrap();
    counts_right(&store);
    a.commit(cursor, 4).unwrap();
    a.sync().unwrap();
    assert_eq!(append(&b).unwrap(), in_b);
    assert_eq!((gone(&a), gone(&b)), (3, 0));
    fill_up(&b);
    assert!(matches!(append(&a), Err(AppendError::Full)), "the others have it");
    a.commit(cursor, in_a).unwrap();
    append(&a).unwrap();
    counts_right(&store);
    assert_eq!(b.cursors()[0].offset, 1);
}

#[test]
fn small_records_that_fill_a_store_leave_what_cursors_need() {
    for options in [refusing(), dropping()] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path(), 4);
        let full = store.log("a", Class::Critical, &refusing()).unwrap();
        let log = store.log("b", Class::Bulk, &options).unwrap();
        fill_up(&full);
        while log.append("t", &Event::new(&[1; 40])).is_ok() {}
        let end = log.sync().unwrap();
        for name in ["one", "two"] {
            let cursor = log.cursor(name, 0).unwrap();
            log.commit(cursor, end).unwrap();
            assert_eq!(log.cursor_state(cursor).unwrap().offset, end);
        }
        log.sync().unwrap();
        counts_right(&store);
        assert!(matches!(log.append("t", &Event::new(&[1; 40])), Err(AppendError::Full)));
    }
}

#[test]
fn four_producers_on_three_logs_never_take_more_than_there_is_and_lose_nothing_uncounted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 10);
    let logs = [
        store.log("alarms", Class::Critical, &dropping().retain_segments(3)).unwrap(),
        store.log("events", Class::Normal, &dropping()).unwrap(),
        store.log("raw", Class::Bulk, &dropping()).unwrap(),
    ];
    let (is_over, refused) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                let status = store.status().unwrap();
                assert!(status.bytes <= status.budget_bytes, "{status:?}");
            }
        });
        let producers: Vec<_> = (0..4)
            .map(|thread| {
                let (logs, refused) = (&logs, &refused);
                scope.spawn(move || {
                    for n in 0..150 {
                        match append(&logs[(thread + n) % 3]) {
                            Ok(_) => {}
                            // Everybody else may just have had it.
                            Err(AppendError::Full) => refused.store(true, Ordering::SeqCst),
                            Err(other) => panic!("{other}"),
                        }
                    }
                })
            })
            .collect();
        let panicked = producers.into_iter().filter_map(|thread| thread.join().err()).count();
        is_over.store(true, Ordering::SeqCst);
        watch.join().unwrap();
        assert_eq!(panicked, 0);
    });
    counts_right(&store);
    let [alarms, events, raw] = &logs;
    let visible = |log: &Log| log.status().unwrap().visible;
    assert_eq!((visible(alarms), visible(events)), (200, 200), "they have others to take from");
    assert!(visible(raw) == 200 || refused.into_inner());
    let all = gone(alarms) + gone(events) + gone(raw);
    assert_eq!(store.status().unwrap().evicted, all);
}

#[test]
fn logs_that_are_not_open_count_and_stay_and_the_order_of_opening_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let classes = [("a", Class::Bulk), ("b", Class::Normal), ("c", Class::Critical)];
    {
        let store = open(folder.path(), 12);
        for (name, class) in classes {
            fill(&store.log(name, class, &dropping()).unwrap(), 3);
        }
        counts_right(&store);
    }
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let copy = tempfile::tempdir().unwrap();
        for (name, _) in classes {
            fs::create_dir(copy.path().join(name)).unwrap();
            for file in fs::read_dir(folder.path().join(name)).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), copy.path().join(name).join(file.file_name())).unwrap();
            }
        }
        let store = open(copy.path(), 10);
        counts_right(&store);
        assert_eq!(store.status().unwrap().logs.len(), 3);
        assert_eq!(Store::list(copy.path()).unwrap().len(), 3);
        let mut logs: Vec<_> = order
            .map(|n| {
                let (name, class) = classes[n];
                let log = store.log(name, class, &dropping()).unwrap();
                counts_right(&store);
                log
            })
            .into();
        logs.sort_by_key(|log| log.directory().to_owned());
        fill(&logs[2], 3);
        counts_right(&store);
        assert_eq!(segments(&logs[0]), 1, "opened {order:?}");
        assert_eq!((gone(&logs[1]), gone(&logs[2])), (0, 0));
    }
    // Nobody knows the policy of a log that is not open.
    let store = open(folder.path(), 10);
    let critical = store.log("c", Class::Critical, &refusing()).unwrap();
    fill_up(&critical);
    counts_right(&store);
    for name in ["a", "b"] {
        let mut view = View::open(folder.path().join(name), Start::Offset(0)).unwrap();
        assert_eq!((view.earliest().unwrap(), view.visible()), (0, 9));
    }
}

#[test]
fn what_a_crash_left_half_made_is_counted_or_removed_and_the_store_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = open(folder.path(), 8);
        let log = store.log("a", Class::Normal, &dropping()).unwrap();
        fill(&log, 3);
        store.log("b", Class::Bulk, &dropping()).unwrap();
        // Dropped without a sync.
    }
    let a = folder.path().join("a");
    // A segment that was being made, one that was cut short, a log that was being created, and files of others.
    fs::write(a.join("00000003.new"), vec![0; 100]).unwrap();
    let newest = fs::OpenOptions::new().write(true).open(a.join("00000001.seg")).unwrap();
    newest.set_len(3000).unwrap();
    fs::create_dir(folder.path().join("c")).unwrap();
    fs::write(folder.path().join("c").join("00000000.seg"), vec![0; 4096]).unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    let store = open(folder.path(), 8);
    counts_right(&store);
    let log = store.log("a", Class::Normal, &dropping()).unwrap();
    counts_right(&store);
    assert!(!a.join("00000003.new").exists());
    let (c, b) = (
        store.log("c", Class::Normal, &dropping()).unwrap(),
        store.log("b", Class::Bulk, &dropping()).unwrap(),
    );
    counts_right(&store);
    for _ in 0..30 {
        append(&log).unwrap();
        append(&c).unwrap();
        counts_right(&store);
    }
    assert_eq!(segments(&b), 1);
    log.sync().unwrap();
    assert_eq!(log.status().unwrap().visible, 39);
    assert_eq!(fs::read(folder.path().join("notes.txt")).unwrap(), b"mine");
}

#[test]
fn a_disk_that_refuses_a_file_below_the_budget_is_told_and_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 8);
    let log = store.log("a", Class::Normal, &refusing()).unwrap();
    fill(&log, 2);
    // Where the next segment would be made.
    let next = folder.path().join("a").join("00000002.new");
    fs::create_dir(&next).unwrap();
    let mut taken = 6;
    let refused = loop {
        match append(&log) {
            Ok(_) => taken += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, AppendError::Medium(_)), "{refused}");
    let cursor = log.cursor("uplink", 0).unwrap();
    log.commit(cursor, 3).unwrap();
    log.sync().unwrap();
    fs::remove_dir(&next).unwrap();
    counts_right(&store);
    for _ in 0..9 {
        append(&log).unwrap();
        counts_right(&store);
    }
    assert_eq!((gone(&log), log.status().unwrap().visible), (0, taken + 9));
}

#[test]
fn a_smaller_budget_takes_effect_when_something_grows_and_a_reader_in_old_segments_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = {
        let store = open(folder.path(), 12);
        store.log("a", Class::Normal, &dropping()).unwrap()
    };
    fill(&log, 11);
    let mut reader = log.reader(Start::Earliest).unwrap();
    let Some(Item::Record(_)) = reader.next().unwrap() else { panic!("a record") };
    assert!(
        matches!(StoreOptions::new().open(folder.path()), Err(OpenError::Locked { .. })),
        "a store is open as long as one of its logs is"
    );
    drop(reader);
    drop(log);
    let store = open(folder.path(), 5);
    let log = store.log("a", Class::Normal, &dropping()).unwrap();
    assert!(on_disk(folder.path()) > 5 * SEGMENT);
    let mut view = View::open(folder.path().join("a"), Start::Earliest).unwrap();
    fill(&log, 2);
    counts_right(&store);
    log.sync().unwrap();
    view.refresh().unwrap();
    let mut seen = 0;
    while let Some(item) = view.next().unwrap() {
        seen += match item {
            Item::Record(_) => 1,
            Item::Gap(gap) => gap.count(),
        };
    }
    assert_eq!(seen, 39);
}

#[test]
fn names_folders_and_owners_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), 8);
    for name in ["", "..", "a/b", ".a", "lock", "a b"] {
        let refused = store.log(name, Class::Normal, &refusing()).unwrap_err();
        assert!(matches!(refused, OpenError::BadName(_)), "{refused}");
    }
    let log = store.log("a", Class::Normal, &refusing()).unwrap();
    let twice = store.log("a", Class::Normal, &refusing()).unwrap_err();
    assert!(matches!(twice, OpenError::Locked { .. }), "{twice}");
    let refused = StoreOptions::new().open(log.directory()).unwrap_err();
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
    let directory = log.directory().to_owned();
    drop((log, store));
    let refused = StoreOptions::new().open(directory).unwrap_err();
    assert!(matches!(refused, OpenError::NotAStore(_)), "{refused}");
    for refused in [
        Options::new().open(folder.path()).unwrap_err(),
        View::open(folder.path(), Start::Earliest).unwrap_err(),
    ] {
        assert!(refused.to_string().contains("one of its logs (a)"), "{refused}");
    }
    let small = StoreOptions::new().budget_bytes(5000).open(folder.path()).unwrap();
    let refused = small.log("b", Class::Normal, &refusing()).unwrap_err();
    assert!(matches!(refused, OpenError::Sizes(_)), "{refused}");
}
