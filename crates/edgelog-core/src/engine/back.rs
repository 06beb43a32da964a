//! Reading newest first.

use super::both;
use super::medium::Medium;
use super::reader::{At, is_still_there};
use super::ring::Ring;
use super::segment::frame_into;
use crate::error::ReadError;
use crate::format::SegmentHeader;
use crate::item::{Item, Record};
use crate::place::Place;
use crate::types::{Gap, GapReason};
use heapless::Deque;

/// A place in a log for reading backwards, to be handed to [`Log::read_back`](super::Log::read_back).
///
/// Frames only point forwards, so a segment is walked to find its last records, and the places of the last `N` (at least 1; 64 bytes
/// each) are kept: reading a segment of n records costs n / `N` walks over it. Name `N` or the type (`BackReader::<8>::before`,
/// `let reader: BackReader =`): `N` alone is not inferred.
#[derive(Clone, Debug)]
pub struct BackReader<const N: usize = 8> {
    offset: u64,
    /// Where the records before `offset` stand, as far as they are known.
    places: Deque<Place, N>,
}

#[both(AFIT)]
impl<const N: usize> BackReader<N> {
    const PLACES: () = assert!(N > 0, "a reader that knows no place cannot read");

    /// A reader whose next record is the one before `offset`: [`visible`](super::Log::visible) for the newest.
    #[must_use]
    pub const fn before(offset: u64) -> Self {
        let () = Self::PLACES;
        Self { offset, places: Deque::new() }
    }

    /// Everything from this offset on was read, or was not asked for.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) async fn next<'b, M: Medium>(
        &mut self,
        medium: &mut M,
        ring: &Ring,
        buffer: &'b mut [u8],
    ) -> Result<Option<Item<'b>>, ReadError<M::Error>> {
        self.offset = self.offset.min(ring.end.offset);
        if self.offset == 0 {
            return Ok(None);
        }
        let mut from = 0;
        let mut reason = GapReason::Damaged;
        if self.places.back().is_none_or(|place| place.generation < ring.oldest) {
            self.places.clear();
            let below = self.offset;
            let older = |header: &SegmentHeader| header.base_offset < below;
            let header = ring.last_where(medium, older).await?;
            if header.base_offset >= below {
                reason = ring.why_gone(medium).await?;
            } else {
                from = header.base_offset;
                let Some(end) = self.find_places(medium, ring, header).await? else {
                    return Ok(Some(Item::Gap(self.evicted())));
                };
                if end < self.offset {
                    return Ok(Some(Item::Gap(self.gap(end, GapReason::Refused))));
                }
            }
        }
        let Some(place) = self.places.back().copied() else {
            return Ok(Some(Item::Gap(self.gap(from, reason))));
        };
        if place.offset + 1 < self.offset {
            return Ok(Some(Item::Gap(self.gap(place.offset + 1, reason))));
        }
        match frame_into(medium, &place, ring.until(place.generation), buffer).await? {
            Some(frame) => {
                let record = Record::of(&place, &frame, &ring.geometry, buffer)
                    .map_err(|needed| ReadError::BufferTooSmall { needed })?;
                self.places.pop_back();
                self.offset = place.offset;
                Ok(Some(Item::Record(record)))
            }
            None => {
                // It was there a moment ago: the owner, or the device, took it away.
                if !is_still_there(medium, ring, &place).await? {
                    return Ok(Some(Item::Gap(self.evicted())));
                }
                self.places.pop_back();
                Ok(Some(Item::Gap(self.gap(place.offset, reason))))
            }
        }
    }

    fn gap(&mut self, from: u64, reason: GapReason) -> Gap {
        let gap = Gap { from, to: self.offset, reason };
        self.offset = from;
        gap
    }

    /// The segment was recycled under the reader, and with it or before it all that are older.
    fn evicted(&mut self) -> Gap {
        self.places.clear();
        self.gap(0, GapReason::Evicted)
    }

    /// Walks the segment up to the reader's offset and keeps the last places. Gives where its records end, or the reader's offset; nothing
    /// when it was recycled meanwhile.
    async fn find_places<M: Medium>(
        &mut self,
        medium: &mut M,
        ring: &Ring,
        header: SegmentHeader,
    ) -> Result<Option<u64>, ReadError<M::Error>> {
        let mut at = At::start(&header, &ring.geometry, GapReason::Damaged);
        let mut end = header.base_offset;
        // Segments between that have lost their headers belong to the walk.
        let next = ring.next_header(medium, header.generation).await?.generation;
        let last = header.generation.max(next.saturating_sub(1));
        while at.place.generation <= last && at.place.offset < self.offset {
            end = at.place.offset;
            if let Some((place, _)) = at.step(medium, ring, &mut []).await? {
                if self.places.is_full() {
                    self.places.pop_front();
                }
                let _ = self.places.push_back(place);
            }
        }
        let ended = at.place.generation > last;
        // The oldest goes first: where this one is still there, a later one in the walk has only lost its header.
        let start = Place::start_of(&header, &ring.geometry);
        let is_there =
            at.reason != GapReason::Evicted || is_still_there(medium, ring, &start).await?;
        Ok(is_there.then_some(if ended { end } else { self.offset }))
    }
}
