//! Topics, cursors, commits and anchors: the log's own entries, written between records.

use super::room::compose;
use super::{Log, Medium, both};
use crate::clock::Clock;
use crate::error::{AppendError, Part};
use crate::format::{
    ANCHOR_LEN_MAX, CONTROL_LEN_MAX, CURSOR_NAME_LEN_MAX, Control, FrameHeader, Kind,
    LONG_HEADER_LEN, SEGMENT_HEADER_LEN, TOPIC_NAME_LEN_MAX,
};
use crate::place::{Place, to_usize};
use crate::policy::{ANCHOR_RESERVE, CONTROL_RESERVE, RECORD_ROOM};
use crate::state::{
    CURSOR_ITEMS_LEN, CURSORS_MAX, Memory, TIME_SYNC_ITEM_LEN, TOPIC_ITEM_LEN, TOPICS_MAX,
};
use crate::types::{Class, CursorId, TopicId};
use core::borrow::BorrowMut;

/// Bytes of a new cursor's two entries, and of this mount's epoch, on the widest words.
const CURSOR_ENTRIES_LEN_MAX: u32 = 96 + 64 + 64;

#[both(AFIT)]
impl<M: Medium, B: AsRef<[u8]> + AsMut<[u8]>, S: BorrowMut<Memory>> Log<M, B, S> {
    /// The id of the topic `name`, which is created when it is new (one small frame, durable with the next [`sync`](Self::sync)).
    /// A topic is never removed.
    ///
    /// # Errors
    ///
    /// [`AppendError::BadLength`] (1 to [`TOPIC_NAME_LEN_MAX`] bytes), [`AppendError::TooMany`] beyond [`TOPICS_MAX`] or what segment
    /// and frame buffer have room for, [`AppendError::Full`], or the medium's.
    pub async fn topic(&mut self, name: &str) -> Result<TopicId, AppendError<M::Error>> {
        if let Some(id) = self.state().topic_named(name) {
            return Ok(id);
        }
        check_name(Part::TopicName, name, TOPIC_NAME_LEN_MAX)?;
        // Above every known one, even when damage took some away: a topic's number is never given again.
        let id = self.state().topic_next;
        if usize::from(id) >= TOPICS_MAX {
            return Err(AppendError::TooMany { what: Part::Topic, limit: TOPICS_MAX });
        }
        if !self.snapshot_may_grow(TOPIC_ITEM_LEN + name.len()) {
            let limit = self.state().topics.len();
            return Err(AppendError::TooMany { what: Part::Topic, limit });
        }
        self.control(&[Control::Topic { topic: id, name }], CONTROL_RESERVE).await?;
        Ok(TopicId(id))
    }

    /// The durable cursor `name`, which is created at `start`, or the durable offset if that is less, when it is new (two small frames, durable with
    /// the next [`sync`](Self::sync)). An existing cursor keeps its place. A cursor is never removed.
    ///
    /// # Errors
    ///
    /// [`AppendError::BadLength`] (1 to [`CURSOR_NAME_LEN_MAX`] bytes), [`AppendError::TooMany`] beyond [`CURSORS_MAX`] or what
    /// segment and frame buffer have room for, [`AppendError::Full`], or the medium's.
    pub async fn cursor(
        &mut self,
        name: &str,
        start: u64,
    ) -> Result<CursorId, AppendError<M::Error>> {
        if let Some(id) = self.state().cursor_named(name) {
            return Ok(id);
        }
        check_name(Part::CursorName, name, CURSOR_NAME_LEN_MAX)?;
        let id = (0..=u8::MAX).find(|&id| self.state().cursor(CursorId(id)).is_none());
        let (Some(id), false) = (id, self.state().cursors.is_full()) else {
            return Err(AppendError::TooMany { what: Part::Cursor, limit: CURSORS_MAX });
        };
        if !self.snapshot_may_grow(CURSOR_ITEMS_LEN + name.len() + ANCHOR_LEN_MAX) {
            let limit = self.state().cursors.len();
            return Err(AppendError::TooMany { what: Part::Cursor, limit });
        }
        // Before a roll, which syncs and would take a failed log for a good one again.
        self.usable()?;
        // It may be what makes the log full: what is kept in reserve then must not be used up yet.
        if !self.fits(CURSOR_ENTRIES_LEN_MAX, CONTROL_RESERVE) && self.next_is_free().await? {
            self.roll(self.ring.end.time).await?;
        }
        let commit = Control::Commit { id, offset: self.held(start).await?, mark: 0 };
        self.control(&[Control::Cursor { id, name }, commit], 0).await?;
        Ok(CursorId(id))
    }

    /// An offset to be committed, held at the durable one. What mounting found counts.
    async fn held(&mut self, offset: u64) -> Result<u64, AppendError<M::Error>> {
        if offset > self.durable() {
            self.settle().await?;
        }
        Ok(offset.min(self.durable()))
    }

    /// Moves a cursor: everything below `offset` is done. Committing twice, late or out of order is harmless.
    ///
    /// `offset` above the durable offset is held at it; `mark` is the consumer's own note. Costs one 32-byte frame, no sync:
    /// the commit is durable with the next [`sync`](Self::sync).
    /// Power loss before that: the cursor is at its old place.
    ///
    /// # Errors
    ///
    /// The medium's, or [`AppendError::Full`]: the commit holds in memory and is stored when a segment is free.
    pub async fn commit(
        &mut self,
        cursor: CursorId,
        offset: u64,
        mark: i64,
    ) -> Result<(), AppendError<M::Error>> {
        let Some(known) = self.state().cursor(cursor) else {
            return Err(AppendError::Unknown { what: Part::Cursor });
        };
        let current = (known.offset, known.mark);
        let wanted = (self.held(offset).await?, mark);
        // A commit that is late says again what holds, because that may not be stored yet.
        let next = if wanted.0 < current.0 { current } else { wanted };
        if next == current && !self.unsaved.contains(cursor) {
            return Ok(());
        }
        self.usable()?;
        let (offset, mark) = next;
        let commit = Control::Commit { id: cursor.0, offset, mark };
        let length = self.control_len(&commit)?;
        let generation = self.ring.newest.generation;
        // A commit is true whether it is stored or not, and may be what frees the next segment, whose snapshot then has it.
        let _ = self.state_mut().apply(&commit);
        self.unsaved.insert(cursor);
        let since_base = self.make_room(length, self.ring.end.time, ANCHOR_RESERVE).await?;
        if self.ring.newest.generation == generation {
            self.program_control(&commit, since_base).await?;
        }
        self.unsaved.remove(cursor);
        Ok(())
    }

    /// Sets a cursor's anchor, its consumer's own state of 1 to [`ANCHOR_LEN_MAX`] bytes. Durable with the next [`sync`](Self::sync).
    ///
    /// # Errors
    ///
    /// [`AppendError::BadLength`], [`AppendError::Unknown`], [`AppendError::Full`], or the medium's.
    pub async fn set_anchor(
        &mut self,
        cursor: CursorId,
        bytes: &[u8],
    ) -> Result<(), AppendError<M::Error>> {
        if self.state().cursor(cursor).is_none() {
            return Err(AppendError::Unknown { what: Part::Cursor });
        }
        if !(1..=ANCHOR_LEN_MAX).contains(&bytes.len()) {
            return Err(AppendError::BadLength { what: Part::Anchor, limit: ANCHOR_LEN_MAX });
        }
        self.control(&[Control::Anchor { id: cursor.0, bytes }], 0).await
    }

    /// Says that the device does not know the time: from now on `now_ms` is uptime, and the log's time goes on from the last
    /// record's. Call it after a mount, before the first append; records have [`TimeQuality::Unset`](crate::TimeQuality::Unset).
    ///
    /// `uptime_ms`: ms since any moment, never running backwards. Costs nothing after a mount, and one 40-byte frame later.
    pub fn clock_is_unset(&mut self, uptime_ms: u64) {
        self.clock = Clock::unset(uptime_ms, self.ring.end.time);
        if self.opened {
            // An epoch entry says it, also in the middle of a boot.
            (self.opened, self.epochs_lost) = (false, 0);
            self.resumed_from = self.ring.end.position;
        }
    }

    /// Says that it is `utc_ms` (ms since 1970-01-01 UTC) at `uptime_ms`: the log's time follows it from here on, and the times of
    /// this boot's earlier records become known ([`TimeSync`](crate::TimeSync)). `now_ms` stays uptime. Costs one 40-byte frame.
    /// Power loss before the next sync: the records stay unset.
    ///
    /// # Errors
    ///
    /// [`AppendError::Full`] or the medium's; the clock is as before.
    pub async fn set_clock(
        &mut self,
        uptime_ms: u64,
        utc_ms: u64,
    ) -> Result<(), AppendError<M::Error>> {
        if self.clock.is_unset() {
            self.usable()?;
            let log_ms = self.clock.time_of(uptime_ms).max(self.ring.end.time);
            // The boot's epoch is only known once its first frame is written.
            let length = self.control_len(&Control::Clock { epoch: 0, log_ms, utc_ms })?;
            let since_base = self.make_room(length, self.ring.end.time, ANCHOR_RESERVE).await?;
            let sync = Control::Clock { epoch: self.ring.end.epoch, log_ms, utc_ms };
            self.program_control(&sync, since_base).await?;
            self.ring.end.take(&sync);
            let _ = self.state_mut().apply(&sync);
        }
        self.clock = Clock::set(uptime_ms, utc_ms);
        Ok(())
    }

    /// Bytes of the largest snapshot that the topics and cursors can have: every cursor may get the longest anchor. Time syncs come
    /// besides it as far as there is room.
    pub(super) fn snapshot_len(&self) -> u32 {
        let topics = self.state().topics.iter().map(|topic| TOPIC_ITEM_LEN + topic.name.len());
        let cursors =
            self.state().cursors.iter().map(|c| CURSOR_ITEMS_LEN + c.name.len() + ANCHOR_LEN_MAX);
        u32::try_from(topics.sum::<usize>() + cursors.sum::<usize>()).unwrap_or(u32::MAX)
    }

    /// How many time syncs, the newest, the next header takes without leaving less to records than there must be.
    pub(super) fn time_syncs_kept(&self) -> usize {
        let geometry = &self.ring.geometry;
        let segment = geometry.segment_size().saturating_sub(CONTROL_RESERVE + RECORD_ROOM);
        let room = to_usize(segment).min(self.buffer.as_ref().len());
        let fits = |&kept: &usize| {
            let syncs = u32::try_from(kept * TIME_SYNC_ITEM_LEN).unwrap_or(u32::MAX);
            let header = SEGMENT_HEADER_LEN + self.snapshot_len() + syncs;
            to_usize(geometry.align_up(header)) <= room
        };
        (0..=self.state().time_syncs.len()).rev().find(fits).unwrap_or(0)
    }

    /// Bytes that the next segment's header may take.
    pub(super) fn next_header_len(&self) -> u32 {
        let syncs = self.time_syncs_kept() * TIME_SYNC_ITEM_LEN;
        let syncs = u32::try_from(syncs).unwrap_or(u32::MAX);
        self.ring.geometry.align_up(SEGMENT_HEADER_LEN + self.snapshot_len() + syncs)
    }

    /// Bytes of the largest segment header with that snapshot, which the buffer must hold.
    pub(super) fn header_len_max(&self) -> u32 {
        self.ring.geometry.align_up(SEGMENT_HEADER_LEN + self.snapshot_len())
    }

    /// Whether every later segment header still fits buffer and segment when the snapshot grows by `bytes`. A log whose
    /// snapshot does not fit could never roll again.
    pub(super) fn snapshot_may_grow(&self, bytes: usize) -> bool {
        let geometry = &self.ring.geometry;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let snapshot = self.snapshot_len().saturating_add(bytes);
        let header = geometry.align_up(SEGMENT_HEADER_LEN.saturating_add(snapshot));
        let segment = header.saturating_add(CONTROL_RESERVE + RECORD_ROOM);
        segment <= geometry.segment_size() && to_usize(header) <= self.buffer.as_ref().len()
    }

    /// Writes control entries and folds them into the state, all in one segment.
    pub(super) async fn control(
        &mut self,
        controls: &[Control<'_>],
        reserve: u32,
    ) -> Result<(), AppendError<M::Error>> {
        self.usable()?;
        let mut length = 0u32;
        for control in controls {
            length = length.saturating_add(self.control_len(control)?);
        }
        let since_base = self.make_room(length, self.ring.end.time, reserve).await?;
        let (mut end, mut used) = (self.ring.end, 0);
        for control in controls {
            used = self.compose_control(&mut end, used, control, since_base)?;
        }
        self.program(used, end).await?;
        for control in controls {
            // Those who call have seen that there is room.
            let _ = self.state_mut().apply(control);
        }
        Ok(())
    }

    pub(super) async fn program_control(
        &mut self,
        control: &Control<'_>,
        since_base: u32,
    ) -> Result<(), AppendError<M::Error>> {
        let mut end = self.ring.end;
        let used = self.compose_control(&mut end, 0, control, since_base)?;
        self.program(used, end).await
    }

    fn compose_control(
        &mut self,
        end: &mut Place,
        used: usize,
        control: &Control<'_>,
        since_base: u32,
    ) -> Result<usize, AppendError<M::Error>> {
        let mut body = [0; CONTROL_LEN_MAX];
        let (kind, id, body) = control.emit(&mut body);
        let header = FrameHeader {
            crc: 0,
            form: end.long(since_base),
            kind: Kind::Control,
            class: Class::Critical,
            has_key: false,
            synced: self.synced && used == 0,
            topic: u16::from_le_bytes([kind as u8, id]),
            payload_len: u32::try_from(body.len()).unwrap_or(0),
        };
        let (buffer, geometry) = (self.buffer.as_mut(), &self.ring.geometry);
        let limit = buffer.len();
        compose(buffer, used, end, header, &[], geometry, &mut |bytes| bytes.copy_from_slice(body))
            .map_err(|frame_bytes| AppendError::TooLarge { frame_bytes, limit })
    }

    /// Bytes of a control entry's frame, if the buffer can hold it.
    pub(super) fn control_len(&self, control: &Control<'_>) -> Result<u32, AppendError<M::Error>> {
        let mut body = [0; CONTROL_LEN_MAX];
        let (_, _, body) = control.emit(&mut body);
        let geometry = &self.ring.geometry;
        let body_len = u32::try_from(body.len()).unwrap_or(0);
        let length = geometry.align_up(geometry.align_up(LONG_HEADER_LEN) + body_len);
        let (frame_bytes, limit) = (to_usize(length), self.buffer.as_ref().len());
        if frame_bytes <= limit {
            Ok(length)
        } else {
            Err(AppendError::TooLarge { frame_bytes, limit })
        }
    }
}

fn check_name<E>(what: Part, name: &str, limit: usize) -> Result<(), AppendError<E>> {
    let fits = (1..=limit).contains(&name.len());
    if fits { Ok(()) } else { Err(AppendError::BadLength { what, limit }) }
}
