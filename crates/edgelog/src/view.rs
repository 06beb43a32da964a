//! Reading a log that another process owns, or none, or an image of a log.

use crate::error::{FileError, OpenError, ReadError};
use crate::event::Start;
use crate::reader::frame_buffer;
use crate::source::{Source, mount_error};
use edgelog_core::{Cursor, Geometry, Item, LogId, LogView, Medium, Topic, TopicId};
use std::path::{Path, PathBuf};

/// A read-only view of a log in a directory, or of an image of one: a file, such as one pulled from a flash chip, that holds all segments
/// back to back. It takes no lock, writes nothing, and may be used while the owner appends.
///
/// It sees what is visible; the newest of that may not be durable yet.
#[derive(Debug)]
pub struct View {
    inner: LogView<Source>,
    place: edgelog_core::Reader,
    /// For files that cannot be mapped.
    buffer: Vec<u8>,
    path: PathBuf,
}

impl View {
    /// Opens the log at `path` for reading from `start`: a directory as a log's, anything else as an image of a log.
    ///
    /// An image may have any sizes, program word and erased value: they are found in its segment headers, of which any may be damaged or
    /// blank. The ring begins at its first byte; bytes that follow the ring are ignored. Bytes that it lacks count as damaged.
    /// A directory costs the headers of some segments, of all where they are not one log's, then one pass over the newest; an image one
    /// header read for each segment and that pass, but one pass over all of its bytes comes first when its first header is not whole or no
    /// other agrees with it.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: there is no log, or it cannot be read.
    pub fn open(path: impl AsRef<Path>, start: Start) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let mut inner = Source::mount(path)?;
        let buffer = frame_buffer(inner.medium());
        let offset = match start {
            Start::Earliest => inner.earliest()?,
            Start::Latest => inner.visible(),
            Start::Offset(offset) => offset,
            Start::Time(time_ms) => {
                inner.seek_time(time_ms).map_err(|error| read_error(path, error))?
            }
        };
        let place = edgelog_core::Reader::at(offset);
        Ok(Self { inner, place, buffer, path: path.to_owned() })
    }

    /// The next record or gap that was visible at the last [`refresh`](Self::refresh) or [`open`](Self::open).
    ///
    /// # Errors
    ///
    /// The file system failed; the view stays where it was.
    #[expect(clippy::should_implement_trait, reason = "a lending iterator cannot be an Iterator")]
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "an item that goes through memory takes longer than all else besides its CRC"
    )]
    pub fn next(&mut self) -> Result<Option<Item<'_>>, ReadError> {
        self.inner.read_in_place(&mut self.place, &mut self.buffer)
    }

    /// Takes in what the owner appended since. There is no signal between processes: a follower calls this a few times a second.
    /// An image has no owner, so nothing comes. When the folder holds another log by now, because somebody created it anew, reading goes on
    /// at the new one's first record, and [`id`](Self::id) is another.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: the log has gone, or cannot be read; the view stays as it was.
    pub fn refresh(&mut self) -> Result<(), OpenError> {
        let id = self.inner.id();
        self.inner.refresh().map_err(|source| mount_error(&self.path, source))?;
        if self.inner.id() != id {
            // The offsets of the one say nothing about the other.
            self.place = edgelog_core::Reader::at(0);
        }
        Ok(())
    }

    /// The process that owns the log right now, as it wrote itself down, `4711 (gateway)`; `None` when nobody does, and for an image.
    ///
    /// # Errors
    ///
    /// The lock file cannot be read.
    pub fn owner(&self) -> Result<Option<String>, FileError> {
        match self.inner.medium() {
            Source::Folder(_) => crate::lock::owner(&self.path),
            Source::Image(_) => Ok(None),
        }
    }

    /// The folder or the image.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The log's id.
    #[must_use]
    pub fn id(&self) -> LogId {
        self.inner.id()
    }

    /// The epoch at the log's end.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.inner.epoch()
    }

    /// Offset of the oldest record that is still there.
    ///
    /// # Errors
    ///
    /// The file system failed.
    pub fn earliest(&mut self) -> Result<u64, ReadError> {
        Ok(self.inner.earliest()?)
    }

    /// Every record below this was visible at the last refresh.
    #[must_use]
    pub fn visible(&self) -> u64 {
        self.inner.visible()
    }

    /// The offset of the next record.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.place.offset()
    }

    /// Segments in use, and how many the ring has.
    #[must_use]
    pub fn segments(&self) -> (u64, u32) {
        self.inner.segments()
    }

    /// The sizes that the log was created with, its program word and erased value among them.
    #[must_use]
    pub fn geometry(&self) -> Geometry {
        self.inner.medium().geometry()
    }

    /// The length of the image in bytes; `None` when the log is in a directory. An image that is shorter than the ring was cut.
    #[must_use]
    pub fn image_bytes(&self) -> Option<u64> {
        match self.inner.medium() {
            Source::Folder(_) => None,
            Source::Image(medium) => Some(medium.bytes()),
        }
    }

    /// Bytes behind the log's end that were written and not valid when it was opened: a torn write, or records at the very end that rotted.
    /// Beside an owner it may be what he was writing just then. Bytes that an image lacks count as well.
    #[must_use]
    pub fn torn_bytes(&self) -> u32 {
        self.inner.torn_bytes()
    }

    /// All topics.
    #[must_use]
    pub fn topics(&self) -> &[Topic] {
        self.inner.topics()
    }

    /// A topic's name.
    #[must_use]
    pub fn topic_name(&self, id: TopicId) -> Option<&str> {
        self.inner.topics().iter().find(|topic| topic.id == id).map(|topic| topic.name.as_str())
    }

    /// All durable cursors.
    #[must_use]
    pub fn cursors(&self) -> &[Cursor] {
        self.inner.cursors()
    }
}

fn read_error(path: &Path, error: ReadError) -> OpenError {
    match error {
        ReadError::Medium(error) => OpenError::File(error),
        _ => OpenError::Sizes(format!("a record of {} is longer than a segment", path.display())),
    }
}
