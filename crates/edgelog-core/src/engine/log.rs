//! The writer: append, sync, read. Entries of its own are in `control`, where frames go in `room`.

mod control;
mod room;

use super::back::BackReader;
use super::both;
use super::medium::Medium;
use super::mount::{Mounted, mount, note_len};
use super::reader::{Extent, Reader, seek_time};
use super::ring::Ring;
use crate::clock::Clock;
use crate::error::{AppendError, MountError, Part, ReadError};
use crate::format::{
    FrameHeader, KEY_LEN_MAX, Kind, LONG_HEADER_LEN, OFFSET_MAX, PAYLOAD_LEN_MAX, SegmentHeader,
};
use crate::item::{Item, Record};
use crate::place::to_usize;
use crate::policy::{CONTROL_RESERVE, CursorSet, FullPolicy, Oldest};
use crate::state::{Cursor, HEADER_LEN_MAX, Memory, Topic};
use crate::types::{Class, Event, Identity, LogId, TimeQuality, TimeSync, TopicId};
use core::borrow::BorrowMut;
use core::ops::Range;
use room::compose;

/// No segment header with its snapshot is longer, with its padding.
#[expect(clippy::cast_possible_truncation, reason = "it is some 3 KB")]
const LONGEST_HEADER: u32 = HEADER_LEN_MAX.next_multiple_of(32) as u32;

/// One totally ordered log on one medium, open for appending.
///
/// `B` is the frame buffer: a record's whole frame must fit, and it must hold a segment header with its snapshot. `S` is what the log
/// remembers its topics and cursors in: its own [`Memory`], or `&mut Memory` that a device lends it. Nothing else is allocated.
///
/// Only one `Log` may write to a medium at a time; the owner of the medium sees to that.
#[derive(Debug)]
pub struct Log<M, B, S = Memory> {
    medium: M,
    buffer: B,
    ring: Ring,
    memory: S,
    full: FullPolicy,
    durable: u64,
    damaged: u64,
    outbound: u64,
    torn_bytes: u32,
    epochs_lost: u32,
    /// Where the log ended when it was mounted; torn bytes may follow.
    resumed_from: u32,
    /// True once this mount wrote its epoch: only then may it append.
    opened: bool,
    /// True when the next frame may say that everything before it is durable.
    synced: bool,
    /// True while a sync that [has begun](Self::begin_sync) has not ended.
    syncing: bool,
    /// What will be durable when the medium [is past](Medium::is_past_barrier) the last barrier, if that may still be to come.
    barred: Option<u64>,
    /// False while the newest segment's header may still be lost to a power cut: no older segment is given up until then.
    founded: bool,
    /// True when the next segment's slot is erased.
    next_is_ready: bool,
    /// True when an earlier mount erased it, and a roll may have been cut since.
    ready_before: bool,
    /// True when the next segment's slot may hold a torn header, which a cut erase may leave whole.
    next_is_dirty: bool,
    /// Cursors, by their id, whose commit holds in memory and found no room on the medium.
    unsaved: CursorSet,
    /// Of the records that the application gave up and that have no offsets yet, those that are noted on the medium.
    refused_noted: u32,
    clock: Clock,
    poisoned: bool,
}

#[both(AFIT)]
impl<M: Medium, B: AsRef<[u8]> + AsMut<[u8]>> Log<M, B> {
    /// Creates a log with the random id `id` on a medium that holds none, and makes it durable. The log has its own [`Memory`].
    ///
    /// `now_ms`: ms since 1970-01-01 UTC. Costs one erase, one program and one sync.
    /// Power loss: the medium holds either no log or this empty one.
    ///
    /// # Errors
    ///
    /// [`MountError::Exists`] when there is a log already. The slots of other data are not touched before the ring reaches them.
    pub async fn create(
        medium: M,
        buffer: B,
        id: LogId,
        now_ms: u64,
    ) -> Result<Self, MountError<M::Error>> {
        Self::create_in(medium, buffer, Memory::new(), id, now_ms).await
    }

    /// Mounts the log that the medium holds. Writes nothing; damage costs the damaged records and is counted in [`damaged`](Self::damaged).
    /// The log has its own [`Memory`].
    ///
    /// Everything found is made durable: an owner that was killed may have left bytes that were written and not synced. Nothing waits for
    /// that where the medium can hold back what comes behind a [barrier](Medium::barrier): until it is past it, [`durable`](Self::durable) tells
    /// where the newest segment begins, or more; the first append or commit waits, and so does [`settle`](Self::settle).
    /// Costs at most 2 log2(segments) + 8 header reads on a healthy ring (every header twice otherwise, and on rings of up
    /// to 16 segments; about 4 log2(segments) + 40 where segments were [given up](Self::evict), if the medium knows
    /// [where one is](Medium::likely_slot)), one pass over the newest segment, and one barrier.
    /// Power loss: changes nothing.
    ///
    /// # Errors
    ///
    /// [`MountError`]: there is no log, it has another geometry or a newer version, or the device failed.
    pub async fn mount(medium: M, buffer: B) -> Result<Self, MountError<M::Error>> {
        Self::mount_in(medium, buffer, Memory::new()).await
    }
}

#[both(AFIT)]
impl<M: Medium, B: AsRef<[u8]> + AsMut<[u8]>, S: BorrowMut<Memory>> Log<M, B, S> {
    /// As [`create`](Log::create), in memory that the caller lends: for devices whose stack has no room for a [`Memory`].
    ///
    /// # Errors
    ///
    /// As [`create`](Log::create).
    pub async fn create_in(
        mut medium: M,
        buffer: B,
        memory: S,
        id: LogId,
        now_ms: u64,
    ) -> Result<Self, MountError<M::Error>> {
        match Ring::survey(&mut medium).await {
            Ok(ring) => Err(MountError::Exists(ring.newest.log)),
            Err(MountError::NoLog { .. }) => Self::begin(medium, buffer, memory, id, now_ms).await,
            Err(other) => Err(other),
        }
    }

    /// As [`mount`](Log::mount), in memory that the caller lends: for devices whose stack has no room for a [`Memory`].
    ///
    /// # Errors
    ///
    /// As [`mount`](Log::mount).
    pub async fn mount_in(
        mut medium: M,
        buffer: B,
        mut memory: S,
    ) -> Result<Self, MountError<M::Error>> {
        let mounted = mount(&mut medium, memory.borrow_mut()).await?;
        Self::resume(medium, buffer, memory, mounted).await
    }

    /// What a device does at each start: mounts the log, or creates one with the random id that `id` gives where no segment has a
    /// valid header, whatever else the medium holds. So a create that the power cut is begun again.
    ///
    /// Where the medium may hold something else that must not be lost, use [`mount_in`](Self::mount_in), which never writes.
    ///
    /// # Errors
    ///
    /// As [`mount`](Log::mount), without [`MountError::NoLog`].
    pub async fn mount_or_create(
        mut medium: M,
        buffer: B,
        mut memory: S,
        id: impl FnOnce() -> LogId,
        now_ms: u64,
    ) -> Result<Self, MountError<M::Error>> {
        match mount(&mut medium, memory.borrow_mut()).await {
            Ok(mounted) => Self::resume(medium, buffer, memory, mounted).await,
            Err(MountError::NoLog { .. }) => {
                Self::begin(medium, buffer, memory, id(), now_ms).await
            }
            Err(other) => Err(other),
        }
    }

    /// A new log on a medium that holds none.
    async fn begin(
        medium: M,
        buffer: B,
        mut memory: S,
        id: LogId,
        now_ms: u64,
    ) -> Result<Self, MountError<M::Error>> {
        memory.borrow_mut().forget();
        let newest = SegmentHeader {
            log: id,
            generation: 0,
            base_offset: 0,
            base_time: now_ms,
            epoch: 1,
            snapshot_len: 0,
            refused: 0,
            clock_unset: false,
            is_presumed: false,
        };
        let ring = Ring::of(newest, medium.geometry());
        let mut log = Self::from_mounted(medium, buffer, memory, Mounted::new(ring));
        log.write_header(newest).await.map_err(|error| match error {
            AppendError::Medium(error) => MountError::Medium(error),
            AppendError::TooLarge { frame_bytes, .. } => {
                MountError::BufferTooSmall { needed: frame_bytes }
            }
            _ => MountError::TooMany,
        })?;
        log.opened = true;
        Ok(log)
    }

    async fn resume(
        mut medium: M,
        buffer: B,
        memory: S,
        mounted: Mounted,
    ) -> Result<Self, MountError<M::Error>> {
        let newest = mounted.ring.newest;
        medium.adopt(mounted.ring.geometry.slot(newest.generation));
        medium.barrier().await?;
        let mut log = Self::from_mounted(medium, buffer, memory, mounted);
        // A header is not there before everything up to it is durable, nor a commit before what it commits.
        let committed = log.state().greatest_commit();
        (log.durable, log.barred) = (newest.base_offset.max(committed), Some(log.visible()));
        log.founded = false;
        log.pass_barrier();
        let (needed, given) = (to_usize(log.header_len_max()), log.buffer.as_ref().len());
        if needed > given { Err(MountError::BufferTooSmall { needed }) } else { Ok(log) }
    }

    fn from_mounted(medium: M, buffer: B, memory: S, mounted: Mounted) -> Self {
        let Mounted {
            mut ring,
            damaged,
            torn_bytes,
            epochs_lost,
            resume_at,
            next_is_ready,
            next_is_dirty,
        } = mounted;
        let resumed_from = ring.end.position;
        ring.end.position = resume_at;
        let durable = ring.end.offset;
        let refused_noted = memory.borrow().refused;
        Self {
            medium,
            buffer,
            ring,
            memory,
            full: FullPolicy::default(),
            durable,
            damaged,
            outbound: durable,
            torn_bytes,
            epochs_lost,
            resumed_from,
            opened: false,
            synced: true,
            syncing: false,
            barred: None,
            founded: true,
            next_is_ready,
            ready_before: next_is_ready,
            next_is_dirty,
            unsaved: CursorSet::default(),
            refused_noted,
            clock: Clock::default(),
            poisoned: false,
        }
    }

    /// Appends one event and gives its offset. It is visible at once and durable after the next [`sync`](Self::sync).
    ///
    /// `now_ms`: ms since 1970-01-01 UTC, or uptime after [`clock_is_unset`](Self::clock_is_unset). A clock that runs backwards is
    /// held at the last record's time.
    /// Costs one program of the frame and no read (one or two headers, near the segment's end, while the next segment is not ready);
    /// when the segment is full also a [barrier](Medium::barrier), one program of the next segment's header and a barrier, and an erase unless [`maintain`](Self::maintain) did it before. The first append of a mount costs one frame
    /// and one sync more; where a power cut stopped the opening of the next segment, also the erase of its slot.
    /// Power loss before the sync: the record is whole or absent.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; nothing was stored and everything acknowledged before still holds.
    pub async fn append(
        &mut self,
        event: &Event<'_>,
        now_ms: u64,
    ) -> Result<u64, AppendError<M::Error>> {
        Ok(self.append_batch(core::slice::from_ref(event), now_ms).await?.start)
    }

    /// Appends several events in one program and gives their offsets. Otherwise as [`append`](Self::append).
    ///
    /// All frames must fit the frame buffer together, and one segment. All have the same time.
    /// Power loss before the sync: the first of them, some or all, are there; each is whole.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; nothing of the batch was stored and everything acknowledged before still holds.
    pub async fn append_batch(
        &mut self,
        events: &[Event<'_>],
        now_ms: u64,
    ) -> Result<Range<u64>, AppendError<M::Error>> {
        let write = |event: &Event<'_>, bytes: &mut [u8]| bytes.copy_from_slice(event.payload);
        let first = self.store(events, 0, now_ms, write).await?;
        Ok(first..self.ring.end.offset)
    }

    /// Appends an event whose payload `write` composes in the frame buffer, or in memory that the medium [lends](Medium::lend): `payload_len`
    /// bytes, which it finds as they are there and has to fill. Otherwise as [`append`](Self::append). Nothing is copied between composing and programming.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; nothing was stored, and `write` was not called unless the device failed after it.
    pub async fn append_with(
        &mut self,
        topic: TopicId,
        class: Class,
        key: Option<&[u8]>,
        payload_len: usize,
        now_ms: u64,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<u64, AppendError<M::Error>> {
        let event = Event { topic, class, key, payload: &[] };
        let mut write = Some(write);
        let write = |_: &Event<'_>, bytes: &mut [u8]| {
            if let Some(write) = write.take() {
                write(bytes);
            }
        };
        self.store(core::slice::from_ref(&event), payload_len, now_ms, write).await
    }

    /// Stores events whose payloads, `more` bytes longer than they hold, `write` composes; gives the first one's offset.
    async fn store(
        &mut self,
        events: &[Event<'_>],
        more: usize,
        now_ms: u64,
        mut write: impl FnMut(&Event<'_>, &mut [u8]),
    ) -> Result<u64, AppendError<M::Error>> {
        self.usable()?;
        if events.is_empty() {
            return Ok(self.ring.end.offset);
        }
        let length = self.checked_len(events, more)?;
        let time = self.clock.time_of(now_ms).max(self.ring.end.time);
        let since_base = self.make_room(length, time, CONTROL_RESERVE).await?;
        // Only now: a new segment begins behind the records that were given up.
        let first = self.ring.end.offset;
        let (mut end, mut used, mut synced) = (self.ring.end, 0, self.synced);
        let Self { medium, buffer, ring, .. } = self;
        let geometry = &ring.geometry;
        let slot = geometry.slot(ring.newest.generation);
        let lent = medium.lend(slot, end.position, length);
        let is_lent = lent.is_some();
        let bytes = lent.unwrap_or_else(|| buffer.as_mut());
        let limit = bytes.len();
        for event in events {
            let (has_key, payload_len) = (event.key.is_some(), event.payload.len() + more);
            let header = FrameHeader {
                crc: 0,
                form: end.form(event.topic.get(), payload_len, has_key, since_base),
                kind: Kind::Record,
                class: event.class,
                has_key,
                synced,
                topic: event.topic.get(),
                payload_len: u32::try_from(payload_len).unwrap_or(PAYLOAD_LEN_MAX),
            };
            let key = event.key.unwrap_or_default();
            let write = &mut |bytes: &mut [u8]| write(event, bytes);
            used = compose(bytes, used, &mut end, header, key, geometry, write)
                .map_err(|frame_bytes| AppendError::TooLarge { frame_bytes, limit })?;
            synced = false;
        }
        if is_lent {
            self.program_lent(slot, end)?;
        } else {
            self.program(used, end).await?;
        }
        Ok(first)
    }

    /// Makes everything appended so far durable and gives the durable offset: every record below it survives any power cut.
    ///
    /// # Errors
    ///
    /// The device failed; the log is poisoned, and what was durable before still is.
    pub async fn sync(&mut self) -> Result<u64, AppendError<M::Error>> {
        self.usable()?;
        self.note_refused().await?;
        self.flush().await?;
        Ok(self.durable())
    }

    /// Returns when what mounting found is durable. At once where it is, as it is for whoever has appended something since.
    ///
    /// # Errors
    ///
    /// As [`sync`](Self::sync).
    pub async fn settle(&mut self) -> Result<(), AppendError<M::Error>> {
        // The first frame of a mount comes behind a sync.
        if self.opened || self.barred.is_none() {
            return Ok(());
        }
        self.usable()?;
        self.flush().await
    }

    /// Begins a sync that the caller runs on the medium's behalf, so that others append meanwhile; gives the offset that will be durable
    /// when it has ended, to be handed to [`end_sync`](Self::end_sync).
    ///
    /// Only for media that hold back what is programmed until that sync has ended: the next frame says that everything before it is
    /// durable. Where they cannot, use [`sync`](Self::sync).
    ///
    /// # Errors
    ///
    /// The device failed while records that were given up were noted.
    pub async fn begin_sync(&mut self) -> Result<u64, AppendError<M::Error>> {
        self.usable()?;
        self.note_refused().await?;
        (self.synced, self.syncing) = (true, true);
        Ok(self.ring.end.offset)
    }

    /// Says how a sync that had [begun](Self::begin_sync) has ended. After one that failed, what is durable beyond the durable offset is
    /// unknown, and the log takes no more until it is mounted again.
    pub fn end_sync(&mut self, offset: u64, is_done: bool) {
        self.syncing = false;
        if is_done {
            self.durable = self.durable.max(offset);
        } else {
            self.poisoned = true;
        }
    }

    /// Says that what the medium holds beyond the durable offset is unknown, because a write that it had put off has failed: the log takes no
    /// more until it is mounted again.
    pub const fn poison(&mut self) {
        self.poisoned = true;
    }

    /// Whether the log takes no more until it is mounted again.
    pub const fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// The next record or gap below `limit`, which is usually [`visible`](Self::visible) or [`durable`](Self::durable).
    ///
    /// `buffer` takes the whole frame: the record is borrowed from it. `None`: the reader is at `limit`.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; the reader stays where it was. Damage is not an error but a gap.
    pub async fn read<'b>(
        &mut self,
        reader: &mut Reader,
        limit: u64,
        buffer: &'b mut [u8],
    ) -> Result<Option<Item<'b>>, ReadError<M::Error>> {
        reader.next(&mut self.medium, &self.ring, limit, buffer).await
    }

    /// As [`read`](Self::read), out of the medium's own memory where it [is mapped](Medium::mapped): no byte of a record is copied, and the
    /// buffer may be empty. The log takes nothing while the item is borrowed.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; the reader stays where it was.
    pub async fn read_in_place<'l>(
        &'l mut self,
        reader: &mut Reader,
        limit: u64,
        buffer: &'l mut [u8],
    ) -> Result<Option<Item<'l>>, ReadError<M::Error>> {
        reader.next_in_place(&mut self.medium, &self.ring, limit, buffer).await
    }

    /// The record or gap before the one that was read last: newest first. Otherwise as [`read`](Self::read), without a limit.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; the reader stays where it was.
    pub async fn read_back<'b, const N: usize>(
        &mut self,
        reader: &mut BackReader<N>,
        buffer: &'b mut [u8],
    ) -> Result<Option<Item<'b>>, ReadError<M::Error>> {
        reader.next(&mut self.medium, &self.ring, buffer).await
    }

    /// The offset of the first record that is not older than `time_ms`, or [`visible`](Self::visible) when all are older.
    ///
    /// Costs at most 2 log2(segments) + 8 header reads and a pass over one segment.
    ///
    /// # Errors
    ///
    /// The device could not read.
    pub async fn seek_time(&mut self, time_ms: u64) -> Result<u64, ReadError<M::Error>> {
        seek_time(&mut self.medium, &self.ring, time_ms).await
    }

    /// Does ahead of time what the next append would have to do: erases the segment that comes next, when the
    /// [policy](Self::set_full_policy) lets it go. Call it when there is time, so that [`append`](Self::append) never erases.
    ///
    /// `erases`: how many erases there is time for; one is ever enough. Gives whether the next segment is ready.
    /// The log remembers over restarts (one 24-byte frame, and the mount's epoch), so that a segment is erased once however often the
    /// power goes. Where a segment's last 64 bytes (128 with 32-byte words) have no room for that, the erase is left to the append.
    /// Power loss: the segment that was being erased is erased again; its records had been released by every cursor that counts.
    ///
    /// # Errors
    ///
    /// The medium's. A failed erase may be tried again.
    pub async fn maintain(&mut self, erases: u32) -> Result<bool, AppendError<M::Error>> {
        self.usable()?;
        // What it cannot take a note of it leaves to the next append, or every boot from here on would erase it again.
        let noted = self.fits(note_len(&self.ring.geometry), 0);
        if !self.next_is_ready && erases > 0 && noted && self.next_is_free().await? {
            self.make_ready().await?;
        }
        Ok(self.next_is_ready)
    }

    /// The oldest segment, which [`evict`](Self::evict) would give up; `None` while there is only the newest, which is never given up.
    ///
    /// Costs two header reads, and those of damaged ones between.
    ///
    /// # Errors
    ///
    /// The device could not read.
    pub async fn oldest(&mut self) -> Result<Option<Oldest>, M::Error> {
        if self.ring.oldest >= self.ring.newest.generation {
            return Ok(None);
        }
        let first = self.ring.oldest_header(&mut self.medium).await?;
        let next = self.ring.next_header(&mut self.medium, first.generation).await?;
        Ok(Some(Oldest {
            offsets: first.base_offset..next.base_offset,
            until_ms: next.base_time,
            is_free: self.needed_from().is_none_or(|needed| needed >= next.base_offset),
            until: next.generation,
        }))
    }

    /// Gives up the oldest segment, with those behind it that have lost their headers, and its space, if the
    /// [policy](Self::set_full_policy) lets it go. Gives the offsets that went, for which readers get a [`Gap`](crate::Gap) with the reason
    /// [`Evicted`](crate::GapReason::Evicted); none where nothing may go.
    ///
    /// Costs what [`oldest`](Self::oldest) does, a sync if anything was appended since the last one (so that the commits that let the
    /// segment go are durable), and an erase, or the removal of a file. On flash [`maintain`](Self::maintain) frees the next segment with one
    /// erase instead of two; this is for giving up more than that.
    /// Power loss: the segment is there, is gone, or is damaged; it was let go. Segments go oldest first: each is gone for good before the next one goes.
    ///
    /// # Errors
    ///
    /// The medium's: the segment is still the oldest, and this may be tried again unless the sync failed.
    pub async fn evict(&mut self) -> Result<Option<Range<u64>>, AppendError<M::Error>> {
        self.usable()?;
        let Some(oldest) = self.oldest().await?.filter(|oldest| oldest.is_free) else {
            return Ok(None);
        };
        while self.ring.oldest < oldest.until {
            self.flush().await?;
            self.medium.discard(self.ring.geometry.slot(self.ring.oldest)).await?;
            self.ring.oldest += 1;
            // So that the next one goes after it, whatever a cut does.
            self.synced = false;
        }
        Ok(Some(oldest.offsets))
    }

    /// Says that the application gave up `records` events that the log refused. They take offsets when the next segment is opened, and
    /// readers get a [`Gap`](crate::Gap) with the reason [`Refused`](crate::GapReason::Refused), so that nothing is lost in silence.
    ///
    /// Costs nothing by itself; the next [`sync`](Self::sync) takes a note of them where a full log has room for it (a 24-byte frame, each
    /// time that they have become twice as many). Power loss: those since the last note are not counted.
    pub fn give_up(&mut self, records: u32) {
        let refused = &mut self.state_mut().refused;
        *refused = refused.saturating_add(records);
    }

    /// Records that were [given up](Self::give_up) and have no offsets yet.
    pub fn given_up(&self) -> u32 {
        self.state().refused
    }

    /// What to do when the log is full; [`FullPolicy::Refuse`] unless set. Not stored: set it after each mount.
    ///
    /// While old records are dropped nothing is kept in reserve: create cursors before, or a log that then refuses may have no room for the
    /// first one.
    pub fn set_full_policy(&mut self, full: FullPolicy) {
        self.full = full;
    }

    /// The log's id.
    pub fn id(&self) -> LogId {
        self.ring.newest.log
    }

    /// The epoch of the last append, or of the log's end when nothing was appended since it was mounted.
    pub fn epoch(&self) -> u32 {
        self.ring.end.epoch
    }

    /// The time of the last record, in ms since 1970-01-01 UTC; the log's own beginning where there is none. It never runs backwards.
    pub fn time_ms(&self) -> u64 {
        self.ring.end.time
    }

    /// Every record below this offset was appended.
    pub fn visible(&self) -> u64 {
        self.ring.end.offset
    }

    /// Every record below this offset survives any power cut.
    pub fn durable(&self) -> u64 {
        let behind = self.barred.filter(|_| self.medium.is_past_barrier());
        self.durable.max(behind.unwrap_or(0))
    }

    /// The offset of the oldest record that is still there.
    ///
    /// # Errors
    ///
    /// The device could not read.
    pub async fn earliest(&mut self) -> Result<u64, M::Error> {
        Ok(self.ring.oldest_header(&mut self.medium).await?.base_offset)
    }

    /// Bytes behind the end that mounting found written and not valid: what a power cut tore, or durable records at the very end
    /// that rotted, which cannot be told apart. They are overwritten, or passed over where words are programmed once; no identity that they may have had is given again.
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
        self.outbound = self.outbound.max(offset.min(self.durable()));
    }

    /// Durable records that mounting found damaged at or near the end of the log.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// How far the log reaches now, for readers with handles of their own.
    pub const fn extent(&self) -> Extent {
        Extent(self.ring)
    }

    /// An event as readers get it: of those that were appended last, in one call, the one that got `offset`.
    pub const fn as_read<'e>(&self, event: &Event<'e>, offset: u64) -> Record<'e> {
        let end = &self.ring.end;
        let quality = if end.clock_unset { TimeQuality::Unset } else { TimeQuality::Synced };
        Record {
            identity: Identity { log: end.log, epoch: end.epoch, offset },
            topic: event.topic,
            class: event.class,
            time_ms: end.time,
            time_quality: quality,
            key: event.key,
            payload: event.payload,
        }
    }

    /// Live segments, and how many of them the ring has.
    pub fn segments(&self) -> (u64, u32) {
        (self.ring.newest.generation - self.ring.oldest + 1, self.ring.geometry.segment_count())
    }

    /// How many segments were opened since the log began.
    pub fn segments_opened(&self) -> u64 {
        self.ring.newest.generation + 1
    }

    /// What the clocks of boots that began without one turned out to be: the last few, oldest first.
    pub fn time_syncs(&self) -> &[TimeSync] {
        &self.state().time_syncs
    }

    /// The topics, in order of their ids.
    pub fn topics(&self) -> &[Topic] {
        &self.state().topics
    }

    /// The durable cursors.
    pub fn cursors(&self) -> &[Cursor] {
        &self.state().cursors
    }

    /// The medium, for its own figures.
    pub fn medium(&self) -> &M {
        &self.medium
    }

    /// The medium, for what the engine does not ask of it. Its bytes are the log's: who changes them loses records.
    pub fn medium_mut(&mut self) -> &mut M {
        &mut self.medium
    }

    /// Ends the log without writing and gives medium and buffer back.
    pub fn into_parts(self) -> (M, B, S) {
        (self.medium, self.buffer, self.memory)
    }

    fn usable(&self) -> Result<(), AppendError<M::Error>> {
        if self.poisoned { Err(AppendError::Poisoned) } else { Ok(()) }
    }

    fn state(&self) -> &Memory {
        self.memory.borrow()
    }

    fn state_mut(&mut self) -> &mut Memory {
        self.memory.borrow_mut()
    }

    /// Bytes of the events' frames at the most, if they can be stored.
    fn checked_len(&self, events: &[Event<'_>], more: usize) -> Result<u32, AppendError<M::Error>> {
        let geometry = &self.ring.geometry;
        // A power of two, so that nothing is divided.
        let mask = to_usize(geometry.align()) - 1;
        let aligned = |length: usize| length.saturating_add(mask) & !mask;
        let (mut frame_bytes, mut known) = (0usize, None);
        for event in events {
            if event.key.is_some_and(|key| key.len() > KEY_LEN_MAX) {
                return Err(AppendError::BadLength { what: Part::Key, limit: KEY_LEN_MAX });
            }
            if known != Some(event.topic) && self.state().topic(event.topic).is_none() {
                return Err(AppendError::Unknown { what: Part::Topic });
            }
            known = Some(event.topic);
            let key = event.key.map_or(0, |key| key.len() + 1);
            let payload_at = aligned(to_usize(LONG_HEADER_LEN) + key);
            let payload_len = event.payload.len().saturating_add(more);
            let length = aligned(payload_at.saturating_add(payload_len));
            frame_bytes = frame_bytes.saturating_add(length);
        }
        if self.ring.end.offset.saturating_add(events.len() as u64) > OFFSET_MAX {
            return Err(AppendError::TooMany { what: Part::Record, limit: usize::MAX });
        }
        // Records must fit an empty segment beside the largest snapshot, or they could never be stored.
        let beside = |header_len: u32| {
            let segment_room = geometry.segment_size().saturating_sub(CONTROL_RESERVE);
            let room = segment_room.saturating_sub(header_len).min(PAYLOAD_LEN_MAX);
            to_usize(room).min(self.buffer.as_ref().len())
        };
        let mut limit = beside(LONGEST_HEADER);
        if frame_bytes > limit {
            // Of most it is clear without this look at all topics and cursors.
            limit = beside(self.next_header_len());
        }
        match u32::try_from(frame_bytes) {
            Ok(length) if frame_bytes <= limit => Ok(length),
            _ => Err(AppendError::TooLarge { frame_bytes, limit }),
        }
    }
}
