//! What an ideal log would hold: the reference that the engine is compared with.

use edgelog_core::{Class, Cursor, FullPolicy, Record};
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

/// A record that was handed to an append.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What is known of its time.
    pub stamp: Stamp,
    /// The event.
    pub content: Content,
}

/// What is known of the time that a record gets.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The log's time is not earlier.
    pub floor: u64,
    /// Whether the clock was not set.
    pub unset: bool,
    /// The uptime, while the clock was not set and ran forward.
    pub uptime: Option<u64>,
}

/// A record with the epoch that its identity got.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The epoch of its identity.
    pub epoch: u32,
    /// What was handed in.
    pub attempt: Attempt,
}

/// A clock that was set while it was not known.
#[derive(Clone, Debug)]
pub struct ClockModel {
    /// The time that it was set to, which no other has.
    pub utc: u64,
    /// The uptime then, if it ran forward until then.
    pub uptime: Option<u64>,
    /// The boot's epoch, once it is known.
    pub epoch: Option<u32>,
    /// Whether a sync followed.
    pub synced: bool,
}

/// What the log does when it is full, with the cursors' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "as many as the engine has")]
pub enum Full {
    /// It refuses.
    #[default]
    Refuse,
    /// It drops the oldest segment.
    DropOldest,
    /// It drops what these cursors have passed.
    Protect(Vec<String>),
}

impl Full {
    /// Whether the cursor keeps records from being dropped.
    #[must_use]
    pub fn counts(&self, name: &str) -> bool {
        match self {
            Self::Refuse => true,
            Self::DropOldest => false,
            Self::Protect(names) => names.iter().any(|it| it == name),
        }
    }

    /// The same for the engine.
    #[must_use]
    pub fn policy(&self, cursors: &[Cursor]) -> FullPolicy {
        match self {
            Self::Refuse => FullPolicy::Refuse,
            Self::DropOldest => FullPolicy::DropOldest,
            Self::Protect(_) => {
                let counting = cursors.iter().filter(|cursor| self.counts(&cursor.name));
                FullPolicy::Protect(counting.map(|cursor| cursor.id).collect())
            }
        }
    }
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

/// What a segment header may tell that a power cut tore. An erase that is cut, too, may leave it whole.
#[derive(Clone, Debug)]
pub struct TornHeader {
    /// Records that were given up when it was written.
    pub given_up: u64,
    /// The cursors then.
    pub cursors: BTreeMap<String, CursorModel>,
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
    /// Records of one append that may or may not have reached the medium, the first at offset `visible`, or behind the
    /// records that were given up.
    pub in_flight: Vec<Attempt>,
    /// Records that were given up and have no offsets yet.
    pub given_up: u64,
    /// Headers that power cuts may have torn, and that nothing was stored after.
    pub torn: Vec<TornHeader>,
    /// The records that were given up and have offsets: where each gap begins and ends.
    pub refused: BTreeMap<u64, u64>,
    /// Clocks that were set, in order.
    pub clocks: Vec<ClockModel>,
    /// What the log does when it is full.
    pub full: Full,
    /// Whether it ever did anything but refuse.
    pub dropped: bool,
    /// Every identity that was ever visible.
    pub identities: HashMap<(u32, u64), Content>,
    /// Topics and whether they were synced.
    pub topics: BTreeMap<String, (u16, bool)>,
    /// Cursors by name.
    pub cursors: BTreeMap<String, CursorModel>,
    /// Records below may have been recycled: the policy allowed it at some time.
    pub evictable: u64,
    /// The log's time was never later.
    pub latest: u64,
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
        for clock in self.clocks.iter_mut().filter(|clock| clock.epoch.is_some()) {
            clock.synced = true;
        }
        for cursor in self.cursors.values_mut() {
            // A cursor whose creation was refused has no place yet.
            cursor.synced = (cursor.stored.0 > 0).then_some(cursor.stored);
        }
    }

    /// Notes what may be recycled now. `next`: where the segment begins that follows the next one to be erased.
    pub fn may_evict(&mut self, cursors: &[Cursor], next: Option<u64>) {
        let counting = cursors.iter().filter(|cursor| self.full.counts(&cursor.name));
        let passed = counting.map(|cursor| cursor.offset).min();
        let least = match self.full {
            // Without a cursor nothing is ever dropped.
            Full::Refuse => passed.unwrap_or(0),
            Full::DropOldest | Full::Protect(_) => {
                next.filter(|&next| passed.is_none_or(|passed| passed >= next)).unwrap_or(0)
            }
        };
        self.evictable = self.evictable.max(least);
    }

    /// Notes that the log ends at `visible` after a call that is not known to have appended records: either there, where it
    /// ended before, or behind the records that were given up. Those are durable with the header that tells of them.
    ///
    /// # Errors
    ///
    /// It is anywhere else.
    pub fn ends_at(&mut self, visible: u64) -> Result<(), String> {
        if visible == self.visible {
            return Ok(());
        }
        if visible != self.visible + self.given_up {
            let Self { visible: before, given_up, .. } = self;
            return Err(format!(
                "the log ended at {before}, {given_up} given up; now at {visible}"
            ));
        }
        self.refused.insert(self.visible, visible);
        (self.visible, self.given_up) = (visible, 0);
        self.durable = visible;
        Ok(())
    }

    /// Notes what an append stored.
    ///
    /// # Errors
    ///
    /// An identity named another record before.
    pub fn append(&mut self, epoch: u32, attempts: Vec<Attempt>) -> Result<(), String> {
        self.in_flight.clear();
        for attempt in attempts {
            self.name(epoch, self.visible, &attempt.content)?;
            self.records.insert(self.visible, Stored { epoch, attempt });
            self.visible += 1;
        }
        Ok(())
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
