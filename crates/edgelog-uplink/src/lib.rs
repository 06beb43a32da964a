//! Store and forward, without IO: a durable cursor of a log becomes Kafka batches, and acknowledgements move the cursor.
//!
//! An [`Uplink`] joins an [`edgelog_core::Log`] and an [`edgelog_kafka::Producer`]. It owns no socket, clock or thread: the driver
//! calls [`Uplink::poll`] with the time and the log, does what the [`Step`] says, and hands in what the network gave. `edgelog`
//! drives it over TCP; firmware drives it over whatever it has.
//!
//! What it keeps:
//!
//! - Only durable records are sent: a record that could still vanish would give its offset, and so its sequence, to another.
//! - `sequence = offset - anchor`: nothing is written for a batch or an acknowledgement but the cursor, lazily.
//! - The anchor is durable in the log before the first batch that uses it.
//! - Only an acknowledgement moves the cursor. Nothing is ever given up, whatever the time or the number of tries.
//! - Records that are gone become one Kafka record that names the range and the reason, in the place of the last of them.
#![no_std]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod batch;
mod headers;
mod uplink;

pub use headers::{CLASS_HEADER, GAP_HEADER, IDENTITY_HEADER, TOPIC_HEADER};
pub use uplink::{BATCH_BYTES_MIN, CURSOR_NAME, Error, Notice, Step, Uplink};
