//! The Kafka error codes the facts are about.

/// Success.
pub const NONE: i16 = 0;
/// A fetch below the start or above the end of the log.
pub const OFFSET_OUT_OF_RANGE: i16 = 1;
/// A batch whose checksum does not match.
pub const CORRUPT_MESSAGE: i16 = 2;
/// No such topic or partition on this broker.
pub const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
/// The partition is led by another broker.
pub const NOT_LEADER_OR_FOLLOWER: i16 = 6;
/// Not replicated in time; may be stored.
pub const REQUEST_TIMED_OUT: i16 = 7;
/// A batch above `max.message.bytes`.
pub const MESSAGE_TOO_LARGE: i16 = 10;
/// The broker has no producer ids at hand yet.
pub const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
/// A batch above `segment.bytes`.
pub const RECORD_LIST_TOO_LARGE: i16 = 18;
/// Fewer replicas in sync than `min.insync.replicas`; not stored.
pub const NOT_ENOUGH_REPLICAS: i16 = 19;
/// An `acks` that is not -1, 0 or 1.
pub const INVALID_REQUIRED_ACKS: i16 = 21;
/// A timestamp outside the topic's bounds.
pub const INVALID_TIMESTAMP: i16 = 32;
/// A version the broker does not speak.
pub const UNSUPPORTED_VERSION: i16 = 35;
/// A request that contradicts itself.
pub const INVALID_REQUEST: i16 = 42;
/// A sequence that neither follows nor repeats.
pub const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
/// An epoch below the known one.
pub const INVALID_PRODUCER_EPOCH: i16 = 47;
/// A leader epoch below the partition's.
pub const FENCED_LEADER_EPOCH: i16 = 74;
/// A leader epoch above the partition's.
pub const UNKNOWN_LEADER_EPOCH: i16 = 75;
/// A record the broker's validation refuses.
pub const INVALID_RECORD: i16 = 87;
