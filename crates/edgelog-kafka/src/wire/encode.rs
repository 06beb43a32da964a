//! Writing big-endian fields into the caller's buffer.

use core::fmt;

/// A request could not be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RequestError {
    /// The buffer is too small; nothing in it may be sent.
    BufferTooSmall {
        /// Bytes the request takes.
        needed: usize,
    },
    /// A name is longer than 32,767 bytes, or the batch than the size field can say.
    TooLong,
    /// No request is due: see [`Action::Transmit`](crate::Action::Transmit).
    NothingToSend,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooSmall { needed } => write!(f, "the request takes {needed} bytes"),
            Self::TooLong => f.write_str("a name or the batch is too long for the protocol"),
            Self::NothingToSend => f.write_str("no request is due"),
        }
    }
}

impl core::error::Error for RequestError {}

/// Writes fields one after another, and keeps counting when the buffer is full.
pub(super) struct Encoder<'a> {
    buffer: &'a mut [u8],
    len: usize,
    too_long: bool,
}

impl<'a> Encoder<'a> {
    /// Starts a frame, whose size is filled in at the end.
    pub(super) fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 4, too_long: false }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        if let Some(target) = self.buffer.get_mut(self.len..end) {
            target.copy_from_slice(bytes);
        }
        self.len = end;
    }

    pub(super) fn i8(&mut self, value: i8) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn i16(&mut self, value: i16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn string(&mut self, text: &str) {
        match i16::try_from(text.len()) {
            Ok(length) => self.i16(length),
            Err(_) => self.too_long = true,
        }
        self.bytes(text.as_bytes());
    }

    pub(super) fn compact_string(&mut self, text: &str) {
        match i16::try_from(text.len()) {
            Ok(length) => self.uvarint(u32::from(length.unsigned_abs()) + 1),
            Err(_) => self.too_long = true,
        }
        self.bytes(text.as_bytes());
    }

    pub(super) fn uvarint(&mut self, mut value: u32) {
        while value > 0x7F {
            self.bytes(&[(value & 0x7F) as u8 | 0x80]);
            value >>= 7;
        }
        self.bytes(&[(value & 0x7F) as u8]);
    }

    /// An empty tag buffer.
    pub(super) fn no_tags(&mut self) {
        self.bytes(&[0]);
    }

    /// Fills in the frame's size, which also counts `behind` bytes that follow from elsewhere.
    pub(super) fn finish(self, behind: usize) -> Result<usize, RequestError> {
        let size = (self.len - 4).checked_add(behind).and_then(|size| i32::try_from(size).ok());
        let size = size.filter(|_| !self.too_long).ok_or(RequestError::TooLong)?;
        let too_small = RequestError::BufferTooSmall { needed: self.len };
        let frame = self.buffer.get_mut(..self.len).ok_or(too_small)?;
        let head = frame.first_chunk_mut().ok_or(too_small)?;
        *head = size.to_be_bytes();
        Ok(self.len)
    }
}
