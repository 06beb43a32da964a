//! What a producer asks of its driver.

use super::{Anchor, Event, ParkReason};
use crate::{ErrorCode, Instant};

/// The next thing to be done for a [`Producer`](super::Producer).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Action {
    /// Open a connection, then call `handle_connected` or `connect_failed`.
    Connect(Target),
    /// Close the connection, or stop opening it. `handle_disconnected` need not be called.
    Disconnect,
    /// Call `poll_transmit` and send the bytes that it writes.
    Transmit {
        /// Send the bytes of the batch that `produce` announced right behind them.
        with_batch: bool,
    },
    /// Make the anchor durable, then call `anchor_persisted`. No batch is sent under an anchor that
    /// is not. Asked once; if it cannot be done now, do it later.
    PersistAnchor(Anchor),
    /// Nothing is in flight: a batch that starts at this index may be announced by `produce`, now
    /// or later. Said once until something changes.
    ReadyFor {
        /// The index. It can be lower than one that was named before, after
        /// [`Event::DataLossOnBroker`]; a caller that no longer holds it calls `rebase`.
        index: u64,
    },
    /// Every record before `next_index` is replicated in the partition and may be forgotten.
    Acknowledged {
        /// First index that is not acknowledged.
        next_index: u64,
        /// Partition offset behind the last acknowledged record, when known.
        next_offset: Option<i64>,
        /// When the broker appended the batch, milliseconds since 1970; `None` when the topic keeps
        /// the records' own timestamps.
        log_append_time_ms: Option<i64>,
    },
    /// The broker refused the batch for good and holds nothing of it. Announce a smaller one, put
    /// another record in place of the bad one, leave it out and `rebase`, or call `park_rejected`. A
    /// wait comes first.
    Rejected {
        /// Index of the batch's first record.
        index: u64,
        /// Records in the batch.
        count: u32,
        /// Why.
        code: ErrorCode,
    },
    /// Something a person should know.
    Report(Event),
    /// Nothing until the next input or until `poll_timeout`.
    Idle,
}

/// Where to connect to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// One of the addresses that the driver was given.
    Bootstrap {
        /// Counts up by one each time, so that the driver can take turns.
        attempt: u32,
    },
    /// The partition's leader, whose address is [`Producer::leader`](super::Producer::leader).
    Leader,
}

/// What a producer is doing, for a line of status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum State {
    /// Switched off by `suspend`.
    Suspended,
    /// Not connected, about to connect.
    Disconnected,
    /// A connection is being opened.
    Connecting,
    /// Asking what the broker speaks.
    Negotiating,
    /// Finding the leader, the producer id, or what the broker holds.
    Resolving,
    /// Sending, or ready to send.
    Streaming,
    /// Waiting for somebody to change the cluster or the configuration; tried again now and then.
    Parked(ParkReason),
    /// Waiting after a failure, or because the broker asked for it.
    Backoff {
        /// When it goes on.
        until: Instant,
    },
}
