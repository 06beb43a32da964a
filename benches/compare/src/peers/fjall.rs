//! fjall: a log-structured merge tree.

use super::number;
use crate::store::{Plan, Purpose, Seen, Store};
use anyhow::Result;
use fjall::config::CompressionPolicy;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) struct Fjall {
    database: Database,
    log: Keyspace,
    next: AtomicU64,
    persist: Option<PersistMode>,
}

impl Fjall {
    fn key(&self) -> [u8; 8] {
        self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes()
    }
}

impl Store for Fjall {
    fn open(plan: Plan<'_>) -> Result<Self> {
        let database = Database::builder(plan.folder.join("fjall"))
            .journal_compression(CompressionType::None)
            .open()?;
        let log = database.keyspace("log", || {
            KeyspaceCreateOptions::default()
                .data_block_compression_policy(CompressionPolicy::disabled())
        })?;
        let last = log.last_key_value().map(|entry| entry.key()).transpose()?;
        let next = AtomicU64::new(last.map_or(0, |key| number(&key) + 1));
        let persist = (plan.purpose == Purpose::Durable).then_some(PersistMode::SyncData);
        Ok(Self { database, log, next, persist })
    }

    fn append(&self, record: &[u8]) -> Result<()> {
        self.log.insert(self.key(), record)?;
        if let Some(mode) = self.persist {
            self.database.persist(mode)?;
        }
        Ok(())
    }

    fn append_all(&self, records: &[&[u8]]) -> Result<()> {
        let mut batch = self.database.batch().durability(self.persist);
        for record in records {
            batch.insert(&self.log, self.key(), *record);
        }
        Ok(batch.commit()?)
    }

    fn keep(&self) -> Result<()> {
        Ok(self.database.persist(PersistMode::SyncData)?)
    }

    fn read(&self) -> Result<Seen> {
        let mut seen = Seen::default();
        for entry in self.log.iter() {
            seen.see(&entry.value()?);
        }
        Ok(seen)
    }
}
