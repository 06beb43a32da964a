//! What goes in, and where reading starts.

use edgelog_core::Class;
use edgelog_record::Table;
use rustix::time::{ClockId, clock_gettime};
use std::marker::PhantomData;

/// An event to append: a payload, and what the log and Kafka need to know about it.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a, P = &'a [u8]> {
    pub(crate) class: Class,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) payload: P,
}

impl<'a> Event<'a> {
    /// An event of class normal and without a key. The payload is opaque to the log; a FlatBuffer can be read back in place.
    #[must_use]
    pub const fn new(payload: &'a [u8]) -> Self {
        Self { class: Class::Normal, key: None, payload }
    }
}

impl<'t, T: Table<'t>> Event<'_, InPlace<'t, T>> {
    /// An event whose payload is a table that [`table!`](edgelog_record::table) describes: an event's own, or the envelope
    /// [`record::Event`](edgelog_record::Event). It is composed where the log keeps it, and nowhere before.
    #[must_use]
    pub const fn table(table: T) -> Self {
        Self { class: Class::Normal, key: None, payload: InPlace { table, lends: PhantomData } }
    }
}

impl<P: Payload> Event<'_, P> {
    /// An event whose payload is composed where the log keeps it, by whatever can say its length before.
    #[must_use]
    pub const fn composed(payload: P) -> Self {
        Self { class: Class::Normal, key: None, payload }
    }
}

impl<'a, P> Event<'a, P> {
    /// The key, at most 255 bytes. It becomes the Kafka key.
    #[must_use]
    pub fn key(self, key: &'a [u8]) -> Self {
        Self { key: Some(key), ..self }
    }

    /// The priority, which is stored and shipped with the record. Default: normal. It does not say which record goes when space runs out:
    /// that is the log's [full policy](crate::FullPolicy), and in a [`Store`](crate::Store) the class of the whole log.
    #[must_use]
    pub fn class(self, class: Class) -> Self {
        Self { class, ..self }
    }
}

/// A table that is composed where the log programs it.
#[derive(Clone, Copy, Debug)]
pub struct InPlace<'t, T> {
    table: T,
    /// What the table borrows from.
    lends: PhantomData<&'t ()>,
}

/// What an event may hold: bytes, a [table](Event::table), or [whatever](Event::composed) can say its length and then be written.
///
/// It is asked and written while the log is held for appending, so it must not use the log itself: that would wait for ever. When it
/// panics, nothing of its event is stored, and the log goes on.
pub trait Payload {
    /// Its length in bytes. It stays the same until it is written.
    fn len(&self) -> usize;

    /// Fills `bytes`, which have its length, and any content before: what is left as it is may be of other records, and is stored.
    fn write(&self, bytes: &mut [u8]);

    /// Its bytes, where it has them already. Otherwise readers in this process cost an event that they follow one more copy.
    fn bytes(&self) -> Option<&[u8]> {
        None
    }

    /// Whether it has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Payload for &[u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn write(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(self);
    }

    fn bytes(&self) -> Option<&[u8]> {
        Some(self)
    }
}

impl<'t, T: Table<'t>> Payload for InPlace<'t, T> {
    fn len(&self) -> usize {
        self.table.encoded_len()
    }

    fn write(&self, bytes: &mut [u8]) {
        // It was asked for its length, so it fits.
        let _ = self.table.write(bytes);
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
    // Asked of the system without a detour: std's way takes half as long again, at each append.
    let now = clock_gettime(ClockId::Realtime);
    let Ok(seconds) = u64::try_from(now.tv_sec) else { return 0 };
    let part = u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000;
    seconds.saturating_mul(1000).saturating_add(part)
}
