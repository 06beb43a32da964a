//! Where the next frame goes: room in this segment, the next segment, and the epoch that opens both.

use super::Log;
use crate::error::AppendError;
use crate::format::{
    Control, FRAME_HEADER_LEN, FrameHeader, GENERATION_MAX, SEGMENT_HEADER_LEN, SegmentHeader,
};
use crate::medium::Medium;
use crate::ring::End;
use crate::segment::to_usize;

impl<M: Medium, B: AsRef<[u8]> + AsMut<[u8]>> Log<M, B> {
    /// The epoch of this mount's records.
    pub(super) const fn next_epoch(&self) -> u32 {
        let step = if self.opened { 0 } else { self.epochs_lost.saturating_add(1) };
        self.ring.end.epoch.saturating_add(step)
    }

    /// This mount's first frame: the next epoch, durable, so that what becomes visible now never shares an identity with
    /// what a crash took away, and frames that the crash left behind the end never validate.
    pub(super) fn open_epoch(
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

    pub(super) fn fits(&self, length: u32, reserve: u32) -> bool {
        let end = self.ring.end.position.saturating_add(length).saturating_add(reserve);
        end <= self.ring.geometry.segment_size()
    }

    /// Room for frames of `length` bytes, in this segment or, after a roll, in the next; gives their time delta. Writes this
    /// mount's epoch before, if that is still to be done, but only when the frames have room too: a full log refuses
    /// without a trace, or every restart would take from what is reserved.
    ///
    /// The last `reserve` bytes are only used when the next segment is free.
    pub(super) fn make_room(
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
    pub(super) fn next_is_free(&mut self) -> Result<bool, AppendError<M::Error>> {
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
    pub(super) fn roll(&mut self, time: u64, epoch: u32) -> Result<(), AppendError<M::Error>> {
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
    pub(super) fn write_header(
        &mut self,
        header: SegmentHeader,
    ) -> Result<(), AppendError<M::Error>> {
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
    pub(super) fn program_frame(
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
