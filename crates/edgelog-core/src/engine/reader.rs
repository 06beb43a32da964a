//! Reading in order, with gaps where records are gone.

use super::ahead::{Ahead, Budget, next_frame};
use super::both;
use super::medium::Medium;
use super::ring::{Ring, SURVEYS};
use super::segment::{
    Header, frame_into, pass_record, presumed_header, read_header, told_generation, with_control,
};
use crate::error::ReadError;
use crate::format::{Control, Kind, SegmentHeader};
use crate::geometry::Geometry;
use crate::item::{Item, Record};
use crate::place::{Frame, Place, to_usize};
use crate::types::{Gap, GapReason};

/// A place in a log, to be handed to [`Log::read`](super::Log::read). It holds no reference and takes some 160 bytes.
#[derive(Clone, Debug)]
pub struct Reader {
    offset: u64,
    at: Option<At>,
}

/// How far a log reached at one moment: what a [`Reader`] may read from another handle of its medium. Some 120 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Extent(pub(crate) Ring);

impl Extent {
    /// Every record below this offset was appended.
    #[must_use]
    pub const fn visible(&self) -> u64 {
        self.0.end.offset
    }

    /// The generations of the segments behind the newest one. They are durable and are not programmed any more.
    #[must_use]
    pub const fn sealed(&self) -> core::ops::Range<u64> {
        self.0.oldest..self.0.newest.generation
    }

    /// Where the segment of a generation lives, until another one takes its place.
    #[must_use]
    pub const fn slot(&self, generation: u64) -> u32 {
        self.0.geometry.slot(generation)
    }

    /// The sizes of the medium.
    #[must_use]
    pub const fn geometry(&self) -> Geometry {
        self.0.geometry
    }
}

/// The offset of the first record that is not older than `time`, or the end's.
#[both(AFIT)]
pub(crate) async fn seek_time<M: Medium>(
    medium: &mut M,
    ring: &Ring,
    time: u64,
) -> Result<u64, ReadError<M::Error>> {
    let older = |header: &SegmentHeader| header.base_time < time;
    let from = ring.last_where(medium, older).await?;
    let mut at = At::start(&from, &ring.geometry, GapReason::Evicted);
    while at.place.offset < ring.end.offset {
        if let Some((place, frame)) = at.step(medium, ring, &mut []).await?
            && place.time_of(&frame.header) >= time
        {
            return Ok(place.offset);
        }
    }
    Ok(ring.end.offset)
}

/// Where in which segment. The place's offset is greater than the reader's when records before it are gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) place: Place,
    /// Why records before the place are gone, if some are.
    pub(crate) reason: GapReason,
    /// What looking ahead may still cost in this segment.
    budget: Budget,
    /// Where the next segment begins, once this one is known to be sealed.
    ends: Option<u64>,
}

#[both(AFIT)]
impl Reader {
    /// A reader whose next record is `offset`. An offset before the log's first record gives a gap, one beyond its end waits.
    #[must_use]
    pub const fn at(offset: u64) -> Self {
        Self { offset, at: None }
    }

    /// The offset of the next record.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next record or gap of `extent` below `limit`, out of another handle of its medium: so that many read while one appends. Otherwise
    /// as [`Log::read_in_place`](super::Log::read_in_place).
    ///
    /// # Errors
    ///
    /// [`ReadError`]; the reader stays where it was.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "an item that goes through memory takes longer than all else besides its CRC"
    )]
    pub async fn read_in_place<'m, M: Medium>(
        &mut self,
        medium: &'m mut M,
        extent: &Extent,
        limit: u64,
        buffer: &'m mut [u8],
    ) -> Result<Option<Item<'m>>, ReadError<M::Error>> {
        self.next_in_place(medium, &extent.0, limit, buffer).await
    }

    pub(crate) async fn next<'b, M: Medium>(
        &mut self,
        medium: &mut M,
        ring: &Ring,
        limit: u64,
        buffer: &'b mut [u8],
    ) -> Result<Option<Item<'b>>, ReadError<M::Error>> {
        let Some(found) = self.find(medium, ring, limit, buffer).await? else { return Ok(None) };
        self.item(found, buffer).map(Some)
    }

    /// As [`next`](Self::next), out of the medium's own memory where it is mapped.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "an item that goes through memory takes longer than all else besides its CRC"
    )]
    pub(crate) async fn next_in_place<'m, M: Medium>(
        &mut self,
        medium: &'m mut M,
        ring: &Ring,
        limit: u64,
        buffer: &'m mut [u8],
    ) -> Result<Option<Item<'m>>, ReadError<M::Error>> {
        if let Some((slot, frame)) = self.pass_in_place(medium, ring, limit)
            && let Some(At { place, .. }) = &self.at
        {
            let medium: &'m M = medium;
            let bytes = medium.mapped(slot).unwrap_or_default();
            let bytes = bytes.get(to_usize(frame.position)..).unwrap_or_default();
            return match Record::before(place, &frame, bytes) {
                Ok(record) => Ok(Some(Item::Record(record))),
                Err(needed) => Err(ReadError::BufferTooSmall { needed }),
            };
        }
        // Taken apart here, so that what is found in one step need not be where this function leaves what it found.
        let item = self.find_in_place(medium, ring, limit, buffer).await?;
        Ok(item)
    }

    /// What comes next, in smaller steps, and apart from what nearly every record needs.
    #[inline(never)]
    async fn find_in_place<'m, M: Medium>(
        &mut self,
        medium: &'m mut M,
        ring: &Ring,
        limit: u64,
        buffer: &'m mut [u8],
    ) -> Result<Option<Item<'m>>, ReadError<M::Error>> {
        loop {
            let found = self.find(medium, ring, limit, &mut []).await?;
            let Some(found) = found else { return Ok(None) };
            let Found::Record { place, frame, .. } = &found else {
                return self.item(found, &[]).map(Some);
            };
            let (place, frame) = (*place, *frame);
            let slot = ring.geometry.slot(place.generation);
            let end = to_usize(frame.position).saturating_add(to_usize(frame.payload_end()));
            if medium.mapped(slot).is_some_and(|bytes| bytes.len() >= end) {
                let medium: &'m M = medium;
                let bytes = medium.mapped(slot).unwrap_or_default();
                let bytes = bytes.get(to_usize(frame.position)..).unwrap_or_default();
                return self.item(found, bytes).map(Some);
            }
            let until = ring.until(place.generation);
            // What does not validate a second time is damage now.
            if frame_into(medium, &place, until, buffer).await?.is_some() {
                return self.item(found, buffer).map(Some);
            }
        }
    }

    /// Steps over a record that stands where the reader is, in a medium that is mapped. `None` when anything is unusual: that is
    /// [found](Self::find) in smaller steps.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "an item that goes through memory takes longer than all else besides its CRC"
    )]
    fn pass_in_place<M: Medium>(
        &mut self,
        medium: &M,
        ring: &Ring,
        limit: u64,
    ) -> Option<(u32, Frame)> {
        let at = self.at.as_mut()?;
        let place = &mut at.place;
        let is_newest = place.generation == ring.newest.generation;
        let is_here = place.offset == self.offset
            && self.offset < limit.min(ring.end.offset)
            && place.generation >= ring.oldest
            && (is_newest || at.ends.is_some_and(|ends| place.offset < ends));
        if !is_here {
            return None;
        }
        let slot = ring.geometry.slot(place.generation);
        let until = ring.until(place.generation);
        let frame = pass_record(medium.mapped(slot)?, place, until, &ring.geometry)?;
        self.offset = place.offset;
        Some((slot, frame))
    }

    /// What comes next; the buffer holds a record's frame if it has room. The reader steps over it in [`item`](Self::item).
    async fn find<M: Medium>(
        &mut self,
        medium: &mut M,
        ring: &Ring,
        limit: u64,
        buffer: &mut [u8],
    ) -> Result<Option<Found>, ReadError<M::Error>> {
        let limit = limit.min(ring.end.offset);
        loop {
            if self.offset >= limit {
                return Ok(None);
            }
            let mut at = match self.at {
                Some(at) if at.place.generation >= ring.oldest => at,
                _ => {
                    let offset = self.offset;
                    let from = |header: &SegmentHeader| header.base_offset <= offset;
                    let from = ring.last_where(medium, from).await?;
                    let reason = match from.base_offset > offset {
                        true => ring.why_gone(medium).await?,
                        false => GapReason::Evicted,
                    };
                    At::start(&from, &ring.geometry, reason)
                }
            };
            if at.place.offset > self.offset {
                let to = at.place.offset.min(limit);
                self.at = Some(at);
                return Ok(Some(Found::Gap(Gap { from: self.offset, to, reason: at.reason })));
            }
            let found = at.step(medium, ring, buffer).await?;
            if let Some((place, frame)) = found
                && place.offset >= self.offset
            {
                return Ok(Some(Found::Record { place, frame, after: at }));
            }
            self.at = Some(at);
        }
    }

    /// Steps over what was found. `bytes` hold a record's frame from its first byte; where they do not, the reader stays.
    fn item<'b, E>(&mut self, found: Found, bytes: &'b [u8]) -> Result<Item<'b>, ReadError<E>> {
        match found {
            Found::Gap(gap) => {
                self.offset = gap.to;
                Ok(Item::Gap(gap))
            }
            Found::Record { frame, after, .. } => {
                let record = Record::before(&after.place, &frame, bytes)
                    .map_err(|needed| ReadError::BufferTooSmall { needed })?;
                (self.offset, self.at) = (after.place.offset, Some(after));
                Ok(Item::Record(record))
            }
        }
    }
}

/// What a reader found: a gap, or a record's frame, where it stands, and where the reader is behind it.
#[expect(clippy::large_enum_variant, reason = "it lives for one call")]
enum Found {
    Gap(Gap),
    Record { place: Place, frame: Frame, after: At },
}

#[both(AFIT)]
impl At {
    pub(crate) fn start(header: &SegmentHeader, geometry: &Geometry, reason: GapReason) -> Self {
        Self {
            place: Place::start_of(header, geometry),
            reason,
            budget: Budget::new(geometry),
            ends: None,
        }
    }

    /// One frame, one jump over damage, or one segment further. Gives a record's frame and where it stands; the buffer holds it if it
    /// has room.
    pub(crate) async fn step<M: Medium>(
        &mut self,
        medium: &mut M,
        ring: &Ring,
        buffer: &mut [u8],
    ) -> Result<Option<(Place, Frame)>, ReadError<M::Error>> {
        if !self.is_newest(ring) {
            let next = match self.ends {
                Some(ends) if self.place.offset < ends => None,
                _ => Some(ring.next_header(medium, self.place.generation).await?),
            };
            self.ends = next.map_or(self.ends, |next| Some(next.previous_end()));
            // What still validates behind the last record is a leftover of a crash: its offsets were given again in the next segment.
            if let Some(next) = next
                && self.place.offset >= next.previous_end()
            {
                *self = Self::start(&next, &ring.geometry, GapReason::Refused);
                return Ok(None);
            }
        }
        let until = ring.until(self.place.generation);
        let mut frame = frame_into(medium, &self.place, until, buffer).await?;
        if frame.is_none() {
            if !is_still_there(medium, ring, &self.place).await? {
                self.skip_recycled(medium, ring, until).await?;
                return Ok(None);
            }
            // Once more: the read was disturbed, or the medium met only now, with the header, what the owner put in this slot.
            frame = frame_into(medium, &self.place, until, buffer).await?;
        }
        let Some(frame) = frame else {
            let before = *self;
            self.skip_invalid(medium, ring, until).await?;
            // What was recycled while it was looked at did not rot.
            if self.place.offset > before.place.offset
                && !is_still_there(medium, ring, &before.place).await?
            {
                *self = before;
                self.skip_recycled(medium, ring, until).await?;
            }
            return Ok(None);
        };
        let place = self.place;
        self.place.pass(&frame);
        match frame.header.kind {
            Kind::Record => Ok(Some((place, frame))),
            Kind::Control => {
                self.take_control(medium, &place, &frame).await?;
                Ok(None)
            }
        }
    }

    async fn take_control<M: Medium>(
        &mut self,
        medium: &mut M,
        place: &Place,
        frame: &Frame,
    ) -> Result<(), M::Error> {
        let take = |control: Option<Control<'_>>| {
            if control.is_some_and(|control| self.place.take(&control) > 0) {
                self.reason = GapReason::Damaged;
            }
        };
        with_control(medium, place, frame, take).await
    }

    /// All that is known of the segment is gone.
    async fn skip_recycled<M: Medium>(
        &mut self,
        medium: &mut M,
        ring: &Ring,
        until: u32,
    ) -> Result<(), M::Error> {
        if self.is_newest(ring) {
            // The whole ring went round since it was looked at.
            self.place.position = until;
            self.lost_to(ring.end.offset);
            self.reason = GapReason::Evicted;
        } else {
            let next = ring.next_header(medium, self.place.generation).await?;
            *self = Self::start(&next, &ring.geometry, GapReason::Evicted);
        }
        Ok(())
    }

    /// The end of the segment, bytes that a power cut tore, or damage.
    async fn skip_invalid<M: Medium>(
        &mut self,
        medium: &mut M,
        ring: &Ring,
        until: u32,
    ) -> Result<(), M::Error> {
        let next = ring.next_header(medium, self.place.generation).await?;
        let below = if self.is_newest(ring) { ring.end.offset } else { next.previous_end() };
        if !self.is_newest(ring) && below == self.place.offset {
            *self = Self::start(&next, &ring.geometry, GapReason::Refused);
            return Ok(());
        }
        let ahead = Ahead { from: self.place.position, until, below };
        if let Some(found) = next_frame(medium, &self.place, ahead, &mut self.budget).await? {
            if self.place.jump(&found) > 0 {
                self.reason = GapReason::Damaged;
            }
        } else if !self.is_newest(ring) && next.generation > self.place.generation + 1 {
            // The next segment has lost its header, but not its frames.
            let next = presumed_header(medium, &self.place).await?;
            *self = Self::start(&next, &ring.geometry, GapReason::Damaged);
        } else {
            // Nothing more is here: the next step enters the next segment.
            self.place.position = until;
            self.lost_to(below);
        }
        Ok(())
    }

    fn lost_to(&mut self, offset: u64) {
        if offset > self.place.offset {
            self.place.offset = offset;
            self.reason = GapReason::Damaged;
        }
    }

    const fn is_newest(&self, ring: &Ring) -> bool {
        self.place.generation == ring.newest.generation
    }
}

/// Whether the place's segment is still the one that was entered, and was not recycled under a reader that does not own the log.
#[both(AFIT)]
pub(crate) async fn is_still_there<M: Medium>(
    medium: &mut M,
    ring: &Ring,
    place: &Place,
) -> Result<bool, M::Error> {
    let slot = medium.geometry().slot(place.generation);
    let mut found = read_header(medium, slot).await?;
    for _ in 1..SURVEYS {
        let Header::Dirty { blank: false } = found else { break };
        // It may have been recycled in the middle of the look.
        found = read_header(medium, slot).await?;
    }
    Ok(match found {
        Header::Valid(header) => header.log == place.log && header.generation == place.generation,
        // Erased, for its next use.
        Header::Dirty { blank: true } => false,
        // It was whole when the reader came (that of the newest segment is known without a look): what tells another generation now is
        // the header of the next use, half written. Otherwise it is rotten, and its frames are not.
        _ if !place.is_headless && place.generation != ring.newest.generation => {
            told_generation(medium, slot).await? == place.generation
        }
        _ => true,
    })
}
