//! Reading a log without owning it: for other processes, and for images pulled from a chip.

use super::back::BackReader;
use super::both;
use super::medium::Medium;
use super::mount::{AtInvalid, Mounted, follow_headless, mount, walk};
use super::reader::{Reader, is_still_there, seek_time};
use super::ring::{Ring, SURVEYS};
use super::segment::read_snapshot;
use crate::error::{MountError, ReadError};
use crate::geometry::Geometry;
use crate::item::Item;
use crate::state::{Cursor, Memory, Topic};
use crate::types::{LogId, TimeSync};

/// A read-only view of a log that somebody else may be appending to. It never programs, erases or syncs.
///
/// It sees what is visible, which may be more than what is durable.
#[derive(Debug)]
pub struct LogView<M> {
    medium: M,
    mounted: Mounted,
    state: Memory,
}

#[both(AFIT)]
impl<M: Medium> LogView<M> {
    /// Looks at the log that the medium holds. Costs what [`Log::mount`](super::Log::mount) costs, without the sync.
    ///
    /// # Errors
    ///
    /// [`MountError`]: there is no log, it has another geometry or a newer version, or the device failed.
    pub async fn open(mut medium: M) -> Result<Self, MountError<M::Error>> {
        let mut state = Memory::new();
        let mounted = mount_beside_writer(&mut medium, &mut state).await?;
        Ok(Self { medium, mounted, state })
    }

    /// Takes in what was appended since. Costs the header reads of [`open`](Self::open) and one pass over the new frames.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); the view stays as it was.
    pub async fn refresh(&mut self) -> Result<(), MountError<M::Error>> {
        let Self { medium, mounted, state: known } = self;
        let likely = medium.geometry().slot(mounted.ring.newest.generation);
        let mut surveyed = Ring::survey_from(medium, likely).await;
        // There was a log: of two segments each may have been the one that is being recycled when it was looked at.
        for _ in 1..SURVEYS {
            if !matches!(surveyed, Err(MountError::NoLog { .. })) {
                break;
            }
            surveyed = Ring::survey_from(medium, likely).await;
        }
        let mut ring = surveyed?;
        if ring.newest.log != mounted.ring.newest.log {
            let mut state = Memory::new();
            *mounted = mount_beside_writer(medium, &mut state).await?;
            *known = state;
            return Ok(());
        }
        // On copies, so that a failure half way leaves the view as it was.
        let mut state = known.clone();
        let known_newest = mounted.ring.newest;
        let is_known = ring.newest.generation <= known_newest.generation;
        let at_invalid = if is_known {
            // Known for longer than its header could be read.
            (ring.newest, ring.end) = (known_newest, mounted.ring.end);
            AtInvalid::Stop
        } else {
            read_snapshot(medium, &ring.newest, &mut state)
                .await?
                .map_err(|_| MountError::TooMany)?;
            AtInvalid::LookAhead
        };
        let mut damaged = walk(medium, &mut ring, &mut state, at_invalid).await?;
        if !is_known {
            damaged += follow_headless(medium, &mut ring, &mut state).await?.0;
        }
        mounted.damaged += damaged;
        (mounted.ring, *known) = (ring, state);
        Ok(())
    }

    /// The next record or gap that was visible at the last refresh. See [`Log::read`](super::Log::read).
    ///
    /// # Errors
    ///
    /// [`ReadError`]; the reader stays where it was.
    pub async fn read<'b>(
        &mut self,
        reader: &mut Reader,
        buffer: &'b mut [u8],
    ) -> Result<Option<Item<'b>>, ReadError<M::Error>> {
        reader.next(&mut self.medium, &self.mounted.ring, u64::MAX, buffer).await
    }

    /// As [`read`](Self::read), without copying. See [`Log::read_in_place`](super::Log::read_in_place); nobody may append to the medium
    /// while the item is borrowed.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; the reader stays where it was.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "an item that goes through memory takes longer than all else besides its CRC"
    )]
    pub async fn read_in_place<'l>(
        &'l mut self,
        reader: &mut Reader,
        buffer: &'l mut [u8],
    ) -> Result<Option<Item<'l>>, ReadError<M::Error>> {
        reader.next_in_place(&mut self.medium, &self.mounted.ring, u64::MAX, buffer).await
    }

    /// Newest first. See [`Log::read_back`](super::Log::read_back).
    ///
    /// # Errors
    ///
    /// [`ReadError`]; the reader stays where it was.
    pub async fn read_back<'b, const N: usize>(
        &mut self,
        reader: &mut BackReader<N>,
        buffer: &'b mut [u8],
    ) -> Result<Option<Item<'b>>, ReadError<M::Error>> {
        reader.next(&mut self.medium, &self.mounted.ring, buffer).await
    }

    /// The offset of the first record that is not older than `time_ms`. See [`Log::seek_time`](super::Log::seek_time).
    ///
    /// # Errors
    ///
    /// The device could not read.
    pub async fn seek_time(&mut self, time_ms: u64) -> Result<u64, ReadError<M::Error>> {
        seek_time(&mut self.medium, &self.mounted.ring, time_ms).await
    }

    /// Bytes behind the end that are written and do not verify, at the time when the view was opened.
    pub fn torn_bytes(&self) -> u32 {
        self.mounted.torn_bytes
    }

    /// The sizes that the log was created with.
    pub fn geometry(&self) -> Geometry {
        self.mounted.ring.geometry
    }

    /// The log's id.
    pub fn id(&self) -> LogId {
        self.mounted.ring.newest.log
    }

    /// The epoch at the log's end.
    pub fn epoch(&self) -> u32 {
        self.mounted.ring.end.epoch
    }

    /// Every record below this offset was appended.
    pub fn visible(&self) -> u64 {
        self.mounted.ring.end.offset
    }

    /// The offset of the oldest record that is still there.
    ///
    /// # Errors
    ///
    /// The device could not read.
    pub async fn earliest(&mut self) -> Result<u64, M::Error> {
        Ok(self.mounted.ring.oldest_header(&mut self.medium).await?.base_offset)
    }

    /// Durable records that were found damaged at or near the end of the log.
    pub fn damaged(&self) -> u64 {
        self.mounted.damaged
    }

    /// Live segments, and how many of them the ring has.
    pub fn segments(&self) -> (u64, u32) {
        let ring = &self.mounted.ring;
        (ring.newest.generation - ring.oldest + 1, ring.geometry.segment_count())
    }

    /// What the clocks of boots that began without one turned out to be. See [`Log::time_syncs`](super::Log::time_syncs).
    pub fn time_syncs(&self) -> &[TimeSync] {
        &self.state.time_syncs
    }

    /// The topics, in order of their ids.
    pub fn topics(&self) -> &[Topic] {
        &self.state.topics
    }

    /// The durable cursors.
    pub fn cursors(&self) -> &[Cursor] {
        &self.state.cursors
    }

    /// The medium, for its own figures.
    pub fn medium(&self) -> &M {
        &self.medium
    }
}

/// As [`mount`], and once more when what was looked at was recycled meanwhile.
#[both(AFIT)]
async fn mount_beside_writer<M: Medium>(
    medium: &mut M,
    state: &mut Memory,
) -> Result<Mounted, MountError<M::Error>> {
    let mut mounted = mount(medium, state).await;
    for _ in 1..SURVEYS {
        let is_whole = match &mounted {
            Ok(Mounted { ring, .. }) => is_still_there(medium, ring, &ring.end).await?,
            // Of two segments each may have been the one that is being recycled when it was looked at.
            Err(error) => !matches!(error, MountError::NoLog { .. }),
        };
        if is_whole {
            break;
        }
        mounted = mount(medium, state).await;
    }
    mounted
}
