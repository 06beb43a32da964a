//! Records that follow each other, in memory, as readers get them.

use edgelog_core::{Class, Record, TopicId};
use std::ops::Range;

/// Bytes of a block that is full, with what is known of each record.
pub(crate) const BLOCK_LEN: usize = 16 << 10;
/// Bytes of the longest record that is taken, into a block of its own.
const LARGE_MAX: usize = 1 << 20;
/// What a payload is aligned to: as much as in a file.
const ALIGNMENT: usize = 8;

/// Some records, in up to [`BLOCK_LEN`] bytes, or one that is larger.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// The first record without its bytes: what all records share is taken from it.
    first: Option<Record<'static>>,
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    time_ms: u64,
    /// Where the payload begins. The key stands before it.
    payload_at: u32,
    payload_len: u32,
    topic: TopicId,
    class: Class,
    key_len: Option<u8>,
}

impl Block {
    pub(crate) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The offsets of its records.
    #[inline]
    pub(crate) fn offsets(&self) -> Range<u64> {
        let first = self.first.map_or(0, |first| first.identity.offset);
        first..first + self.entries.len() as u64
    }

    /// Forgets the records and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.first = None;
        self.entries.clear();
        self.bytes.clear();
    }

    /// Takes a copy of a record; whether it did: one must follow those that are here, be of their epoch, and have room.
    pub(crate) fn push(&mut self, record: &Record<'_>) -> bool {
        let key = record.key.unwrap_or_default();
        let most = key.len() + record.payload.len() + 2 * ALIGNMENT + size_of::<Entry>();
        let limit = if self.is_empty() { LARGE_MAX } else { BLOCK_LEN };
        if self.used() + most > limit {
            return false;
        }
        let first = self.first.get_or_insert_with(|| record.with_bytes(None, &[]));
        let shared = |of: &Record<'_>| (of.identity.log, of.identity.epoch, of.time_quality);
        if shared(first) != shared(record) || self.offsets().end != record.identity.offset {
            return false;
        }
        if self.bytes.is_empty() {
            // All at once: bytes that moved would not be aligned any more.
            self.bytes.reserve_exact(most.max(BLOCK_LEN));
        }
        let unaligned = self.bytes.as_ptr().addr() + self.bytes.len() + key.len();
        let padding = unaligned.next_multiple_of(ALIGNMENT) - unaligned;
        if padding + key.len() > 0 {
            self.bytes.resize(self.bytes.len() + padding, 0);
            self.bytes.extend_from_slice(key);
        }
        // Lossless: they fit a block.
        let to_u32 = |length| u32::try_from(length).unwrap_or(u32::MAX);
        self.entries.push(Entry {
            time_ms: record.time_ms,
            payload_at: to_u32(self.bytes.len()),
            payload_len: to_u32(record.payload.len()),
            topic: record.topic,
            class: record.class,
            key_len: record.key.map(|key| u8::try_from(key.len()).unwrap_or(u8::MAX)),
        });
        self.bytes.extend_from_slice(record.payload);
        true
    }

    /// Whether the record at `offset` is here.
    #[inline]
    pub(crate) fn has(&self, offset: u64) -> bool {
        self.offsets().contains(&offset)
    }

    /// The record at `offset`, if it is here.
    #[inline]
    pub(crate) fn get(&self, offset: u64) -> Option<Record<'_>> {
        let first = self.first.as_ref()?;
        let at = usize::try_from(offset.checked_sub(first.identity.offset)?).ok()?;
        let entry = self.entries.get(at)?;
        let payload_at = to_usize(entry.payload_at);
        let key = match entry.key_len {
            Some(length) => Some(self.bytes.get(payload_at - usize::from(length)..payload_at)?),
            None => None,
        };
        let payload = self.bytes.get(payload_at..payload_at + to_usize(entry.payload_len))?;
        let mut record = first.with_bytes(key, payload);
        record.identity.offset = offset;
        (record.topic, record.class, record.time_ms) = (entry.topic, entry.class, entry.time_ms);
        Some(record)
    }

    /// Has copies of the records of `other` from `offset` on, and nothing else.
    pub(crate) fn copy_from(&mut self, other: &Self, offset: u64) {
        self.clear();
        let Range { start, end } = other.offsets();
        for record in (offset.max(start)..end).filter_map(|offset| other.get(offset)) {
            // What had room there has room here.
            self.push(&record);
        }
    }

    /// Whether it holds one record that is larger than a block.
    pub(crate) const fn is_large(&self) -> bool {
        self.used() > BLOCK_LEN
    }

    /// Bytes that its records may take.
    pub(crate) const fn room(&self) -> usize {
        self.bytes.capacity()
    }

    const fn used(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Entry>()
    }
}

const fn to_usize(length: u32) -> usize {
    length as usize
}
