//! edgelog for Linux gateways and daemons: a durable event log in a directory, linked into the process.
//!
//! ```
//! use edgelog::{Event, Item, Options, Start};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path();
//! let log = Options::new().open(path)?;
//! log.append("door", &Event::new(b"open").key(b"front"))?;
//! let durable = log.sync()?; // every record below `durable` now survives a power cut
//!
//! let mut reader = log.reader(Start::Earliest)?;
//! while let Some(item) = reader.next()? {
//!     match item {
//!         Item::Record(record) => println!("{} {:?}", record.identity.offset, record.payload),
//!         Item::Gap(gap) => println!("{} records are gone: {}", gap.count(), gap.reason),
//!     }
//! }
//! # assert_eq!(durable, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! One process owns a log (a lock file says which); any number of others may read it through a [`View`].

mod error;
mod event;
mod file;
mod lock;
mod log;
mod options;
mod reader;
mod ship;
mod view;

pub use edgelog_core::{
    Class, Cursor, CursorId, FORMAT_VERSION, Gap, GapReason, Geometry, Identity, Item, LogId,
    Record, Topic, TopicId,
};
pub use error::{AppendError, FileError, OpenError, ReadError};
pub use event::{Event, Start, now_ms};
pub use log::{Log, Status};
pub use options::Options;
pub use reader::Reader;
pub use ship::{LinkState, ShipError, ShipOptions, Uplink, UplinkStatus};
pub use view::View;
