//! What a full log does.

use crate::types::CursorId;
use core::ops::Range;

/// Bytes at the end of the last free segment that records leave to cursors and anchors, so that a full log can still be emptied.
pub const CONTROL_RESERVE: u32 = 512;

/// Bytes of that reserve that commits leave to anchors: a commit that finds no room holds in memory, and an anchor may not.
pub(crate) const ANCHOR_RESERVE: u32 = 256;

/// Bytes of that reserve that notes of refused records leave to all others.
pub(crate) const REFUSED_RESERVE: u32 = 384;

/// What a segment keeps for records besides its header and [`CONTROL_RESERVE`]: topics and cursors are refused before their
/// snapshot would leave less.
pub(crate) const RECORD_ROOM: u32 = 64;

/// What the log does when its oldest segment is wanted for new records.
///
/// It is the caller's choice at each start and is not stored. Whatever it drops is counted: readers that come to dropped
/// records get a [`Gap`](crate::Gap) with the reason [`Evicted`](crate::GapReason::Evicted).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FullPolicy {
    /// Drop a segment when every cursor has passed it, and there is a cursor. Otherwise refuse to append.
    #[default]
    Refuse,
    /// Always drop the oldest segment: the newest records are worth more.
    DropOldest,
    /// Drop a segment when these cursors have passed it, whatever others still want. Otherwise refuse to append. With no cursor of
    /// the log in the set it is as [`DropOldest`](Self::DropOldest).
    Protect(CursorSet),
}

/// A log's oldest segment, as it was when it was [looked at](crate::Log::oldest).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Oldest {
    /// Its records, and those that are numbered with it: up to the first record of the next segment.
    pub offsets: Range<u64>,
    /// None of its records is younger: ms since 1970-01-01 UTC, in the log's time.
    pub until_ms: u64,
    /// Whether the full policy lets it go.
    pub is_free: bool,
    /// The generation of the next segment.
    pub(crate) until: u64,
}

/// Some of a log's cursors, collected: `FullPolicy::Protect([alarms, kafka].into_iter().collect())`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CursorSet(u8);

impl CursorSet {
    pub(crate) const fn contains(self, cursor: CursorId) -> bool {
        self.0 & Self::bit(cursor) != 0
    }

    pub(crate) const fn insert(&mut self, cursor: CursorId) {
        self.0 |= Self::bit(cursor);
    }

    pub(crate) const fn remove(&mut self, cursor: CursorId) {
        self.0 &= !Self::bit(cursor);
    }

    /// A log's cursors have the numbers 0 to 7.
    const fn bit(cursor: CursorId) -> u8 {
        if cursor.0 < 8 { 1 << cursor.0 } else { 0 }
    }
}

const _: () = assert!(crate::state::CURSORS_MAX <= 8, "one bit for each cursor");

impl FromIterator<CursorId> for CursorSet {
    fn from_iter<I: IntoIterator<Item = CursorId>>(cursors: I) -> Self {
        let mut set = Self::default();
        cursors.into_iter().for_each(|cursor| set.insert(cursor));
        set
    }
}
