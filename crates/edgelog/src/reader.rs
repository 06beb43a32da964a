//! Reading in the owner's process.

use crate::bell::Place;
use crate::error::ReadError;
use crate::event::Start;
use crate::file::FileMedium;
use crate::log::Log;
use crate::recent::Held;
use crate::sync::thread;
use edgelog_core::{Extent, Item, Medium};
use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Reads a log in order, from where it started, for as long as there is something. It keeps the log open.
///
/// Records are read in place, without holding up those who append: the last few MiB that were appended out of memory, which the log keeps
/// for all of its readers, and what is older out of mapped segments. What a reader has mapped (at most two
/// segments) is not recycled under it: the log then takes the space of a new file, and gives the old one back when the reader has gone on.
#[derive(Debug)]
pub struct Reader {
    log: Log,
    offset: u64,
    held: Held,
    /// While it is behind what is held.
    files: Option<Files>,
    /// Where it last waited.
    waited_at: Cell<u64>,
    /// When it was last woken.
    woken: Cell<Option<Instant>>,
}

/// Where a reader is in the log's files.
#[derive(Debug)]
struct Files {
    place: edgelog_core::Reader,
    medium: FileMedium,
    /// How far the log was written when it was last looked at, and up to where it is to be read.
    extent: Extent,
    limit: u64,
    /// For files that cannot be mapped.
    buffer: Vec<u8>,
}

/// How long a reader sleeps in a burst before it looks again. Who is asleep by himself need not be woken, which would cost those who
/// append as much as a hundred records.
const REST: Duration = Duration::from_micros(300);
/// So often, when it has found more than one record since it last waited. Then it asks to be woken.
const RESTS: u32 = 3;

impl Reader {
    pub(crate) fn start(log: Log, start: Start) -> Result<Self, ReadError> {
        // Before the offset is known: what is appended behind it is kept.
        log.recent().join();
        let mut reader = Self {
            log,
            offset: 0,
            held: Held::default(),
            files: None,
            waited_at: Cell::new(0),
            woken: Cell::new(None),
        };
        reader.offset = {
            let mut engine = reader.log.engine();
            match start {
                Start::Earliest => engine.earliest()?,
                Start::Latest => engine.visible(),
                Start::Offset(offset) => offset,
                Start::Time(time_ms) => engine.seek_time(time_ms)?,
            }
        };
        reader.waited_at.set(reader.offset);
        Ok(reader)
    }

    /// The next record or gap; `None` when everything visible was read.
    ///
    /// Not an `Iterator`: the record is borrowed from the reader, which stays on it until the next call.
    ///
    /// # Errors
    ///
    /// The file system failed; the reader stays where it was. Of a log that takes no more, what is durable can still be read.
    #[expect(clippy::should_implement_trait, reason = "a lending iterator cannot be an Iterator")]
    // Inlined, so that a caller who wants the payload alone does not pay for the rest.
    #[inline]
    pub fn next(&mut self) -> Result<Option<Item<'_>>, ReadError> {
        if self.held.has(self.offset) {
            return Ok(self.next_held());
        }
        self.next_not_held()
    }

    #[inline]
    fn next_held(&mut self) -> Option<Item<'_>> {
        let record = self.held.get(self.offset)?;
        self.offset += 1;
        Some(Item::Record(record))
    }

    fn next_not_held(&mut self) -> Result<Option<Item<'_>>, ReadError> {
        if !self.look()? {
            return Ok(None);
        }
        if self.held.has(self.offset) {
            return Ok(self.next_held());
        }
        let Self { offset, files, .. } = self;
        let Some(Files { place, medium, extent, limit, buffer }) = files else { return Ok(None) };
        let item = place.read_in_place(medium, extent, *limit, buffer)?;
        *offset = place.offset();
        Ok(item)
    }

    /// Looks where the next record is, and whether there is one.
    fn look(&mut self) -> Result<bool, ReadError> {
        let Self { log, offset, held, files, .. } = self;
        if files.as_ref().is_some_and(|files| *offset < files.limit) {
            return Ok(true);
        }
        if *offset >= log.recent().visible() {
            return Ok(false);
        }
        if held.go_on(*offset) || log.recent().find(*offset, held) {
            // What it has mapped may be recycled.
            *files = None;
            return Ok(true);
        }
        let Some((extent, limit)) = log.written_beyond(*offset)? else { return Ok(false) };
        // No further than it must: out of memory it costs a tenth.
        let limit = log.recent().next_above(*offset).map_or(limit, |kept| limit.min(kept));
        match files {
            Some(files) => (files.extent, files.limit) = (extent, limit),
            None => *files = Some(Files::new(log, *offset, extent, limit)),
        }
        Ok(true)
    }

    /// Waits until there is something to read or the time is over (`Duration::MAX` never is); true when there is.
    ///
    /// What comes after a quiet time wakes whoever waits at once. In a burst he gets many records at a time, each at most some 0.4 ms later,
    /// which costs those who append nothing.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        if self.is_ready() {
            return true;
        }
        let now = Instant::now();
        let deadline = now.checked_add(timeout);
        let left =
            || deadline.map_or(timeout, |until| until.saturating_duration_since(Instant::now()));
        let rests = match self.woken.get() {
            _ if self.offset.saturating_sub(self.waited_at.replace(self.offset)) > 1 => RESTS,
            Some(woken) if now.saturating_duration_since(woken) < REST => 1,
            _ => 0,
        };
        for _ in 0..rests {
            thread::sleep(REST.min(left()));
            if self.is_ready() {
                return true;
            }
        }
        let is_ready = self.log.appended().wait(left(), || self.is_ready());
        self.woken.set(Some(Instant::now()));
        is_ready
    }

    /// Waits, without a thread, until there is something to read: [`next`](Self::next) then lends it without a copy. It may be dropped at
    /// any time, and needs no particular runtime.
    pub fn ready(&mut self) -> Ready<'_> {
        Ready { reader: self, place: None }
    }

    /// One copied item after the other, without end.
    #[cfg(feature = "stream")]
    pub const fn into_stream(self) -> crate::stream::Items {
        crate::stream::Items::new(self)
    }

    /// As [`Bell::poll`](crate::bell::Bell::poll).
    pub(crate) fn poll_ready(&self, place: &mut Option<Place>, context: &Context<'_>) -> Poll<()> {
        self.log.appended().poll(place, context, || self.is_ready())
    }

    /// Nobody waits there any more.
    pub(crate) fn leave(&self, place: Option<Place>) {
        if let Some(place) = place {
            self.log.appended().leave(place);
        }
    }

    fn is_ready(&self) -> bool {
        self.log.recent().visible() > self.offset
    }

    /// The offset of the next record.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }
}

/// Ready when there is something to read; [`Reader::ready`] gives it.
#[derive(Debug)]
#[must_use = "it waits for nothing unless it is awaited"]
pub struct Ready<'r> {
    reader: &'r mut Reader,
    /// Where it waits.
    place: Option<Place>,
}

impl Future for Ready<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { reader, place } = self.get_mut();
        reader.poll_ready(place, context)
    }
}

impl Drop for Ready<'_> {
    fn drop(&mut self) {
        self.reader.leave(self.place.take());
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.log.recent().leave();
    }
}

impl Files {
    fn new(log: &Log, offset: u64, extent: Extent, limit: u64) -> Self {
        let medium = FileMedium::new(log.directory(), log.engine().medium().geometry(), None);
        let buffer = frame_buffer(&medium);
        Self { place: edgelog_core::Reader::at(offset), medium, extent, limit, buffer }
    }
}

/// Room for the longest frame there can be. The system gives the pages only when a record reaches them.
pub(crate) fn frame_buffer(medium: &impl Medium) -> Vec<u8> {
    vec![0; usize::try_from(medium.geometry().segment_size()).unwrap_or(usize::MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FileError;
    use crate::event::Event;
    use crate::options::Options;
    use std::io;
    use std::path::Path;

    #[test]
    fn of_a_log_that_takes_no_more_everything_durable_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let log = Options::new().budget_bytes(16 << 20).open(folder.path()).unwrap();
        for _ in 0..10 {
            log.append("t", &Event::new(b"durable")).unwrap();
        }
        log.sync().unwrap();
        log.append("t", &Event::new(b"visible")).unwrap();
        let error = FileError::new("sync", Path::new("disk"), io::Error::from_raw_os_error(5));
        log.engine().medium().fail(&error);
        log.sync().unwrap_err();
        let mut reader = log.reader(Start::Earliest).unwrap();
        for offset in 0..10 {
            let item = reader.next().unwrap();
            assert!(matches!(item, Some(Item::Record(it)) if it.identity.offset == offset));
        }
        reader.next().unwrap_err();
        assert_eq!(reader.offset(), 10);
    }

    #[test]
    fn what_a_killed_owner_left_is_read_where_it_cannot_be_made_durable_as_others_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Options::new().budget_bytes(16 << 20).open(folder.path()).unwrap();
        let log = open();
        for _ in 0..10 {
            log.append("t", &Event::new(b"written")).unwrap();
        }
        drop(log);
        let log = open();
        assert_eq!(log.recent().visible(), 10);
        assert_eq!(log.engine().durable(), 0);
        let error = FileError::new("sync", Path::new("disk"), io::Error::from_raw_os_error(5));
        log.engine().medium().fail_all(&error);
        log.committer().settle();
        let told = log.append("t", &Event::new(b"refused")).unwrap_err();
        assert!(
            matches!(&told, crate::AppendError::Medium(it) if it.durable() == Some(0)),
            "{told}"
        );
        let mut reader = log.reader(Start::Earliest).unwrap();
        for offset in 0..10 {
            let item = reader.next().unwrap();
            assert!(matches!(item, Some(Item::Record(it)) if it.identity.offset == offset));
        }
        assert!(reader.next().unwrap().is_none());
    }
}
