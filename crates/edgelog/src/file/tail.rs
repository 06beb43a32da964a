//! What was programmed and is not yet written to its file.

use edgelog_map::begin_write_out;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Bytes that are programmed one behind the other, kept until there are enough of them for one write.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    slot: u32,
    start: u32,
    /// How many of the bytes are kept; what is behind them may be lent.
    len: usize,
    bytes: Vec<u8>,
}

/// So many bytes are worth a write by another thread.
pub(crate) const WRITE_LEN: usize = 256 << 10;

/// What is written at once by who waits for nothing has at least this length.
const MUCH: usize = WRITE_LEN / 2;

/// Where writes end that nobody waits for: the system keeps what it is given in larger pieces then, which costs less to write, read and map.
const WRITES_END_AT: u32 = 64 << 10;

impl Tail {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Whether bytes at this place follow those that are kept.
    pub(crate) fn is_followed_by(&self, slot: u32, position: u32) -> bool {
        self.len == 0
            || (slot == self.slot && usize_of(position - self.start.min(position)) == self.len)
    }

    /// Room for `length` bytes behind those that are kept, with any content.
    pub(crate) fn lend(&mut self, length: usize) -> &mut [u8] {
        let end = self.len + length;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(self.len..end).unwrap_or_default()
    }

    /// Keeps the first bytes of what was [lent](Self::lend), at a place that [follows](Self::is_followed_by).
    pub(crate) const fn keep(&mut self, slot: u32, position: u32, length: usize) {
        if self.len == 0 {
            (self.slot, self.start) = (slot, position);
        }
        self.len += length;
    }

    /// Keeps bytes that [follow](Self::is_followed_by).
    pub(crate) fn push(&mut self, slot: u32, position: u32, bytes: &[u8]) {
        self.lend(bytes.len()).copy_from_slice(bytes);
        self.keep(slot, position, bytes.len());
    }

    /// Puts what is kept of a range over what the file had of it.
    pub(crate) fn overlay(&self, slot: u32, position: u32, bytes: &mut [u8]) {
        if slot != self.slot {
            return;
        }
        let (from, at) = (usize_of(position), usize_of(self.start));
        let skipped = at.saturating_sub(from);
        let mut kept = self.kept().get(from.saturating_sub(at)..).unwrap_or_default();
        // Memory does not fail.
        let _ = kept.read(bytes.get_mut(skipped..).unwrap_or_default());
    }

    /// Where what is kept ends in its file.
    pub(crate) fn end(&self) -> u64 {
        u64::from(self.start) + self.len as u64
    }

    pub(crate) const fn slot(&self) -> u32 {
        self.slot
    }

    /// What is kept, which is kept here no longer. What comes next goes into `buffer`, whatever that holds.
    pub(crate) const fn take(&mut self, buffer: Vec<u8>) -> Self {
        let Self { slot, start, len, .. } = *self;
        self.len = 0;
        Self { slot, start, len, bytes: std::mem::replace(&mut self.bytes, buffer) }
    }

    /// As [`take`](Self::take), up to where a write is best ended; the rest stays.
    pub(crate) fn take_most(&mut self, buffer: Vec<u8>) -> Self {
        let mut taken = self.take(buffer);
        let behind = usize::try_from(taken.end() % u64::from(WRITES_END_AT)).unwrap_or(0);
        if let Some(len) = taken.len.checked_sub(behind) {
            taken.len = len;
            let rest = taken.bytes.get(len..len + behind).unwrap_or_default();
            self.push(taken.slot, taken.start + u32::try_from(len).unwrap_or(0), rest);
        }
        taken
    }

    /// Writes what is kept into its file, and gives the buffer back. When it is much, the device begins at once: it has nearly all of a segment
    /// then when that is full and has to be durable before the next one is.
    pub(crate) fn write_to(self, file: &File) -> io::Result<Vec<u8>> {
        file.write_all_at(self.kept(), u64::from(self.start))?;
        if self.len >= MUCH {
            // What fails here is told by the sync.
            let _ = begin_write_out(file, u64::from(self.start)..self.end());
        }
        Ok(self.bytes)
    }

    fn kept(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

fn usize_of(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tail: &Tail, position: u32, length: usize) -> Vec<u8> {
        let mut bytes = vec![b'.'; length];
        tail.overlay(3, position, &mut bytes);
        bytes
    }

    #[test]
    fn of_what_was_lent_nothing_is_there_before_it_is_kept() {
        let mut tail = Tail::default();
        tail.lend(4).copy_from_slice(b"lost");
        assert_eq!((tail.len(), read(&tail, 8, 8)), (0, b"........".to_vec()));
        tail.lend(4).copy_from_slice(b"kept");
        tail.keep(3, 8, 2);
        tail.lend(2).copy_from_slice(b"xx");
        assert_eq!(read(&tail, 8, 8), b"ke......");
        assert!(tail.is_followed_by(3, 10) && !tail.is_followed_by(3, 12));
        tail.push(3, 10, b"pt");
        // A buffer that was used before holds what it held.
        let taken = tail.take(b"what it held".to_vec());
        assert_eq!(
            (read(&taken, 8, 8), read(&tail, 8, 8)),
            (b"kept....".into(), b"........".into())
        );
    }

    #[test]
    fn what_is_behind_the_last_good_end_of_a_write_waits_for_the_next() {
        for start in [0, 1000, 5 * WRITES_END_AT] {
            let mut tail = Tail::default();
            let bytes: Vec<u8> = (0..=250).cycle().take(WRITE_LEN + 700).collect();
            tail.push(3, start, &bytes);
            let end = tail.end();
            let taken = tail.take_most(Vec::new());
            assert_eq!(taken.end(), end / u64::from(WRITES_END_AT) * u64::from(WRITES_END_AT));
            assert_eq!((taken.end(), tail.end()), (u64::from(tail.start), end));
            assert_eq!([taken.kept(), tail.kept()].concat(), bytes);
        }
        let mut little = Tail::default();
        little.push(3, 1000, b"little");
        assert_eq!((little.take_most(Vec::new()).len(), little.len()), (6, 0));
    }
}
