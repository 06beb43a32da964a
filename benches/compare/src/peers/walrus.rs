//! walrus-rust: a write-ahead log with topics. It takes its folder from the environment variable `WALRUS_DATA_DIR`.

use crate::store::{Plan, Purpose, Seen, Store};
use anyhow::Result;
use std::sync::{Mutex, PoisonError};
use walrus_rust::{FsyncSchedule, ReadConsistency, Walrus as Wal};

const TOPIC: &str = "bench";
/// Bytes that are read at once.
const READ: usize = 1 << 20;

pub(crate) struct Walrus {
    log: Wal,
    /// It refuses a batch while another is under way.
    batch: Mutex<()>,
    is_durable: bool,
}

impl Store for Walrus {
    fn open(plan: Plan<'_>) -> Result<Self> {
        // How far it read is not to be stored.
        let consistency = ReadConsistency::AtLeastOnce { persist_every: u32::MAX };
        // A batch is synced in any case; with SyncEach, each of its records would be, too.
        let log = Wal::with_consistency_and_schedule(consistency, FsyncSchedule::NoFsync)?;
        Ok(Self { log, batch: Mutex::default(), is_durable: plan.purpose == Purpose::Durable })
    }

    fn append(&self, record: &[u8]) -> Result<()> {
        if self.is_durable {
            return self.append_all(&[record]);
        }
        Ok(self.log.append_for_topic(TOPIC, record)?)
    }

    /// Always durable.
    fn append_all(&self, records: &[&[u8]]) -> Result<()> {
        let _only = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.log.batch_append_for_topic(TOPIC, records)?)
    }

    fn keep(&self) -> Result<()> {
        Ok(())
    }

    fn read(&self) -> Result<Seen> {
        let mut seen = Seen::default();
        loop {
            let entries = self.log.batch_read_for_topic(TOPIC, READ, true)?;
            for entry in &entries {
                seen.see(&entry.data);
            }
            if entries.is_empty() {
                return Ok(seen);
            }
        }
    }
}
