//! Which segments are live, and where the log ends.

use crate::error::MountError;
use crate::format::{Seed, SegmentHeader};
use crate::medium::{Geometry, Medium};
use crate::segment::{Header, read_header};
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
    pub(crate) end: End,
}

/// Where the next frame goes, and what it will be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) position: u32,
    pub(crate) offset: u64,
    pub(crate) epoch: u32,
    /// Time of the last record, in ms since 1970: no later record is older.
    pub(crate) time: u64,
}

impl End {
    pub(crate) const fn start_of(header: &SegmentHeader) -> Self {
        Self {
            position: header.first_frame(),
            offset: header.base_offset,
            epoch: header.epoch,
            time: header.base_time,
        }
    }
}

impl Ring {
    /// Reads every header and finds the newest and oldest live segment. The end is that of the newest one's header; walk from there.
    pub(crate) fn survey<M: Medium>(medium: &mut M) -> Result<Self, MountError<M::Error>> {
        let geometry = medium.geometry();
        let log = majority(medium)?;
        let mut newest: Option<SegmentHeader> = None;
        for slot in 0..geometry.segment_count() {
            if let Header::Valid(header) = read_header(medium, slot)?
                && header.log == log
                && header.geometry == geometry
                && newest.is_none_or(|newest| header.generation > newest.generation)
            {
                newest = Some(header);
            }
        }
        let newest = newest.ok_or(MountError::NoLog { blank: false })?;
        let mut ring =
            Self { log, geometry, oldest: newest.generation, newest, end: End::start_of(&newest) };
        for generation in ring.first_live()..newest.generation {
            if ring.header(medium, generation)?.is_some() {
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

    /// The header of a generation, if it is there.
    pub(crate) fn header<M: Medium>(
        &self,
        medium: &mut M,
        generation: u64,
    ) -> Result<Option<SegmentHeader>, M::Error> {
        if generation == self.newest.generation {
            return Ok(Some(self.newest));
        }
        Ok(match read_header(medium, self.geometry.slot(generation))? {
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
    pub(crate) fn next_header<M: Medium>(
        &self,
        medium: &mut M,
        generation: u64,
    ) -> Result<SegmentHeader, M::Error> {
        for next in generation.saturating_add(1).max(self.oldest)..self.newest.generation {
            if let Some(header) = self.header(medium, next)? {
                return Ok(header);
            }
        }
        Ok(self.newest)
    }

    /// The offset of the oldest record whose segment can be read.
    pub(crate) fn earliest<M: Medium>(&self, medium: &mut M) -> Result<u64, M::Error> {
        let oldest = match self.header(medium, self.oldest)? {
            Some(header) => header,
            None => self.next_header(medium, self.oldest)?,
        };
        Ok(oldest.base_offset)
    }

    /// What frames at the end are seeded with.
    pub(crate) const fn seed(&self) -> Seed {
        Seed { log: self.log, generation: self.newest.generation, epoch: self.end.epoch }
    }
}

/// The id of most valid headers, so that one foreign segment cannot take the log over (a majority vote in one pass).
/// Headers with other sizes have no vote: they are an answer only when there is nothing else.
fn majority<M: Medium>(medium: &mut M) -> Result<LogId, MountError<M::Error>> {
    let mut candidate: Option<(LogId, u32)> = None;
    let mut version = None;
    let mut other = None;
    let mut all_blank = true;
    let geometry = medium.geometry();
    for slot in 0..geometry.segment_count() {
        match read_header(medium, slot)? {
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
