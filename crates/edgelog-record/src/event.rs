//! The envelope.

use crate::reader::Invalid;
use crate::table::Table;
use crate::trace::TraceContext;
use crate::value::Nested;

crate::table! {
    /// What an event is beyond its payload. Every field can be left out, and an event that needs none of them needs no envelope:
    /// its payload alone is stored, which is told by the identifier that a buffer has at its bytes 4 to 8.
    ///
    /// Topic, key, class, time and offset are not here, because the log keeps them with every record. How this schema may change,
    /// and how it never will, is written in EVOLUTION.md beside it.
    pub struct Event<'a> in "edgelog" id "EEV1" {
        /// The event itself: a FlatBuffer, or any bytes. It begins at a multiple of 8 bytes from the start of the envelope, so that
        /// a FlatBuffer in it is read in place.
        0: payload: Option<Nested<'a>>,
        /// What happened, such as "acme.door.opened"; with schema_version it says how to read the payload.
        1: event_type: Option<&'a str>,
        /// The version of the payload's schema. 0: not told.
        2: schema_version: u16,
        /// Who says so, where the log's id and the device's name do not: a part of a device, a process, a sensor.
        3: source: Option<&'a str>,
        /// All events of one piece of work have the same. Bytes, because an id is 16 of them and 36 as text, and is paid for with every
        /// event; who has texts stores their UTF-8.
        4: correlation_id: Option<&'a [u8]>,
        /// The id of the event or command that caused this one; bytes, as correlation_id.
        5: causation_id: Option<&'a [u8]>,
        /// The trace that the event belongs to: W3C traceparent.
        6: trace: Option<TraceContext>,
        /// The payload's media type, such as "application/json". Absent: a FlatBuffer, or what event_type tells.
        7: content_type: Option<&'a str>,
        /// Which text of a schema the payload was written with: the FNV-1a hash (64 bits) of the bytes of its `.fbs` file. 0: not told.
        8: schema_fingerprint: u64,
    }
}

/// What a record's bytes are.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "bytes have the identifier or have it not")]
pub enum Content<'a> {
    /// An envelope.
    Envelope(Event<'a>),
    /// A payload without one.
    Bare(&'a [u8]),
}

impl<'a> Event<'a> {
    /// Tells by the identifier whether `bytes` are an envelope or a bare payload, and reads the envelope.
    ///
    /// # Errors
    ///
    /// The bytes carry the envelope's identifier and are no envelope: they are damaged, and not taken for a payload.
    pub fn of(bytes: &'a [u8]) -> Result<Content<'a>, Invalid> {
        match Self::read(bytes) {
            Ok(event) => Ok(Content::Envelope(event)),
            Err(Invalid::Identifier) => Ok(Content::Bare(bytes)),
            Err(invalid) => Err(invalid),
        }
    }
}

impl<'a> Content<'a> {
    /// The payload, in place; empty where an envelope has none.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        match self {
            Self::Bare(payload) => payload,
            Self::Envelope(event) => match event.payload {
                Some(Nested(payload)) => payload,
                None => &[],
            },
        }
    }
}
