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
//! Each append says how durable it is to be ([`Durability`]), and [`Log::durable`] is what a thread can wait for and a task can await.
//!
//! One process owns a log (a lock file says which); any number of others may read it through a [`View`], which also opens an image that was
//! pulled from a flash chip:
//!
//! ```
//! # let directory = tempfile::tempdir()?;
//! # edgelog::Options::new().open(directory.path())?.append("door", &edgelog::Event::new(b"open"))?;
//! # let path = directory.path();
//! use edgelog::{Start, View};
//!
//! let mut view = View::open(path, Start::Earliest)?;
//! while let Some(item) = view.next()? {
//!     println!("{item:?}");
//! }
//! view.refresh()?; // takes in what was appended since; a follower does this a few times a second
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A consumer that must not lose its place has a durable cursor:
//!
//! ```
//! # let directory = tempfile::tempdir()?;
//! # let log = edgelog::Options::new().open(directory.path())?;
//! # log.append("door", &edgelog::Event::new(b"open"))?;
//! use edgelog::Start;
//!
//! let cursor = log.cursor("door-lamp", 0)?;
//! let from = log.cursor_state(cursor).map_or(0, |cursor| cursor.offset);
//! let mut reader = log.reader(Start::Offset(from))?;
//! while let Some(_item) = reader.next()? {
//!     // Handle it; after a crash it may come again, so handling must be idempotent.
//! }
//! log.sync()?; // a cursor does not pass what is not durable
//! log.commit(cursor, reader.offset())?;
//! log.sync()?; // from here on the cursor survives a power cut
//! # assert_eq!(log.cursor_state(cursor).map(|cursor| cursor.offset), Some(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where handling changes nothing but tables of a redb database, it need not be idempotent: behind the feature `redb`, `table::TableCursor` commits
//! with them.
//!
//! And everything durable goes to Kafka for as long as the [`Uplink`] lives ([`Log::ship`]).
//!
//! **A log that is full refuses by default**, and only cursors make room: each segment goes when all of them, shipping's included, have passed it. A log
//! that nobody commits a cursor of keeps everything up to its [budget](Options::budget_bytes) and then takes no more, unless it is told to
//! [drop its oldest](FullPolicy::DropOldest).
//!
//! # Features
//!
//! | feature | default | what |
//! | --- | --- | --- |
//! | `zstd` | yes | `Options::compress`, and reading what it compressed. Needs a C compiler. A build without it refuses logs with compressed segments, in words |
//! | `redb` | no | the module `table`: cursors that commit with a user's own redb tables |
//! | `stream` | no | the module `stream`, and `Reader::into_stream`: a reader as a `futures::Stream` |

mod bell;
mod block;
mod commit;
mod durable;
mod error;
mod event;
mod file;
mod folder;
mod group;
mod image;
mod lock;
mod log;
mod maps;
mod options;
mod owned;
mod packed;
#[cfg(feature = "zstd")]
mod packer;
mod reader;
mod recent;
mod retention;
mod schema;
mod ship;
mod source;
mod store;
#[cfg(feature = "stream")]
pub mod stream;
mod sync;
#[cfg(feature = "redb")]
pub mod table;
mod view;
mod wake;
mod writer;

pub use durable::{Durability, Durable};
pub use edgelog_core::{
    CURSOR_NAME_LEN_MAX, CURSORS_MAX, Class, Cursor, CursorId, CursorSet, FORMAT_VERSION,
    FullPolicy, Gap, GapReason, Geometry, Identity, Item, KEY_LEN_MAX, LogId, MountError, Part,
    Record, TOPIC_NAME_LEN_MAX, TOPICS_MAX, TimeQuality, TimeSync, Topic, TopicId,
};
/// Events as FlatBuffers: tables, the envelope, schemas.
pub use edgelog_record as record;
pub use edgelog_uplink::Error as ShippingStateError;
pub use error::{AppendError, FileError, OpenError, ReadError};
pub use event::{Event, InPlace, Payload, Start, now_ms};
pub use log::{Log, Status};
pub use options::Options;
pub use owned::{Items, OwnedItem, OwnedRecord};
#[cfg(feature = "zstd")]
pub use packer::Compression;
pub use reader::{Reader, Ready};
pub use schema::{EventError, ReadEvent, TopicSchema};
pub use ship::{LinkState, ShipError, ShipOptions, Uplink, UplinkStatus};
pub use store::{Store, StoreLogStatus, StoreOptions, StoreStatus};
pub use view::View;
