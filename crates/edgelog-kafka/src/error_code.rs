//! Kafka's error codes: their names, and what each one means for a batch.

use core::fmt;

/// An error code as it stands in a response; 0 is success.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ErrorCode(pub i16);

/// What an error code in a Produce response says about the batch and about what to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// The batch is in the log and replicated.
    Stored,
    /// The batch may or may not be in the log: wait, then ask the broker.
    Retry,
    /// The broker could not verify the batch's checksum: the link or this device's memory is bad, and
    /// the records may be fine. Connect anew and send again.
    Corrupt,
    /// The sequence does not follow what the broker holds: ask it what it holds.
    OutOfOrder,
    /// The broker has forgotten the producer id and insists on a new one.
    UnknownProducer,
    /// A newer epoch of the producer id exists.
    Fenced,
    /// The broker will not take one of the records, or not so many at once; others may pass. Only codes
    /// that speak of single records mean this, because a caller may leave the record out.
    Rejected,
    /// Nothing will pass until somebody changes the cluster, the topic or the clock: wait long.
    Parked,
}

impl ErrorCode {
    /// No error.
    pub const NONE: Self = Self(0);
    /// The offset is outside the partition's log.
    pub const OFFSET_OUT_OF_RANGE: Self = Self(1);
    /// The batch failed its checksum.
    pub const CORRUPT_MESSAGE: Self = Self(2);
    /// The topic or partition does not exist, or not on this broker.
    pub const UNKNOWN_TOPIC_OR_PARTITION: Self = Self(3);
    /// The partition has no leader at the moment.
    pub const LEADER_NOT_AVAILABLE: Self = Self(5);
    /// The broker is not the partition's leader.
    pub const NOT_LEADER_OR_FOLLOWER: Self = Self(6);
    /// One replica is missing; the leader may be fine.
    pub const REPLICA_NOT_AVAILABLE: Self = Self(9);
    /// The topic's name is not allowed.
    pub const INVALID_TOPIC: Self = Self(17);
    /// The client may not access the topic.
    pub const TOPIC_AUTHORIZATION_FAILED: Self = Self(29);
    /// The batch was already stored.
    pub const DUPLICATE_SEQUENCE_NUMBER: Self = Self(46);

    /// True for code 0.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The code's name in the Kafka protocol, `UNKNOWN` for one this crate does not name.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(code, _)| *code == self.0).map_or("UNKNOWN", |(_, name)| name)
    }

    /// What the code means in a Produce response.
    ///
    /// A code that is not known counts as [`Verdict::Retry`], the only reading that can neither
    /// lose nor double a record.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self.0 {
            0 | 46 => Verdict::Stored,
            2 => Verdict::Corrupt,
            45 => Verdict::OutOfOrder,
            59 => Verdict::UnknownProducer,
            47 | 90 => Verdict::Fenced,
            10 | 18 | 87 => Verdict::Rejected,
            32 | 43 | 44 | 76 => Verdict::Parked,
            _ if self.parks() => Verdict::Parked,
            _ => Verdict::Retry,
        }
    }

    /// True when, whatever was asked, only a change of the topic's name or of access rules can help.
    ///
    /// Code 3 is not among them: whether a topic exists is for Metadata to say, and other brokers
    /// may just not have heard of it.
    #[must_use]
    pub const fn parks(self) -> bool {
        matches!(self.0, 17 | 29 | 31 | 53)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

const NAMES: &[(i16, &str)] = &[
    (-1, "UNKNOWN_SERVER_ERROR"),
    (0, "NONE"),
    (1, "OFFSET_OUT_OF_RANGE"),
    (2, "CORRUPT_MESSAGE"),
    (3, "UNKNOWN_TOPIC_OR_PARTITION"),
    (5, "LEADER_NOT_AVAILABLE"),
    (6, "NOT_LEADER_OR_FOLLOWER"),
    (7, "REQUEST_TIMED_OUT"),
    (8, "BROKER_NOT_AVAILABLE"),
    (9, "REPLICA_NOT_AVAILABLE"),
    (10, "MESSAGE_TOO_LARGE"),
    (13, "NETWORK_EXCEPTION"),
    (14, "COORDINATOR_LOAD_IN_PROGRESS"),
    (15, "COORDINATOR_NOT_AVAILABLE"),
    (16, "NOT_COORDINATOR"),
    (17, "INVALID_TOPIC_EXCEPTION"),
    (18, "RECORD_LIST_TOO_LARGE"),
    (19, "NOT_ENOUGH_REPLICAS"),
    (20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND"),
    (21, "INVALID_REQUIRED_ACKS"),
    (29, "TOPIC_AUTHORIZATION_FAILED"),
    (31, "CLUSTER_AUTHORIZATION_FAILED"),
    (32, "INVALID_TIMESTAMP"),
    (35, "UNSUPPORTED_VERSION"),
    (41, "NOT_CONTROLLER"),
    (42, "INVALID_REQUEST"),
    (43, "UNSUPPORTED_FOR_MESSAGE_FORMAT"),
    (44, "POLICY_VIOLATION"),
    (45, "OUT_OF_ORDER_SEQUENCE_NUMBER"),
    (46, "DUPLICATE_SEQUENCE_NUMBER"),
    (47, "INVALID_PRODUCER_EPOCH"),
    (51, "CONCURRENT_TRANSACTIONS"),
    (53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"),
    (56, "KAFKA_STORAGE_ERROR"),
    (58, "SASL_AUTHENTICATION_FAILED"),
    (59, "UNKNOWN_PRODUCER_ID"),
    (72, "LISTENER_NOT_FOUND"),
    (74, "FENCED_LEADER_EPOCH"),
    (75, "UNKNOWN_LEADER_EPOCH"),
    (76, "UNSUPPORTED_COMPRESSION_TYPE"),
    (78, "OFFSET_NOT_AVAILABLE"),
    (87, "INVALID_RECORD"),
    (89, "THROTTLING_QUOTA_EXCEEDED"),
    (90, "PRODUCER_FENCED"),
    (100, "UNKNOWN_TOPIC_ID"),
    (103, "INCONSISTENT_TOPIC_ID"),
];
