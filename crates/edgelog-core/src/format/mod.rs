//! Bytes to values and back. The only place that knows where a byte stands; `docs/FORMAT.md` is the map.
//!
//! Nothing here reads a medium or believes a length: parsing gives a value only for bytes that can be one.

mod control;
mod crc;
mod frame;
mod header;

pub(crate) use control::{
    CONTROL_BODY_MAX, CONTROL_LEN_MAX, Control, ControlKind, EPOCH_BODY_LEN, READY_BODY_LEN,
};
pub(crate) use crc::Crc;
pub(crate) use frame::{
    Form, FrameHeader, Kind, LONG_HEADER_LEN, PAYLOAD_LEN_MAX, SHORT_HEADER_LEN,
};
pub(crate) use header::{Parsed, SEGMENT_HEADER_LEN, SegmentHeader};

pub use control::{ANCHOR_LEN_MAX, CURSOR_NAME_LEN_MAX, TOPIC_NAME_LEN_MAX};
pub use frame::KEY_LEN_MAX;
pub use header::{FORMAT_VERSION, SEGMENT_MAGIC, stored_header};

/// The greatest offset: offsets fit a signed 64-bit number, as Kafka's do, and counting on from one never overflows.
pub(crate) const OFFSET_MAX: u64 = u64::MAX >> 1;
/// The greatest generation.
pub(crate) const GENERATION_MAX: u64 = u64::MAX >> 1;

/// Takes `N` bytes at `at`, or nothing.
pub(crate) fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

/// Writes `value` at `at`. The caller's ranges are constants inside fixed arrays, so a miss cannot happen; it would be ignored.
pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(range) = bytes.get_mut(at..at + value.len()) {
        range.copy_from_slice(value);
    }
}
