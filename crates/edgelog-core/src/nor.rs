//! What can be wrong with NOR flash as a medium, in both colours.

use crate::geometry::GeometryError;
use core::fmt;

/// Bytes that a flash may demand to be read at once.
pub(crate) const READ_SIZE_MAX: usize = 32;

/// Why a call on the flash failed. `E` is the driver's own error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NorError<E> {
    /// The driver failed.
    Flash(E),
    /// Outside of the segment: a fault of the caller.
    OutOfRange,
}

impl<E: fmt::Debug> fmt::Display for NorError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flash(error) => write!(f, "the flash driver failed: {error:?}"),
            Self::OutOfRange => f.write_str("outside of the flash medium"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for NorError<E> {}

/// A size that does not fit the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NorSizeError {
    /// The driver reads in units that are no power of two or have more than 32 bytes.
    ReadSize,
    /// The segment size is not a multiple of the flash's erase size.
    SegmentSize,
    /// The range does not begin at an erase block, is not a whole number of segments, or ends behind the flash.
    Range,
    /// The sizes make no geometry.
    Geometry(GeometryError),
}

impl fmt::Display for NorSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadSize => {
                write!(f, "the flash must read in units of a power of two, at most {READ_SIZE_MAX} bytes")
            }
            Self::SegmentSize => {
                f.write_str("the segment size must be a multiple of the flash's erase size")
            }
            Self::Range => f.write_str(
                "the range must begin at an erase block, hold whole segments and end inside of the flash",
            ),
            Self::Geometry(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for NorSizeError {}
