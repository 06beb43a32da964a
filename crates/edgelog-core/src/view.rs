//! Reading a log without owning it: for other processes, and for images pulled from a chip.

use crate::error::{MountError, ReadError};
use crate::medium::Medium;
use crate::mount::{AtInvalid, Mounted, mount, walk};
use crate::reader::{Item, Reader};
use crate::ring::Ring;
use crate::segment::read_snapshot;
use crate::state::{Cursor, Topic};
use crate::types::LogId;

/// A read-only view of a log that somebody else may be appending to. It never programs, erases or syncs.
///
/// It sees what is visible, which may be more than what is durable.
#[derive(Debug)]
pub struct LogView<M> {
    medium: M,
    mounted: Mounted,
}

impl<M: Medium> LogView<M> {
    /// Looks at the log that the medium holds. Costs one header read for each segment, then one pass over the newest segment.
    ///
    /// # Errors
    ///
    /// [`MountError`]: there is no log, it has another geometry or a newer version, or the device failed.
    pub fn open(mut medium: M) -> Result<Self, MountError<M::Error>> {
        let mounted = mount(&mut medium)?;
        Ok(Self { medium, mounted })
    }

    /// Takes in what was appended since. Costs one header read for each segment and one pass over the new frames.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open); the view stays as it was.
    pub fn refresh(&mut self) -> Result<(), MountError<M::Error>> {
        let Self { medium, mounted } = self;
        let mut ring = Ring::survey(medium)?;
        if ring.log != mounted.ring.log {
            *mounted = mount(medium)?;
            return Ok(());
        }
        // On copies, so that a failure half way leaves the view as it was.
        let mut state = mounted.state.clone();
        let at_invalid = if ring.newest.generation == mounted.ring.newest.generation {
            ring.end = mounted.ring.end;
            AtInvalid::Stop
        } else {
            read_snapshot(medium, &ring.newest, &mut state)?.map_err(|_| MountError::TooMany)?;
            AtInvalid::LookAhead
        };
        mounted.damaged += walk(medium, &mut ring, &mut state, at_invalid)?;
        (mounted.ring, mounted.state) = (ring, state);
        Ok(())
    }

    /// The next record or gap that was visible at the last refresh. See [`Log::read`](crate::Log::read).
    ///
    /// # Errors
    ///
    /// [`ReadError`]; the reader stays where it was.
    pub fn read<'b>(
        &mut self,
        reader: &mut Reader,
        buffer: &'b mut [u8],
    ) -> Result<Option<Item<'b>>, ReadError<M::Error>> {
        reader.next(&mut self.medium, &self.mounted.ring, u64::MAX, buffer)
    }

    /// The log's id.
    pub fn id(&self) -> LogId {
        self.mounted.ring.log
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
    pub fn earliest(&mut self) -> Result<u64, M::Error> {
        self.mounted.ring.earliest(&mut self.medium)
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

    /// The topics, in order of their ids.
    pub fn topics(&self) -> &[Topic] {
        &self.mounted.state.topics
    }

    /// The durable cursors.
    pub fn cursors(&self) -> &[Cursor] {
        &self.mounted.state.cursors
    }

    /// The medium, for its own figures.
    pub fn medium(&self) -> &M {
        &self.medium
    }
}
