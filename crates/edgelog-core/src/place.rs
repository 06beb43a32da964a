//! Where a walk over a segment's frames stands, and all that the next frame is bound to.

use crate::format::{Control, Crc, Form, FrameHeader, Kind, SegmentHeader};
use crate::geometry::Geometry;
use crate::types::{LogId, TimeQuality};

/// A place between two frames of a segment. The writer's end, a reader's place and the mount's walk are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) log: LogId,
    pub(crate) generation: u64,
    /// What the CRC of every frame here begins with.
    pub(crate) crc: Crc,
    /// The epoch in force.
    pub(crate) epoch: u32,
    pub(crate) position: u32,
    /// The next record's.
    pub(crate) offset: u64,
    /// The segment's, in ms since 1970.
    base_time: u64,
    /// Of the last frame, in ms since 1970: no later frame is older.
    pub(crate) time: u64,
    /// The last long frame's time, in ms since the base time: short frames count from it.
    reference: u32,
    /// True from a header or epoch entry that says so, up to a clock entry.
    pub(crate) clock_unset: bool,
    /// False behind damage, where the last long frame may be gone, and behind an epoch frame, which is no reference.
    pub(crate) exact: bool,
    /// The segment's header is gone: its times are not older than told.
    pub(crate) is_headless: bool,
    /// Records that it may have told of as refused.
    pub(crate) may_be_refused: u32,
}

impl Place {
    pub(crate) fn start_of(header: &SegmentHeader, geometry: &Geometry) -> Self {
        Self {
            log: header.log,
            generation: header.generation,
            crc: Crc::of_segment(header.log, header.generation),
            epoch: header.epoch,
            // Where the first frame stands is not known without a header.
            position: if header.is_presumed { 0 } else { header.first_frame(geometry) },
            offset: header.base_offset,
            base_time: header.base_time,
            time: header.base_time,
            reference: 0,
            clock_unset: header.clock_unset,
            exact: !header.is_presumed,
            is_headless: header.is_presumed,
            may_be_refused: if header.is_presumed { header.refused } else { 0 },
        }
    }

    /// What can be a frame, if it is bound to this place's epoch and offset.
    #[inline]
    pub(crate) fn accepted(&self, found: Option<(Frame, Crc)>) -> Option<Frame> {
        let (frame, crc) = found?;
        crc.is_of_frame(self.epoch, self.offset, frame.header.crc).then_some(frame)
    }

    /// The time of the frame that stands here.
    #[inline]
    pub(crate) fn time_of(&self, header: &FrameHeader) -> u64 {
        let since_base = match header.form {
            Form::Short { since } => self.reference.saturating_add(u32::from(since)),
            Form::Long { time, .. } => time,
        };
        self.time.max(self.base_time.saturating_add(u64::from(since_base)))
    }

    /// What that time is worth.
    #[inline]
    pub(crate) const fn time_quality(&self, header: &FrameHeader) -> TimeQuality {
        match header.form {
            Form::Short { .. } if !self.exact => TimeQuality::Estimated,
            _ if self.clock_unset => TimeQuality::Unset,
            _ if self.is_headless => TimeQuality::Estimated,
            _ => TimeQuality::Synced,
        }
    }

    /// The form of a record of `time` that is to be written here.
    pub(crate) fn form(&self, topic: u16, payload_len: usize, has_key: bool, time: u32) -> Form {
        let short = Form::short(topic, payload_len, time.saturating_sub(self.reference));
        short
            .filter(|_| self.exact && !has_key && time >= self.reference)
            .unwrap_or_else(|| self.long(time))
    }

    /// The long form of a frame of `time`, ms since the base time.
    pub(crate) const fn long(&self, time: u32) -> Form {
        Form::Long { offset_low: low_16(self.offset), time }
    }

    /// Steps over the frame that stands here.
    #[inline]
    pub(crate) fn pass(&mut self, frame: &Frame) {
        self.time = self.time_of(&frame.header);
        if let Form::Long { time, .. } = frame.header.form {
            (self.reference, self.exact) = (time, !frame.is_epoch());
        }
        self.position = frame.position + frame.length;
        if frame.header.kind == Kind::Record {
            self.offset += 1;
        }
    }

    /// Takes what a control entry says about the frames behind it; gives how many records it says are gone.
    pub(crate) fn take(&mut self, control: &Control<'_>) -> u64 {
        match *control {
            Control::Epoch { epoch, next_offset, clock_unset, .. } => {
                let lost = next_offset.saturating_sub(self.offset);
                (self.epoch, self.clock_unset) = (epoch, clock_unset);
                self.offset += lost;
                lost
            }
            Control::Clock { .. } => {
                self.clock_unset = false;
                0
            }
            _ => 0,
        }
    }

    /// Goes to a frame that was found further on and gives how many records stood between.
    pub(crate) fn jump(&mut self, found: &Found) -> u64 {
        let lost = found.offset.saturating_sub(self.offset);
        self.position = found.frame.position;
        // The epoch entry between may have said that the clock is not set.
        self.clock_unset |= found.epoch != self.epoch;
        self.epoch = found.epoch;
        self.offset += lost;
        self.exact = false;
        lost
    }
}

/// A frame whose CRC matched, or is yet to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) header: FrameHeader,
    /// Bytes of header and key.
    pub(crate) head_len: u32,
    /// Where the payload starts, from the start of the frame.
    pub(crate) payload_at: u32,
    pub(crate) position: u32,
    /// Bytes with padding: the next frame starts at `position + length`.
    pub(crate) length: u32,
}

impl Frame {
    /// The frame that begins with a header, and a key of so many bytes if the header says so.
    #[inline]
    pub(crate) const fn of(
        header: FrameHeader,
        key_len: u8,
        position: u32,
        geometry: &Geometry,
    ) -> Self {
        let head_len = header.head_len(key_len as u32);
        let payload_at = header.payload_at(key_len as u32, geometry);
        let length = geometry.align_up(payload_at + header.payload_len);
        Self { header, head_len, payload_at, position, length }
    }

    /// The same, if it ends at or before `until`.
    #[inline]
    pub(crate) fn fit(
        header: FrameHeader,
        key_len: u8,
        position: u32,
        until: u32,
        geometry: &Geometry,
    ) -> Option<Self> {
        let frame = Self::of(header, key_len, position, geometry);
        (position.checked_add(frame.length)? <= until).then_some(frame)
    }

    /// Where the payload ends, from the start of the frame: what a buffer must hold for it.
    #[inline]
    pub(crate) const fn payload_end(&self) -> u32 {
        self.payload_at + self.header.payload_len
    }

    #[inline]
    pub(crate) fn is_epoch(&self) -> bool {
        self.header.is_epoch()
    }
}

/// A frame behind bytes that do not validate, with what it turned out to be bound to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) frame: Frame,
    pub(crate) epoch: u32,
    pub(crate) offset: u64,
    /// Bytes from here up to the frame are dead: of an epoch frame what it says, of any other its own position.
    pub(crate) resumed_from: u32,
    /// Epochs and offsets that it might have been bound to.
    pub(crate) choices: u64,
}

impl Found {
    /// Whether it can still follow the place: a frame between may have told a later epoch or offset than it is bound to.
    pub(crate) const fn is_ahead_of(&self, place: &Place) -> bool {
        self.frame.position > place.position
            && self.epoch >= place.epoch
            && self.offset >= place.offset
    }
}

/// The low 16 bits of an offset, as they stand in a frame.
#[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
pub(crate) const fn low_16(offset: u64) -> u16 {
    offset as u16
}

/// Lossless on every platform that can hold a segment in its address space.
#[inline]
pub(crate) const fn to_usize(length: u32) -> usize {
    length as usize
}
