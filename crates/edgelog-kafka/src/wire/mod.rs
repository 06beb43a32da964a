//! Requests and responses of the Kafka protocol, in the versions that every broker in use speaks.
//!
//! A request is written into the caller's buffer by a function of [`request`]. A response is read by
//! a [`Reader`], which walks the field table of the expected response ([`Api::response`]) and hands
//! every field of interest to a [`Sink`]; the sinks of [`answer`] gather what a producer needs.
//!
//! Every frame is an `i32` size and that many bytes, big-endian throughout.

pub mod answer;
mod encode;
mod reader;
pub mod request;
mod schema;

use core::fmt;

pub use encode::RequestError;
pub use reader::{FRAME_LEN_MAX, Malformed, Progress, Reader, Sink, TEXT_LEN_MAX, Value};
pub use schema::{Field, id};

/// The APIs that this crate speaks, each in exactly one version.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Api {
    /// Appends a batch; version 7, the greatest that all brokers in use accept.
    Produce,
    /// Reads stored batches; version 4.
    Fetch,
    /// Asks for the first or the next offset of a partition; version 4.
    ListOffsets,
    /// Asks for brokers and partition leaders; version 7.
    Metadata,
    /// Asks which APIs the broker speaks; version 0.
    ApiVersions,
    /// Obtains a producer id; version 3.
    InitProducerId,
    /// Asks which sequences the broker holds; version 0.
    DescribeProducers,
}

impl Api {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Produce,
        Self::Fetch,
        Self::ListOffsets,
        Self::Metadata,
        Self::ApiVersions,
        Self::InitProducerId,
        Self::DescribeProducers,
    ];

    /// The API's number on the wire.
    #[must_use]
    pub const fn key(self) -> i16 {
        match self {
            Self::Produce => 0,
            Self::Fetch => 1,
            Self::ListOffsets => 2,
            Self::Metadata => 3,
            Self::ApiVersions => 18,
            Self::InitProducerId => 22,
            Self::DescribeProducers => 61,
        }
    }

    /// The version that this crate speaks.
    #[must_use]
    pub const fn version(self) -> i16 {
        match self {
            Self::Produce | Self::Metadata => 7,
            Self::Fetch | Self::ListOffsets => 4,
            Self::InitProducerId => 3,
            Self::ApiVersions | Self::DescribeProducers => 0,
        }
    }

    /// True when the version uses compact fields and tag buffers.
    #[must_use]
    pub const fn is_flexible(self) -> bool {
        matches!(self, Self::InitProducerId | Self::DescribeProducers)
    }

    /// The fields of the response's body.
    #[must_use]
    pub const fn response(self) -> &'static [Field] {
        match self {
            Self::Produce => schema::PRODUCE,
            Self::Fetch => schema::FETCH,
            Self::ListOffsets => schema::LIST_OFFSETS,
            Self::Metadata => schema::METADATA,
            Self::ApiVersions => schema::API_VERSIONS,
            Self::InitProducerId => schema::INIT_PRODUCER_ID,
            Self::DescribeProducers => schema::DESCRIBE_PRODUCERS,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Produce => "Produce",
            Self::Fetch => "Fetch",
            Self::ListOffsets => "ListOffsets",
            Self::Metadata => "Metadata",
            Self::ApiVersions => "ApiVersions",
            Self::InitProducerId => "InitProducerId",
            Self::DescribeProducers => "DescribeProducers",
        }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
