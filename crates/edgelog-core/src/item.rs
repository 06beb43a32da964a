//! What a reader meets.

use crate::format::LONG_HEADER_LEN;
use crate::place::{Frame, Place, to_usize};
use crate::types::{Class, Gap, Identity, TimeQuality, TopicId};

/// One thing that a reader meets.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a consumer must handle both, and there is nothing else"
)]
pub enum Item<'a> {
    /// A record.
    Record(Record<'a>),
    /// Records that are gone, counted.
    Gap(Gap),
}

/// Where a key starts, from the start of the frame: behind its length.
const KEY_AT: usize = LONG_HEADER_LEN as usize + 1;

/// A verified record, borrowed from the caller's buffer or, read in place, from the medium's memory. The payload is aligned as that is, up to
/// 8 bytes or the program word.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Record<'a> {
    /// Its name for ever.
    pub identity: Identity,
    /// Its topic.
    pub topic: TopicId,
    /// Its priority.
    pub class: Class,
    /// When it was appended: ms since 1970-01-01 UTC, never less than the record before it.
    pub time_ms: u64,
    /// What `time_ms` is worth.
    pub time_quality: TimeQuality,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// The event.
    pub payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// The same record with its key and payload lent by another: of a copy, say.
    #[must_use]
    pub const fn with_bytes<'b>(&self, key: Option<&'b [u8]>, payload: &'b [u8]) -> Record<'b> {
        let Self { identity, topic, class, time_ms, time_quality, .. } = *self;
        Record { identity, topic, class, time_ms, time_quality, key, payload }
    }

    /// Of a frame that `behind` has just stepped over and that is in `buffer` from its first byte. `Err`: the bytes that the buffer needs
    /// to hold it.
    #[inline]
    pub(crate) fn before(behind: &Place, frame: &Frame, buffer: &'a [u8]) -> Result<Self, usize> {
        let payload = to_usize(frame.payload_at)..to_usize(frame.payload_end());
        let Some(payload) = buffer.get(payload) else {
            return Err(to_usize(frame.length));
        };
        let key = || buffer.get(KEY_AT..to_usize(frame.head_len)).unwrap_or_default();
        // What a step changes besides the offset says the same of the frame when it is done.
        let Place { log, epoch, offset, time, .. } = *behind;
        Ok(Self {
            identity: Identity { log, epoch, offset: offset - 1 },
            topic: TopicId(frame.header.topic),
            class: frame.header.class,
            time_ms: time,
            time_quality: behind.time_quality(&frame.header),
            key: frame.header.has_key.then(key),
            payload,
        })
    }
}
