//! What is appended, and in which order it must be met.

use crate::chaos::Random;
use anyhow::{Context, Result, ensure};
use edgelog::{GapReason, Item};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A record's name: which run's which thread appended it, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::crash) struct Name {
    pub(in crate::crash) run: u32,
    pub(in crate::crash) thread: u32,
    pub(in crate::crash) number: u64,
}

const NAME_LEN: usize = 16;
const FILL_LEN_MAX: u64 = 240;

impl Name {
    /// Its name, and behind it 0 to 239 bytes that follow from the name: no other bytes are this record's.
    pub(in crate::crash) fn payload(&self) -> Vec<u8> {
        let Self { run, thread, number } = *self;
        let mut bytes = Vec::from(run.to_le_bytes());
        bytes.extend(thread.to_le_bytes());
        bytes.extend(number.to_le_bytes());
        let mut random = Random(u64::from(run) << 40 ^ u64::from(thread) << 32 ^ number);
        let length = NAME_LEN + usize::try_from(random.below(FILL_LEN_MAX)).unwrap_or(0);
        while bytes.len() < length {
            bytes.extend(random.next().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    /// Of a payload that is whole.
    fn of(payload: &[u8]) -> Option<Self> {
        let (run, rest) = payload.split_first_chunk()?;
        let (thread, rest) = rest.split_first_chunk()?;
        let (number, _) = rest.split_first_chunk()?;
        let (run, thread) = (u32::from_le_bytes(*run), u32::from_le_bytes(*thread));
        let name = Self { run, thread, number: u64::from_le_bytes(*number) };
        (name.payload() == payload).then_some(name)
    }
}

/// Checks what is met one behind the other: every offset once, epochs that do not fall, and of each thread one number after the other.
#[derive(Debug)]
pub(in crate::crash) struct Order {
    /// The next offset.
    pub(in crate::crash) next: u64,
    epoch: u32,
    /// What is below was let go, perhaps by clearing it in part.
    evicted: u64,
    /// Of each run's thread the next number, and whether it may be a greater one because there was a gap.
    threads: BTreeMap<(u32, u32), (u64, bool)>,
}

impl Order {
    /// From this offset on.
    pub(in crate::crash) const fn from(offset: u64) -> Self {
        Self { next: offset, epoch: 0, evicted: 0, threads: BTreeMap::new() }
    }

    /// What is below `evicted` was let go, and a power cut may have left it cleared in part.
    pub(in crate::crash) fn cut_below(self, evicted: u64) -> Self {
        Self { evicted, ..self }
    }

    /// The epoch and name of a record, nothing of a gap.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(in crate::crash) fn take(&mut self, item: &Item<'_>) -> Result<Option<(u32, Name)>> {
        let record = match item {
            Item::Record(record) => record,
            Item::Gap(gap) => {
                let next = self.next;
                ensure!(gap.from == next && gap.to > next, "{gap:?} where {next} is due");
                let is_gone = gap.reason == GapReason::Evicted || gap.to <= self.evicted;
                ensure!(is_gone, "nothing was damaged, but {gap:?}");
                self.next = gap.to;
                self.threads.values_mut().for_each(|(_, skips)| *skips = true);
                return Ok(None);
            }
        };
        let (offset, epoch) = (record.identity.offset, record.identity.epoch);
        ensure!(offset == self.next, "record {offset} where {} is due", self.next);
        ensure!(epoch >= self.epoch, "record {offset} has epoch {epoch} behind {}", self.epoch);
        let name = Name::of(record.payload).with_context(|| {
            format!("record {offset} of epoch {epoch} is not what was appended")
        })?;
        if let Some(&(due, skips)) = self.threads.get(&(name.run, name.thread)) {
            let fits = if skips { name.number >= due } else { name.number == due };
            ensure!(fits, "record {offset} is {name:?} where its thread's number {due} is due");
        }
        self.threads.insert((name.run, name.thread), (name.number + 1, false));
        (self.next, self.epoch) = (offset + 1, epoch);
        Ok(Some((epoch, name)))
    }
}
