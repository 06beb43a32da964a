//! Reading one response from a stream of bytes, in any portions.

use core::fmt;

use heapless::Vec;

use super::{Api, Field, id};

/// Greatest frame that is read: brokers send no more than this in answer to small requests.
///
/// It is below the number that the first four bytes of any text or TLS answer would make.
pub const FRAME_LEN_MAX: u32 = 128 << 20;

/// Bytes of a string that are told to a [`Sink`]; the rest of a longer one is skipped.
pub const TEXT_LEN_MAX: usize = 255;

/// Receives the fields of a response.
pub trait Sink {
    /// Takes one field; fields come in the order of the field table.
    ///
    /// # Errors
    ///
    /// [`Malformed::Field`] when the value is impossible, which ends the reading.
    fn field(&mut self, id: u8, value: Value<'_>) -> Result<(), Malformed>;
}

/// The value of one field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    /// An integer of any width.
    Int(i64),
    /// A string, at most its first [`TEXT_LEN_MAX`] bytes, not checked to be UTF-8.
    Text(&'a [u8]),
    /// A string that is not there.
    Null,
    /// Items of the array that follow; 0 for one that is not there.
    Count(u32),
    /// The next portion of a field of bytes.
    Bytes(&'a [u8]),
}

/// Why the bytes are not the expected response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Malformed {
    /// The frame's size is negative, too small for any response, or above [`FRAME_LEN_MAX`].
    FrameLength(i32),
    /// The response belongs to another request.
    Correlation {
        /// The number that the request carried.
        expected: i32,
        /// The number in the response.
        found: i32,
    },
    /// A length or a number of items is negative or passes the frame's end.
    Length,
    /// The frame ends within the response.
    Truncated,
    /// The frame goes on behind the response.
    Trailing,
    /// A field's value is impossible, or the response does not speak of what was asked.
    Field,
    /// Bytes came though nothing was asked.
    Unasked,
    /// The peer closed the connection before it answered anything.
    Closed,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrameLength(size) => write!(f, "a frame size of {size} is impossible"),
            Self::Correlation { expected, found } => {
                write!(f, "the response is to request {found}, not to {expected}")
            }
            Self::Length => f.write_str("a length in the response is impossible"),
            Self::Truncated => f.write_str("the frame ends within the response"),
            Self::Trailing => f.write_str("the frame goes on behind the response"),
            Self::Field => f.write_str("a value in the response is impossible"),
            Self::Unasked => f.write_str("bytes came though nothing was asked"),
            Self::Closed => f.write_str("the peer closed the connection without any answer"),
        }
    }
}

impl core::error::Error for Malformed {}

/// How far a portion brought the response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Progress {
    /// Bytes of the portion that belonged to the response.
    pub consumed: usize,
    /// Whether the response is complete.
    pub done: bool,
}

/// Reads one response after another; resumable at any byte, in a fixed amount of memory.
#[derive(Clone, Debug)]
pub struct Reader {
    phase: Phase,
    number: u64,
    frame_left: u32,
    tags_left: u32,
    correlation_id: i32,
    flexible: bool,
    body: &'static [Field],
    levels: Vec<Level, LEVELS_MAX>,
    text: Vec<u8, TEXT_LEN_MAX>,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// A reader that expects nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            phase: Phase::Done,
            number: 0,
            frame_left: 0,
            tags_left: 0,
            correlation_id: 0,
            flexible: false,
            body: &[],
            levels: Vec::new(),
            text: Vec::new(),
        }
    }

    /// Expects the response to the request of `api` that carried `correlation_id`.
    pub fn expect(&mut self, api: Api, correlation_id: i32) {
        self.correlation_id = correlation_id;
        self.flexible = api.is_flexible();
        self.body = api.response();
        self.levels.clear();
        self.fixed(4, What::FrameLength);
    }

    /// Takes bytes from the front of `input` until the response is complete or `input` is used up,
    /// and tells their fields to `sink`.
    ///
    /// # Errors
    ///
    /// [`Malformed`]; the connection is then of no further use, because nothing tells where the next
    /// response starts.
    pub fn feed(&mut self, input: &[u8], sink: &mut dyn Sink) -> Result<Progress, Malformed> {
        let mut rest = input;
        loop {
            match self.phase {
                Phase::Done => break,
                Phase::Next => self.next_field()?,
                Phase::Fixed { left: 0, what } => self.number_done(what, sink)?,
                Phase::Text { id, left: 0 } => {
                    tell(sink, id, Value::Text(&self.text))?;
                    self.phase = Phase::Next;
                }
                Phase::Raw { left: 0, .. } => self.phase = Phase::Next,
                Phase::Skip { left: 0 } => self.next_tag(),
                _ if self.frame_left == 0 => return Err(Malformed::Truncated),
                _ if rest.is_empty() => break,
                _ => rest = self.take(rest, sink)?,
            }
        }
        Ok(Progress { consumed: input.len() - rest.len(), done: matches!(self.phase, Phase::Done) })
    }

    /// Uses at least one byte of `input`, which is not empty, and returns what is left of it.
    fn take<'a>(&mut self, input: &'a [u8], sink: &mut dyn Sink) -> Result<&'a [u8], Malformed> {
        match &mut self.phase {
            Phase::Fixed { left, .. } => {
                let (&byte, rest) = input.split_first().ok_or(Malformed::Truncated)?;
                *left -= 1;
                self.number = self.number << 8 | u64::from(byte);
                self.frame_left -= 1;
                Ok(rest)
            }
            Phase::Varint { shift, what } => {
                let (&byte, rest) = input.split_first().ok_or(Malformed::Truncated)?;
                // Lengths are 32-bit, so a fifth byte has four bits to give.
                if *shift == 28 && byte > 0x0F {
                    return Err(Malformed::Length);
                }
                self.number |= u64::from(byte & 0x7F) << *shift;
                *shift += 7;
                let what = *what;
                self.frame_left -= 1;
                if byte & 0x80 == 0 {
                    self.number_done(what, sink)?;
                }
                Ok(rest)
            }
            Phase::Text { left, .. } => {
                let (portion, rest) = split(input, left, &mut self.frame_left);
                let room = self.text.capacity() - self.text.len();
                let kept = portion.get(..room).unwrap_or(portion);
                self.text.extend_from_slice(kept).map_err(|_| Malformed::Length)?;
                Ok(rest)
            }
            Phase::Raw { id, left } => {
                let (portion, rest) = split(input, left, &mut self.frame_left);
                tell(sink, *id, Value::Bytes(portion))?;
                Ok(rest)
            }
            Phase::Skip { left } => Ok(split(input, left, &mut self.frame_left).1),
            Phase::Next | Phase::Done => Ok(input),
        }
    }

    fn number_done(&mut self, what: What, sink: &mut dyn Sink) -> Result<(), Malformed> {
        self.phase = Phase::Next;
        match what {
            What::FrameLength => self.frame_start()?,
            What::Correlation => self.correlation()?,
            What::Int { id, size } => {
                let unused = 64 - 8 * u32::from(size.clamp(1, 8));
                tell(sink, id, Value::Int((self.number << unused).cast_signed() >> unused))?;
            }
            What::TextLength { id, compact, nullable } => match self.length(compact, 16)? {
                Some(left) => {
                    self.text.clear();
                    self.phase = Phase::Text { id, left };
                }
                None if nullable => tell(sink, id, Value::Null)?,
                None => return Err(Malformed::Length),
            },
            What::Count { id, compact, item } => {
                let count = self.length(compact, 32)?.unwrap_or(0);
                tell(sink, id, Value::Count(count))?;
                if count > 0 {
                    let level = Level { fields: item, at: 0, items_left: count };
                    self.levels.push(level).map_err(|_| Malformed::Length)?;
                }
            }
            What::RawLength { id } => {
                let left = self.length(false, 32)?.unwrap_or(0);
                self.phase = Phase::Raw { id, left };
            }
            What::Tags => {
                self.tags_left = self.u32()?;
                self.next_tag();
            }
            What::Tag => self.varint(What::TagLength),
            What::TagLength => self.phase = Phase::Skip { left: self.bounded(self.u32()?)? },
        }
        Ok(())
    }

    fn frame_start(&mut self) -> Result<(), Malformed> {
        let size = self.u32()?;
        if !(4..=FRAME_LEN_MAX).contains(&size) {
            return Err(Malformed::FrameLength(size.cast_signed()));
        }
        self.frame_left = size;
        self.fixed_in_frame(4, What::Correlation);
        Ok(())
    }

    fn correlation(&mut self) -> Result<(), Malformed> {
        let found = self.u32()?.cast_signed();
        if found != self.correlation_id {
            return Err(Malformed::Correlation { expected: self.correlation_id, found });
        }
        let root = Level { fields: self.body, at: 0, items_left: 1 };
        self.levels.push(root).map_err(|_| Malformed::Length)?;
        if self.flexible {
            self.varint(What::Tags);
        }
        Ok(())
    }

    /// Starts the next field, or ends the response behind the last one.
    fn next_field(&mut self) -> Result<(), Malformed> {
        let Some(level) = self.levels.last_mut() else {
            self.phase = Phase::Done;
            return if self.frame_left == 0 { Ok(()) } else { Err(Malformed::Trailing) };
        };
        let Some(field) = level.fields.get(usize::from(level.at)) else {
            level.at = 0;
            level.items_left = level.items_left.saturating_sub(1);
            if level.items_left == 0 {
                self.levels.pop();
            }
            return Ok(());
        };
        level.at += 1;
        match *field {
            Field::Int { id, size } => self.fixed_in_frame(size, What::Int { id, size }),
            Field::Text { id, compact: false, nullable } => {
                self.fixed_in_frame(2, What::TextLength { id, compact: false, nullable });
            }
            Field::Text { id, compact: true, nullable } => {
                self.varint(What::TextLength { id, compact: true, nullable });
            }
            Field::Array { id, compact: false, item } => {
                self.fixed_in_frame(4, What::Count { id, compact: false, item });
            }
            Field::Array { id, compact: true, item } => {
                self.varint(What::Count { id, compact: true, item });
            }
            Field::Raw { id } => self.fixed_in_frame(4, What::RawLength { id }),
            Field::Tags => self.varint(What::Tags),
        }
        Ok(())
    }

    fn next_tag(&mut self) {
        match self.tags_left.checked_sub(1) {
            Some(left) => {
                self.tags_left = left;
                self.varint(What::Tag);
            }
            None => self.phase = Phase::Next,
        }
    }

    /// The length that was read: `None` for a null, an error for anything else below 0.
    fn length(&self, compact: bool, bits: u32) -> Result<Option<u32>, Malformed> {
        let number = self.u32()?;
        let null = if compact { 0 } else { u32::MAX >> (32 - bits) };
        if number == null {
            return Ok(None);
        }
        if !compact && number >> (bits - 1) != 0 {
            return Err(Malformed::Length);
        }
        self.bounded(if compact { number - 1 } else { number }).map(Some)
    }

    /// `length`, which cannot be more than the frame still holds.
    fn bounded(&self, length: u32) -> Result<u32, Malformed> {
        if length <= self.frame_left { Ok(length) } else { Err(Malformed::Length) }
    }

    fn u32(&self) -> Result<u32, Malformed> {
        u32::try_from(self.number).map_err(|_| Malformed::Length)
    }

    fn fixed(&mut self, bytes: u8, what: What) {
        self.frame_left = u32::from(bytes);
        self.fixed_in_frame(bytes, what);
    }

    fn fixed_in_frame(&mut self, bytes: u8, what: What) {
        self.number = 0;
        self.phase = Phase::Fixed { left: bytes, what };
    }

    fn varint(&mut self, what: What) {
        self.number = 0;
        self.phase = Phase::Varint { shift: 0, what };
    }
}

/// Takes up to `left` bytes off `input`.
fn split<'a>(input: &'a [u8], left: &mut u32, frame_left: &mut u32) -> (&'a [u8], &'a [u8]) {
    let wanted = usize::try_from((*left).min(*frame_left)).unwrap_or(usize::MAX);
    let (portion, rest) = input.split_at_checked(wanted).unwrap_or((input, &[]));
    // The portion is at most `left` long, so the conversion cannot fail.
    let taken = u32::try_from(portion.len()).unwrap_or(u32::MAX);
    *left = left.saturating_sub(taken);
    *frame_left = frame_left.saturating_sub(taken);
    (portion, rest)
}

fn tell(sink: &mut dyn Sink, id: u8, value: Value<'_>) -> Result<(), Malformed> {
    if id == id::NONE { Ok(()) } else { sink.field(id, value) }
}

/// Arrays within arrays, the body itself included.
const LEVELS_MAX: usize = 4;

/// What the next bytes are part of.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Fixed { left: u8, what: What },
    Varint { shift: u8, what: What },
    Text { id: u8, left: u32 },
    Raw { id: u8, left: u32 },
    Skip { left: u32 },
    Next,
    Done,
}

/// What a number means once it is whole.
#[derive(Clone, Copy, Debug)]
enum What {
    FrameLength,
    Correlation,
    Int { id: u8, size: u8 },
    TextLength { id: u8, compact: bool, nullable: bool },
    Count { id: u8, compact: bool, item: &'static [Field] },
    RawLength { id: u8 },
    Tags,
    Tag,
    TagLength,
}

/// The fields of an item, and how many items are still to come.
#[derive(Clone, Copy, Debug)]
struct Level {
    fields: &'static [Field],
    at: u8,
    items_left: u32,
}
