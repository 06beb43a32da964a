//! What was programmed and is not yet written to its file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Bytes that are programmed one behind the other, kept until there are enough of them for one write.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    slot: u32,
    start: u32,
    bytes: Vec<u8>,
}

/// So many bytes are worth a write by another thread.
pub(crate) const WRITE_LEN: usize = 256 << 10;

impl Tail {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether bytes at this place follow those that are kept.
    pub(crate) fn is_followed_by(&self, slot: u32, position: u32) -> bool {
        self.bytes.is_empty()
            || (slot == self.slot && usize_of(position - self.start.min(position)) == self.len())
    }

    /// Keeps bytes that [follow](Self::is_followed_by).
    pub(crate) fn push(&mut self, slot: u32, position: u32, bytes: &[u8]) {
        if self.bytes.is_empty() {
            (self.slot, self.start) = (slot, position);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Puts what is kept of a range over what the file had of it.
    pub(crate) fn overlay(&self, slot: u32, position: u32, bytes: &mut [u8]) {
        if slot != self.slot {
            return;
        }
        let (from, at) = (usize_of(position), usize_of(self.start));
        let skipped = at.saturating_sub(from);
        let mut kept = self.bytes.get(from.saturating_sub(at)..).unwrap_or_default();
        // Memory does not fail.
        let _ = kept.read(bytes.get_mut(skipped..).unwrap_or_default());
    }

    /// Where what is kept ends in its file.
    pub(crate) fn end(&self) -> u64 {
        u64::from(self.start) + self.bytes.len() as u64
    }

    pub(crate) const fn slot(&self) -> u32 {
        self.slot
    }

    /// What is kept, which is kept here no longer. What comes next goes into `buffer`, which is empty.
    pub(crate) const fn take(&mut self, buffer: Vec<u8>) -> Self {
        let Self { slot, start, .. } = *self;
        Self { slot, start, bytes: std::mem::replace(&mut self.bytes, buffer) }
    }

    /// Writes what is kept into its file, and gives the buffer back, empty.
    pub(crate) fn write_to(mut self, file: &File) -> io::Result<Vec<u8>> {
        file.write_all_at(&self.bytes, u64::from(self.start))?;
        self.bytes.clear();
        Ok(self.bytes)
    }
}

fn usize_of(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
