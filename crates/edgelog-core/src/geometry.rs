//! The sizes of a medium.

use core::fmt;

/// The smallest segment. It holds a header and some records; topics and cursors are refused before their snapshot would leave no room.
pub const SEGMENT_SIZE_MIN: u32 = 1024;

/// The sizes of a medium. All of them are stored in every segment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    segment_size: u32,
    segment_count: u32,
    program_word: u32,
    erased: u8,
}

impl Geometry {
    /// A checked geometry.
    ///
    /// `segment_size`: bytes, a multiple of max(8, `program_word`), at least [`SEGMENT_SIZE_MIN`]. `segment_count`: at least 2.
    /// `program_word`: 1, 2, 4, 8, 16 or 32 bytes. `erased`: 0x00 or 0xFF.
    ///
    /// # Errors
    ///
    /// Names the value that does not fit.
    pub const fn new(
        segment_size: u32,
        segment_count: u32,
        program_word: u32,
        erased: u8,
    ) -> Result<Self, GeometryError> {
        if !program_word.is_power_of_two() || program_word > 32 {
            return Err(GeometryError::ProgramWord);
        }
        let geometry = Self { segment_size, segment_count, program_word, erased };
        if segment_size < SEGMENT_SIZE_MIN || !segment_size.is_multiple_of(geometry.align()) {
            return Err(GeometryError::SegmentSize);
        }
        if segment_count < 2 {
            return Err(GeometryError::SegmentCount);
        }
        if erased != 0x00 && erased != 0xFF {
            return Err(GeometryError::Erased);
        }
        Ok(geometry)
    }

    /// Bytes in a segment, the unit of erase.
    #[must_use]
    pub const fn segment_size(&self) -> u32 {
        self.segment_size
    }

    /// Segments in the ring.
    #[must_use]
    pub const fn segment_count(&self) -> u32 {
        self.segment_count
    }

    /// Bytes in a program word.
    #[must_use]
    pub const fn program_word(&self) -> u32 {
        self.program_word
    }

    /// What an erased byte reads as.
    #[must_use]
    pub const fn erased(&self) -> u8 {
        self.erased
    }

    /// Frames and payloads start at multiples of this: max(8, program word).
    #[must_use]
    #[inline]
    pub const fn align(&self) -> u32 {
        if self.program_word > 8 { self.program_word } else { 8 }
    }

    /// The smallest multiple of [`align`](Self::align) that is not less than `length`; saturates at the top of `u32`.
    #[inline]
    pub(crate) const fn align_up(&self, length: u32) -> u32 {
        let mask = self.align() - 1;
        length.saturating_add(mask) & !mask
    }

    /// The slot of a generation: the remainder by the segment count.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the upper half is looked at first")]
    pub(crate) const fn slot(&self, generation: u64) -> u32 {
        let (upper, lower) = ((generation >> 32) as u32, generation as u32);
        if upper == 0 { lower % self.segment_count } else { self.slot_of_64_bits(upper, lower) }
    }

    /// The slot of a generation of more than 32 bits. Bit by bit: such generations are rare, and dividing 64 bits takes half a KiB of a small processor's flash.
    #[cold]
    #[expect(clippy::cast_possible_truncation, reason = "a remainder is less than the count")]
    const fn slot_of_64_bits(&self, upper: u32, lower: u32) -> u32 {
        let count = self.segment_count;
        let mut slot = upper % count;
        let mut bit = 32;
        while bit > 0 {
            bit -= 1;
            let doubled = (slot as u64) << 1 | (lower >> bit & 1) as u64;
            slot = if doubled >= count as u64 {
                (doubled - count as u64) as u32
            } else {
                doubled as u32
            };
        }
        slot
    }
}

/// A geometry that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GeometryError {
    /// The program word is not 1, 2, 4, 8, 16 or 32 bytes.
    ProgramWord,
    /// The segment is smaller than [`SEGMENT_SIZE_MIN`] or not a multiple of the alignment.
    SegmentSize,
    /// Fewer than two segments.
    SegmentCount,
    /// The erased value is neither 0x00 nor 0xFF.
    Erased,
}

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProgramWord => f.write_str("the program word must be 1, 2, 4, 8, 16 or 32 bytes"),
            Self::SegmentSize => write!(
                f,
                "the segment size must be at least {SEGMENT_SIZE_MIN} bytes and a multiple of max(8, program word)"
            ),
            Self::SegmentCount => f.write_str("a log needs at least two segments"),
            Self::Erased => f.write_str("the erased value must be 0x00 or 0xFF"),
        }
    }
}

impl core::error::Error for GeometryError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_of_a_generation_is_its_remainder_by_the_segment_count() {
        for count in [2, 3, 16, 1000, 0x8000_0001, u32::MAX] {
            let geometry = Geometry::new(1024, count, 4, 0xFF).unwrap();
            for generation in [
                0,
                1,
                999,
                0xFFFF_FFFF,
                0x1_0000_0000,
                0x1234_5678_9ABC_DEF1,
                u64::MAX >> 1,
                u64::MAX,
            ] {
                let remainder = generation % u64::from(count);
                assert_eq!(u64::from(geometry.slot(generation)), remainder, "{generation} {count}");
            }
        }
    }
}
