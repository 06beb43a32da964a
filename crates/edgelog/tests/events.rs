//! Events as FlatBuffers in a log: composed where they are programmed, verified, read in place.

use edgelog::record::{self, Content, Nested, Schema, Table, TraceContext, Vector, table};
use edgelog::{AppendError, Event, Item, Options, ReadEvent, Record, Start, TopicSchema, View};
use edgelog_core::{Log as CoreLog, LogId, Medium, NorMedium, RamMedium};
use edgelog_sim::nor::NorChip;
use std::path::Path;

#[path = "generated/reading_generated.rs"]
mod generated;

table! {
    /// What the sensor of a room saw.
    pub struct Reading<'a> in "acme.sensors" {
        /// Hundredths of a degree Celsius.
        0: celsius: i16,
        /// The room.
        1: room: Option<&'a str>,
        /// Volts.
        2: samples: Option<Vector<'a, f32>>,
    }
}
