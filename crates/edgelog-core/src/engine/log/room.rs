//! Where the next frame goes: room in this segment, the next segment, and the epoch that opens both.

use super::super::mount::note_len;
use super::super::segment::{Header, frame_at, read_header};
use super::{Log, Medium, both};
use crate::error::{AppendError, Part};
use crate::format::{
    Control, FrameHeader, GENERATION_MAX, OFFSET_MAX, SEGMENT_HEADER_LEN, SegmentHeader, put,
};
use crate::geometry::Geometry;
use crate::place::{Frame, Place, to_usize};
use crate::policy::{FullPolicy, REFUSED_RESERVE};
use crate::state::Memory;
use core::borrow::BorrowMut;

/// How often a mount tries its first frame at another place, each time twice as far: enough for any frame of erased bytes.
const EPOCH_ATTEMPTS: u32 = 16;

#[both(AFIT)]
impl<M: Medium, B: AsRef<[u8]> + AsMut<[u8]>, S: BorrowMut<Memory>> Log<M, B, S> {
    /// Room for frames of `length` bytes, in this segment or, after a roll, in the next; gives their time since its base time.
    /// Writes this mount's epoch before, if that is still to be done, but only when the frames have room too: a full log
    /// refuses without a trace, or every restart would take from what is reserved.
    ///
    /// The last `reserve` bytes are only used when the next segment is free.
    pub(super) async fn make_room(
        &mut self,
        length: u32,
        time: u64,
        reserve: u32,
    ) -> Result<u32, AppendError<M::Error>> {
        if !self.opened && self.next_epoch() == u32::MAX {
            return Err(AppendError::TooMany { what: Part::Epoch, limit: usize::MAX });
        }
        if self.next_is_dirty && self.next_is_free().await? {
            // Before anything is stored here: should a cut erase leave that header whole, this segment ends where it says.
            self.make_ready().await?;
        }
        let epoch = self.epoch_entry();
        let epoch_len = if self.opened { 0 } else { self.control_len(&epoch)? };
        let length = length.saturating_add(epoch_len);
        let mut attempts = 0;
        // A segment spans 49 days; a later record begins the next one.
        while let Ok(since_base) = u32::try_from(time.saturating_sub(self.ring.newest.base_time))
            && self.fits(length, self.note_room())
            && (self.fits(length, reserve) || self.next_is_free().await?)
        {
            if self.opened || self.open_epoch(&epoch, since_base, &mut attempts).await? {
                return Ok(since_base);
            }
        }
        self.roll(time).await?;
        Ok(0)
    }

    /// The epoch of this mount's records.
    fn next_epoch(&self) -> u32 {
        let step = if self.opened { 0 } else { self.epochs_lost.saturating_add(1) };
        self.ring.end.epoch.saturating_add(step)
    }

    fn epoch_entry(&self) -> Control<'static> {
        Control::Epoch {
            epoch: self.next_epoch(),
            previous: self.ring.end.epoch,
            next_offset: self.ring.end.offset,
            resumed_from: self.resumed_from,
            clock_unset: self.clock.is_unset(),
        }
    }

    /// This mount's first frame: the next epoch, durable, so that what becomes visible now never shares an identity with
    /// what a crash took away, and frames that the crash left behind the end never validate.
    ///
    /// False when the frame has to be tried again further on: where words are programmed once, torn words may read as erased and
    /// take no second program, because they hold the erased value or were cut. Each try leaves out twice as much.
    async fn open_epoch(
        &mut self,
        epoch: &Control<'_>,
        since_base: u32,
        attempts: &mut u32,
    ) -> Result<bool, AppendError<M::Error>> {
        // It must say that it is synced, also in the middle of a boot and when it is tried again: a mount that comes upon torn bytes
        // takes what does not for the tail, where a reader would still find it.
        self.flush().await?;
        let place = self.ring.end;
        let programmed = self.program_control(epoch, since_base).await;
        if self.medium.is_write_once() && *attempts < EPOCH_ATTEMPTS {
            *attempts += 1;
            let until = self.ring.geometry.segment_size();
            // Whether it is there is unknown until it was read back.
            self.poisoned = true;
            let held =
                programmed.is_ok() && frame_at(&mut self.medium, &place, until).await?.is_some();
            self.poisoned = false;
            if !held {
                // Nothing of this mount is visible yet, so nothing depends on what was programmed here.
                self.ring.end = place;
                let left_out = self.control_len(epoch)? << (*attempts - 1);
                let position = place.position.saturating_add(left_out);
                self.ring.end.position = position.min(until);
                return Ok(false);
            }
        }
        programmed?;
        self.flush().await?;
        self.ring.end.take(epoch);
        self.opened = true;
        Ok(true)
    }

    /// Bytes that are left for taking back the note that the next segment is ready, so that a mount can believe it.
    fn note_room(&self) -> u32 {
        let noted = self.state().ready_generation == self.ring.newest.generation + 1;
        if noted { note_len(&self.ring.geometry) } else { 0 }
    }

    pub(super) fn fits(&self, length: u32, reserve: u32) -> bool {
        let end = self.ring.end.position.saturating_add(length).saturating_add(reserve);
        end <= self.ring.geometry.segment_size()
    }

    /// Whether the next slot holds nothing that is still needed, and there is space for it.
    pub(super) async fn next_is_free(&mut self) -> Result<bool, AppendError<M::Error>> {
        let next = self.ring.newest.generation + 1;
        let count = u64::from(self.ring.geometry.segment_count());
        let evicted = next.checked_sub(count).filter(|&evicted| evicted >= self.ring.oldest);
        if let Some(evicted) = evicted
            && let Some(needed_from) = self.needed_from()
        {
            let keep_from = self.ring.next_header(&mut self.medium, evicted).await?.base_offset;
            if needed_from < keep_from {
                return Ok(false);
            }
        }
        Ok(self.medium.claim(self.ring.geometry.slot(next))?)
    }

    /// The first offset that the full policy keeps; nothing where it keeps none.
    pub(super) fn needed_from(&self) -> Option<u64> {
        match self.full {
            FullPolicy::DropOldest => None,
            FullPolicy::Refuse => Some(self.state().least_commit(|_| true).unwrap_or(0)),
            FullPolicy::Protect(cursors) => {
                self.state().least_commit(|cursor| cursors.contains(cursor))
            }
        }
    }

    /// Erases the next segment, which is free, and takes a note of it in the log where there is room.
    pub(super) async fn make_ready(&mut self) -> Result<(), AppendError<M::Error>> {
        let generation = self.ring.newest.generation + 1;
        if generation > GENERATION_MAX {
            return Err(AppendError::Full);
        }
        self.erase(generation).await?;
        self.poisoned = true;
        self.medium.sync().await?;
        self.poisoned = false;
        (self.next_is_ready, self.ready_before) = (true, false);
        self.note_ready(generation).await
    }

    /// Takes a note that the slot of `generation` is erased, or that none is (0), where there is room for it.
    async fn note_ready(&mut self, generation: u64) -> Result<(), AppendError<M::Error>> {
        if self.note(&Control::Ready { generation }, 0).await? {
            self.state_mut().ready_generation = generation;
        }
        Ok(())
    }

    /// Takes a note of the records that were given up, each time that they have become twice as many, so that a full log has room for it.
    pub(super) async fn note_refused(&mut self) -> Result<(), AppendError<M::Error>> {
        let records = self.state().refused;
        if records > 0
            && !self.next_is_dirty
            && records / 2 >= self.refused_noted
            && self.note(&Control::Refused { records }, REFUSED_RESERVE).await?
        {
            self.refused_noted = records;
        }
        Ok(())
    }

    /// Writes an entry if the segment has room for it besides `reserve`. It opens no segment, but this mount's epoch.
    async fn note(
        &mut self,
        control: &Control<'_>,
        reserve: u32,
    ) -> Result<bool, AppendError<M::Error>> {
        let since_base = self.ring.end.time.saturating_sub(self.ring.newest.base_time);
        let Ok(since_base) = u32::try_from(since_base) else { return Ok(false) };
        if !self.fits(note_len(&self.ring.geometry), reserve) || self.next_epoch() == u32::MAX {
            return Ok(false);
        }
        let (epoch, mut attempts) = (self.epoch_entry(), 0);
        let opened = self.opened || self.open_epoch(&epoch, since_base, &mut attempts).await?;
        if opened {
            self.program_control(control, since_base).await?;
        }
        Ok(opened)
    }

    /// Makes everything that was programmed durable.
    pub(super) async fn flush(&mut self) -> Result<(), AppendError<M::Error>> {
        self.pass_barrier();
        if !self.synced || self.syncing || self.barred.is_some() {
            self.poisoned = true;
            self.medium.sync().await?;
            self.poisoned = false;
            (self.synced, self.barred, self.founded) = (true, None, true);
        }
        self.durable = self.ring.end.offset;
        Ok(())
    }

    /// What is programmed from here on is durable only where everything before it is. It need not be so yet.
    async fn bar(&mut self) -> Result<(), AppendError<M::Error>> {
        self.pass_barrier();
        self.poisoned = true;
        self.medium.barrier().await?;
        self.poisoned = false;
        (self.synced, self.barred) = (true, Some(self.ring.end.offset));
        self.pass_barrier();
        Ok(())
    }

    pub(super) fn pass_barrier(&mut self) {
        if let Some(offset) = self.barred
            && self.medium.is_past_barrier()
        {
            self.durable = self.durable.max(offset);
            (self.barred, self.founded) = (None, true);
        }
    }

    /// Nothing is given up before the newest segment's header is there for good: the two may be all that there is.
    async fn found(&mut self) -> Result<(), AppendError<M::Error>> {
        self.pass_barrier();
        if self.founded { Ok(()) } else { self.flush().await }
    }

    /// Erases the slot of a generation that comes next. What it held is gone from then on, whatever the device says.
    async fn erase(&mut self, generation: u64) -> Result<(), AppendError<M::Error>> {
        self.found().await?;
        let geometry = self.ring.geometry;
        let evicted = (generation + 1).saturating_sub(u64::from(geometry.segment_count()));
        self.ring.oldest = self.ring.oldest.max(evicted);
        let noted = self.state().ready_generation == generation;
        if generation > 0 && (noted || self.next_is_dirty) {
            // The note must not outlive the state that it told: this erase may be cut, and its slot may read as erased then. The next
            // mount would see nothing either of epochs that a dirty slot made this one leave out, so it must find the one given here.
            self.note_ready(0).await?;
            self.flush().await?;
        }
        self.medium.erase(geometry.slot(generation)).await?;
        self.next_is_dirty = false;
        Ok(())
    }

    /// Seals the segment and opens the next one, which begins this mount's epoch if nothing else did.
    pub(super) async fn roll(&mut self, time: u64) -> Result<(), AppendError<M::Error>> {
        let generation = self.ring.newest.generation + 1;
        if generation > GENERATION_MAX || !self.next_is_free().await? {
            self.pass_barrier();
            if self.barred.is_some() {
                // What is held up by it cannot be committed yet, and if it has failed, that is what is to be told.
                self.flush().await?;
            }
            return Err(AppendError::Full);
        }
        self.found().await?;
        if !self.synced {
            self.bar().await?;
        }
        let room = OFFSET_MAX.saturating_sub(self.ring.end.offset);
        let refused = u32::try_from(room).unwrap_or(u32::MAX).min(self.state().refused);
        let header = SegmentHeader {
            generation,
            base_offset: self.ring.end.offset.saturating_add(refused.into()),
            base_time: time,
            epoch: self.next_epoch(),
            snapshot_len: 0,
            refused,
            clock_unset: self.clock.is_unset(),
            is_presumed: false,
            ..self.ring.newest
        };
        self.write_header(header).await?;
        (self.state_mut().refused, self.refused_noted) = (0, 0);
        self.opened = true;
        Ok(())
    }

    /// Erases the slot of `header` unless it is ready, writes header and snapshot, and goes on behind them. Nothing behind the header is
    /// durable before the header is, nor the header before the log up to here.
    pub(super) async fn write_header(
        &mut self,
        header: SegmentHeader,
    ) -> Result<(), AppendError<M::Error>> {
        // Whether it fits is asked before anything is erased. It is composed again where it is programmed: erasing may write a note, which
        // needs the buffer.
        let (header, _) = self.compose_header(header)?;
        let was_ready = core::mem::take(&mut self.next_is_ready);
        let mut written = false;
        if was_ready {
            // The slot may have met the header of a roll since that a power cut stopped at its first word.
            let look = core::mem::take(&mut self.ready_before);
            let programmed = self.program_header(header, look).await;
            written = if look { matches!(programmed, Ok(true)) } else { programmed? };
        }
        if !written {
            self.poisoned = false;
            if let Err(error) = self.erase(header.generation).await {
                // A header that was programmed before may be there, and the note that was to be taken back may have failed.
                self.poisoned |= was_ready;
                return Err(error);
            }
            self.program_header(header, false).await?;
        }
        self.poisoned = false;
        let time = self.ring.end.time;
        self.ring.newest = header;
        self.ring.end = Place::start_of(&header, &self.ring.geometry);
        self.ring.end.time = self.ring.end.time.max(time);
        self.synced = true;
        self.unsaved = crate::policy::CursorSet::default();
        Ok(())
    }

    /// Programs the header, and lets nothing pass it on the way to the medium. False when it is looked at and then reads otherwise.
    async fn program_header(
        &mut self,
        header: SegmentHeader,
        look: bool,
    ) -> Result<bool, AppendError<M::Error>> {
        let (header, length) = self.compose_header(header)?;
        // A header that failed may be there all the same. Frames appended to the old segment after that would be lost to the
        // next mount, which believes the header.
        self.poisoned = true;
        let slot = self.ring.geometry.slot(header.generation);
        let bytes = self.buffer.as_ref().get(..to_usize(length)).unwrap_or_default();
        self.medium.program(slot, 0, bytes).await?;
        if self.opened && header.refused == 0 {
            self.bar().await?;
            // Only now: what the medium was past before was another barrier.
            self.founded = self.barred.is_none();
        } else {
            // It gives this mount's epoch, or offsets: no cut may take them back and have them given again.
            self.synced = false;
            self.flush().await?;
        }
        self.poisoned = true;
        if !look {
            return Ok(true);
        }
        let read = read_header(&mut self.medium, slot).await?;
        Ok(matches!(read, Header::Valid(read) if read == header))
    }

    /// Header and snapshot in the buffer, with their length.
    fn compose_header(
        &mut self,
        header: SegmentHeader,
    ) -> Result<(SegmentHeader, u32), AppendError<M::Error>> {
        let geometry = self.ring.geometry;
        let longest = to_usize(self.header_len_max());
        let time_syncs = self.time_syncs_kept();
        let buffer = self.buffer.as_mut();
        let limit = buffer.len().min(to_usize(geometry.segment_size()));
        let needed = AppendError::TooLarge { frame_bytes: longest, limit };
        let Some((fixed, rest)) = buffer.split_first_chunk_mut() else { return Err(needed) };
        let Some(length) = self.memory.borrow().emit(time_syncs, rest) else { return Err(needed) };
        let Ok(snapshot_len) = u32::try_from(length) else { return Err(needed) };
        let header = SegmentHeader { snapshot_len, ..header };
        *fixed = header.emit(&geometry, rest.get(..length).unwrap_or_default());
        let end = header.first_frame(&geometry);
        let Some(bytes) = buffer.get_mut(..to_usize(end)).filter(|_| to_usize(end) <= limit) else {
            return Err(needed);
        };
        if let Some(padding) = bytes.get_mut(to_usize(SEGMENT_HEADER_LEN) + length..) {
            padding.fill(geometry.erased());
        }
        Ok((header, end))
    }

    /// Programs what was composed in the frame buffer for the end, in one go, and moves the end.
    pub(super) async fn program(
        &mut self,
        used: usize,
        end: Place,
    ) -> Result<(), AppendError<M::Error>> {
        let bytes = self.buffer.as_ref().get(..used).unwrap_or_default();
        let Self { medium, ring, .. } = self;
        let slot = ring.geometry.slot(ring.newest.generation);
        // Until it is known to be done: it may fail, and a future may be dropped.
        self.poisoned = true;
        medium.program(slot, ring.end.position, bytes).await?;
        self.programmed(end);
        Ok(())
    }

    /// As [`program`](Self::program), of what was composed in memory that the medium lent.
    #[inline]
    pub(super) fn program_lent(
        &mut self,
        slot: u32,
        end: Place,
    ) -> Result<(), AppendError<M::Error>> {
        let position = self.ring.end.position;
        self.poisoned = true;
        self.medium.program_lent(slot, position, end.position - position)?;
        self.programmed(end);
        Ok(())
    }

    fn programmed(&mut self, end: Place) {
        self.poisoned = false;
        self.ring.end = end;
        self.synced = false;
    }
}

/// Composes the frame that stands at `end`, with the payload that `write` fills in, in `bytes`, behind the first `used` of them; steps `end`
/// over it, and gives the bytes used then.
///
/// # Errors
///
/// There are too few: how many it takes.
// Hosts, which have the feature, have room for a copy at each caller; a microcontroller has one copy.
#[cfg_attr(feature = "hardware-crc", inline(always))]
#[cfg_attr(
    feature = "hardware-crc",
    expect(
        clippy::inline_always,
        reason = "a place that goes through memory waits there for the CRC"
    )
)]
pub(super) fn compose(
    bytes: &mut [u8],
    used: usize,
    end: &mut Place,
    mut header: FrameHeader,
    key: &[u8],
    geometry: &Geometry,
    write: &mut dyn FnMut(&mut [u8]),
) -> Result<usize, usize> {
    let key_len = u8::try_from(key.len()).unwrap_or(u8::MAX);
    let frame = Frame::of(header, key_len, end.position, geometry);
    let needed = used + to_usize(frame.length);
    let Some(bytes) = bytes.get_mut(used..needed) else { return Err(needed) };
    let (head_len, payload_at) = (to_usize(frame.head_len), to_usize(frame.payload_at));
    let payload_end = to_usize(frame.payload_end());
    let header_len = to_usize(header.len());
    put(bytes, 0, header.emit().get(..header_len).unwrap_or_default());
    if header.has_key {
        put(bytes, header_len, &[key_len]);
        put(bytes, header_len + 1, key);
    }
    write(bytes.get_mut(payload_at..payload_end).unwrap_or_default());
    for padding in [head_len..payload_at, payload_end..bytes.len()] {
        // A call for no bytes takes its time, too.
        if !padding.is_empty() {
            bytes.get_mut(padding).unwrap_or_default().fill(geometry.erased());
        }
    }
    let mut crc = end.crc.of_frame(end.position, header.crc);
    let mut from = 0;
    // Pad bytes are not covered; without them header and payload are taken in at once.
    if head_len < payload_at {
        crc.update(bytes.get(..head_len).unwrap_or_default());
        from = payload_at;
    }
    crc.update(bytes.get(from..payload_end).unwrap_or_default());
    header.crc = crc.finish_frame(end.epoch, end.offset);
    put(bytes, 0, &header.crc.to_le_bytes());
    end.pass(&frame);
    Ok(needed)
}
