//! A log in a directory: who owns it, what is in its files, and what is never touched.

use edgelog::{Event, FullPolicy, Item, Log, OpenError, Options, Start, View};
use rustix::fs::{CWD, Mode, mkfifoat};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
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
    let OpenError::Locked { owner, .. } = &refused else { panic!("{refused}") };
    // The program is this test's, whose file name goes on with a hash.
    assert!(owner.starts_with(&format!("{} (files-", std::process::id())), "{owner}");
    assert!(refused.to_string().contains(&format!("is owned by process {owner}")), "{refused}");
    assert!(refused.to_string().contains("this process's own number, so drop all"), "{refused}");
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    assert_eq!(read_all(&mut view), (vec![0, 1, 2], 0));
    drop(log);
    options().open(folder.path()).unwrap();
}

/// The folder whose log the child process of the next test is to own.
const OWN: &str = "EDGELOG_TEST_OWN";

#[test]
fn an_owner_that_was_killed_leaves_a_lock_file_that_hinders_nobody() {
    if let Some(folder) = std::env::var_os(OWN) {
        let log = options().open(folder).unwrap();
        append(&log, 3);
        println!("\nowned");
        // Until it is killed, or the test that would kill it has ended.
        let _ = std::io::stdin().read_line(&mut String::new());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "an_owner_that_was_killed_leaves_a_lock_file_that_hinders_nobody"]);
    child.arg("--nocapture").env(OWN, folder.path());
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "owned"));
    let refused = options().open(folder.path()).unwrap_err();
    let OpenError::Locked { owner, .. } = &refused else { panic!("{refused}") };
    assert!(owner.starts_with(&format!("{} (files-", child.id())), "{owner}");
    assert!(refused.to_string().contains("end that process first"), "{refused}");
    child.kill().unwrap();
    child.wait().unwrap();

    let left = fs::read_to_string(folder.path().join("lock")).unwrap();
    assert_eq!(left.trim(), owner, "the dead owner's name is still there");
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    assert_eq!(view.owner().unwrap(), None, "and says nothing");
    assert_eq!(read_all(&mut view), (vec![0, 1, 2], 0));
    // A former owner with a longer name, and one that was cut in the middle of writing it.
    for left in ["1 (a program with a very long name, longer than any that a test has)\n", "12"] {
        fs::write(folder.path().join("lock"), left).unwrap();
        let log = options().open(folder.path()).unwrap();
        let owner = view.owner().unwrap().unwrap();
        assert!(owner.starts_with(&format!("{} (files-", std::process::id())), "{owner}");
        assert!(owner.ends_with(')'), "{owner}");
        append(&log, 1);
    }
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
    let (told, answer) = std::sync::mpsc::channel();
    // Far longer than the test waits for the answer: only the append can be what ends it.
    std::thread::spawn(move || told.send(reader.wait(Duration::from_secs(3600))));
    append(&log, 1);
    assert_eq!(answer.recv_timeout(Duration::from_secs(60)), Ok(true), "an append wakes a reader");
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
    append(&log, 3000);
    drop(log);
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    assert_eq!(read_all(&mut view), ((0..3001).collect(), 0));
    assert_eq!(fs::read(folder.path().join("00000001.foreign-0")).unwrap(), b"a photo of a cat");
    assert_eq!(fs::read(folder.path().join("00000002.foreign-0")).unwrap(), foreign);
}

/// A pipe would keep whoever opens it waiting for somebody at its other end.
#[test]
fn what_is_no_file_in_a_segments_place_costs_that_segment_holds_nobody_up_and_is_moved_aside() {
    let things = [
        "a folder",
        "a loop",
        "a link through a file",
        "a link to a name that is too long",
        "a pipe",
        "a socket",
        "a link to a device",
        "a folder in the place of a compressed file",
        "a pipe in the place of a compressed file",
    ];
    let too_long = "n".repeat(300);
    for (thing, slot) in things.iter().flat_map(|thing| (0..4).map(move |slot| (thing, slot))) {
        let folder = tempfile::tempdir().unwrap();
        append(&options().open(folder.path()).unwrap(), 2300);
        let ending = if thing.contains("compressed") { ".zst" } else { "" };
        let path = folder.path().join(format!("{slot:08}.seg"));
        let is_used = path.exists();
        assert_eq!(is_used, slot < 3);
        let _ = fs::remove_file(&path);
        let path = folder.path().join(format!("{slot:08}.seg{ending}"));
        if *thing == "a loop" {
            symlink(&path, &path).unwrap();
        } else if *thing == "a link through a file" {
            symlink("lock/file", &path).unwrap();
        } else if *thing == "a link to a name that is too long" {
            symlink(&too_long, &path).unwrap();
        } else if *thing == "a link to a device" {
            symlink("/dev/zero", &path).unwrap();
        } else if *thing == "a socket" {
            drop(UnixListener::bind(&path).unwrap());
        } else if thing.contains("pipe") {
            mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        } else {
            fs::create_dir(&path).unwrap();
            fs::write(path.join("cat"), b"a photo of a cat").unwrap();
        }
        let told = format!("{thing} for slot {slot}");
        let view = View::open(folder.path(), Start::Offset(0));
        let (seen, lost) = read_all(&mut view.unwrap_or_else(|error| panic!("{told}: {error}")));
        assert_eq!(lost > 0, slot < 2, "{told}");
        let log = options().full(FullPolicy::DropOldest).open(folder.path());
        let log = log.unwrap_or_else(|error| panic!("{told}: {error}"));
        let status = log.status().unwrap();
        let visible = if slot == 2 { seen.len() as u64 } else { 2300 };
        assert_eq!((status.visible, seen.len() as u64 + lost), (visible, visible), "{told}");
        append(&log, 3700);
        let mut view = View::open(folder.path(), Start::Earliest).unwrap();
        assert_eq!(read_all(&mut view).0.last(), Some(&(visible + 3699)), "{told}");
        let extension = if ending.is_empty() { "foreign-0" } else { "seg.foreign-0" };
        let aside = folder.path().join(format!("{slot:08}.{extension}"));
        let kind = fs::symlink_metadata(&aside).unwrap().file_type();
        if *thing == "a loop" {
            assert_eq!(fs::read_link(aside).unwrap(), path, "{told}");
        } else if *thing == "a link through a file" {
            assert_eq!(fs::read_link(aside).unwrap(), Path::new("lock/file"), "{told}");
        } else if *thing == "a link to a name that is too long" {
            assert_eq!(fs::read_link(aside).unwrap(), Path::new(&too_long), "{told}");
        } else if *thing == "a link to a device" {
            assert_eq!(fs::read_link(aside).unwrap(), Path::new("/dev/zero"), "{told}");
        } else if *thing == "a socket" {
            assert!(kind.is_socket(), "{told}");
        } else if thing.contains("pipe") {
            assert!(kind.is_fifo(), "{told}");
        } else {
            assert_eq!(fs::read(aside.join("cat")).unwrap(), b"a photo of a cat", "{told}");
        }
    }
}

#[test]
fn a_segment_that_was_cut_short_costs_its_lost_records_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    append(&options().open(folder.path()).unwrap(), 3000);
    let cut = folder.path().join("00000001.seg");
    fs::OpenOptions::new().write(true).open(&cut).unwrap().set_len(8 << 10).unwrap();
    let log = options().open(folder.path()).unwrap();
    append(&log, 10);
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    let (offsets, gone) = read_all(&mut view);
    assert!(gone > 0);
    assert_eq!(offsets.len() as u64 + gone, 3010, "appended = delivered + gaps");
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

#[test]
fn any_flipped_bit_in_the_first_header_leaves_the_log_open_to_owners_and_readers() {
    let folder = tempfile::tempdir().unwrap();
    append(&options().open(folder.path()).unwrap(), 3000);
    let path = folder.path().join("00000000.seg");
    let good = fs::read(&path).unwrap();
    for bit in 0..80 * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bytes).unwrap();
        let log =
            options().open(folder.path()).unwrap_or_else(|error| panic!("bit {bit}: {error}"));
        assert_eq!(log.status().unwrap().visible, 3000, "bit {bit}");
        let (offsets, _) = read_all(&mut View::open(folder.path(), Start::Earliest).unwrap());
        assert_eq!(offsets.last(), Some(&2999), "bit {bit}");
    }
}

#[test]
fn a_larger_log_in_the_place_of_a_segment_does_not_take_the_log_over() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    append(&options().open(folder.path()).unwrap(), 3000);
    append(&Options::new().segment_bytes(1 << 20).open(other.path()).unwrap(), 3);
    let id = View::open(folder.path(), Start::Earliest).unwrap().id();
    fs::copy(other.path().join("00000000.seg"), folder.path().join("00000000.seg")).unwrap();
    let log = Options::new().open(folder.path()).unwrap();
    assert_eq!((log.status().unwrap().id, log.status().unwrap().visible), (id, 3000));
}

/// Of many segments a few are looked at, and more only where these are not one log's.
#[test]
fn strangers_among_many_segments_do_not_take_the_log_over_wherever_they_stand() {
    let other = tempfile::tempdir().unwrap();
    append(&Options::new().open(other.path()).unwrap(), 1);
    let small = Options::new().segment_bytes(1024).budget_bytes(80 << 10).record_bytes_max(8 << 10);
    let everys = [2, 3, 5, 6, 8].iter().flat_map(|every| [(*every, false), (*every, true)]);
    // Of other numbers of segments others are looked at.
    for (records, (every, rotten)) in everys.flat_map(|it| [(2300, it), (2600, it)]) {
        let folder = tempfile::tempdir().unwrap();
        let log = small.open(folder.path()).unwrap();
        append(&log, records);
        let (visible, segments) = (log.status().unwrap().visible, log.status().unwrap().segments);
        assert!(segments > 30, "{segments}");
        drop(log);
        // The newest stays, and more than half.
        for slot in (0..segments - 1).step_by(every).skip(usize::from(every == 2)) {
            let path = folder.path().join(format!("{slot:08}.seg"));
            if rotten {
                fs::write(&path, [0x55; 1024]).unwrap();
            } else {
                fs::copy(other.path().join("00000000.seg"), &path).unwrap();
            }
        }
        let told = format!("every {every}th of {segments}, rotten: {rotten}");
        let log = small.open(folder.path()).unwrap_or_else(|error| panic!("{told}: {error}"));
        assert_eq!(log.status().unwrap().visible, visible, "{told}");
        let mut view = View::open(folder.path(), Start::Earliest).unwrap();
        let (seen, _) = read_all(&mut view);
        assert_eq!(seen.last(), Some(&(visible - 1)), "{told}");
    }
}

#[test]
fn a_newest_segment_that_was_cut_short_is_told_and_its_identities_are_not_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut given = std::collections::HashSet::new();
    let take = |given: &mut std::collections::HashSet<(u32, u64)>, from: u64| {
        let mut view = View::open(folder.path(), Start::Offset(from)).unwrap();
        while let Some(item) = view.next().unwrap() {
            if let Item::Record(record) = item {
                let name = (record.identity.epoch, record.identity.offset);
                assert!(given.insert(name), "{name:?} names two records");
            }
        }
    };
    // Three mounts, so that the epochs of two of them are cut away too.
    for round in 0..3 {
        append(&options().open(folder.path()).unwrap(), 5);
        take(&mut given, round * 5);
    }
    let segment = folder.path().join("00000000.seg");
    fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(250).unwrap();
    let log = options().open(folder.path()).unwrap();
    let status = log.status().unwrap();
    assert!(status.visible < 15 && status.torn_bytes > 0, "{status:?}");
    append(&log, 5);
    drop(log);
    take(&mut given, status.visible);
    assert_eq!(fs::metadata(&segment).unwrap().len(), 16 << 10, "it has its length again");
}

#[test]
fn a_ring_of_more_segments_than_files_may_be_open_is_opened_written_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let many = Options::new().segment_bytes(2048).budget_bytes(200 * 2048);
    append(&many.open(folder.path()).unwrap(), 16_000);
    let log = many.open(folder.path()).unwrap();
    assert!(log.status().unwrap().segments > 100);
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    assert_eq!(read_all(&mut view), ((0..16_000).collect(), 0));
    let open = fs::read_dir("/proc/self/fd").unwrap().filter(|entry| {
        let target = entry.as_ref().map(|entry| fs::read_link(entry.path()));
        matches!(target, Ok(Ok(path)) if path.starts_with(folder.path()))
    });
    assert!(open.count() < 80, "one owner and one view keep some 32 files each");
}

#[test]
fn an_owner_whose_lock_was_removed_says_so_and_calls_nothing_durable() {
    let folder = tempfile::tempdir().unwrap();
    let log = options().open(folder.path()).unwrap();
    append(&log, 1);
    fs::remove_file(folder.path().join("lock")).unwrap();
    log.append("numbers", &Event::new(b"more")).unwrap();
    let refused = log.sync().unwrap_err().to_string();
    assert!(refused.contains("another process may own the log"), "{refused}");
    assert_eq!(log.status().unwrap().durable, 1);
    assert!(log.append("numbers", &Event::new(b"more")).is_err());
}

#[test]
fn a_log_is_shipped_once_at_a_time_and_nobody_else_moves_its_cursor() {
    let folder = tempfile::tempdir().unwrap();
    let log = options().open(folder.path()).unwrap();
    append(&log, 3);
    let nowhere = edgelog::ShipOptions::new("127.0.0.1:1");
    let uplink = log.ship(&nowhere).unwrap();
    assert!(matches!(log.ship(&nowhere), Err(edgelog::ShipError::AlreadyShipping)));
    let cursor = log.cursors()[0].id;
    assert!(log.cursor("kafka", 0).is_err() && log.commit(cursor, 3).is_err());
    assert_eq!(uplink.status().shipped, 0);
    drop(uplink);
    log.ship(&nowhere).unwrap();
}
