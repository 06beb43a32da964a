//! Which segments are live, and where the log ends.

use super::both;
use super::medium::Medium;
use super::segment::{Header, read_header};
use crate::error::MountError;
use crate::format::SegmentHeader;
use crate::geometry::Geometry;
use crate::place::Place;
use crate::types::{GapReason, LogId};

/// The live segments of a mounted log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring {
    pub(crate) geometry: Geometry,
    /// The oldest generation with a valid header.
    pub(crate) oldest: u64,
    /// The segment that takes appends.
    pub(crate) newest: SegmentHeader,
    /// Where the next frame goes.
    pub(crate) end: Place,
}

/// How often a view looks for the newest segment while a writer recycles one after the other.
pub(crate) const SURVEYS: u32 = 8;

/// Rings of at most this many segments are read whole: searching them would not read less.
const LINEAR_MAX: u32 = 16;

#[both(AFIT)]
impl Ring {
    pub(crate) fn of(newest: SegmentHeader, geometry: Geometry) -> Self {
        Self {
            geometry,
            oldest: newest.generation,
            newest,
            end: Place::start_of(&newest, &geometry),
        }
    }

    /// Finds the newest and oldest live segment: by binary search, or from all headers when what the search meets is not a
    /// healthy ring. The end is that of the newest one's header; walk from there.
    pub(crate) async fn survey<M: Medium>(medium: &mut M) -> Result<Self, MountError<M::Error>> {
        let likely_slot = medium.likely_slot();
        Self::survey_from(medium, likely_slot).await
    }

    /// As [`survey`](Self::survey), where `likely_slot` probably holds a segment; 0 says nothing.
    pub(crate) async fn survey_from<M: Medium>(
        medium: &mut M,
        likely_slot: u32,
    ) -> Result<Self, MountError<M::Error>> {
        let geometry = medium.geometry();
        let mut newest = None;
        // Beside a living writer the segment may be recycled between two looks.
        for _ in 0..SURVEYS {
            let mut generation = None;
            if likely_slot != 0 {
                generation = search_from(medium, likely_slot).await?;
            }
            if generation.is_none() {
                generation = search(medium).await?;
            }
            let generation = match generation {
                Some(generation) => generation,
                None => newest_of_all(medium).await?,
            };
            match read_header(medium, geometry.slot(generation)).await? {
                Header::Valid(header) if header.generation == generation => newest = Some(header),
                _ => continue,
            }
            break;
        }
        let newest = newest.ok_or(MountError::NoLog { blank: false })?;
        let mut ring = Self::of(newest, geometry);
        ring.oldest = ring.find_oldest(medium).await?;
        Ok(ring)
    }

    /// The oldest generation with a readable header: about the first that the ring can still hold, or behind the slots of
    /// segments that were given up.
    async fn find_oldest<M: Medium>(&self, medium: &mut M) -> Result<u64, M::Error> {
        let (mut low, mut high) = (self.first_live(), self.newest.generation);
        let mut blank = 0;
        while low < high && blank <= READY_MAX {
            match self.look(medium, low).await? {
                Look::Here => return Ok(low),
                Look::Blank => blank += 1,
                Look::Older | Look::Else => {}
            }
            low += 1;
        }
        let from = low;
        while low < high {
            let middle = low + (high - low) / 2;
            match self.look(medium, middle).await? {
                Look::Here => high = middle,
                Look::Blank => low = middle + 1,
                Look::Older | Look::Else => {
                    return Ok(self.first_from(medium, from).await?.generation);
                }
            }
        }
        // A segment that somebody removed may have sent the search the wrong way: nothing may stand before.
        let mut step = 1;
        while let Some(before) = high.checked_sub(step).filter(|&before| before >= from) {
            if self.look(medium, before).await? != Look::Blank {
                return Ok(self.first_from(medium, from).await?.generation);
            }
            step = next_step(step);
        }
        Ok(high)
    }

    /// What stands in the slot of a generation.
    async fn look<M: Medium>(&self, medium: &mut M, generation: u64) -> Result<Look, M::Error> {
        let slot = self.geometry.slot(generation);
        let count = u64::from(self.geometry.segment_count());
        Ok(match read_header(medium, slot).await? {
            Header::Valid(header) if header.log != self.newest.log => Look::Else,
            Header::Valid(header) if header.generation == generation => Look::Here,
            Header::Valid(header) if header.generation + count == generation => Look::Older,
            Header::Dirty { blank: true } => Look::Blank,
            _ => Look::Else,
        })
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

    /// The first readable header from `generation` on.
    async fn first_from<M: Medium>(
        &self,
        medium: &mut M,
        mut generation: u64,
    ) -> Result<SegmentHeader, M::Error> {
        while generation < self.newest.generation {
            let slot = self.geometry.slot(generation);
            if let Header::Valid(header) = read_header(medium, slot).await?
                && header.generation == generation
                && header.log == self.newest.log
            {
                return Ok(header);
            }
            generation += 1;
        }
        Ok(self.newest)
    }

    /// The first readable header after `generation`.
    pub(crate) async fn next_header<M: Medium>(
        &self,
        medium: &mut M,
        generation: u64,
    ) -> Result<SegmentHeader, M::Error> {
        self.first_from(medium, generation.saturating_add(1).max(self.oldest)).await
    }

    /// The header of the oldest segment that can be read.
    pub(crate) async fn oldest_header<M: Medium>(
        &self,
        medium: &mut M,
    ) -> Result<SegmentHeader, M::Error> {
        self.first_from(medium, self.oldest).await
    }

    /// Why the records before the oldest segment are gone. Where one more could be and its slot is neither blank nor taken by another, it was
    /// damaged: it may still have had them all, or only the last.
    pub(crate) async fn why_gone<M: Medium>(&self, medium: &mut M) -> Result<GapReason, M::Error> {
        let before = self.oldest.checked_sub(1);
        let Some(before) = before.filter(|&before| before >= self.first_live()) else {
            return Ok(GapReason::Evicted);
        };
        // It may be recycled in the middle of a look.
        for _ in 0..SURVEYS {
            let found = read_header(medium, self.geometry.slot(before)).await?;
            if matches!(found, Header::Valid(_) | Header::Dirty { blank: true }) {
                return Ok(GapReason::Evicted);
            }
        }
        Ok(GapReason::Damaged)
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
            let header = self.first_from(medium, middle).await?;
            if header.generation < high && holds(&header) {
                low = header.generation + 1;
                last = Some(header);
            } else {
                high = middle;
            }
        }
        match last {
            Some(header) => Ok(header),
            None => self.oldest_header(medium).await,
        }
    }
}

/// The newest generation of a healthy ring, by binary search: from slot 0 on, generations grow by one with each slot up to the newest,
/// behind which stand those of the lap before, or nothing. `None` at anything else, and for rings too small to be worth it.
#[both(AFIT)]
async fn search<M: Medium>(medium: &mut M) -> Result<Option<u64>, M::Error> {
    let count = medium.geometry().segment_count();
    let mut low = 0;
    let mut found =
        if count <= LINEAR_MAX { return Ok(None) } else { read_header(medium, 0).await? };
    if !matches!(found, Header::Valid(_)) {
        // Slot 0 may be the next to be written.
        low = 1;
        found = read_header(medium, 1).await?;
    }
    let Header::Valid(first) = found else { return Ok(None) };
    // A lap is named by the generation of its slot 0.
    let lap_of = |header: &SegmentHeader, slot| header.generation - u64::from(slot);
    let lap = lap_of(&first, low);
    let is_before = |other| other + u64::from(count) == lap;
    let mut high = count;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match read_header(medium, middle).await? {
            Header::Valid(header) if header.log != first.log => return Ok(None),
            Header::Valid(header) if lap_of(&header, middle) == lap => low = middle,
            Header::Valid(header) if !is_before(lap_of(&header, middle)) => return Ok(None),
            _ => high = middle,
        }
    }
    let newest = lap + u64::from(low);
    // A rotten header may have sent the search the wrong way: what follows must not be newer.
    let (mut behind, mut step, mut unreadable) = (high, 1, 0);
    while behind < count {
        match read_header(medium, behind).await? {
            Header::Valid(header) => {
                let older = header.log == first.log && is_before(lap_of(&header, behind));
                return Ok(Some(newest).filter(|_| older));
            }
            Header::Dirty { blank: true } => unreadable += 1,
            // Where something else stands, newer segments may stand behind it.
            _ => return Ok(None),
        }
        // In the first lap nothing follows, up to the last slot; later only the segments that were made ready.
        if lap != 0 && unreadable == READY_MAX {
            return Ok(None);
        }
        // A ring may have as many slots as there are numbers.
        behind = behind.saturating_add(step);
        step = if lap == 0 { step.saturating_mul(2) } else { step };
    }
    Ok(Some(newest))
}

/// What stands in the slot where a generation would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Its header.
    Here,
    /// That of the lap before.
    Older,
    /// Nothing.
    Blank,
    /// Anything else.
    Else,
}

/// The newest generation of a ring that gave up so many old segments that [`search`] does not know it, by binary search from a segment that
/// is there: generations grow by one with each slot up to the newest, behind which stand older ones, or nothing. `None` at anything else.
#[both(AFIT)]
async fn search_from<M: Medium>(medium: &mut M, slot: u32) -> Result<Option<u64>, M::Error> {
    let geometry = medium.geometry();
    let count = u64::from(geometry.segment_count());
    if geometry.segment_count() <= LINEAR_MAX || slot >= geometry.segment_count() {
        return Ok(None);
    }
    let Header::Valid(first) = read_header(medium, slot).await? else { return Ok(None) };
    let ring = Ring::of(first, geometry);
    let (mut low, mut high) = (first.generation, first.generation.saturating_add(count));
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match ring.look(medium, middle).await? {
            Look::Here => low = middle,
            Look::Older | Look::Blank => high = middle,
            Look::Else => return Ok(None),
        }
    }
    // A segment that somebody removed may have sent the search the wrong way: what follows must not be newer.
    let mut step = 1;
    while low - first.generation + step < count {
        match ring.look(medium, low + step).await? {
            Look::Blank => {}
            Look::Older => break,
            Look::Here | Look::Else => return Ok(None),
        }
        step = next_step(step);
    }
    Ok(Some(low))
}

/// Where to look next for what should not be there: near places one by one, far ones in ever larger steps.
const fn next_step(step: u64) -> u64 {
    if step < 16 { step + 1 } else { step.saturating_mul(2) }
}

/// Slots behind the newest that may have no header in a healthy ring: one that is ready, and one that a power cut left half erased.
const READY_MAX: u32 = 2;

/// The newest generation of the log that most headers belong to, so that one foreign segment cannot take the log over (a
/// majority vote, whose winner is only known behind the first pass).
#[both(AFIT)]
async fn newest_of_all<M: Medium>(medium: &mut M) -> Result<u64, MountError<M::Error>> {
    let count = medium.geometry().segment_count();
    let mut candidate: Option<(LogId, u32)> = None;
    // Headers of other versions and sizes have no vote: they are an answer only when there is nothing else.
    let mut otherwise = MountError::NoLog { blank: true };
    for slot in 0..count {
        match (read_header(medium, slot).await?, &mut otherwise) {
            (Header::Valid(header), _) => {
                candidate = match candidate {
                    Some((id, votes)) if id == header.log => Some((id, votes + 1)),
                    Some((id, votes)) if votes > 0 => Some((id, votes - 1)),
                    _ => Some((header.log, 1)),
                };
            }
            (Header::Version(found), _) => otherwise = MountError::Version { found },
            (_, MountError::Version { .. }) => {}
            (Header::OtherSizes(sizes), _) => {
                let (segment_size, segment_count) = (sizes.segment_size(), sizes.segment_count());
                otherwise = MountError::Geometry { segment_size, segment_count };
            }
            (Header::Dirty { blank: false, .. }, MountError::NoLog { blank }) => *blank = false,
            (Header::Dirty { .. }, _) => {}
        }
    }
    let Some((log, _)) = candidate else { return Err(otherwise) };
    let mut newest = None;
    for slot in 0..count {
        if let Header::Valid(header) = read_header(medium, slot).await?
            && header.log == log
        {
            newest = newest.max(Some(header.generation));
        }
    }
    newest.ok_or(MountError::NoLog { blank: false })
}
