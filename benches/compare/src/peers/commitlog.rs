//! commitlog: segments with an index, appended to through the page cache.

use crate::store::{Plan, Purpose, Seen, Store};
use anyhow::{Context, Result};
use commitlog::message::{MessageBuf, MessageSet};
use commitlog::{CommitLog, LogOptions, ReadLimit};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that are read at once.
const READ: usize = 1 << 20;

pub(crate) struct Commitlog {
    log: Mutex<CommitLog>,
    folder: PathBuf,
    /// The newest segment, through a handle of our own: the library has no way to make it durable.
    newest: Option<File>,
}

impl Commitlog {
    fn log(&self) -> MutexGuard<'_, CommitLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make_durable(&self) -> Result<()> {
        self.newest.as_ref().map_or(Ok(()), |file| Ok(file.sync_data()?))
    }
}

impl Store for Commitlog {
    fn open(plan: Plan<'_>) -> Result<Self> {
        let folder = plan.folder.join("commitlog");
        let log = Mutex::new(CommitLog::new(LogOptions::new(&folder))?);
        let durable = plan.purpose == Purpose::Durable;
        let newest = durable.then(|| newest_segment(&folder)).transpose()?;
        Ok(Self { log, folder, newest })
    }

    fn append(&self, record: &[u8]) -> Result<()> {
        self.log().append_msg(record)?;
        self.make_durable()
    }

    fn append_all(&self, records: &[&[u8]]) -> Result<()> {
        let mut messages = MessageBuf::default();
        for record in records {
            messages.push(record).ok().context("the record is too long")?;
        }
        self.log().append(&mut messages)?;
        self.make_durable()
    }

    fn keep(&self) -> Result<()> {
        self.log().flush()?;
        Ok(newest_segment(&self.folder)?.sync_data()?)
    }

    fn read(&self) -> Result<Seen> {
        let mut seen = Seen::default();
        let log = self.log();
        let mut next = 0;
        loop {
            let messages = log.read(next, ReadLimit::max_bytes(READ))?;
            for message in messages.iter() {
                seen.see(message.payload());
                next = message.offset() + 1;
            }
            if messages.is_empty() {
                return Ok(seen);
            }
        }
    }
}

/// Segments hold a gigabyte, more than a turn appends durably.
fn newest_segment(folder: &Path) -> Result<File> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    Ok(File::open(paths.iter().max().context("there is no segment")?)?)
}
