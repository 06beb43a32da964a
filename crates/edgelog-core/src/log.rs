//! The writer: append, sync, cursors, and rolling to the next segment.

use crate::error::{AppendError, MountError, ReadError};
use crate::format::{
    ANCHOR_LEN_MAX, CURSOR_NAME_LEN_MAX, Control, FRAME_HEADER_LEN, FrameHeader, GENERATION_MAX,
    KEY_LEN_MAX, Kind, OFFSET_MAX, PAYLOAD_LEN_MAX, SEGMENT_HEADER_LEN, SegmentHeader,
    TOPIC_NAME_LEN_MAX,
};
use crate::medium::Medium;
use crate::mount::{Mounted, mount};
use crate::reader::{Item, Reader};
use crate::ring::{End, Ring};
use crate::segment::{low_16, to_usize};
use crate::state::{
    CURSOR_ITEMS_LEN, CURSORS_MAX, Cursor, State, TOPIC_ITEM_LEN, TOPICS_MAX, Topic,
};
use crate::types::{Class, CursorId, Event, LogId, TopicId};

/// Bytes at the end of the last free segment that records leave to cursors and anchors, so that a full log can still be emptied.
pub const CONTROL_RESERVE: u32 = 512;

/// Bytes of that reserve that commits leave to anchors: a commit that finds no room holds in memory, and an anchor may not.
const ANCHOR_RESERVE: u32 = 256;

/// One totally ordered log on one medium, open for appending.
///
/// `B` is the frame buffer: a record's whole frame must fit, and it must hold a segment header with its snapshot. Nothing else is allocated.
///
/// Only one `Log` may write to a medium at a time; the owner of the medium sees to that.
#[derive(Debug)]
pub struct Log<M, B> {
    medium: M,
    buffer: B,
    ring: Ring,
    state: State,
    durable: u64,
    damaged: u64,
    outbound: u64,
    torn_bytes: u32,
    epochs_lost: u32,
    /// True once this mount wrote its epoch: only then may it append.
    opened: bool,
    /// True when the next frame may say that everything before it is durable.
    synced: bool,
    /// Cursors, by their place in the state, whose commit holds in memory and found no room on the medium.
    unsaved: u8,
    poisoned: bool,
}

const _: () = assert!(CURSORS_MAX <= 8, "one bit for each cursor");

/// What a segment keeps for records besides its header and [`CONTROL_RESERVE`]: topics and cursors are refused before their
/// snapshot would leave less.
const RECORD_ROOM: u32 = 64;

impl<M: Medium, B: AsRef<[u8]> + AsMut<[u8]>> Log<M, B> {
    /// Creates a log with the random id `id` on a medium that holds none, and makes it durable.
    ///
    /// `now_ms`: ms since 1970-01-01 UTC. Costs one erase, one program and one sync.
    /// Power loss: the medium holds either no log or this empty one.
    ///
    /// # Errors
    ///
    /// [`MountError::Exists`] when there is a log already. The slots of other data are not touched before the ring reaches them.
    pub fn create(
        mut medium: M,
        buffer: B,
        id: LogId,
        now_ms: u64,
    ) -> Result<Self, MountError<M::Error>> {
        match Ring::survey(&mut medium) {
            Ok(ring) => return Err(MountError::Exists(ring.log)),
            Err(MountError::NoLog { .. }) => {}
            Err(other) => return Err(other),
        }
        let geometry = medium.geometry();
        let newest = SegmentHeader {
            geometry,
            slot: 0,
            log: id,
            generation: 0,
            base_offset: 0,
            base_time: now_ms,
            epoch: 1,
            snapshot_len: 0,
        };
        let ring = Ring { log: id, geometry, oldest: 0, newest, end: End::start_of(&newest) };
        let state = State::default();
        let mounted = Mounted { ring, state, damaged: 0, torn_bytes: 0, epochs_lost: 0 };
        let mut log = Self::from_mounted(medium, buffer, mounted);
        log.write_header(newest).map_err(|error| match error {
            AppendError::Medium(error) => MountError::Medium(error),
            AppendError::TooLarge { frame_bytes, .. } => {
                MountError::BufferTooSmall { needed: frame_bytes }
            }
            _ => MountError::TooMany,
        })?;
        log.opened = true;
        Ok(log)
    }

    /// Mounts the log that the medium holds. Writes nothing; damage costs the damaged records and is counted in [`damaged`](Self::damaged).
    ///
    /// Everything found is durable afterwards: an owner that was killed may have left bytes that were written and not synced.
    /// Costs one header read for each segment, one sync, then one pass over the newest segment.
    /// Power loss: changes nothing.
    ///
    /// # Errors
    ///
    /// [`MountError`]: there is no log, it has another geometry or a newer version, or the device failed.
    pub fn mount(mut medium: M, buffer: B) -> Result<Self, MountError<M::Error>> {
        let mounted = mount(&mut medium)?;
        medium.adopt(mounted.ring.newest.slot);
        medium.sync()?;
        Ok(Self::from_mounted(medium, buffer, mounted))
    }

    fn from_mounted(medium: M, buffer: B, mounted: Mounted) -> Self {
        let Mounted { ring, state, damaged, torn_bytes, epochs_lost } = mounted;
        let durable = ring.end.offset;
        Self {
            medium,
            buffer,
            ring,
            state,
            durable,
            damaged,
            outbound: durable,
            torn_bytes,
            epochs_lost,
            opened: false,
            synced: true,
            unsaved: 0,
            poisoned: false,
        }
    }

    /// Appends one event and gives its offset. It is visible at once and durable after the next [`sync`](Self::sync).
    ///
    /// `now_ms`: ms since 1970-01-01 UTC. A clock that runs backwards is held at the last record's time.
    /// Costs one program of the frame; when the segment is full also one sync, erase, program and sync. The first append of a mount costs one frame and one sync more.
    /// Power loss before the sync: the record is whole or absent.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; nothing was stored and everything acknowledged before still holds.
    pub fn append(&mut self, event: &Event<'_>, now_ms: u64) -> Result<u64, AppendError<M::Error>> {
        self.usable()?;
        if event.key.is_some_and(|key| key.len() > KEY_LEN_MAX) {
            return Err(AppendError::BadLength { what: "key", limit: KEY_LEN_MAX });
        }
        if self.state.topic(event.topic).is_none() {
            return Err(AppendError::Unknown { what: "topic" });
        }
        let length = self.checked_len(event)?;
        if self.ring.end.offset >= OFFSET_MAX {
            return Err(AppendError::TooMany { what: "record", limit: usize::MAX });
        }
        let time = now_ms.max(self.ring.end.time);
        let time_delta = self.make_room(length, time, CONTROL_RESERVE)?;
        let header = FrameHeader {
            crc: 0,
            payload_len: u32::try_from(event.payload.len()).unwrap_or(PAYLOAD_LEN_MAX),
            kind: Kind::Record,
            class: event.class,
            has_key: event.key.is_some(),
            synced: self.synced,
            topic: event.topic.get(),
            offset_low: low_16(self.ring.end.offset),
            time_delta,
        };
        self.program_frame(header, event.key.unwrap_or_default(), event.payload)?;
        self.ring.end.time = time;
        let offset = self.ring.end.offset;
        self.ring.end.offset += 1;
        Ok(offset)
    }

    /// Makes everything appended so far durable and gives the durable offset: every record below it survives any power cut.
    ///
    /// # Errors
    ///
    /// The device failed; the log is poisoned, and what was durable before still is.
    pub fn sync(&mut self) -> Result<u64, AppendError<M::Error>> {
        self.usable()?;
        if !self.synced {
            if let Err(error) = self.medium.sync() {
                self.poisoned = true;
                return Err(AppendError::Medium(error));
            }
            self.synced = true;
        }
        self.durable = self.ring.end.offset;
        Ok(self.durable)
    }

    /// The id of the topic `name`, which is created when it is new (one small frame).
    ///
    /// # Errors
    ///
    /// [`AppendError::BadLength`] (1 to [`TOPIC_NAME_LEN_MAX`] bytes), [`AppendError::TooMany`] beyond [`TOPICS_MAX`], or the medium's.
    pub fn topic(&mut self, name: &str) -> Result<TopicId, AppendError<M::Error>> {
        if let Some(id) = self.state.topic_named(name) {
            return Ok(id);
        }
        check_name("topic name", name, TOPIC_NAME_LEN_MAX)?;
        // Above every known one, even when damage took some away: a topic's number is never given again.
        let id = self.state.topic_next;
        if usize::from(id) >= TOPICS_MAX {
            return Err(AppendError::TooMany { what: "topic", limit: TOPICS_MAX });
        }
        if !self.snapshot_may_grow(TOPIC_ITEM_LEN + name.len()) {
            let limit = self.state.topics.len();
            return Err(AppendError::TooMany { what: "topic", limit });
        }
        self.control(&[Control::Topic { topic: id, name }], CONTROL_RESERVE)?;
        Ok(TopicId(id))
    }

    /// The durable cursor `name`, which is created at `start` when it is new (two small frames). An existing cursor keeps its place.
    ///
    /// # Errors
    ///
    /// [`AppendError::BadLength`] (1 to [`CURSOR_NAME_LEN_MAX`] bytes), [`AppendError::TooMany`] beyond [`CURSORS_MAX`], or the medium's.
    pub fn cursor(&mut self, name: &str, start: u64) -> Result<CursorId, AppendError<M::Error>> {
        if let Some(id) = self.state.cursor_named(name) {
            return Ok(id);
        }
        check_name("cursor name", name, CURSOR_NAME_LEN_MAX)?;
        let id = (0..=u8::MAX).find(|&id| self.state.cursor(CursorId(id)).is_none());
        let (Some(id), false) = (id, self.state.cursors.is_full()) else {
            return Err(AppendError::TooMany { what: "cursor", limit: CURSORS_MAX });
        };
        if !self.snapshot_may_grow(CURSOR_ITEMS_LEN + name.len() + ANCHOR_LEN_MAX) {
            let limit = self.state.cursors.len();
            return Err(AppendError::TooMany { what: "cursor", limit });
        }
        let commit = Control::Commit { id, offset: start.min(self.durable), mark: 0 };
        self.control(&[Control::Cursor { id, name }, commit], 0)?;
        Ok(CursorId(id))
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
    pub fn commit(
        &mut self,
        cursor: CursorId,
        offset: u64,
        mark: i64,
    ) -> Result<(), AppendError<M::Error>> {
        let Some(place) = self.state.cursors.iter().position(|known| known.id == cursor) else {
            return Err(AppendError::Unknown { what: "cursor" });
        };
        let current = self.state.cursors.get(place).map_or((0, 0), |c| (c.offset, c.mark));
        let wanted = (offset.min(self.durable), mark);
        // A commit that is late says again what holds, because that may not be stored yet.
        let next = if wanted.0 < current.0 { current } else { wanted };
        if next == current && self.unsaved & (1 << place) == 0 {
            return Ok(());
        }
        self.usable()?;
        let (offset, mark) = next;
        let commit = Control::Commit { id: cursor.0, offset, mark };
        let length = self.control_len(&commit)?;
        let generation = self.ring.newest.generation;
        // A commit is true whether it is stored or not, and may be what frees the next segment, whose snapshot then has it.
        let _ = self.state.apply(&commit);
        self.unsaved |= 1 << place;
        let time_delta = self.make_room(length, self.ring.end.time, ANCHOR_RESERVE)?;
        if self.ring.newest.generation == generation {
            self.program_control(&commit, time_delta)?;
        }
        self.unsaved &= !(1 << place);
        Ok(())
    }

    /// Sets a cursor's anchor, its consumer's own state of 1 to [`ANCHOR_LEN_MAX`] bytes. Durable with the next [`sync`](Self::sync).
    ///
    /// # Errors
    ///
    /// [`AppendError::BadLength`], [`AppendError::Unknown`], [`AppendError::Full`], or the medium's.
    pub fn set_anchor(
        &mut self,
        cursor: CursorId,
        bytes: &[u8],
    ) -> Result<(), AppendError<M::Error>> {
        if self.state.cursor(cursor).is_none() {
            return Err(AppendError::Unknown { what: "cursor" });
        }
        if !(1..=ANCHOR_LEN_MAX).contains(&bytes.len()) {
            return Err(AppendError::BadLength { what: "anchor", limit: ANCHOR_LEN_MAX });
        }
        self.control(&[Control::Anchor { id: cursor.0, bytes }], 0)
    }

    /// The next record or gap below `limit`, which is usually [`visible`](Self::visible) or [`durable`](Self::durable).
    ///
    /// `buffer` takes the whole frame: the record is borrowed from it. `None`: the reader is at `limit`.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; the reader stays where it was. Damage is not an error but a gap.
    pub fn read<'b>(
        &mut self,
        reader: &mut Reader,
        limit: u64,
        buffer: &'b mut [u8],
    ) -> Result<Option<Item<'b>>, ReadError<M::Error>> {
        reader.next(&mut self.medium, &self.ring, limit, buffer)
    }

    /// The log's id.
    pub fn id(&self) -> LogId {
        self.ring.log
    }

    /// The epoch of the last append, or of the log's end when nothing was appended since it was mounted.
    pub fn epoch(&self) -> u32 {
        self.ring.end.epoch
    }

    /// Every record below this offset was appended.
    pub fn visible(&self) -> u64 {
        self.ring.end.offset
    }

    /// Every record below this offset survives any power cut.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// The offset of the oldest record that is still there.
    ///
    /// # Errors
    ///
    /// The device could not read.
    pub fn earliest(&mut self) -> Result<u64, M::Error> {
        self.ring.earliest(&mut self.medium)
    }

    /// Bytes behind the end that mounting found written and not valid: what a power cut tore, or durable records at the very end
    /// that rotted, which cannot be told apart. They are overwritten; no identity that they may have had is given again.
    pub fn torn_bytes(&self) -> u32 {
        self.torn_bytes
    }

    /// Nothing from this offset on, as it is numbered now, can have left the device: where the log ended when it was mounted, or what
    /// [`mark_outbound`](Self::mark_outbound) said since. A receiver that knows more has records that this log has lost.
    pub fn outbound(&self) -> u64 {
        self.outbound
    }

    /// Records below `offset` are about to leave the device. Kept in memory only: the next mount knows its own end.
    pub fn mark_outbound(&mut self, offset: u64) {
        self.outbound = self.outbound.max(offset.min(self.durable));
    }

    /// Durable records that mounting found damaged at or near the end of the log.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Live segments, and how many of them the ring has.
    pub fn segments(&self) -> (u64, u32) {
        (self.ring.newest.generation - self.ring.oldest + 1, self.ring.geometry.segment_count())
    }

    /// The topics, in order of their ids.
    pub fn topics(&self) -> &[Topic] {
        &self.state.topics
    }

    /// The durable cursors.
    pub fn cursors(&self) -> &[Cursor] {
        &self.state.cursors
    }

    /// The medium, for its own figures.
    pub fn medium(&self) -> &M {
        &self.medium
    }

    /// Ends the log without writing and gives medium and buffer back.
    pub fn into_parts(self) -> (M, B) {
        (self.medium, self.buffer)
    }

    fn usable(&self) -> Result<(), AppendError<M::Error>> {
        if self.poisoned { Err(AppendError::Poisoned) } else { Ok(()) }
    }

    /// Bytes of the event's frame, if buffer and segments can hold it.
    fn checked_len(&self, event: &Event<'_>) -> Result<u32, AppendError<M::Error>> {
        let geometry = &self.ring.geometry;
        let key = event.key.map_or(0, |key| key.len() + 1);
        let align = to_usize(geometry.align());
        let payload_at = (to_usize(FRAME_HEADER_LEN) + key).next_multiple_of(align);
        let frame_bytes =
            payload_at.saturating_add(event.payload.len()).div_ceil(align).saturating_mul(align);
        // A record must fit an empty segment beside the largest snapshot, or it could never be stored.
        let segment_room = geometry
            .segment_size()
            .saturating_sub(CONTROL_RESERVE)
            .saturating_sub(geometry.align_up(SEGMENT_HEADER_LEN + self.snapshot_len()));
        let limit = to_usize(segment_room.min(PAYLOAD_LEN_MAX)).min(self.buffer.as_ref().len());
        match u32::try_from(frame_bytes) {
            Ok(length) if frame_bytes <= limit => Ok(length),
            _ => Err(AppendError::TooLarge { frame_bytes, limit }),
        }
    }

    /// Bytes of the largest snapshot that the topics and cursors can have: every cursor may get the longest anchor.
    fn snapshot_len(&self) -> u32 {
        let topics = self.state.topics.iter().map(|topic| TOPIC_ITEM_LEN + topic.name.len());
        let cursors =
            self.state.cursors.iter().map(|c| CURSOR_ITEMS_LEN + c.name.len() + ANCHOR_LEN_MAX);
        u32::try_from(topics.sum::<usize>() + cursors.sum::<usize>()).unwrap_or(u32::MAX)
    }

    /// Whether every later segment header still fits buffer and segment when the snapshot grows by `bytes`. A log whose
    /// snapshot does not fit could never roll again.
    fn snapshot_may_grow(&self, bytes: usize) -> bool {
        let geometry = &self.ring.geometry;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let snapshot = self.snapshot_len().saturating_add(bytes);
        let header = geometry.align_up(SEGMENT_HEADER_LEN.saturating_add(snapshot));
        let segment = header.saturating_add(CONTROL_RESERVE + RECORD_ROOM);
        segment <= geometry.segment_size() && to_usize(header) <= self.buffer.as_ref().len()
    }

    /// Writes control entries and folds them into the state, all in one segment.
    fn control(
        &mut self,
        controls: &[Control<'_>],
        reserve: u32,
    ) -> Result<(), AppendError<M::Error>> {
        self.usable()?;
        let mut length = 0u32;
        for control in controls {
            length = length.saturating_add(self.control_len(control)?);
        }
        let time_delta = self.make_room(length, self.ring.end.time, reserve)?;
        for control in controls {
            self.program_control(control, time_delta)?;
            if self.state.apply(control).is_err() {
                return Err(AppendError::TooMany { what: "topic or cursor", limit: CURSORS_MAX });
            }
        }
        Ok(())
    }

    /// Bytes of a control entry's frame, if the buffer can hold it.
    fn control_len(&self, control: &Control<'_>) -> Result<u32, AppendError<M::Error>> {
        let (kind, id, body) = control.emit();
        let length =
            self.control_header(kind as u8, id, body.len()).frame_len(0, &self.ring.geometry);
        let (frame_bytes, limit) = (to_usize(length), self.buffer.as_ref().len());
        if frame_bytes <= limit {
            Ok(length)
        } else {
            Err(AppendError::TooLarge { frame_bytes, limit })
        }
    }

    fn program_control(
        &mut self,
        control: &Control<'_>,
        time_delta: u32,
    ) -> Result<(), AppendError<M::Error>> {
        let (kind, id, body) = control.emit();
        let header = FrameHeader { time_delta, ..self.control_header(kind as u8, id, body.len()) };
        self.program_frame(header, &[], &body)
    }

    fn control_header(&self, kind: u8, id: u8, body_len: usize) -> FrameHeader {
        FrameHeader {
            crc: 0,
            payload_len: u32::try_from(body_len).unwrap_or(0),
            kind: Kind::Control,
            class: Class::Critical,
            has_key: false,
            synced: self.synced,
            topic: u16::from_le_bytes([kind, id]),
            offset_low: low_16(self.ring.end.offset),
            time_delta: 0,
        }
    }

    /// This mount's first frame: the next epoch, durable, so that what becomes visible now never shares an identity with
    /// what a crash took away, and frames that the crash left behind the end never validate.
    fn open_epoch(
        &mut self,
        epoch: &Control<'_>,
        time_delta: u32,
    ) -> Result<(), AppendError<M::Error>> {
        self.program_control(epoch, time_delta)?;
        self.sync()?;
        self.ring.end.epoch = self.next_epoch();
        self.opened = true;
        Ok(())
    }

    /// The epoch of this mount's records.
    const fn next_epoch(&self) -> u32 {
        let step = if self.opened { 0 } else { self.epochs_lost.saturating_add(1) };
        self.ring.end.epoch.saturating_add(step)
    }

    fn fits(&self, length: u32, reserve: u32) -> bool {
        let end = self.ring.end.position.saturating_add(length).saturating_add(reserve);
        end <= self.ring.geometry.segment_size()
    }

    /// Room for frames of `length` bytes, in this segment or, after a roll, in the next; gives their time delta. Writes this
    /// mount's epoch before, if that is still to be done, but only when the frames have room too: a full log refuses
    /// without a trace, or every restart would take from what is reserved.
    ///
    /// The last `reserve` bytes are only used when the next segment is free.
    fn make_room(
        &mut self,
        length: u32,
        time: u64,
        reserve: u32,
    ) -> Result<u32, AppendError<M::Error>> {
        let epoch = Control::Epoch {
            epoch: self.next_epoch(),
            resumed_from: self.ring.end.position,
            next_offset: self.ring.end.offset,
        };
        if !self.opened && self.next_epoch() == u32::MAX {
            return Err(AppendError::TooMany { what: "epoch", limit: usize::MAX });
        }
        let epoch_len = if self.opened { 0 } else { self.control_len(&epoch)? };
        let length = length.saturating_add(epoch_len);
        // A segment spans 49 days; a later record begins the next one.
        if let Ok(delta) = u32::try_from(time.saturating_sub(self.ring.newest.base_time))
            && self.fits(length, 0)
            && (self.fits(length, reserve) || self.next_is_free()?)
        {
            if !self.opened {
                self.open_epoch(&epoch, delta)?;
            }
            return Ok(delta);
        }
        self.roll(time, self.next_epoch())?;
        self.opened = true;
        Ok(0)
    }

    /// Whether the next slot holds nothing that is still needed: every cursor has passed it, and there is a cursor.
    fn next_is_free(&mut self) -> Result<bool, AppendError<M::Error>> {
        let next = self.ring.newest.generation + 1;
        let count = u64::from(self.ring.geometry.segment_count());
        let Some(evicted) = next.checked_sub(count).filter(|&evicted| evicted >= self.ring.oldest)
        else {
            return Ok(true);
        };
        let keep_from = self.ring.next_header(&mut self.medium, evicted)?.base_offset;
        Ok(self.state.least_commit().is_some_and(|least| least >= keep_from))
    }

    /// Seals the segment and opens the next one.
    fn roll(&mut self, time: u64, epoch: u32) -> Result<(), AppendError<M::Error>> {
        let generation = self.ring.newest.generation + 1;
        if generation > GENERATION_MAX || !self.next_is_free()? {
            return Err(AppendError::Full);
        }
        self.sync()?;
        self.write_header(SegmentHeader {
            slot: self.ring.geometry.slot(generation),
            generation,
            base_offset: self.ring.end.offset,
            base_time: time,
            epoch,
            snapshot_len: 0,
            ..self.ring.newest
        })?;
        self.ring.oldest = self.ring.oldest.max(self.ring.first_live());
        Ok(())
    }

    /// Erases the slot of `header`, writes header and snapshot, and goes on behind them. Until the last sync returns the log is as before.
    fn write_header(&mut self, header: SegmentHeader) -> Result<(), AppendError<M::Error>> {
        let geometry = header.geometry;
        let longest = to_usize(geometry.align_up(SEGMENT_HEADER_LEN + self.snapshot_len()));
        let buffer = self.buffer.as_mut();
        let limit = buffer.len().min(to_usize(geometry.segment_size()));
        let needed = AppendError::TooLarge { frame_bytes: longest, limit };
        let Some((fixed, rest)) = buffer.split_first_chunk_mut() else { return Err(needed) };
        let Some(length) = self.state.emit(rest) else { return Err(needed) };
        let Ok(snapshot_len) = u32::try_from(length) else { return Err(needed) };
        let header = SegmentHeader { snapshot_len, ..header };
        *fixed = header.emit(rest.get(..length).unwrap_or_default());
        let end = to_usize(geometry.align_up(SEGMENT_HEADER_LEN + snapshot_len));
        let Some(bytes) = buffer.get_mut(..end).filter(|_| end <= limit) else {
            return Err(needed);
        };
        if let Some(padding) = bytes.get_mut(to_usize(SEGMENT_HEADER_LEN) + length..) {
            padding.fill(geometry.erased());
        }
        self.medium.erase(header.slot)?;
        // A header that failed may be there all the same. Frames appended to the old segment after that would be lost to the
        // next mount, which believes the header.
        if let Err(error) =
            self.medium.program(header.slot, 0, bytes).and_then(|()| self.medium.sync())
        {
            self.poisoned = true;
            return Err(AppendError::Medium(error));
        }
        let time = self.ring.end.time;
        self.ring.newest = header;
        self.ring.end = End { time: time.max(header.base_time), ..End::start_of(&header) };
        self.synced = true;
        self.unsaved = 0;
        Ok(())
    }

    /// Composes a frame in the buffer and programs it at the end. The caller made sure of the room.
    fn program_frame(
        &mut self,
        mut header: FrameHeader,
        key: &[u8],
        payload: &[u8],
    ) -> Result<(), AppendError<M::Error>> {
        let geometry = self.ring.geometry;
        let position = self.ring.end.position;
        let key_len = u32::try_from(key.len()).unwrap_or(0);
        let length = header.frame_len(key_len, &geometry);
        let buffer = self.buffer.as_mut();
        let limit = buffer.len();
        let too_large = AppendError::TooLarge { frame_bytes: to_usize(length), limit };
        let Some(frame) = buffer.get_mut(..to_usize(length)) else { return Err(too_large) };
        frame.fill(geometry.erased());
        let mut crc = self.ring.seed().at(position);
        crc.update(header.emit().get(4..).unwrap_or_default());
        if header.has_key {
            let key_at = to_usize(FRAME_HEADER_LEN);
            let prefix = [u8::try_from(key.len()).unwrap_or(u8::MAX)];
            crate::format::put(frame, key_at, &prefix);
            crate::format::put(frame, key_at + 1, key);
            crc.update(&prefix);
            crc.update(key);
        }
        crc.update(payload);
        crate::format::put(frame, to_usize(header.payload_at(key_len, &geometry)), payload);
        header.crc = crc.finish();
        crate::format::put(frame, 0, &header.emit());
        if let Err(error) = self.medium.program(self.ring.newest.slot, position, frame) {
            self.poisoned = true;
            return Err(AppendError::Medium(error));
        }
        self.ring.end.position += length;
        self.synced = false;
        Ok(())
    }
}

fn check_name<E>(what: &'static str, name: &str, limit: usize) -> Result<(), AppendError<E>> {
    let fits = (1..=limit).contains(&name.len());
    if fits { Ok(()) } else { Err(AppendError::BadLength { what, limit }) }
}
