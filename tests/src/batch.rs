//! A record batch of which every field can be wrong.
//!
//! Written from the format's description, apart from the producer's own encoder, so that the two can judge
//! each other.

use std::time::{SystemTime, UNIX_EPOCH};

use crc::{CRC_32_ISCSI, Crc};

use crate::support::OrFail;

const CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
/// Where the checksum stands, and where what it covers begins.
const CHECKSUM_AT: usize = 17;
const CHECKED_FROM: usize = 21;

/// A producer id with its epoch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Producer {
    /// The id, or -1 for none.
    pub id: i64,
    /// The epoch, or -1 for none.
    pub epoch: i16,
}

impl Producer {
    /// A producer without identity.
    pub const NONE: Self = Self { id: -1, epoch: -1 };

    /// The same id with another epoch.
    #[must_use]
    pub const fn at_epoch(self, epoch: i16) -> Self {
        Self { epoch, ..self }
    }
}

/// One record.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Event {
    /// The key, if there is one.
    pub key: Option<Vec<u8>>,
    /// The value, if there is one.
    pub value: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Milliseconds since 1970.
    pub timestamp: i64,
}

/// A batch as a client sends it.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Who sends it.
    pub producer: Producer,
    /// The sequence of its first record.
    pub base_sequence: i32,
    /// What it carries.
    pub events: Vec<Event>,
    /// The first offset; clients send 0.
    pub base_offset: i64,
    /// Codec, timestamp type, transactional and control bits; 0 from a plain producer.
    pub attributes: i16,
    /// The record count to claim instead of the real one.
    pub claimed_count: Option<i32>,
    /// Whether the checksum is spoiled.
    pub corrupt: bool,
}

impl Batch {
    /// `count` records without keys, stamped now, whose values name their sequence.
    #[must_use]
    pub fn new(producer: Producer, base_sequence: i32, count: usize) -> Self {
        let events = (0..count).map(|at| Event {
            value: Some(format!("event {base_sequence} + {at}").into_bytes()),
            timestamp: now(),
            ..Event::default()
        });
        Self {
            producer,
            base_sequence,
            events: events.collect(),
            base_offset: 0,
            attributes: 0,
            claimed_count: None,
            corrupt: false,
        }
    }

    /// With this timestamp on every record.
    #[must_use]
    pub fn stamped(mut self, timestamp: i64) -> Self {
        self.events.iter_mut().for_each(|event| event.timestamp = timestamp);
        self
    }

    /// With this value in every record.
    #[must_use]
    pub fn with_value(mut self, value: &[u8]) -> Self {
        self.events.iter_mut().for_each(|event| event.value = Some(value.to_vec()));
        self
    }

    /// With this key on every record.
    #[must_use]
    pub fn with_key(mut self, key: &[u8]) -> Self {
        self.events.iter_mut().for_each(|event| event.key = Some(key.to_vec()));
        self
    }

    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let count = i32::try_from(self.events.len()).or_fail("count the records");
        let count = self.claimed_count.unwrap_or(count);
        let first = self.events.first().map_or(-1, |event| event.timestamp);
        let last = self.events.iter().map(|event| event.timestamp).max().unwrap_or(-1);

        let mut bytes = Vec::new();
        bytes.extend(self.base_offset.to_be_bytes());
        bytes.extend(0_i32.to_be_bytes()); // The length, filled in below.
        bytes.extend((-1_i32).to_be_bytes()); // The leader epoch, which the broker sets.
        bytes.push(2);
        bytes.extend(0_u32.to_be_bytes()); // The checksum, filled in below.
        bytes.extend(self.attributes.to_be_bytes());
        bytes.extend((count - 1).to_be_bytes());
        bytes.extend(first.to_be_bytes());
        bytes.extend(last.to_be_bytes());
        bytes.extend(self.producer.id.to_be_bytes());
        bytes.extend(self.producer.epoch.to_be_bytes());
        bytes.extend(self.base_sequence.to_be_bytes());
        bytes.extend(count.to_be_bytes());
        for (at, event) in (0_i64..).zip(&self.events) {
            let record = event.encode(at, first);
            varint(&mut bytes, length(&record));
            bytes.extend(record);
        }

        let length = i32::try_from(bytes.len() - 12).or_fail("measure the batch");
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        let checksum = CASTAGNOLI.checksum(&bytes[CHECKED_FROM..]) ^ u32::from(self.corrupt);
        bytes[CHECKSUM_AT..CHECKED_FROM].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }
}

impl Event {
    fn encode(&self, at: i64, first_timestamp: i64) -> Vec<u8> {
        let mut bytes = vec![0];
        varint(&mut bytes, self.timestamp - first_timestamp);
        varint(&mut bytes, at);
        optional(&mut bytes, self.key.as_deref());
        optional(&mut bytes, self.value.as_deref());
        varint(&mut bytes, length(&self.headers));
        for (key, value) in &self.headers {
            optional(&mut bytes, Some(key.as_bytes()));
            optional(&mut bytes, Some(value));
        }
        bytes
    }
}

/// Milliseconds since 1970 by this machine's clock.
#[must_use]
pub fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).or_fail("read the clock");
    i64::try_from(elapsed.as_millis()).or_fail("count the milliseconds")
}

fn optional(bytes: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) => {
            varint(bytes, length(value));
            bytes.extend(value);
        }
        None => varint(bytes, -1),
    }
}

fn length<T>(of: &[T]) -> i64 {
    i64::try_from(of.len()).or_fail("measure")
}

fn varint(bytes: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest > 0x7f {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push((rest & 0x7f) as u8);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::records::RecordBatchDecoder;

    use super::*;

    #[test]
    fn another_decoder_reads_what_was_meant() {
        let mut batch = Batch::new(Producer { id: 1 << 40, epoch: 3 }, 77, 2).with_key(b"key");
        batch.events[0].timestamp = 1_700_000_000_000;
        batch.events[1].timestamp = 1_699_999_999_000;
        batch.events[1].value = None;
        batch.events[1].headers = vec![("name".to_owned(), b"value".to_vec())];

        let set = RecordBatchDecoder::decode(&mut Bytes::from(batch.encode())).unwrap();

        let records = set.records;
        assert_eq!(records.len(), 2);
        assert!(records.iter().all(|it| it.producer_id == 1 << 40 && it.producer_epoch == 3));
        assert_eq!(records[0].timestamp, 1_700_000_000_000);
        assert_eq!(records[1].timestamp, 1_699_999_999_000);
        assert_eq!(records[0].value.as_deref(), Some(b"event 77 + 0".as_slice()));
        assert_eq!(records[1].value, None);
        assert_eq!(records[1].key.as_deref(), Some(b"key".as_slice()));
        assert_eq!(records[1].headers[b"name".as_slice()].as_deref(), Some(b"value".as_slice()));
        assert_eq!(records[1].sequence, 78);
    }

    #[test]
    fn a_spoiled_checksum_is_one() {
        let mut batch = Batch::new(Producer::NONE, -1, 1);
        batch.corrupt = true;
        assert!(RecordBatchDecoder::decode(&mut Bytes::from(batch.encode())).is_err());
    }
}
