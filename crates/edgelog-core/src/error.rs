//! One error per family of operations. Each says what holds afterwards.

use crate::types::LogId;
use core::fmt;

/// Why a log could not be mounted or created. The medium is unchanged by a failed mount.
#[derive(Debug)]
#[non_exhaustive]
pub enum MountError<E> {
    /// No segment has a valid header: the medium holds no log, or only damaged headers. Nothing was changed.
    NoLog {
        /// True when every byte that was looked at is erased, so that creating a log loses nothing.
        blank: bool,
    },
    /// The headers describe another geometry than the medium has: other sizes, or another program word or erased value when these
    /// two are the same. Nothing was changed. Open it with the stored geometry.
    Geometry {
        /// Bytes in a segment, as stored.
        segment_size: u32,
        /// Segments in the ring, as stored.
        segment_count: u32,
    },
    /// The format is newer than this program reads.
    Version {
        /// The version that was found.
        found: u16,
    },
    /// Creating was asked for, but the medium already holds this log. Nothing was changed.
    Exists(LogId),
    /// The log has more topics or cursors than this build has room for.
    TooMany,
    /// The frame buffer cannot hold a segment header. Nothing was changed.
    BufferTooSmall {
        /// Bytes needed.
        needed: usize,
    },
    /// The device failed.
    Medium(E),
}

impl<E: fmt::Display> fmt::Display for MountError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLog { blank: true } => f.write_str("the medium is blank: it holds no log yet"),
            Self::NoLog { blank: false } => f.write_str(
                "no segment has a valid edgelog header: this is not a log, or every header is damaged; nothing was changed",
            ),
            Self::Geometry { segment_size, segment_count } => write!(
                f,
                "the log was created with {segment_count} segments of {segment_size} bytes, which is not how it was opened"
            ),
            Self::Version { found } => write!(
                f,
                "the log has format version {found}, this program reads version {}: use a newer program",
                crate::format::FORMAT_VERSION
            ),
            Self::Exists(id) => write!(f, "the medium already holds the log {id}; nothing was changed"),
            Self::TooMany => f.write_str("the log has more topics or cursors than this build has room for"),
            Self::BufferTooSmall { needed } => write!(f, "a log needs a frame buffer of at least {needed} bytes"),
            Self::Medium(error) => write!(f, "the medium failed: {error}"),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for MountError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Medium(error) => Some(error),
            _ => None,
        }
    }
}

impl<E> From<E> for MountError<E> {
    fn from(error: E) -> Self {
        Self::Medium(error)
    }
}

/// What an [`AppendError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// A topic.
    Topic,
    /// A topic's name.
    TopicName,
    /// A cursor.
    Cursor,
    /// A cursor's name.
    CursorName,
    /// A cursor's anchor.
    Anchor,
    /// A record.
    Record,
    /// A record's key.
    Key,
    /// An epoch.
    Epoch,
    /// The event itself.
    Payload,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Topic => "topic",
            Self::TopicName => "topic name",
            Self::Cursor => "cursor",
            Self::CursorName => "cursor name",
            Self::Anchor => "anchor",
            Self::Record => "record",
            Self::Key => "key",
            Self::Epoch => "epoch",
            Self::Payload => "payload",
        })
    }
}

/// Why something could not be added to the log. Everything that was acknowledged before still holds.
#[derive(Debug)]
#[non_exhaustive]
pub enum AppendError<E> {
    /// The record is longer than the log's limit. Nothing was stored.
    TooLarge {
        /// Bytes that the record takes as a frame.
        frame_bytes: usize,
        /// The limit: the smaller of the frame buffer and what a segment holds.
        limit: usize,
    },
    /// A key or name is longer than the format allows, or empty where it must not be. Nothing was stored.
    BadLength {
        /// What it is.
        what: Part,
        /// Its limit in bytes.
        limit: usize,
    },
    /// The log is full: the oldest segment holds records that a cursor still needs, or there is no cursor at all. Nothing was stored;
    /// records can be appended again when every cursor has passed the oldest segment, or the [policy](crate::FullPolicy) drops it.
    Full,
    /// No room for another topic or cursor.
    TooMany {
        /// What it is.
        what: Part,
        /// How many there may be.
        limit: usize,
    },
    /// The name belongs to a part of edgelog itself. Nothing was stored.
    Reserved {
        /// What it is.
        what: Part,
    },
    /// The payload is not what the schema of its topic says, or not of the type that the caller named. Nothing was stored.
    Invalid {
        /// What it is.
        what: Part,
    },
    /// The topic or cursor is not one of this log. Nothing was stored.
    Unknown {
        /// What it is.
        what: Part,
    },
    /// An earlier program or sync failed, so what the medium holds beyond the durable offset is unknown. Mount the log again to go on.
    Poisoned,
    /// The device failed. If it was a read or an erase, trying again is safe; if it was a program or a sync, the log is now poisoned,
    /// and trying again gives [`Poisoned`](Self::Poisoned).
    Medium(E),
}

impl<E: fmt::Display> fmt::Display for AppendError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { frame_bytes, limit } => {
                write!(f, "the record takes {frame_bytes} bytes, the limit is {limit}; nothing was stored")
            }
            Self::BadLength { what, limit } => {
                write!(f, "the {what} must be 1 to {limit} bytes long; nothing was stored")
            }
            Self::Full => f.write_str(
                "the log is full: its oldest records go when every cursor has passed them, and there is one; ship or commit them, or choose a full policy that drops them; nothing was stored",
            ),
            Self::TooMany { what, limit } => write!(f, "the log has room for {limit} {what}s; nothing was stored"),
            Self::Reserved { what } => write!(f, "this {what} belongs to edgelog itself: use another name; nothing was stored"),
            Self::Invalid { what } => {
                write!(f, "the {what} does not verify against the schema of its topic, or as the type that was named; nothing was stored")
            }
            Self::Unknown { what } => write!(f, "the {what} is not one of this log; nothing was stored"),
            Self::Poisoned => f.write_str(
                "an earlier write failed, so the log takes no more until it is opened again; what was durable still is",
            ),
            Self::Medium(error) => write!(f, "the medium failed: {error}"),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for AppendError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Medium(error) => Some(error),
            _ => None,
        }
    }
}

impl<E> From<E> for AppendError<E> {
    fn from(error: E) -> Self {
        Self::Medium(error)
    }
}

/// Why a record could not be read. The reader stays where it was; damage is not an error but a [`Gap`](crate::Gap).
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError<E> {
    /// The caller's buffer is too small for the next record.
    BufferTooSmall {
        /// Bytes needed.
        needed: usize,
    },
    /// The device failed.
    Medium(E),
}

impl<E: fmt::Display> fmt::Display for ReadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooSmall { needed } => {
                write!(f, "the next record needs a buffer of {needed} bytes")
            }
            Self::Medium(error) => write!(f, "the medium failed: {error}"),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for ReadError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Medium(error) => Some(error),
            Self::BufferTooSmall { .. } => None,
        }
    }
}

impl<E> From<E> for ReadError<E> {
    fn from(error: E) -> Self {
        Self::Medium(error)
    }
}
