//! What segments live on.

use core::fmt;

/// The smallest segment. It holds a header and some records; topics and cursors are refused before their snapshot would leave no room.
pub const SEGMENT_SIZE_MIN: u32 = 1024;

/// A device that holds segments. The engine's only way to bytes.
///
/// # For those who implement it
///
/// - Reading a range that was erased and not programmed since gives the erased value.
/// - [`program`](Self::program) is called with positions and lengths that are multiples of the program word, and never twice for a word between two erases.
/// - Reads and programs never cross the end of a segment.
///
/// # For those who use it
///
/// After a power cut, only what a returned [`sync`](Self::sync) covered may be relied upon.
pub trait Medium {
    /// What can go wrong on the device.
    type Error: core::error::Error + 'static;

    /// Sizes, fixed for the lifetime of the value.
    fn geometry(&self) -> Geometry;

    /// Fills `bytes` from `position` of segment `slot`.
    ///
    /// Power loss: changes nothing on the medium.
    ///
    /// # Errors
    ///
    /// The device could not read. The engine returns the error and keeps its state.
    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), Self::Error>;

    /// Programs `bytes` at `position` of segment `slot`.
    ///
    /// Power loss: until the next `sync` has returned, the bytes of this range are undefined after a cut. Others are not touched.
    ///
    /// # Errors
    ///
    /// The device could not program; the range is undefined. The engine then refuses further appends until the log is mounted again.
    fn program(&mut self, slot: u32, position: u32, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Makes the whole segment `slot` read as the erased value.
    ///
    /// Power loss: the segment is undefined after a cut. The engine never erases a segment with records that a cursor still needs,
    /// as the cursor stands in memory; a commit that found no room on the medium may be lost by the cut, the records were done.
    ///
    /// # Errors
    ///
    /// The device could not erase (on files: no space, no permission). Nothing that the log needs was touched; the caller may try again.
    fn erase(&mut self, slot: u32) -> Result<(), Self::Error>;

    /// Says that segment `slot` may hold bytes that an owner before this one programmed and did not sync: the next `sync` must
    /// cover them. Media whose programs are durable at once need not care.
    fn adopt(&mut self, slot: u32) {
        let _ = slot;
    }

    /// Returns when everything programmed and erased so far survives a power cut.
    ///
    /// # Errors
    ///
    /// What is durable is unknown beyond the last successful sync. The engine then refuses further appends until the log is mounted again.
    fn sync(&mut self) -> Result<(), Self::Error>;
}

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
    pub const fn align(&self) -> u32 {
        if self.program_word > 8 { self.program_word } else { 8 }
    }

    /// The smallest multiple of [`align`](Self::align) that is not less than `length`; saturates at the top of `u32`.
    pub(crate) const fn align_up(&self, length: u32) -> u32 {
        let mask = self.align() - 1;
        length.saturating_add(mask) & !mask
    }

    /// The slot of a generation.
    #[expect(clippy::cast_possible_truncation, reason = "a remainder by a u32 fits a u32")]
    pub(crate) const fn slot(&self, generation: u64) -> u32 {
        (generation % self.segment_count as u64) as u32
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
