//! Reading a log that another process owns, or none.

use crate::error::{FileError, OpenError, ReadError};
use crate::event::Start;
use crate::file::{FileMedium, Stored};
use crate::reader::{frame_buffer, skip_to_time, time_of};
use edgelog_core::{Cursor, Item, LogId, LogView, MountError, Topic, TopicId};
use std::path::{Path, PathBuf};

/// A read-only view of a log in a directory. It takes no lock, writes nothing, and may be used while the owner appends.
///
/// It sees what is visible; the newest of that may not be durable yet.
#[derive(Debug)]
pub struct View {
    inner: LogView<FileMedium>,
    place: edgelog_core::Reader,
    buffer: Vec<u8>,
    directory: PathBuf,
}

impl View {
    /// Opens the log in `directory` for reading from `start`.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: there is no log, or it cannot be read.
    pub fn open(directory: impl AsRef<Path>, start: Start) -> Result<Self, OpenError> {
        let directory = directory.as_ref();
        let no_log = |files| {
            if files == 0 {
                OpenError::NoLog(directory.to_owned())
            } else {
                OpenError::NotALog { path: directory.to_owned(), files }
            }
        };
        let Stored { geometry, files, .. } = FileMedium::stored(directory)?;
        let geometry = geometry.ok_or_else(|| no_log(files))?;
        let medium = FileMedium::new(directory, geometry, None);
        let mut inner = LogView::open(medium).map_err(|source| match source {
            MountError::NoLog { .. } => no_log(files),
            source => mount_error(directory, source),
        })?;
        let mut buffer = frame_buffer(inner.medium());
        let earliest = inner.earliest()?;
        let place = match start {
            Start::Earliest => edgelog_core::Reader::at(earliest),
            Start::Latest => edgelog_core::Reader::at(inner.visible()),
            Start::Offset(offset) => edgelog_core::Reader::at(offset),
            Start::Time(time_ms) => skip_to_time(time_ms, earliest, |place| {
                let item =
                    inner.read(place, &mut buffer).map_err(|error| read_error(directory, error))?;
                Ok::<_, OpenError>(item.map(|item| time_of(&item)))
            })?,
        };
        Ok(Self { inner, place, buffer, directory: directory.to_owned() })
    }

    /// The next record or gap that was visible at the last [`refresh`](Self::refresh) or [`open`](Self::open).
    ///
    /// # Errors
    ///
    /// The file system failed; the view stays where it was.
    #[expect(clippy::should_implement_trait, reason = "a lending iterator cannot be an Iterator")]
    pub fn next(&mut self) -> Result<Option<Item<'_>>, ReadError> {
        self.inner.read(&mut self.place, &mut self.buffer)
    }

    /// Takes in what the owner appended since. There is no signal between processes: a follower calls this a few times a second.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: the log has gone, or cannot be read; the view stays as it was.
    pub fn refresh(&mut self) -> Result<(), OpenError> {
        self.inner.refresh().map_err(|source| mount_error(&self.directory, source))
    }

    /// The process that owns the log right now, as it wrote itself down; `None` when nobody does.
    ///
    /// # Errors
    ///
    /// The lock file cannot be read.
    pub fn owner(&self) -> Result<Option<String>, FileError> {
        crate::lock::owner(&self.directory)
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

    /// Bytes in a segment.
    #[must_use]
    pub fn segment_bytes(&self) -> u32 {
        edgelog_core::Medium::geometry(self.inner.medium()).segment_size()
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

fn mount_error(directory: &Path, source: MountError<FileError>) -> OpenError {
    match source {
        MountError::Medium(error) => OpenError::File(error),
        source => OpenError::Mount { path: directory.to_owned(), source },
    }
}

fn read_error(directory: &Path, error: ReadError) -> OpenError {
    match error {
        ReadError::Medium(error) => OpenError::File(error),
        _ => OpenError::Sizes(format!(
            "a record of {} is longer than a segment",
            directory.display()
        )),
    }
}
