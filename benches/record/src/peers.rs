//! The event in five encodings.

use edgelog_record::{Event, Nested, Table, TraceContext};
use flatbuffers::FlatBufferBuilder;
use prost::Message;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::hint::black_box;

/// An encoding with an event that it writes and reads.
pub trait Peer {
    /// What stands behind a figure's name.
    fn name(&self) -> &'static str;
    /// Writes it, and gives how many bytes that took.
    fn write(&mut self) -> usize;
    /// Reads what was written, and gives the sum of what it looked at.
    fn read(&mut self) -> u64;
}

/// This project's.
pub struct Ours {
    event: Event<'static>,
    bytes: [u8; 512],
    len: usize,
}

impl Ours {
    /// For `event`.
    pub fn new(event: Event<'static>) -> Self {
        Self { event, bytes: [0; 512], len: 0 }
    }
}

impl Peer for Ours {
    fn name(&self) -> &'static str {
        ""
    }

    fn write(&mut self) -> usize {
        self.len = black_box(&self.event).write(black_box(&mut self.bytes)).expect("it fits");
        self.len
    }

    fn read(&mut self) -> u64 {
        let it = Event::read(black_box(&self.bytes[..self.len])).expect("valid");
        let trace = it.trace.unwrap_or_default();
        sum([
            it.payload.map_or(&[], |it| it.0),
            it.event_type.unwrap_or_default().as_bytes(),
            it.source.unwrap_or_default().as_bytes(),
            it.correlation_id.unwrap_or_default(),
            it.causation_id.unwrap_or_default(),
            it.content_type.unwrap_or_default().as_bytes(),
        ]) + u64::from(it.schema_version)
            + trace.trace_id_high.wrapping_add(trace.trace_id_low) % 256
            + trace.parent_id % 256
            + u64::from(trace.flags)
    }
}

/// The official library, with the code that flatc generates.
pub struct Flatbuffers {
    event: Event<'static>,
    builder: FlatBufferBuilder<'static>,
}

impl Flatbuffers {
    /// For `event`.
    pub fn new(event: Event<'static>) -> Self {
        Self { event, builder: FlatBufferBuilder::with_capacity(512) }
    }
}

impl Peer for Flatbuffers {
    fn name(&self) -> &'static str {
        "flatbuffers"
    }

    fn write(&mut self) -> usize {
        black_box(record_judge::write_event(&mut self.builder, black_box(&self.event))).len()
    }

    fn read(&mut self) -> u64 {
        let it =
            record_judge::generated::event::root_as_event(black_box(self.builder.finished_data()));
        let it = it.expect("valid");
        let trace = it.trace().map_or((0, 0, 0, 0), |it| {
            (it.trace_id_high(), it.trace_id_low(), it.parent_id(), it.flags())
        });
        sum([
            it.payload().map_or(&[], |it| it.bytes()),
            it.event_type().unwrap_or_default().as_bytes(),
            it.source().unwrap_or_default().as_bytes(),
            it.correlation_id().map_or(&[], |it| it.bytes()),
            it.causation_id().map_or(&[], |it| it.bytes()),
            it.content_type().unwrap_or_default().as_bytes(),
        ]) + u64::from(it.schema_version())
            + trace.0.wrapping_add(trace.1) % 256
            + trace.2 % 256
            + u64::from(trace.3)
    }
}

/// The same fields for serde and prost.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Plain<'a, B> {
    payload: B,
    event_type: &'a str,
    schema_version: u16,
    source: &'a str,
    correlation_id: B,
    causation_id: B,
    trace: (u64, u64, u64, u8),
    content_type: &'a str,
}

impl<'a, B> Plain<'a, B> {
    fn new(event: &Event<'a>, bytes: impl Fn(&'a [u8]) -> B) -> Self {
        let trace = event.trace.unwrap_or_default();
        let TraceContext { trace_id_high, trace_id_low, parent_id, flags } = trace;
        Self {
            payload: bytes(event.payload.unwrap_or(Nested(&[])).0),
            event_type: event.event_type.unwrap_or_default(),
            schema_version: event.schema_version,
            source: event.source.unwrap_or_default(),
            correlation_id: bytes(event.correlation_id.unwrap_or_default()),
            causation_id: bytes(event.causation_id.unwrap_or_default()),
            trace: (trace_id_high, trace_id_low, parent_id, flags),
            content_type: event.content_type.unwrap_or_default(),
        }
    }

    fn sum(&self, bytes: impl Fn(&B) -> &[u8]) -> u64 {
        let (high, low, parent, flags) = self.trace;
        sum([
            bytes(&self.payload),
            self.event_type.as_bytes(),
            self.source.as_bytes(),
            bytes(&self.correlation_id),
            bytes(&self.causation_id),
            self.content_type.as_bytes(),
        ]) + u64::from(self.schema_version)
            + high.wrapping_add(low) % 256
            + parent % 256
            + u64::from(flags)
    }
}

/// Bytes as JSON has them: in Base64.
#[derive(Clone, Debug)]
struct Base64(Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = base64::display::Base64Display::new(&self.0, &base64::prelude::BASE64_STANDARD);
        serializer.collect_str(&text)
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        let bytes = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text);
        bytes.map(Self).map_err(serde::de::Error::custom)
    }
}

/// serde_json.
pub struct Json {
    event: Plain<'static, Base64>,
    bytes: Vec<u8>,
}

impl Json {
    /// For `event`.
    pub fn new(event: &Event<'static>) -> Self {
        Self { event: Plain::new(event, |it| Base64(it.to_vec())), bytes: Vec::with_capacity(1024) }
    }
}

impl Peer for Json {
    fn name(&self) -> &'static str {
        "serde_json"
    }

    fn write(&mut self) -> usize {
        self.bytes.clear();
        serde_json::to_writer(black_box(&mut self.bytes), black_box(&self.event)).expect("it fits");
        self.bytes.len()
    }

    fn read(&mut self) -> u64 {
        let it: Plain<'_, Base64> = serde_json::from_slice(black_box(&self.bytes)).expect("valid");
        it.sum(|it| &it.0)
    }
}

/// postcard.
pub struct Postcard {
    event: Plain<'static, &'static serde_bytes::Bytes>,
    bytes: [u8; 512],
    len: usize,
}

impl Postcard {
    /// For `event`.
    pub fn new(event: Event<'static>) -> Self {
        Self { event: Plain::new(&event, serde_bytes::Bytes::new), bytes: [0; 512], len: 0 }
    }
}

impl Peer for Postcard {
    fn name(&self) -> &'static str {
        "postcard"
    }

    fn write(&mut self) -> usize {
        let written = postcard::to_slice(black_box(&self.event), black_box(&mut self.bytes));
        self.len = written.expect("it fits").len();
        self.len
    }

    fn read(&mut self) -> u64 {
        let it: Plain<'_, &serde_bytes::Bytes> =
            postcard::from_bytes(black_box(&self.bytes[..self.len])).expect("valid");
        it.sum(|it| it)
    }
}

/// The same fields as a message of Protocol Buffers.
#[derive(Clone, PartialEq, Message)]
struct Proto {
    #[prost(bytes = "vec", tag = "1")]
    payload: Vec<u8>,
    #[prost(string, tag = "2")]
    event_type: String,
    #[prost(uint32, tag = "3")]
    schema_version: u32,
    #[prost(string, tag = "4")]
    source: String,
    #[prost(bytes = "vec", tag = "5")]
    correlation_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    causation_id: Vec<u8>,
    #[prost(fixed64, tag = "7")]
    trace_id_high: u64,
    #[prost(fixed64, tag = "8")]
    trace_id_low: u64,
    #[prost(fixed64, tag = "9")]
    parent_id: u64,
    #[prost(uint32, tag = "10")]
    flags: u32,
    #[prost(string, tag = "11")]
    content_type: String,
}

/// prost.
pub struct Prost {
    event: Proto,
    bytes: Vec<u8>,
}

impl Prost {
    /// For `event`.
    pub fn new(event: &Event<'static>) -> Self {
        let plain = Plain::new(event, <[u8]>::to_vec);
        let event = Proto {
            payload: plain.payload,
            event_type: plain.event_type.to_owned(),
            schema_version: plain.schema_version.into(),
            source: plain.source.to_owned(),
            correlation_id: plain.correlation_id,
            causation_id: plain.causation_id,
            trace_id_high: plain.trace.0,
            trace_id_low: plain.trace.1,
            parent_id: plain.trace.2,
            flags: plain.trace.3.into(),
            content_type: plain.content_type.to_owned(),
        };
        Self { event, bytes: Vec::with_capacity(1024) }
    }
}

impl Peer for Prost {
    fn name(&self) -> &'static str {
        "prost"
    }

    fn write(&mut self) -> usize {
        self.bytes.clear();
        black_box(&self.event).encode(black_box(&mut self.bytes)).expect("it fits");
        self.bytes.len()
    }

    fn read(&mut self) -> u64 {
        let it = Proto::decode(black_box(self.bytes.as_slice())).expect("valid");
        sum([
            &it.payload,
            it.event_type.as_bytes(),
            it.source.as_bytes(),
            &it.correlation_id,
            &it.causation_id,
            it.content_type.as_bytes(),
        ]) + u64::from(it.schema_version)
            + it.trace_id_high.wrapping_add(it.trace_id_low) % 256
            + it.parent_id % 256
            + u64::from(it.flags)
    }
}

/// Looks at the two ends of each: all of it would measure the memory, and the same for everyone.
fn sum(parts: [&[u8]; 6]) -> u64 {
    let ends = |part: &[u8]| {
        u64::from(part.first().copied().unwrap_or(0)) + u64::from(part.last().copied().unwrap_or(0))
    };
    parts.into_iter().map(ends).sum()
}
