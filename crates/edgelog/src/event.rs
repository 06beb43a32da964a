//! What goes in, and where reading starts.

use edgelog_core::Class;
use std::time::{Duration, SystemTime};

/// An event to append: a payload, and what the log and Kafka need to know about it.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    pub(crate) class: Class,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) payload: &'a [u8],
}

impl<'a> Event<'a> {
    /// An event of class normal and without a key. The payload is opaque to the log; a FlatBuffer can be read back in place.
    #[must_use]
    pub const fn new(payload: &'a [u8]) -> Self {
        Self { class: Class::Normal, key: None, payload }
    }

    /// The key, at most 255 bytes. It becomes the Kafka key.
    #[must_use]
    pub const fn key(self, key: &'a [u8]) -> Self {
        Self { key: Some(key), ..self }
    }

    /// The priority. Default: normal.
    #[must_use]
    pub const fn class(self, class: Class) -> Self {
        Self { class, ..self }
    }
}

/// Where a reader starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// At the oldest record that is still there.
    Earliest,
    /// Behind the newest record: only what comes from now on.
    Latest,
    /// At this offset. If it is gone, reading begins with a gap.
    Offset(u64),
    /// At the first record that was appended at or after this time, in ms since 1970-01-01 UTC. Costs some reads of segment headers and a pass over one segment.
    Time(u64),
}

/// The wall clock in ms since 1970-01-01 UTC; 0 when it is set earlier than that.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or(Duration::ZERO).as_millis()).unwrap_or(u64::MAX)
}
