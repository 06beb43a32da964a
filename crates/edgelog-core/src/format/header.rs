//! The segment header.

use super::crc::Crc;
use super::{GENERATION_MAX, OFFSET_MAX, put, take};
use crate::geometry::Geometry;
use crate::place::Place;
use crate::types::LogId;

/// The first bytes of every segment.
pub const SEGMENT_MAGIC: [u8; 8] = *b"edgelog\0";

/// The format that this build writes, and the only one it reads.
pub const FORMAT_VERSION: u16 = 2;

/// The log and the sizes that the start of a segment tells, for opening an image of unknown sizes.
///
/// `bytes` must hold the header with its snapshot ([`HEADER_LEN_MAX`](crate::HEADER_LEN_MAX) bytes always do); a header whose CRC does not match is `None`.
#[must_use]
pub fn stored_header(bytes: &[u8]) -> Option<(LogId, Geometry)> {
    let fixed = take(bytes, 0)?;
    let Parsed::Header { header, geometry, crc: stored } = SegmentHeader::parse(&fixed) else {
        return None;
    };
    let start = usize::try_from(SEGMENT_HEADER_LEN).ok()?;
    let end = start.checked_add(usize::try_from(header.snapshot_len).ok()?)?;
    let mut crc = SegmentHeader::crc(&fixed);
    crc.update(bytes.get(start..end)?);
    (crc.finish() == stored).then_some((header.log, geometry))
}

/// Bytes of the header before its snapshot.
pub(crate) const SEGMENT_HEADER_LEN: u32 = 84;

const CRC_AT: usize = 80;

/// The clock was not set when the segment was opened.
const CLOCK_UNSET: u32 = 1;
const _: () = assert!(CRC_AT + 4 == SEGMENT_HEADER_LEN as usize);

/// What a segment header tells besides the sizes of its medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) log: LogId,
    pub(crate) generation: u64,
    pub(crate) base_offset: u64,
    pub(crate) base_time: u64,
    pub(crate) epoch: u32,
    pub(crate) snapshot_len: u32,
    /// Records that the application gave up before the base offset, because the log was full. They have the offsets just below it.
    /// Of a presumed header: how many there may be from the base offset on.
    pub(crate) refused: u32,
    /// Times are estimated until a clock entry says otherwise.
    pub(crate) clock_unset: bool,
    /// Nothing of it was read: the segment's bytes hold no valid header, and this is what can be said without one.
    pub(crate) is_presumed: bool,
}

/// What the fixed part of a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// The CRC over the snapshot is not yet checked: it is to be compared with [`SegmentHeader::crc`] continued over it.
    Header {
        header: SegmentHeader,
        geometry: Geometry,
        crc: u32,
    },
    /// The magic is right and the version is another.
    Version(u16),
    NotAHeader,
}

impl SegmentHeader {
    /// Parses the fixed part.
    pub(crate) fn parse(bytes: &[u8; SEGMENT_HEADER_LEN as usize]) -> Parsed {
        if take(bytes, 0) != Some(SEGMENT_MAGIC) {
            return Parsed::NotAHeader;
        }
        match take(bytes, 8).map(u16::from_le_bytes) {
            Some(FORMAT_VERSION) => {}
            // A torn header: the magic arrived, and the version did not, or only some of its bits did.
            Some(0 | u16::MAX) => return Parsed::NotAHeader,
            Some(_) if matches!(take(bytes, CRC_AT), Some([0, 0, 0, 0] | [255, 255, 255, 255])) => {
                return Parsed::NotAHeader;
            }
            Some(other) => return Parsed::Version(other),
            None => return Parsed::NotAHeader,
        }
        Self::parse_fields(bytes).unwrap_or(Parsed::NotAHeader)
    }

    fn parse_fields(bytes: &[u8]) -> Option<Parsed> {
        let [word_log2, erased] = take(bytes, 10)?;
        let u32_at = |at| take(bytes, at).map(u32::from_le_bytes);
        let u64_at = |at| take(bytes, at).map(u64::from_le_bytes);
        let word = 1u32.checked_shl(u32::from(word_log2))?;
        let geometry = Geometry::new(u32_at(60)?, u32_at(64)?, word, erased).ok()?;
        let header = Self {
            log: LogId(take(bytes, 16)?),
            generation: u64_at(32)?,
            base_offset: u64_at(40)?,
            base_time: u64_at(48)?,
            epoch: u32_at(56)?,
            snapshot_len: u32_at(68)?,
            refused: u32_at(72)?,
            clock_unset: u32_at(76)? & CLOCK_UNSET != 0,
            is_presumed: false,
        };
        let consistent = geometry.slot(header.generation) == u32_at(12)?
            && header.generation <= GENERATION_MAX
            && header.base_offset <= OFFSET_MAX
            && u64::from(header.refused) <= header.base_offset
            && header.first_frame(&geometry) <= geometry.segment_size();
        consistent.then_some(Parsed::Header { header, geometry, crc: u32_at(CRC_AT)? })
    }

    /// The fixed part as bytes; `snapshot` is what follows it and is covered by the CRC.
    pub(crate) fn emit(
        &self,
        geometry: &Geometry,
        snapshot: &[u8],
    ) -> [u8; SEGMENT_HEADER_LEN as usize] {
        let mut bytes = [0; SEGMENT_HEADER_LEN as usize];
        put(&mut bytes, 0, &SEGMENT_MAGIC);
        put(&mut bytes, 8, &FORMAT_VERSION.to_le_bytes());
        let word_log2 = u8::try_from(geometry.program_word().trailing_zeros()).unwrap_or(0);
        put(&mut bytes, 10, &[word_log2, geometry.erased()]);
        put(&mut bytes, 12, &geometry.slot(self.generation).to_le_bytes());
        put(&mut bytes, 16, &self.log.0);
        put(&mut bytes, 32, &self.generation.to_le_bytes());
        put(&mut bytes, 40, &self.base_offset.to_le_bytes());
        put(&mut bytes, 48, &self.base_time.to_le_bytes());
        put(&mut bytes, 56, &self.epoch.to_le_bytes());
        put(&mut bytes, 60, &geometry.segment_size().to_le_bytes());
        put(&mut bytes, 64, &geometry.segment_count().to_le_bytes());
        put(&mut bytes, 68, &self.snapshot_len.to_le_bytes());
        put(&mut bytes, 72, &self.refused.to_le_bytes());
        let flags = if self.clock_unset { CLOCK_UNSET } else { 0 };
        put(&mut bytes, 76, &flags.to_le_bytes());
        let mut crc = Self::crc(&bytes);
        crc.update(snapshot);
        put(&mut bytes, CRC_AT, &crc.finish().to_le_bytes());
        bytes
    }

    /// The CRC over the fixed part, to be continued over the snapshot.
    pub(crate) fn crc(bytes: &[u8; SEGMENT_HEADER_LEN as usize]) -> Crc {
        let mut crc = Crc::new();
        crc.update(bytes.get(..CRC_AT).unwrap_or_default());
        crc
    }

    /// Where the header's bytes, whose CRC does not match, tell their generation.
    pub(crate) const GENERATION_AT: u32 = 32;

    /// The offset behind the last record of the segment before.
    pub(crate) const fn previous_end(&self) -> u64 {
        let refused = if self.is_presumed { 0 } else { self.refused };
        self.base_offset - refused as u64
    }

    /// What can be said of the segment behind `place` when its header is gone: it begins where the segment before ended, or up to
    /// `refused` records later.
    pub(crate) const fn presumed_behind(place: &Place, refused: u32) -> Self {
        Self {
            log: place.log,
            generation: place.generation.saturating_add(1),
            base_offset: place.offset,
            base_time: place.time,
            epoch: place.epoch,
            snapshot_len: 0,
            refused,
            clock_unset: place.clock_unset,
            is_presumed: true,
        }
    }

    /// Position of the first frame.
    pub(crate) const fn first_frame(&self, geometry: &Geometry) -> u32 {
        geometry.align_up(SEGMENT_HEADER_LEN.saturating_add(self.snapshot_len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry() -> Geometry {
        Geometry::new(4096, 4, 4, 0xFF).unwrap()
    }

    fn header() -> SegmentHeader {
        SegmentHeader {
            log: LogId([9; 16]),
            generation: 6,
            base_offset: 77,
            base_time: 1_700_000_000_000,
            epoch: 3,
            snapshot_len: 5,
            refused: 7,
            clock_unset: true,
            is_presumed: false,
        }
    }

    #[test]
    fn a_header_reads_back_as_written() {
        let bytes = header().emit(&geometry(), b"12345");
        let mut crc = SegmentHeader::crc(&bytes);
        crc.update(b"12345");
        let expected = Parsed::Header { header: header(), geometry: geometry(), crc: crc.finish() };
        assert_eq!(SegmentHeader::parse(&bytes), expected);
    }

    #[test]
    fn a_header_in_a_slot_that_is_not_its_own_is_refused() {
        let mut bytes = header().emit(&geometry(), b"12345");
        bytes[12] = 1;
        assert_eq!(SegmentHeader::parse(&bytes), Parsed::NotAHeader);
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut bytes = header().emit(&geometry(), b"");
        bytes[8] = 9;
        assert_eq!(SegmentHeader::parse(&bytes), Parsed::Version(9));
    }

    #[test]
    fn a_header_torn_before_its_version_is_not_a_newer_version() {
        for erased in [0x00, 0xFF] {
            let mut bytes = [erased; 84];
            bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
            assert_eq!(SegmentHeader::parse(&bytes), Parsed::NotAHeader);
        }
    }
}
