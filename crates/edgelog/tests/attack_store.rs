//! What stands beside and among the logs of a store, and everything at once.
#![cfg(feature = "zstd")]
#![allow(clippy::unwrap_used, clippy::panic)]

use edgelog::{
    Class, Event, FullPolicy, GapReason, Item, Log, Options, Start, Store, StoreOptions, View,
};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const SEGMENT_BYTES: u32 = 16 << 10;
const SEGMENT: u64 = SEGMENT_BYTES as u64;

fn options() -> Options {
    Options::new()
        .segment_bytes(SEGMENT_BYTES)
        .record_bytes_max(8 << 10)
        .full(FullPolicy::DropOldest)
}

fn open(folder: &Path, segments: u64) -> Store {
    StoreOptions::new().budget_bytes(segments * SEGMENT).open(folder).unwrap()
}

/// Appends records that say which they are, and of which less than half can be compressed away.
fn append(log: &Log, records: u64) {
    for _ in 0..records {
        let offset = log.status().unwrap().visible;
        let mut random = offset.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut payload = [0; 1000];
        payload[..8].copy_from_slice(&offset.to_le_bytes());
        for word in payload[8..400].chunks_exact_mut(8) {
            random = shifted(random);
            word.copy_from_slice(&random.to_le_bytes());
        }
        assert_eq!(log.append("t", &Event::new(&payload)).unwrap(), offset);
    }
}

fn shifted(mut random: u64) -> u64 {
    random ^= random << 13;
    random ^= random >> 7;
    random ^ random << 17
}

/// The records that are gone, by two reasons; what is there is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Gone {
    evicted: u64,
    damaged: u64,
}

fn take(item: &Item<'_>, next: &mut u64, gone: &mut Gone) {
    match item {
        Item::Record(record) => {
            assert_eq!(record.identity.offset, *next);
            assert_eq!(record.payload[..8], next.to_le_bytes());
            *next += 1;
        }
        Item::Gap(gap) => {
            assert_eq!(gap.from, *next);
            match gap.reason {
                GapReason::Evicted => gone.evicted += gap.count(),
                GapReason::Damaged => gone.damaged += gap.count(),
                other => panic!("{other:?}"),
            }
            *next = gap.to;
        }
    }
}

/// Where the log ends, and what is gone of it.
fn check(path: &Path) -> (u64, Gone) {
    let mut view = View::open(path, Start::Offset(0)).unwrap();
    let (mut next, mut gone) = (0, Gone::default());
    while let Some(item) = view.next().unwrap() {
        take(&item, &mut next, &mut gone);
    }
    (next, gone)
}

/// What stands in a store's segment files, finished or not.
fn on_disk(folder: &Path) -> u64 {
    let mut bytes = 0;
    for log in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        for file in fs::read_dir(log).into_iter().flatten().map(|entry| entry.unwrap()) {
            if file.file_name() != "lock"
                && let Ok(about) = file.metadata()
            {
                bytes += about.len();
            }
        }
    }
    bytes
}

fn wait_for(log: &Log, segments: u64) {
    let done = || log.compression().unwrap();
    while done().segments + done().failed < segments {
        std::thread::yield_now();
    }
}

#[test]
fn somebodys_compressed_files_and_downloads_make_no_folder_a_log_and_no_log_larger() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // Somebody's own files, in a folder of his own.
    let backup = path.join("backup");
    fs::create_dir(&backup).unwrap();
    for name in ["db.sql.zst", "page.new", "model.seg", "00000001.zst", "1.seg.zst"] {
        fs::write(backup.join(name), vec![1; 1 << 20]).unwrap();
    }
    // The folder is nobody's log or store, and may become either.
    drop(options().open(path).unwrap());
    fs::remove_file(path.join("00000000.seg")).unwrap();
    let store = open(path, 6);
    assert_eq!(Store::list(path).unwrap(), []);
    assert_eq!(store.status().unwrap().bytes, 0);
    let log = store.log("a", Class::Normal, &options()).unwrap();
    append(&log, 10);
    drop(log);
    // And in the log's folder they take nothing of the budget.
    for name in ["db.sql.zst", "page.new", "note.txt"] {
        fs::write(path.join("a").join(name), vec![1; 1 << 20]).unwrap();
    }
    drop(store);
    let store = open(path, 6);
    assert_eq!(store.status().unwrap().bytes, SEGMENT);
    let log = store.log("a", Class::Normal, &options()).unwrap();
    append(&log, 40);
    assert_eq!(log.status().unwrap().earliest, 0);
    assert!(path.join("a/page.new").exists() && path.join("a/db.sql.zst").exists());
}

#[test]
fn a_logs_name_that_looks_like_a_files_does_not_keep_the_store_from_opening() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["00000000.seg", "metrics.new", "archive.zst", "00000001.seg.zst", "00000002.new"] {
        let store = open(folder.path(), 20);
        match store.log(name, Class::Normal, &options()) {
            Ok(log) => append(&log, 1),
            Err(error) => println!("{name}: {error}"),
        }
        drop(store);
        let store = StoreOptions::new().open(folder.path());
        assert!(store.is_ok(), "{name}: {:?}", store.err());
    }
}

#[test]
fn a_link_into_nowhere_a_folder_and_odd_names_among_the_segments_do_not_keep_a_log_from_opening() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    let odd = |path: &Path| {
        for name in [&b"\xff\xfe\n.seg"[..], b"gnp.seg", b"99999999999999999999.seg", b"5.seg.zst"]
        {
            fs::write(path.join(std::ffi::OsStr::from_bytes(name)), b"x").unwrap();
        }
    };
    let link = |path: &Path| symlink("/nowhere/at/all", path.join("00000005.seg")).unwrap();
    let folder = |path: &Path| fs::create_dir(path.join("00000005.new")).unwrap();
    let all: [&dyn Fn(&Path); 3] = [&odd, &link, &folder];
    for put in all {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let log = options().budget_bytes(8 * SEGMENT).open(path).unwrap();
        append(&log, 40);
        drop(log);
        put(path);
        assert_eq!(check(path), (40, Gone::default()));
        let log = options().open(path).unwrap();
        append(&log, 20);
        drop(log);
        assert_eq!(check(path), (60, Gone::default()));
    }
}

#[test]
fn a_compressed_file_that_somebody_put_beside_a_segment_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let log = options().budget_bytes(8 * SEGMENT).compress(3).open(path).unwrap();
    append(&log, 20);
    fs::write(path.join("00000001.seg.zst"), b"a photo").unwrap();
    append(&log, 60);
    wait_for(&log, 3);
    let done = log.compression().unwrap();
    assert_eq!(done.failed, 1);
    assert!(done.failure.unwrap().contains("00000001.seg.zst"));
    drop(log);
    // The next opening moves it aside.
    drop(options().open(path).unwrap());
    let files: Vec<_> = fs::read_dir(path).unwrap().map(|it| it.unwrap().path()).collect();
    let kept = files.iter().filter(|path| fs::read(path).unwrap() == b"a photo").count();
    assert_eq!(kept, 1, "{files:?}");
    assert_eq!(check(path), (80, Gone::default()));
}

#[test]
fn logs_that_compress_and_make_room_for_each_other_under_readers_lose_nothing_uncounted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let budget = 9;
    for _ in 0..2 {
        let store = open(path, budget);
        let open = |name: &str, options: &Options| store.log(name, Class::Normal, options).unwrap();
        let options = options().compress(1);
        let logs = [
            open("a", &options),
            open("b", &options.clone().retain_segments(4)),
            open("c", &options.clone().retain_bytes(5 * SEGMENT)),
        ];
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let end = End(&done);
            for log in &logs {
                scope.spawn(|| {
                    let _end = End(&done);
                    let mut reader = log.reader(Start::Earliest).unwrap();
                    let (mut next, mut gone) = (reader.offset(), Gone::default());
                    loop {
                        let was_done = done.load(Ordering::SeqCst);
                        while let Some(item) = reader.next().unwrap() {
                            take(&item, &mut next, &mut gone);
                        }
                        if was_done {
                            break;
                        }
                    }
                    assert_eq!((next, gone.damaged), (log.status().unwrap().visible, 0));
                });
                scope.spawn(|| {
                    let _end = End(&done);
                    let mut view = View::open(log.directory(), Start::Earliest).unwrap();
                    let (mut next, mut gone) = (view.offset(), Gone::default());
                    while !done.load(Ordering::SeqCst) {
                        while let Some(item) = view.next().unwrap() {
                            take(&item, &mut next, &mut gone);
                        }
                        view.refresh().unwrap();
                    }
                    assert_eq!(gone.damaged, 0);
                });
            }
            let producers = logs.each_ref().map(|log| {
                scope.spawn(|| {
                    for _ in 0..6 {
                        append(log, 80);
                        log.sync().unwrap();
                        log.trim().unwrap();
                    }
                })
            });
            for producer in producers {
                producer.join().unwrap();
            }
            drop(end);
        });
        let ends = logs.each_ref().map(|log| (log.directory().to_owned(), log.status().unwrap()));
        drop(logs);
        let there = on_disk(path);
        assert_eq!(store.status().unwrap().bytes, there);
        assert!(there <= budget * SEGMENT);
        drop(store);
        assert_eq!(self::open(path, budget).status().unwrap().bytes, there);
        for (log, status) in ends {
            let gone = Gone { evicted: status.earliest, damaged: 0 };
            assert_eq!(check(&log), (status.visible, gone));
        }
    }
}

/// Ends the others, also when who has it fails.
struct End<'d>(&'d AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_log_that_is_dropped_while_it_compresses_leaves_nothing_behind_and_nothing_uncounted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for n in 0..20 {
        let store = open(path, 30);
        let options = options().compress(19).retain_segments(1 + n % 5);
        let log = store.log("a", Class::Normal, &options).unwrap();
        append(&log, 60);
        drop(log);
        assert_eq!(store.status().unwrap().bytes, on_disk(path));
    }
    assert_eq!(check(&path.join("a")).0, 20 * 60);
}

/// A log with compressed segments of two and a half blocks, and the compressed file of a slot.
fn compressed(folder: &Path, slot: u32) -> (u64, std::path::PathBuf) {
    let log = Options::new().segment_bytes(160 << 10).budget_bytes(10 << 20).compress(1);
    let log = log.open(folder).unwrap();
    append(&log, 1200);
    log.sync().unwrap();
    wait_for(&log, 6);
    (1200, folder.join(format!("{slot:08}.seg.zst")))
}

#[test]
fn whatever_stands_in_a_compressed_file_costs_that_segment_at_most_and_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let (records, path) = compressed(folder.path(), 3);
    let whole = fs::read(&path).unwrap();
    let mut random = 99;
    println!("seed {random}");
    let mut next = |below: usize| {
        random = shifted(random);
        usize::try_from(random >> 8).unwrap() % below
    };
    let try_it = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let (end, gone) = check(folder.path());
        assert_eq!((end, gone.evicted), (records, 0));
        // Some 156 stand in a segment.
        assert!(gone.damaged < 170, "{gone:?}");
    };
    for n in 0..120 {
        let mut bytes = whole.clone();
        match n % 4 {
            0 => (0..1 + next(20))
                .for_each(|_| bytes[next(whole.len())] = next(256).to_le_bytes()[0]),
            1 => bytes.truncate(next(whole.len())),
            // The first frame's head, and the table.
            2 => {
                bytes[next(20)] = next(256).to_le_bytes()[0];
                bytes[whole.len() - 1 - next(41)] = next(256).to_le_bytes()[0];
            }
            _ => {
                bytes = (0..next(300_000)).map(|_| next(256).to_le_bytes()[0]).collect();
                bytes.splice(0..0, [0x28, 0xB5, 0x2F, 0xFD]);
            }
        }
        try_it(&bytes);
    }
    // Frames that ask for windows of 2 MiB to terabytes, with sizes that are right and that lie.
    for window in [0x58, 0xA8, 0xF8, 0xFF] {
        for size in [65_536, 1 << 40, u64::MAX] {
            let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0b1100_0000, window];
            frame.extend(u64::to_le_bytes(size));
            // 65,536 times the same byte.
            frame.extend([0x03, 0x00, 0x08, 5]);
            try_it(&frame.repeat(3));
        }
    }
    drop(Options::new().open(folder.path()).unwrap());
}

#[test]
fn the_oldest_segment_is_told_by_its_first_block_and_the_others_are_not() {
    for (slot, oldest) in [(0, true), (1, false), (4, false)] {
        let folder = tempfile::tempdir().unwrap();
        let (records, path) = compressed(folder.path(), slot);
        let mut bytes = fs::read(&path).unwrap();
        bytes[100] ^= 1;
        fs::write(&path, bytes).unwrap();
        let (end, Gone { evicted, damaged }) = check(folder.path());
        assert_eq!(end, records);
        // Nothing else says where it begins.
        let is_all = damaged > 100;
        assert!(evicted == 0 && (60..170).contains(&damaged), "{slot}: {damaged}, {evicted}");
        assert_eq!(is_all, oldest, "{slot}: {damaged}");
    }
}
