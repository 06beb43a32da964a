//! The 61-byte header.

use super::HEADER_LEN;
use crate::bytes::field;
use crate::checksum::crc32c;

/// The identity of a batch: who sends it, and its first record's sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// The producer id, from InitProducerId.
    pub producer_id: i64,
    /// The producer epoch.
    pub producer_epoch: i16,
    /// Sequence of the first record, 0 to 2^31 - 1.
    pub base_sequence: i32,
}

/// The fields of a batch header that say where a batch is and whose it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchHeader {
    /// Partition offset of the first record.
    pub base_offset: i64,
    /// Bytes of the whole batch, header included.
    pub len: u64,
    /// Offset of the last record minus the first's; at least 0.
    pub last_offset_delta: i32,
    /// Timestamp of the first record, milliseconds since 1970.
    pub base_timestamp: i64,
    /// Greatest timestamp, milliseconds since 1970.
    pub max_timestamp: i64,
    /// Producer id, -1 when the batch is not idempotent.
    pub producer_id: i64,
    /// Producer epoch, -1 when the batch is not idempotent.
    pub producer_epoch: i16,
    /// Sequence of the first record, -1 when the batch is not idempotent.
    pub base_sequence: i32,
    /// Records in the batch.
    pub count: i32,
}

impl BatchHeader {
    /// Reads a header; `None` when magic is not 2 or a length or count is impossible.
    ///
    /// The checksum is not verified: it covers the records, which need not be at hand.
    #[must_use]
    pub fn parse(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let length = i32::from_be_bytes(field(bytes, 8)?);
        let header = Self {
            base_offset: i64::from_be_bytes(field(bytes, 0)?),
            len: u64::try_from(length).ok()? + 12,
            last_offset_delta: i32::from_be_bytes(field(bytes, 23)?),
            base_timestamp: i64::from_be_bytes(field(bytes, 27)?),
            max_timestamp: i64::from_be_bytes(field(bytes, 35)?),
            producer_id: i64::from_be_bytes(field(bytes, 43)?),
            producer_epoch: i16::from_be_bytes(field(bytes, 51)?),
            base_sequence: i32::from_be_bytes(field(bytes, 53)?),
            count: i32::from_be_bytes(field(bytes, 57)?),
        };
        let [magic] = field(bytes, 16)?;
        let sane = magic == 2
            && header.len >= HEADER_LEN as u64
            && header.base_offset >= 0
            && header.last_offset_delta >= 0
            && header.next_offset().is_some();
        sane.then_some(header)
    }

    /// Offset behind the last record; `None` when it would pass 2^63 - 1.
    #[must_use]
    pub fn next_offset(&self) -> Option<i64> {
        self.base_offset.checked_add(i64::from(self.last_offset_delta))?.checked_add(1)
    }
}

/// Writes the identity and the checksum of a batch that is otherwise complete.
pub(super) fn write_stamp(batch: &mut [u8], stamp: Stamp) {
    put(batch, 43, &stamp.producer_id.to_be_bytes());
    put(batch, 51, &stamp.producer_epoch.to_be_bytes());
    put(batch, 53, &stamp.base_sequence.to_be_bytes());
    let crc = crc32c(batch.get(21..).unwrap_or_default());
    put(batch, 17, &crc.to_be_bytes());
}

/// Copies `bytes` to `at`, or does nothing when they would not fit.
pub(super) fn put(buffer: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(target) = at.checked_add(bytes.len()).and_then(|end| buffer.get_mut(at..end)) {
        target.copy_from_slice(bytes);
    }
}
