//! Reading in the owner's process.

use crate::error::ReadError;
use crate::event::Start;
use crate::file::FileMedium;
use crate::log::Log;
use edgelog_core::{Extent, Item, Medium};
use std::time::Duration;

/// Reads a log in order, from where it started, for as long as there is something. It keeps the log open.
///
/// Records are read in place, out of the mapped segment, without holding up those who append. What a reader has mapped (at most two
/// segments) is not recycled under it: the log then takes the space of a new file, and gives the old one back when the reader has gone on.
#[derive(Debug)]
pub struct Reader {
    log: Log,
    place: edgelog_core::Reader,
    medium: FileMedium,
    /// How far the log reached when it was last looked at; nothing where that was not beyond the place.
    extent: Option<Extent>,
    /// For files that cannot be mapped.
    buffer: Vec<u8>,
}

impl Reader {
    pub(crate) fn start(log: Log, start: Start) -> Result<Self, ReadError> {
        let mut engine = log.engine();
        let medium = FileMedium::new(log.directory(), engine.medium().geometry(), None);
        let offset = match start {
            Start::Earliest => engine.earliest()?,
            Start::Latest => engine.visible(),
            Start::Offset(offset) => offset,
            Start::Time(time_ms) => engine.seek_time(time_ms)?,
        };
        drop(engine);
        let extent = log.written_beyond(offset)?;
        let (place, buffer) = (edgelog_core::Reader::at(offset), frame_buffer(&medium));
        Ok(Self { log, place, medium, extent, buffer })
    }

    /// The next record or gap; `None` when everything visible was read.
    ///
    /// Not an `Iterator`: the record is borrowed from the reader, which stays on it until the next call.
    ///
    /// # Errors
    ///
    /// The file system failed; the reader stays where it was.
    #[expect(clippy::should_implement_trait, reason = "a lending iterator cannot be an Iterator")]
    pub fn next(&mut self) -> Result<Option<Item<'_>>, ReadError> {
        let Self { log, place, medium, extent, buffer } = self;
        if extent.is_none_or(|extent| place.offset() >= extent.visible()) {
            *extent = log.written_beyond(place.offset())?;
        }
        let Some(extent) = extent else { return Ok(None) };
        place.read_in_place(medium, extent, extent.visible(), buffer)
    }

    /// Waits until there is something to read or the time is over; true when there is.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        let offset = self.place.offset();
        self.log.wait_visible(timeout, offset)
    }

    /// The offset of the next record.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.place.offset()
    }
}

/// Room for the longest frame there can be. The system gives the pages only when a record reaches them.
pub(crate) fn frame_buffer(medium: &impl Medium) -> Vec<u8> {
    vec![0; usize::try_from(medium.geometry().segment_size()).unwrap_or(usize::MAX)]
}
