//! The FlatBuffers events that this command writes and can show. The schemas are in `schema/`.
//!
//! `flatc` emits Rust with `unsafe` in it, which this workspace forbids, so builders and readers are written by hand over the safe
//! half of the official crate: its builder writes, its verifier decides whether bytes are trusted, and [`table`] reads.

mod host_metrics;
mod reading;
mod table;

pub(crate) use host_metrics::{Disk, HostMetrics, Network, Temperature};
pub(crate) use reading::{Field, Reading, Value};

/// A payload whose schema is known.
#[derive(Debug)]
pub(crate) enum Known {
    HostMetrics(HostMetrics),
    Reading(Reading),
}

impl Known {
    /// The event in `payload`, if its file identifier is known and the official verifier accepts it. The topic's name proves nothing.
    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        match payload.get(4..8)? {
            HostMetrics::IDENTIFIER => HostMetrics::decode(payload).map(Self::HostMetrics),
            Reading::IDENTIFIER => Reading::decode(payload).map(Self::Reading),
            _ => None,
        }
    }
}
