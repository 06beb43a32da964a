//! What every subject can be asked to do.

use anyhow::Result;
use std::path::Path;

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Appends are visible to readers in this process when they return.
    Visible,
    /// Appends survive a power cut when they return.
    Durable,
    /// Nothing is appended.
    Reading,
}

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'p> {
    pub(crate) folder: &'p Path,
    pub(crate) purpose: Purpose,
    /// Bytes of payload that it is to hold at the most.
    pub(crate) bytes: u64,
}

/// What a pass over a store came by.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    /// Of the first byte of each, so that each is looked at.
    sum: u64,
}

impl Seen {
    pub(crate) fn see(&mut self, payload: &[u8]) {
        self.records += 1;
        self.bytes += payload.len() as u64;
        self.sum += u64::from(payload.first().copied().unwrap_or_default());
    }
}

/// An open log, or a table with a running number for a key.
pub(crate) trait Store: Sync + Sized {
    /// Opens or creates it, ready to append.
    fn open(plan: Plan<'_>) -> Result<Self>;

    /// Appends one record.
    fn append(&self, record: &[u8]) -> Result<()>;

    /// Appends several with one call, or with one transaction.
    fn append_all(&self, records: &[&[u8]]) -> Result<()>;

    /// Makes sure that a killed process does not cost what was appended visibly.
    fn keep(&self) -> Result<()>;

    /// Looks at every record in order, and verifies what the store verifies.
    fn read(&self) -> Result<Seen>;

    /// Appends about `count` of `records` in turn, keeps them, and gives how many there are then.
    fn fill(&self, records: &[&[u8]], count: usize) -> Result<usize> {
        let mut done = 0;
        for batch in records.chunks(crate::records::BATCH).cycle() {
            if done >= count {
                break;
            }
            self.append_all(batch)?;
            done += batch.len();
        }
        self.keep()?;
        Ok(done)
    }
}
