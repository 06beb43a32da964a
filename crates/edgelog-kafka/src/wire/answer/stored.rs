//! The batches that are stored behind an offset.

use super::{Lane, error_code, throttle};
use crate::ErrorCode;
use crate::batch::{BatchHeader, BatchScan, SEQUENCE_MODULUS, Scanned};
use crate::wire::{Malformed, Sink, Value, id};

/// The Fetch response for one partition, reduced to one producer's last batch in it.
#[derive(Clone, Debug)]
pub struct Stored {
    lane: Lane,
    producer_id: i64,
    producer_epoch: i16,
    scan: BatchScan,
    /// Milliseconds during which nothing may be sent.
    pub throttle_ms: u32,
    /// The partition's error; `None` when the response does not speak of the partition.
    pub error: Option<ErrorCode>,
    /// Offset behind the last replicated record.
    pub high_watermark: i64,
    /// Offset behind the last batch whose header came; `None` when none came.
    pub next_offset: Option<i64>,
    /// Bytes of stored batches that came.
    pub bytes: u64,
    /// The producer's last batch below the high watermark.
    pub last: Option<LastBatch>,
}

/// The end of a producer's last stored batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastBatch {
    /// Sequence of its last record.
    pub last_sequence: i32,
    /// Partition offset behind its last record.
    pub next_offset: i64,
}

impl Stored {
    /// Gathers what the response says of the producer's batches on `partition` of `topic`.
    #[must_use]
    pub fn new(topic: &str, partition: i32, producer_id: i64, producer_epoch: i16) -> Self {
        Self {
            lane: Lane::new(topic, partition),
            producer_id,
            producer_epoch,
            scan: BatchScan::new(),
            throttle_ms: 0,
            error: None,
            high_watermark: -1,
            next_offset: None,
            bytes: 0,
            last: None,
        }
    }

    fn records(&mut self, mut bytes: &[u8]) -> Result<(), Malformed> {
        self.bytes += bytes.len() as u64;
        while let Some(scanned) = self.scan.next(&mut bytes).map_err(|_| Malformed::Field)? {
            match scanned {
                Scanned::Batch(header) => self.batch(&header),
                Scanned::Old { next_offset } => self.next_offset = Some(next_offset),
            }
        }
        Ok(())
    }

    fn batch(&mut self, header: &BatchHeader) {
        let Some(next_offset) = header.next_offset() else { return };
        self.next_offset = Some(next_offset);
        let ours = header.producer_id == self.producer_id
            && header.producer_epoch == self.producer_epoch
            && next_offset <= self.high_watermark;
        let Ok(base_sequence) = u64::try_from(header.base_sequence) else { return };
        if ours {
            let last = base_sequence + u64::from(header.last_offset_delta.unsigned_abs());
            // The remainder is below 2^31, so the conversion cannot fail.
            let last_sequence = i32::try_from(last % SEQUENCE_MODULUS).unwrap_or(i32::MAX);
            self.last = Some(LastBatch { last_sequence, next_offset });
        }
    }
}

impl Sink for Stored {
    fn field(&mut self, id: u8, value: Value<'_>) -> Result<(), Malformed> {
        let here = self.lane.follow(id, value);
        match (id, value) {
            (id::THROTTLE, Value::Int(millis)) => self.throttle_ms = throttle(millis),
            (id::ERROR, Value::Int(code)) if here => self.error = Some(error_code(code)?),
            (id::HIGH_WATERMARK, Value::Int(offset)) if here => self.high_watermark = offset,
            (id::RECORDS, Value::Bytes(bytes)) if here => self.records(bytes)?,
            _ => {}
        }
        Ok(())
    }
}
