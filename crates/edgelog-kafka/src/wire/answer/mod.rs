//! What a producer keeps of each response. Every type here is a [`Sink`](super::Sink).

mod api_versions;
mod init_producer_id;
mod metadata;
mod partition;
mod producers;
mod stored;

pub use api_versions::{ApiVersions, Offer};
pub use init_producer_id::InitProducerId;
pub use metadata::{Broker, HOST_LEN_MAX, Metadata, PartitionChoice};
pub use partition::{Offsets, Produced};
pub use producers::{HeldProducer, Producers};
pub use stored::{LastBatch, Stored};

use super::{Malformed, Value, id};
use crate::ErrorCode;
use crate::checksum::crc32c;

/// Follows a response to the one partition that was asked about.
#[derive(Clone, Copy, Debug)]
struct Lane {
    topic: u32,
    partition: i32,
    in_topic: bool,
    here: bool,
    seen: bool,
}

impl Lane {
    fn new(topic: &str, partition: i32) -> Self {
        let topic = crc32c(topic.as_bytes());
        Self { topic, partition, in_topic: false, here: false, seen: false }
    }

    /// Takes topic and partition fields; true when the field belongs to the wanted partition.
    fn follow(&mut self, id: u8, value: Value<'_>) -> bool {
        match (id, value) {
            (id::TOPIC, Value::Text(name)) => {
                self.in_topic = crc32c(name) == self.topic;
                self.here = false;
            }
            (id::PARTITION, Value::Int(partition)) => {
                self.here = self.in_topic && partition == i64::from(self.partition);
                self.seen |= self.here;
            }
            _ => {}
        }
        self.here
    }
}

fn narrow<T: TryFrom<i64>>(value: i64) -> Result<T, Malformed> {
    T::try_from(value).map_err(|_| Malformed::Field)
}

fn error_code(value: i64) -> Result<ErrorCode, Malformed> {
    narrow(value).map(ErrorCode)
}

/// A throttle time in milliseconds; a negative one means none.
fn throttle(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(0)
}
