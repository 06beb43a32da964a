//! The brokers, and the leader of one partition.

use heapless::String;

use super::{error_code, narrow, throttle};
use crate::ErrorCode;
use crate::checksum::crc32c;
use crate::wire::{Malformed, Sink, Value, id};

/// Bytes of a broker's host name at most, the limit of the domain name system with a margin.
pub const HOST_LEN_MAX: usize = 255;

/// A broker as its cluster advertises it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broker {
    /// The broker's number.
    pub node: i32,
    /// Host name or address.
    pub host: String<HOST_LEN_MAX>,
    /// TCP port.
    pub port: u16,
}

/// Which partition of the topic is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PartitionChoice {
    /// This one.
    Fixed(i32),
    /// The one whose number is this hash modulo the number of partitions.
    Hash(u32),
}

/// The Metadata response for one topic.
///
/// Brokers come before leaders, and there may be thousands of either, so one broker is kept: the
/// one asked for, or else the first. When the leader is another one, asking again with its number
/// brings its address.
#[derive(Clone, Debug)]
pub struct Metadata {
    topic: u32,
    choice: PartitionChoice,
    wanted: Option<i32>,
    node: i32,
    keep: bool,
    in_topic: bool,
    error: ErrorCode,
    index: i32,
    /// Milliseconds during which nothing may be sent.
    pub throttle_ms: u32,
    /// Brokers in the cluster.
    pub brokers: u32,
    /// The broker that was asked for, or the first one; `None` when it is not listed.
    pub broker: Option<Broker>,
    /// CRC-32C of the cluster's id, 0 when it has none.
    pub cluster: u32,
    /// The topic's error; `None` when the response does not list the topic.
    pub topic_error: Option<ErrorCode>,
    /// The chosen partition; negative while a hash is not yet reduced.
    pub partition: i32,
    /// The chosen partition's error; `None` when the topic has no such partition.
    pub partition_error: Option<ErrorCode>,
    /// The node that leads the partition; negative when there is none.
    pub leader: i32,
}

impl Metadata {
    /// Gathers one partition of `topic`, and the address of broker `wanted`.
    #[must_use]
    pub fn new(topic: &str, choice: PartitionChoice, wanted: Option<i32>) -> Self {
        Self {
            topic: crc32c(topic.as_bytes()),
            choice,
            wanted,
            node: -1,
            keep: false,
            in_topic: false,
            error: ErrorCode::NONE,
            index: -1,
            throttle_ms: 0,
            brokers: 0,
            broker: None,
            cluster: 0,
            topic_error: None,
            partition: -1,
            partition_error: None,
            leader: -1,
        }
    }

    fn host(&mut self, host: &[u8]) -> Result<(), Malformed> {
        self.keep = match self.wanted {
            Some(wanted) => wanted == self.node,
            None => self.broker.is_none(),
        };
        if self.keep {
            let host = core::str::from_utf8(host).map_err(|_| Malformed::Field)?;
            let host = String::try_from(host).map_err(|_| Malformed::Field)?;
            self.broker = Some(Broker { node: self.node, host, port: 0 });
        }
        Ok(())
    }

    fn port(&mut self, port: i64) -> Result<(), Malformed> {
        match &mut self.broker {
            Some(broker) if self.keep => broker.port = narrow(port)?,
            _ => {}
        }
        Ok(())
    }

    fn choose(&mut self, partitions: u32) {
        if self.in_topic {
            self.partition = match self.choice {
                PartitionChoice::Fixed(partition) => partition,
                PartitionChoice::Hash(hash) => {
                    hash.checked_rem(partitions).and_then(|p| i32::try_from(p).ok()).unwrap_or(-1)
                }
            };
        }
    }
}

impl Sink for Metadata {
    fn field(&mut self, id: u8, value: Value<'_>) -> Result<(), Malformed> {
        match (id, value) {
            (id::THROTTLE, Value::Int(millis)) => self.throttle_ms = throttle(millis),
            (id::BROKERS, Value::Count(count)) => self.brokers = count,
            (id::NODE, Value::Int(node)) => self.node = narrow(node)?,
            (id::HOST, Value::Text(host)) => self.host(host)?,
            (id::PORT, Value::Int(port)) => self.port(port)?,
            (id::CLUSTER, Value::Text(name)) => self.cluster = crc32c(name),
            (id::TOPIC_ERROR, Value::Int(code)) => self.error = error_code(code)?,
            (id::TOPIC, Value::Text(name)) => {
                self.in_topic = crc32c(name) == self.topic;
                if self.in_topic {
                    self.topic_error = Some(self.error);
                }
            }
            (id::PARTITIONS, Value::Count(count)) => self.choose(count),
            (id::ERROR, Value::Int(code)) => self.error = error_code(code)?,
            (id::PARTITION, Value::Int(index)) => self.index = narrow(index)?,
            (id::LEADER, Value::Int(leader)) if self.in_topic && self.index == self.partition => {
                self.partition_error = Some(self.error);
                self.leader = narrow(leader)?;
            }
            _ => {}
        }
        Ok(())
    }
}
