//! Building one batch in the caller's buffer.

use core::fmt;

use super::header::{put, write_stamp};
use super::{HEADER_LEN, Stamp, varint};

/// One record to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// Milliseconds since 1970; may be lower than that of the record before.
    pub timestamp_ms: i64,
    /// The key, or a null key.
    pub key: Option<&'a [u8]>,
    /// The value, or a null value (a tombstone on a compacted topic).
    pub value: Option<&'a [u8]>,
    /// Header names and values, in order.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// A record does not fit into what is left of the buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full {
    /// Bytes the record takes.
    pub needed: usize,
    /// Bytes that are left.
    pub left: usize,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the record takes {} bytes and the batch has {} left", self.needed, self.left)
    }
}

impl core::error::Error for Full {}

/// Writes records into a buffer and finishes them as one batch.
#[derive(Debug)]
pub struct BatchBuilder<'a> {
    buffer: &'a mut [u8],
    len: usize,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl<'a> BatchBuilder<'a> {
    /// An empty batch in `buffer`, which needs [`HEADER_LEN`] bytes and room for the records; what
    /// the buffer held is overwritten.
    #[must_use]
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: HEADER_LEN, count: 0, base_timestamp: 0, max_timestamp: i64::MIN }
    }

    /// Appends `record`.
    ///
    /// # Errors
    ///
    /// [`Full`] when it does not fit (or a length passes 2^31 - 1); the batch is then unchanged.
    pub fn try_push(&mut self, record: &Record<'_>) -> Result<(), Full> {
        let body = self.body_len(record);
        let needed = prefixed(body);
        let left = self.buffer.len().saturating_sub(self.len);
        let body = i32::try_from(body).map_err(|_| Full { needed, left })?;
        if needed > left || self.count == i32::MAX {
            return Err(Full { needed, left });
        }
        let delta = self.timestamp_delta(record);
        self.varint(i64::from(body));
        self.bytes(&[0]);
        self.varint(delta);
        self.varint(i64::from(self.count));
        self.optional(record.key);
        self.optional(record.value);
        self.length(record.headers.len());
        for (name, value) in record.headers {
            self.optional(Some(name.as_bytes()));
            self.optional(Some(value));
        }
        if self.count == 0 {
            self.base_timestamp = record.timestamp_ms;
        }
        self.max_timestamp = self.max_timestamp.max(record.timestamp_ms);
        self.count += 1;
        Ok(())
    }

    /// Records so far.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count.unsigned_abs()
    }

    /// Bytes so far, header included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty: it has its header")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Writes the header and returns the whole batch, or `None` when it has no records: a broker
    /// takes no empty batch.
    #[must_use]
    pub fn finish(self, stamp: Stamp) -> Option<&'a mut [u8]> {
        let length = i32::try_from(self.len - 12).ok()?;
        if self.count == 0 {
            return None;
        }
        let batch = self.buffer.get_mut(..self.len)?;
        put(batch, 0, &0_i64.to_be_bytes());
        put(batch, 8, &length.to_be_bytes());
        put(batch, 12, &(-1_i32).to_be_bytes());
        put(batch, 16, &[2]);
        put(batch, 21, &0_i16.to_be_bytes());
        put(batch, 23, &(self.count - 1).to_be_bytes());
        put(batch, 27, &self.base_timestamp.to_be_bytes());
        put(batch, 35, &self.max_timestamp.to_be_bytes());
        put(batch, 57, &self.count.to_be_bytes());
        write_stamp(batch, stamp);
        Some(batch)
    }

    fn timestamp_delta(&self, record: &Record<'_>) -> i64 {
        if self.count == 0 { 0 } else { record.timestamp_ms.wrapping_sub(self.base_timestamp) }
    }

    fn body_len(&self, record: &Record<'_>) -> usize {
        let fixed = 1
            + varint::len(self.timestamp_delta(record))
            + varint::len(i64::from(self.count))
            + varint::len(signed(record.headers.len()));
        let headers = record.headers.iter().flat_map(|(name, value)| [name.as_bytes(), value]);
        [optional_len(record.key), optional_len(record.value)]
            .into_iter()
            .chain(headers.map(|bytes| optional_len(Some(bytes))))
            .fold(fixed, usize::saturating_add)
    }

    fn optional(&mut self, field: Option<&[u8]>) {
        match field {
            Some(bytes) => {
                self.length(bytes.len());
                self.bytes(bytes);
            }
            None => self.varint(-1),
        }
    }

    fn length(&mut self, length: usize) {
        self.varint(signed(length));
    }

    fn varint(&mut self, value: i64) {
        let (bytes, count) = varint::encode(value);
        self.bytes(bytes.get(..count).unwrap_or_default());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        put(self.buffer, self.len, bytes);
        self.len += bytes.len();
    }
}

fn optional_len(field: Option<&[u8]>) -> usize {
    field.map_or(1, |bytes| varint::len(signed(bytes.len())).saturating_add(bytes.len()))
}

fn prefixed(body: usize) -> usize {
    body.saturating_add(varint::len(signed(body)))
}

/// A length as the signed number that the format stores; lengths beyond it cannot fit anyway.
fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
