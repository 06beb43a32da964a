//! What the events of a topic are, and what a record holds.

use crate::error::AppendError;
use crate::event::{Event, InPlace, Payload};
use crate::sync::atomic::{AtomicBool, Ordering};
use edgelog_core::{Part, Record};
use edgelog_record::{Content, Invalid, Nested, Table, fingerprint, foreign};
use flatbuffers::{Follow, InvalidFlatbuffer, Verifiable};
use std::fmt;
use std::sync::{PoisonError, RwLock};

/// What the events of a topic must be: see [`Log::set_schema`](crate::Log::set_schema).
///
/// ```
/// use edgelog::record::{Schema, Table, table};
/// use edgelog::{Event, Options, TopicSchema};
///
/// table! {
///     /// What the sensor of a room saw.
///     pub struct Reading in "acme.sensors" {
///         /// Hundredths of a degree Celsius.
///         0: celsius: i16,
///     }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let log = Options::new().open(directory.path())?;
/// let fbs = Schema::of::<Reading>().to_string();
/// log.set_schema("climate", Some(TopicSchema::new(&fbs, |bytes| Reading::read(bytes).is_ok())));
///
/// log.append("climate", &Event::table(Reading { celsius: 2150 }))?;
/// assert!(log.append("climate", &Event::new(b"21.5 degrees")).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// For a type that `flatc` generated, `edgelog::record::foreign::verify::<Reading>(bytes).is_ok()` is what verifies.
#[derive(Clone, Copy, Debug)]
pub struct TopicSchema {
    fingerprint: u64,
    verifies: fn(&[u8]) -> bool,
}

impl TopicSchema {
    /// The schema with the text `fbs`, whose [fingerprint] travels with each record, and what says whether a payload is of it.
    ///
    /// [fingerprint]: edgelog_record::fingerprint
    #[must_use]
    pub const fn new(fbs: &str, verifies: fn(&[u8]) -> bool) -> Self {
        Self { fingerprint: fingerprint(fbs), verifies }
    }

    /// What is to be stored of a payload that is of the schema. `bytes` is where it is composed to be verified.
    pub(crate) fn verified<'p>(
        &self,
        payload: &impl Payload,
        bytes: &'p mut Vec<u8>,
    ) -> Result<Verified<'p>, AppendError> {
        bytes.resize(payload.len(), 0);
        payload.write(bytes);
        let bytes: &'p [u8] = bytes;
        let invalid = AppendError::Invalid { what: Part::Payload };
        let Ok(content) = edgelog_record::Event::of(bytes) else { return Err(invalid) };
        if !(self.verifies)(content.payload()) {
            return Err(invalid);
        }
        let envelope = match content {
            // Whoever wrote it knows best what with; and what a later version has put beside that is kept.
            Content::Envelope(envelope) if envelope.schema_fingerprint != 0 => {
                return Ok(Verified::AsItIs(bytes));
            }
            Content::Envelope(envelope) => envelope,
            Content::Bare(payload) => {
                edgelog_record::Event { payload: Some(Nested(payload)), ..Default::default() }
            }
        };
        let schema_fingerprint = self.fingerprint;
        let envelope = edgelog_record::Event { schema_fingerprint, ..envelope };
        Ok(Verified::Enveloped(Event::table(envelope).payload))
    }
}

/// A payload that is of its topic's schema, as it is stored: with the fingerprint of one.
pub(crate) enum Verified<'p> {
    AsItIs(&'p [u8]),
    Enveloped(InPlace<'p, edgelog_record::Event<'p>>),
}

impl Payload for Verified<'_> {
    fn len(&self) -> usize {
        match self {
            Self::AsItIs(bytes) => Payload::len(bytes),
            Self::Enveloped(envelope) => envelope.len(),
        }
    }

    fn write(&self, to: &mut [u8]) {
        match self {
            Self::AsItIs(bytes) => bytes.write(to),
            Self::Enveloped(envelope) => envelope.write(to),
        }
    }
}

/// The schemas that a log was told, by topic.
#[derive(Debug, Default)]
pub(crate) struct Schemas {
    known: RwLock<Vec<(String, TopicSchema)>>,
    /// True from the first one on: most logs have none, and need no lock to know it.
    are_some: AtomicBool,
}

impl Schemas {
    #[inline]
    pub(crate) fn of(&self, topic: &str) -> Option<TopicSchema> {
        if self.are_some.load(Ordering::Acquire) { self.find(topic) } else { None }
    }

    fn find(&self, topic: &str) -> Option<TopicSchema> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(name, _)| name == topic).map(|&(_, schema)| schema)
    }

    pub(crate) fn set(&self, topic: &str, schema: Option<TopicSchema>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(name, _)| name != topic);
        known.extend(schema.map(|schema| (topic.to_owned(), schema)));
        self.are_some.store(true, Ordering::Release);
    }
}

/// Why a record holds no such event. The record itself is as it was appended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventError {
    /// It has the identifier of an envelope and is none, or is not the table.
    Table(Invalid),
    /// The payload is not of the type that `flatc` generated.
    Foreign(InvalidFlatbuffer),
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the record is no such event: ")?;
        match self {
            Self::Table(error) => error.fmt(f),
            Self::Foreign(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for EventError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Table(error) => Some(error),
            Self::Foreign(error) => Some(error),
        }
    }
}

/// What a record holds, read in place: nothing is copied or allocated, and each call verifies once.
pub trait ReadEvent<'a> {
    /// The envelope, or the bare payload.
    ///
    /// # Errors
    ///
    /// [`EventError::Table`]: the bytes carry the envelope's identifier and are none.
    fn content(&self) -> Result<Content<'a>, EventError>;

    /// The payload, bare or in an envelope, as a table that [`table!`](edgelog_record::table) describes.
    ///
    /// # Errors
    ///
    /// [`EventError::Table`]: it is another.
    fn table<T: Table<'a>>(&self) -> Result<T, EventError>;

    /// The payload, bare or in an envelope, as the root `T`, a type that `flatc` generated.
    ///
    /// # Errors
    ///
    /// [`EventError`]: it is another.
    fn event<T: Follow<'a> + Verifiable + 'a>(&self) -> Result<T::Inner, EventError>;
}

impl<'a> ReadEvent<'a> for Record<'a> {
    fn content(&self) -> Result<Content<'a>, EventError> {
        edgelog_record::Event::of(self.payload).map_err(EventError::Table)
    }

    fn table<T: Table<'a>>(&self) -> Result<T, EventError> {
        T::read(self.content()?.payload()).map_err(EventError::Table)
    }

    fn event<T: Follow<'a> + Verifiable + 'a>(&self) -> Result<T::Inner, EventError> {
        foreign::read::<T>(self.content()?.payload()).map_err(EventError::Foreign)
    }
}
