//! Events as [FlatBuffers](https://flatbuffers.dev): written without an allocator, verified once, read in place.
//!
//! [`table!`] describes a table and makes one plain struct of it, with which the table is written and read, and the schema that
//! everyone else gives to `flatc`. What is written here, the official libraries read and verify, and the reverse.
//!
//! ```
//! use edgelog_record::{Schema, Table, table};
//!
//! table! {
//!     /// What the sensor of a room saw.
//!     pub struct Reading<'a> in "acme.sensors" {
//!         /// Hundredths of a degree Celsius.
//!         0: celsius: i16,
//!         /// Per cent, if the sensor measures it.
//!         1: humidity: Option<u8>,
//!         /// Where the sensor hangs.
//!         2: room: Option<&'a str>,
//!     }
//! }
//!
//! let mut buffer = [0; 64];
//! let reading = Reading { celsius: 2150, room: Some("kitchen"), ..Default::default() };
//! let len = reading.write(&mut buffer)?;
//! assert_eq!(len, reading.encoded_len());
//!
//! let seen = Reading::read(&buffer[..len])?;
//! assert_eq!((seen.celsius, seen.humidity, seen.room), (2150, None, Some("kitchen")));
//! assert!(Schema::of::<Reading>().to_string().contains("humidity:ubyte = null (id: 1);"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! On a device `Log::append_with` of edgelog-core composes it where the log programs it, and the payload of a record is read where it lies:
//!
//! ```text
//! log.append_with(topic, class, None, reading.encoded_len(), now_ms, |room| { let _ = reading.write(room); })?;
//! let seen = Reading::read(Event::of(record.payload)?.payload())?;
//! ```
//!
//! [`Event`] is the envelope: what an event is beyond its payload. It is such a table itself.
//!
//! Vectors of tables, vectors of strings, unions and enums cannot be described here; for them there is `flatc`, and the feature
//! `alloc`, which reads what its types verify. A table cannot contain itself, so that the cost of verifying is that of the bytes.
#![no_std]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod event;
mod field;
mod fixed;
#[cfg(feature = "alloc")]
pub mod foreign;
mod reader;
mod schema;
mod table;
mod trace;
mod value;
mod vector;
mod writer;

pub use event::{Content, Event};
pub use field::{Deprecated, Field, Need};
pub use fixed::Fixed;
pub use reader::{Fields, Invalid};
pub use schema::{Declaration, Kind, Member, Schema, Type, fingerprint};
pub use table::Table;
#[doc(hidden)]
pub use table::{is_namespace, is_plain, schema_shows};
pub use trace::{TraceContext, TraceContextError};
pub use value::{Nested, Value};
pub use vector::{Items, Vector};
pub use writer::{Slot, TooSmall, Writer};
