//! The frame header: 16 bytes before every record and control entry.

use super::{put, take};
use crate::medium::Geometry;
use crate::types::Class;

/// Bytes before the key or payload.
pub(crate) const FRAME_HEADER_LEN: u32 = 16;

/// The longest key, in bytes.
pub const KEY_LEN_MAX: usize = 255;

/// The longest payload that the length field can say.
pub(crate) const PAYLOAD_LEN_MAX: u32 = 0x00FF_FFFF;

/// Record or control entry. Zero and three are not kinds, so that erased bytes are never a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Record,
    Control,
}

/// The fields of a frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) crc: u32,
    pub(crate) payload_len: u32,
    pub(crate) kind: Kind,
    pub(crate) class: Class,
    pub(crate) has_key: bool,
    pub(crate) synced: bool,
    pub(crate) topic: u16,
    pub(crate) offset_low: u16,
    pub(crate) time_delta: u32,
}

const KEY: u8 = 1 << 4;
const SYNCED: u8 = 1 << 5;
const RESERVED: u8 = 0b1100_0000;

impl FrameHeader {
    /// The fields, if these bytes can be a frame header at all.
    pub(crate) fn parse(bytes: &[u8; FRAME_HEADER_LEN as usize]) -> Option<Self> {
        let length_and_flags = u32::from_le_bytes(take(bytes, 4)?);
        let [.., flags] = length_and_flags.to_le_bytes();
        let kind = match flags & 0b11 {
            1 => Kind::Record,
            2 => Kind::Control,
            _ => return None,
        };
        let class = match (flags >> 2) & 0b11 {
            0 => Class::Critical,
            1 => Class::Normal,
            2 => Class::Bulk,
            _ => return None,
        };
        if flags & RESERVED != 0 {
            return None;
        }
        Some(Self {
            crc: u32::from_le_bytes(take(bytes, 0)?),
            payload_len: length_and_flags & PAYLOAD_LEN_MAX,
            kind,
            class,
            has_key: flags & KEY != 0,
            synced: flags & SYNCED != 0,
            topic: u16::from_le_bytes(take(bytes, 8)?),
            offset_low: u16::from_le_bytes(take(bytes, 10)?),
            time_delta: u32::from_le_bytes(take(bytes, 12)?),
        })
    }

    /// The bytes; the CRC field is as given.
    pub(crate) fn emit(&self) -> [u8; FRAME_HEADER_LEN as usize] {
        let kind = match self.kind {
            Kind::Record => 1,
            Kind::Control => 2,
        };
        let class = match self.class {
            Class::Critical => 0,
            Class::Normal => 1,
            Class::Bulk => 2u8,
        };
        let key = if self.has_key { KEY } else { 0 };
        let synced = if self.synced { SYNCED } else { 0 };
        let mut bytes = [0; FRAME_HEADER_LEN as usize];
        put(&mut bytes, 0, &self.crc.to_le_bytes());
        put(&mut bytes, 4, &(self.payload_len & PAYLOAD_LEN_MAX).to_le_bytes());
        put(&mut bytes, 7, &[kind | (class << 2) | key | synced]);
        put(&mut bytes, 8, &self.topic.to_le_bytes());
        put(&mut bytes, 10, &self.offset_low.to_le_bytes());
        put(&mut bytes, 12, &self.time_delta.to_le_bytes());
        bytes
    }

    /// Where the payload starts, from the start of the frame. `key_len` is ignored without a key.
    pub(crate) const fn payload_at(&self, key_len: u32, geometry: &Geometry) -> u32 {
        let key = if self.has_key { 1 + key_len } else { 0 };
        geometry.align_up(FRAME_HEADER_LEN + key)
    }

    /// Bytes of the whole frame with its padding.
    pub(crate) const fn frame_len(&self, key_len: u32, geometry: &Geometry) -> u32 {
        geometry.align_up(self.payload_at(key_len, geometry) + self.payload_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: FrameHeader = FrameHeader {
        crc: 0xDEAD_BEEF,
        payload_len: 0x00AB_CDEF,
        kind: Kind::Record,
        class: Class::Bulk,
        has_key: true,
        synced: true,
        topic: 0x1234,
        offset_low: 0x5678,
        time_delta: 99,
    };

    #[test]
    fn a_frame_header_reads_back_as_written() {
        assert_eq!(FrameHeader::parse(&HEADER.emit()), Some(HEADER));
        let control = FrameHeader { kind: Kind::Control, has_key: false, synced: false, ..HEADER };
        assert_eq!(FrameHeader::parse(&control.emit()), Some(control));
    }

    #[test]
    fn erased_bytes_are_never_a_frame_header() {
        assert_eq!(FrameHeader::parse(&[0x00; 16]), None);
        assert_eq!(FrameHeader::parse(&[0xFF; 16]), None);
    }

    #[test]
    fn payloads_are_aligned_and_a_64_byte_record_costs_80_bytes_on_4_byte_words() {
        let words_4 = Geometry::new(4096, 2, 4, 0xFF).unwrap();
        let words_32 = Geometry::new(4096, 2, 32, 0xFF).unwrap();
        let plain = FrameHeader { has_key: false, payload_len: 64, ..HEADER };
        assert_eq!((plain.payload_at(0, &words_4), plain.frame_len(0, &words_4)), (16, 80));
        assert_eq!((plain.payload_at(0, &words_32), plain.frame_len(0, &words_32)), (32, 96));
        assert_eq!(HEADER.payload_at(7, &words_4), 24);
        assert_eq!(HEADER.payload_at(8, &words_4), 32);
    }
}
