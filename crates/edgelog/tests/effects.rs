//! Effects in tables of a redb database, exactly once.
#![allow(clippy::unwrap_used, clippy::panic)]

use edgelog::table::redb::{
    Builder, Database, Durability, ReadableDatabase, ReadableTable, StorageBackend,
    TableDefinition, WriteTransaction,
};
use edgelog::table::{CURSORS, TableCursor, TableError};
use edgelog::{AppendError, Event, Gap, GapReason, Item, Log, Options, Start};
use edgelog_sim::Rng;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

const NAME: &str = "sums";

/// Of each record: how often it had its effect, and what it said.
const EFFECTS: TableDefinition<'_, u64, (u64, &[u8])> = TableDefinition::new("effects");

fn open_log(folder: &Path) -> Log {
    Options::new().segment_bytes(4096).budget_bytes(1 << 20).open(folder).unwrap()
}

fn append(log: &Log, records: u64) {
    for _ in 0..records {
        log.append("t", &Event::new(&[7; 900])).unwrap();
    }
}

fn database() -> Database {
    Builder::new().create_with_backend(Disk::default()).unwrap()
}

fn open(log: &Log, database: &Database) -> TableCursor {
    TableCursor::open(log, database, NAME, 0).unwrap()
}

fn commit(cursor: &TableCursor, database: &Database, offsets: Range<u64>) -> Range<u64> {
    let transaction = database.begin_write().unwrap();
    let due = cursor.commit(&transaction, offsets).unwrap();
    transaction.commit().unwrap();
    due
}

/// Where the log's own cursor is.
fn follower(log: &Log) -> u64 {
    let cursor = log.cursor(NAME, 0).unwrap();
    log.cursor_state(cursor).unwrap().offset
}

/// A disk that a power cut takes everything from that was not synced.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    now: Vec<u8>,
    synced: Vec<u8>,
}

impl Disk {
    fn holding(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Contents { now: bytes.clone(), synced: bytes })))
    }

    /// The database as it is after a power cut now.
    fn cut(&self) -> Database {
        let synced = self.0.lock().unwrap().synced.clone();
        Builder::new().create_with_backend(Self::holding(synced)).unwrap()
    }
}

fn place(offset: u64, length: usize) -> Range<usize> {
    let start = usize::try_from(offset).unwrap();
    start..start + length
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        out.copy_from_slice(&self.0.lock().unwrap().now[place(offset, out.len())]);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.lock().unwrap().now.resize(usize::try_from(length).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut contents = self.0.lock().unwrap();
        contents.synced = contents.now.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().now[place(offset, data.len())].copy_from_slice(data);
        Ok(())
    }
}

/// What the log's process has written by now, as another process would find it.
fn image(log: &Log) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(log.directory()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

/// A consumer as a user would write it, and its producer.
struct Worker<'a> {
    log: Log,
    database: &'a Database,
    rng: Rng,
}

impl Worker<'_> {
    fn append(&mut self) {
        for _ in 0..self.rng.below(30) {
            let length = self.rng.below(200);
            match self.log.append("t", &Event::new(&self.rng.bytes(length))) {
                Ok(_) => {}
                Err(AppendError::Full) => break,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The effects of what is visible, in a transaction that is not committed yet.
    fn transaction(&mut self, cursor: &TableCursor) -> WriteTransaction {
        let done = cursor.offset(self.database).unwrap();
        // A consumer that crashed, or has a twin, may say again what is done.
        let start = done.saturating_sub(self.rng.below(3) as u64);
        let end = self.log.status().unwrap().visible;
        let mut transaction = self.database.begin_write().unwrap();
        if self.rng.one_in(3) {
            transaction.set_durability(Durability::None).unwrap();
        }
        let due = cursor.commit(&transaction, start..end).unwrap();
        let mut effects = transaction.open_table(EFFECTS).unwrap();
        for (offset, payload) in records(&self.log, due) {
            let times = effects.get(offset).unwrap().map_or(0, |it| it.value().0);
            effects.insert(offset, (times + 1, payload.as_slice())).unwrap();
        }
        drop(effects);
        transaction
    }
}

fn records(log: &Log, offsets: Range<u64>) -> Vec<(u64, Vec<u8>)> {
    let mut reader = log.reader(Start::Offset(offsets.start)).unwrap();
    let mut records = Vec::new();
    while reader.offset() < offsets.end {
        match reader.next().unwrap() {
            Some(Item::Record(it)) => records.push((it.identity.offset, it.payload.to_vec())),
            other => panic!("{other:?} among {offsets:?}"),
        }
    }
    records
}

/// Every record below the cursor had its effect once, and no other had one.
fn check(log: &Log, database: &Database, context: &str) -> u64 {
    let done = open(log, database).offset(database).unwrap();
    let transaction = database.begin_read().unwrap();
    if done == 0 {
        return 0;
    }
    let effects = transaction.open_table(EFFECTS).unwrap();
    let found = effects.iter().unwrap().map(|effect| {
        let (offset, effect) = effect.unwrap();
        assert_eq!(effect.value().0, 1, "times that {} was done; {context}", offset.value());
        offset.value()
    });
    assert!(found.eq(0..done), "effects that are not those below {done}; {context}");
    let earliest = log.status().unwrap().earliest;
    for (offset, payload) in records(log, earliest.min(done)..done) {
        let effect = effects.get(offset).unwrap().unwrap();
        assert_eq!(effect.value().1, payload, "of another record than {offset}; {context}");
    }
    done
}

/// Where a killed process works, and its seed.
const FOLDER: &str = "EDGELOG_EFFECTS_FOLDER";
const SEED: &str = "EDGELOG_EFFECTS_SEED";

#[test]
fn effects_are_there_exactly_once_wherever_the_process_is_killed() {
    if let (Ok(folder), Ok(seed)) = (std::env::var(FOLDER), std::env::var(SEED)) {
        work_until_killed(Path::new(&folder), seed.parse().unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let seed = 0xEFFEC7;
    println!("seed {seed:#x}");
    let mut rng = Rng::new(seed);
    let mut done = 0;
    for round in 0..20 {
        let this = std::env::current_exe().unwrap();
        let test = "effects_are_there_exactly_once_wherever_the_process_is_killed";
        let mut child = Command::new(this)
            .args(["--exact", test, "--nocapture"])
            .envs([(FOLDER, folder.path().as_os_str())])
            .envs([(SEED, (rng.bits() >> 1).to_string())])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let steps = 1 + rng.below(60);
        let seen = said.map_while(Result::ok).filter(|line| line.ends_with("step")).take(steps);
        assert_eq!(seen.count(), steps, "round {round}: it ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();

        let log = open_log(&folder.path().join("log"));
        let database = Database::create(folder.path().join("tables.redb")).unwrap();
        let now = check(&log, &database, &format!("round {round}"));
        assert!(now >= done, "round {round}: {now} are done, and {done} were before");
        done = now;
    }
    assert!(done > 1000, "{done}");
}

fn work_until_killed(folder: &Path, seed: u64) -> ! {
    let database = Database::create(folder.join("tables.redb")).unwrap();
    let log = open_log(&folder.join("log"));
    let mut worker = Worker { log, database: &database, rng: Rng::new(seed) };
    let mut cursor = open(&worker.log, &database);
    loop {
        worker.append();
        let transaction = worker.transaction(&cursor);
        if worker.rng.one_in(8) {
            drop(transaction);
        } else {
            transaction.commit().unwrap();
        }
        if worker.rng.one_in(4) {
            cursor.release(&database).unwrap();
        }
        if worker.rng.one_in(16) {
            cursor = open(&worker.log, &database);
        }
        println!("step");
    }
}

#[test]
fn effects_are_there_exactly_once_after_a_power_cut_at_any_step() {
    for seed in 0..4 {
        println!("seed {seed}");
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        let database = Builder::new().create_with_backend(disk.clone()).unwrap();
        let log = open_log(folder.path());
        let cursor = open(&log, &database);
        let mut worker = Worker { log: log.clone(), database: &database, rng: Rng::new(seed) };
        let cut = |context: &str| {
            let (copy, database) = (image(&log), disk.cut());
            let log = open_log(copy.path());
            check(&log, &database, context);
            // And it goes on: nothing that is not done was freed.
            let mut again = Worker { log, database: &database, rng: Rng::new(seed) };
            again.append();
            let cursor = open(&again.log, &database);
            again.transaction(&cursor).commit().unwrap();
            check(&again.log, &database, context);
        };
        for step in 0..20 {
            worker.append();
            let transaction = worker.transaction(&cursor);
            cut(&format!("seed {seed}, step {step}, before the commit"));
            transaction.commit().unwrap();
            cut(&format!("seed {seed}, step {step}, after the commit"));
            if worker.rng.one_in(3) {
                cursor.release(&database).unwrap();
                cut(&format!("seed {seed}, step {step}, after the release"));
            }
        }
        assert!(check(&log, &database, "at the end") > 100);
    }
}

#[test]
fn a_record_whose_effect_commits_survives_what_a_power_cut_takes_of_the_log() {
    let (folder, database) = (tempfile::tempdir().unwrap(), database());
    let log = open_log(folder.path());
    let cursor = open(&log, &database);
    append(&log, 2);
    assert_eq!(log.status().unwrap().durable, 0);
    let transaction = database.begin_write().unwrap();
    assert_eq!(cursor.commit(&transaction, 0..2).unwrap(), 0..2);
    assert_eq!(log.status().unwrap().durable, 2);
    // Nor may the offset of a record that is yet to come be in the table.
    for ahead in [3, u64::MAX] {
        let refused = cursor.commit(&transaction, 2..ahead).unwrap_err();
        assert!(matches!(refused, TableError::Log(AppendError::Unknown { .. })), "{refused}");
        assert!(cursor.restart(&transaction, ahead).is_err());
    }
    transaction.commit().unwrap();
    assert_eq!(cursor.offset(&database).unwrap(), 2);
}

#[test]
fn a_transaction_that_is_dropped_leaves_the_cursor_where_it_was() {
    let (folder, database) = (tempfile::tempdir().unwrap(), database());
    let log = open_log(folder.path());
    append(&log, 5);
    let cursor = open(&log, &database);
    let transaction = database.begin_write().unwrap();
    assert_eq!(cursor.commit(&transaction, 0..5).unwrap(), 0..5);
    drop(transaction);
    assert_eq!(cursor.offset(&database).unwrap(), 0);
    assert_eq!(cursor.release(&database).unwrap(), 0);
    assert_eq!(commit(&cursor, &database, 0..5), 0..5);
}

#[test]
fn what_is_committed_twice_late_or_in_part_is_due_once_and_nothing_is_passed_over() {
    let (folder, database) = (tempfile::tempdir().unwrap(), database());
    let log = open_log(folder.path());
    append(&log, 20);
    let cursor = open(&log, &database);
    assert_eq!(commit(&cursor, &database, 0..5), 0..5);
    assert!(commit(&cursor, &database, 0..5).is_empty());
    assert!(commit(&cursor, &database, 2..3).is_empty());
    assert!(commit(&cursor, &database, 5..5).is_empty());
    assert_eq!(commit(&cursor, &database, 3..8), 5..8);
    let transaction = database.begin_write().unwrap();
    let refused = cursor.commit(&transaction, 9..12).unwrap_err();
    assert!(matches!(refused, TableError::Skips { done: 8, start: 9 }), "{refused}");
    // Several times in one transaction.
    assert_eq!(cursor.commit(&transaction, 8..9).unwrap(), 8..9);
    assert_eq!(cursor.commit(&transaction, 8..12).unwrap(), 9..12);
    transaction.commit().unwrap();
    assert_eq!(cursor.offset(&database).unwrap(), 12);
}

#[test]
fn each_record_is_done_by_one_of_several_threads() {
    let (folder, database) = (tempfile::tempdir().unwrap(), database());
    let log = open_log(folder.path());
    append(&log, 200);
    let cursor = open(&log, &database);
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (log, cursor, database) = (log.clone(), cursor.clone(), &database);
            scope.spawn(move || {
                let mut worker = Worker { log, database, rng: Rng::new(seed) };
                for _ in 0..10 {
                    worker.append();
                    worker.transaction(&cursor).commit().unwrap();
                }
            });
        }
    });
    assert!(check(&log, &database, "four threads") >= 200);
}

#[test]
fn consumers_and_logs_that_share_a_database_have_a_cursor_each() {
    let database = database();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let logs = folders.each_ref().map(|folder| open_log(folder.path()));
    let cursors = logs.each_ref().map(|log| {
        append(log, 9);
        ["a", "b"].map(|name| TableCursor::open(log, &database, name, 0).unwrap())
    });
    let transaction = database.begin_write().unwrap();
    for (end, cursor) in (1..).zip(cursors.iter().flatten()) {
        assert_eq!(cursor.commit(&transaction, 0..end).unwrap(), 0..end);
    }
    transaction.commit().unwrap();
    for (end, cursor) in (1..).zip(cursors.iter().flatten()) {
        assert_eq!(cursor.offset(&database).unwrap(), end);
        assert_eq!(cursor.release(&database).unwrap(), end);
    }
}

#[test]
fn a_log_that_is_created_anew_begins_at_its_start_and_the_old_row_can_be_removed() {
    let (folder, database) = (tempfile::tempdir().unwrap(), database());
    let log = open_log(folder.path());
    append(&log, 9);
    commit(&open(&log, &database), &database, 0..9);
    let old = log.status().unwrap().id;
    drop(log);
    fs::remove_dir_all(folder.path()).unwrap();

    let log = open_log(folder.path());
    append(&log, 4);
    let cursor = open(&log, &database);
    assert_eq!(cursor.offset(&database).unwrap(), 0);
    assert_eq!(commit(&cursor, &database, 0..4), 0..4);
    let transaction = database.begin_write().unwrap();
    let mut rows = transaction.open_table(CURSORS).unwrap();
    assert_eq!(rows.remove((&old.0, NAME)).unwrap().unwrap().value(), 9);
    drop(rows);
    transaction.commit().unwrap();
    assert_eq!(cursor.offset(&database).unwrap(), 4);
}

#[test]
fn a_consumer_starts_where_it_was_told_to_when_it_is_new_and_nowhere_else() {
    let (folder, database) = (tempfile::tempdir().unwrap(), database());
    let log = open_log(folder.path());
    append(&log, 9);
    let late = TableCursor::open(&log, &database, "late", u64::MAX).unwrap();
    assert_eq!(late.offset(&database).unwrap(), 9);
    append(&log, 1);
    for start in [0, u64::MAX] {
        let late = TableCursor::open(&log, &database, "late", start).unwrap();
        assert_eq!(late.offset(&database).unwrap(), 9);
    }
    for name in ["", "a name that is longer than 32 bytes", "kafka"] {
        let refused = TableCursor::open(&log, &database, name, 0).unwrap_err();
        assert!(matches!(refused, TableError::Log(_)), "{refused}");
    }
}

#[test]
fn another_database_than_the_one_that_it_was_opened_with_is_told() {
    let (folder, known, other) = (tempfile::tempdir().unwrap(), database(), database());
    let log = open_log(folder.path());
    append(&log, 1);
    let cursor = open(&log, &known);
    let transaction = other.begin_write().unwrap();
    for refused in
        [cursor.offset(&other).unwrap_err(), cursor.commit(&transaction, 0..1).unwrap_err()]
    {
        assert!(matches!(refused, TableError::Missing { .. }), "{refused}");
    }
}

#[test]
fn the_log_keeps_what_the_database_could_still_lose() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let database = Builder::new().create_with_backend(disk.clone()).unwrap();
    let log = open_log(folder.path());
    let cursor = open(&log, &database);
    append(&log, 20);
    let mut transaction = database.begin_write().unwrap();
    transaction.set_durability(Durability::None).unwrap();
    cursor.commit(&transaction, 0..20).unwrap();
    transaction.commit().unwrap();
    assert_eq!(follower(&log), 0);
    assert_eq!(open(&log, &disk.cut()).offset(&disk.cut()).unwrap(), 0);
    // What it says is done, it makes durable first.
    assert_eq!(cursor.release(&database).unwrap(), 20);
    assert_eq!(follower(&log), 20);
    assert_eq!(cursor.offset(&disk.cut()).unwrap(), 20);
}

#[test]
fn opening_makes_up_for_a_release_that_a_crash_came_before() {
    let (folder, database) = (tempfile::tempdir().unwrap(), database());
    let log = open_log(folder.path());
    append(&log, 20);
    commit(&open(&log, &database), &database, 0..20);
    assert_eq!(follower(&log), 0);
    drop(log);
    let log = open_log(folder.path());
    open(&log, &database);
    assert_eq!(follower(&log), 20);
}

#[test]
fn a_database_that_was_restored_gets_its_records_again_and_a_gap_for_those_that_are_gone() {
    let (folder, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let database = Builder::new().create_with_backend(disk.clone()).unwrap();
    // Four records fill a segment, 60 the log.
    let log = Options::new().segment_bytes(4096).budget_bytes(16 * 4096).open(folder.path());
    let log = log.unwrap();
    let cursor = open(&log, &database);
    let mut backup = disk.cut();
    let mut done = 0;
    for round in 0..10 {
        append(&log, 12);
        let end = log.sync().unwrap();
        commit(&cursor, &database, done..end);
        cursor.release(&database).unwrap();
        done = end;
        if round == 0 {
            backup = disk.cut();
        }
    }
    let earliest = log.status().unwrap().earliest;
    assert!(earliest > 12, "{earliest}");
    let cursor = open(&log, &backup);
    assert_eq!(cursor.offset(&backup).unwrap(), 12);
    let mut reader = log.reader(Start::Offset(12)).unwrap();
    let gap = Gap { from: 12, to: earliest, reason: GapReason::Evicted };
    assert!(matches!(reader.next().unwrap(), Some(Item::Gap(it)) if it == gap));
    assert_eq!(commit(&cursor, &backup, 12..done), 12..done);
    assert_eq!(cursor.release(&backup).unwrap(), done);
}

#[test]
fn a_log_that_is_older_than_the_database_is_told_and_goes_on_where_the_user_says() {
    let (folder, database) = (tempfile::tempdir().unwrap(), database());
    let log = open_log(folder.path());
    append(&log, 5);
    log.sync().unwrap();
    let backup = image(&log);
    append(&log, 5);
    commit(&open(&log, &database), &database, 0..10);

    let log = open_log(backup.path());
    append(&log, 2);
    let cursor = open(&log, &database);
    let is_told = |error: &TableError| matches!(error, TableError::Ahead { done: 10, durable: 7 });
    assert!(is_told(&cursor.offset(&database).unwrap_err()));
    assert!(is_told(&cursor.release(&database).unwrap_err()));
    let transaction = database.begin_write().unwrap();
    // It would be called done.
    assert!(is_told(&cursor.commit(&transaction, 5..7).unwrap_err()));
    cursor.restart(&transaction, 5).unwrap();
    assert_eq!(cursor.commit(&transaction, 5..7).unwrap(), 5..7);
    transaction.commit().unwrap();
    assert_eq!(cursor.release(&database).unwrap(), 7);
}

#[test]
fn a_table_is_built_anew_in_one_transaction() {
    let (folder, database) = (tempfile::tempdir().unwrap(), database());
    let log = open_log(folder.path());
    let mut worker = Worker { log: log.clone(), database: &database, rng: Rng::new(1) };
    let cursor = open(&log, &database);
    append(&log, 50);
    worker.transaction(&cursor).commit().unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.delete_table(EFFECTS).unwrap();
    cursor.restart(&transaction, 0).unwrap();
    transaction.commit().unwrap();
    worker.transaction(&cursor).commit().unwrap();
    assert_eq!(check(&log, &database, "anew"), 50);
}
