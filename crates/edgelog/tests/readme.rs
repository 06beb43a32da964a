//! What README.md shows of Rust compiles, and does what it says as far as a test can let it run.
#![allow(clippy::unwrap_used)]

use edgelog::table::TableCursor;
use edgelog::table::redb::{Builder, backends::InMemoryBackend};
use edgelog::{Class, FullPolicy, Item, Log, Options, Start};
use edgelog_sim::{NorChip, SimNorError};
use std::error::Error;
use std::time::Duration;

const README: &str = include_str!("../../../README.md");
const THIS: &str = include_str!("readme.rs");

#[test]
fn every_line_of_rust_in_the_readme_is_compiled_here_word_for_word() {
    let here = trimmed(THIS);
    let mut blocks = README.split("```rust\n").skip(1).peekable();
    assert!(blocks.peek().is_some(), "README.md shows no Rust");
    for block in blocks {
        let (block, _) = block.split_once("```").unwrap();
        let copied = here.contains(&trimmed(block));
        assert!(copied, "README.md shows this, which is not here:\n{block}");
    }
}

fn trimmed(text: &str) -> String {
    text.lines().map(|line| line.trim().to_owned() + "\n").collect()
}

/// Its folder is none for a test.
#[rustfmt::skip]
#[expect(dead_code, unused_variables, reason = "it need only compile")]
#[expect(unused_qualifications, reason = "README.md has no list of imports")]
fn a_log() -> Result<(), Box<dyn Error>> {
    let log = edgelog::Options::new().open("/var/lib/mydaemon/log")?;
    log.append("door", &edgelog::Event::new(b"open").key(b"front"))?;
    log.sync()?; // from here on it survives a power cut
    log.append_as(edgelog::Durability::Durable, "alarm", &edgelog::Event::new(b"smoke"))?; // does when it returns; threads share one sync
    let uplink = log.ship(&edgelog::ShipOptions::new("broker:9092").topic("plant"))?; // ships until dropped
    Ok(())
}

/// It does not end.
#[rustfmt::skip]
#[expect(dead_code, reason = "it need only compile")]
#[expect(unused_qualifications, reason = "README.md has no list of imports")]
fn a_consumer(log: &Log) -> Result<(), Box<dyn Error>> {
    let lamp = log.cursor("door-lamp", 0)?; // durable; 8 in a log, each keeps what it has not passed
    let done = log.cursor_state(lamp).map_or(0, |cursor| cursor.offset);
    let mut reader = log.reader(edgelog::Start::Offset(done))?;
    while reader.wait(Duration::MAX) {
        while let Some(item) = reader.next()? {
            match item {
                edgelog::Item::Record(record) => println!("{} {:?}", record.identity.offset, record.payload), // borrowed, verified
                edgelog::Item::Gap(gap) => println!("{} records are gone: {}", gap.count(), gap.reason),
            }
        }
        log.sync()?; // a cursor does not pass what is not durable
        log.commit(lamp, reader.offset())?; // durable with the next sync: after a crash records may come again
    }
    Ok(())
}

/// Its folder is none for a test.
#[rustfmt::skip]
#[expect(dead_code, unused_variables, reason = "it need only compile")]
fn a_store() -> Result<(), Box<dyn Error>> {
    let readings = Options::new().full(FullPolicy::DropOldest).retain_age(Duration::from_secs(7 * 86_400));
    let store = edgelog::StoreOptions::new().budget_bytes(8 << 30).open("/var/lib/mydaemon/logs")?;
    let alarms = store.log("alarms", Class::Critical, &Options::new())?;      // kept until every cursor has passed them
    let readings = store.log("readings", Class::Bulk, &readings)?;            // make room for alarms, and go after a week
    Ok(())
}

#[rustfmt::skip]
#[test]
fn effects_and_cursor_commit_together() -> Result<(), Box<dyn Error>> {
    let (_folder, log) = log_of_a_test()?;
    log.append("door", &edgelog::Event::new(b"open"))?;
    let database = Builder::new().create_with_backend(InMemoryBackend::new())?;
    let (done, end) = (0, 1);

    let cursor = TableCursor::open(&log, &database, "doors", 0)?;
    let transaction = database.begin_write()?;
    let due = cursor.commit(&transaction, done..end)?;  // what of it this transaction has to do; durable in the log by now
    // ... read the records of `due`, write their effects into tables of `transaction` ...
    transaction.commit()?;                              // the effects and the cursor, or neither
    cursor.release(&database)?;                         // now and then: the log may free what the database has

    assert_eq!((due, cursor.offset(&database)?), (0..1, 1));
    Ok(())
}

#[rustfmt::skip]
#[test]
#[expect(unused_qualifications, reason = "README.md has no list of imports")]
fn a_table_is_described_once_written_and_read_in_place() -> Result<(), Box<dyn Error>> {
    let (_folder, log) = log_of_a_test()?;
    let mut reader = log.reader(Start::Earliest)?;

    use edgelog::ReadEvent;

    edgelog::record::table! {
        /// What the sensor of a room saw.
        pub struct Reading<'a> in "acme.sensors" {
            /// Hundredths of a degree Celsius.
            0: celsius: i16,
            /// Where the sensor hangs.
            1: room: Option<&'a str>,
        }
    }

    log.append("climate", &edgelog::Event::table(Reading { celsius: 2150, room: Some("kitchen") }))?; // composed where it is written from
    let Some(edgelog::Item::Record(record)) = reader.next()? else { return Ok(()) };
    let reading: Reading<'_> = record.table()?;      // borrowed from the mapped segment
    println!("{}", edgelog::record::Schema::of::<Reading<'_>>()); // the .fbs

    assert_eq!((reading.celsius, reading.room), (2150, Some("kitchen")));
    Ok(())
}

#[test]
fn a_device_keeps_its_readings_over_restarts() -> Result<(), Box<dyn Error>> {
    let chip = NorChip::new(512);
    for _ in 0..3 {
        device(chip.clone(), [7; 64])?;
    }
    let medium = edgelog_core::NorMedium::new(chip, 0x10_0000..0x20_0000, 4096)?;
    let mut log = edgelog_core::Log::mount(medium, [0u8; 512])?;
    let (mut reader, mut buffer) = (edgelog_core::Reader::at(0), [0u8; 512]);
    for offset in 0..3 {
        let limit = log.durable();
        let item = log.read(&mut reader, limit, &mut buffer)?;
        assert!(
            matches!(item, Some(Item::Record(it)) if it.identity.offset == offset && it.payload == [7; 64])
        );
    }
    Ok(())
}

/// What a device's program does at each start.
#[rustfmt::skip]
#[expect(clippy::redundant_closure, reason = "it says what is called when")]
fn device(flash: NorChip<4, 4096>, reading: [u8; 64]) -> Result<(), Box<dyn Error>> {
    use edgelog_core::{Event, Log, Memory, NorMedium};

    let medium = NorMedium::new(flash, 0x10_0000..0x20_0000, 4096)?             // 256 segments of one erase block
        .with_unreadable(|error| error.is_ecc());                               // chips with ECC: torn words are lost bytes, not a broken chip
    let mut memory = Memory::new();                                             // names of topics and cursors; a `static` where the stack is small
    let mut log = Log::mount_or_create(medium, [0u8; 512], &mut memory, || id_from_trng(), 0)?; // records of up to 512 bytes
    log.set_full_policy(FullPolicy::DropOldest);                                // the default refuses until every cursor has passed the oldest segment
    log.clock_is_unset(uptime_ms());                                            // no RTC: times become known with `set_clock`
    let readings = log.topic("readings")?;
    log.append(&Event { topic: readings, class: Class::Normal, key: None, payload: &reading }, uptime_ms())?; // one program, no read, no erase
    log.sync()?;                                                                // from here on it survives a power cut
    log.maintain(1)?;                                                           // when idle: erases ahead, so that `append` never does
    Ok(())
}

/// What the device's driver and board would have.
trait Ecc {
    fn is_ecc(&self) -> bool;
}

impl Ecc for SimNorError {
    fn is_ecc(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
    }
}

fn id_from_trng() -> edgelog::LogId {
    edgelog::LogId([7; 16])
}

fn uptime_ms() -> u64 {
    12
}

fn log_of_a_test() -> Result<(tempfile::TempDir, Log), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let log = Options::new().budget_bytes(16 << 20).open(folder.path())?;
    Ok((folder, log))
}
