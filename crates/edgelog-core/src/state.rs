//! What control frames add up to: topics, cursors, commits, anchors. Bounded, and written whole into every segment header.

use crate::format::{
    ANCHOR_LEN_MAX, CONTROL_LEN_MAX, CURSOR_NAME_LEN_MAX, Control, SEGMENT_HEADER_LEN,
    TOPIC_NAME_LEN_MAX, take,
};
use crate::types::{CursorId, TimeSync, TopicId};
use heapless::{String, Vec};

/// Topics in one log.
pub const TOPICS_MAX: usize = 32;
/// Durable cursors in one log.
pub const CURSORS_MAX: usize = 8;
/// Boots whose late-set clock the log remembers.
pub const TIME_SYNCS_MAX: usize = 4;

/// A topic of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Topic {
    /// Its number in records.
    pub id: TopicId,
    /// Its name.
    pub name: String<TOPIC_NAME_LEN_MAX>,
}

/// A durable cursor of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cursor {
    /// Its number in commits.
    pub id: CursorId,
    /// Its name.
    pub name: String<CURSOR_NAME_LEN_MAX>,
    /// Everything below this offset is done.
    pub offset: u64,
    /// The consumer's own note, stored with the offset.
    pub mark: i64,
    /// The consumer's own state, opaque to the log; empty when none was set.
    pub anchor: Vec<u8, ANCHOR_LEN_MAX>,
}

/// What a log keeps in memory besides its frame buffer: topics, cursors and their anchors. About 3.5 KB.
///
/// On a device, put it into a `static`, and lend it to [`Log::mount_in`](crate::Log::mount_in): it is never moved then.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub(crate) topics: Vec<Topic, TOPICS_MAX>,
    pub(crate) cursors: Vec<Cursor, CURSORS_MAX>,
    /// Above every topic number that was met, also in a record whose topic's own frame is damaged: none is ever given again.
    pub(crate) topic_next: u16,
    /// What the clocks of the last boots turned out to be.
    pub(crate) time_syncs: Vec<TimeSync, TIME_SYNCS_MAX>,
    /// The generation whose slot was erased last ahead of its use; 0 is none.
    pub(crate) ready_generation: u64,
    /// True when a mount of the newest segment left out the epochs that a segment behind it may have given.
    pub(crate) epochs_left_out: bool,
    /// Records that the application gave up since the newest segment was opened.
    pub(crate) refused: u32,
}

/// More topics or cursors than there is room for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// Bytes of a snapshot item before its body.
const ITEM_HEADER_LEN: usize = 4;
/// Bytes that a topic takes in a snapshot besides its name.
pub(crate) const TOPIC_ITEM_LEN: usize = ITEM_HEADER_LEN + 2;
/// Bytes that a time sync takes in a snapshot.
pub(crate) const TIME_SYNC_ITEM_LEN: usize = ITEM_HEADER_LEN + 20;
/// Bytes that a cursor, its commit and its anchor take in a snapshot besides name and anchor.
pub(crate) const CURSOR_ITEMS_LEN: usize = 3 * ITEM_HEADER_LEN + 16;

impl Memory {
    /// Memory for a log. What it held is forgotten when a log is mounted or created in it.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            topics: Vec::new(),
            cursors: Vec::new(),
            topic_next: 0,
            time_syncs: Vec::new(),
            ready_generation: 0,
            epochs_left_out: false,
            refused: 0,
        }
    }

    /// As [`new`](Self::new), in place.
    pub(crate) fn forget(&mut self) {
        self.topics.clear();
        self.cursors.clear();
        self.topic_next = 0;
        self.time_syncs.clear();
        self.ready_generation = 0;
        self.epochs_left_out = false;
        self.refused = 0;
    }

    pub(crate) fn topic(&self, id: TopicId) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.id == id)
    }

    /// Takes note of a topic number that is in use.
    pub(crate) fn meet_topic(&mut self, topic: u16) {
        self.topic_next = self.topic_next.max(topic.saturating_add(1));
    }

    pub(crate) fn topic_named(&self, name: &str) -> Option<TopicId> {
        self.topics.iter().find(|topic| topic.name == name).map(|topic| topic.id)
    }

    pub(crate) fn cursor(&self, id: CursorId) -> Option<&Cursor> {
        self.cursors.iter().find(|cursor| cursor.id == id)
    }

    pub(crate) fn cursor_named(&self, name: &str) -> Option<CursorId> {
        self.cursors.iter().find(|cursor| cursor.name == name).map(|cursor| cursor.id)
    }

    /// The greatest offset that any cursor committed.
    pub(crate) fn greatest_commit(&self) -> u64 {
        self.cursors.iter().map(|cursor| cursor.offset).max().unwrap_or(0)
    }

    /// The offset below which none of the cursors that count needs records; `None` without one.
    pub(crate) fn least_commit(&self, counts: impl Fn(CursorId) -> bool) -> Option<u64> {
        let counting = self.cursors.iter().filter(|cursor| counts(cursor.id));
        counting.map(|cursor| cursor.offset).min()
    }

    /// Folds one entry in. Applying an entry twice, or an old commit late, changes nothing.
    pub(crate) fn apply(&mut self, control: &Control<'_>) -> Result<(), NoRoom> {
        match *control {
            // It says something about the place where it stands.
            Control::Epoch { .. } => Ok(()),
            Control::Clock { epoch, log_ms, utc_ms } => {
                let sync = TimeSync { epoch, log_ms, utc_ms };
                if !self.time_syncs.iter().any(|known| known.epoch == epoch)
                    && self.time_syncs.push(sync).is_err()
                {
                    self.replace_oldest_time_sync(sync);
                }
                Ok(())
            }
            Control::Ready { generation } => {
                self.ready_generation = generation;
                Ok(())
            }
            Control::Refused { records } => {
                self.refused = records;
                Ok(())
            }
            Control::Topic { topic, name } => {
                let id = TopicId(topic);
                self.meet_topic(topic);
                if self.topic(id).is_some() {
                    return Ok(());
                }
                let name = String::try_from(name).map_err(|_| NoRoom)?;
                self.topics.push(Topic { id, name }).map_err(|_| NoRoom)
            }
            Control::Cursor { id, name } => {
                let id = CursorId(id);
                if self.cursor(id).is_some() {
                    return Ok(());
                }
                if usize::from(id.0) >= CURSORS_MAX {
                    return Err(NoRoom);
                }
                let name = String::try_from(name).map_err(|_| NoRoom)?;
                let cursor = Cursor { id, name, offset: 0, mark: 0, anchor: Vec::new() };
                self.cursors.push(cursor).map_err(|_| NoRoom)
            }
            Control::Commit { id, offset, mark } => {
                if let Some(cursor) = self.cursor_mut(id)
                    && offset >= cursor.offset
                {
                    cursor.offset = offset;
                    cursor.mark = mark;
                }
                Ok(())
            }
            Control::Anchor { id, bytes } => {
                if let Some(cursor) = self.cursor_mut(id) {
                    cursor.anchor = Vec::from_slice(bytes).map_err(|_| NoRoom)?;
                }
                Ok(())
            }
        }
    }

    /// Writes the snapshot with the newest `time_syncs`; `None` when it does not fit.
    pub(crate) fn emit(&self, time_syncs: usize, bytes: &mut [u8]) -> Option<usize> {
        let mut length = 0;
        for topic in &self.topics {
            let item = Control::Topic { topic: topic.id.0, name: &topic.name };
            emit_item(&item, bytes, &mut length)?;
        }
        for Cursor { id, name, offset, mark, anchor } in &self.cursors {
            emit_item(&Control::Cursor { id: id.0, name }, bytes, &mut length)?;
            let commit = Control::Commit { id: id.0, offset: *offset, mark: *mark };
            emit_item(&commit, bytes, &mut length)?;
            if !anchor.is_empty() {
                emit_item(&Control::Anchor { id: id.0, bytes: anchor }, bytes, &mut length)?;
            }
        }
        let older = self.time_syncs.len().saturating_sub(time_syncs);
        for &TimeSync { epoch, log_ms, utc_ms } in self.time_syncs.iter().skip(older) {
            emit_item(&Control::Clock { epoch, log_ms, utc_ms }, bytes, &mut length)?;
        }
        Some(length)
    }

    /// Folds a snapshot item in and gives the bytes it takes, which may be more than `bytes` holds; `None` at the end.
    pub(crate) fn apply_item(&mut self, bytes: &[u8]) -> Option<Result<usize, NoRoom>> {
        let [kind, id, low, high] = take(bytes, 0)?;
        let end = ITEM_HEADER_LEN + usize::from(u16::from_le_bytes([low, high]));
        // An item of a type or length that this build does not know is skipped: it can only add.
        let body = bytes.get(ITEM_HEADER_LEN..end).unwrap_or_default();
        let applied = Control::parse(kind, id, body).map_or(Ok(()), |control| self.apply(&control));
        Some(applied.map(|()| end))
    }

    /// The new one comes in at the end, and each moves up by one.
    fn replace_oldest_time_sync(&mut self, mut sync: TimeSync) {
        for known in self.time_syncs.iter_mut().rev() {
            core::mem::swap(known, &mut sync);
        }
    }

    fn cursor_mut(&mut self, id: u8) -> Option<&mut Cursor> {
        self.cursors.iter_mut().find(|cursor| cursor.id.0 == id)
    }
}

/// The longest item that this build knows, so that a snapshot can be read through a small window.
pub(crate) const ITEM_LEN_MAX: usize = ITEM_HEADER_LEN + 2 + TOPIC_NAME_LEN_MAX;

/// Bytes of the longest segment header with its snapshot.
pub const HEADER_LEN_MAX: usize = SEGMENT_HEADER_LEN as usize
    + TOPICS_MAX * (TOPIC_ITEM_LEN + TOPIC_NAME_LEN_MAX)
    + CURSORS_MAX * (CURSOR_ITEMS_LEN + CURSOR_NAME_LEN_MAX + ANCHOR_LEN_MAX)
    + TIME_SYNCS_MAX * TIME_SYNC_ITEM_LEN;

fn emit_item(control: &Control<'_>, bytes: &mut [u8], length: &mut usize) -> Option<()> {
    let mut body = [0; CONTROL_LEN_MAX];
    let (kind, id, body) = control.emit(&mut body);
    let [low, high] = u16::try_from(body.len()).ok()?.to_le_bytes();
    let end = *length + ITEM_HEADER_LEN + body.len();
    let item = bytes.get_mut(*length..end)?;
    let (head, tail) = item.split_at_mut(ITEM_HEADER_LEN);
    head.copy_from_slice(&[kind as u8, id, low, high]);
    tail.copy_from_slice(body);
    *length = end;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_gives_the_same_state_back() {
        let mut state = Memory::new();
        for control in [
            Control::Topic { topic: 0, name: "a" },
            Control::Topic { topic: 1, name: "b" },
            Control::Cursor { id: 0, name: "kafka" },
            Control::Commit { id: 0, offset: 9, mark: 4 },
            Control::Anchor { id: 0, bytes: b"anchor" },
            Control::Clock { epoch: 4, log_ms: 5, utc_ms: 6 },
        ] {
            state.apply(&control).unwrap();
        }
        let mut bytes = [0; 256];
        let length = state.emit(4, &mut bytes).unwrap();
        let mut again = Memory::new();
        let mut rest = &bytes[..length];
        while let Some(item) = again.apply_item(rest) {
            rest = &rest[item.unwrap()..];
        }
        assert!(rest.is_empty());
        assert_eq!((again.topics, again.cursors), (state.topics, state.cursors));
        assert_eq!(again.time_syncs, state.time_syncs);
    }

    #[test]
    fn a_commit_never_moves_back() {
        let mut state = Memory::new();
        state.apply(&Control::Cursor { id: 0, name: "kafka" }).unwrap();
        state.apply(&Control::Commit { id: 0, offset: 9, mark: 4 }).unwrap();
        state.apply(&Control::Commit { id: 0, offset: 8, mark: 5 }).unwrap();
        assert_eq!((state.cursors[0].offset, state.cursors[0].mark), (9, 4));
    }
}
