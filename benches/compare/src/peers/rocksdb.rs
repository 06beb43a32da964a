//! RocksDB: a log-structured merge tree behind a write-ahead log.

use super::number;
use crate::store::{Plan, Purpose, Seen, Store};
use anyhow::Result;
use rocksdb::{DB, DBCompressionType, IteratorMode, Options, WriteBatch, WriteOptions};
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) struct Rocksdb {
    database: DB,
    next: AtomicU64,
    is_durable: bool,
}

impl Rocksdb {
    fn key(&self) -> [u8; 8] {
        self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes()
    }

    fn options(&self) -> WriteOptions {
        let mut options = WriteOptions::default();
        options.set_sync(self.is_durable);
        options
    }
}

impl Store for Rocksdb {
    fn open(plan: Plan<'_>) -> Result<Self> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_compression_type(DBCompressionType::None);
        let database = DB::open(&options, plan.folder.join("rocksdb"))?;
        let last = database.iterator(IteratorMode::End).next().transpose()?;
        let next = AtomicU64::new(last.map_or(0, |(key, _)| number(&key) + 1));
        Ok(Self { database, next, is_durable: plan.purpose == Purpose::Durable })
    }

    fn append(&self, record: &[u8]) -> Result<()> {
        Ok(self.database.put_opt(self.key(), record, &self.options())?)
    }

    fn append_all(&self, records: &[&[u8]]) -> Result<()> {
        let mut batch = WriteBatch::default();
        for record in records {
            batch.put(self.key(), record);
        }
        Ok(self.database.write_opt(batch, &self.options())?)
    }

    fn keep(&self) -> Result<()> {
        Ok(self.database.flush_wal(true)?)
    }

    fn read(&self) -> Result<Seen> {
        let mut seen = Seen::default();
        let mut at = self.database.raw_iterator();
        at.seek_to_first();
        while let Some(record) = at.value() {
            seen.see(record);
            at.next();
        }
        at.status()?;
        Ok(seen)
    }
}
