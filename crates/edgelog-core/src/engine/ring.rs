//! Which segments are live, and where the log ends.

use super::both;
use super::medium::Medium;
use super::segment::{Header, read_header};
use crate::error::MountError;
use crate::format::SegmentHeader;
use crate::geometry::Geometry;
use crate::place::Place;
use crate::types::LogId;

/// The live segments of a mounted log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring {
    pub(crate) log: LogId,
    pub(crate) geometry: Geometry,
    /// The oldest generation with a valid header.
    pub(crate) oldest: u64,
    /// The segment that takes appends.
    pub(crate) newest: SegmentHeader,
    /// Where the next frame goes.
    pub(crate) end: Place,
}

/// Rings of at most this many segments are read whole: searching them would not read less.
const LINEAR_MAX: u32 = 16;

#[both(AFIT)]
impl Ring {
    pub(crate) const fn of(newest: SegmentHeader) -> Self {
        Self {
            log: newest.log,
            geometry: newest.geometry,
            oldest: newest.generation,
            newest,
            end: Place::start_of(&newest),
        }
    }

    /// Finds the newest and oldest live segment: by binary search, or from all headers when what the search meets is not a
    /// healthy ring. The end is that of the newest one's header; walk from there.
    pub(crate) async fn survey<M: Medium>(medium: &mut M) -> Result<Self, MountError<M::Error>> {
        let newest = match search(medium).await? {
            Some(newest) => newest,
            None => newest_of_all(medium).await?,
        };
        let mut ring = Self::of(newest);
        for generation in ring.first_live()..newest.generation {
            if ring.header(medium, generation).await?.is_some() {
                ring.oldest = generation;
                break;
            }
        }
        Ok(ring)
    }

    /// The oldest generation that the ring can still hold.
    pub(crate) fn first_live(&self) -> u64 {
        (self.newest.generation + 1).saturating_sub(u64::from(self.geometry.segment_count()))
    }

    /// Where the known part of a segment ends.
    pub(crate) const fn until(&self, generation: u64) -> u32 {
        if generation == self.newest.generation {
            self.end.position
        } else {
            self.geometry.segment_size()
        }
    }

    /// The header of a generation, if it is there.
    pub(crate) async fn header<M: Medium>(
        &self,
        medium: &mut M,
        generation: u64,
    ) -> Result<Option<SegmentHeader>, M::Error> {
        if generation == self.newest.generation {
            return Ok(Some(self.newest));
        }
        let slot = self.geometry.slot(generation);
        Ok(match read_header(medium, slot).await? {
            Header::Valid(header)
                if header.generation == generation
                    && header.log == self.log
                    && header.geometry == self.geometry =>
            {
                Some(header)
            }
            _ => None,
        })
    }

    /// The first readable header after `generation`.
    pub(crate) async fn next_header<M: Medium>(
        &self,
        medium: &mut M,
        generation: u64,
    ) -> Result<SegmentHeader, M::Error> {
        for next in generation.saturating_add(1).max(self.oldest)..self.newest.generation {
            if let Some(header) = self.header(medium, next).await? {
                return Ok(header);
            }
        }
        Ok(self.newest)
    }

    /// The header of the oldest segment that can be read.
    pub(crate) async fn oldest_header<M: Medium>(
        &self,
        medium: &mut M,
    ) -> Result<SegmentHeader, M::Error> {
        match self.header(medium, self.oldest).await? {
            Some(header) => Ok(header),
            None => self.next_header(medium, self.oldest).await,
        }
    }

    /// The last readable segment for which `holds`, which is true for older ones and false for newer ones; the oldest readable
    /// one if it holds for none. Reads about log2(segments) headers, and those behind unreadable ones.
    pub(crate) async fn last_where<M: Medium>(
        &self,
        medium: &mut M,
        holds: impl Fn(&SegmentHeader) -> bool,
    ) -> Result<SegmentHeader, M::Error> {
        let (mut low, mut high) = (self.oldest, self.newest.generation + 1);
        let mut last = None;
        while low < high {
            let middle = low + (high - low) / 2;
            let mut probe = middle;
            let mut readable = None;
            while probe < high && readable.is_none() {
                readable = self.header(medium, probe).await?;
                probe += 1;
            }
            match readable {
                Some(header) if holds(&header) => (last, low) = (Some(header), probe),
                _ => high = middle,
            }
        }
        match last {
            Some(header) => Ok(header),
            None => self.oldest_header(medium).await,
        }
    }
}

/// The newest header of a healthy ring, by binary search: from slot 0 on, generations grow by one with each slot up to the newest,
/// behind which stand those of the lap before, or nothing. `None` at anything else, and for rings too small to be worth it.
#[both(AFIT)]
async fn search<M: Medium>(medium: &mut M) -> Result<Option<SegmentHeader>, M::Error> {
    let geometry = medium.geometry();
    let count = geometry.segment_count();
    if count <= LINEAR_MAX {
        return Ok(None);
    }
    let lap = u64::from(count);
    let Header::Valid(first) = read_header(medium, 0).await? else {
        return search_before_slot_0(medium).await;
    };
    if first.geometry != geometry {
        return Ok(None);
    }
    let (mut newest, mut high) = (first, count);
    while high - newest.slot > 1 {
        let middle = newest.slot + (high - newest.slot) / 2;
        match read_header(medium, middle).await? {
            Header::Valid(header) if header.log != first.log || header.geometry != geometry => {
                return Ok(None);
            }
            Header::Valid(header) if header.generation == first.generation + u64::from(middle) => {
                newest = header;
            }
            Header::Valid(header)
                if header.generation + lap != first.generation + u64::from(middle) =>
            {
                return Ok(None);
            }
            _ => high = middle,
        }
    }
    // A rotten header may have sent the search the wrong way: what follows must not be newer.
    let (mut behind, mut step) = (newest.slot + 1, 1);
    let mut unreadable = 0;
    while behind < count {
        match read_header(medium, behind).await? {
            Header::Valid(header) => {
                let older = header.log == first.log
                    && header.generation + lap == first.generation + u64::from(behind);
                return Ok(Some(newest).filter(|_| older));
            }
            Header::Dirty { .. } => unreadable += 1,
            _ => return Ok(None),
        }
        // In the first lap nothing follows, up to the last slot; later only the segments that were made ready.
        if first.generation != 0 && unreadable == READY_MAX {
            return Ok(None);
        }
        behind += step;
        step += if first.generation == 0 { step } else { 0 };
    }
    Ok(Some(newest))
}

/// Slots behind the newest that may have no header in a healthy ring: one that is ready, and one that a power cut left half erased.
const READY_MAX: u32 = 2;

/// Slot 0 is the next to be written: the newest is the last slot, and slot 1 is of the same lap.
#[both(AFIT)]
async fn search_before_slot_0<M: Medium>(
    medium: &mut M,
) -> Result<Option<SegmentHeader>, M::Error> {
    let geometry = medium.geometry();
    let last = geometry.segment_count() - 1;
    let Header::Valid(newest) = read_header(medium, last).await? else { return Ok(None) };
    let Header::Valid(second) = read_header(medium, 1).await? else { return Ok(None) };
    let one_lap = newest.log == second.log
        && newest.geometry == geometry
        && second.geometry == geometry
        && second.generation + u64::from(last) == newest.generation + 1;
    Ok(Some(newest).filter(|_| one_lap))
}

/// The newest of all headers of the log that most of them belong to.
#[both(AFIT)]
async fn newest_of_all<M: Medium>(medium: &mut M) -> Result<SegmentHeader, MountError<M::Error>> {
    let geometry = medium.geometry();
    let log = majority(medium).await?;
    let mut newest: Option<SegmentHeader> = None;
    for slot in 0..geometry.segment_count() {
        if let Header::Valid(header) = read_header(medium, slot).await?
            && header.log == log
            && header.geometry == geometry
            && newest.is_none_or(|newest| header.generation > newest.generation)
        {
            newest = Some(header);
        }
    }
    newest.ok_or(MountError::NoLog { blank: false })
}

/// The id of most valid headers, so that one foreign segment cannot take the log over (a majority vote in one pass).
/// Headers with other sizes have no vote: they are an answer only when there is nothing else.
#[both(AFIT)]
async fn majority<M: Medium>(medium: &mut M) -> Result<LogId, MountError<M::Error>> {
    let mut candidate: Option<(LogId, u32)> = None;
    let mut version = None;
    let mut other = None;
    let mut all_blank = true;
    let geometry = medium.geometry();
    for slot in 0..geometry.segment_count() {
        match read_header(medium, slot).await? {
            Header::Valid(header) if header.geometry != geometry => other = Some(header.geometry),
            Header::Larger(larger) => other = Some(larger),
            Header::Valid(header) => {
                candidate = match candidate {
                    Some((id, votes)) if id == header.log => Some((id, votes + 1)),
                    Some((id, votes)) if votes > 0 => Some((id, votes - 1)),
                    _ => Some((header.log, 1)),
                };
            }
            Header::Version(found) => version = Some(found),
            Header::Dirty { blank, .. } => all_blank &= blank,
        }
    }
    match (candidate, version, other) {
        (Some((id, _)), ..) => Ok(id),
        (None, Some(found), _) => Err(MountError::Version { found }),
        (None, None, Some(stored)) => Err(MountError::Geometry {
            segment_size: stored.segment_size(),
            segment_count: stored.segment_count(),
        }),
        (None, None, None) => Err(MountError::NoLog { blank: all_blank }),
    }
}
