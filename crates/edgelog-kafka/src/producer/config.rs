//! What a producer is told once.

use core::fmt;

use heapless::String;

use crate::wire::answer::PartitionChoice;

/// Bytes of a client id at most.
pub const CLIENT_ID_LEN_MAX: usize = 64;

/// Bytes of a topic name at most, which is Kafka's own limit.
pub const TOPIC_LEN_MAX: usize = 249;

/// Where and how a [`Producer`](super::Producer) sends.
#[derive(Clone, Debug)]
pub struct Config {
    /// The client's name in the broker's logs and quotas.
    pub client_id: String<CLIENT_ID_LEN_MAX>,
    /// The topic.
    pub topic: String<TOPIC_LEN_MAX>,
    /// The partition. A hash is reduced when an anchor is made; the anchor then keeps the partition,
    /// so that adding partitions to the topic does not split the sequence.
    pub partition: PartitionChoice,
    /// Milliseconds the broker may wait for its replicas, 30,000 by default as in Java's client. A
    /// response is awaited for [`RESPONSE_GRACE_MS`] longer, counted from its request or its last
    /// byte.
    pub request_timeout_ms: u32,
    /// Upper bound of the first wait after a failure, 100 ms by default; it doubles with each
    /// further failure.
    pub backoff_base_ms: u32,
    /// Upper bound of every wait, 30,000 ms by default; also how long a parked producer waits.
    pub backoff_cap_ms: u32,
    /// Whether asking for the topic may create it, `false` by default.
    pub allow_auto_create: bool,
    /// Bytes of stored batches read at most when the broker has forgotten this producer, 64 MiB by
    /// default. More find an old batch in a busier partition, and cost more traffic.
    pub scan_bytes_max: u64,
    /// Bytes of stored batches asked for at once, 64 KiB by default.
    pub fetch_bytes: u32,
    /// Where the jitter starts: give each device its own, or a fleet reconnects in step.
    pub seed: u64,
}

/// Milliseconds that a response is awaited beyond [`Config::request_timeout_ms`], for slow links.
pub const RESPONSE_GRACE_MS: u64 = 15_000;

/// A topic name or client id is longer than [`TOPIC_LEN_MAX`] or [`CLIENT_ID_LEN_MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NameTooLong;

impl fmt::Display for NameTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a topic name has at most {TOPIC_LEN_MAX} bytes and a client id {CLIENT_ID_LEN_MAX}"
        )
    }
}

impl core::error::Error for NameTooLong {}

impl Config {
    /// The defaults, for one partition of `topic`.
    ///
    /// # Errors
    ///
    /// [`NameTooLong`].
    pub fn new(
        client_id: &str,
        topic: &str,
        partition: PartitionChoice,
        seed: u64,
    ) -> Result<Self, NameTooLong> {
        Ok(Self {
            client_id: String::try_from(client_id).map_err(|_| NameTooLong)?,
            topic: String::try_from(topic).map_err(|_| NameTooLong)?,
            partition,
            request_timeout_ms: 30_000,
            backoff_base_ms: 100,
            backoff_cap_ms: 30_000,
            allow_auto_create: false,
            scan_bytes_max: 64 << 20,
            fetch_bytes: 64 << 10,
            seed,
        })
    }
}
