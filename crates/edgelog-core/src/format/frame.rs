//! The frame header: 8 or 16 bytes before every record and control entry.

use super::{ControlKind, put, take};
use crate::geometry::Geometry;
use crate::types::Class;

/// Bytes of the short header: what a small record without a key costs besides its payload.
pub(crate) const SHORT_HEADER_LEN: u32 = 8;

/// Bytes of the long header: control entries, keys, long payloads, and records that are far in time from the one before.
pub(crate) const LONG_HEADER_LEN: u32 = 16;

/// The longest key, in bytes.
pub const KEY_LEN_MAX: usize = 255;

/// The longest payload that a long header can say.
pub(crate) const PAYLOAD_LEN_MAX: u32 = 0x00FF_FFFF;

/// Record or control entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Record,
    Control,
}

/// What the two forms of the header say differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `since`: ms since the reference, which is the last long frame's time.
    Short { since: u16 },
    /// `time`: ms since the segment's base time. `offset_low`: the low 16 bits of the offset.
    Long { offset_low: u16, time: u32 },
}

/// The fields of a frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) crc: u32,
    pub(crate) form: Form,
    pub(crate) kind: Kind,
    pub(crate) class: Class,
    pub(crate) has_key: bool,
    pub(crate) synced: bool,
    pub(crate) topic: u16,
    pub(crate) payload_len: u32,
}

/// The form stands in the lowest two bits behind the CRC. Zero and three are not forms, so that erased bytes are never a frame.
const FORM: u32 = 0b11;
const FORM_SHORT: u32 = 1;
const FORM_LONG: u32 = 2;
const CLASS_AT: u32 = 2;
const NO_CLASS: u32 = 0b11 << CLASS_AT;
const SYNCED: u32 = 1 << 4;

const SHORT_TOPIC_AT: u32 = 5;
const SHORT_TOPIC_MAX: u32 = 31;
const SHORT_PAYLOAD_AT: u32 = 10;
const SHORT_PAYLOAD_MAX: u32 = 511;
const SHORT_SINCE_AT: u32 = 19;
const SHORT_SINCE_MAX: u32 = 8191;

const LONG_KEY: u32 = 1 << 5;
const LONG_CONTROL: u32 = 1 << 6;
const LONG_RESERVED: u32 = 1 << 7;
const LONG_PAYLOAD_AT: u32 = 8;

impl Form {
    /// The short form if topic, length and time fit it.
    pub(crate) fn short(topic: u16, payload_len: usize, since: u32) -> Option<Self> {
        let fits = u32::from(topic) <= SHORT_TOPIC_MAX
            && payload_len <= SHORT_PAYLOAD_MAX as usize
            && since <= SHORT_SINCE_MAX;
        u16::try_from(since).ok().filter(|_| fits).map(|since| Self::Short { since })
    }
}

impl FrameHeader {
    /// The fields, if these bytes can be a frame header at all. Eight bytes are enough for a short one.
    // One copy of it in a microcontroller's flash; hosts, which have the feature, have room for more.
    #[cfg_attr(feature = "hardware-crc", inline)]
    #[cfg_attr(not(feature = "hardware-crc"), inline(never))]
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let bits = u32::from_le_bytes(take(bytes, 4)?);
        let crc = u32::from_le_bytes(take(bytes, 0)?);
        let base = Self::short(crc, bits)?;
        match bits & FORM {
            FORM_SHORT => Some(base),
            FORM_LONG if bits & LONG_RESERVED == 0 => Some(Self {
                form: Form::Long {
                    offset_low: u16::from_le_bytes(take(bytes, 10)?),
                    time: u32::from_le_bytes(take(bytes, 12)?),
                },
                kind: if bits & LONG_CONTROL == 0 { Kind::Record } else { Kind::Control },
                has_key: bits & LONG_KEY != 0,
                topic: u16::from_le_bytes(take(bytes, 8)?),
                payload_len: bits >> LONG_PAYLOAD_AT,
                ..base
            }),
            _ => None,
        }
    }

    /// The same, of a short header alone: most are, and who knows it has less to do.
    #[inline]
    pub(crate) fn parse_short(bytes: &[u8]) -> Option<Self> {
        let bits = u32::from_le_bytes(take(bytes, 4)?);
        let crc = u32::from_le_bytes(take(bytes, 0)?);
        if bits & FORM == FORM_SHORT { Self::short(crc, bits) } else { None }
    }

    /// The fields as a short header has them; a long one differs in some.
    #[inline]
    const fn short(crc: u32, bits: u32) -> Option<Self> {
        if bits & NO_CLASS == NO_CLASS {
            return None;
        }
        let class = match (bits >> CLASS_AT) & 0b11 {
            0 => Class::Critical,
            1 => Class::Normal,
            _ => Class::Bulk,
        };
        Some(Self {
            crc,
            form: Form::Short { since: low_16(bits >> SHORT_SINCE_AT) },
            kind: Kind::Record,
            class,
            has_key: false,
            synced: bits & SYNCED != 0,
            topic: low_16((bits >> SHORT_TOPIC_AT) & SHORT_TOPIC_MAX),
            payload_len: (bits >> SHORT_PAYLOAD_AT) & SHORT_PAYLOAD_MAX,
        })
    }

    /// The bytes, of which the first [`len`](Self::len) are the header; the CRC field is as given.
    pub(crate) fn emit(&self) -> [u8; LONG_HEADER_LEN as usize] {
        let class = match self.class {
            Class::Critical => 0,
            Class::Normal => 1,
            Class::Bulk => 2,
        };
        let mut bits = class << CLASS_AT | if self.synced { SYNCED } else { 0 };
        let mut bytes = [0; LONG_HEADER_LEN as usize];
        match self.form {
            Form::Short { since } => {
                bits |= FORM_SHORT
                    | (u32::from(self.topic) & SHORT_TOPIC_MAX) << SHORT_TOPIC_AT
                    | (self.payload_len & SHORT_PAYLOAD_MAX) << SHORT_PAYLOAD_AT
                    | (u32::from(since) & SHORT_SINCE_MAX) << SHORT_SINCE_AT;
            }
            Form::Long { offset_low, time } => {
                bits |= FORM_LONG | self.payload_len << LONG_PAYLOAD_AT;
                bits |= if self.has_key { LONG_KEY } else { 0 };
                bits |= if self.kind == Kind::Control { LONG_CONTROL } else { 0 };
                put(&mut bytes, 8, &self.topic.to_le_bytes());
                put(&mut bytes, 10, &offset_low.to_le_bytes());
                put(&mut bytes, 12, &time.to_le_bytes());
            }
        }
        put(&mut bytes, 0, &self.crc.to_le_bytes());
        put(&mut bytes, 4, &bits.to_le_bytes());
        bytes
    }

    /// Whether this is an epoch entry's frame.
    #[inline]
    pub(crate) fn is_epoch(&self) -> bool {
        self.kind == Kind::Control && self.topic == ControlKind::Epoch as u16
    }

    /// Bytes of the header.
    #[inline]
    pub(crate) const fn len(&self) -> u32 {
        match self.form {
            Form::Short { .. } => SHORT_HEADER_LEN,
            Form::Long { .. } => LONG_HEADER_LEN,
        }
    }

    /// Bytes before the padding of the payload: header, key length and key. `key_len` is ignored without a key.
    #[inline]
    pub(crate) const fn head_len(&self, key_len: u32) -> u32 {
        self.len() + if self.has_key { 1 + key_len } else { 0 }
    }

    /// Where the payload starts, from the start of the frame.
    #[inline]
    pub(crate) const fn payload_at(&self, key_len: u32, geometry: &Geometry) -> u32 {
        geometry.align_up(self.head_len(key_len))
    }
}

/// The low 16 bits of a field that has no more.
#[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
const fn low_16(bits: u32) -> u16 {
    bits as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::Frame;

    const LONG: FrameHeader = FrameHeader {
        crc: 0xDEAD_BEEF,
        form: Form::Long { offset_low: 0x5678, time: 99 },
        kind: Kind::Record,
        class: Class::Bulk,
        has_key: true,
        synced: true,
        topic: 0x1234,
        payload_len: 0x00AB_CDEF,
    };

    const SHORT: FrameHeader = FrameHeader {
        form: Form::Short { since: 8191 },
        has_key: false,
        topic: 31,
        payload_len: 511,
        ..LONG
    };

    #[test]
    fn a_frame_header_reads_back_as_written() {
        assert_eq!(FrameHeader::parse(&LONG.emit()), Some(LONG));
        assert_eq!(FrameHeader::parse(&SHORT.emit()[..8]), Some(SHORT));
        let control = FrameHeader { kind: Kind::Control, has_key: false, synced: false, ..LONG };
        assert_eq!(FrameHeader::parse(&control.emit()), Some(control));
        assert_eq!(FrameHeader::parse(&LONG.emit()[..8]), None, "cut");
    }

    #[test]
    fn only_what_fits_is_short() {
        assert_eq!(Form::short(31, 511, 8191), Some(Form::Short { since: 8191 }));
        assert_eq!(Form::short(32, 0, 0), None);
        assert_eq!(Form::short(0, 512, 0), None);
        assert_eq!(Form::short(0, 0, 8192), None);
    }

    #[test]
    fn erased_bytes_are_never_a_frame_header() {
        assert_eq!(FrameHeader::parse(&[0x00; 16]), None);
        assert_eq!(FrameHeader::parse(&[0xFF; 16]), None);
    }

    #[test]
    fn payloads_are_aligned_and_a_64_byte_record_costs_72_bytes_on_4_byte_words() {
        let words_4 = Geometry::new(4096, 2, 4, 0xFF).unwrap();
        let words_32 = Geometry::new(4096, 2, 32, 0xFF).unwrap();
        let plain = FrameHeader { payload_len: 64, ..SHORT };
        let sizes = |words| {
            let Frame { payload_at, length, .. } = Frame::of(plain, 0, 0, words);
            (payload_at, length)
        };
        assert_eq!((sizes(&words_4), sizes(&words_32)), ((8, 72), (32, 96)));
        assert_eq!(LONG.payload_at(7, &words_4), 24);
        assert_eq!(LONG.payload_at(8, &words_4), 32);
    }
}
