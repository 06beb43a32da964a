//! A producer id.

use super::{error_code, narrow, throttle};
use crate::ErrorCode;
use crate::wire::{Malformed, Sink, Value, id};

/// The InitProducerId response.
#[derive(Clone, Copy, Debug, Default)]
pub struct InitProducerId {
    /// Milliseconds during which nothing may be sent.
    pub throttle_ms: u32,
    /// The broker's error.
    pub error: ErrorCode,
    /// The new producer id; not negative unless there is an error.
    pub producer_id: i64,
    /// Its epoch; not negative unless there is an error.
    pub producer_epoch: i16,
}

impl Sink for InitProducerId {
    fn field(&mut self, id: u8, value: Value<'_>) -> Result<(), Malformed> {
        match (id, value) {
            (id::THROTTLE, Value::Int(millis)) => self.throttle_ms = throttle(millis),
            (id::ERROR, Value::Int(code)) => self.error = error_code(code)?,
            (id::PRODUCER_ID, Value::Int(producer)) => self.producer_id = producer,
            (id::PRODUCER_EPOCH, Value::Int(epoch)) => {
                self.producer_epoch = narrow(epoch)?;
                if self.error.is_none() && (self.producer_id < 0 || epoch < 0) {
                    return Err(Malformed::Field);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
