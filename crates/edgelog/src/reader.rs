//! Reading in the owner's process.

use crate::error::ReadError;
use crate::event::Start;
use crate::log::Log;
use edgelog_core::{Item, Medium};
use std::time::Duration;

/// Reads a log in order, from where it started, for as long as there is something. It keeps the log open.
#[derive(Debug)]
pub struct Reader {
    log: Log,
    place: edgelog_core::Reader,
    buffer: Vec<u8>,
}

impl Reader {
    pub(crate) fn start(log: Log, start: Start) -> Result<Self, ReadError> {
        let (mut buffer, earliest, visible) = {
            let mut engine = log.engine();
            let buffer = frame_buffer(engine.medium());
            (buffer, engine.earliest()?, engine.visible())
        };
        let place = match start {
            Start::Earliest => edgelog_core::Reader::at(earliest),
            Start::Latest => edgelog_core::Reader::at(visible),
            Start::Offset(offset) => edgelog_core::Reader::at(offset),
            Start::Time(time_ms) => skip_to_time(time_ms, earliest, |place| {
                Ok::<_, ReadError>(log.read_visible(place, &mut buffer)?.map(|item| time_of(&item)))
            })?,
        };
        Ok(Self { log, place, buffer })
    }

    /// The next record or gap; `None` when everything visible was read.
    ///
    /// Not an `Iterator`: the record is borrowed from the reader's buffer.
    ///
    /// # Errors
    ///
    /// The file system failed; the reader stays where it was.
    #[expect(clippy::should_implement_trait, reason = "a lending iterator cannot be an Iterator")]
    pub fn next(&mut self) -> Result<Option<Item<'_>>, ReadError> {
        self.log.read_visible(&mut self.place, &mut self.buffer)
    }

    /// Waits until there is something to read or the time is over; true when there is.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        let offset = self.place.offset();
        self.log.wait_until(timeout, |engine| engine.visible() > offset)
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

/// The place of the first record at or after `time_ms`, found by reading from `earliest`.
pub(crate) fn skip_to_time<E>(
    time_ms: u64,
    earliest: u64,
    mut read: impl FnMut(&mut edgelog_core::Reader) -> Result<Option<Option<u64>>, E>,
) -> Result<edgelog_core::Reader, E> {
    let mut place = edgelog_core::Reader::at(earliest);
    loop {
        let before = place.clone();
        match read(&mut place)? {
            None => return Ok(before),
            Some(Some(time)) if time >= time_ms => return Ok(before),
            Some(_) => {}
        }
    }
}

/// The time of a record; gaps have none.
pub(crate) const fn time_of(item: &Item<'_>) -> Option<u64> {
    match item {
        Item::Record(record) => Some(record.time_ms),
        Item::Gap(_) => None,
    }
}
