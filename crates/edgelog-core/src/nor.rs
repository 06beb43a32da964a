//! NOR flash behind the `embedded-storage` traits as a medium.

use crate::medium::{Geometry, GeometryError, Medium};
use core::fmt;
use core::ops::Range;
use embedded_storage::nor_flash::NorFlash;

/// Bytes that a flash may demand to be read at once.
const READ_SIZE_MAX: usize = 32;

/// A byte range of any [`NorFlash`] as a [`Medium`]: the internal flash of a microcontroller or a serial chip.
///
/// Words are programmed once between two erases, so plain `NorFlash` is enough: `MultiwriteNorFlash` is never needed. Programs
/// and erases are taken to be durable when they return, so a sync does nothing.
///
/// Power loss: a program or erase that was cut leaves the bytes it touched undefined, as `NorFlash` says; nothing else is
/// touched. What returned before stays.
///
/// ```
/// use edgelog_core::{Class, Event, Log, LogId, NorMedium};
/// # use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
/// # struct Flash([u8; 16384]);
/// # impl ErrorType for Flash {
/// #     type Error = NorFlashErrorKind;
/// # }
/// # impl ReadNorFlash for Flash {
/// #     const READ_SIZE: usize = 1;
/// #     fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
/// #         let at = offset as usize;
/// #         bytes.copy_from_slice(&self.0[at..at + bytes.len()]);
/// #         Ok(())
/// #     }
/// #     fn capacity(&self) -> usize {
/// #         self.0.len()
/// #     }
/// # }
/// # impl NorFlash for Flash {
/// #     const WRITE_SIZE: usize = 4;
/// #     const ERASE_SIZE: usize = 4096;
/// #     fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
/// #         self.0[from as usize..to as usize].fill(0xFF);
/// #         Ok(())
/// #     }
/// #     fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
/// #         self.0[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
/// #         Ok(())
/// #     }
/// # }
/// # let mut flash = Flash([0xFF; 16384]);
/// // The last three blocks of the chip are the log's, in segments of one block.
/// let medium = NorMedium::new(&mut flash, 4096..16384, 4096)?;
/// let mut log = Log::create(medium, [0u8; 512], LogId([7; 16]), 0)?;
/// let topic = log.topic("door")?;
/// log.append(&Event { topic, class: Class::Normal, key: None, payload: b"open" }, 0)?;
/// assert_eq!(log.sync()?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct NorMedium<F> {
    flash: F,
    start: u32,
    geometry: Geometry,
}

impl<F: NorFlash> NorMedium<F> {
    /// The bytes `range` of `flash` in segments of `segment_size` bytes.
    ///
    /// `range` begins at a multiple of `F::ERASE_SIZE` and holds at least two whole segments and nothing else; `segment_size`
    /// is a multiple of `F::ERASE_SIZE`. The program word is `F::WRITE_SIZE`. Reads and writes nothing.
    ///
    /// # Errors
    ///
    /// [`NorSizeError`] names the size that does not fit; the flash is dropped (hand in a `&mut` to keep it).
    pub fn new(flash: F, range: Range<u32>, segment_size: u32) -> Result<Self, NorSizeError> {
        if F::READ_SIZE == 0 || F::READ_SIZE > READ_SIZE_MAX || !F::READ_SIZE.is_power_of_two() {
            return Err(NorSizeError::ReadSize);
        }
        let end = usize::try_from(range.end).map_err(|_| NorSizeError::Range)?;
        let length = range.end.checked_sub(range.start).ok_or(NorSizeError::Range)?;
        let erase = u32::try_from(F::ERASE_SIZE).unwrap_or(0);
        if erase == 0 || segment_size == 0 || !segment_size.is_multiple_of(erase) {
            return Err(NorSizeError::SegmentSize);
        }
        let whole = range.start.is_multiple_of(erase) && length.is_multiple_of(segment_size);
        if end > flash.capacity() || !whole {
            return Err(NorSizeError::Range);
        }
        let word = u32::try_from(F::WRITE_SIZE).unwrap_or(u32::MAX);
        let geometry = Geometry::new(segment_size, length / segment_size, word, 0xFF)
            .map_err(NorSizeError::Geometry)?;
        Ok(Self { flash, start: range.start, geometry })
    }

    /// The flash, for its own figures.
    pub const fn flash(&self) -> &F {
        &self.flash
    }

    /// Gives the flash back.
    pub fn into_inner(self) -> F {
        self.flash
    }

    /// The address of `length` bytes, if the segment has them.
    fn address(&self, slot: u32, position: u32, length: usize) -> Result<u32, NorError<F::Error>> {
        let size = self.geometry.segment_size();
        let length = u32::try_from(length).map_err(|_| NorError::OutOfRange)?;
        let end = position.checked_add(length).ok_or(NorError::OutOfRange)?;
        if slot >= self.geometry.segment_count() || end > size {
            return Err(NorError::OutOfRange);
        }
        // Inside of the range, whose end is a `u32`.
        Ok(self.start + slot * size + position)
    }

    /// Reads through a small buffer what is not a whole number of the flash's read units.
    fn read_unaligned(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), F::Error> {
        let mut unit = Unit([0; READ_SIZE_MAX]);
        let mut address = address;
        let mut rest = bytes;
        while !rest.is_empty() {
            let size = u32::try_from(F::READ_SIZE).unwrap_or(1);
            let skipped = address % size;
            let whole = rest.len() / F::READ_SIZE * F::READ_SIZE;
            let taken = if skipped == 0 && whole > 0 {
                let (head, _) = rest.split_at_mut(whole);
                self.flash.read(address, head)?;
                whole
            } else {
                let (unit, _) = unit.0.split_at_mut(F::READ_SIZE);
                self.flash.read(address - skipped, unit)?;
                let from = unit.iter().skip(usize::try_from(skipped).unwrap_or(0));
                let pairs = rest.iter_mut().zip(from);
                pairs.map(|(to, from)| *to = *from).count()
            };
            address += u32::try_from(taken).unwrap_or(0);
            rest = rest.split_at_mut(taken).1;
        }
        Ok(())
    }
}

/// Aligned, because some drivers read by DMA.
#[repr(align(8))]
struct Unit([u8; READ_SIZE_MAX]);

impl<F: NorFlash> Medium for NorMedium<F>
where
    F::Error: 'static,
{
    type Error = NorError<F::Error>;

    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        let address = self.address(slot, position, bytes.len())?;
        if F::READ_SIZE == 1 {
            return self.flash.read(address, bytes).map_err(NorError::Flash);
        }
        self.read_unaligned(address, bytes).map_err(NorError::Flash)
    }

    fn program(&mut self, slot: u32, position: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        let address = self.address(slot, position, bytes.len())?;
        self.flash.write(address, bytes).map_err(NorError::Flash)
    }

    fn erase(&mut self, slot: u32) -> Result<(), Self::Error> {
        let from = self.address(slot, 0, 0)?;
        self.flash.erase(from, from + self.geometry.segment_size()).map_err(NorError::Flash)
    }

    fn sync(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_storage::nor_flash::{
        ErrorType, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
    };

    /// A flash that refuses what is not aligned.
    struct Flash<const READ: usize, const WRITE: usize>([u8; 8192]);

    impl<const READ: usize, const WRITE: usize> ErrorType for Flash<READ, WRITE> {
        type Error = NorFlashErrorKind;
    }

    impl<const READ: usize, const WRITE: usize> ReadNorFlash for Flash<READ, WRITE> {
        const READ_SIZE: usize = READ;

        fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
            check_read(self, offset, bytes.len())?;
            bytes.copy_from_slice(&self.0[offset as usize..offset as usize + bytes.len()]);
            Ok(())
        }

        fn capacity(&self) -> usize {
            self.0.len()
        }
    }

    impl<const READ: usize, const WRITE: usize> NorFlash for Flash<READ, WRITE> {
        const WRITE_SIZE: usize = WRITE;
        const ERASE_SIZE: usize = 512;

        fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
            check_erase(self, from, to)?;
            self.0[from as usize..to as usize].fill(0xFF);
            Ok(())
        }

        fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
            check_write(self, offset, bytes.len())?;
            self.0[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
            Ok(())
        }
    }

    const fn flash<const READ: usize, const WRITE: usize>() -> Flash<READ, WRITE> {
        Flash([0; 8192])
    }

    #[test]
    fn every_range_reads_the_same_whatever_the_read_unit_is() {
        fn holds<const READ: usize>() {
            let mut flash = flash::<READ, 4>();
            for (place, byte) in flash.0.iter_mut().enumerate() {
                *byte = (place * 7 % 251).to_le_bytes()[0];
            }
            let bytes = flash.0;
            let mut medium = NorMedium::new(flash, 512..8192 - 512, 1024).unwrap();
            for position in 0..70 {
                for length in 0..140 {
                    let mut read = [0; 140];
                    medium.read(1, position, &mut read[..length]).unwrap();
                    let from = 512 + 1024 + position as usize;
                    assert_eq!(read[..length], bytes[from..from + length], "{READ}: {position}");
                }
            }
            let mut last = [0; 5];
            medium.read(6, 1019, &mut last).unwrap();
            assert_eq!(last, bytes[512 + 7 * 1024 - 5..512 + 7 * 1024]);
        }
        holds::<1>();
        holds::<2>();
        holds::<4>();
        holds::<8>();
        holds::<32>();
    }

    #[test]
    fn a_segment_is_its_own_bytes_of_the_range_and_nothing_else_is_touched() {
        let mut flash = flash::<4, 8>();
        let mut medium = NorMedium::new(&mut flash, 1024..5120, 1024).unwrap();
        assert_eq!(medium.geometry(), Geometry::new(1024, 4, 8, 0xFF).unwrap());
        medium.erase(1).unwrap();
        medium.program(1, 1016, &[1; 8]).unwrap();
        medium.sync().unwrap();
        assert_eq!(medium.program(1, 1020, &[1; 8]), Err(NorError::OutOfRange));
        assert_eq!(medium.read(4, 0, &mut [0]), Err(NorError::OutOfRange));
        assert_eq!(medium.erase(4), Err(NorError::OutOfRange));
        let refused = NorError::Flash(NorFlashErrorKind::NotAligned);
        assert_eq!(medium.program(1, 4, &[1; 8]), Err(refused));
        let mut wanted = [0; 8192];
        wanted[2048..3072 - 8].fill(0xFF);
        wanted[3072 - 8..3072].fill(1);
        assert!(flash.0 == wanted);
    }

    #[test]
    fn sizes_that_do_not_fit_the_flash_are_named() {
        let new = |range, segment| NorMedium::new(flash::<4, 4>(), range, segment).map(|_| ());
        assert_eq!(new(0..8192, 1024), Ok(()));
        assert_eq!(new(0..8192, 1000), Err(NorSizeError::SegmentSize));
        assert_eq!(new(0..8192, 0), Err(NorSizeError::SegmentSize));
        assert_eq!(new(256..8192, 1024), Err(NorSizeError::Range));
        assert_eq!(new(0..8192 + 1024, 1024), Err(NorSizeError::Range));
        assert_eq!(new(0..7680, 1024), Err(NorSizeError::Range));
        #[expect(clippy::reversed_empty_ranges, reason = "a mistake that callers make")]
        let reversed = 2048..1024;
        assert_eq!(new(reversed, 1024), Err(NorSizeError::Range));
        let geometry = |error| Err(NorSizeError::Geometry(error));
        assert_eq!(new(0..8192, 512), geometry(GeometryError::SegmentSize));
        assert_eq!(new(0..1024, 1024), geometry(GeometryError::SegmentCount));
        let word = NorMedium::new(flash::<4, 64>(), 0..8192, 1024).map(|_| ());
        assert_eq!(word, geometry(GeometryError::ProgramWord));
        let unit = NorMedium::new(flash::<64, 64>(), 0..8192, 1024).map(|_| ());
        assert_eq!(unit, Err(NorSizeError::ReadSize));
    }
}
