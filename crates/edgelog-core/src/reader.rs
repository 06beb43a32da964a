//! Reading in order, with gaps where records are gone.

use crate::error::ReadError;
use crate::format::{Control, FRAME_HEADER_LEN, Kind, Seed, SegmentHeader};
use crate::medium::Medium;
use crate::mount::lost_before;
use crate::ring::Ring;
use crate::segment::{
    Ahead, Budget, Frame, Header, frame_at, frame_into, look_ahead, read_header, to_usize,
    with_control,
};
use crate::types::{Class, Gap, GapReason, Identity, TopicId};

/// A place in a log, to be handed to [`Log::read`](crate::Log::read). It holds no reference and costs nothing to keep.
#[derive(Clone, Debug)]
pub struct Reader {
    offset: u64,
    at: Option<At>,
}

/// One thing that a reader meets.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a consumer must handle both, and there is nothing else"
)]
pub enum Item<'a> {
    /// A record.
    Record(Record<'a>),
    /// Records that are gone, counted.
    Gap(Gap),
}

/// A verified record, borrowed from the caller's buffer. The payload is aligned as the buffer is, up to 8 bytes or the program word.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Record<'a> {
    /// Its name for ever.
    pub identity: Identity,
    /// Its topic.
    pub topic: TopicId,
    /// Its priority.
    pub class: Class,
    /// When it was appended: ms since 1970-01-01 UTC, never less than the record before it.
    pub time_ms: u64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// The event.
    pub payload: &'a [u8],
}

/// Where in which segment.
#[derive(Clone, Copy, Debug)]
struct At {
    header: SegmentHeader,
    position: u32,
    /// The offset of the next record at `position`. Greater than the reader's offset when records before it are gone.
    offset: u64,
    epoch: u32,
    reason: GapReason,
    /// What looking ahead may still cost in this segment.
    budget: Budget,
    /// Where the next segment begins, once this one is known to be sealed.
    ends: Option<u64>,
}

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

    pub(crate) fn next<'b, M: Medium>(
        &mut self,
        medium: &mut M,
        ring: &Ring,
        limit: u64,
        buffer: &'b mut [u8],
    ) -> Result<Option<Item<'b>>, ReadError<M::Error>> {
        let limit = limit.min(ring.end.offset);
        loop {
            if self.offset >= limit {
                return Ok(None);
            }
            let mut at = match self.at {
                Some(at) if at.header.generation >= ring.oldest => at,
                _ => seek(medium, ring, self.offset)?,
            };
            if at.offset > self.offset {
                let gap = Gap { from: self.offset, to: at.offset.min(limit), reason: at.reason };
                self.offset = gap.to;
                self.at = Some(at);
                return Ok(Some(Item::Gap(gap)));
            }
            let found = at.step(medium, ring, self.offset, buffer)?;
            self.at = Some(at);
            if let Some(frame) = found
                && at.offset > self.offset
            {
                self.offset = at.offset;
                return Ok(Some(Item::Record(at.record(ring, &frame, buffer))));
            }
        }
    }
}

/// The segment that holds `offset`, or the first one after it. Reads at most one header for each segment.
fn seek<M: Medium>(medium: &mut M, ring: &Ring, offset: u64) -> Result<At, M::Error> {
    let mut oldest_readable = ring.newest;
    for generation in (ring.oldest..=ring.newest.generation).rev() {
        if let Some(header) = ring.header(medium, generation)? {
            oldest_readable = header;
            if header.base_offset <= offset {
                break;
            }
        }
    }
    Ok(At::start(oldest_readable, GapReason::Evicted))
}

impl At {
    const fn start(header: SegmentHeader, reason: GapReason) -> Self {
        Self {
            header,
            position: header.first_frame(),
            offset: header.base_offset,
            epoch: header.epoch,
            reason,
            budget: Budget::new(&header.geometry),
            ends: None,
        }
    }

    /// One frame, one jump over damage, or one segment further. Gives the frame when it is a record; its offset is then `self.offset - 1`.
    /// The buffer needs room only for records from `wanted` on.
    fn step<M: Medium>(
        &mut self,
        medium: &mut M,
        ring: &Ring,
        wanted: u64,
        buffer: &mut [u8],
    ) -> Result<Option<Frame>, ReadError<M::Error>> {
        if self.header.generation != ring.newest.generation {
            let next = match self.ends {
                Some(ends) if self.offset < ends => None,
                _ => Some(ring.next_header(medium, self.header.generation)?),
            };
            self.ends = next.map_or(self.ends, |next| Some(next.base_offset));
            // What still validates behind the last record is a leftover of a crash: its offsets were given again in the next segment.
            if let Some(next) = next
                && self.offset >= next.base_offset
            {
                *self = Self::start(next, GapReason::Damaged);
                return Ok(None);
            }
        }
        let until = self.until(ring);
        let seed = self.seed(ring);
        let frame = match frame_into(medium, &seed, self.position, until, buffer)? {
            Ok(frame) => frame,
            Err(needed) => match frame_at(medium, &seed, self.position, until)? {
                Some(frame) if frame.header.kind == Kind::Record && self.offset >= wanted => {
                    return Err(ReadError::BufferTooSmall { needed });
                }
                passed_over => passed_over,
            },
        };
        let Some(frame) = frame else {
            self.skip_invalid(medium, ring, &seed, until)?;
            return Ok(None);
        };
        self.position = frame.position + frame.length;
        match frame.header.kind {
            Kind::Record => {
                self.offset += 1;
                Ok(Some(frame))
            }
            Kind::Control => {
                self.take_control(medium, &seed, &frame)?;
                Ok(None)
            }
        }
    }

    fn take_control<M: Medium>(
        &mut self,
        medium: &mut M,
        seed: &Seed,
        frame: &Frame,
    ) -> Result<(), M::Error> {
        with_control(medium, seed, frame, |control| {
            if let Some(Control::Epoch { epoch, next_offset, .. }) = control {
                self.epoch = epoch;
                self.lost_to(next_offset);
            }
        })
    }

    /// The end of the segment, or damage.
    fn skip_invalid<M: Medium>(
        &mut self,
        medium: &mut M,
        ring: &Ring,
        seed: &Seed,
        until: u32,
    ) -> Result<(), M::Error> {
        let is_newest = self.header.generation == ring.newest.generation;
        if !self.is_still_there(medium)? {
            if is_newest {
                // The whole ring went round since it was looked at: all that was known is gone.
                self.position = until;
                self.lost_to(ring.end.offset);
                self.reason = GapReason::Evicted;
            } else {
                let next = ring.next_header(medium, self.header.generation)?;
                *self = Self::start(next, GapReason::Evicted);
            }
            return Ok(());
        }
        let next = ring.next_header(medium, self.header.generation)?;
        if !is_newest && next.base_offset == self.offset {
            *self = Self::start(next, GapReason::Damaged);
            return Ok(());
        }
        let ahead = Ahead {
            from: self.position,
            until,
            offset: self.offset,
            below: if is_newest { ring.end.offset } else { next.base_offset },
            synced_only: false,
        };
        if let Some((frame, seed)) = look_ahead(medium, seed, ahead, &mut self.budget)? {
            self.lost_to(self.offset + lost_before(&frame, self.offset));
            self.position = frame.position;
            self.epoch = seed.epoch;
        } else if is_newest {
            self.position = until;
            self.lost_to(ring.end.offset);
        } else {
            *self = Self::start(next, GapReason::Damaged);
        }
        Ok(())
    }

    /// Whether the segment is still the one that was entered, and was not recycled under a reader that does not own the log.
    fn is_still_there<M: Medium>(&self, medium: &mut M) -> Result<bool, M::Error> {
        Ok(match read_header(medium, self.header.slot)? {
            Header::Valid(header) => {
                header.log == self.header.log && header.generation == self.header.generation
            }
            // Being recycled at this moment, or rotten; frames are believed by their own CRC in any case.
            _ => true,
        })
    }

    fn lost_to(&mut self, offset: u64) {
        if offset > self.offset {
            self.offset = offset;
            self.reason = GapReason::Damaged;
        }
    }

    const fn until(&self, ring: &Ring) -> u32 {
        if self.header.generation == ring.newest.generation {
            ring.end.position
        } else {
            ring.geometry.segment_size()
        }
    }

    const fn seed(&self, ring: &Ring) -> Seed {
        Seed { log: ring.log, generation: self.header.generation, epoch: self.epoch }
    }

    fn record<'b>(&self, ring: &Ring, frame: &Frame, buffer: &'b [u8]) -> Record<'b> {
        let key_at = to_usize(FRAME_HEADER_LEN) + 1;
        let payload_at = to_usize(frame.payload_at(&ring.geometry));
        let payload_end = payload_at + to_usize(frame.header.payload_len);
        Record {
            identity: Identity { log: ring.log, epoch: self.epoch, offset: self.offset - 1 },
            topic: TopicId(frame.header.topic),
            class: frame.header.class,
            time_ms: self.header.base_time.saturating_add(u64::from(frame.header.time_delta)),
            key: frame
                .header
                .has_key
                .then(|| buffer.get(key_at..key_at + to_usize(frame.key_len)).unwrap_or_default()),
            payload: buffer.get(payload_at..payload_end).unwrap_or_default(),
        }
    }
}
