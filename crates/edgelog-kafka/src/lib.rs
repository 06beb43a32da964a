//! A sans-IO, idempotent Kafka producer for one topic partition, without `std` and without an
//! allocator.
//!
//! The layers, from the bytes up; each one is public and usable alone:
//!
//! - [`batch`]: record batches (format v2) built in the caller's buffer, and a reader of batch
//!   headers that needs 61 bytes however long the batches are.
//! - [`wire`]: requests written into the caller's buffer, responses read byte by byte from a field
//!   table, so that a response of any length costs the same few hundred bytes.
//! - [`producer`]: the state machine. It connects, finds the leader, obtains a producer id, sends
//!   one batch at a time and never gives up. It opens no socket and reads no clock: see
//!   [`Producer::poll`].
//!
//! # The heart
//!
//! The caller numbers its records with a `u64` *index*. The idempotent sequence is derived from it:
//! `sequence = (index - anchor.base_index) mod 2^31`. Only the [`Anchor`] is ever made durable, once
//! per producer id and not per batch; after a crash the broker is asked which sequence it holds.
//!
//! # What is never done
//!
//! Nothing is acknowledged by a timeout, a retry limit, or by what the leader merely appended: see
//! [`Action::Acknowledged`]. Bytes from a peer never cause a panic; they end the connection with a
//! report.
#![no_std]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod batch;
pub mod error_code;
pub mod producer;
pub mod time;
pub mod wire;

mod bytes;
mod checksum;

pub use error_code::ErrorCode;
pub use producer::{Action, Anchor, Config, Event, ParkReason, Producer, Resume, State, Target};
pub use time::Instant;
pub use wire::answer::PartitionChoice;
