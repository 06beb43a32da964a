//! The requests. Each function writes one whole frame, starting with its size, and returns its
//! length.
//!
//! # Errors
//!
//! All of them return [`RequestError::BufferTooSmall`] with the length that is needed, and
//! [`RequestError::TooLong`] for a name that the protocol cannot carry.
#![expect(clippy::missing_errors_doc, reason = "said once for all of them above")]

use super::encode::Encoder;
use super::{Api, RequestError};

/// What stands in front of every request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    /// Returned by the broker in front of its response.
    pub correlation_id: i32,
    /// The client's name in the broker's logs and quotas.
    pub client_id: &'a str,
}

/// Which offset [`list_offsets`] asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OffsetAt {
    /// The offset of the first record that is still stored.
    Earliest,
    /// The high watermark: the offset behind the last replicated record.
    Latest,
}

/// Where and how much [`fetch`] reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchFrom {
    /// The partition.
    pub partition: i32,
    /// Offset of the first record wanted.
    pub offset: i64,
    /// Milliseconds the broker may wait for records.
    pub wait_ms: i32,
    /// Bytes of batches wanted at most; a single greater batch still comes whole.
    pub bytes_max: i32,
}

/// The request for the broker's API versions.
pub fn api_versions(buffer: &mut [u8], header: Header<'_>) -> Result<usize, RequestError> {
    start(buffer, Api::ApiVersions, header).finish(0)
}

/// The request for the brokers and the partitions of one topic.
pub fn metadata(
    buffer: &mut [u8],
    header: Header<'_>,
    topic: &str,
    allow_auto_create: bool,
) -> Result<usize, RequestError> {
    let mut encoder = start(buffer, Api::Metadata, header);
    encoder.i32(1);
    encoder.string(topic);
    encoder.i8(i8::from(allow_auto_create));
    encoder.finish(0)
}

/// The request for a new producer id, outside any transaction.
pub fn init_producer_id(buffer: &mut [u8], header: Header<'_>) -> Result<usize, RequestError> {
    let mut encoder = start(buffer, Api::InitProducerId, header);
    encoder.uvarint(0);
    // No transaction is ever open, so its timeout has no meaning; brokers require a plausible one.
    encoder.i32(60_000);
    encoder.i64(-1);
    encoder.i16(-1);
    encoder.no_tags();
    encoder.finish(0)
}

/// The front part of the request that appends one batch, acknowledged by all in-sync replicas.
///
/// The frame is complete when the `batch_len` bytes of the batch follow it. `timeout_ms` is how long
/// the broker may wait for its replicas.
pub fn produce(
    buffer: &mut [u8],
    header: Header<'_>,
    topic: &str,
    partition: i32,
    timeout_ms: i32,
    batch_len: usize,
) -> Result<usize, RequestError> {
    let mut encoder = start(buffer, Api::Produce, header);
    encoder.i16(-1);
    encoder.i16(-1);
    encoder.i32(timeout_ms);
    one_partition(&mut encoder, topic, partition);
    encoder.i32(i32::try_from(batch_len).map_err(|_| RequestError::TooLong)?);
    encoder.finish(batch_len)
}

/// The request for the sequences that the broker holds of each producer of one partition.
pub fn describe_producers(
    buffer: &mut [u8],
    header: Header<'_>,
    topic: &str,
    partition: i32,
) -> Result<usize, RequestError> {
    let mut encoder = start(buffer, Api::DescribeProducers, header);
    encoder.uvarint(2);
    encoder.compact_string(topic);
    encoder.uvarint(2);
    encoder.i32(partition);
    encoder.no_tags();
    encoder.no_tags();
    encoder.finish(0)
}

/// The request for the first or the next offset of one partition.
pub fn list_offsets(
    buffer: &mut [u8],
    header: Header<'_>,
    topic: &str,
    partition: i32,
    at: OffsetAt,
) -> Result<usize, RequestError> {
    let mut encoder = start(buffer, Api::ListOffsets, header);
    encoder.i32(-1);
    encoder.i8(0);
    one_partition(&mut encoder, topic, partition);
    encoder.i32(-1);
    encoder.i64(match at {
        OffsetAt::Earliest => -2,
        OffsetAt::Latest => -1,
    });
    encoder.finish(0)
}

/// The request for stored batches of one partition, below the high watermark.
pub fn fetch(
    buffer: &mut [u8],
    header: Header<'_>,
    topic: &str,
    from: FetchFrom,
) -> Result<usize, RequestError> {
    let mut encoder = start(buffer, Api::Fetch, header);
    encoder.i32(-1);
    encoder.i32(from.wait_ms);
    encoder.i32(1);
    encoder.i32(from.bytes_max);
    encoder.i8(0);
    one_partition(&mut encoder, topic, from.partition);
    encoder.i64(from.offset);
    encoder.i32(from.bytes_max);
    encoder.finish(0)
}

fn start<'a>(buffer: &'a mut [u8], api: Api, header: Header<'_>) -> Encoder<'a> {
    let mut encoder = Encoder::new(buffer);
    encoder.i16(api.key());
    encoder.i16(api.version());
    encoder.i32(header.correlation_id);
    encoder.string(header.client_id);
    if api.is_flexible() {
        encoder.no_tags();
    }
    encoder
}

fn one_partition(encoder: &mut Encoder<'_>, topic: &str, partition: i32) {
    encoder.i32(1);
    encoder.string(topic);
    encoder.i32(1);
    encoder.i32(partition);
}
