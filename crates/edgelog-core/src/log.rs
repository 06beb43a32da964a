//! The writer: append, sync, read. Entries of its own are in `control`, where frames go in `room`.

mod control;
mod room;

use crate::error::{AppendError, MountError, ReadError};
use crate::format::{
    FRAME_HEADER_LEN, FrameHeader, KEY_LEN_MAX, Kind, OFFSET_MAX, PAYLOAD_LEN_MAX,
    SEGMENT_HEADER_LEN, SegmentHeader,
};
use crate::medium::Medium;
use crate::mount::{Mounted, mount};
use crate::reader::{Item, Reader};
use crate::ring::{End, Ring};
use crate::segment::{low_16, to_usize};
use crate::state::{CURSORS_MAX, Cursor, State, Topic};
use crate::types::{Event, LogId};

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
}
