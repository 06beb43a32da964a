//! The sequences that a broker holds.

use super::{Lane, error_code, narrow, throttle};
use crate::ErrorCode;
use crate::wire::{Malformed, Sink, Value, id};

/// What a broker holds of one producer id on one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeldProducer {
    /// The producer's epoch.
    pub epoch: i32,
    /// Sequence of the last record appended, -1 for none.
    pub last_sequence: i32,
}

/// The DescribeProducers response for one partition and one producer id.
#[derive(Clone, Copy, Debug)]
pub struct Producers {
    lane: Lane,
    wanted: i64,
    ours: bool,
    epoch: i32,
    /// Milliseconds during which nothing may be sent.
    pub throttle_ms: u32,
    /// The partition's error; `None` when the response does not speak of the partition.
    pub error: Option<ErrorCode>,
    /// What is held of the producer id; `None` when the broker does not know it.
    pub held: Option<HeldProducer>,
}

impl Producers {
    /// Gathers what the response says of `producer_id` on `partition` of `topic`.
    #[must_use]
    pub fn new(topic: &str, partition: i32, producer_id: i64) -> Self {
        let lane = Lane::new(topic, partition);
        Self {
            lane,
            wanted: producer_id,
            ours: false,
            epoch: -1,
            throttle_ms: 0,
            error: None,
            held: None,
        }
    }
}

impl Sink for Producers {
    fn field(&mut self, id: u8, value: Value<'_>) -> Result<(), Malformed> {
        let here = self.lane.follow(id, value);
        match (id, value) {
            (id::THROTTLE, Value::Int(millis)) => self.throttle_ms = throttle(millis),
            (id::ERROR, Value::Int(code)) if here => self.error = Some(error_code(code)?),
            (id::PRODUCER_ID, Value::Int(producer)) => self.ours = here && producer == self.wanted,
            (id::PRODUCER_EPOCH, Value::Int(epoch)) if self.ours => self.epoch = narrow(epoch)?,
            (id::LAST_SEQUENCE, Value::Int(sequence)) if self.ours => {
                let last_sequence = narrow(sequence)?;
                self.held = Some(HeldProducer { epoch: self.epoch, last_sequence });
            }
            _ => {}
        }
        Ok(())
    }
}
