//! What a reader meets.

use crate::geometry::Geometry;
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
    /// Of a record's frame that `place` has stepped over. Otherwise as [`of`](Self::of).
    #[inline]
    pub(crate) fn behind(
        place: &Place,
        frame: &Frame,
        geometry: &Geometry,
        buffer: &'a [u8],
    ) -> Result<Self, usize> {
        // What else a step changes says the same of a frame before it and behind it.
        let mut record = Self::of(place, frame, geometry, buffer)?;
        record.identity.offset -= 1;
        Ok(record)
    }

    /// The same record with its key and payload lent by another: of a copy, say.
    #[must_use]
    pub const fn with_bytes<'b>(&self, key: Option<&'b [u8]>, payload: &'b [u8]) -> Record<'b> {
        let Self { identity, topic, class, time_ms, time_quality, .. } = *self;
        Record { identity, topic, class, time_ms, time_quality, key, payload }
    }

    /// Of a frame that stands at `place` and is in `buffer` from its first byte. `Err`: the bytes that the buffer needs to hold it.
    #[inline]
    pub(crate) fn of(
        place: &Place,
        frame: &Frame,
        geometry: &Geometry,
        buffer: &'a [u8],
    ) -> Result<Self, usize> {
        let head_len = to_usize(frame.head_len());
        let key_at = head_len - to_usize(frame.key_len);
        let payload_at = to_usize(frame.payload_at(geometry));
        let payload_end = to_usize(frame.payload_end(geometry));
        if payload_end > buffer.len() {
            return Err(to_usize(frame.length));
        }
        Ok(Self {
            identity: Identity { log: place.log, epoch: place.epoch, offset: place.offset },
            topic: TopicId(frame.header.topic),
            class: frame.header.class,
            time_ms: place.time_of(&frame.header),
            time_quality: place.time_quality(&frame.header),
            key: frame.header.has_key.then(|| buffer.get(key_at..head_len).unwrap_or_default()),
            payload: buffer.get(payload_at..payload_end).unwrap_or_default(),
        })
    }
}
