//! One turn of one subject, in a process of its own, which ends as if it were killed.

use crate::edgelog::{self, Edgelog};
use crate::machine;
use crate::peers::{Commitlog, Fjall, Heed, Okaywal, Redb, Sqlite, Walrus};
use crate::raw;
use crate::records::{BATCH, Kind, SYNCED, payload_bytes, records};
use crate::stats::median;
use crate::store::{Plan, Purpose, Seen, Store};
use anyhow::{Result, bail, ensure};
use clap::{Args, ValueEnum};
use rustix::process::{Signal, getpid, kill_process};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    Edgelog,
    Raw,
    Redb,
    Fjall,
    Rusqlite,
    Rocksdb,
    Heed,
    Commitlog,
    Okaywal,
    WalrusRust,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// Appends visibly, one record a call.
    AppendEach,
    /// Appends visibly, 1,000 records a call.
    AppendBatch,
    /// Appends 100 records, makes them durable, and so on.
    Sync100,
    /// Appends a record, makes it durable, and so on.
    SyncEach,
    /// The same by 16 threads.
    Group16,
    /// Leaves a log behind for the works that follow.
    Fill,
    /// Reads all.
    Read,
    /// Opens what was left behind by a process that was killed.
    Open,
    /// Opens it, appends, and reads all: for the peak of memory.
    Memory,
}

/// A turn.
#[derive(Args, Clone, Debug)]
pub(crate) struct Turn {
    #[arg(long)]
    pub(crate) subject: Subject,
    #[arg(long)]
    pub(crate) work: Work,
    #[arg(long)]
    pub(crate) records: Kind,
    /// Records, or passes of reading.
    #[arg(long)]
    pub(crate) count: usize,
    #[arg(long)]
    pub(crate) folder: PathBuf,
}

/// What came of a turn.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) seconds: f64,
    /// In which this process had a processor.
    pub(crate) processor_seconds: f64,
    /// Records that were appended or read in that time.
    pub(crate) records: f64,
    /// Bytes of their payloads.
    pub(crate) payload_bytes: f64,
    /// Bytes that the device was given meanwhile, and until everything was written.
    pub(crate) device_bytes: f64,
    pub(crate) disk_bytes: f64,
    pub(crate) memory_kib: f64,
}

impl Outcome {
    fn values(&self) -> [f64; 7] {
        [
            self.seconds,
            self.processor_seconds,
            self.records,
            self.payload_bytes,
            self.device_bytes,
            self.disk_bytes,
            self.memory_kib,
        ]
    }

    /// What [`run`] printed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("outcome "))?;
        let values: Vec<f64> = line.split(' ').map_while(|value| value.parse().ok()).collect();
        let [
            seconds,
            processor_seconds,
            records,
            payload_bytes,
            device_bytes,
            disk_bytes,
            memory_kib,
        ] = *values
        else {
            return None;
        };
        Some(Self {
            seconds,
            processor_seconds,
            records,
            payload_bytes,
            device_bytes,
            disk_bytes,
            memory_kib,
        })
    }
}

/// Since when time is taken.
struct Began(Instant, f64);

impl Began {
    fn now() -> Self {
        Self(Instant::now(), machine::processor_seconds())
    }

    /// The time that `records` took.
    fn ended(&self, records: usize) -> Outcome {
        Outcome {
            seconds: self.0.elapsed().as_secs_f64(),
            processor_seconds: machine::processor_seconds() - self.1,
            records: records as f64,
            ..Outcome::default()
        }
    }
}

/// Threads that append at once.
const THREADS: usize = 16;
/// Scans of a segment, which is too short a time to be taken once.
const SCANS: usize = 21;
/// Records that are appended before memory is looked at.
const MEMORY_APPENDS: usize = 10_000;

/// Does it, prints what came of it, and kills this process: nothing is closed in order.
pub(crate) fn run(turn: &Turn) -> Result<()> {
    let outcome = match turn.subject {
        Subject::Raw => raw_turn(turn),
        Subject::Edgelog => store_turn::<Edgelog>(turn),
        Subject::Redb => store_turn::<Redb>(turn),
        Subject::Fjall => store_turn::<Fjall>(turn),
        Subject::Rusqlite => store_turn::<Sqlite>(turn),
        #[cfg(feature = "rocksdb")]
        Subject::Rocksdb => store_turn::<crate::peers::Rocksdb>(turn),
        #[cfg(not(feature = "rocksdb"))]
        Subject::Rocksdb => Err(anyhow::anyhow!("RocksDB was left out of this build")),
        Subject::Heed => store_turn::<Heed>(turn),
        Subject::Commitlog => store_turn::<Commitlog>(turn),
        Subject::Okaywal => store_turn::<Okaywal>(turn),
        Subject::WalrusRust => store_turn::<Walrus>(turn),
    }?;
    let values = outcome.values().map(|value| value.to_string());
    println!("outcome {}", values.join(" "));
    kill_process(getpid(), Signal::KILL)?;
    bail!("this process lives on after it was killed")
}

fn store_turn<S: Store>(turn: &Turn) -> Result<Outcome> {
    let records = records(turn.records)?;
    let bytes = payload_bytes(&records, turn.count)?;
    let folder = turn.folder.as_path();
    let open = |purpose| S::open(Plan { folder, purpose, bytes });
    let durable = matches!(turn.work, Work::Sync100 | Work::SyncEach | Work::Group16);
    let device = Device::begin(durable, folder)?;
    let count = turn.count;
    let mut outcome = match turn.work {
        Work::AppendEach | Work::SyncEach => {
            let purpose = if durable { Purpose::Durable } else { Purpose::Visible };
            let store = open(purpose)?;
            let mine = records.iter().cycle().take(count);
            let began = Began::now();
            for record in mine {
                store.append(record)?;
            }
            let outcome = began.ended(count);
            device.end(outcome, &store, folder)?
        }
        Work::AppendBatch => {
            let store = open(Purpose::Visible)?;
            let began = Began::now();
            for batch in records.chunks(BATCH).cycle().take(count.div_ceil(BATCH)) {
                store.append_all(batch)?;
            }
            let outcome = began.ended(count.next_multiple_of(BATCH));
            device.end(outcome, &store, folder)?
        }
        Work::Sync100 => {
            let store = open(Purpose::Durable)?;
            let began = Began::now();
            for group in records.chunks(SYNCED).cycle().take(count.div_ceil(SYNCED)) {
                store.append_all(group)?;
            }
            let outcome = began.ended(count.next_multiple_of(SYNCED));
            device.end(outcome, &store, folder)?
        }
        Work::Group16 => {
            let store = open(Purpose::Durable)?;
            let outcome = by_threads(&store, &records, count)?;
            device.end(outcome, &store, folder)?
        }
        Work::Fill => {
            let store = open(Purpose::Visible)?;
            let began = Began::now();
            let count = store.fill(&records, count)?;
            began.ended(count)
        }
        Work::Read => {
            let store = open(Purpose::Reading)?;
            passes(count, || store.read())?
        }
        Work::Open => {
            let began = Began::now();
            let store = open(Purpose::Visible)?;
            let outcome = began.ended(0);
            // What was opened is the whole.
            device.end(outcome, &store, folder)?
        }
        Work::Memory => {
            let store = open(Purpose::Visible)?;
            let began = Began::now();
            for record in records.iter().cycle().take(MEMORY_APPENDS) {
                store.append(record)?;
            }
            store.read()?;
            began.ended(0)
        }
    };
    if turn.work != Work::Read {
        let count = outcome.records as usize;
        outcome.payload_bytes = payload_bytes(&records, count)? as f64;
    }
    outcome.memory_kib = machine::peak_memory_kib()? as f64;
    outcome.disk_bytes = machine::disk_bytes(folder)? as f64;
    Ok(outcome)
}

fn raw_turn(turn: &Turn) -> Result<Outcome> {
    let records = records(turn.records)?;
    let count = turn.count;
    let bytes = payload_bytes(&records, count)?;
    let file = turn.folder.join("raw");
    let durable = matches!(turn.work, Work::Sync100 | Work::SyncEach);
    let device = Device::begin(durable, &turn.folder)?;
    let mut outcome = match turn.work {
        Work::AppendEach | Work::AppendBatch => {
            let mut raw = raw::Buffered::create(&file)?;
            let began = Began::now();
            for record in records.iter().cycle().take(count) {
                raw.append(record)?;
            }
            raw.flush()?;
            began.ended(count)
        }
        Work::Sync100 | Work::SyncEach => {
            let group = if turn.work == Work::Sync100 { SYNCED } else { 1 };
            // Room is taken in the same steps as by the log.
            let step = u64::from(edgelog::SEGMENT_BYTES);
            let mut raw =
                raw::ZeroFilled::create(&file, raw::file_bytes(count + group, bytes), step)?;
            let began = Began::now();
            for group in records.chunks(group).cycle().take(count.div_ceil(group)) {
                raw.append_durably(group)?;
            }
            began.ended(count.next_multiple_of(group))
        }
        Work::Fill => {
            let mut raw = raw::Buffered::create(&file)?;
            let began = Began::now();
            for record in records.iter().cycle().take(count) {
                raw.append(record)?;
            }
            raw.sync()?;
            began.ended(count)
        }
        Work::Read => passes(count, || raw::scan(&file))?,
        Work::Open => {
            let scan = || -> Result<Outcome> {
                let began = Began::now();
                let seen = raw::scan(&file)?;
                ensure!(seen.records > 0, "there is nothing to scan");
                Ok(began.ended(0))
            };
            let scans: Vec<_> = (0..SCANS).map(|_| scan()).collect::<Result<_>>()?;
            let seconds = median(scans.iter().map(|outcome| outcome.seconds));
            Outcome { seconds, ..Outcome::default() }
        }
        Work::Group16 | Work::Memory => bail!("there is no plain loop for that"),
    };
    if turn.work != Work::Read {
        outcome.payload_bytes = payload_bytes(&records, outcome.records as usize)? as f64;
    }
    outcome.device_bytes = device.bytes(&turn.folder)?;
    outcome.disk_bytes = machine::disk_bytes(&turn.folder)? as f64;
    Ok(outcome)
}

/// Every record durable before its append returns.
fn by_threads(store: &impl Store, records: &[&[u8]], count: usize) -> Result<Outcome> {
    let next = AtomicUsize::new(0);
    let appending = || -> Result<()> {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                return Ok(());
            }
            store.append(records[n % records.len()])?;
        }
    };
    let began = Began::now();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(appending)).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result,
            Err(_) => bail!("a thread panicked"),
        })
    })?;
    Ok(began.ended(count))
}

/// Reads all, `count` times.
fn passes(count: usize, read: impl Fn() -> Result<Seen>) -> Result<Outcome> {
    let mut all = Seen::default();
    let began = Began::now();
    for _ in 0..count {
        let seen = std::hint::black_box(read()?);
        all.records += seen.records;
        all.bytes += seen.bytes;
    }
    let mut outcome = began.ended(0);
    (outcome.records, outcome.payload_bytes) = (all.records as f64, all.bytes as f64);
    Ok(outcome)
}

/// Counts what the device is given.
struct Device(Option<u64>);

impl Device {
    fn begin(counts: bool, folder: &Path) -> Result<Self> {
        if !counts {
            return Ok(Self(None));
        }
        machine::flush(folder)?;
        Ok(Self(machine::device_bytes(folder)))
    }

    /// Ends while the store is open.
    fn end(&self, outcome: Outcome, _: &impl Store, folder: &Path) -> Result<Outcome> {
        Ok(Outcome { device_bytes: self.bytes(folder)?, ..outcome })
    }

    fn bytes(&self, folder: &Path) -> Result<f64> {
        let Some(began) = self.0 else { return Ok(0.0) };
        // The device takes some blocks a moment later.
        machine::flush(folder)?;
        thread::sleep(Duration::from_millis(10));
        let ended = machine::device_bytes(folder).unwrap_or(began);
        Ok((ended - began) as f64)
    }
}
