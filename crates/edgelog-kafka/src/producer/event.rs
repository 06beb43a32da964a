//! What a person should know.

use core::fmt;

use crate::ErrorCode;
use crate::wire::answer::Offer;
use crate::wire::{Api, Malformed};

/// Something that happened and that somebody may have to act on. `Display` is a sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The peer's first answer is not one of a Kafka broker.
    NotKafka(Malformed),
    /// A later answer is not what the protocol says.
    Malformed {
        /// What it should have answered; `None` when nothing was asked.
        api: Option<Api>,
        /// What is wrong.
        why: Malformed,
    },
    /// No answer came in time.
    TimedOut {
        /// What was asked; `None` when the connection did not open.
        api: Option<Api>,
    },
    /// The broker answered with an error that may pass.
    Refused {
        /// What was asked.
        api: Api,
        /// The answer.
        code: ErrorCode,
    },
    /// Nothing can be sent until somebody changes something. Said once per reason.
    Parked(ParkReason),
    /// The anchor was made for another cluster.
    ClusterChanged,
    /// The anchor was made for another topic or partition.
    TopicChanged,
    /// The broker no longer holds records that it had acknowledged.
    DataLossOnBroker {
        /// First index that is lost.
        from: u64,
        /// Index behind the last one that is lost.
        to: u64,
    },
    /// The partition ends before records that it had acknowledged.
    PartitionShrank {
        /// The offset at which it ends.
        end: i64,
        /// The offset up to which it was acknowledged.
        acknowledged: i64,
    },
    /// The broker holds records of this producer id that were never sent from here.
    AheadOfLog {
        /// Index behind the last record that the broker holds.
        held: u64,
        /// Index behind the last record that can have been sent from here.
        end: u64,
    },
    /// Somebody uses this producer id with a newer epoch.
    Fenced,
    /// The broker insists on a new producer id.
    ProducerForgotten,
    /// Nothing tells any more whether these records are stored; they are sent again.
    PossibleDuplicates {
        /// First such index.
        from: u64,
        /// Index behind the last one.
        to: u64,
    },
    /// These records are appended, but reading them back to confirm it was not possible.
    Unconfirmed {
        /// First such index.
        from: u64,
        /// Index behind the last one.
        to: u64,
    },
}

/// Why nothing can be sent until somebody changes something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ParkReason {
    /// The topic does not exist.
    UnknownTopic,
    /// The topic has no such partition.
    UnknownPartition(i32),
    /// The broker will not do this for this client, this topic name, or under these settings.
    Refused {
        /// What was asked.
        api: Api,
        /// The answer.
        code: ErrorCode,
    },
    /// The broker refuses the record at this index, and also whatever the caller could send in its
    /// place.
    NothingAccepted {
        /// The record's index.
        index: u64,
        /// The answer.
        code: ErrorCode,
    },
    /// The broker does not speak the version of an API that this crate speaks.
    Unsupported {
        /// The API.
        api: Api,
        /// What the broker offers of it; `None` when it does not know it.
        offer: Option<Offer>,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotKafka(why) => write!(
                f,
                "the peer does not answer as a Kafka broker: {why}; \
                 check host, port and whether the listener expects TLS"
            ),
            Self::Malformed { api: Some(api), why } => {
                write!(f, "the {api} response is malformed: {why}; connecting again")
            }
            Self::Malformed { api: None, why } => {
                write!(f, "the broker broke the protocol: {why}; connecting again")
            }
            Self::TimedOut { api: Some(api) } => {
                write!(f, "no {api} response came in time; connecting again")
            }
            Self::TimedOut { api: None } => f.write_str("the connection did not open in time"),
            Self::Refused { api, code } => write!(f, "{api} failed with {code}; trying again"),
            Self::Parked(reason) => {
                write!(f, "{reason}; all records are kept, trying again now and then")
            }
            Self::ClusterChanged => f.write_str(
                "this is another cluster than before; sending goes on behind the last \
                 acknowledged record",
            ),
            Self::TopicChanged => f.write_str(
                "the topic or partition was changed; sending goes on behind the last \
                 acknowledged record",
            ),
            _ => self.fmt_records(f),
        }
    }
}

impl Event {
    /// The sentences on what became of records.
    fn fmt_records(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataLossOnBroker { from, to } => write!(
                f,
                "the broker lost records {from} to {to} (exclusive) after acknowledging them; \
                 they are sent again if they are still held here"
            ),
            Self::PartitionShrank { end, acknowledged } => write!(
                f,
                "the partition ends at offset {end} though it had acknowledged up to \
                 {acknowledged}; it was cut or made anew, sending goes on"
            ),
            Self::AheadOfLog { held, end } => write!(
                f,
                "the broker holds records up to {held}, but only those before {end} can have been \
                 sent from here; the storage was cloned or rolled back, a new producer id is taken"
            ),
            Self::Fenced => f.write_str(
                "another client uses this producer id with a newer epoch; look for a cloned \
                 device, a new producer id is taken",
            ),
            Self::ProducerForgotten => {
                f.write_str("the broker does not know this producer id; a new one is taken")
            }
            Self::PossibleDuplicates { from, to } => write!(
                f,
                "nothing tells any more whether records {from} to {to} (exclusive) are stored; \
                 they are sent again and may be there twice"
            ),
            Self::Unconfirmed { from, to } => write!(
                f,
                "records {from} to {to} (exclusive) are appended but could not be read back; \
                 they stay unacknowledged until a later batch is"
            ),
            _ => Ok(()),
        }
    }
}

impl ParkReason {
    /// Whether only sending a batch can tell that it holds no longer.
    pub(super) const fn concerns_batches(&self) -> bool {
        matches!(self, Self::NothingAccepted { .. } | Self::Refused { api: Api::Produce, .. })
    }
}

impl fmt::Display for ParkReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTopic => f.write_str("the topic does not exist; create it"),
            Self::UnknownPartition(partition) => {
                write!(f, "the topic has no partition {partition}; correct the configuration")
            }
            Self::Refused { api, code } => {
                write!(f, "{api} is refused with {code}; {}", remedy(*code))
            }
            Self::NothingAccepted { index, code } => write!(
                f,
                "record {index} is refused with {code}, and so is the record that would stand in its \
                 place; {}",
                remedy(*code)
            ),
            Self::Unsupported { api, offer: Some(offer) } => write!(
                f,
                "{api} version {} is needed and the broker offers {} to {}",
                api.version(),
                offer.min,
                offer.max
            ),
            Self::Unsupported { api, offer: None } => write!(
                f,
                "{api} version {} is needed and the broker does not offer it",
                api.version()
            ),
        }
    }
}

/// What a person can do about a refusal.
const fn remedy(code: ErrorCode) -> &'static str {
    match code.0 {
        10 | 18 => "raise max.message.bytes on the topic",
        17 => "correct the topic's name",
        32 => {
            "set message.timestamp.type=LogAppendTime on the topic, or raise its \
             message.timestamp.before.max.ms for old records, or set this device's clock if it is \
             ahead"
        }
        43 => "raise the topic's message format to version 2 (Kafka 0.11)",
        44 => "a policy of the broker forbids it: change the policy, or the topic's settings",
        76 => "set compression.type on the topic to one that the broker supports",
        87 => {
            "a compacted topic takes no records without a key: set cleanup.policy=delete on the \
             topic, or see in the broker's log what it requires"
        }
        _ => "grant WRITE, DESCRIBE and READ on the topic, or correct the topic's name",
    }
}
