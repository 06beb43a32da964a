//! Responses that hold a few numbers about one partition.

use super::{Lane, error_code, throttle};
use crate::ErrorCode;
use crate::wire::{Malformed, Sink, Value, id};

/// The Produce response for one partition.
#[derive(Clone, Copy, Debug)]
pub struct Produced {
    lane: Lane,
    /// Milliseconds during which nothing may be sent.
    pub throttle_ms: u32,
    /// The partition's error; `None` when the response does not speak of the partition.
    pub error: Option<ErrorCode>,
    /// Partition offset of the batch's first record; negative when it is not known.
    pub base_offset: i64,
    /// When the broker appended the batch, milliseconds since 1970; negative when the topic keeps
    /// the records' own timestamps.
    pub log_append_time_ms: i64,
}

impl Produced {
    /// Gathers what the response says of `partition` of `topic`.
    #[must_use]
    pub fn new(topic: &str, partition: i32) -> Self {
        let lane = Lane::new(topic, partition);
        Self { lane, throttle_ms: 0, error: None, base_offset: -1, log_append_time_ms: -1 }
    }
}

impl Sink for Produced {
    fn field(&mut self, id: u8, value: Value<'_>) -> Result<(), Malformed> {
        let here = self.lane.follow(id, value);
        match (id, value) {
            (id::THROTTLE, Value::Int(millis)) => self.throttle_ms = throttle(millis),
            (id::ERROR, Value::Int(code)) if here => self.error = Some(error_code(code)?),
            (id::OFFSET, Value::Int(offset)) if here => self.base_offset = offset,
            (id::APPEND_TIME, Value::Int(time)) if here => self.log_append_time_ms = time,
            _ => {}
        }
        Ok(())
    }
}

/// The ListOffsets response for one partition.
#[derive(Clone, Copy, Debug)]
pub struct Offsets {
    lane: Lane,
    /// Milliseconds during which nothing may be sent.
    pub throttle_ms: u32,
    /// The partition's error; `None` when the response does not speak of the partition.
    pub error: Option<ErrorCode>,
    /// The offset asked for.
    pub offset: i64,
}

impl Offsets {
    /// Gathers what the response says of `partition` of `topic`.
    #[must_use]
    pub fn new(topic: &str, partition: i32) -> Self {
        Self { lane: Lane::new(topic, partition), throttle_ms: 0, error: None, offset: -1 }
    }
}

impl Sink for Offsets {
    fn field(&mut self, id: u8, value: Value<'_>) -> Result<(), Malformed> {
        let here = self.lane.follow(id, value);
        match (id, value) {
            (id::THROTTLE, Value::Int(millis)) => self.throttle_ms = throttle(millis),
            (id::ERROR, Value::Int(code)) if here => self.error = Some(error_code(code)?),
            (id::OFFSET, Value::Int(offset)) if here => {
                self.offset = offset;
                if self.error == Some(ErrorCode::NONE) && offset < 0 {
                    return Err(Malformed::Field);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
