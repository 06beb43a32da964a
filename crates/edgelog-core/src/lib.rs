//! The edgelog engine: one log format and one set of rules for every medium, without `std` and without an allocator.
//!
//! A [`Log`] is a ring of segments on a [`Medium`]. Appending composes a frame in the caller's buffer and programs it once;
//! [`Log::sync`] makes what was appended durable; a [`Reader`] gives records and gaps in order and verifies every byte it
//! hands out. Named cursors live in the log itself. The bytes are described in `docs/FORMAT.md`.
//!
//! ```
//! use edgelog_core::{Class, Event, Item, Log, LogId, RamMedium, Reader};
//!
//! let mut log = Log::create(RamMedium::<16384>::new(4096), [0u8; 512], LogId([7; 16]), 1_700_000_000_000)?;
//! let topic = log.topic("door")?;
//! let event = Event { topic, class: Class::Normal, key: None, payload: b"open" };
//! let offset = log.append(&event, 1_700_000_000_500)?;
//! assert_eq!(log.sync()?, offset + 1, "everything below this offset survives a power cut");
//!
//! let mut reader = Reader::at(0);
//! let mut buffer = [0u8; 512];
//! let limit = log.durable();
//! match log.read(&mut reader, limit, &mut buffer)? {
//!     Some(Item::Record(record)) => assert_eq!(record.payload, b"open"),
//!     other => panic!("expected the record, got {other:?}"),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! | feature | default | what |
//! | --- | --- | --- |
//! | `async` | no | the module `asynch`: the same engine over async media, any `embedded_storage_async` flash among them |
//! | `fast-crc` | no | CRCs by a table of 1 KiB: several times faster |
//! | `hardware-crc` | no | CRCs by the processor's instruction. Needs std; goes before `fast-crc` |
#![no_std]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod clock;
mod error;
mod format;
mod geometry;
mod item;
mod nor;
mod place;
mod policy;
mod ram;
mod state;
mod types;

/// The engine over a blocking [`Medium`]. Its names are also at the root of the crate.
#[path = "engine"]
pub mod blocking {
    use embedded_storage::nor_flash;
    use maybe_async::must_be_sync as both;

    mod ahead;
    mod back;
    mod log;
    mod medium;
    mod mount;
    mod nor;
    mod reader;
    mod ring;
    mod segment;
    mod view;

    pub use back::BackReader;
    pub use log::Log;
    pub use medium::Medium;
    pub use nor::NorMedium;
    pub use reader::{Extent, Reader};
    pub use view::LogView;
}

/// The same engine over an async [`Medium`](asynch::Medium): the same source, format and promises, with an `.await` at each call
/// that may touch the medium. A future that is dropped half way leaves the log as a failed call does: it may be poisoned; mount it
/// again. One that only reads changes nothing. Its `Reader` and `BackReader` are not those at the root of the crate.
#[cfg(feature = "async")]
#[path = "engine"]
#[expect(clippy::duplicate_mod, reason = "one source, compiled for both colours")]
pub mod asynch {
    use embedded_storage_async::nor_flash;
    use maybe_async::must_be_async as both;

    mod ahead;
    mod back;
    mod log;
    mod medium;
    mod mount;
    mod nor;
    mod reader;
    mod ring;
    mod segment;
    mod view;

    pub use back::BackReader;
    pub use log::Log;
    pub use medium::Medium;
    pub use nor::NorMedium;
    pub use reader::{Extent, Reader};
    pub use view::LogView;
}

pub use blocking::{BackReader, Extent, Log, LogView, Medium, NorMedium, Reader};
pub use error::{AppendError, MountError, Part, ReadError};
pub use format::{
    ANCHOR_LEN_MAX, CURSOR_NAME_LEN_MAX, FORMAT_VERSION, KEY_LEN_MAX, SEGMENT_MAGIC,
    TOPIC_NAME_LEN_MAX, stored_header,
};
pub use geometry::{Geometry, GeometryError, SEGMENT_SIZE_MIN};
pub use item::{Item, Record};
pub use nor::{NorError, NorSizeError};
pub use policy::{CONTROL_RESERVE, CursorSet, FullPolicy, Oldest};
pub use ram::{RamError, RamMedium};
pub use state::{CURSORS_MAX, Cursor, HEADER_LEN_MAX, Memory, TIME_SYNCS_MAX, TOPICS_MAX, Topic};
pub use types::{
    Class, CursorId, Event, Gap, GapReason, Identity, LogId, TimeQuality, TimeSync, TopicId,
};
