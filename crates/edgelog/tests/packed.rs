//! Segments that are kept compressed hold and give back what plain ones do, at every moment of their replacement.
#![cfg(feature = "zstd")]

use edgelog::{
    Class, Event, FullPolicy, Gap, GapReason, Item, Log, Options, Start, StoreOptions, View,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Two blocks and a half.
const SEGMENT: u32 = 160 << 10;
const SLOTS: u32 = 12;

fn options() -> Options {
    let budget = u64::from(SLOTS) * u64::from(SEGMENT);
    Options::new().segment_bytes(SEGMENT).budget_bytes(budget).record_bytes_max(8 << 10)
}

/// What record `n` holds in its `length` bytes: text that says which one it is.
fn payload(n: u64, length: usize) -> Vec<u8> {
    format!("reading {n} at {}: {:x}; ", n * 60, n.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .into_bytes()
        .into_iter()
        .cycle()
        .take(length)
        .collect()
}

/// Appends until the log has so many segments in use, of records of this length, or of many lengths.
fn fill(log: &Log, segments: u64, length: Option<usize>) {
    while log.status().unwrap().segments < segments {
        let n = log.status().unwrap().visible;
        log.append("readings", &Event::new(&payload(n, length.unwrap_or_else(|| length_of(n)))))
            .unwrap();
    }
    log.sync().unwrap();
}

fn length_of(n: u64) -> usize {
    100 + usize::try_from(n * 7919 % 900).unwrap()
}

fn append(log: &Log, count: u64) {
    for _ in 0..count {
        let n = log.status().unwrap().visible;
        log.append("readings", &Event::new(&payload(n, length_of(n)))).unwrap();
    }
}

/// Returns when so many segments were compressed since the log was opened.
fn wait_for(log: &Log, segments: u64) {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let done = log.compression().unwrap();
        if done.segments >= segments {
            return;
        }
        assert!(Instant::now() < until && done.failed == 0, "{done:?} of {segments}");
        std::thread::yield_now();
    }
}

/// A log of nine segments, as it was written, and the same log with all but two compressed; and how many records it has.
struct Twins {
    plain: tempfile::TempDir,
    packed: tempfile::TempDir,
    records: u64,
}

fn twins() -> Twins {
    twins_of(None)
}

fn twins_of(length: Option<usize>) -> Twins {
    let (plain, packed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = options().open(plain.path()).unwrap();
    fill(&log, 9, length);
    let records = log.status().unwrap().visible;
    drop(log);
    copy(plain.path(), packed.path());
    let log = options().compress(3).open(packed.path()).unwrap();
    wait_for(&log, 7);
    drop(log);
    Twins { plain, packed, records }
}

fn copy(from: &Path, to: &Path) {
    for name in names(from) {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn plain(folder: &Path, slot: u32) -> PathBuf {
    folder.join(format!("{slot:08}.seg"))
}

fn packed(folder: &Path, slot: u32) -> PathBuf {
    folder.join(format!("{slot:08}.seg.zst"))
}

/// Everything a view gives from `start` on, in order, with every record as it was: where it began, where it ended, and the gaps.
fn read(folder: &Path, start: Start) -> (u64, u64, Vec<Gap>) {
    let mut view = View::open(folder, start).unwrap();
    let first = view.offset();
    let mut gaps = Vec::new();
    loop {
        let next = view.offset();
        match view.next().unwrap() {
            Some(Item::Record(record)) => {
                assert_eq!(record.identity.offset, next);
                assert!(record.payload == payload(next, record.payload.len()), "record {next}");
            }
            Some(Item::Gap(gap)) => {
                assert_eq!(gap.from, next);
                gaps.push(gap);
            }
            None => return (first, next, gaps),
        }
    }
}

#[test]
fn a_compressed_segment_is_smaller_and_any_program_that_knows_zstd_gives_it_back() {
    let twins = twins();
    for slot in 0..9 {
        let was = fs::read(plain(twins.plain.path(), slot)).unwrap();
        if slot < 7 {
            let file = fs::File::open(packed(twins.packed.path(), slot)).unwrap();
            assert!(file.metadata().unwrap().len() < u64::from(SEGMENT) / 2);
            let mut is = Vec::new();
            std::io::copy(&mut zeekstd::Decoder::new(file).unwrap(), &mut is).unwrap();
            assert!(is == was, "slot {slot}");
            assert!(!plain(twins.packed.path(), slot).exists());
        } else {
            assert!(fs::read(plain(twins.packed.path(), slot)).unwrap() == was, "slot {slot}");
        }
    }
    assert_eq!(names(twins.packed.path()).len(), 9 + 1);
}

#[test]
fn whatever_is_read_of_compressed_segments_is_what_was_appended_with_the_option_and_without() {
    let twins = twins();
    assert_eq!(read(twins.packed.path(), Start::Earliest), (0, twins.records, vec![]));
    for level in [None, Some(1), Some(i32::MAX)] {
        let log = match level {
            Some(level) => options().compress(level).open(twins.packed.path()).unwrap(),
            None => options().open(twins.packed.path()).unwrap(),
        };
        assert_eq!(log.compression().is_some(), level.is_some());
        let mut reader = log.reader(Start::Earliest).unwrap();
        for n in 0..twins.records {
            let item = reader.next().unwrap();
            let Some(Item::Record(record)) = item else { panic!("{item:?} at {n}") };
            assert!(record.payload == payload(n, record.payload.len()), "record {n}");
        }
    }
}

#[test]
fn an_offset_and_a_time_are_found_in_compressed_segments_as_in_plain_ones() {
    let twins = twins();
    let mut times = Vec::new();
    let mut view = View::open(twins.plain.path(), Start::Earliest).unwrap();
    while let Some(Item::Record(record)) = view.next().unwrap() {
        times.push(record.time_ms);
    }
    for offset in (0..twins.records).step_by(37) {
        let found = read(twins.packed.path(), Start::Offset(offset));
        assert_eq!(found, (offset, twins.records, vec![]));
        let time = Start::Time(times[usize::try_from(offset).unwrap()]);
        let wanted = View::open(twins.plain.path(), time).unwrap().offset();
        let found = View::open(twins.packed.path(), time).unwrap().offset();
        assert_eq!(found, wanted);
        let log = options().open(twins.packed.path()).unwrap();
        assert_eq!(log.reader(time).unwrap().offset(), wanted);
    }
}

/// Reads to the end, without gaps.
fn follow(view: &mut View) {
    let mut next = view.offset();
    while let Some(item) = view.next().unwrap() {
        check(next, &item);
        next += 1;
    }
}

fn check(next: u64, item: &Item<'_>) {
    let Item::Record(record) = item else { panic!("{item:?} at {next}") };
    assert_eq!(record.identity.offset, next);
    assert!(record.payload == payload(next, record.payload.len()), "record {next}");
}

struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn readers_in_this_process_and_others_follow_while_segments_are_compressed_under_them() {
    let folder = tempfile::tempdir().unwrap();
    let log = options().compress(1).open(folder.path()).unwrap();
    append(&log, 1);
    log.sync().unwrap();
    let end = 2500;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Also when this thread fails: the others would wait for ever.
        let _over = Over(&over);
        let following = scope.spawn(|| {
            let mut view = View::open(folder.path(), Start::Earliest).unwrap();
            while view.offset() < end && !over.load(Ordering::SeqCst) {
                view.refresh().unwrap();
                follow(&mut view);
            }
            view.offset()
        });
        // Opened anew again and again, at every moment of every replacement.
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    follow(&mut View::open(folder.path(), Start::Earliest).unwrap());
                }
            });
        }
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                // What it reads out of memory was appended since it was made: the rest are files.
                let mut reader = log.reader(Start::Earliest).unwrap();
                let mut next = 0;
                while let Some(item) = reader.next().unwrap() {
                    check(next, &item);
                    next += 1;
                }
            }
        });
        while log.status().unwrap().visible < end {
            append(&log, 50);
            log.sync().unwrap();
        }
        let sealed = log.status().unwrap().segments - 1;
        wait_for(&log, sealed - 1);
        assert!(following.join().unwrap() >= end);
    });
    assert!(names(folder.path()).iter().any(|name| name.ends_with(".zst")));
}

#[test]
fn the_ring_goes_round_over_compressed_segments_and_keeps_what_it_says() {
    for compressing in [true, false] {
        let twins = twins();
        let folder = twins.packed.path();
        let options = if compressing { options().compress(1) } else { options() };
        let log = options.open(folder).unwrap();
        log.set_full_policy(FullPolicy::DropOldest);
        let mut laps = 0;
        let mut last = log.status().unwrap().earliest;
        while laps < 3 * u64::from(SLOTS) {
            append(&log, 20);
            let earliest = log.status().unwrap().earliest;
            laps += u64::from(earliest > last);
            last = earliest;
        }
        log.sync().unwrap();
        let status = log.status().unwrap();
        let all = read(folder, Start::Offset(status.earliest));
        assert_eq!(all, (status.earliest, status.visible, vec![]));
        drop(log);
        let names = names(folder);
        for slot in 0..SLOTS {
            let files = names.iter().filter(|name| name.starts_with(&format!("{slot:08}")));
            assert_eq!(files.count(), 1, "slot {slot} in {names:?}");
        }
        assert_eq!(names.len(), 1 + SLOTS as usize, "{names:?}");
        let has_packed = names.iter().any(|name| name.ends_with(".zst"));
        assert!(compressing || !has_packed, "{names:?}");
        assert_eq!(read(folder, Start::Offset(status.earliest)), all);
    }
}

/// What a crash leaves of a folder, and when.
type Step<'s> = (&'s str, &'s dyn Fn(&Path));

#[test]
fn a_crash_at_any_step_of_a_replacement_loses_nothing_and_leaves_nothing_behind() {
    let twins = twins();
    let (was, is) = (twins.plain.path(), twins.packed.path());
    let bytes = fs::read(packed(is, 2)).unwrap();
    let unfinished = |folder: &Path| folder.join("00000002.seg.zst.new");
    let steps: [Step<'_>; 5] = [
        ("half is written", &|folder| {
            fs::write(unfinished(folder), &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("all is written", &|folder| fs::write(unfinished(folder), &bytes).unwrap()),
        ("it has its name", &|folder| fs::write(packed(folder, 2), &bytes).unwrap()),
        ("it has its name, and rots", &|folder| {
            let mut bytes = bytes.clone();
            let last = bytes.len() - 1000;
            bytes[last] ^= 1;
            fs::write(packed(folder, 2), &bytes).unwrap();
        }),
        ("the plain one is gone", &|folder| {
            fs::write(packed(folder, 2), &bytes).unwrap();
            fs::remove_file(plain(folder, 2)).unwrap();
        }),
    ];
    for (step, crash) in steps {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        copy(was, folder);
        crash(folder);
        assert_eq!(read(folder, Start::Earliest), (0, twins.records, vec![]), "{step}");
        let log = options().open(folder).unwrap();
        append(&log, 5);
        log.sync().unwrap();
        drop(log);
        assert_eq!(read(folder, Start::Earliest), (0, twins.records + 5, vec![]), "{step}");
        let files = names(folder);
        assert_eq!(files.len(), 1 + 9, "{step}: {files:?}");
    }
}

#[test]
fn a_crash_at_any_step_of_a_recycling_leaves_the_newer_segment_or_the_older_one() {
    let twins = twins();
    let older = twins.packed.path();
    // Two laps later the plain file of slot 1 is another segment's.
    let newer = tempfile::tempdir().unwrap();
    copy(older, newer.path());
    let log = options().open(newer.path()).unwrap();
    log.set_full_policy(FullPolicy::DropOldest);
    while packed(newer.path(), 1).exists() {
        append(&log, 5);
    }
    log.sync().unwrap();
    drop(log);
    let bytes = fs::read(packed(older, 1)).unwrap();
    let wanted = read(newer.path(), Start::Earliest);
    assert!(wanted.0 > 0);
    // The blank file has its name, or the log goes on in it: the compressed one is yet to be removed.
    for written in [false, true] {
        let crashed = tempfile::tempdir().unwrap();
        let folder = crashed.path();
        copy(if written { newer.path() } else { older }, folder);
        let wanted = if written {
            wanted.clone()
        } else {
            fs::write(plain(folder, 1), vec![0; SEGMENT as usize]).unwrap();
            let gone = tempfile::tempdir().unwrap();
            copy(older, gone.path());
            fs::remove_file(packed(gone.path(), 1)).unwrap();
            read(gone.path(), Start::Earliest)
        };
        fs::write(packed(folder, 1), &bytes).unwrap();
        assert_eq!(read(folder, Start::Earliest), wanted, "written: {written}");
        drop(options().open(folder).unwrap());
        assert!(!packed(folder, 1).exists(), "written: {written}");
        assert_eq!(read(folder, Start::Earliest), wanted, "written: {written}");
    }
}

#[test]
fn a_flipped_bit_costs_the_records_of_its_block_which_are_a_gap() {
    let twins = twins();
    let path = packed(twins.packed.path(), 3);
    let whole = fs::read(&path).unwrap();
    let mut felt = 0;
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        let (first, end, gaps) = read(twins.packed.path(), Start::Earliest);
        assert_eq!((first, end), (0, twins.records), "byte {at}");
        // What is gone is damage, and no more than the records of one block.
        let gone: u64 = gaps.iter().map(Gap::count).sum();
        assert!(gaps.iter().all(|gap| gap.reason == GapReason::Damaged), "byte {at}: {gaps:?}");
        assert!(gaps.len() <= 1 && gone < 150, "byte {at}: {gaps:?}");
        let is_in_table = at >= whole.len() - (17 + 3 * 8);
        assert!(gaps.is_empty() || !is_in_table, "byte {at}: {gaps:?}");
        felt += u32::from(!gaps.is_empty());
    }
    // A bit may say nothing, or stand for bytes behind the last record.
    assert!(felt > 30, "{felt} of 40");
    for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        let (_, end, gaps) = read(twins.packed.path(), Start::Earliest);
        assert_eq!((end, gaps.is_empty()), (twins.records, cut == whole.len() - 1), "cut at {cut}");
        // The owner goes on behind it.
        drop(options().open(twins.packed.path()).unwrap());
    }
}

#[test]
fn a_flipped_bit_in_the_first_block_of_the_oldest_segment_costs_it_and_is_told_as_damage() {
    let twins = twins();
    let path = packed(twins.packed.path(), 0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[1000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (first, end, gaps) = read(twins.packed.path(), Start::Offset(0));
    assert_eq!((first, end), (0, twins.records));
    let [gap] = gaps[..] else { panic!("{gaps:?}") };
    assert_eq!((gap.from, gap.reason), (0, GapReason::Damaged));
}

#[test]
fn a_log_whose_newest_segments_are_gone_goes_on_in_a_compressed_one() {
    // They leave much of each segment's end.
    let twins = twins_of(Some(7000));
    let mut unpacked = 0;
    for newest in 1..7 {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        copy(twins.packed.path(), folder);
        for slot in newest + 1..9 {
            fs::remove_file(plain(folder, slot))
                .or_else(|_| fs::remove_file(packed(folder, slot)))
                .unwrap();
        }
        let (_, end, gaps) = read(folder, Start::Earliest);
        assert!(end > 0 && end < twins.records && gaps.is_empty());
        let log = options().open(folder).unwrap();
        append(&log, 1);
        log.sync().unwrap();
        unpacked += u32::from(plain(folder, newest).exists());
        assert!(plain(folder, newest).exists() != packed(folder, newest).exists());
        append(&log, 300);
        log.sync().unwrap();
        drop(log);
        assert_eq!(read(folder, Start::Earliest), (0, end + 301, vec![]));
    }
    assert!(unpacked > 0);
}

#[test]
fn somebody_elses_file_in_a_compressed_segments_place_is_moved_aside_and_hides_nothing_for_good() {
    let twins = twins();
    let folder = twins.packed.path();
    // A plain one hides the segment, but does not have it removed.
    fs::write(plain(folder, 4), b"a photo of a cat").unwrap();
    drop(options().open(folder).unwrap());
    assert!(packed(folder, 4).exists());
    fs::remove_file(plain(folder, 4)).unwrap();
    assert_eq!(read(folder, Start::Earliest), (0, twins.records, vec![]));
    // A compressed one is kept when the ring comes to it.
    fs::write(packed(folder, 4), b"a photo of a dog").unwrap();
    let log = options().open(folder).unwrap();
    log.set_full_policy(FullPolicy::DropOldest);
    while packed(folder, 4).exists() {
        append(&log, 20);
    }
    drop(log);
    let aside = names(folder).into_iter().find(|name| name.contains("foreign")).unwrap();
    assert_eq!(fs::read(folder.join(aside)).unwrap(), b"a photo of a dog");
}

#[test]
fn a_segment_that_retention_gives_up_goes_with_its_compressed_file() {
    let twins = twins();
    let folder = twins.packed.path();
    let options = options().compress(1).retain_segments(3).full(FullPolicy::DropOldest);
    let log = options.open(folder).unwrap();
    log.trim().unwrap();
    let earliest = log.status().unwrap().earliest;
    assert!(earliest > 0);
    drop(log);
    let names = names(folder);
    assert_eq!(names, ["00000006.seg.zst", "00000007.seg", "00000008.seg", "lock"]);
    assert_eq!(read(folder, Start::Offset(earliest)), (earliest, twins.records, vec![]));
}

#[test]
fn a_store_counts_what_compressed_segments_take_and_so_keeps_more_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let budget = 5 * u64::from(SEGMENT);
    let store = StoreOptions::new().budget_bytes(budget).open(folder.path()).unwrap();
    let options = options().compress(3).full(FullPolicy::DropOldest);
    let log = store.log("readings", Class::Bulk, &options).unwrap();
    let bytes = || {
        let segments = ["seg", "zst"];
        let files = fs::read_dir(log.directory()).unwrap().map(|entry| entry.unwrap());
        files
            .filter(|it| it.path().extension().is_some_and(|it| segments.iter().any(|s| it == *s)))
            .map(|it| it.metadata().unwrap().len())
            .sum::<u64>()
    };
    // Each time that another one was sealed it is compressed before the next is needed.
    for segments in 3..=SLOTS.into() {
        fill(&log, segments, None);
        wait_for(&log, segments - 2);
    }
    assert_eq!(log.status().unwrap().earliest, 0);
    assert!(bytes() <= budget);
    let told = store.status().unwrap().bytes;
    assert_eq!(told, bytes());
    // Round and round, as fast as it goes: the sum is still right in the end.
    append(&log, 8000);
    log.sync().unwrap();
    let end = log.status().unwrap();
    assert!(end.earliest > 0);
    wait_for(&log, u64::from(SLOTS));
    let folder = log.directory().to_owned();
    assert_eq!(read(&folder, Start::Offset(end.earliest)), (end.earliest, end.visible, vec![]));
    drop(log);
    let before = store.status().unwrap().bytes;
    let log = store.log("readings", Class::Bulk, &Options::new()).unwrap();
    assert_eq!(store.status().unwrap().bytes, before, "counted anew");
    drop(log);
}
