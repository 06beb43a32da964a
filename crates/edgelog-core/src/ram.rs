//! A medium in memory, for examples, tests, and data that need not outlive the power.

use crate::blocking::Medium;
use crate::geometry::Geometry;
use core::fmt;

/// `N` bytes of memory as a medium with NOR-like rules: erased bytes are 0xFF and a word is programmed once.
#[derive(Clone, Debug)]
pub struct RamMedium<const N: usize> {
    bytes: [u8; N],
    geometry: Geometry,
}

impl<const N: usize> RamMedium<N> {
    /// An erased medium of `N / segment_size` segments with 4-byte program words.
    ///
    /// # Panics
    ///
    /// When the sizes make no valid [`Geometry`]: a fault of the program, not of its input.
    #[must_use]
    #[expect(clippy::panic, reason = "documented: wrong constants are a fault of the program")]
    pub fn new(segment_size: u32) -> Self {
        let count = u32::try_from(N).unwrap_or(0) / segment_size.max(1);
        match Geometry::new(segment_size, count, 4, 0xFF) {
            Ok(geometry) => Self { bytes: [0xFF; N], geometry },
            Err(error) => panic!("{error}"),
        }
    }

    /// All bytes, for tests that damage them.
    pub fn bytes_mut(&mut self) -> &mut [u8; N] {
        &mut self.bytes
    }

    fn range(&mut self, slot: u32, position: u32, length: usize) -> Result<&mut [u8], RamError> {
        let start = u64::from(slot) * u64::from(self.geometry.segment_size()) + u64::from(position);
        let start = usize::try_from(start).map_err(|_| RamError::OutOfRange)?;
        let end = start.checked_add(length).ok_or(RamError::OutOfRange)?;
        self.bytes.get_mut(start..end).ok_or(RamError::OutOfRange)
    }
}

impl<const N: usize> Medium for RamMedium<N> {
    type Error = RamError;

    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn mapped(&self, slot: u32) -> Option<&[u8]> {
        let length = usize::try_from(self.geometry.segment_size()).ok()?;
        self.bytes.chunks_exact(length).nth(usize::try_from(slot).ok()?)
    }

    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), RamError> {
        bytes.copy_from_slice(self.range(slot, position, bytes.len())?);
        Ok(())
    }

    fn program(&mut self, slot: u32, position: u32, bytes: &[u8]) -> Result<(), RamError> {
        let range = self.range(slot, position, bytes.len())?;
        if range.iter().any(|&byte| byte != 0xFF) {
            return Err(RamError::ProgrammedTwice);
        }
        range.copy_from_slice(bytes);
        Ok(())
    }

    fn erase(&mut self, slot: u32) -> Result<(), RamError> {
        let size = usize::try_from(self.geometry.segment_size()).unwrap_or(usize::MAX);
        self.range(slot, 0, size)?.fill(0xFF);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), RamError> {
        Ok(())
    }
}

/// A rule of the medium was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RamError {
    /// Outside of the memory.
    OutOfRange,
    /// A word was programmed twice between two erases.
    ProgrammedTwice,
}

impl fmt::Display for RamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfRange => "outside of the memory medium",
            Self::ProgrammedTwice => "a word was programmed twice between two erases",
        })
    }
}

impl core::error::Error for RamError {}
