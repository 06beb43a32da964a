//! okaywal: a write-ahead log; its entries are durable when they are committed, and read when it is opened.

use crate::store::{Plan, Purpose, Seen, Store};
use anyhow::{Context, Result, bail};
use okaywal::{
    Configuration, Entry, EntryId, LogManager, ReadChunkResult, SegmentReader, WriteAheadLog,
};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) struct Okaywal {
    log: Option<WriteAheadLog>,
    folder: PathBuf,
}

/// Keeps everything in one segment, which is never checkpointed, because a checkpoint drops it.
fn configuration(folder: PathBuf, bytes: u64) -> Configuration {
    let room = u32::try_from(bytes * 5 / 4 + (16 << 20)).unwrap_or(u32::MAX);
    Configuration::default_for(folder).preallocate_bytes(room).checkpoint_after_bytes(u64::MAX)
}

impl Okaywal {
    fn commit(&self, records: &[&[u8]]) -> Result<()> {
        let mut entry = self.log.as_ref().context("it was opened for reading")?.begin_entry()?;
        for record in records {
            entry.write_chunk(record)?;
        }
        entry.commit()?;
        Ok(())
    }
}

impl Store for Okaywal {
    fn open(plan: Plan<'_>) -> Result<Self> {
        let folder = plan.folder.join("okaywal");
        let log = match plan.purpose {
            Purpose::Reading => None,
            Purpose::Visible | Purpose::Durable => {
                Some(configuration(folder.clone(), plan.bytes).open(Reading::default())?)
            }
        };
        Ok(Self { log, folder })
    }

    fn append(&self, record: &[u8]) -> Result<()> {
        self.commit(&[record])
    }

    fn append_all(&self, records: &[&[u8]]) -> Result<()> {
        self.commit(records)
    }

    fn keep(&self) -> Result<()> {
        Ok(())
    }

    fn read(&self) -> Result<Seen> {
        if self.log.is_some() {
            bail!("it is read when it is opened");
        }
        let reading = Reading::default();
        let seen = Arc::clone(&reading.0);
        drop(configuration(self.folder.clone(), 0).open(reading)?);
        let seen = *seen.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(seen)
    }
}

#[derive(Clone, Debug, Default)]
struct Reading(Arc<Mutex<Seen>>);

impl LogManager for Reading {
    fn recover(&mut self, entry: &mut Entry<'_>) -> io::Result<()> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let ReadChunkResult::Chunk(mut chunk) = entry.read_chunk()? {
            seen.see(&chunk.read_all()?);
            if !chunk.check_crc()? {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(())
    }

    fn checkpoint_to(
        &mut self,
        _: EntryId,
        _: &mut SegmentReader,
        _: &WriteAheadLog,
    ) -> io::Result<()> {
        Err(io::Error::other("a checkpoint drops what is to be measured"))
    }
}
