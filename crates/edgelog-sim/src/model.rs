//! What an ideal log would hold: the reference that the engine is compared with.

use edgelog_core::{Class, Cursor, Record};
use std::collections::{BTreeMap, HashMap};

/// A record as the application handed it in, or as the engine gave it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The topic's number.
    pub topic: u16,
    /// The class.
    pub class: Class,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Content {
    /// What the engine gave back.
    #[must_use]
    pub fn of(record: &Record<'_>) -> Self {
        Self {
            topic: record.topic.get(),
            class: record.class,
            key: record.key.map(<[u8]>::to_vec),
            payload: record.payload.to_vec(),
        }
    }
}

/// An append that was started: the time of its event and its content.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The clock at the append.
    pub now: u64,
    /// The event.
    pub content: Content,
}

/// A record with the epoch that its identity got.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The epoch of its identity.
    pub epoch: u32,
    /// The clock at its append.
    pub now: u64,
    /// The event.
    pub content: Content,
}

/// A cursor's place and note.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Everything below is done.
    pub offset: u64,
    /// The consumer's note.
    pub mark: i64,
}

/// What is known of one cursor.
#[derive(Clone, Debug, Default)]
pub struct CursorModel {
    /// Every place it was ever sent to, in order, whether that was acknowledged or not.
    pub places: Vec<Place>,
    /// Every anchor it was ever given.
    pub anchors: Vec<Vec<u8>>,
    /// How many places and anchors were acknowledged; the last of them holds.
    pub stored: (usize, usize),
    /// The same, as of the last sync; `None` before its first.
    pub synced: Option<(usize, usize)>,
}

/// The reference.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The records of the log by offset.
    pub records: BTreeMap<u64, Stored>,
    /// The next offset.
    pub visible: u64,
    /// Everything below was acknowledged as durable.
    pub durable: u64,
    /// Appends of which the first, some or all may have reached the medium, from offset `visible` on.
    pub in_flight: Vec<Attempt>,
    /// Every identity that was ever visible.
    pub identities: HashMap<(u32, u64), Content>,
    /// Topics and whether they were synced.
    pub topics: BTreeMap<String, (u16, bool)>,
    /// Cursors by name.
    pub cursors: BTreeMap<String, CursorModel>,
    /// Records below may have been recycled: all cursors that counted had passed them at some time.
    pub evictable: u64,
    /// A policy that drops was in force: records may have taken what is reserved for cursors, so that a log which then refuses may be
    /// full without one.
    pub dropped: bool,
    /// The latest clock value that was ever given.
    pub latest_now: u64,
}

impl Model {
    /// Notes that a record is visible.
    ///
    /// # Errors
    ///
    /// The identity named another record before.
    pub fn name(&mut self, epoch: u32, offset: u64, content: &Content) -> Result<(), String> {
        let known = self.identities.entry((epoch, offset)).or_insert_with(|| content.clone());
        if known == content {
            Ok(())
        } else {
            Err(format!(
                "identity (epoch {epoch}, offset {offset}) names two records: {known:?} and {content:?}"
            ))
        }
    }

    /// Everything that was acknowledged is durable now.
    pub fn synced(&mut self, durable: u64) {
        self.durable = self.durable.max(durable);
        for (_, synced) in self.topics.values_mut() {
            *synced = true;
        }
        for cursor in self.cursors.values_mut() {
            // A cursor whose creation was refused has no place yet.
            cursor.synced = (cursor.stored.0 > 0).then_some(cursor.stored);
        }
    }

    /// Notes what the cursors of the engine allow to be recycled.
    pub fn may_evict(&mut self, cursors: &[Cursor]) {
        let least = cursors.iter().map(|cursor| cursor.offset).min().unwrap_or(0);
        self.may_evict_below(least);
    }

    /// Notes that records below an offset may be recycled.
    pub fn may_evict_below(&mut self, offset: u64) {
        self.evictable = self.evictable.max(offset);
    }
}

impl CursorModel {
    /// Notes a place before it is asked for.
    pub fn try_place(&mut self, offset: u64, mark: i64) {
        self.places.push(Place { offset, mark });
    }

    /// The last place and anchor that were tried are acknowledged.
    pub fn acknowledge(&mut self) {
        self.stored = (self.places.len(), self.anchors.len());
    }

    /// Compares with what the engine holds.
    ///
    /// # Errors
    ///
    /// The cursor moved back, or is somewhere it was never sent to.
    pub fn judge(&self, found: &Cursor) -> Result<(), String> {
        let (places, anchors) = self.synced.unwrap_or_default();
        let place = Place { offset: found.offset, mark: found.mark };
        let at = self.places.iter().rposition(|tried| *tried == place);
        let fresh = places == 0 && place == Place::default();
        if !fresh && at.is_none_or(|at| at + 1 < places) {
            return Err(format!("cursor {} is at {place:?}, synced {self:?}", found.name));
        }
        let at = self.anchors.iter().rposition(|tried| *tried == *found.anchor);
        let fresh = anchors == 0 && found.anchor.is_empty();
        if !fresh && at.is_none_or(|at| at + 1 < anchors) {
            return Err(format!("cursor {} has anchor {:?}: {self:?}", found.name, found.anchor));
        }
        Ok(())
    }

    /// Starts over from what a restart found.
    pub fn adopt(&mut self, found: &Cursor) {
        self.places = vec![Place { offset: found.offset, mark: found.mark }];
        self.anchors =
            if found.anchor.is_empty() { Vec::new() } else { vec![found.anchor.to_vec()] };
        self.acknowledge();
        self.synced = Some(self.stored);
    }
}
